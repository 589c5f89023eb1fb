//! Snapshots: the world as it was after an event, so that not everything has to be replayed.

use crate::batch::Seq;
use jiff::Timestamp;
use std::fmt;

/// The state after the event at `seq`, as bytes that only their writer understands.
#[derive(Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The last event that is in it.
    pub seq: Seq,
    /// The time of that state.
    pub at: Timestamp,
    /// The version of the body's format.
    pub format: u32,
    /// The state.
    pub body: Vec<u8>,
}

/// What there is to know of a snapshot without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotInfo {
    /// The last event that is in it.
    pub seq: Seq,
    /// The time of that state.
    pub at: Timestamp,
    /// The version of the body's format.
    pub format: u32,
    /// How large the body is.
    pub bytes: u64,
}

impl Snapshot {
    /// All but the body.
    pub fn info(&self) -> SnapshotInfo {
        SnapshotInfo { seq: self.seq, at: self.at, format: self.format, bytes: self.body.len() as u64 }
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Snapshot(after {} at {}, format {}, {} bytes)", self.seq, self.at, self.format, self.body.len())
    }
}
