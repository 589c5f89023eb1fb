//! A plan for a fleet as tables: by policy, by ring, by what waits and for what, and what is not sure.

use super::{Members, WorldPlan};
use crate::{
    control::{ChangeMembers, CohortKey, DeviceSet, PlannedChange},
    decide::{Compliance, Hold, Mark, Progress},
};
use serde::Serialize;
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// The tables of a plan. All figures are devices; one that is in a row for two reasons counts once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tables {
    /// By policy that decides, the most devices first.
    pub policies: Vec<Row>,
    /// By rollout and ring, in the order of their names; first what is in none.
    pub rings: Vec<Row>,
    /// What waits, and for what.
    pub waiting: Vec<Waiting>,
    /// What holds an outstanding change.
    pub holds: BTreeMap<Hold, u64>,
    /// What has to be known about answers.
    pub marks: BTreeMap<Mark, u64>,
}

/// One row of figures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The policy, or `ROLLOUT/RING`; empty for what no rollout brings.
    pub name: SmolStr,
    /// Devices of which something changes.
    pub touched: u64,
    /// Devices that would be moved.
    pub moved: u64,
    /// Devices with something to be done: it is due, overdue or unsupported.
    pub open: u64,
    /// Devices that may go now.
    pub now: u64,
    /// Devices that wait for a ring, a gate or an age.
    pub waiting: u64,
    /// Devices that something holds.
    pub held: u64,
    /// Devices that are overdue at once.
    pub overdue: u64,
    /// Devices for which something is due sooner.
    pub sooner: u64,
    /// Devices for which something is due later, or no longer.
    pub later: u64,
    /// Devices of which an answer is not sure: it is provisional, undetermined, or a conflict.
    pub unsure: u64,
}

/// Devices that wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// The rollout; `None` where there is none, and an age is what has not come.
    pub rollout: Option<SmolStr>,
    /// The ring.
    pub ring: Option<SmolStr>,
    /// How many devices.
    pub devices: u64,
}

/// The sets behind a row.
#[derive(Default)]
struct Sets {
    touched: DeviceSet,
    moved: DeviceSet,
    open: DeviceSet,
    now: DeviceSet,
    waiting: DeviceSet,
    held: DeviceSet,
    overdue: DeviceSet,
    sooner: DeviceSet,
    later: DeviceSet,
    unsure: DeviceSet,
}

/// Counts the members of a plan.
pub fn tables(plan: &WorldPlan) -> Tables {
    let Members { gathered, .. } = &plan.members;
    let (mut policies, mut rings): (BTreeMap<SmolStr, Sets>, BTreeMap<SmolStr, Sets>) = Default::default();
    let mut waiting: BTreeMap<(Option<SmolStr>, Option<SmolStr>), DeviceSet> = BTreeMap::new();
    let (mut holds, mut marks): (BTreeMap<Hold, DeviceSet>, BTreeMap<Mark, DeviceSet>) = Default::default();
    for (change, members) in plan.plan.changes.iter().zip(&gathered.changes) {
        let Some(key) = change.after.as_ref().or(change.before.as_ref()) else { continue };
        policies.entry(key.policy.clone()).or_default().add(change, members);
        rings.entry(ring_of(key)).or_default().add(change, members);
        if let Some(devices) = members.progress.get(&Progress::Waiting) {
            waiting.entry((key.rollout.clone(), key.ring.clone())).or_default().0 |= &devices.0;
        }
        members.holds.iter().for_each(|(hold, devices)| holds.entry(*hold).or_default().0 |= &devices.0);
        members.marks.iter().for_each(|(mark, devices)| marks.entry(*mark).or_default().0 |= &devices.0);
    }
    let rows =
        |sets: BTreeMap<SmolStr, Sets>| -> Vec<Row> { sets.into_iter().map(|(name, sets)| sets.row(name)).collect() };
    let mut policies = rows(policies);
    policies.sort_by(|a, b| b.touched.cmp(&a.touched).then_with(|| a.name.cmp(&b.name)));
    let waiting = waiting.into_iter();
    Tables {
        policies,
        rings: rows(rings),
        waiting: waiting.map(|((rollout, ring), devices)| Waiting { rollout, ring, devices: devices.len() }).collect(),
        holds: holds.into_iter().map(|(hold, devices)| (hold, devices.len())).collect(),
        marks: marks.into_iter().map(|(mark, devices)| (mark, devices.len())).collect(),
    }
}

fn ring_of(key: &CohortKey) -> SmolStr {
    match (&key.rollout, &key.ring) {
        (Some(rollout), Some(ring)) => format!("{rollout}/{ring}").into(),
        _ => SmolStr::default(),
    }
}

impl Sets {
    fn add(&mut self, change: &PlannedChange, members: &ChangeMembers) {
        let add = |to: &mut DeviceSet, devices: &DeviceSet| to.0 |= &devices.0;
        add(&mut self.touched, &members.devices);
        if change.moves {
            add(&mut self.moved, &members.devices);
        }
        for (standing, devices) in &members.standing {
            if matches!(standing, Compliance::Due | Compliance::Overdue | Compliance::Unsupported) {
                add(&mut self.open, devices);
            }
            if *standing == Compliance::Overdue {
                add(&mut self.overdue, devices);
            }
        }
        let held = DeviceSet::union(members.holds.values());
        for (progress, devices) in &members.progress {
            match progress {
                Progress::Waiting => add(&mut self.waiting, devices),
                // Who is held does not go now.
                Progress::Scheduled => add(&mut self.now, &DeviceSet(&devices.0 - &held.0)),
                _ => {}
            }
        }
        add(&mut self.held, &held);
        add(&mut self.sooner, &members.sooner);
        add(&mut self.later, &members.later);
        for (mark, devices) in &members.marks {
            if *mark != Mark::AboveTarget {
                add(&mut self.unsure, devices);
            }
        }
    }

    fn row(self, name: SmolStr) -> Row {
        Row {
            name,
            touched: self.touched.len(),
            moved: self.moved.len(),
            open: self.open.len(),
            now: self.now.len(),
            waiting: self.waiting.len(),
            held: self.held.len(),
            overdue: self.overdue.len(),
            sooner: self.sooner.len(),
            later: self.later.len(),
            unsure: self.unsure.len(),
        }
    }
}
