//! Rules 12 and 15: the answer, put together from what the other rules found.

use super::{
    admit::{Admission, admit},
    case::Case,
    decision::{
        ClockCounts, Compliance, Decision, Derivation, Goal, Held, Mark, NoObligation, OpenExposure, PassedOver,
        Progress, ReleaseVerdict, WouldChange,
    },
    goal::{Standing, standing},
    hold::holds,
    obligations::{Duties, duties, exposures},
    ring::Placed,
    select::{Slot, absent, selecting},
};
use crate::policy::{
    document::policy::{Mode, Presence},
    repository::{Policy, Selector},
};
use refit_model::Release;
use std::collections::BTreeSet;

/// How surely a policy decides.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Applies {
    /// Its `where` holds, and nothing contradicts it.
    Surely,
    /// Another, whose `where` is unknown, may decide in its place: nothing is forced.
    PerhapsNot,
    /// Another of the same priority contradicts it: nothing is forced.
    InConflict,
}

/// The decision where no policy surely applies.
pub(super) fn without_policy(case: &Case<'_>, slot: &Slot<'_>, undetermined: bool) -> Decision {
    let compliance = if undetermined { Compliance::Undetermined } else { Compliance::Unmanaged };
    let mut decision = blank(case, slot, compliance);
    if undetermined {
        decision.marks.insert(Mark::Undetermined);
    }
    decision.derivation.open_exposures = exposures(case, slot)
        .into_iter()
        .map(|advisory| OpenExposure {
            advisory: advisory.id.clone(),
            scores: advisory.into(),
            because: NoObligation::Unmanaged,
        })
        .collect();
    if unseen(case) {
        decision.compliance = Compliance::Unseen;
    }
    decision
}

/// The decision under one policy.
pub(super) fn under(case: &Case<'_>, slot: &Slot<'_>, policy: &Policy, applies: Applies) -> Decision {
    let mut decision = blank(case, slot, Compliance::Compliant);
    decision.policy = Some(policy.name.clone());
    decision.mode = policy.mode;
    if slot.install.is_none()
        && let Some(compliance) = absent(case, policy, &slot.key.title)
    {
        decision.compliance = if unseen(case) { Compliance::Unseen } else { compliance };
        return decision;
    }

    let releases = releases(case, slot, policy);
    let forbidden = policy.presence == Presence::Forbidden;
    let standing = (!forbidden).then(|| standing(case, slot, policy, &releases));
    let duties = duties(case, slot, policy, &releases, standing.as_ref());
    let placed = match applies {
        Applies::Surely => Placed::ByRings,
        Applies::PerhapsNot => Placed::Undetermined,
        Applies::InConflict => Placed::InConflict,
    };
    let admission = standing.as_ref().map(|standing| admit(case, slot, policy, standing, &duties, placed));
    let held = holds(case, policy, &duties, admission.as_ref());

    decision.goal = goal(slot, standing.as_ref(), forbidden);
    if let Some(admission) = &admission {
        decision.admitted = admission.admitted.clone();
        decision.rollout = admission.rollout.map(|rollout| rollout.name.clone());
        decision.ring = admission.ring.as_ref().map(|ring| ring.ring.clone());
        decision.gate = admission.gate;
    }
    decision.due = duties.obligations.iter().filter_map(|obligation| obligation.due).min();
    decision.compliance = compliance(case, &decision, &duties, standing.as_ref());
    decision.progress = progress(&duties, admission.as_ref(), forbidden);
    decision.holds = held.iter().map(|held| held.hold).collect();
    if standing.as_ref().is_some_and(|standing| standing.above) {
        decision.marks.insert(Mark::AboveTarget);
    }
    if provisional(&decision, &duties) {
        decision.marks.insert(Mark::Provisional);
    }
    decision.derivation = derivation(case, duties, admission, held, &decision);
    decision
}

fn blank(case: &Case<'_>, slot: &Slot<'_>, compliance: Compliance) -> Decision {
    Decision {
        device: case.device.id.clone(),
        slot: slot.key.clone(),
        installed: slot.install.map(|install| install.version.clone()),
        policy: None,
        mode: Mode::Observe,
        compliance,
        due: None,
        goal: None,
        admitted: None,
        rollout: None,
        ring: None,
        gate: None,
        progress: Progress::None,
        holds: BTreeSet::new(),
        marks: BTreeSet::new(),
        derivation: Derivation::default(),
    }
}

/// Whether the device's installs were observed too long ago.
fn unseen(case: &Case<'_>) -> bool {
    let limit = case.repository.staleness.device(&case.device.seen_by);
    case.now.duration_since(case.device.seen).saturating_sub(case.device.unheard) > limit
}

/// The releases that a policy looks at: all that are published, or those of the security archive where that is what it selects.
fn releases<'a>(case: &Case<'_>, slot: &Slot<'a>, policy: &Policy) -> Vec<&'a Release> {
    let security_only = selecting(policy, case, slot) == Some(&Selector::OsSecurity);
    slot.releases
        .iter()
        .filter(|release| release.published <= case.now)
        .filter(|release| {
            let installed = slot.install.is_some_and(|install| install.version == release.version);
            !security_only || release.security || installed
        })
        .collect()
}

fn goal(slot: &Slot<'_>, standing: Option<&Standing<'_>>, forbidden: bool) -> Option<Goal> {
    if forbidden {
        return Some(Goal::Absent);
    }
    let standing = standing?;
    match (standing.goal, slot.install) {
        (Some(release), _) => Some(Goal::Release { version: release.version.clone(), branch: release.branch.clone() }),
        // Newer than everything that is known to be published: it has arrived.
        (None, Some(install)) if standing.ahead => {
            Some(Goal::Release { version: install.version.clone(), branch: install.branch.clone() })
        }
        (None, _) => None,
    }
}

fn compliance(
    case: &Case<'_>,
    decision: &Decision,
    duties: &Duties<'_>,
    standing: Option<&Standing<'_>>,
) -> Compliance {
    if unseen(case) {
        return Compliance::Unseen;
    }
    if duties.obligations.is_empty() {
        return Compliance::Compliant;
    }
    if standing.is_some_and(|standing| standing.unsupported) {
        return Compliance::Unsupported;
    }
    match decision.due {
        Some(due) if due <= case.now => Compliance::Overdue,
        _ => Compliance::Due,
    }
}

fn progress(duties: &Duties<'_>, admission: Option<&Admission<'_>>, forbidden: bool) -> Progress {
    if duties.obligations.is_empty() {
        return Progress::None;
    }
    let Some(admission) = admission else {
        return if forbidden { Progress::Scheduled } else { Progress::None };
    };
    if admission.admitted.is_some() {
        return Progress::Scheduled;
    }
    let waits = admission.considered.iter().any(|release| match &release.verdict {
        ReleaseVerdict::PassedOver(reasons) => reasons.iter().any(|reason| {
            use PassedOver::{NextSnapshot, RingNotOpen, TooYoung};
            matches!(reason, TooYoung { .. } | NextSnapshot { .. } | RingNotOpen { .. })
        }),
        _ => false,
    });
    if waits { Progress::Waiting } else { Progress::None }
}

/// Whether the slot's due time is given by an entry whose condition is unknown.
fn provisional(decision: &Decision, duties: &Duties<'_>) -> bool {
    let mut giving = duties.obligations.iter().filter(|obligation| obligation.due == decision.due).map(|obligation| {
        obligation
            .due_by
            .and_then(|index| obligation.clocks.get(index))
            .is_some_and(|clock| matches!(clock.counts, ClockCounts::Provisional { .. }))
    });
    // Where a sure obligation gives the same time, nothing is provisional about it.
    decision.due.is_some() && giving.clone().count() > 0 && giving.all(|provisional| provisional)
}

fn derivation(
    case: &Case<'_>,
    duties: Duties<'_>,
    admission: Option<Admission<'_>>,
    held: Vec<Held>,
    decision: &Decision,
) -> Derivation {
    let (rings, releases) = match admission {
        Some(admission) => (admission.ring, admission.considered),
        None => (None, Vec::new()),
    };
    let mut derivation = Derivation {
        seen: None,
        policies: Vec::new(),
        obligations: duties.obligations,
        open_exposures: duties.idle,
        releases,
        rings,
        blocks: Vec::new(),
        exceptions: duties.considered,
        holds: held,
        yielding: Vec::new(),
        facts: Vec::new(),
        would_change: Vec::new(),
    };
    derivation.would_change = would_change(case, decision, &derivation);
    derivation
}

fn would_change(case: &Case<'_>, decision: &Decision, derivation: &Derivation) -> Vec<WouldChange> {
    let mut changes = Vec::new();
    if decision.compliance == Compliance::Unseen {
        changes.push(WouldChange::Seen);
    }
    if let Some(at) = decision.due.filter(|due| *due > case.now) {
        changes.push(WouldChange::DueTime { at });
    }
    for release in &derivation.releases {
        let ReleaseVerdict::PassedOver(reasons) = &release.verdict else { continue };
        // Only what is the last obstacle would change the answer by itself.
        if let [reason] = reasons.as_slice() {
            let version = release.version.clone();
            changes.extend(match reason {
                PassedOver::TooYoung { until } => Some(WouldChange::Age { version, at: *until }),
                PassedOver::NextSnapshot { until } => Some(WouldChange::Snapshot { version, at: *until }),
                PassedOver::RingNotOpen { rollout, ring, .. } => {
                    Some(WouldChange::RingOpens { rollout: rollout.clone(), ring: ring.clone(), version })
                }
                PassedOver::NotOffered { .. } => Some(WouldChange::Offered { version }),
                _ => None,
            });
        }
    }
    for held in &derivation.holds {
        changes.push(WouldChange::HoldEnds { hold: held.hold, name: held.name.clone(), at: held.until });
    }
    for exception in &derivation.exceptions {
        if let super::decision::ExceptionVerdict::Acts { until, .. } = exception.verdict {
            changes.push(WouldChange::ExceptionEnds { exception: exception.exception.clone(), at: until });
        }
    }
    changes
}
