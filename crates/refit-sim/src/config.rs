//! What is run.

use super::{faults::Fault, plant::Plant, watch::Invariant};
use std::collections::BTreeSet;

/// What is simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A handful of devices on which everything happens all the time.
    Everything,
    /// A fleet in which faults are as frequent as they are, and releases, good and bad ones, move through rings.
    Rollouts,
}

/// What is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The seed, from which everything follows.
    pub seed: u64,
    /// What is simulated.
    pub form: Form,
    /// How many devices there are at the beginning.
    pub devices: usize,
    /// How many steps are taken.
    pub steps: u64,
    /// How many days are simulated at the most; `None` is: as many as the steps take.
    pub days: Option<i64>,
    /// What may go wrong.
    pub faults: BTreeSet<Fault>,
    /// A deliberate mistake.
    pub plant: Option<Plant>,
    /// Only this invariant is looked at.
    pub only: Option<Invariant>,
    /// How many steps lie between replays of the whole log.
    pub replay_every: u64,
}

impl Config {
    /// A run of usual size, in which everything may go wrong.
    pub fn new(seed: u64) -> Config {
        Config {
            seed,
            form: Form::Everything,
            devices: 6,
            steps: 300,
            days: None,
            faults: Fault::ALL.iter().copied().collect(),
            plant: None,
            only: None,
            replay_every: 100,
        }
    }

    /// A fleet with releases on their way, for twenty days.
    pub fn rollouts(seed: u64) -> Config {
        Config {
            form: Form::Rollouts,
            devices: 500,
            steps: u64::MAX,
            days: Some(20),
            // At the end the log is replayed in any case.
            replay_every: u64::MAX,
            ..Config::new(seed)
        }
    }

    /// The command that runs it again.
    pub fn command(&self) -> String {
        let form = match self.form {
            Form::Everything => "",
            Form::Rollouts => " --rollouts",
        };
        let mut command =
            format!("cargo run --release -p refit-sim --{form} --seed {} --devices {}", self.seed, self.devices);
        if self.steps != u64::MAX {
            command.push_str(&format!(" --steps {}", self.steps));
        }
        if let Some(days) = self.days {
            command.push_str(&format!(" --days {days}"));
        }
        let without: Vec<_> =
            Fault::ALL.iter().filter(|fault| !self.faults.contains(fault)).map(|it| it.name()).collect();
        if !without.is_empty() {
            command.push_str(&format!(" --without {}", without.join(",")));
        }
        if let Some(plant) = self.plant {
            command.push_str(&format!(" --plant {}", plant.name()));
        }
        command
    }
}

impl Form {
    /// How late a message arrives at the latest, in seconds. No connection delivers a request after hours, and devices that hold a
    /// lease of a disruption group check in each minute; where they come every few hours, a message may be late by many of those.
    pub(crate) fn latest(self) -> i64 {
        match self {
            Form::Everything => 90_000,
            Form::Rollouts => 900,
        }
    }

    /// Of so many chances of a fault one is taken: in a fleet the same happens on many devices.
    pub(crate) fn rarity(self, fault: Fault) -> u64 {
        if self == Form::Everything {
            return 1;
        }
        match fault {
            // Per batch, of which there are some four thousand a day.
            Fault::AppendFails | Fault::AckLost => 20,
            Fault::CrashBeforeAppend | Fault::CrashAfterAppend | Fault::CrashBeforeEffects => 60,
            Fault::DiskFull => 200,
            Fault::CrashWhileDeciding => 100,
            Fault::StaleDecision => 10,
            // Per crash.
            Fault::LongDowntime => 20,
            Fault::Restore => 5,
            Fault::ServerClockSteps => 3,
            // Per message.
            Fault::MessageLost | Fault::MessageRepeated | Fault::MessageDelayed | Fault::ReplyLost => 4,
            // Per effect of an agent.
            Fault::AgentKilled => 3,
            // Per day of a device.
            Fault::ClockJumps | Fault::ClockDrifts | Fault::AgentDiskFull => 3,
            Fault::ImageRestored => 4,
            Fault::LongSleep => 10,
            Fault::ClonedId => 40,
            // Per change: what fails more often than some gates permit halts everything.
            Fault::DirectiveFails => 20,
            Fault::MorePackages => 10,
            Fault::StrangeSource => 4,
            _ => 1,
        }
    }
}
