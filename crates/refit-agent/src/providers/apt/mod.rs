//! apt and dpkg, on Debian and its derivatives.
//!
//! The order in which a session uses it: [`machine`], [`inventory`], [`refresh`], [`offers`] (what there is and what there
//! could be), [`simulate`] and [`narrow`] (what a change would really do), [`apply`] (do exactly that), [`needs_restart`].
//!
//! Two rules hold throughout. apt's own answer is the truth: pins, priorities and dependencies are asked for, never worked
//! out again. And an exit status is never believed: what counts is the package state that is read afterwards.

mod command;
mod inventory;
mod narrow;
mod offers;
mod records;
mod relations;
mod simulate;
mod sources;
mod stanzas;

pub use command::CommandError;
pub use inventory::{Inventory, Package, Status, Want, inventory};
pub use narrow::{Dropped, Narrowed, Obstacle, Permissions, narrow};
pub use offers::{OfferedVersion, Offers, PackageOffers, PassedOver, offers};
pub use simulate::{Action, ActionKind, Change, Refusal, SimulateError, Simulation, simulate};
pub use sources::{Source, SourceHealth, sources};
