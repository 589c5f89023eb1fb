//! What this machine says of itself: its packages, what its sources offer, and the advisories for them.

use super::machine::{self, Reading};
use crate::terminal;
use anyhow::Result;
use jiff::Timestamp;
use refit_agent::providers::apt::{Inventory, Machine, Offers, SourceHealth};
use refit_connect::feeds::{FeedStore, InstalledPackage, MatchReport, Note};
use refit_model::TitleId;
use std::path::Path;

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
    let Reading { machine, inventory, offers } = machine::read(wanted, now, |step| bar.set_message(step))?;
    bar.set_message("matching advisories");
    let packages: Vec<InstalledPackage> =
        inventory.present().filter_map(|package| machine::installed(package, &offers)).collect();
    let report = FeedStore::open(data).match_packages(&machine::universe(&machine), &packages, now);
    bar.finish_and_clear();
    let notes = notes(&inventory, &offers, &report);
    Ok(Gathered { machine, inventory, offers, report, notes })
}

fn notes(inventory: &Inventory, offers: &Offers, report: &MatchReport) -> Vec<String> {
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
