//! Rules 8 and 9: which ring a device is in, how far a release has come, and what its gates say.

use super::{
    case::Case,
    decision::{GateDerivation, Halt, RingReason, SharePlace},
    release_set::ReleaseSet,
};
use crate::{
    policy::{
        document::test::GateAnswer,
        expr::Truth,
        repository::{Policy, Ring, Rollout},
    },
    rollout::{Verdict, judge, watched_needed},
    world::{Evidence, GateFinding, GateState, RolloutState},
};
use jiff::Timestamp;
use refit_model::Version;
use smol_str::SmolStr;
use std::cmp::Reverse;

/// What decides on a device's ring.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Placed {
    /// Nothing: the rings decide.
    ByRings,
    /// Whether another policy applies is unknown.
    Undetermined,
    /// Two policies contradict each other.
    InConflict,
}

/// The index of the device's ring, and why. A rollout has at least one ring. `on_halted` tells that the device is on a halted
/// release, whose successor this is.
pub(super) fn ring_of(
    case: &Case<'_>,
    policy: &Policy,
    rollout: &Rollout,
    state: Option<&RolloutState>,
    placed: Placed,
    on_halted: bool,
) -> (usize, RingReason) {
    let last = rollout.rings.len().saturating_sub(1);
    // Who can't be told from another can't be told to be a member either.
    if case.device.identity_in_doubt {
        return (last, RingReason::IdentityInDoubt);
    }
    let is_open = |ring: &Ring| state.is_some_and(|state| state.open.contains(&ring.name));
    if on_halted && (placed == Placed::ByRings || rollout.rings.first().is_some_and(is_open)) {
        return (0, RingReason::OnHaltedRelease);
    }
    let members = |ring: &SmolStr| {
        let state = state?;
        if state.open.contains(ring) { state.members.get(ring) } else { None }
    };
    // A member of an open ring stays there, whatever has become known or unknown since.
    for (index, ring) in rollout.rings.iter().enumerate() {
        if members(&ring.name).is_some_and(|members| members.contains(&case.device.id)) {
            return (index, RingReason::Member);
        }
    }
    if placed != Placed::ByRings {
        return (last, RingReason::Undetermined);
    }
    let at = case.position(policy);
    let mut cut = 0.0;
    for (index, ring) in rollout.rings.iter().enumerate() {
        let inside = match ring.share {
            Some(share) => {
                let from = cut;
                cut += share.0;
                // Sums of shares such as 10 % and 50 % are not exact in binary; positions are multiples of 1/65,536.
                at + 1e-9 >= from && at + 1e-9 < cut
            }
            None => true,
        };
        let holds = match case.truth(ring.condition.as_deref()) {
            _ if !inside => Truth::False,
            truth => truth,
        };
        match holds {
            Truth::False => {}
            Truth::Unknown => {
                let wanting = case.wanting(ring.condition.as_deref());
                return (last, RingReason::Unknown { ring: ring.name.clone(), wanting });
            }
            // Members were fixed when the ring opened: who would belong to it since goes to the next.
            Truth::True if members(&ring.name).is_some() => {}
            Truth::True => return (index, RingReason::Holds),
        }
    }
    (last, RingReason::Last)
}

/// Where the device stands in the share of the ring at `index`; `None` where that ring has no share.
pub(super) fn share_place(case: &Case<'_>, policy: &Policy, rollout: &Rollout, index: usize) -> Option<SharePlace> {
    let share = rollout.rings.get(index)?.share?.0;
    let before = rollout.rings.iter().take(index).filter_map(|ring| ring.share).map(|share| share.0);
    // The sum of nothing is -0, which people read as "-0%".
    let from = 0.0 + before.sum::<f64>();
    Some(SharePlace { position: case.position(policy), from, to: from + share })
}

/// How far a release set has come in a rollout on the device's platform, as far as that is known; else on every platform.
pub(super) fn state<'s>(case: &Case<'_>, set: &ReleaseSet<'s>, rollout: &Rollout) -> Option<&'s RolloutState> {
    let platform = case.device_text("platform");
    let ours = set.rollouts.iter().filter(|state| state.rollout == rollout.name && state.version == set.version);
    let here = ours.filter(|state| state.platform.is_none() || state.platform.as_deref() == platform);
    here.max_by_key(|state| state.platform.is_some())
}

/// What the gate after a ring says of a release set; inconclusive while nothing is known. A halt counts whoever found it; else what is
/// said of one rollout or platform comes before what is said of all, and of several that are as exact the most careful counts.
pub(super) fn gate_after(case: &Case<'_>, set: &ReleaseSet<'_>, rollout: &Rollout, ring: &str) -> GateAnswer {
    found_after(case, set, rollout, ring).map_or(GateAnswer::Inconclusive, |(_, answer, _)| answer)
}

/// What the gate after a ring says of a release set, where it was found, and why.
fn found_after<'s>(
    case: &'s Case<'_>,
    set: &'s ReleaseSet<'_>,
    rollout: &Rollout,
    ring: &str,
) -> Option<(&'s GateState, GateAnswer, Option<Verdict>)> {
    let found = findings(case, set).filter(|finding| stands_after(finding, rollout, ring)).map(|finding| {
        let (answer, verdict) = answer(case, rollout, finding);
        (finding, answer, verdict)
    });
    found.min_by_key(|(finding, answer, _)| {
        let of_all = [finding.rollout.is_none(), finding.platform.is_none()].into_iter().filter(|all| *all).count();
        let until = finding.notes.as_deref().and_then(|notes| notes.until).unwrap_or(Timestamp::MAX);
        match answer {
            // Of several halts the one that lasts longest is told.
            GateAnswer::Halt => (0, 0, Reverse(until)),
            GateAnswer::Inconclusive => (of_all, 1, Reverse(Timestamp::MAX)),
            GateAnswer::Pass => (of_all, 2, Reverse(Timestamp::MAX)),
        }
    })
}

/// What the gate after a ring says of a release set that `version` moves with, with its evidence.
pub(super) fn gate_derivation(
    case: &Case<'_>,
    set: &ReleaseSet<'_>,
    rollout: &Rollout,
    ring: &Ring,
    version: &Version,
) -> GateDerivation {
    let found = found_after(case, set, rollout, &ring.name);
    let notes = found.as_ref().and_then(|(finding, ..)| finding.notes.as_deref());
    let evidence = found.as_ref().and_then(|(finding, ..)| evidence(finding)).cloned();
    let gate = rollout.gate.as_ref();
    GateDerivation {
        title: set.title.clone(),
        version: version.clone(),
        snapshot: set.taken.map(|_| set.version.as_str().into()),
        after: ring.name.clone(),
        rollout: found.as_ref().and_then(|(finding, ..)| finding.rollout.clone()),
        platform: found.as_ref().and_then(|(finding, ..)| finding.platform.clone()),
        answer: found.as_ref().map_or(GateAnswer::Inconclusive, |(_, answer, _)| *answer),
        watched_needed: gate.zip(evidence.as_ref()).map(|(gate, evidence)| watched_needed(gate, evidence.devices)),
        evidence,
        at: notes.and_then(|notes| notes.at),
        until: notes.and_then(|notes| notes.until),
        why: notes.and_then(|notes| notes.why.clone()),
        asked: notes.and_then(|notes| notes.asked),
        verdict: found.and_then(|(_, _, verdict)| verdict),
        soak: ring.soak,
        enough: gate.and_then(|gate| gate.enough),
        failure_rate: gate.map(|gate| gate.failure_rate),
    }
}

/// The halt of a release set, by any rollout that has such a ring: a halt belongs to the release set. Of several it is the one that lasts
/// longest.
pub(super) fn halt(case: &Case<'_>, set: &ReleaseSet<'_>) -> Option<Box<Halt>> {
    let halts = |(answer, verdict): (GateAnswer, Option<Verdict>)| (answer == GateAnswer::Halt).then_some(verdict);
    let found = findings(case, set).filter_map(|finding| match &finding.finding {
        GateFinding::Answered(answer) => {
            let verdict = finding.notes.as_ref().and_then(|notes| notes.verdict.clone());
            Some((finding, halts((*answer, verdict))?))
        }
        GateFinding::Evidence(_) => {
            let mut rollouts = (case.repository.rollouts.values())
                .filter(|rollout| rollout.rings.iter().any(|ring| stands_after(finding, rollout, &ring.name)));
            rollouts.find_map(|rollout| Some((finding, halts(answer(case, rollout, finding))?)))
        }
    });
    Halt::longest(found.map(|(finding, verdict)| {
        let notes = finding.notes.as_deref();
        Box::new(Halt {
            title: set.title.clone(),
            version: set.version.as_str().into(),
            after: finding.after.clone(),
            platform: finding.platform.clone(),
            at: notes.and_then(|notes| notes.at),
            until: notes.and_then(|notes| notes.until),
            evidence: evidence(finding).filter(|_| verdict.is_some()).cloned(),
            verdict,
            why: notes.and_then(|notes| notes.why.clone()),
        })
    }))
}

/// What was found on the device's platform; where that is unknown, on any.
fn findings<'s>(case: &'s Case<'_>, set: &'s ReleaseSet<'_>) -> impl Iterator<Item = &'s GateState> {
    let platform = case.device_text("platform");
    set.gates.iter().filter(move |finding| {
        let here = finding.platform.is_none() || platform.is_none() || finding.platform.as_deref() == platform;
        here && finding.version == set.version
    })
}

/// Whether something was found at the gate after a ring of a rollout: where it does not say in which, in each that has such a ring.
fn stands_after(finding: &GateState, rollout: &Rollout, ring: &str) -> bool {
    finding.after == ring && finding.rollout.as_ref().is_none_or(|of| *of == rollout.name)
}

/// What a gate says in a rollout, and why, where that is known.
fn answer(case: &Case<'_>, rollout: &Rollout, finding: &GateState) -> (GateAnswer, Option<Verdict>) {
    let evidence = match &finding.finding {
        GateFinding::Answered(answer) => {
            return (*answer, finding.notes.as_ref().and_then(|notes| notes.verdict.clone()));
        }
        GateFinding::Evidence(evidence) => evidence,
    };
    let ring = rollout.rings.iter().find(|ring| ring.name == finding.after);
    let Some((gate, ring)) = rollout.gate.as_ref().zip(ring) else { return (GateAnswer::Inconclusive, None) };
    let verdict = judge(gate, ring.soak, evidence, case.now);
    (verdict.answer(), Some(verdict))
}

/// What a gate goes by, or went by when it answered.
fn evidence(finding: &GateState) -> Option<&Evidence> {
    match &finding.finding {
        GateFinding::Evidence(evidence) => Some(evidence),
        GateFinding::Answered(_) => finding.notes.as_ref()?.evidence.as_ref(),
    }
}

/// The last ring that has opened, in the order of the rollout.
pub(super) fn last_open(rollout: &Rollout, state: &RolloutState) -> Option<usize> {
    rollout.rings.iter().rposition(|ring| state.open.contains(&ring.name))
}
