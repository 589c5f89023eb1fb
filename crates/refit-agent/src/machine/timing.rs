//! When a directive may be carried out, and what it waits for. The order is that of the rules (docs/reference/rules.md,
//! rule 10): what stands earlier beats what stands later.

use super::{
    Blocked, Clock, HoldSeen, Machine, Presence, Progress, after, before,
    first_seen::{compare, name, version_of},
    trust::Refusal,
};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use refit_model::Window;
use refit_wire::{
    Mandate, State,
    mandate::{
        check::Asked,
        timing::{TooEarly, Wish},
    },
    protocol::{Inventory, WaitsFor},
    state::{Action, AfterDue, Busy, Directive, PackageName, Span, Terms, WindowTerms},
};
use std::{cmp::Ordering, collections::BTreeSet};

/// An absence after which grace is given, in seconds: three days.
pub const ABSENCE_SECONDS: u64 = 3 * 86_400;
/// How long a person who was not told in time has at the least, in seconds.
pub const LEAST_NOTICE_SECONDS: u64 = 600;

/// Where a directive stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stand {
    /// It is as it should be.
    Done,
    /// It may go now.
    Go,
    /// The person has to be told first; it may go then.
    Tell,
    /// It waits.
    Waits(WaitsFor, Option<Timestamp>),
    /// The mandate does not permit it.
    Refused(Refusal),
}

impl Machine {
    /// Where a directive that changes a package stands, whatever keeps everything from being begun.
    pub(super) fn stand(&self, directive: &Directive, now: Clock) -> Stand {
        let (Some(state), Some(mandate), Some(life)) = (&self.trust.state, &self.trust.mandate, &self.life) else {
            return Stand::Waits(WaitsFor::Mandate, None);
        };
        let Some(terms) = state.terms(directive) else {
            return Stand::Refused(Refusal::new("mandate", format!("{} has no terms", directive.id)));
        };
        let Some(inventory) = life.inventory.as_ref().filter(|_| !life.stale) else {
            return Stand::Waits(WaitsFor::Nothing, None);
        };
        if is_done(directive, inventory) {
            return Stand::Done;
        }
        if let Err(violation) = mandate.check_directive(Asked { directive, policy: &terms.policy }) {
            return Stand::Refused(Refusal::new("mandate", violation.to_string()));
        }
        if let Err(stand) = self.age(mandate, directive, terms, now) {
            return stand;
        }
        let none = Progress::default();
        let progress = self.journal.directives.get(&directive.id).unwrap_or(&none);
        if let Some(until) = directive.action.package().and_then(|package| self.held_until(state, &package, now)) {
            return Stand::Waits(WaitsFor::Held, Some(until));
        }
        if let Some(retry) = progress.retry.filter(|retry| now.wall < *retry) {
            let waits_for = match progress.blocked {
                Some(Blocked::Mandate) => WaitsFor::Mandate,
                Some(Blocked::Held) => WaitsFor::Held,
                _ => WaitsFor::PackageManager,
            };
            return Stand::Waits(waits_for, Some(retry));
        }
        if let Some(to) = frozen(&terms.freezes, now.wall) {
            return Stand::Waits(WaitsFor::Freeze, Some(to));
        }
        let overdue = directive.due.is_some_and(|due| due <= now.wall);
        if overdue && self.has_grace(directive, progress) {
            return Stand::Waits(WaitsFor::Grace, None);
        }
        let agreed = progress.agreed;
        if !agreed {
            match window(terms.window.as_ref(), &zone(state), directive.due, now.wall) {
                Ok(None) => {}
                Ok(Some(opens)) => return Stand::Waits(WaitsFor::Window, opens),
                Err(refusal) => return Stand::Refused(refusal),
            }
        }
        // Who has put it off during the notice has answered it.
        if let Some(until) = progress.deferred_until.filter(|until| now.wall < *until && !overdue && !agreed) {
            return Stand::Waits(WaitsFor::Deferral, Some(until));
        }
        if life.presence.attended && !agreed && terms.notify_seconds > 0 {
            match progress.told {
                None => return Stand::Tell,
                Some(told) => {
                    let ends = notice_ends(told, terms.notify_seconds, directive.due);
                    if now.wall < ends {
                        return Stand::Waits(WaitsFor::Notice, Some(ends));
                    }
                }
            }
        }
        if let Some(until) =
            is_busy(&life.presence, &terms.relaunch.not_while, terms.relaunch.wait_seconds, directive.due, now)
        {
            return Stand::Waits(WaitsFor::Busy, until);
        }
        Stand::Go
    }

    /// Whether the mandate lets this device have it by now.
    fn age(&self, mandate: &Mandate, directive: &Directive, terms: &Terms, now: Clock) -> Result<(), Stand> {
        let (Action::Upgrade(package) | Action::Install(package)) = &directive.action else { return Ok(()) };
        let of = PackageName { system: package.system, name: package.name.clone() };
        let seen = self.first_seen(mandate, &directive.title, &terms.policy, &of, &package.version);
        let known = mandate.known.get(&directive.title).is_some_and(|known| known.contains_key(&package.version));
        let wish = Wish {
            title: &directive.title,
            version: &package.version,
            policy: &terms.policy,
            rollout: terms.rollout.as_deref(),
        };
        // What no trusted source offers here, and no signer knows, has no age, and can't be had either.
        if seen.is_none() && !known && !mandate.is_expedited(wish, now.wall) {
            return Err(Stand::Waits(WaitsFor::MandateTime, None));
        }
        match mandate.permits_now(&self.journal.device, wish, seen.unwrap_or(now.wall), now.wall) {
            Ok(()) => Ok(()),
            Err(TooEarly::Until { from, .. }) => Err(Stand::Waits(WaitsFor::MandateTime, Some(from))),
            Err(unknown) => Err(Stand::Refused(Refusal::new("mandate", unknown.to_string()))),
        }
    }

    /// Until when a package is held by a directive. A hold ends by itself, and within what the mandate allows.
    pub(super) fn held_until(&self, state: &State, package: &PackageName, now: Clock) -> Option<Timestamp> {
        let longest = self.limits().hold_seconds;
        let ends = state.directives.iter().filter_map(|directive| match &directive.action {
            Action::Hold { package: held, until } if held == package => {
                let first = self.journal.holds.get(held).map_or(now.wall, |seen| seen.first);
                Some((*until).min(after(first, longest)))
            }
            _ => None,
        });
        ends.filter(|until| now.wall < *until).max()
    }

    /// Remembers since when holds are asked for, and says where one exceeds what the mandate allows.
    pub(super) fn note_holds(&mut self, now: Clock) {
        let Some(state) = &self.trust.state else { return };
        let longest = self.limits().hold_seconds;
        let mut beyond = Vec::new();
        for directive in &state.directives {
            let Action::Hold { package, until } = &directive.action else { continue };
            let seen = self.journal.holds.entry(package.clone()).or_insert_with(|| {
                self.step.changed = true;
                HoldSeen { first: now.wall, last: now.wall }
            });
            if after(seen.last, HOLD_NOTE_SECONDS) <= now.wall {
                seen.last = now.wall;
                self.step.changed = true;
            }
            let most = after(seen.first, longest);
            if *until > most {
                beyond.push(format!(
                    "{}: a hold until {until} is asked for, and the mandate allows {most}",
                    package.name
                ));
            }
        }
        // A hold that is let go for a moment and asked for again does not begin anew.
        self.journal.holds.retain(|_, seen| seen.last > before(now.wall, HOLD_FORGOTTEN_SECONDS));
        beyond.into_iter().for_each(|what| self.problem("limit", what, now));
    }

    fn has_grace(&self, directive: &Directive, progress: &Progress) -> bool {
        let usage = &self.journal.usage;
        // It is for what became due before or during the absence, or while its use is counted.
        usage.returned.is_some() && progress.grace_spent != directive.due && usage.seconds < directive.grace_seconds
    }

    /// [`super::Input::Presence`].
    pub(super) fn note_presence(&mut self, presence: Presence, now: Clock) {
        let Some(life) = &mut self.life else { return };
        let passed = life.presence_at.map_or(0, |at| now.monotonic.saturating_sub(at).as_secs());
        // A gap is sleep, or a shell that was stopped: that is no use.
        let used = if life.presence.in_use && passed <= USE_GAP_SECONDS { passed } else { 0 };
        life.presence_at = Some(now.monotonic);
        life.presence = presence;
        let in_use = life.presence.in_use;
        life.unsaved_use += used;
        let usage = &mut self.journal.usage;
        if in_use {
            let absent = usage.last.is_some_and(|last| after(last, ABSENCE_SECONDS) <= now.wall);
            if absent {
                (usage.returned, usage.seconds) = (Some(now.wall), 0);
            }
            let stale = usage.last.is_none_or(|last| after(last, USE_GAP_SECONDS) <= now.wall);
            usage.last = usage.last.max(Some(now.wall));
            self.step.changed |= absent || stale;
        }
        if usage.returned.is_some() {
            usage.seconds = usage.seconds.saturating_add(used);
        }
        if life.unsaved_use >= USE_GAP_SECONDS {
            life.unsaved_use = 0;
            self.step.changed = true;
        }
        self.spend_graces(now);
    }

    /// A grace that has run out is not given again for the same due time.
    fn spend_graces(&mut self, now: Clock) {
        let Some(state) = &self.trust.state else { return };
        if self.journal.usage.returned.is_none() {
            return;
        }
        let seconds = self.journal.usage.seconds;
        let overdue = state.directives.iter().filter(|directive| directive.due.is_some_and(|due| due <= now.wall));
        for directive in overdue.filter(|directive| directive.grace_seconds <= seconds) {
            let progress = self.journal.directives.entry(directive.id.clone()).or_default();
            if progress.grace_spent != directive.due {
                progress.grace_spent = directive.due;
                self.step.changed = true;
            }
        }
    }
}

/// How often use is written to disk, and the longest gap that still counts as use, in seconds.
const USE_GAP_SECONDS: u64 = 600;
const HOLD_NOTE_SECONDS: u64 = 3_600;
const HOLD_FORGOTTEN_SECONDS: u64 = 2 * 86_400;

/// Whether what a directive asks for is so already.
pub(super) fn is_done(directive: &Directive, inventory: &Inventory) -> bool {
    let installed = directive.action.package().and_then(|package| version_of(inventory, &name(&package)));
    match &directive.action {
        Action::Upgrade(package) | Action::Install(package) => installed.is_some_and(|installed| {
            let order = compare(package.system, installed, &package.version);
            order == Some(Ordering::Equal) || (!package.downgrade && order == Some(Ordering::Greater))
        }),
        Action::Remove(package) => {
            let slot = refit_model::entry::SlotName::of(refit_model::TitleId::new(name(package)));
            !inventory.installs.contains_key(&slot)
        }
        Action::Hold { .. } | Action::Restart | Action::Notify { .. } => false,
    }
}

/// The end of the freeze that is in force.
pub(super) fn frozen(freezes: &[Span], now: Timestamp) -> Option<Timestamp> {
    freezes.iter().filter(|span| span.from <= now && now < span.to).map(|span| span.to).max()
}

/// `None` where changes may be made now; when they may otherwise, as far as that is known.
pub(super) fn window(
    terms: Option<&WindowTerms>,
    zone: &TimeZone,
    due: Option<Timestamp>,
    now: Timestamp,
) -> Result<Option<Option<Timestamp>>, Refusal> {
    let Some(terms) = terms else { return Ok(None) };
    let overdue = due.is_some_and(|due| due <= now);
    if overdue && terms.after_due == AfterDue::Run {
        return Ok(None);
    }
    let lasts =
        SignedDuration::from_secs(i64::try_from(terms.lasts_seconds).unwrap_or(i64::MAX).min(WINDOW_SECONDS_MOST));
    let window = Window::parse(&terms.rrule, lasts)
        .map_err(|error| Refusal::new("mandate", super::shortened(&error.to_string(), 200)))?;
    if window.open_until(zone, now).is_some() {
        return Ok(None);
    }
    let opens = window.next_opening(zone, now);
    let due = due.filter(|_| terms.after_due == AfterDue::Run);
    Ok(Some(opens.into_iter().chain(due).min()))
}

/// A window that is longer than a year is always open.
const WINDOW_SECONDS_MOST: i64 = 366 * 86_400;

/// The zone of windows; UTC where nobody knows it.
pub(super) fn zone(state: &State) -> TimeZone {
    TimeZone::get(&state.timezone).unwrap_or(TimeZone::UTC)
}

/// When the person has been told for long enough. It does not last beyond the due time, except for a moment in which the
/// person can react.
pub(super) fn notice_ends(told: Timestamp, seconds: u64, due: Option<Timestamp>) -> Timestamp {
    let ends = after(told, seconds);
    let least = after(told, seconds.min(LEAST_NOTICE_SECONDS));
    due.map_or(ends, |due| ends.min(due.max(least)))
}

/// `Some` where the person is in the middle of something that is respected, with its end where that is known.
pub(super) fn is_busy(
    presence: &Presence,
    not_while: &[Busy],
    wait_seconds: u64,
    due: Option<Timestamp>,
    now: Clock,
) -> Option<Option<Timestamp>> {
    let respected: BTreeSet<Busy> = not_while.iter().copied().collect();
    if presence.busy.is_disjoint(&respected) {
        return None;
    }
    let until = due.map(|due| after(due, wait_seconds));
    until.is_none_or(|until| now.wall < until).then_some(until)
}
