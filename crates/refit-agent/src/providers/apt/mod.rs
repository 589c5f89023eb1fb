//! apt and dpkg, on Debian and its derivatives.
//!
//! The order in which a session uses it: [`machine()`], [`inventory()`], [`refresh()`], [`offers()`] (what there is and what there
//! could be), [`simulate()`] (what a change would really do), [`apply()`] (do exactly that), [`needs_restart()`].
//!
//! Two rules hold throughout. apt's own answer is the truth: pins, priorities and dependencies are asked for, never worked
//! out again. And an exit status is never believed: what counts is the package state that is read afterwards.

mod apply;
mod inventory;
mod keys;
mod locks;
mod machine;
mod narrow;
mod observe;
mod offers;
mod preflight;
mod provider;
mod records;
mod refresh;
mod relations;
mod repair;
mod restarts;
mod simulate;
mod sources;
mod stanzas;
mod transcript;

pub use super::{
    available::SourceHealth,
    command::CommandError,
    faults::{Fault, FaultKind, Refresh},
    installs::Status,
    locks::LockHolder,
    machine::{Container, Machine, MachineError},
    processes::ServiceRestart,
    receipt::{Needed, PackageOutcome, PackageResult, Receipt, Repair},
    space::Shortage,
    transaction::{
        Action, ActionKind, ApplyError, ApplyOptions, Change, Permissions, Progress, Refusal, SimulateError, Sizes,
        Step, Transaction, Unmet,
    },
};
pub use apply::apply;
pub use inventory::{Inventory, Package, Want, inventory};
pub use locks::{lock_holder, wait_until_free};
pub use machine::machine;
pub use offers::{OfferedVersion, Offers, PackageOffers, PassedOver, offers};
pub use provider::Apt;
pub use refresh::refresh;
pub use restarts::needs_restart;
pub use simulate::{Simulation, simulate};
pub use sources::{Source, sources};
