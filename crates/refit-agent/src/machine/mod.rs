//! The agent's machine: what a device does of what its server asks for, and why not.
//!
//! It is pure. [`Machine::step`] takes an [`Input`] and the time, and returns [`Effect`]s; a shell carries them out, and hands
//! back what came of them as further inputs. No IO, no clock, no randomness: a simulator drives the machine that runs on
//! devices.
//!
//! How to drive it:
//! 1. Make one with [`Machine::new`] from what is on disk ([`Journal`] and documents), or with [`Machine::enrolled`].
//! 2. Step it with [`Input::Started`] first.
//! 3. Carry out the effects of each step in their order, and hand in the answer of each that has one. Other inputs may come in
//!    between.
//! 4. After [`Effect::Wake`], step with [`Input::Presence`] and [`Input::Woken`] at that time at the latest.
//!
//! A machine may die between any two effects. Another one, made from what was on disk then, goes on from there.
//!
//! The files: [`trust`] is what is believed and what time it is, `exchange` the conversation with the server, [`timing`] when a
//! directive may go, [`session`] one change from its simulation to its receipts, `restart` restarts, `report` what the
//! server and people are told, `first_seen` since when versions are offered.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod effect;
mod exchange;
mod first_seen;
mod input;
mod job;
mod journal;
mod report;
mod restart;
pub mod session;
mod status;
pub mod timing;
pub mod trust;

pub use effect::{Ask, Change, Effect, Kind, NoticeItem, Severity, Telling};
pub use input::{
    CannotDo, Clock, Failure, Input, Observed, OfferedPackage, PersonSaid, Presence, Reading, RestartNeeds,
};
pub use job::Job;
pub use journal::{
    Blocked, CheckIns, FORM, FirstSeen, Held, HoldSeen, Journal, KnownProblem, PendingRestart, Progress, SaidHere,
    Usage,
};
pub use report::Complaint;
pub use status::Status;

use exchange::Exchange;
use jiff::{SignedDuration, Timestamp};
use refit_model::DeviceId;
use refit_wire::{
    Digest, Envelope, Mandate, Root, State,
    protocol::{Inventory, Want},
    root::{RootError, SignedBy},
};
use smol_str::SmolStr;
use std::time::Duration;
use trust::Trust;

/// What is set on the device itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The agent's version.
    pub agent: SmolStr,
    /// The shortest time between two check-ins, whatever the server says.
    pub least_interval: Duration,
    /// The longest time between two check-ins, whatever the server says.
    pub most_interval: Duration,
    /// How old package lists may be.
    pub lists_age: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            agent: env!("CARGO_PKG_VERSION").into(),
            least_interval: Duration::from_secs(10),
            most_interval: Duration::from_secs(3_600),
            lists_age: Duration::from_secs(4 * 3_600),
        }
    }
}

/// Documents as they were found on disk.
#[derive(Clone, Debug, PartialEq)]
pub struct Documents {
    /// The root that the journal names.
    pub root: Envelope,
    /// The mandate that the journal names; `None` is fetched again.
    pub mandate: Option<Envelope>,
    /// The state that the journal names; `None` is fetched again.
    pub state: Option<Envelope>,
}

/// Why there is no machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DamagedError {
    /// The journal is of a newer program.
    #[error(
        "the journal is of form {found}, and this program writes form {FORM}: it was written by a newer refit-agent"
    )]
    Form {
        /// The form that it has.
        found: u32,
    },
    /// The root is not the one that the journal names.
    #[error("the root that is stored is not the trusted one: {0}. Enrol the device again, with a new token")]
    Root(#[from] RootError),
}

/// The agent's machine.
#[derive(Debug)]
pub struct Machine {
    settings: Settings,
    journal: Journal,
    trust: Trust,
    /// Unset until [`Input::Started`].
    life: Option<Life>,
    /// What the present step wants done.
    step: Step,
}

/// What a machine knows in one life, and need not remember.
#[derive(Debug)]
struct Life {
    random: [u8; 16],
    drawn: u64,
    presence: Presence,
    /// When presence was last heard of.
    presence_at: Option<Duration>,
    inventory: Option<Inventory>,
    /// Whether packages have been changed since the inventory was read.
    stale: bool,
    /// When the server last confirmed a state, or the start of this life.
    heard: Duration,
    /// What the server has agreed upon, so that only changes are said.
    agreed: Option<Inventory>,
    restart: RestartNeeds,
    want: Want,
    exchange: Exchange,
    calls: u64,
    next_check_in: Duration,
    /// How often the next check-in may follow at once, because somebody waits for it.
    hurry: u8,
    unanswered: u32,
    /// Why the server was not reached last; `None` since it was.
    unreached: Option<String>,
    /// Whether something was refused or has failed since a check-in was last wanted.
    refused: bool,
    renewal: bool,
    /// Not before this is a session begun again, after the package manager was busy.
    quiet_until: Option<Timestamp>,
    /// Use that has not been written to disk.
    unsaved_use: u64,
    /// The session that was found in the journal, and has to be looked at.
    resumed: Option<u64>,
    /// When the machine was last told to restart.
    restarted: Option<Duration>,
}

#[derive(Debug, Default)]
struct Step {
    keeps: Vec<Effect>,
    effects: Vec<Effect>,
    /// Whether the journal has to be written.
    changed: bool,
    wakes: Vec<Timestamp>,
}

impl Machine {
    /// The machine of a device that has just enrolled. `root` is the one whose fingerprint the token names.
    ///
    /// The first step keeps the root and writes the journal.
    pub fn enrolled(
        settings: Settings,
        device: DeviceId,
        root: &Envelope,
        fingerprint: Digest,
        now: Timestamp,
    ) -> Result<Machine, RootError> {
        let trusted = Root::pinned(root, fingerprint)?;
        let journal = Journal::enrolled(device, &trusted, root, now);
        let mut machine = Machine::of(settings, journal, trusted, None, None);
        machine.step.keeps.push(Effect::Keep(Kind::Root, root.clone()));
        machine.step.changed = true;
        Ok(machine)
    }

    /// The machine of what is on disk.
    pub fn new(settings: Settings, journal: Journal, documents: Documents) -> Result<Machine, DamagedError> {
        if journal.form != FORM {
            return Err(DamagedError::Form { found: journal.form });
        }
        let root = Root::pinned(&documents.root, journal.root.digest)?;
        // What the journal names was believed when it was kept; the root may have changed since, and asks for other signatures.
        let signed = journal.newest_signed;
        let named = journal.mandate.as_ref().map(|held| held.digest);
        let mandate = kept::<Mandate>(&root, documents.mandate.as_ref(), named, signed);
        let named = journal.state.as_ref().map(|held| held.digest);
        let state = kept::<State>(&root, documents.state.as_ref(), named, signed);
        Ok(Machine::of(settings, journal, root, mandate, state))
    }

    fn of(settings: Settings, journal: Journal, root: Root, mandate: Option<Mandate>, state: Option<State>) -> Machine {
        let trust = Trust { root, mandate, state, anchor: None, newest_lease_until: None, lease_until: None };
        Machine { settings, journal, trust, life: None, step: Step::default() }
    }

    /// What has to be on disk.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The mandate that is believed.
    pub fn mandate(&self) -> Option<&Mandate> {
        self.trust.mandate.as_ref()
    }

    /// The state that is believed.
    pub fn state(&self) -> Option<&State> {
        self.trust.state.as_ref()
    }

    /// The root that is trusted.
    pub fn root(&self) -> &Root {
        &self.trust.root
    }

    /// What the machine does with an input. Before [`Input::Started`] it does nothing.
    pub fn step(&mut self, input: Input, now: Clock) -> Vec<Effect> {
        match (input, self.life.is_some()) {
            (Input::Started { random, boot }, false) => self.start(random, boot, now),
            (Input::Started { .. }, true) | (_, false) => return Vec::new(),
            (Input::Woken, _) => {}
            (Input::CheckInNow, _) => {
                self.set_next_check_in(now.monotonic);
                if let Some(life) = &mut self.life {
                    life.hurry = HURRY;
                    life.refused = false;
                }
            }
            (Input::Presence(presence), _) => self.note_presence(presence, now),
            (Input::Answered { call, result }, _) => self.answered(call, result, now),
            (Input::Inventory(result), _) => self.note_inventory(result, now),
            (Input::Simulated { session, result }, _) => self.simulated(session, result, now),
            (Input::Observed { session, result }, _) => self.observed(session, result, now),
            (Input::Person(said), _) => self.person_said(said, now),
        }
        self.note_silence(now);
        self.begin_exchange(now);
        self.begin_session(now);
        self.show_answers();
        self.consider_restart(now);
        self.wake(now);
        self.finish_step()
    }

    fn start(&mut self, random: [u8; 16], boot: SmolStr, now: Clock) {
        self.life = Some(Life {
            random,
            drawn: 0,
            presence: Presence::default(),
            presence_at: None,
            inventory: None,
            stale: false,
            heard: now.monotonic,
            agreed: None,
            restart: RestartNeeds::default(),
            want: Want::Nothing,
            exchange: Exchange::Idle,
            calls: 0,
            next_check_in: now.monotonic,
            hurry: 0,
            unanswered: 0,
            unreached: None,
            refused: false,
            renewal: false,
            quiet_until: None,
            unsaved_use: 0,
            resumed: None,
            restarted: None,
        });
        if self.journal.boot != boot {
            self.journal.boot = boot;
            self.step.changed = true;
        }
        self.resume_session(now);
    }

    fn set_next_check_in(&mut self, at: Duration) {
        if let Some(life) = &mut self.life {
            life.next_check_in = at;
        }
    }

    /// Whether somebody waits for the next check-in; a server can't make use of it more than a few times.
    fn hurries(&mut self) -> bool {
        let Some(life) = &mut self.life else { return false };
        let hurries = life.hurry > 0;
        life.hurry = life.hurry.saturating_sub(1);
        hurries
    }

    /// A number below `most`, from the random bytes of this life.
    fn draw(&mut self, most: u64) -> u64 {
        let number = self.draw_name();
        u64::from_str_radix(number.get(..16).unwrap_or_default(), 16).unwrap_or_default() % most.max(1)
    }

    /// What names a check-in, so that those of a copy are others.
    fn draw_link(&mut self) -> u32 {
        u32::try_from(self.draw(1 << 32)).unwrap_or_default()
    }

    /// A name that nobody else draws.
    fn draw_name(&mut self) -> SmolStr {
        let Some(life) = &mut self.life else { return SmolStr::default() };
        life.drawn += 1;
        let digest = Digest::of(&[&life.random[..], &life.drawn.to_be_bytes()].concat()).to_string();
        digest.get(..32).unwrap_or_default().into()
    }

    fn emit(&mut self, effect: Effect) {
        self.step.effects.push(effect);
    }

    /// When the machine wants to be woken.
    fn wake(&mut self, now: Clock) {
        let Some(life) = &self.life else { return };
        let check_in = life.next_check_in.saturating_sub(now.monotonic);
        // An answer comes first where one is awaited.
        let check_in = if life.exchange == Exchange::Idle { check_in } else { self.settings.most_interval };
        let moments = self.step.wakes.iter().filter(|at| **at > now.wall).map(|at| between(now.wall, *at));
        let soonest = moments.chain([check_in]).min().unwrap_or(check_in);
        // Rounded up to a whole second: waking too early achieves nothing.
        let soonest = Duration::from_secs(soonest.as_secs() + u64::from(soonest.subsec_nanos() > 0)).max(SECOND);
        self.emit(Effect::Wake(soonest));
    }

    fn finish_step(&mut self) -> Vec<Effect> {
        let Step { mut keeps, effects, changed, .. } = std::mem::take(&mut self.step);
        if changed || !keeps.is_empty() {
            keeps.push(Effect::Save);
        }
        keeps.extend(effects);
        keeps
    }
}

/// How often check-ins follow upon each other at once, after [`Input::CheckInNow`].
const HURRY: u8 = 3;
const SECOND: Duration = Duration::from_secs(1);

/// A document that the journal names, from the bytes on disk, where enough keys of the root have signed it. When those end that do
/// is in the journal.
fn kept<T: SignedBy>(root: &Root, envelope: Option<&Envelope>, digest: Option<Digest>, at: Timestamp) -> Option<T> {
    let envelope = envelope.filter(|envelope| Some(envelope.digest()) == digest)?;
    root.open(envelope, at).ok()
}

fn between(from: Timestamp, to: Timestamp) -> Duration {
    to.duration_since(from).try_into().unwrap_or_default()
}

fn after(at: Timestamp, seconds: u64) -> Timestamp {
    let span = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
    at.checked_add(span).unwrap_or(Timestamp::MAX)
}

fn before(at: Timestamp, seconds: u64) -> Timestamp {
    let span = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
    at.checked_sub(span).unwrap_or(Timestamp::MIN)
}

/// At most so many characters of something that others wrote.
fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
