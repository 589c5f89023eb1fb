//! Rules 2, 4 and 13: what a slot has to do, and the exceptions to it.

use super::{
    case::Case,
    clock::{Offered, Start, clock},
    decision::{
        Cause, ClockCounts, ExceptionConsidered, ExceptionVerdict, FirstOffer, NoObligation, Obligation, OpenExposure,
        Scores,
    },
    goal::{GoalBranches, Standing, was_accepted},
    select::{Slot, in_security_archive},
};
use crate::{
    policy::{
        expr::Truth,
        repository::{Exception, Policy},
    },
    world::RememberedOffer,
};
use jiff::Timestamp;
use refit_model::{Advisory, Offer, Release, Version};
use std::cell::OnceCell;

/// What a slot has to do.
pub(super) struct Duties<'a> {
    pub obligations: Vec<Obligation>,
    /// The exposure behind each obligation, at the same index.
    pub exposures: Vec<Option<&'a Advisory>>,
    /// Every open exposure, whether it obliges or not.
    pub open: Vec<&'a Advisory>,
    /// Those that oblige nothing.
    pub idle: Vec<OpenExposure>,
    /// Exceptions that act, or may.
    pub exceptions: Vec<Acting<'a>>,
    /// All that were looked at.
    pub considered: Vec<ExceptionConsidered>,
}

/// An exception that acts, or, where its `where` is unknown, may.
pub(super) struct Acting<'a> {
    pub exception: &'a Exception,
    pub surely: bool,
}

/// The exposures of what is installed: every advisory that is known, not withdrawn, and affects it.
pub(super) fn exposures<'a>(case: &Case<'_>, slot: &Slot<'a>) -> Vec<&'a Advisory> {
    let Some(install) = slot.install else { return Vec::new() };
    slot.advisories
        .iter()
        .filter(|advisory| advisory.known_at <= case.now)
        .filter(|advisory| advisory.withdrawn.is_none_or(|withdrawn| withdrawn > case.now))
        .filter(|advisory| advisory.affects(&install.version) == Some(true))
        .collect()
}

/// What `policy` asks of a slot that stands so among `releases`; without a standing the title has to go.
pub(super) fn duties<'a>(
    case: &Case<'a>,
    slot: &Slot<'a>,
    policy: &Policy,
    releases: &[&Release],
    standing: Option<&Standing<'_>>,
) -> Duties<'a> {
    let open = exposures(case, slot);
    let mut duties = Duties {
        obligations: Vec::new(),
        exposures: Vec::new(),
        idle: Vec::new(),
        exceptions: Vec::new(),
        considered: Vec::new(),
        open: open.clone(),
    };

    // First what obliges and since when, because the spell begins with the first of it.
    let mut found: Vec<Found<'a>> = Vec::new();
    match (slot.install, standing) {
        // What is gone is not exposed: this goal closes them all.
        (Some(_), None) => {
            found.push((Cause::Forbidden, None, None));
            found.extend(open.into_iter().map(|advisory| exposed(case, advisory)));
        }
        (None, Some(_)) => found.push((Cause::Missing, None, None)),
        (Some(install), Some(standing)) => {
            for advisory in open {
                if closes(standing, &install.version, advisory) {
                    found.push(exposed(case, advisory));
                } else {
                    let because = NoObligation::GoalDoesNotClose;
                    duties.idle.push(OpenExposure { advisory: advisory.id.clone(), scores: advisory.into(), because });
                }
            }
            if !standing.satisfies {
                found.push((Cause::Stale, standing.ceased, None));
            }
        }
        (None, None) => {}
    }
    if found.is_empty() {
        // Nothing is due, and yet it may move: an exception that keeps it in a range keeps it there all the same.
        except(case, slot, &mut duties);
        return duties;
    }

    for (cause, arose, _) in &mut found {
        // By the releases that are offered today it may look as if it had arisen later.
        *arose = remembered(case, slot, policy, cause).map(|noted| noted.arose).chain([*arose]).min().flatten();
    }
    let first_arose = found.iter().map(|(_, arose, _)| *arose).min().flatten();
    let spell = spell(case, slot, first_arose);
    let branches = OnceCell::new();
    for (cause, arose, exposure) in found {
        let offer = match standing {
            Some(standing) => {
                let led_to = |release: &Release, at: Timestamp| {
                    let since = arose.map_or(at, |arose| at.max(arose));
                    let branches = branches.get_or_init(|| GoalBranches::new(case, slot, policy, releases));
                    branches.led_to(release, since)
                };
                // What is not accepted itself does not end that something else is not.
                let ends = |release: &Release, at: Timestamp| match (&cause, exposure) {
                    (_, Some(advisory)) => advisory.affects(&release.version) == Some(false),
                    (Cause::Stale, None) => {
                        let since = arose.map_or(at, |arose| at.max(arose));
                        // What is offered before it is published belongs to no branch until then.
                        let since = since.max(release.published);
                        was_accepted(case, slot, policy, releases, release, since)
                    }
                    _ => true,
                };
                let noted = remembered(case, slot, policy, &cause).map(|noted| (noted.at, &noted.version)).min();
                let noted = noted.map_or(Offered::NotYet, |(at, version)| {
                    Offered::First(FirstOffer { version: version.clone(), at })
                });
                noted.earlier_of(first_offer(case, standing, ends, led_to))
            }
            None => Offered::NotNeeded,
        };
        let start = Start { arose, offer, spell, exposure };
        let clocks: Vec<_> = policy
            .deadline
            .iter()
            .enumerate()
            .map(|(index, entry)| clock(case, policy, index, entry, &start))
            .collect();
        let provisional = |index: &usize| matches!(clocks[*index].counts, ClockCounts::Provisional { .. });
        // Of equal due times one that is sure gives it.
        let due_by = (0..clocks.len())
            .filter(|index| clocks[*index].due.is_some())
            .min_by_key(|index| (clocks[*index].due, provisional(index), *index));
        let first_offer = match start.offer {
            Offered::First(first) => Some(first),
            _ => None,
        };
        let due = due_by.and_then(|index| clocks[index].due);
        let scores = exposure.map(Scores::from);
        duties.obligations.push(Obligation {
            cause,
            scores,
            arose,
            first_offer,
            spell,
            clocks,
            due,
            due_by,
            exception: None,
        });
        duties.exposures.push(exposure);
    }
    except(case, slot, &mut duties);
    duties
}

/// What obliges, since when (`None` is: always), and the exposure where it is one.
type Found<'a> = (Cause, Option<Timestamp>, Option<&'a Advisory>);

fn exposed<'a>(case: &Case<'_>, advisory: &'a Advisory) -> Found<'a> {
    let kev = advisory.kev.is_some_and(|kev| kev <= case.now);
    (Cause::Exposure { advisory: advisory.id.clone(), kev }, Some(advisory.known_at), Some(advisory))
}

/// Whether the goal closes an exposure: it can be gone to, and is not affected.
fn closes(standing: &Standing<'_>, installed: &Version, advisory: &Advisory) -> bool {
    let Some(goal) = standing.goal else { return false };
    !standing.above && goal.version != *installed && advisory.affects(&goal.version) == Some(false)
}

/// The first release ever offered here that would have ended an obligation: of those that the slot may be moved to, and of those
/// that it could have been while the goal came from another branch or led down.
///
/// Halted, superseded and too young ones count: what matters is that the vendor had an answer.
fn first_offer(
    case: &Case<'_>,
    standing: &Standing<'_>,
    ends: impl Fn(&Release, Timestamp) -> bool,
    led_to: impl Fn(&Release, Timestamp) -> bool,
) -> Offered {
    let offered = |release: &Release| {
        let at = match case.device.offer(release) {
            Offer::Since(at) => at,
            // Where nothing will ever be offered, the publication stands for the offer.
            Offer::Never if standing.unsupported => release.published,
            Offer::Never => return None,
        };
        (at <= case.now && ends(release, at)).then_some(at)
    };
    let ways = standing.ways.iter().filter_map(|way| Some((offered(way)?, &way.version)));
    let once = standing.elsewhere.iter().filter_map(|release| {
        let at = offered(release).filter(|at| led_to(release, *at))?;
        Some((at, &release.version))
    });
    ways.chain(once)
        .min()
        .map_or(Offered::NotYet, |(at, version)| Offered::First(FirstOffer { version: version.clone(), at }))
}

/// What an obligation's clock began with, where that was noted: a source that is removed, a release that is withheld again or another
/// universe takes nothing back.
fn remembered<'a>(
    case: &Case<'a>,
    slot: &Slot<'_>,
    policy: &Policy,
    cause: &Cause,
) -> impl Iterator<Item = &'a RememberedOffer> + use<'a> {
    let (policy, name, now) = (policy.name.clone(), cause.name(), case.now);
    let noted = case.device.first_offers.get(&slot.key).into_iter().flatten();
    noted.filter(move |noted| noted.policy == policy && noted.obligation == name && noted.at <= now)
}

/// When the spell of not complying began: as recorded, else when the first obligation arose, the release was first seen, or the
/// device was, whichever came last. `None` is: always.
fn spell(case: &Case<'_>, slot: &Slot<'_>, first_arose: Option<Timestamp>) -> Option<Timestamp> {
    if let Some(recorded) = case.device.spells.get(&slot.key) {
        return Some(*recorded);
    }
    let since = slot.install.and_then(|install| install.since);
    first_arose.max(since).max(case.device.enrolled)
}

/// Lets exceptions replace due times, obligation by obligation. Without an obligation only those are looked at that keep the slot
/// in a range.
fn except<'a>(case: &Case<'a>, slot: &Slot<'_>, duties: &mut Duties<'a>) {
    let idle = duties.obligations.is_empty();
    for exception in case.repository.exceptions.iter().filter(|exception| !idle || exception.hold_at.is_some()) {
        if !exception
            .software
            .iter()
            .any(|selector| selector.selects(&slot.key.title, || in_security_archive(case, slot)))
        {
            continue;
        }
        let end = exception.until.end_in(&case.zone);
        let truth = case.truth(exception.condition.as_deref());
        let verdict = if end <= case.now {
            ExceptionVerdict::RunOut { since: end }
        } else {
            match truth {
                Truth::False => ExceptionVerdict::DoesNotApply,
                Truth::Unknown => {
                    duties.exceptions.push(Acting { exception, surely: false });
                    ExceptionVerdict::Unknown { wanting: case.wanting(exception.condition.as_deref()) }
                }
                Truth::True => {
                    duties.exceptions.push(Acting { exception, surely: true });
                    let due_without = duties.obligations.iter().filter_map(|obligation| obligation.due).min();
                    ExceptionVerdict::Acts { until: end, due_without }
                }
            }
        };
        duties.considered.push(ExceptionConsidered {
            exception: exception.name.clone(),
            origin: exception.origin.clone(),
            why: exception.why.clone(),
            due: exception.due.map(|due| due.in_zone(&case.zone)),
            hold_at: exception.hold_at.as_ref().map(|range| range.text.clone()),
            window: exception.window.as_ref().map(|window| window.name.clone()),
            unless: exception.unless.text().clone(),
            verdict,
        });
    }
    for index in 0..duties.obligations.len() {
        let excepted = duties
            .exceptions
            .iter()
            .filter(|acting| acting.surely && !keeps_its_terms(case, acting.exception, duties.exposures[index]))
            .filter_map(|acting| acting.exception.due.map(|due| (due.in_zone(&case.zone), acting.exception)))
            // Of several the strictest.
            .min_by(|a, b| a.0.cmp(&b.0).then(a.1.name.cmp(&b.1.name)));
        if let Some((due, exception)) = excepted {
            let obligation = &mut duties.obligations[index];
            obligation.due = Some(due);
            obligation.due_by = None;
            obligation.exception = Some(exception.name.clone());
        }
    }
}

/// Whether an exception lets an obligation be, because its `unless` surely holds for the exposure.
pub(super) fn keeps_its_terms(case: &Case<'_>, exception: &Exception, exposure: Option<&Advisory>) -> bool {
    exposure.is_some_and(|advisory| case.exposure_truth(&exception.unless, advisory, case.now).is_true())
}
