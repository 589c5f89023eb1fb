//! Makes a plan of what the fleet engine says of everybody, under one repository or under two.

use super::Members;
use crate::{
    control::{
        Budgets, DeviceSet, Difference, FIELDS, FleetPlan, Pairing, SlotName, Standing, Stood, UNKNOWN, count, key_of,
    },
    engine::{Fleet, Reading, Selection, Verdicts},
    facts::Value,
    policy::repository::Repository,
    world::{Applied, World},
};
use jiff::Timestamp;
use refit_model::TitleId;
use smol_str::{SmolStr, ToSmolStr};
use std::{
    borrow::Cow,
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
    let mut pairing = Pairing::new(fleet.numbers().max().map_or(0, |last| last as usize + 1));
    for (done, title) in (0..).zip(&titles) {
        if progress(done, titles.len() as u64).is_break() {
            return None;
        }
        let readings = reader_before.as_ref().map(|reader| reader.title(title)).unwrap_or_default();
        pairing.title(&standing(&readings), &reader_after.title(title), &mut difference);
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

/// How the slots of a title stood, by what was said of them.
fn standing(readings: &[Reading]) -> Standing<'_> {
    let mut standing = Standing::new();
    for reading in readings {
        standing.entry(SlotName::from(&reading.slot)).or_default().push(Stood {
            key: key_of(&reading.slot, &reading.outcome).map(Cow::Owned),
            due: reading.outcome.due,
            devices: Cow::Borrowed(&reading.devices),
        });
    }
    standing
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
