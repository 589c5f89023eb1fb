//! The options of `refit fleet`.

use clap::{Args, Subcommand};
use jiff::Timestamp;
use std::path::PathBuf;

/// `refit fleet`
#[derive(Debug, Subcommand)]
pub enum FleetCommand {
    /// Make up a fleet in the proportions of real ones, and write it into a file. The same numbers make the same fleet.
    Generate(GenerateArgs),
    /// Make up a month of a company under its policies, as the data folder of a server: examples/acme in June 2026. The same numbers make
    /// the same month.
    History(HistoryArgs),
}

/// `refit fleet generate`
#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// How many devices, 1 to 10,000,000.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub devices: u32,
    /// What tells this fleet from others of its size.
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// The file; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// The time at which the fleet is as it is, such as 2026-11-23T12:00:00Z [default: now].
    #[arg(long, value_name = "TIME", value_parser = super::time)]
    pub now: Option<Timestamp>,
}

/// `refit fleet history`
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// The policy repository of the company: examples/acme, or a change of it.
    pub policy: PathBuf,
    /// The data folder, which must not be there yet; `refit serve --data DIR` shows the month's last moment.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// What tells this month from others of the same company.
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
}
