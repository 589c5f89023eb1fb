//! What a source says of a record, as far as it matters for who it is.

use crate::facts::mapping::{Key, KeyKind, Record, Said, Strength, document::Subject};
use crate::facts::{FieldRef, Value};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use smol_str::{SmolStr, format_smolstr};
use std::fmt;

/// A record, by the source and the id that the source knows it by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RecordId {
    /// Whether it is about a device or a person.
    pub of: Subject,
    /// The source.
    pub source: SmolStr,
    /// The source's own id.
    pub id: SmolStr,
}

/// As documents name it: `jamf-pro/123`.
impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.source, self.id)
    }
}

impl RecordId {
    /// The id of Refit's own for a record that was not known: the same wherever it is worked out. `generation` counts how often a record of
    /// that id was another thing before.
    pub fn mint(&self, generation: u32) -> SmolStr {
        let kind = match self.of {
            Subject::Device => "device",
            Subject::Person => "person",
        };
        let digest = Sha256::digest(format!("{kind}\n{}\n{}\n{generation}", self.source, self.id));
        let hex: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        format_smolstr!("{}-{hex}", &kind[..1])
    }
}

/// What a source said of a record at one time, as far as it matters for who it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sighting {
    /// The record.
    pub record: RecordId,
    /// When it was read.
    pub at: Timestamp,
    /// What identifies it. Nothing here leaves what was known: a system may have several kinds of records of one device.
    pub keys: Vec<Key>,
    /// Whether keys of kinds that are not here are as they were.
    pub partial: bool,
    /// Its platform.
    pub platform: Option<SmolStr>,
    /// Since when the source has it: its enrolment. `None` is: nobody knows.
    pub began: Option<Timestamp>,
    /// When the source last had a sign of life; `None` is: nobody knows, as in a list that is kept by hand.
    pub alive: Option<Timestamp>,
    /// Whether the source says that it is gone.
    pub gone: bool,
}

impl Sighting {
    /// What a record says of who it is; it was read from `source` at `at`.
    pub fn of(source: &str, record: &Record, at: Timestamp) -> Sighting {
        let said = |name: &str| match record.facts.get(&FieldRef::device(name)) {
            Some(Said::Value(value)) => Some(value),
            _ => None,
        };
        // A clock that is ahead must not make a device younger or livelier than it can be.
        let time = |name: &str| match said(name) {
            Some(Value::Time(time)) => Some((*time).min(at)),
            _ => None,
        };
        let mut keys = record.keys.clone();
        // The address of somebody who has left may be somebody else's by now, whatever the system says of it.
        let left = record.facts.get(&FieldRef::person("employment")) == Some(&Said::Value(Value::text("left")));
        for key in keys.iter_mut().filter(|key| left && key.kind == KeyKind::Email) {
            key.strength = Strength::Weak;
        }
        keys.sort();
        Sighting {
            record: RecordId { of: record.of, source: source.into(), id: record.id.clone() },
            at,
            keys,
            partial: false,
            platform: match said("platform") {
                Some(Value::Text(platform)) => Some(platform.clone()),
                _ => None,
            },
            began: time("enrolled"),
            alive: time("seen"),
            gone: record.deleted,
        }
    }
}
