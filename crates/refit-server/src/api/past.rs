//! The state as it was at an earlier time: the latest snapshot before it, and the log from there.

use super::{
    Api,
    problem::{Code, Problem},
};
use jiff::Timestamp;
use refit_core::control::{Contents, Ground, State, decode, read_snapshot};
use refit_store::Store;
use std::sync::Arc;
use tokio::runtime::Handle;

/// Content of the store, for a thread that may wait for it.
struct Stored<'s> {
    store: &'s Arc<dyn Store>,
    handle: Handle,
}

impl Contents for Stored<'_> {
    fn content(&self, sha256: &str) -> Option<Arc<[u8]>> {
        let blob = self.handle.block_on(self.store.blob(sha256)).ok()??;
        Some(blob.into_body().into())
    }
}

/// How many events are read at once.
const CHUNK: usize = 10_000;

/// The state after the last event at or before a time. Personal values are today's: what was erased stays erased.
pub async fn state_at(api: &Api, at: Timestamp) -> Result<State, Problem> {
    let store = api.shell().store().clone();
    let catalog = api.shell().catalog().clone();
    let personal = api.shell().view().state.personal.clone();
    let handle = Handle::current();
    api.beside(move || {
        let contents = Stored { store: &store, handle: handle.clone() };
        let ground = Ground { catalog: &catalog, contents: &contents };
        let snapshot = handle.block_on(store.latest_snapshot(Some(at)))?;
        let read = snapshot.and_then(|snapshot| read_snapshot(snapshot.format, &snapshot.body, &ground).ok());
        let mut state = read.unwrap_or_default();
        state.personal = personal;
        loop {
            let events = handle.block_on(store.read(state.seq, CHUNK))?;
            let (mut went_on, more) = (false, events.len() == CHUNK);
            for stored in events.into_iter().take_while(|stored| stored.at <= at) {
                let fault = |error: String| Problem::new(Code::Internal, error);
                let event = decode(&stored.kind, stored.version, &stored.body).map_err(|e| fault(e.to_string()))?;
                state.apply(stored.seq, stored.at, &event, &ground).map_err(|e| fault(e.to_string()))?;
                went_on = true;
            }
            if !went_on || !more {
                return Ok(state);
            }
        }
    })
    .await?
}
