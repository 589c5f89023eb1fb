//! This machine: what is on it, what it can get, what is known to be wrong with it, and what the policies say of it.

mod gather;
mod machine;
mod memory;
mod planning;
mod report;
mod situation;

pub use gather::{Gathered, gather};
pub use machine::{provider, required, universe};
pub use memory::{Memory, data_folder};
pub use planning::{Draft, Present, draft};
pub use report::{Report, report};
pub use situation::{Situation, read_facts};
