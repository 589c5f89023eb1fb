//! Everybody at once: the devices that have a release of the title, gathered by what tells them apart, and each such group decided.

use super::{
    super::{
        late::{LOOK_UP, Late, LateDevice, LateOnes},
        members::Members,
        title::{Key, TitleCells},
    },
    Looked, Place, Split, number,
};
use crate::engine::{
    fleet::Remembering,
    intern::Map,
    rules::{Regime, Spell},
};
use jiff::Timestamp;
use refit_model::DeviceId;
use roaring::RoaringBitmap;
use std::collections::BTreeSet;

/// Devices that nothing tells apart but when their spells began, in order: those of whom that makes no difference, and those of whom it may.
struct Gathered {
    key: Key,
    devices: Vec<u32>,
    late: Vec<LateDevice>,
}

impl Gathered {
    fn new(key: Key) -> Gathered {
        Gathered { key, devices: Vec::new(), late: Vec::new() }
    }

    fn add(&mut self, device: u32, late: Option<LateDevice>) {
        match late {
            None => self.devices.push(device),
            Some(late) => self.late.push(late),
        }
    }

    /// One that stands for all.
    fn one(&self) -> Option<u32> {
        self.devices.first().copied().or_else(|| self.late.first().map(|(device, _)| *device))
    }

    /// Takes out those of whom something is so.
    fn take(&mut self, which: impl Fn(u32) -> bool) -> Vec<u32> {
        let mut taken = Vec::new();
        let mut stays = |device: u32| {
            let takes = which(device);
            if takes {
                taken.push(device);
            }
            !takes
        };
        self.devices.retain(|device| stays(*device));
        self.late.retain(|(device, _)| stays(*device));
        taken
    }

    fn all(&self) -> impl Iterator<Item = u32> {
        self.devices.iter().copied().chain(self.late.iter().map(|(device, _)| *device))
    }
}

/// Says of devices that are asked in order who may be late: whose install is new, or of whom somebody noted when the spell began, which may be
/// later than that.
struct Lateness<'l> {
    late: std::iter::Peekable<std::slice::Iter<'l, LateDevice>>,
    noted: Option<&'l RoaringBitmap>,
}

impl<'l> Lateness<'l> {
    fn new(late: Option<&'l LateOnes>, remembering: Option<&'l Remembering>) -> Lateness<'l> {
        let late = late.map(|late| late.devices.as_slice()).unwrap_or_default();
        let noted = remembering.map(|known| &known.spells).filter(|noted| !noted.is_empty());
        Lateness { late: late.iter().peekable(), noted }
    }

    fn of(&mut self, device: u32) -> Option<LateDevice> {
        if self.noted.is_some_and(|noted| noted.contains(device)) {
            return Some((device, LOOK_UP));
        }
        while self.late.next_if(|(late, _)| *late < device).is_some() {}
        self.late.next_if(|(late, _)| *late == device).copied()
    }
}

impl<'a> Split<'a> {
    /// Decides the title for everybody who has it, and for those who have not where it is required.
    pub fn fill(&self, cells: &mut TitleCells, late: &Late) {
        let fleet = self.inputs.fleet;
        let members = self.members_here();
        for (number, present, holders) in fleet.present(self.title) {
            let late = late.of(number);
            cells.late.extend(late.map(|late| (number, late.known())));
            self.fill_place(&self.place_of(Some((number, present))), holders, &members, late, cells);
        }
        if cells.required {
            self.fill_place(&self.place_of(None), &self.lacking(), &members, None, cells);
        }
        cells.wake_at(self.shelf.next(fleet.zones()));
    }

    /// Decides a slot for some devices; `late_ones` are those among them who may be late, where that is known.
    pub(super) fn fill_place(
        &self,
        place: &Place<'a>,
        devices: &RoaringBitmap,
        members: &[RoaringBitmap],
        late_ones: Option<&LateOnes>,
        cells: &mut TitleCells,
    ) {
        if place.present.is_none() && self.by_package() {
            for device in devices.iter().filter(|device| self.has_slot(*device)) {
                self.alone(place, device, cells);
            }
            return;
        }
        let remembering = self.inputs.fleet.remembering(&place.slot);
        for mut gathered in self.gather(place, devices, members, (late_ones, remembering), cells) {
            let Some(one) = gathered.one() else { continue };
            let key = gathered.key;
            let together = self.together(&key, one);
            let (mut group, ruling) = self.group(place, one, &together);
            cells.restless |= group.contested;
            if group.contested {
                // What the policies say is held against each other device by device.
                gathered.all().for_each(|device| self.alone(place, device, cells));
                continue;
            }
            if let Some(known) = remembering.filter(|_| group.consults) {
                // What stays depends on what each of them remembers.
                let remember = gathered.take(|device| known.admitted.contains(device));
                remember.into_iter().for_each(|device| self.alone(place, device, cells));
                if gathered.one().is_none() {
                    continue;
                }
            }
            let mut regimes: Vec<(Regime, Vec<u32>)> = Vec::new();
            let mut on_time: Vec<u32> = Vec::new();
            match group.matter_after {
                None => on_time.extend(gathered.late.iter().map(|(device, _)| *device)),
                Some(matter_after) => {
                    // Who is not among those that are late by the least that can matter is not late at all.
                    if late_ones.is_none_or(|late| late.after > matter_after) {
                        gathered.late = gathered.all().map(|device| (device, LOOK_UP)).collect();
                        gathered.late.sort_unstable();
                        gathered.devices.clear();
                        // Next time it is looked again for whom that bound says.
                        cells.late.remove(&number(place.present));
                    }
                    for (device, spell) in gathered.late {
                        let known = (spell != LOOK_UP).then(|| Timestamp::from_nanosecond(i128::from(spell)).ok());
                        let spell = known.flatten().map(Spell::Own).or_else(|| self.spell(place, device));
                        match self.regime(spell, matter_after, &group, cells) {
                            None => on_time.push(device),
                            Some(regime) => match regimes.iter_mut().find(|(known, _)| *known == regime) {
                                Some((_, devices)) => devices.push(device),
                                None => regimes.push((regime, vec![device])),
                            },
                        }
                    }
                }
            }
            let mut base = gathered.devices;
            if !on_time.is_empty() {
                // Two lists in order.
                base.append(&mut on_time);
                base.sort();
            }
            if !base.is_empty() {
                group.base = Some(cells.add(place, ruling, false, Members::of(base)));
            }
            for (regime, devices) in regimes {
                let Some(&one) = devices.first() else { continue };
                let ruling = self.rule(place, one, &together, true);
                group.late.push((regime, cells.add(place, ruling, true, Members::of(devices))));
            }
            cells.groups.insert((number(place.present), key), group);
        }
    }

    /// Who of those devices is looked at with whom.
    fn gather(
        &self,
        place: &Place<'a>,
        devices: &RoaringBitmap,
        members: &[RoaringBitmap],
        (late, remembering): (Option<&LateOnes>, Option<&Remembering>),
        cells: &mut TitleCells,
    ) -> Vec<Gathered> {
        let mut gathered: Vec<Gathered> = Vec::new();
        let mut others: Vec<u32> = Vec::new();
        let offers = remembering.map(|known| &known.offers).filter(|offers| !offers.is_empty());
        let remembers_offers = |device: u32| offers.is_some_and(|offers| offers.contains(device));
        if self.members.is_empty() && !self.scope.days() && self.telling().is_empty() {
            // Nothing but classes and shares tells devices apart.
            let points = self.inputs.fleet.points();
            let mut places = vec![u32::MAX; self.scope.rulings()];
            let mut lateness = Lateness::new(late, remembering);
            for device in devices {
                if remembers_offers(device) {
                    others.push(device);
                    continue;
                }
                let seen = self.scope.seen(self.classes.of(device)).filter(|seen| !seen.too_many);
                let point = points.get(device as usize).copied().unwrap_or(0);
                let Some(part) = seen.map(|seen| seen.ruling(point)) else {
                    self.alone(place, device, cells);
                    continue;
                };
                let Some(at) = places.get_mut(part as usize) else {
                    others.push(device);
                    continue;
                };
                if *at == u32::MAX {
                    *at = gathered.len() as u32;
                    gathered.push(Gathered::new(Key { part, zone: 0, told: 0, members: 0, remembered: 0 }));
                }
                if let Some(gathered) = gathered.get_mut(*at as usize) {
                    gathered.add(device, lateness.of(device));
                }
            }
        } else {
            others.extend(devices);
        }
        let mut places: Map<Key, usize> = Map::default();
        let mut lateness = Lateness::new(late, remembering);
        for device in others {
            let member = |place: usize, _: &BTreeSet<DeviceId>| {
                members.get(place).is_some_and(|members| members.contains(device))
            };
            let remembered = if remembers_offers(device) { self.remembered(&place.slot, device) } else { &[] };
            match self.key(device, member, remembered, &mut cells.numbers) {
                Looked::Alone => self.alone(place, device, cells),
                Looked::As(key) => {
                    let next = gathered.len();
                    let at = *places.entry(key).or_insert(next);
                    if at == next {
                        gathered.push(Gathered::new(key));
                    }
                    if let Some(gathered) = gathered.get_mut(at) {
                        gathered.add(device, lateness.of(device));
                    }
                }
            }
        }
        gathered
    }
}
