//! What operators do: the brake, settings, budgets, health; and what every write answers.

use crate::BrakeReach;
use jiff::Timestamp;
use refit_core::control::BudgetFigures;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What was written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Written {
    /// The id of what was written, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The log's last event afterwards.
    pub seq: u64,
    /// Whether anything changed.
    pub changed: bool,
    /// Of the ids of devices and people that were named, those that were merged into others, each with the id that has it now: that is
    /// what was written.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub merged: BTreeMap<String, String>,
}

/// What was written of an observation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Observed {
    /// The log's last event afterwards.
    pub seq: u64,
    /// Whether anything changed.
    pub changed: bool,
    /// What was taken and is read by no policy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<UnreadFact>,
    /// The id that was named, where it was merged into another, with the id that has it now: of that it was said.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub merged: BTreeMap<String, String>,
}

/// A fact that is kept and that no policy reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UnreadFact {
    /// The field, as it was said.
    pub field: String,
    /// Why not.
    pub problem: String,
}

/// Why something is done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Why {
    /// In words.
    #[schemars(length(min = 1, max = 4096))]
    pub why: String,
}

/// Whether everything is stopped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Brake {
    /// Whether it is.
    pub stopped: bool,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// How far it has come among devices with an agent; absent while nothing is stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reach: Option<BrakeReach>,
}

/// Settings of the server that are no policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// How many people, other than the author, have to approve a plan before it is applied.
    #[schemars(range(max = 16))]
    pub approvals: u32,
}

/// What a budget says now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct BudgetSaid(pub BudgetFigures);

/// How the server is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Health {
    /// `ok`, or `impaired`: some devices could not be decided.
    pub status: String,
    /// The program's version.
    pub version: String,
    /// The log's last event.
    pub head: u64,
    /// Devices that could not be decided when they were last tried, because of a mistake in the program. They keep what was decided
    /// before.
    #[serde(default)]
    pub undecided: u64,
}
