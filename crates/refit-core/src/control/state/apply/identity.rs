//! Devices and people that are one, and that are not after all.
//!
//! What was known first stays: its id, and with it its place in rollouts; its spells, its lease, what is published for it. What only an agent
//! can know (installs, check-ins, receipts) is that of the agent that is there now, so that of the device that comes, where that is the one
//! that lives. A split gives it back.

use super::super::{
    DeviceRecord, State,
    found::{keys, platforms},
};
use crate::control::{
    entry::{Plain, SlotName},
    event::{DeviceMerged, DeviceSplit},
    report,
};
use jiff::Timestamp;
use refit_model::DeviceId;
use smol_str::SmolStr;
use std::{collections::BTreeSet, mem::take, sync::Arc};

impl State {
    pub(super) fn device_merged(&mut self, seq: u64, at: Timestamp, merged: &DeviceMerged) {
        let DeviceMerged { from: gone, into: kept } = merged;
        let (Some(from), Some(into)) = (self.devices.get(gone), self.devices.get(kept)) else { return };
        let (mut from, mut into) = (DeviceRecord::clone(from), DeviceRecord::clone(into));
        let moves = self.agent_of_the_two(&from, &into);
        if moves {
            into.leave_endpoint(self.is_hearsay(&into));
            from.give_endpoint(&mut into, self.is_hearsay(&from));
        }
        into.learn(&from);
        from.retired = Some(at);
        from.published.clear();
        from.held.clear();
        from.no_longer_stands();
        if into.person.is_none() && from.person.is_some() {
            self.found.assigned(into.index, None, from.person.as_ref());
            into.person.clone_from(&from.person);
        }
        (from.revised, into.revised) = (seq, seq);
        let index = from.index;
        self.put(from);
        self.put(into);
        if moves {
            self.agent_moves(gone, kept);
        } else {
            // Two agents can't be of one device: that of the one that was there longer speaks for it no more.
            self.agents.devices.remove(gone);
        }
        self.found.retired(index);
        self.leases.moves(gone, kept);
        self.leases.retired(gone, index);
        self.no_longer_held(gone);
        self.identity.merge_device(gone, kept);
        self.reports.merged(gone, kept);
        self.group_one(kept);
    }

    pub(super) fn device_split(&mut self, seq: u64, split: &DeviceSplit) {
        let back = &split.device;
        if self.identity.device_merged_into(back).is_none() {
            return;
        }
        // The one that it was merged into may itself have been merged since.
        let holder = self.identity.device(back).clone();
        self.identity.split_device(back);
        let agents_own = self.identity.agents_id(&holder).clone();
        let returns = self.identity.device(&agents_own) == back;
        let (Some(device), Some(from)) = (self.devices.get(back), self.devices.get(&holder)) else { return };
        let (mut device, mut from) = (DeviceRecord::clone(device), DeviceRecord::clone(from));
        if returns {
            // Spells that came with it go with it.
            let came = from.spells.iter().filter(|(slot, since)| device.spells.get(*slot) == Some(*since));
            let came: Vec<SlotName> = came.map(|(slot, _)| slot.clone()).collect();
            for slot in came {
                from.spells.remove(&slot);
            }
            device.leave_endpoint(self.is_hearsay(&device));
            from.give_endpoint(&mut device, self.is_hearsay(&from));
        }
        device.retired = None;
        (device.revised, from.revised) = (seq, seq);
        let index = device.index;
        self.put(device);
        self.put(from);
        self.found.managed_again(index);
        if returns {
            self.agent_moves(&holder, back);
            self.leases.moves(&holder, back);
        }
        self.group_one(back);
        self.group_one(&holder);
    }

    /// Whether the agent of the device that goes is the one that is there now: the one that stays has none, or an older one.
    fn agent_of_the_two(&self, from: &DeviceRecord, into: &DeviceRecord) -> bool {
        let joined = |record: &DeviceRecord| self.agents.devices.get(&record.id).map(|agent| agent.joined);
        match (joined(from), joined(into)) {
            (None, None) => {
                let has = |record: &DeviceRecord| record.has_endpoint(self.is_hearsay(record));
                has(from) && (!has(into) || from.seen > into.seen)
            }
            (from, into) => from > into,
        }
    }

    /// Whether what is known to be on a device comes from a system that the server reads, and not from the device.
    fn is_hearsay(&self, record: &DeviceRecord) -> bool {
        self.is_read(&record.seen_by)
    }

    fn agent_moves(&mut self, from: &DeviceId, to: &DeviceId) {
        if let Some(agent) = self.agents.devices.remove(from) {
            self.agents.machines.insert(agent.machine.clone(), to.clone());
            self.agents.devices.insert(to.clone(), agent);
        }
        self.identity.agent_moves(from, to);
    }

    /// Replaces what is known of a device, where what devices are found by has changed too.
    fn put(&mut self, now: DeviceRecord) {
        let Some(before) = self.devices.get(&now.id).cloned() else { return };
        let titles =
            |record: &DeviceRecord| -> BTreeSet<_> { record.installs.keys().map(|slot| slot.title.clone()).collect() };
        let (old, new) = (titles(&before), titles(&now));
        old.difference(&new).for_each(|title| self.found.has_title(now.index, title, false));
        new.difference(&old).for_each(|title| self.found.has_title(now.index, title, true));
        self.found.said_platforms(now.index, &platforms(&before), &platforms(&now));
        self.found.said_keys(now.index, &keys(&before), &keys(&now));
        let id = now.id.clone();
        self.change(&id, |record| *record = now);
    }
}

impl DeviceRecord {
    /// Whether an agent, or something in its place, speaks of the device.
    fn has_endpoint(&self, is_hearsay: bool) -> bool {
        (self.observes_installs() && !is_hearsay)
            || self.history.is_some()
            || self.reported.contains_key(report::SOURCE)
    }

    fn observes_installs(&self) -> bool {
        !self.installs.is_empty() || self.universe.is_some()
    }

    /// The sources that speak for what is on the device, as it does itself.
    fn endpoints(&self, is_hearsay: bool) -> BTreeSet<SmolStr> {
        let observer = (self.observes_installs() && !is_hearsay).then(|| self.seen_by.clone());
        observer.into_iter().chain([SmolStr::new_static(report::SOURCE)]).collect()
    }

    /// Hands over what only an agent can know of a device. What the other had of that is gone by then.
    fn give_endpoint(&mut self, to: &mut DeviceRecord, is_hearsay: bool) {
        for by in self.endpoints(is_hearsay) {
            for (field, value) in self.sources_facts(&by) {
                to.facts.entry_or_insert(field, Default::default).insert(by.clone(), value);
            }
            if let Some(at) = self.reported.remove(&by) {
                to.reported.insert(by.clone(), at);
            }
            if let Some(at) = self.said.remove(&by) {
                to.said.insert(by, at);
            }
        }
        to.installs = take(&mut self.installs);
        to.departed = take(&mut self.departed);
        to.universe = self.universe.take();
        to.history = self.history.take();
        to.receipts = take(&mut self.receipts);
        to.counted = take(&mut self.counted);
        to.absences = take(&mut self.absences);
        to.quarantined = to.quarantined.take().or_else(|| self.quarantined.clone());
        (to.seen, to.seen_by) = (self.seen, self.seen_by.clone());
    }

    /// Forgets what only an agent can know of a device.
    fn leave_endpoint(&mut self, is_hearsay: bool) {
        for by in self.endpoints(is_hearsay) {
            self.sources_facts(&by);
            self.reported.remove(&by);
            self.said.remove(&by);
        }
        self.installs = Arc::default();
        self.departed.clear();
        (self.universe, self.history) = (None, None);
        self.receipts.clear();
        self.counted.clear();
        self.absences.clear();
    }

    /// Takes away what a source says, and gives it.
    fn sources_facts(&mut self, source: &SmolStr) -> Vec<(SmolStr, Plain)> {
        let fields: Vec<SmolStr> = self.facts.keys().cloned().collect();
        let mut found = Vec::new();
        for field in fields {
            let Some(said) = self.facts.get_mut(&field) else { continue };
            found.extend(said.remove(source).map(|value| (field.clone(), value)));
            if said.is_empty() {
                self.facts.remove(&field);
            }
        }
        found
    }

    /// Adds what is known of a device that is the same one, where nothing is known yet.
    fn learn(&mut self, other: &DeviceRecord) {
        self.name = self.name.take().or_else(|| other.name.clone());
        self.enrolled = self.enrolled.min(other.enrolled);
        let new: Vec<SmolStr> =
            other.reported.keys().filter(|source| !self.reported.contains_key(*source)).cloned().collect();
        for (field, said) in other.facts.iter() {
            for (source, value) in said.iter().filter(|(source, _)| new.contains(source)) {
                self.facts.entry_or_insert(field.clone(), Default::default).insert(source.clone(), value.clone());
            }
        }
        for source in new {
            if let Some(at) = other.reported.get(&source) {
                self.reported.insert(source.clone(), *at);
            }
            if let Some(at) = other.said.get(&source) {
                self.said.insert(source, *at);
            }
        }
        // No due time moves later by a merge: of two spells of one slot the older one goes on.
        for (slot, since) in other.spells.iter() {
            let known = self.spells.get(slot).copied();
            self.spells.insert(slot.clone(), known.map_or(*since, |known| known.min(*since)));
        }
        for (slot, offered) in other.offered.iter() {
            if !self.offered.contains_key(slot) {
                self.offered.insert(slot.clone(), offered.clone());
            }
        }
        let published: Vec<Arc<_>> = other
            .published
            .shared()
            .filter(|published| !self.published.contains_key(published.slot()))
            .cloned()
            .collect();
        published.into_iter().for_each(|published| self.published.insert(published));
    }
}
