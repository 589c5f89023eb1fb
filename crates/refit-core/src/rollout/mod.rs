//! Staged introduction: which ring a device is in, and what a gate says.

mod gate;
mod position;

pub use gate::{judge, results_needed};
pub use position::position;
