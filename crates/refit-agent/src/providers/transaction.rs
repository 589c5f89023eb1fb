//! What is asked of a package manager, what it says that it would do, and how a change is made: the same for all of them.

use super::{
    Manager,
    command::{CommandError, seconds},
    locks::LockHolder,
    receipt::Repair,
    space::Shortage,
};
use refit_model::{TitleId, Version};
use serde::Serialize;
use smol_str::SmolStr;
use std::{collections::BTreeMap, time::Duration};

/// One change that is wanted: this package at that version, or gone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Change {
    /// The package.
    pub title: TitleId,
    /// The version that it shall have afterwards; `None` for none.
    pub to: Option<Version>,
}

/// What a change may bring with it, beyond the packages that were named. Held packages, downgrades and the removal of an
/// essential package are never brought along.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Permissions {
    /// Other installed packages may be upgraded.
    pub extra_upgrades: bool,
    /// New packages may be installed.
    pub installs: bool,
    /// Packages may be removed; but never one of which another version was asked for.
    pub removals: bool,
}

/// What a change fetches, and the space that it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sizes {
    /// The archives together, in bytes, counting those that have been fetched already.
    pub download_bytes: u64,
    /// By how much the installed files grow; negative where they shrink.
    pub growth_bytes: i64,
    /// The files of the largest package, which exist twice for the moment in which they are replaced.
    pub largest_bytes: u64,
}

/// What the package manager would do to one package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Action {
    /// What kind of change it is.
    pub kind: ActionKind,
    /// The version before; `None` where there is none.
    pub from: Option<Version>,
    /// The version afterwards; `None` where there is none.
    pub to: Option<Version>,
    /// The archives that the version comes from, as the package manager prints them: `Debian-Security:12/oldstable-security`,
    /// or the id of a repository of dnf.
    pub origins: Vec<SmolStr>,
}

/// What kind of change an action is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    /// A newer version replaces the one that is there.
    Upgrade,
    /// A package that is not there yet.
    Install,
    /// An older version replaces the one that is there.
    Downgrade,
    /// The same version is installed again.
    Reinstall,
    /// What was unpacked earlier is configured.
    Configure,
    /// The package goes; its configuration stays.
    Remove,
    /// The package goes, with its configuration.
    Purge,
}

/// A change that has been simulated, to be made just so.
#[derive(Clone, Debug, Serialize)]
pub struct Transaction {
    /// What the package manager is asked for.
    pub changes: Vec<Change>,
    /// All that the package manager said it would do for that.
    pub actions: BTreeMap<TitleId, Action>,
    /// What a repair may change, if one is needed first.
    pub permissions: Permissions,
}

/// How a transaction is made.
#[derive(Clone, Copy, Debug)]
pub struct ApplyOptions {
    /// How long to wait for another program that uses the package manager.
    pub lock_limit: Duration,
    /// How long installing may take before the package manager is asked to stop; what it leaves is repaired then.
    pub install_limit: Duration,
    /// What must stay free on each file system, in bytes.
    pub margin_bytes: u64,
}

impl Default for ApplyOptions {
    fn default() -> Self {
        ApplyOptions {
            lock_limit: Duration::from_secs(600),
            install_limit: Duration::from_secs(2 * 3600),
            margin_bytes: 100 << 20,
        }
    }
}

/// What is going on.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum Progress {
    /// Another program uses the package manager.
    WaitingForLock {
        /// Which one.
        holder: LockHolder,
    },
    /// An interrupted earlier change is repaired.
    Repairing {
        /// The packages, as `name (state)`.
        packages: Vec<String>,
    },
    /// A repair has ended.
    Repaired {
        /// What came of it.
        repair: Repair,
    },
    /// The archives are fetched.
    Downloading {
        /// All of them, in bytes.
        bytes: u64,
    },
    /// The package manager begins with a package.
    Package {
        /// The package.
        title: TitleId,
        /// What it does.
        step: Step,
    },
    /// A line that the package manager printed.
    Line {
        /// The line.
        text: String,
    },
    /// Refit was asked to end, and finishes what was begun first.
    Finishing,
    /// The package state is read again.
    Verifying,
}

/// Why a transaction was not begun. Nothing has been changed then, except by the repairs that [`Progress`] told of.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Packages are root's affair.
    #[error("changing packages takes root: run this again with sudo")]
    NotRoot,
    /// Another program uses the package manager.
    #[error("{holder}, and has not let go within {}; nothing was changed. Try again when it has ended", seconds(*waited))]
    Locked {
        /// Which one.
        holder: LockHolder,
        /// How long it was waited for.
        waited: Duration,
    },
    /// An earlier change has left packages in disorder, and they can't be repaired within what is permitted.
    #[error("packages are in disorder since an earlier change, and nothing else can be changed before that is repaired: {}. {help}", problems.join("; "))]
    CannotRepair {
        /// The packages, or what the package manager would have to do.
        problems: Vec<String>,
        /// What to do.
        help: String,
        /// What the attempt printed last.
        output_tail: Vec<String>,
    },
    /// Refit was asked to end before the change was begun.
    #[error("interrupted before the change was begun; {}", repaired(repairs))]
    Interrupted {
        /// What was repaired before that.
        repairs: Vec<Repair>,
    },
    /// There is not enough room.
    #[error("{shortage}; {}. Make room there ({}) and try again", repaired(repairs), manager.makes_room())]
    NoSpace {
        /// The package manager.
        manager: Manager,
        /// Where, and how much.
        shortage: Shortage,
        /// What was repaired before that.
        repairs: Vec<Repair>,
    },
    /// The package manager refuses now what it did not refuse when the plan was made.
    #[error("{refusal}; {}. Make the plan again", repaired(repairs))]
    Refused {
        /// Its reasons.
        refusal: Box<Refusal>,
        /// What was repaired before that.
        repairs: Vec<Repair>,
    },
    /// The machine or its sources have changed since the plan was made.
    #[error("{} would no longer do what was planned: {}; {}. Make the plan again", manager.name(), differences.join("; "), repaired(repairs))]
    Drifted {
        /// The package manager.
        manager: Manager,
        /// Each package about which plan and package manager differ, in words.
        differences: Vec<String>,
        /// What was repaired before that.
        repairs: Vec<Repair>,
    },
    /// The archives could not be fetched.
    #[error("the packages could not be fetched: {message} {}. {help}", capital(&repaired(repairs)))]
    Download {
        /// What the package manager said, as sentences.
        message: String,
        /// What to do.
        help: String,
        /// What was repaired before that.
        repairs: Vec<Repair>,
    },
    /// A program of the package manager gave no usable answer.
    #[error(transparent)]
    Command(#[from] CommandError),
}

/// What repairs did, in words.
fn repaired(repairs: &[Repair]) -> String {
    match repairs {
        [] => "nothing was changed".to_owned(),
        repairs => {
            let commands: Vec<String> = repairs.iter().map(|repair| format!("`{}`", repair.command)).collect();
            format!("only {} was run", commands.join(" and "))
        }
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

impl ApplyError {
    /// The same, with what was repaired before it: not to begin is no longer not to change anything.
    pub(super) fn after(mut self, done: &[Repair]) -> Self {
        match &mut self {
            ApplyError::Interrupted { repairs }
            | ApplyError::NoSpace { repairs, .. }
            | ApplyError::Refused { repairs, .. }
            | ApplyError::Drifted { repairs, .. }
            | ApplyError::Download { repairs, .. } => *repairs = done.to_vec(),
            ApplyError::NotRoot
            | ApplyError::Locked { .. }
            | ApplyError::CannotRepair { .. }
            | ApplyError::Command(_) => {}
        }
        self
    }
}

impl From<SimulateError> for ApplyError {
    fn from(error: SimulateError) -> Self {
        match error {
            SimulateError::Command(error) => ApplyError::Command(error),
            SimulateError::Refused(refusal) => ApplyError::Refused { refusal: Box::new(refusal), repairs: Vec::new() },
        }
    }
}

/// What the package manager begins to do with a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Its files are replaced.
    Unpack,
    /// It is configured: its maintainer script runs.
    Configure,
    /// It is removed.
    Remove,
    /// Its triggers run, for other packages' sake.
    Trigger,
}

/// Why a simulation gave no result.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// The package manager could not be asked, or not be understood.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// It answered that it can't be done.
    #[error("{0}")]
    Refused(Refusal),
}

/// The package manager's reasons for refusing a change.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Refusal {
    /// The package manager.
    #[serde(skip)]
    pub manager: Manager,
    /// An earlier change was interrupted: nothing can change before that is repaired.
    pub interrupted: bool,
    /// The installed packages already contradict one another: nothing can change before that is repaired.
    pub broken: bool,
    /// Packages that somebody holds, and that would change.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<TitleId>,
    /// Packages that no source has, or not in the version that was asked for.
    pub not_found: Vec<TitleId>,
    /// Dependencies that can't be met.
    pub unmet: Vec<Unmet>,
    /// What else it said, line by line.
    pub messages: Vec<String>,
}

/// A dependency that can't be met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unmet {
    /// The package that has it.
    pub title: TitleId,
    /// The dependency and what is wrong with it: `Depends: libb (= 2) but it is not going to be installed`.
    pub dependency: String,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let manager = self.manager;
        if self.interrupted {
            return f.write_str(manager.is_interrupted());
        }
        match self.broken {
            true => f.write_str(manager.is_broken())?,
            false => write!(f, "{} can't do this", manager.name())?,
        }
        let name = |title| manager.name_of(title);
        let held = self.held.iter().map(|title| format!("{} is held", name(title)));
        let unmet = self.unmet.iter().map(|unmet| format!("{} {}", name(&unmet.title), unmet.dependency));
        let missing = self.not_found.iter().map(|title| format!("no source has {} in this version", name(title)));
        let mut why: Vec<String> = held.chain(unmet).chain(missing).collect();
        if why.is_empty() {
            why.extend(self.messages.iter().cloned());
        }
        if !why.is_empty() {
            write!(f, ": {}", why.join("; "))?;
        }
        Ok(())
    }
}
