//! What the fleet shares between devices, with an equality of its own.
//!
//! Versions that their scheme calls equal may be written differently, and so may be what depends on them; numbers that are
//! equal may be written differently; zones have no order at all. What is shared has to come back as it was put in.

use crate::{facts::Value, world::SlotKey};
use jiff::tz::TimeZone;
use refit_model::{BranchName, Offer, TitleId, Version};
use smol_str::{SmolStr, format_smolstr};
use std::{
    cmp::Ordering,
    collections::BTreeMap,
    fmt::Write as _,
    hash::{Hash, Hasher},
    mem::discriminant,
    sync::Arc,
};

/// A value of a fact.
#[derive(Clone, Debug)]
pub(crate) struct Known(pub Value);

impl Known {
    /// Whether two values are written alike.
    pub fn same(one: &Value, other: &Value) -> bool {
        match (one, other) {
            (Value::Float(one), Value::Float(other)) => one.to_bits() == other.to_bits(),
            (Value::Version(one), Value::Version(other)) => same_version(one, other),
            (one, other) => one == other,
        }
    }

    /// The hash of a value.
    pub fn hash_of(value: &Value) -> u64 {
        super::super::intern::hash_of(&Unowned(value))
    }

    /// A text that tells it from others.
    pub fn key(&self) -> String {
        match &self.0 {
            Value::Version(version) => format!("version {} {version}", version.scheme().name()),
            other => format!("{other:?}"),
        }
    }
}

impl PartialEq for Known {
    fn eq(&self, other: &Self) -> bool {
        Known::same(&self.0, &other.0)
    }
}

impl Eq for Known {}

impl Hash for Known {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Unowned(&self.0).hash(state);
    }
}

/// A value that is hashed as [`Known`] is.
struct Unowned<'v>(&'v Value);

impl Hash for Unowned<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        discriminant(self.0).hash(state);
        match self.0 {
            Value::Bool(truth) => truth.hash(state),
            Value::Int(number) => number.hash(state),
            Value::Float(number) => number.to_bits().hash(state),
            Value::Text(text) => text.hash(state),
            Value::Time(time) => time.hash(state),
            Value::Duration(duration) => duration.hash(state),
            Value::Version(version) => version.as_str().hash(state),
            Value::List(items) => items.hash(state),
        }
    }
}

impl PartialOrd for Known {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Known {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// A zone under its name.
#[derive(Clone, Debug)]
pub(crate) struct Zone {
    /// Its name; a zone without one is told by its rules.
    pub name: SmolStr,
    /// The zone.
    pub zone: TimeZone,
}

impl Zone {
    /// The name of a zone.
    pub fn name(zone: &TimeZone) -> SmolStr {
        zone.iana_name().map_or_else(|| format_smolstr!("{zone:?}"), SmolStr::new)
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Zone {}

impl Hash for Zone {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl PartialOrd for Zone {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Zone {
    fn cmp(&self, other: &Self) -> Ordering {
        self.name.cmp(&other.name)
    }
}

/// What a universe offers where that is not what was published: by title, in the order in which it was told.
pub(crate) type Universe = BTreeMap<TitleId, Vec<(Version, Offer)>>;

/// A universe that devices share.
#[derive(Clone, Debug)]
pub(crate) struct Told(pub Arc<Universe>);

impl Told {
    /// A text that tells it from others.
    pub fn key(&self) -> String {
        let mut key = String::new();
        for (title, list) in self.0.iter() {
            let _ = write!(key, "{title}:");
            for (version, offer) in list {
                let _ = write!(key, "{}/{version}/{offer:?};", version.scheme().name());
            }
        }
        key
    }

    /// Whether it says the same.
    pub fn says(&self, universe: &Universe) -> bool {
        let same =
            |(one, other): (&(Version, Offer), &(Version, Offer))| same_version(&one.0, &other.0) && one.1 == other.1;
        self.0.len() == universe.len()
            && self.0.iter().zip(universe).all(|((title, list), (other, others))| {
                title == other && list.len() == others.len() && list.iter().zip(others).all(same)
            })
    }

    /// The hash of what one says.
    pub fn hash_of(universe: &Universe) -> u64 {
        super::super::intern::hash_of(&Saying(universe))
    }
}

struct Saying<'u>(&'u Universe);

impl Hash for Saying<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for (title, list) in self.0 {
            title.hash(state);
            for (version, offer) in list {
                version.as_str().hash(state);
                match offer {
                    Offer::Since(since) => since.hash(state),
                    Offer::Never => state.write_u8(1),
                }
            }
        }
    }
}

impl PartialEq for Told {
    fn eq(&self, other: &Self) -> bool {
        self.says(&other.0)
    }
}

impl Eq for Told {}

impl Hash for Told {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Saying(&self.0).hash(state);
    }
}

impl PartialOrd for Told {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Told {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
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
        self.version.as_str() == other.version.as_str()
            && self.title == other.title
            && self.branch == other.branch
            && self.profile == other.profile
            && self.version.scheme() == other.version.scheme()
    }
}

impl Eq for Presence {}

impl Hash for Presence {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Branch and profile are seldom all that differs.
        self.title.as_str().hash(state);
        self.version.as_str().hash(state);
    }
}

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

/// Whether two versions are written alike, in one scheme.
fn same_version(one: &Version, other: &Version) -> bool {
    one.scheme() == other.scheme() && one.as_str() == other.as_str()
}
