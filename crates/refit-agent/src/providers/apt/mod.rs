//! apt and dpkg, on Debian and its derivatives.
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

pub use provider::Apt;
