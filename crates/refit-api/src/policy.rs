//! The policy in force, and its policies.

use jiff::Timestamp;
use refit_core::{decide::Compliance, policy::document::policy::Mode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The policy repository that is in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyInForce {
    /// The number of its revision, from 1.
    pub revision: u64,
    /// SHA-256 of the repository.
    pub policy_hash: String,
    /// When it was applied.
    pub since: Timestamp,
    /// The event that applied it.
    pub by_event: u64,
    /// The plan that was applied.
    pub plan: String,
    /// Its files: path and text.
    pub files: BTreeMap<String, String>,
}

/// A policy in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PolicySummary {
    /// Its name.
    pub policy: String,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Why it is as it is.
    pub why: Option<String>,
    /// What Refit does about it.
    pub mode: Mode,
    /// Since when it applies.
    pub since: Option<Timestamp>,
    /// Slots that it decides, by how they stand.
    pub compliance: BTreeMap<Compliance, u64>,
}
