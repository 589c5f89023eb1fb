//! Targets: the systems that configuration is written to.

use jiff::Timestamp;
use refit_core::control::DriftHand;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A system that configuration is written to, as the server last found it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TargetSaid {
    /// Its name.
    pub target: String,
    /// What kind of system it is.
    pub kind: String,
    /// When it was last looked at, as the log has it: what is as before is written down four times a day. Null is never.
    pub observed: Option<Timestamp>,
    /// What was changed there by hand since Refit wrote it, and is still so.
    pub drifted: Vec<DriftSaid>,
    /// Why it could not be looked at, or not be brought back; absent where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// An object that was changed by hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DriftSaid {
    /// Its kind and name there.
    pub object: String,
    /// What was done with it.
    pub hand: DriftHand,
    /// The fields that differ.
    pub fields: Vec<String>,
}
