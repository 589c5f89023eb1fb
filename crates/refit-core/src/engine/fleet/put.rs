//! Devices come, change and go.

use super::{
    Fleet, Moment, Overlay, Presence,
    hold::{Entry, Held},
};
use crate::{
    engine::intern::hash_of,
    facts::{Fact, FieldRef},
    world::{Device, Install, SlotKey},
};
use refit_model::{DeviceId, TitleId};
use roaring::RoaringBitmap;
use std::{collections::BTreeMap, sync::Arc};

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

impl Fleet {
    /// Adds a device, or replaces what is known of it. A device that is there keeps its number.
    pub fn put(&mut self, device: &Device) {
        let held = self.hold(device);
        self.place(held);
    }

    /// Adds many devices, or replaces what is known of them, faster than one by one.
    pub fn extend<'d>(&mut self, devices: impl IntoIterator<Item = &'d Device>) {
        // Who has a release is first noted in the order of devices, and then appended to its bitmap at once.
        let mut waiting: Vec<Vec<u32>> = Vec::new();
        for device in devices {
            if self.number(&device.id).is_some() {
                self.append(&mut waiting);
                self.put(device);
                continue;
            }
            let held = self.hold(device);
            let packages = held.row.packages;
            let (number, last) = self.enter(held);
            let installs = self.packages.get(packages).cloned().unwrap_or_default();
            if last {
                waiting.resize(waiting.len().max(self.holders.len()), Vec::new());
                for present in installs.iter() {
                    if let Some(waiting) = waiting.get_mut(*present as usize) {
                        waiting.push(number);
                    }
                }
            } else {
                self.change_holders(number, &[], &installs);
            }
        }
        self.append(&mut waiting);
    }

    fn append(&mut self, waiting: &mut [Vec<u32>]) {
        for (holders, waiting) in self.holders.iter_mut().zip(waiting) {
            if !waiting.is_empty() {
                // Numbers at the end are greater than all that there were.
                if holders.append(waiting.iter().copied()).is_err() {
                    holders.extend(waiting.iter().copied());
                }
                waiting.clear();
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
            for slot in old.slots() {
                if let Some(devices) = self.remembering.get_mut(slot) {
                    devices.remove(number);
                    if devices.is_empty() {
                        self.remembering.remove(slot);
                    }
                }
            }
        }
        if overlay != Overlay::NONE {
            for slot in overlay.slots() {
                self.remembering.entry(slot.clone()).or_default().insert(number);
            }
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

    /// Takes what was observed of some slots of a device: what is installed in them, and which are empty. What has changed.
    pub(in crate::engine) fn observe(&mut self, number: u32, installs: &[Install], removed: &[SlotKey]) -> Moved {
        let mut moved = Moved::default();
        let Some(row) = self.row(number) else { return moved };
        let before = self.packages.get(row.packages).cloned().unwrap_or_default();
        let mut entries: Vec<Entry> = Vec::with_capacity(before.len() + installs.len());
        let mut observed: Vec<(SlotKey, Option<&Install>)> = removed.iter().map(|slot| (slot.clone(), None)).collect();
        for install in installs {
            let slot = install.slot();
            // Of what is said of one slot the last counts.
            match observed.iter_mut().find(|(known, _)| *known == slot) {
                Some((_, known)) => *known = Some(install),
                None => observed.push((slot, Some(install))),
            }
        }
        let mut gone: Vec<(u32, usize)> = Vec::new();
        for (slot, install) in &observed {
            let here = |present: &u32| {
                self.present.get(*present).is_some_and(|known| in_slot(known, slot)).then_some(*present)
            };
            let of_title = self.by_title.get(&slot.title).into_iter().flatten();
            for present in of_title {
                let Ok(place) = before.binary_search(present) else { continue };
                let Some(present) = here(present) else { continue };
                let known = self.present.get(present);
                let as_it_was = install.is_some_and(|install| {
                    known.is_some_and(|known| {
                        known.version.scheme() == install.version.scheme()
                            && known.version.as_str() == install.version.as_str()
                    }) && row.since.get(place).get(&self.far) == install.since
                });
                if !as_it_was {
                    gone.push((present, place));
                    moved.title(&slot.title).gone.push((present, slot.clone()));
                }
            }
        }
        let is_there = |install: &Install| {
            self.find(install).is_some_and(|present| {
                before.binary_search(&present).is_ok() && gone.iter().all(|(gone, _)| *gone != present)
            })
        };
        let coming: Vec<&Install> =
            observed.iter().filter_map(|(_, install)| *install).filter(|install| !is_there(install)).collect();
        if gone.is_empty() && coming.is_empty() {
            return moved;
        }
        for (place, present) in before.iter().enumerate() {
            if gone.iter().all(|(_, gone)| *gone != place) {
                entries.push(Entry { present: *present, new: false, since: row.since.get(place) });
            }
        }
        for entry in &entries {
            entry.since.hold_again(&mut self.far);
        }
        for install in coming {
            let (present, new) = self.find_presence(install);
            moved.title(&install.title).come.push(present);
            entries.push(Entry { present, new, since: Moment::hold(install.since, &mut self.far) });
        }
        entries.sort_unstable();
        let (packages, since) = self.hold_installs(&entries);
        let after: Arc<[u32]> = self.packages.get(packages).cloned().unwrap_or_default();
        self.count(&mut moved, &before, &after);
        self.change_holders(number, &before, &after);
        drop((before, after));
        if let Some(Some(row)) = self.rows.get_mut(number as usize) {
            let old = (std::mem::replace(&mut row.packages, packages), std::mem::replace(&mut row.since, since));
            self.release_installs(old.0, &old.1);
        }
        moved
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
