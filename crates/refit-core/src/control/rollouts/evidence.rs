//! What a gate has to go by.

use super::{
    super::{
        device_set::DeviceSet,
        document::names,
        publication::{CohortKey, Wanted},
        state::{DeviceRecord, PlanStatus, State},
    },
    record::{RolloutRecord, Trial},
    signals::SIGNAL_STALE_AFTER,
};
use crate::{
    policy::{
        document::policy::Mode,
        repository::{Gate, Signal},
    },
    rollout::{Compared, Evidence, Measure, Tally},
};
use jiff::Timestamp;
use refit_model::{PlanId, TitleId};
use refit_wire::protocol::WaitsFor;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// What the gate after an open ring has to go by at `now`; `None` where that ring has not opened.
///
/// Devices due in the ring are its members that are given the release, that wait for a person because a budget holds them, or that have
/// said what came of it. Whom a freeze, a window, its mandate or a person holds is one of them, and is shown apart while it has not
/// reported, as are the silent. Who has been put back to an earlier release has not reported. Who is only told of it is waited for where
/// nobody in the ring is forced, and who is only observed is not. The control group are the devices of the platform that have the title, and that
/// the release has not reached.
pub fn evidence(
    state: &State,
    title: &TitleId,
    record: &RolloutRecord,
    ring: &str,
    gate: &Gate,
    now: Timestamp,
) -> Option<Evidence> {
    let ring = record.ring(ring)?;
    let trial = state.rollouts.trial(title, &record.version).unwrap_or_default();
    let trial = trial.as_ref();
    let here = on_platform(state, record.platform.as_deref());
    let results = here.both(&trial.results());
    let failed = here.both(&trial.failed);
    let members = ring.members.as_ref().map_or_else(|| here.clone(), |members| here.both(members));
    let reported = members.both(&results);
    let due = due(state, title, record, &members);
    let devices = due.len() + reported.len() - due.common(&reported);
    let failed_here = reported.common(&failed);
    let elsewhere = Tally::new(failed.len() - failed_here, results.len() - reported.len());
    let mut compared = Vec::new();
    let went_on = trial.went_on(record.platform.as_deref());
    let control = Control { state, title, record, trial, here: &here, results: &results, went_on };
    if gate.silence.is_some() {
        compared.push(control.silence(gate, now));
    }
    if gate.reports.is_some() {
        compared.push(control.reports());
    }
    compared.extend(gate.signals.iter().map(|signal| control.signal(signal, now)));
    let (silent, held) = control.outstanding(&DeviceSet(due.0 - &reported.0), gate, now);
    let (first_result, reported) = (ring.first_result, reported.len());
    Some(Evidence { first_result, devices, reported, failed: failed_here, silent, held, elsewhere, compared })
}

/// The managed devices of a platform.
pub(super) fn on_platform(state: &State, platform: Option<&str>) -> DeviceSet {
    match platform {
        Some(platform) => state.found.managed().both(&state.found.on_platform(platform)),
        None => state.found.managed(),
    }
}

/// The members that are to have the release, or one of those that move as one.
fn due(state: &State, title: &TitleId, record: &RolloutRecord, members: &DeviceSet) -> DeviceSet {
    let moves = |key: &CohortKey| match &key.admitted {
        Wanted::Release(version) => record.moves(title, &key.slot.title, version),
        _ => false,
    };
    let waits = |plan: &PlanId| state.plans.get(plan).is_some_and(|plan| plan.status == PlanStatus::Open);
    let titles: Vec<&TitleId> = record.titles(title).collect();
    let (mut forced, mut told, mut anybody_forced) = (DeviceSet::default(), DeviceSet::default(), false);
    for index in members.iter() {
        let Some(device) = state.at_index(index) else { continue };
        let given = device.published.values().map(|published| &*published.key);
        let held = device.held.values().filter(|(plan, _)| waits(plan)).map(|(_, key)| &**key);
        let ours: Vec<&CohortKey> = given.chain(held).filter(|key| titles.contains(&&key.slot.title)).collect();
        anybody_forced |= ours.iter().any(|key| key.mode == Mode::Enforce);
        match ours.into_iter().filter(|key| moves(key)).map(|key| key.mode).max() {
            Some(Mode::Enforce) => forced.insert(index),
            Some(Mode::Notify) => told.insert(index),
            Some(Mode::Observe) | None => {}
        }
    }
    if anybody_forced { forced } else { told }
}

struct Control<'s> {
    state: &'s State,
    title: &'s TitleId,
    record: &'s RolloutRecord,
    trial: &'s Trial,
    here: &'s DeviceSet,
    results: &'s DeviceSet,
    /// When a person last let the release go on in spite of what was said: only what was said later counts.
    went_on: Option<Timestamp>,
}

impl Control<'_> {
    /// Devices of the platform with the title, which the release has not reached.
    fn group(&self) -> DeviceSet {
        let with_title: Vec<DeviceSet> =
            self.record.titles(self.title).map(|title| self.state.found.with_title(title)).collect();
        let others = self.here.both(&DeviceSet::union(with_title.iter()));
        DeviceSet(others.0 - self.record.reached().0 - &self.results.0)
    }

    fn opened(&self) -> Timestamp {
        self.record.open.iter().map(|open| open.at).min().unwrap_or(Timestamp::MAX)
    }

    /// Devices that no longer check in: of those that were there after the release had begun, or a person had let it go on, so that they
    /// could be given it.
    fn silence(&self, gate: &Gate, now: Timestamp) -> Compared {
        let count = |devices: &DeviceSet, opened: Timestamp| {
            let mut tally = Tally::default();
            let opened = Some(opened).max(self.went_on).unwrap_or(opened);
            for index in devices.iter() {
                let Some(device) = self.state.at_index(index) else { continue };
                let heard = self.state.heard_from(index).map_or(device.seen, |heard| heard.max(device.seen));
                if heard < opened {
                    continue;
                }
                tally.of += 1;
                tally.bad += u64::from(self.is_silent(heard, gate, now));
            }
            tally
        };
        let mut reached = Tally::default();
        for open in &self.record.open {
            let members = open.members.as_ref().map_or_else(DeviceSet::default, |members| self.here.both(members));
            reached = reached.and(count(&members, open.at));
        }
        let watched = self.record.reached().both(self.here);
        let watched = watched.iter().filter(|index| self.is_watched(*index, gate, now)).count() as u64;
        let control = count(&self.group(), self.opened());
        Compared { measure: Measure::Silence, reached, control, watched: Some(watched) }
    }

    /// Of devices that have not reported: of how many nothing is heard, and how many of the others say what they wait for.
    fn outstanding(&self, devices: &DeviceSet, gate: &Gate, now: Timestamp) -> (u64, BTreeMap<WaitsFor, u64>) {
        let (mut silent, mut held) = (0, BTreeMap::new());
        for device in devices.iter().filter_map(|index| self.state.at_index(index)) {
            let heard = self.state.heard_from(device.index).map_or(device.seen, |heard| heard.max(device.seen));
            if self.is_silent(heard, gate, now) {
                silent += 1;
                continue;
            }
            let ours = device.published.values().filter(|published| {
                let key = &published.key;
                matches!(&key.admitted, Wanted::Release(version) if self.record.moves(self.title, &key.slot.title, version))
            });
            let slots: Vec<_> = ours.map(|published| &published.key.slot).collect();
            let standing = self.state.agents.devices.get(&device.id).into_iter().flat_map(|agent| &agent.standing);
            let mut standing = standing.filter(|said| slots.iter().any(|slot| names(&said.directive, slot)));
            if let Some(said) = standing.find(|said| said.waits_for != WaitsFor::Nothing) {
                *held.entry(said.waits_for).or_default() += 1;
            }
        }
        (silent, held)
    }

    fn is_silent(&self, heard: Timestamp, gate: &Gate, now: Timestamp) -> bool {
        let unseen = now.duration_since(heard);
        unseen >= gate.silent_after && unseen.saturating_sub(self.state.not_listening(heard, now)) >= gate.silent_after
    }

    /// Whether it would have shown by now that a device falls silent: it was seen that long after the change, or is silent.
    fn is_watched(&self, index: u32, gate: &Gate, now: Timestamp) -> bool {
        let Some(device) = self.state.at_index(index) else { return false };
        let heard = self.state.heard_from(index).map_or(device.seen, |heard| heard.max(device.seen));
        if heard >= self.opened() && self.is_silent(heard, gate, now) {
            return true;
        }
        match self.since(device) {
            Some(since) => {
                let shows = since.checked_add(gate.silent_after).unwrap_or(Timestamp::MAX);
                shows <= now && heard >= shows
            }
            // It has gone on since.
            None => self.results.contains(index),
        }
    }

    /// Since when a device has the release, or the last of those that move as one.
    fn since(&self, device: &DeviceRecord) -> Option<Timestamp> {
        let installs = device.installs.iter();
        let ours = installs.filter(|(slot, it)| self.record.moves(self.title, &slot.title, &it.version));
        ours.map(|(_, installed)| installed.since).max()
    }

    /// Devices of which a signal says something bad. What was said before a device had the release says nothing of it, and what is
    /// stale says nothing of anybody.
    fn signal(&self, signal: &Signal, now: Timestamp) -> Compared {
        let staleness = self.state.policy.as_ref().map(|policy| &policy.repository.staleness.stale_after);
        let stale_after = staleness.and_then(|by_source| by_source.get(&signal.source)).copied();
        let stale_after = stale_after.unwrap_or(SIGNAL_STALE_AFTER);
        let record = self.state.rollouts.signals.get(&signal.source, &signal.name);
        let said = |index: u32| record?.of(index).filter(|(at, _)| now.duration_since(*at) <= stale_after);
        let count = |devices: &DeviceSet, counts: &dyn Fn(u32, Timestamp) -> bool| {
            let said = devices.iter().filter_map(|index| Some((index, said(index)?)));
            let said = said.filter(|(index, (at, _))| counts(*index, *at));
            said.fold(Tally::default(), |tally, (_, (_, bad))| tally.and(Tally::new(u64::from(bad), 1)))
        };
        let since_it_came = |index: u32, at: Timestamp| {
            let since = self.state.at_index(index).and_then(|device| self.since(device));
            since.is_some_and(|since| since <= at)
        };
        let since_it_went_on =
            |index: u32, at: Timestamp| since_it_came(index, at) && self.went_on.is_none_or(|went_on| at > went_on);
        let reached = count(self.results, &since_it_went_on);
        let control = count(&self.group(), &|_, _| true);
        Compared { measure: Measure::Signal(signal.name.clone()), reached, control, watched: Some(reached.of) }
    }

    /// Devices of which people say that something broke. What people say of another title counts on neither side; who has not been
    /// changed yet and names this one has it against the release before. A person counts once, with however many devices.
    fn reports(&self) -> Compared {
        let once = |devices: &mut dyn Iterator<Item = u32>| {
            let (mut people, mut nobodys) = (BTreeSet::new(), 0);
            for index in devices {
                match self.state.at_index(index).and_then(|device| device.person.as_ref()) {
                    Some(person) => drop(people.insert(person)),
                    None => nobodys += 1,
                }
            }
            people.len() as u64 + nobodys
        };
        let complained = self.trial.complained.both(self.results);
        let reached = Tally::new(once(&mut complained.iter()), self.results.len());
        let (group, opened) = (self.group(), self.opened());
        let titles: Vec<_> = self.record.titles(self.title).collect();
        let ours = |named: &SmolStr| titles.iter().any(|title| title.as_str() == named);
        let complains = |index: &u32| {
            let device = self.state.by_index.get(*index as usize);
            let reports = device.into_iter().flat_map(|device| self.state.reports.of(device));
            let mut counts = reports.filter(|(_, report)| report.counts());
            counts.any(|(_, it)| it.received >= opened && it.title.as_ref().is_none_or(ours))
        };
        let control = Tally::new(once(&mut group.iter().filter(complains)), group.len());
        Compared { measure: Measure::Reports, reached, control, watched: None }
    }
}
