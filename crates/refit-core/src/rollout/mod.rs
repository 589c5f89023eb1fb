//! Staged introduction: which ring a device is in, and what a gate says.

mod bounds;
mod gate;

pub use bounds::{Tally, results_to_exclude};
pub use gate::{Compared, Evidence, HaltedBy, Measure, PassedBy, Verdict, Wants, judge, results_needed};
pub use refit_model::position;
