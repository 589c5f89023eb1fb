//! Which package manager it is, and what a person calls things there.

use refit_model::{Scheme, TitleId};
use serde::Serialize;

/// A package manager.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Manager {
    /// apt with dpkg.
    #[default]
    Apt,
    /// dnf with rpm.
    Dnf,
}

impl Manager {
    /// The program's name.
    pub fn name(self) -> &'static str {
        match self {
            Manager::Apt => "apt",
            Manager::Dnf => "dnf",
        }
    }

    /// What its titles begin with, without the slash.
    pub fn namespace(self) -> &'static str {
        match self {
            Manager::Apt => "deb",
            Manager::Dnf => "rpm",
        }
    }

    /// How its versions compare.
    pub fn scheme(self) -> Scheme {
        match self {
            Manager::Apt => Scheme::Dpkg,
            Manager::Dnf => Scheme::Rpm,
        }
    }

    /// The package manager's own name for a title.
    pub fn name_of(self, title: &TitleId) -> &str {
        let name = title.as_str().strip_prefix(self.namespace()).and_then(|rest| rest.strip_prefix('/'));
        name.unwrap_or(title.as_str())
    }

    /// What releases a package that is held.
    pub(super) fn releases(self) -> &'static str {
        match self {
            Manager::Apt => "`apt-mark unhold` releases it",
            Manager::Dnf => "by `dnf versionlock` or the configuration of dnf",
        }
    }

    /// What makes room on a full disk.
    pub(super) fn makes_room(self) -> &'static str {
        match self {
            Manager::Apt => "`apt-get clean`, `apt-get autoremove`",
            Manager::Dnf => "`dnf clean packages`, `dnf autoremove`",
        }
    }

    /// That an earlier change was interrupted.
    pub(super) fn is_interrupted(self) -> &'static str {
        match self {
            Manager::Apt => {
                "dpkg was interrupted earlier: apt changes nothing until that is repaired (`dpkg --configure -a`)"
            }
            Manager::Dnf => {
                "a transaction of dnf was interrupted earlier, and has to be repaired first (`dnf remove --duplicates`)"
            }
        }
    }

    /// That what is installed does not fit together.
    pub(super) fn is_broken(self) -> &'static str {
        match self {
            Manager::Apt => {
                "installed packages contradict one another (`apt-get -f install` shows what apt would do about it)"
            }
            Manager::Dnf => "installed packages contradict one another (`dnf check` says which)",
        }
    }
}
