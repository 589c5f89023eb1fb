//! Staged introduction: which ring a device is in, and what a gate says.

mod gate;

pub use gate::{judge, results_needed};
pub use refit_model::position;
