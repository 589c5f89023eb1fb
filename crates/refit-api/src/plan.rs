//! Plans.

use jiff::Timestamp;
use refit_core::control::{CohortKey, FleetPlan, FleetSummary, HeldBy, MoveCause, Permit, PlanStatus};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A policy revision that is proposed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPlan {
    /// The files of the policy repository: path (with `/`) and text.
    pub files: BTreeMap<String, String>,
}

/// What a policy revision would change; worked out, and not kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlanPreview {
    /// SHA-256 of the policy repository.
    pub policy_hash: String,
    /// How many people have to approve a plan before it can be applied.
    pub approvals_needed: u32,
    /// What it would change.
    pub content: FleetPlan,
}

/// What a plan is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlanIs {
    /// A policy revision that somebody proposes.
    Policy,
    /// Moves that a budget or an envelope does not permit.
    Held,
}

/// A plan in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlanSummary {
    /// Its id.
    pub id: String,
    /// What it is.
    pub kind: PlanIs,
    /// How far it has come.
    pub status: PlanStatus,
    /// When it was made.
    pub made: Timestamp,
    /// Who answers for it.
    pub author: String,
    /// The people who approved it, with the time.
    pub approvals: BTreeMap<String, Timestamp>,
    /// How many people have to, before it can be applied; for held moves it is one.
    pub approvals_needed: u32,
    /// The policy revision that it would replace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<u64>,
    /// SHA-256 of the policy repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_hash: Option<String>,
}

/// A plan with what it would change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// What it is and how far it has come.
    #[serde(flatten)]
    pub summary: PlanSummary,
    /// What a policy revision would change, as it was shown when the plan was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<FleetPlan>,
    /// What is held.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<HeldMoves>,
}

/// Moves that wait for a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HeldMoves {
    /// What the devices would be given.
    pub cohort: CohortKey,
    /// What would move them.
    pub cause: MoveCause,
    /// What holds it.
    pub by: HeldBy,
    /// Why it is held, with the figures of when the newest of the devices joined.
    pub because: String,
    /// How many devices.
    pub devices: u64,
    /// Some of them.
    pub examples: Vec<String>,
}

/// What became of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlanChanged {
    /// The plan.
    pub plan: String,
    /// The log's last event afterwards.
    pub seq: u64,
    /// Whether anything changed.
    pub changed: bool,
}

/// A plan that is in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Applied {
    /// The plan.
    pub plan: String,
    /// The log's last event afterwards.
    pub seq: u64,
    /// The policy revision that is in force now.
    pub revision: u64,
    /// What the plan did not show, because the fleet has changed since it was made: these moves wait for a person.
    pub outside: Vec<Permit>,
    /// What would change as of the moment of applying.
    pub summary: FleetSummary,
}
