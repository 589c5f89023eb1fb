//! Who is one with whom: merges and splits of devices and people, and what is said under an id that leads to another.

use super::super::{
    event::{DeviceMerged, DeviceSplit, Event, PersonAssigned, PersonMerged, PersonSplit},
    input::{AgentInput, IdentityInput, Input, LeaseInput, Outcome, Refusal},
    state::State,
};
use super::{devices::managed, operations::one};
use refit_model::{DeviceId, PersonId};

pub(super) fn handle(state: &State, input: IdentityInput) -> Result<Outcome, Refusal> {
    match input {
        IdentityInput::MergeDevices { from, into } => merge_devices(state, from, into),
        IdentityInput::SplitDevice { device } => split_device(state, device),
        IdentityInput::MergePeople { from, into } => merge_people(state, from, into),
        IdentityInput::SplitPerson { person } => split_person(state, person),
    }
}

/// What is said of a device or person under an id that was merged into another is said of the other.
pub(super) fn led(state: &State, mut input: Input) -> Input {
    let book = &state.identity;
    if book.is_empty() {
        return input;
    }
    let device = |id: &mut DeviceId| *id = book.device(id).clone();
    let person = |id: &mut PersonId| *id = book.person(id).clone();
    match &mut input {
        Input::Observe(said) => device(&mut said.device),
        Input::Receipt { device: id, .. } => device(id),
        Input::Assign { device: id, person: whose } => {
            device(id);
            whose.iter_mut().for_each(person);
        }
        Input::ObservePerson { person: id, .. } | Input::ErasePerson { person: id } => person(id),
        Input::Agents(AgentInput::Issue { device: id, .. } | AgentInput::Revoke { device: id, .. }) => device(id),
        Input::Agents(AgentInput::Stands(said)) => device(&mut said.device),
        Input::Agents(AgentInput::Complaint(said)) => device(&mut said.device),
        Input::Leases(LeaseInput::Device { device: id, .. }) => device(id),
        _ => {}
    }
    input
}

fn merge_devices(state: &State, from: DeviceId, into: DeviceId) -> Result<Outcome, Refusal> {
    if state.identity.device_merged_into(&from) == Some(&into) {
        return Ok(Outcome::default());
    }
    managed(state, &from)?;
    managed(state, &into)?;
    if from == into {
        return Err(Refusal::Invalid(format!("`{from}` can't be merged into itself")));
    }
    Ok(one(DeviceMerged { from, into }))
}

fn split_device(state: &State, device: DeviceId) -> Result<Outcome, Refusal> {
    match state.identity.device_merged_into(&device) {
        Some(from) => Ok(one(DeviceSplit { from: from.clone(), device })),
        None if state.device(&device).is_some() => Ok(Outcome::default()),
        None => Err(Refusal::Missing { what: "device", id: device.as_str().into() }),
    }
}

fn merge_people(state: &State, from: PersonId, into: PersonId) -> Result<Outcome, Refusal> {
    if state.identity.person_merged_into(&from) == Some(&into) {
        return Ok(Outcome::default());
    }
    for id in [&from, &into] {
        if !state.people.contains_key(id) || state.identity.person_merged_into(id).is_some() {
            return Err(Refusal::Missing { what: "person", id: id.as_str().into() });
        }
    }
    if from == into {
        return Err(Refusal::Invalid("nobody can be merged into themselves".into()));
    }
    let owned = state.found.of_person(&from);
    let mut events: Vec<Event> = vec![PersonMerged { from, into: into.clone() }.into()];
    for device in state.first_of(&owned, None, usize::MAX) {
        if device.retired.is_none() {
            events.push(PersonAssigned { device: device.id.clone(), person: Some(into.clone()) }.into());
        }
    }
    Ok(Outcome { events, ..Outcome::default() })
}

fn split_person(state: &State, person: PersonId) -> Result<Outcome, Refusal> {
    match state.identity.person_merged_into(&person) {
        Some(from) => Ok(one(PersonSplit { from: from.clone(), person })),
        None if state.people.contains_key(&person) => Ok(Outcome::default()),
        None => Err(Refusal::Missing { what: "person", id: person.as_str().into() }),
    }
}
