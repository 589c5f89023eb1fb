//! Worlds in files, and fleets that are made up.
//!
//! [`Synthetic`] is a fleet in the proportions that are known of real ones: what people have, how far they are behind, who is
//! away, who was enrolled last week. It is a function of its seed and of a time; each device can be made by itself, so that a
//! million of them need no memory. [`Statistics`] says what came out. [`WorldWriter`] and [`WorldReader`] are the format in
//! which worlds are kept, line by line (docs/reference/world-files.md). [`history`] is a company's month as a server's log.

mod file;
mod generate;
pub mod history;
mod rng;
mod statistics;
mod titles;

pub use file::{FORMAT, WorldError, WorldReader, WorldWriter, Written};
pub use generate::{Spec, Synthetic};
pub use rng::Rng;
pub use statistics::{Figures, Statistics};
pub use titles::{Kind, Title};
