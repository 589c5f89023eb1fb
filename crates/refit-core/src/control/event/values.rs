//! What events are made of, besides what the state has as well.

use super::super::{
    device_set::DeviceSet,
    entry::SlotName,
    publication::{CohortKey, DueBy, DueCause, HeldBy, MoveCause},
};
use crate::decide::Compliance;
use jiff::Timestamp;
use refit_model::AdvisoryId;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// An object of another system that somebody has changed by hand.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DriftedObject {
    /// Its kind and name there: `update ring refit-laptops`.
    pub object: SmolStr,
    /// What was done with it.
    pub hand: DriftHand,
    /// The fields that differ, by their paths, sorted; none where it is not there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<SmolStr>,
}

/// What somebody did by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DriftHand {
    /// Fields were changed.
    Changed,
    /// It was taken away.
    TakenAway,
    /// It is there, and was not written by Refit, as far as is remembered.
    NotWritten,
}

/// What has changed of somebody's place in the organisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PersonChange {
    /// Employment has begun.
    Began,
    /// Employment has ended.
    Ended,
    /// The department is another.
    Department,
    /// The office is another.
    Site,
}

/// Why a source keeps its last good state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceAlarm {
    /// What sort of trouble it is.
    pub kind: SourceTrouble,
    /// Since when.
    pub since: Timestamp,
    /// Why, in words.
    pub why: SmolStr,
}

/// What is wrong with a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceTrouble {
    /// It can't be read.
    Failed,
    /// It suddenly has far fewer records.
    Shrunk,
}

/// What the clock of an obligation began with: the first release that a universe offered and that would have ended it, and since
/// when it was there by the releases that the universe offered then.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FirstOffered {
    /// The obligation: an advisory, or `stale`, `missing`.
    pub obligation: SmolStr,
    /// The policy that obliged.
    pub policy: SmolStr,
    /// What that policy asked for: under another target another release may be the first.
    pub target: SmolStr,
    /// The installed release that the obligation belongs to, where it ends with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installed: Option<SmolStr>,
    /// The release.
    pub version: SmolStr,
    /// When it was first offered.
    pub at: Timestamp,
    /// When the obligation arose; `None` is: always.
    pub arose: Option<Timestamp>,
}

/// How a slot stands, where there is more to say than that it satisfies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SlotStanding {
    /// How it stands. That it was not seen for too long is noted of its device.
    pub compliance: Compliance,
    /// From when on it is overdue; `None`: nothing obliges it, or nothing can yet be done.
    pub due: Option<Timestamp>,
    /// Obligations that are no exposures (`stale`, `missing`, `forbidden`), sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub obligations: Vec<SmolStr>,
    /// Open exposures, sorted, and whether each is known to be exploited.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exposures: Vec<(AdvisoryId, bool)>,
}

/// Devices on which a slot stands otherwise than before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StandingChange {
    /// The slot.
    pub slot: SlotName,
    /// How it stood; `None`: it satisfied, or nothing was known of it.
    pub was: Option<SlotStanding>,
    /// How it stands; `None`: it satisfies, or is there no more.
    pub is: Option<SlotStanding>,
    /// The devices.
    pub devices: DeviceSet,
    /// Whether this only goes on with what the entry before said of the same slot and devices: exposures that had no room there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub goes_on: bool,
}

/// What was published for the devices of one cohort.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PublishedCohort {
    /// What they share.
    pub key: CohortKey,
    /// From when on they are overdue; `None`: nothing obliges them, or nothing can yet be done.
    pub due: Option<Timestamp>,
    /// What gave the due time.
    pub due_by: Option<DueBy>,
    /// Why the due time is later than what was published before; `None` where it is not.
    pub later_because: Option<DueCause>,
    /// The devices.
    pub devices: DeviceSet,
}

/// What is held for the devices of one cohort.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldCohort {
    /// What they would share.
    pub key: CohortKey,
    /// What would move them.
    pub cause: MoveCause,
    /// What holds them.
    pub by: HeldBy,
    /// Why it is held, in words: the budget with its figures, or that a plan does not permit it.
    pub because: SmolStr,
    /// The devices.
    pub devices: DeviceSet,
}
