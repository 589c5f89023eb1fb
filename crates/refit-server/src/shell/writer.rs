//! The one thread that writes. It gathers what arrives within a few milliseconds, handles it in order on a state that nobody
//! sees yet, makes all of it durable in one append, and only then shows the state and answers.
//!
//! It has a thread and a small runtime of its own: requests that compute for long, or a plan, do not keep it from its work.

use super::{Answer, Request, Shared, TellError, Told, replay};
use jiff::Timestamp;
use refit_core::control::{
    Actor, Contents, Effect, Encoded, Event, Ground, Input, Outcome, PersonId, Prepared, Refusal, State, encode_within,
    handle,
};
use refit_store::{Answered, AppendError, Batch, NewEvent, PersonalValue, StoreError};
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};
use tokio::sync::{mpsc, oneshot};

/// How long the first input of a batch waits for others.
const GATHER: Duration = Duration::from_millis(2);
/// How long a batch is handled at most before it is made durable, unless a single input takes longer.
const HANDLE_MOST: Duration = Duration::from_millis(8);
/// The most inputs of a batch.
const INPUTS_MOST: usize = 1_024;
/// The most bytes of events of a batch, unless a single input has more.
const BYTES_MOST: usize = 8 << 20;
/// How often erasing is tried before whoever asked for it hears that it has not succeeded yet.
const ERASE_TRIES: u32 = 10;

/// What the writer is handed.
pub(super) enum Job {
    /// An input.
    Tell(Box<Asked>),
    /// To end, and why.
    Close(SmolStr),
}

/// An input, and who waits for what comes of it.
pub(super) struct Asked {
    pub actor: Actor,
    pub input: Input,
    pub request: Option<(Request, Answer)>,
    /// Content that the events to come will name, read beforehand.
    pub prepared: BTreeMap<SmolStr, Prepared>,
    pub queued: Instant,
    pub reply: oneshot::Sender<Result<Done, TellError>>,
}

/// What came of an input.
pub(super) struct Done {
    pub told: Told,
    /// How long the writer handled it.
    pub took: Duration,
}

/// Starts the thread.
pub(super) fn start(shared: Arc<Shared>, state: State, jobs: mpsc::Receiver<Job>) -> Result<(), TellError> {
    let failed = |error: std::io::Error| TellError::Other(format!("the writer can't be started: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let writer = Writer { shared, state, jobs, waiting: VecDeque::new(), doubt: false };
    let run = move || runtime.block_on(writer.run());
    std::thread::Builder::new().name("writer".into()).spawn(run).map_err(failed)?;
    Ok(())
}

struct Writer {
    shared: Arc<Shared>,
    /// All that is durable.
    state: State,
    jobs: mpsc::Receiver<Job>,
    /// What was received and is not handled yet.
    waiting: VecDeque<Job>,
    /// An append has failed, and whether it was made is not known.
    doubt: bool,
}

/// An input that was handled, on its way to become durable.
struct Handled {
    result: Result<Done, TellError>,
    queued: Instant,
    reply: oneshot::Sender<Result<Done, TellError>>,
    erase: Vec<PersonId>,
    matching: Vec<SmolStr>,
}

/// A batch that is being put together.
struct Tentative {
    state: State,
    batch: Batch,
    handled: Vec<Handled>,
    bytes: usize,
    /// Requests that this batch answers.
    keys: BTreeMap<String, String>,
    erasing: BTreeSet<PersonId>,
    /// Something large may be let go with the state before.
    replaces_content: bool,
}

impl Writer {
    async fn run(mut self) {
        while self.shared.ended.borrow().is_none() {
            if !self.gather().await {
                break;
            }
            if let Err(why) = self.batch().await {
                self.shared.end(&why);
            }
        }
        self.shared.end("it was shut down");
        // Whoever still waits is told, one way or another.
        self.jobs.close();
        let mut left: Vec<Job> = self.waiting.drain(..).collect();
        while let Ok(job) = self.jobs.try_recv() {
            left.push(job);
        }
        for job in left {
            if let Job::Tell(asked) = job {
                let _ = asked.reply.send(Err(self.shared.why_ended()));
            }
        }
    }

    /// Waits for something to do, and a moment for more of it. False: nobody will ever ask again.
    async fn gather(&mut self) -> bool {
        if self.waiting.is_empty() {
            match self.jobs.recv().await {
                Some(job) => self.waiting.push_back(job),
                None => return false,
            }
            let until = tokio::time::Instant::now() + GATHER;
            let mut more = Vec::new();
            while self.waiting.len() < INPUTS_MOST && !self.waiting.iter().any(|job| matches!(job, Job::Close(_))) {
                let room = INPUTS_MOST - self.waiting.len();
                match tokio::time::timeout_at(until, self.jobs.recv_many(&mut more, room)).await {
                    Ok(received) if received > 0 => self.waiting.extend(more.drain(..)),
                    _ => break,
                }
            }
        }
        true
    }

    /// Handles what waits, makes it durable, shows it and answers. An error ends the writer.
    async fn batch(&mut self) -> Result<(), SmolStr> {
        if self.doubt
            && let Err(error) = self.catch_up().await
        {
            self.shared.metrics.failed_appends.inc();
            while let Some(job) = self.waiting.pop_front() {
                match job {
                    Job::Tell(asked) => drop(asked.reply.send(Err(copy(&error)))),
                    Job::Close(why) => return Err(why),
                }
            }
            return Ok(());
        }
        let begun = Instant::now();
        let mut tentative = Tentative {
            state: self.state.clone(),
            batch: Batch::default(),
            handled: Vec::new(),
            bytes: 0,
            keys: BTreeMap::new(),
            erasing: BTreeSet::new(),
            replaces_content: false,
        };
        let mut close = None;
        while let Some(job) = self.waiting.pop_front() {
            let full = begun.elapsed() > HANDLE_MOST || tentative.bytes > BYTES_MOST;
            match job {
                job if full && !tentative.handled.is_empty() => {
                    self.waiting.push_front(job);
                    break;
                }
                Job::Tell(asked) => self.take(&mut tentative, *asked).await,
                Job::Close(why) => {
                    close = Some(why);
                    break;
                }
            }
        }
        let took = begun.elapsed();
        self.shared.metrics.handle_seconds.observe(took.as_secs_f64());
        self.shared.metrics.note_pause(took);
        self.commit(tentative).await?;
        close.map_or(Ok(()), Err)
    }

    /// Handles one input on the tentative state. One that is refused changes nothing.
    async fn take(&self, tentative: &mut Tentative, asked: Asked) {
        let Asked { actor, input, request, prepared, queued, reply } = asked;
        let begun = Instant::now();
        let mut handled =
            Handled { result: Err(self.shared.why_ended()), queued, reply, erase: Vec::new(), matching: Vec::new() };
        let contents = replay::InMemory { prepared, ..Default::default() };
        let done = self.handle(tentative, &actor, input, request, contents, &mut handled).await;
        handled.result = done.map(|told| Done { told, took: begun.elapsed() });
        match &handled.result {
            Ok(_) => self.shared.metrics.inputs.inc(),
            Err(_) => self.shared.metrics.refused.inc(),
        };
        tentative.handled.push(handled);
    }

    async fn handle(
        &self,
        tentative: &mut Tentative,
        actor: &Actor,
        input: Input,
        request: Option<(Request, Answer)>,
        mut contents: replay::InMemory,
        handled: &mut Handled,
    ) -> Result<Told, TellError> {
        if let Some((request, _)) = &request {
            self.new_request(tentative, request).await?;
        }
        let erasing =
            |person: &&PersonId| tentative.erasing.contains(*person) || self.shared.effects.erasing().contains(*person);
        let said_of = match &input {
            Input::ObservePerson { person, .. } => Some(person).filter(erasing),
            Input::Group(said) => said.members.keys().find(erasing),
            _ => None,
        };
        if let Some(person) = said_of {
            let what = format!("the values of person `{person}` are being erased: say it again in a moment");
            return Err(Refusal::Conflict(what).into());
        }
        let now = self.shared.now(&tentative.state);
        let Outcome { events, personal, seen, present, effects, led } =
            guarded(|| handle(&tentative.state, actor, input, now))??;
        for event in &events {
            tentative.replaces_content |= matches!(event, Event::PolicyApplied(_) | Event::DistributionMatched(_));
            replay::fetch(&self.shared.store, &mut contents, event).await?;
        }
        let mut state = tentative.state.clone();
        let mut batch = Batch::default();
        for value in personal {
            let bytes = serde_json::to_vec(&value.value).map_err(|error| TellError::Other(error.to_string()))?;
            self.small("personal value", &value.reference, bytes.len())?;
            if state.personal.contains_key(&value.reference) {
                return Err(AppendError::ReferenceTaken { reference: value.reference.to_string() }.into());
            }
            batch.personal.push(PersonalValue {
                reference: value.reference.to_string(),
                person: value.person.to_string(),
                value: bytes,
            });
            state.personal.insert(value.reference, value.value);
        }
        let ground = Ground { catalog: &self.shared.catalog, contents: &contents as &dyn Contents };
        let mut bytes = 0;
        let mut written = Vec::new();
        for event in events {
            let encoded = encode_within(event, &actor.origin, self.shared.body_bytes_most);
            for Encoded { event, kind, version, body } in
                encoded.map_err(|error| TellError::Other(error.to_string()))?
            {
                self.small("event", kind, body.len())?;
                guarded(|| state.apply(state.seq + 1, now, &event, &ground))?
                    .map_err(|error| TellError::Other(error.to_string()))?;
                bytes += body.len();
                batch.events.push(event_of(now, kind, version, actor, body));
                written.push(event);
            }
        }
        if let Some(index) = seen {
            state.note_seen(index, now);
        }
        state.note_all_seen(&present, now);
        let told = Told { seq: state.seq, events: written, led };
        if let Some((request, answer)) = request {
            let (status, body) = answer(&told);
            self.small("answer", &request.key, body.len())?;
            bytes += body.len();
            tentative.keys.insert(request.key.clone(), request.fingerprint.clone());
            batch.answers.push(Answered { key: request.key, fingerprint: request.fingerprint, status, body, at: now });
        }
        for effect in effects {
            match effect {
                Effect::EraseValues(person) => handled.erase.push(person),
                Effect::Match(distribution) => handled.matching.push(distribution),
            }
        }
        tentative.erasing.extend(handled.erase.iter().cloned());
        tentative.state = state;
        tentative.bytes += bytes;
        tentative.batch.events.append(&mut batch.events);
        tentative.batch.personal.append(&mut batch.personal);
        tentative.batch.answers.append(&mut batch.answers);
        Ok(told)
    }

    /// One that is too large must not keep others from being appended.
    fn small(&self, what: &'static str, name: &str, bytes: usize) -> Result<(), TellError> {
        if bytes > self.shared.body_bytes_most {
            return Err(AppendError::TooLarge { what, name: name.to_owned(), bytes }.into());
        }
        Ok(())
    }

    /// Refuses a request that was answered before; its answer is in the store.
    async fn new_request(&self, tentative: &Tentative, request: &Request) -> Result<(), TellError> {
        let answered = match tentative.keys.get(&request.key) {
            Some(fingerprint) => Some(fingerprint.clone()),
            None => self.shared.store.answer(&request.key).await?.map(|answered| answered.fingerprint),
        };
        let key = || request.key.clone();
        match answered {
            None => Ok(()),
            Some(same) if same == request.fingerprint => Err(AppendError::AlreadyAnswered { key: key() }.into()),
            Some(_) => Err(AppendError::KeyReused { key: key() }.into()),
        }
    }

    /// Makes a batch durable, shows the state and answers. An error ends the writer.
    async fn commit(&mut self, tentative: Tentative) -> Result<(), SmolStr> {
        let Tentative { state, batch, handled, erasing, replaces_content, .. } = tentative;
        let events = batch.events.len() as u64;
        if !batch.is_empty() {
            // Nobody may say anything of these people before their values are gone.
            self.shared.effects.erasing().extend(erasing.iter().cloned());
            let begun = Instant::now();
            let appended = self.shared.store.append(self.shared.fence, self.state.seq, batch).await;
            self.shared.metrics.append_seconds.observe(begun.elapsed().as_secs_f64());
            let lost = |error: &AppendError| {
                matches!(error, AppendError::Store(_) | AppendError::Moved { .. } | AppendError::Fenced)
            };
            self.shared.unwritable.store(appended.as_ref().is_err_and(lost), Ordering::Relaxed);
            if let Err(error) = appended {
                self.shared.metrics.failed_appends.inc();
                self.shared.effects.erasing().retain(|person| !erasing.contains(person));
                let why = match &error {
                    AppendError::Moved { .. } | AppendError::Fenced => Some(SmolStr::from(error.to_string())),
                    _ => None,
                };
                tracing::error!(%error, "nothing could be appended to the log");
                self.doubt = true;
                for handled in handled {
                    let _ = handled.reply.send(Err(copy(&error)));
                }
                return why.map_or(Ok(()), Err);
            }
            self.shared.metrics.batches.inc();
            self.shared.metrics.events.inc_by(events);
        }
        let begun = Instant::now();
        let before = std::mem::replace(&mut self.state, state);
        self.shared.show(|view| view.state = self.state.clone());
        if replaces_content {
            // Giving back what many megabytes were read into takes long as well.
            self.shared.runtime.spawn_blocking(move || drop(before));
        } else {
            drop(before);
        }
        let seq = self.state.seq;
        self.shared.head.send_if_modified(|head| std::mem::replace(head, seq) != seq);
        for handled in handled {
            let Handled { result, queued, reply, erase, matching } = handled;
            self.shared.metrics.wait_seconds.observe(queued.elapsed().as_secs_f64());
            matching.into_iter().for_each(|distribution| self.shared.effects.ask_to_match(distribution));
            if erase.is_empty() {
                let _ = reply.send(result);
            } else {
                self.shared.runtime.spawn(erased(self.shared.clone(), erase, result, reply));
            }
        }
        self.shared.metrics.note_pause(begun.elapsed());
        Ok(())
    }

    /// An append has failed; it may have been made all the same. What is in the log counts.
    async fn catch_up(&mut self) -> Result<(), AppendError> {
        let head = self.shared.store.head().await?;
        if head < self.state.seq {
            return Err(AppendError::Moved { expected: self.state.seq, head });
        }
        if head > self.state.seq {
            tracing::warn!(from = self.state.seq, to = head, "an append that had failed was made all the same");
            let mut state = self.state.clone();
            let failed = |error: TellError| StoreError::Database { place: "the log".into(), what: error.to_string() };
            replay::personal(&self.shared.store, &mut state).await.map_err(failed)?;
            replay::follow(&self.shared.store, &self.shared.catalog, &mut state, None).await.map_err(failed)?;
            self.state = state;
            self.shared.show(|view| view.state = self.state.clone());
            self.shared.head.send_replace(self.state.seq);
        }
        self.doubt = false;
        Ok(())
    }
}

/// Erases values, then answers. Until that has succeeded nobody can say anything of these people.
async fn erased(
    shared: Arc<Shared>,
    people: Vec<PersonId>,
    result: Result<Done, TellError>,
    reply: oneshot::Sender<Result<Done, TellError>>,
) {
    let mut answer = Some((result, reply));
    for person in people {
        let mut tries = 0;
        while let Err(error) = shared.store.erase_person(person.as_str()).await {
            tries += 1;
            if tries == ERASE_TRIES {
                tracing::error!(%error, "values of a person could not be erased yet; it is tried again");
                if let Some((_, reply)) = answer.take() {
                    let _ = reply.send(Err(error.into()));
                }
            }
            // After a start it is tried again at once.
            if shared.ended.borrow().is_some() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(if tries < ERASE_TRIES { 200 } else { 10_000 })).await;
        }
        shared.effects.erasing().remove(&person);
    }
    if let Some((result, reply)) = answer {
        let _ = reply.send(result);
    }
}

fn event_of(at: Timestamp, kind: &str, version: u16, actor: &Actor, body: Vec<u8>) -> NewEvent {
    NewEvent { at, kind: kind.to_owned(), version, actor: actor.name.to_string(), body }
}

/// A mistake in the logic costs one input, not the server.
fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, TellError> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        let what = text.unwrap_or("no message");
        tracing::error!(what, "a mistake in the program: an input could not be handled");
        TellError::Other(format!("a mistake in the program: {what}"))
    })
}

/// Everybody in a batch gets its error.
fn copy(error: &AppendError) -> TellError {
    TellError::Append(match error {
        AppendError::Moved { expected, head } => AppendError::Moved { expected: *expected, head: *head },
        AppendError::Fenced => AppendError::Fenced,
        AppendError::Store(StoreError::Full { place }) => AppendError::Store(StoreError::Full { place: place.clone() }),
        other => AppendError::Store(StoreError::Database { place: "the data folder".into(), what: other.to_string() }),
    })
}
