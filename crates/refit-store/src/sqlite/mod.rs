//! The log in a SQLite file.
//!
//! - `folder.rs` The files, and the lock that keeps a second writer out.
//! - `connect.rs` Connections, tables, and what SQLite's errors mean.
//! - `chain.rs`, `rows.rs` Checksums, and rows that are compared with them.
//! - `writer.rs` The one connection that writes.
//! - `open.rs` Opening a log, whatever happened to it.
//! - `snapshots.rs` Snapshots, as files.
//! - `verify.rs` The full check.
//! - `backup.rs`, `restore.rs` Copies, and back.

mod aside;
mod backup;
mod chain;
mod connect;
mod folder;
mod open;
mod restore;
mod rows;
mod snapshots;
mod verify;
mod writer;

pub use aside::events_of;
pub use backup::backup;
pub use open::{Opened, open_sqlite};
pub use restore::{Existing, Restored, restore};
pub use verify::{Report, verify};

use crate::{
    batch::{Answered, BODY_BYTES_MAX, Batch, Blob, PersonalValue, Seq, StoredEvent, nanoseconds},
    error::{AppendError, LeaseError, Result, StoreError},
    lease::Fence,
    snapshot::{Snapshot, SnapshotInfo},
    store::Store,
};
use async_trait::async_trait;
use connect::database;
use folder::{Folder, WriterLock};
use jiff::Timestamp;
use sqlx::{QueryBuilder, Sqlite, SqlitePool, pool::PoolConnection};
use std::time::Duration;
use tokio::sync::Mutex;
use writer::Writer;

/// The log in a SQLite file, open for writing. [`open_sqlite`] opens it.
#[derive(Debug)]
pub struct SqliteStore {
    folder: Folder,
    writer: Writer,
    readers: SqlitePool,
    /// Backups read for long, and erasing has to wait for readers: one after the other.
    long_work: Mutex<()>,
    _lock: WriterLock,
}

impl SqliteStore {
    /// Closes the log, so that the next one to open it has nothing to recover. Without it nothing is lost either.
    pub async fn close(self) -> Result<()> {
        self.readers.close().await;
        self.writer.close().await
    }

    async fn reader(&self) -> Result<PoolConnection<Sqlite>> {
        self.readers.acquire().await.map_err(self.error())
    }

    fn error(&self) -> impl FnOnce(sqlx::Error) -> StoreError + use<> {
        database(&self.folder.database())
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn head(&self) -> Result<Seq> {
        Ok(rows::end(&mut *self.reader().await?, &self.folder.database()).await?.0)
    }

    async fn append(&self, fence: Fence, expected: Seq, batch: Batch) -> Result<Seq, AppendError> {
        batch.check()?;
        self.writer.begin().await?.append(fence, expected, &batch).await
    }

    async fn read(&self, after: Seq, limit: usize) -> Result<Vec<StoredEvent>> {
        rows::events(&mut *self.reader().await?, &self.folder.database(), after, limit).await
    }

    async fn answer(&self, key: &str) -> Result<Option<Answered>> {
        writer::read_answer(&mut *self.reader().await?, &self.folder.database(), key).await
    }

    async fn forget_answers(&self, before: Timestamp) -> Result<u64> {
        let before = nanoseconds(before).ok_or(StoreError::TimeOutOfRange(before))?;
        let mut writing = self.writer.begin().await?;
        let query = sqlx::query("DELETE FROM answers WHERE at < ?").bind(before);
        let done = query.execute(&mut writing.connection).await.map_err(self.error())?;
        writing.keep();
        Ok(done.rows_affected())
    }

    async fn put_blob(&self, blob: Blob) -> Result<()> {
        if blob.body().len() > BODY_BYTES_MAX {
            return Err(StoreError::TooLarge { name: blob.digest().to_owned(), bytes: blob.body().len() });
        }
        let mut writing = self.writer.begin().await?;
        writing.insert_blob(&blob).await?;
        writing.keep();
        Ok(())
    }

    async fn blob(&self, digest: &str) -> Result<Option<Blob>> {
        let query = sqlx::query_scalar("SELECT body FROM blobs WHERE digest = ?").bind(digest);
        let body: Option<Vec<u8>> = query.fetch_optional(&mut *self.reader().await?).await.map_err(self.error())?;
        let Some(blob) = body.map(Blob::new) else { return Ok(None) };
        if blob.digest() != digest {
            let what = format!("the blob {digest} is not as it was written");
            return Err(rows::damaged(&self.folder.database(), &what));
        }
        Ok(Some(blob))
    }

    async fn blobs_missing(&self, digests: &[String]) -> Result<Vec<String>> {
        let mut reader = self.reader().await?;
        let mut missing = Vec::new();
        for digests in digests.chunks(1_000) {
            let mut query = QueryBuilder::<Sqlite>::new("SELECT digest FROM blobs WHERE digest IN (");
            let mut list = query.separated(", ");
            digests.iter().for_each(|digest| {
                list.push_bind(digest);
            });
            query.push(")");
            let there: Vec<String> = query.build_query_scalar().fetch_all(&mut *reader).await.map_err(self.error())?;
            missing.extend(digests.iter().filter(|digest| !there.contains(digest)).cloned());
        }
        Ok(missing)
    }

    async fn save_snapshot(&self, snapshot: Snapshot) -> Result<()> {
        let path = self.folder.database();
        let mut reader = self.reader().await?;
        let Some(chain) = rows::chain_at(&mut reader, &path, snapshot.seq).await? else {
            let (head, _) = rows::end(&mut reader, &path).await?;
            return Err(StoreError::SnapshotAhead { seq: snapshot.seq, head });
        };
        drop(reader);
        let folder = self.folder.clone();
        off_thread(move || snapshots::save(&folder, &snapshot, chain)).await
    }

    async fn latest_snapshot(&self, at_or_before: Option<Timestamp>) -> Result<Option<Snapshot>> {
        let folder = self.folder.clone();
        let headers = off_thread(move || snapshots::list(&folder)).await?;
        for header in headers.into_iter().rev() {
            if at_or_before.is_some_and(|bound| header.at > bound) {
                continue;
            }
            let chain = rows::chain_at(&mut *self.reader().await?, &self.folder.database(), header.seq).await?;
            if chain.is_none_or(|chain| chain.to_string() != header.chain) {
                continue;
            }
            let folder = self.folder.clone();
            if let Some(snapshot) = off_thread(move || snapshots::load(&folder, &header)).await? {
                return Ok(Some(snapshot));
            }
        }
        Ok(None)
    }

    async fn snapshots(&self) -> Result<Vec<SnapshotInfo>> {
        let folder = self.folder.clone();
        let headers = off_thread(move || snapshots::list(&folder)).await?;
        Ok(headers.iter().map(snapshots::Header::info).collect())
    }

    async fn drop_snapshot(&self, seq: Seq) -> Result<()> {
        let folder = self.folder.clone();
        off_thread(move || snapshots::remove(&folder, seq)).await
    }

    async fn personal(&self) -> Result<Vec<PersonalValue>> {
        let query = sqlx::query_as("SELECT reference, person, value, sum FROM personal ORDER BY reference");
        let rows: Vec<rows::PersonalRow> = query.fetch_all(&mut *self.reader().await?).await.map_err(self.error())?;
        let values = rows.into_iter().map(|row| {
            let reference = row.0.clone();
            let what = || format!("the personal value {reference:?} is not as it was written");
            rows::personal(row).ok_or_else(|| rows::damaged(&self.folder.database(), &what()))
        });
        values.collect()
    }

    async fn erase_person(&self, person: &str) -> Result<u64> {
        let _alone = self.long_work.lock().await;
        let mut writing = self.writer.begin().await?;
        let query = sqlx::query("DELETE FROM personal WHERE person = ?").bind(person);
        let done = query.execute(&mut writing.connection).await.map_err(self.error())?;
        // The rows are overwritten in their pages (`secure_delete`), but older copies of the pages are in the -wal file
        // until it has been moved into the main file and cut to nothing.
        let query = sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)");
        let (busy, _, _): (i64, i64, i64) = query.fetch_one(&mut writing.connection).await.map_err(self.error())?;
        writing.keep();
        if busy != 0 {
            return Err(StoreError::Database {
                place: self.folder.database().display().to_string(),
                what: "values were erased, but a reader keeps older copies of them in the -wal file; erase again"
                    .into(),
            });
        }
        Ok(done.rows_affected())
    }

    async fn acquire_lease(&self, holder: &str, now: Timestamp, ttl: Duration) -> Result<Fence, LeaseError> {
        let writing = self.writer.begin().await?;
        let lease = match writing.known.lease.acquired(holder, now, ttl) {
            Ok(lease) => lease,
            Err(refused) => {
                writing.keep();
                return Err(refused);
            }
        };
        let fence = Fence(lease.fence);
        writing.set_lease(lease).await?;
        Ok(fence)
    }

    async fn renew_lease(&self, fence: Fence, now: Timestamp, ttl: Duration) -> Result<(), LeaseError> {
        let writing = self.writer.begin().await?;
        match writing.known.lease.renewed(fence, now, ttl) {
            Ok(lease) => Ok(writing.set_lease(lease).await?),
            Err(refused) => {
                writing.keep();
                Err(refused)
            }
        }
    }

    async fn release_lease(&self, fence: Fence) -> Result<()> {
        let writing = self.writer.begin().await?;
        let lease = writing.known.lease.released(fence);
        writing.set_lease(lease).await
    }
}

/// Work with files, where it keeps nobody waiting.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(StoreError::Database { place: "the store".into(), what: "the process is shutting down".into() }),
    }
}
