//! Finding devices without looking at all of them. It is worked out from the devices, and is in no snapshot.

use super::{DeviceRecord, State};
use crate::{
    control::{device_index::DeviceIndex, device_set::DeviceSet, entry::Plain},
    facts::{FieldRef, mapping::KeyKind},
};
use imbl::OrdSet;
use refit_model::{DeviceId, PersonId, TitleId};
use smol_str::SmolStr;
use std::{
    collections::BTreeSet,
    ops::Bound::{Excluded, Unbounded},
    sync::Arc,
};

/// The field by which people look for devices most.
const PLATFORM: &str = "device.platform";
/// The fields by which others name a device: its serial number, and the UUID of its hardware, which is Apple's UDID of a Mac.
const NAMED_BY: [(KeyKind, &str); 2] =
    [(KeyKind::Serial, "device.serial"), (KeyKind::HardwareUuid, "device.hardware_uuid")];

/// Which devices have what. Only those under [`Found::managed`] are managed; the others are of all that were ever enrolled.
#[derive(Clone, Debug, Default)]
pub struct Found {
    managed: DeviceIndex<()>,
    titles: DeviceIndex<TitleId>,
    platforms: DeviceIndex<SmolStr>,
    people: DeviceIndex<PersonId>,
    names: OrdSet<(SmolStr, u32)>,
    keys: OrdSet<(Named, u32)>,
}

/// What a device is named by: of which kind, and written in one way.
pub(super) type Named = (KeyKind, SmolStr);

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

    /// The platforms that some source says some device to be on, sorted.
    pub fn platforms(&self) -> impl Iterator<Item = &SmolStr> {
        let mut last = None;
        let keys = self.platforms.pieces().map(|(platform, _)| platform);
        keys.filter(move |platform| last.replace(*platform) != Some(*platform))
    }

    /// The devices of a person.
    pub fn of_person(&self, person: &PersonId) -> DeviceSet {
        self.people.set(person)
    }

    /// The devices whose name begins so; at most one more than `most`.
    fn named(&self, begin: &str, most: usize) -> impl Iterator<Item = u32> {
        let from = self.names.range((SmolStr::new(begin), 0)..);
        from.take_while(move |(name, _)| name.starts_with(begin)).map(|(_, index)| *index).take(most + 1)
    }

    /// The devices that some source says to be named so, by index.
    fn with_key(&self, key: &Named) -> impl Iterator<Item = u32> {
        let from = self.keys.range((key.clone(), 0)..);
        from.take_while(move |(known, _)| known == key).map(|(_, index)| *index)
    }

    /// Which devices have which titles.
    pub fn titles(&self) -> &DeviceIndex<TitleId> {
        &self.titles
    }

    pub(super) fn enrolled(&mut self, record: &DeviceRecord) {
        if record.retired.is_none() {
            self.managed.insert(&(), record.index);
        }
        record.name.iter().for_each(|name| {
            self.names.insert((name.clone(), record.index));
        });
        record.installs.keys().for_each(|slot| self.titles.insert(&slot.title, record.index));
        platforms(record).iter().for_each(|platform| self.platforms.insert(platform, record.index));
        record.person.iter().for_each(|person| self.people.insert(person, record.index));
        self.said_keys(record.index, &BTreeSet::new(), &keys(record));
    }

    pub(super) fn managed_again(&mut self, index: u32) {
        self.managed.insert(&(), index);
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

    pub(super) fn said_keys(&mut self, index: u32, before: &BTreeSet<Named>, now: &BTreeSet<Named>) {
        for key in before.difference(now) {
            self.keys.remove(&(key.clone(), index));
        }
        for key in now.difference(before) {
            self.keys.insert((key.clone(), index));
        }
    }
}

/// What sources say a device to be named by, written in one way. What many devices have is none.
pub(super) fn keys(record: &DeviceRecord) -> BTreeSet<Named> {
    let of = |(kind, field): (KeyKind, &str)| {
        let said = record.facts.get(field).into_iter().flat_map(|said| said.values());
        let written = move |value: &Plain| Some((kind, kind.written(&value.to_string()).ok()?));
        said.filter_map(written).collect::<Vec<_>>()
    };
    NAMED_BY.into_iter().flat_map(of).collect()
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
        self.changes.enrolled(&record);
        self.devices.insert(record.id.clone(), Arc::new(record));
    }

    /// The managed device of this id, or that it leads to, or else the only one of this name.
    pub fn device_called(&self, name: &str) -> Option<&Arc<DeviceRecord>> {
        let id = DeviceId::new(name);
        if let Some(device) = self.device_now(&id) {
            return Some(device);
        }
        let named = self.found.names.range((SmolStr::new(name), 0)..).take_while(|(known, _)| known == name);
        let managed = |(_, index): &(SmolStr, u32)| self.device_now(self.by_index.get(*index as usize)?);
        let mut named = named.filter_map(managed);
        // One that was merged into another of the same name is the other.
        named.next().filter(|first| named.all(|other| other.index == first.index))
    }

    /// The managed devices that have this serial number, or this UUID of their hardware: all sources say so, or the one that the policy trusts
    /// most. That another one says so of a device does not count: a device can't take the number of another.
    pub fn with_key(&self, kind: KeyKind, text: &str) -> Vec<&Arc<DeviceRecord>> {
        let field = NAMED_BY.into_iter().find(|(of, _)| *of == kind).map(|(_, field)| field);
        let (Some(field), Ok(text)) = (field, kind.written(text)) else { return Vec::new() };
        let key = (kind, text);
        let said: Vec<u32> = self.found.with_key(&key).collect();
        let managed = said.into_iter().filter_map(|index| self.at_index(index)).filter(|it| it.retired.is_none());
        let order = self.policy.as_ref().map(|policy| &policy.repository.authority.order);
        let ranked = field.parse::<FieldRef>().ok().filter(|field| order.is_some_and(|it| it.contains_key(field)));
        let trusted = |device: &&Arc<DeviceRecord>| {
            let first = ranked.as_ref().and_then(|_| self.plain_fact(device, field));
            let first = first.and_then(|said| kind.written(&said).ok());
            first.is_some_and(|said| said == key.1) || keys(device).iter().filter(|(of, _)| *of == kind).count() == 1
        };
        managed.filter(trusted).collect()
    }

    /// The devices whose id or name begins so, retired ones among them; `None` where they are more than `most`.
    pub fn beginning(&self, begin: &str, most: usize) -> Option<DeviceSet> {
        let ids = self.devices.range(DeviceId::new(begin)..).take_while(|(id, _)| id.as_str().starts_with(begin));
        let ids = ids.map(|(_, record)| record.index).take(most + 1);
        let set: DeviceSet = ids.chain(self.found.named(begin, most)).collect();
        (set.len() <= most as u64).then_some(set)
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
    fn devices_are_found_by_the_beginning_of_their_id_or_name() {
        let mut state = State::default();
        for (index, (id, name)) in
            [("a1", Some("b-laptop")), ("b1", None), ("b2", Some("b2")), ("c", Some("x"))].into_iter().enumerate()
        {
            let index = u32::try_from(index).unwrap();
            state.add(DeviceRecord::new(id.into(), index, name.map(Into::into), Timestamp::UNIX_EPOCH, 1));
        }
        let found = |begin, most| state.beginning(begin, most).map(|set| set.iter().collect::<Vec<_>>());
        assert_eq!(found("b", 3), Some(vec![0, 1, 2]));
        assert_eq!(found("b", 2), None);
        assert_eq!(found("", 9), Some(vec![0, 1, 2, 3]));
        assert_eq!(found("x", 9), Some(vec![3]));
        assert_eq!(found("b-laptop-2", 9), Some(vec![]));
        state.find_again();
        assert_eq!(state.beginning("x", 9).unwrap().len(), 1);
        let called = |name: &str| state.device_called(name).map(|device| device.id.to_string());
        // An id goes before a name; a name that two have is nobody's.
        assert_eq!(called("b1"), Some("b1".into()));
        assert_eq!(called("b2"), Some("b2".into()));
        assert_eq!(called("b-laptop"), Some("a1".into()));
        assert_eq!(called("b-lap"), None);
        state.add(DeviceRecord::new("d".into(), 4, Some("x".into()), Timestamp::UNIX_EPOCH, 1));
        assert!(state.device_called("x").is_none());
    }

    #[test]
    fn devices_are_found_by_the_serial_number_that_the_most_trusted_source_says() {
        let mut state = State::default();
        for (index, (id, said)) in [
            ("a", vec![("agent", "C02XK1"), ("jamf", "C02XK1")]),
            ("b", vec![("agent", "pf3kx2"), ("jamf", "PF3KX3")]),
            ("c", vec![("agent", "to be filled by O.E.M.")]),
            ("d", vec![("agent", "S1")]),
            ("e", vec![("agent", "S1")]),
        ]
        .into_iter()
        .enumerate()
        {
            let index = u32::try_from(index).unwrap();
            let mut record = DeviceRecord::new(id.into(), index, None, Timestamp::UNIX_EPOCH, 1);
            let mut facts = crate::control::Sorted::default();
            for (source, serial) in said {
                facts.insert(source.into(), crate::control::Plain::Text(serial.into()));
            }
            record.facts.insert("device.serial".into(), facts);
            state.add(record);
        }
        let mut repository = crate::policy::repository::Repository::default();
        let order = vec!["jamf".into(), "agent".into()];
        repository.authority.order.insert(FieldRef::device("serial"), order);
        let found = |state: &State, serial: &str| {
            state
                .with_key(KeyKind::Serial, serial)
                .iter()
                .map(|device| device.id.to_string())
                .collect::<Vec<_>>()
                .join(" ")
        };
        for again in [false, true] {
            if again {
                state.find_again();
            }
            assert_eq!(found(&state, " c02xk1 "), "a");
            assert_eq!(found(&state, "C02XK"), "");
            assert_eq!(found(&state, "To Be Filled By O.E.M."), "");
            assert_eq!(found(&state, "S1"), "d e");
            // As long as nobody says whom to believe, neither is.
            assert_eq!(found(&state, "PF3KX2"), "");
            assert_eq!(found(&state, "PF3KX3"), "");
        }
        state.policy = Some(Arc::new(crate::control::InForce {
            revision: 1,
            since: Timestamp::UNIX_EPOCH,
            by_event: 1,
            policy_hash: "hash".into(),
            files: "files".into(),
            plan: "plan".into(),
            repository: Arc::new(repository),
        }));
        assert_eq!(found(&state, "PF3KX2"), "");
        assert_eq!(found(&state, "PF3KX3"), "b");
    }

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
