//! Refit's control logic in a simulator: the real logic, an in-memory store, the agents' real machines on simulated devices, sources and operators, all under one
//! seeded scheduler with a fake clock and network. Whatever goes wrong in it, the same seed lets it go wrong again.
//!
//! A [`Config`] says what is run; [`simulate`] runs it and says what was found; [`shrink()`] makes a failure small. What has to
//! hold is in [`watch`], and deliberate mistakes that it has to find are in [`Plant`]. `docs/simulation.md` tells how to use it.

mod agent;
mod calm;
mod config;
mod deciding;
mod devices;
mod door;
mod faults;
mod keys;
mod operators;
mod packages;
mod plant;
mod policies;
mod quality;
mod report;
mod rng;
mod run;
mod server;
mod serving;
mod shrink;
mod sources;
mod store;
mod traffic;
pub mod watch;

pub use config::{Config, Form};
pub use faults::{Fault, FaultCounts};
pub use plant::Plant;
pub use report::{Coverage, Failure, Report, Summary, Transitions};
pub use rng::Rng;
pub use run::simulate;
pub use shrink::shrink;
pub use store::{Entry, Store};
