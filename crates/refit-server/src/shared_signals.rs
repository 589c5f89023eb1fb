//! The transmitter of Shared Signals (OpenID Shared Signals Framework 1.0, CAEP 1.0): receivers are told which devices comply no longer and which do
//! again, as signed security event tokens (RFC 8417), pushed (RFC 8935) or fetched (RFC 8936).
//!
//! Streams are subscriptions in the log; how far each is lies in a file (`DATA/shared-signals/ID.json`). What a receiver is told of a device is held
//! against how the device stands by now, so that each token says a change of the device and not of one of its titles (decision 0198).
//!
//! - `line.rs` What is remembered of one stream, without IO.
//! - `key.rs` The key that signs.

mod key;
mod line;

pub use key::RsaKey;
pub(crate) use line::VERIFY_EVERY;

use crate::{agents::Agents, api::events::Tail, deliveries::Shelf, shell::Shell};
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use line::{Ended, Line, Said, Waiting};
use refit_connect::outbound::Outbound;
use refit_core::control::{
    DecodeError, DeviceRecord, DeviceSet, Event, SignalStream, State, StreamStatus, SubscriptionRecord, decode,
};
use refit_model::DeviceId;
use refit_store::StoreError;
use serde_json::{Value, json};
use smol_str::{SmolStr, ToSmolStr as _, format_smolstr};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::{Notify, mpsc, watch};

/// The type of event that says that a device complies, or does so no longer.
pub const COMPLIANCE_CHANGE: &str = "https://schemas.openid.net/secevent/caep/event-type/device-compliance-change";
/// The type of event by which a receiver sees that a stream works.
const VERIFICATION: &str = "https://schemas.openid.net/secevent/ssf/event-type/verification";
/// How often to look though nothing happens.
const LOOK: Duration = Duration::from_secs(30);
/// How often what has changed is written down.
const KEEP: Duration = Duration::from_secs(2);
/// How many entries of the log are read at once.
const CHUNK: usize = 1_000;
/// How many tokens are pushed to one receiver at the same time.
const AT_ONCE: usize = 8;

/// The streams of a server. Clones share them.
#[derive(Clone)]
pub struct SharedSignals {
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
    rsa: Option<RsaKey>,
    lines: Mutex<BTreeMap<SmolStr, Kept>>,
    changed: Notify,
    /// Counts up whenever something new waits.
    told: watch::Sender<u64>,
}

struct Kept {
    line: Line,
    record: Arc<SubscriptionRecord>,
    /// Whether it differs from its file.
    dirty: bool,
}

/// What a receiver that fetches is given.
pub(crate) struct Fetched {
    /// Tokens by their ids, in order.
    pub sets: Vec<(SmolStr, String)>,
    /// Whether there are more.
    pub more: bool,
}

/// How a stream goes.
pub(crate) struct Going {
    /// How many tokens wait.
    pub waits: usize,
    /// How many attempts in a row have failed.
    pub failures: u32,
    /// What was refused for good, and why; the newest last.
    pub refused: Vec<(SmolStr, Timestamp, SmolStr)>,
}

/// Why the log can't be read.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

impl std::fmt::Debug for SharedSignals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedSignals").field("rsa", &self.inner.rsa).finish_non_exhaustive()
    }
}

impl SharedSignals {
    /// Streams of a server that found a log which ended at `head`, with what is remembered in a folder: what is remembered of later entries is of a
    /// log that is no more. Tokens are signed with the RSA key where there is one.
    pub fn new(
        shell: Shell,
        agents: Agents,
        outbound: Outbound,
        (folder, head): (PathBuf, u64),
        rsa: Option<RsaKey>,
    ) -> SharedSignals {
        let inner = Inner {
            head,
            shell,
            agents,
            outbound,
            shelf: Shelf::new(folder),
            tail: Tail::default(),
            rsa,
            lines: Mutex::default(),
            changed: Notify::new(),
            told: watch::channel(0).0,
        };
        SharedSignals { inner: Arc::new(inner) }
    }

    /// The RSA key that signs, where there is one.
    pub fn rsa(&self) -> Option<&RsaKey> {
        self.inner.rsa.as_ref()
    }

    /// Whether something may be pushed to an address, by how it is written.
    pub fn check(&self, url: &str) -> Result<(), String> {
        self.inner.outbound.check(url).map_err(|error| error.to_string())
    }

    /// A receiver wants to see that its stream works; how long it has to wait, where it asks too often.
    pub(crate) fn verify(&self, id: &str, state: Option<String>) -> Result<(), SignedDuration> {
        self.inner.follow();
        let now = self.inner.shell.now();
        let verified = self.inner.with(id, |line| line.verify(state, now));
        self.inner.news();
        verified.unwrap_or(Ok(()))
    }

    /// What a receiver has not taken yet, at most so much.
    pub(crate) fn fetch(&self, id: &str, most: usize) -> Result<Fetched, String> {
        self.inner.follow();
        let lines = self.inner.lines();
        let Some(kept) = lines.get(id) else { return Ok(Fetched { sets: Vec::new(), more: false }) };
        let (waiting, all, record) = (kept.line.waiting(most), kept.line.waits(), kept.record.clone());
        drop(lines);
        let view = self.inner.shell.view();
        let more = all > waiting.len();
        let sign = |waiting: Waiting| -> Result<(SmolStr, String), String> {
            let set = self.inner.set(&view.state, id, &record, &waiting)?;
            Ok((waiting.jti, set))
        };
        Ok(Fetched { sets: waiting.into_iter().map(sign).collect::<Result<_, _>>()?, more })
    }

    /// A receiver has taken these, and will never take those, each with why.
    pub(crate) fn answered(&self, id: &str, taken: &BTreeSet<SmolStr>, refused: Vec<(SmolStr, SmolStr)>) {
        let now = self.inner.shell.now();
        self.inner.with(id, |line| {
            line.taken(taken);
            refused.into_iter().for_each(|(jti, why)| line.refuse(&jti, why, now));
        });
        self.inner.changed.notify_one();
    }

    /// Counts up whenever something new waits.
    pub(crate) fn told(&self) -> watch::Receiver<u64> {
        self.inner.told.subscribe()
    }

    /// How a stream goes.
    pub(crate) fn going(&self, id: &str) -> Going {
        let lines = self.inner.lines();
        let Some(kept) = lines.get(id) else { return Going { waits: 0, failures: 0, refused: Vec::new() } };
        let (failures, refused) = kept.line.troubles();
        let refused = refused.iter().map(|refused| (refused.jti.clone(), refused.at, refused.why.clone()));
        Going { waits: kept.line.waits(), failures, refused: refused.collect() }
    }

    /// Looks and sends, until the server ends.
    pub async fn run(self) {
        let inner = &self.inner;
        let mut heads = inner.shell.head();
        let (done, mut ended) = mpsc::channel::<(SmolStr, Vec<(SmolStr, Ended)>)>(64);
        let mut keep = tokio::time::interval(KEEP);
        keep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            inner.follow();
            let head = *heads.borrow_and_update();
            let more = inner.take(head).await;
            for (id, record, due) in inner.due() {
                let (inner, done) = (self.inner.clone(), done.clone());
                tokio::spawn(async move {
                    let ended = inner.push(&id, &record, due).await;
                    // Nobody listens any more when the server ends.
                    let _ = done.send((id, ended)).await;
                });
            }
            let wait = if more { Duration::ZERO } else { inner.wait() };
            tokio::select! {
                sent = ended.recv() => if let Some((id, ended)) = sent {
                    inner.ended(&id, ended);
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

/// The stream that a subscription is.
fn stream(record: &SubscriptionRecord) -> Option<&SignalStream> {
    record.stream.as_deref()
}

impl Inner {
    fn lines(&self) -> MutexGuard<'_, BTreeMap<SmolStr, Kept>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is remembered of a stream; `None` where there is no such stream.
    fn with<T>(&self, id: &str, change: impl FnOnce(&mut Line) -> T) -> Option<T> {
        let mut lines = self.lines();
        let kept = lines.get_mut(id)?;
        kept.dirty = true;
        Some(change(&mut kept.line))
    }

    /// Somebody may wait for what there is now.
    fn news(&self) {
        self.told.send_modify(|told| *told += 1);
        self.changed.notify_one();
    }

    /// Begins with streams that are new, and forgets those that are no more.
    fn follow(&self) {
        // The view is of after the lock is held: whoever looked earlier would forget a stream that somebody else has begun with.
        let mut lines = self.lines();
        let view = self.shell.view();
        let state: &State = &view.state;
        lines.retain(|id, _| {
            let stays = state.subscriptions.get(id).is_some_and(|record| record.stream.is_some());
            if !stays {
                self.shelf.forget(id);
            }
            stays
        });
        for (id, record) in state.subscriptions.iter().filter(|(_, record)| record.stream.is_some()) {
            match lines.get_mut(id) {
                Some(kept) if Arc::ptr_eq(&kept.record, record) => {}
                Some(kept) => {
                    // Another address is another receiver, and whoever says anything of its stream is there again.
                    kept.line.resume();
                    (kept.record, kept.dirty) = (record.clone(), true);
                }
                None => {
                    let line = self.shelf.read::<Line>(id).map(|mut line| {
                        line.rewind(state, self.head);
                        line
                    });
                    let line = line.unwrap_or_else(|| Line::new(state));
                    lines.insert(id.clone(), Kept { line, record: record.clone(), dirty: true });
                }
            }
        }
    }

    /// Looks at what is new in the log; whether there is more at once.
    async fn take(&self, head: u64) -> bool {
        let behind: Vec<(SmolStr, u64, StreamStatus)> = (self.lines().iter())
            .filter_map(|(id, kept)| Some((id.clone(), kept.line.after, stream(&kept.record)?.status)))
            .collect();
        let (mut more, mut news) = (false, false);
        for (id, after, status) in behind {
            match status {
                StreamStatus::Paused => continue,
                StreamStatus::Disabled => {
                    if let Some(kept) = self.lines().get_mut(&id) {
                        kept.dirty |= kept.line.skip(head);
                    }
                    continue;
                }
                StreamStatus::Enabled => {}
            }
            let read = match self.read(after, head).await {
                Ok(read) => read,
                Err(error) => {
                    tracing::error!(stream = %id, %error, "what happened could not be read; it is tried again");
                    continue;
                }
            };
            let view = self.shell.view();
            let mut lines = self.lines();
            let Some(kept) = lines.get_mut(&id) else { continue };
            if let Some((devices, changed, to)) = read {
                kept.line.note(&devices, changed, to);
                kept.dirty = true;
                more |= to < head;
            }
            let Some(stream) = kept.record.stream.clone() else { continue };
            let wanted = |record: &DeviceRecord| wants(&stream, record);
            if kept.line.fill(&view.state, wanted) {
                (kept.dirty, news) = (true, true);
            }
            more |= kept.line.has_more();
        }
        if news {
            self.told.send_modify(|told| *told += 1);
        }
        more
    }

    /// The devices that entries of the log after one speak of, when the last of them was written, and up to where that is; `None` where there is no entry.
    async fn read(&self, after: u64, head: u64) -> Result<Option<(DeviceSet, Option<Timestamp>, u64)>, ReadError> {
        if after >= head {
            return Ok(None);
        }
        let stored = self.tail.read(&self.shell, after, CHUNK, head).await?;
        let (mut devices, mut changed, mut to) = (DeviceSet::default(), None, after);
        // What lies beyond the head is not in the view yet: it is looked at the next time.
        for entry in stored.iter().take_while(|entry| entry.seq <= head) {
            to = entry.seq;
            // Of whatever is no longer managed nothing is told; its own entries are of these kinds too.
            if !["obligations.noted", "device.retired", "device.merged", "device.split"].contains(&&*entry.kind) {
                continue;
            }
            let view = self.shell.view();
            let index = |id: &DeviceId| view.state.devices.get(id).map(|record| record.index);
            let found: DeviceSet = match decode(&entry.kind, entry.version, &entry.body)? {
                Event::ObligationsNoted(noted) => DeviceSet::union(noted.stands.iter().map(|change| &change.devices)),
                Event::DeviceRetired(retired) => index(&retired.device).into_iter().collect(),
                Event::DeviceMerged(merged) => {
                    [index(&merged.from), index(&merged.into)].into_iter().flatten().collect()
                }
                Event::DeviceSplit(split) => [index(&split.device), index(&split.from)].into_iter().flatten().collect(),
                _ => continue,
            };
            if !found.is_empty() {
                devices = DeviceSet::union([&devices, &found].into_iter());
                changed = Some(entry.at);
            }
        }
        Ok(Some((devices, changed, to)))
    }

    /// What is to be pushed now.
    fn due(&self) -> Vec<(SmolStr, Arc<SubscriptionRecord>, Vec<Waiting>)> {
        let now = self.shell.now();
        let mut due = Vec::new();
        for (id, kept) in self.lines().iter_mut() {
            if !stream(&kept.record).is_some_and(|stream| !stream.polled && stream.status == StreamStatus::Enabled) {
                continue;
            }
            let waiting = kept.line.due(now, AT_ONCE);
            if !waiting.is_empty() {
                due.push((id.clone(), kept.record.clone(), waiting));
            }
        }
        due
    }

    /// How long nothing will be due.
    fn wait(&self) -> Duration {
        let now = self.shell.now();
        let is_pushed = |kept: &&Kept| {
            stream(&kept.record).is_some_and(|stream| !stream.polled && stream.status == StreamStatus::Enabled)
        };
        let next = self.lines().values().filter(is_pushed).filter_map(|kept| kept.line.next(now)).min();
        let wait = next.map(|next| Duration::try_from(next.duration_since(now)).unwrap_or_default());
        wait.map_or(LOOK, |wait| wait.min(LOOK))
    }

    async fn push(&self, id: &SmolStr, record: &SubscriptionRecord, due: Vec<Waiting>) -> Vec<(SmolStr, Ended)> {
        let view = self.shell.view();
        let posts = due.into_iter().map(|waiting| {
            let token = self.set(&view.state, id, record, &waiting);
            let (outbound, url) = (self.outbound.clone(), record.url.clone());
            async move {
                let token = match token {
                    Ok(token) => token,
                    Err(why) => return (waiting.jti, Ended::Failed(why.into(), None)),
                };
                let headers = [("content-type", "application/secevent+jwt"), ("accept", "application/json")];
                let work = move || outbound.post(&url, &headers, token.as_bytes());
                let ended = match tokio::task::spawn_blocking(work).await {
                    Ok(Ok(answered)) => {
                        let wait = answered.wait.and_then(|wait| SignedDuration::try_from(wait).ok());
                        match answered.status {
                            200..=299 => Ended::Taken,
                            // What the receiver can't take once it will never take (RFC 8935, section 2.3).
                            400 => Ended::Refused("the receiver refused it (status 400)".into()),
                            status => Ended::Failed(format_smolstr!("status {status}"), wait),
                        }
                    }
                    Ok(Err(error)) => Ended::Failed(error.to_smolstr(), None),
                    Err(error) => Ended::Failed(error.to_smolstr(), None),
                };
                (waiting.jti, ended)
            }
        });
        join_all(posts).await
    }

    fn ended(&self, id: &SmolStr, ended: Vec<(SmolStr, Ended)>) {
        for (jti, ended) in &ended {
            match ended {
                Ended::Taken => {}
                Ended::Refused(why) => tracing::warn!(stream = %id, %jti, %why, "a security event is not taken"),
                Ended::Failed(why, _) => {
                    tracing::debug!(stream = %id, %jti, %why, "a security event could not be pushed")
                }
            }
        }
        let now = self.shell.now();
        self.with(id, |line| line.ended(id, ended, now));
    }

    /// A token, signed.
    fn set(&self, state: &State, id: &str, record: &SubscriptionRecord, waiting: &Waiting) -> Result<String, String> {
        let stream = stream(record).ok_or("it is no stream")?;
        let issuer = &self.agents.options().address;
        let (subject, events) = match &waiting.said {
            Said::Verification(text) => {
                let said = text.as_ref().map_or_else(|| json!({}), |text| json!({ "state": text }));
                (json!({ "format": "opaque", "id": id }), json!({ VERIFICATION: said }))
            }
            Said::Complies(device, complies) => {
                let mut subject = json!({ "device": { "format": "iss_sub", "iss": issuer, "sub": device } });
                let user = state.device_now(device).filter(|_| record.personal);
                if let Some(email) = user.and_then(|device| state.plain_fact(device, "person.email")) {
                    subject["user"] = json!({ "format": "email", "email": email });
                }
                let status = |complies: bool| if complies { "compliant" } else { "not-compliant" };
                let reason = if *complies { "Nothing is overdue any more." } else { "An update is overdue." };
                let change = json!({
                    "event_timestamp": waiting.at.as_second(),
                    "initiating_entity": "policy",
                    "previous_status": status(!complies),
                    "current_status": status(*complies),
                    "reason_admin": { "en": reason },
                    "reason_user": { "en": reason },
                    // Where receivers look that do not know `sub_id`: Okta's document has it here.
                    "subject": subject,
                });
                subject["format"] = "complex".into();
                (subject, json!({ COMPLIANCE_CHANGE: change }))
            }
        };
        let claims: Value = json!({
            "iss": issuer,
            "aud": stream.audience,
            "iat": waiting.at.as_second(),
            "jti": waiting.jti,
            "sub_id": subject,
            "events": events,
        });
        key::token(&claims, self.rsa.as_ref(), self.agents.key())
    }

    async fn keep(&self) {
        let changed: Vec<(SmolStr, Line)> = (self.lines().iter_mut())
            .filter_map(|(id, kept)| std::mem::take(&mut kept.dirty).then(|| (id.clone(), kept.line.clone())))
            .collect();
        let failed = self.shelf.keep_all(changed).await;
        let mut lines = self.lines();
        for id in failed {
            if let Some(kept) = lines.get_mut(&id) {
                kept.dirty = true;
            }
        }
    }
}

/// Whether a stream tells of a device.
fn wants(stream: &SignalStream, record: &DeviceRecord) -> bool {
    let left_out = |id: &str| stream.without.contains(id);
    stream.requested.contains(COMPLIANCE_CHANGE)
        && !left_out(record.id.as_str())
        && !record.person.as_ref().is_some_and(|person| left_out(person.as_str()))
}
