//! What can go wrong in fetching what package sources offer, and what to do about it.

use super::Manager;
use serde::Serialize;

/// What came of fetching.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Refresh {
    /// What went wrong, one entry for each source and cause, in the package manager's order. Empty: everything is fresh.
    pub faults: Vec<Fault>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}

/// One thing that went wrong in fetching.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The package manager that met it.
    #[serde(skip)]
    pub manager: Manager,
    /// What it is.
    pub kind: FaultKind,
    /// The source or the address, as the package manager prints it; empty where it names none.
    pub source: String,
    /// What the package manager said.
    pub message: String,
}

/// What can go wrong in fetching.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The server answers, and what is configured is not there.
    Gone,
    /// The server can't be reached.
    Unreachable,
    /// The publisher's limit has passed.
    Expired,
    /// Dated in the future: this machine's clock is behind, or the server's ahead.
    NotYetValid,
    /// Nobody has signed it.
    Unsigned,
    /// Signed with a key that this machine does not trust.
    UnknownKey,
    /// The key with which it is signed has expired or was revoked.
    ExpiredKey,
    /// Whether it is signed well could not be checked.
    Unverifiable,
    /// What was fetched is not what was signed.
    Tampered,
    /// The publisher has changed a name by which the source was known; somebody has to accept that.
    Renamed,
    /// Another program holds the package manager's lock.
    Locked,
    /// There is no space left.
    DiskFull,
    /// Something else.
    Other,
}

impl FaultKind {
    /// What to do about it, as a sentence.
    pub fn advice(self, manager: Manager) -> &'static str {
        match manager {
            Manager::Apt => self.advice_for_apt(),
            Manager::Dnf => self.advice_for_dnf(),
        }
    }

    fn advice_for_apt(self) -> &'static str {
        match self {
            FaultKind::Gone => "Correct the address or the suite in /etc/apt, or remove the source.",
            FaultKind::Unreachable => {
                "Check the network, the proxy and the server; what was fetched earlier is still used."
            }
            FaultKind::Expired => {
                "The mirror has stopped following its archive, or replays an old state: use another mirror, and check this machine's clock."
            }
            FaultKind::NotYetValid => "Set this machine's clock.",
            FaultKind::Unsigned => "Use the publisher's signed archive; Refit never installs from an unsigned one.",
            FaultKind::UnknownKey => {
                "Obtain the publisher's key by a trusted way and name it in `Signed-By` of the source."
            }
            FaultKind::ExpiredKey => "Obtain the publisher's new key by a trusted way.",
            FaultKind::Unverifiable => {
                "The signature could not be checked: mend what apt complains about (a full disk, a /tmp that it may not write to); until then nothing newer is taken from this source."
            }
            FaultKind::Tampered => {
                "Do not install from this source: a mirror is being updated at this moment (try again later), broken, or somebody has changed it."
            }
            FaultKind::Renamed => {
                "Read what the publisher says of it; then accept it with `apt-get update --allow-releaseinfo-change`."
            }
            FaultKind::Locked => "Try again when the other program has ended; never delete the lock.",
            FaultKind::DiskFull => "Make space, for instance with `apt-get clean`.",
            FaultKind::Other => "See what apt said.",
        }
    }

    fn advice_for_dnf(self) -> &'static str {
        match self {
            FaultKind::Gone => "Correct the address in /etc/yum.repos.d, or disable the repository.",
            FaultKind::Unsigned => "Use the publisher's signed repository; Refit never installs what is not signed.",
            FaultKind::UnknownKey => {
                "Obtain the publisher's key by a trusted way, store it on this machine, and name its file in `gpgkey` of the repository."
            }
            FaultKind::Expired => {
                "The mirror replays an old state, or has stopped: use another mirror, and check this machine's clock."
            }
            FaultKind::Unverifiable => "The signature could not be checked: mend what dnf complains about.",
            FaultKind::DiskFull => "Make space, for instance with `dnf clean packages`.",
            FaultKind::Renamed | FaultKind::Other => "See what dnf said.",
            FaultKind::Unreachable
            | FaultKind::NotYetValid
            | FaultKind::ExpiredKey
            | FaultKind::Tampered
            | FaultKind::Locked => self.advice_for_apt(),
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.message, self.kind.advice(self.manager))
    }
}
