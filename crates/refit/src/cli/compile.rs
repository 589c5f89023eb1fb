//! The options of `refit compile`.

use super::serve::named;
use clap::{ArgGroup, Args};
use jiff::Timestamp;
use std::path::PathBuf;

/// `refit compile`
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("looked").args(["folders", "systems"]).multiple(true)))]
pub struct CompileArgs {
    /// The folder of the policy repository [default: this folder, if it is one].
    pub policy: Option<PathBuf>,
    /// The fleet, in a file as `refit fleet generate` writes it; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    pub world: PathBuf,
    /// Only this target.
    #[arg(long, value_name = "NAME")]
    pub target: Option<String>,
    /// As if this ring, and those before it, had opened for every release: a fleet in a file knows of no rollouts.
    #[arg(long, value_name = "RING")]
    pub opened: Option<String>,
    /// What Apple offers now: the answer of <https://gdmf.apple.com/v2/pmv>, or SOFA's copy of it.
    #[arg(long, value_name = "FILE")]
    pub apple_versions: Option<PathBuf>,
    /// A Munki repository, whose `catalogs/all` says what can be installed.
    #[arg(long, value_name = "DIR")]
    pub munki_repo: Option<PathBuf>,
    /// What is there already: a folder that `--out` wrote.
    #[arg(long, value_name = "DIR")]
    pub observed: Option<PathBuf>,
    /// Where the targets' folders are: below it, under the name of each target or as its `settings: { folder }` says. What is there is
    /// looked at, and the plan says what has to change.
    #[arg(long, value_name = "DIR", conflicts_with = "observed")]
    pub folders: Option<PathBuf>,
    /// Ask the targets' systems that have an API what is there; the plan says what has to change.
    #[arg(long, conflicts_with = "observed")]
    pub systems: bool,
    /// Where the system of a target is, such as `macs=https://acme.jamfcloud.com`; may be given several times. No other host is told a
    /// secret.
    #[arg(long, value_name = "TARGET=URL", value_parser = named, requires = "systems")]
    pub connect: Vec<(String, String)>,
    /// The file of a secret of a target's system, such as `windows.client_secret=FILE`.
    #[arg(long, value_name = "TARGET.SECRET=FILE", value_parser = named, requires = "systems")]
    pub secret: Vec<(String, String)>,
    /// Write what the plan says into these folders and systems.
    #[arg(long, requires = "looked")]
    pub apply: bool,
    /// So many of the objects that Refit wrote to a target may be taken away without others of their sort coming for them [default: a
    /// handful or a tenth, and never all].
    #[arg(long, value_name = "NUMBER", requires = "apply")]
    pub may_remove: Option<usize>,
    /// Undo what was changed by hand there, whatever the targets' documents say.
    #[arg(long, requires = "looked")]
    pub revert: bool,
    /// Show only what was changed by hand there, and exit with 4 where there is any and `--detailed-exitcode` asks.
    #[arg(long, requires = "looked", conflicts_with = "apply")]
    pub drift: bool,
    /// Write the objects into a folder, as the files that other systems take, with the devices of each.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Since when the policies apply [default: from the time of the fleet on].
    #[arg(long, value_name = "TIME", value_parser = super::time)]
    pub applied: Option<Timestamp>,
    /// Exit with 4 when there are changes.
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Show every object, also where there are many.
    #[arg(long)]
    pub all: bool,
}
