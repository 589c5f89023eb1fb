//! Leases of disruption groups, as the log says who has them; and which devices belong to which group.

use super::{DeviceRecord, State};
use crate::{
    control::{device_index::DeviceIndex, device_set::DeviceSet, event::Event},
    rollout::disruption::{Group, Holder, Lease, Leases, NotNow, Question},
};
use imbl::OrdMap;
use jiff::Timestamp;
use refit_model::DeviceId;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// All leases.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LeaseBook {
    /// By who has them.
    held: OrdMap<Holder, Arc<Lease>>,
    /// Until when devices need not ask, that could do nothing with their last lease.
    rests: OrdMap<DeviceId, Timestamp>,
    /// The addresses that policies may name.
    hooks: OrdMap<SmolStr, SmolStr>,
    /// Who has a lease of a group.
    #[serde(skip)]
    by_group: OrdMap<Group, BTreeSet<Holder>>,
    /// The devices of each group that a policy names, and the groups of each.
    #[serde(skip)]
    members: DeviceIndex<Group>,
    #[serde(skip)]
    groups: OrdMap<u32, BTreeSet<Group>>,
}

impl Leases for LeaseBook {
    fn of_group<'l>(&'l self, group: &Group) -> impl Iterator<Item = (&'l Holder, &'l Lease)> {
        let holders = self.by_group.get(group).into_iter().flatten();
        holders.filter_map(|holder| Some((holder, &**self.held.get(holder)?)))
    }
}

impl LeaseBook {
    /// The lease of somebody.
    pub fn of(&self, holder: &Holder) -> Option<&Arc<Lease>> {
        self.held.get(holder)
    }

    /// The lease of a device.
    pub fn of_device(&self, device: &DeviceId) -> Option<&Arc<Lease>> {
        self.held.get(&Holder::Device(device.clone()))
    }

    /// All leases, by who has them.
    pub fn all(&self) -> impl Iterator<Item = (&Holder, &Arc<Lease>)> {
        self.held.iter()
    }

    /// Until when a device need not ask.
    pub fn rests(&self, device: &DeviceId) -> Option<Timestamp> {
        self.rests.get(device).copied()
    }

    /// The address of a name.
    pub fn hook(&self, name: &str) -> Option<&SmolStr> {
        self.hooks.get(name)
    }

    /// All names with their addresses.
    pub fn hooks(&self) -> impl Iterator<Item = (&SmolStr, &SmolStr)> {
        self.hooks.iter()
    }

    /// The devices of a group that a policy names, by what the most trusted source says of them, whatever its age.
    pub fn members(&self, group: &Group) -> DeviceSet {
        self.members.set(group)
    }

    /// The groups that policies name and that have members, sorted.
    pub fn groups(&self) -> BTreeSet<&Group> {
        self.members.pieces().map(|(group, _)| group).chain(self.by_group.keys()).collect()
    }

    /// The event is one of those that speak of leases.
    pub(super) fn apply(&mut self, seq: u64, at: Timestamp, event: &Event) {
        match event {
            Event::LeaseTaken(taken) => {
                let known = self.held.get(&taken.holder).map(|lease| Lease::clone(lease));
                let extended = known.and_then(|mut lease| {
                    lease.extended(&taken.places).ok()?;
                    Some(Lease { revised: seq, ..lease })
                });
                let lease = extended.unwrap_or_else(|| Lease::taken(taken.places.clone(), at, seq));
                for place in &lease.places {
                    self.by_group.entry(place.group.clone()).or_default().insert(taken.holder.clone());
                }
                self.held.insert(taken.holder.clone(), Arc::new(lease));
                if let Some(device) = taken.holder.device() {
                    self.rests.remove(device);
                }
            }
            Event::LeaseAnswered(answered) => {
                self.change(seq, &answered.holder, |lease| match (answered.agrees, answered.question) {
                    (true, Question::Drain) => lease.drained(&answered.hook),
                    (true, Question::Health) => lease.healthy(&answered.hook),
                    (false, _) => {
                        lease.problem = Some(answered.said.clone());
                        Ok(())
                    }
                })
            }
            Event::LeaseEnded(ended) => {
                self.change(seq, &ended.holder, |lease| lease.ended(at, ended.changed));
                if let (Some(device), Some(until)) = (ended.holder.device(), ended.rests) {
                    self.rests.insert(device.clone(), until);
                }
            }
            Event::LeaseResumed(resumed) => {
                let go_on = if resumed.drains { Lease::resumed } else { Lease::resumed_at_once };
                self.change(seq, &resumed.holder, go_on);
            }
            Event::LeaseSettled(settled) => self.change(seq, &settled.holder, |lease| lease.checked(at)),
            Event::LeaseWithdrawn(back) => {
                self.change(seq, &back.holder, |lease| lease.withdrawn(back.until, back.why.clone()));
                // Others come first.
                if let Some(device) = back.holder.device() {
                    self.rests.insert(device.clone(), back.until);
                }
            }
            Event::LeaseReturned(returned) => self.forget(&returned.holder),
            Event::WebhookSet(set) => match &set.url {
                Some(url) => drop(self.hooks.insert(set.name.clone(), url.clone())),
                None => drop(self.hooks.remove(&set.name)),
            },
            _ => {}
        }
    }

    fn change(&mut self, seq: u64, holder: &Holder, change: impl FnOnce(&mut Lease) -> Result<(), NotNow>) {
        if let Some(lease) = self.held.get_mut(holder) {
            let lease = Arc::make_mut(lease);
            // The log says what has happened: what is none in today's rules changes nothing.
            if change(lease).is_ok() {
                lease.revised = seq;
            }
        }
    }

    /// Somebody has none any more.
    pub(super) fn forget(&mut self, holder: &Holder) {
        let Some(lease) = self.held.remove(holder) else { return };
        for place in &lease.places {
            if let Some(holders) = self.by_group.get_mut(&place.group) {
                holders.remove(holder);
                if holders.is_empty() {
                    self.by_group.remove(&place.group);
                }
            }
        }
    }

    /// What `from` has is `to`'s from now on, unless that has a lease of its own: then its own stays.
    pub(super) fn moves(&mut self, from: &DeviceId, to: &DeviceId) {
        let (holder, other) = (Holder::Device(from.clone()), Holder::Device(to.clone()));
        if self.held.contains_key(&other) {
            return;
        }
        let Some(lease) = self.held.get(&holder).cloned() else { return };
        self.forget(&holder);
        for place in &lease.places {
            self.by_group.entry(place.group.clone()).or_default().insert(other.clone());
        }
        self.held.insert(other, lease);
    }

    /// A device is no longer managed.
    pub(super) fn retired(&mut self, device: &DeviceId, index: u32) {
        self.forget(&Holder::Device(device.clone()));
        self.rests.remove(device);
        self.belongs(index, BTreeSet::new());
    }

    fn belongs(&mut self, index: u32, groups: BTreeSet<Group>) {
        let before = self.groups.get(&index).cloned().unwrap_or_default();
        if before == groups {
            return;
        }
        before.difference(&groups).for_each(|group| self.members.remove(group, index));
        groups.difference(&before).for_each(|group| self.members.insert(group, index));
        if groups.is_empty() {
            self.groups.remove(&index);
        } else {
            self.groups.insert(index, groups);
        }
    }
}

impl State {
    /// The fields that policies in force group devices by, with the terms of each of them.
    pub fn grouping(&self) -> BTreeMap<&str, Vec<&crate::policy::document::policy::DisruptionDocument>> {
        let mut fields: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        let policies = self.policy.iter().flat_map(|policy| &policy.repository.policies);
        for disruption in policies.filter_map(|policy| policy.disruption.as_ref()) {
            fields.entry(disruption.group_by.as_str()).or_default().push(disruption);
        }
        fields
    }

    /// Works out anew which devices belong to which groups, and who has a lease of them.
    pub(super) fn group_again(&mut self) {
        let fields: Vec<SmolStr> = self.grouping().into_keys().map(SmolStr::new).collect();
        let grouped: Vec<(u32, BTreeSet<Group>)> =
            self.managed().map(|record| (record.index, self.groups_of(record, &fields))).collect();
        self.leases.members = DeviceIndex::default();
        self.leases.groups = OrdMap::new();
        grouped.into_iter().for_each(|(index, groups)| self.leases.belongs(index, groups));
        let mut by_group: OrdMap<Group, BTreeSet<Holder>> = OrdMap::new();
        for (holder, lease) in &self.leases.held {
            for place in &lease.places {
                by_group.entry(place.group.clone()).or_default().insert(holder.clone());
            }
        }
        self.leases.by_group = by_group;
    }

    /// A device said something of the fields that tell its groups.
    pub(super) fn group_one(&mut self, device: &DeviceId) {
        let fields: Vec<SmolStr> = self.grouping().into_keys().map(SmolStr::new).collect();
        if let Some(record) = self.device(device).filter(|_| !fields.is_empty()) {
            let (index, groups) = (record.index, self.groups_of(record, &fields));
            self.leases.belongs(index, groups);
        }
    }

    fn groups_of(&self, record: &DeviceRecord, fields: &[SmolStr]) -> BTreeSet<Group> {
        let values = fields.iter().filter_map(|field| Some((field, self.plain_fact(record, field)?)));
        // An empty text is: of no group.
        values.filter(|(_, value)| !value.is_empty()).map(|(field, value)| Group::new(field.clone(), value)).collect()
    }
}
