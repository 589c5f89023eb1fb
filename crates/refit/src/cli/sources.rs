//! `refit sources`, `refit device`, `refit person`, `refit conflicts`

use super::serve::named;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `refit sources`
#[derive(Debug, Subcommand)]
pub enum SourcesCommand {
    /// Read devices and people from the systems that a policy repository names as sources.
    Sync(SourcesSyncArgs),
    /// Show how old what the sources say is, how much it is, and what is wrong with them.
    Status(SourcesStatusArgs),
}

/// `refit sources sync`
#[derive(Debug, Args)]
pub struct SourcesSyncArgs {
    /// The folder of the policy repository.
    pub policy: PathBuf,
    /// Read this source only; may be given several times.
    #[arg(long = "only", value_name = "SOURCE")]
    pub only: Vec<String>,
    /// Where a system is, such as `okta=https://acme.okta.com`; may be given several times. No other host is told a secret.
    #[arg(long, value_name = "SOURCE=URL", value_parser = named)]
    pub connect: Vec<(String, String)>,
    /// The file of a secret that the connector names, such as `okta.private_key=okta.pem`.
    #[arg(long, value_name = "SOURCE.SECRET=FILE", value_parser = named)]
    pub secret: Vec<(String, String)>,
    /// The file that a source is, such as `inventory=devices.csv`.
    #[arg(long, value_name = "SOURCE=FILE", value_parser = named)]
    pub file: Vec<(String, String)>,
    /// The folder of the files that sources name by `path:`; nothing outside it is read [default: that of the policy repository].
    #[arg(long, value_name = "FOLDER")]
    pub files: Option<PathBuf>,
    /// Read everything, not only what has changed.
    #[arg(long)]
    pub full: bool,
    /// Believe this source although far fewer records are in it than before.
    #[arg(long, value_name = "SOURCE")]
    pub believe: Vec<String>,
}

/// `refit sources status`
#[derive(Debug, Args)]
pub struct SourcesStatusArgs {
    /// A policy repository, to show its sources that were never read as well.
    #[arg(long, value_name = "DIR")]
    pub policy: Option<PathBuf>,
}

/// `refit device` and `refit person`
#[derive(Debug, Args)]
pub struct EntityArgs {
    /// An id of Refit's, a record (`jamf-pro/123`), or what it is known by: a serial number, a hostname, an address, a name.
    pub key: String,
    /// The policy repository, which says whom to believe, what is too old, and who is who.
    #[arg(long, value_name = "DIR")]
    pub policy: Option<PathBuf>,
    /// The time to ask for, such as 2026-11-23T12:00:00Z [default: now].
    #[arg(long, value_name = "TIME", value_parser = super::time)]
    pub now: Option<jiff::Timestamp>,
}

/// `refit conflicts`
#[derive(Debug, Args)]
pub struct ConflictsArgs {
    /// The policy repository, with what has been settled by now.
    #[arg(long, value_name = "DIR")]
    pub policy: Option<PathBuf>,
    /// Only those of which a record, a key or an id contains this.
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
}
