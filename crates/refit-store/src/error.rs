//! What can go wrong, for people: what, where, and what to do.

use crate::batch::{Answered, BODY_BYTES_MAX, Seq};
use jiff::Timestamp;
use std::{io, path::PathBuf, time::Duration};

/// The result of reading, and of whatever has no errors of its own.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// The store itself failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process has the log open for writing.
    #[error(
        "{} is in use by another process{}; stop it first (two writers would damage the log)",
        folder.display(),
        pid.map(|pid| format!(" ({pid})")).unwrap_or_default()
    )]
    InUse {
        /// The data folder.
        folder: PathBuf,
        /// The other process, if it has said so.
        pid: Option<u32>,
    },
    /// What was written is not what is there now.
    #[error("the log in {place} is damaged: {what}; stop the server, then bring it back with `refit restore`")]
    Damaged {
        /// The file.
        place: String,
        /// What is wrong with it.
        what: String,
    },
    /// A newer Refit has written here.
    #[error("{place} was written by a newer version of Refit ({what}); use that version")]
    Newer {
        /// The file.
        place: String,
        /// What this version does not know.
        what: String,
    },
    /// The disk is full.
    #[error("no space left for {place}; free some space, nothing that was acknowledged is lost")]
    Full {
        /// The file.
        place: String,
    },
    /// A snapshot that the log does not reach.
    #[error("a snapshot after event {seq} can't be saved: the log ends at {head}")]
    SnapshotAhead {
        /// The snapshot's last event.
        seq: Seq,
        /// The log's last event.
        head: Seq,
    },
    /// A blob or snapshot that is too large for this store.
    #[error("{name} is too large for the store: {bytes} bytes, at most {BODY_BYTES_MAX} are permitted")]
    TooLarge {
        /// What it is.
        name: String,
        /// Its size.
        bytes: usize,
    },
    /// A time outside of what can be stored.
    #[error("the time {0} can't be stored: it has to be between the years 1678 and 2261; check the clock")]
    TimeOutOfRange(Timestamp),
    /// A backup can't be made, or can't be used.
    #[error("the backup {} can't be used: {what}", path.display())]
    Backup {
        /// Its folder.
        path: PathBuf,
        /// Why not.
        what: String,
    },
    /// Restoring would replace a good log.
    #[error(
        "the log in {} is good, up to event {head}, and would be replaced: `--replace` does so",
        folder.display()
    )]
    WouldReplace {
        /// The data folder.
        folder: PathBuf,
        /// Where its log ends.
        head: Seq,
    },
    /// A file could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// `read`, `write`…
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The database refused something that has nothing to do with the above.
    #[error("the log in {place} can't be used: {what}")]
    Database {
        /// The file or server.
        place: String,
        /// What the database says.
        what: String,
    },
}

/// Nothing was appended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// Somebody else has appended since.
    #[error("the log has moved on: it ends at event {head}, not at {expected}; read on from there and decide again")]
    Moved {
        /// Where the writer believed the end.
        expected: Seq,
        /// Where it is.
        head: Seq,
    },
    /// The lease is somebody else's, or was given back.
    #[error("this server has lost its lease on the log and may not write any more; another one has taken over")]
    Fenced,
    /// This very request has been answered before.
    #[error("the request with the key {key:?} has been answered before; give the stored answer")]
    AlreadyAnswered {
        /// The idempotency key.
        key: String,
    },
    /// The key of another request.
    #[error("the key {key:?} was used for another request; choose a new key for each request")]
    KeyReused {
        /// The idempotency key.
        key: String,
    },
    /// The reference of another personal value.
    #[error("the reference {reference:?} names a personal value already; each value has a reference of its own")]
    ReferenceTaken {
        /// The reference.
        reference: String,
    },
    /// A body that is larger than a store takes.
    #[error("the {what} {name:?} is too large: {bytes} bytes, at most {BODY_BYTES_MAX} are permitted")]
    TooLarge {
        /// `event`, `blob`…
        what: &'static str,
        /// Its kind, key, reference or digest.
        name: String,
        /// Its size.
        bytes: usize,
    },
    /// A time outside of what can be stored.
    #[error("the time {0} can't be stored: it has to be between the years 1678 and 2261; check the clock")]
    TimeOutOfRange(Timestamp),
    /// The store itself failed; among other things, the disk is full.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AppendError {
    /// A second answer under the key of an earlier one.
    pub(crate) fn answered(earlier: &Answered, now: &Answered) -> Self {
        let key = now.key.clone();
        if earlier.fingerprint == now.fingerprint { Self::AlreadyAnswered { key } } else { Self::KeyReused { key } }
    }
}

/// The lease was not given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LeaseError {
    /// Another server has it.
    #[error("{holder} holds the log's lease until {until}; stop it, or wait")]
    HeldBy {
        /// The other server.
        holder: String,
        /// How long, unless it renews.
        until: Timestamp,
    },
    /// It was taken over or given back.
    #[error("the lease on the log is lost: another server has taken it, or it was given back")]
    Lost,
    /// A lease beyond what can be stored.
    #[error("a lease from {now} for {ttl:?} can't be stored; check the clock")]
    TimeOutOfRange {
        /// Its beginning.
        now: Timestamp,
        /// Its length.
        ttl: Duration,
    },
    /// The store itself failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
