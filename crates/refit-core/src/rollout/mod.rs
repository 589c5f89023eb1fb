//! Staged introduction: which ring a device is in, what a gate says, what moves as one, and who may be away at the same time.

mod bounds;
pub mod commands;
pub mod disruption;
mod gate;
mod snapshot;
pub mod words;

pub use bounds::{Tally, results_to_exclude};
pub use gate::{
    Compared, Evidence, HaltedBy, Measure, PassedBy, Proof, Verdict, Wants, control_needed, judge, results_needed,
    watched_needed,
};
pub use refit_model::position;
pub use snapshot::{snapshot_after, snapshot_name, snapshot_policy, snapshot_title};
