//! The resources that there are, and whose: found by name and by address without looking through everybody.

use super::person::email;
use imbl::{OrdMap, ordmap::DiffItem};
use jiff::Timestamp;
use refit_core::control::{PersonRecord, Plain, State, account::RECORD, groups::MEMBERSHIPS};
use refit_model::PersonId;
use serde_json::{Map, Value};
use smol_str::SmolStr;
use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

/// What a source's record of a person is.
pub(in super::super) struct Resource {
    /// The person.
    pub person: PersonId,
    /// The resource's id: that of the person, or of one who was merged into that person, where the provider was given that one.
    pub id: PersonId,
    /// What the provider said, in the names of the schema.
    pub said: Map<String, Value>,
    /// The groups that the person is in: their ids, and what they are called.
    pub groups: Vec<(SmolStr, SmolStr)>,
    /// When it last said it.
    pub modified: Option<Timestamp>,
}

/// The resource of a person in a source.
pub(in super::super) fn resource(state: &State, source: &str, person: &PersonId) -> Option<Resource> {
    let record = state.people.get(person)?;
    let said = read(state, record, source)?;
    let all = state.groups.get(source);
    let groups = state.memberships(record, source).into_iter();
    let groups = groups.filter_map(|id| Some((id.clone(), all?.get(&id)?.name.clone()))).collect();
    let id = state.identity.told_as(source, person).clone();
    Some(Resource { person: person.clone(), id, said, groups, modified: record.reported.get(source).copied() })
}

/// Whether a source has a resource of a person.
pub(super) fn speaks_of(record: &PersonRecord, source: &str) -> bool {
    record.facts.get(RECORD).is_some_and(|said| said.contains_key(source))
}

fn read(state: &State, record: &PersonRecord, source: &str) -> Option<Map<String, Value>> {
    let reference = record.facts.get(RECORD)?.get(source)?;
    let Some(Plain::Text(text)) = state.personal.get(reference) else { return None };
    serde_json::from_str(text).ok()
}

/// Finds people by what is said of them. It follows the state by what is different since it was last asked.
#[derive(Default)]
pub(in super::super) struct Directory(Mutex<Index>);

#[derive(Default)]
struct Index {
    /// The people that it knows, as they were.
    seen: OrdMap<PersonId, Arc<PersonRecord>>,
    /// By source and name, in small letters.
    named: HashMap<(SmolStr, String), PersonId>,
    /// By address, in small letters, whatever source says so.
    addresses: HashMap<String, BTreeSet<PersonId>>,
    /// By source, in the order of their ids.
    of_source: HashMap<SmolStr, BTreeSet<PersonId>>,
    /// By source and group, who is in it, in the order of their ids.
    members: HashMap<(SmolStr, SmolStr), BTreeSet<PersonId>>,
    /// What each person is found by.
    keys: HashMap<PersonId, Keys>,
}

#[derive(Default)]
struct Keys {
    names: Vec<(SmolStr, String)>,
    addresses: BTreeSet<String>,
    groups: Vec<(SmolStr, SmolStr)>,
}

impl Directory {
    /// The person of that name in a source.
    pub(super) fn named(&self, state: &State, source: &SmolStr, name: &str) -> Option<PersonId> {
        self.with(state, |index| index.named.get(&(source.clone(), name.to_lowercase())).cloned())
    }

    /// The one person whom providers know by that name, whether the account is on or off; `None` where that is nobody, or several.
    pub(in super::super) fn only_named(&self, state: &State, name: &str) -> Option<PersonId> {
        let name = name.trim().to_lowercase();
        let named: Vec<PersonId> = self.with(state, |index| {
            let sources = index.of_source.keys();
            sources.filter_map(|source| index.named.get(&(source.clone(), name.clone())).cloned()).collect()
        });
        let people: BTreeSet<&PersonId> = named.iter().map(|person| state.identity.person(person)).collect();
        people.first().copied().filter(|_| people.len() == 1).cloned()
    }

    /// The people with an address, in the order of their ids; those who have given it up are among them.
    pub(in super::super) fn with_address(&self, state: &State, address: &str) -> Vec<PersonId> {
        self.with(state, |index| index.addresses.get(&address.to_lowercase()).into_iter().flatten().cloned().collect())
    }

    /// The people whom a text names now: by their address, or by the name of their account at a provider.
    pub(in super::super) fn called(&self, state: &State, name: &str) -> BTreeSet<PersonId> {
        let name = name.trim().to_lowercase();
        let (with_address, named) = self.with(state, |index| {
            let with_address: Vec<PersonId> = index.addresses.get(&name).into_iter().flatten().cloned().collect();
            let sources = index.of_source.keys();
            let named = sources
                .filter_map(|source| Some((source.clone(), index.named.get(&(source.clone(), name.clone()))?.clone())));
            (with_address, named.collect::<Vec<_>>())
        });
        let with_address = with_address.iter().filter(|id| {
            // Whoever has given it up is named by it no more.
            state.people.get(*id).is_some_and(|person| state.vouches(person, &name))
        });
        let named = named
            .iter()
            .filter(|(source, id)| state.people.get(id).is_some_and(|person| !state.is_off(person, source)));
        with_address.chain(named.map(|(_, id)| id)).map(|id| state.identity.person(id).clone()).collect()
    }

    /// The people of whom a source has a resource, in the order of their ids.
    pub(super) fn of_source(&self, state: &State, source: &str) -> Vec<PersonId> {
        self.with(state, |index| index.of_source.get(source).into_iter().flatten().cloned().collect())
    }

    /// Who is in a group, in the order of their ids.
    pub(super) fn members(&self, state: &State, source: &str, group: &str) -> Vec<PersonId> {
        let key = (SmolStr::from(source), SmolStr::from(group));
        self.with(state, |index| index.members.get(&key).into_iter().flatten().cloned().collect())
    }

    fn with<T>(&self, state: &State, ask: impl FnOnce(&Index) -> T) -> T {
        let mut index = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        index.follow(state);
        ask(&index)
    }
}

impl Index {
    fn follow(&mut self, state: &State) {
        let before = std::mem::replace(&mut self.seen, state.people.clone());
        for different in before.diff(&state.people) {
            match different {
                DiffItem::Add(person, record) => self.put(state, person, record),
                DiffItem::Update { new: (person, record), .. } => {
                    self.take(person);
                    self.put(state, person, record);
                }
                DiffItem::Remove(person, _) => self.take(person),
            }
        }
    }

    fn take(&mut self, person: &PersonId) {
        let Some(keys) = self.keys.remove(person) else { return };
        for key in keys.names {
            if let Some(people) = self.of_source.get_mut(&key.0) {
                people.remove(person);
            }
            // Whoever has the name by now keeps it: one may have been renamed and another given its name since it was last asked.
            if self.named.get(&key) == Some(person) {
                self.named.remove(&key);
            }
        }
        for address in keys.addresses {
            if let Some(people) = self.addresses.get_mut(&address) {
                people.remove(person);
                if people.is_empty() {
                    self.addresses.remove(&address);
                }
            }
        }
        for group in keys.groups {
            if let Some(people) = self.members.get_mut(&group) {
                people.remove(person);
                if people.is_empty() {
                    self.members.remove(&group);
                }
            }
        }
    }

    fn put(&mut self, state: &State, person: &PersonId, record: &PersonRecord) {
        let mut keys = Keys::default();
        for source in record.facts.get(RECORD).into_iter().flat_map(|said| said.keys()) {
            let Some(said) = read(state, record, source) else { continue };
            keys.addresses.extend(email(&said).map(|address| address.to_lowercase()));
            let name = said.get("userName").and_then(Value::as_str).unwrap_or_default();
            keys.names.push((source.clone(), name.to_lowercase()));
        }
        for reference in record.facts.get("email").into_iter().flat_map(|said| said.values()) {
            if let Some(Plain::Text(address)) = state.personal.get(reference) {
                keys.addresses.insert(address.to_lowercase());
            }
        }
        for source in record.facts.get(MEMBERSHIPS).into_iter().flat_map(|said| said.keys()) {
            keys.groups.extend(state.memberships(record, source).into_iter().map(|group| (source.clone(), group)));
        }
        for group in &keys.groups {
            self.members.entry(group.clone()).or_default().insert(person.clone());
        }
        for key in &keys.names {
            self.named.insert(key.clone(), person.clone());
            self.of_source.entry(key.0.clone()).or_default().insert(person.clone());
        }
        for address in &keys.addresses {
            self.addresses.entry(address.clone()).or_default().insert(person.clone());
        }
        self.keys.insert(person.clone(), keys);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(state: &mut State, person: &str, name: &str) {
        let reference = SmolStr::from(format!("{person} {name}"));
        let record = PersonRecord {
            facts: [(RECORD.into(), [("okta".into(), reference.clone())].into())].into(),
            revised: name.len() as u64,
            ..PersonRecord::default()
        };
        state.people.insert(PersonId::new(person), Arc::new(record));
        let said = format!("{{\"userName\": \"{name}\"}}");
        state.personal.insert(reference, Plain::Text(said.into()));
    }

    #[test]
    fn a_name_that_goes_from_one_to_another_between_two_questions_is_the_others() {
        let (directory, okta) = (Directory::default(), SmolStr::from("okta"));
        let mut state = State::default();
        says(&mut state, "p2", "ada");
        assert_eq!(directory.named(&state, &okta, "Ada"), Some(PersonId::new("p2")));
        // The person who has it now comes first in the order of ids.
        says(&mut state, "p2", "ada.l");
        says(&mut state, "p1", "ada");
        assert_eq!(directory.named(&state, &okta, "ada"), Some(PersonId::new("p1")));
        assert_eq!(directory.named(&state, &okta, "ada.l"), Some(PersonId::new("p2")));
        assert_eq!(directory.called(&state, " Ada.L "), BTreeSet::from([PersonId::new("p2")]));
        assert_eq!(directory.called(&state, "eve"), BTreeSet::new());
        assert_eq!(directory.of_source(&state, "okta"), ["p1", "p2"].map(PersonId::new));
        state.people.remove(&PersonId::new("p1"));
        assert_eq!(directory.named(&state, &okta, "ada"), None);
        assert_eq!(directory.with_address(&state, "ada"), []);
    }
}
