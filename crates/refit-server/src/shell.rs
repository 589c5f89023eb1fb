//! The shell around `refit_core::control`: one writer that makes events durable, views for readers.
//!
//! [`Shell::tell`] hands an input to the writer and returns when what came of it is durable. [`Shell::view`] returns the state
//! and the decisions as they are now; they never change in the reader's hands.

use jiff::Timestamp;
use refit_core::{
    control::{
        Actor, Board, Contents, DecodeError, Event, Ground, Input, Outcome, Refusal, State, decode, encode, handle,
    },
    policy::resolve::Titles,
};
use refit_store::{Answered, AppendError, Batch, Blob, Fence, NewEvent, PersonalValue, Store, StoreError};
use smol_str::SmolStr;
use std::{
    collections::BTreeMap,
    sync::{Arc, RwLock},
};

/// The shell. Clones share it.
#[derive(Clone)]
pub struct Shell {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn Store>,
    fence: Fence,
    catalog: Titles,
    clock: Arc<dyn Clock>,
    writer: tokio::sync::Mutex<Writer>,
    view: RwLock<Arc<View>>,
    head: tokio::sync::watch::Sender<u64>,
}

struct Writer {
    state: State,
    contents: BTreeMap<SmolStr, Arc<[u8]>>,
}

/// What readers see: it never changes in their hands.
#[derive(Clone, Default)]
pub struct View {
    /// All that the log adds up to.
    pub state: State,
    /// What is said of every device.
    pub board: Board,
}

/// Where the time comes from.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A request that may be repeated: the same key gives the same answer.
#[derive(Clone, Debug)]
pub struct Request {
    /// The key that the client chose.
    pub key: String,
    /// A fingerprint of the request, so that another one under the same key is refused.
    pub fingerprint: String,
}

/// What came of an input.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// The log's last event afterwards.
    pub seq: u64,
    /// What was logged.
    pub events: Vec<Event>,
}

/// Why an input came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum TellError {
    /// It was refused. Nothing has changed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It could not be made durable. Nothing has changed.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log has something that this program can't read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl Contents for Writer {
    fn content(&self, sha256: &str) -> Option<Arc<[u8]>> {
        self.contents.get(sha256).cloned()
    }
}

impl Shell {
    /// Opens the log and reads it to its end.
    pub async fn open(
        store: Arc<dyn Store>,
        fence: Fence,
        catalog: Titles,
        clock: Arc<dyn Clock>,
    ) -> Result<Shell, TellError> {
        let mut state = State::default();
        for value in store.personal().await? {
            if let Ok(plain) = serde_json::from_slice(&value.value) {
                state.personal.insert(value.reference.into(), plain);
            }
        }
        let mut writer = Writer { state, contents: BTreeMap::new() };
        loop {
            let events = store.read(writer.state.seq, 10_000).await?;
            if events.is_empty() {
                break;
            }
            for stored in events {
                let event = decode(&stored.kind, stored.version, &stored.body)?;
                Self::fetch(&store, &mut writer, &event).await?;
                let mut state = std::mem::take(&mut writer.state);
                let ground = Ground { catalog: &catalog, contents: &writer };
                let applied = state.apply(stored.seq, stored.at, &event, &ground);
                writer.state = state;
                applied.map_err(|error| TellError::Other(error.to_string()))?;
            }
        }
        let view = View { state: writer.state.clone(), board: Board::default() };
        let (head, _) = tokio::sync::watch::channel(writer.state.seq);
        let inner = Inner {
            store,
            fence,
            catalog,
            clock,
            writer: tokio::sync::Mutex::new(writer),
            view: RwLock::new(Arc::new(view)),
            head,
        };
        Ok(Shell { inner: Arc::new(inner) })
    }

    /// Reads the content that an event names.
    async fn fetch(store: &Arc<dyn Store>, writer: &mut Writer, event: &Event) -> Result<(), TellError> {
        let digest = match event {
            Event::PolicyApplied(applied) => &applied.files,
            Event::DistributionMatched(matched) => &matched.content,
            _ => return Ok(()),
        };
        if !writer.contents.contains_key(digest)
            && let Some(blob) = store.blob(digest).await?
        {
            writer.contents.insert(digest.clone(), blob.body().into());
        }
        Ok(())
    }

    /// Tells the writer; returns when what came of it is durable. With `request`, `answer` makes the answer that is kept under
    /// its key, in the same step.
    pub async fn tell(
        &self,
        actor: &Actor,
        input: Input,
        request: Option<(Request, Box<dyn FnOnce(&Told) -> (u16, Vec<u8>) + Send>)>,
    ) -> Result<Told, TellError> {
        let inner = &self.inner;
        let mut writer = inner.writer.lock().await;
        let now = inner.clock.now().max(writer.state.clock);
        let Outcome { events, personal, seen, effects } = handle(&writer.state, actor, input, now)?;
        let mut next = writer.state.clone();
        let mut batch = Batch::default();
        for value in personal {
            let bytes = serde_json::to_vec(&value.value).map_err(|error| TellError::Other(error.to_string()))?;
            batch.personal.push(PersonalValue {
                reference: value.reference.to_string(),
                person: value.person.to_string(),
                value: bytes,
            });
            next.personal.insert(value.reference, value.value);
        }
        for event in &events {
            Self::fetch(&inner.store, &mut writer, event).await?;
            let (kind, version, body) = encode(event).map_err(|error| TellError::Other(error.to_string()))?;
            let ground = Ground { catalog: &inner.catalog, contents: &*writer };
            next.apply(next.seq + 1, now, event, &ground).map_err(|error| TellError::Other(error.to_string()))?;
            batch.events.push(NewEvent {
                at: now,
                kind: kind.to_owned(),
                version,
                actor: actor.name.to_string(),
                body,
            });
        }
        let told = Told { seq: next.seq, events };
        if let Some((request, answer)) = request {
            let (status, body) = answer(&told);
            batch.answers.push(Answered { key: request.key, fingerprint: request.fingerprint, status, body, at: now });
        }
        if !batch.events.is_empty() || !batch.answers.is_empty() {
            inner.store.append(inner.fence, writer.state.seq, batch).await?;
        }
        if let Some(index) = seen {
            next.note_seen(index, now);
        }
        for effect in effects {
            if let refit_core::control::Effect::EraseValues(person) = effect {
                inner.store.erase_person(person.as_str()).await?;
            }
        }
        writer.state = next;
        self.show(|view| view.state = writer.state.clone());
        inner.head.send_replace(writer.state.seq);
        Ok(told)
    }

    /// What readers see now.
    pub fn view(&self) -> Arc<View> {
        self.inner.view.read().map(|view| view.clone()).unwrap_or_else(|poisoned| poisoned.into_inner().clone())
    }

    fn show(&self, change: impl FnOnce(&mut View)) {
        let mut view = self.inner.view.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        change(Arc::make_mut(&mut view));
    }

    /// The position of the log's last event, and its changes.
    pub fn head(&self) -> tokio::sync::watch::Receiver<u64> {
        self.inner.head.subscribe()
    }

    /// The store, for what lies beside the state: events as they were written, blobs, answers.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.inner.store
    }

    /// The catalog's titles.
    pub fn catalog(&self) -> &Titles {
        &self.inner.catalog
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// Keeps content, durably, and says under which SHA-256.
    pub async fn put(&self, bytes: Vec<u8>) -> Result<String, TellError> {
        let blob = Blob::new(bytes);
        let digest = blob.digest().to_owned();
        self.inner.store.put_blob(blob).await?;
        Ok(digest)
    }
}
