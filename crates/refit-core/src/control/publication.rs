//! What is published for devices: cohorts, what counts as a move, and what moved a device.

use super::entry::SlotName;
use crate::policy::document::policy::Mode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// What the devices of a cohort share for one slot. It holds no wall-clock fact: progress, window and earliest start are
/// worked out by whoever reads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct CohortKey {
    /// The slot.
    pub slot: SlotName,
    /// The policy that decides.
    #[schemars(with = "String")]
    pub policy: SmolStr,
    /// What Refit does about it.
    pub mode: Mode,
    /// Where it has to go.
    pub goal: Wanted,
    /// What may be installed now.
    pub admitted: Wanted,
    /// The rollout that brings it.
    #[schemars(with = "Option<String>")]
    pub rollout: Option<SmolStr>,
    /// The ring in that rollout.
    #[schemars(with = "Option<String>")]
    pub ring: Option<SmolStr>,
}

/// Where a slot has to go, or what may be installed in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// Nothing.
    Nothing,
    /// That the title goes.
    Absent,
    /// A release.
    Release(#[schemars(with = "String")] SmolStr),
}

/// What moved a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MoveCause {
    /// Another policy revision.
    Policy,
    /// A fact of the device or its person, or its installs.
    Facts,
    /// A release, an advisory, a ring, or time.
    World,
}

/// What holds a move until a person lets it go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HeldBy {
    /// A rolling budget that is spent.
    Budget,
    /// The envelope of the plan that was applied: it did not show the move.
    Envelope,
}

/// What gave a due time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DueBy {
    /// The obligation: an advisory, or `stale`, `missing`, `forbidden`.
    pub obligation: SmolStr,
    /// Whether it may move when a fact arrives.
    pub provisional: bool,
    /// The exception that replaced it.
    pub exception: Option<SmolStr>,
    /// The installed release that it belongs to, where it ends with it: another stale release is another obligation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<SmolStr>,
}

/// Why a due time is later than it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DueCause {
    /// The obligation that gave it has ended: what it asked for was done.
    ObligationEnded,
    /// An advisory was withdrawn.
    AdvisoryWithdrawn,
    /// An exception began or ended.
    Exception,
    /// Another policy revision, or another policy decides.
    Policy,
    /// A fact arrived that ended a provisional answer.
    ProvisionalEnded,
    /// None that the rules permit: a fault, which is shown.
    Unexplained,
}

impl CohortKey {
    /// Whether going from `before` to `self` moves a device, so that budgets count it: another policy or ring, or something to
    /// install or remove that was not asked for before. What takes a change away, or has been done, moves nobody, and neither
    /// does a policy that only observes.
    pub fn moves_from(&self, before: Option<&CohortKey>) -> bool {
        if self.mode == Mode::Observe {
            return false;
        }
        let asks = self.admitted != Wanted::Nothing;
        let Some(before) = before.filter(|before| before.mode != Mode::Observe) else { return asks };
        let asks_anew = asks && (self.admitted != before.admitted || self.mode != before.mode);
        asks_anew || self.policy != before.policy || self.ring != before.ring || self.rollout != before.rollout
    }

    /// The release that a plan's envelope counts.
    pub fn release(&self) -> &Wanted {
        if self.admitted == Wanted::Nothing { &self.goal } else { &self.admitted }
    }
}
