//! What there is to say of business events. Data is flat, so that filters can ask for every field; ids of devices and people are
//! opaque, and no field holds a personal value.

use crate::{
    control::{DriftHand, HeldBy, PersonChange, ReceiptResult, ReportOutcome, SourceTrouble},
    decide::Compliance,
    policy::document::test::GateAnswer,
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

/// How many devices an event lists at most; what concerns more is several events. With ids of 36 characters that is less than the 20 KB that
/// Standard Webhooks recommends for a payload.
pub const DEVICES_MOST: usize = 500;

/// A slot of devices that stands otherwise than before.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct StandingData {
    /// The title.
    pub title: String,
    /// Its branch, where the title has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The profile that it is installed in; the machine where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// How it stood.
    pub was: Compliance,
    /// How it stands.
    pub compliance: Compliance,
    /// From when on it is overdue.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub due: Option<Timestamp>,
    /// From when on it was overdue before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub was_due: Option<Timestamp>,
    /// What obliges it: advisories, and `stale`, `missing`, `forbidden`. Of very many advisories only some; `exposure.opened` tells of all.
    pub obligations: Vec<String>,
    /// Whether any advisory among them is known to be exploited.
    pub kev: bool,
    /// How many devices this event lists.
    pub count: u64,
    /// The devices, at most 500.
    #[schemars(length(max = 500))]
    pub devices: Vec<String>,
}

/// Exposures of devices.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ExposureData {
    /// The title.
    pub title: String,
    /// Its branch, where the title has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The profile that it is installed in; the machine where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The advisories.
    pub advisories: Vec<String>,
    /// Whether any of them is known to be exploited.
    pub kev: bool,
    /// Until when the slot has to be put right.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub due: Option<Timestamp>,
    /// How many devices this event lists.
    pub count: u64,
    /// The devices, at most 500.
    #[schemars(length(max = 500))]
    pub devices: Vec<String>,
}

/// Devices.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct DevicesData {
    /// How many devices this event lists.
    pub count: u64,
    /// The devices, at most 500.
    #[schemars(length(max = 500))]
    pub devices: Vec<String>,
}

/// A device.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct DeviceData {
    /// The device.
    pub device: String,
}

/// A device, and why.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct DeviceReasonData {
    /// The device.
    pub device: String,
    /// Why, in words.
    pub why: String,
}

/// Two devices that are one, or not after all.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct DeviceMergedData {
    /// The device that stays, or that the other was merged into.
    pub device: String,
    /// The other one.
    pub other: String,
}

/// A device whose agent enrolled.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct DeviceJoinedData {
    /// The device.
    pub device: String,
    /// The agent's version.
    pub agent: String,
    /// The id of the enrolment token.
    pub enrolment: String,
}

/// Whose a device is.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct DeviceAssignedData {
    /// The device.
    pub device: String,
    /// The id of its primary person; absent is nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
}

/// A person. The values are personal, and not here: `GET /api/v1/people/ID` has them for whom they are.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct PersonData {
    /// The person's id.
    pub person: String,
    /// What has changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<PersonChange>,
}

/// A source of facts.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct SourceData {
    /// The source.
    pub source: String,
    /// How many records it has.
    pub records: u64,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<SourceTrouble>,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub since: Option<Timestamp>,
    /// Why, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// A release.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ReleaseData {
    /// The title.
    pub title: String,
    /// The branch, where the title has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The version.
    pub version: String,
    /// When it was published.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub published: Timestamp,
    /// Who said so.
    pub source: String,
}

/// Advisories of a title.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct AdvisoriesData {
    /// The title.
    pub title: String,
    /// The advisories, at most 500.
    #[schemars(length(max = 500))]
    pub advisories: Vec<String>,
    /// Whether any of them is known to be exploited.
    pub kev: bool,
    /// Who said so.
    pub source: String,
}

/// A plan.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct PlanData {
    /// Its id.
    pub plan: String,
    /// The revision that it would replace; 0 is none. Only where it is proposed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaces: Option<u64>,
    /// Why, where somebody rejected it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// A policy revision that is in force.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct PolicyData {
    /// The plan that was applied.
    pub plan: String,
    /// Its number, from 1.
    pub revision: u64,
    /// SHA-256 of the policy repository.
    pub policy_hash: String,
}

/// Changes that wait for a person.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct MovesHeldData {
    /// The plan that a person has to approve or reject.
    pub plan: String,
    /// What holds them; absent where they are freed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<HeldBy>,
    /// Why, in words; absent where they are freed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// How many devices.
    pub count: u64,
}

/// A release on its way.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct RolloutData {
    /// The title.
    pub title: String,
    /// The release.
    pub version: String,
    /// The platform; absent is every one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The rollout; absent is every one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout: Option<String>,
    /// The ring that opened, or after which the gate stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ring: Option<String>,
    /// What the gate answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<GateAnswer>,
    /// Until when that counts; absent is: until it is taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub until: Option<Timestamp>,
    /// How many devices are in the ring.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// How many devices of the ring have reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reported: Option<u64>,
    /// On how many of them it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<u64>,
    /// Why, where a person said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Why.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ReasonData {
    /// Why, in words.
    pub why: String,
}

/// What came of a change on a device.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct UpdateData {
    /// The device.
    pub device: String,
    /// The title.
    pub title: String,
    /// Its branch, where the title has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// What came of it.
    pub result: ReceiptResult,
    /// The release that was to come; absent where it was to go, or nobody knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The release before, as observed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// The release afterwards, as observed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// When it ended.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub ended: Timestamp,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}

/// A complaint. The words are not here: they may say anything.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ComplaintData {
    /// The device.
    pub device: String,
    /// The complaint's id.
    pub complaint: String,
    /// What is broken, where the person named it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// A report. The words are not here: they may say anything.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ReportData {
    /// Its id.
    pub report: String,
    /// The device.
    pub device: String,
    /// What it is about, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// With what it was closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<ReportOutcome>,
    /// The release that is to be blocked, or that mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// An exception that was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ExceptionData {
    /// Its name.
    pub exception: String,
    /// The titles that it is for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub titles: Vec<String>,
    /// Its last day: `2026-12-31`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_day: Option<String>,
    /// The rule under which it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Whether something that is known to be exploited was open when it was granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kev: Option<bool>,
}

/// A token.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct AccessData {
    /// Its id, which is no secret.
    pub token: String,
    /// From when on it no longer counts; absent where it was revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub expires: Option<Timestamp>,
}

/// A document that the organisation signed.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct SignedData {
    /// Its number.
    pub number: u64,
    /// SHA-256 of its payload.
    pub digest: String,
    /// When it expires.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub expires: Timestamp,
}

/// A system that configuration is written to.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct TargetData {
    /// The target, as its document names it.
    pub target: String,
    /// What kind of system it is.
    pub kind: String,
    /// What was changed by hand and is so now; where it was restored, what had been.
    pub objects: Vec<DriftedData>,
    /// When that was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub observed: Option<Timestamp>,
    /// Whether Refit itself has undone it.
    pub undone: bool,
}

/// An object of another system that was changed by hand.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct DriftedData {
    /// Its kind and name there.
    pub object: String,
    /// What was done with it.
    pub hand: DriftHand,
    /// The fields that differ.
    pub fields: Vec<String>,
}

/// The data of any business event.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
#[allow(missing_docs, reason = "each is the type of its name")]
pub enum Data {
    Standing(StandingData),
    Exposure(ExposureData),
    Devices(DevicesData),
    Device(DeviceData),
    DeviceReason(DeviceReasonData),
    DeviceMerged(DeviceMergedData),
    DeviceJoined(DeviceJoinedData),
    DeviceAssigned(DeviceAssignedData),
    Person(PersonData),
    Source(SourceData),
    Release(ReleaseData),
    Advisories(AdvisoriesData),
    Plan(PlanData),
    Policy(PolicyData),
    MovesHeld(MovesHeldData),
    Rollout(RolloutData),
    Reason(ReasonData),
    Update(UpdateData),
    Complaint(ComplaintData),
    Report(ReportData),
    Exception(ExceptionData),
    Access(AccessData),
    Signed(SignedData),
    Target(TargetData),
}
