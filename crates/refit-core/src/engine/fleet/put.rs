//! Devices come, change and go.

use super::{
    Fleet, Moment, Overlay, Presence, Remembering,
    hold::{Following, Held},
    moment::Times,
};
use crate::{
    engine::intern::hash_of,
    facts::{Fact, FieldRef},
    world::{Device, Install, SlotKey},
};
use refit_model::{DeviceId, TitleId};
use roaring::RoaringBitmap;
use std::collections::BTreeMap;

/// What a change of a device leaves as it is.
pub(in crate::engine) enum Difference {
    /// Whatever is not an install, nor when it was seen, nor what sources say.
    Installs(Moved),
    /// Nothing but what sources say.
    Facts,
    /// Nothing that could be relied on.
    More,
}

/// Which installs have changed, by title.
#[derive(Debug, Default)]
pub(in crate::engine) struct Moved {
    /// The titles that have changed.
    pub titles: BTreeMap<TitleId, Slots>,
    /// Whether the device has any title that it did not have, or has one no longer.
    pub other_titles: bool,
}

/// What has come and gone of one title, as numbers of releases in slots.
#[derive(Debug, Default)]
pub(in crate::engine) struct Slots {
    pub gone: Vec<(u32, SlotKey)>,
    pub come: Vec<u32>,
    /// Whether there was any install of the title.
    pub before: bool,
    /// Whether there is.
    pub after: bool,
}

/// How many pairs of releases and devices wait before they are noted.
const WAITING_MOST: usize = 1 << 21;

impl Fleet {
    /// Adds a device, or replaces what is known of it. A device that is there keeps its number.
    pub fn put(&mut self, device: &Device) {
        let held = self.hold(device);
        self.place(held);
    }

    /// Adds many devices, or replaces what is known of them, faster than one by one.
    pub fn extend<'d>(&mut self, devices: impl IntoIterator<Item = &'d Device>) {
        // Who has a release is first noted in the order of devices, and then appended to its bitmap at once.
        let mut waiting: Vec<(u32, u32)> = Vec::new();
        let mut following = Following::default();
        for device in devices {
            if self.number(&device.id).is_some() {
                self.append(&mut waiting);
                self.put(device);
                continue;
            }
            let held = self.hold_after(device, Some(&mut following));
            let packages = held.row.packages;
            let (number, last) = self.enter(held);
            let installs = self.packages.get(packages).cloned().unwrap_or_default();
            if last {
                waiting.extend(installs.iter().map(|present| (*present, number)));
                if waiting.len() >= WAITING_MOST {
                    self.append(&mut waiting);
                }
            } else {
                self.change_holders(number, &[], &installs);
            }
        }
        self.append(&mut waiting);
    }

    /// Notes who has what: pairs of releases and devices, in the order of devices, whose numbers are greater than all that there were.
    fn append(&mut self, waiting: &mut Vec<(u32, u32)>) {
        // Sorted by counting: there are more pairs than releases.
        let mut ends = vec![0usize; self.holders.len() + 1];
        for (present, _) in waiting.iter() {
            ends.get_mut(*present as usize).into_iter().for_each(|end| *end += 1);
        }
        let mut sum = 0;
        for end in &mut ends {
            sum += std::mem::replace(end, sum);
        }
        let mut sorted = vec![0u32; waiting.len()];
        for (present, number) in waiting.drain(..) {
            let Some(end) = ends.get_mut(present as usize) else { continue };
            if let Some(place) = sorted.get_mut(*end) {
                *place = number;
            }
            *end += 1;
        }
        let mut from = 0;
        for (holders, end) in self.holders.iter_mut().zip(ends) {
            let devices = sorted.get(from..end).unwrap_or_default();
            from = end;
            if !devices.is_empty() && holders.append(devices.iter().copied()).is_err() {
                holders.extend(devices.iter().copied());
            }
        }
    }

    /// Puts a device that is held into its row; its number.
    pub(in crate::engine) fn place(&mut self, held: Held) -> u32 {
        let Some(number) = self.number(&held.row.id) else {
            let packages = held.row.packages;
            let (number, _) = self.enter(held);
            let installs = self.packages.get(packages).cloned().unwrap_or_default();
            self.change_holders(number, &[], &installs);
            return number;
        };
        let new = self.packages.get(held.row.packages).cloned().unwrap_or_default();
        let Some(old) = self.rows.get_mut(number as usize).and_then(Option::take) else { return number };
        let before = self.packages.get(old.packages).cloned().unwrap_or_default();
        self.change_holders(number, &before, &new);
        drop((before, new));
        self.set_overlay(number, held.overlay);
        if let Some(place) = self.rows.get_mut(number as usize) {
            *place = Some(held.row);
        }
        self.note(number);
        // What is new is held before what was is let go: what is in both is not taken out of any pool.
        self.release(old);
        number
    }

    /// Gives a device that is not known a number; and whether that is greater than all others.
    fn enter(&mut self, held: Held) -> (u32, bool) {
        let Held { row, overlay } = held;
        let hash = hash_of(&row.id);
        let number = self.free.pop_first().unwrap_or(self.rows.len() as u32);
        let last = number as usize == self.rows.len();
        if last {
            self.rows.push(Some(row));
        } else if let Some(place) = self.rows.get_mut(number as usize) {
            *place = Some(row);
        }
        let Fleet { index, rows, .. } = self;
        index.insert_unique(hash, number, |number| {
            rows.get(*number as usize).and_then(Option::as_ref).map_or(0, |row| hash_of(&row.id))
        });
        self.devices.insert(number);
        self.set_overlay(number, overlay);
        self.note(number);
        (number, last)
    }

    /// Copies what is asked of a device for every title.
    pub(super) fn note(&mut self, number: u32) {
        let Fleet { rows, points, zones_of, universes_of, .. } = self;
        let Some(Some(row)) = rows.get(number as usize) else { return };
        points.resize(rows.len(), 0);
        zones_of.resize(rows.len(), 0);
        universes_of.resize(rows.len(), 0);
        let place = number as usize;
        if let (Some(point), Some(zone), Some(universe)) =
            (points.get_mut(place), zones_of.get_mut(place), universes_of.get_mut(place))
        {
            (*point, *zone, *universe) = (row.point, row.zone, row.universe);
        }
    }

    pub(super) fn set_overlay(&mut self, number: u32, overlay: Overlay) {
        if let Some(old) = self.overlays.remove(&number) {
            for slot in old.spells.keys().chain(old.first_offers.keys()).chain(old.admitted_before.keys()) {
                if let Some(known) = self.remembering.get_mut(slot) {
                    known.forget(number);
                    if known.is_empty() {
                        self.remembering.remove(slot);
                    }
                }
            }
        }
        if overlay != Overlay::NONE {
            let mut remembers = |slot: &SlotKey, of: fn(&mut Remembering) -> &mut RoaringBitmap| {
                of(self.remembering.entry(slot.clone()).or_default()).insert(number);
            };
            overlay.spells.keys().for_each(|slot| remembers(slot, |known| &mut known.spells));
            overlay.first_offers.keys().for_each(|slot| remembers(slot, |known| &mut known.offers));
            overlay.admitted_before.keys().for_each(|slot| remembers(slot, |known| &mut known.admitted));
            self.overlays.insert(number, Box::new(overlay));
        }
    }

    /// Removes a device, and whatever nobody else has; whether it was there.
    pub fn remove(&mut self, id: &DeviceId) -> bool {
        let Some(number) = self.number(id) else { return false };
        if let Ok(found) = self.index.find_entry(hash_of(id), |known| *known == number) {
            found.remove();
        }
        self.set_overlay(number, Overlay::NONE);
        self.devices.remove(number);
        if let Some(row) = self.rows.get_mut(number as usize).and_then(Option::take) {
            let installs = self.packages.get(row.packages).cloned().unwrap_or_default();
            self.change_holders(number, &installs, &[]);
            drop(installs);
            self.release(row);
        }
        self.free.insert(number);
        while matches!(self.rows.last(), Some(None)) {
            self.rows.pop();
            self.free.remove(&(self.rows.len() as u32));
        }
        self.points.truncate(self.rows.len());
        self.zones_of.truncate(self.rows.len());
        self.universes_of.truncate(self.rows.len());
        true
    }

    /// Takes a device out of the bitmaps of what it has no longer, and puts it into those of what it did not have; both are sorted.
    fn change_holders(&mut self, number: u32, before: &[u32], after: &[u32]) {
        let holders = |present: u32, all: &mut Vec<RoaringBitmap>, holds: bool| {
            if let Some(holders) = all.get_mut(present as usize) {
                if holds {
                    holders.insert(number);
                } else {
                    holders.remove(number);
                }
            }
        };
        let all = &mut self.holders;
        in_one(before, after, |present| holders(present, all, false));
        in_one(after, before, |present| holders(present, all, true));
    }

    /// What a device that is held differs in from the one of that number.
    pub(in crate::engine) fn difference(&self, number: u32, held: &Held) -> Difference {
        let Some(old) = self.row(number) else { return Difference::More };
        let new = &held.row;
        let same = (old.enrolled, old.zone, old.universe) == (new.enrolled, new.zone, new.universe)
            && (old.seen, old.seen_by) == (new.seen, new.seen_by)
            && *self.overlay(number) == held.overlay;
        if !same {
            return Difference::More;
        }
        let moved = self.moved(old, new);
        match (old.records == new.records, moved.titles.is_empty()) {
            (true, _) => Difference::Installs(moved),
            (false, true) => Difference::Facts,
            (false, false) => Difference::More,
        }
    }

    fn moved(&self, old: &super::Row, new: &super::Row) -> Moved {
        let (before, after) = (self.installs_of(old), self.installs_of(new));
        let mut moved = Moved::default();
        let since = |row: &super::Row, installs: &[u32], present: u32| {
            installs.binary_search(&present).ok().map(|place| row.since.get(place))
        };
        for present in before.iter().copied() {
            let Some(known) = self.present.get(present) else { continue };
            if since(old, before, present) != since(new, after, present) {
                moved.title(&known.title).gone.push((present, known.slot()));
            }
        }
        for present in after.iter().copied() {
            let Some(known) = self.present.get(present) else { continue };
            if since(old, before, present) != since(new, after, present) {
                moved.title(&known.title).come.push(present);
            }
        }
        self.count(&mut moved, before, after);
        moved
    }

    /// Notes of which of the titles there was, and is, any install.
    fn count(&self, moved: &mut Moved, before: &[u32], after: &[u32]) {
        for (title, slots) in &mut moved.titles {
            let numbers = self.by_title.get(title);
            let any = |installs: &[u32]| {
                numbers.is_some_and(|numbers| numbers.iter().any(|number| installs.binary_search(number).is_ok()))
            };
            (slots.before, slots.after) = (any(before), any(after));
            moved.other_titles |= slots.before != slots.after;
        }
    }

    /// Takes what was observed of some slots of a device: what is installed in them, and which are empty. What has changed. What stays is
    /// neither looked up nor held anew.
    pub(in crate::engine) fn observe(&mut self, number: u32, installs: &[Install], removed: &[SlotKey]) -> Moved {
        let mut moved = Moved::default();
        let Some(row) = self.row(number) else { return moved };
        let old = row.packages;
        let before = self.packages.get(old).cloned().unwrap_or_default();
        let mut observed: Vec<(SlotKey, Option<&Install>)> = Vec::with_capacity(removed.len() + installs.len());
        let empty = removed.iter().map(|slot| (slot.clone(), None));
        for (slot, install) in empty.chain(installs.iter().map(|install| (install.slot(), Some(install)))) {
            // Of what is said of one slot the last counts.
            match observed.iter_mut().find(|(known, _)| *known == slot) {
                Some((_, known)) => *known = install,
                None => observed.push((slot, install)),
            }
        }
        // What there is of the titles, with its place in the set.
        let mut here: BTreeMap<&TitleId, Vec<(u32, usize)>> = BTreeMap::new();
        for (slot, _) in &observed {
            here.entry(&slot.title).or_insert_with(|| {
                let of_title = self.by_title.get(&slot.title).into_iter().flatten();
                of_title.filter_map(|present| Some((*present, before.binary_search(present).ok()?))).collect()
            });
        }
        let (mut gone, mut coming): (Vec<(u32, usize)>, Vec<&Install>) = (Vec::new(), Vec::new());
        for (slot, install) in &observed {
            let mut stays = false;
            for (present, place) in here.get(&slot.title).into_iter().flatten() {
                let Some(known) = self.present.get(*present).filter(|known| in_slot(known, slot)) else { continue };
                let as_it_was = install.is_some_and(|install| {
                    known.version.scheme() == install.version.scheme()
                        && known.version.as_str() == install.version.as_str()
                        && row.since.get(*place).get(&self.far) == install.since
                });
                if as_it_was {
                    stays = true;
                } else {
                    gone.push((*present, *place));
                    moved.title(&slot.title).gone.push((*present, slot.clone()));
                }
            }
            coming.extend(install.filter(|_| !stays));
        }
        if gone.is_empty() && coming.is_empty() {
            return moved;
        }
        let left = |title: &TitleId, moved: &Slots| here.get(title).map_or(0, Vec::len) > moved.gone.len();
        for install in &coming {
            moved.title(&install.title);
        }
        for (title, slots) in &mut moved.titles {
            slots.before = here.get(title).is_some_and(|here| !here.is_empty());
            slots.after = left(title, slots) || coming.iter().any(|install| install.title == *title);
            moved.other_titles |= slots.before != slots.after;
        }
        let mut come: Vec<(u32, bool, Moment)> = Vec::with_capacity(coming.len());
        for install in coming {
            let (present, new) = self.find_presence(install);
            moved.title(&install.title).come.push(present);
            come.push((present, new, Moment::hold(install.since, &mut self.far)));
        }
        come.sort_unstable();
        self.exchange(number, &before, &gone, &come);
        moved
    }

    /// Gives a device another set of installs: without some, by their places in the set that it has, and with others, sorted, of which the
    /// times are held, and the releases where they are new.
    fn exchange(&mut self, number: u32, before: &[u32], gone: &[(u32, usize)], come: &[(u32, bool, Moment)]) {
        let Fleet { rows, far, .. } = &mut *self;
        let Some(Some(row)) = rows.get(number as usize) else { return };
        let mut numbers: Vec<u32> = Vec::with_capacity(before.len() + come.len());
        let mut things: Vec<Result<usize, Moment>> = Vec::with_capacity(before.len() + come.len());
        let mut coming = come.iter().peekable();
        for (place, present) in before.iter().enumerate() {
            if gone.iter().any(|(_, gone)| *gone == place) {
                continue;
            }
            while let Some((earlier, _, time)) = coming.next_if(|(coming, _, _)| coming < present) {
                numbers.push(*earlier);
                things.push(Err(*time));
            }
            numbers.push(*present);
            things.push(Ok(place));
        }
        for (last, _, time) in coming {
            numbers.push(*last);
            things.push(Err(*time));
        }
        let old = row.packages;
        let since = Times::renewed(&row.since, &things, far);
        // A set that nobody else has hands on what it holds.
        let hands_on = self.packages.holders(old) == 1;
        let (packages, unknown) = self.packages.hold(numbers.into());
        if unknown {
            if !hands_on {
                let kept = before.iter().enumerate().filter(|(place, _)| gone.iter().all(|(_, gone)| gone != place));
                kept.for_each(|(_, present)| self.present.hold_again(*present));
            }
            come.iter().filter(|(_, new, _)| !new).for_each(|(present, _, _)| self.present.hold_again(*present));
        }
        for (present, _) in gone {
            if let Some(holders) = self.holders.get_mut(*present as usize) {
                holders.remove(number);
            }
        }
        for (present, _, _) in come {
            if let Some(holders) = self.holders.get_mut(*present as usize) {
                holders.insert(number);
            }
        }
        let Some(Some(row)) = self.rows.get_mut(number as usize) else { return };
        row.packages = packages;
        let times = std::mem::replace(&mut row.since, since);
        times.distinct().iter().for_each(|moment| moment.release(&mut self.far));
        if let Some(set) = self.packages.release(old) {
            match unknown && hands_on {
                true => gone.iter().for_each(|(present, _)| self.release_presence(*present)),
                false => set.iter().for_each(|present| self.release_presence(*present)),
            }
        }
        self.holders.truncate(self.present.width());
    }

    /// Takes what a source says of a device.
    pub(in crate::engine) fn say(&mut self, number: u32, facts: Vec<(FieldRef, Fact)>) {
        let Some(row) = self.row(number) else { return };
        let mut known = self.facts_of(row);
        facts.into_iter().for_each(|(field, fact)| known.insert(field, fact));
        let records = self.records_of(&known);
        if let Some(Some(row)) = self.rows.get_mut(number as usize) {
            let old = std::mem::replace(&mut row.records, records);
            self.release_records(&old);
        }
    }
}

impl Moved {
    fn title(&mut self, title: &TitleId) -> &mut Slots {
        self.titles.entry(title.clone()).or_default()
    }
}

fn in_slot(known: &Presence, slot: &SlotKey) -> bool {
    known.title == slot.title && known.branch == slot.branch && known.profile == slot.profile
}

/// What is in one sorted list and not in the other.
fn in_one(one: &[u32], other: &[u32], mut found: impl FnMut(u32)) {
    let mut others = other.iter().peekable();
    for present in one {
        while others.next_if(|other| *other < present).is_some() {}
        if others.peek() != Some(&present) {
            found(*present);
        }
    }
}
