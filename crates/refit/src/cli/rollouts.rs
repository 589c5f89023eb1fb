//! The options of `refit rollouts`, and of what people do to a release on its way.

use clap::Args;

/// `refit rollouts`
#[derive(Debug, Args)]
pub struct RolloutsArgs {
    /// Only this title, with what has happened to its releases.
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
