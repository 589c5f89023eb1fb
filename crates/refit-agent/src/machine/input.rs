//! What the machine hears.

use crate::machine::Complaint;
use jiff::Timestamp;
use refit_wire::{
    mandate::check::Step,
    protocol::Inventory,
    state::{Busy, PackageName},
};
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// What time it is, by two clocks. A shell reads both at the same moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// The machine's own time, which may be wrong.
    pub wall: Timestamp,
    /// Time since some fixed moment of this boot, counting sleep (`CLOCK_BOOTTIME`). It never jumps.
    pub monotonic: Duration,
}

/// What the machine hears. Inputs that answer an effect name it.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The agent has started: always the first input, once per life of a [`super::Machine`].
    Started {
        /// 16 random bytes. The names of receipts and all jitter follow from them.
        random: [u8; 16],
        /// What names this boot (`/proc/sys/kernel/random/boot_id`): another one is a restart of the machine.
        boot: SmolStr,
    },
    /// Time has passed: the time of [`super::Effect::Wake`] has come. Waking early does no harm.
    Woken,
    /// Somebody wants a check-in now (`refit-agent once`).
    CheckInNow,
    /// How the machine is used, before each [`Input::Woken`] and whenever it changes.
    Presence(Presence),
    /// The answer to [`super::Effect::Ask`].
    Answered {
        /// The number of the call.
        call: u64,
        /// The body as it came, or why there is none.
        result: Result<Vec<u8>, Failure>,
    },
    /// The answer to [`super::Effect::ReadInventory`].
    Inventory(Result<Reading, String>),
    /// The answer to [`super::Effect::Simulate`].
    Simulated {
        /// The number of the session.
        session: u64,
        /// What the package manager would do, or why it can't.
        result: Result<Vec<Step>, CannotDo>,
    },
    /// The answer to [`super::Effect::Apply`] or [`super::Effect::Observe`]: what is there now.
    Observed {
        /// The number of the session.
        session: u64,
        /// What was seen, or why nothing was begun.
        result: Result<Observed, CannotDo>,
    },
    /// The person at the machine answered, or said something.
    Person(PersonSaid),
}

/// How the machine is used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Presence {
    /// Whether the machine is in use: somebody is logged in and not idle. A machine without a seat is always in use.
    pub in_use: bool,
    /// Whether there is somebody who can be told something.
    pub attended: bool,
    /// What the person is in the middle of, as far as this can be found out.
    pub busy: BTreeSet<Busy>,
}

/// Why a call has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// There is no such thing.
    NotFound,
    /// The body is longer than may be; it was not read to its end.
    TooLarge,
    /// The server refused, with a code and what it said.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The stable code.
        code: SmolStr,
        /// For people.
        detail: String,
    },
    /// Nobody was reached.
    Unreachable(String),
}

/// What was read of the machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// All that the server is told; `None` where nothing has changed since the last reading in this life of the agent.
    pub inventory: Option<Inventory>,
    /// The versions that are offered and not installed, with the keys that sign their sources.
    pub offered: Vec<OfferedPackage>,
    /// What does not run from its new files yet.
    pub restart: RestartNeeds,
    /// Whether package lists were fetched for this reading.
    pub refreshed: bool,
    /// What was wrong with package sources when they were fetched for this reading, in words.
    pub faults: Vec<String>,
}

/// A version that a source offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferedPackage {
    /// The package.
    pub package: PackageName,
    /// The version.
    pub version: SmolStr,
    /// The fingerprints of the keys that sign the sources which offer it.
    pub keys: BTreeSet<SmolStr>,
}

/// What does not run from its new files yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestartNeeds {
    /// Why the machine as a whole has to restart; empty where it has not.
    pub machine: Vec<SmolStr>,
    /// Packages whose programs still run from old files; the machine's own reasons (a kernel) included.
    pub packages: BTreeSet<PackageName>,
}

/// Why the package manager can't do something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CannotDo {
    /// Whether the same may work in a moment: somebody else uses the package manager, a download broke off.
    pub passing: bool,
    /// Whether the machine's own administrator holds one of the packages where it is.
    pub held: bool,
    /// In words.
    pub why: String,
}

/// What is there after a change, whoever made it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// The version that each package of the transaction has now, where it is well; `None` where it is not there or not well.
    pub versions: BTreeMap<PackageName, Option<SmolStr>>,
    /// The version that is there of a package that is not well.
    pub broken: BTreeMap<PackageName, SmolStr>,
    /// What does not run from its new files yet.
    pub restart: RestartNeeds,
    /// The end of what was printed, per package; a shell limits it to [`refit_wire::limits::OUTPUT`].
    pub output: BTreeMap<PackageName, String>,
    /// How long it took, in milliseconds; 0 where nobody knows.
    pub duration_ms: u64,
    /// What went wrong as a whole; empty where nothing did.
    pub problems: Vec<String>,
}

/// What a person said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PersonSaid {
    /// Go ahead with what was announced.
    Now,
    /// Later: put off what was announced, as far as that is allowed.
    Later,
    /// Restart now.
    RestartNow,
    /// Something is broken. Its name is given by the machine.
    Complains(Complaint),
}
