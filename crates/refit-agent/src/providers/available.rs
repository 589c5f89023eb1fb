//! What package sources offer, and whose signature vouches for it.

use jiff::Timestamp;
use refit_model::{TitleId, Version};
use serde::Serialize;
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// What can be had on this machine.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Available {
    /// Where packages come from.
    pub repositories: Vec<Repository>,
    /// For each package, the versions that there are, the newest first. One that no source knows is not in here.
    pub packages: BTreeMap<TitleId, Vec<Offer>>,
}

/// One version of a package that a source has.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Offer {
    /// The version.
    pub version: Version,
    /// Whether it is what the package manager would install if it were asked for the package without a version.
    pub candidate: bool,
    /// Whether a distribution's security archive, or an advisory of the repository, carries it.
    pub security: bool,
    /// Why the package manager would not take it although it is newer, in words; `None` where nothing is in the way.
    pub withheld: Option<String>,
    /// Whether its source is one that is used only when somebody asks for it by name (backports): for everybody else it is as
    /// if it were not there.
    pub on_demand: bool,
    /// Where it can be had: positions in [`Available::repositories`].
    pub repositories: Vec<usize>,
}

/// A place where packages come from: one component of one suite for apt, a repository for dnf.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Repository {
    /// What the package manager calls it: `http://deb.debian.example/debian bookworm/main amd64 Packages`, `baseos`.
    pub id: String,
    /// Its address.
    pub address: String,
    /// Who publishes it, as far as it says (`Debian`). dnf's repositories don't.
    pub publisher: Option<SmolStr>,
    /// Whether it is a distribution's security archive.
    pub security: bool,
    /// The keys that vouch for it, by the fingerprints of their primary keys, in upper case, sorted. For apt those which
    /// have signed what is stored; for dnf those with which this machine is told to check the repository's packages. Empty
    /// where no key is known, and then nothing vouches.
    pub keys: Vec<String>,
    /// Whether the list of packages itself is signed, and not only each package: for dnf that is a choice
    /// (`repo_gpgcheck`), and without it a mirror can leave newer packages out.
    pub list_is_signed: bool,
    /// When its publisher made what is stored, as far as it says.
    pub date: Option<Timestamp>,
    /// Until when what is stored may be used; `None` where the publisher sets no limit. dnf's repositories set none.
    pub valid_until: Option<Timestamp>,
    /// Where it is configured.
    pub configured_in: String,
    /// How well what is stored can be trusted.
    pub health: SourceHealth,
}

/// How well what is stored of a source can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceHealth {
    /// Signed, and not expired.
    Good,
    /// Nothing of it is stored: it was never fetched, or what is configured does not exist.
    Missing,
    /// What is stored is not signed by a key that this machine trusts; nothing is installed from it.
    Unsigned,
    /// What is stored is older than its publisher allows: the mirror has stopped, or somebody replays an old state.
    Expired,
}
