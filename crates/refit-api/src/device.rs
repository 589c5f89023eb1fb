//! Devices: what is known of them, what is said of them, and what they are to do.

use jiff::Timestamp;
use refit_core::{
    control::{CohortKey, InstallEntry, Plain, ReceiptResult, ReleaseEntry, SlotName, Wanted},
    decide::{Compliance, Hold, Mark, Progress},
    policy::document::policy::Mode,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A device in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeviceSummary {
    /// Its id.
    pub id: String,
    /// What people call it.
    pub name: Option<String>,
    /// Its platform, as the most trusted source says.
    pub platform: Option<String>,
    /// Its primary person's id.
    pub person: Option<String>,
    /// When it was first known.
    pub enrolled: Timestamp,
    /// When it was last seen.
    pub seen: Timestamp,
    /// How many titles are installed.
    pub installs: u64,
    /// Its slots, by how they stand; empty until it has been decided.
    pub compliance: BTreeMap<Compliance, u64>,
    /// Its slots, by what holds them: one that is held by several things counts for each.
    #[serde(default)]
    pub holds: BTreeMap<Hold, u64>,
    /// Whether two devices have reported under its id.
    #[serde(default)]
    pub quarantined: bool,
    /// What sources say of it, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<Vec<FactSaid>>,
}

/// One device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Device {
    /// Its id.
    pub id: String,
    /// What people call it.
    pub name: Option<String>,
    /// When it was first known.
    pub enrolled: Timestamp,
    /// Since when it is no longer managed.
    pub retired: Option<Timestamp>,
    /// The device that it is, as was found out later: it was merged into that, and what is said under its id counts there. Absent where
    /// it is one by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged_into: Option<String>,
    /// Ids that lead to it since they were merged into it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former_ids: Vec<String>,
    /// Its primary person's id.
    pub person: Option<String>,
    /// When it was last seen, and by whom.
    pub presence: Presence,
    /// What sources say of it.
    pub facts: Vec<FactSaid>,
    /// What is installed.
    pub installs: Vec<InstallSaid>,
    /// What it can get from, by key.
    pub universe: Option<String>,
    /// Absences of three days and more, oldest first.
    pub absences: Vec<AbsenceSaid>,
    /// The newest receipt of each slot.
    pub receipts: Vec<ReceiptSaid>,
    /// What its agent says of its directives; absent where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<crate::AgentSaid>,
    /// Why nothing is taken from it and nothing new is given to it; absent where that is not so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<QuarantineSaid>,
}

/// Two devices have reported under one id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct QuarantineSaid {
    /// Since when.
    pub since: Timestamp,
    /// What showed it.
    pub because: String,
}

/// When a device was last seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Presence {
    /// When.
    pub seen: Timestamp,
    /// The source that observes its installs.
    pub seen_by: String,
    /// When each source last said something.
    pub reported: BTreeMap<String, Timestamp>,
}

/// What one source says of one field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FactSaid {
    /// The field: `device.platform`, `department`.
    pub field: String,
    /// The source.
    pub source: String,
    /// The value; absent where it was erased, or where it is personal and the token does not permit reading it (`redacted`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Plain>,
    /// When the source last said it.
    pub observed: Option<Timestamp>,
    /// Why no policy reads it; absent where one can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// What it is kept for, where it is the answer about something sensitive, of which nothing else is kept; absent elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// Whether there is a value that the token does not permit reading.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub redacted: bool,
}

/// What is installed in a slot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InstallSaid {
    /// The slot.
    pub slot: SlotName,
    /// The version.
    pub version: String,
    /// The package manager's word where it is not in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// When it was first observed.
    pub since: Timestamp,
}

/// A time in which a device was not seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AbsenceSaid {
    /// Since when.
    pub away: Timestamp,
    /// Until when.
    pub back: Timestamp,
    /// The time of use since, in seconds.
    pub used_seconds: i64,
}

/// What came of a directive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReceiptSaid {
    /// Its id.
    pub id: String,
    /// The slot.
    pub slot: SlotName,
    /// What came of it.
    pub result: ReceiptResult,
    /// The version before.
    pub before: Option<String>,
    /// The version afterwards.
    pub after: Option<String>,
    /// When it ended.
    pub at: Timestamp,
    /// The event that brought it.
    pub seq: u64,
}

/// A device that is to be known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Enrol {
    /// Its id: up to 128 letters, digits and any of `-_.:`. One is minted where none is given.
    #[serde(default)]
    #[schemars(length(min = 1, max = 128))]
    pub id: Option<String>,
    /// What people call it.
    #[serde(default)]
    #[schemars(length(max = 256))]
    pub name: Option<String>,
}

/// What a source says of a device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewObservation {
    /// The source.
    #[schemars(length(min = 1, max = 1024))]
    pub source: String,
    /// When it was observed; now where it is not given.
    #[serde(default)]
    pub observed: Option<Timestamp>,
    /// Facts by field (`device.platform`); null is: no longer said; what is not named is as before.
    #[serde(default)]
    pub facts: BTreeMap<String, Option<Plain>>,
    /// What is installed; absent where this source does not say.
    #[serde(default)]
    pub installs: Option<NewInstalls>,
    /// What the device can get from; absent where it is as before.
    #[serde(default)]
    pub universe: Option<NewUniverse>,
    /// Which check-in this is, where the source counts them: what tells a device from its copy.
    #[serde(default)]
    pub check_in: Option<NewCheckIn>,
}

/// Which check-in a report is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCheckIn {
    /// How many check-ins there have been, this one among them. One that is not answered is done again under the same number.
    pub sequence: u64,
    /// The numbers that the device drew at random for this check-in and the ones before, newest first: all of them, up to 32.
    #[schemars(length(min = 1, max = 32))]
    pub links: Vec<u32>,
    /// The last check-in for which the answer was `changed: true`; absent where there was none.
    #[serde(default)]
    pub recorded: Option<RecordedCheckIn>,
}

/// A check-in that was written down.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordedCheckIn {
    /// Its number.
    pub sequence: u64,
    /// What was drawn for it.
    pub link: u32,
}

/// What is installed on a device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum NewInstalls {
    /// All of it.
    All(Vec<InstallEntry>),
    /// What changed since the last report.
    Changes(InstallChanges),
}

/// What changed among the installs of a device.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InstallChanges {
    /// What is new or has another version.
    #[serde(default)]
    pub present: Vec<InstallEntry>,
    /// What is gone.
    #[serde(default)]
    pub gone: Vec<SlotName>,
}

/// What a device can get from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUniverse {
    /// Its key: what decides on the offers, hashed by whoever observes it.
    #[schemars(length(min = 1, max = 1024))]
    pub key: String,
    /// The distribution whose advisories concern it: `debian/bookworm`.
    #[serde(default)]
    #[schemars(length(max = 1024))]
    pub distribution: String,
    /// What it offers; more than what is known is added to it.
    #[serde(default)]
    pub offers: Vec<ReleaseEntry>,
}

/// Whom a device is given to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Assignment {
    /// The person's id; null is nobody.
    pub person: Option<String>,
}

/// A device's report of what came of a directive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewReceipt {
    /// The report's own id: the same one counts once.
    #[schemars(length(min = 1, max = 256))]
    pub id: String,
    /// The slot.
    pub slot: SlotName,
    /// The version that was to come; where it is left out it is the one that the device is given now.
    #[serde(default)]
    pub wanted: Option<String>,
    /// What came of it.
    pub result: ReceiptResult,
    /// The version before, as observed.
    #[serde(default)]
    pub before: Option<String>,
    /// The version afterwards, as observed.
    #[serde(default)]
    pub after: Option<String>,
    /// When it ended.
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    #[serde(default)]
    pub duration_ms: u64,
    /// What was printed. It is kept beside the log.
    #[serde(default)]
    pub output: Option<String>,
}

/// What the policies say of a device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeviceDecisions {
    /// The device.
    pub device: String,
    /// The policy revision; 0 where no policy is in force.
    pub revision: u64,
    /// When it was decided; absent where nothing has been.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<Timestamp>,
    /// How long ago, in seconds.
    pub age_seconds: u64,
    /// Whether something has changed since that is not yet taken into account.
    pub behind: bool,
    /// What is said of each slot.
    pub slots: Vec<SlotDecision>,
}

/// What the policies say of one slot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SlotDecision {
    /// The slot.
    pub slot: SlotName,
    /// The installed version.
    pub installed: Option<String>,
    /// How it stands.
    pub compliance: Compliance,
    /// From when on it is overdue.
    pub due: Option<Timestamp>,
    /// What gives the due time: an advisory, or `stale`, `missing`, `forbidden`.
    pub due_by: Option<String>,
    /// How far it has come.
    pub progress: Progress,
    /// What holds it, in the order of precedence.
    pub holds: Vec<Hold>,
    /// Of those the ones that the server lays on it, and a person lifts: a budget, an envelope, the brake.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held_by: Vec<HeldSlot>,
    /// What has to be known about it.
    pub marks: Vec<Mark>,
    /// Open exposures.
    pub exposures: Vec<ExposureOf>,
    /// Exceptions that act.
    pub exceptions: Vec<String>,
    /// What is decided; absent where no policy decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided: Option<CohortKey>,
    /// The fields that are empty because the token does not permit reading them: `exposures`, `due_by`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redacted: Vec<String>,
}

/// Why a slot waits for a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HeldSlot {
    /// The slot.
    pub slot: SlotName,
    /// The cause: `budget`, `envelope`, `mandate` or `kill_switch`.
    pub hold: Hold,
    /// Why, in words: the budget with its figures, why everything was stopped.
    pub because: String,
    /// Since when; of a plan, when it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The plan that a person has to approve, or has rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// The command by which a person lifts it; absent where one has rejected the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifted_by: Option<String>,
}

/// An open exposure of a slot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExposureOf {
    /// The advisory.
    pub advisory: String,
    /// Whether it is known to be exploited.
    pub kev: bool,
}

/// What is published for a device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeviceDirectives {
    /// The device.
    pub device: String,
    /// The policy revision in force.
    pub revision: u64,
    /// The policy revision under which the device was last looked at; 0 is none.
    pub settled: u64,
    /// Why everything is stopped: then nothing may be begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    /// One for each slot for which something is published.
    pub directives: Vec<Directive>,
}

/// What is to be done in one slot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Directive {
    /// The slot.
    pub slot: SlotName,
    /// The policy that decides.
    pub policy: String,
    /// What Refit does about it: only `enforce` changes anything.
    pub mode: Mode,
    /// What may be installed now.
    pub admitted: Wanted,
    /// Where it has to go.
    pub goal: Wanted,
    /// The rollout that brings it.
    pub rollout: Option<String>,
    /// The ring in that rollout.
    pub ring: Option<String>,
    /// From when on it is overdue.
    pub due: Option<Timestamp>,
    /// The event that published it: a higher one takes its place.
    pub published_by: u64,
}
