//! What a change came to, as it was observed afterwards.

use super::{installs::Status, processes::ServiceRestart, transaction::ActionKind};
use jiff::Timestamp;
use refit_model::{TitleId, Version};
use serde::Serialize;

/// What a change came to.
#[derive(Clone, Debug, Serialize)]
pub struct Receipt {
    /// Whether everything that was expected was observed, and nothing else.
    pub succeeded: bool,
    /// When it began.
    pub began: Timestamp,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// One entry for each package of the plan, and for each that changed without being in it; sorted by title.
    pub packages: Vec<PackageResult>,
    /// What had to be repaired, before and after.
    pub repairs: Vec<Repair>,
    /// Configuration files that somebody had edited and that were kept; what the new version brought lies beside each, as
    /// `FILE.dpkg-dist` or `FILE.rpmnew`.
    pub kept_conffiles: Vec<String>,
    /// What does not run from the new files yet.
    pub needed: Needed,
    /// What went wrong as a whole, and what to do: a full disk, packages left half-configured. Empty where all is well.
    pub problems: Vec<String>,
    /// The last lines that the package manager printed.
    pub output_tail: Vec<String>,
}

/// What became of one package.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PackageResult {
    /// The package.
    #[serde(rename = "device_title")]
    pub title: TitleId,
    /// What was planned for it; `None` where it was not planned.
    pub planned: Option<ActionKind>,
    /// The version that was planned; `None` for a removal, and where nothing was planned.
    pub expected: Option<Version>,
    /// The version before, as observed.
    pub before: Option<Version>,
    /// The version afterwards, as observed. It says nothing by itself: see `status`.
    pub after: Option<Version>,
    /// Its state afterwards; `None` where the package manager does not know the package.
    pub status: Option<Status>,
    /// What became of it.
    pub outcome: PackageOutcome,
}

/// What became of a package.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "result")]
pub enum PackageOutcome {
    /// Observed as planned, and configured.
    Done,
    /// It was begun, and is not what was planned.
    Failed {
        /// Why, in a sentence.
        why: String,
        /// The last lines of its scripts and of the package manager about it.
        output: Vec<String>,
    },
    /// It is as it was before.
    NotAttempted,
    /// It changed although the plan did not have it.
    Unplanned,
}

/// Something that had to be brought in order.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Repair {
    /// The command.
    pub command: String,
    /// What it was run for: the packages, as `name (state)`; empty where only a journal was left over.
    pub packages: Vec<String>,
    /// Whether everything was in order afterwards.
    pub succeeded: bool,
    /// What was not in order afterwards, as `name (state)`.
    pub left: Vec<String>,
    /// What it printed last.
    pub output_tail: Vec<String>,
}

/// What is still needed before everything runs from the new files.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Needed {
    /// Why the machine has to restart; empty where it has not.
    pub reboot: Vec<String>,
    /// Programs that still run from files that are gone.
    pub restarts: Vec<ServiceRestart>,
}
