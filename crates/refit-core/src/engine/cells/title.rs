//! What is kept of one title: cells, and how devices are found in them.

use super::{late::KnownLate, members::Members, split::Place};
use crate::{
    engine::{
        intern::Map,
        rules::{Clocks, Lasting, Regime, Ruling, Shelf},
        size::{bitmap, table},
    },
    world::{RememberedOffer, SlotKey},
};
use jiff::Timestamp;
use refit_model::{Offer, Version};
use smol_str::SmolStr;
use std::sync::Arc;

/// Devices with the same ruling in the same slot.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    pub slot: SlotKey,
    /// What is installed.
    pub installed: Option<Version>,
    /// The number of that in the fleet, which stays as long as one of the devices has it.
    pub present: Option<u32>,
    pub ruling: Ruling,
    /// Whether each device has due times of its own, by its spell.
    pub own_clock: bool,
    pub devices: Members,
}

/// What tells the devices of one release apart, besides what only they have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// What the title's scope sees of their class and of where they stand in shares: where nobody was a member of a ring, which rings they join.
    pub part: u32,
    /// Their zone, where days matter.
    pub zone: u32,
    /// What their universe says of the title.
    pub told: u32,
    /// Of which rings they were members.
    pub members: u32,
    /// The offers that they remember.
    pub remembered: u32,
}

/// Devices with one key and release.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// Whether each of them has to be looked at by itself.
    pub contested: bool,
    /// Whether who remembers what was admitted before has to be.
    pub consults: bool,
    /// Spells that began no later make no difference.
    pub matter_after: Option<Timestamp>,
    /// How due times follow from spells that do.
    pub clocks: Arc<Clocks>,
    /// The policy that decides.
    pub policy: Option<SmolStr>,
    /// The cell of those whose spell makes no difference.
    pub base: Option<usize>,
    /// The cells of the others, by what follows from their due times.
    pub late: Vec<(Regime, usize)>,
}

/// Numbers for what is long.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers {
    /// By number of universe, the place among what universes say of the title, from 1 on.
    universes: Map<u32, u32>,
    said: Vec<Vec<(Version, Offer)>>,
    members: Map<Vec<u64>, u32>,
    /// By what is remembered.
    remembered: Map<Vec<RememberedOffer>, u32>,
}

/// The cells of one title. Releases in slots go by their number in the fleet.
#[derive(Clone, Debug, Default)]
pub(super) struct TitleCells {
    /// Whether any policy speaks of it; else nobody is in a cell.
    pub managed: bool,
    /// Whether a policy requires the title, so that who does not have it is in a cell too.
    pub required: bool,
    /// The number of its scope.
    pub scope: usize,
    /// The policies that include it, by place, each with whether it speaks only of what the security archive offers.
    pub policies: Vec<(usize, bool)>,
    /// What need not be worked out again to look at one of its devices.
    pub lasting: Lasting,
    cells: Vec<Option<Cell>>,
    free: Vec<usize>,
    pub groups: Map<(u32, Key), Group>,
    /// The cells of devices that are looked at by themselves.
    pub alone: Map<(u32, u32), usize>,
    pub numbers: Numbers,
    /// Whether since they were told apart others were named for its rings.
    pub others_were_named: bool,
    /// Who has a release since later than anything obliges to leave it, by its number.
    pub late: Map<u32, KnownLate>,
    /// The first time at which something may change by itself.
    pub next: Option<Timestamp>,
    /// The time of which somebody was told.
    told: Option<Timestamp>,
    /// Whether it may change at any time.
    pub restless: bool,
}

impl TitleCells {
    /// Of a title that no policy speaks of, until then.
    pub fn unmanaged(next: Option<Timestamp>) -> TitleCells {
        TitleCells { next, ..TitleCells::default() }
    }

    /// Of a title that policies speak of, with nobody in them yet.
    pub fn managed(required: bool, scope: usize, shelf: &Shelf<'_>) -> TitleCells {
        let (policies, lasting) = (shelf.places(), shelf.lasting());
        TitleCells { managed: true, required, scope, policies, lasting, ..TitleCells::default() }
    }

    /// All cells.
    pub fn iter(&self) -> impl Iterator<Item = &Cell> {
        self.cells.iter().flatten()
    }

    /// How much memory they take: cells, their devices, how devices are found in them, and who is late.
    pub fn bytes(&self) -> [usize; 4] {
        let groups = table(self.groups.capacity(), size_of::<((u32, Key), Group)>())
            + self.groups.values().map(|group| group.late.capacity() * size_of::<(Regime, usize)>()).sum::<usize>()
            + table(self.alone.capacity(), size_of::<((u32, u32), usize)>());
        [
            self.cells.capacity() * size_of::<Option<Cell>>(),
            self.iter().map(|cell| cell.devices.bytes()).sum(),
            groups,
            self.late.values().map(|late| bitmap(&late.devices)).sum(),
        ]
    }

    /// Whether a title that is decided anew has the same groups: nobody else was named for its rings, and nobody is looked at by itself.
    pub fn holds_together(&self) -> bool {
        !self.others_were_named && self.alone.is_empty()
    }

    /// The devices of a cell, which nobody asks for any more.
    pub fn take(&mut self, cell: usize) -> Members {
        let cell = self.cells.get_mut(cell).and_then(Option::take);
        cell.map_or_else(Members::none, |cell| cell.devices)
    }

    /// Adds a cell.
    pub fn add(&mut self, place: &Place<'_>, ruling: Ruling, own_clock: bool, devices: Members) -> usize {
        self.wake_at(ruling.until);
        let installed = place.present.map(|(_, present)| present.version.clone());
        let present = place.present.map(|(number, _)| number);
        let cell = Some(Cell { slot: place.slot.clone(), installed, present, ruling, own_clock, devices });
        match self.free.pop() {
            Some(number) => {
                if let Some(free) = self.cells.get_mut(number) {
                    *free = cell;
                }
                number
            }
            None => {
                self.cells.push(cell);
                self.cells.len() - 1
            }
        }
    }

    /// Gives back the room that was taken ahead, after everybody was put in, but for some that changes need.
    pub fn settle(&mut self) {
        let cells = self.cells.len();
        self.cells.shrink_to(cells + cells / 16 + 4);
    }

    /// Puts a device into a cell; false where there is none.
    pub fn join(&mut self, cell: usize, device: u32) -> bool {
        let Some(Some(cell)) = self.cells.get_mut(cell) else { return false };
        cell.devices.insert(device);
        true
    }

    /// Takes a device out of a cell; whether the cell is gone, since nobody is left in it.
    pub fn leave(&mut self, number: usize, device: u32) -> bool {
        let Some(place) = self.cells.get_mut(number) else { return true };
        let Some(cell) = place else { return true };
        cell.devices.remove(device);
        if cell.devices.is_empty() {
            *place = None;
            self.free.push(number);
            return true;
        }
        false
    }

    /// When somebody has to be woken for it who has not been told before.
    pub fn watched(&mut self) -> Option<Timestamp> {
        let next = self.next.filter(|next| self.told.is_none_or(|told| *next < told))?;
        self.told = Some(next);
        Some(next)
    }

    /// Something may change by itself at that time.
    pub fn wake_at(&mut self, time: Option<Timestamp>) {
        self.next = self.next.into_iter().chain(time).min();
    }
}

impl Numbers {
    /// A number for what a universe says of the title; 0 is for nothing.
    pub fn of_offers(&mut self, universe: u32, offers: &[(Version, Offer)]) -> u32 {
        if offers.is_empty() {
            return 0;
        }
        let Numbers { universes, said, .. } = self;
        let alike = |said: &[(Version, Offer)]| {
            let same = |(one, other): (&(Version, Offer), &(Version, Offer))| {
                one.0.as_str() == other.0.as_str() && one.0.scheme() == other.0.scheme() && one.1 == other.1
            };
            said.len() == offers.len() && said.iter().zip(offers).all(same)
        };
        // Numbers of universes that nobody had any more are given to others.
        let known = universes.get(&universe).copied();
        if let Some(number) = known
            && said.get(number as usize - 1).is_some_and(|said| alike(said))
        {
            return number;
        }
        let place = said.iter().position(|said| alike(said)).unwrap_or(said.len());
        if place == said.len() {
            said.push(offers.to_vec());
        }
        universes.insert(universe, place as u32 + 1);
        place as u32 + 1
    }

    /// A number for the offers that a device remembers in a slot; 0 is for none.
    pub fn of_remembered(&mut self, offers: &[RememberedOffer]) -> u32 {
        if offers.is_empty() {
            return 0;
        }
        if let Some(number) = self.remembered.get(offers) {
            return *number;
        }
        let number = self.remembered.len() as u32 + 1;
        self.remembered.insert(offers.to_vec(), number);
        number
    }

    /// A number for which rings a device was a member of.
    pub fn of_members(&mut self, words: Vec<u64>) -> u32 {
        let next = self.members.len() as u32;
        *self.members.entry(words).or_insert(next)
    }
}
