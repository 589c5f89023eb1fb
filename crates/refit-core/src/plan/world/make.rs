//! Makes a plan of what the fleet engine says of everybody, under one repository or under two.

use super::Members;
use crate::{
    control::{
        After, Before, Budgets, CohortKey, DeviceSet, Difference, FIELDS, FleetPlan, SlotName, UNKNOWN, Wanted, Who,
        count,
    },
    decide,
    engine::{self, Fleet, Outcome, Reading, Selection, Verdicts},
    facts::Value,
    policy::repository::Repository,
    world::{Applied, SlotKey, World},
};
use jiff::Timestamp;
use refit_model::TitleId;
use roaring::RoaringBitmap;
use smol_str::{SmolStr, ToSmolStr};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

/// What a plan is made of.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// The devices.
    pub fleet: &'a Fleet,
    /// Releases and advisories. When policies first applied is not taken from it.
    pub world: &'a World,
    /// What the policies are compared with; `None` is no policy at all.
    pub before: Option<&'a Repository>,
    /// The policies.
    pub after: Revision<'a>,
    /// Since when policies apply that are not new; `None`: for ever where there is something to compare with, else from now on.
    pub applied: Option<Timestamp>,
    /// The time of the plan.
    pub now: Timestamp,
}

/// A policy repository with its hash.
#[derive(Clone, Copy, Debug)]
pub struct Revision<'a> {
    /// What decisions read.
    pub repository: &'a Repository,
    /// SHA-256 over its files.
    pub hash: &'a str,
}

/// Works out what would change. `progress` hears of every title, of how many, and may stop the work; then there is no plan.
pub fn make(
    sources: &Sources<'_>,
    mut progress: impl FnMut(u64, u64) -> ControlFlow<()>,
) -> Option<(FleetPlan, Members)> {
    let Sources { fleet, before, after, now, .. } = *sources;
    let (world_before, world_after) = (world_before(sources), world_after(sources));
    let verdicts_before = before.map(|repository| Verdicts::new(fleet, repository, &world_before, now));
    let verdicts_after = Verdicts::new(fleet, after.repository, &world_after, now);
    let (reader_before, reader_after) =
        (verdicts_before.as_ref().map(|verdicts| verdicts.reader()), verdicts_after.reader());
    let titles: BTreeSet<TitleId> =
        reader_before.iter().flat_map(|reader| reader.titles()).chain(reader_after.titles()).collect();
    let mut difference = Difference::default();
    let mut pairing = Pairing::new(fleet);
    for (done, title) in (0..).zip(&titles) {
        if progress(done, titles.len() as u64).is_break() {
            return None;
        }
        let readings = reader_before.as_ref().map(|reader| reader.title(title)).unwrap_or_default();
        pairing.title(&readings, &reader_after.title(title), &mut difference);
    }
    let mut plan = FleetPlan { devices: fleet.len() as u64, ..FleetPlan::empty(now, after.hash, 0) };
    let moved = difference.moved().clone();
    let groups = groups(fleet, after.repository, now);
    for field in FIELDS {
        let known = groups.get(field);
        let mut rest = moved.0.clone();
        for (value, devices) in known.into_iter().flatten() {
            count(&mut plan, field, value, moved.common(devices));
            rest -= &devices.0;
        }
        count(&mut plan, field, UNKNOWN, rest.len());
    }
    spend(&mut plan, after.repository, &groups, &moved);
    let gathered = difference.put_into(&mut plan, |number| fleet.id(number).cloned());
    let devices = (0..fleet.numbers().max().map_or(0, |last| last + 1)).map(|number| fleet.id(number).cloned());
    // A fleet that was read from a file has no gaps; where there are some, nobody has that place.
    let devices = devices.map(|id| id.unwrap_or_else(|| "".into())).collect();
    Some((plan, Members { devices, groups, gathered }))
}

/// The world with the times from which on the policies apply that are compared with.
fn world_before(sources: &Sources<'_>) -> World {
    let mut world = sources.world.clone();
    world.applied = Applied { all: sources.applied, ..Applied::default() };
    world
}

/// The world with the times from which on the policies apply: what is new, from now on.
fn world_after(sources: &Sources<'_>) -> World {
    let mut world = sources.world.clone();
    let Some(before) = sources.before else {
        world.applied = Applied { all: Some(sources.applied.unwrap_or(sources.now)), ..Applied::default() };
        return world;
    };
    world.applied = Applied { all: sources.applied, ..Applied::default() };
    for policy in &sources.after.repository.policies {
        let known = before.policy(&policy.name);
        if known.is_none() {
            world.applied.policies.insert(policy.name.clone(), sources.now);
        }
        for entry in &policy.deadline {
            // A changed entry counts as new.
            if !known.is_some_and(|known| known.deadline.iter().any(|known| known.text == entry.text)) {
                world.applied.entries.insert((policy.name.clone(), entry.text.clone()), sources.now);
            }
        }
    }
    world
}

/// Holds the answers for a title before and after against each other.
struct Pairing {
    /// The place of the answer that a device has before, by its number.
    before: Vec<u32>,
}

/// The place of an answer that there is not.
const NOWHERE: u32 = u32::MAX;

impl Pairing {
    fn new(fleet: &Fleet) -> Self {
        Self { before: vec![NOWHERE; fleet.numbers().max().map_or(0, |last| last as usize + 1)] }
    }

    fn title(&mut self, before: &[Reading], after: &[Reading], difference: &mut Difference) {
        let mut slots: BTreeMap<&SlotKey, (Vec<&Reading>, Vec<&Reading>)> = BTreeMap::new();
        before.iter().for_each(|reading| slots.entry(&reading.slot).or_default().0.push(reading));
        after.iter().for_each(|reading| slots.entry(&reading.slot).or_default().1.push(reading));
        for (slot, (before, after)) in slots {
            self.slot(slot, &before, &after, difference);
        }
    }

    fn slot(&mut self, slot: &SlotKey, before: &[&Reading], after: &[&Reading], difference: &mut Difference) {
        let keys: Vec<Option<CohortKey>> = before.iter().map(|reading| key_of(slot, &reading.outcome)).collect();
        let mut left = RoaringBitmap::new();
        for (place, reading) in (0..).zip(before) {
            left |= &reading.devices;
            self.put(&reading.devices, place);
        }
        for reading in after {
            left -= &reading.devices;
            let key = key_of(slot, &reading.outcome);
            let (holds, marks) = (holds(&reading.outcome), marks(&reading.outcome));
            let after = After {
                key: key.as_ref(),
                due: reading.outcome.due,
                compliance: compliance(reading.outcome.compliance),
                progress: progress_of(&reading.outcome),
                holds: &holds,
                marks: &marks,
            };
            if before.is_empty() {
                difference.slot(None, &after, Who::All(&reading.devices));
                continue;
            }
            let mut parts: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
            for device in &reading.devices {
                let known = self.before.get(device as usize).copied().unwrap_or(NOWHERE);
                parts.entry(known).or_default().push(device);
            }
            for (known, devices) in parts {
                let known = known as usize;
                let due = before.get(known).and_then(|known| known.outcome.due);
                let published = keys.get(known).and_then(Option::as_ref).map(|key| Before { key, due });
                let devices = RoaringBitmap::from_sorted_iter(devices).unwrap_or_default();
                difference.slot(published, &after, Who::All(&devices));
            }
        }
        for (reading, key) in before.iter().zip(&keys) {
            let gone = &reading.devices & &left;
            if let Some(key) = key.as_ref().filter(|_| !gone.is_empty()) {
                difference.gone(key, Who::All(&gone));
            }
        }
        // Who has this slot may not have the next.
        before.iter().for_each(|reading| self.put(&reading.devices, NOWHERE));
    }

    fn put(&mut self, devices: &RoaringBitmap, place: u32) {
        for device in devices {
            if let Some(known) = self.before.get_mut(device as usize) {
                *known = place;
            }
        }
    }
}

/// What would be published for a slot, as a server has it; `None` where no policy decides.
pub fn key_of(slot: &SlotKey, outcome: &Outcome) -> Option<CohortKey> {
    let release = |version: &refit_model::Version| Wanted::Release(version.as_str().into());
    let goal = match &outcome.goal {
        None => Wanted::Nothing,
        Some(engine::Goal::Absent) => Wanted::Absent,
        Some(engine::Goal::Release { version, .. }) => release(version),
    };
    // What is not outstanding asks for nothing, and what is not forced removes nothing.
    let asks = outcome.progress == engine::Progress::Scheduled;
    let unsure = outcome.marks.contains(&engine::Mark::Conflict) || outcome.marks.contains(&engine::Mark::Undetermined);
    let admitted = match (&goal, &outcome.admitted) {
        (Wanted::Absent, None) if asks && !unsure => Wanted::Absent,
        (_, Some(version)) if asks => release(version),
        _ => Wanted::Nothing,
    };
    Some(CohortKey {
        slot: SlotName::from(slot),
        policy: outcome.policy.clone()?,
        mode: outcome.mode,
        goal,
        admitted,
        rollout: outcome.rollout.clone(),
        ring: outcome.ring.clone(),
    })
}

/// The devices by the values of fields that plans and budgets divide them by.
fn groups(fleet: &Fleet, repository: &Repository, now: Timestamp) -> BTreeMap<SmolStr, BTreeMap<SmolStr, DeviceSet>> {
    let mut selection = Selection::new(fleet, repository, now);
    let budgets = repository.budgets.iter().filter_map(|budget| budget.by.as_deref());
    let fields: BTreeSet<&str> = FIELDS.into_iter().chain(budgets).collect();
    let mut groups = BTreeMap::new();
    for field in fields {
        let Ok(known) = field.parse() else { continue };
        let mut values: BTreeMap<SmolStr, DeviceSet> = BTreeMap::new();
        for (value, devices) in selection.values(&known) {
            let value = match value {
                Some(Value::Text(text)) => text,
                Some(other) => other.to_smolstr(),
                None => continue,
            };
            values.entry(value).or_default().0 |= devices;
        }
        if repository.budgets.iter().any(|budget| budget.by.as_deref() == Some(field)) {
            // Nobody is without a budget.
            let known: Vec<&DeviceSet> = values.values().collect();
            let rest = fleet.numbers() - &DeviceSet::union(known.into_iter()).0;
            if !rest.is_empty() {
                values.entry(UNKNOWN.into()).or_default().0 |= rest;
            }
        }
        groups.insert(field.into(), values);
    }
    groups
}

/// What the budgets say, and how many of the moved devices are beyond them.
fn spend(
    plan: &mut FleetPlan,
    repository: &Repository,
    groups: &BTreeMap<SmolStr, BTreeMap<SmolStr, DeviceSet>>,
    moved: &DeviceSet,
) {
    let of = |field: &str| -> BTreeMap<SmolStr, u64> {
        let values = groups.get(field).into_iter().flatten();
        values.map(|(value, devices)| (value.clone(), devices.len())).collect()
    };
    let mut budgets = Budgets::unspent(&repository.budgets, plan.devices, of);
    plan.budgets = budgets.figures();
    if repository.budgets.is_empty() {
        return;
    }
    for device in moved.iter() {
        let of_device = groups.iter().filter_map(|(field, values)| {
            let (value, _) = values.iter().find(|(_, devices)| devices.contains(device))?;
            Some((field.clone(), value.clone()))
        });
        let of_device: BTreeMap<SmolStr, SmolStr> = of_device.collect();
        match budgets.permit(device, &of_device) {
            Ok(()) => budgets.spend(device, &of_device),
            Err(_) => plan.summary.beyond_budgets += 1,
        }
    }
}

fn compliance(compliance: engine::Compliance) -> decide::Compliance {
    match compliance {
        engine::Compliance::Compliant => decide::Compliance::Compliant,
        engine::Compliance::Due => decide::Compliance::Due,
        engine::Compliance::Overdue => decide::Compliance::Overdue,
        engine::Compliance::Unsupported => decide::Compliance::Unsupported,
        engine::Compliance::Unseen => decide::Compliance::Unseen,
        engine::Compliance::Undetermined => decide::Compliance::Undetermined,
        engine::Compliance::NotApplicable => decide::Compliance::NotApplicable,
        engine::Compliance::Unmanaged => decide::Compliance::Unmanaged,
    }
}

fn progress_of(outcome: &Outcome) -> decide::Progress {
    match outcome.progress {
        engine::Progress::None => decide::Progress::None,
        engine::Progress::Waiting => decide::Progress::Waiting,
        engine::Progress::Scheduled => decide::Progress::Scheduled,
    }
}

fn holds(outcome: &Outcome) -> Vec<decide::Hold> {
    let hold = |hold: &engine::Hold| match hold {
        engine::Hold::Block => decide::Hold::Block,
        engine::Hold::FailedGate => decide::Hold::FailedGate,
        engine::Hold::Freeze => decide::Hold::Freeze,
        engine::Hold::Provisioning => decide::Hold::Provisioning,
        engine::Hold::Grace => decide::Hold::Grace,
        engine::Hold::Window => decide::Hold::Window,
    };
    outcome.holds.iter().map(hold).collect()
}

fn marks(outcome: &Outcome) -> Vec<decide::Mark> {
    let mark = |mark: &engine::Mark| match mark {
        engine::Mark::AboveTarget => decide::Mark::AboveTarget,
        engine::Mark::Provisional => decide::Mark::Provisional,
        engine::Mark::Undetermined => decide::Mark::Undetermined,
        engine::Mark::Conflict => decide::Mark::Conflict,
    };
    outcome.marks.iter().map(mark).collect()
}
