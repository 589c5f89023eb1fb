//! The log.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An entry of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// Its position, from 1.
    pub seq: u64,
    /// When it happened.
    pub at: Timestamp,
    /// What happened: `policy.applied`.
    pub kind: String,
    /// The version of its payload.
    pub version: u16,
    /// Who did it: `token:ID`, `server`, `device:ID`.
    pub actor: String,
    /// From where: a network address, or `local` for the server itself. Events of version 1 do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// What there is to say of it. Sets of devices are Roaring bitmaps in base64; what is secret is left out.
    pub body: serde_json::Value,
}

/// A part of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EventPage {
    /// The entries, in their order.
    pub items: Vec<Event>,
    /// Give this as `after` for what comes next.
    pub next: u64,
    /// The last entry that there is.
    pub head: u64,
}
