//! People: what sources say of them, their devices, and erasing what is personal.

mod career;
mod groups;

pub(super) use groups::group;

use super::super::{
    entry::Plain,
    event::{Event, PersonAssigned, PersonChanged, PersonErased, PersonObserved},
    input::{Effect, Outcome, Personal, Refusal},
    state::State,
};
use super::{devices::managed, operations::one};
use jiff::{SignedDuration, Timestamp};
use refit_model::{DeviceId, PersonId};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// How often a source that says the same again is written down, so that its facts stay fresh.
const CONFIRM_EVERY: SignedDuration = SignedDuration::from_hours(6);

pub(super) fn observe(
    state: &State,
    person: PersonId,
    source: SmolStr,
    observed: Timestamp,
    values: BTreeMap<SmolStr, Option<(SmolStr, Plain)>>,
) -> Result<Outcome, Refusal> {
    if person.as_str().is_empty() || person.as_str().len() > 128 {
        return Err(Refusal::Invalid("a person needs an id of up to 128 characters".into()));
    }
    if source.is_empty() {
        return Err(Refusal::Invalid("an observation needs the name of its source".into()));
    }
    let record = state.people.get(&person);
    let known = record.and_then(|record| record.reported.get(&source)).copied();
    if known.is_some_and(|known| observed < known) {
        return Ok(Outcome::default());
    }
    let mut event =
        PersonObserved { person: person.clone(), source: source.clone(), observed, values: BTreeMap::new() };
    let mut personal = Vec::new();
    // Values lie under the id under which they were told: should that be somebody else after all, erasing them reaches what was said of them.
    let owner = state.identity.told_as(&source, &person);
    for (field, value) in values {
        let reference = record.and_then(|record| record.facts.get(&field)).and_then(|said| said.get(&source));
        let before = reference.and_then(|reference| state.personal.get(reference));
        match value {
            Some((_, value)) if before == Some(&value) => {}
            Some((reference, value)) => {
                event.values.insert(field, Some(reference.clone()));
                personal.push(Personal { reference, person: owner.clone(), value });
            }
            None if reference.is_some() => {
                event.values.insert(field, None);
            }
            None => {}
        }
    }
    let grows_old = known.is_none_or(|known| observed.duration_since(known) >= CONFIRM_EVERY);
    if event.values.is_empty() && !grows_old {
        return Ok(Outcome::default());
    }
    let changes = career::changes(state, record.map(|record| &**record), &event, &personal);
    let changed = changes.into_iter().map(|change| PersonChanged { person: person.clone(), change }.into());
    let events = std::iter::once(event.into()).chain(changed).collect();
    Ok(Outcome { events, personal, ..Outcome::default() })
}

pub(super) fn assign(state: &State, device: DeviceId, person: Option<PersonId>) -> Result<Outcome, Refusal> {
    let record = managed(state, &device)?;
    if let Some(person) = person.as_ref().filter(|person| !state.people.contains_key(*person)) {
        return Err(Refusal::Missing { what: "person", id: person.as_str().into() });
    }
    if record.person == person { Ok(Outcome::default()) } else { Ok(one(PersonAssigned { device, person })) }
}

pub(super) fn erase(state: &State, person: PersonId) -> Result<Outcome, Refusal> {
    let Some(record) = state.people.get(&person) else {
        return Err(Refusal::Missing { what: "person", id: person.as_str().into() });
    };
    let mut effects = vec![Effect::EraseValues(person.clone())];
    // What was said of them while they were taken for somebody else is theirs too.
    let former: Vec<PersonId> = state.identity.former_people(&person).into_iter().collect();
    effects.extend(former.iter().cloned().map(Effect::EraseValues));
    let left = |id: &&PersonId| state.people.get(*id).is_some_and(|record| !record.facts.is_empty());
    let mut events: Vec<Event> =
        former.iter().filter(left).map(|id| PersonErased { person: id.clone() }.into()).collect();
    // Erased already, and nothing has come since: the log says so, and only what may have been left is done again.
    if record.erased.is_none() || !record.facts.is_empty() {
        events.push(PersonErased { person }.into());
    }
    Ok(Outcome { events, effects, ..Outcome::default() })
}
