//! Invariants of what is published: envelopes, budgets, the brake.

use super::{
    Truth,
    fold::{Fold, in_a_group},
};
use crate::{policies::BudgetSpec, quality::platform, store::Store};
use jiff::{SignedDuration, Timestamp};
use refit_core::control::{CohortKey, Contents, Event, FleetPlan, MoveCause, MovesPublished, Wanted};
use std::collections::{BTreeMap, BTreeSet};

/// What a policy revision moves lies within what its plan showed: the envelope is the one of the plan that people saw, no
/// permit is used more often than it was given, and each move by a revision uses one.
pub fn inside_envelope(fold: &Fold, event: &Event, store: &Store) -> Option<String> {
    match event {
        Event::PolicyApplied(applied) => {
            let content = fold.plans.get(&applied.plan).and_then(|plan| plan.content.clone());
            let bytes = content.and_then(|content| store.contents.content(&content));
            let shown: Option<FleetPlan> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
            let Some(shown) = shown else { return Some(format!("nobody was shown plan {}", applied.plan)) };
            let shown: BTreeMap<_, _> =
                shown.envelope.into_iter().map(|permit| (permit.cohort, permit.devices)).collect();
            let applied_envelope: BTreeMap<_, _> = applied.envelope.iter().cloned().collect();
            (shown != applied_envelope).then(|| format!("plan {} was shown with another envelope", applied.plan))
        }
        Event::MovesPublished(moves) => {
            let mut used: BTreeMap<&CohortKey, u64> = BTreeMap::new();
            for (plan, key, count) in &moves.permitted {
                let left = fold.plans.get(plan).and_then(|plan| plan.permits.get(key)).copied().unwrap_or(0);
                if *count > left {
                    return Some(format!("plan {plan} permits {left} devices {key:?}, and {count} were moved by it"));
                }
                *used.entry(key).or_default() += count;
            }
            let mut needed: BTreeMap<&CohortKey, u64> = BTreeMap::new();
            let by_policy = moves.spent.get(&MoveCause::Policy);
            for (index, keys) in fold.movers(moves) {
                if by_policy.is_some_and(|devices| devices.contains(index)) {
                    keys.into_iter().for_each(|key| *needed.entry(key).or_default() += 1);
                } else if let Some(key) = keys.into_iter().find(|key| !may_be_of_the_world(fold, index, key)) {
                    return Some(format!(
                        "device {index} was moved by a revision, and not as its plan showed: {key:?}"
                    ));
                }
            }
            let beyond = needed.into_iter().find(|(key, count)| *count > used.get(key).copied().unwrap_or(0));
            beyond.map(|(key, count)| format!("a revision moved {count} devices {key:?} beyond any envelope"))
        }
        _ => None,
    }
}

/// Whether something else than the policy in force may have moved a device: it was looked at under that policy before, it has only
/// just arrived, or its rollout let it go after the plan was made.
fn may_be_of_the_world(fold: &Fold, index: u32, key: &CohortKey) -> bool {
    let (Some(device), Some((revision, applied_by, _))) = (fold.devices.get(index as usize), &fold.policy) else {
        return false;
    };
    let arrives = device.settled == 0 && device.enrolled_by > *applied_by;
    let Wanted::Release(version) = &key.admitted else { return arrives || device.settled == *revision };
    let platform = platform(&device.id);
    let mut rings = fold
        .releases
        .open(&key.slot.title, version, &platform)
        .filter(|open| (key.rollout.as_ref(), key.ring.as_ref()) == (Some(&open.rollout), Some(&open.ring)));
    let let_go = fold.shown.is_some_and(|shown| {
        let went_on = fold.releases.went_on_since(&key.slot.title, version, &platform, shown);
        rings.any(|ring| went_on || ring.at > shown)
    });
    arrives || device.settled == *revision || let_go
}

/// What moves devices lies within every budget, unless people approved it; and nothing moves that spends nothing, but for what a
/// device brings along when it arrives.
pub fn inside_budget(fold: &Fold, truth: &Truth, at: Timestamp, moves: &MovesPublished) -> Option<String> {
    let movers = fold.movers(moves);
    let spent: BTreeSet<u32> = moves.spent.values().flat_map(|devices| devices.iter()).collect();
    let (_, applied_by, files) = fold.policy.as_ref()?;
    for index in movers.keys() {
        let device = fold.devices.get(*index as usize)?;
        let arrives = device.settled == 0 && device.enrolled_by > *applied_by;
        if !arrives && !spent.contains(index) {
            return Some(format!("{} was moved and spent nothing", device.id));
        }
    }
    let spec = truth.specs.get(files)?;
    spec.budgets.iter().find_map(|budget| beyond(fold, truth, at, moves, *budget, &spent))
}

/// Devices whose moves people approved: as many as can be, and first those that would cost something. Who has been moved in that
/// time already, `before`, needs no approval.
fn approved(fold: &Fold, moves: &MovesPublished, before: &BTreeSet<u32>) -> BTreeSet<u32> {
    let mut left: BTreeMap<&CohortKey, u64> = BTreeMap::new();
    for (plan, key, count) in &moves.permitted {
        if fold.plans.get(plan).is_some_and(|plan| !plan.approved_by.is_empty()) {
            *left.entry(key).or_default() += count;
        }
    }
    let mut paid = BTreeSet::new();
    let mut movers: Vec<_> = fold.movers(moves).into_iter().collect();
    movers.sort_by_key(|(index, _)| (before.contains(index), *index));
    for (index, keys) in movers {
        if keys.iter().all(|key| left.get(key).is_some_and(|left| *left > 0)) {
            for key in keys {
                left.entry(key).and_modify(|left| *left -= 1);
            }
            paid.insert(index);
        }
    }
    paid
}

fn beyond(
    fold: &Fold,
    truth: &Truth,
    at: Timestamp,
    moves: &MovesPublished,
    budget: BudgetSpec,
    spent: &BTreeSet<u32>,
) -> Option<String> {
    let since = at.checked_sub(SignedDuration::from_hours(budget.hours)).ok()?;
    let group = |index: u32| {
        let device = fold.devices.get(index as usize)?;
        if !budget.by_department {
            return Some(String::new());
        }
        in_a_group(moves, index).then(|| fold.department(device, truth)).flatten()
    };
    let groups: BTreeSet<String> = spent.iter().filter_map(|index| group(*index)).collect();
    for name in groups {
        let within = fold.spent.iter().filter(|(when, ..)| *when > since);
        let within = within.filter(|(_, _, department)| !budget.by_department || department.as_ref() == Some(&name));
        let before: BTreeSet<u32> = within.map(|(_, index, _)| *index).collect();
        let unpaid = spent - &approved(fold, moves, &before);
        let new: BTreeSet<u32> = unpaid.into_iter().filter(|index| group(*index).as_ref() == Some(&name)).collect();
        let of = match budget.by_department {
            false => fold.managed(),
            true => {
                let inside = |device: &&super::FoldDevice| {
                    device.managed && fold.department(device, truth).as_ref() == Some(&name)
                };
                fold.devices.iter().filter(inside).count() as u64
            }
        };
        let limit = (of * budget.percent / 100).max(1);
        let (more, all) = (new.difference(&before).count(), before.union(&new).count() as u64);
        if more > 0 && all > limit {
            return Some(format!(
                "{all} devices were moved in {}h, {more} of them now, and {}% of {of} are {limit}{}",
                budget.hours,
                budget.percent,
                if budget.by_department { format!(" (of {name})") } else { String::new() }
            ));
        }
    }
    None
}

/// Nothing is published while everything is stopped.
pub fn brake_stops_everything(fold: &Fold) -> Option<String> {
    fold.stopped.then(|| "moves were published although everything is stopped".to_owned())
}
