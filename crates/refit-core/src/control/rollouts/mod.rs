//! Releases on their way through the rings: what the log says of them, what speaks for and against them, and what comes next.
//!
//! - `record.rs` What has opened, and what came of a release on devices.
//! - `answered.rs` What gates said, and which of it counts.
//! - `signals.rs` What monitoring systems say of devices.
//! - `evidence.rs` What a gate has to go by.
//! - `status.rs` How a release stands, for people.
//! - `asked.rs` What people are asked about.
//! - `approved.rs` What people answered in other systems.
//! - `succession.rs` Which releases a later one has taken over from.
//! - `director.rs` What comes next: rings that open, gates that answer, halts that end.

mod answered;
mod approved;
mod asked;
mod director;
mod evidence;
mod record;
mod signals;
mod status;
mod succession;

pub use answered::GateRecord;
pub use approved::ApprovalRecord;
pub use asked::{AskedFor, GateQuestion};
pub use director::{Director, Look};
pub use evidence::evidence;
pub use record::{Expedited, Happened, Moment, RingRecord, RolloutRecord, Rollouts, Trial};
pub use signals::{Reading, SIGNAL_STALE_AFTER, SignalRecord, Signals};
pub use status::{Course, KeptWaiting, Stage, Status, because};
