//! Which devices and people were merged into which, and by what name an agent knows the device that it is on.

use super::State;
use crate::control::report;
use crate::facts::estate::{FOLLOWS, REFIT};
use imbl::OrdMap;
use refit_model::{DeviceId, PersonId};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// Ids that lead to others. Merges follow each other, so an id may lead to one that leads on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IdentityBook {
    /// What each device that is no more was merged into.
    devices: OrdMap<DeviceId, DeviceId>,
    /// The same the other way round.
    former: OrdMap<DeviceId, BTreeSet<DeviceId>>,
    /// Whom each person who is no more was merged into.
    people: OrdMap<PersonId, PersonId>,
    /// By source the ids of people who were merged into somebody, where the source told of them under these: it goes on to speak of them so.
    #[serde(default, skip_serializing_if = "OrdMap::is_empty")]
    told: OrdMap<SmolStr, BTreeSet<PersonId>>,
    /// The id that an agent has for the device that it is on, where it enrolled as one that was merged since.
    agents: OrdMap<DeviceId, DeviceId>,
}

impl IdentityBook {
    /// Whether no id leads to another.
    pub fn is_empty(&self) -> bool {
        self.devices.is_empty() && self.people.is_empty()
    }

    /// The device that an id leads to: itself, where it was merged into none.
    pub fn device<'b>(&'b self, id: &'b DeviceId) -> &'b DeviceId {
        let mut at = id;
        while let Some(into) = self.devices.get(at) {
            at = into;
        }
        at
    }

    /// What a device was merged into; `None` where it is one by itself.
    pub fn device_merged_into(&self, id: &DeviceId) -> Option<&DeviceId> {
        self.devices.get(id)
    }

    /// All ids that lead to a device, sorted; its own is not among them.
    pub fn former_ids(&self, id: &DeviceId) -> BTreeSet<DeviceId> {
        let (mut found, mut open) = (BTreeSet::new(), vec![id]);
        while let Some(at) = open.pop() {
            for former in self.former.get(at).into_iter().flatten() {
                found.insert(former.clone());
                open.push(former);
            }
        }
        found
    }

    /// The person whom an id leads to: themselves, where they were merged into nobody.
    pub fn person<'b>(&'b self, id: &'b PersonId) -> &'b PersonId {
        let mut at = id;
        while let Some(into) = self.people.get(at) {
            at = into;
        }
        at
    }

    /// Whom a person was merged into; `None` where they are somebody by themselves.
    pub fn person_merged_into(&self, id: &PersonId) -> Option<&PersonId> {
        self.people.get(id)
    }

    /// Everybody who was merged into somebody, with whom they lead to; sorted.
    pub fn merged_people(&self) -> impl Iterator<Item = (&PersonId, &PersonId)> {
        self.people.keys().map(|former| (former, self.person(former)))
    }

    /// All people who were merged into one, sorted.
    pub fn former_people(&self, id: &PersonId) -> BTreeSet<PersonId> {
        // There are few, and who asks for one person at a time has the time.
        self.merged_people().filter(|(_, now)| *now == id).map(|(former, _)| former.clone()).collect()
    }

    /// The id under which a source that tells of people by itself knows somebody.
    pub fn told_as<'b>(&'b self, source: &str, person: &'b PersonId) -> &'b PersonId {
        let Some(told) = self.told.get(source) else { return person };
        let mut at = person;
        while let Some(former) = told.iter().find(|former| self.people.get(*former) == Some(at)) {
            at = former;
        }
        at
    }

    /// All people whom such a source knows by another id than theirs, with that id.
    pub fn told_otherwise(&self, source: &str) -> BTreeMap<&PersonId, &PersonId> {
        let told = self.told.get(source).into_iter().flatten();
        // Where ids lead on, the first is the one that the source was given.
        let led: BTreeSet<&PersonId> = told.clone().filter_map(|former| self.people.get(former)).collect();
        told.filter(|former| !led.contains(former)).map(|former| (self.person(former), former)).collect()
    }

    /// The id that a device's agent has for it. What it is told has to be of this id, or it would take it for another device's.
    pub fn agents_id<'b>(&'b self, id: &'b DeviceId) -> &'b DeviceId {
        self.agents.get(id).unwrap_or(id)
    }

    pub(super) fn merge_device(&mut self, from: &DeviceId, into: &DeviceId) {
        // Whatever came into the log: nothing leads in a circle.
        if self.device(into) != from && !self.devices.contains_key(from) {
            self.devices.insert(from.clone(), into.clone());
            self.former.entry(into.clone()).or_default().insert(from.clone());
        }
    }

    pub(super) fn split_device(&mut self, device: &DeviceId) {
        let Some(into) = self.devices.remove(device) else { return };
        if let Some(former) = self.former.get_mut(&into) {
            former.remove(device);
            if former.is_empty() {
                self.former.remove(&into);
            }
        }
    }

    pub(super) fn merge_person(&mut self, from: &PersonId, into: &PersonId) {
        if self.person(into) != from && !self.people.contains_key(from) {
            self.people.insert(from.clone(), into.clone());
        }
    }

    /// What these sources tell of somebody who was merged they tell under the id that is no more.
    pub(super) fn goes_on_telling(&mut self, person: &PersonId, sources: impl IntoIterator<Item = SmolStr>) {
        for source in sources {
            self.told.entry(source).or_default().insert(person.clone());
        }
    }

    /// The sources that told of somebody under an id that is their own again.
    pub(super) fn split_person(&mut self, person: &PersonId) -> BTreeSet<SmolStr> {
        let IdentityBook { people, told, .. } = self;
        let mut at = people.remove(person);
        // Those it led on to: the source knew them by this id alone.
        let mut beyond = Vec::new();
        while let Some(id) = at {
            at = people.get(&id).cloned();
            beyond.push(id);
        }
        let sources = told.iter().filter(|(_, told)| told.contains(person));
        let sources: BTreeSet<SmolStr> = sources.map(|(source, _)| source.clone()).collect();
        for source in &sources {
            if let Some(known) = told.get_mut(source) {
                known.remove(person);
                known.retain(|id| !beyond.contains(id));
                if known.is_empty() {
                    told.remove(source);
                }
            }
        }
        sources
    }

    /// The agent of `from` is that of `to` from now on, and has the id for it that it had.
    pub(super) fn agent_moves(&mut self, from: &DeviceId, to: &DeviceId) {
        let known_as = self.agents.remove(from).unwrap_or_else(|| from.clone());
        if known_as == *to {
            self.agents.remove(to);
        } else {
            self.agents.insert(to.clone(), known_as);
        }
    }

    /// An agent has enrolled, under the id that the device has.
    pub(super) fn agent_joins(&mut self, device: &DeviceId) {
        self.agents.remove(device);
    }
}

impl State {
    /// Whether an agent, or something in its place, says what is on a device: what other systems have heard of that counts for nothing.
    pub fn speaks_for_itself(&self, device: &super::DeviceRecord) -> bool {
        self.agents.devices.contains_key(&device.id)
            || device.history.is_some()
            || device.universe.is_some()
            || device.reported.contains_key(report::SOURCE)
    }

    /// Whether a source is one that the server has read: what it says is what it has heard, and nobody tells it to the server by themselves.
    pub fn is_read(&self, source: &str) -> bool {
        self.readings.get(source).is_some_and(|known| known.read.is_some())
    }

    /// What a source's answer of a field (`person.on_leave`) is kept for, where it is about something sensitive, of which nothing else is kept.
    pub fn purpose(&self, source: &str, field: &str) -> Option<&SmolStr> {
        if source != REFIT {
            return self.readings.get(source)?.purposes.get(field);
        }
        // Of whom no list names the answer is for what the list is for; what follows otherwise is read from nothing sensitive.
        let of_lists = !FOLLOWS.contains(&field);
        self.readings.values().filter(|_| of_lists).find_map(|known| known.purposes.get(field))
    }

    /// The managed device that an id leads to.
    pub fn device_now(&self, id: &DeviceId) -> Option<&std::sync::Arc<super::DeviceRecord>> {
        self.device(self.identity.device(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_knows_somebody_by_the_id_that_it_was_given_and_by_no_other_that_this_led_through() {
        let [a, b, c] = ["a", "b", "c"].map(PersonId::new);
        let merge = |book: &mut IdentityBook, from: &PersonId, into: &PersonId| {
            book.merge_person(from, into);
            book.goes_on_telling(from, [SmolStr::new_static("okta")]);
        };
        let mut book = IdentityBook::default();
        merge(&mut book, &a, &b);
        merge(&mut book, &b, &c);
        assert_eq!((book.told_as("okta", &c), book.told_otherwise("okta")), (&a, BTreeMap::from([(&c, &a)])));
        assert_eq!(book.split_person(&a), BTreeSet::from([SmolStr::new_static("okta")]));
        assert_eq!((book.told_as("okta", &c), book.told_otherwise("okta")), (&c, BTreeMap::new()));
        merge(&mut book, &a, &c);
        assert_eq!((book.told_as("okta", &c), book.told_otherwise("okta")), (&a, BTreeMap::from([(&c, &a)])));
    }
}
