//! The package sources that are configured, and how well what is stored of each can be trusted.
//!
//! apt lists its index files itself (`apt-get indextargets`); the dates are in the Release file that it keeps beside them.

use super::stanzas::{Stanza, stanzas};
use crate::providers::{
    available::SourceHealth,
    command::{CommandError, ask},
};
use jiff::{Timestamp, fmt::rfc2822::DateTimeParser};
use serde::Serialize;
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
    path::Path,
};

/// One component of one suite at one site.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Source {
    /// As apt prints it: `http://deb.debian.example/debian bookworm/main amd64 Packages`.
    pub description: String,
    /// The address of the archive.
    pub site: String,
    /// Who publishes it: `Debian`.
    pub origin: Option<SmolStr>,
    /// What its publisher calls it: `Debian-Security`.
    pub label: Option<SmolStr>,
    /// `oldstable-security`.
    pub suite: Option<SmolStr>,
    /// `bookworm-security`.
    pub codename: Option<SmolStr>,
    /// `main`.
    pub component: Option<SmolStr>,
    /// Whether it is a distribution's security archive.
    pub security: bool,
    /// When its publisher last signed it; `None` where nothing of it is stored, or it does not say.
    pub date: Option<Timestamp>,
    /// Until when what is stored may be used; `None` where the publisher sets no limit.
    pub valid_until: Option<Timestamp>,
    /// File and line (or number of the stanza) where it is configured.
    pub configured_in: String,
    /// The file that carries the signature of what is stored; `None` where nothing is.
    #[serde(skip)]
    pub(super) signed_file: Option<String>,
    /// How well what is stored can be trusted.
    pub health: SourceHealth,
}

/// All configured sources of binary packages, sorted by their description; `now` decides what has expired.
pub fn sources(now: Timestamp) -> Result<Vec<Source>, CommandError> {
    let stored = ask("apt-get", &["indextargets", "Created-By: Packages"])?.success()?;
    let configured = ask("apt-get", &["indextargets", "--no-release-info", "Created-By: Packages"])?.success()?;
    parse(&stored, &configured, now, &release_head)
}

/// The fields at the head of a Release file, which tell its age.
fn release_head(path: &Path) -> Option<String> {
    // The checksums that follow may be many; all the fields come before them.
    const HEAD: u64 = 16 * 1024;
    let mut text = Vec::new();
    std::fs::File::open(path).ok()?.take(HEAD).read_to_end(&mut text).ok()?;
    Some(String::from_utf8_lossy(&text).into_owned())
}

/// `read` returns the head of a Release file, or `None` where there is none.
fn parse(
    stored: &str,
    configured: &str,
    now: Timestamp,
    read: &dyn Fn(&Path) -> Option<String>,
) -> Result<Vec<Source>, CommandError> {
    let mut found = BTreeMap::new();
    for stanza in stanzas(stored) {
        let source = stored_source(&stanza, now, read)?;
        found.insert(source.description.clone(), source);
    }
    let mut suites: BTreeSet<String> = found.values().map(|source| suite_of(&source.description)).collect();
    for stanza in stanzas(configured) {
        let source = bare_source(&stanza)?;
        // A suite publishes packages of architecture `all` with the others as a rule: that list is missing by design. Nor
        // does apt store a list that is empty: then there is only the Release file that announces it.
        if suites.insert(suite_of(&source.description)) && !is_announced(&stanza, &source, read) {
            found.insert(source.description.clone(), source);
        }
    }
    Ok(found.into_values().collect())
}

/// Address, suite and component, without the architecture.
fn suite_of(description: &str) -> String {
    description.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

fn bare_source(stanza: &Stanza) -> Result<Source, CommandError> {
    let field = |name: &str| {
        stanza.get(name).ok_or_else(|| {
            CommandError::unexpected("apt-get indextargets", format!("no field {name}"), format!("{stanza:?}"))
        })
    };
    let name = |name: &str| stanza.get(name).map(SmolStr::new);
    let (label, suite, codename) = (name("Label"), name("Suite"), name("Codename"));
    Ok(Source {
        description: field("Description")?.to_owned(),
        site: stanza.get("Site").or(stanza.get("Repo-URI")).unwrap_or_default().to_owned(),
        origin: name("Origin"),
        security: is_security(label.as_deref(), suite.as_deref(), codename.as_deref()),
        label,
        suite,
        codename,
        component: name("Component"),
        date: None,
        valid_until: None,
        configured_in: stanza.get("Sourcesentry").unwrap_or_default().to_owned(),
        signed_file: signed_file(stanza),
        health: SourceHealth::Missing,
    })
}

fn stored_source(
    stanza: &Stanza,
    now: Timestamp,
    read: &dyn Fn(&Path) -> Option<String>,
) -> Result<Source, CommandError> {
    let mut source = bare_source(stanza)?;
    if let Some(head) = release_of(stanza, read) {
        let fields = stanzas(&head);
        let date = |name: &str| fields.iter().find_map(|stanza| stanza.get(name)).and_then(parse_date);
        source.date = date("Date");
        source.valid_until = date("Valid-Until");
    }
    source.health = match () {
        () if stanza.get("Trusted") != Some("yes") => SourceHealth::Unsigned,
        () if source.valid_until.is_some_and(|until| until < now) => SourceHealth::Expired,
        () => SourceHealth::Good,
    };
    Ok(source)
}

/// Whether the Release file of a list that is not stored says that there is such a list.
fn is_announced(stanza: &Stanza, source: &Source, read: &dyn Fn(&Path) -> Option<String>) -> bool {
    let Some(head) = release_of(stanza, read) else { return false };
    // An archive without components has one list.
    let Some(component) = source.component.as_deref() else { return true };
    let components = stanzas(&head).iter().find_map(|fields| fields.get("Components").map(str::to_owned));
    components
        .is_some_and(|known| known.split(' ').any(|known| known.rsplit('/').next() == component.rsplit('/').next()))
}

/// The file with the signature: `InRelease` has both, of `Release` it lies beside.
fn signed_file(stanza: &Stanza) -> Option<String> {
    let folder = suite_path(stanza)?;
    ["InRelease", "Release.gpg"].iter().map(|name| format!("{folder}{name}")).find(|path| Path::new(path).exists())
}

/// What the names of all files of a suite begin with in apt's folder.
fn suite_path(stanza: &Stanza) -> Option<&str> {
    let file = stanza.get("Filename")?;
    let index = stanza.get("MetaKey")?.replace('/', "_");
    file.get(..file.rfind(&index)?)
}

/// The Release file from which apt knows an index: it lies beside the index, under the name of the suite's folder.
fn release_of(stanza: &Stanza, read: &dyn Fn(&Path) -> Option<String>) -> Option<String> {
    let folder = suite_path(stanza)?;
    ["InRelease", "Release"].iter().find_map(|name| read(Path::new(&format!("{folder}{name}"))))
}

/// Debian's security archive says so in its label, Ubuntu's in its suite.
pub(super) fn is_security(label: Option<&str>, suite: Option<&str>, codename: Option<&str>) -> bool {
    label.is_some_and(|label| label == "Debian-Security" || label == "DebianSecurity")
        || (label == Some("Ubuntu") && suite.or(codename).is_some_and(|suite| suite.ends_with("-security")))
        || label.is_some_and(|label| label.starts_with("UbuntuESM"))
}

/// A date as Release files write it: RFC 2822, mostly with `UTC` for the zone, which that standard lacks.
fn parse_date(text: &str) -> Option<Timestamp> {
    static PARSER: DateTimeParser = DateTimeParser::new();
    let text = text.replace("UTC", "+0000").replace(" Z", " +0000");
    PARSER.parse_timestamp(&text).ok()
}

#[cfg(test)]
#[path = "sources_tests.rs"]
mod tests;
