//! The thread that decides devices, on views that do not change meanwhile. What it finds goes to the writer as an input; the
//! board follows once the writer has taken it.

use super::{
    Shared, TellError,
    writer::{Asked, Done, Job},
};
use jiff::{SignedDuration, Timestamp};
use refit_core::control::{Actor, Board, Director, Evaluation, Evaluator, Failure, Input, Lookout, PlanId, Terms};
use refit_model::DeviceId;
use refit_store::AppendError;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{mpsc, oneshot};

/// The most devices that are handed to the writer at once.
const DEVICES_MOST: usize = 64;
/// The most devices that are looked for at once.
const DUE_MOST: usize = 4_096;
/// How long one batch is worked on at most, unless a single device takes longer: what is new is seen soon.
const BATCH_MOST: Duration = Duration::from_millis(250);
/// How long the writer may be busy with a batch: if it takes longer, the next is smaller.
const WRITER_MOST: Duration = Duration::from_millis(5);
/// How long to wait at most before looking again.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How long to wait after a look, in multiples of how long it took: where much changes, looking is not all that is done.
const REST: u32 = 4;
/// How long devices are decided before rollouts are looked at in between, in multiples of how long the last such look took, and at least.
const HALTS_AFTER: (u32, Duration) = (8, Duration::from_secs(2));
/// When a device that could not be decided is tried again though nothing has changed.
const AGAIN: SignedDuration = SignedDuration::from_mins(10);
/// How long the thread rests after a mistake that was not in deciding one device.
const RECOVER: Duration = Duration::from_secs(1);

/// Starts the thread.
pub(super) fn start(shared: Arc<Shared>, jobs: mpsc::WeakSender<Job>) -> Result<(), TellError> {
    let failed = |error: std::io::Error| TellError::Other(format!("the evaluator can't be started: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(failed)?;
    let mut deciding = Deciding {
        shared,
        jobs,
        board: Board::default(),
        evaluator: Evaluator::default(),
        batch: DEVICES_MOST,
        lookout: Lookout::default(),
        directed: None,
        stopping: (Instant::now(), Duration::ZERO),
    };
    let run = move || {
        crate::background::yield_to_others();
        // A mistake costs what it is about, never the deciding of everything else.
        while guarded("the evaluator had to begin anew", || runtime.block_on(deciding.run())).is_none() {
            deciding.evaluator = Evaluator::default();
            deciding.lookout = Lookout::default();
            std::thread::sleep(RECOVER);
        }
    };
    std::thread::Builder::new().name("evaluator".into()).spawn(run).map_err(failed)?;
    Ok(())
}

struct Deciding {
    shared: Arc<Shared>,
    jobs: mpsc::WeakSender<Job>,
    board: Board,
    evaluator: Evaluator,
    /// How many devices are handed over at once.
    batch: usize,
    /// Finds the devices that have to be decided.
    lookout: Lookout,
    /// The state in which rollouts were looked at last, and when they have to be again though nothing happens.
    directed: Option<(u64, Option<Timestamp>)>,
    /// When it was last looked for what has to be stopped while devices were being decided, and how long that took.
    stopping: (Instant, Duration),
}

/// The shell has ended.
struct Ended;

impl Deciding {
    async fn run(&mut self) {
        let mut head = self.shared.head.subscribe();
        let mut ended = self.shared.ended.subscribe();
        loop {
            head.mark_unchanged();
            let begun = Instant::now();
            let view = self.shared.view();
            let now = self.shared.now(&view.state);
            let due = self.lookout.due(&mut self.board, &view.state, now, DUE_MOST);
            self.shared.metrics.due.set(i64::try_from(due.len()).unwrap_or(i64::MAX));
            if !due.is_empty() {
                drop(view);
                if self.decide(due).await.is_err() {
                    return;
                }
                continue;
            }
            let seq = view.state.seq;
            let looks = self.directed.is_none_or(|(of, next)| of != seq || next.is_some_and(|next| next <= now));
            if looks {
                let look = Director.look(&view.state, &self.board, now);
                self.directed = Some((seq, look.next));
                if !look.inputs.is_empty() {
                    drop(view);
                    if self.direct(look.inputs).await.is_err() {
                        return;
                    }
                    continue;
                }
            }
            let looked = begun.elapsed();
            self.shared.settled.send_replace(seq);
            let wait = self.wait(now);
            drop(view);
            tokio::select! {
                _ = ended.wait_for(Option::is_some) => return,
                () = tokio::time::sleep(wait) => {}
                changed = head.changed() => if changed.is_err() { return },
            }
            tokio::time::sleep(looked * REST).await;
        }
    }

    /// How long nothing will happen by itself.
    fn wait(&self, now: Timestamp) -> Duration {
        // What lies in the past and is not due belongs to devices that are gone.
        let director = self.directed.and_then(|(_, next)| next);
        let wake = self.board.wake().into_iter().chain(director).map(|at| at.duration_since(now));
        let wake = wake.filter(|wait| wait.is_positive()).min();
        let wait = wake.unwrap_or(SignedDuration::MAX);
        Duration::try_from(wait).map_or(LOOK_EVERY, |wait| wait.min(LOOK_EVERY))
    }

    /// Decides these devices, in batches, each on what is newest then.
    async fn decide(&mut self, due: Vec<DeviceId>) -> Result<(), Ended> {
        let mut due = due.into_iter().peekable();
        while due.peek().is_some() {
            if self.shared.ended.borrow().is_some() {
                return Err(Ended);
            }
            let begun = Instant::now();
            let view = self.shared.view();
            let now = self.shared.now(&view.state);
            let Some(terms) = Terms::in_force(&view.state) else { return Ok(()) };
            let mut decided: Vec<Evaluation> = Vec::new();
            let mut failed = Vec::new();
            while decided.len() < self.batch
                && ((decided.is_empty() && failed.is_empty()) || begun.elapsed() < BATCH_MOST)
                && let Some(id) = due.next()
            {
                let Some(record) = view.state.device(&id) else { continue };
                let what = format!("device {id} could not be decided: what was decided before stays");
                let decide = || {
                    #[cfg(test)]
                    tests::planted(record);
                    self.evaluator.evaluate(&view.state, &terms, record, now)
                };
                match guarded(&what, decide) {
                    Some(evaluation) => decided.push(evaluation),
                    None => {
                        // What it has put together so far may be half of something.
                        self.evaluator = Evaluator::default();
                        let (basis, revision) = (view.state.seq, terms.revision);
                        let again = now.checked_add(AGAIN).unwrap_or(Timestamp::MAX);
                        failed.push((id, Failure { basis, revision, at: now, again }));
                    }
                }
            }
            drop(view);
            if !failed.is_empty() {
                self.shared.metrics.failed_devices.inc_by(failed.len() as u64);
                failed.into_iter().for_each(|(id, failure)| self.board.failed(id, failure));
                self.shared.show(|view| view.board = self.board.clone());
            }
            if decided.is_empty() {
                continue;
            }
            self.hand_over(decided).await?;
        }
        Ok(())
    }

    /// Tells the writer, as the server.
    async fn tell(&self, input: Input) -> Result<Result<Done, TellError>, Ended> {
        let (reply, answer) = oneshot::channel();
        let asked = Asked {
            actor: Actor::server(),
            input,
            request: None,
            prepared: Default::default(),
            queued: Instant::now(),
            reply,
        };
        let jobs = self.jobs.upgrade().ok_or(Ended)?;
        jobs.send(Job::Tell(Box::new(asked))).await.map_err(|_| Ended)?;
        drop(jobs);
        answer.await.map_err(|_| Ended)
    }

    /// Rings open, gates answer.
    async fn direct(&mut self, inputs: Vec<Input>) -> Result<(), Ended> {
        for input in inputs {
            match self.tell(input).await? {
                Ok(_) => {}
                // Something has changed since: the next look sees it.
                Err(error @ TellError::Refused(_)) => tracing::warn!(%error, "a rollout could not go on"),
                Err(error) => {
                    tracing::warn!(%error, "a rollout could not go on; it is looked at again");
                    tokio::time::sleep(RECOVER).await;
                }
            }
        }
        Ok(())
    }

    /// Rings open when all is decided, and a release that fails is stopped at once: a large fleet takes a while to decide.
    async fn stop_what_fails(&mut self) -> Result<(), Ended> {
        let (looked, took) = self.stopping;
        let (times, least) = HALTS_AFTER;
        if looked.elapsed() < (took * times).max(least) {
            return Ok(());
        }
        let begun = Instant::now();
        let view = self.shared.view();
        let halts = Director.halts(&view.state, &self.board, self.shared.now(&view.state));
        drop(view);
        self.direct(halts).await?;
        self.stopping = (Instant::now(), begun.elapsed());
        Ok(())
    }

    async fn hand_over(&mut self, decided: Vec<Evaluation>) -> Result<(), Ended> {
        let mut left = vec![decided];
        while let Some(mut decided) = left.pop() {
            let plan = PlanId::new(uuid::Uuid::now_v7().to_string());
            match self.tell(Input::Evaluated { plan, devices: decided.clone() }).await? {
                Ok(done) => {
                    self.shared.metrics.evaluated.inc_by(decided.len() as u64);
                    if done.took > WRITER_MOST {
                        self.batch = (self.batch / 2).max(1);
                    } else if done.took < WRITER_MOST / 4 {
                        self.batch = (self.batch * 2).min(DEVICES_MOST);
                    }
                    self.board.update(&decided);
                    self.shared.show(|view| view.board = self.board.clone());
                    self.stop_what_fails().await?;
                }
                // What is said of half as many devices is shorter.
                Err(TellError::Append(AppendError::TooLarge { .. })) if decided.len() > 1 => {
                    let rest = decided.split_off(decided.len() / 2);
                    left.extend([rest, decided]);
                }
                Err(error) => {
                    tracing::warn!(%error, "what was decided could not be logged; it is decided again");
                    tokio::time::sleep(RECOVER).await;
                }
            }
        }
        Ok(())
    }
}

/// Does something in which there may be a mistake; `None`, with a line in the log of the program, where there was one.
fn guarded<T>(what: &str, work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work))
        .inspect_err(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
            tracing::error!(why = text.unwrap_or("no message"), "a mistake in the program: {what}");
        })
        .ok()
}

#[cfg(test)]
mod tests {
    use super::super::{Shell, SystemClock};
    use jiff::Timestamp;
    use refit_core::{
        business::{Data, Kind, derive},
        control::{
            Actor, AdvisoryEntry, DeviceRecord, Input, InstallEntry, Installs, Observation, Plain, PolicyFiles,
            ReleaseEntry, decode,
        },
        policy::{
            load::load,
            resolve::{Titles, resolve},
            syntax::Limits,
        },
    };
    use refit_store::{BODY_BYTES_MAX, MemoryStore, Store};
    use std::{collections::BTreeMap, sync::Arc, time::Duration};

    /// A mistake that is there on purpose: some fact of a device makes deciding it fail.
    pub(super) fn planted(record: &DeviceRecord) {
        let cursed = record
            .facts
            .get("device.site")
            .is_some_and(|said| said.values().any(|value| *value == Plain::Text("where deciding fails".into())));
        assert!(!cursed, "this mistake is there on purpose");
    }

    const POLICY: &str = "
organization: acme
defaults: { mode: enforce }
---
title: editor
name: Editor
scheme: semver
---
policy: editors
software: [editor]
deadline: [{ within: 7d }]
";

    async fn observe(shell: &Shell, device: &str, site: &str, version: &str) {
        let entry = InstallEntry {
            title: "editor".into(),
            branch: None,
            profile: None,
            version: version.into(),
            state: None,
            source: None,
        };
        let said = Observation {
            device: device.into(),
            source: "agent".into(),
            observed: Timestamp::now(),
            facts: BTreeMap::from([("device.site".into(), Some(Plain::Text(site.into())))]),
            installs: Some(Installs::All(vec![entry])),
            universe: None,
            check_in: None,
        };
        shell.tell(&Actor::server(), Input::Observe(said), None).await.unwrap();
    }

    async fn shell(body_bytes_most: usize) -> Shell {
        let store = MemoryStore::new();
        let fence = store.acquire_lease("test", Timestamp::now(), Duration::from_secs(3600)).await.unwrap();
        let (store, clock) = (Arc::new(store), Arc::new(SystemClock));
        Shell::within(store, fence, Titles::default(), clock, body_bytes_most).await.unwrap()
    }

    async fn release(shell: &Shell, versions: &[&str]) {
        let release = |version: &&str| ReleaseEntry {
            title: "editor".into(),
            branch: None,
            version: (*version).into(),
            published: Timestamp::now(),
            security: false,
            withheld: false,
        };
        let releases = versions.iter().map(release).collect();
        shell.tell(&Actor::server(), Input::Releases { source: "vendor".into(), releases }, None).await.unwrap();
    }

    async fn apply(shell: &Shell, policy: &str) {
        let files = PolicyFiles(BTreeMap::from([("refit.yaml".to_owned(), policy.to_owned())]));
        let read = files.files();
        let (documents, _) = load(&read, &Limits::default());
        let (repository, _) = resolve(&documents, &read, &Titles::default());
        let server = Actor::server();
        crate::policy::plan_and_apply(shell, &server, &files, "hash", Arc::new(repository)).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_was_decided_at_once_and_is_too_large_for_an_entry_is_logged_in_parts() {
        const MOST: usize = 4_000;
        const DEVICES: usize = 32;
        const ADVISORIES: usize = 300;
        let shell = shell(MOST).await;
        let server = Actor::server();
        // Each site has a deadline of its own, so that devices share little of what is published and noted.
        let mut policy = String::from("organization: acme\ndefaults: { mode: enforce }\n");
        policy += "---\ntitle: editor\nname: Editor\nscheme: semver\n";
        for site in 1..=DEVICES {
            policy += &format!("---\npolicy: editors-{site}\nwhere: device.site == \"s{site}\"\nsoftware: [editor]\n");
            policy += &format!("deadline: [{{ within: {site}d }}]\nphase_in: 0d\n");
        }
        for number in 1..=DEVICES {
            let device = format!("d{number}");
            shell.tell(&server, Input::Enrol { device: device.as_str().into(), name: None }, None).await.unwrap();
            observe(&shell, &device, &format!("s{number}"), "1.0.0").await;
        }
        release(&shell, &["1.0.0"]).await;
        apply(&shell, &policy).await;
        shell.evaluate().unwrap();
        shell.settled().await;
        let advisory = |number: &usize| AdvisoryEntry {
            id: format!("CVE-2026-{number:04}").as_str().into(),
            title: "editor".into(),
            affected: vec!["<1.1.0".into()],
            known_at: Timestamp::now(),
            cvss: Some(5.0),
            epss: None,
            kev: None,
            ransomware: false,
            withdrawn: None,
            said_by: Vec::new(),
        };
        for numbers in (0..ADVISORIES).collect::<Vec<_>>().chunks(8) {
            let advisories = numbers.iter().map(advisory).collect();
            shell.tell(&server, Input::Advisories { source: "feed".into(), advisories }, None).await.unwrap();
        }
        let before = *shell.head().borrow();
        release(&shell, &["1.1.0"]).await;
        tokio::time::timeout(Duration::from_secs(120), shell.settled()).await.expect("it comes to an end");

        let view = shell.view();
        for device in view.state.managed() {
            assert_eq!(device.published.len(), 1, "{}", device.id);
            let stands: Vec<usize> = device.stands.values().map(|standing| standing.exposures.len()).collect();
            assert_eq!(stands, [ADVISORIES], "{}", device.id);
        }
        let log = shell.store().read(0, 100_000).await.unwrap();
        assert!(log.iter().all(|entry| entry.body.len() <= MOST));
        let published = log.iter().filter(|entry| entry.seq > before && entry.kind == "moves.published");
        assert!(published.map(|entry| entry.body.len()).sum::<usize>() > 2 * MOST);
        // Each exposure of each device is told once.
        let mut opened = BTreeMap::new();
        for entry in &log {
            let event = decode(&entry.kind, entry.version, &entry.body).unwrap();
            for derived in derive(&event, &view.state.by_index) {
                let (Kind::ExposureOpened, Data::Exposure(data)) = (derived.kind, derived.data) else { continue };
                for device in &data.devices {
                    for advisory in &data.advisories {
                        *opened.entry((device.clone(), advisory.clone())).or_insert(0) += 1;
                    }
                }
            }
        }
        assert_eq!(opened.len(), DEVICES * ADVISORIES);
        assert!(opened.values().all(|times| *times == 1));
        // What the log adds up to stands the same.
        let replayed = shell.view_at(Timestamp::now()).await.unwrap();
        for (id, device) in &view.state.devices {
            assert_eq!(replayed.state.devices[id].stands, device.stands);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_device_that_cannot_be_decided_keeps_what_was_decided_and_keeps_nobody_else_from_it() {
        let shell = shell(BODY_BYTES_MAX).await;
        let server = Actor::server();
        for device in ["a", "b"] {
            shell.tell(&server, Input::Enrol { device: device.into(), name: None }, None).await.unwrap();
            observe(&shell, device, "Rome", "1.0.0").await;
        }
        release(&shell, &["1.0.0", "1.1.0"]).await;
        apply(&shell, POLICY).await;
        shell.evaluate().unwrap();
        shell.settled().await;
        let before = shell.view().board.row(&"a".into()).cloned().unwrap();
        assert!(shell.view().board.failures(&shell.view().state).next().is_none());

        observe(&shell, "a", "where deciding fails", "1.0.0").await;
        observe(&shell, "b", "Rome", "1.1.0").await;
        shell.settled().await;
        let view = shell.view();
        assert_eq!(view.board.row(&"a".into()), Some(&before));
        assert!(view.state.device(&"a".into()).unwrap().published.len() == 1);
        let failed: Vec<_> = view.board.failures(&view.state).map(|(device, _)| device.to_string()).collect();
        assert_eq!(failed, ["a"]);
        // The other one is compliant by now.
        let row = view.board.row(&"b".into()).unwrap();
        assert_eq!(row.slots[0].compliance, refit_core::decide::Compliance::Compliant);

        // What was wrong is put right, and the device is decided again.
        observe(&shell, "a", "Rome", "1.1.0").await;
        shell.settled().await;
        let view = shell.view();
        assert!(view.board.failures(&view.state).next().is_none());
        let row = view.board.row(&"a".into()).unwrap();
        assert_eq!(row.slots[0].compliance, refit_core::decide::Compliance::Compliant);
    }
}
