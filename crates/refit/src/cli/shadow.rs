//! The options of `refit shadow`.

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use refit_core::policy::document::scalars::Duration;
use std::path::PathBuf;

/// `refit shadow`
#[derive(Debug, Args)]
pub struct ShadowArgs {
    /// What the other tool reports: a table (CSV) with the columns `device`, `title`, `version` and perhaps `from`, `installed_at`, `due`,
    /// `state`; ManagedInstallReport.plist of Munki; apt's history.log; Jamf's patch report; an export of UCClientUpdateStatus.
    #[arg(required = true)]
    pub reports: Vec<PathBuf>,
    /// The fleet as it was before what is reported, in a file as `refit fleet generate` writes it.
    #[arg(long, value_name = "FILE")]
    pub world: PathBuf,
    /// The folder of the policy repository [default: this folder, if it is one].
    #[arg(long, value_name = "DIR")]
    pub policy: Option<PathBuf>,
    /// The device that the reports are of, where they do not say it.
    #[arg(long, value_name = "NAME")]
    pub device: Option<String>,
    /// The title that the reports are of, where they do not say it.
    #[arg(long, value_name = "TITLE")]
    pub title: Option<String>,
    /// When the reports were made [default: the time of the fleet].
    #[arg(long, value_name = "TIME", value_parser = super::time)]
    pub reported: Option<Timestamp>,
    /// Times that differ by no more than this are the same.
    #[arg(long, value_name = "DURATION", default_value = "4h", value_parser = length)]
    pub tolerance: SignedDuration,
    /// As if this ring, and those before it, had opened for every release: a fleet in a file knows of no rollouts.
    #[arg(long, value_name = "RING")]
    pub opened: Option<String>,
    /// Since when the policies apply [default: for ever].
    #[arg(long, value_name = "TIME", value_parser = super::time)]
    pub applied: Option<Timestamp>,
    /// Exit with 4 when there are differences.
    #[arg(long)]
    pub detailed_exitcode: bool,
}

fn length(text: &str) -> Result<SignedDuration, String> {
    Duration::parse(text)
        .map(|length| length.0)
        .map_err(|_| "write a number and a unit, such as `90m`, `8h` or `2d`".to_owned())
}
