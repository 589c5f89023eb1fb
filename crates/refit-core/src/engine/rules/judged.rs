//! What the rules say of a slot under one policy, but for what rings, freezes and blocks make of it: devices of many cells share that.

use super::{
    Goal, Presence, WindowOf,
    clock::{Clocks, Regime},
    duty::{Cause, Duties, Judge},
    subject::{Candidate, Shelf, Spot, Subject},
    track::{Aim, Track},
};
use crate::{
    engine::intern::Map,
    policy::{
        document::policy::RestartMode,
        repository::{Exception, Policy, RangeText},
    },
};
use jiff::Timestamp;
use refit_model::Advisory;
use std::{
    cell::{OnceCell, RefCell},
    rc::Rc,
    sync::Arc,
};

/// What devices have in common that nothing but their rings, their blocks and their freezes tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Alike {
    /// What is seen of their class apart from that.
    pub duties: u32,
    /// Their zone, where days matter.
    pub zone: u32,
    /// What their universe says of the title.
    pub told: u32,
    /// The offers that they remember.
    pub remembered: u32,
}

/// What was worked out of one release in a slot, for whoever asks next.
#[derive(Default)]
pub(crate) struct Memo<'a> {
    judged: RefCell<Map<(usize, Alike), Rc<Judged<'a>>>>,
    affecting: OnceCell<Vec<(usize, &'a Advisory)>>,
}

/// What a policy makes of a slot.
pub(super) struct Judged<'a> {
    /// Where it leads.
    pub aim: Option<Aim<'a>>,
    /// The release that this means, by its place on the shelf.
    pub aimed: Option<usize>,
    /// As an answer says it.
    pub goal: Option<Goal>,
    /// Whether what is installed is above that.
    pub above: bool,
    /// How due times follow from spells.
    pub clocks: Arc<Clocks>,
    /// Whether no release that helps will ever be offered.
    pub unsupported: bool,
    /// Spells that began no later make no difference.
    pub spells_matter_after: Option<Timestamp>,
    /// The releases on the way, by their places on the shelf, oldest first.
    pub ways: Vec<usize>,
    /// In which exceptions hold it.
    pub held_in: Vec<&'a RangeText>,
    /// The window that counts.
    pub window: Option<WindowOf>,
    /// When the machine is restarted, where an exception says it.
    pub restart: Option<RestartMode>,
    /// The freezes that yield to one of its exposures, by place.
    pub yielding: Arc<[usize]>,
    /// When any of this is otherwise by itself.
    pub until: Option<Timestamp>,
    /// What follows for who has no spell that makes a difference.
    settled: OnceCell<Rc<Settled>>,
}

/// What follows from when a spell began.
pub(super) struct Settled {
    /// The due time of each thing to do, and whether KEV obliges.
    pub duties: Arc<[(Option<Timestamp>, bool)]>,
    /// The earliest of them.
    pub due: Option<Timestamp>,
    pub regime: Regime,
    /// When a due time lets devices go ahead.
    pub next: Option<Timestamp>,
}

impl Settled {
    fn new(clocks: &Clocks, policy: &Policy, spell: Option<Timestamp>, now: Timestamp) -> Settled {
        let duties = clocks.duties(policy, spell);
        Settled {
            due: duties.iter().filter_map(|(due, _)| *due).min(),
            duties: duties.into(),
            regime: clocks.regime(policy, spell, now),
            next: clocks.next(policy, spell, now),
        }
    }
}

impl<'a> Memo<'a> {
    /// The advisories that ever affect what is installed.
    fn affecting(&self, shelf: &'a Shelf<'a>, spot: &Spot<'a>) -> &[(usize, &'a Advisory)] {
        self.affecting.get_or_init(|| {
            let Some(installed) = spot.installed else { return Vec::new() };
            // Of a release that is known the shelf says it, to whoever asks.
            let at = shelf.place_of(installed.version);
            let affects = |place: usize, advisory: &Advisory| match at {
                Some(at) => shelf.affects(place, at),
                None => advisory.affects(installed.version),
            };
            let advisories = shelf.advisories.iter().enumerate();
            advisories.filter(|(place, advisory)| affects(*place, advisory) == Some(true)).collect()
        })
    }

    /// What a policy makes of a slot; `alike` where nothing else that it goes by is a device's own.
    pub(super) fn judged(
        &self,
        shelf: &'a Shelf<'a>,
        spot: Spot<'a>,
        subject: &Subject<'_>,
        candidate: Candidate<'a>,
        alike: Option<Alike>,
    ) -> Rc<Judged<'a>> {
        let key = alike.map(|alike| (std::ptr::from_ref(candidate.policy).addr(), alike));
        if let Some(key) = key
            && let Some(known) = self.judged.borrow().get(&key)
        {
            return Rc::clone(known);
        }
        let judged = Rc::new(Judged::new(shelf, spot, subject, candidate, self.affecting(shelf, &spot)));
        if let Some(key) = key {
            self.judged.borrow_mut().insert(key, Rc::clone(&judged));
        }
        judged
    }
}

impl<'a> Judged<'a> {
    fn new(
        shelf: &'a Shelf<'a>,
        spot: Spot<'a>,
        subject: &Subject<'_>,
        candidate: Candidate<'a>,
        affecting: &[(usize, &'a Advisory)],
    ) -> Judged<'a> {
        let policy = candidate.policy;
        let installed = spot.installed.map(|installed| (installed.branch, installed.version));
        let track = Track { shelf, candidate, zone: spot.zone, installed };
        let forbidden = policy.presence == Presence::Forbidden;
        let aim = if forbidden { None } else { track.aim(shelf.now) };
        let judge = Judge { track: &track, subject, aim, affecting, now: shelf.now };
        let Duties { causes, clocks, unsupported, spells_matter_after } = judge.duties();
        let above = aim.is_some_and(|aim| track.above(&aim));
        let on_the_way = |aim: Aim<'a>| {
            // What is not newer is not on a way up.
            let newer = installed.filter(|_| track.up(&aim)).map_or(0, |(_, version)| shelf.newer_than(version));
            let known = track.known_from(shelf.now, newer);
            known.filter(|(_, release)| track.on_the_way(release, &aim)).map(|(place, _)| place).collect()
        };
        let goal = match aim {
            _ if forbidden => Some(Goal::Absent),
            Some(Aim { branch, version }) => Some(Goal::Release { version: version.clone(), branch: branch.clone() }),
            None => None,
        };
        Judged {
            aim,
            aimed: aim.and_then(|aim| track.place(&aim, shelf.now)),
            goal,
            above,
            ways: aim.filter(|_| !above).map(on_the_way).unwrap_or_default(),
            held_in: held_in(&judge, &causes),
            window: window(&judge, &causes),
            restart: acting(&judge, &causes).find_map(|(_, exception)| exception.restart),
            yielding: yielding(&judge),
            until: judge.until(),
            clocks: Arc::new(clocks),
            unsupported,
            spells_matter_after,
            settled: OnceCell::new(),
        }
    }

    /// What follows for a spell.
    pub fn settled(&self, policy: &Policy, spell: Option<Timestamp>, now: Timestamp) -> Rc<Settled> {
        if spell.is_some_and(|spell| self.spells_matter_after.is_some_and(|after| spell > after)) {
            return Rc::new(Settled::new(&self.clocks, policy, spell, now));
        }
        Rc::clone(self.settled.get_or_init(|| Rc::new(Settled::new(&self.clocks, policy, None, now))))
    }
}

/// The ranges in which exceptions hold a slot, unless one of its obligations keeps its terms.
fn held_in<'a>(judge: &Judge<'_, 'a>, causes: &[Cause<'a>]) -> Vec<&'a RangeText> {
    let holding = judge.exceptions().filter(|(_, exception, _)| {
        exception.hold_at.is_some() && !causes.iter().any(|cause| judge.frees(exception, *cause))
    });
    holding.filter_map(|(_, exception, _)| exception.hold_at.as_ref()).collect()
}

/// The exceptions that surely act on the slot, unless one of its obligations keeps its terms: in the order of names, with their places.
fn acting<'a>(judge: &Judge<'_, 'a>, causes: &[Cause<'a>]) -> impl Iterator<Item = (usize, &'a Exception)> {
    let sure = judge.exceptions().filter(|(_, _, truth)| truth.is_true());
    let acting = sure.filter(move |(_, exception, _)| !causes.iter().any(|cause| judge.frees(exception, *cause)));
    acting.map(|(place, exception, _)| (place, exception))
}

/// The window that counts: that of the first exception, by name, that surely acts and names one, else the policy's.
fn window<'a>(judge: &Judge<'_, 'a>, causes: &[Cause<'a>]) -> Option<WindowOf> {
    let mut acting = acting(judge, causes).filter(|(_, exception)| exception.window.is_some());
    let window = acting.next().map(|(place, _)| WindowOf::Exception(place));
    window.or(judge.track.candidate.policy.window.as_ref().map(|_| WindowOf::Policy))
}

/// The freezes that yield to one of the open exposures of a slot.
fn yielding(judge: &Judge<'_, '_>) -> Arc<[usize]> {
    let freezes = judge.track.shelf.repository.freezes.iter().enumerate();
    let yielding = freezes.filter(|(_, freeze)| {
        freeze
            .unless
            .as_ref()
            .is_some_and(|unless| judge.exposures().any(|(place, advisory)| judge.holds_now(unless, place, advisory)))
    });
    yielding.map(|(place, _)| place).collect()
}
