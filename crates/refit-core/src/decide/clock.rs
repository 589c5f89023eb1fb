//! Rule 5: by when. One entry of the deadline and one obligation give one due time.

use super::{
    case::Case,
    decision::{Clock, ClockCounts, FirstOffer, StartedBy},
};
use crate::policy::{
    expr::{Expr, Truth},
    repository::{Deadline, Policy},
};
use jiff::Timestamp;
use refit_model::Advisory;

/// What an obligation brings to every entry.
pub(super) struct Start<'a> {
    /// When the obligation arose; `None` is: always.
    pub arose: Option<Timestamp>,
    /// The release that would end it.
    pub offer: Offered,
    /// When the spell began; `None` is: always.
    pub spell: Option<Timestamp>,
    /// The exposure, where it is one.
    pub exposure: Option<&'a Advisory>,
}

/// The release that would end an obligation.
pub(super) enum Offered {
    /// None is needed.
    NotNeeded,
    /// None has been offered.
    NotYet,
    /// The first that was.
    First(FirstOffer),
}

impl Offered {
    /// The earlier of two.
    pub fn earlier_of(self, other: Offered) -> Offered {
        match (self, other) {
            (Offered::First(one), Offered::First(other)) => {
                Offered::First(if one.at <= other.at { one } else { other })
            }
            (Offered::NotNeeded, _) | (_, Offered::NotNeeded) => Offered::NotNeeded,
            (Offered::First(first), _) | (_, Offered::First(first)) => Offered::First(first),
            (Offered::NotYet, Offered::NotYet) => Offered::NotYet,
        }
    }
}

/// The due time that one entry of `policy` gives to an obligation.
pub(super) fn clock(case: &Case<'_>, policy: &Policy, index: usize, entry: &Deadline, start: &Start<'_>) -> Clock {
    let counts = counts(case, entry, start);
    let condition = entry.condition.as_ref().map(|condition| condition.text().clone());
    let since = match counts {
        ClockCounts::Holds { since } | ClockCounts::Latched { since } => (Some(since), StartedBy::Condition),
        _ => (start.arose, StartedBy::Arose),
    };
    let mut clock = Clock {
        entry: index,
        condition,
        counts,
        start: None,
        started_by: None,
        within: entry.within,
        phase_in_until: phase_in_until(case, policy, entry),
        due: None,
        at_due: entry.at_due,
    };
    if clock.counts == ClockCounts::No {
        return clock;
    }
    let offer = match &start.offer {
        Offered::NotNeeded => None,
        Offered::NotYet => return clock,
        Offered::First(first) => Some(first.at),
    };
    let latest = [(since.0, since.1), (offer, StartedBy::Offer), (start.spell, StartedBy::Spell)]
        .into_iter()
        .filter_map(|(at, by)| at.map(|at| (at, by)))
        .max_by_key(|(at, by)| (*at, *by == StartedBy::Offer));
    clock.start = latest.map(|(at, _)| at);
    clock.started_by = latest.map(|(_, by)| by);
    let due = clock.start.unwrap_or(LONG_AGO).checked_add(entry.within).unwrap_or(Timestamp::MAX);
    clock.due = Some(clock.phase_in_until.map_or(due, |floor| due.max(floor)));
    clock
}

/// What stands for "always" in a sum: a clock that was never started by anything that Refit saw.
const LONG_AGO: Timestamp = Timestamp::UNIX_EPOCH;

/// Whether an entry counts for an obligation, and since when its condition holds.
fn counts(case: &Case<'_>, entry: &Deadline, start: &Start<'_>) -> ClockCounts {
    let Some(condition) = &entry.condition else { return ClockCounts::Always };
    // Conditions speak of exposures; what obliges for another reason has none.
    let Some(advisory) = start.exposure else { return ClockCounts::No };
    let latched = case.world.latches.get(&(advisory.id.clone(), condition.text().clone())).copied();
    let latched = latched.filter(|since| *since <= case.now);
    let since = first_true(case, condition, advisory).into_iter().chain(latched).min();
    match (case.exposure_truth(condition, advisory, case.now), since) {
        (Truth::True, since) => ClockCounts::Holds { since: since.unwrap_or(advisory.known_at) },
        (Truth::False | Truth::Unknown, Some(since)) => ClockCounts::Latched { since },
        (Truth::False, None) => ClockCounts::No,
        (Truth::Unknown, None) => ClockCounts::Provisional { wanting: case.exposure_wanting(condition, advisory) },
    }
}

/// When a condition was first true, as far as the advisory's own dates tell: when it became known, when it was listed as exploited,
/// or when time alone made it so. (What changed without a date, such as a score, is in the latches.) `None` is: it never was.
fn first_true(case: &Case<'_>, condition: &Expr, advisory: &Advisory) -> Option<Timestamp> {
    let mut at = advisory.known_at;
    let mut by_time_alone = false;
    // Bounded: time changes an expression only at the thresholds that its text names.
    for _ in 0..CHANGES_MOST {
        if case.exposure_truth(condition, advisory, at).is_true() {
            return Some(if by_time_alone { whole_second(at).max(advisory.known_at) } else { at });
        }
        let listed = advisory.kev.filter(|kev| *kev > at);
        let by_time = case.exposure_change(condition, advisory, at).filter(|change| *change > at);
        by_time_alone = listed.is_none_or(|listed| by_time.is_some_and(|by_time| by_time < listed));
        at = listed.into_iter().chain(by_time).min().filter(|next| *next <= case.now)?;
    }
    None
}

/// The second in which a moment is: what is longer than five days is so from the next nanosecond on, and nobody means that.
fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// How many moments are looked at to find when a condition became true.
const CHANGES_MOST: usize = 64;

/// The time before which an entry makes nothing due; `None` for a device that arrived after the entry, and for policies that
/// have always applied.
fn phase_in_until(case: &Case<'_>, policy: &Policy, entry: &Deadline) -> Option<Timestamp> {
    let applied = &case.world.applied;
    let since_policy = applied.policies.get(&policy.name).copied().or(applied.all);
    let since_entry = applied.entries.get(&(policy.name.clone(), entry.text.clone())).copied();
    let first_obliged = since_policy.max(since_entry)?;
    if case.device.enrolled.is_some_and(|enrolled| enrolled > first_obliged) {
        return None;
    }
    let phase_in = policy.phase_in.unwrap_or(entry.within);
    Some(first_obliged.checked_add(phase_in).unwrap_or(Timestamp::MAX))
}
