//! The options of `refit reports` and `refit exceptions`.

use clap::{Args, Subcommand, ValueEnum};
use refit_core::control::ReportOutcome;

/// `refit reports`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct ReportsArgs {
    /// List those that are closed too.
    #[arg(long)]
    pub all: bool,
    /// Only reports of this title.
    #[arg(long, value_name = "TITLE")]
    pub title: Option<String>,
    #[command(subcommand)]
    pub command: Option<ReportsCommand>,
}

/// What is done about a report.
#[derive(Debug, Subcommand)]
pub enum ReportsCommand {
    /// Show one, with its words and the changes that may be the cause.
    Show {
        /// Its id.
        report: String,
    },
    /// Say for somebody that something is broken. On the device itself that is `refit-agent report`.
    Open {
        /// What is broken, in words.
        words: String,
        /// The device, by its id.
        #[arg(long, value_name = "DEVICE", required_unless_present = "person")]
        device: Option<String>,
        /// Whose words these are, by the person's id.
        #[arg(long, value_name = "PERSON")]
        person: Option<String>,
        /// The title, where it is known.
        #[arg(long, value_name = "TITLE")]
        title: Option<String>,
    },
    /// Say that you look at it.
    Acknowledge {
        /// Its id.
        report: String,
    },
    /// Answer it; the device tells the person.
    Close {
        /// Its id.
        report: String,
        /// What came of it.
        #[arg(value_enum)]
        outcome: Outcome,
        /// Why; it stands in the log.
        #[arg(long, value_name = "TEXT")]
        why: String,
        /// The title [default, with `block`: that of the likeliest cause].
        #[arg(long, value_name = "TITLE")]
        title: Option<String>,
        /// The release that is to blame, or the one that mends it.
        #[arg(long, value_name = "VERSION", requires = "title")]
        version: Option<String>,
    },
    /// Print the block of what was closed with one, as `git apply` takes it.
    Patch {
        /// Its id.
        report: String,
    },
}

/// With what a report is closed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Outcome {
    /// A release is to blame: it is halted, and to be blocked.
    Block,
    /// It is mended.
    Fix,
    /// No update was the cause: gates count it no more.
    NotUs,
}

impl From<Outcome> for ReportOutcome {
    fn from(outcome: Outcome) -> ReportOutcome {
        match outcome {
            Outcome::Block => ReportOutcome::Block,
            Outcome::Fix => ReportOutcome::Fix,
            Outcome::NotUs => ReportOutcome::NotUs,
        }
    }
}

/// `refit exceptions`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct ExceptionsArgs {
    #[command(subcommand)]
    pub command: Option<ExceptionsCommand>,
}

/// What is done about an exception.
#[derive(Debug, Subcommand)]
pub enum ExceptionsCommand {
    /// Ask for one. The rules of the policy repository say who may, for how long, and who decides.
    Request(Box<ExceptionsRequestArgs>),
    /// Show one.
    Show {
        /// Its name.
        exception: String,
    },
    /// Agree to one that somebody else asked for.
    Approve {
        /// Its name.
        exception: String,
    },
    /// Refuse one.
    Refuse {
        /// Its name.
        exception: String,
        /// Why.
        #[arg(long, value_name = "TEXT")]
        why: String,
    },
    /// Take one back, before its end or before anybody has decided.
    Withdraw {
        /// Its name.
        exception: String,
        /// Why.
        #[arg(long, value_name = "TEXT")]
        why: String,
    },
    /// Print it as a change of the policy repository, as `git apply` takes it.
    Patch {
        /// Its name.
        exception: String,
    },
}

/// `refit exceptions request`
#[derive(Debug, Args)]
pub struct ExceptionsRequestArgs {
    /// Its name: small letters, digits and hyphens.
    pub exception: String,
    /// A title, as policies write it; may be given several times.
    #[arg(long = "title", value_name = "TITLE", required_unless_present = "of_policy")]
    pub titles: Vec<String>,
    /// All titles of this policy.
    #[arg(long, value_name = "NAME", conflicts_with = "titles")]
    pub of_policy: Option<String>,
    /// A device, by its id; may be given several times.
    #[arg(long = "device", value_name = "DEVICE")]
    pub devices: Vec<String>,
    /// The devices, as a condition.
    #[arg(long = "where", value_name = "CONDITION", conflicts_with = "devices")]
    pub condition: Option<String>,
    /// The last day: `2026-12-31`.
    #[arg(long, value_name = "DAY")]
    pub until: String,
    /// The due time in place of the obligation's [default, where no term is named: the end of the last day].
    #[arg(long, value_name = "TIME")]
    pub due: Option<String>,
    /// The releases to stay in.
    #[arg(long, value_name = "RANGE")]
    pub hold_at: Option<String>,
    /// It is to count for what is known to be exploited as well: two people decide.
    #[arg(long)]
    pub exploited_too: bool,
    /// Why; it stands in the log.
    #[arg(long, value_name = "TEXT")]
    pub why: String,
}
