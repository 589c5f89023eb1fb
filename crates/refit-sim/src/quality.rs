//! What releases do to devices: most are good, some fail, some silence a device, of some people complain, and some crash, which only
//! monitoring sees; on many devices, on few, or only on one model.

use super::{
    rng::Rng,
    run::{Run, Stop, Task},
};
use jiff::SignedDuration;
use refit_agent::machine::{Complaint, Input, PersonSaid};
use refit_model::{DeviceId, TitleId};
use smol_str::SmolStr;

/// How many models of devices there are.
pub const MODELS: u64 = 4;

/// What a release does where it is bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breaks {
    /// It can't be installed.
    Installing,
    /// It is installed, and nothing is heard of the device any more; of some before they say so.
    Silently,
    /// It is installed, and people say that something is broken.
    Complaints,
    /// It is installed, and monitoring sees that something crashes.
    Crashes,
}

/// How bad a release is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quality {
    /// What it does.
    pub breaks: Breaks,
    /// On how many of a thousand devices.
    pub permille: u64,
    /// The only model on which it does that.
    pub model: Option<u64>,
}

impl Quality {
    /// How bad the next release of a vendor is; `None`: it is good.
    pub fn draw(rng: &mut Rng) -> Option<Quality> {
        if !rng.permille(350) {
            return None;
        }
        let all = [Breaks::Installing, Breaks::Silently, Breaks::Complaints, Breaks::Crashes];
        let breaks = *rng.pick(&all).unwrap_or(&Breaks::Installing);
        let permille = *rng.pick(&[10, 20, 50, 200, 1_000, 1_000]).unwrap_or(&1_000);
        let model = rng.permille(200).then(|| rng.below(MODELS));
        Some(Quality { breaks, permille, model })
    }

    /// Whether it does it everywhere.
    pub fn breaks_all(self) -> bool {
        self.permille >= 1_000 && self.model.is_none()
    }

    /// Whether it does it on a device: each time the same.
    pub fn breaks_on(self, device: &DeviceId, title: &TitleId, version: &str) -> bool {
        let here = self.model.is_none_or(|model| model == self::model(device));
        here && Rng::stream(0, &format!("{device} {title} {version}")).permille(self.permille)
    }
}

/// The model of a device.
pub fn model(device: &DeviceId) -> u64 {
    Rng::stream(0, device.as_str()).below(MODELS)
}

/// The platforms of devices: what a gate finds on one says nothing of the other.
pub const PLATFORMS: [&str; 2] = ["linux", "windows"];

/// The platform that a device says it is of. What it runs on is simulated alike on all. In small fleets all are of one: gates would else
/// have nothing to go by.
pub fn platform(device: &DeviceId) -> SmolStr {
    let number: u64 = device.as_str().trim_start_matches('d').parse().unwrap_or(0);
    let other = number >= 100 && Rng::stream(0, &format!("platform of {device}")).permille(300);
    SmolStr::new_static(PLATFORMS[usize::from(other)])
}

/// Where devices are: on both sides of the equator, with clocks that are set and that are not, and half an hour beside the others.
const ZONES: [&str; 7] = [
    "Europe/Berlin",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
];

/// The time zone that a device says it is in.
pub fn zone(device: &DeviceId) -> &'static str {
    Rng::stream(0, &format!("zone of {device}")).pick(&ZONES).copied().unwrap_or("UTC")
}

impl Run {
    /// A release has silenced a device: it is off until somebody repairs it.
    pub fn silenced(&mut self, index: usize, package: SmolStr, before: Option<SmolStr>) {
        let now = self.now;
        let seconds = self.devices.between(4 * 86_400, 12 * 86_400);
        let Some(agent) = self.agents.get_mut(index) else { return };
        agent.reboot(now);
        agent.asleep = now.checked_add(SignedDuration::from_secs(seconds)).ok();
        agent.silenced = Some((package.clone(), before.clone()));
        self.after(seconds, Task::Repaired(index, package, before));
        self.after(seconds + 60, Task::Boot(index));
    }

    /// A device that a release silenced is repaired: the version before is put back.
    pub fn repaired(&mut self, index: usize, package: SmolStr, before: Option<SmolStr>) {
        let Some(agent) = self.agents.get_mut(index) else { return };
        // It may have been repaired already, or another release has silenced it since.
        if agent.silenced.take_if(|silenced| (&silenced.0, &silenced.1) == (&package, &before)).is_none() {
            return;
        }
        agent.image.ledger.put_back(&package);
        match before {
            Some(before) => drop(agent.image.packages.insert(package, before)),
            None => drop(agent.image.packages.remove(&package)),
        }
    }

    /// A person says that a title is broken, and says it again while it is.
    pub fn complain(&mut self, index: usize, title: TitleId, version: SmolStr) -> Result<(), Stop> {
        let now = self.now;
        let Some(agent) = self.agents.get(index) else { return Ok(()) };
        let there = agent.image.packages.get(title.as_str()) == Some(&version);
        if !there || agent.complains_until.is_none_or(|until| until < now) {
            return Ok(());
        }
        let away = agent.machine.is_none() || agent.asleep.is_some_and(|until| now < until);
        self.after(6 * 3_600, Task::Complain(index, title.clone(), version));
        if away {
            return Ok(());
        }
        let said = Complaint { title: Some(title.as_str().into()), text: "it is broken".into() };
        self.drive(index, Input::Person(PersonSaid::Complains(said)))
    }
}
