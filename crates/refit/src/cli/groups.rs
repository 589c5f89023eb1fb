//! The options of `refit groups`.

use clap::{Args, Subcommand, ValueEnum};
use refit_core::rollout::disruption::Question;

/// `refit groups`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct GroupsArgs {
    #[command(subcommand)]
    pub command: Option<GroupsCommand>,
}

/// What is done about a lease.
#[derive(Debug, Subcommand)]
pub enum GroupsCommand {
    /// Give the lease of a device back by hand, so that the next of its group may begin.
    GiveBack {
        /// The device's id.
        device: String,
        /// It is no device, but a client of the FleetLock protocol.
        #[arg(long)]
        client: bool,
        /// Why; it stands in the log.
        #[arg(long, value_name = "TEXT")]
        why: String,
    },
    /// Say what a webhook would answer, in its place.
    Answer {
        /// The device's id.
        device: String,
        /// What is asked.
        #[arg(value_enum)]
        question: Asked,
        /// The webhook's name, as the policy has it.
        webhook: String,
        /// It does not agree, and why.
        #[arg(long, value_name = "TEXT")]
        no: Option<String>,
        /// It is no device, but a client of the FleetLock protocol.
        #[arg(long)]
        client: bool,
    },
}

/// What a webhook is asked.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Asked {
    /// Whether nothing depends on the device any more.
    Drain,
    /// Whether it is well.
    Health,
}

impl From<Asked> for Question {
    fn from(asked: Asked) -> Question {
        match asked {
            Asked::Drain => Question::Drain,
            Asked::Health => Question::Health,
        }
    }
}
