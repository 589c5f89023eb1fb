//! Sources: the systems that a server reads.

use jiff::Timestamp;
use refit_core::control::SourceTrouble;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A source that the server reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceSaid {
    /// Its name.
    pub source: String,
    /// When it was last read and believed, as the log has it: a reading that says nothing new is written down four times a day. Null is
    /// never.
    pub read: Option<Timestamp>,
    /// How many records it has.
    pub records: u64,
    /// How much of it did not fit when it was last read, and was set aside: records, and parts of them. `refit sources status` on the server
    /// shows which and why.
    #[serde(default)]
    pub set_aside: u64,
    /// How many of its values no map covers.
    #[serde(default)]
    pub uncovered: u64,
    /// Why it keeps its last good state; absent where it is believed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alarm: Option<AlarmSaid>,
}

/// Why a source keeps its last good state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AlarmSaid {
    /// What sort of trouble it is.
    pub kind: SourceTrouble,
    /// Since when.
    pub since: Timestamp,
    /// Why, in words.
    pub why: String,
}
