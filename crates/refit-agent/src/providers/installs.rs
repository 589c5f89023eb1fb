//! What is installed, in words that all package managers share.

use super::Manager;
use jiff::Timestamp;
use refit_model::{TitleId, Version};
use serde::Serialize;
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// Every package of which something is on the machine.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Installs {
    /// The package manager.
    pub manager: Manager,
    /// The machine's own architecture, by the package manager's name for it: `amd64`, `x86_64`.
    pub architecture: SmolStr,
    /// All packages, by title.
    pub packages: BTreeMap<TitleId, Install>,
    /// Packages whose version is none by the package manager's own rules, as `name version: why`. They are not in
    /// `packages`; with any of them the answer is not whole.
    pub unreadable: Vec<String>,
}

/// One package.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Install {
    /// `deb/NAME` or `rpm/NAME`, with `:ARCH` where the architecture is a foreign one.
    pub title: TitleId,
    /// The package's name.
    pub name: SmolStr,
    /// Its architecture; `all` or `noarch` where it has none.
    pub architecture: SmolStr,
    /// The version that the package manager shows, which says nothing by itself: see `status`. Of several that are
    /// installed side by side (kernels) the newest.
    pub version: Version,
    /// Older versions that are installed beside it, on purpose; sorted.
    pub beside: Vec<Version>,
    /// The source package that it was built from.
    pub source: SmolStr,
    /// The version of the source package; `None` where it is not known or is none.
    pub source_version: Option<Version>,
    /// How far the package manager got with it.
    pub status: Status,
    /// Its files on disk are suspect: it must be installed again.
    pub reinstall_required: bool,
    /// The system does not work without it.
    pub essential: bool,
    /// What holds it where it is, in words; `None` where nothing does.
    pub held: Option<String>,
    /// The repository that it came from, where the package manager notes that (dnf does, dpkg does not).
    pub origin: Option<SmolStr>,
    /// When this version was put there, where that is known.
    pub changed: Option<Timestamp>,
}

impl Install {
    /// Installed, configured and not damaged: the version is what the machine runs from.
    pub fn is_well(&self) -> bool {
        self.status == Status::Installed && !self.reinstall_required
    }

    /// The version, if the package is well.
    pub fn well_version(&self) -> Option<&Version> {
        Some(&self.version).filter(|_| self.is_well())
    }
}

impl Installs {
    /// The packages that the package manager has begun to change and has not finished.
    pub fn unfinished(&self) -> impl Iterator<Item = &Install> {
        self.packages.values().filter(|package| !package.is_well())
    }
}

/// How far the package manager got with a package. The words are dpkg's (the second letter of `dpkg -l`); rpm knows only
/// "installed", and what its provider finds out beyond that is said with the same words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nothing of it is there.
    NotInstalled,
    /// Removed; its configuration is left.
    ConfigFiles,
    /// Unpacking it began and did not end. For rpm: two versions are there of which one should have gone, or a transaction
    /// was broken off that brought it.
    HalfInstalled,
    /// Its files are there, it was never configured.
    Unpacked,
    /// Configuring it failed. Its version reads as the new one. For rpm: its post-install script failed.
    HalfConfigured,
    /// It waits for another package's trigger.
    TriggersAwaited,
    /// Its own trigger has not run yet.
    TriggersPending,
    /// Installed and configured.
    Installed,
}

impl Status {
    /// The word for it: `half-configured`.
    pub fn name(self) -> &'static str {
        match self {
            Status::NotInstalled => "not-installed",
            Status::ConfigFiles => "config-files",
            Status::HalfInstalled => "half-installed",
            Status::Unpacked => "unpacked",
            Status::HalfConfigured => "half-configured",
            Status::TriggersAwaited => "triggers-awaited",
            Status::TriggersPending => "triggers-pending",
            Status::Installed => "installed",
        }
    }
}
