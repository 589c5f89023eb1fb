//! The fleet engine: the same decisions as the plain one makes for one device, for everybody at once.
//!
//! It shares no code with the plain decision below the model, and tests hold the two equal (docs/concepts/engine.md).

mod cells;
mod fleet;
mod intern;
mod outcome;
mod rules;
mod select;
mod size;

pub use cells::{Answer, Engine, Reader, Reading, Verdicts, WorldChange};
pub use fleet::{Change, Fleet, SnapshotError};
pub use outcome::{Compliance, Excepted, Goal, Hold, Mark, Outcome, Progress};
pub use select::{Selection, Sets};
pub use size::Footprint;
