//! Devices: which are new, which are one, what sources say of them and who has them.

use super::{Readings, Steps, Titles, news, speakers};
use crate::control::{DeviceRecord, IdentityInput, Input, Installs, Observation, State};
use crate::facts::estate::{Entity, REFIT, Rules, Told};
use jiff::Timestamp;
use refit_model::{DeviceId, PersonId, entry::Plain};
use smol_str::SmolStr;
use std::{borrow::Cow, collections::BTreeMap};

pub(super) fn tell(
    state: &State,
    read: &Readings<'_>,
    entity: &Entity<'_>,
    (rules, titles): (&Rules<'_>, Option<&Titles<'_>>),
    people: &BTreeMap<SmolStr, PersonId>,
    steps: &mut Steps,
) {
    let ids: Vec<DeviceId> = entity.ids.iter().map(DeviceId::new).collect();
    // What was merged into something that it is not one with any more.
    let astray =
        |id: &DeviceId| state.identity.device_merged_into(id).is_some() && !ids.contains(state.identity.device(id));
    let Some(home) = ids.iter().find(|id| state.device(id).is_some() || astray(id)).or_else(|| {
        // What somebody retired is not made known again.
        let is_new = entity.is_there && !ids.iter().any(|id| state.devices.contains_key(id));
        ids.first().filter(|_| is_new)
    }) else {
        return;
    };
    if !state.devices.contains_key(home) {
        steps.enrolled.push(Input::Enrol { device: home.clone(), name: entity.name.clone() });
    }
    for id in &ids {
        let strays = astray(id);
        if strays {
            steps.split.push(Input::Identity(IdentityInput::SplitDevice { device: id.clone() }));
        }
        if id != home && (strays || state.device(id).is_some()) {
            let (from, into) = (id.clone(), home.clone());
            steps.merged.push(Input::Identity(IdentityInput::MergeDevices { from, into }));
        }
    }
    let record = state.devices.get(home).map(|record| &**record);
    let reported = record.into_iter().flat_map(|record| record.reported.keys());
    let mut installs = titles.and_then(|titles| titles.news(state, record, entity, read, rules));
    for source in speakers(&entity.told, reported, read) {
        let installs = installs.take_if(|(by, _)| *by == *source).map(|(_, installs)| installs);
        let told = entity.told.get(source).map(|told| match source == REFIT {
            true => Cow::Owned(beside_others(told, record, read)),
            false => Cow::Borrowed(told),
        });
        steps.devices.extend(observation(home, record, source, told.as_deref(), installs, rules.now));
    }
    let person = entity.person.as_ref().and_then(|person| people.get(person));
    if let Some(person) = person.filter(|person| record.and_then(|record| record.person.as_ref()) != Some(*person)) {
        steps.assigned.push(Input::Assign { device: home.clone(), person: Some(person.clone()) });
    }
}

/// What follows from what sources say of a device, but for what somebody says who is not read: its agent knows better.
fn beside_others(told: &Told, record: Option<&DeviceRecord>, read: &Readings<'_>) -> Told {
    let mut told = told.clone();
    told.facts.retain(|field, _| {
        let said = record.and_then(|record| record.facts.get(field.to_string().as_str()));
        !said.is_some_and(|said| said.keys().any(|source| source != REFIT && !read.contains_key(source)))
    });
    told
}

fn observation(
    device: &DeviceId,
    record: Option<&DeviceRecord>,
    source: &SmolStr,
    told: Option<&Told>,
    installs: Option<Installs>,
    now: Timestamp,
) -> Option<Input> {
    let facts = record.into_iter().flat_map(|record| record.facts.iter());
    let known: BTreeMap<SmolStr, &Plain> =
        facts.filter_map(|(field, said)| Some((field.clone(), said.get(source)?))).collect();
    let reported = record.and_then(|record| record.reported.get(source)).copied();
    let facts = match news(told, &known, reported, |field| field.to_string().into()) {
        Some(facts) => facts,
        None if installs.is_some() => BTreeMap::new(),
        None => return None,
    };
    // What is older than what the source said last would change nothing; that a record is gone has no time of its own.
    let last = record.and_then(|record| record.said.get(source)).copied();
    let observed = match told {
        Some(told) => told.observed.unwrap_or(now).max(last.unwrap_or(Timestamp::MIN)),
        None => last.unwrap_or(now),
    };
    Some(Input::Observe(Observation {
        device: device.clone(),
        source: source.clone(),
        observed,
        facts,
        installs,
        universe: None,
        check_in: None,
    }))
}
