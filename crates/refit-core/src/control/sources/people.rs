//! People: who is one with whom, and what sources say of them.

use super::{Steps, news, speakers};
use crate::control::{IdentityInput, Input, PersonRecord, State};
use crate::facts::estate::{Entity, REFIT};
use jiff::Timestamp;
use refit_model::{PersonId, entry::Plain};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// `homes` gets the id under which the server knows the person.
pub(super) fn tell(
    state: &State,
    read: &BTreeSet<&SmolStr>,
    entity: &Entity,
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
    for id in &ids {
        let strays = astray(id);
        if strays {
            steps.split.push(Input::Identity(IdentityInput::SplitPerson { person: id.clone() }));
        }
        let there = state.people.get(id).filter(|_| id != home && (strays || !merged(id)));
        // The id under which somebody else says something of them is theirs: a SCIM client asks for it again.
        if there.is_some_and(|record| !others_say(record, read)) {
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

/// Whether a source that is not read says something of a person: it was told to the server.
fn others_say(record: &PersonRecord, read: &BTreeSet<&SmolStr>) -> bool {
    let mut sources = record.facts.values().flat_map(|said| said.keys());
    sources.any(|source| source != REFIT && !read.contains(source))
}
