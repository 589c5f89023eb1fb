//! Explanations.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why a title stands on a device as it does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Explanation {
    /// The device.
    pub device: String,
    /// The title.
    pub title: String,
    /// The time that it is explained for.
    pub at: Timestamp,
    /// The device's zone, in which dates are read.
    pub zone: String,
    /// The policy revision.
    pub revision: u64,
    /// For people.
    pub text: String,
    /// What of it waits for a person: a budget, an envelope, the brake.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held_by: Vec<crate::HeldSlot>,
    /// The decision on each slot of the title, with its whole derivation.
    pub decisions: Vec<serde_json::Map<String, serde_json::Value>>,
}
