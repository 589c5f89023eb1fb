//! A store in memory, for simulation and tests. It keeps the same laws as the others, except that nothing outlives it.

use crate::{
    batch::{Answered, BODY_BYTES_MAX, Batch, Blob, PersonalValue, Seq, StoredEvent},
    error::{AppendError, LeaseError, Result, StoreError},
    lease::{Fence, Lease},
    snapshot::{Snapshot, SnapshotInfo},
    store::Store,
};
use async_trait::async_trait;
use jiff::Timestamp;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// A store in memory. Its clones are the same store: a server that "restarts" in a simulation opens a clone.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    held: Arc<Mutex<Held>>,
}

#[derive(Debug, Default)]
struct Held {
    events: Vec<StoredEvent>,
    personal: BTreeMap<String, PersonalValue>,
    blobs: BTreeMap<String, Blob>,
    answers: BTreeMap<String, Answered>,
    snapshots: BTreeMap<Seq, Snapshot>,
    lease: Lease,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // Nothing below stops half-way, so what a panicking thread left behind is whole.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn head(&self) -> Result<Seq> {
        Ok(self.held().events.len() as Seq)
    }

    async fn append(&self, fence: Fence, expected: Seq, batch: Batch) -> Result<Seq, AppendError> {
        batch.check()?;
        let mut held = self.held();
        let head = held.events.len() as Seq;
        if !held.lease.permits(fence) {
            return Err(AppendError::Fenced);
        }
        if head != expected {
            return Err(AppendError::Moved { expected, head });
        }
        for answer in &batch.answers {
            if let Some(earlier) = held.answers.get(&answer.key) {
                return Err(AppendError::answered(earlier, answer));
            }
        }
        for value in &batch.personal {
            if held.personal.contains_key(&value.reference) {
                return Err(AppendError::ReferenceTaken { reference: value.reference.clone() });
            }
        }
        let Batch { events, personal, blobs, answers } = batch;
        held.events.extend((head + 1..).zip(events).map(|(seq, event)| StoredEvent {
            seq,
            at: event.at,
            kind: event.kind,
            version: event.version,
            actor: event.actor,
            body: event.body,
        }));
        held.personal.extend(personal.into_iter().map(|value| (value.reference.clone(), value)));
        held.blobs.extend(blobs.into_iter().map(|blob| (blob.digest().to_owned(), blob)));
        held.answers.extend(answers.into_iter().map(|answer| (answer.key.clone(), answer)));
        Ok(held.events.len() as Seq)
    }

    async fn read(&self, after: Seq, limit: usize) -> Result<Vec<StoredEvent>> {
        let after = usize::try_from(after).unwrap_or(usize::MAX);
        Ok(self.held().events.iter().skip(after).take(limit).cloned().collect())
    }

    async fn answer(&self, key: &str) -> Result<Option<Answered>> {
        Ok(self.held().answers.get(key).cloned())
    }

    async fn forget_answers(&self, before: Timestamp) -> Result<u64> {
        let answers = &mut self.held().answers;
        let there = answers.len();
        answers.retain(|_, answer| answer.at >= before);
        Ok((there - answers.len()) as u64)
    }

    async fn put_blob(&self, blob: Blob) -> Result<()> {
        if blob.body().len() > BODY_BYTES_MAX {
            return Err(StoreError::TooLarge { name: blob.digest().to_owned(), bytes: blob.body().len() });
        }
        self.held().blobs.insert(blob.digest().to_owned(), blob);
        Ok(())
    }

    async fn blob(&self, digest: &str) -> Result<Option<Blob>> {
        Ok(self.held().blobs.get(digest).cloned())
    }

    async fn blobs_missing(&self, digests: &[String]) -> Result<Vec<String>> {
        let held = self.held();
        Ok(digests.iter().filter(|digest| !held.blobs.contains_key(*digest)).cloned().collect())
    }

    async fn save_snapshot(&self, snapshot: Snapshot) -> Result<()> {
        let mut held = self.held();
        let head = held.events.len() as Seq;
        if snapshot.seq > head {
            return Err(StoreError::SnapshotAhead { seq: snapshot.seq, head });
        }
        held.snapshots.insert(snapshot.seq, snapshot);
        Ok(())
    }

    async fn latest_snapshot(&self, at_or_before: Option<Timestamp>) -> Result<Option<Snapshot>> {
        let held = self.held();
        let mut latest_first = held.snapshots.values().rev();
        Ok(latest_first.find(|snapshot| at_or_before.is_none_or(|bound| snapshot.at <= bound)).cloned())
    }

    async fn snapshots(&self) -> Result<Vec<SnapshotInfo>> {
        Ok(self.held().snapshots.values().map(Snapshot::info).collect())
    }

    async fn drop_snapshot(&self, seq: Seq) -> Result<()> {
        self.held().snapshots.remove(&seq);
        Ok(())
    }

    async fn personal(&self) -> Result<Vec<PersonalValue>> {
        Ok(self.held().personal.values().cloned().collect())
    }

    async fn erase_person(&self, person: &str) -> Result<u64> {
        let personal = &mut self.held().personal;
        let there = personal.len();
        personal.retain(|_, value| value.person != person);
        Ok((there - personal.len()) as u64)
    }

    async fn acquire_lease(&self, holder: &str, now: Timestamp, ttl: Duration) -> Result<Fence, LeaseError> {
        let mut held = self.held();
        held.lease = held.lease.acquired(holder, now, ttl)?;
        Ok(Fence(held.lease.fence))
    }

    async fn renew_lease(&self, fence: Fence, now: Timestamp, ttl: Duration) -> Result<(), LeaseError> {
        let mut held = self.held();
        held.lease = held.lease.renewed(fence, now, ttl)?;
        Ok(())
    }

    async fn release_lease(&self, fence: Fence) -> Result<()> {
        let mut held = self.held();
        held.lease = held.lease.released(fence);
        Ok(())
    }
}
