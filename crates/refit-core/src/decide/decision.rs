//! What a decision says. How it came about is in [`super::derivation`].

pub use super::derivation::*;

use crate::{
    policy::document::{policy::Mode, test::GateAnswer},
    world::SlotKey,
};
use jiff::Timestamp;
use refit_model::{BranchName, DeviceId, Version};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use smol_str::SmolStr;
use std::collections::BTreeSet;

/// What the policies say of one slot of one device.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decision {
    /// The device.
    pub device: DeviceId,
    /// The slot.
    #[serde(rename = "device_title", serialize_with = "as_text")]
    pub slot: SlotKey,
    /// The installed release; `None` where it is absent.
    pub installed: Option<Version>,
    /// The policy that decides; `None` where none surely applies.
    pub policy: Option<SmolStr>,
    /// What Refit does about it.
    pub mode: Mode,
    /// How it stands.
    pub compliance: Compliance,
    /// From when on it is overdue; `None` where nothing obliges, or nothing can yet be done.
    pub due: Option<Timestamp>,
    /// Where it has to go.
    pub goal: Option<Goal>,
    /// What may be installed now; `None` is nothing.
    pub admitted: Option<Version>,
    /// The rollout that brings it.
    pub rollout: Option<SmolStr>,
    /// The device's ring in that rollout.
    pub ring: Option<SmolStr>,
    /// What the gate after the last open ring says; `None` where no ring is open.
    pub gate: Option<GateAnswer>,
    /// How far it has come.
    pub progress: Progress,
    /// What keeps an outstanding change from being made now.
    pub holds: BTreeSet<Hold>,
    /// What has to be known about the answer.
    pub marks: BTreeSet<Mark>,
    /// How the answer came about.
    pub derivation: Derivation,
}

impl Decision {
    /// The mark for whose sake nothing is forced, where there is one: nobody makes a change by such a decision.
    pub fn unsure(&self) -> Option<Mark> {
        [Mark::Conflict, Mark::Undetermined].into_iter().find(|mark| self.marks.contains(mark))
    }

    /// The policies that contradict each other, where some do.
    pub fn contradicting(&self) -> Vec<&SmolStr> {
        if !self.marks.contains(&Mark::Conflict) {
            return Vec::new();
        }
        let policies = self.derivation.policies.iter();
        let tied = policies.clone().find(|considered| considered.verdict == PolicyVerdict::Contradicts);
        let Some(priority) = tied.map(|considered| considered.priority) else { return Vec::new() };
        policies
            .filter(|considered| match considered.verdict {
                PolicyVerdict::Contradicts => true,
                PolicyVerdict::Decides => considered.priority == priority,
                _ => false,
            })
            .map(|considered| &considered.policy)
            .collect()
    }
}

/// How a slot stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Compliance {
    /// Nothing obliges it.
    Compliant,
    /// An obligation is open and its time has not come.
    Due,
    /// An obligation is open and its time has come.
    Overdue,
    /// No release that satisfies will ever be offered: the device has to be replaced.
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

/// How far a change has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// Nothing is under way.
    None,
    /// A ring, a gate or an age has not come.
    Waiting,
    /// It is admitted, and its time is known.
    Scheduled,
    /// It is being made.
    Running,
    /// It is made, and a restart is still needed.
    RestartPending,
    /// It was tried, and did not succeed.
    Failed,
    /// The content to install is not there.
    AwaitingContent,
}

/// What keeps an outstanding change from being made now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// Everything is stopped. Only a server says so.
    KillSwitch,
    /// The device says that the organisation's mandate does not permit it, or not yet. Only a server says so.
    Mandate,
    /// A block, or an exception's range, takes the release from this device.
    Block,
    /// The release was halted.
    FailedGate,
    /// A freeze.
    Freeze,
    /// Others of its group are away, or nobody knows which group that is. Only a server says so.
    Disruption,
    /// A rolling budget is spent, and a person has to let it go. Only a server says so.
    Budget,
    /// The plan that was applied did not show it, and a person has to let it go. Only a server says so.
    Envelope,
    /// The device is being set up.
    Provisioning,
    /// It has just returned.
    Grace,
    /// No window is open.
    Window,
}

/// What has to be known about an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
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

impl Goal {
    /// The version to go to; `None` where the title has to go.
    pub fn version(&self) -> Option<&Version> {
        match self {
            Goal::Release { version, .. } => Some(version),
            Goal::Absent => None,
        }
    }
}

fn as_text<S: Serializer>(slot: &SlotKey, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(slot)
}
