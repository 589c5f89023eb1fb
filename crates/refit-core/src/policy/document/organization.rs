//! `organization:`, usually `refit.yaml`: what holds for all policies.

use super::scalars::{Day, Duration, Expression, Share};
use crate::policy::document::policy::Mode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The organisation: rollouts, gates, windows, freezes, budgets, and whom to believe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OrganizationDocument {
    /// Its name.
    pub organization: String,
    /// Whom to believe, field by field (`person.department`), most trusted source first.
    #[serde(default)]
    pub authority: BTreeMap<String, Vec<String>>,
    /// The time zones of sites, countries and the organisation itself, for devices and people of which no source says one.
    #[serde(default)]
    pub time_zones: Option<TimeZonesDocument>,
    /// Fields of the organisation's own, with their type: `device.rack: text`.
    #[serde(default)]
    pub fields: BTreeMap<String, FieldType>,
    /// The values that a field can have (`person.department`), so that a misspelt one is found.
    #[serde(default)]
    pub values: BTreeMap<String, Vec<String>>,
    /// How release sets are introduced, by name.
    #[serde(default)]
    pub rollouts: BTreeMap<String, RolloutDocument>,
    /// What has to be true between two rings, by name.
    #[serde(default)]
    pub gates: BTreeMap<String, GateDocument>,
    /// When changes may be made, by name.
    #[serde(default)]
    pub windows: BTreeMap<String, WindowDocument>,
    /// When changes may not be made.
    #[serde(default)]
    pub freezes: Vec<FreezeDocument>,
    /// How many devices may be moved in a time, over all causes together.
    #[serde(default)]
    pub budgets: Vec<BudgetDocument>,
    /// Limits on exceptions.
    #[serde(default)]
    pub exceptions: Option<ExceptionLimitsDocument>,
    /// What policies are, where they say nothing.
    #[serde(default)]
    pub defaults: Option<DefaultsDocument>,
}

/// The time zones of places, such as `Europe/Berlin`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimeZonesDocument {
    /// Of offices and data centres, as `person.site` and `device.site` have them, in any letters.
    #[serde(default)]
    pub sites: BTreeMap<String, String>,
    /// Of countries, as two letters: `DE`. Where sites say nothing.
    #[serde(default)]
    pub countries: BTreeMap<String, String>,
    /// Of the organisation itself: of devices and people of which nothing else is known, and of the day on which a system is asked who is away.
    #[serde(default)]
    pub otherwise: Option<String>,
}

/// The type of a field of the organisation's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FieldType {
    /// True or false.
    Bool,
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// A text.
    Text,
    /// A point in time.
    Time,
    /// A version: numbers and words, as the scheme `generic` reads them.
    Version,
    /// A list of texts.
    List,
}

/// A staged introduction: rings, one after the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RolloutDocument {
    /// The gate between its rings; none means that a ring opens when the one before has soaked.
    #[serde(default)]
    pub gate: Option<String>,
    /// The rings in the order in which they open.
    #[schemars(length(min = 1))]
    pub rings: Vec<RingDocument>,
}

/// One ring of a rollout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RingDocument {
    /// Its name.
    pub name: String,
    /// Who belongs to it; the first ring that holds is the device's.
    #[serde(default, rename = "where")]
    pub condition: Option<Expression>,
    /// The share of all devices that belongs to it, cut after those of the rings before.
    #[serde(default)]
    pub share: Option<Share>,
    /// How long a release has to be in use here, from the first result, before the gate can pass.
    #[serde(default)]
    pub soak: Option<Duration>,
    /// The process in which people have to agree before this ring opens: a change in ServiceNow. What the gate says counts besides.
    #[serde(default)]
    pub approval: Option<String>,
}

/// What has to be true between two rings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GateDocument {
    /// Halts when the lower bound of the failure rate is above this, passes when the upper bound is below.
    #[serde(default)]
    pub failure_rate: Option<Share>,
    /// How sure the bounds are, over all looks together.
    #[serde(default)]
    pub confidence: Option<Share>,
    /// Or passes when this share of the ring has reported and none failed.
    #[serde(default)]
    pub enough: Option<Share>,
    /// The share of devices that may stop checking in, beyond the control group's.
    #[serde(default)]
    pub silence: Option<Share>,
    /// How long a device has to have been unseen to count as one that stopped checking in; a day where nothing is said. Where `silence` is asked, no ring takes less.
    #[serde(default)]
    pub silent_after: Option<Duration>,
    /// The share of people who may say that it broke something, beyond the control group's.
    #[serde(default)]
    pub reports: Option<Share>,
    /// Inconclusive for longer asks a person; a week more than the ring soaks where it is left out.
    #[serde(default)]
    pub patience: Option<Duration>,
    /// Further measurements.
    #[serde(default)]
    pub signals: Vec<SignalDocument>,
}

/// A measurement that a gate looks at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignalDocument {
    /// Its name.
    pub name: String,
    /// The source that gives it.
    pub from: String,
    /// What it is held against.
    pub no_worse_than: SignalBaseline,
}

/// What a signal is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SignalBaseline {
    /// Devices of later rings that do not have the release yet.
    Control,
}

/// When changes may be made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WindowDocument {
    /// When it opens: an RFC 5545 recurrence rule in the device's own time, such as `FREQ=DAILY;BYHOUR=19`.
    pub rrule: String,
    /// How long it stays open.
    pub lasts: Duration,
}

/// When changes may not be made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FreezeDocument {
    /// Its name.
    pub name: String,
    /// The first day.
    pub from: Day,
    /// The last day.
    pub to: Day,
    /// Whom it concerns; everybody where it is left out.
    #[serde(default, rename = "where")]
    pub condition: Option<Expression>,
    /// It yields to a title with an open exposure for which this holds.
    #[serde(default)]
    pub unless: Option<Expression>,
}

/// How many devices may be moved in a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BudgetDocument {
    /// The rolling time.
    pub per: Duration,
    /// The largest share.
    pub at_most: Share,
    /// Of what.
    pub of: BudgetOf,
    /// Counted for each value of this field by itself: `person.department`.
    #[serde(default)]
    pub by: Option<String>,
}

/// What a budget counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BudgetOf {
    /// Devices.
    Devices,
}

/// Limits on exceptions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExceptionLimitsDocument {
    /// How far ahead an exception may reach at most.
    pub longest: Duration,
}

/// What policies are, where they say nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DefaultsDocument {
    /// The mode of policies that name none; without it, `observe`.
    #[serde(default)]
    pub mode: Option<Mode>,
}
