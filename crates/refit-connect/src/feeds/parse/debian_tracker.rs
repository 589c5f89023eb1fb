//! The Debian security tracker's `data/json`: source package, CVE, release, status.
//!
//! Its quirks: `fixed_version: "0"` is: this release was never affected; urgency `unimportant` is: no security problem of
//! the package; urgency `end-of-life` and a `nodsa` say why an open one has no fix; a release that is not mentioned does not
//! have the package. It has no dates; ids are no dates either, since a CVE is often reserved long before it is known.

use super::{Gathering, ParseError};
use crate::feeds::{
    space::EcosystemName,
    statement::{Bounds, End, Statement, Verdict, WhyOpen},
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, MapAccess, Visitor},
};
use smol_str::SmolStr;
use std::{collections::BTreeMap, fmt, io::Read};

#[derive(Deserialize)]
struct Vulnerability {
    #[serde(default)]
    releases: BTreeMap<String, Release>,
}

#[derive(Deserialize)]
struct Release {
    status: String,
    fixed_version: Option<String>,
    urgency: Option<String>,
    nodsa: Option<String>,
    nodsa_reason: Option<String>,
}

pub(super) fn parse(text: impl Read, gathering: &mut Gathering) -> Result<(), ParseError> {
    let mut json = serde_json::Deserializer::from_reader(text);
    json.deserialize_map(Packages(gathering))?;
    Ok(json.end()?)
}

/// Reads package after package, so that a file of many megabytes is never in memory as a whole.
struct Packages<'a>(&'a mut Gathering);

impl<'de> Visitor<'de> for Packages<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of source packages")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut packages: A) -> Result<(), A::Error> {
        while let Some(package) = packages.next_key::<String>()? {
            packages.next_value_seed(Vulnerabilities { gathering: self.0, package: &package })?;
        }
        Ok(())
    }
}

/// Reads the vulnerabilities of one package.
struct Vulnerabilities<'a> {
    gathering: &'a mut Gathering,
    package: &'a str,
}

impl<'de> DeserializeSeed<'de> for Vulnerabilities<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Vulnerabilities<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of vulnerabilities")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut vulnerabilities: A) -> Result<(), A::Error> {
        while let Some((id, vulnerability)) = vulnerabilities.next_entry::<String, Vulnerability>()? {
            state(self.gathering, self.package, &id, &vulnerability);
        }
        Ok(())
    }
}

fn state(gathering: &mut Gathering, package: &str, id: &str, vulnerability: &Vulnerability) {
    for (codename, release) in &vulnerability.releases {
        let Some(verdict) = verdict(release) else {
            gathering.skip(|| format!("{package} {id} {codename}: status `{}`", release.status));
            return;
        };
        let statement = Statement {
            ids: vec![SmolStr::from(id)],
            verdict,
            unimportant: release.urgency.as_deref() == Some("unimportant"),
            withdrawn: None,
            module: None,
        };
        gathering.gathered.state(&EcosystemName::debian(codename), package, &statement);
    }
    gathering.gathered.undated.insert(id.into());
    gathering.gathered.records += 1;
}

/// What the tracker says of one release; `None` for a status that this version of Refit does not know.
fn verdict(release: &Release) -> Option<Verdict<SmolStr>> {
    let fixed = release.fixed_version.as_deref().filter(|version| !version.is_empty());
    Some(match (release.status.as_str(), fixed) {
        ("resolved" | "open", Some("0")) | ("not-affected", _) => Verdict::NotAffected,
        ("resolved" | "open", Some(fixed)) => {
            Verdict::Affected(vec![Bounds { introduced: None, end: End::Fixed(fixed.into()) }])
        }
        ("undetermined", _) | ("resolved", None) => Verdict::Undetermined,
        ("end-of-life", None) => Verdict::Open(WhyOpen::EndOfLife),
        ("open", None) => Verdict::Open(why_open(release)),
        _ => return None,
    })
}

fn why_open(release: &Release) -> WhyOpen {
    if release.urgency.as_deref() == Some("end-of-life") {
        return WhyOpen::EndOfLife;
    }
    match (release.nodsa_reason.as_deref(), release.nodsa.as_deref()) {
        (Some("ignored"), _) => WhyOpen::Ignored,
        (Some("postponed"), _) => WhyOpen::Postponed,
        (Some("end-of-life"), _) => WhyOpen::EndOfLife,
        (Some(_), _) | (None, Some(_)) => WhyOpen::Minor,
        (None, None) => WhyOpen::NoFixYet,
    }
}
