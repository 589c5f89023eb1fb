//! Rules 10 and 11: what keeps an outstanding change from being made now, in the order of precedence.

use super::{
    admit::Admission,
    case::{Case, Opening},
    decision::{Cause, Clock, ClockCounts, Held, Hold, Obligation, PassedOver, ReleaseVerdict},
    obligations::{Duties, keeps_its_terms},
};
use crate::{
    facts::Root,
    policy::{
        document::policy::AfterDue,
        expr::Truth,
        repository::{Origin, Policy, UsedWindow},
    },
    world::Absence,
};
use jiff::{SignedDuration, Timestamp};

/// Everything that holds a slot with something outstanding.
pub(super) fn holds(
    case: &Case<'_>,
    policy: &Policy,
    duties: &Duties<'_>,
    admission: Option<&Admission<'_>>,
) -> Vec<Held> {
    if duties.obligations.is_empty() {
        return Vec::new();
    }
    let mut held = Vec::new();
    if let Some(admission) = admission.filter(|admission| admission.admitted.is_none()) {
        held.extend(kept_releases(case, duties, admission));
    }
    held.extend(freezes(case, duties));
    if case.device_text("phase") == Some("provisioning") && !policy.provisioning {
        held.push(Held {
            hold: Hold::Provisioning,
            name: "provisioning".into(),
            until: None,
            origin: Some(policy.origin.clone()),
            unknown: false,
        });
    }
    held.extend(grace(case, policy, duties));
    held.extend(window(case, policy, duties));
    held
}

/// Blocks, exceptions and halts that take away the releases that would otherwise be admitted.
fn kept_releases(case: &Case<'_>, duties: &Duties<'_>, admission: &Admission<'_>) -> Vec<Held> {
    let mut held: Vec<Held> = Vec::new();
    for release in &admission.considered {
        let ReleaseVerdict::PassedOver(reasons) = &release.verdict else { continue };
        for reason in reasons {
            let found = match reason {
                PassedOver::Blocked { block, unknown } => {
                    let block = case.repository.blocks.iter().find(|known| known.name == *block);
                    Held {
                        hold: Hold::Block,
                        name: block.map_or_else(Default::default, |block| block.name.clone()),
                        until: block.and_then(|block| block.until).map(|until| until.end_in(&case.zone)),
                        origin: block.map(|block| block.origin.clone()),
                        unknown: *unknown,
                    }
                }
                PassedOver::HeldAt { exception } => {
                    let acting = duties.exceptions.iter().find(|acting| acting.exception.name == *exception);
                    Held {
                        hold: Hold::Block,
                        name: exception.clone(),
                        until: acting.map(|acting| acting.exception.until.end_in(&case.zone)),
                        origin: acting.map(|acting| acting.exception.origin.clone()),
                        unknown: acting.is_some_and(|acting| !acting.surely),
                    }
                }
                PassedOver::Halted(halt) => Held {
                    hold: Hold::FailedGate,
                    name: release.version.as_str().into(),
                    until: halt.until,
                    origin: None,
                    unknown: false,
                },
                _ => continue,
            };
            if !held.contains(&found) {
                held.push(found);
            }
        }
    }
    held.sort_by_key(|held| held.hold);
    held
}

/// The freezes of today, where the device is, that do not yield to one of the slot's exposures.
fn freezes(case: &Case<'_>, duties: &Duties<'_>) -> Vec<Held> {
    let mut held = Vec::new();
    for freeze in &case.repository.freezes {
        let (from, to) = (freeze.from.start_in(&case.zone), freeze.to.end_in(&case.zone));
        if case.now < from || case.now >= to {
            continue;
        }
        let truth = case.truth(freeze.condition.as_deref());
        let yields = freeze.unless.as_ref().is_some_and(|unless| {
            duties.open.iter().any(|advisory| case.exposure_truth(unless, advisory, case.now).is_true())
        });
        if !truth.is_false() && !yields {
            held.push(Held {
                hold: Hold::Freeze,
                name: freeze.name.clone(),
                until: Some(to),
                origin: Some(freeze.origin.clone()),
                unknown: truth == Truth::Unknown,
            });
        }
    }
    held
}

/// The grace after an absence: the slot is held while the grace of every overdue obligation runs.
fn grace(case: &Case<'_>, policy: &Policy, duties: &Duties<'_>) -> Option<Held> {
    let overdue: Vec<&Obligation> =
        duties.obligations.iter().filter(|obligation| obligation.due.is_some_and(|due| due <= case.now)).collect();
    let runs = |obligation: &&Obligation| {
        let length = if by_kev(policy, obligation) { GRACE_KEV } else { GRACE };
        obligation.due.is_some_and(|due| grace_runs(case, length, due))
    };
    if overdue.is_empty() || !overdue.iter().all(runs) {
        return None;
    }
    Some(Held { hold: Hold::Grace, name: "grace after an absence".into(), until: None, origin: None, unknown: false })
}

/// The shortest absence that is followed by a grace.
const ABSENCE: SignedDuration = SignedDuration::from_hours(3 * 24);
/// The grace: this much time of use.
const GRACE: SignedDuration = SignedDuration::from_hours(24);
/// The grace for what is known to be exploited.
const GRACE_KEV: SignedDuration = SignedDuration::from_hours(4);

/// Whether an obligation is one by KEV: its exposure is listed, or was, and the entry that asks for that is latched. Leaving the
/// list makes nothing less urgent (decision 0032).
fn by_kev(policy: &Policy, obligation: &Obligation) -> bool {
    let Cause::Exposure { kev, .. } = &obligation.cause else { return false };
    let asks_for_kev = |clock: &Clock| {
        let condition = policy.deadline.get(clock.entry).and_then(|entry| entry.condition.as_ref());
        condition.is_some_and(|condition| {
            condition.fields().iter().any(|field| field.root == Root::Exposure && field.name == "kev")
        })
    };
    let latched = |clock: &Clock| matches!(clock.counts, ClockCounts::Latched { .. });
    *kev || obligation.clocks.iter().any(|clock| latched(clock) && asks_for_kev(clock))
}

/// Whether the grace of an obligation that was due at `due` still runs: there is one for a due time, and it is used once it has
/// run out. A return that was over, with all its use, before the due time came, did not delay it and used nothing.
fn grace_runs(case: &Case<'_>, length: SignedDuration, due: Timestamp) -> bool {
    let returns = returns(case);
    for (index, (_, used)) in returns.iter().enumerate() {
        let next_away = returns.get(index + 1).map(|(away, _)| *away);
        if next_away.is_some_and(|next_away| next_away <= due) {
            continue;
        }
        if *used >= length {
            return false;
        }
        if next_away.is_none() {
            return true;
        }
    }
    false
}

/// The beginning of each absence that gives a grace, and the time of use since its end, up to the next such: shorter absences
/// interrupt the use, and do not begin it anew.
fn returns(case: &Case<'_>) -> Vec<(Timestamp, SignedDuration)> {
    let mut returns: Vec<(Timestamp, SignedDuration)> = Vec::new();
    for Absence { away, back, used } in case.device.absences.iter().copied().filter(|absence| absence.back <= case.now)
    {
        match returns.last_mut() {
            _ if back.duration_since(away) >= ABSENCE => returns.push((away, used)),
            Some((_, so_far)) => *so_far = so_far.saturating_add(used),
            None => {}
        }
    }
    returns
}

/// The window, where it is shut and does not yield to a due time.
fn window(case: &Case<'_>, policy: &Policy, duties: &Duties<'_>) -> Option<Held> {
    let used = used_window(case, policy, duties)?;
    let Opening::Shut(until) = case.opening(&used.window) else { return None };
    let overdue = duties.obligations.iter().any(|obligation| obligation.due.is_some_and(|due| due <= case.now));
    let after_due = used.after_due.unwrap_or(if may_be_a_server(case) { AfterDue::Wait } else { AfterDue::Run });
    if overdue && after_due == AfterDue::Run {
        return None;
    }
    Some(Held {
        hold: Hold::Window,
        name: used.name.clone(),
        until,
        origin: Some(Origin::clone(&policy.origin)),
        unknown: false,
    })
}

/// Whether a device may be a server, which a due time does not disrupt: it is one, or nobody has said what it is and its platform
/// runs servers (decision 0033).
fn may_be_a_server(case: &Case<'_>) -> bool {
    match (case.device_text("kind"), case.device_text("platform")) {
        (Some(kind), _) => kind == "server",
        (None, Some(platform)) => matches!(platform, "linux" | "windows"),
        (None, None) => true,
    }
}

/// The window that counts: an exception's, unless an exposure keeps its terms, else the policy's.
fn used_window<'a>(case: &Case<'_>, policy: &'a Policy, duties: &Duties<'a>) -> Option<&'a UsedWindow> {
    duties
        .exceptions
        .iter()
        .filter(|acting| acting.surely)
        .filter(|acting| !duties.exposures.iter().any(|exposure| keeps_its_terms(case, acting.exception, *exposure)))
        .find_map(|acting| acting.exception.window.as_ref())
        .or(policy.window.as_ref())
}
