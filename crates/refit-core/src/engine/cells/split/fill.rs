//! Everybody at once: the devices that have a release of the title, gathered by what tells them apart, and each such group decided.

use super::{
    super::{
        late::{LOOK_UP, Late, LateDevice, LateOnes},
        members::Members,
        title::{Group, Key, Numbers, TitleCells},
    },
    Place, Split, number,
};
use crate::engine::{
    fleet::Remembering,
    intern::Map,
    rules::{Regime, Spell, Turns},
};
use jiff::Timestamp;
use refit_model::DeviceId;
use roaring::RoaringBitmap;

/// How many devices are looked at together: what is asked of them is read column by column, so that nobody waits for memory device by device.
const BLOCK: usize = 1_024;

/// Of more late devices than this it pays to know from when on something else follows from their spells.
const MANY_LATE: usize = 1;

/// What tells devices apart besides classes and shares.
pub(super) struct Apart {
    /// By number of device, the number of which rings it was a member of; empty where nobody was named.
    members: Vec<u32>,
    /// By number of universe, that of what it says of the title; empty where none says anything.
    told: Vec<u32>,
}

/// Devices that nothing tells apart but when their spells began.
pub(super) struct Gathered {
    pub key: Key,
    /// Those of whom that makes no difference.
    pub devices: Members,
    /// Those of whom it may, in order.
    pub late: Vec<LateDevice>,
}

impl Gathered {
    /// One that stands for all.
    fn one(&self) -> Option<u32> {
        self.all().next()
    }

    /// Takes out those of whom something is so.
    fn take(&mut self, which: impl Fn(u32) -> bool) -> Vec<u32> {
        let taken: Vec<u32> = self.all().filter(|device| which(*device)).collect();
        if !taken.is_empty() {
            self.devices = Members::of(self.devices.iter().filter(|device| !which(*device)).collect());
            self.late.retain(|(device, _)| !which(*device));
        }
        taken
    }

    fn all(&self) -> impl Iterator<Item = u32> {
        self.devices.iter().chain(self.late.iter().map(|(device, _)| *device))
    }
}

/// The same while they are gathered, in order.
struct Gathering {
    key: Key,
    /// How many there are.
    count: usize,
    devices: Vec<u32>,
    late: Vec<LateDevice>,
}

/// Says of devices that are asked in order who may be late: whose install is new, or of whom somebody noted when the spell began, which may be
/// later than that.
struct Lateness<'l> {
    late: &'l [LateDevice],
    noted: InOrder<'l>,
}

impl<'l> Lateness<'l> {
    fn new(late: Option<&'l LateOnes>, remembering: Option<&'l Remembering>) -> Lateness<'l> {
        let late = late.map(|late| late.devices.as_slice()).unwrap_or_default();
        Lateness { late, noted: InOrder::new(remembering.map(|known| &known.spells)) }
    }

    fn of(&mut self, device: u32) -> Option<LateDevice> {
        if self.noted.has(device) {
            return Some((device, LOOK_UP));
        }
        while let [(late, spell), rest @ ..] = self.late
            && *late <= device
        {
            self.late = rest;
            if *late == device {
                return Some((device, *spell));
            }
        }
        None
    }
}

/// Some devices, who are asked for in order.
struct InOrder<'d> {
    devices: Option<roaring::bitmap::Iter<'d>>,
    /// The first that was not passed.
    next: Option<u32>,
}

impl<'d> InOrder<'d> {
    fn new(devices: Option<&'d RoaringBitmap>) -> InOrder<'d> {
        let mut devices = devices.map(RoaringBitmap::iter);
        let next = devices.as_mut().and_then(Iterator::next);
        InOrder { devices, next }
    }

    fn has(&mut self, device: u32) -> bool {
        if self.next.is_none_or(|next| next > device) {
            return false;
        }
        if let Some(devices) = self.devices.as_mut()
            && self.next != Some(device)
        {
            devices.advance_to(device);
            self.next = devices.next();
        }
        self.next == Some(device)
    }
}

/// Reads a column for some devices.
fn read<T: Copy + Default>(column: &[T], devices: &[u32], into: &mut [T; BLOCK]) {
    for (place, device) in into.iter_mut().zip(devices) {
        *place = column.get(*device as usize).copied().unwrap_or_default();
    }
}

impl<'a> Split<'a> {
    /// Decides the title for everybody who has it, and for those who have not where it is required.
    pub fn fill(&self, cells: &mut TitleCells, late: &Late) {
        let fleet = self.inputs.fleet;
        let apart = self.apart(&mut cells.numbers);
        for (number, present, holders) in fleet.present(self.title) {
            let late = late.of(number);
            cells.late.extend(late.map(|late| (number, late.known())));
            self.fill_place(&self.place_of(Some((number, present))), holders, &apart, late, cells);
        }
        if cells.required {
            self.fill_place(&self.place_of(None), &self.lacking(), &apart, None, cells);
        }
        cells.wake_at(self.shelf.next(fleet.zones()));
    }

    /// What tells devices apart besides classes and shares, with numbers for it.
    pub(super) fn apart(&self, numbers: &mut Numbers) -> Apart {
        let universes = 0..self.inputs.fleet.universes();
        let told: Vec<u32> = universes.map(|universe| numbers.of_offers(universe, self.offers(universe))).collect();
        let told = if told.iter().all(|told| *told == 0) { Vec::new() } else { told };
        Apart { members: self.members_here(numbers), told }
    }

    /// Who was named when which rings opened.
    fn members_here(&self, numbers: &mut Numbers) -> Vec<u32> {
        if self.members.is_empty() {
            return Vec::new();
        }
        let fleet = self.inputs.fleet;
        // Of each device the place of its rings in `rings`: those that it had before, and one more.
        let mut of = vec![0; fleet.width()];
        let mut rings = vec![self.no_rings()];
        let mut one_more: Map<(u32, usize), u32> = Map::default();
        for (ring, members) in self.members.iter().enumerate() {
            for device in members.iter().filter_map(|member: &DeviceId| fleet.number(member)) {
                let Some(place) = of.get_mut(device as usize) else { continue };
                let next = rings.len() as u32;
                let more = *one_more.entry((*place, ring)).or_insert(next);
                if more == next {
                    let mut words = rings.get(*place as usize).cloned().unwrap_or_default();
                    Self::add_ring(&mut words, ring);
                    rings.push(words);
                }
                *place = more;
            }
        }
        let numbers: Vec<u32> = rings.into_iter().map(|words| numbers.of_members(words)).collect();
        of.iter_mut().for_each(|place| *place = numbers.get(*place as usize).copied().unwrap_or_default());
        of
    }

    /// Decides a slot for some devices; `late_ones` are those among them who may be late, where that is known.
    pub(super) fn fill_place(
        &self,
        place: &Place<'a>,
        devices: &RoaringBitmap,
        apart: &Apart,
        late_ones: Option<&LateOnes>,
        cells: &mut TitleCells,
    ) {
        if place.present.is_none() && self.by_package() {
            for device in devices.iter().filter(|device| self.has_slot(*device)) {
                self.alone(place, device, cells);
            }
            return;
        }
        for gathered in self.gather(place, devices, apart, late_ones, cells) {
            self.decide_group(place, gathered, late_ones, cells);
        }
    }

    /// Puts devices that nothing tells apart into cells; `late_ones` are all who may be late that have what is in the place.
    pub(super) fn decide_group(
        &self,
        place: &Place<'a>,
        mut gathered: Gathered,
        late_ones: Option<&LateOnes>,
        cells: &mut TitleCells,
    ) {
        let Some(one) = gathered.one() else { return };
        let key = gathered.key;
        let together = self.together(&key, one);
        let (mut group, ruling) = self.group(place, one, &together);
        cells.restless |= group.contested;
        if group.contested {
            // What the policies say is held against each other device by device.
            gathered.all().for_each(|device| self.alone(place, device, cells));
            return;
        }
        if let Some(known) = self.inputs.fleet.remembering(&place.slot).filter(|_| group.consults) {
            // What stays depends on what each of them remembers.
            let remember = gathered.take(|device| known.admitted.contains(device));
            remember.into_iter().for_each(|device| self.alone(place, device, cells));
            if gathered.one().is_none() {
                return;
            }
        }
        let (mut on_time, mut regimes): (Vec<u32>, Vec<(Regime, Vec<u32>)>) = (Vec::new(), Vec::new());
        match group.matter_after {
            None => on_time.extend(gathered.late.iter().map(|(device, _)| *device)),
            Some(matter_after) => {
                // Who is not among those that are late by the least that can matter is not late at all.
                if late_ones.is_none_or(|late| late.after > matter_after) {
                    gathered.late = gathered.all().map(|device| (device, LOOK_UP)).collect();
                    gathered.late.sort_unstable();
                    gathered.devices = Members::none();
                    // Next time it is looked again for whom that bound says.
                    cells.late.remove(&number(place.present));
                }
                (on_time, regimes) = self.regimes(place, &gathered.late, matter_after, &group, cells);
            }
        }
        let base = gathered.devices.with(on_time);
        if !base.is_empty() {
            group.base = Some(cells.add(place, ruling, false, base));
        }
        for (regime, devices) in regimes {
            let Some(&one) = devices.first() else { continue };
            let ruling = self.rule(place, one, &together, true);
            group.late.push((regime, cells.add(place, ruling, true, Members::of(devices))));
        }
        cells.groups.insert((number(place.present), key), group);
    }

    /// Of devices that may be late those that are not, and the others by what follows from their due times, all in order.
    fn regimes(
        &self,
        place: &Place<'a>,
        late: &[LateDevice],
        matter_after: Timestamp,
        group: &Group,
        cells: &mut TitleCells,
    ) -> (Vec<u32>, Vec<(Regime, Vec<u32>)>) {
        let (mut on_time, mut regimes): (Vec<u32>, Vec<(Regime, Vec<u32>)>) = (Vec::new(), Vec::new());
        let policy = group.policy.as_ref().and_then(|name| self.shelf.repository.policy(name));
        let turns = policy.filter(|_| late.len() > MANY_LATE).map(|policy| group.clocks.turns(policy, self.shelf.now));
        // For each stretch between turns what follows there, by its place among the regimes, and the earliest spell.
        let mut stretches = vec![None; turns.as_ref().map_or(0, Turns::stretches)];
        for (device, spell) in late {
            let known = (*spell != LOOK_UP).then(|| Timestamp::from_nanosecond(i128::from(*spell)).ok());
            let spell = known.flatten().map(Spell::Own).or_else(|| self.spell(place, *device));
            let began = spell.filter(|spell| group.clocks.differs(*spell, matter_after));
            let (Some(policy), Some(began)) = (policy, began.and_then(|spell| group.clocks.began(Some(spell)))) else {
                on_time.push(*device);
                continue;
            };
            let mut known = turns.as_ref().and_then(|turns| stretches.get_mut(turns.stretch(began)));
            let at = match &mut known {
                Some(Some((at, earliest))) => {
                    *earliest = began.min(*earliest);
                    *at
                }
                _ => {
                    let regime = group.clocks.regime(policy, Some(began), self.shelf.now);
                    let at = regimes.iter().position(|(known, _)| *known == regime).unwrap_or(regimes.len());
                    if at == regimes.len() {
                        regimes.push((regime, Vec::new()));
                    }
                    match known {
                        Some(known) => *known = Some((at, began)),
                        None => cells.wake_at(group.clocks.next(policy, Some(began), self.shelf.now)),
                    }
                    at
                }
            };
            if let Some((_, devices)) = regimes.get_mut(at) {
                devices.push(*device);
            }
        }
        // Of the spells in a stretch the earliest is the first to come due.
        for ((_, earliest), policy) in stretches.into_iter().flatten().zip(std::iter::repeat(policy)) {
            cells.wake_at(policy.and_then(|policy| group.clocks.next(policy, Some(earliest), self.shelf.now)));
        }
        (on_time, regimes)
    }

    /// Who of those devices is looked at with whom.
    fn gather(
        &self,
        place: &Place<'a>,
        devices: &RoaringBitmap,
        apart: &Apart,
        late: Option<&LateOnes>,
        cells: &mut TitleCells,
    ) -> Vec<Gathered> {
        let fleet = self.inputs.fleet;
        let remembering = fleet.remembering(&place.slot);
        let mut gathered: Vec<Gathering> = Vec::new();
        // Where those stand whom nothing tells apart but classes and shares, by the number for what rulings go by; and all others.
        let mut direct = vec![u32::MAX; self.scope.rulings()];
        let mut others: Map<Key, u32> = Map::default();
        let mut remembers_offers = InOrder::new(remembering.map(|known| &known.offers));
        // First where each stands, so that lists are as long as they will be; nowhere is by itself.
        let mut places: Vec<u32> = Vec::with_capacity(devices.len() as usize);
        let mut block = [0; BLOCK];
        let (mut classes, mut points) = ([0; BLOCK], [0; BLOCK]);
        let (mut zones, mut universes, mut members) = ([0; BLOCK], [0; BLOCK], [0; BLOCK]);
        let mut left = devices.iter();
        loop {
            let block = left.next_many(&mut block);
            if block.is_empty() {
                break;
            }
            read(self.classes.of_all(), block, &mut classes);
            read(fleet.points(), block, &mut points);
            if self.scope.days() {
                read(fleet.zones_of(), block, &mut zones);
            }
            if !apart.told.is_empty() {
                read(fleet.universes_of(), block, &mut universes);
            }
            if !apart.members.is_empty() {
                read(&apart.members, block, &mut members);
            }
            let asked = block.iter().zip(&classes).zip(&points).zip(zones.iter().zip(&universes).zip(&members));
            for (((device, class), point), ((zone, universe), members)) in asked {
                let remembered = match remembers_offers.has(*device) {
                    true => cells.numbers.of_remembered(self.remembered(&place.slot, *device)),
                    false => 0,
                };
                let Some(seen) = self.scope.seen(*class).filter(|seen| !seen.too_many) else {
                    places.push(u32::MAX);
                    continue;
                };
                let part = if self.members.is_empty() { seen.ruling(*point) } else { seen.part(*point) };
                let told = apart.told.get(*universe as usize).copied().unwrap_or(0);
                let key = Key { part, zone: *zone, told, members: *members, remembered };
                let next = gathered.len() as u32;
                let at = match direct.get_mut(part as usize) {
                    Some(at) if *zone | told | *members | remembered == 0 => {
                        if *at == u32::MAX {
                            *at = next;
                        }
                        *at
                    }
                    _ => *others.entry(key).or_insert(next),
                };
                if at == next {
                    gathered.push(Gathering { key, count: 0, devices: Vec::new(), late: Vec::new() });
                }
                if let Some(gathered) = gathered.get_mut(at as usize) {
                    gathered.count += 1;
                }
                places.push(at);
            }
        }
        for gathered in &mut gathered {
            gathered.devices.reserve_exact(gathered.count);
        }
        let mut lateness = Lateness::new(late, remembering);
        let mut left = devices.iter();
        let mut places = places.as_slice();
        loop {
            let block = left.next_many(&mut block);
            if block.is_empty() {
                break;
            }
            let (here, rest) = places.split_at_checked(block.len()).unwrap_or((places, &[]));
            places = rest;
            for (device, at) in block.iter().zip(here) {
                match gathered.get_mut(*at as usize) {
                    Some(gathered) => match lateness.of(*device) {
                        None => gathered.devices.push(*device),
                        Some(late) => gathered.late.push(late),
                    },
                    None => self.alone(place, *device, cells),
                }
            }
        }
        let gathered = gathered.into_iter();
        gathered
            .map(|Gathering { key, devices, late, .. }| Gathered { key, devices: Members::of(devices), late })
            .collect()
    }
}
