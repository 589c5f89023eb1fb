//! Who has read what is personal.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An answer that had personal values in it. The values are not here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AuditEntry {
    /// Its number, from 1 on without a gap.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// By which token.
    pub token: String,
    /// Who answers for the token.
    pub owner: String,
    /// From where: a network address, or `local`.
    pub origin: String,
    /// The id of the request, as the answer and the server's logs have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// What was asked: `GET /api/v1/people/{id}`.
    pub operation: String,
    /// Whose values were read, by id.
    pub people: Vec<String>,
    /// Which fields.
    pub fields: Vec<String>,
    /// Whether a sensitive one is among them.
    pub sensitive: bool,
}

/// A part of the record of who has read what is personal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AuditPage {
    /// Entries, the oldest first.
    pub items: Vec<AuditEntry>,
    /// What to give as `after` for what comes next.
    pub next: u64,
    /// The number of the last entry.
    pub head: u64,
}
