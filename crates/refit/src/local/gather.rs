//! What this machine says of itself: its packages, what its sources offer, and the advisories for them.

use crate::terminal;
use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use refit_agent::providers::apt::{self, Inventory, Machine, Offers, Package, PackageOffers, SourceHealth};
use refit_connect::feeds::{Build, FeedKind, FeedStore, InstalledPackage, MatchReport, Note, Origin, Universe};
use refit_model::TitleId;
use std::{collections::BTreeSet, path::Path};

/// What this machine says of itself.
pub struct Gathered {
    pub machine: Machine,
    pub inventory: Inventory,
    pub offers: Offers,
    pub report: MatchReport,
    /// What limits the answer, in words.
    pub notes: Vec<String>,
}

/// Asks the machine; `wanted` are titles that policies require and that may not be installed.
pub fn gather(data: &Path, wanted: &[TitleId], now: Timestamp) -> Result<Gathered> {
    let bar = terminal::spinner("reading this machine's packages");
    let machine = apt::machine().context("this machine can't be read; Refit plans for Debian and Ubuntu machines")?;
    let inventory = apt::inventory().context("the installed packages can't be read")?;
    if !inventory.unreadable.is_empty() {
        bail!(
            "dpkg lists packages whose version is none, and a plan from half of an inventory is no plan: {}",
            inventory.unreadable.join("; ")
        );
    }
    bar.set_message("asking what its package sources offer");
    let offers = apt::offers(&inventory, wanted, now).context("the package sources can't be read")?;
    bar.set_message("matching advisories");
    let universe = Universe {
        distribution: machine.os.clone(),
        codename: machine.os_codename.clone().unwrap_or_default(),
        version: machine.os_version.clone().unwrap_or_default(),
    };
    let packages: Vec<InstalledPackage> =
        inventory.present().filter_map(|package| installed(package, &offers)).collect();
    let report = FeedStore::open(data).match_packages(&universe, &packages, now);
    bar.finish_and_clear();
    let notes = notes(&inventory, &offers, &report, &universe);
    Ok(Gathered { machine, inventory, offers, report, notes })
}

/// A package as matching asks for it.
fn installed(package: &Package, offers: &Offers) -> Option<InstalledPackage> {
    let version = package.version.as_ref()?;
    let source_version = package.source_version.as_ref().unwrap_or(version);
    let mut installed = InstalledPackage::new(&package.name, version.as_str(), &package.architecture)
        .built_from(&package.source, source_version.as_str());
    if let Some(offered) = offers.packages.get(&package.title) {
        installed.origin = origin(package, offered, offers);
        // Binary and source count alike where the installed ones do; where they do not, nothing is assumed.
        if version == source_version {
            installed.offered = offered
                .versions
                .iter()
                .map(|offered| Build {
                    version: offered.version.as_str().into(),
                    source_version: offered.version.as_str().into(),
                })
                .collect();
        }
    } else {
        installed.origin = Origin::Unknown;
    }
    Some(installed)
}

/// Where an installed package came from: the sources that offer its version, or else those that offer any.
fn origin(package: &Package, offered: &PackageOffers, offers: &Offers) -> Origin {
    let version = package.version.as_ref();
    let of_version = offered.versions.iter().filter(|known| Some(&known.version) == version);
    let of_any = offered.versions.iter();
    let sources: BTreeSet<usize> = of_version.flat_map(|known| &known.sources).copied().collect();
    let sources = if sources.is_empty() { of_any.flat_map(|known| &known.sources).copied().collect() } else { sources };
    let mut names = sources
        .iter()
        .filter_map(|index| offers.sources.get(*index))
        .map(|source| source.origin.clone().unwrap_or_else(|| source.site.as_str().into()));
    match names.next() {
        None => Origin::Unknown,
        Some(first) if is_distribution(&first) || names.any(|name| is_distribution(&name)) => Origin::Distribution,
        Some(first) => Origin::ThirdParty(first),
    }
}

fn is_distribution(origin: &str) -> bool {
    ["Debian", "Ubuntu"].contains(&origin)
}

/// Whether what is known of this machine's packages may come from a feed: those that it needs, and others that speak of its
/// distribution.
fn concerns(feed: &str, universe: &Universe) -> bool {
    let needed = FeedKind::for_universe(universe);
    needed.iter().any(|kind| kind.name() == feed) || feed.split('-').any(|word| word == universe.distribution)
}

fn notes(inventory: &Inventory, offers: &Offers, report: &MatchReport, universe: &Universe) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    for package in inventory.unfinished() {
        notes.push(format!(
            "{} is {}: dpkg was interrupted, or a script of it failed. With the next change Refit configures it first; \
             to do that now, or to see what its script complains about, run `dpkg --configure -a`",
            package.title,
            package.status.name()
        ));
    }
    for source in &offers.sources {
        let what = match source.health {
            SourceHealth::Good => continue,
            SourceHealth::Missing => "nothing of it is stored: run `apt-get update`, or remove it",
            SourceHealth::Unsigned => "it is not signed by a key that this machine trusts: nothing is taken from it",
            SourceHealth::Expired => {
                "what is stored of it has expired, and nothing is taken from it: run `apt-get update`; if that does not help, the mirror has stopped"
            }
        };
        notes.push(format!("package source {} ({}): {what}", source.description, source.configured_in));
    }
    if !offers.sources.is_empty() && offers.sources.iter().all(|source| source.health != SourceHealth::Good) {
        notes.push(
            "no package source can be used now: whether newer versions are out is not known, and what counts as compliant \
             may be out of date"
                .to_owned(),
        );
    }
    let mut missing: Vec<&str> = Vec::new();
    for note in &report.notes {
        match note {
            Note::FeedMissing { feed } => missing.push(feed),
            Note::FeedStale { feed, .. } | Note::FeedDamaged { feed, .. } if !concerns(feed, universe) => {}
            // The feeds that are missing say it.
            Note::NoFeedForDistribution { .. } => {}
            other => notes.push(other.to_string()),
        }
    }
    if !missing.is_empty() {
        notes.push(format!(
            "no feed of vulnerabilities has been synced of {}: which exposures a change closes is not fully known. Run `refit feeds sync`",
            missing.join(", ")
        ));
    }
    let foreign = report
        .unknown_packages
        .iter()
        .filter(|unknown| matches!(unknown.why, refit_connect::feeds::WhyUnknown::ThirdParty(_)));
    let foreign: Vec<&str> = foreign.map(|unknown| unknown.title.as_str()).collect();
    if !foreign.is_empty() {
        let some = foreign.iter().take(4).copied().collect::<Vec<_>>().join(", ");
        let more = if foreign.len() > 4 { ", …" } else { "" };
        notes.push(format!("no feed speaks of {} from third parties: {some}{more}", counted(foreign.len(), "package")));
    }
    notes
}

fn counted(number: usize, what: &str) -> String {
    crate::repository::counted(number, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feeds_of_other_distributions_do_not_concern_a_machine() {
        let debian = Universe { distribution: "debian".into(), codename: "bookworm".into(), version: "12".into() };
        for (feed, is) in [
            ("kev", true),
            ("epss", true),
            ("debian-tracker", true),
            ("debian-changelogs", true),
            ("osv-debian", true),
            ("osv-almalinux", false),
            ("osv-ubuntu", false),
            ("osv-pypi", false),
        ] {
            assert_eq!(concerns(feed, &debian), is, "{feed}");
        }
    }
}
