//! What a source says of a group, and of who is in it.

use super::observe;
use crate::control::{
    entry::Plain,
    event::GroupObserved,
    groups::{GroupInput, MEMBERSHIPS},
    input::{Outcome, Refusal},
    state::State,
};
use smol_str::{SmolStr, format_smolstr};
use std::collections::BTreeMap;

/// The longest name or id, in bytes.
const TEXT_LONGEST: usize = 1_024;

/// One source's groups are told apart by their names, whatever their letters: policies ask for them by name, and whoever can make a group of the
/// same name would be in it.
pub(in super::super) fn group(state: &State, said: GroupInput) -> Result<Outcome, Refusal> {
    let GroupInput { source, group, observed, name, external, members, reference } = said;
    if source.is_empty() || group.is_empty() || group.len() > 128 {
        return Err(Refusal::Invalid("a group needs the name of its source, and an id of up to 128 characters".into()));
    }
    let all = state.groups.get(&source);
    let known = all.and_then(|groups| groups.get(&group));
    match &name {
        None if known.is_none() => return Err(Refusal::Missing { what: "group", id: group }),
        None => {}
        Some(name) if name.trim().is_empty() || name.len() > TEXT_LONGEST => {
            return Err(Refusal::Invalid(format!("the name of a group has 1 to {TEXT_LONGEST} bytes")));
        }
        Some(name) => {
            let same = |other: &str| other.to_lowercase() == name.to_lowercase();
            let mut others = all.into_iter().flatten().filter(|(id, _)| **id != group);
            if others.any(|(_, record)| same(&record.name)) {
                return Err(Refusal::Exists { what: "group", id: name.clone() });
            }
        }
    }
    if external.as_ref().is_some_and(|external| external.len() > TEXT_LONGEST) {
        return Err(Refusal::Invalid(format!("the external id of a group has up to {TEXT_LONGEST} bytes")));
    }
    let mut outcome = Outcome::default();
    for (number, (person, is_member)) in members.into_iter().enumerate() {
        let is_member = is_member && name.is_some();
        let Some(record) = state.people.get(&person) else {
            // Whom nobody knows is in no group.
            match is_member {
                true => return Err(Refusal::Missing { what: "person", id: person.as_str().into() }),
                false => continue,
            }
        };
        let mut ids = state.memberships(record, &source);
        let changes = if is_member { ids.insert(group.clone()) } else { ids.remove(&group) };
        if !changes {
            continue;
        }
        // What was deleted meanwhile goes along.
        ids.retain(|id| *id == group || all.is_some_and(|groups| groups.contains_key(id)));
        let list = (!ids.is_empty()).then(|| Plain::List(ids.into_iter().collect()));
        let value = list.map(|list| (format_smolstr!("{reference}-{number}"), list));
        let values = BTreeMap::from([(SmolStr::new_static(MEMBERSHIPS), value)]);
        let told = observe(state, person, source.clone(), observed, values)?;
        outcome.events.extend(told.events);
        outcome.personal.extend(told.personal);
    }
    let same = known.is_some_and(|known| Some(&known.name) == name.as_ref() && known.external == external);
    if !same || !outcome.events.is_empty() {
        outcome.events.insert(0, GroupObserved { source, group, name, external }.into());
    }
    Ok(outcome)
}
