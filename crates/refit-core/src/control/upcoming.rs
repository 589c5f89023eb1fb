//! When time alone may next change what is said of a device: what the server has to wake up for.
//!
//! Too early costs one evaluation and too late would break a promise, so everything that could matter is gathered. Edges of
//! windows are not: whether a window is open is worked out by whoever reads, and by the device.

use crate::{
    decide::{Decision, ExceptionVerdict, PassedOver, ReleaseVerdict},
    facts::{FieldRef, Value},
    policy::{expr::Expr, repository::Repository},
    world::{Device, ExposureView, World},
};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// The earliest instant after `now` at which the decisions on a device may differ though nothing happens; `None`: never.
pub(super) fn next_change(
    repository: &Repository,
    world: &World,
    device: &Device,
    decisions: &[Decision],
    now: Timestamp,
) -> Option<Timestamp> {
    let mut next = Next { now, at: None };
    let stale = repository.staleness.device(&device.seen_by);
    next.after(device.seen.checked_add(stale.saturating_add(device.unheard)).ok());
    facts(&mut next, repository, device);
    days(&mut next, repository, device);
    let known = known(repository, device, now);
    conditions(&mut next, repository, &known);
    for decision in decisions {
        slot(&mut next, repository, world, &known, decision);
    }
    next.at
}

/// The earliest of the instants that were offered and lie ahead.
struct Next {
    now: Timestamp,
    at: Option<Timestamp>,
}

impl Next {
    fn at(&mut self, instant: Option<Timestamp>) {
        if let Some(instant) = instant.filter(|instant| *instant > self.now && *instant < Timestamp::MAX) {
            self.at = Some(self.at.map_or(instant, |at| at.min(instant)));
        }
    }

    /// What holds up to and with an instant changes right after it.
    fn after(&mut self, instant: Option<Timestamp>) {
        self.at(instant.and_then(|instant| instant.checked_add(jiff::SignedDuration::from_nanos(1)).ok()));
    }
}

fn facts(next: &mut Next, repository: &Repository, device: &Device) {
    for field in device.facts.fields() {
        let known = device.facts.resolve(field, &repository.authority, &repository.staleness, next.now);
        next.after(known.fresh_until);
    }
}

/// Days on which something begins or ends where the device is.
fn days(next: &mut Next, repository: &Repository, device: &Device) {
    let zone = device.zone();
    for freeze in &repository.freezes {
        next.at(Some(freeze.from.start_in(&zone)));
        next.at(Some(freeze.to.end_in(&zone)));
    }
    let accepted = repository.policies.iter().flat_map(|policy| &policy.accept).filter_map(|accepted| accepted.until);
    let blocks = repository.blocks.iter().filter_map(|block| block.until);
    let exceptions = repository.exceptions.iter().map(|exception| exception.until);
    let branches = device.installs.iter().filter_map(|install| repository.titles.get(&install.title));
    let branches = branches.flat_map(|title| &title.branches).filter_map(|branch| branch.supported_until);
    for day in accepted.chain(blocks).chain(exceptions).chain(branches) {
        next.at(Some(day.end_in(&zone)));
    }
}

/// Conditions on the device that speak of time.
fn conditions(next: &mut Next, repository: &Repository, known: &BTreeMap<FieldRef, Value>) {
    let policies = repository.policies.iter().filter_map(|policy| policy.condition.as_deref());
    let rings = repository.rollouts.values().flat_map(|rollout| &rollout.rings);
    let rings = rings.filter_map(|ring| ring.condition.as_deref());
    let freezes = repository.freezes.iter().filter_map(|freeze| freeze.condition.as_deref());
    let blocks = repository.blocks.iter().filter_map(|block| block.condition.as_deref());
    let exceptions = repository.exceptions.iter().filter_map(|exception| exception.condition.as_deref());
    for condition in policies.chain(rings).chain(freezes).chain(blocks).chain(exceptions) {
        next.at(condition.next_change(known, next.now));
    }
}

fn known(repository: &Repository, device: &Device, now: Timestamp) -> BTreeMap<FieldRef, Value> {
    let resolve = |field: &FieldRef| {
        let resolved = device.facts.resolve(field, &repository.authority, &repository.staleness, now);
        resolved.value.cloned().map(|value| (field.clone(), value))
    };
    device.facts.fields().filter_map(resolve).collect()
}

fn slot(
    next: &mut Next,
    repository: &Repository,
    world: &World,
    known: &BTreeMap<FieldRef, Value>,
    decision: &Decision,
) {
    let derivation = &decision.derivation;
    next.at(decision.due);
    for obligation in &derivation.obligations {
        next.at(obligation.due);
        for clock in &obligation.clocks {
            next.at(clock.due);
            next.at(clock.phase_in_until);
        }
    }
    for release in &derivation.releases {
        let ReleaseVerdict::PassedOver(reasons) = &release.verdict else { continue };
        for reason in reasons {
            match reason {
                PassedOver::TooYoung { until } | PassedOver::NextSnapshot { until } => next.at(Some(*until)),
                PassedOver::NotOffered { until } => next.at(*until),
                _ => {}
            }
        }
    }
    for exception in &derivation.exceptions {
        if let ExceptionVerdict::Acts { until, .. } = exception.verdict {
            next.at(Some(until));
        }
    }
    for release in world.releases(&decision.slot.title) {
        next.at(Some(release.published));
    }
    let policy = decision.policy.as_deref().and_then(|name| repository.policy(name));
    let entries = policy.iter().flat_map(|policy| &policy.deadline).filter_map(|entry| entry.condition.as_deref());
    let unless = repository.freezes.iter().filter_map(|freeze| freeze.unless.as_deref());
    let terms = repository.exceptions.iter().map(|exception| exception.unless.as_ref());
    let conditions: Vec<&Expr> = entries.chain(unless).chain(terms).collect();
    for advisory in world.advisories(&decision.slot.title) {
        let affects = decision.installed.as_ref().is_some_and(|installed| advisory.affects(installed) != Some(false));
        if !affects {
            continue;
        }
        next.at(Some(advisory.known_at));
        next.at(advisory.kev);
        next.at(advisory.withdrawn);
        for condition in &conditions {
            next.at(condition.next_change(&ExposureView { known, advisory, at: next.now }, next.now));
        }
    }
}
