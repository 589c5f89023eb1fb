//! Invariants of disruption groups: how many have a lease, and that a lease outlives its session. What the log says is added up anew,
//! and what devices do is seen on the devices.

use super::Truth;
use crate::{agent::Agent, policies::PolicySpec};
use jiff::{SignedDuration, Timestamp};
use refit_agent::machine::{Journal, session::Phase};
use refit_core::{
    control::Event,
    rollout::disruption::{Holder, Most, Place},
};
use refit_model::DeviceId;
use refit_wire::{
    Digest, State,
    mandate::check::Step,
    state::{Action, Directive},
};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// Who has what, by the log alone.
#[derive(Clone, Debug, Default)]
pub struct Leases {
    held: BTreeMap<Holder, BTreeSet<Place>>,
    /// Devices that are no longer managed, or whose lease a person gave back or a backup may have forgotten: until when that excuses
    /// them.
    excused: BTreeMap<DeviceId, Timestamp>,
    /// Whose lease a person gave back: it ends by itself, whatever the device does.
    withdrawn: BTreeSet<Holder>,
    /// Devices with agents, and their persons.
    agents: BTreeSet<DeviceId>,
    persons: BTreeMap<DeviceId, SmolStr>,
}

/// How long a device may act on what it was told, and how long a session may take besides.
const EXCUSED: SignedDuration = SignedDuration::from_hours(3);

impl Leases {
    /// Takes one event.
    pub fn apply(&mut self, at: Timestamp, event: &Event) {
        match event {
            Event::DeviceJoined(joined) => drop(self.agents.insert(joined.device.clone())),
            Event::PersonAssigned(assigned) => match &assigned.person {
                Some(person) => drop(self.persons.insert(assigned.device.clone(), person.as_str().into())),
                None => drop(self.persons.remove(&assigned.device)),
            },
            Event::DeviceRetired(retired) => {
                self.held.remove(&Holder::Device(retired.device.clone()));
                self.agents.remove(&retired.device);
                self.excuse(&retired.device, at);
            }
            Event::LeaseTaken(taken) => {
                self.withdrawn.remove(&taken.holder);
                self.held.entry(taken.holder.clone()).or_default().extend(taken.places.iter().cloned());
            }
            // What becomes of its session is for the person who gave it back.
            Event::LeaseWithdrawn(back) => {
                self.withdrawn.insert(back.holder.clone());
                back.holder.device().into_iter().for_each(|device| self.excuse(device, at));
            }
            Event::LeaseReturned(returned) => drop(self.held.remove(&returned.holder)),
            _ => {}
        }
    }

    /// The log came from a backup: who had a lease that it does not know may still act on it.
    pub fn restored(&mut self, before: &Leases, now: Timestamp) {
        for device in before.held.keys().filter_map(Holder::device) {
            self.excuse(device, now);
        }
    }

    fn excuse(&mut self, device: &DeviceId, at: Timestamp) {
        self.excused.insert(device.clone(), at.checked_add(EXCUSED).unwrap_or(Timestamp::MAX));
    }

    fn is_excused(&self, device: &DeviceId, now: Timestamp) -> bool {
        self.excused.get(device).is_some_and(|until| now < *until)
    }

    /// A group never has more than its terms say in a session, and a person is never without a device.
    pub fn within_groups(&self, event: &Event) -> Option<String> {
        let Event::LeaseTaken(taken) = event else { return None };
        for place in &taken.places {
            let group = &place.group;
            let of_group = |places: &BTreeSet<Place>| places.iter().find(|known| known.group == *group).cloned();
            let mut terms: Vec<Place> = self
                .held
                .iter()
                .filter(|(holder, _)| **holder != taken.holder)
                .filter_map(|(_, places)| of_group(places))
                .collect();
            terms.push(place.clone());
            let away = terms.len();
            if group.field == "person" {
                let all = self
                    .persons
                    .iter()
                    .filter(|(device, person)| **person == group.value && self.agents.contains(*device));
                let all = all.count();
                if all > 1 && away >= all {
                    return Some(format!("all {all} devices of {} are away", group.value));
                }
            }
            let most = terms.iter().filter_map(|place| match place.most {
                Most::Of(most) => Some(most as usize),
                Most::AllButOne => None,
            });
            if let Some(most) = most.min().filter(|most| away > *most) {
                return Some(format!("{away} of {group} are away, and {most} may be"));
            }
        }
        None
    }

    /// What a group limits is begun with its lease.
    pub fn began_with_lease(
        &self,
        agent: &Agent,
        truth: &Truth,
        told: &State,
        steps: &[Step],
        now: Timestamp,
    ) -> Option<String> {
        let spec = truth.specs.get(&told.policy)?;
        let is_limited = |directive: &&Directive| {
            told.terms(directive).is_some_and(|terms| spec.limited.contains(terms.policy.as_str()))
        };
        let asked = |directive: &&Directive| steps.iter().any(|step| does(&directive.action, step));
        let begun = told.directives.iter().filter(is_limited).find(asked)?;
        let has = self.held.contains_key(&Holder::Device(agent.device.clone()));
        let is_one = truth.agents.get(&agent.device).is_none_or(|agents| agents.len() <= 1);
        let free = has || !is_one || agent.cluster().is_empty() || self.is_excused(&agent.device, now);
        (!free).then(|| format!("{} begins {} without a lease", agent.device, begun.id))
    }

    /// A lease that the device itself gave back was of no session that goes on.
    pub fn outlives_session(
        &self,
        event: &Event,
        agents: &[&Agent],
        truth: &Truth,
        spec: &PolicySpec,
        now: Timestamp,
    ) -> Option<String> {
        let Event::LeaseReturned(returned) = event else { return None };
        let device = returned.holder.device()?;
        if self.withdrawn.contains(&returned.holder) {
            return None;
        }
        // A copy, or a machine that was put back to an image, is not the one that had it.
        let [agent] = agents else { return None };
        let is_one = truth.agents.get(device).is_none_or(|agents| agents.len() <= 1);
        if !is_one || agent.cluster().is_empty() || self.is_excused(device, now) {
            return None;
        }
        let journal = agent.machine.as_ref().map(refit_agent::machine::Machine::journal);
        let what = at_work(journal.or(agent.image.journal.as_ref())?, spec)?;
        Some(format!("the lease of {device} was given back while {what}"))
    }
}

/// What a device is at, of what the policy in force limits.
fn at_work(journal: &Journal, spec: &PolicySpec) -> Option<String> {
    if let Some(session) = journal.session.as_ref().filter(|session| session.phase == Phase::Applying) {
        let mut jobs = session.jobs.iter();
        let job = jobs.find(|job| spec.limited.contains(job.terms.policy.as_str()))?;
        return Some(format!("it was at {}", job.directive.id));
    }
    let mut waiting = journal.restart.iter().flat_map(|pending| &pending.waiting);
    let waiting = waiting.find(|receipt| spec.limits(receipt.slot.title.as_str()))?;
    Some(format!("{} waited for a restart", waiting.directive))
}

fn does(action: &Action, step: &Step) -> bool {
    match action {
        Action::Upgrade(package) | Action::Install(package) => {
            package.name == step.package.name && Some(&package.version) == step.after.as_ref()
        }
        Action::Remove(package) => *package == step.package && step.after.is_none(),
        Action::Hold { .. } | Action::Restart | Action::Notify { .. } => false,
    }
}

/// The state that a device acts on.
pub fn told<'s>(agent: &Agent, states: &'s BTreeMap<Digest, State>) -> Option<&'s State> {
    let held = agent.machine.as_ref()?.journal().state.as_ref()?.digest;
    states.get(&held)
}
