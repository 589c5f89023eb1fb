//! A device: its clock, its disk, what is really installed, and the agent's machine while it runs.

use super::{rng::Rng, watch::Ledger};
use jiff::{SignedDuration, Timestamp};
use refit_agent::machine::{Clock, Documents, Journal, Machine, Presence, RestartNeeds, Settings};
use refit_model::DeviceId;
use refit_wire::{Digest, Envelope};
use smol_str::SmolStr;
use std::{collections::BTreeMap, time::Duration};

/// One device.
#[derive(Debug)]
pub struct Agent {
    /// Whose history it is: a machine that is put back to an image begins another one.
    pub who: usize,
    /// The device that it believes to be, or will be enrolled as.
    pub device: DeviceId,
    /// What an image holds.
    pub image: Image,
    /// An image that was made of it.
    pub backup: Option<Image>,
    /// How far its clock is ahead, in seconds.
    pub ahead: i64,
    /// How much its clock gains a day, in seconds.
    pub gains: i64,
    /// When its clock was last right but for `ahead`.
    pub since: Timestamp,
    /// When the machine was started last.
    pub booted: Timestamp,
    /// How often it was started.
    pub boots: u64,
    /// What does not run from its new files.
    pub restart: RestartNeeds,
    /// The agent, while it runs.
    pub machine: Option<Machine>,
    /// How often the agent was started: what belongs to an earlier life reaches nobody.
    pub life: u64,
    /// The wake that was asked for last.
    pub wake: Option<(Timestamp, u64)>,
    /// Until when it sleeps.
    pub asleep: Option<Timestamp>,
    /// The package of a release that has silenced it, with the version before, until it is repaired.
    pub silenced: Option<(SmolStr, Option<SmolStr>)>,
    /// Until when nothing can be written to its disk.
    pub full_until: Option<Timestamp>,
    /// The distribution's universe that it gets from.
    pub universe: SmolStr,
    /// The call that is out.
    pub out: Option<u64>,
    /// How it is used.
    pub presence: Presence,
    /// Until when its person complains of a release.
    pub complains_until: Option<Timestamp>,
}

/// What is on a disk.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// The journal, as it was written last.
    pub journal: Option<Journal>,
    /// The journal before that.
    pub journal_before: Option<Journal>,
    /// Documents by their digests.
    pub documents: BTreeMap<Digest, Envelope>,
    /// The certificate's serial number.
    pub serial: SmolStr,
    /// What is installed.
    pub packages: BTreeMap<SmolStr, SmolStr>,
    /// What really happened on it.
    pub ledger: Ledger,
}

/// How long an agent waits between two check-ins at the most.
const MOST_INTERVAL: Duration = Duration::from_secs(12 * 3_600);

/// What is set on every device.
pub fn settings() -> Settings {
    let least_interval = Duration::from_secs(600);
    Settings { agent: "0".into(), least_interval, most_interval: MOST_INTERVAL, ..Settings::default() }
}

impl Agent {
    /// A new device with some installs.
    pub fn new(who: usize, device: DeviceId, rng: &mut Rng, now: Timestamp) -> Agent {
        let mut packages: BTreeMap<SmolStr, SmolStr> = [("editor", "1.0.0"), ("curl", "7.1-1"), ("libc", "2.1-1")]
            .map(|(name, it)| (name.into(), it.into()))
            .into();
        if rng.permille(700) {
            packages.insert("browser".into(), format!("1.{}.0", rng.below(2)).into());
        }
        let image = Image { packages, ..Image::default() };
        Agent::of(who, device, image, format!("debian-{}", rng.below(2)).into(), now)
    }

    /// A device made of a copy of another's disk.
    pub fn copy_of(who: usize, other: &Agent, now: Timestamp) -> Agent {
        Agent::of(who, other.device.clone(), other.image.clone(), other.universe.clone(), now)
    }

    fn of(who: usize, device: DeviceId, image: Image, universe: SmolStr, now: Timestamp) -> Agent {
        Agent {
            who,
            device,
            image,
            backup: None,
            ahead: 0,
            gains: 0,
            since: now,
            booted: now,
            boots: 1,
            restart: RestartNeeds::default(),
            machine: None,
            life: 0,
            wake: None,
            asleep: None,
            silenced: None,
            full_until: None,
            universe,
            out: None,
            presence: Presence::default(),
            complains_until: None,
        }
    }

    /// What its clocks say.
    pub fn clock(&self, now: Timestamp) -> Clock {
        let monotonic = Duration::try_from(now.duration_since(self.booted)).unwrap_or_default();
        Clock { wall: self.wall(now), monotonic: monotonic + Duration::from_secs(100) }
    }

    /// What its wall clock says.
    pub fn wall(&self, now: Timestamp) -> Timestamp {
        let elapsed = now.duration_since(self.since).as_secs();
        let gained = elapsed.saturating_mul(self.gains) / 86_400;
        now.checked_add(SignedDuration::from_secs(self.ahead.saturating_add(gained))).unwrap_or(now)
    }

    /// Its clock is right.
    pub fn set_clock(&mut self, ahead: i64, now: Timestamp) {
        (self.ahead, self.gains, self.since) = (ahead, 0, now);
    }

    /// The agent ends, whatever it was doing.
    pub fn kill(&mut self) {
        self.machine = None;
        self.life += 1;
        self.out = None;
    }

    /// The machine starts again.
    pub fn reboot(&mut self, now: Timestamp) {
        self.kill();
        self.boots += 1;
        self.booted = now;
        self.restart = RestartNeeds::default();
    }

    /// Whether nothing can be written now.
    pub fn is_full(&self, now: Timestamp) -> bool {
        self.full_until.is_some_and(|until| now < until)
    }
}

impl Image {
    /// What a start of the agent finds; `None` where the device is not enrolled.
    pub fn open(&self) -> Result<Option<Machine>, String> {
        let Some(journal) = &self.journal else { return Ok(None) };
        // What is on disk is what can be read back.
        let bytes = serde_json::to_vec(journal).map_err(|error| error.to_string())?;
        let journal: Journal = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
        let of = |digest: Option<Digest>| digest.and_then(|digest| self.documents.get(&digest).cloned());
        let documents = Documents {
            root: of(Some(journal.root.digest)).ok_or("the root that the journal names is not on the disk")?,
            mandate: of(journal.mandate.as_ref().map(|held| held.digest)),
            state: of(journal.state.as_ref().map(|held| held.digest)),
        };
        Machine::new(settings(), journal, documents).map(Some).map_err(|error| error.to_string())
    }

    /// Writes the journal, and forgets documents that it does not name.
    pub fn save(&mut self, journal: &Journal) {
        let named = journal.documents();
        self.journal_before = self.journal.replace(journal.clone());
        self.documents.retain(|digest, _| named.contains(digest));
    }
}
