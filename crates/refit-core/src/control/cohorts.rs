//! Who shares what is published, for systems that configuration is written to.

use super::{
    entry::SlotName,
    evaluate::{Evaluator, Terms},
    publication::Wanted,
    reading::device,
    state::{DeviceRecord, State},
};
use crate::{
    cohorts::{Cohort, Cohorts},
    engine::Fleet,
    world::Device,
};
use jiff::Timestamp;
use roaring::RoaringBitmap;
use smol_str::SmolStr;
use std::{collections::BTreeMap, sync::Arc};

/// What the policy in force says of all devices at `now`, and what of that the server keeps to itself; `None` where no policy is in
/// force. Devices have the numbers of their records.
///
/// It is decided anew by the fleet engine, universe by universe, and then held against what is published: what a budget, an envelope or
/// the brake holds is not for other systems either.
pub fn cohorts(state: &State, now: Timestamp) -> Option<Cohorts> {
    of(&mut Evaluator::default(), state, state.managed(), now)
}

impl Evaluator {
    /// As [`cohorts`], for one device alone: what other systems have to be told of it when it asks.
    pub fn cohorts(&mut self, state: &State, record: &Arc<DeviceRecord>, now: Timestamp) -> Option<Cohorts> {
        of(self, state, std::iter::once(record), now)
    }
}

fn of<'s>(
    evaluator: &mut Evaluator,
    state: &'s State,
    devices: impl Iterator<Item = &'s Arc<DeviceRecord>>,
    now: Timestamp,
) -> Option<Cohorts> {
    let terms = Terms::in_force(state)?;
    let now = now.max(state.clock);
    let mut universes: BTreeMap<Option<&SmolStr>, Vec<&Arc<DeviceRecord>>> = BTreeMap::new();
    for record in devices {
        universes.entry(record.universe.as_ref()).or_default().push(record);
    }
    let mut all = Cohorts::nobody(now);
    for records in universes.into_values() {
        let Some(first) = records.first() else { continue };
        let world = evaluator.world(state, &terms, first);
        let devices: Vec<Device> = records.iter().map(|record| device(state, &terms.repository, record, now)).collect();
        let mut fleet = Fleet::new();
        fleet.extend(&devices);
        let mut indexes: BTreeMap<u32, u32> = BTreeMap::new();
        for record in &records {
            indexes.extend(fleet.number(&record.id).map(|number| (number, record.index)));
        }
        let cohorts = Cohorts::of_fleet(&fleet, &terms.repository, &world, now);
        all.join(cohorts, |number| indexes.get(&number).copied());
    }
    all.titles = all.titles.into_iter().flat_map(|cohort| by_publication(state, cohort)).collect();
    for packages in &mut all.packages {
        packages.unpublished = state.brake.is_some();
    }
    Some(all)
}

/// A cohort divided by whether what is said of it is published.
fn by_publication(state: &State, cohort: Cohort) -> Vec<Cohort> {
    let slot = SlotName::from(&cohort.slot);
    let admitted = match &cohort.outcome.admitted {
        Some(version) => Wanted::Release(version.as_str().into()),
        None => Wanted::Nothing,
    };
    let is_published = |index: &u32| {
        let id = state.by_index.get(*index as usize);
        let record = id.and_then(|id| state.devices.get(id));
        let published = record.and_then(|record| record.published.get(&slot));
        // Nothing to install needs no publication.
        admitted == Wanted::Nothing || published.is_some_and(|published| published.key.admitted == admitted)
    };
    let published: RoaringBitmap = match state.brake {
        Some(_) => RoaringBitmap::new(),
        None => cohort.devices.iter().filter(is_published).collect(),
    };
    let unpublished = &cohort.devices - &published;
    let mut parts = Vec::new();
    for (devices, unpublished) in [(published, false), (unpublished, true)] {
        if !devices.is_empty() {
            parts.push(Cohort { devices, unpublished, ..cohort.clone() });
        }
    }
    parts
}
