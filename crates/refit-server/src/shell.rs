//! The shell around `refit_core::control`: one writer that makes events durable, views for readers.
//!
//! [`Shell::tell`] hands an input to the writer and returns when what came of it is durable. [`Shell::view`] returns the state
//! and the decisions as they are now; they never change in the reader's hands.
//!
//! - `writer.rs` The one thread that writes, in batches.
//! - `evaluator.rs` The thread that decides devices, beside the writer.
//! - `replay.rs` The state from a snapshot and the log: at the start, and at a time in the past.
//! - `snapshots.rs` Which snapshots are made and kept.
//! - `preparing.rs` Content is read before the writer takes the event that names it.
//! - `planning.rs` What a policy revision would change, worked out without keeping anybody waiting.

mod evaluator;
mod planning;
mod preparing;
mod replay;
mod snapshots;
mod writer;

pub use planning::PlanProgress;

use crate::metrics::Metrics;
use arc_swap::ArcSwap;
use jiff::Timestamp;
use refit_core::{
    control::{Actor, Board, DecodeError, Event, Input, PersonId, Refusal, State},
    policy::resolve::Titles,
};
use refit_model::DeviceId;
use refit_store::{AppendError, BODY_BYTES_MAX, Blob, Fence, Store, StoreError};
use replay::Past;
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use writer::{Asked, Job};

/// How many inputs may wait for the writer. Whoever brings more waits before the door.
const QUEUE: usize = 4_096;

/// The shell. Clones share it; it ends when the last one is dropped, or with [`Shell::close`].
#[derive(Clone)]
pub struct Shell {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    jobs: mpsc::Sender<Job>,
}

/// What the shell's threads share.
struct Shared {
    store: Arc<dyn Store>,
    fence: Fence,
    catalog: Titles,
    clock: Arc<dyn Clock>,
    /// How large the body of an entry may be.
    body_bytes_most: usize,
    /// Swapped, never locked: the evaluator yields to others, and whoever holds a lock must not.
    view: ArcSwap<View>,
    head: watch::Sender<u64>,
    /// The last event of a state of which nothing was left to decide.
    settled: watch::Sender<u64>,
    /// Why the shell has ended.
    ended: watch::Sender<Option<SmolStr>>,
    /// Whether the last thing that was to be written could not be.
    unwritable: AtomicBool,
    effects: Effects,
    metrics: Metrics,
    runtime: tokio::runtime::Handle,
}

/// What has to be done besides, until somebody has done it.
#[derive(Default)]
pub(crate) struct Effects {
    /// Distributions whose advisories have to be matched.
    matching: Mutex<BTreeSet<SmolStr>>,
    /// Something has been added.
    pub added: Notify,
    /// People whose values are being erased.
    erasing: Mutex<BTreeSet<PersonId>>,
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
    /// Of the ids of devices and people that were named, those that lead to others, each with the id that has it now.
    pub led: BTreeMap<SmolStr, SmolStr>,
}

/// Makes the answer (status and body) that is kept under a request's key.
pub type Answer = Box<dyn FnOnce(&Told) -> (u16, Vec<u8>) + Send>;

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
    /// This server no longer writes: it shuts down, or another one has taken over.
    #[error("this server no longer takes anything: {0}")]
    Ended(SmolStr),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl Shell {
    /// Opens the log: reads the newest usable snapshot and what came after it, and starts the writer.
    ///
    /// Nothing is decided before [`Shell::evaluate`] is called.
    pub async fn open(
        store: Arc<dyn Store>,
        fence: Fence,
        catalog: Titles,
        clock: Arc<dyn Clock>,
    ) -> Result<Shell, TellError> {
        Shell::within(store, fence, catalog, clock, BODY_BYTES_MAX).await
    }

    /// As [`Shell::open`], with bodies of at most so many bytes.
    async fn within(
        store: Arc<dyn Store>,
        fence: Fence,
        catalog: Titles,
        clock: Arc<dyn Clock>,
        body_bytes_most: usize,
    ) -> Result<Shell, TellError> {
        let state = replay::replay(&store, &catalog, None).await?;
        let effects = Effects::default();
        // Values of people whose erasure was logged and then interrupted.
        let erased = |person: &PersonId| {
            state.people.get(person).is_some_and(|record| record.erased.is_some() && record.facts.is_empty())
        };
        let left: BTreeSet<PersonId> = (store.personal().await?.iter())
            .map(|value| PersonId::new(&value.person))
            .filter(|person| erased(person))
            .collect();
        let shared = Arc::new(Shared {
            view: ArcSwap::from_pointee(View { state: state.clone(), board: Board::default() }),
            head: watch::channel(state.seq).0,
            settled: watch::channel(0).0,
            ended: watch::channel(None).0,
            unwritable: AtomicBool::new(false),
            metrics: Metrics::default(),
            runtime: tokio::runtime::Handle::current(),
            store,
            fence,
            catalog,
            clock,
            body_bytes_most,
            effects,
        });
        for person in left {
            if let Err(error) = shared.store.erase_person(person.as_str()).await {
                tracing::error!(%error, "values of a person could not be erased yet; it is tried again at the next start");
            }
        }
        let (jobs, queue) = mpsc::channel(QUEUE);
        writer::start(shared.clone(), state, queue)?;
        Ok(Shell { inner: Arc::new(Inner { shared, jobs }) })
    }

    /// Starts deciding: from now on the board follows the log.
    pub fn evaluate(&self) -> Result<(), TellError> {
        evaluator::start(self.inner.shared.clone(), self.inner.jobs.downgrade())
    }

    /// Tells the writer; returns when what came of it is durable. With `request`, `answer` makes the answer that is kept under
    /// its key, in the same step.
    ///
    /// Dropping the future takes nothing back: what was handed over is done.
    pub async fn tell(
        &self,
        actor: &Actor,
        input: Input,
        request: Option<(Request, Answer)>,
    ) -> Result<Told, TellError> {
        let prepared = self.prepare(&input).await?;
        let (reply, answer) = oneshot::channel();
        let asked = Asked { actor: actor.clone(), input, request, prepared, queued: Instant::now(), reply };
        if self.inner.jobs.send(Job::Tell(Box::new(asked))).await.is_err() {
            return Err(self.inner.shared.why_ended());
        }
        match answer.await {
            Ok(done) => done.map(|done| done.told),
            Err(_) => Err(self.inner.shared.why_ended()),
        }
    }

    /// What readers see now.
    pub fn view(&self) -> Arc<View> {
        self.inner.shared.view()
    }

    /// What readers would have seen at a time: all that had been logged by then. The board is empty; decisions on a device can
    /// be worked out from the state. What is personal is as it is today, since what was erased stays erased.
    pub async fn view_at(&self, time: Timestamp) -> Result<View, TellError> {
        self.past(Past { at: time, devices: None }).await
    }

    /// As [`Shell::view_at`], for what is decided of one device: what others said and when they were seen may be missing. That is
    /// most of what a log has.
    pub async fn view_of_at(&self, device: &DeviceId, time: Timestamp) -> Result<View, TellError> {
        let view = self.view();
        let now = view.state.identity.device(device);
        let former = view.state.identity.former_ids(now);
        let devices = std::iter::once(now.clone()).chain(former).collect();
        self.past(Past { at: time, devices: Some(devices) }).await
    }

    async fn past(&self, past: Past) -> Result<View, TellError> {
        let shared = &self.inner.shared;
        let state = replay::replay(&shared.store, &shared.catalog, Some(&past)).await?;
        Ok(View { state, board: Board::default() })
    }

    /// The position of the log's last event, and its changes.
    pub fn head(&self) -> watch::Receiver<u64> {
        self.inner.shared.head.subscribe()
    }

    /// Waits until everything that is in the log by now has been decided. Needs [`Shell::evaluate`].
    pub async fn settled(&self) {
        let head = *self.inner.shared.head.borrow();
        let mut settled = self.inner.shared.settled.subscribe();
        let mut ended = self.ended();
        tokio::select! {
            _ = settled.wait_for(|seq| *seq >= head) => {}
            _ = ended.wait_for(Option::is_some) => {}
        }
    }

    /// Why the shell has ended, once it has: it was closed, or another server has taken over.
    pub fn ended(&self) -> watch::Receiver<Option<SmolStr>> {
        self.inner.shared.ended.subscribe()
    }

    /// Whether nothing can be written: this server is no longer the one that writes, or the log could not be written when it was last tried.
    /// What readers see may be older than it seems then.
    pub fn read_only(&self) -> bool {
        let shared = &self.inner.shared;
        shared.unwritable.load(Ordering::Relaxed) || shared.ended.borrow().is_some()
    }

    /// Ends the shell: what was handed over before is still done, everything later is refused with `why`.
    pub async fn close(&self, why: &str) {
        let mut ended = self.ended();
        // Who was seen lately is written down; where that fails, it is lost as after a crash.
        if ended.borrow().is_none()
            && let Err(error) = self.tell(&Actor::server(), Input::End, None).await
        {
            tracing::warn!(%error, "who was seen lately could not be written down");
        }
        // It comes after everything that is queued already.
        let _ = self.inner.jobs.send(Job::Close(why.into())).await;
        let _ = ended.wait_for(Option::is_some).await;
    }

    /// The store, for what lies beside the state: events as they were written, blobs, answers.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.inner.shared.store
    }

    /// The token of this server's lease.
    pub fn fence(&self) -> Fence {
        self.inner.shared.fence
    }

    /// The catalog's titles.
    pub fn catalog(&self) -> &Titles {
        &self.inner.shared.catalog
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        self.inner.shared.clock.now()
    }

    /// Figures of the writer and the evaluator.
    pub fn metrics(&self) -> &Metrics {
        &self.inner.shared.metrics
    }

    /// How many inputs wait for the writer.
    pub fn queued(&self) -> usize {
        QUEUE - self.inner.jobs.capacity()
    }

    /// Keeps content, durably, and says under which SHA-256.
    pub async fn put(&self, bytes: Vec<u8>) -> Result<String, TellError> {
        let blob = Blob::new(bytes);
        let digest = blob.digest().to_owned();
        self.inner.shared.store.put_blob(blob).await?;
        Ok(digest)
    }

    /// What has to be done besides.
    pub(crate) fn effects(&self) -> &Effects {
        &self.inner.shared.effects
    }
}

impl Shared {
    fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    /// Shows readers something newer. Two threads show each its part: `change` is done again where the other was faster.
    fn show(&self, change: impl Fn(&mut View)) {
        self.view.rcu(|view| {
            let mut view = View::clone(view);
            change(&mut view);
            view
        });
    }

    /// Time never goes back behind what is in the log.
    fn now(&self, state: &State) -> Timestamp {
        self.clock.now().max(state.clock)
    }

    fn end(&self, why: &str) {
        self.ended.send_if_modified(|ended| {
            let first = ended.is_none();
            ended.get_or_insert_with(|| why.into());
            first
        });
    }

    fn why_ended(&self) -> TellError {
        TellError::Ended(self.ended.borrow().clone().unwrap_or_else(|| "it has ended".into()))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.end("nobody uses it any more");
    }
}

impl Effects {
    fn erasing(&self) -> std::sync::MutexGuard<'_, BTreeSet<PersonId>> {
        self.erasing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for the advisories of a distribution to be matched.
    pub fn ask_to_match(&self, distribution: SmolStr) {
        self.matching.lock().unwrap_or_else(PoisonError::into_inner).insert(distribution);
        self.added.notify_one();
    }

    /// The distributions that have to be matched; from now on they are the caller's.
    pub fn take_matching(&self) -> BTreeSet<SmolStr> {
        std::mem::take(&mut *self.matching.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
