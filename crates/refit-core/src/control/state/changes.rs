//! What has changed since an event, without looking at everything. It is worked out from the state, and is in no snapshot.

use super::{DeviceRecord, State};
use crate::control::{device_index::DeviceIndex, device_set::DeviceSet};
use imbl::OrdSet;
use refit_model::{PersonId, TitleId};
use smol_str::SmolStr;
use std::ops::Bound::{Excluded, Unbounded};

/// The last changes of what decisions read, by the events that made them.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    devices: OrdSet<(u64, u32)>,
    people: OrdSet<(u64, PersonId)>,
    titles: OrdSet<(u64, TitleId)>,
    universes: DeviceIndex<SmolStr>,
}

impl Changes {
    /// The last event that changed any title.
    pub(in crate::control) fn titles_revised(&self) -> u64 {
        self.titles.get_max().map_or(0, |(seq, _)| *seq)
    }

    pub(super) fn person(&mut self, id: &PersonId, before: u64, revised: u64) {
        self.people.remove(&(before, id.clone()));
        self.people.insert((revised, id.clone()));
    }

    pub(super) fn enrolled(&mut self, record: &DeviceRecord) {
        self.devices.insert((record.revised, record.index));
        record.universe.iter().for_each(|universe| self.universes.insert(universe, record.index));
    }

    pub(super) fn device(&mut self, before: (u64, Option<SmolStr>), record: &DeviceRecord) {
        if before.0 != record.revised {
            self.devices.remove(&(before.0, record.index));
            self.devices.insert((record.revised, record.index));
        }
        if before.1 != record.universe {
            before.1.iter().for_each(|universe| self.universes.remove(universe, record.index));
            record.universe.iter().for_each(|universe| self.universes.insert(universe, record.index));
        }
    }
}

/// The entries of a list by event that came after one.
fn after<T: Ord + Clone>(list: &OrdSet<(u64, T)>, seq: u64, least: T) -> impl Iterator<Item = &T> {
    let next = seq.saturating_add(1);
    list.range((next, least)..).map(|(_, changed)| changed)
}

impl State {
    /// Notes that what is known of a title has changed.
    pub(super) fn revise_title(&mut self, title: &TitleId, seq: u64) {
        if let Some(before) = self.title_revised.insert(title.clone(), seq) {
            self.changes.titles.remove(&(before, title.clone()));
        }
        self.changes.titles.insert((seq, title.clone()));
    }

    /// Works out anew what changed when.
    pub(super) fn changes_again(&mut self) {
        let mut changes = Changes::default();
        self.devices.values().for_each(|record| changes.enrolled(record));
        changes.people = self.people.iter().map(|(id, person)| (person.revised, id.clone())).collect();
        changes.titles = self.title_revised.iter().map(|(title, seq)| (*seq, title.clone())).collect();
        self.changes = changes;
    }

    /// The devices for which [`State::revised_for`] is later than an event; retired ones may be among them. What it costs
    /// depends on what has changed, and on how many universes there are.
    pub fn revised_since(&self, seq: u64) -> DeviceSet {
        let mut since: DeviceSet = after(&self.changes.devices, seq, 0).copied().collect();
        for person in after(&self.changes.people, seq, PersonId::new("")) {
            since.0 |= self.found.of_person(person).0;
        }
        for title in after(&self.changes.titles, seq, TitleId::new("")) {
            since.0 |= self.found.with_title(title).0;
        }
        for (key, universe) in &self.universes {
            let distribution = self.distributions.get(&universe.distribution).map_or(0, |known| known.revised);
            if universe.revised.max(distribution) > seq {
                since.0 |= self.changes.universes.set(key).0;
            }
        }
        since
    }

    /// The indexes of a set, beginning after one of them and going round.
    pub(in crate::control) fn round(set: &DeviceSet, after: Option<u32>) -> impl Iterator<Item = u32> {
        let from = after.map_or(Unbounded, Excluded);
        let later = set.0.range((from, Unbounded));
        let earlier = after.map(|after| set.0.range(..=after));
        later.chain(earlier.into_iter().flatten())
    }
}
