//! When changes may be made, and when not: windows, and the days of freezes.

pub use refit_model::{Window, WindowError};
