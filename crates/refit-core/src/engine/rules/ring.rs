//! Rings and gates (rules 8 and 9 of docs/reference/rules.md).

use super::subject::{Shelf, Subject};
use crate::{
    policy::{document::test::GateAnswer, expr::Truth, repository::Rollout},
    rollout::judge,
    world::{GateFinding, GateState, RolloutState},
};
use refit_model::{Release, Version};

/// The ring of a device, and how far a release has come, in one rollout.
pub(super) struct Stage<'a> {
    pub rollout: &'a Rollout,
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
}

impl<'a> Rings<'a> {
    /// How far a release has come in a rollout here.
    pub fn stage(&self, rollout: &'a Rollout, version: Option<&Version>) -> Stage<'a> {
        let here = |state: &&RolloutState| {
            state.rollout == rollout.name
                && Some(&state.version) == version
                && state.platform.as_deref().is_none_or(|platform| Some(platform) == self.subject.platform)
        };
        let own = |state: &&&RolloutState| state.platform.is_some();
        let states: Vec<&RolloutState> = self.shelf.rollouts.iter().filter(here).collect();
        let state = states.iter().find(own).or(states.first()).copied();
        Stage { rollout, state, ring: self.ring(rollout, state, version) }
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
        let position = (self.subject.position)(self.policy);
        let mut cut = 0.0;
        for (place, ring) in rollout.rings.iter().enumerate() {
            let share = match ring.share {
                Some(share) => {
                    let from = cut;
                    cut += share.0;
                    Truth::from(from <= position && position < cut)
                }
                None => Truth::True,
            };
            match share.and(self.subject.holds(ring.condition.as_ref())) {
                // Who would join later goes on to the next.
                Truth::True if members(place).is_none() => return Some(place),
                Truth::Unknown => return Some(last),
                _ => {}
            }
        }
        Some(last)
    }

    /// What the gate after a ring says of a release.
    pub fn gate(&self, rollout: &Rollout, ring: usize, version: &Version) -> GateAnswer {
        let Some(ring) = rollout.rings.get(ring) else { return GateAnswer::Inconclusive };
        let after = |state: &&GateState| state.version == *version && state.after == ring.name;
        let states: Vec<&GateState> = self.shelf.gates.iter().filter(after).collect();
        let own: Vec<&GateState> = states
            .iter()
            .copied()
            .filter(|state| {
                // A device of unknown platform may be of any.
                let own = self.subject.platform;
                state.platform.as_deref().is_some_and(|platform| own.is_none_or(|own| own == platform))
            })
            .collect();
        let of_all = || states.into_iter().filter(|state| state.platform.is_none()).collect();
        let counting: Vec<&GateState> = if own.is_empty() { of_all() } else { own };
        let answers = counting.into_iter().map(|state| self.answer(state, rollout));
        // Of several the careful one.
        let care = |answer: &GateAnswer| match answer {
            GateAnswer::Halt => 2,
            GateAnswer::Inconclusive => 1,
            GateAnswer::Pass => 0,
        };
        answers.max_by_key(care).unwrap_or(GateAnswer::Inconclusive)
    }

    fn answer(&self, state: &GateState, rollout: &Rollout) -> GateAnswer {
        match &state.finding {
            GateFinding::Answered(answer) => *answer,
            GateFinding::Evidence(evidence) => {
                let ring = rollout.rings.iter().find(|ring| ring.name == state.after);
                match rollout.gate.as_ref().zip(ring) {
                    Some((gate, ring)) => judge(gate, ring.soak, evidence, self.shelf.now).answer(),
                    None => GateAnswer::Inconclusive,
                }
            }
        }
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

/// Whether a release was halted here, in whatever rollout.
pub(super) fn halted(shelf: &Shelf<'_>, subject: &Subject<'_>, release: &Version) -> bool {
    let here = |state: &&GateState| {
        state.version == *release
            && match (state.platform.as_deref(), subject.platform) {
                (None, _) | (_, None) => true,
                (Some(platform), Some(own)) => platform == own,
            }
    };
    shelf.gates.iter().filter(here).any(|state| match &state.finding {
        GateFinding::Answered(answer) => *answer == GateAnswer::Halt,
        GateFinding::Evidence(evidence) => {
            shelf.repository.rollouts.values().any(|rollout| {
                let ring = rollout.rings.iter().find(|ring| ring.name == state.after);
                rollout.gate.as_ref().zip(ring).is_some_and(|(gate, ring)| {
                    judge(gate, ring.soak, evidence, shelf.now).answer() == GateAnswer::Halt
                })
            })
        }
    })
}

/// The first of the releases, in order, that was not halted.
pub(super) fn not_halted<'r>(
    shelf: &Shelf<'_>,
    subject: &Subject<'_>,
    mut releases: impl Iterator<Item = &'r Release>,
) -> Option<&'r Version> {
    releases.find(|release| !halted(shelf, subject, &release.version)).map(|release| &release.version)
}
