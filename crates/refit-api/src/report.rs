//! What people say is broken, and what comes of it.

use jiff::Timestamp;
use refit_core::control::{ReportOutcome, ReportStatus};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Somebody says that something is broken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewReport {
    /// The device; may be left out where the person has one device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub device: Option<String>,
    /// Whose words these are, by id; where it is left out the device's person's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub person: Option<String>,
    /// What is broken, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub title: Option<String>,
    /// Since when it is so; now where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// In words.
    #[schemars(length(min = 1, max = 500))]
    pub words: String,
}

/// A report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReportSaid {
    /// Its id.
    pub report: String,
    /// How far it is.
    pub status: ReportStatus,
    /// The device.
    pub device: String,
    /// Whose words these are, where that is known.
    pub person: Option<String>,
    /// Who passed it on; null where it was said on the device.
    pub by: Option<String>,
    /// Since when it is so.
    pub since: Timestamp,
    /// When the server heard of it.
    pub received: Timestamp,
    /// What is broken, where somebody named it.
    pub title: Option<String>,
    /// The words. They may say anything: of one report, and for who may read what is personal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
    /// Who answers for what it is about: the owner of the policy.
    pub owner: Option<String>,
    /// Who looks at it.
    pub acknowledged_by: Option<String>,
    /// What was changed on the device within 72 hours before, the likeliest cause first.
    pub changes: Vec<SuspectSaid>,
    /// With what it was closed.
    pub closed: Option<ReportClosedSaid>,
    /// When the answer was shown on the device.
    pub shown: Option<Timestamp>,
}

/// A change that may be the cause of a report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SuspectSaid {
    /// The title.
    pub title: String,
    /// The release that was tried.
    pub version: String,
    /// The release before, where that is known.
    pub before: Option<String>,
    /// When it was tried.
    pub at: Timestamp,
    /// Whether the report names the title.
    pub named: bool,
    /// Other devices with this release that report something.
    pub others_reporting: u64,
    /// Other devices with this release, where a rollout counts them; 0 where none does.
    pub others: u64,
    /// All of that in a sentence.
    pub says: String,
}

/// With what a report was closed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReportClosedSaid {
    /// What came of it.
    pub outcome: ReportOutcome,
    /// The title that it was about.
    pub title: Option<String>,
    /// The release that is to be blocked, or that mends it.
    pub version: Option<String>,
    /// Why.
    pub why: String,
    /// Who answered.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// A report is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CloseReport {
    /// With what.
    pub outcome: ReportOutcome,
    /// The title; with `block` that of the likeliest cause where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub title: Option<String>,
    /// The release: with `block` the one that is to be blocked, with `fix` the one that mends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub version: Option<String>,
    /// Why, in words.
    #[schemars(length(min = 1, max = 4096))]
    pub why: String,
}

/// A report is closed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReportIsClosed {
    /// The report.
    pub report: String,
    /// The log's last event afterwards.
    pub seq: u64,
    /// Whether anything changed.
    pub changed: bool,
    /// Whether the release was halted too; false where no rollout brings it, or it was closed with something else.
    pub halted: bool,
}

/// A change of the policy repository, for review.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Patch {
    /// The path of the file that it adds.
    pub path: String,
    /// Its text.
    pub text: String,
    /// The same as a unified diff, as `git apply` takes it.
    pub diff: String,
}
