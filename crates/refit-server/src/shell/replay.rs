//! The state from a snapshot and the log.

use super::TellError;
use jiff::Timestamp;
use refit_core::{
    control::{Contents, Event, Ground, Prepared, State, decode, read_snapshot},
    policy::resolve::Titles,
};
use refit_model::DeviceId;
use refit_store::{Store, StoredEvent};
use smol_str::SmolStr;
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

/// How many events are read at once.
const READ: usize = 1_000;

/// How long events are taken before others get a turn.
const TURN: Duration = Duration::from_millis(5);

/// The past that is asked for.
#[derive(Clone, Debug)]
pub(super) struct Past {
    /// When.
    pub at: Timestamp,
    /// The one device that is asked about, and those that were merged into it by now; what others said and when they were seen is
    /// left out, since nothing that is decided of one device reads it.
    pub devices: Option<Vec<DeviceId>>,
}

impl Past {
    /// Whether an event says something of another device only, as its bytes show: ids are written as they are.
    fn passes_over(&self, event: &StoredEvent) -> bool {
        let Some(devices) = &self.devices else { return false };
        let names = |device: &DeviceId| {
            let id = format!("\"{device}\"");
            event.body.windows(id.len()).any(|part| part == id.as_bytes())
        };
        ["device.observed", "receipt.received"].contains(&event.kind.as_str()) && !devices.iter().any(names)
    }

    /// Leaves other devices out of an event.
    fn narrow(&self, state: &State, event: &mut Event) {
        if let (Some(devices), Event::PresenceSeen(seen)) = (&self.devices, event) {
            let indexes = devices.iter().filter_map(|device| Some(state.devices.get(device)?.index));
            seen.devices = indexes.filter(|index| seen.devices.contains(*index)).collect();
        }
    }
}

/// The state as it is, or as it was at a time: from the newest usable snapshot, or from the beginning.
pub(super) async fn replay(store: &Arc<dyn Store>, catalog: &Titles, past: Option<&Past>) -> Result<State, TellError> {
    let mut state = State::default();
    if let Some(snapshot) = store.latest_snapshot(past.map(|past| past.at)).await? {
        match from_snapshot(store, catalog, snapshot.format, snapshot.body).await {
            Ok(read) => state = read,
            // Nothing is lost by it: the log has everything.
            Err(error) => tracing::warn!(seq = snapshot.seq, %error, "a snapshot is passed over"),
        }
    }
    personal(store, &mut state).await?;
    follow(store, catalog, &mut state, past).await?;
    Ok(state)
}

/// Puts personal values back.
pub(super) async fn personal(store: &Arc<dyn Store>, state: &mut State) -> Result<(), TellError> {
    for value in store.personal().await? {
        if let Ok(plain) = serde_json::from_slice(&value.value) {
            state.personal.insert(value.reference.into(), plain);
        }
    }
    Ok(())
}

/// Takes what is in the log after the state, up to the past that is asked for.
pub(super) async fn follow(
    store: &Arc<dyn Store>,
    catalog: &Titles,
    state: &mut State,
    past: Option<&Past>,
) -> Result<(), TellError> {
    let mut turn = Instant::now();
    loop {
        let events = store.read(state.seq, READ).await?;
        if events.is_empty() {
            return Ok(());
        }
        for stored in events {
            if past.is_some_and(|past| stored.at > past.at) {
                return Ok(());
            }
            if past.is_some_and(|past| past.passes_over(&stored)) {
                state.pass_over(stored.seq, stored.at);
                continue;
            }
            let mut event = decode(&stored.kind, stored.version, &stored.body)?;
            past.into_iter().for_each(|past| past.narrow(state, &mut event));
            let mut contents = InMemory::default();
            fetch(store, &mut contents, &event).await?;
            let ground = Ground { catalog, contents: &contents as &dyn Contents };
            let applied = state.apply(stored.seq, stored.at, &event, &ground);
            applied.map_err(|error| TellError::Other(error.to_string()))?;
            if turn.elapsed() > TURN {
                tokio::task::yield_now().await;
                turn = Instant::now();
            }
        }
    }
}

/// Contents in memory: as bytes, or read already.
#[derive(Default)]
pub(super) struct InMemory {
    pub bytes: BTreeMap<SmolStr, Arc<[u8]>>,
    pub prepared: BTreeMap<SmolStr, Prepared>,
}

impl Contents for InMemory {
    fn content(&self, sha256: &str) -> Option<Arc<[u8]>> {
        self.bytes.get(sha256).cloned()
    }

    fn prepared(&self, sha256: &str) -> Option<&Prepared> {
        self.prepared.get(sha256)
    }
}

/// Reads the content that an event names, where it is not there yet.
pub(super) async fn fetch(store: &Arc<dyn Store>, contents: &mut InMemory, event: &Event) -> Result<(), TellError> {
    let digest = match event {
        Event::PolicyApplied(applied) => &applied.files,
        Event::DistributionMatched(matched) => &matched.content,
        _ => return Ok(()),
    };
    if !contents.prepared.contains_key(digest)
        && !contents.bytes.contains_key(digest)
        && let Some(blob) = store.blob(digest).await?
    {
        contents.bytes.insert(digest.clone(), blob.into_body().into());
    }
    Ok(())
}

/// Reads a snapshot, on a thread where that keeps nobody waiting.
async fn from_snapshot(
    store: &Arc<dyn Store>,
    catalog: &Titles,
    format: u32,
    body: Vec<u8>,
) -> Result<State, TellError> {
    let contents = FromStore { store: store.clone(), runtime: tokio::runtime::Handle::current() };
    let catalog = catalog.clone();
    let work = move || {
        let ground = Ground { catalog: &catalog, contents: &contents };
        read_snapshot(format, &body, &ground).map_err(|error| TellError::Other(error.to_string()))
    };
    tokio::task::spawn_blocking(work).await.map_err(|error| TellError::Other(error.to_string()))?
}

/// Content as the store has it, for a thread that may wait.
struct FromStore {
    store: Arc<dyn Store>,
    runtime: tokio::runtime::Handle,
}

impl Contents for FromStore {
    fn content(&self, sha256: &str) -> Option<Arc<[u8]>> {
        let blob = self.runtime.block_on(self.store.blob(sha256)).ok()??;
        Some(blob.into_body().into())
    }
}
