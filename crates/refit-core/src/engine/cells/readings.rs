//! What the policies say of everybody, read at one time: for each slot of a title, the answers that there are, and the devices that
//! share each. This is how a whole fleet is counted without asking device by device.

use super::{
    Inputs, Verdicts,
    members::Members,
    own,
    scope::{Scope, ScopeKey},
    split::{Split, UTC},
    state::{Named, spell},
    title::{Cell, TitleCells},
};
use crate::{
    engine::{
        fleet::Fleet,
        intern::Map,
        outcome::{Excepted, Outcome},
        rules::{Manner, Openings, Own, Ruling, Shelf, Spell},
    },
    world::SlotKey,
};
use jiff::tz::TimeZone;
use refit_model::{TitleId, Version};
use roaring::RoaringBitmap;
use std::{cell::RefCell, collections::BTreeSet, rc::Rc, sync::Arc};

/// The answer for one slot, and the devices that share it.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The slot.
    pub slot: SlotKey,
    /// What is installed there.
    pub installed: Option<Version>,
    /// What the policies say.
    pub outcome: Outcome,
    /// What exceptions replace besides.
    pub excepted: Excepted,
    /// Of which devices, by their numbers.
    pub devices: RoaringBitmap,
}

/// Reads the answers of a fleet, title by title.
pub struct Reader<'v> {
    verdicts: &'v Verdicts<'v>,
    /// The devices that were seen too long ago to say.
    unseen: RoaringBitmap,
    /// Those that have absences, which may give a grace.
    back: RoaringBitmap,
    /// All others by zone, a zone that is not known being UTC, and by what else reading asks of them.
    manners: Vec<(&'v TimeZone, &'v Manner, RoaringBitmap)>,
    openings: Openings,
    /// What these come down to for rulings.
    alike: RefCell<Map<Asking, MannersAlike<'v>>>,
}

/// What a ruling asks of who reads it: its window, by address, the freezes that yield, and whether its policy lets devices be set up in
/// peace.
type Asking = (usize, Arc<[usize]>, bool);

/// Devices with which the same windows and freezes are under way: how one of them reads, with all of them.
type MannersAlike<'v> = Rc<Vec<(&'v TimeZone, &'v Manner, RoaringBitmap)>>;

/// What tells the answers of one cell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Apart {
    spell: Option<Spell>,
    zone: u32,
    manner: u32,
    unseen: bool,
    /// A device with absences of its own.
    device: Option<u32>,
}

impl Verdicts<'_> {
    /// The devices on which a window waits where nobody says what the due time does to it (decision 0033).
    pub fn may_be_servers(&self) -> RoaringBitmap {
        let classes = &self.state.classes;
        let devices = self.inputs.fleet.numbers().iter();
        devices.filter(|device| classes.manner(classes.manner_of(*device)).may_be_server).collect()
    }

    /// For reading everybody's answers. What it takes to read one title is in proportion to its cells and zones, not to its devices.
    pub fn reader(&self) -> Reader<'_> {
        let Inputs { fleet, repository, now, .. } = self.inputs;
        let (mut unseen, mut back) = (RoaringBitmap::new(), RoaringBitmap::new());
        let classes = &self.state.classes;
        let mut manners: Map<(u32, u32), Vec<u32>> = Map::default();
        for device in fleet.numbers() {
            let own = own(fleet, repository, classes, device, None, now);
            if own.unseen {
                unseen.insert(device);
            }
            if own.absences.is_empty() {
                manners.entry((zone_of(fleet, device), classes.manner_of(device))).or_default().push(device);
            } else {
                back.insert(device);
            }
        }
        let mut manners: Vec<((u32, u32), Vec<u32>)> = manners.into_iter().collect();
        manners.sort();
        let manners = manners.into_iter().map(|((zone, manner), devices)| {
            let devices = RoaringBitmap::from_sorted_iter(devices).unwrap_or_default();
            (fleet.zone(zone).unwrap_or(&UTC), classes.manner(manner), devices)
        });
        Reader {
            verdicts: self,
            unseen,
            back,
            manners: manners.collect(),
            openings: Openings::new(now),
            alike: RefCell::default(),
        }
    }
}

/// The number of a device's zone; 0 is none that anybody knows.
fn zone_of(fleet: &Fleet, device: u32) -> u32 {
    fleet.zones_of().get(device as usize).copied().unwrap_or(0)
}

impl Reader<'_> {
    /// The titles of which there is anything to read: those that somebody has, and those that policies name.
    pub fn titles(&self) -> BTreeSet<TitleId> {
        let state = &self.verdicts.state;
        self.verdicts.inputs.fleet.titles().chain(state.named.keys()).cloned().collect()
    }

    /// The answers for each slot of a title, as the plain decision gives them: also where no policy speaks of it, and where it is named
    /// and not there.
    pub fn title(&self, title: &TitleId) -> Vec<Reading> {
        let (inputs, state) = (self.verdicts.inputs, &self.verdicts.state);
        let mut readings = Vec::new();
        let managed = state.titles.get(title).filter(|cells| cells.managed);
        for cell in managed.into_iter().flat_map(TitleCells::iter) {
            self.cell(cell, &mut readings);
        }
        let required = state.named.get(title) == Some(&Named::Required);
        let (is_named, is_managed) = (state.named.contains_key(title), managed.is_some());
        if (is_named && !required) || !is_managed {
            let shelf = Shelf::new(inputs.repository, &state.spoken, inputs.world, title, inputs.now);
            let key = ScopeKey::new(&shelf, title);
            let unknown;
            let scope = match state.scopes.get(&key) {
                Some(scope) => scope,
                // Rules are applied without it; only who is alike is told by it.
                None if !is_named => {
                    unknown = Scope::nothing_seen(&key);
                    &unknown
                }
                None => {
                    unknown = Scope::new(&key, inputs.repository, &state.classes);
                    &unknown
                }
            };
            let split = Split::new(inputs, &state.classes, &state.columns, scope, &shelf, title);
            if is_named && !required {
                split.absent().iter().for_each(|cell| self.cell(cell, &mut readings));
            }
            if !is_managed {
                // That no policy speaks of it is so for everybody.
                for (number, present, holders) in inputs.fleet.present(title) {
                    let Some(one) = holders.min() else { continue };
                    let ruling = split.rule(&split.place_of(Some((number, present))), one, &None, true);
                    let (slot, installed) = (present.slot(), Some(present.version.clone()));
                    let devices = Members::Many(holders.clone());
                    let cell = Cell { slot, installed, present: Some(number), ruling, own_clock: false, devices };
                    self.cell(&cell, &mut readings);
                }
            }
        }
        readings
    }

    fn cell(&self, cell: &Cell, readings: &mut Vec<Reading>) {
        let Inputs { fleet, repository, now, .. } = self.verdicts.inputs;
        let excepted = cell.ruling.excepted();
        let reading = |outcome, devices| {
            let (slot, installed) = (cell.slot.clone(), cell.installed.clone());
            Reading { slot, installed, outcome, excepted, devices }
        };
        let (openings, classes) = (Some(&self.openings), &self.verdicts.state.classes);
        let of_one = |device, spell| {
            cell.ruling.read(repository, &Own { openings, ..own(fleet, repository, classes, device, spell, now) }, now)
        };
        if cell.own_clock {
            // Their due times differ: what they share is not looked for.
            for (apart, devices) in self.apart(cell) {
                if let Some(&one) = devices.first() {
                    readings.push(reading(of_one(one, apart.spell), devices.into_iter().collect()));
                }
            }
            return;
        }
        let first = readings.len();
        let mut add = |outcome: Outcome, devices: RoaringBitmap| {
            let known = readings.iter_mut().skip(first).find(|known| known.outcome == outcome);
            match known {
                Some(known) => known.devices |= devices,
                None if devices.is_empty() => {}
                None => readings.push(reading(outcome, devices)),
            }
        };
        // Where nothing is to be done there is neither a grace nor a window, and nothing to freeze.
        let outstanding = !cell.ruling.duties.is_empty();
        let nothing = Manner::default();
        let all = cell.devices.bitmap();
        for (mut devices, unseen) in [(&*all - &self.unseen, false), (&*all & &self.unseen, true)] {
            let of_all = |zone, manner| {
                let own = Own { zone, absences: &[], unseen, spell: None, openings, manner };
                cell.ruling.read(repository, &own, now)
            };
            if outstanding {
                for device in &devices & &self.back {
                    add(of_one(device, None), RoaringBitmap::from_iter([device]));
                }
                devices -= &self.back;
            }
            if devices.is_empty() {
                continue;
            }
            if !outstanding {
                add(of_all(&UTC, &nothing), devices);
                continue;
            }
            let alike = self.manners_alike(&cell.ruling);
            if let [(zone, manner, _)] = alike.as_slice() {
                add(of_all(zone, manner), devices);
                continue;
            }
            for (zone, manner, members) in alike.iter() {
                let devices = &devices & members;
                if !devices.is_empty() {
                    add(of_all(zone, manner), devices);
                }
            }
        }
    }

    /// All devices, those together with which a ruling reads the same.
    fn manners_alike(&self, ruling: &Ruling) -> MannersAlike<'_> {
        let Inputs { repository, now, .. } = self.verdicts.inputs;
        let policy = ruling.policy.as_ref().and_then(|name| repository.policy(name));
        let used = ruling.used_window(repository, policy);
        let in_peace = policy.is_some_and(|policy| !policy.provisioning);
        let key = (used.map_or(0, |used| std::ptr::from_ref(used).addr()), Arc::clone(&ruling.yielding), in_peace);
        if let Some(known) = self.alike.borrow().get(&key) {
            return Rc::clone(known);
        }
        let mut states: Vec<(bool, bool, bool, bool)> = Vec::new();
        let mut alike: Vec<(&TimeZone, &Manner, RoaringBitmap)> = Vec::new();
        for (zone, manner, devices) in &self.manners {
            let open = used.is_some_and(|used| self.openings.open(used, zone));
            let waits = used.is_some_and(|used| used.after_due.is_none()) && manner.may_be_server;
            let frozen = ruling.frozen(repository, manner, zone, now);
            let under_way = (open, waits, frozen, Ruling::set_up(policy, manner));
            match states.iter().zip(&mut alike).find(|(known, _)| **known == under_way) {
                Some((_, (_, _, known))) => *known |= devices,
                None => {
                    states.push(under_way);
                    alike.push((zone, manner, devices.clone()));
                }
            }
        }
        let alike = Rc::new(alike);
        self.alike.borrow_mut().insert(key, Rc::clone(&alike));
        alike
    }

    /// The devices of a cell in which each has its own clock, by all that tells their answers apart.
    fn apart(&self, cell: &Cell) -> Vec<(Apart, Vec<u32>)> {
        let (fleet, classes) = (self.verdicts.inputs.fleet, &self.verdicts.state.classes);
        let mut places: Map<Apart, usize> = Map::default();
        let mut found: Vec<(Apart, Vec<u32>)> = Vec::new();
        for device in cell.devices.iter() {
            let apart = Apart {
                spell: spell(fleet, cell, device),
                zone: zone_of(fleet, device),
                manner: classes.manner_of(device),
                unseen: self.unseen.contains(device),
                device: self.back.contains(device).then_some(device),
            };
            let at = *places.entry(apart).or_insert(found.len());
            match found.get_mut(at) {
                Some((_, devices)) => devices.push(device),
                None => found.push((apart, vec![device])),
            }
        }
        found
    }
}
