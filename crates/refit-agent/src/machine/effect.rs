//! What the machine wants done.

use crate::machine::PersonSaid;
use jiff::Timestamp;
use refit_model::{AdvisoryId, TitleId};
use refit_wire::{
    Digest, Envelope,
    mandate::check::Step,
    protocol::{CheckIn, ReportOutcome},
    state::{Package, PackageName},
};
use smol_str::SmolStr;
use std::time::Duration;

/// What a shell does for the machine, in the order given. What follows [`Effect::Save`] happens only once that is on disk.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Keep a signed document under its digest. What the journal no longer names after the next [`Effect::Save`] may go.
    Keep(Kind, Envelope),
    /// Write [`super::Machine::journal`] to disk, whole or not at all, before anything that follows.
    Save,
    /// Ask the server. There is never more than one call at a time.
    Ask {
        /// The number of the call, which the answer repeats.
        call: u64,
        /// What for.
        ask: Ask,
    },
    /// Read what is on the machine; answered by [`super::Input::Inventory`].
    ReadInventory {
        /// Whether package lists are to be fetched first. Where that fails, what is there is read all the same.
        refresh: bool,
        /// Packages whose offers are wanted although they are not installed.
        wanted: Vec<PackageName>,
        /// Packages that wait for a restart: whether they still do is wanted.
        restarting: Vec<PackageName>,
    },
    /// Ask the package manager what it would do for these changes; answered by [`super::Input::Simulated`].
    Simulate {
        /// The number of the session.
        session: u64,
        /// The changes, in one transaction.
        changes: Vec<Change>,
    },
    /// Make these changes, exactly as simulated or not at all; answered by [`super::Input::Observed`].
    Apply {
        /// The number of the session.
        session: u64,
        /// The changes.
        changes: Vec<Change>,
        /// All that the simulation said, and the mandate permits: nothing else may happen.
        steps: Vec<Step>,
    },
    /// See what became of these packages, after a change in which the agent or the machine died, or after a restart; answered
    /// by [`super::Input::Observed`].
    Observe {
        /// The number of the session.
        session: u64,
        /// The packages.
        packages: Vec<PackageName>,
    },
    /// Tell the person at the machine.
    Tell(Telling),
    /// Write to the system's log.
    Log(Severity, String),
    /// Restart the machine.
    Restart,
    /// Come back with [`super::Input::Woken`] after this long at the latest. A later one replaces it.
    Wake(Duration),
}

/// Which document it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The root.
    Root,
    /// The mandate.
    Mandate,
    /// The state.
    State,
}

/// A call to the server.
#[derive(Clone, Debug, PartialEq)]
pub enum Ask {
    /// Check in.
    CheckIn(Box<CheckIn>),
    /// The root of a number.
    Root(u64),
    /// The mandate of a digest.
    Mandate(Digest),
    /// The device's state.
    State,
    /// Renew the certificate. The key and the certificate are the network's affair: the answer has no body.
    Certificate,
}

impl Ask {
    /// How long the body of the answer may be, in bytes.
    pub fn limit(&self) -> usize {
        use refit_wire::limits;
        match self {
            Ask::CheckIn(_) | Ask::Certificate => limits::ANSWER,
            Ask::Root(_) => limits::ROOT,
            Ask::Mandate(_) => limits::MANDATE,
            Ask::State => limits::STATE,
        }
    }
}

/// A change that is asked of the package manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// This package at this version.
    To(Package),
    /// This package gone.
    Gone(PackageName),
}

/// What a person is told. The words are the shell's; nothing here is text that the server wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Telling {
    /// Something will be changed.
    Notice {
        /// What.
        items: Vec<NoticeItem>,
        /// When, unless the person says otherwise.
        at: Timestamp,
        /// How often the person may still put it off; 0 is: not.
        deferrals_left: u32,
        /// For how long each time, in seconds.
        for_seconds: u64,
    },
    /// The machine has to restart.
    RestartNeeded {
        /// Since when.
        since: Timestamp,
        /// When it restarts by itself; `None` is: only when the person agrees.
        at: Option<Timestamp>,
    },
    /// The machine restarts in a moment.
    Restarting,
    /// This device can get no supported release of a title.
    Unsupported {
        /// The title, which is one that is on the device or that the mandate names.
        title: TitleId,
        /// By when it has to be replaced.
        by: Option<Timestamp>,
    },
    /// What a person said here was answered.
    Answer {
        /// What was broken, in the person's own words.
        title: Option<String>,
        /// When it was said.
        said: Timestamp,
        /// What came of it.
        outcome: ReportOutcome,
    },
    /// Nothing has been heard for so long that somebody may be withholding updates.
    Silence {
        /// Since when.
        since: Timestamp,
    },
}

impl Telling {
    /// What a person can answer.
    pub fn answers(&self) -> Vec<PersonSaid> {
        match self {
            Telling::Notice { deferrals_left: 0, .. } => vec![PersonSaid::Now],
            Telling::Notice { .. } => vec![PersonSaid::Now, PersonSaid::Later],
            Telling::RestartNeeded { .. } => vec![PersonSaid::RestartNow],
            Telling::Restarting | Telling::Unsupported { .. } | Telling::Answer { .. } | Telling::Silence { .. } => {
                Vec::new()
            }
        }
    }
}

/// One thing that a notice announces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoticeItem {
    /// The title.
    pub title: TitleId,
    /// The version, where one comes.
    pub version: Option<SmolStr>,
    /// Vulnerabilities that it closes; only what looks like the name of one.
    pub closes: Vec<AdvisoryId>,
}

/// How much a line of the log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Somebody should look.
    Warning,
    /// It is worth knowing.
    Notice,
}
