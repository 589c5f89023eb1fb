//! CISA's Known Exploited Vulnerabilities catalogue, JSON.
//!
//! Joined by CVE id alone: `product` is free text. Entries are removed and edited at times; what counts is today's copy.

use super::{Gathering, ParseError};
use crate::feeds::statement::{Facts, KevListing, instant, is_cve, seconds};
use serde::Deserialize;
use std::{collections::BTreeSet, io::Read};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Catalogue {
    date_released: Option<String>,
    count: Option<u64>,
    vulnerabilities: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(rename = "cveID")]
    cve: String,
    date_added: String,
    due_date: Option<String>,
    known_ransomware_campaign_use: Option<String>,
}

pub(super) fn parse(text: impl Read, gathering: &mut Gathering) -> Result<(), ParseError> {
    let catalogue: Catalogue = serde_json::from_reader(text)?;
    let found = catalogue.vulnerabilities.len() as u64;
    if let Some(announced) = catalogue.count.filter(|announced| *announced != found) {
        return Err(ParseError::Count { announced, found });
    }
    let mut seen = BTreeSet::new();
    for entry in catalogue.vulnerabilities {
        let cve = entry.cve.trim();
        let Some(added) = seconds(&entry.date_added).filter(|_| is_cve(cve)) else {
            gathering.skip(|| format!("`{}`, added `{}`", entry.cve, entry.date_added));
            continue;
        };
        let kev = KevListing {
            added,
            due: entry.due_date.as_deref().and_then(seconds),
            ransomware: entry.known_ransomware_campaign_use.as_deref().is_some_and(|use_| use_.trim() == "Known"),
        };
        gathering.gathered.fact(cve, Facts { known: Some(added), kev: Some(kev), ..Facts::default() });
        if seen.insert(cve.to_owned()) {
            gathering.gathered.records += 1;
        }
    }
    if let Some(date) = catalogue.date_released.as_deref().and_then(instant) {
        gathering.gathered.dated_itself(date);
    }
    Ok(())
}
