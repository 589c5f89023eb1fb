//! The commands and their options.

use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::Timestamp;
use std::{net::SocketAddr, path::PathBuf};

/// Fleet patching as code.
#[derive(Debug, Parser)]
#[command(name = "refit", version, about, long_about = None, disable_help_subcommand = true, max_term_width = 110)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,

    /// Print JSON, in the shapes that docs/reference/json.md describes.
    #[arg(long, global = true)]
    pub json: bool,

    /// Where Refit keeps feeds and what it has observed [env: REFIT_DATA] [default: /var/lib/refit for root, else ~/.local/share/refit].
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

impl Cli {
    /// Adds what the environment says and the command line does not.
    ///
    /// Not left to the parser: it would then show the option in the usage of every mistake, as if it were required.
    pub fn with_environment(mut self) -> Self {
        self.data =
            self.data.or_else(|| std::env::var_os("REFIT_DATA").filter(|data| !data.is_empty()).map(PathBuf::from));
        self
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check a policy repository: types, names, conflicts, rules that can't hold, deadlines that can't be met.
    Check(CheckArgs),
    /// Run the repository's test documents.
    Test(TestArgs),
    /// Show what would change, and for whom.
    Plan(PlanArgs),
    /// Carry out a plan, or refuse what lies outside it.
    Apply(ApplyArgs),
    /// Say why a title stands as it does on this machine, why not yet, and what would change it.
    Explain(ExplainArgs),
    /// List the vulnerabilities that are open on this machine.
    Exposures(ExposuresArgs),
    /// List what is installed on this machine.
    Inventory(InventoryArgs),
    /// Print the JSON Schemas of the documents.
    Schema(SchemaArgs),
    /// Fetch and list feeds of vulnerabilities.
    #[command(subcommand)]
    Feeds(FeedsCommand),
    /// Run a server on this machine, with this machine as its first device.
    Up(UpArgs),
    /// Run a server.
    Serve(ServeArgs),
    /// Copy a server's log into a new folder, also while the server runs.
    Backup(BackupArgs),
    /// Bring a server's log back from a backup.
    Restore(RestoreArgs),
    /// Work with versions.
    #[command(subcommand)]
    Versions(VersionsCommand),
    /// Print completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write the manual pages into a folder.
    Man {
        /// The folder.
        folder: PathBuf,
    },
}

/// `refit check`
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The folder of the policy repository.
    pub policy: PathBuf,
    /// How many devices there are, to tell whether gates can pass.
    #[arg(long, value_name = "N", value_parser = number)]
    pub devices: Option<u64>,
    /// Count warnings as errors.
    #[arg(long)]
    pub strict: bool,
    /// The time to check for, such as 2026-11-23T12:00:00Z [default: now].
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub now: Option<Timestamp>,
}

/// `refit test`
#[derive(Debug, Args)]
pub struct TestArgs {
    /// The folder of the policy repository.
    pub policy: PathBuf,
    /// Run only the tests whose name contains this.
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
    /// Explain the decision behind every failure.
    #[arg(long)]
    pub explain: bool,
}

/// What a command about this machine needs.
#[derive(Debug, Args)]
pub struct LocalArgs {
    /// This machine.
    #[arg(long)]
    pub local: bool,
    /// A fact that no source supplies here, such as `device.tags=canary,lab` or `person.department=IT`.
    #[arg(long = "fact", value_name = "FIELD=VALUE")]
    pub facts: Vec<String>,
}

/// `refit plan`
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// The folder of the policy repository.
    pub policy: PathBuf,
    #[command(flatten)]
    pub local: LocalArgs,
    /// Write the plan into a file, for `refit apply`.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Fetch the lists of the package sources first (takes root).
    #[arg(long)]
    pub refresh: bool,
    /// Exit with 4 when there are changes.
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// List every title, also where there are many.
    #[arg(long)]
    pub all: bool,
}

/// `refit apply`
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// The plan, as `refit plan --out` wrote it.
    pub plan: PathBuf,
    /// How long to wait for another program that uses the package manager, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = number)]
    pub lock_wait: u64,
    /// A fact that no source supplies here; the same as when the plan was made.
    #[arg(long = "fact", value_name = "FIELD=VALUE")]
    pub facts: Vec<String>,
}

/// `refit explain`
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The device: `local`, or this machine's name.
    pub device: String,
    /// The title: `deb/openssl`.
    pub title: String,
    /// The folder of the policy repository.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub policy: PathBuf,
    /// A fact that no source supplies here, such as `device.tags=canary,lab`.
    #[arg(long = "fact", value_name = "FIELD=VALUE")]
    pub facts: Vec<String>,
}

/// `refit exposures`
#[derive(Debug, Args)]
pub struct ExposuresArgs {
    /// The folder of a policy repository, to show by when each has to be closed.
    #[arg(long, value_name = "DIR")]
    pub policy: Option<PathBuf>,
    /// Only those that are known to be exploited.
    #[arg(long)]
    pub kev: bool,
    /// Also those that no release closes.
    #[arg(long)]
    pub unfixed: bool,
    /// A fact that no source supplies here, such as `device.tags=canary,lab`.
    #[arg(long = "fact", value_name = "FIELD=VALUE")]
    pub facts: Vec<String>,
}

/// `refit inventory`
#[derive(Debug, Args)]
pub struct InventoryArgs {
    /// Only packages for which something newer is offered, or that are not in order.
    #[arg(long)]
    pub outdated: bool,
}

/// `refit schema`
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// The kind of document (`policy`, `title`, `test`…) or of output (`plan`) [default: one for all documents].
    pub kind: Option<String>,
    /// Write all of them into a folder.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// `refit feeds`
#[derive(Debug, Subcommand)]
pub enum FeedsCommand {
    /// Fetch feeds from their publishers, or read them from a folder.
    Sync(FeedsSyncArgs),
    /// Show age and size of the feeds that are there.
    List {
        /// Read every byte and compare it with its checksum.
        #[arg(long)]
        verify: bool,
    },
}

/// `refit feeds sync`
#[derive(Debug, Args)]
pub struct FeedsSyncArgs {
    /// Only these feeds.
    pub feeds: Vec<String>,
    /// Read from a folder in place of the network.
    #[arg(long, value_name = "DIR")]
    pub from: Option<PathBuf>,
    /// Fetch a feed from another address: `kev=https://mirror.example/kev.json`.
    #[arg(long = "url", value_name = "FEED=URL")]
    pub urls: Vec<String>,
    /// Replace a feed even by one with less than half as many records.
    #[arg(long)]
    pub force: bool,
    /// Only the feeds that this machine needs.
    #[arg(long)]
    pub needed: bool,
    /// Only the feeds that are not there yet.
    #[arg(long)]
    pub missing: bool,
    /// How often to ask a server before giving up.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=20))]
    pub attempts: u32,
}

/// `refit up`
#[derive(Debug, Args)]
pub struct UpArgs {
    /// The address to listen on.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7443")]
    pub listen: SocketAddr,
    /// A policy repository to apply if none is in force.
    #[arg(long, value_name = "DIR")]
    pub policy: Option<PathBuf>,
    #[command(flatten)]
    pub log: LogArgs,
}

/// `refit serve`
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// The address to listen on.
    #[arg(long, value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// How many people, other than its author, have to approve a plan.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub approvals: u32,
    /// The server's certificate and those between it and its authority, as PEM [default: one of the server's own authority].
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The key of the certificate, as PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    #[command(flatten)]
    pub log: LogArgs,
}

/// How a server logs.
#[derive(Debug, Args)]
pub struct LogArgs {
    /// How the log is written.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

/// How a log is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LogFormat {
    // Comments and no documentation: help would get a paragraph of it. Lines for people, or one JSON object a line.
    Text,
    Json,
}

/// `refit backup`
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The folder that is made; it must not be there yet.
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,
}

/// `refit restore`
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The backup.
    #[arg(long, value_name = "DIR")]
    pub from: PathBuf,
    /// Replace a log that is there and good.
    #[arg(long)]
    pub replace: bool,
}

/// `refit versions`
#[derive(Debug, Subcommand)]
pub enum VersionsCommand {
    /// Print `<`, `=` or `>`.
    Compare(VersionsCompareArgs),
}

/// `refit versions compare`
#[derive(Debug, Args)]
pub struct VersionsCompareArgs {
    /// How versions are written.
    pub scheme: SchemeName,
    /// One version.
    #[arg(required_unless_present = "stdin", allow_hyphen_values = true)]
    pub a: Option<String>,
    /// The other.
    #[arg(required_unless_present = "stdin", allow_hyphen_values = true)]
    pub b: Option<String>,
    /// Read pairs from standard input, separated by a tab, and print one sign for each (`?` for what is no version).
    #[arg(long, conflicts_with_all = ["a", "b"])]
    pub stdin: bool,
}

/// How versions are written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum SchemeName {
    /// Debian and Ubuntu packages.
    Dpkg,
    /// RPM's epoch, version and release.
    Rpm,
    /// Semantic Versioning 2.0.0.
    Semver,
    /// Apple's products, supplements and builds.
    Apple,
    /// Windows builds.
    Windows,
    /// Chrome and its kin: four numbers.
    Chrome,
    /// Everything else.
    Generic,
}

/// A time with its zone, or the beginning of a day in UTC.
fn time(text: &str) -> Result<Timestamp, String> {
    let day = || text.parse::<jiff::civil::Date>().and_then(|day| day.to_zoned(jiff::tz::TimeZone::UTC));
    text.parse()
        .or_else(|_| day().map(|day| day.timestamp()))
        .map_err(|_| "write a time as 2026-11-23T12:00:00Z, or a day as 2026-11-23".to_owned())
}

/// A number of things.
fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "write a whole number".to_owned())
}
