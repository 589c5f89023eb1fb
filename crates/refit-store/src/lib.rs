//! The event log, and what lies beside it: personal values, blobs, answers, snapshots, and the writer's lease.
//!
//! This crate does IO and nothing else. The body of an event is bytes to it; it knows no policy and no device.
//!
//! - [`store`] What a store does: the one trait.
//! - [`batch`] What is appended in one step, and what is read back.
//! - [`snapshot`], [`lease`], [`error`] The other words of the trait.
//! - [`memory`] A store in memory.
//! - `sqlite` The log in a SQLite file (feature `sqlite`, on by default): opening, verifying, backup, restore.
//! - `conformance` The laws that every store keeps (feature `conformance`).

pub mod batch;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod error;
pub mod lease;
pub mod memory;
pub mod snapshot;
#[cfg(feature = "sqlite")]
pub mod sqlite;
pub mod store;

pub use batch::{Answered, BODY_BYTES_MAX, Batch, Blob, NewEvent, PersonalValue, Seq, StoredEvent};
pub use error::{AppendError, LeaseError, StoreError};
pub use lease::Fence;
pub use memory::MemoryStore;
pub use snapshot::{Snapshot, SnapshotInfo};
#[cfg(feature = "sqlite")]
pub use sqlite::{Existing, Opened, Report, Restored, SqliteStore, backup, events_of, open_sqlite, restore, verify};
pub use store::Store;
