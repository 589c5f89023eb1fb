//! Titles, releases, advisories, exposures.

use refit_core::control::{AdvisoryEntry, ReleaseEntry};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A title that the server knows of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TitleSummary {
    /// Its id.
    pub title: String,
    /// Devices that have it.
    pub devices: u64,
    /// Releases that are known of it, outside of universes.
    pub releases: u64,
    /// Advisories that are known of it, outside of distributions.
    pub advisories: u64,
    /// Whether the catalog describes it.
    pub in_catalog: bool,
}

/// A release, as it was said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ReleaseSaid(pub ReleaseEntry);

/// An advisory, as it was said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct AdvisorySaid(pub AdvisoryEntry);

/// Releases that became known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewReleases {
    /// Who says so.
    #[schemars(length(min = 1, max = 1024))]
    pub source: String,
    /// The releases.
    #[schemars(length(max = 10_000))]
    pub releases: Vec<ReleaseEntry>,
}

/// Advisories that became known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAdvisories {
    /// Who says so.
    #[schemars(length(min = 1, max = 1024))]
    pub source: String,
    /// The advisories; each replaces what was known of the same id and title.
    #[schemars(length(max = 10_000))]
    pub advisories: Vec<AdvisoryEntry>,
}

/// An advisory and a title, with the devices that it affects.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Exposure {
    /// The advisory.
    pub advisory: String,
    /// The title.
    pub title: String,
    /// Whether it is known to be exploited.
    pub kev: bool,
    /// CVSS base score, where the advisory is known outside of a distribution's list and has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cvss: Option<f64>,
    /// How many devices have it open.
    pub devices: u64,
    /// How many of them are overdue with that title.
    pub overdue: u64,
    /// Some of them.
    pub examples: Vec<String>,
}
