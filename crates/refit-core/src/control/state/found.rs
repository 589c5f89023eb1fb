//! Finding devices without looking at all of them. It is worked out from the devices, and is in no snapshot.

use super::{DeviceRecord, State};
use crate::control::{device_index::DeviceIndex, device_set::DeviceSet};
use refit_model::{DeviceId, PersonId, TitleId};
use smol_str::SmolStr;
use std::{
    collections::BTreeSet,
    ops::Bound::{Excluded, Unbounded},
    sync::Arc,
};

/// The field by which people look for devices most.
const PLATFORM: &str = "device.platform";

/// Which devices have what. Only those under [`Found::managed`] are managed; the others are of all that were ever enrolled.
#[derive(Clone, Debug, Default)]
pub struct Found {
    managed: DeviceIndex<()>,
    titles: DeviceIndex<TitleId>,
    platforms: DeviceIndex<SmolStr>,
    people: DeviceIndex<PersonId>,
}

impl Found {
    /// The devices that are managed.
    pub fn managed(&self) -> DeviceSet {
        self.managed.set(&())
    }

    /// How many devices are managed.
    pub fn managed_count(&self) -> u64 {
        self.managed.count(&())
    }

    /// The devices that have a title.
    pub fn with_title(&self, title: &TitleId) -> DeviceSet {
        self.titles.set(title)
    }

    /// The devices that some source says to be on this platform. Another source may be trusted more.
    pub fn on_platform(&self, platform: &str) -> DeviceSet {
        self.platforms.set(&platform.into())
    }

    /// The devices of a person.
    pub fn of_person(&self, person: &PersonId) -> DeviceSet {
        self.people.set(person)
    }

    /// Which devices have which titles.
    pub fn titles(&self) -> &DeviceIndex<TitleId> {
        &self.titles
    }

    pub(super) fn enrolled(&mut self, record: &DeviceRecord) {
        if record.retired.is_none() {
            self.managed.insert(&(), record.index);
        }
        record.installs.keys().for_each(|slot| self.titles.insert(&slot.title, record.index));
        platforms(record).iter().for_each(|platform| self.platforms.insert(platform, record.index));
        record.person.iter().for_each(|person| self.people.insert(person, record.index));
    }

    pub(super) fn retired(&mut self, index: u32) {
        self.managed.remove(&(), index);
    }

    pub(super) fn assigned(&mut self, index: u32, before: Option<&PersonId>, person: Option<&PersonId>) {
        before.iter().for_each(|person| self.people.remove(person, index));
        person.iter().for_each(|person| self.people.insert(person, index));
    }

    pub(super) fn has_title(&mut self, index: u32, title: &TitleId, has: bool) {
        if has { self.titles.insert(title, index) } else { self.titles.remove(title, index) }
    }

    pub(super) fn said_platforms(&mut self, index: u32, before: &BTreeSet<SmolStr>, now: &BTreeSet<SmolStr>) {
        before.difference(now).for_each(|platform| self.platforms.remove(platform, index));
        now.difference(before).for_each(|platform| self.platforms.insert(platform, index));
    }
}

/// The platforms that sources say a device to be on.
pub(super) fn platforms(record: &DeviceRecord) -> BTreeSet<SmolStr> {
    record
        .facts
        .get(PLATFORM)
        .into_iter()
        .flat_map(|said| said.values())
        .map(|value| value.to_string().into())
        .collect()
}

impl State {
    /// Adds a device, whose index is the next one.
    pub fn add(&mut self, record: DeviceRecord) {
        self.by_index.push_back(record.id.clone());
        self.found.enrolled(&record);
        self.devices.insert(record.id.clone(), Arc::new(record));
    }

    /// Works out anew which devices have what.
    pub(super) fn find_again(&mut self) {
        let mut found = Found::default();
        self.devices.values().for_each(|record| found.enrolled(record));
        self.found = found;
    }

    /// The devices of a set whose ids come after another, by id; at most so many.
    pub fn first_of(&self, set: &DeviceSet, after: Option<&DeviceId>, most: usize) -> Vec<&Arc<DeviceRecord>> {
        let from = after.map_or(Unbounded, |after| Excluded(after.clone()));
        let mut first = Vec::new();
        let mut left = set.len();
        // Where many are in the set, the next ones are near.
        for (_, record) in self.devices.range((from, Unbounded)) {
            if left == 0 {
                return self.sorted_of(set, after, most);
            }
            left -= 1;
            if set.contains(record.index) {
                first.push(record);
                if first.len() >= most {
                    break;
                }
            }
        }
        first
    }

    /// As [`State::first_of`], where few of many are in the set.
    fn sorted_of(&self, set: &DeviceSet, after: Option<&DeviceId>, most: usize) -> Vec<&Arc<DeviceRecord>> {
        let ids = set.iter().filter_map(|index| self.by_index.get(index as usize));
        let mut ids: Vec<&DeviceId> = ids.filter(|id| after.is_none_or(|after| *id > after)).collect();
        if ids.len() > most {
            ids.select_nth_unstable(most);
            ids.truncate(most);
        }
        ids.sort_unstable();
        ids.into_iter().filter_map(|id| self.devices.get(id)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    #[test]
    fn the_next_devices_are_the_same_whether_many_or_few_are_wanted() {
        let mut state = State::default();
        for index in 0..500_u32 {
            // Ids are in another order than indexes.
            let id = DeviceId::new(format!("d{:03}", index * 7 % 500));
            state.add(DeviceRecord::new(id, index, None, Timestamp::UNIX_EPOCH, 1));
        }
        for (step, most) in [(1, 3), (2, 600), (97, 2), (97, 100), (250, 1), (499, 5), (600, 5)] {
            let set: DeviceSet = (0..500).filter(|index| index % step == 0).collect();
            for after in [None, Some("d"), Some("d013"), Some("d498"), Some("e")] {
                let after = after.map(DeviceId::new);
                let wanted = state.devices.values().filter(|record| {
                    set.contains(record.index) && after.as_ref().is_none_or(|after| record.id > *after)
                });
                let wanted: Vec<_> = wanted.take(most).collect();
                assert_eq!(state.first_of(&set, after.as_ref(), most), wanted, "{step} {most} {after:?}");
                assert_eq!(state.sorted_of(&set, after.as_ref(), most), wanted, "{step} {most} {after:?}");
            }
        }
    }
}
