//! What is run.

use super::{faults::Fault, plant::Plant, watch::Invariant};
use std::collections::BTreeSet;

/// What is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The seed, from which everything follows.
    pub seed: u64,
    /// How many devices there are at the beginning.
    pub devices: usize,
    /// How many steps are taken.
    pub steps: u64,
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
            devices: 6,
            steps: 300,
            faults: Fault::ALL.iter().copied().collect(),
            plant: None,
            only: None,
            replay_every: 100,
        }
    }

    /// The command that runs it again.
    pub fn command(&self) -> String {
        let mut command = format!(
            "cargo run --release -p refit-sim -- --seed {} --devices {} --steps {}",
            self.seed, self.devices, self.steps
        );
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
