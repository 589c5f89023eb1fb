//! Checks a plan that was kept: whether its figures are those of the devices that it names.
//!
//! It knows what a plan promises and shares no code with whoever makes one: sets of devices are taken apart into lists of places, and
//! everything is counted again.

use super::WorldPlan;
use crate::{
    control::{CohortKey, DeviceSet, PlannedChange, Wanted},
    decide::Compliance,
    policy::document::policy::Mode,
};
use std::collections::{BTreeMap, BTreeSet};

/// How much that does not add up is told.
const TOLD_MOST: usize = 20;

type Places = BTreeSet<u32>;

/// What does not add up, in words; empty where everything does.
pub fn check(plan: &WorldPlan) -> Vec<String> {
    let mut check = Check { plan, wrong: Vec::new() };
    check.devices();
    if check.wrong.is_empty() {
        check.changes();
        check.totals();
        check.radius();
        check.budgets();
    }
    let Check { mut wrong, .. } = check;
    if wrong.len() > TOLD_MOST {
        let more = wrong.len() - TOLD_MOST;
        wrong.truncate(TOLD_MOST);
        wrong.push(format!("and {more} more"));
    }
    wrong
}

struct Check<'p> {
    plan: &'p WorldPlan,
    wrong: Vec<String>,
}

impl Check<'_> {
    fn equal(&mut self, what: impl FnOnce() -> String, written: u64, counted: u64) {
        if written != counted {
            self.wrong.push(format!("{}: {written} is written, and {counted} are named", what()));
        }
    }

    fn devices(&mut self) {
        let members = &self.plan.members;
        let number = members.devices.len() as u64;
        self.equal(|| "devices".to_owned(), self.plan.plan.devices, number);
        let distinct: BTreeSet<_> = members.devices.iter().collect();
        self.equal(|| "devices that differ".to_owned(), number, distinct.len() as u64);
        let (changes, sets) = (self.plan.plan.changes.len() as u64, members.gathered.changes.len() as u64);
        self.equal(|| "changes".to_owned(), changes, sets);
        let groups = members.groups.values().flat_map(BTreeMap::values);
        let of_changes = members.gathered.changes.iter().flat_map(|change| {
            let named = change.standing.values().chain(change.progress.values());
            let named = named.chain(change.holds.values()).chain(change.marks.values());
            named.chain([&change.devices, &change.sooner, &change.later])
        });
        let gathered = members.gathered.rings.values().chain([&members.gathered.overdue]);
        let beyond = groups.chain(of_changes).chain(gathered).filter_map(|set| set.0.max()).max();
        if let Some(beyond) = beyond.filter(|place| u64::from(*place) >= number) {
            self.wrong.push(format!("place {beyond} of a set: there are {number} devices"));
        }
    }

    fn changes(&mut self) {
        let plan = self.plan;
        for (place, (change, members)) in plan.plan.changes.iter().zip(&plan.members.gathered.changes).enumerate() {
            let name = || format!("change {} ({})", place + 1, described(change));
            let devices = places(&members.devices);
            self.equal(name, change.devices, devices.len() as u64);
            if change.before.is_none() && change.after.is_none() {
                self.wrong.push(format!("{}: nothing changes in it", name()));
            }
            if change.moves != moves(change.before.as_ref(), change.after.as_ref()) {
                self.wrong.push(format!("{}: whether it moves devices is not as its two sides say", name()));
            }
            let overdue = members.standing.get(&Compliance::Overdue).map(places).unwrap_or_default();
            self.equal(|| format!("{}, overdue", name()), change.overdue, overdue.len() as u64);
            if !overdue.is_empty() && change.earliest_due.is_none_or(|due| due > plan.plan.made_at) {
                self.wrong.push(format!("{}: some are overdue, and nothing is due by then", name()));
            }
            for (what, written, set) in
                [("due sooner", change.sooner, &members.sooner), ("due later", change.later, &members.later)]
            {
                self.equal(|| format!("{}, {what}", name()), written, places(set).len() as u64);
            }
            if let Some(both) = places(&members.sooner).intersection(&places(&members.later)).next() {
                self.wrong.push(format!("{}: place {both} is due both sooner and later", name()));
            }
            let holds: BTreeMap<_, u64> =
                members.holds.iter().map(|(hold, set)| (hold, places(set).len() as u64)).collect();
            if !holds.iter().map(|(hold, count)| (*hold, count)).eq(&change.holds) {
                self.wrong.push(format!("{}: what holds devices is not as they are named", name()));
            }
            let marks: BTreeMap<_, u64> =
                members.marks.iter().map(|(mark, set)| (mark, places(set).len() as u64)).collect();
            if !marks.iter().map(|(mark, count)| (*mark, count)).eq(&change.marks) {
                self.wrong.push(format!("{}: what is not sure is not as devices are named", name()));
            }
            let parts = members.holds.values().chain(members.marks.values()).chain(members.progress.values());
            let parts = parts.chain([&members.sooner, &members.later]).flat_map(|set| set.iter());
            if let Some(other) = parts.into_iter().find(|place| !devices.contains(place)) {
                self.wrong.push(format!("{}: place {other} is none of its devices", name()));
            }
            // A slot that is gone stands in no way; any other in one.
            let mut standing = Places::new();
            let mut twice = false;
            for place in members.standing.values().flat_map(|set| set.iter()) {
                twice |= !standing.insert(place);
            }
            let whole = if change.after.is_some() { standing == devices } else { standing.is_subset(&devices) };
            if twice || !whole {
                self.wrong.push(format!("{}: its devices do not stand in one way each", name()));
            }
            let known = |id: &refit_model::DeviceId| {
                devices.iter().any(|place| plan.members.devices.get(*place as usize) == Some(id))
            };
            if let Some(other) = change.examples.iter().find(|id| !known(id)) {
                self.wrong.push(format!("{}: its example {other} is none of its devices", name()));
            }
        }
    }

    fn moved(&self) -> Places {
        let changes = self.plan.plan.changes.iter().zip(&self.plan.members.gathered.changes);
        changes.filter(|(change, _)| change.moves).flat_map(|(_, members)| members.devices.iter()).collect()
    }

    fn totals(&mut self) {
        let plan = self.plan;
        let (content, gathered) = (&plan.plan, &plan.members.gathered);
        let moved = self.moved();
        self.equal(|| "devices to move".to_owned(), content.summary.moved, moved.len() as u64);
        let touched: Places = gathered.changes.iter().flat_map(|members| members.devices.iter()).collect();
        self.equal(|| "touched".to_owned(), content.summary.touched, touched.len() as u64);
        let overdue = places(&gathered.overdue);
        self.equal(|| "overdue at once".to_owned(), content.summary.overdue_devices, overdue.len() as u64);
        let late = gathered.changes.iter().filter_map(|members| members.standing.get(&Compliance::Overdue));
        if let Some(other) = late.flat_map(|set| set.iter()).find(|place| !overdue.contains(place)) {
            self.wrong.push(format!("place {other} is overdue by a change, and not among those that are overdue"));
        }
        // Slots that do not change are only counted, so that this much can be said of them.
        let mut changed: BTreeMap<Compliance, u64> = BTreeMap::new();
        for (standing, set) in gathered.changes.iter().flat_map(|members| &members.standing) {
            *changed.entry(*standing).or_default() += places(set).len() as u64;
        }
        for (standing, slots) in changed {
            let written = content.summary.compliance.get(&standing).copied().unwrap_or(0);
            if written < slots {
                self.wrong.push(format!("slots that are {standing:?}: {written} is written, and {slots} change to it"));
            }
        }
        let overdue_slots = content.summary.compliance.get(&Compliance::Overdue).copied().unwrap_or(0);
        if overdue_slots < overdue.len() as u64 || (overdue_slots > 0 && overdue.is_empty()) {
            self.wrong.push(format!("{overdue_slots} slots are overdue, of {} devices", overdue.len()));
        }
        let mut envelope: BTreeMap<&CohortKey, u64> = BTreeMap::new();
        for (change, members) in content.changes.iter().zip(&gathered.changes) {
            if let Some(after) = change.after.as_ref().filter(|_| change.moves) {
                *envelope.entry(after).or_default() += members.devices.iter().count() as u64;
            }
        }
        let written: BTreeMap<&CohortKey, u64> =
            content.envelope.iter().map(|permit| (&permit.cohort, permit.devices)).collect();
        if written.len() != content.envelope.len() || written != envelope {
            self.wrong.push("the envelope does not permit just what moves".to_owned());
        }
    }

    fn radius(&mut self) {
        let plan = self.plan;
        let moved = self.moved();
        let mut counted: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
        let mut add = |what: &str, value: &str, devices: u64| {
            if devices > 0 {
                *counted.entry(what.to_owned()).or_default().entry(value.to_owned()).or_default() += devices;
            }
        };
        let mut twice = Vec::new();
        for field in ["device.platform", "person.department", "device.site"] {
            let mut known = Places::new();
            for (value, set) in plan.members.groups.get(field).into_iter().flatten() {
                let mut devices = 0;
                for place in set.iter() {
                    if !known.insert(place) {
                        twice.push(format!("place {place} has two values of {field}"));
                    }
                    devices += u64::from(moved.contains(&place));
                }
                add(field, value, devices);
            }
            add(field, "unknown", moved.difference(&known).count() as u64);
        }
        let mut given: BTreeMap<String, Places> = BTreeMap::new();
        for (ring, set) in &plan.members.gathered.rings {
            let devices = places(set);
            add("ring", ring, devices.intersection(&moved).count() as u64);
            given.insert(ring.to_string(), devices);
        }
        for (change, members) in plan.plan.changes.iter().zip(&plan.members.gathered.changes) {
            let Some(after) = change.after.as_ref().filter(|after| after.admitted != Wanted::Nothing) else { continue };
            let ring = after.ring.as_deref().unwrap_or("no ring");
            let named = given.get(ring);
            if members.devices.iter().any(|place| named.is_none_or(|named| !named.contains(&place))) {
                twice.push(format!("ring {ring} lacks devices that are given {}", described(change)));
            }
        }
        self.wrong.append(&mut twice);
        if counted != plan.plan.blast_radius {
            self.wrong.push("how the moved devices divide is not as they are named".to_owned());
        }
    }

    fn budgets(&mut self) {
        let plan = self.plan;
        let mut left: Vec<u64> = plan.plan.budgets.iter().map(|row| row.limit.saturating_sub(row.spent)).collect();
        let mut beyond = 0;
        for place in self.moved() {
            let concerned: Vec<usize> = plan
                .plan
                .budgets
                .iter()
                .enumerate()
                .filter(|(_, row)| match &row.by {
                    None => true,
                    Some((field, value)) => {
                        let group = plan.members.groups.get(field.as_str()).and_then(|it| it.get(value.as_str()));
                        group.is_some_and(|group| group.contains(place))
                    }
                })
                .map(|(number, _)| number)
                .collect();
            if concerned.iter().any(|number| left.get(*number) == Some(&0)) {
                beyond += 1;
                continue;
            }
            for number in concerned {
                if let Some(left) = left.get_mut(number) {
                    *left -= 1;
                }
            }
        }
        self.equal(|| "beyond the budgets".to_owned(), plan.plan.summary.beyond_budgets, beyond);
        for row in &plan.plan.budgets {
            let of = match &row.by {
                None => plan.members.devices.len() as u64,
                Some((field, value)) => {
                    let group = plan.members.groups.get(field.as_str()).and_then(|it| it.get(value.as_str()));
                    group.map_or(0, |group| places(group).len() as u64)
                }
            };
            self.equal(|| format!("the budget in {} is a share of", row.per), row.of, of);
            if row.limit > row.of.max(1) {
                self.wrong.push(format!("the budget in {} permits more devices than there are", row.per));
            }
        }
    }
}

fn places(set: &DeviceSet) -> Places {
    set.iter().collect()
}

fn described(change: &PlannedChange) -> String {
    let key = change.after.as_ref().or(change.before.as_ref());
    key.map_or_else(|| "nothing".to_owned(), |key| format!("{} by {}", key.slot, key.policy))
}

/// Whether going from one to the other moves a device: it is given something that it was not given, or another policy or ring decides.
/// A policy that only observes moves nobody.
fn moves(before: Option<&CohortKey>, after: Option<&CohortKey>) -> bool {
    let Some(after) = after else { return false };
    if after.mode == Mode::Observe {
        return false;
    }
    let given = after.admitted != Wanted::Nothing;
    match before {
        None => given,
        Some(before) if before.mode == Mode::Observe => given,
        Some(before) => {
            let same_way =
                (&before.policy, &before.rollout, &before.ring) == (&after.policy, &after.rollout, &after.ring);
            !same_way || (given && (&before.admitted, before.mode) != (&after.admitted, after.mode))
        }
    }
}
