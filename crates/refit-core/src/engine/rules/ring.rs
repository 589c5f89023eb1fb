//! Rings and gates (rules 8 and 9 of docs/reference/rules.md).

use super::{
    moving::{Moving, Way},
    subject::{Shelf, Subject},
    trail::Trail,
};
use crate::{
    policy::{document::test::GateAnswer, expr::Truth, repository::Rollout},
    world::{GateFinding, GateState, RolloutState},
};
use refit_model::{Release, Version};
use std::cell::RefCell;

/// The ring of a device, and how far a release has come, in one rollout.
pub(super) struct Stage<'a> {
    pub rollout: &'a Rollout,
    /// What it moves with.
    pub moving: Option<Moving<'a>>,
    pub state: Option<&'a RolloutState>,
    /// The place of the ring.
    pub ring: Option<usize>,
}

/// One slot among the rings of its title.
pub(super) struct Rings<'a> {
    pub shelf: &'a Shelf<'a>,
    pub subject: &'a Subject<'a>,
    /// The policy, by whose name positions are permuted.
    pub policy: &'a str,
    /// Whether it is unsure which policy decides.
    pub unsure: bool,
    /// The first release behind the installed one that is not halted, where the installed one is.
    pub successor: Option<&'a Version>,
    /// The rings of the device where nobody is a member yet.
    pub newcomers: &'a Newcomers,
}

/// The rings of a device in rollouts of which nobody is a member yet, by address of the rollout.
pub(super) type Newcomers = RefCell<Vec<(usize, Option<usize>)>>;

impl<'a> Rings<'a> {
    /// How far a release has come in a rollout here; without one, where the device is.
    pub fn stage(&self, way: Way<'a>, release: Option<&'a Release>) -> Stage<'a> {
        let moving = release.map(|release| Moving::with(self.shelf, self.subject, way, release));
        let state = moving.as_ref().and_then(|moving| moving.state(self.subject, way.rollout));
        let ring = self.ring(way.rollout, state, release.map(|release| &release.version));
        Stage { rollout: way.rollout, moving, state, ring }
    }

    fn ring(&self, rollout: &Rollout, state: Option<&RolloutState>, version: Option<&Version>) -> Option<usize> {
        let last = rollout.rings.len().checked_sub(1)?;
        if self.subject.doubt {
            return Some(last);
        }
        let opened = |ring: usize| {
            let name = rollout.rings.get(ring).map(|ring| &ring.name);
            state.zip(name).is_some_and(|(state, name)| state.open.contains(name))
        };
        let members = |ring: usize| {
            let name = rollout.rings.get(ring).map(|ring| &ring.name)?;
            state.and_then(|state| state.members.get(name)).filter(|_| opened(ring))
        };
        if self.successor.is_some() && self.successor == version && (!self.unsure || opened(0)) {
            return Some(0);
        }
        if let Some(ring) = (0..=last).find(|ring| members(*ring).is_some_and(|members| (self.subject.member)(members)))
        {
            return Some(ring);
        }
        if self.unsure {
            return Some(last);
        }
        if state.is_some_and(|state| !state.members.is_empty()) {
            return self.joining(rollout, |ring| members(ring).is_none());
        }
        let key = std::ptr::from_ref(rollout).addr();
        let known = self.newcomers.borrow().iter().find(|(known, _)| *known == key).map(|(_, ring)| *ring);
        known.unwrap_or_else(|| {
            let ring = self.joining(rollout, |_| true);
            self.newcomers.borrow_mut().push((key, ring));
            ring
        })
    }

    /// The ring that somebody comes into who has not been in any, of those that take anybody.
    fn joining(&self, rollout: &Rollout, takes: impl Fn(usize) -> bool) -> Option<usize> {
        let last = rollout.rings.len().checked_sub(1)?;
        let point = (self.subject.point)(self.policy);
        let (mut sum, mut from) = (0.0, 0);
        for (place, ring) in rollout.rings.iter().enumerate() {
            let share = match ring.share {
                Some(share) => {
                    sum += share.0;
                    let until = end_of_shares(sum);
                    let inside = (from..until).contains(&point);
                    from = until;
                    Truth::from(inside)
                }
                None => Truth::True,
            };
            match share.and(self.subject.holds(ring.condition.as_ref())) {
                // Who would join later goes on to the next.
                Truth::True if takes(place) => return Some(place),
                Truth::Unknown => return Some(last),
                _ => {}
            }
        }
        Some(last)
    }

    /// What the gate after a ring says of what a release moves with.
    pub fn gate(&self, stage: &Stage<'a>, ring: usize) -> GateAnswer {
        let (Some(moving), Some(ring)) = (&stage.moving, stage.rollout.rings.get(ring)) else {
            return GateAnswer::Inconclusive;
        };
        let Some(trail) = moving.trail else { return GateAnswer::Inconclusive };
        let gates =
            trail.gates(&moving.version).filter(|(_, state)| is_in(state, stage.rollout) && state.after == ring.name);
        let found = gates.filter(|(_, state)| is_here(state, self.subject));
        let now = self.shelf.now;
        let found = found.map(|(place, state)| {
            let left_open = u8::from(state.platform.is_none()) + u8::from(state.rollout.is_none());
            (trail.answer(place, state, stage.rollout, now), left_open)
        });
        // A halt counts whoever found it; else what names its rollout or its platform comes before what is said of all of them, and of
        // several that name as much the careful one counts.
        let order = |(answer, left_open): &(GateAnswer, u8)| match answer {
            GateAnswer::Halt => (0, 0),
            GateAnswer::Inconclusive => (*left_open, 1),
            GateAnswer::Pass => (*left_open, 2),
        };
        found.min_by_key(order).map_or(GateAnswer::Inconclusive, |(answer, _)| answer)
    }
}

impl Stage<'_> {
    /// Whether the ring has opened.
    pub fn reached(&self) -> bool {
        self.ring.is_some_and(|ring| self.opened(ring))
    }

    /// Whether a ring has opened.
    pub fn opened(&self, ring: usize) -> bool {
        let name = self.rollout.rings.get(ring).map(|ring| &ring.name);
        self.state.zip(name).is_some_and(|(state, name)| state.open.contains(name))
    }

    /// The last ring that has opened.
    pub fn last_open(&self) -> Option<usize> {
        (0..self.rollout.rings.len()).rev().find(|ring| self.opened(*ring))
    }
}

/// The first point that is beyond a sum of shares, of 65,536. Sums such as 10 % and 20 % are not exact in binary.
pub(crate) fn end_of_shares(sum: f64) -> u32 {
    ((sum - 1e-9) * 65_536.0).ceil().clamp(0.0, 65_536.0) as u32
}

/// Whether a release was halted here, in whatever rollout: by itself, with the snapshot that it goes with on the policy's own way, or with
/// any that began with it.
pub(super) fn halted<'a>(
    shelf: &'a Shelf<'a>,
    subject: &Subject<'_>,
    own: Option<Way<'_>>,
    release: &'a Release,
) -> bool {
    let own = own.filter(|way| way.snapshots.is_some());
    halted_set(shelf, subject, &Moving::alone(shelf, &release.version))
        || own.is_some_and(|way| halted_set(shelf, subject, &Moving::with(shelf, subject, way, release)))
        || Moving::that_began_with(shelf, release).iter().any(|moving| halted_set(shelf, subject, moving))
}

/// Whether what moves as one was halted here.
pub(super) fn halted_set(shelf: &Shelf<'_>, subject: &Subject<'_>, moving: &Moving<'_>) -> bool {
    let Some(trail) = moving.trail else { return false };
    let mut gates = trail.gates(&moving.version).filter(|(_, state)| is_here(state, subject));
    gates.any(|(place, state)| halts(shelf, trail, place, state))
}

/// Whether a gate, by its place, has halted what it stands before, in any rollout.
fn halts(shelf: &Shelf<'_>, trail: &Trail<'_>, place: usize, state: &GateState) -> bool {
    match &state.finding {
        GateFinding::Answered(answer) => *answer == GateAnswer::Halt,
        GateFinding::Evidence(_) => {
            let mut rollouts = shelf.repository.rollouts.values().filter(|rollout| is_in(state, rollout));
            rollouts.any(|rollout| trail.answer(place, state, rollout, shelf.now) == GateAnswer::Halt)
        }
    }
}

/// Whether anything that has to do with a title was halted, for whomever.
pub(super) fn anything_halted(shelf: &Shelf<'_>) -> bool {
    let halted =
        |trail: &Trail<'_>| trail.gates.iter().enumerate().any(|(place, state)| halts(shelf, trail, place, state));
    halted(&shelf.trail) || shelf.snapshots.iter().any(|(_, trail)| halted(trail))
}

/// Whether a gate stands in a rollout: one that names none stands in each.
fn is_in(state: &GateState, rollout: &Rollout) -> bool {
    state.rollout.as_ref().is_none_or(|name| *name == rollout.name)
}

/// Whether what a gate says is said of the platform of a device; one of unknown platform may be of any.
fn is_here(state: &GateState, subject: &Subject<'_>) -> bool {
    match (state.platform.as_deref(), subject.platform) {
        (None, _) | (_, None) => true,
        (Some(platform), Some(own)) => platform == own,
    }
}
