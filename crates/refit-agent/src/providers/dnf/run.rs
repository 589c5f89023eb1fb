//! Running dnf and rpm: the options that every call shares, and where their files are.

use super::history::Marks;
use crate::providers::command::{Answer, CommandError, ask, ask_unless};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

/// What a call of dnf may use of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Network {
    /// Nothing: what was fetched earlier is the truth, however old it is.
    Never,
    /// Packages, but no newer lists.
    Packages,
    /// Everything anew.
    Everything,
}

/// Where dnf and rpm work.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The folder that is their `/`.
    pub root: PathBuf,
    /// What dnf's history was last seen to say, which costs two calls, and the state of the file that has it.
    pub history: Arc<Mutex<Option<SeenHistory>>>,
}

/// What was seen, and when.
type SeenHistory = (Vec<FileState>, Marks);
/// Size and time of a file: enough to see that it was written to.
type FileState = (u64, Option<SystemTime>);

impl Place {
    /// A path in the root, as the host sees it.
    pub fn path(&self, path: &str) -> PathBuf {
        match self.is_host() {
            true => PathBuf::from(path),
            false => self.root.join(path.trim_start_matches('/')),
        }
    }

    /// Whether it is this machine itself.
    pub fn is_host(&self) -> bool {
        self.root == Path::new("/")
    }

    /// The state of dnf's history database.
    pub fn history_state(&self) -> Vec<FileState> {
        let files = ["/var/lib/dnf/history.sqlite", "/var/lib/dnf/history.sqlite-wal"];
        let state = |path| fs::metadata(self.path(path)).ok().map(|data| (data.len(), data.modified().ok()));
        files.into_iter().filter_map(state).collect()
    }

    /// Asks rpm.
    pub fn rpm(&self, args: &[&str]) -> Result<Answer, CommandError> {
        let root = self.root.to_string_lossy().into_owned();
        let mut words = Vec::new();
        if !self.is_host() {
            words.extend(["--root", &root]);
        }
        words.extend(args);
        ask("rpm", &words)
    }

    /// Asks dnf a question that changes nothing and fetches nothing.
    pub fn dnf(&self, args: &[&str]) -> Result<Answer, CommandError> {
        let words = self.words(Network::Never, args);
        ask("dnf", &words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Lets dnf fetch something, which may be given up at any time.
    pub fn dnf_unless(
        &self,
        network: Network,
        args: &[&str],
        limit: Duration,
        stop: &dyn Fn() -> bool,
    ) -> Result<Answer, CommandError> {
        let words = self.words(network, args);
        ask_unless("dnf", &words.iter().map(String::as_str).collect::<Vec<_>>(), limit, stop)
    }

    /// dnf's command line.
    pub fn words(&self, network: Network, args: &[&str]) -> Vec<String> {
        let mut words = Vec::new();
        if !self.is_host() {
            words.push(format!("--installroot={}", self.root.display()));
        }
        match network {
            Network::Never => words.push("--cacheonly".to_owned()),
            Network::Packages => words.push("--setopt=*.metadata_expire=-1".to_owned()),
            Network::Everything => words.push("--refresh".to_owned()),
        }
        words.extend(SETTINGS.map(|setting| format!("--setopt={setting}")));
        // A transaction is told in full, a query without what surrounds it.
        if let Some(level) = match () {
            () if args.contains(&"-q") => Some(0),
            () if args.contains(&"-v") => None,
            () => Some(2),
        } {
            words.push(format!("--setopt=debuglevel={level}"));
        }
        words.extend(args.iter().map(|&arg| arg.to_owned()));
        words
    }
}

/// What does not depend on what the machine's administrator has set.
const SETTINGS: [&str; 9] = [
    // Never anything that is not signed, whatever a repository's configuration says.
    "gpgcheck=1",
    "*.gpgcheck=1",
    "localpkg_gpgcheck=1",
    // A patch is not the occasion to add software, nor to tidy up.
    "install_weak_deps=0",
    "clean_requirements_on_remove=0",
    // Old kernels go when somebody says so.
    "installonly_limit=0",
    // Waiting has a limit, and dnf's has none.
    "exit_on_lock=1",
    "color=never",
    "errorlevel=3",
];
