//! The options of `refit rollouts`, and of what people do to a release on its way.

use clap::{Args, ValueEnum};
use refit_core::policy::document::test::GateAnswer;

/// `refit rollouts`
#[derive(Debug, Args)]
pub struct RolloutsArgs {
    /// Only this title, by itself or with others, with what has happened to its releases.
    pub title: Option<String>,
    /// Only this release.
    #[arg(requires = "title")]
    pub version: Option<String>,
}

/// A release, and where.
#[derive(Debug, Args)]
pub struct ReleaseArgs {
    /// The title.
    #[arg(requires_all = ["version", "why"])]
    pub title: Option<String>,
    /// The release.
    pub version: Option<String>,
    /// Only on this platform.
    #[arg(long, requires = "title")]
    pub platform: Option<String>,
}

/// `refit halt`
#[derive(Debug, Args)]
pub struct HaltArgs {
    #[command(flatten)]
    pub release: ReleaseArgs,
    /// Everything: nothing is published or applied by a halted server.
    #[arg(long, required_unless_present_any = ["status", "title"], requires = "why", conflicts_with = "title")]
    pub everything: bool,
    /// Why; it stands in the log.
    #[arg(long, value_name = "TEXT", conflicts_with = "status")]
    pub why: Option<String>,
    /// Stop nothing: say whether everything is stopped, and which devices honour it by now.
    #[arg(long, conflicts_with_all = ["everything", "title"])]
    pub status: bool,
}

/// `refit resume`
#[derive(Debug, Args)]
pub struct ResumeArgs {
    #[command(flatten)]
    pub release: ReleaseArgs,
    /// Everything, after `refit halt --everything`.
    #[arg(long, required_unless_present = "title", conflicts_with = "title")]
    pub everything: bool,
    /// Why; it stands in the log.
    #[arg(long, value_name = "TEXT", required = true)]
    pub why: Option<String>,
}

/// `refit gate`
#[derive(Debug, Args)]
pub struct GateArgs {
    /// The title; `snapshot/POLICY` for a snapshot.
    pub title: String,
    /// The release, or the day of the snapshot.
    pub version: String,
    /// The ring before the gate.
    pub ring: String,
    /// The answer.
    #[arg(value_enum)]
    pub answer: Said,
    /// Only in this rollout.
    #[arg(long)]
    pub rollout: Option<String>,
    /// Only on this platform.
    #[arg(long)]
    pub platform: Option<String>,
    /// Why; it stands in the log. What is taken back needs no reason.
    #[arg(long, value_name = "TEXT", required_if_eq_any = [("answer", "pass"), ("answer", "inconclusive")])]
    pub why: Option<String>,
}

/// What somebody says of a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Said {
    /// The release goes on to the next ring.
    Pass,
    /// It is not clear: the release waits until this is taken back.
    Inconclusive,
    /// What somebody said is taken back: the gate goes by what it knows.
    Back,
}

impl Said {
    /// The answer, where it is one.
    pub fn answer(self) -> Option<GateAnswer> {
        match self {
            Said::Pass => Some(GateAnswer::Pass),
            Said::Inconclusive => Some(GateAnswer::Inconclusive),
            Said::Back => None,
        }
    }
}

/// `refit expedite`
#[derive(Debug, Args)]
pub struct ExpediteArgs {
    /// The title.
    pub title: String,
    /// The release.
    pub version: String,
    /// Only on this platform.
    #[arg(long)]
    pub platform: Option<String>,
    /// Why; it stands in the log.
    #[arg(long, value_name = "TEXT")]
    pub why: String,
}
