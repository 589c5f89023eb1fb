//! Signals: what monitoring systems say of devices.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a monitoring system says of devices.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSignal {
    /// The source, as a gate names it (`from`).
    #[schemars(length(min = 1, max = 1024))]
    pub source: String,
    /// The signal, as a gate names it.
    #[schemars(length(min = 1, max = 1024))]
    pub signal: String,
    /// When it was so; now where nothing is said.
    #[serde(default)]
    pub at: Option<Timestamp>,
    /// Whether these are all devices that the signal knows: of others nothing is said any more.
    #[serde(default)]
    pub complete: bool,
    /// By id or name of the device: whether it says something bad of it.
    pub devices: BTreeMap<String, bool>,
}

/// A signal that gates listen to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SignalSaid {
    /// The source.
    pub source: String,
    /// The signal.
    pub signal: String,
    /// Whether a gate of the policy in force listens to it.
    pub listened: bool,
    /// When something was said last; null is never.
    pub newest: Option<Timestamp>,
    /// Devices of which it says something bad, whenever that was.
    pub bad: u64,
    /// Devices of which it says nothing bad.
    pub fine: u64,
    /// What went wrong when it was asked for last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}
