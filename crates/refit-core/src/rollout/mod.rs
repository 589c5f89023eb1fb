//! Staged introduction: which ring a device is in, what a gate says, and who may be away at the same time.

mod bounds;
pub mod disruption;
mod gate;

pub use bounds::{Tally, results_to_exclude};
pub use gate::{Compared, Evidence, HaltedBy, Measure, PassedBy, Verdict, Wants, judge, results_needed};
pub use refit_model::position;
