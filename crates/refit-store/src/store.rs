//! What a store does, whatever it keeps its data in.

use crate::{
    batch::{Answered, Batch, Blob, PersonalValue, Seq, StoredEvent},
    error::{AppendError, LeaseError, Result},
    lease::Fence,
    snapshot::{Snapshot, SnapshotInfo},
};
use async_trait::async_trait;
use jiff::Timestamp;
use std::time::Duration;

/// An append-only log, and what lies beside it: personal values, blobs, answers, snapshots, and the lease of the writer.
///
/// Every implementation passes the same laws (`conformance`). Dropping a call's future half-way leaves the store whole: what the call was about
/// to do is done or not done.
#[async_trait]
pub trait Store: Send + Sync {
    /// The position of the last event; 0 for an empty log.
    async fn head(&self) -> Result<Seq>;

    /// Appends a batch right after `expected`, as a whole or not at all, and says where the log ends then. When this
    /// returns, the batch survives the loss of power.
    ///
    /// Whoever repeats a call without knowing whether it succeeded appends nothing twice: `expected` has moved on.
    async fn append(&self, fence: Fence, expected: Seq, batch: Batch) -> Result<Seq, AppendError>;

    /// Up to `limit` events after a position, in their order. None means that the log ends there.
    async fn read(&self, after: Seq, limit: usize) -> Result<Vec<StoredEvent>>;

    /// The answer that the request with this idempotency key was given.
    async fn answer(&self, key: &str) -> Result<Option<Answered>>;

    /// Forgets answers given before a time, and says how many.
    async fn forget_answers(&self, before: Timestamp) -> Result<u64>;

    /// Keeps a blob, durably. One that is there already is left as it is.
    async fn put_blob(&self, blob: Blob) -> Result<()>;

    /// The blob with this SHA-256 (lower-case hexadecimal). It is checked: damage is an error.
    async fn blob(&self, digest: &str) -> Result<Option<Blob>>;

    /// Those of the digests for which there is no blob, in the order given.
    async fn blobs_missing(&self, digests: &[String]) -> Result<Vec<String>>;

    /// Keeps a snapshot. It takes the place of one after the same event.
    async fn save_snapshot(&self, snapshot: Snapshot) -> Result<()>;

    /// The latest usable snapshot, of all or of those from `at_or_before` or earlier. One that is damaged, or that
    /// belongs to another history than this log's, does not count: replaying from an earlier one gives the same.
    async fn latest_snapshot(&self, at_or_before: Option<Timestamp>) -> Result<Option<Snapshot>>;

    /// The snapshots that there are, oldest first.
    async fn snapshots(&self) -> Result<Vec<SnapshotInfo>>;

    /// Drops the snapshot after an event, if there is one.
    async fn drop_snapshot(&self, seq: Seq) -> Result<()>;

    /// All personal values, sorted by reference.
    async fn personal(&self) -> Result<Vec<PersonalValue>>;

    /// Erases the values of a person and says how many there were. When this returns they are gone from the store's own
    /// files too, not only marked as free. Backups keep what they hold, and so do the files that a restore has put aside:
    /// whoever makes them has to let them expire.
    async fn erase_person(&self, person: &str) -> Result<u64>;

    /// Takes the lease until `now + ttl`: if nobody has it, if the time of the one who has it is over, or if that is the
    /// same holder, who has restarted. Earlier tokens may not append any more.
    async fn acquire_lease(&self, holder: &str, now: Timestamp, ttl: Duration) -> Result<Fence, LeaseError>;

    /// Prolongs the lease until `now + ttl`. A lease that has run out can be prolonged as long as nobody took it.
    async fn renew_lease(&self, fence: Fence, now: Timestamp, ttl: Duration) -> Result<(), LeaseError>;

    /// Gives the lease back. One that somebody else has meanwhile stays theirs.
    async fn release_lease(&self, fence: Fence) -> Result<()>;
}
