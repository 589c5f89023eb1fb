//! From decisions to what is published: what moves devices spends budgets, and what exceeds them waits for a person.
//!
//! A device is taken whole: either all of its slots move, or none. What moves nobody (a change was made, a due time came
//! nearer, something is taken away) is published at once.

use super::super::{
    budget::{Budgets, Spent},
    codec::NOT_SHOWN,
    device_set::DeviceSet,
    entry::SlotName,
    evaluate::{Evaluation, SlotOutcome, later_because},
    event::{
        FirstOffered, HeldCohort, MovesHeld, MovesPublished, ObligationsNoted, PublishedCohort, SlotStanding,
        StandingChange,
    },
    input::Outcome,
    publication::{CohortKey, DueBy, DueCause, HeldBy, MoveCause, Wanted},
    state::{DeviceRecord, PlanKind, PlanStatus, State},
};
use crate::decide::Compliance;
use jiff::Timestamp;
use refit_model::{AdvisoryId, PlanId};
use smol_str::{SmolStr, ToSmolStr};
use std::collections::{BTreeMap, BTreeSet};

/// What is published for a cohort besides its key.
type Terms = (Option<Timestamp>, Option<DueBy>, Option<DueCause>);

/// Takes what was decided on devices. What was decided on a state that has changed since for that device is dropped: it is
/// decided again.
pub(super) fn evaluated(state: &State, plan: PlanId, devices: Vec<Evaluation>, now: Timestamp) -> Outcome {
    let mut gathered = Gathered::new(state, now);
    let for_all = state.revised_for_all();
    for evaluation in &devices {
        let Some(record) = state.device(&evaluation.device) else { continue };
        let revised = state.revised_for(record).max(for_all);
        if evaluation.revision != state.revision() || revised > evaluation.basis {
            continue;
        }
        gathered.notes(record, evaluation);
        // Nothing moves while everything is stopped, and nobody of whom there are two; what has to be remembered is, or clocks
        // would begin when it goes on.
        if state.brake.is_none() && record.quarantined.is_none() {
            gathered.device(record, evaluation);
        }
    }
    gathered.outcome(plan)
}

/// What has been gathered of all devices.
struct Gathered<'s> {
    state: &'s State,
    budgets: Budgets<'s>,
    settled: DeviceSet,
    cohorts: BTreeMap<(CohortKey, Terms), DeviceSet>,
    withdrawn: BTreeMap<SlotName, DeviceSet>,
    spent: BTreeMap<MoveCause, DeviceSet>,
    groups: BTreeMap<SmolStr, BTreeMap<SmolStr, DeviceSet>>,
    /// What plans permit, and how much of it is left.
    permits: BTreeMap<PlanId, Permitted>,
    /// The time of which the plan that was applied speaks.
    shown: Option<Timestamp>,
    permitted: BTreeMap<(PlanId, CohortKey), u64>,
    held: BTreeMap<(CohortKey, MoveCause, HeldBy), (SmolStr, DeviceSet)>,
    freed: DeviceSet,
    latches: BTreeSet<(AdvisoryId, SmolStr, Timestamp)>,
    began: BTreeMap<(SlotName, Timestamp), DeviceSet>,
    ended: BTreeMap<SlotName, DeviceSet>,
    offered: BTreeMap<(SlotName, FirstOffered), DeviceSet>,
    stands: BTreeMap<(SlotName, Option<SlotStanding>, Option<SlotStanding>), DeviceSet>,
    unseen: DeviceSet,
    seen: DeviceSet,
}

/// What a plan permits.
struct Permitted {
    /// Whether people approved it. What they approved may exceed a budget; what nobody had to approve may not.
    by_people: bool,
    /// Whether it is of a policy revision. Then it shows what that does to devices, and nothing else moves by it.
    of_policy: bool,
    /// How much of it is left.
    left: BTreeMap<CohortKey, u64>,
}

/// Why a device may not move.
struct Kept {
    by: HeldBy,
    because: SmolStr,
}

/// What a device would be given for one slot.
struct Change<'e> {
    outcome: &'e SlotOutcome,
    key: &'e CohortKey,
    later: Option<DueCause>,
    moves: bool,
}

impl<'s> Gathered<'s> {
    fn new(state: &'s State, now: Timestamp) -> Gathered<'s> {
        let permits = state.plans.iter().filter(|(_, plan)| !plan.permits.is_empty()).map(|(id, plan)| {
            let of_policy = matches!(plan.kind, PlanKind::Policy { .. });
            let (by_people, left) = (!plan.approvals.is_empty(), plan.permits.clone());
            (id.clone(), Permitted { by_people, of_policy, left })
        });
        let applied = state.policy.as_ref().and_then(|policy| state.plans.get(&policy.plan));
        Gathered {
            state,
            budgets: Budgets::new(state, now),
            settled: DeviceSet::default(),
            cohorts: BTreeMap::new(),
            withdrawn: BTreeMap::new(),
            spent: BTreeMap::new(),
            groups: BTreeMap::new(),
            permits: permits.collect(),
            shown: applied.map(|plan| plan.as_of.unwrap_or(plan.made)),
            permitted: BTreeMap::new(),
            held: BTreeMap::new(),
            freed: DeviceSet::default(),
            latches: BTreeSet::new(),
            began: BTreeMap::new(),
            ended: BTreeMap::new(),
            offered: BTreeMap::new(),
            stands: BTreeMap::new(),
            unseen: DeviceSet::default(),
            seen: DeviceSet::default(),
        }
    }

    fn notes(&mut self, record: &DeviceRecord, evaluation: &Evaluation) {
        self.latches.extend(
            evaluation
                .latches
                .iter()
                .filter(|(advisory, text, _)| !self.state.latches.contains_key(&(advisory.clone(), text.clone())))
                .cloned(),
        );
        for (slot, since) in evaluation.began.iter().filter(|(slot, _)| !record.spells.contains_key(slot)) {
            self.began.entry((slot.clone(), *since)).or_default().insert(record.index);
        }
        for slot in evaluation.ended.iter().filter(|slot| record.spells.contains_key(*slot)) {
            self.ended.entry(slot.clone()).or_default().insert(record.index);
        }
        for (slot, first) in &evaluation.offered {
            self.offered.entry((slot.clone(), first.clone())).or_default().insert(record.index);
        }
        self.stands(record, evaluation);
    }

    /// Notes how slots stand where that has changed, whatever may be published. While a device is unseen nothing else is said of it: how its
    /// slots stood stays as it was.
    fn stands(&mut self, record: &DeviceRecord, evaluation: &Evaluation) {
        let unseen = evaluation.slots.iter().any(|outcome| outcome.compliance == Compliance::Unseen);
        if unseen != record.unseen {
            let devices = if unseen { &mut self.unseen } else { &mut self.seen };
            devices.insert(record.index);
        }
        if unseen {
            return;
        }
        let stands: BTreeMap<&SlotName, SlotStanding> =
            evaluation.slots.iter().filter_map(|outcome| Some((&outcome.slot, outcome.standing()?))).collect();
        for (slot, is) in &stands {
            let was = record.stands.get(*slot).map(|known| &**known);
            if was != Some(is) {
                let change = ((*slot).clone(), was.cloned(), Some(is.clone()));
                self.stands.entry(change).or_default().insert(record.index);
            }
        }
        for (slot, was) in record.stands.iter().filter(|(slot, _)| !stands.contains_key(slot)) {
            let change = (slot.clone(), Some(SlotStanding::clone(was)), None);
            self.stands.entry(change).or_default().insert(record.index);
        }
    }

    fn device(&mut self, record: &DeviceRecord, evaluation: &Evaluation) {
        let changes = self.changes(record, evaluation);
        let movers: Vec<&Change<'_>> = changes.iter().filter(|change| change.moves).collect();
        let cause = self.cause(record, evaluation, &movers);
        let verdict = match &cause {
            _ if movers.is_empty() => Ok(None),
            // What a device brings along when it arrives moves nobody.
            None => Ok(None),
            Some(cause) => self.verdict(record, evaluation, *cause, &movers).map(Some),
        };
        match verdict {
            Ok(paid) => {
                if let (Some(paid), Some(cause)) = (paid, cause) {
                    self.pay(record, evaluation, cause, paid, &movers);
                }
                for change in &changes {
                    self.publish(record, change);
                }
                if !record.held.is_empty() {
                    self.freed.insert(record.index);
                }
            }
            Err(kept) => {
                let cause = cause.unwrap_or(MoveCause::World);
                for change in changes.iter().filter(|change| !change.moves) {
                    self.publish(record, change);
                }
                self.hold(record, cause, kept, &movers);
            }
        }
        let kept: BTreeSet<&SlotName> =
            evaluation.slots.iter().filter(|outcome| outcome.key.is_some()).map(|outcome| &outcome.slot).collect();
        for slot in record.published.keys().filter(|slot| !kept.contains(slot)) {
            self.withdrawn.entry(slot.clone()).or_default().insert(record.index);
        }
        // A device arrives with its first report of installs, which may come after it was enrolled and looked at.
        let has_arrived = !record.installs.is_empty() || record.reported.contains_key(&record.seen_by);
        if record.settled != evaluation.revision && (has_arrived || record.settled > 0) {
            self.settled.insert(record.index);
        }
    }

    /// What would be published anew.
    fn changes<'e>(&self, record: &DeviceRecord, evaluation: &'e Evaluation) -> Vec<Change<'e>> {
        let mut changes = Vec::new();
        for outcome in &evaluation.slots {
            let Some(key) = &outcome.key else { continue };
            let before = record.published.get(&outcome.slot);
            let same = before.is_some_and(|before| {
                *before.key == *key && before.due == outcome.due && before.due_by == outcome.due_by
            });
            if same {
                continue;
            }
            let later = before.and_then(|before| later_because(self.state, before, outcome, evaluation.revision));
            let moves = key.moves_from(before.map(|before| before.key.as_ref()));
            changes.push(Change { outcome, key, later, moves });
        }
        changes
    }

    /// What moves a device; `None` where it has just arrived.
    fn cause(&self, record: &DeviceRecord, evaluation: &Evaluation, movers: &[&Change<'_>]) -> Option<MoveCause> {
        let policy = self.state.policy.as_ref()?;
        if record.settled == 0 && record.enrolled > policy.since {
            return None;
        }
        if record.settled != evaluation.revision {
            let by_rollouts = !movers.is_empty() && movers.iter().all(|change| self.let_go_since(record, change));
            return Some(if by_rollouts { MoveCause::World } else { MoveCause::Policy });
        }
        let newest = record.published.values().map(|published| published.by_event).max().unwrap_or(0);
        let person = record.person.as_ref().and_then(|id| self.state.people.get(id)).map_or(0, |person| person.revised);
        Some(if record.revised.max(person) > newest { MoveCause::Facts } else { MoveCause::World })
    }

    /// Whether a rollout let a device go only after the fleet was looked at for the plan that was applied: the plan could not show it, and a
    /// moment later it would have been a move of the world.
    fn let_go_since(&self, record: &DeviceRecord, change: &Change<'_>) -> bool {
        let CohortKey { slot, admitted: Wanted::Release(version), rollout: Some(rollout), ring: Some(ring), .. } =
            change.key
        else {
            return false;
        };
        self.shown.is_some_and(|shown| {
            self.state.rollouts.let_go_since((&slot.title, version), (rollout, ring), record.index, shown)
        })
    }

    /// Whether a device may move: by which plan, or by the budgets; else why not.
    fn verdict(
        &self,
        record: &DeviceRecord,
        evaluation: &Evaluation,
        cause: MoveCause,
        movers: &[&Change<'_>],
    ) -> Result<Option<PlanId>, Kept> {
        let by_policy = cause == MoveCause::Policy;
        let fits = |permitted: &Permitted| {
            (by_policy || !permitted.of_policy)
                && movers.iter().all(|change| permitted.left.get(change.key).is_some_and(|left| *left > 0))
        };
        // What people approved comes first: else a plan that nobody had to approve would hide it.
        if let Some((id, _)) = self.permits.iter().find(|(_, permitted)| permitted.by_people && fits(permitted)) {
            return Ok(Some(id.clone()));
        }
        let plan = self.permits.iter().find(|(_, permitted)| fits(permitted));
        // What a new revision does to a device was shown in its plan; what was not shown needs a person.
        if by_policy && plan.is_none() {
            return Err(Kept { by: HeldBy::Envelope, because: NOT_SHOWN.into() });
        }
        let permitted = self.budgets.permit(record.index, &evaluation.groups);
        if let Some(kept) = self.waiting(record, movers, permitted.as_ref().err()) {
            return Err(kept);
        }
        permitted.map_err(|spent| Kept { by: HeldBy::Budget, because: spent.to_smolstr() })?;
        Ok(plan.map(|(id, _)| id.clone()))
    }

    /// Why a move that is held already stays held: it waits for a person, whatever a budget permits by now, and what a person has
    /// rejected stays rejected. `spent` is what the budget says today, where it still does not permit it.
    fn waiting(&self, record: &DeviceRecord, movers: &[&Change<'_>], spent: Option<&Spent>) -> Option<Kept> {
        movers.iter().find_map(|change| {
            let (id, key) = record.held.get(&change.key.slot).filter(|(_, key)| **key == *change.key)?;
            let plan = self.state.plans.get(id)?;
            let PlanKind::Held { held } = &plan.kind else { return None };
            let held = held.iter().find(|held| held.key == **key && held.devices.contains(record.index));
            let by = held.map_or(HeldBy::Budget, |held| held.by);
            match plan.status {
                PlanStatus::Rejected => Some(Kept { by, because: format!("plan {id} was rejected").into() }),
                PlanStatus::Open => {
                    let newest = spent.filter(|_| by == HeldBy::Budget);
                    let because =
                        |held: &HeldCohort| newest.map_or_else(|| held.because.clone(), |spent| spent.to_smolstr());
                    held.map(|held| Kept { by, because: because(held) })
                }
                _ => None,
            }
        })
    }

    fn pay(
        &mut self,
        record: &DeviceRecord,
        evaluation: &Evaluation,
        cause: MoveCause,
        plan: Option<PlanId>,
        movers: &[&Change<'_>],
    ) {
        if let Some(id) = plan
            && let Some(permitted) = self.permits.get_mut(&id)
        {
            for change in movers {
                if let Some(left) = permitted.left.get_mut(change.key) {
                    *left -= 1;
                }
                *self.permitted.entry((id.clone(), change.key.clone())).or_default() += 1;
            }
        }
        self.budgets.spend(record.index, &evaluation.groups);
        self.spent.entry(cause).or_default().insert(record.index);
        for (field, value) in &evaluation.groups {
            self.groups.entry(field.clone()).or_default().entry(value.clone()).or_default().insert(record.index);
        }
    }

    fn publish(&mut self, record: &DeviceRecord, change: &Change<'_>) {
        let terms = (change.outcome.due, change.outcome.due_by.clone(), change.later);
        self.cohorts.entry((change.key.clone(), terms)).or_default().insert(record.index);
    }

    fn hold(&mut self, record: &DeviceRecord, cause: MoveCause, kept: Kept, movers: &[&Change<'_>]) {
        let is_held = |change: &&Change<'_>| {
            record.held.get(&change.key.slot).is_some_and(|(plan, key)| {
                let plan = self.state.plans.get(plan);
                let waits = |status| matches!(status, PlanStatus::Open | PlanStatus::Rejected);
                **key == *change.key && plan.is_some_and(|plan| waits(plan.status))
            })
        };
        let unchanged = movers.len() == record.held.len() && movers.iter().all(is_held);
        if unchanged {
            return;
        }
        if !record.held.is_empty() {
            self.freed.insert(record.index);
        }
        for change in movers {
            let held = self.held.entry((change.key.clone(), cause, kept.by)).or_default();
            // The newest figures are those that count.
            held.0 = kept.because.clone();
            held.1.insert(record.index);
        }
    }

    fn outcome(self, plan: PlanId) -> Outcome {
        let mut outcome = Outcome::default();
        let noted = ObligationsNoted {
            latches: self.latches.into_iter().collect(),
            began: self.began.into_iter().map(|((slot, since), devices)| (slot, since, devices)).collect(),
            ended: self.ended.into_iter().collect(),
            offered: self.offered.into_iter().map(|((slot, first), devices)| (slot, first, devices)).collect(),
            stands: (self.stands.into_iter())
                .map(|((slot, was, is), devices)| StandingChange { slot, was, is, devices, goes_on: false })
                .collect(),
            unseen: self.unseen,
            seen: self.seen,
        };
        let spells = !noted.began.is_empty() || !noted.ended.is_empty();
        let stands = !noted.stands.is_empty() || !noted.unseen.is_empty() || !noted.seen.is_empty();
        if !noted.latches.is_empty() || spells || !noted.offered.is_empty() || stands {
            outcome.events.push(noted.into());
        }
        if !self.held.is_empty() || !self.freed.is_empty() {
            // One plan gathers what waits until a person has looked at it.
            let open = self
                .state
                .plans
                .iter()
                .find(|(_, plan)| plan.status == PlanStatus::Open && matches!(plan.kind, PlanKind::Held { .. }));
            let plan = open.map_or(plan, |(id, _)| id.clone());
            let held = self.held.into_iter().map(|((key, cause, by), (because, devices))| HeldCohort {
                key,
                cause,
                by,
                because,
                devices,
            });
            outcome.events.push(MovesHeld { plan, held: held.collect(), freed: self.freed }.into());
        }
        let cohorts = self.cohorts.into_iter().map(|((key, (due, due_by, later_because)), devices)| PublishedCohort {
            key,
            due,
            due_by,
            later_because,
            devices,
        });
        let moves = MovesPublished {
            revision: self.state.revision(),
            settled: self.settled,
            cohorts: cohorts.collect(),
            withdrawn: self.withdrawn.into_iter().collect(),
            spent: self.spent,
            groups: self.groups,
            permitted: self.permitted.into_iter().map(|((plan, key), count)| (plan, key, count)).collect(),
        };
        if !moves.cohorts.is_empty() || !moves.withdrawn.is_empty() || !moves.settled.is_empty() {
            outcome.events.push(moves.into());
        }
        outcome
    }
}
