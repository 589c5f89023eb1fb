//! Releases on their way through the rings.

use jiff::Timestamp;
use refit_core::{
    control::{AskedFor, Stage},
    policy::document::test::GateAnswer,
    rollout::{Evidence, Verdict},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How far a release has come in a rollout on a platform.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RolloutSaid {
    /// The title; `snapshot/POLICY` for what moves in the dated snapshots of a policy.
    pub title: String,
    /// The release, or the day of the snapshot.
    pub version: String,
    /// The releases that move as one, where it is a snapshot.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub releases: Vec<ReleaseMoved>,
    /// The rollout.
    pub rollout: String,
    /// The platform; null is every platform.
    pub platform: Option<String>,
    /// How far it is.
    pub stage: Stage,
    /// The same in a sentence.
    pub says: String,
    /// Its rings that have opened, in their order.
    pub open: Vec<RingSaid>,
    /// Its rings that have not, in their order.
    pub waiting: Vec<String>,
    /// What gates were answered for this release.
    pub gates: Vec<GateSaid>,
    /// What people are asked about the gate after the last open ring, and have not answered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asks: Vec<AskedSaid>,
    /// What the gate after the last open ring goes by now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// What it says by that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Whether it waits for no gate, because somebody asked for that.
    #[serde(default)]
    pub expedited: bool,
}

/// A question to people: whether a release goes on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AskedSaid {
    /// The ring before the gate.
    pub after: String,
    /// When it was asked.
    pub at: Timestamp,
    /// Why.
    pub because: AskedFor,
    /// The same in words.
    pub says: String,
}

/// A release that moves with others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReleaseMoved {
    /// The title.
    pub title: String,
    /// The release.
    pub version: String,
    /// Devices that were seen running it.
    pub fine: u64,
    /// Devices on which it failed.
    pub failed: u64,
}

/// A ring that has opened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RingSaid {
    /// Its name.
    pub ring: String,
    /// When it opened.
    pub opened: Timestamp,
    /// How many devices were in it, where that was fixed.
    pub devices: Option<u64>,
    /// When the first of them reported: from then on it soaks.
    pub first_result: Option<Timestamp>,
}

/// What a gate answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GateSaid {
    /// The rollout in which it stands; null is every rollout with such a ring. A halt counts in all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<String>,
    /// The ring before it.
    pub after: String,
    /// The platform that it speaks of; null is every platform.
    pub platform: Option<String>,
    /// The answer.
    pub answer: GateAnswer,
    /// When.
    pub at: Timestamp,
    /// Until when it counts; null is: until it is taken back.
    pub until: Option<Timestamp>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Something that happened to a release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MomentSaid {
    /// The event.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// The release.
    pub version: String,
    /// The platform; null is every platform.
    pub platform: Option<String>,
    /// In a sentence.
    pub says: String,
    /// The ring that opened, or the one before the gate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring: Option<String>,
    /// What the gate answered, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<GateAnswer>,
    /// What it went by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
}

/// A ring that is to open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenRing {
    /// The title.
    pub title: String,
    /// The release.
    pub version: String,
    /// The rollout.
    pub rollout: String,
    /// The ring.
    pub ring: String,
    /// The platform; null is each on which devices have the title.
    #[serde(default)]
    pub platform: Option<String>,
}

/// A gate that is answered by hand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GateAnswered {
    /// The title.
    pub title: String,
    /// The release.
    pub version: String,
    /// The rollout in which the gate stands; null is every rollout with such a ring. A halt counts in all of them.
    #[serde(default)]
    pub rollout: Option<String>,
    /// The ring before the gate.
    pub after: String,
    /// The platform; null is every platform.
    #[serde(default)]
    pub platform: Option<String>,
    /// The answer; null takes back what was answered, except a halt, which ends by `/api/v1/rollouts/resume`.
    pub answer: Option<GateAnswer>,
    /// Why; it stands in the log. What is taken back needs no reason, and has none.
    #[serde(default)]
    #[schemars(length(min = 1, max = 4096))]
    pub why: Option<String>,
}

/// A release that is to be halted, to go on, or to wait for no gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleaseAndWhy {
    /// The title.
    pub title: String,
    /// The release.
    pub version: String,
    /// The platform; null is every platform.
    #[serde(default)]
    pub platform: Option<String>,
    /// Why.
    #[schemars(length(min = 1, max = 4096))]
    pub why: String,
}
