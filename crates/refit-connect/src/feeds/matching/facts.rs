//! What all feeds know of a CVE, joined by its id.

use crate::feeds::{
    kind::FeedKind,
    statement::{Facts, vulnerability_key},
    store::{FeedStore, StoreError},
};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What the feeds know of a vulnerability, whatever software it is in.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CveFacts {
    /// The earliest date that any feed gives, or else when a sync first saw it; `None` where no feed knows it.
    pub known_at: Option<Timestamp>,
    /// The highest CVSS base score that a feed gives.
    pub cvss: Option<f64>,
    /// EPSS probability.
    pub epss: Option<f64>,
    /// When it was added to KEV.
    pub kev: Option<Timestamp>,
    /// CISA's own due date, as printed.
    pub kev_due: Option<Timestamp>,
    /// Whether ransomware campaigns are known to use it.
    pub ransomware: bool,
    /// The feeds whose scores or listing these are.
    #[serde(skip)]
    pub(crate) said_by: BTreeSet<FeedKind>,
}

/// Reads facts. Ask in the order of ids: then each page is read once.
pub(super) struct Join<'a> {
    store: &'a FeedStore,
    /// Feeds that could not be read, with the reason.
    pub failed: BTreeMap<FeedKind, StoreError>,
}

impl<'a> Join<'a> {
    pub fn new(store: &'a FeedStore) -> Self {
        Self { store, failed: BTreeMap::new() }
    }

    /// All that is known of `id`.
    pub fn of(&mut self, id: &str) -> CveFacts {
        let key = vulnerability_key(id);
        let time = |seconds: i64| Timestamp::from_second(seconds).ok();
        let mut joined = CveFacts::default();
        let mut seen: Option<Timestamp> = None;
        for feed in &self.store.feeds {
            let (kind, Some(ready)) = (feed.kind, feed.ready()) else { continue };
            if self.failed.contains_key(&kind) {
                continue;
            }
            let read = ready.index.get(&key).and_then(|value| {
                let facts = value.map(|value| postcard::from_bytes::<Facts>(&value)).transpose();
                let facts = facts.map_err(|_| ready.index.damaged("what it says of a vulnerability"))?;
                let first = ready.seen.as_ref().map(|seen| seen.get(&key)).transpose()?.flatten();
                let first = first.map(|value| postcard::from_bytes::<i64>(&value)).transpose();
                Ok((facts, first.map_err(|_| ready.index.damaged("when it was first seen"))?))
            });
            let (facts, first) = match read {
                Ok(read) => read,
                Err(error) => {
                    self.failed.insert(kind, error.into());
                    continue;
                }
            };
            seen = [seen, first.and_then(time)].into_iter().flatten().min();
            let Some(facts) = facts else { continue };
            joined.known_at = [joined.known_at, facts.known.and_then(time)].into_iter().flatten().min();
            if facts.cvss > joined.cvss {
                joined.cvss = facts.cvss;
                joined.said_by.insert(kind);
            }
            if facts.epss.is_some() {
                joined.epss = facts.epss;
                joined.said_by.insert(kind);
            }
            if let Some(kev) = facts.kev {
                joined.kev = time(kev.added);
                joined.kev_due = kev.due.and_then(time);
                joined.ransomware = kev.ransomware;
                joined.said_by.insert(kind);
            }
        }
        joined.known_at = joined.known_at.or(seen);
        joined
    }
}
