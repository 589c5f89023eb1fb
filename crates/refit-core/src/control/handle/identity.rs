//! Who is one with whom: merges and splits of devices and people, and what is said under an id that leads to another.

use super::super::{
    event::{DeviceMerged, DeviceSplit, Event, PersonAssigned, PersonMerged, PersonSplit},
    input::{AgentInput, IdentityInput, Input, LeaseInput, Outcome, Refusal},
    reports::ReportInput,
    state::{IdentityBook, State},
};
use super::{devices::managed, operations::one};
use crate::rollout::disruption::Holder;
use refit_model::{DeviceId, PersonId};
use smol_str::SmolStr;
use std::collections::BTreeMap;

pub(super) fn handle(state: &State, input: IdentityInput) -> Result<Outcome, Refusal> {
    match input {
        IdentityInput::MergeDevices { from, into } => merge_devices(state, from, into),
        IdentityInput::SplitDevice { device } => split_device(state, device),
        IdentityInput::MergePeople { from, into } => merge_people(state, from, into),
        IdentityInput::SplitPerson { person } => split_person(state, person),
    }
}

/// What is said of a device or person under an id that was merged into another is said of the other. Beside the input are the ids that
/// were named and led on, each with the one that it led to.
pub(super) fn led(state: &State, mut input: Input) -> (Input, BTreeMap<SmolStr, SmolStr>) {
    let mut lead = Lead { book: &state.identity, led: BTreeMap::new() };
    if lead.book.is_empty() {
        return (input, lead.led);
    }
    match &mut input {
        Input::Observe(said) => lead.device(&mut said.device),
        Input::Retire { device } | Input::LiftQuarantine { device, .. } | Input::Receipt { device, .. } => {
            lead.device(device);
        }
        Input::Assign { device, person } => {
            lead.device(device);
            person.iter_mut().for_each(|person| lead.person(person));
        }
        Input::ObservePerson { person, .. } | Input::ErasePerson { person } => lead.person(person),
        Input::Group(said) => lead.members(&mut said.members),
        Input::Signal { devices, .. } => lead.signal(devices),
        Input::Agents(AgentInput::Issue { device, .. } | AgentInput::Revoke { device, .. }) => lead.device(device),
        Input::Agents(AgentInput::Stands(said)) => lead.device(&mut said.device),
        Input::Agents(AgentInput::Complaint(said)) => lead.device(&mut said.device),
        Input::Agents(AgentInput::Answered { device, .. }) => lead.device(device),
        Input::Reports(ReportInput::Open { device, person, .. }) => {
            lead.device(device);
            person.iter_mut().for_each(|person| lead.person(person));
        }
        Input::Leases(LeaseInput::Device { device, .. }) => lead.device(device),
        Input::Leases(
            LeaseInput::Answer { holder: Holder::Device(device), .. }
            | LeaseInput::GiveBack { holder: Holder::Device(device), .. },
        ) => lead.device(device),
        _ => {}
    }
    (input, lead.led)
}

/// Leads ids on, and remembers which.
struct Lead<'s> {
    book: &'s IdentityBook,
    led: BTreeMap<SmolStr, SmolStr>,
}

impl Lead<'_> {
    fn device(&mut self, id: &mut DeviceId) {
        let now = self.book.device(id).clone();
        if now != *id {
            self.led.insert(id.as_str().into(), now.as_str().into());
            *id = now;
        }
    }

    fn person(&mut self, id: &mut PersonId) {
        let now = self.book.person(id).clone();
        if now != *id {
            self.led.insert(id.as_str().into(), now.as_str().into());
            *id = now;
        }
    }

    /// Somebody who is in a group under one of several ids is in it.
    fn members(&mut self, members: &mut BTreeMap<PersonId, bool>) {
        if !members.keys().any(|id| self.book.person_merged_into(id).is_some()) {
            return;
        }
        for (mut id, is_member) in std::mem::take(members) {
            self.person(&mut id);
            *members.entry(id).or_default() |= is_member;
        }
    }

    /// What is said of a device under several ids is bad if one of them says so.
    fn signal(&mut self, devices: &mut BTreeMap<DeviceId, bool>) {
        if !devices.keys().any(|id| self.book.device_merged_into(id).is_some()) {
            return;
        }
        for (mut id, bad) in std::mem::take(devices) {
            self.device(&mut id);
            *devices.entry(id).or_default() |= bad;
        }
    }
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
