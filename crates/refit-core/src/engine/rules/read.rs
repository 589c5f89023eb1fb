//! From a ruling to an answer: what the time of day, absences and presence make of it (rules 10 to 12 and 15).

use super::{Ruling, Spell, Standing, WindowOf};
use crate::{
    engine::{
        intern::Map,
        outcome::{Compliance, Excepted, Hold, Mark, Outcome, Progress},
    },
    policy::{
        document::policy::AfterDue,
        repository::{Policy, Repository, UsedWindow},
    },
    world::Absence,
};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use std::{borrow::Cow, cell::RefCell, collections::BTreeSet};

/// What only the device itself knows.
pub(crate) struct Own<'a> {
    /// Its zone.
    pub zone: &'a TimeZone,
    /// Its absences.
    pub absences: &'a [Absence],
    /// Whether it was seen too long ago to say.
    pub unseen: bool,
    /// When its own spell began, where that gives due times other than those of the ruling.
    pub spell: Option<Spell>,
    /// Which windows are open, where somebody remembers that.
    pub openings: Option<&'a Openings>,
    /// What else reading asks, which it shares with others.
    pub manner: &'a Manner,
}

/// What nothing but reading an answer asks of a device: so it tells no cells apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Manner {
    /// Whether windows wait where nobody says what they do at the due time.
    pub may_be_server: bool,
    /// Whether it is being set up.
    pub provisioning: bool,
    /// The freezes that concern it, or may, by their place in the repository.
    pub freezes: Box<[usize]>,
}

/// Which windows are open in which zones at one time: each is worked out once, since a recurrence takes long. Windows and zones are told by
/// their addresses, so that both have to stay where they are for as long as this is asked.
#[derive(Debug)]
pub(crate) struct Openings {
    now: Timestamp,
    known: RefCell<Map<(usize, usize), bool>>,
}

impl Openings {
    /// At a time.
    pub fn new(now: Timestamp) -> Openings {
        Openings { now, known: RefCell::default() }
    }

    /// Whether a window is open in a zone.
    pub fn open(&self, used: &UsedWindow, zone: &TimeZone) -> bool {
        let at = (std::ptr::from_ref(used).addr(), std::ptr::from_ref(zone).addr());
        let known = self.known.borrow().get(&at).copied();
        known.unwrap_or_else(|| {
            let open = used.window.open_until(zone, self.now).is_some();
            self.known.borrow_mut().insert(at, open);
            open
        })
    }
}

/// An absence that gives a grace.
const ABSENCE: SignedDuration = SignedDuration::from_hours(72);
/// How much use a grace lasts.
const GRACE: SignedDuration = SignedDuration::from_hours(24);
/// How much it lasts for an obligation by KEV.
const GRACE_BY_KEV: SignedDuration = SignedDuration::from_hours(4);

impl Ruling {
    /// The answer for a device at a time.
    pub fn read(&self, repository: &Repository, own: &Own<'_>, now: Timestamp) -> Outcome {
        let policy = self.policy.as_ref().and_then(|name| repository.policy(name));
        let duties = match (own.spell, policy) {
            (Some(spell), Some(policy)) => Cow::Owned(self.clocks.duties(policy, self.clocks.began(Some(spell)))),
            _ => Cow::Borrowed(&*self.duties),
        };
        let due = duties.iter().filter_map(|(due, _)| *due).min();
        let overdue = due.is_some_and(|due| due <= now);
        let compliance = match self.standing {
            _ if own.unseen => Compliance::Unseen,
            Standing::Is(compliance) => compliance,
            _ if duties.is_empty() => Compliance::Compliant,
            Standing::Unsupported => Compliance::Unsupported,
            Standing::Judged if overdue => Compliance::Overdue,
            Standing::Judged => Compliance::Due,
        };
        let progress = match &self.admitted {
            _ if duties.is_empty() => Progress::None,
            Some(_) => Progress::Scheduled,
            None if self.goal == Some(crate::engine::outcome::Goal::Absent) => Progress::Scheduled,
            None if self.kept.waiting => Progress::Waiting,
            None => Progress::None,
        };
        let marks = [
            (Mark::AboveTarget, self.above),
            (Mark::Provisional, self.provisional),
            (Mark::Undetermined, self.undetermined),
            (Mark::Conflict, self.conflict),
        ];
        Outcome {
            policy: self.policy.clone(),
            mode: self.mode,
            compliance,
            due,
            goal: self.goal.clone(),
            admitted: self.admitted.clone(),
            rollout: self.rollout.clone(),
            ring: self.ring.clone(),
            gate: self.gate,
            progress,
            holds: self.holds(repository, policy, &duties, own, now),
            marks: marks.into_iter().filter(|(_, marked)| *marked).map(|(mark, _)| mark).collect(),
        }
    }

    fn holds(
        &self,
        repository: &Repository,
        policy: Option<&Policy>,
        duties: &[(Option<Timestamp>, bool)],
        own: &Own<'_>,
        now: Timestamp,
    ) -> BTreeSet<Hold> {
        if duties.is_empty() {
            return BTreeSet::new();
        }
        let frozen = self.frozen(repository, own.manner, own.zone, now);
        let overdue = duties.iter().any(|(due, _)| due.is_some_and(|due| due <= now));
        let used = self.used_window(repository, policy);
        let shut = used.is_some_and(|used| self.shut(used, overdue, own, now));
        let admitted = self.admitted.is_some();
        let holds = [
            (Hold::Block, self.kept.block && !admitted),
            (Hold::FailedGate, self.kept.failed_gate && !admitted),
            (Hold::Freeze, frozen),
            (Hold::Provisioning, Ruling::set_up(policy, own.manner)),
            (Hold::Grace, grace(duties, own, now)),
            (Hold::Window, shut),
        ];
        holds.into_iter().filter(|(_, held)| *held).map(|(hold, _)| hold).collect()
    }

    /// Whether a freeze that concerns a device, and does not yield, has begun in a zone, and not ended.
    pub fn frozen(&self, repository: &Repository, manner: &Manner, zone: &TimeZone, now: Timestamp) -> bool {
        let freezes = manner.freezes.iter().filter(|place| !self.yielding.contains(place));
        let mut freezes = freezes.filter_map(|place| repository.freezes.get(*place));
        freezes.any(|freeze| freeze.from.start_in(zone) <= now && now < freeze.to.end_in(zone))
    }

    /// Whether nothing is forced on a device under a policy because it is being set up.
    pub fn set_up(policy: Option<&Policy>, manner: &Manner) -> bool {
        manner.provisioning && policy.is_some_and(|policy| !policy.provisioning)
    }

    /// What exceptions replace besides due times and ranges.
    pub fn excepted(&self) -> Excepted {
        let window = match self.window {
            Some(WindowOf::Exception(place)) => Some(place),
            Some(WindowOf::Policy) | None => None,
        };
        Excepted { window, restart: self.restart }
    }

    /// The window that it has to keep to; `policy` is the one that decides.
    pub fn used_window<'r>(&self, repository: &'r Repository, policy: Option<&'r Policy>) -> Option<&'r UsedWindow> {
        match self.window? {
            WindowOf::Policy => policy?.window.as_ref(),
            WindowOf::Exception(place) => repository.exceptions.get(place)?.window.as_ref(),
        }
    }

    fn shut(&self, used: &UsedWindow, overdue: bool, own: &Own<'_>, now: Timestamp) -> bool {
        let runs = used.after_due(own.manner.may_be_server) == AfterDue::Run;
        let open = || match own.openings {
            Some(openings) => openings.open(used, own.zone),
            None => used.window.open_until(own.zone, now).is_some(),
        };
        !((runs && overdue) || open())
    }
}

/// Whether the grace of every overdue obligation runs.
fn grace(duties: &[(Option<Timestamp>, bool)], own: &Own<'_>, now: Timestamp) -> bool {
    let mut overdue = duties.iter().filter_map(|(due, kev)| Some((due.filter(|due| *due <= now)?, *kev))).peekable();
    overdue.peek().is_some()
        && overdue.all(|(due, by_kev)| runs(own.absences, due, if by_kev { GRACE_BY_KEV } else { GRACE }, now))
}

/// Whether a grace of that length runs for a due time.
fn runs(absences: &[Absence], due: Timestamp, length: SignedDuration, now: Timestamp) -> bool {
    // A return begins with a long absence; the use after shorter ones counts on.
    let mut returns: Vec<(Timestamp, SignedDuration)> = Vec::new();
    let mut ends: Vec<Timestamp> = Vec::new();
    for absence in absences {
        if absence.back.duration_since(absence.away) >= ABSENCE {
            if !returns.is_empty() {
                ends.push(absence.away);
            }
            returns.push((absence.back, absence.used));
        } else if let Some((_, used)) = returns.last_mut() {
            *used = used.saturating_add(absence.used);
        }
    }
    let Some(((back, used), earlier)) = returns.split_last() else { return false };
    let spent = earlier.iter().zip(&ends).any(|((_, used), end)| *used >= length && due <= *end);
    *back <= now && *used < length && !spent
}
