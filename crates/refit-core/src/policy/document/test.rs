//! `test:`: a small world and the decisions expected in it. The format is described in `docs/reference/tests.md`.

use super::scalars::{Duration, Expression, Instant};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A world, and what is expected of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TestDocument {
    /// What it shows.
    pub test: String,
    /// Documents of its own; without them the repository's count.
    #[serde(default)]
    pub repository: Option<Vec<serde_json::Value>>,
    /// What is so.
    pub world: WorldDocument,
    /// What is expected: by title, or by device and title where `devices` are given.
    pub expect: BTreeMap<String, serde_json::Value>,
}

/// What is so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorldDocument {
    /// The time of the decision.
    pub now: Instant,
    /// When the policies first applied; long ago where it is left out.
    #[serde(default)]
    pub applied: Option<AppliedDocument>,
    /// The device.
    #[serde(default)]
    pub device: Option<DeviceDocument>,
    /// Several devices.
    #[serde(default)]
    pub devices: Vec<DeviceDocument>,
    /// The person of every device that brings none.
    #[serde(default)]
    pub person: Option<BTreeMap<String, FactDocument>>,
    /// What is installed on every device that brings no list.
    #[serde(default)]
    pub installed: Vec<InstallDocument>,
    /// What has been published.
    #[serde(default)]
    pub releases: Vec<ReleaseDocument>,
    /// What is known to be vulnerable.
    #[serde(default)]
    pub advisories: Vec<AdvisoryDocument>,
    /// What has opened; a rollout that is not named has opened nothing.
    #[serde(default)]
    pub rollouts: Vec<OpenRolloutDocument>,
    /// What gates said, or the evidence for it.
    #[serde(default)]
    pub gates: Vec<GateStateDocument>,
    /// When conditions first became true.
    #[serde(default)]
    pub latched: Vec<LatchDocument>,
    /// When spells in progress began, on every device that brings none.
    #[serde(default)]
    pub spells: Vec<SpellDocument>,
    /// Absences of every device that brings none.
    #[serde(default)]
    pub presence: Vec<AbsenceDocument>,
    /// Deferrals that were used, on every device that brings none.
    #[serde(default)]
    pub used_deferrals: Vec<UsedDeferralsDocument>,
    /// What was admitted before, on every device.
    #[serde(default)]
    pub admitted_before: Vec<AdmittedBeforeDocument>,
    /// The policy that decided last for a title, on every device.
    #[serde(default)]
    pub decided_before: Vec<DecidedBeforeDocument>,
}

/// When policies first applied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum AppliedDocument {
    /// All at once.
    All(Instant),
    /// By policy, and by entry of its deadline.
    Each(Vec<AppliedPolicyDocument>),
}

/// When a policy, or one entry of its deadline, first applied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AppliedPolicyDocument {
    /// The policy.
    pub policy: String,
    /// Which entry of its deadline, counted from 1; all where it is left out.
    #[serde(default)]
    pub entry: Option<usize>,
    /// Since when.
    pub since: Instant,
}

/// A device. Every field of the model, and the organisation's own, may be given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeviceDocument {
    /// Its id.
    pub id: String,
    /// Its time zone; UTC where it is left out.
    #[serde(default)]
    pub timezone: Option<String>,
    /// When it was enrolled; long ago where it is left out.
    #[serde(default)]
    pub enrolled: Option<Instant>,
    /// When it was last seen; now where it is left out.
    #[serde(default)]
    pub seen: Option<Instant>,
    /// Whether two histories claim its identity.
    #[serde(default)]
    pub identity_in_doubt: bool,
    /// Its person.
    #[serde(default)]
    pub person: Option<BTreeMap<String, FactDocument>>,
    /// What is installed.
    #[serde(default)]
    pub installed: Option<Vec<InstallDocument>>,
    /// Its absences.
    #[serde(default)]
    pub presence: Option<Vec<AbsenceDocument>>,
    /// When its spells in progress began.
    #[serde(default)]
    pub spells: Option<Vec<SpellDocument>>,
    /// Deferrals that were used.
    #[serde(default)]
    pub used_deferrals: Option<Vec<UsedDeferralsDocument>>,
    /// Its other fields.
    #[serde(flatten)]
    pub fields: BTreeMap<String, FactDocument>,
}

/// A value, or a value with its source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum FactDocument {
    /// True or false.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A text, a version, or a point in time.
    Text(String),
    /// A list of texts.
    List(Vec<String>),
    /// A value with its source.
    Sourced(SourcedFactDocument),
}

/// A value with its source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourcedFactDocument {
    /// The value.
    pub value: PlainValue,
    /// Who says so.
    #[serde(default)]
    pub source: Option<String>,
    /// When it was observed.
    #[serde(default)]
    pub observed: Option<Instant>,
}

/// A value as it is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum PlainValue {
    /// True or false.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A text, a version, or a point in time.
    Text(String),
    /// A list of texts.
    List(Vec<String>),
}

/// What is installed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InstallDocument {
    /// The title.
    pub title: String,
    /// Its branch; without it the title has one.
    #[serde(default)]
    pub branch: Option<String>,
    /// The profile that it is installed in; the machine where it is left out.
    #[serde(default)]
    pub profile: Option<String>,
    /// Its version.
    pub version: String,
    /// When it was first seen there; long ago where it is left out.
    #[serde(default)]
    pub since: Option<Instant>,
}

/// What has been published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleaseDocument {
    /// The title.
    pub title: String,
    /// Its branch; without it the title has one.
    #[serde(default)]
    pub branch: Option<String>,
    /// Its version.
    pub version: String,
    /// When it was published.
    pub published: Instant,
    /// Since when it is offered, or `never`; from its publication where it is left out.
    #[serde(default)]
    pub offered: Option<OfferedDocument>,
    /// Whether the distribution's security archive carries it.
    #[serde(default)]
    pub security: bool,
}

/// Since when a release is offered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OfferedDocument {
    /// Since then; a time to come is: not yet.
    Since(Instant),
    /// Not in this universe.
    Never(Never),
}

/// The word `never`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Never {
    /// Not in this universe.
    Never,
}

/// What is known to be vulnerable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdvisoryDocument {
    /// Its id.
    pub id: String,
    /// The title.
    pub title: String,
    /// The affected versions: a range.
    pub affected: String,
    /// When it became known.
    pub known_at: Instant,
    /// The CVSS base score.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 10.0))]
    pub cvss: Option<f64>,
    /// The EPSS probability.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub epss: Option<f64>,
    /// When CISA listed it as exploited; not listed where it is left out.
    #[serde(default)]
    pub kev: Option<Instant>,
    /// Whether ransomware is known to use it.
    #[serde(default)]
    pub ransomware: bool,
    /// Since when it no longer counts.
    #[serde(default)]
    pub withdrawn: Option<Instant>,
}

/// What has opened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenRolloutDocument {
    /// The title.
    pub title: String,
    /// The release.
    pub version: String,
    /// The rollout.
    pub rollout: String,
    /// The rings that have opened.
    #[serde(default)]
    pub open: Vec<String>,
    /// Who was in a ring when it opened; all who match where it is left out.
    #[serde(default)]
    pub members: BTreeMap<String, Vec<String>>,
}

/// What a gate said, or the evidence for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GateStateDocument {
    /// The title.
    pub title: String,
    /// The release.
    pub version: String,
    /// The rollout in which the gate stands; every rollout with such a ring where it is left out.
    #[serde(default)]
    pub rollout: Option<String>,
    /// The ring before the gate.
    pub after: String,
    /// The platform that it speaks of; every platform where it is left out.
    #[serde(default)]
    pub platform: Option<String>,
    /// What it said.
    #[serde(default)]
    pub answer: Option<GateAnswer>,
    /// When the ring opened.
    #[serde(default)]
    pub opened: Option<Instant>,
    /// When the first device reported.
    #[serde(default)]
    pub first_result: Option<Instant>,
    /// Devices due in the ring.
    #[serde(default)]
    pub devices: Option<u64>,
    /// Devices that have reported.
    #[serde(default)]
    pub reported: Option<u64>,
    /// Devices on which it failed.
    #[serde(default)]
    pub failed: Option<u64>,
}

/// What a gate says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GateAnswer {
    /// Go on.
    Pass,
    /// Stop.
    Halt,
    /// It can't be said yet.
    Inconclusive,
}

/// When a condition first became true.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LatchDocument {
    /// The advisory.
    pub advisory: String,
    /// The text of the condition.
    #[serde(rename = "if")]
    pub condition: Expression,
    /// Since when.
    pub since: Instant,
}

/// When a spell in progress began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SpellDocument {
    /// The title.
    pub title: String,
    /// The branch of the slot, where the device has the title in several.
    #[serde(default)]
    pub branch: Option<String>,
    /// Since when.
    pub since: Instant,
}

/// An absence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AbsenceDocument {
    /// Since when.
    pub away: Instant,
    /// Until when.
    pub back: Instant,
    /// The time of use between its end and the next absence or now.
    #[serde(default)]
    pub used: Option<Duration>,
}

/// Deferrals that were used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UsedDeferralsDocument {
    /// The title.
    pub title: String,
    /// How many.
    pub times: u32,
}

/// What was admitted before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdmittedBeforeDocument {
    /// The title.
    pub title: String,
    /// The branch of the slot, where the device has the title in several; without it the branch of the release.
    #[serde(default)]
    pub branch: Option<String>,
    /// The release.
    pub version: String,
}

/// The policy that decided last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecidedBeforeDocument {
    /// The title.
    pub title: String,
    /// The branch of the slot; without it every slot of the title is meant.
    #[serde(default)]
    pub branch: Option<String>,
    /// The policy.
    pub policy: String,
}

/// What is expected of a slot. What is left out is not compared; `null` is: there is none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// Compliance.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub compliance: Option<Option<crate::decide::Compliance>>,
    /// The due time.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub due: Option<Option<Instant>>,
    /// The goal's version, or `absent`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub goal: Option<Option<String>>,
    /// The admitted version.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub admitted: Option<Option<String>>,
    /// The rollout.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Option<String>>,
    /// The device's ring.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub ring: Option<Option<String>>,
    /// What the gate after the last open ring says.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub gate: Option<Option<GateAnswer>>,
    /// Progress.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub progress: Option<Option<crate::decide::Progress>>,
    /// The causes that keep an outstanding change from being made now.
    #[serde(default)]
    pub holds: Option<Vec<crate::decide::Hold>>,
    /// Marks.
    #[serde(default)]
    pub marks: Option<Vec<crate::decide::Mark>>,
    /// The policy that decides.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub policy: Option<Option<String>>,
}

/// Tells a key that is `null` from one that is left out.
fn given<'de, T: Deserialize<'de>, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}
