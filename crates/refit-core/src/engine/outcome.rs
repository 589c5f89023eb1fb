//! What the engine says of a slot: in the words of the plain decision, and without the way to it.

use crate::policy::document::{
    policy::{Mode, RestartMode},
    test::GateAnswer,
};
use jiff::Timestamp;
use refit_model::{BranchName, Version};
use serde::Serialize;
use smol_str::SmolStr;
use std::collections::BTreeSet;

/// The answer for one slot of one device.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// The policy that decides; `None` where none surely applies.
    pub policy: Option<SmolStr>,
    /// What Refit does about it.
    pub mode: Mode,
    /// How it stands.
    pub compliance: Compliance,
    /// From when on it is overdue.
    pub due: Option<Timestamp>,
    /// Where it has to go.
    pub goal: Option<Goal>,
    /// What may be installed now.
    pub admitted: Option<Version>,
    /// The rollout that brings it.
    pub rollout: Option<SmolStr>,
    /// The device's ring in that rollout.
    pub ring: Option<SmolStr>,
    /// What the gate after the last open ring says.
    pub gate: Option<GateAnswer>,
    /// How far it has come.
    pub progress: Progress,
    /// What keeps an outstanding change from being made now.
    pub holds: BTreeSet<Hold>,
    /// What has to be known about the answer.
    pub marks: BTreeSet<Mark>,
}

/// What exceptions replace of a policy's terms that an [`Outcome`] does not show: it goes by their due times and ranges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Excepted {
    /// The exception whose window counts, by its place in the repository.
    pub window: Option<usize>,
    /// When the machine is restarted.
    pub restart: Option<RestartMode>,
}

/// How a slot stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Compliance {
    /// Nothing obliges it.
    Compliant,
    /// An obligation is open and its time has not come.
    Due,
    /// An obligation is open and its time has come.
    Overdue,
    /// No release that satisfies will ever be offered.
    Unsupported,
    /// It was seen too long ago to say.
    Unseen,
    /// Whether a policy applies is unknown.
    Undetermined,
    /// The policy speaks of it where it is there, and it is not.
    NotApplicable,
    /// No policy speaks of it.
    Unmanaged,
}

/// How far a change has come, as far as it is decided here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// Nothing is under way.
    None,
    /// A ring, a gate or an age has not come.
    Waiting,
    /// It is admitted.
    Scheduled,
}

/// What keeps an outstanding change from being made now, as far as it is decided here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// A block, or an exception's range.
    Block,
    /// The release was halted.
    FailedGate,
    /// A freeze.
    Freeze,
    /// The device is being set up.
    Provisioning,
    /// It has just returned.
    Grace,
    /// No window is open.
    Window,
}

/// What has to be known about an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// It is above what the policy asks for.
    AboveTarget,
    /// The due time may move when a fact arrives.
    Provisional,
    /// Whether another policy applies is unknown.
    Undetermined,
    /// Two policies of equal priority contradict each other here.
    Conflict,
}

/// Where a slot has to go.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// To this release.
    Release {
        /// Its version.
        version: Version,
        /// Its branch, where the title has several.
        #[serde(skip_serializing_if = "Option::is_none")]
        branch: Option<BranchName>,
    },
    /// The title has to go.
    Absent,
}
