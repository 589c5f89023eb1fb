//! Rules 6 and 7: the rollout, and the release that may be installed.

use super::{
    case::Case,
    decision::{Clock, ClockCounts, Halt, PassedOver, ReleaseConsidered, ReleaseVerdict, RingDerivation},
    goal::Standing,
    obligations::{Duties, keeps_its_terms},
    release_set::{ReleaseSet, Route},
    ring::{self, Placed},
    select::Slot,
};
use crate::policy::{
    document::{policy::AtDue, test::GateAnswer},
    expr::Truth,
    repository::{Deadline, Policy, Rollout},
};
use crate::world::RolloutState;
use jiff::{SignedDuration, Timestamp};
use refit_model::{Offer, Release, Version};
use smol_str::SmolStr;

/// What may be installed, and how it came to that.
pub(super) struct Admission<'a> {
    /// The decision's rollout.
    pub rollout: Option<&'a Rollout>,
    /// The release that may be installed.
    pub admitted: Option<Version>,
    /// The device's ring, and why.
    pub ring: Option<RingDerivation>,
    /// What the gate after the last open ring says.
    pub gate: Option<GateAnswer>,
    /// The releases that were looked at, newest first.
    pub considered: Vec<ReleaseConsidered>,
}

/// What the entry names that is due first, of those that surely count and name something.
fn first_named<'p, T>(policy: &'p Policy, duties: &Duties<'_>, named: impl Fn(&'p Deadline) -> Option<T>) -> Option<T> {
    let by_their_entries = duties.obligations.iter().filter(|obligation| obligation.exception.is_none());
    by_their_entries
        .flat_map(|obligation| &obligation.clocks)
        .filter(|clock| !matches!(clock.counts, ClockCounts::No | ClockCounts::Provisional { .. }))
        .filter_map(|clock| {
            let entry = policy.deadline.get(clock.entry)?;
            // The order of entries does not matter: of equal due times the shorter entry comes first.
            let order = (clock.due.is_none(), clock.due, entry.within, entry.text.as_str());
            Some((order, named(entry)?))
        })
        .min_by_key(|(order, _)| *order)
        .map(|(_, name)| name)
}

/// Which of the releases that the slot may be moved to is admitted.
pub(super) fn admit<'a>(
    case: &Case<'a>,
    slot: &Slot<'_>,
    policy: &'a Policy,
    standing: &Standing<'_>,
    duties: &Duties<'_>,
    placed: Placed,
) -> Admission<'a> {
    let named = |name: &SmolStr| case.repository.rollouts.get(name).filter(|rollout| !rollout.rings.is_empty());
    let every = policy.snapshot_every.filter(SignedDuration::is_positive);
    let own = policy.rollout.as_ref().and_then(named).map(|rollout| Route { rollout, every });
    // A rollout that an entry names is in a hurry, and waits for no snapshot.
    let named_by = |entry: &'a Deadline| Some((entry.rollout.as_ref()?, entry.condition.is_some()));
    let urgent = first_named(policy, duties, named_by).and_then(|(name, condition)| Some((named(name)?, condition)));
    let hurried = urgent.is_some_and(|(_, by_condition)| by_condition);
    let decided = urgent.map(|(rollout, _)| Route { rollout, every: None }).or(own);
    let min_age = first_named(policy, duties, |entry| entry.min_age).unwrap_or(policy.min_age);

    let mut context = Context { case, slot, policy, duties, placed, min_age, own, successor: None };
    context.successor = context.successor(standing);
    let mut considered = Vec::new();
    let mut admitted: Option<&Release> = None;
    for &release in standing.ways.iter().rev() {
        let reasons = context.passed_over(release, decided);
        let verdict = match (reasons.is_empty(), admitted) {
            (true, None) => {
                admitted = Some(release);
                ReleaseVerdict::Admitted
            }
            (true, Some(_)) => ReleaseVerdict::Superseded,
            (false, _) => ReleaseVerdict::PassedOver(reasons),
        };
        considered.push(ReleaseConsidered {
            version: release.version.clone(),
            branch: release.branch.clone(),
            published: release.published,
            verdict,
        });
    }
    let speaks_of = admitted.or(standing.goal);
    let ring = decided.map(|route| {
        let rollout = route.rollout;
        let set = speaks_of.map(|release| context.set(route, release));
        let state = set.as_ref().and_then(|set| ring::state(case, set, rollout));
        let on_halted = speaks_of.is_some_and(|release| context.succeeds_halted(&release.version));
        let (index, because) = ring::ring_of(case, policy, rollout, state, placed, on_halted);
        RingDerivation {
            rollout: rollout.name.clone(),
            hurried,
            version: speaks_of.map(|release| release.version.clone()),
            snapshot: set.filter(|set| set.taken.is_some()).map(|set| set.version.as_str().into()),
            ring: rollout.rings[index].name.clone(),
            because,
            condition: rollout.rings[index].condition.as_ref().map(|condition| condition.text().clone()),
            share: ring::share_place(case, policy, rollout, index),
            order: rollout.rings.iter().map(|ring| ring.name.clone()).collect(),
            open: state.map_or_else(Vec::new, |state| state.open.clone()),
            gate: None,
        }
    });
    let gate = decided.and_then(|route| {
        let rollout = route.rollout;
        let (set, open, version) =
            standing.goal.into_iter().chain(standing.ways.iter().rev().copied()).find_map(|release| {
                let set = context.set(route, release);
                let open = ring::last_open(rollout, ring::state(case, &set, rollout)?)?;
                Some((set, open, &release.version))
            })?;
        Some(ring::gate_derivation(case, &set, rollout, &rollout.rings[open], version))
    });
    let answer = gate.as_ref().map(|gate| gate.answer);
    let ring = ring.map(|ring| RingDerivation { gate, ..ring });
    Admission {
        rollout: decided.map(|route| route.rollout),
        admitted: admitted.map(|release| release.version.clone()),
        ring,
        gate: answer,
        considered,
    }
}

struct Context<'c, 'a, 'd> {
    case: &'c Case<'a>,
    slot: &'c Slot<'c>,
    policy: &'a Policy,
    duties: &'c Duties<'d>,
    placed: Placed,
    min_age: SignedDuration,
    /// The policy's own rollout.
    own: Option<Route<'a>>,
    /// The next release that is not halted, where the installed one is.
    successor: Option<Version>,
}

impl<'a> Context<'_, 'a, '_> {
    /// What a release moves with on a route.
    fn set(&self, route: Route<'_>, release: &Release) -> ReleaseSet<'_> {
        ReleaseSet::on(self.case, self.slot, self.policy, route, release)
    }

    /// The halt of a release, by itself or with the snapshot that it moves with.
    fn halt(&self, release: &Release) -> Option<Box<Halt>> {
        let alone = ReleaseSet::alone(self.slot, &release.version);
        let own = self.own.filter(|own| own.every.is_some()).map(|own| self.set(own, release));
        // A halt counts in every rollout, also of another policy.
        let others = ReleaseSet::began_with(self.case, release);
        let sets = std::iter::once(alone).chain(own).chain(others);
        Halt::longest(sets.filter_map(|set| ring::halt(self.case, &set)))
    }

    /// The next release that is not halted, where the installed one is.
    fn successor(&self, standing: &Standing<'_>) -> Option<Version> {
        let installed = &self.slot.install?.version;
        let release = self.slot.releases.iter().find(|release| release.version == *installed);
        match release {
            Some(release) => self.halt(release)?,
            None => ring::halt(self.case, &ReleaseSet::alone(self.slot, installed))?,
        };
        let mut newer = standing.ways.iter().filter(|release| release.version > *installed);
        newer.find(|release| self.halt(release).is_none()).map(|release| release.version.clone())
    }

    /// Whether the device is on a halted release, whose successor this is.
    fn succeeds_halted(&self, version: &Version) -> bool {
        self.successor.as_ref() == Some(version)
    }

    /// What was admitted by the last decision, where nothing may be forced and so it stays; `None` where the rules decide.
    fn stays(&self) -> Option<Option<&Version>> {
        let before = self.case.device.admitted_before.get(&self.slot.key);
        match self.placed {
            Placed::ByRings => None,
            // Without a record the last ring decides.
            Placed::Undetermined => before.map(Some),
            // Without a last good decision there is nothing to keep.
            Placed::InConflict => Some(before),
        }
    }

    /// Every reason why a release is not admitted.
    fn passed_over(&self, release: &Release, decided: Option<Route<'a>>) -> Vec<PassedOver> {
        let case = self.case;
        let mut reasons = Vec::new();
        if self.slot.install.is_some_and(|install| install.version == release.version) {
            reasons.push(PassedOver::Installed);
        }
        match case.device.offer(release) {
            Offer::Never => reasons.push(PassedOver::NeverOffered),
            Offer::Since(at) if at > case.now => reasons.push(PassedOver::NotOffered { until: Some(at) }),
            Offer::Since(_) => {}
        }
        let stays = self.stays();
        let was_admitted = stays == Some(Some(&release.version));
        if stays.is_some() && !was_admitted {
            reasons.push(PassedOver::Undetermined);
        }
        let old_enough = release.published.checked_add(self.min_age).unwrap_or(Timestamp::MAX);
        if old_enough > case.now && !was_admitted {
            reasons.push(PassedOver::TooYoung { until: old_enough });
        }
        for block in case.repository.blocks.iter().filter(|block| block.title == self.slot.key.title) {
            let over = block.until.is_some_and(|until| until.end_in(&case.zone) <= case.now);
            let truth = case.truth(block.condition.as_deref());
            if !over && block.releases.contains(&release.version) && !truth.is_false() {
                reasons.push(PassedOver::Blocked { block: block.name.clone(), unknown: truth == Truth::Unknown });
            }
        }
        for acting in &self.duties.exceptions {
            let Some(range) = &acting.exception.hold_at else { continue };
            let lets_go =
                self.duties.exposures.iter().any(|exposure| keeps_its_terms(case, acting.exception, *exposure));
            if !lets_go && !range.contains(&release.version) {
                reasons.push(PassedOver::HeldAt { exception: acting.exception.name.clone() });
            }
        }
        let halt = self.halt(release);
        let halted = halt.is_some();
        reasons.extend(halt.map(PassedOver::Halted));
        if let Some(route) = decided.filter(|_| !was_admitted) {
            let ours = || std::iter::once(route).chain(self.own);
            let reached = ours().any(|route| self.reached(route, release));
            let goes_ahead = || !halted && ours().any(|route| self.goes_ahead(route, release));
            if !reached && !goes_ahead() {
                reasons.push(self.not_open(route, release));
            }
        }
        reasons
    }

    fn ring_index(&self, rollout: &Rollout, version: &Version, state: Option<&RolloutState>) -> usize {
        let on_halted = self.succeeds_halted(version);
        ring::ring_of(self.case, self.policy, rollout, state, self.placed, on_halted).0
    }

    /// Whether the opening of the device's ring is in the log.
    fn reached(&self, route: Route<'_>, release: &Release) -> bool {
        let set = self.set(route, release);
        let Some(state) = ring::state(self.case, &set, route.rollout) else { return false };
        let index = self.ring_index(route.rollout, &release.version, Some(state));
        route.rollout.rings.get(index).is_some_and(|ring| state.open.contains(&ring.name))
    }

    /// Whether a due time that has come carries the device past an inconclusive gate (rule 10). Where nothing may be forced it
    /// carries nobody.
    fn goes_ahead(&self, route: Route<'_>, release: &Release) -> bool {
        self.came_due(AtDue::Proceed).is_some() && self.gates_before(route, release).contains(&GateAnswer::Inconclusive)
    }

    /// The first due time that has come of an entry that says what then happens at a gate; `None` where nothing may be forced.
    fn came_due(&self, says: AtDue) -> Option<Timestamp> {
        let said = |clock: &&Clock| {
            let entry = self.policy.deadline.get(clock.entry);
            let sure = !matches!(clock.counts, ClockCounts::No | ClockCounts::Provisional { .. });
            sure && entry.is_some_and(|entry| entry.at_due == says)
        };
        let entries = self.duties.obligations.iter().filter(|obligation| obligation.exception.is_none());
        let dues = entries.flat_map(|obligation| obligation.clocks.iter().filter(said)).filter_map(|clock| clock.due);
        dues.filter(|due| self.placed == Placed::ByRings && *due <= self.case.now).min()
    }

    /// What the gates between the first ring and the device's own say, in their order; empty where no earlier ring is open.
    fn gates_before(&self, route: Route<'_>, release: &Release) -> Vec<GateAnswer> {
        let set = self.set(route, release);
        let Some(state) = ring::state(self.case, &set, route.rollout) else { return Vec::new() };
        let index = self.ring_index(route.rollout, &release.version, Some(state));
        let earlier = route.rollout.rings.get(..index).unwrap_or_default();
        if !earlier.iter().any(|ring| state.open.contains(&ring.name)) {
            return Vec::new();
        }
        earlier.iter().map(|ring| ring::gate_after(self.case, &set, route.rollout, &ring.name)).collect()
    }

    fn not_open(&self, route: Route<'_>, release: &Release) -> PassedOver {
        let set = self.set(route, release);
        if let Some(until) = set.taken.filter(|taken| *taken > self.case.now) {
            return PassedOver::NextSnapshot { until };
        }
        let index = self.ring_index(route.rollout, &release.version, ring::state(self.case, &set, route.rollout));
        // The first that has not passed is what it waits for.
        let gate = self.gates_before(route, release).into_iter().reduce(|gate, next| match gate {
            GateAnswer::Pass => next,
            _ => gate,
        });
        PassedOver::RingNotOpen {
            rollout: route.rollout.name.clone(),
            snapshot: set.taken.map(|_| set.version.as_str().into()),
            ring: route.rollout.rings[index].name.clone(),
            gate,
            asks: self.came_due(AtDue::Ask).filter(|_| gate == Some(GateAnswer::Inconclusive)),
        }
    }
}
