//! Cells: for each title, devices in the same class with the same release, about which the rules say the same.

mod class;
mod late;
mod live;
mod members;
mod readings;
mod scope;
mod split;
mod state;
mod title;

pub use live::{Engine, WorldChange};
pub use readings::{Reader, Reading};

use super::{
    fleet::Fleet,
    outcome::Outcome,
    rules::{Own, Spell},
    size::Footprint,
};
use crate::{
    policy::repository::Repository,
    world::{SlotKey, World},
};
use class::Classes;
use jiff::Timestamp;
use refit_model::{DeviceId, TitleId, Version};
use split::UTC;
use state::State;

/// Everything that decisions read.
#[derive(Clone, Copy, Debug)]
struct Inputs<'a> {
    fleet: &'a Fleet,
    repository: &'a Repository,
    world: &'a World,
    now: Timestamp,
}

/// The answer for one slot: what is installed there, and what the policies say.
pub type Answer = (SlotKey, Option<Version>, Outcome);

/// What the policies say of every slot of every device of a fleet, at one time.
#[derive(Debug)]
pub struct Verdicts<'a> {
    inputs: Inputs<'a>,
    state: State,
}

impl<'a> Verdicts<'a> {
    /// Decides everything from scratch.
    pub fn new(fleet: &'a Fleet, repository: &'a Repository, world: &'a World, now: Timestamp) -> Verdicts<'a> {
        let inputs = Inputs { fleet, repository, world, now };
        Verdicts { inputs, state: State::new(inputs) }
    }

    /// The answer for each slot of a device, in the order of slots.
    pub fn device(&self, id: &DeviceId) -> Vec<Answer> {
        self.state.device(self.inputs, id)
    }

    /// The answer for each slot that a title has on a device.
    pub fn title(&self, id: &DeviceId, title: &TitleId) -> Vec<Answer> {
        self.state.title(self.inputs, id, title)
    }

    /// How much memory they take besides the fleet, by what it is for. What cells share is not counted.
    pub fn footprint(&self) -> Footprint {
        self.state.footprint()
    }

    /// How many classes the fleet fell into.
    pub fn classes(&self) -> usize {
        self.state.classes.len()
    }

    /// How many cells there are.
    pub fn cells(&self) -> usize {
        self.state.cells().count()
    }

    /// How many cohorts there are: cells that differ in nothing that anybody acts on.
    pub fn cohorts(&self) -> usize {
        self.state.cohorts().len()
    }

    /// All cohorts with their devices, as text in which nothing depends on how the fleet came about.
    pub fn export(&self) -> String {
        self.state.export(self.inputs.fleet)
    }
}

/// What only a device itself knows.
fn own<'f>(
    fleet: &'f Fleet,
    repository: &Repository,
    classes: &'f Classes,
    device: u32,
    spell: Option<Spell>,
    now: Timestamp,
) -> Own<'f> {
    let overlay = fleet.overlay(device);
    let row = fleet.row(device);
    let zone = row.and_then(|row| fleet.zone(row.zone)).unwrap_or(&UTC);
    let unseen = row.is_some_and(|row| {
        let after = fleet.name(row.seen_by).map(|source| repository.staleness.device(source));
        after.is_some_and(|after| now.duration_since(fleet.seen(row)).saturating_sub(overlay.unheard) > after)
    });
    let manner = classes.manner(classes.manner_of(device));
    Own { zone, absences: &overlay.absences, unseen, spell, openings: None, manner }
}
