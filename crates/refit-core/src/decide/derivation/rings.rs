//! How far a release has come, in which ring a device is, and what gates say.

use super::as_seconds;
use crate::{facts::FieldRef, policy::document::test::GateAnswer, rollout::Verdict, world::Evidence};
use jiff::{SignedDuration, Timestamp};
use refit_model::{TitleId, Version};
use serde::Serialize;
use smol_str::SmolStr;
use std::cmp::Reverse;

/// The halt of a release.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Halt {
    /// The title that was halted: `snapshot/POLICY` where that is the snapshot that the release moves with.
    pub title: TitleId,
    /// The version that was: the release's, or the snapshot's name.
    pub version: SmolStr,
    /// After this ring.
    pub after: SmolStr,
    /// The platform; `None` is every platform.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<SmolStr>,
    /// When; `None` where no log says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// Its end, where it has one by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Why, where the evidence halted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// That evidence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// Why, where a person did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<SmolStr>,
}

impl Halt {
    /// Of several halts the one that lasts longest: it is what has to end before the release goes on.
    pub(in super::super) fn longest(halts: impl Iterator<Item = Box<Halt>>) -> Option<Box<Halt>> {
        halts.min_by_key(|halt| Reverse(halt.until.unwrap_or(Timestamp::MAX)))
    }
}

/// The rings of a rollout, and the device's own.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RingDerivation {
    /// The rollout.
    pub rollout: SmolStr,
    /// Whether the condition of a deadline chose it, so that it is urgent.
    pub hurried: bool,
    /// The release that it speaks of; `None` where no release is under way.
    pub version: Option<Version>,
    /// The snapshot that this moves with; `None` where it goes by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SmolStr>,
    /// The device's ring.
    pub ring: SmolStr,
    /// Why.
    pub because: RingReason,
    /// The ring's `where`; `None` where it has none.
    #[serde(rename = "where")]
    pub condition: Option<SmolStr>,
    /// The device's position among all, 0 to 1, and the part that the ring takes; `None` where the ring has no share.
    pub share: Option<SharePlace>,
    /// All rings, in the order in which they open.
    pub order: Vec<SmolStr>,
    /// The rings that have opened for `version`.
    pub open: Vec<SmolStr>,
    /// The gate after the last open ring; `None` where none is open.
    pub gate: Option<GateDerivation>,
}

/// Where a device stands in a ring's share.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SharePlace {
    /// The device's position, 0 to 1.
    pub position: f64,
    /// Where the share begins, inclusive.
    pub from: f64,
    /// Where it ends, exclusive.
    pub to: f64,
}

/// What a gate says, and by what evidence.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GateDerivation {
    /// The title that it speaks of: `snapshot/POLICY` where that is the snapshot that the release moves with.
    pub title: TitleId,
    /// The release that it speaks of.
    pub version: Version,
    /// The snapshot that this moves with; `None` where it goes by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SmolStr>,
    /// The ring before it.
    pub after: SmolStr,
    /// The rollout in which it was found what it says, or goes by; `None` is every rollout with such a ring.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout: Option<SmolStr>,
    /// The platform that this was found on; `None` is every platform.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<SmolStr>,
    /// What it says.
    pub answer: GateAnswer,
    /// What it goes by, or went by when it answered; `None` where only its answer, or nothing, is known.
    pub evidence: Option<Evidence>,
    /// Why it says so, or what it is in want of; `None` where a person answered, or nothing is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Of how many devices a measure that takes time has to have had that time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watched_needed: Option<u64>,
    /// When it answered; `None` where it has not, or no log says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// Until when its answer counts, where that ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Why, where a person answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<SmolStr>,
    /// Since when a person is asked, because it has not answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<Timestamp>,
    /// How long the release has to be in use in that ring.
    #[serde(serialize_with = "as_seconds", rename = "soak_seconds")]
    pub soak: SignedDuration,
    /// The share of the ring whose reports without a failure suffice, 0 to 1.
    pub enough: Option<f64>,
    /// The failure rate that divides halt from pass, 0 to 1; `None` where the rollout has no gate.
    pub failure_rate: Option<f64>,
}

/// Why a device is in its ring.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RingReason {
    /// The ring's condition, or its share, holds.
    Holds,
    /// It was a member when the ring opened.
    Member,
    /// The condition of an earlier ring is unknown, so it is in the last.
    Unknown {
        /// The ring whose condition is unknown.
        ring: SmolStr,
        /// The facts that are wanting.
        wanting: Vec<FieldRef>,
    },
    /// Its identity is in doubt, so it is in the last.
    IdentityInDoubt,
    /// Whether another policy applies is unknown, so it is in the last.
    Undetermined,
    /// It is on a halted release, whose successor it receives first.
    OnHaltedRelease,
    /// No earlier ring holds.
    Last,
}
