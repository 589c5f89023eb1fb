//! Rule 1: which slots there are, and which policy decides.

use super::{
    answer,
    case::Case,
    decision::{Compliance, Decision, Mark, PolicyConsidered, PolicyVerdict},
};
use crate::{
    policy::{
        document::policy::Presence,
        expr::Truth,
        repository::{Branch, Policy, Selector},
    },
    world::{GateState, Install, RolloutState, SlotKey},
};
use refit_model::{Advisory, Release, TitleId};
use std::collections::BTreeSet;

/// A slot of the device, and what is in it.
pub(super) struct Slot<'a> {
    pub key: SlotKey,
    pub install: Option<&'a Install>,
    /// The releases of the title, oldest version first.
    pub releases: &'a [Release],
    /// The advisories that concern the title.
    pub advisories: &'a [Advisory],
    /// The branches that the title's document gives.
    pub branches: &'a [Branch],
    /// How far releases of the title have come.
    pub rollouts: &'a [RolloutState],
    /// What is known of gates for releases of the title.
    pub gates: &'a [GateState],
}

impl<'a> Slot<'a> {
    fn new(case: &Case<'a>, key: SlotKey, install: Option<&'a Install>) -> Slot<'a> {
        let (releases, advisories) = (case.world.releases(&key.title), case.world.advisories(&key.title));
        let branches = case.repository.titles.get(&key.title).map_or(&[][..], |title| &title.branches);
        let rollouts = case.world.rollouts.get(&key.title).map_or(&[][..], Vec::as_slice);
        let gates = case.world.gates.get(&key.title).map_or(&[][..], Vec::as_slice);
        Slot { key, install, releases, advisories, branches, rollouts, gates }
    }
}

/// A policy that names the slot's title.
struct Candidate<'a> {
    policy: &'a Policy,
    truth: Truth,
}

/// Every slot: what is installed, and the titles that policies name and the device does not have.
pub(super) fn slots<'a>(case: &Case<'a>) -> Vec<Slot<'a>> {
    let mut slots: Vec<Slot<'a>> =
        case.device.installs.iter().map(|install| Slot::new(case, install.slot(), Some(install))).collect();
    let installed: BTreeSet<&TitleId> = case.device.installs.iter().map(|install| &install.title).collect();
    let named: BTreeSet<&TitleId> = case
        .repository
        .policies
        .iter()
        .flat_map(|policy| policy.software.iter().map(move |selector| (policy, selector)))
        .filter_map(|(policy, selector)| match selector {
            // That a package is not there which a title means says nothing, unless it is what is required here.
            Selector::Title(title) if installed.contains(title) => None,
            Selector::Title(title) if policy.meant.contains(title) => requires(case, policy, title).then_some(title),
            Selector::Title(title) => Some(title),
            _ => None,
        })
        .collect();
    slots.extend(named.into_iter().map(|title| Slot::new(case, SlotKey::of(title.clone()), None)));
    slots.sort_by(|a, b| a.key.cmp(&b.key));
    slots
}

/// The slots of one title.
pub(super) fn slots_of<'a>(case: &Case<'a>, title: &TitleId) -> Vec<Slot<'a>> {
    let mut slots: Vec<Slot<'a>> = case
        .device
        .installs
        .iter()
        .filter(|install| install.title == *title)
        .map(|install| Slot::new(case, install.slot(), Some(install)))
        .collect();
    if slots.is_empty() {
        slots.push(Slot::new(case, SlotKey::of(title.clone()), None));
    }
    slots
}

/// Decides one slot.
pub(super) fn decide_slot(case: &Case<'_>, slot: &Slot<'_>) -> Decision {
    let mut candidates = candidates(case, slot);
    let rank = |policy: &Policy| policy.rank(&slot.key.title);
    candidates.sort_by(|a, b| rank(b.policy).cmp(&rank(a.policy)).then(a.policy.name.cmp(&b.policy.name)));

    let Some(first) = candidates.iter().find(|candidate| candidate.truth.is_true()) else {
        let considered: Vec<_> = candidates.iter().map(|candidate| consider(case, candidate, None)).collect();
        let undetermined = candidates.iter().any(|candidate| candidate.truth.is_unknown());
        let mut decision = answer::without_policy(case, slot, undetermined);
        decision.derivation.policies = considered;
        return decision;
    };

    let highest = rank(first.policy);
    let mut decision = answer::under(case, slot, first.policy, answer::Applies::Surely);
    let mut rivals: Vec<(&Policy, Decision)> = Vec::new();
    let mut undetermined = false;
    for candidate in candidates.iter().filter(|candidate| candidate.policy.name != first.policy.name) {
        match candidate.truth {
            Truth::False => {}
            Truth::True if rank(candidate.policy) == highest => {
                let other = answer::under(case, slot, candidate.policy, answer::Applies::Surely);
                rivals.push((candidate.policy, other));
            }
            Truth::True => {}
            // A policy that may apply matters where it would outrank, or contradict.
            Truth::Unknown if rank(candidate.policy) > highest => undetermined = true,
            Truth::Unknown if rank(candidate.policy) == highest => {
                let other = answer::under(case, slot, candidate.policy, answer::Applies::Surely);
                undetermined |= !same_outcome(&decision, &other);
            }
            Truth::Unknown => {}
        }
    }

    let contradicting: Vec<&Policy> =
        rivals.iter().filter(|(_, other)| !same_outcome(&decision, other)).map(|(policy, _)| *policy).collect();
    let mut deciding = first.policy;
    if !contradicting.is_empty() {
        // A conflict that is first met here keeps the policy of the last good decision, be it one that is outranked now, and moves
        // nothing.
        if let Some(before) = case.device.decided_before.get(&slot.key) {
            let applying = candidates.iter().filter(|candidate| candidate.truth.is_true());
            deciding =
                applying.map(|candidate| candidate.policy).find(|policy| policy.name == *before).unwrap_or(deciding);
        }
        decision = answer::under(case, slot, deciding, answer::Applies::InConflict);
        decision.marks.insert(Mark::Conflict);
    } else if undetermined {
        decision = answer::under(case, slot, deciding, answer::Applies::PerhapsNot);
    }
    if undetermined {
        decision.marks.insert(Mark::Undetermined);
    }

    decision.derivation.policies = candidates
        .iter()
        .map(|candidate| {
            let mut considered = consider(case, candidate, Some(deciding));
            if candidate.truth.is_true() && candidate.policy.name != deciding.name && rank(candidate.policy) == highest
            {
                let contradicts = contradicting.iter().any(|policy| policy.name == candidate.policy.name)
                    || (!contradicting.is_empty() && candidate.policy.name == first.policy.name);
                considered.verdict =
                    if contradicts { PolicyVerdict::Contradicts } else { PolicyVerdict::DecidesLikewise };
            }
            considered
        })
        .collect();
    decision
}

/// The policies that name the slot's title, with whether they apply.
fn candidates<'a>(case: &Case<'a>, slot: &Slot<'_>) -> Vec<Candidate<'a>> {
    let mut candidates = Vec::new();
    for policy in &case.repository.policies {
        if selecting(policy, case, slot).is_some() {
            candidates.push(Candidate { policy, truth: case.truth(policy.condition.as_deref()) });
        }
    }
    candidates
}

/// The line of `software` that selects a title; one that names all its releases comes before `os/security`.
pub(super) fn selecting<'p>(policy: &'p Policy, case: &Case<'_>, slot: &Slot<'_>) -> Option<&'p Selector> {
    let mut security = None;
    for selector in &policy.software {
        if selector.selects(&slot.key.title, || in_security_archive(case, slot)) {
            if *selector != Selector::OsSecurity {
                return Some(selector);
            }
            security = Some(selector);
        }
    }
    security
}

/// Whether the security archive has a release of the slot's title.
pub(super) fn in_security_archive(case: &Case<'_>, slot: &Slot<'_>) -> bool {
    slot.releases.iter().any(|release| release.security && release.published <= case.now)
}

fn consider(case: &Case<'_>, candidate: &Candidate<'_>, deciding: Option<&Policy>) -> PolicyConsidered {
    let policy = candidate.policy;
    let verdict = match candidate.truth {
        Truth::False => PolicyVerdict::DoesNotApply,
        Truth::Unknown => PolicyVerdict::Unknown { wanting: case.wanting(policy.condition.as_deref()) },
        Truth::True => match deciding {
            Some(deciding) if deciding.name != policy.name => PolicyVerdict::Outranked { by: deciding.name.clone() },
            _ => PolicyVerdict::Decides,
        },
    };
    PolicyConsidered {
        policy: policy.name.clone(),
        origin: policy.origin.clone(),
        owner: policy.owner.clone(),
        why: policy.why.clone(),
        priority: policy.priority,
        condition: policy.condition.as_ref().map(|condition| condition.text().clone()),
        presence: policy.presence,
        target: smol_str::format_smolstr!("{}", policy.target),
        verdict,
    }
}

/// Whether two policies give a device the same decision.
fn same_outcome(a: &Decision, b: &Decision) -> bool {
    let key = |decision: &Decision| {
        (
            (decision.mode, decision.compliance, decision.due, decision.goal.clone(), decision.admitted.clone()),
            (decision.rollout.clone(), decision.ring.clone(), decision.progress),
            (decision.holds.clone(), decision.marks.clone()),
        )
    };
    key(a) == key(b)
}

/// Whether a policy wants a title to be here that is not.
fn requires(case: &Case<'_>, policy: &Policy, title: &TitleId) -> bool {
    let has = |title: &TitleId| case.device.installs.iter().any(|install| install.title == *title);
    case.repository.requires(policy, title, case.manager, has)
}

/// What a policy says of a title that the device does not have, and does not need.
pub(super) fn absent(case: &Case<'_>, policy: &Policy, title: &TitleId) -> Option<Compliance> {
    match policy.presence {
        Presence::Required if !requires(case, policy, title) => Some(Compliance::NotApplicable),
        Presence::IfPresent => Some(Compliance::NotApplicable),
        Presence::Forbidden => Some(Compliance::Compliant),
        Presence::Required => None,
    }
}
