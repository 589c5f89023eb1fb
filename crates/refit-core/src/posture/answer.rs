//! What is answered.

use crate::{
    control::SlotName,
    decide::{Compliance, Hold, Progress},
    policy::document::posture::Access,
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a device, or a person's devices, stand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "PostureAnswer")]
pub struct Answer {
    /// What whoever asks is to do.
    pub access: Access,
    /// Whether nothing is overdue; null where that is not known. It says nothing of tolerance: what is overdue and tolerated is not compliant.
    pub compliant: Option<bool>,
    /// Why, what weighs most first.
    pub reasons: Vec<Reason>,
    /// What was asked about.
    pub about: About,
    /// The devices, the worst first; at most 20.
    pub devices: Vec<DeviceAnswer>,
    /// How many devices count.
    pub device_count: u64,
    /// What the organisation has written for whoever asks.
    pub by: AnsweredBy,
    /// Since when it is so answered.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub issued: Timestamp,
    /// Until when the answer may be kept. It may change before, where something happens.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub until: Timestamp,
}

/// What was asked about; neither is there where it is not known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "PostureAbout")]
pub struct About {
    /// The device's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The person's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
}

/// What the organisation has written for whoever asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "PostureBy")]
pub struct AnsweredBy {
    /// The name of the `posture:` document; absent where there is none for whoever asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub posture: Option<String>,
    /// The file that it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line that it begins on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Who answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Why it is as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The policy revision; 0 where none is in force.
    pub revision: u64,
}

/// A reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "PostureReason")]
pub struct Reason {
    /// For programs.
    pub code: ReasonCode,
    /// For people.
    pub text: String,
}

impl Reason {
    pub(super) fn new(code: ReasonCode, text: String) -> Reason {
        Reason { code, text }
    }
}

/// A kind of reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "PostureReasonCode")]
pub enum ReasonCode {
    /// No managed device is meant, or more than one.
    UnknownDevice,
    /// Nobody who is known is meant, or more than one.
    UnknownPerson,
    /// The person has no managed device.
    NoDevice,
    /// Two machines report as this device.
    Quarantined,
    /// The server can write nothing, so that it hears nothing new.
    ReadOnly,
    /// Nothing is decided of the device.
    Starting,
    /// What policies go by is too old, or missing.
    Stale,
    /// Something is overdue.
    Overdue,
    /// Something is overdue, and tolerated.
    Tolerated,
    /// Nothing is overdue.
    Compliant,
    /// Several devices count together.
    SeveralDevices,
    /// The strategy permits less than would follow.
    Strategy,
}

/// How one device stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "PostureOfDevice")]
pub struct DeviceAnswer {
    /// Its id.
    pub device: String,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What whoever asks is to do, for this device alone.
    pub access: Access,
    /// Whether nothing is overdue; null where that is not known.
    pub compliant: Option<bool>,
    /// Why, what weighs most first.
    pub reasons: Vec<Reason>,
    /// From when on it is not let in, if nothing is done; absent where that is not known or never so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub tolerated_until: Option<Timestamp>,
    /// What is overdue, what weighs most first; at most 20.
    pub overdue: Vec<Finding>,
    /// How many titles are overdue.
    pub overdue_count: u64,
    /// What is to be done and not overdue, by its due time; at most 20.
    pub due: Vec<Finding>,
    /// How many titles that are.
    pub due_count: u64,
    /// When it was decided; absent where nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub decided_at: Option<Timestamp>,
    /// Whether something has changed since that is not yet taken into account.
    pub behind: bool,
}

/// One title of a device of which something is to be done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "PostureFinding")]
pub struct Finding {
    /// The slot.
    pub slot: SlotName,
    /// The installed version; absent where it is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installed: Option<String>,
    /// How it stands.
    pub compliance: Compliance,
    /// Since when it is overdue, or from when on it will be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub due: Option<Timestamp>,
    /// What gives that time: an advisory, or `stale`, `missing`, `forbidden`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// Whether a hole in it is known to be exploited.
    pub exploited: bool,
    /// What puts it right.
    pub fix: Fix,
    /// How far that has come.
    pub progress: Progress,
    /// What keeps it from being done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<Hold>,
    /// What whoever asks is to do, for this title alone.
    pub access: Access,
    /// Why it does not block though it is overdue; absent where it does, or is not overdue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerated: Option<Tolerated>,
    /// From when on it blocks; absent where that is not known or never so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub tolerated_until: Option<Timestamp>,
    /// The policy that decides, and where it is written; absent where none surely does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyPlace>,
    /// The path under which the server explains it, with the whole derivation.
    pub explanation: String,
}

/// Why something that is overdue does not block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "PostureTolerated")]
pub enum Tolerated {
    /// The policy only observes.
    Observed,
    /// The device has just returned, and its grace runs.
    Grace,
    /// Something keeps it from being done, which nobody at the device can change.
    Held,
    /// The time from which it blocks has not come.
    Time,
}

/// What puts a title right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "PostureFix")]
pub struct Fix {
    /// For programs.
    pub action: FixAction,
    /// The version that has to come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// For people.
    pub text: String,
}

/// What has to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "PostureFixAction")]
pub enum FixAction {
    /// An update has to be installed.
    Update,
    /// The title has to be installed.
    Install,
    /// The title has to be removed.
    Remove,
    /// The device has to be restarted: the update is there.
    Restart,
    /// The device has to be replaced: no release that satisfies will be offered to it.
    Replace,
    /// Nothing, for now: the release may not come onto this device yet, or is not there.
    Wait,
    /// The device has to report: it was seen too long ago, or a fact of it is missing.
    Report,
}

/// Where a policy is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "PosturePolicy")]
pub struct PolicyPlace {
    /// Its name.
    pub name: String,
    /// The file in the policy repository.
    pub file: String,
    /// The line that it begins on.
    pub line: u64,
    /// Who answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Why it is as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}
