//! Plans for a fleet in a file: what a policy repository would change on it, or what changes between two.
//!
//! It is the same plan that a server makes ([`FleetPlan`]), gathered by the same code, of answers that the fleet engine gives for all
//! devices at once. With it goes which devices are behind each figure, so that a plan can be kept, shown again, divided otherwise, and
//! checked by somebody who knows nothing of how it was made ([`check()`]).

mod check;
mod make;
mod tables;

pub use check::check;
pub use make::{Revision, Sources, make};
pub use tables::{Row, Tables, Waiting, tables};

use crate::control::{DeviceSet, FleetPlan, Gathered};
use jiff::Timestamp;
use refit_model::DeviceId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// The version of the format of [`WorldPlan`].
pub const FORMAT: u32 = 1;

/// A plan for a fleet in a file, with the devices behind its figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorldPlan {
    /// The version of this format. It is the first key, and tells such a file from other plans.
    pub world_plan: u32,
    /// The file that the fleet is in, as it was given.
    pub world: String,
    /// The folder of the policy repository, as it was given.
    pub policy: String,
    /// What it is compared with; `None` is no policy at all.
    pub against: Option<Against>,
    /// Since when the policies apply that are not new; `None`: they have applied for ever where there is something to compare with, and
    /// else apply from the time of the plan on.
    #[schemars(with = "Option<String>")]
    pub applied: Option<Timestamp>,
    /// What would change. `replaces` is 0: revisions have numbers on a server only.
    pub plan: FleetPlan,
    /// The devices behind it.
    pub members: Members,
}

/// Another state of the policies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Against {
    /// The folder, or the revision in git, as it was given.
    pub given: String,
    /// SHA-256 of the repository.
    pub policy_hash: String,
}

/// The devices behind the figures of a plan.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Members {
    /// All devices of the fleet: sets hold their places in this list, from 0 on.
    pub devices: Vec<DeviceId>,
    /// The devices by the values of the fields by which the plan divides them; whoever is in none has no known value.
    #[schemars(with = "BTreeMap<String, BTreeMap<String, DeviceSet>>")]
    pub groups: BTreeMap<SmolStr, BTreeMap<SmolStr, DeviceSet>>,
    /// Who is behind each change, and who is overdue or given something.
    pub gathered: Gathered,
}
