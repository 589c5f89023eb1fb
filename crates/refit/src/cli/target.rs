//! `refit target`

use super::serve::named;
use clap::{Args, Subcommand};
use jiff::Timestamp;
use std::path::PathBuf;

/// `refit target`
#[derive(Debug, Subcommand)]
pub enum TargetCommand {
    /// Try a target on its live system: make an object of each kind that is for nobody, read it, change it, take it away, and write a record of
    /// that.
    Verify(TargetVerifyArgs),
}

/// `refit target verify`
#[derive(Debug, Args)]
pub struct TargetVerifyArgs {
    /// The target, as its document names it.
    pub target: String,
    /// The folder of the policy repository [default: this folder, if it is one].
    pub policy: Option<PathBuf>,
    /// Where the system is, such as `macs=https://acme.jamfcloud.com`. No other host is told a secret.
    #[arg(long, value_name = "TARGET=URL", value_parser = named)]
    pub connect: Vec<(String, String)>,
    /// The file of a secret of the system, such as `windows.client_secret=FILE`.
    #[arg(long, value_name = "TARGET.SECRET=FILE", value_parser = named)]
    pub secret: Vec<(String, String)>,
    /// Write the record into a file, as JSON.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// The time of the record, such as 2026-11-27T12:00:00Z [default: now].
    #[arg(long, value_name = "TIME", value_parser = super::time)]
    pub now: Option<Timestamp>,
}
