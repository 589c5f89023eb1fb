//! What is known of one object of another system.

use super::{line::Doing, situation::Situation};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use smol_str::SmolStr;

/// One object, or one that is to be made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Object {
    /// Whether it is there.
    pub stands: Stands,
    /// What it is about, as it is now.
    pub wanted: Situation,
    /// What is remembered of it: its `id`, and what else the template says.
    pub remembered: Map<String, Value>,
    /// What it was told last, as a digest of the calls; `None` where that is not known.
    pub(super) told: Option<String>,
    /// What is being done, where several calls are needed for it.
    pub(super) work: Option<Work>,
    /// How often that failed in a row.
    pub failures: u32,
    /// When it may be tried again.
    pub next: Timestamp,
    /// Why it failed last; `None` where it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<SmolStr>,
    /// When it was last asked for people's answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) looked: Option<Timestamp>,
    /// Whether people agreed when they were last heard: an answer that is taken back has to be told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) agreed: bool,
    /// When it was closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) closed: Option<Timestamp>,
}

/// Whether an object is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stands {
    /// Nobody knows: it has to be looked for before one is made.
    Unknown,
    /// It was looked for, and there is none.
    Absent,
    /// It is there.
    There,
    /// It was closed.
    Closed,
}

/// Something that takes several calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Work {
    pub doing: Doing,
    /// Which call comes next.
    pub step: usize,
    /// What it goes by: what becomes otherwise meanwhile is told the next time.
    pub by: Situation,
    /// Whether a call was sent whose answer has not been taken yet.
    pub sent: bool,
}

impl Object {
    pub(super) fn new(wanted: Situation, now: Timestamp) -> Object {
        Object {
            stands: Stands::Unknown,
            wanted,
            remembered: Map::new(),
            told: None,
            work: None,
            failures: 0,
            next: now,
            why: None,
            looked: None,
            agreed: false,
            closed: None,
        }
    }

    /// Whether it is open in the other system, or will be.
    pub fn is_open(&self) -> bool {
        self.stands != Stands::Closed
    }

    /// It has to be looked for anew, not before a time.
    pub(super) fn forget(&mut self, not_before: Timestamp) {
        self.stands = Stands::Unknown;
        self.remembered.clear();
        self.told = None;
        self.work = None;
        self.closed = None;
        self.next = self.next.max(not_before);
    }

    pub(super) fn has_id(&self) -> bool {
        self.remembered.get("id").is_some_and(|id| !id.is_null())
    }
}
