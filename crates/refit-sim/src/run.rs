//! One run: the scheduler, the fake clock, and what lives under them.

use super::{
    agent::Agent,
    config::Config,
    faults::{Fault, FaultCounts},
    plant::Plant,
    report::{Coverage, Failure, Report},
    rng::Rng,
    server::{Batch, Crash, Server, Weather},
    sources::Sources,
    store::{AppendFault, Store},
    traffic::Message,
    watch::{Violation, Watch},
};
use jiff::{SignedDuration, Timestamp};
use refit_core::control::{Actor, Event, Input, PlanId, Refusal};
use refit_model::DeviceId;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

/// Something that is to happen.
#[derive(Clone, Debug)]
pub(crate) enum Task {
    /// An agent starts.
    Boot(usize),
    /// An agent is woken, as it asked for.
    Wake(usize),
    /// An agent of this life hears something.
    Hear(usize, u64, Box<refit_agent::machine::Input>),
    /// A day on a device.
    Live(usize),
    /// A message arrives.
    Deliver(Box<Message>),
    /// The server looks at the time.
    Tick,
    /// The server begins to decide.
    Decide,
    /// The server tells what it has decided.
    TellDecided,
    /// The server starts again.
    Start {
        /// When it was lost.
        lost: Timestamp,
    },
    /// A source speaks.
    Source,
    /// An operator does something.
    Operate,
    /// Everything calms down, and what is published is compared with what is decided.
    Calm,
}

/// What came of each input of a batch.
pub(crate) type Answers = Vec<Result<Vec<Event>, Refusal>>;

/// Why a run ends early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// An invariant does not hold.
    Violation(Violation),
}

impl From<Violation> for Stop {
    fn from(violation: Violation) -> Stop {
        Stop::Violation(violation)
    }
}

impl From<String> for Stop {
    /// What can't be read or applied does not replay.
    fn from(found: String) -> Stop {
        Stop::Violation(Violation { invariant: super::watch::Invariant::ReplaysAlike, found })
    }
}

/// One run.
pub(crate) struct Run {
    pub config: Config,
    pub now: Timestamp,
    /// How far the server's clock is ahead, in seconds.
    server_ahead: i64,
    pub store: Store,
    /// Whether the server listens: its start is in the log.
    listening: bool,
    /// When the server was lost.
    lost: Timestamp,
    /// An earlier copy of what is durable.
    backup: Option<(Store, BTreeSet<String>)>,
    pub server: Option<Server>,
    pub agents: Vec<Agent>,
    pub sources: Sources,
    pub watch: Watch,
    queue: BTreeMap<(Timestamp, u64), Task>,
    queued: u64,
    tick_queued: bool,
    decide_queued: bool,
    /// Nothing goes wrong for now.
    pub calm: bool,
    pub full_until: Option<Timestamp>,
    pub step: u64,
    pub counts: FaultCounts,
    /// Faults since the last event.
    pub lately: BTreeSet<Fault>,
    coverage: Coverage,
    events: BTreeMap<&'static str, u64>,
    device_days: f64,
    pub minted: Rng,
    pub disk: Rng,
    pub people: Rng,
    pub network: Rng,
    pub devices: Rng,
    pub look: Rng,
    /// Receipts that a server acknowledged.
    pub delivered: BTreeSet<(DeviceId, smol_str::SmolStr)>,
    /// Receipts that counted in a log that was lost.
    pub excused: BTreeSet<(DeviceId, smol_str::SmolStr)>,
    /// What has to be in the log before anybody is answered is not there yet; whether the log came from a backup.
    pub door_due: Option<bool>,
    /// The newest root that was signed.
    pub signed_roots: u64,
    /// The newest mandate that was signed.
    pub signed_mandates: u64,
    /// The next number of a plan, a token, a person.
    pub numbers: u64,
}

/// Runs a simulation to its end, or to the first invariant that does not hold.
pub fn simulate(config: Config) -> Report {
    let mut run = Run::new(config);
    let ended = run.finish();
    let failure = ended.err().map(|Stop::Violation(violation)| Failure { step: run.step, violation });
    let mut log = String::new();
    for entry in &run.store.entries {
        let body = String::from_utf8_lossy(&entry.body);
        let _ = writeln!(log, "{} {} {} {} {} {body}", entry.seq, entry.at, entry.actor, entry.kind, entry.version);
    }
    Report {
        config: run.config,
        log,
        store: run.store,
        steps: run.step,
        device_days: run.device_days,
        faults: run.counts,
        events: run.events,
        coverage: run.coverage,
        looked: run.watch.looked,
        failure,
    }
}

impl Run {
    pub(crate) fn new(config: Config) -> Run {
        let seed = config.seed;
        let now: Timestamp = Timestamp::from_second(1_790_000_000).unwrap_or_default();
        let mut watch = Watch { only: config.only, ..Watch::default() };
        super::operators::introduce(&mut watch.truth);
        let mut run = Run {
            now,
            server_ahead: 0,
            listening: false,
            lost: now,
            store: Store::default(),
            backup: None,
            server: None,
            agents: Vec::new(),
            sources: Sources::new(seed, now),
            watch,
            queue: BTreeMap::new(),
            queued: 0,
            tick_queued: false,
            decide_queued: false,
            calm: false,
            full_until: None,
            step: 0,
            counts: FaultCounts::new(),
            lately: BTreeSet::new(),
            coverage: Coverage::new(),
            events: BTreeMap::new(),
            device_days: 0.0,
            minted: Rng::stream(seed, "minted"),
            disk: Rng::stream(seed, "disk"),
            people: Rng::stream(seed, "people"),
            network: Rng::stream(seed, "network"),
            devices: Rng::stream(seed, "devices"),
            look: Rng::stream(seed, "look"),
            delivered: BTreeSet::new(),
            excused: BTreeSet::new(),
            door_due: None,
            signed_roots: 0,
            signed_mandates: 0,
            numbers: 0,
            config,
        };
        run.after(0, Task::Start { lost: now });
        for number in 0..run.config.devices {
            run.new_agent(number);
        }
        run.after(60, Task::Source);
        run.after(7_200, Task::Operate);
        run
    }

    /// Queues something so many seconds from now; its place in the queue.
    pub fn after(&mut self, seconds: i64, task: Task) -> (Timestamp, u64) {
        let at = self.now.checked_add(SignedDuration::from_secs(seconds.max(0))).unwrap_or(self.now);
        self.queued += 1;
        self.queue.insert((at, self.queued), task);
        (at, self.queued)
    }

    /// Something is not to happen any more.
    pub fn never_mind(&mut self, place: (Timestamp, u64)) {
        self.queue.remove(&place);
    }

    /// Whether a fault happens now, which has so many chances in a thousand.
    pub fn fault(&mut self, fault: Fault, chance: u64, rng: fn(&mut Run) -> &mut Rng) -> bool {
        // The stream is drawn from in any case, so that leaving a fault out leaves the others where they are.
        let drawn = rng(self).permille(chance);
        let happens = drawn && !self.calm && self.config.faults.contains(&fault);
        if happens {
            self.happened(fault);
        }
        happens
    }

    /// Counts a fault.
    pub fn happened(&mut self, fault: Fault) {
        *self.counts.entry(fault).or_default() += 1;
        self.lately.insert(fault);
    }

    /// What the server's clock says.
    pub fn server_now(&self) -> Timestamp {
        self.now.checked_add(SignedDuration::from_secs(self.server_ahead)).unwrap_or(self.now)
    }

    /// A number that was not given before.
    pub fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// An id that sorts anywhere among others.
    pub fn plan_id(&mut self) -> PlanId {
        let (number, text) = (self.number(), self.minted.next());
        PlanId::new(format!("{:04x}-{number}", text & 0xffff))
    }

    fn finish(&mut self) -> Result<(), Stop> {
        while self.step < self.config.steps {
            let Some(((at, _), task)) = self.queue.pop_first() else { break };
            let managed = self.watch.fold.managed() as f64;
            self.device_days += managed * at.duration_since(self.now).as_secs() as f64 / 86_400.0;
            self.now = at;
            self.step += 1;
            self.take(task)?;
            if self.step.is_multiple_of(self.config.replay_every)
                && let Some(server) = &self.server
            {
                self.watch.replays(&self.store, &server.state)?;
            }
        }
        self.calm_down()
    }

    fn take(&mut self, task: Task) -> Result<(), Stop> {
        match task {
            Task::Boot(agent) => self.boot(agent)?,
            Task::Wake(agent) => self.wake(agent)?,
            Task::Hear(agent, life, input) => self.hear(agent, life, *input)?,
            Task::Live(agent) => self.live(agent),
            Task::Deliver(message) => self.deliver(*message)?,
            Task::Tick => {
                self.tick_queued = false;
                self.tick()?;
            }
            Task::Decide => {
                self.decide_queued = false;
                self.decide()?;
            }
            Task::TellDecided => self.tell_decided()?,
            Task::Start { lost } => self.start(lost)?,
            Task::Source => self.source()?,
            Task::Operate => self.operate()?,
            Task::Calm => self.calm_down()?,
        }
        Ok(())
    }

    /// Gives the server inputs as one batch. `None`: nobody can say what came of it.
    pub fn give(&mut self, inputs: Vec<(Actor, Input)>) -> Result<Option<Answers>, Stop> {
        let weather = self.weather();
        let (now, plant) = (self.server_now(), self.config.plant);
        let Some(server) = &mut self.server else { return Ok(None) };
        let batch = server.batch(&mut self.store, inputs, now, weather, plant)?;
        self.after_batch(batch)
    }

    /// What goes wrong with the next batch.
    fn weather(&mut self) -> Weather {
        let mut weather = Weather::FAIR;
        if self.fault(Fault::DiskFull, 2, |run| &mut run.disk) {
            let hours = self.disk.between(1, 12);
            self.full_until = self.now.checked_add(SignedDuration::from_hours(hours)).ok();
        }
        if self.full_until.is_some_and(|until| until > self.now) && !self.calm {
            self.lately.insert(Fault::DiskFull);
            weather.append = AppendFault::Fails;
        } else if self.fault(Fault::AppendFails, 15, |run| &mut run.disk) {
            weather.append = AppendFault::Fails;
        } else if self.fault(Fault::AckLost, 15, |run| &mut run.disk) {
            weather.append = AppendFault::AckLost;
        }
        if self.fault(Fault::CrashBeforeAppend, 6, |run| &mut run.disk) {
            weather.crash = Crash::BeforeAppend;
        } else if self.fault(Fault::CrashAfterAppend, 6, |run| &mut run.disk) {
            weather.crash = Crash::AfterAppend;
        } else if self.fault(Fault::CrashBeforeEffects, 6, |run| &mut run.disk) {
            weather.crash = Crash::BeforeEffects;
        }
        weather
    }

    fn after_batch(&mut self, batch: Batch) -> Result<Option<Answers>, Stop> {
        self.look_at_new_entries()?;
        match batch {
            Batch::Done(answers) => {
                self.store.lease = Some(self.server_now());
                let events: Vec<&Event> = answers.iter().flatten().flatten().collect();
                self.acknowledged_is_durable(&events)?;
                let gathering = self.server.as_ref().and_then(|server| server.presence_due());
                if gathering.is_some() && !self.tick_queued {
                    self.tick_queued = true;
                    self.after(900, Task::Tick);
                }
                let decides = self.server.as_ref();
                let decides = decides.is_some_and(|server| server.decided.is_empty() && server.state.policy.is_some());
                if decides && !self.decide_queued {
                    self.decide_queued = true;
                    self.after(5, Task::Decide);
                }
                Ok(Some(answers))
            }
            Batch::Failed => Ok(None),
            Batch::Crashed => {
                self.crash();
                Ok(None)
            }
        }
    }

    /// What was acknowledged is durable: the newest events of the log are the ones that the batch said.
    fn acknowledged_is_durable(&mut self, events: &[&Event]) -> Result<(), Stop> {
        let newest = self.store.entries.iter().skip(self.store.entries.len().saturating_sub(events.len()));
        let missing = newest.zip(events).find(|(entry, event)| entry.event().as_ref() != Ok(**event));
        let found = missing.map(|(_, event)| format!("`{}` was acknowledged and is not in the log", event.kind()));
        self.watch.judge(super::watch::Invariant::AcknowledgedIsDurable, found)?;
        Ok(())
    }

    fn look_at_new_entries(&mut self) -> Result<(), Stop> {
        let known = self.store.entries.partition_point(|entry| entry.seq <= self.watch.fold.seq);
        let new: Vec<_> = self.store.entries.iter().skip(known).cloned().collect();
        for entry in new {
            let event = entry.event()?;
            *self.events.entry(entry.kind).or_default() += 1;
            for fault in std::mem::take(&mut self.lately) {
                *self.coverage.entry((entry.kind, fault)).or_default() += 1;
            }
            self.lease_outlives_session(&event)?;
            self.watch.entry(&entry, &event, &self.store)?;
            match &event {
                Event::DeviceEnrolled(enrolled) => self.watch.heard.enrolled(&enrolled.device, entry.at),
                // It was heard although nobody may have said so: the answer to a batch can be lost.
                Event::DeviceObserved(observed) if observed.check_in.is_some() => {
                    self.watch.heard.heard(&observed.device, entry.at);
                }
                Event::PersonErased(erased) => self.sources.erased(&erased.person, &mut self.watch.truth),
                Event::PresenceSeen(seen) => {
                    let Some(server) = &self.server else { continue };
                    let ids =
                        seen.devices.iter().filter_map(|index| server.state.by_index.get(index as usize).cloned());
                    let ids: Vec<_> = ids.collect();
                    if server.state.seq >= entry.seq {
                        let found = self.watch.heard.downtime_is_no_absence(&server.state, &ids, seen.to);
                        self.watch.judge(super::watch::Invariant::DowntimeIsNoAbsence, found)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Looks at the device whose lease was given back.
    fn lease_outlives_session(&mut self, event: &Event) -> Result<(), Stop> {
        let Event::LeaseReturned(returned) = event else { return Ok(()) };
        let agents: Vec<_> = self.agents.iter().filter(|it| Some(&it.device) == returned.holder.device()).collect();
        let spec = self.watch.fold.policy.as_ref().and_then(|(_, _, files)| self.watch.truth.specs.get(files));
        let watch = &self.watch;
        let found = spec.and_then(|spec| watch.leases.outlives_session(event, &agents, &watch.truth, spec, self.now));
        self.watch.judge(super::watch::Invariant::LeaseOutlivesSession, found)?;
        Ok(())
    }

    /// The server is gone, and comes back after a while.
    pub fn crash(&mut self) {
        if self.server.take().is_none() {
            return;
        }
        self.watch.heard.lost();
        // It renews its lease every few seconds for as long as it lives, and not before its start is written.
        if std::mem::take(&mut self.listening) {
            self.store.lease = Some(self.server_now());
        }
        let long = self.fault(Fault::LongDowntime, 150, |run| &mut run.disk);
        let seconds = if long { self.disk.between(86_400, 8 * 86_400) } else { self.disk.between(5, 1_800) };
        self.lost = self.server_now();
        self.after(seconds, Task::Start { lost: self.lost });
    }

    fn start(&mut self, lost: Timestamp) -> Result<(), Stop> {
        if self.server.is_some() {
            return Ok(());
        }
        let mut elsewhere = false;
        if self.fault(Fault::Restore, 60, |run| &mut run.disk)
            && let Some((backup, erased)) = self.backup.clone()
        {
            // What devices reported since is lost with the log; they are not told. An erasure is lost with it too.
            let contents = std::mem::replace(&mut self.store, backup).contents;
            self.store.contents.extend(contents);
            self.watch.truth.erased = erased;
            self.excused.extend(self.watch.fold.receipts.iter().cloned());
            self.delivered.clear();
            self.watch.restored(&self.store, self.server_now())?;
            elsewhere = true;
        }
        if self.fault(Fault::ServerClockSteps, 150, |run| &mut run.disk) {
            self.server_ahead = self.disk.between(-2_400, 2_400);
        }
        let server = Server::open(&mut self.store, self.config.plant)?;
        self.server = Some(server);
        let now = self.server_now();
        let alive_until = match self.config.plant {
            Some(Plant::DowntimeHidden) => Some(now),
            _ if elsewhere => None,
            _ => self.store.lease,
        };
        self.watch.heard.downtimes.push((lost, now));
        let start = Input::Start { program: "0.1.0".into(), alive_until };
        if self.give(vec![(Actor::server(), start)])?.is_none() {
            // A server that can't write its start does not begin to listen.
            self.crash();
        }
        self.listening = self.server.is_some();
        let elsewhere = elsewhere || self.door_due.take().unwrap_or(false);
        if self.server.is_none() {
            self.door_due = Some(elsewhere);
            return Ok(());
        }
        self.open_door(elsewhere)
    }

    fn tick(&mut self) -> Result<(), Stop> {
        let due = self.server.as_ref().and_then(|server| server.presence_due());
        if due.is_none_or(|due| due > self.server_now().max(self.watch.fold.at.unwrap_or_default())) {
            return Ok(());
        }
        let done = self.give(vec![(Actor::server(), Input::Tick)])?;
        if done.is_none() {
            self.after(300, Task::Tick);
        }
        if self.look.permille(100)
            && let Some(server) = &self.server
        {
            self.store.snapshot(&server.state)?;
            if self.look.permille(300) {
                self.backup = Some((self.store.clone(), self.watch.truth.erased.clone()));
            }
        }
        Ok(())
    }

    /// Decides some devices; where none is left, rollouts go on. Whether there was something to do.
    fn decide(&mut self) -> Result<bool, Stop> {
        let (now, plant) = (self.server_now(), self.config.plant);
        let Some(server) = &mut self.server else { return Ok(false) };
        if !server.decided.is_empty() {
            return Ok(true);
        }
        server.decide(now, 16, plant);
        if server.decided.is_empty() {
            let look = server.direct(now, plant);
            if !look.inputs.is_empty() {
                let inputs = look.inputs.into_iter().map(|input| (Actor::server(), input)).collect();
                if self.give(inputs)?.is_none() {
                    self.after(60, Task::Decide);
                }
                return Ok(true);
            }
            if let Some(wake) = server.board.wake().into_iter().chain(look.next).min() {
                let seconds = wake.duration_since(now).as_secs().clamp(1, 40 * 86_400);
                self.after(seconds + 1, Task::Decide);
            }
            return Ok(false);
        }
        for evaluation in &server.decided {
            if !self.look.permille(120) {
                continue;
            }
            let horizon = evaluation.next_change.map_or(20 * 86_400, |at| at.duration_since(evaluation.at).as_secs());
            let at = evaluation
                .at
                .checked_add(SignedDuration::from_secs(self.look.between(0, horizon.clamp(0, 60 * 86_400))));
            let Ok(at) = at else { continue };
            let found = super::watch::nothing_changes_early(&mut server.evaluator, &server.state, evaluation, at);
            self.watch.judge(super::watch::Invariant::NothingChangesEarly, found)?;
        }
        if self.fault(Fault::CrashWhileDeciding, 10, |run| &mut run.disk) {
            self.crash();
            return Ok(true);
        }
        let later = self.fault(Fault::StaleDecision, 60, |run| &mut run.disk);
        let seconds = if later { self.disk.between(600, 7_200) } else { 0 };
        self.after(seconds, Task::TellDecided);
        Ok(true)
    }

    fn tell_decided(&mut self) -> Result<(), Stop> {
        let plan = self.plan_id();
        let weather = self.weather();
        let (now, plant) = (self.server_now(), self.config.plant);
        let Some(server) = self.server.as_mut().filter(|server| !server.decided.is_empty()) else { return Ok(()) };
        // What was decided on something that has changed since is dropped, and counts for nothing.
        let state = &server.state;
        let counts = |evaluation: &&refit_core::control::Evaluation| {
            let revised = state.device(&evaluation.device).map(|record| state.revised_for(record));
            revised.is_some_and(|revised| revised.max(state.revised_for_all()) <= evaluation.basis)
        };
        let counted: Vec<_> = server.decided.iter().filter(counts).cloned().collect();
        let batch = server.tell_decided(&mut self.store, plan, now, weather, plant)?;
        if matches!(batch, Batch::Done(_)) {
            self.watch.decided(&server.state, &counted)?;
        }
        if self.after_batch(batch)?.is_none() {
            self.after(600, Task::Decide);
        }
        Ok(())
    }

    /// Faults stop, the brake is released, everything is said again, and all is decided: now what is published has to be what
    /// is decided, and nothing may be lost.
    fn calm_down(&mut self) -> Result<(), Stop> {
        self.calm = true;
        let result = self.calmly();
        self.calm = false;
        result
    }

    fn calmly(&mut self) -> Result<(), Stop> {
        if self.server.is_none() {
            self.start(self.lost)?;
        }
        self.give(vec![(Actor::server(), Input::GoOn { why: "calm".into() })])?;
        self.everybody_reports()?;
        self.everything_is_decided()?;
        // What was decided is done, as far as it may be done now, and reported.
        self.everybody_reports()?;
        self.agents_follow()?;
        self.everything_is_decided()?;
        let now = self.server_now();
        if let Some(server) = &self.server {
            // Every device is looked at here: what looks out for changes is held to it.
            let unsettled = server.board.due(&server.state, now.max(server.state.clock), 1);
            let found = unsettled.first().map(|device| format!("{device} never settles"));
            self.watch.judge(super::watch::Invariant::SettledIsDecided, found)?;
            self.watch.settled(&server.state, now)?;
            self.watch.replays(&self.store, &server.state)?;
        }
        Ok(())
    }

    fn everything_is_decided(&mut self) -> Result<(), Stop> {
        for _ in 0..200 {
            if !self.decide()? {
                break;
            }
            self.tell_decided()?;
        }
        Ok(())
    }

    /// Whoever may come holds what it was told last, and has told everything; what a server acknowledged is in the log.
    fn agents_follow(&mut self) -> Result<(), Stop> {
        let (now, receipts) = (self.server_now(), &self.watch.fold.receipts);
        let Some(server) = &self.server else { return Ok(()) };
        let state = &server.state;
        let (mut behind, mut untold) = (None, None);
        for agent in &self.agents {
            let Some(journal) = &agent.image.journal else { continue };
            let record = state.device(&agent.device).filter(|record| record.quarantined.is_none());
            let counts = state.agents.certificate(&agent.device, &agent.image.serial, now).is_some();
            if record.is_none() || !counts {
                continue;
            }
            let held = journal.state.as_ref().map(|held| held.digest);
            if agent.image.ledger.last().is_none() || held != agent.image.ledger.last() || !journal.receipts.is_empty()
            {
                let problems: Vec<_> = journal.problems.iter().map(|it| format!("{}: {}", it.code, it.what)).collect();
                behind = behind.or_else(|| {
                    Some(format!(
                        "{} holds {held:?}, and was told {:?}; {} receipts; {problems:?}",
                        agent.device,
                        agent.image.ledger.last(),
                        journal.receipts.len()
                    ))
                });
            }
            let counted = |id: &smol_str::SmolStr| {
                let of = (agent.device.clone(), id.clone());
                receipts.contains(&of) || self.excused.contains(&of)
            };
            let found = agent.image.ledger.untold(Some(journal), counted);
            untold = untold.or_else(|| found.map(|found| format!("{}: {found}", agent.device)));
        }
        let lost = self.delivered.iter().find(|of| !receipts.contains(of));
        let lost = lost.map(|(device, id)| format!("receipt {id} of {device} was acknowledged and never counted"));
        self.watch.judge(super::watch::Invariant::AgentsFollow, behind)?;
        self.watch.judge(super::watch::Invariant::ChangesAreTold, untold)?;
        self.watch.judge(super::watch::Invariant::ReceiptsArrive, lost)?;
        Ok(())
    }
}
