//! One run: the scheduler, the fake clock, and what lives under them.

use super::{
    agent::Agent,
    config::{Config, Form},
    faults::{Fault, FaultCounts},
    report::{Coverage, Failure, Report, Transitions},
    rng::Rng,
    server::Server,
    sources::Sources,
    store::Store,
    traffic::Message,
    watch::{Violation, Watch},
};
use jiff::{SignedDuration, Timestamp};
use refit_core::control::{Event, PlanId, Refusal};
use refit_model::{DeviceId, TitleId};
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
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
    /// A release has silenced a device, with the version before.
    Silenced(usize, SmolStr, Option<SmolStr>),
    /// A device that a release silenced is repaired: its package is put back to the version before.
    Repaired(usize, SmolStr, Option<SmolStr>),
    /// A person complains of a title, where it still has this version.
    Complain(usize, TitleId, SmolStr),
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
    pub server_ahead: i64,
    pub store: Store,
    /// Whether the server listens: its start is in the log.
    pub listening: bool,
    /// When the server was lost.
    pub lost: Timestamp,
    /// An earlier copy of what is durable.
    pub backup: Option<(Store, BTreeSet<String>)>,
    pub server: Option<Server>,
    pub agents: Vec<Agent>,
    pub sources: Sources,
    pub watch: Watch,
    queue: BTreeMap<(Timestamp, u64), Task>,
    queued: u64,
    pub tick_queued: bool,
    pub decide_queued: bool,
    /// Where it is queued that time alone asks for a decision.
    pub decide_wake: Option<(Timestamp, u64)>,
    /// Nothing goes wrong for now.
    pub calm: bool,
    pub full_until: Option<Timestamp>,
    pub step: u64,
    pub counts: FaultCounts,
    /// Faults since the last event.
    pub lately: BTreeSet<Fault>,
    /// Faults of the last hour.
    pub recent: VecDeque<(Timestamp, Fault)>,
    /// What happened to releases on their way.
    pub transitions: Transitions,
    pub coverage: Coverage,
    pub events: BTreeMap<&'static str, u64>,
    pub device_days: f64,
    pub minted: Rng,
    pub disk: Rng,
    pub people: Rng,
    /// What monitoring says.
    pub monitoring: Rng,
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
        transitions: run.transitions,
        looked: run.watch.looked,
        failure,
    }
}

/// When a run begins: within three weeks clocks are set in the south in September, in the north in October and in March.
pub(crate) fn begins(seed: u64) -> Timestamp {
    let seconds = match seed % 4 {
        0 | 1 => 1_790_000_000,
        // 18 October 2026.
        2 => 1_792_330_000,
        // 10 March 2027.
        _ => 1_804_700_000,
    };
    Timestamp::from_second(seconds).unwrap_or_default()
}

impl Run {
    pub(crate) fn new(config: Config) -> Run {
        let seed = config.seed;
        let now = begins(seed);
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
            sources: Sources::new(seed, now, config.form),
            watch,
            queue: BTreeMap::new(),
            queued: 0,
            tick_queued: false,
            decide_queued: false,
            decide_wake: None,
            calm: false,
            full_until: None,
            step: 0,
            counts: FaultCounts::new(),
            lately: BTreeSet::new(),
            recent: VecDeque::new(),
            transitions: Transitions::default(),
            coverage: Coverage::new(),
            events: BTreeMap::new(),
            device_days: 0.0,
            minted: Rng::stream(seed, "minted"),
            disk: Rng::stream(seed, "disk"),
            people: Rng::stream(seed, "people"),
            monitoring: Rng::stream(seed, "monitoring"),
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
        if run.config.form == Form::Rollouts {
            run.first_people();
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
        let mut drawn = rng(self).permille(chance);
        let rarity = self.config.form.rarity(fault);
        if drawn && rarity > 1 {
            drawn = rng(self).below(rarity) == 0;
        }
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
        self.recent.push_back((self.now, fault));
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
        let end = self.config.days.and_then(|days| self.now.checked_add(SignedDuration::from_hours(24 * days)).ok());
        while self.step < self.config.steps {
            let Some(((at, _), task)) = self.queue.pop_first() else { break };
            if end.is_some_and(|end| at > end) {
                break;
            }
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
            Task::Silenced(agent, package, before) => self.silenced(agent, package, before),
            Task::Repaired(agent, package, before) => self.repaired(agent, package, before),
            Task::Complain(agent, title, version) => self.complain(agent, title, version)?,
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
}
