//! What the machine's own sources offer, as apt sees it: versions, priorities, origins, and the version that apt would
//! choose. Pins are apt's affair: nothing here decides anything, it only says what apt decided and why that may surprise.

use super::{
    inventory::{Inventory, apt_name},
    sources::{Source, sources},
};
use crate::providers::command::{CommandError, ask};
use jiff::Timestamp;
use refit_model::{Scheme, TitleId, Version};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// How many names one call of `apt-cache policy` is given, which keeps the command line below the system's limit.
const NAMES_PER_CALL: usize = 4000;

/// What can be had on this machine.
#[derive(Clone, Debug, Serialize)]
pub struct Offers {
    /// Where packages come from.
    pub sources: Vec<Source>,
    /// For each package, what there is of it. A package that apt does not know at all is not in here.
    pub packages: BTreeMap<TitleId, PackageOffers>,
}

/// What the sources offer of one package.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PackageOffers {
    /// The version that apt believes to be installed.
    pub installed: Option<Version>,
    /// The version that apt would install now, after all pins: its own answer. `None` where no version may be installed.
    pub candidate: Option<Version>,
    /// The version to which a preference for this very package points, as apt prints it.
    pub pin: Option<String>,
    /// All versions that apt knows, in its order: the newest first.
    pub versions: Vec<OfferedVersion>,
}

/// One version of a package.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OfferedVersion {
    /// The version.
    pub version: Version,
    /// apt's priority for it; below 0 it is never installed.
    pub priority: i32,
    /// The share of machines to which a phased update is open, in percent; `None` where it is not phased.
    pub phased_percent: Option<u8>,
    /// Where it can be had: positions in [`Offers::sources`]. Empty where it is only installed.
    pub sources: Vec<usize>,
    /// Whether a distribution's security archive carries it.
    pub security: bool,
}

/// Why apt passes over a newer version than the one it would install.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum PassedOver {
    /// A preference forbids the version: its priority is below 0.
    Forbidden {
        /// The version passed over.
        version: Version,
        /// Its priority.
        priority: i32,
    },
    /// Another version has a higher priority, by a pin or because the source asks not to be used by itself (backports).
    Outranked {
        /// The version passed over.
        version: Version,
        /// Its priority.
        priority: i32,
        /// The candidate's priority.
        by: i32,
    },
    /// The distribution hands the version out by and by, and this machine's turn has not come.
    Phased {
        /// The version passed over.
        version: Version,
        /// The share of machines whose turn has come.
        percent: u8,
    },
}

impl std::fmt::Display for PassedOver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            PassedOver::Forbidden { version, priority } => {
                write!(f, "{version} is forbidden by an apt preference (priority {priority})")
            }
            PassedOver::Outranked { version, priority, by } => {
                write!(f, "{version} has priority {priority}, and apt prefers the candidate's priority {by}")
            }
            PassedOver::Phased { version, percent } => {
                write!(f, "{version} is being phased in ({percent}% of machines), and this machine's turn has not come")
            }
        }
    }
}

impl PackageOffers {
    /// The offer of a version; `None` where apt does not know it.
    pub fn version(&self, version: &Version) -> Option<&OfferedVersion> {
        self.versions.iter().find(|offered| offered.version == *version)
    }

    /// The newest version that a source offers although apt would not install it, being newer than apt's candidate (or
    /// there being none), with the reason.
    pub fn passed_over(&self) -> Option<PassedOver> {
        let newest = self.versions.iter().filter(|o| !o.sources.is_empty()).max_by(|a, b| a.version.cmp(&b.version))?;
        if self.candidate.as_ref().is_some_and(|candidate| newest.version <= *candidate) {
            return None;
        }
        let (version, priority) = (newest.version.clone(), newest.priority);
        let by = self.candidate.as_ref().and_then(|candidate| self.version(candidate)).map_or(0, |o| o.priority);
        Some(match newest.phased_percent {
            _ if priority < 0 => PassedOver::Forbidden { version, priority },
            Some(percent) if priority < by => PassedOver::Phased { version, percent },
            _ => PassedOver::Outranked { version, priority, by },
        })
    }
}

/// Asks apt what there is of every package in the inventory that is present, and of `wanted` besides. `now` decides
/// which sources have expired.
pub fn offers(inventory: &Inventory, wanted: &[TitleId], now: Timestamp) -> Result<Offers, CommandError> {
    let titles: BTreeSet<&TitleId> =
        inventory.present().map(|package| &package.title).chain(of_manager(wanted)).collect();
    let Offers { sources, packages } = offers_of(inventory, titles, now)?;
    for package in inventory.present() {
        if !packages.contains_key(&package.title) {
            return Err(CommandError::unexpected(
                "apt-cache policy",
                "an installed package is missing from the answer",
                package.title.as_str(),
            ));
        }
    }
    Ok(Offers { sources, packages })
}

/// The packages that are dpkg's.
fn of_manager(wanted: &[TitleId]) -> impl Iterator<Item = &TitleId> {
    wanted.iter().filter(|title| title.package().is_some_and(|(namespace, _)| namespace == "deb"))
}

/// Asks apt what there is of these packages.
pub(super) fn offers_of<'a>(
    inventory: &Inventory,
    titles: impl IntoIterator<Item = &'a TitleId>,
    now: Timestamp,
) -> Result<Offers, CommandError> {
    let names: Vec<&str> = titles.into_iter().map(apt_name).collect();
    let sources = sources(now)?;
    let mut packages = BTreeMap::new();
    for names in names.chunks(NAMES_PER_CALL) {
        // `--` ends the options: a name is never read as one.
        let args: Vec<&str> = ["policy", "--"].into_iter().chain(names.iter().copied()).collect();
        packages.extend(parse(inventory, &sources, &ask("apt-cache", &args)?.success()?)?);
    }
    Ok(Offers { sources, packages })
}

fn parse(
    inventory: &Inventory,
    sources: &[Source],
    text: &str,
) -> Result<BTreeMap<TitleId, PackageOffers>, CommandError> {
    let by_description: BTreeMap<&str, usize> =
        sources.iter().enumerate().map(|(position, source)| (source.description.as_str(), position)).collect();
    let mut packages = BTreeMap::new();
    let mut current: Option<(TitleId, PackageOffers)> = None;
    for line in text.lines() {
        let odd = |why: &str| CommandError::unexpected("apt-cache policy", why, line);
        let version = |text: &str| match text {
            "(none)" => Ok(None),
            text => Version::parse(Scheme::Dpkg, text).map(Some).map_err(|error| odd(&error.why)),
        };
        if let Some(name) = line.strip_suffix(':').filter(|_| !line.starts_with(' ')) {
            packages.extend(current.take());
            let blank = PackageOffers { installed: None, candidate: None, pin: None, versions: Vec::new() };
            current = Some((inventory.title(name), blank));
            continue;
        }
        let Some((_, offers)) = current.as_mut() else { return Err(odd("expected the name of a package")) };
        if let Some(text) = line.strip_prefix("  Installed: ") {
            offers.installed = version(text)?;
        } else if let Some(text) = line.strip_prefix("  Candidate: ") {
            offers.candidate = version(text)?;
        } else if let Some(text) = line.strip_prefix("  Package pin: ") {
            offers.pin = (text != "(not found)").then(|| text.to_owned());
        } else if line == "  Version table:" {
        } else if let Some(text) = line.strip_prefix(" *** ").or_else(|| single_indent(line)) {
            offers.versions.push(parse_version(text).ok_or_else(|| odd("expected a version and its priority"))?);
        } else if let Some((_, description)) =
            line.strip_prefix("     ").and_then(|text| text.trim_start().split_once(' '))
        {
            let offered = offers.versions.last_mut().ok_or_else(|| odd("expected a version before its sources"))?;
            // What is not a source is dpkg's own status file, or a package file given by its path.
            if let Some(&position) = by_description.get(description.trim_start()) {
                offered.sources.push(position);
                offered.security |= sources.get(position).is_some_and(|source| source.security);
            }
        } else {
            return Err(odd("unknown line"));
        }
    }
    packages.extend(current);
    Ok(packages)
}

/// The text of a line that names a version which is not installed: five blanks, no more.
fn single_indent(line: &str) -> Option<&str> {
    line.strip_prefix("     ").filter(|text| !text.starts_with(' '))
}

/// `1.2-3 500`, or `1.2-3 500 (phased 20%)`.
fn parse_version(text: &str) -> Option<OfferedVersion> {
    let mut words = text.split(' ');
    let version = Version::parse(Scheme::Dpkg, words.next()?).ok()?;
    let priority = words.next()?.parse().ok()?;
    let phased_percent = match words.next() {
        None => None,
        Some("(phased") => Some(words.next()?.strip_suffix("%)")?.parse().ok()?),
        Some(_) => return None,
    };
    Some(OfferedVersion { version, priority, phased_percent, sources: Vec::new(), security: false })
}

#[cfg(test)]
#[path = "offers_tests.rs"]
mod tests;
