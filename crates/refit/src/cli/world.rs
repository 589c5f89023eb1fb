//! The options of commands that ask a fleet in a file.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// `refit query`
#[derive(Debug, Args)]
pub struct QueryArgs {
    /// The condition, as policies write it in `where`: `device.platform == "macos" && person.department == "Finance"`.
    pub expression: String,
    /// The fleet, in a file as `refit fleet generate` writes it; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    pub world: PathBuf,
    /// The folder of the policy repository, which says whom to believe, when facts are too old, and which fields there are besides
    /// Refit's own [default: none].
    #[arg(long, value_name = "DIR")]
    pub policy: Option<PathBuf>,
    /// List the devices, one on each line, and nothing else: those on which it is true, or as said.
    #[arg(long, value_name = "WHICH", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub list: Option<Which>,
    /// Count by the values of a field: `person.department`, or `department` where only one of device and person has it.
    #[arg(long, value_name = "FIELD", conflicts_with = "list")]
    pub by: Vec<String>,
    /// Show every value of a field, also where there are many.
    #[arg(long, requires = "by")]
    pub all: bool,
}

/// An answer of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Which {
    /// It holds.
    True,
    /// It depends on something that nobody has said.
    Unknown,
    /// It does not hold.
    False,
}
