//! People: what sources say of them, and erasing it.

use super::super::State;
use crate::control::{
    event::{GroupObserved, PersonMerged, PersonObserved},
    groups::GroupRecord,
};
use crate::facts::estate::REFIT;
use jiff::Timestamp;
use refit_model::PersonId;
use smol_str::SmolStr;
use std::sync::Arc;

impl State {
    pub(super) fn person_observed(&mut self, seq: u64, observed: &PersonObserved) {
        let record = self.people.entry(observed.person.clone()).or_default();
        let person = Arc::make_mut(record);
        let mut replaced = Vec::new();
        for (field, reference) in &observed.values {
            let said = person.facts.entry(field.clone()).or_default();
            let before = match reference {
                Some(reference) => said.insert(observed.source.clone(), reference.clone()),
                None => said.remove(&observed.source),
            };
            replaced.extend(before);
            if said.is_empty() {
                person.facts.remove(field);
            }
        }
        let reported = person.reported.entry(observed.source.clone()).or_insert(observed.observed);
        *reported = (*reported).max(observed.observed);
        person.erased = None;
        let before = std::mem::replace(&mut person.revised, seq);
        self.changes.person(&observed.person, before, seq);
        for reference in replaced {
            self.personal.remove(&reference);
        }
    }

    pub(super) fn group_observed(&mut self, seq: u64, at: Timestamp, observed: &GroupObserved) {
        let spoke = self.groups.contains_key(&observed.source);
        let groups = self.groups.entry(observed.source.clone()).or_default();
        let before = match &observed.name {
            Some(name) => {
                let record = GroupRecord { name: name.clone(), external: observed.external.clone(), told: at };
                groups.insert(observed.group.clone(), Arc::new(record))
            }
            None => groups.remove(&observed.group),
        };
        if groups.is_empty() {
            self.groups.remove(&observed.source);
        }
        // Who is in a group is said of each person. What all of them read is what the group is called, and that somebody who is in none is known
        // to be in none.
        let renamed = before.is_some_and(|before| Some(&before.name) != observed.name.as_ref());
        if renamed || spoke != self.groups.contains_key(&observed.source) {
            self.groups_revised = seq;
        }
    }

    /// What is known of the one who is no more is known of the one who stays, where nothing is known yet.
    pub(super) fn person_merged(&mut self, seq: u64, merged: &PersonMerged) {
        self.identity.merge_person(&merged.from, &merged.into);
        let Some(gone) = self.people.get_mut(&merged.from) else { return };
        let gone = Arc::make_mut(gone);
        let (facts, reported) = (std::mem::take(&mut gone.facts), std::mem::take(&mut gone.reported));
        let before = std::mem::replace(&mut gone.revised, seq);
        self.changes.person(&merged.from, before, seq);
        let person = Arc::make_mut(self.people.entry(merged.into.clone()).or_default());
        let told = |source: &&SmolStr| {
            let is_read = self.readings.get(*source).is_some_and(|known| known.read.is_some());
            *source != REFIT && !is_read && !person.reported.contains_key(*source)
        };
        self.identity.goes_on_telling(&merged.from, reported.keys().filter(told).cloned());
        for (field, said) in facts {
            let known = person.facts.entry(field).or_default();
            for (source, reference) in said {
                if !person.reported.contains_key(&source) {
                    known.insert(source, reference);
                } else {
                    self.personal.remove(&reference);
                }
            }
        }
        person.facts.retain(|_, said| !said.is_empty());
        for (source, at) in reported {
            person.reported.entry(source).or_insert(at);
        }
        let before = std::mem::replace(&mut person.revised, seq);
        self.changes.person(&merged.into, before, seq);
    }

    /// Somebody is one by themselves again: what was told under their id is said of them and of nobody else.
    pub(super) fn person_split(&mut self, seq: u64, id: &PersonId) {
        let holder = self.identity.person(id).clone();
        let sources = self.identity.split_person(id);
        let Some(from) = self.people.get_mut(&holder).filter(|_| !sources.is_empty() && holder != *id) else { return };
        let from = Arc::make_mut(from);
        let (mut facts, mut reported) = (Vec::new(), Vec::new());
        for source in &sources {
            for (field, said) in &mut from.facts {
                facts.extend(said.remove(source).map(|reference| (field.clone(), source.clone(), reference)));
            }
            reported.extend(from.reported.remove(source).map(|at| (source.clone(), at)));
        }
        from.facts.retain(|_, said| !said.is_empty());
        let before = std::mem::replace(&mut from.revised, seq);
        self.changes.person(&holder, before, seq);
        let person = Arc::make_mut(self.people.entry(id.clone()).or_default());
        for (field, source, reference) in facts {
            person.facts.entry(field).or_default().insert(source, reference);
        }
        person.reported.extend(reported);
        let before = std::mem::replace(&mut person.revised, seq);
        self.changes.person(id, before, seq);
    }

    pub(super) fn person_erased(&mut self, seq: u64, at: Timestamp, id: &PersonId) {
        let Some(record) = self.people.get_mut(id) else { return };
        let person = Arc::make_mut(record);
        let references: Vec<_> = person.facts.values().flat_map(|said| said.values().cloned()).collect();
        person.facts.clear();
        person.reported.clear();
        person.erased = Some(at);
        let before = std::mem::replace(&mut person.revised, seq);
        self.changes.person(id, before, seq);
        for reference in references {
            self.personal.remove(&reference);
        }
    }
}
