//! apt and dpkg, on Debian and its derivatives.
//!
//! The order in which a session uses it: [`machine()`], [`inventory()`], [`refresh()`], [`offers()`] (what there is and what there
//! could be), [`simulate()`] and [`narrow()`] (what a change would really do), [`apply()`] (do exactly that), [`needs_restart()`].
//!
//! Two rules hold throughout. apt's own answer is the truth: pins, priorities and dependencies are asked for, never worked
//! out again. And an exit status is never believed: what counts is the package state that is read afterwards.

mod apply;
mod command;
mod inventory;
mod locks;
mod machine;
mod narrow;
mod observe;
mod offers;
mod preflight;
mod receipt;
mod records;
mod refresh;
mod relations;
mod repair;
mod restarts;
mod simulate;
mod sources;
mod stanzas;
mod transcript;

pub use apply::{ApplyError, ApplyOptions, Progress, Transaction, apply};
pub use command::CommandError;
pub use inventory::{Inventory, Package, Status, Want, inventory};
pub use locks::{LockHolder, lock_holder, wait_until_free};
pub use machine::{Container, Machine, MachineError, machine};
pub use narrow::{Dropped, Narrowed, Obstacle, Permissions, Settled, narrow};
pub use offers::{OfferedVersion, Offers, PackageOffers, PassedOver, offers};
pub use preflight::Shortage;
pub use receipt::{Needed, PackageOutcome, PackageResult, Receipt, Repair};
pub use records::Sizes;
pub use refresh::{Fault, FaultKind, Refresh, refresh};
pub use restarts::{ServiceRestart, needs_restart};
pub use simulate::{Action, ActionKind, Change, Refusal, SimulateError, Simulation, Unmet, simulate};
pub use sources::{Source, SourceHealth, sources};
pub use transcript::Step;
