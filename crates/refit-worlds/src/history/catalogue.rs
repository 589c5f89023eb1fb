//! Releases, advisories and listings of the month, from files.

use super::HistoryError;
use jiff::{Timestamp, civil::Date};
use refit_core::control::{AdvisoryEntry, ReleaseEntry};
use refit_model::{BranchName, TitleId};
use serde::Deserialize;
use smol_str::SmolStr;

const CHROME: &str = include_str!("data/chrome.csv");
const SYSTEMS: &str = include_str!("data/systems.csv");
const DEBIAN: &str = include_str!("data/debian.csv");
const KEV: &str = include_str!("data/kev.json");

/// What becomes known at a time.
#[derive(Clone, Debug)]
pub(super) enum News {
    /// A vendor's release, and the advisories that it closes.
    Release(ReleaseEntry, Vec<AdvisoryEntry>),
    /// Debian's security archive has a package; what it closes.
    Package(ReleaseEntry, Vec<AdvisoryEntry>),
    /// CISA lists these as exploited.
    Exploited(Vec<SmolStr>),
}

/// All that becomes known, in order.
pub(super) fn news() -> Result<Vec<(Timestamp, News)>, HistoryError> {
    let mut news = Vec::new();
    for [published, version, cves, _] in rows::<4>(CHROME)? {
        let published: Timestamp = published.parse()?;
        let title = TitleId::new("google-chrome");
        let advisories = cves.split(' ').map(|cve| advisory(cve, &title, version, published)).collect();
        news.push((published, News::Release(release(title, None, version, published), advisories)));
    }
    for [title, branch, version, day, _] in rows::<5>(SYSTEMS)? {
        // Both vendors publish at ten in the morning of their own coast.
        let published = time(day, 17)?;
        let release = release(TitleId::new(title), Some(BranchName::new(branch)), version, published);
        news.push((published, News::Release(release, Vec::new())));
    }
    for [source, version, day, cves] in rows::<4>(DEBIAN)? {
        let published = time(day, 15)?;
        let title = TitleId::new(format!("deb/{source}"));
        let advisories = cves.split(' ').map(|cve| advisory(cve, &title, version, published)).collect();
        let release = ReleaseEntry { security: true, ..release(title, None, version, published) };
        news.push((published, News::Package(release, advisories)));
    }
    let listed: Kev = serde_json::from_str(KEV)?;
    for entry in listed.vulnerabilities {
        // The catalogue gives days; it is read every hour, and CISA lists in the afternoon.
        news.push((time(&entry.date_added, 19)?, News::Exploited(vec![entry.id])));
    }
    news.sort_by_key(|(at, _)| *at);
    Ok(news)
}

#[derive(Deserialize)]
struct Kev {
    vulnerabilities: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    #[serde(rename = "cveID")]
    id: SmolStr,
    #[serde(rename = "dateAdded")]
    date_added: String,
}

/// A release of a title that several places publish.
pub(super) fn release(title: TitleId, branch: Option<BranchName>, version: &str, published: Timestamp) -> ReleaseEntry {
    ReleaseEntry { title, branch, version: version.into(), published, security: false, withheld: false }
}

fn advisory(cve: &str, title: &TitleId, fixed: &str, known_at: Timestamp) -> AdvisoryEntry {
    AdvisoryEntry {
        id: refit_model::AdvisoryId::new(cve),
        title: title.clone(),
        affected: vec![format!("<{fixed}").into()],
        known_at,
        cvss: None,
        epss: None,
        kev: None,
        ransomware: false,
        withdrawn: None,
        said_by: Vec::new(),
    }
}

fn time(day: &str, hour: i8) -> Result<Timestamp, HistoryError> {
    Ok(day.parse::<Date>()?.at(hour, 0, 0, 0).to_zoned(jiff::tz::TimeZone::UTC)?.timestamp())
}

/// The rows of a table after its first, which names the columns; no value has a comma in it.
fn rows<const N: usize>(text: &'static str) -> Result<Vec<[&'static str; N]>, HistoryError> {
    let row = |line: &'static str| {
        let values: Vec<&str> = line.split(',').collect();
        values.try_into().map_err(|_| HistoryError::Data(format!("`{line}` has not {N} values")))
    };
    text.lines().skip(1).map(row).collect()
}
