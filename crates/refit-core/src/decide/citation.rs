//! What the derivation cites beside what the rules themselves found: when the device was seen, the blocks, the facts that
//! conditions looked at, and the facts that would change the answer.

use super::{
    case::Case,
    decision::{
        BlockCited, ClockCounts, Decision, ExceptionVerdict, FactUsed, Hold, PassedOver, PolicyVerdict, ReleaseVerdict,
        RingReason, Seen, WouldChange, Yielding,
    },
    obligations::exposures,
    select::Slot,
};
use crate::{facts::FieldRef, policy::expr::Expr};
use smol_str::SmolStr;
use std::collections::BTreeSet;

/// Adds it to a decision.
pub(super) fn cite(case: &Case<'_>, slot: &Slot<'_>, decision: &mut Decision) {
    let by = case.device.seen_by.clone();
    let stale_after = case.repository.staleness.device(&by);
    decision.derivation.seen = Some(Seen { at: case.device.seen, by, stale_after });
    decision.derivation.blocks = blocks(case, slot, decision);
    decision.derivation.yielding = yielding(case, slot, decision);
    decision.derivation.facts = facts(case, decision);
    let mut changes: Vec<WouldChange> = blocks_alone(decision)
        .chain(wanting(case, decision).into_iter().map(|field| WouldChange::Fact { field }))
        .collect();
    changes.retain(|change| !decision.derivation.would_change.contains(change));
    decision.derivation.would_change.extend(changes);
}

/// The blocks that take away one of the releases that were looked at.
fn blocks(case: &Case<'_>, slot: &Slot<'_>, decision: &Decision) -> Vec<BlockCited> {
    let cited: BTreeSet<&SmolStr> = decision
        .derivation
        .releases
        .iter()
        .flat_map(|release| passed_over(&release.verdict))
        .filter_map(|reason| match reason {
            PassedOver::Blocked { block, .. } => Some(block),
            _ => None,
        })
        .collect();
    let blocks = case.repository.blocks.iter();
    let blocks = blocks.filter(|block| block.title == slot.key.title && cited.contains(&block.name));
    let cite = blocks.map(|block| BlockCited {
        block: block.name.clone(),
        origin: block.origin.clone(),
        why: block.why.clone(),
        until: block.until.map(|until| until.end_in(&case.zone)),
        wanting: case.wanting(block.condition.as_deref()),
    });
    cite.collect()
}

fn passed_over(verdict: &ReleaseVerdict) -> &[PassedOver] {
    match verdict {
        ReleaseVerdict::PassedOver(reasons) => reasons,
        _ => &[],
    }
}

/// The ends of the blocks that are all that a release is passed over for.
fn blocks_alone(decision: &Decision) -> impl Iterator<Item = WouldChange> {
    decision.derivation.releases.iter().filter_map(|release| match passed_over(&release.verdict) {
        [PassedOver::Blocked { block, .. }] => {
            let at =
                decision.derivation.blocks.iter().find(|cited| cited.block == *block).and_then(|cited| cited.until);
            Some(WouldChange::HoldEnds { hold: Hold::Block, name: block.clone(), at })
        }
        _ => None,
    })
}

/// The facts that the conditions of the documents cited look at.
fn facts(case: &Case<'_>, decision: &Decision) -> Vec<FactUsed> {
    let derivation = &decision.derivation;
    let policies = derivation.policies.iter().filter_map(|considered| case.repository.policy(&considered.policy));
    let rollout = decision.rollout.as_ref().and_then(|name| case.repository.rollouts.get(name));
    let blocks = &case.repository.blocks;
    let blocks = blocks.iter().filter(|block| derivation.blocks.iter().any(|cited| cited.block == block.name));
    let exceptions = &case.repository.exceptions;
    let exceptions = exceptions
        .iter()
        .filter(|exception| derivation.exceptions.iter().any(|cited| cited.exception == exception.name));
    let conditions = policies
        .map(|policy| &policy.condition)
        .chain(rollout.into_iter().flat_map(|rollout| &rollout.rings).map(|ring| &ring.condition))
        .chain(freezes(case, decision).map(|freeze| &freeze.condition))
        .chain(blocks.map(|block| &block.condition))
        .chain(exceptions.map(|exception| &exception.condition));
    let mut fields: BTreeSet<&FieldRef> = conditions.flatten().flat_map(|condition| Expr::fields(condition)).collect();
    let phase = FieldRef::device("phase");
    if decision.holds.contains(&Hold::Provisioning) {
        fields.insert(&phase);
    }
    fields.into_iter().map(|field| fact(case, field)).collect()
}

/// The freezes that hold, and those that would and yield.
fn freezes<'c>(
    case: &'c Case<'_>,
    decision: &'c Decision,
) -> impl Iterator<Item = &'c crate::policy::repository::Freeze> {
    let held = |name: &SmolStr| {
        decision.derivation.holds.iter().any(|held| held.hold == Hold::Freeze && held.name == *name)
            || decision.derivation.yielding.iter().any(|yielding| yielding.freeze == *name)
    };
    case.repository.freezes.iter().filter(move |freeze| held(&freeze.name))
}

/// The freezes of today that would hold what is outstanding, and yield to one of its exposures.
fn yielding(case: &Case<'_>, slot: &Slot<'_>, decision: &Decision) -> Vec<Yielding> {
    let today = case.repository.freezes.iter().filter(|freeze| {
        let holds = !decision.derivation.obligations.is_empty() && !case.truth(freeze.condition.as_deref()).is_false();
        holds && freeze.from.start_in(&case.zone) <= case.now && case.now < freeze.to.end_in(&case.zone)
    });
    let yields = today.filter_map(|freeze| {
        let unless = freeze.unless.as_ref()?;
        let exposures = exposures(case, slot);
        let advisory = exposures.iter().find(|exposure| case.exposure_truth(unless, exposure, case.now).is_true())?;
        Some(Yielding {
            freeze: freeze.name.clone(),
            origin: freeze.origin.clone(),
            unless: unless.text().clone(),
            advisory: advisory.id.clone(),
        })
    });
    yields.collect()
}

fn fact(case: &Case<'_>, field: &FieldRef) -> FactUsed {
    let resolved = case.resolved(field);
    FactUsed {
        field: field.clone(),
        value: resolved.value.cloned(),
        source: resolved.source.cloned(),
        observed: resolved.observed,
        unknown_because: resolved.unknown_because,
    }
}

/// The facts for want of which something in the derivation is unknown.
fn wanting(case: &Case<'_>, decision: &Decision) -> BTreeSet<FieldRef> {
    let derivation = &decision.derivation;
    let mut wanting = BTreeSet::new();
    for considered in &derivation.policies {
        if let PolicyVerdict::Unknown { wanting: fields } = &considered.verdict {
            wanting.extend(fields.iter().cloned());
        }
    }
    for clock in derivation.obligations.iter().flat_map(|obligation| &obligation.clocks) {
        if let ClockCounts::Provisional { wanting: fields } = &clock.counts {
            wanting.extend(fields.iter().cloned());
        }
    }
    if let Some(RingReason::Unknown { wanting: fields, .. }) = derivation.rings.as_ref().map(|rings| &rings.because) {
        wanting.extend(fields.iter().cloned());
    }
    for considered in &derivation.exceptions {
        if let ExceptionVerdict::Unknown { wanting: fields } = &considered.verdict {
            wanting.extend(fields.iter().cloned());
        }
    }
    wanting.extend(derivation.blocks.iter().flat_map(|block| &block.wanting).cloned());
    for freeze in freezes(case, decision) {
        wanting.extend(case.wanting(freeze.condition.as_deref()));
    }
    wanting
}
