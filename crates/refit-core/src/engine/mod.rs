//! The fleet engine: the same decisions as the plain one makes for one device, for everybody at once.
//!
//! It shares no code with the plain decision below the model, and tests hold the two equal (docs/concepts/engine.md).

mod fleet;
mod intern;
mod select;

pub use fleet::{Change, Fleet};
pub use select::{Selection, Sets};
