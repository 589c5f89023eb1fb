//! The commands and their options.

mod at_server;
mod compile;
mod feedback;
mod fleet;
mod groups;
mod import;
mod keys;
mod process;
mod rollouts;
mod serve;
mod shadow;
mod sign_in;
mod source;
mod sources;
mod target;
mod world;

pub use at_server::*;
pub use compile::*;
pub use feedback::*;
pub use fleet::*;
pub use groups::*;
pub use import::*;
pub use keys::*;
pub use process::*;
pub use rollouts::*;
pub use serve::*;
pub use shadow::*;
pub use sign_in::*;
pub use source::*;
pub use sources::*;
pub use target::*;
pub use world::*;

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

    /// Ask a server: the one of this machine, or the one at URL [env: REFIT_SERVER].
    #[arg(long, global = true, value_name = "URL", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub server: Option<String>,

    /// The file that holds the token for the server [env: REFIT_TOKEN holds the token itself].
    #[arg(long, global = true, value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    /// The authority that signed the server's certificate, as PEM; else those of the operating system.
    #[arg(long, global = true, value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

impl Cli {
    /// Adds what the environment says and the command line does not.
    ///
    /// Not left to the parser: it would then show the option in the usage of every mistake, as if it were required.
    pub fn with_environment(mut self) -> Self {
        if self.server.is_none() && self.command.can_ask_a_server() && !self.speaks_of_this_machine() {
            self.server = std::env::var("REFIT_SERVER").ok().filter(|server| !server.is_empty());
        }
        self.data =
            self.data.or_else(|| std::env::var_os("REFIT_DATA").filter(|data| !data.is_empty()).map(PathBuf::from));
        self
    }

    /// Whether what is written makes sense for this machine alone: then a server in the environment is not meant.
    fn speaks_of_this_machine(&self) -> bool {
        match &self.command {
            Command::Plan(args) => {
                args.local.local || args.refresh || !args.local.facts.is_empty() || args.world.is_some()
            }
            Command::Explain(args) => {
                args.device == "local" || args.policy.is_some() || !args.facts.is_empty() || args.world.is_some()
            }
            Command::Exposures(args) => args.policy.is_some() || args.unfixed || !args.facts.is_empty(),
            // A plan of a server says so itself, or is no file.
            Command::Apply(args) => args.plan.exists(),
            // So does one that is shown from a file.
            Command::Plans(PlansCommand::Show { plan, .. }) => std::path::Path::new(plan).is_file(),
            _ => false,
        }
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
    /// Show what the policies come to in other systems, object by object, and what is lost on the way.
    Compile(CompileArgs),
    /// Carry out a plan, or refuse what lies outside it.
    Apply(ApplyArgs),
    /// Say why a title stands as it does on a device, why not yet, and what would change it.
    Explain(ExplainArgs),
    /// List the vulnerabilities that are open on this machine.
    Exposures(ExposuresArgs),
    /// Say how many devices of a fleet in a file a condition selects, and which.
    Query(QueryArgs),
    /// List what is installed on this machine.
    Inventory(InventoryArgs),
    /// List the devices of a server, or show one of them.
    Devices(DevicesArgs),
    /// Say that a device of which there were two is one again.
    #[command(subcommand)]
    Quarantine(QuarantineCommand),
    /// List the plans of a server, show one, approve or reject it; or show one that is kept in a file.
    #[command(subcommand)]
    Plans(PlansCommand),
    /// Print a server's log, and follow it.
    Events(EventsArgs),
    /// List the releases that are on their way through the rings, or what has happened to those of one title.
    Rollouts(RolloutsArgs),
    /// Show disruption groups and who is away, or give a lease back by hand.
    Groups(GroupsArgs),
    /// List what people say is broken, with what may be the cause; answer it.
    Reports(ReportsArgs),
    /// List exceptions; ask for one, agree to one, write one back into the policy repository.
    Exceptions(ExceptionsArgs),
    /// Halt a release, or stop everything that a server does to devices.
    Halt(HaltArgs),
    /// Let it go on.
    Resume(ResumeArgs),
    /// Answer for a gate that a release waits at, or take that back.
    Gate(GateArgs),
    /// Let a release wait for no gate.
    Expedite(ExpediteArgs),
    /// Change what a server goes by that is no policy.
    #[command(subcommand)]
    Settings(SettingsCommand),
    /// Make, list and revoke the tokens of a server.
    #[command(subcommand)]
    Tokens(TokensCommand),
    /// Sign in at a server with the organisation's identity provider, in a browser.
    Login(LoginArgs),
    /// Sign out: what was given at the sign-in no longer counts.
    Logout,
    /// Show who asks a server, with which roles and until when.
    Whoami,
    /// Make, list and revoke enrolment tokens, with which devices' agents come to a server.
    #[command(subcommand)]
    Enrolment(EnrolmentCommand),
    /// Make, rotate and use the organisation's keys.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Show, compare and sign what agents are permitted to do.
    #[command(subcommand)]
    Mandate(MandateCommand),
    /// Erase what a server keeps of a person.
    #[command(subcommand)]
    People(PeopleCommand),
    /// Try a target on the system that it is written to.
    #[command(subcommand)]
    Target(TargetCommand),
    /// List where another tool, which still does the work, and the policies differ, by its own report.
    Shadow(ShadowArgs),
    /// Print what other systems have as policy.
    #[command(subcommand)]
    Import(ImportCommand),
    /// Print the JSON Schemas of the documents.
    Schema(SchemaArgs),
    /// Fetch and list feeds of vulnerabilities.
    #[command(subcommand)]
    Feeds(FeedsCommand),
    /// Make up fleets, to try policies on.
    #[command(subcommand)]
    Fleet(FleetCommand),
    /// Work with systems that facts come from.
    #[command(subcommand)]
    Source(SourceCommand),
    /// Read the systems that facts come from, and show how they stand.
    #[command(subcommand)]
    Sources(SourcesCommand),
    /// Work with business processes: what other systems are told of what happens here.
    #[command(subcommand)]
    Process(ProcessCommand),
    /// Show a device as all sources know it: its person, each field with who says it, what is disputed.
    Device(EntityArgs),
    /// Show a person as all sources know them, with their devices.
    Person(EntityArgs),
    /// List records that have keys in common and can't be one device or person, and how to settle each.
    Conflicts(ConflictsArgs),
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

impl Command {
    /// Whether it asks a server, always or where one is named.
    pub fn can_ask_a_server(&self) -> bool {
        match self {
            Command::Plan(_) | Command::Apply(_) | Command::Explain(_) | Command::Exposures(_) => true,
            Command::Devices(_) | Command::Plans(_) | Command::Events(_) => true,
            Command::Groups(_) | Command::Reports(_) | Command::Exceptions(_) => true,
            Command::Rollouts(_) | Command::Halt(_) | Command::Resume(_) => true,
            Command::Gate(_) | Command::Expedite(_) => true,
            Command::Quarantine(_) => true,
            Command::Login(_) | Command::Logout | Command::Whoami => true,
            Command::Settings(_) | Command::Tokens(_) | Command::Enrolment(_) | Command::People(_) => true,
            Command::Key(_) | Command::Mandate(_) => true,
            Command::Check(_) | Command::Test(_) | Command::Inventory(_) | Command::Schema(_) | Command::Feeds(_) => {
                false
            }
            Command::Query(_) | Command::Compile(_) | Command::Target(_) | Command::Shadow(_) => false,
            Command::Process(_) => false,
            Command::Source(_) | Command::Sources(_) | Command::Fleet(_) | Command::Import(_) => false,
            Command::Device(_) | Command::Person(_) | Command::Conflicts(_) => false,
            Command::Up(_) | Command::Serve(_) | Command::Backup(_) | Command::Restore(_) => false,
            Command::Versions(_) | Command::Completions { .. } | Command::Man { .. } => false,
        }
    }
}

/// `refit check`
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The folder of the policy repository.
    pub policy: PathBuf,
    /// How many devices there are, to tell whether gates can pass.
    #[arg(long, value_name = "N", value_parser = number)]
    pub devices: Option<u64>,
    /// A fleet in a file, to count who is in which ring; `-` is standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "devices")]
    pub world: Option<PathBuf>,
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
    /// A fact about this machine or its person, such as `device.tags=canary,lab` or `person.department=IT`; it takes the
    /// place of what the machine says itself.
    #[arg(long = "fact", value_name = "FIELD=VALUE")]
    pub facts: Vec<String>,
}

/// `refit plan`
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// The folder of the policy repository [with `--world`, default: this folder, if it is one].
    #[arg(required_unless_present = "world")]
    pub policy: Option<PathBuf>,
    #[command(flatten)]
    pub local: LocalArgs,
    /// A fleet in a file, as `refit fleet generate` writes it; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    pub world: Option<PathBuf>,
    /// With `--world`, show what changes from these policies to those: another folder, or a revision in git, such as `HEAD` or `main`.
    #[arg(long, value_name = "REVISION_OR_FOLDER", requires = "world")]
    pub against: Option<String>,
    /// With `--world`, since when the policies apply [default: from the time of the fleet on; with `--against`, for ever where they are
    /// in both].
    #[arg(long, value_name = "TIME", value_parser = time, requires = "world")]
    pub applied: Option<Timestamp>,
    /// Write the plan into a file, for `refit apply`, or for `refit plans show` where it is of `--world`; `-` is standard output. A
    /// server keeps no plan without it.
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
    /// A fact besides those with which the plan was made, which hold by themselves.
    #[arg(long = "fact", value_name = "FIELD=VALUE")]
    pub facts: Vec<String>,
    /// Sign the mandate of the policies first, with the policy key in this file (a server's plan only).
    #[arg(long, value_name = "FILE")]
    pub sign_with: Option<PathBuf>,
    /// The policy repository that is signed [default: the one that the plan was made of].
    #[arg(long, value_name = "DIR", requires = "sign_with")]
    pub policy: Option<PathBuf>,
    /// The organisation's root [default: root.json beside the key].
    #[arg(long, value_name = "FILE", requires = "sign_with")]
    pub root: Option<PathBuf>,
    /// The key's passphrase is the first line of this file [default: ask for it].
    #[arg(long, value_name = "FILE", requires = "sign_with")]
    pub passphrase_file: Option<PathBuf>,
    /// Sign without being asked.
    #[arg(long, requires = "sign_with")]
    pub yes: bool,
}

/// `refit explain`
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The device: `local`, or this machine's name; of a server or of `--world`, one of its devices.
    pub device: String,
    /// The title: `deb/openssl`.
    pub title: String,
    /// The folder of the policy repository [default: this folder, if it is one].
    #[arg(long, value_name = "DIR")]
    pub policy: Option<PathBuf>,
    /// A fact about this machine or its person, such as `device.tags=canary,lab` or `person.department=IT`; it takes the
    /// place of what the machine says itself.
    #[arg(long = "fact", value_name = "FIELD=VALUE")]
    pub facts: Vec<String>,
    /// As it was at this time, by a server's log.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub at: Option<Timestamp>,
    /// A device of a fleet in a file, as `refit fleet generate` writes it.
    #[arg(long, value_name = "FILE")]
    pub world: Option<PathBuf>,
    /// With `--world`, since when the policies apply [default: from the time of the fleet on].
    #[arg(long, value_name = "TIME", value_parser = time, requires = "world")]
    pub applied: Option<Timestamp>,
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
    /// A fact about this machine or its person, such as `device.tags=canary,lab` or `person.department=IT`; it takes the
    /// place of what the machine says itself.
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

/// An address to listen on.
fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "write an IP address and a port: 127.0.0.1:7443, or 0.0.0.0:7443 for all of this machine's".to_owned()
    })
}

/// A number of things.
fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "write a whole number".to_owned())
}
