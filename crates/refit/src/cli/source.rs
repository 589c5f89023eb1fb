//! `refit source`

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `refit source`
#[derive(Debug, Subcommand)]
pub enum SourceCommand {
    /// Show what a connector makes of a payload: the facts, and what of it did not fit.
    Test(SourceTestArgs),
}

/// `refit source test`
#[derive(Debug, Args)]
pub struct SourceTestArgs {
    /// The connector: its name (`jamf-pro`), or a folder with a connector.yaml.
    pub connector: String,
    /// A file as the system answered it; `-` is standard input.
    pub payload: PathBuf,
    /// A policy repository, for its own fields and for the names that its `source:` documents map values to.
    #[arg(long, value_name = "DIR")]
    pub policy: Option<PathBuf>,
    /// The `source:` document whose names are used [default: all of this connector].
    #[arg(long, value_name = "NAME", requires = "policy")]
    pub source: Option<String>,
    /// Show every record, also where there are many.
    #[arg(long)]
    pub all: bool,
}
