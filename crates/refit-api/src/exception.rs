//! Exceptions: of the policy in force, and asked for.

use jiff::Timestamp;
use refit_core::{control::ExceptionStatus, policy::document::policy::RestartMode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An exception of the policy in force, or one that was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExceptionSaid {
    /// Its name.
    pub exception: String,
    /// Who asked for it, and why.
    pub why: Option<String>,
    /// The last day, in each device's zone.
    pub until: String,
    /// Slots for which it acts now.
    pub acts_on: u64,
    /// Whether the policy repository has it: then it is as the repository says.
    #[serde(default)]
    pub in_repository: bool,
    /// What is known of the request, where somebody asked for it through the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<ExceptionRequestSaid>,
}

/// A request for an exception.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExceptionRequestSaid {
    /// How far it is.
    pub status: ExceptionStatus,
    /// Who asks.
    pub by: String,
    /// When it was asked for.
    pub at: Timestamp,
    /// The rule that permits to ask, and says who decides.
    pub rule: String,
    /// Who has agreed, and when.
    pub approvals: BTreeMap<String, Timestamp>,
    /// Who may agree.
    pub approvers: Vec<String>,
    /// When it was granted, refused or withdrawn.
    pub decided: Option<Timestamp>,
    /// Who refused or withdrew it.
    pub ended_by: Option<String>,
    /// And why.
    pub because: Option<String>,
    /// Whether something that is known to be exploited was open when it was granted.
    pub kev: bool,
    /// The document, as it acts or would.
    pub document: String,
}

/// Somebody asks for an exception.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewException {
    /// Its name: small letters, digits and hyphens.
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[a-z0-9-]+$"))]
    pub exception: String,
    /// The devices, by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000))]
    pub devices: Vec<String>,
    /// The devices, as a condition; not beside `devices`. Without either it is for all.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// The titles, as policies write them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub software: Vec<String>,
    /// All titles of this policy; not beside `software`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Replaces the due time: `2026-12-31T17:00:00Z`, or without the `Z` for each device's own time. Where no term is named it is the end of `until`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<String>,
    /// The releases to stay in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_at: Option<String>,
    /// Replaces when the machine is restarted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<RestartMode>,
    /// The last day: `2026-12-31`.
    pub until: String,
    /// It is to count for what is known to be exploited as well: two people decide.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub exploited_too: bool,
    /// Why.
    #[schemars(length(min = 1, max = 4096))]
    pub why: String,
}

/// What came of a request, or of an answer to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExceptionChanged {
    /// Its name.
    pub exception: String,
    /// The log's last event afterwards.
    pub seq: u64,
    /// Whether anything changed.
    pub changed: bool,
    /// Whether it acts from now on.
    pub granted: bool,
    /// How many managed devices it concerns.
    pub devices: u64,
    /// What is known to be exploited and open on them: some of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exploited: Vec<String>,
}
