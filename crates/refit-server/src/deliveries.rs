//! Sending business events to subscriptions. What to send when is decided by [`refit_core::delivery::Machine`]; here is the IO around it: the log
//! is read, requests are made, and how far each machine is lies in a file (`DATA/deliveries/ID.json`).

mod sending;
mod shelf;

pub(crate) use shelf::Shelf;
pub use shelf::{Delivery, Kept};

use crate::{
    agents::Agents,
    api::events::Tail,
    shell::Shell,
    stream::{self, Wanted},
};
use jiff::Timestamp;
use refit_connect::outbound::{Outbound, Secret};
use refit_core::{
    business::{Filter, Position},
    control::{State, SubscriptionRecord, secret_text},
    delivery::{Attempt, Ended, Keys, Machine, Packing},
};
use ring::hmac;
use sending::{Sent, send};
use smol_str::SmolStr;
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Notify, mpsc};

/// How often to look though nothing happens.
const LOOK: Duration = Duration::from_secs(30);
/// How often what has changed is written down.
const KEEP: Duration = Duration::from_secs(2);
/// How many events are taken from the log at once for one subscription.
const TAKE: usize = 200;
/// How many requests are under way at the same time, over all subscriptions.
const REQUESTS_MOST: usize = 64;

/// Deliveries to all subscriptions. Clones share them.
#[derive(Clone)]
pub struct Deliveries {
    inner: Arc<Inner>,
}

struct Inner {
    /// Where the log ended when it was found.
    head: u64,
    shell: Shell,
    agents: Agents,
    outbound: Outbound,
    shelf: Shelf,
    tail: Tail,
    kept: Mutex<BTreeMap<SmolStr, Line>>,
    /// Which subscription comes first, of those that have something to send.
    turn: AtomicUsize,
    changed: Notify,
}

/// What is known of one subscription's deliveries.
struct Line {
    kept: Kept,
    /// What it wants, as it was read from this record; `None` where that can't be read.
    record: Arc<SubscriptionRecord>,
    wanted: Option<Wanted>,
    /// Whether it differs from its file.
    dirty: bool,
}

/// An attempt that is to be made.
struct Due {
    subscription: SmolStr,
    attempt: Attempt,
    record: Arc<SubscriptionRecord>,
    /// What the subscription wants by now; what was offered to it may have been offered before that changed.
    wanted: Wanted,
}

impl std::fmt::Debug for Deliveries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deliveries").finish_non_exhaustive()
    }
}

impl Deliveries {
    /// Deliveries of a server, with what is remembered in a folder.
    pub fn new(shell: Shell, agents: Agents, outbound: Outbound, folder: PathBuf) -> Deliveries {
        let head = *shell.head().borrow();
        Deliveries::going_on(shell, agents, outbound, folder, head)
    }

    /// As [`Deliveries::new`], of a server that found a log which ended at `head`: what is remembered of later entries is of a log that is no
    /// more, and what was written since is news.
    pub fn going_on(shell: Shell, agents: Agents, outbound: Outbound, folder: PathBuf, head: u64) -> Deliveries {
        let inner = Inner {
            head,
            shell,
            agents,
            outbound,
            shelf: Shelf::new(folder),
            tail: Tail::default(),
            kept: Mutex::default(),
            turn: AtomicUsize::new(0),
            changed: Notify::new(),
        };
        Deliveries { inner: Arc::new(inner) }
    }

    /// Whether something may be sent to an address, by how it is written.
    pub fn check(&self, url: &str) -> Result<(), String> {
        self.inner.outbound.check(url).map_err(|error| error.to_string())
    }

    /// The secret of a subscription, as its receiver is given it.
    pub fn secret(&self, subscription: &str, number: u32) -> Option<String> {
        self.inner.secret(subscription, number).map(|secret| secret.reveal())
    }

    /// How far the deliveries of a subscription are; `None` before they have begun.
    pub fn kept(&self, subscription: &str) -> Option<Kept> {
        self.inner.lines().get(subscription).map(|line| line.kept.clone())
    }

    /// What is asked of how far the deliveries of a subscription are; `None` before they have begun.
    pub fn look<T>(&self, subscription: &str, of: impl FnOnce(&Kept) -> T) -> Option<T> {
        self.inner.lines().get(subscription).map(|line| of(&line.kept))
    }

    /// Sends dead letters again: one, or all. How many there were.
    pub fn replay(&self, subscription: &str, position: Option<Position>) -> usize {
        let now = self.inner.shell.now();
        let mut lines = self.inner.lines();
        let Some(line) = lines.get_mut(subscription) else { return 0 };
        let positions: Vec<Position> = match position {
            Some(position) => vec![position],
            None => line.kept.machine.dead().keys().copied().collect(),
        };
        let replayed = positions.into_iter().filter(|position| line.kept.machine.replay(*position, now)).count();
        line.dirty |= replayed > 0;
        drop(lines);
        self.inner.changed.notify_one();
        replayed
    }

    /// A person says that a receiver is there again.
    pub fn resume(&self, subscription: &str) {
        let now = self.inner.shell.now();
        if let Some(line) = self.inner.lines().get_mut(subscription) {
            line.kept.machine.resume(now);
            line.dirty = true;
        }
        self.inner.changed.notify_one();
    }

    /// Sends what is to be sent, until the server ends.
    pub async fn run(self) {
        let inner = &self.inner;
        let mut heads = inner.shell.head();
        let (done, mut ended) = mpsc::channel::<Sent>(REQUESTS_MOST);
        let mut under_way = 0_usize;
        let mut keep = tokio::time::interval(KEEP);
        keep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            inner.follow_subscriptions();
            let head = *heads.borrow_and_update();
            let more = inner.take(head).await;
            for Due { subscription, attempt, record, wanted } in inner.due(REQUESTS_MOST - under_way) {
                under_way += 1;
                let (inner, done) = (self.inner.clone(), done.clone());
                tokio::spawn(async move {
                    let sent = send(&inner, subscription, attempt, &record, &wanted).await;
                    // Nobody listens any more when the server ends.
                    let _ = done.send(sent).await;
                });
            }
            let wait = if more { Duration::ZERO } else { inner.wait() };
            tokio::select! {
                sent = ended.recv() => if let Some(sent) = sent {
                    under_way -= 1;
                    inner.ended(sent);
                },
                changed = heads.changed() => if changed.is_err() { break },
                () = inner.changed.notified() => {}
                _ = keep.tick() => inner.keep().await,
                () = tokio::time::sleep(wait) => {}
            }
        }
        inner.keep().await;
    }

    /// Writes down how far everything is.
    pub async fn keep(&self) {
        self.inner.keep().await;
    }
}

impl Inner {
    fn lines(&self) -> MutexGuard<'_, BTreeMap<SmolStr, Line>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins with subscriptions that are new, and forgets those that are no more.
    fn follow_subscriptions(&self) {
        let view = self.shell.view();
        let state: &State = &view.state;
        let mut lines = self.lines();
        lines.retain(|id, _| {
            let stays = state.subscriptions.get(id).is_some_and(|record| record.stream.is_none());
            if !stays {
                self.shelf.forget(id);
            }
            stays
        });
        // Streams of Shared Signals are sent by `signals`.
        for (id, record) in state.subscriptions.iter().filter(|(_, record)| record.stream.is_none()) {
            if lines.get(id).is_some_and(|line| Arc::ptr_eq(&line.record, record)) {
                continue;
            }
            // It was read when it was set, perhaps by another program. Nothing is taken or sent meanwhile, so that nothing is passed over.
            let filter = Filter::read(&record.filter).inspect_err(|error| {
                tracing::error!(subscription = %id, %error, "a filter can't be read any more: deliveries wait until it is changed");
            });
            let wanted =
                filter.ok().map(|filter| Wanted { filter, personal: record.personal, exposures: record.exposures });
            match lines.get_mut(id) {
                Some(line) => {
                    // Another address is another receiver: what the one before it answered says nothing of it.
                    if line.record.url != record.url {
                        line.kept.machine.resume(self.shell.now());
                        line.dirty = true;
                    }
                    line.kept.machine.pack(packing(record));
                    (line.record, line.wanted) = (record.clone(), wanted);
                }
                None => {
                    let mut kept = match self.shelf.read::<Kept>(id) {
                        Some(mut kept) => {
                            kept.machine.rewind(self.head);
                            kept
                        }
                        None => Kept::new(Machine::new(id.clone(), Position::after(record.after))),
                    };
                    kept.machine.pack(packing(record));
                    lines.insert(id.clone(), Line { kept, record: record.clone(), wanted, dirty: true });
                }
            }
        }
    }

    /// Takes what is new in the log; whether there is more at once.
    async fn take(&self, head: u64) -> bool {
        let behind: Vec<(SmolStr, Position, usize, Wanted)> = self
            .lines()
            .iter()
            .filter_map(|(id, line)| Some((id, &line.kept.machine, line.wanted.as_ref()?)))
            .filter(|(_, machine, _)| machine.room() > 0 && machine.cursor() < Position::after(head))
            .map(|(id, machine, wanted)| (id.clone(), machine.cursor(), machine.room().min(TAKE), wanted.clone()))
            .collect();
        let mut more = false;
        for (id, after, limit, wanted) in behind {
            let part = match stream::part(&self.shell, &self.tail, &wanted, after, limit, head).await {
                Ok(part) => part,
                Err(error) => {
                    tracing::error!(subscription = %id, %error, "events could not be read; it is tried again");
                    continue;
                }
            };
            let now = self.shell.now();
            let mut lines = self.lines();
            let Some(line) = lines.get_mut(&id).filter(|line| line.kept.machine.cursor() == after) else { continue };
            for (position, event) in &part.items {
                let bytes = serde_json::to_vec(event).map_or(0, |json| json.len());
                line.kept.machine.offer(*position, Keys::of(event), bytes, now);
            }
            line.kept.machine.pass(part.next);
            line.dirty = true;
            more |= part.next < Position::after(head) && line.kept.machine.room() > 0;
        }
        more
    }

    /// The attempts to make now, at most so many. Each time another subscription comes first: receivers that are slow take their turns, and no more.
    fn due(&self, most: usize) -> Vec<Due> {
        let now = self.shell.now();
        let mut lines = self.lines();
        let mut turns: Vec<(&SmolStr, &mut Line)> = lines.iter_mut().collect();
        if !turns.is_empty() {
            let first = self.turn.fetch_add(1, Ordering::Relaxed) % turns.len();
            turns.rotate_left(first);
        }
        let mut due = Vec::new();
        for (id, line) in turns {
            if due.len() >= most {
                break;
            }
            let Some(wanted) = &line.wanted else { continue };
            let attempts = line.kept.machine.due(now, most - due.len());
            due.extend(attempts.into_iter().map(|attempt| Due {
                subscription: id.clone(),
                attempt,
                record: line.record.clone(),
                wanted: wanted.clone(),
            }));
        }
        due
    }

    /// How long nothing will be due.
    fn wait(&self) -> Duration {
        let now = self.shell.now();
        let lines = self.lines();
        let next =
            lines.values().filter(|line| line.wanted.is_some()).filter_map(|line| line.kept.machine.next(now)).min();
        drop(lines);
        let wait = next.map(|next| Duration::try_from(next.duration_since(now)).unwrap_or_default());
        // What is due and was not begun waits for a request to end.
        wait.filter(|wait| !wait.is_zero()).map_or(LOOK, |wait| wait.min(LOOK))
    }

    fn ended(&self, sent: Sent) {
        let Sent { subscription, positions, unwanted, delivery, ended } = sent;
        let now = self.shell.now();
        if let Ended::Failed { why, .. } = &ended {
            tracing::debug!(%subscription, position = %delivery.position, events = delivery.events, %why, "a delivery failed");
        }
        let mut lines = self.lines();
        let Some(line) = lines.get_mut(&subscription) else { return };
        line.kept.machine.ended(&unwanted, Ended::Unwanted, now);
        line.kept.machine.ended(&positions, ended, now);
        line.kept.note(delivery);
        line.dirty = true;
    }

    async fn keep(&self) {
        let changed: Vec<(SmolStr, Kept)> = (self.lines().iter_mut())
            .filter_map(|(id, line)| std::mem::take(&mut line.dirty).then(|| (id.clone(), line.kept.clone())))
            .collect();
        let failed = self.shelf.keep_all(changed).await;
        let mut lines = self.lines();
        for id in failed {
            if let Some(line) = lines.get_mut(&id) {
                line.dirty = true;
            }
        }
    }

    fn secret(&self, subscription: &str, number: u32) -> Option<Secret> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.agents.key().seed());
        let tag = hmac::sign(&key, secret_text(subscription, number).as_bytes());
        Secret::new(tag.as_ref().to_vec()).ok()
    }

    fn secrets(&self, subscription: &str, record: &SubscriptionRecord, now: Timestamp) -> Vec<Secret> {
        record.secrets(now).into_iter().filter_map(|number| self.secret(subscription, number)).collect()
    }
}

/// How a subscription is sent its events.
fn packing(record: &SubscriptionRecord) -> Packing {
    if record.batch { Packing::Batch } else { Packing::One }
}
