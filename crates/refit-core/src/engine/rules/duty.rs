//! What a slot has to do, and by when (rules 2, 4, 5 and 13 of docs/reference/rules.md).

use super::{
    clock::{Clocked, Clocks, Counted},
    subject::{Said, Shelf, Subject},
    track::{Aim, Track},
};
use crate::{
    policy::{
        document::policy::Presence,
        expr::{Expr, Truth},
        repository::{Deadline, Exception},
    },
    world::{ExposureView, RememberedOffer},
};
use jiff::{SignedDuration, Timestamp};
use refit_model::{Advisory, Offer, Release, Version};
use std::{cell::OnceCell, collections::BTreeSet};

/// Why a slot has to change.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cause<'a> {
    /// What is installed does not satisfy.
    Stale,
    /// It is absent, and required.
    Missing,
    /// It is there, and forbidden.
    Present,
    /// It is exposed, by the advisory of that place.
    Exposure(usize, &'a Advisory),
}

/// All that a slot has to do.
pub(super) struct Duties<'a> {
    /// Why, in the order of the clocks.
    pub causes: Vec<Cause<'a>>,
    /// By when.
    pub clocks: Clocks,
    /// Whether no release that helps will ever be offered.
    pub unsupported: bool,
    /// Spells that began no later than this make no difference; `None`: no spell does.
    pub spells_matter_after: Option<Timestamp>,
}

/// When the first release that would have ended an obligation was offered.
#[derive(Clone, Copy, Debug, PartialEq)]
enum FirstOffer {
    /// Nothing has to be offered.
    NotNeeded,
    /// Then.
    At(Timestamp),
    /// Not yet.
    NotYet,
}

/// Finds what a slot has to do, and by when.
pub(super) struct Judge<'s, 'a> {
    pub track: &'s Track<'a>,
    pub subject: &'s Subject<'s>,
    pub aim: Option<Aim<'a>>,
    /// The advisories that affect what is installed, whenever they were known, with their places.
    pub affecting: &'s [(usize, &'a Advisory)],
    pub now: Timestamp,
}

impl<'a> Judge<'_, 'a> {
    /// The advisories that what is installed is affected by, with their places.
    pub fn exposures(&self) -> impl Iterator<Item = (usize, &'a Advisory)> {
        let now = self.now;
        self.affecting.iter().copied().filter(move |(_, advisory)| {
            advisory.known_at <= now && advisory.withdrawn.is_none_or(|withdrawn| now < withdrawn)
        })
    }

    /// What a condition says of an exposure at a time.
    pub fn asks(&self, condition: &Expr, advisory: &Advisory, at: Timestamp) -> Truth {
        condition.truth(&ExposureView { known: self.subject.facts, advisory, at }, at)
    }

    /// Whether a condition holds for an exposure now. Where it asks nothing of a device, all devices share the answer.
    pub fn holds_now(&self, condition: &Expr, place: usize, advisory: &Advisory) -> bool {
        let holds = || self.asks(condition, advisory, self.now).is_true();
        if Shelf::asks_of_devices(condition) {
            return holds();
        }
        let shelf = self.track.shelf;
        *shelf.hold.borrow_mut().entry((place, std::ptr::from_ref(condition).addr())).or_insert_with(holds)
    }

    /// Whether a version is what is installed.
    fn is_installed(&self, version: &Version) -> bool {
        self.track.installed.is_some_and(|(_, installed)| installed == version)
    }

    pub fn duties(&self) -> Duties<'a> {
        let policy = self.track.candidate.policy;
        let mut causes: Vec<(Cause<'a>, Option<Timestamp>)> = Vec::new();
        let forbidden = policy.presence == Presence::Forbidden;
        let exposed =
            |(place, advisory): (usize, &'a Advisory)| (Cause::Exposure(place, advisory), Some(advisory.known_at));
        match self.track.installed {
            None => causes.push((Cause::Missing, None)),
            Some(_) if forbidden => {
                causes.push((Cause::Present, None));
                causes.extend(self.exposures().map(exposed));
            }
            Some(_) if self.aim.is_some_and(|aim| self.track.above(&aim)) => {}
            Some(_) => {
                // What is ahead of all that is known leaves nothing.
                let ahead = self.aim.is_some_and(|aim| {
                    self.is_installed(aim.version)
                        && !self.track.known(self.now).any(|release| release.version == *aim.version)
                });
                if !ahead {
                    causes.extend(self.track.lapsed(self.now).map(|since| (Cause::Stale, since)));
                }
                let closed = self
                    .exposures()
                    .filter(|(_, advisory)| self.aim.is_some_and(|aim| advisory.affects(aim.version) == Some(false)));
                causes.extend(closed.map(exposed));
            }
        }
        for (cause, arose) in &mut causes {
            // It arose when it was seen to, whatever has been withheld since.
            *arose = self.noted(*cause).map(|offer| offer.arose).chain([*arose]).min().flatten();
        }
        let ways = self.ways(&causes);
        let unsupported = !forbidden && !causes.is_empty() && self.unsupported();
        let mut spells_matter_after: Option<Timestamp> = None;
        let first_arose = causes.iter().map(|(_, arose)| *arose).min().flatten();
        let (mut clocked, mut obligations) = (Vec::new(), Vec::new());
        for (index, (cause, arose)) in causes.into_iter().enumerate() {
            let first = match (forbidden, unsupported) {
                (true, _) => FirstOffer::NotNeeded,
                (_, true) => {
                    let offered = ways.offered.get(index).copied().flatten();
                    let published = ways.never.get(index).copied().flatten();
                    let noted = self.noted(cause).map(|offer| offer.at);
                    offered.into_iter().chain(published).chain(noted).min().map_or(FirstOffer::NotYet, FirstOffer::At)
                }
                _ => self.first_offer(&ways, index, cause),
            };
            let excepted = self.excepted(cause);
            let mut counts = Vec::new();
            for (place, entry) in policy.deadline.iter().enumerate() {
                let Some((from, sure)) = self.counts(entry, cause, arose) else { continue };
                let base = match first {
                    FirstOffer::NotYet => None,
                    FirstOffer::NotNeeded => from.or(Some(LONG_AGO)),
                    FirstOffer::At(offer) => Some(offer).max(from),
                };
                if let Some(base) = base.filter(|_| excepted.is_none()) {
                    // What no time bounds, a spell does from the first moment on.
                    spells_matter_after = Some(spells_matter_after.map_or(base, |known| known.min(base)));
                }
                counts.push(Counted { entry: place, sure, base, floor: self.floor(place, entry) });
            }
            let by_kev = self.by_kev(cause, &counts);
            clocked.push(Clocked { excepted, by_kev, counts });
            obligations.push(cause);
        }
        Duties {
            causes: obligations,
            clocks: Clocks { duties: clocked, arose: first_arose },
            unsupported,
            spells_matter_after,
        }
    }

    /// Whether an entry counts for an obligation: from when on, and whether surely.
    fn counts(
        &self,
        entry: &Deadline,
        cause: Cause<'a>,
        arose: Option<Timestamp>,
    ) -> Option<(Option<Timestamp>, bool)> {
        let Some(condition) = &entry.condition else { return Some((arose, true)) };
        let Cause::Exposure(place, advisory) = cause else { return None };
        let latches = &self.track.shelf.world.latches;
        let latched = || latches.get(&(advisory.id.clone(), condition.text().clone())).copied();
        let latch = if latches.is_empty() { None } else { latched() }.filter(|since| *since <= self.now);
        let said = self.said(condition, place, advisory);
        match latch.into_iter().chain(said.held).min() {
            Some(since) => Some((Some(since), true)),
            None => said.may.then_some((arose, false)),
        }
    }

    /// What a condition says of an exposure. Where it asks nothing of a device, all devices share the answer.
    fn said(&self, condition: &Expr, place: usize, advisory: &Advisory) -> Said {
        let work_out = || {
            let held = self.first_held(condition, advisory);
            Said { held, may: held.is_none() && self.asks(condition, advisory, self.now).is_unknown() }
        };
        if Shelf::asks_of_devices(condition) {
            return work_out();
        }
        let shelf = self.track.shelf;
        let key = (place, std::ptr::from_ref(condition).addr());
        if let Some(known) = shelf.said.borrow().get(&key) {
            return *known;
        }
        let said = work_out();
        shelf.said.borrow_mut().insert(key, said);
        said
    }

    /// When a condition first held for an exposure by the dates of what it asks.
    fn first_held(&self, condition: &Expr, advisory: &Advisory) -> Option<Timestamp> {
        let mut reported: BTreeSet<Timestamp> = BTreeSet::from([advisory.known_at]);
        reported.extend(advisory.kev.filter(|kev| *kev > advisory.known_at && *kev <= self.now));
        let mut at = advisory.known_at;
        loop {
            if self.asks(condition, advisory, at).is_true() {
                return Some(if reported.contains(&at) { at } else { whole_second(at) });
            }
            let view = ExposureView { known: self.subject.facts, advisory, at };
            let by_time = condition.next_change(&view, at);
            let by_report = reported.iter().copied().find(|report| *report > at);
            at = by_time.into_iter().chain(by_report).min().filter(|next| *next <= self.now)?;
        }
    }

    /// Before when nothing is due by an entry, on devices that were there when it first applied.
    fn floor(&self, place: usize, entry: &Deadline) -> Option<Timestamp> {
        let policy = self.track.candidate.policy;
        let since = self.track.shelf.terms(self.track.candidate)?.entries.get(place)?.applied?;
        let there = self.subject.enrolled.is_none_or(|enrolled| enrolled <= since);
        there.then(|| since.checked_add(policy.phase_in.unwrap_or(entry.within)).unwrap_or(Timestamp::MAX))
    }

    /// The exceptions that act on the title here, with their places; surely, or perhaps.
    pub fn exceptions(&self) -> impl Iterator<Item = (usize, &'a Exception, Truth)> {
        let exceptions = self.track.shelf.exceptions.iter();
        exceptions
            .filter(|(_, exception)| self.now < exception.until.end_in(self.subject.zone))
            .map(|(place, exception)| (*place, *exception, self.subject.holds(exception.condition.as_ref())))
            .filter(|(_, _, truth)| !truth.is_false())
    }

    /// Whether an obligation keeps its terms in spite of an exception.
    pub fn frees(&self, exception: &Exception, cause: Cause<'a>) -> bool {
        match cause {
            Cause::Exposure(place, advisory) => self.holds_now(&exception.unless, place, advisory),
            _ => false,
        }
    }

    fn excepted(&self, cause: Cause<'a>) -> Option<Timestamp> {
        self.exceptions()
            .filter(|(_, exception, truth)| truth.is_true() && !self.frees(exception, cause))
            .filter_map(|(_, exception, _)| Some(exception.due?.in_zone(self.subject.zone)))
            .min()
    }

    fn by_kev(&self, cause: Cause<'a>, counts: &[Counted]) -> bool {
        let Cause::Exposure(_, advisory) = cause else { return false };
        let terms = || self.track.shelf.terms(self.track.candidate);
        let asks = |entry: usize| terms().and_then(|terms| terms.entries.get(entry)).is_some_and(|term| term.asks_kev);
        advisory.kev.is_some_and(|listed| listed <= self.now)
            || counts.iter().any(|count| count.sure && asks(count.entry))
    }

    /// Whether a release would have ended an obligation when it was offered, or when that arose.
    fn ends(&self, place: usize, release: &Release, cause: Cause<'a>, at: Timestamp) -> bool {
        match cause {
            Cause::Exposure(advisory, _) => self.track.shelf.affects(advisory, place) == Some(false),
            Cause::Stale if !self.track.candidate.policy.accept.is_empty() => {
                // Some are offered before the day of their publication: nobody could take them or leave them by then.
                self.track.took(release, at.max(release.published))
            }
            _ => true,
        }
    }

    /// For each obligation, the first offer and the first publication of a release that would have ended it, wherever
    /// the goal led while it was there.
    fn ways(&self, causes: &[(Cause<'a>, Option<Timestamp>)]) -> Ways {
        let mut ways = Ways { offered: vec![None; causes.len()], never: vec![None; causes.len()] };
        if causes.is_empty() || matches!(causes.first(), Some((Cause::Present, _))) {
            return ways;
        }
        if let Some((straight, newer)) = self.track.straight().filter(|_| self.subject.offers.is_empty()) {
            for (first, (cause, _)) in ways.offered.iter_mut().zip(causes) {
                *first = match cause {
                    Cause::Exposure(advisory, _) => straight.first_unaffected(self.track.shelf, *advisory, newer),
                    _ => straight.first(newer),
                };
            }
            return ways;
        }
        // Where the goal led before is seldom asked.
        let then: OnceCell<Vec<Then<'a>>> = OnceCell::new();
        let then = || {
            let moments = || self.track.moments(self.now);
            let aims = || moments().into_iter().map(|moment| (moment, self.track.aim(moment))).collect();
            then.get_or_init(aims).as_slice()
        };
        for (place, release) in self.track.known_with_places(self.now) {
            let offer = self.subject.offer(release);
            for (index, (cause, arose)) in causes.iter().enumerate() {
                let (since, first) = match offer {
                    Offer::Since(since) => (since, &mut ways.offered),
                    Offer::Never => (release.published, &mut ways.never),
                };
                let from = since.max(arose.unwrap_or(Timestamp::MIN));
                if since <= self.now
                    && self.ends(place, release, *cause, from)
                    && self.led_to(release, from, then)
                    && let Some(first) = first.get_mut(index)
                {
                    *first = Some(first.map_or(since, |known: Timestamp| known.min(since)));
                }
            }
        }
        ways
    }

    /// Whether the goal leads to a release, or led there at some time from `from` on.
    fn led_to<'t>(&self, release: &Release, from: Timestamp, then: impl Fn() -> &'t [Then<'a>]) -> bool
    where
        'a: 't,
    {
        // Without going back nothing leads to what is not newer.
        let newer = self.track.installed.is_none_or(|(_, installed)| release.version > *installed);
        if !newer && !self.track.candidate.policy.allow_downgrade {
            return false;
        }
        let leads = |aim: &Aim<'a>| {
            !self.track.above(aim) && !self.is_installed(aim.version) && self.track.on_the_way(release, aim)
        };
        if self.aim.as_ref().is_some_and(leads) {
            return true;
        }
        // Of another branch all that lay that way, for as long as the goal came from there.
        let led = |aim: &Aim<'a>| {
            self.aim.is_none_or(|now| now.branch != aim.branch)
                && !self.track.above(aim)
                && !self.is_installed(aim.version)
                && self.track.same_way(release, aim)
        };
        let then = then();
        let start = then.partition_point(|(moment, _)| *moment <= from);
        let before = start.checked_sub(1).and_then(|place| then.get(place));
        before
            .into_iter()
            .chain(then.get(start..).into_iter().flatten())
            .any(|(_, aim)| aim.as_ref().is_some_and(|aim| leads(aim) || led(aim)))
    }

    /// What was noted of an obligation under this policy.
    fn noted(&self, cause: Cause<'a>) -> impl Iterator<Item = &RememberedOffer> {
        let name = match cause {
            Cause::Stale => "stale",
            Cause::Missing => "missing",
            Cause::Present => "present",
            Cause::Exposure(_, advisory) => advisory.id.as_str(),
        };
        let (policy, now) = (&self.track.candidate.policy.name, self.now);
        let noted = self.subject.first_offers.iter().filter(move |offer| offer.at <= now);
        noted.filter(move |offer| offer.policy == *policy && offer.obligation == name)
    }

    fn first_offer(&self, ways: &Ways, index: usize, cause: Cause<'a>) -> FirstOffer {
        let first =
            ways.offered.get(index).copied().flatten().into_iter().chain(self.noted(cause).map(|offer| offer.at)).min();
        first.map_or(FirstOffer::NotYet, FirstOffer::At)
    }

    /// Whether nothing that satisfies will ever be offered.
    fn unsupported(&self) -> bool {
        let Some(aim) = self.aim else { return false };
        if self.is_installed(aim.version) {
            return false;
        }
        let satisfying = self.track.satisfying(&aim, self.now);
        !satisfying.iter().any(|release| self.subject.offer(release) != Offer::Never)
    }
}

/// A time, and where the goal led then.
type Then<'a> = (Timestamp, Option<Aim<'a>>);

/// First offers by obligation, and first publications of what is never offered.
struct Ways {
    offered: Vec<Option<Timestamp>>,
    never: Vec<Option<Timestamp>>,
}

/// When something began that nobody saw begin.
const LONG_AGO: Timestamp = Timestamp::UNIX_EPOCH;

/// Moments that time makes are told in whole seconds.
fn whole_second(at: Timestamp) -> Timestamp {
    let nanos = SignedDuration::from_nanos(i64::from(at.subsec_nanosecond()).rem_euclid(1_000_000_000));
    at.checked_sub(nanos).unwrap_or(at)
}
