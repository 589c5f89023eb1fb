//! `mandate:`, usually `mandate.yaml`: what the organisation signs besides its policies.

use super::scalars::{Duration, Fingerprint};
use refit_wire::state::System;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What agents may be told to do at all: where packages come from, what may be hurried, and limits.
///
/// Agents do nothing without a mandate that somebody has signed (`refit mandate sign`). It is made from this document and
/// from the policies in mode `enforce`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MandateDocument {
    /// Its name.
    pub mandate: String,
    /// How long it counts from its signature on; 90d where it is left out.
    #[serde(default)]
    pub lasts: Option<Duration>,
    /// Package sources, each under a name of its own.
    #[serde(default)]
    pub sources: BTreeMap<String, PackageSourceDocument>,
    /// What the server may hurry by itself; nothing where it is left out.
    #[serde(default)]
    pub urgent: Option<UrgentDocument>,
    /// No version of a title below this one, by package manager: `google-chrome: { deb: 130.0.6723.58-1 }`.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Floors>")]
    pub floors: BTreeMap<String, BTreeMap<System, String>>,
    /// Limits on what is no package.
    #[serde(default)]
    pub limits: Option<MandateLimitsDocument>,
}

/// The form of `floors` for JSON Schema, whose keys are texts.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[allow(dead_code, reason = "it is there for its schema")]
struct Floors {
    /// The lowest version of the Debian package.
    deb: Option<String>,
    /// The lowest version of the RPM.
    rpm: Option<String>,
}

/// A package source: who signs it, and what may come from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PackageSourceDocument {
    /// The package manager that reads it.
    pub system: System,
    /// The fingerprints of the OpenPGP primary keys that sign it; any of them will do.
    #[schemars(length(min = 1))]
    pub keys: Vec<Fingerprint>,
    /// What may come from it, as policies name it: `google-chrome`, `deb/linux-image-*`, `os/security`, `os/*`.
    #[schemars(length(min = 1))]
    pub titles: Vec<String>,
}

/// What the server may hurry by itself. Whoever steals the server can do so as well; what is not named here needs somebody
/// who signs (`refit key expedite`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UrgentDocument {
    /// Rollouts of deadline entries that it may choose in place of the policy's own.
    #[serde(default)]
    pub rollouts: Vec<String>,
    /// Whether it may use the shorter `min_age` of a deadline entry.
    #[serde(default)]
    pub min_age: bool,
}

/// Limits on what is no package.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MandateLimitsDocument {
    /// How long a device may act without having heard from the server; 1h where it is left out.
    #[serde(default)]
    pub lease: Option<Duration>,
    /// After how long without a fresh state a device tells its user and the system log; 7d where it is left out.
    #[serde(default)]
    pub silence: Option<Duration>,
    /// The longest that a hold may last; 30d where it is left out.
    #[serde(default)]
    pub hold: Option<Duration>,
    /// How many restarts of the machine in a day; 2 where it is left out.
    #[serde(default)]
    pub restarts_per_day: Option<u32>,
}
