//! Deliveries to one subscription, as a machine: what to send now, and what follows from how that ended
//! (docs/decisions/0162-deliveries-are-a-machine-and-a-file-remembers-how-far.md).
//!
//! Nothing here sends anything: who does tells the machine what there is to be sent and the time, and is told which attempts to make.
//! The machine as it is serialized is what has to be remembered; what was under way then is begun anew.
//!
//! - `machine.rs` The machine.
//! - `batch.rs` What goes in one post.
//! - `schedule.rs` When something is tried again, and for how long.
//! - `order.rs` What has to wait for what.

mod batch;
mod machine;
mod order;
mod schedule;

#[cfg(test)]
mod tests;

pub use batch::{BATCH_BYTES_MOST, BATCH_EVENTS_MOST, BATCH_WAIT, Packing, message_id};
pub use machine::{Attempt, Dead, Ended, FAILURES_MOST, IN_FLIGHT_MOST, Machine, Pending, WINDOW};
pub use order::Keys;
pub use schedule::{PATIENCE, STEPS, delay};
