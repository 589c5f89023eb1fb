//! Running dnf and rpm: the options that every call shares, and where their files are.

use crate::providers::command::{Answer, CommandError, ask, ask_unless};
use std::{
    path::{Path, PathBuf},
    time::Duration,
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
}

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
        words.extend(args.iter().map(|&arg| arg.to_owned()));
        words
    }
}

/// What does not depend on what the machine's administrator has set.
const SETTINGS: [&str; 12] = [
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
    "debuglevel=2",
    "errorlevel=3",
    "assumeyes=0",
    "defaultyes=0",
];
