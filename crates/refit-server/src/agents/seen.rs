//! What is remembered of devices between their check-ins, in memory only: all of it can be worked out again, or is learnt anew.

use jiff::Timestamp;
use refit_core::control::DeviceSet;
use refit_model::DeviceId;
use refit_wire::Digest;
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, HashMap},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

/// In how many parts devices are kept, so that those who look for one rarely wait for each other.
const SHARDS: usize = 64;

/// All devices.
pub(super) struct Seen {
    shards: Vec<RwLock<HashMap<DeviceId, Arc<Entry>>>>,
    present: Mutex<DeviceSet>,
    braked: Mutex<Option<Braked>>,
}

/// Devices that honour the brake that was pulled then, by how many seconds it took.
type Braked = (Timestamp, BTreeMap<u64, DeviceSet>);

/// One device: whoever holds the lock is the only one who answers it.
pub(super) type Entry = tokio::sync::Mutex<Memory>;

/// What is remembered of one device.
#[derive(Default)]
pub(super) struct Memory {
    /// The newest check-in: its number, and the run that sent it.
    pub newest: Option<(u64, SmolStr)>,
    /// The digest of what it says of itself, with what that was worked out from.
    pub inventory: Option<(u64, SmolStr, Digest)>,
    /// The state that it is told.
    pub state: Option<Told>,
    /// The brake that it was seen to honour last.
    pub honours: Option<Timestamp>,
}

/// A state that was made.
#[derive(Clone)]
pub(super) struct Told {
    /// What it was made from.
    pub stamp: Stamp,
    /// The digest of its content without its number.
    pub content: Digest,
    /// Its number.
    pub sequence: u64,
    /// The digest of its payload.
    pub digest: Digest,
}

/// What a state is made from, by the last events that changed it. While it is equal, so is the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub revised: u64,
    pub person: u64,
    /// How much is published, and the sum of the events that published it: any change moves one of the two.
    pub published: (usize, u64),
    /// The newest event of a rollout of what is published: a halt counts at once.
    pub rollouts: u64,
    pub policy: u64,
    pub mandate: u64,
    /// The device's lease of disruption groups, and how many devices its person has.
    pub lease: (u64, u64),
    pub epoch: u64,
    pub root: u64,
    pub expires: Timestamp,
    /// The decisions that were read.
    pub decided: Option<(u64, Timestamp)>,
}

impl Default for Seen {
    fn default() -> Seen {
        Seen {
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            present: Mutex::default(),
            braked: Mutex::default(),
        }
    }
}

impl Seen {
    /// What is remembered of a device.
    pub fn entry(&self, device: &DeviceId) -> Arc<Entry> {
        let mut hasher = DefaultHasher::new();
        device.hash(&mut hasher);
        let place = usize::try_from(hasher.finish() % SHARDS as u64).unwrap_or(0);
        let Some(shard) = self.shards.get(place) else { return Arc::default() };
        if let Some(known) = shard.read().unwrap_or_else(PoisonError::into_inner).get(device) {
            return known.clone();
        }
        shard.write().unwrap_or_else(PoisonError::into_inner).entry(device.clone()).or_default().clone()
    }

    /// Notes that a device checked in.
    pub fn note(&self, index: u32) {
        locked(&self.present).insert(index);
    }

    /// Notes that a device honours the brake.
    pub fn note_brake(&self, index: u32, since: Timestamp, now: Timestamp) {
        let seconds = u64::try_from(now.duration_since(since).as_secs()).unwrap_or(0);
        let mut braked = locked(&self.braked);
        let (pulled, after) = braked.get_or_insert_with(|| (since, BTreeMap::new()));
        if *pulled != since {
            (*pulled, *after) = (since, BTreeMap::new());
        }
        after.entry(seconds).or_default().insert(index);
    }

    /// What was noted since this was asked last.
    pub fn take(&self) -> (DeviceSet, Option<Braked>) {
        let present = std::mem::take(&mut *locked(&self.present));
        let braked = locked(&self.braked).take();
        (present, braked)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
