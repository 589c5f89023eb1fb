//! When changes may be made, and when not: windows, and the days of freezes.

mod window;

pub use window::{Window, WindowError};
