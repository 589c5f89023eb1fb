//! What was published for devices, what is held, and what has to be remembered of decisions.

use super::super::{PlanKind, PlanRecord, PlanStatus, Published, Spent, State};
use crate::control::{
    device_set::DeviceSet,
    entry::SlotName,
    event::{FirstOffered, HeldCohort, MovesHeld, MovesPublished, ObligationsNoted, SlotStanding, StandingChange},
    sorted::Sorted,
};
use jiff::{SignedDuration, Timestamp};
use refit_model::{DeviceId, PlanId};
use std::sync::Arc;

/// How long what was spent is remembered at least: the next policy may look back further than this one.
const LEDGER_SHORTEST: SignedDuration = SignedDuration::from_hours(32 * 24);

impl State {
    /// The longest rolling time of a budget: what was spent before that counts for nothing.
    pub(super) fn longest_budget(&self) -> SignedDuration {
        let budgets = self.policy.iter().flat_map(|policy| &policy.repository.budgets);
        budgets.map(|budget| budget.per.0).max().unwrap_or_default().max(LEDGER_SHORTEST)
    }

    pub(super) fn moves_published(&mut self, seq: u64, at: Timestamp, moves: &MovesPublished) {
        for cohort in &moves.cohorts {
            let published = Arc::new(Published {
                key: Arc::new(cohort.key.clone()),
                due: cohort.due,
                due_by: cohort.due_by.clone(),
                revision: moves.revision,
                by_event: seq,
                over: false,
            });
            for index in cohort.devices.iter() {
                self.change_at(index, |device| device.published.insert(published.clone()));
            }
        }
        for (slot, devices) in &moves.withdrawn {
            for index in devices.iter() {
                self.change_at(index, |device| device.published.remove(slot));
            }
        }
        for index in moves.settled.iter() {
            self.change_at(index, |device| device.settled = moves.revision);
        }
        let devices: DeviceSet = moves.spent.values().flat_map(|devices| devices.iter()).collect();
        if !devices.is_empty() {
            self.ledger.push_back(Arc::new(Spent { at, devices, groups: moves.groups.clone() }));
            let oldest = at.checked_sub(self.longest_budget()).unwrap_or(Timestamp::MIN);
            self.ledger.retain(|spent| spent.at >= oldest);
        }
        for (plan, key, count) in &moves.permitted {
            self.change_plan(plan, |plan| {
                if let Some(left) = plan.permits.get_mut(key) {
                    *left = left.saturating_sub(*count);
                }
            });
        }
    }

    pub(super) fn moves_held(&mut self, at: Timestamp, held: &MovesHeld) {
        // Freed devices leave whatever plan holds them.
        for index in held.freed.iter() {
            self.change_at(index, |device| device.held.clear());
        }
        for cohort in &held.held {
            let key = Arc::new(cohort.key.clone());
            for index in cohort.devices.iter() {
                self.change_at(index, |device| {
                    device.held.insert(cohort.key.slot.clone(), (held.plan.clone(), key.clone()));
                });
            }
        }
        if !self.plans.contains_key(&held.plan) && !held.held.is_empty() {
            let record = PlanRecord {
                made: at,
                as_of: None,
                author: "server".into(),
                kind: PlanKind::Held { held: Vec::new() },
                status: PlanStatus::Open,
                approvals: Default::default(),
                permits: Default::default(),
            };
            self.plans.insert(held.plan.clone(), Arc::new(record));
        }
        let ids: Vec<PlanId> = self.plans.keys().cloned().collect();
        for id in ids {
            let is_target = id == held.plan;
            self.change_plan(&id, |plan| {
                let PlanKind::Held { held: known } = &mut plan.kind else { return };
                if plan.status != PlanStatus::Open {
                    return;
                }
                for cohort in known.iter_mut() {
                    cohort.devices.0 -= &held.freed.0;
                }
                if is_target {
                    for cohort in &held.held {
                        let same = |known: &&mut HeldCohort| {
                            (&known.key, known.cause, known.by) == (&cohort.key, cohort.cause, cohort.by)
                        };
                        match known.iter_mut().find(same) {
                            Some(known) => {
                                known.devices.0 |= &cohort.devices.0;
                                known.because = cohort.because.clone();
                            }
                            None => known.push(cohort.clone()),
                        }
                    }
                }
                known.retain(|cohort| !cohort.devices.is_empty());
                if known.is_empty() {
                    plan.status = PlanStatus::Superseded;
                }
            });
        }
    }

    /// A device that is gone waits for nobody.
    pub(super) fn no_longer_held(&mut self, device: &DeviceId) {
        let Some(index) = self.devices.get(device).map(|device| device.index) else { return };
        let ids: Vec<PlanId> = self.plans.keys().cloned().collect();
        for id in ids {
            self.change_plan(&id, |plan| {
                let PlanKind::Held { held } = &mut plan.kind else { return };
                if plan.status != PlanStatus::Open {
                    return;
                }
                held.iter_mut().for_each(|cohort| cohort.devices.remove(index));
                held.retain(|cohort| !cohort.devices.is_empty());
                if held.is_empty() {
                    plan.status = PlanStatus::Superseded;
                }
            });
        }
    }

    pub(super) fn obligations_noted(&mut self, seq: u64, noted: &ObligationsNoted) {
        for (advisory, condition, since) in &noted.latches {
            self.latches.insert((advisory.clone(), condition.clone()), *since);
            self.latches_revised = seq;
        }
        for (slot, since, devices) in &noted.began {
            for index in devices.iter() {
                self.change_at(index, |device| {
                    device.spells.insert(slot.clone(), *since);
                });
            }
        }
        for (slot, devices) in &noted.ended {
            for index in devices.iter() {
                self.change_at(index, |device| {
                    device.spells.remove(slot);
                    device.departed.remove(slot);
                    device.offered.remove(slot);
                    device.published.change(slot, |published| published.over = true);
                });
            }
        }
        self.offers_noted(&noted.offered);
        for change in &noted.stands {
            let is = match change.goes_on {
                true => self.with_before(change),
                false => change.is.clone().map(Arc::new),
            };
            for index in change.devices.iter() {
                self.change_at(index, |device| match &is {
                    Some(is) => drop(device.stands.insert(change.slot.clone(), is.clone())),
                    None => drop(device.stands.remove(&change.slot)),
                });
            }
        }
        for (devices, unseen) in [(&noted.unseen, true), (&noted.seen, false)] {
            for index in devices.iter() {
                self.change_at(index, |device| device.unseen = unseen);
            }
        }
    }

    /// How a slot stands with what an entry before said of it. The devices of a change all stand the same.
    fn with_before(&self, change: &StandingChange) -> Option<Arc<SlotStanding>> {
        let mut is = change.is.clone()?;
        let device = change.devices.iter().next().and_then(|index| self.at_index(index))?;
        is.exposures.extend(device.stands.get(&change.slot)?.exposures.iter().cloned());
        is.exposures.sort();
        Some(Arc::new(is))
    }

    fn offers_noted(&mut self, offered: &[(SlotName, FirstOffered, DeviceSet)]) {
        for (slot, first, devices) in offered {
            let first = Arc::new(first.clone());
            for index in devices.iter() {
                self.change_at(index, |device| {
                    let noted = device.offered.entry_or_insert(slot.clone(), Sorted::default);
                    noted.insert(first.obligation.clone(), first.clone());
                });
            }
        }
    }
}
