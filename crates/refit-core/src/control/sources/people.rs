//! People: who is one with whom, and what sources say of them.

use super::{Readings, Steps, news, speakers, told_since};
use crate::control::{IdentityInput, Input, PersonRecord, State};
use crate::facts::estate::{Entity, REFIT};
use jiff::Timestamp;
use refit_model::{PersonId, entry::Plain};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// `homes` gets the id under which the server knows the person.
pub(super) fn tell(
    state: &State,
    read: &Readings<'_>,
    entity: &Entity<'_>,
    now: Timestamp,
    reference: &mut impl FnMut() -> SmolStr,
    steps: &mut Steps,
    homes: &mut BTreeMap<SmolStr, PersonId>,
) {
    let ids: Vec<PersonId> = entity.ids.iter().map(PersonId::new).collect();
    let merged = |id: &PersonId| state.identity.person_merged_into(id).is_some();
    let astray = |id: &PersonId| merged(id) && !ids.contains(state.identity.person(id));
    let known = |id: &&PersonId| (state.people.contains_key(*id) && !merged(id)) || astray(id);
    let Some(home) = ids.iter().find(known).or_else(|| ids.first().filter(|_| entity.is_there)) else { return };
    homes.insert(entity.id.clone(), home.clone());
    let mut told = state.people.get(home).map(|record| told_by(record, read)).unwrap_or_default();
    for id in &ids {
        let strays = astray(id);
        if strays {
            steps.split.push(Input::Identity(IdentityInput::SplitPerson { person: id.clone() }));
        }
        let there = state.people.get(id).filter(|_| id != home && (strays || !merged(id)));
        let theirs = there.map(|record| told_by(record, read));
        // Two of whom one system told are two: what it says of one of them would be lost.
        if let Some(theirs) = theirs.filter(|theirs| theirs.is_disjoint(&told)) {
            told.extend(theirs);
            let (from, into) = (id.clone(), home.clone());
            steps.merged.push(Input::Identity(IdentityInput::MergePeople { from, into }));
        }
    }
    let record = state.people.get(home).map(|record| &**record);
    let reported = record.into_iter().flat_map(|record| record.reported.keys());
    for source in speakers(&entity.told, reported, read) {
        let facts = record.into_iter().flat_map(|record| record.facts.iter());
        let known: BTreeMap<SmolStr, &Plain> =
            facts.filter_map(|(field, said)| Some((field.clone(), state.personal.get(said.get(source)?)?))).collect();
        let last = record.and_then(|record| record.reported.get(source)).copied();
        if told_since(read, source, last) {
            continue;
        }
        let told = entity.told.get(source);
        let Some(news) = news(told, &known, last, |field| field.name.clone()) else { continue };
        let observed = match told {
            Some(told) => told.observed.unwrap_or(now).max(last.unwrap_or(Timestamp::MIN)),
            None => last.unwrap_or(now),
        };
        let values = news.into_iter().map(|(field, value)| (field, value.map(|value| (reference(), value))));
        let values = values.collect();
        steps.people.push(Input::ObservePerson { person: home.clone(), source: source.clone(), observed, values });
    }
}

/// The sources that are not read and say something of a person: they told it to the server.
fn told_by<'r>(record: &'r PersonRecord, read: &Readings<'_>) -> BTreeSet<&'r SmolStr> {
    let sources = record.facts.values().flat_map(|said| said.keys());
    sources.filter(|source| *source != REFIT && !read.contains_key(source)).collect()
}
