//! Worlds in files: JSON Lines, one thing on each line, so that a fleet need not be in memory to be written or read
//! (docs/reference/world-files.md).

mod line;
mod read;
mod write;

pub use read::{WorldError, WorldReader};
pub use write::{WorldWriter, Written};

/// What the first line calls the format.
pub const FORMAT: &str = "refit-world";
/// The version of the format that is written, and the only one that is read.
const VERSION: u32 = 1;

#[cfg(test)]
mod tests;
