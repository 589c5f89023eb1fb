//! What the fleet shares between devices, in an order of its own.
//!
//! Versions that their scheme calls equal may be written differently, numbers and zones have no order at all: each
//! shared value has a text beside it that tells it from every other.

use crate::{facts::Value, world::SlotKey};
use jiff::tz::TimeZone;
use refit_model::{BranchName, Offer, TitleId, Version};
use smol_str::SmolStr;
use std::{cmp::Ordering, collections::BTreeMap, fmt::Write as _, sync::Arc};

/// A value with a text that tells it from others.
#[derive(Clone, Debug)]
pub(crate) struct Keyed<T> {
    key: Arc<str>,
    /// The value.
    pub value: Arc<T>,
}

impl<T> PartialEq for Keyed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl<T> Eq for Keyed<T> {}

impl<T> PartialOrd for Keyed<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Keyed<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }
}

impl<T> Keyed<T> {
    /// The text.
    pub fn key(&self) -> &str {
        &self.key
    }
}

/// What a universe offers where that is not what was published: by title, in the order in which it was told.
pub(crate) type Universe = BTreeMap<TitleId, Vec<(Version, Offer)>>;

impl Keyed<Value> {
    pub fn fact(value: &Value) -> Self {
        let key = match value {
            Value::Version(version) => format!("version {} {version}", version.scheme().name()),
            other => format!("{other:?}"),
        };
        Self { key: key.into(), value: Arc::new(value.clone()) }
    }
}

impl Keyed<TimeZone> {
    pub fn zone(zone: &TimeZone) -> Self {
        let key = zone.iana_name().map_or_else(|| format!("{zone:?}"), str::to_owned);
        Self { key: key.into(), value: Arc::new(zone.clone()) }
    }
}

impl Keyed<Universe> {
    pub fn universe(offers: &Universe) -> Self {
        let mut key = String::new();
        for (title, list) in offers {
            let _ = write!(key, "{title}:");
            for (version, offer) in list {
                let _ = write!(key, "{}/{version}/{offer:?};", version.scheme().name());
            }
        }
        Self { key: key.into(), value: Arc::new(offers.clone()) }
    }
}

/// A release in a slot, as it may be on many devices.
#[derive(Clone, Debug)]
pub(crate) struct Presence {
    /// The title.
    pub title: TitleId,
    /// The branch of the slot.
    pub branch: Option<BranchName>,
    /// The profile of the slot.
    pub profile: Option<SmolStr>,
    /// The version.
    pub version: Version,
}

impl Presence {
    /// The slot that it is in.
    pub fn slot(&self) -> SlotKey {
        SlotKey { title: self.title.clone(), branch: self.branch.clone(), profile: self.profile.clone() }
    }

    fn rank(&self) -> (&TitleId, &Option<BranchName>, &Option<SmolStr>, &Version, &str) {
        (&self.title, &self.branch, &self.profile, &self.version, self.version.as_str())
    }
}

impl PartialEq for Presence {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl Eq for Presence {}

impl PartialOrd for Presence {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Presence {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}
