//! What this machine says of itself: its packages, what its sources offer, and the advisories for them.

use super::machine::{self, Reading, present};
use crate::terminal;
use anyhow::Result;
use jiff::Timestamp;
use refit_agent::providers::{
    Manager, Provider,
    available::{Available, SourceHealth},
    installs::Installs,
    machine::Machine,
};
use refit_connect::feeds::{FeedKind, FeedStore, InstalledPackage, MatchReport, Note, Universe};
use refit_model::TitleId;
use std::path::Path;

/// What this machine says of itself.
pub struct Gathered {
    pub provider: Box<dyn Provider>,
    pub machine: Machine,
    pub installs: Installs,
    pub available: Available,
    pub report: MatchReport,
    /// What limits the answer, in words.
    pub notes: Vec<String>,
}

/// Asks the machine; `wanted` are titles that policies require and that may not be installed.
pub fn gather(data: &Path, wanted: &[TitleId], now: Timestamp) -> Result<Gathered> {
    let bar = terminal::spinner("reading this machine's packages");
    let Reading { provider, machine, installs, available } = machine::read(wanted, now, |step| bar.set_message(step))?;
    bar.set_message("matching advisories");
    let packages: Vec<InstalledPackage> =
        present(&installs).map(|install| machine::installed(install, installs.manager, &available)).collect();
    let universe = machine::universe(&machine);
    let report = FeedStore::open(data).match_packages(&universe, &packages, now);
    bar.finish_and_clear();
    let notes = notes(&installs, &available, &report, &universe);
    Ok(Gathered { provider, machine, installs, available, report, notes })
}

/// Whether what is known of this machine's packages may come from a feed: those that it needs, and others that speak of its
/// distribution.
fn concerns(feed: &str, universe: &Universe) -> bool {
    let needed = FeedKind::for_universe(universe);
    needed.iter().any(|kind| kind.name() == feed) || feed.split('-').any(|word| word == universe.distribution)
}

fn notes(installs: &Installs, available: &Available, report: &MatchReport, universe: &Universe) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    for package in installs.unfinished() {
        let (title, status) = (&package.title, package.status.name());
        notes.push(match installs.manager {
            Manager::Apt => format!(
                "{title} is {status}: dpkg was interrupted, or a script of it failed. With the next change Refit configures it \
                 first; to do that now, or to see what its script complains about, run `dpkg --configure -a`"
            ),
            Manager::Dnf => format!(
                "{title} is {status}: a transaction was interrupted, or a script of it failed (`dnf history info` has its output). \
                 With the next change Refit installs it again"
            ),
        });
    }
    let fetch = match installs.manager {
        Manager::Apt => "apt-get update",
        Manager::Dnf => "dnf makecache",
    };
    for source in &available.repositories {
        let what = match source.health {
            SourceHealth::Good => continue,
            SourceHealth::Missing => format!("nothing of it is stored: run `{fetch}`, or remove it"),
            SourceHealth::Unsigned => {
                "it is not signed by a key that this machine trusts: nothing is taken from it".to_owned()
            }
            SourceHealth::Expired => format!(
                "what is stored of it has expired, and nothing is taken from it: run `{fetch}`; if that does not help, the mirror has \
                 stopped"
            ),
        };
        notes.push(format!("package source {} ({}): {what}", source.id, source.configured_in));
    }
    if !available.repositories.is_empty()
        && available.repositories.iter().all(|source| source.health != SourceHealth::Good)
    {
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
