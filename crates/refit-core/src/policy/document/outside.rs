//! `source:`, `target:`, `process:`, `identities:`, `goal:` and `guarantee:`: documents whose shape is checked here and whose meaning
//! belongs to the parts of Refit that read from, write to, and promise to others.

use super::scalars::{Duration, Expression, Share};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A system that facts come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceDocument {
    /// Its name.
    pub source: String,
    /// The connector that reads it, the source's own name where nothing is said; `scim` where an identity provider tells it to the server by
    /// itself, so that nothing is read.
    #[serde(default)]
    pub connector: Option<String>,
    /// Who answers for it.
    #[serde(default)]
    pub owner: Option<String>,
    /// What it says is unknown when older than this; without it 14d for devices and 2d for people.
    #[serde(default)]
    pub stale_after: Option<Duration>,
    /// A reading with fewer records than the last, by more than this, is not believed.
    #[serde(default)]
    pub shrink_limit: Option<Share>,
    /// How often it is asked.
    #[serde(default)]
    pub every: Option<Duration>,
    /// What a monitoring system is asked for gates, by the name of the signal.
    #[serde(default)]
    pub signals: BTreeMap<String, SignalQueryDocument>,
    /// Settings of the connector; secrets only by name.
    #[serde(default)]
    pub settings: BTreeMap<String, serde_json::Value>,
    /// What its values are called here, by field: `person.department: { "Eng - Platform": Engineering }`.
    #[serde(default)]
    pub maps: BTreeMap<String, BTreeMap<String, String>>,
}

/// What a monitoring system is asked for a signal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignalQueryDocument {
    /// The query (PromQL): one sample for each device, 0 where all is well and anything else where it is not. Of a device without a
    /// sample it says nothing.
    pub query: String,
    /// The label that names the device, by its id or name, with or without a port; `instance` where nothing is said.
    #[serde(default)]
    pub device: Option<String>,
}

/// A system that configuration is written to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetSystemDocument {
    /// Its name.
    pub target: String,
    /// What kind of system it is.
    pub kind: String,
    /// Who answers for it.
    #[serde(default)]
    pub owner: Option<String>,
    /// The devices that it is written for.
    #[serde(default, rename = "where")]
    pub condition: Option<Expression>,
    /// What happens to changes that were made by hand.
    #[serde(default)]
    pub drift: Option<DriftResponse>,
    /// Settings of the target; secrets only by name.
    #[serde(default)]
    pub settings: BTreeMap<String, serde_json::Value>,
}

/// What happens to changes that were made by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DriftResponse {
    /// They are shown.
    Report,
    /// They are undone.
    Revert,
}

/// A business process: what another system is told of what happens here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProcessDocument {
    /// Its name; rings wait for people's answer in it by that (`approval:`).
    pub process: String,
    /// What is told and how: one that comes with Refit (`servicenow-change`), or the folder of a `template.yaml` in this repository; the process's
    /// own name where nothing is said.
    #[serde(default)]
    pub template: Option<String>,
    /// Who answers for it.
    #[serde(default)]
    pub owner: Option<String>,
    /// What is told of; everything where nothing is said. In CEL's syntax: `subject.rollout == "standard"`.
    #[serde(default, rename = "where")]
    pub condition: Option<crate::facts::mapping::document::Formula>,
    /// Settings of the template; secrets only by name.
    #[serde(default)]
    pub settings: BTreeMap<String, serde_json::Value>,
}

/// Settled identities: which records are one device or person, and which are not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IdentitiesDocument {
    /// A name for this list.
    pub identities: String,
    /// Records that are one: keys such as `serial:C02XK1` or `email:ada@acme.example`.
    #[serde(default)]
    pub same: Vec<Vec<String>>,
    /// Records that are not.
    #[serde(default)]
    pub different: Vec<Vec<String>>,
}

/// What success is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GoalDocument {
    /// Its name.
    pub goal: String,
    /// Who answers for it.
    #[serde(default)]
    pub owner: Option<String>,
    /// The devices that it concerns.
    #[serde(default, rename = "where")]
    pub condition: Option<Expression>,
    /// The titles that it concerns.
    #[serde(default)]
    pub software: Vec<String>,
    /// The share of obligations that are met when they are due.
    #[serde(default)]
    pub within_due: Option<Share>,
    /// How often a person may be asked in a month.
    #[serde(default)]
    pub prompts_per_person_and_month: Option<f64>,
}

/// A promise that Refit must be able to prove.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GuaranteeDocument {
    /// Its name.
    pub guarantee: String,
    /// Who relies on it.
    #[serde(default)]
    pub owner: Option<String>,
    /// The devices that it concerns.
    #[serde(default, rename = "where")]
    pub condition: Option<Expression>,
    /// The titles that it concerns.
    #[serde(default)]
    pub software: Vec<String>,
    /// The exposures that it concerns.
    #[serde(default, rename = "if")]
    pub exposure: Option<Expression>,
    /// They are due within this time of being known and fixed.
    #[serde(default)]
    pub within: Option<Duration>,
    /// Changes are made only inside this window.
    #[serde(default)]
    pub only_in: Option<String>,
    /// No device is restarted without being asked.
    #[serde(default)]
    pub never_forces_restart: Option<bool>,
}
