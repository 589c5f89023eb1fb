//! What rings, gates, blocks and ages make of each release, under one policy: devices that nothing but what they have installed tells apart
//! share that, whichever release they have.

use super::{
    GateAnswer, Rings, Stage,
    clock::Regime,
    moving::Way,
    ring::{Newcomers, halted},
    subject::{Candidate, Deciding, Shelf, Subject},
};
use jiff::SignedDuration;
use refit_model::{Offer, Release, Version};
use std::{
    cell::{Cell, OnceCell, RefCell},
    rc::Rc,
};

/// What the rules ask of devices that nothing but what they have installed tells apart, for whoever asks next.
#[derive(Default)]
pub(crate) struct Common<'a> {
    /// Which policy decides.
    pub(super) deciding: OnceCell<Deciding>,
    passages: RefCell<Vec<(Under, Rc<Passage<'a>>)>>,
}

/// What a passage depends on besides the devices: the policy, by its place on the shelf, and what follows from due times.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Under {
    policy: usize,
    rollout: Option<usize>,
    min_age: Option<usize>,
    proceeds: bool,
    /// Whether it is unsure that the policy decides.
    unsure: bool,
}

/// The way of releases to some devices.
pub(super) struct Passage<'a> {
    /// The rollout that counts.
    pub decisive: Option<Way<'a>>,
    own: Option<Way<'a>>,
    min_age: SignedDuration,
    proceeds: bool,
    policy: &'a str,
    /// Whether it is unsure which policy decides.
    unsure: bool,
    /// The first release behind the installed one that is not halted, where the installed one is.
    successor: Option<&'a Version>,
    newcomers: Newcomers,
    /// What has been asked of each release, by place.
    asked: RefCell<Vec<Asked>>,
    /// The ring where no release is meant.
    nowhere: Cell<Option<Option<usize>>>,
}

/// What has been asked of a release; `None` where nobody has yet.
#[derive(Clone, Copy, Default)]
struct Asked {
    halted: Option<bool>,
    verdict: Option<Verdict>,
    gate: Option<Option<GateAnswer>>,
    ring: Option<Option<usize>>,
}

/// What is so of a release, for some devices.
#[derive(Clone, Copy)]
pub(super) struct Verdict {
    /// It is offered to them.
    pub offered: bool,
    /// A block takes it from them.
    pub blocked: bool,
    /// It was halted.
    pub failed_gate: bool,
    /// It has not been out for long enough.
    pub young: bool,
    /// Their ring has opened, or the due time carries them past the gates before it.
    pub in_rings: bool,
}

impl<'a> Common<'a> {
    /// The passage under a policy that decides; `unsure` where another may.
    pub(super) fn passage(
        &self,
        shelf: &'a Shelf<'a>,
        candidate: Candidate<'a>,
        regime: &Regime,
        unsure: bool,
    ) -> Rc<Passage<'a>> {
        let Regime { rollout, min_age, proceeds, .. } = *regime;
        let under = Under { policy: candidate.place, rollout, min_age, proceeds, unsure };
        let known = self.passages.borrow().iter().find(|(known, _)| *known == under).map(|(_, known)| Rc::clone(known));
        known.unwrap_or_else(|| {
            let passage = Rc::new(Passage::new(shelf, candidate, regime, unsure));
            self.passages.borrow_mut().push((under, Rc::clone(&passage)));
            passage
        })
    }
}

impl<'a> Passage<'a> {
    /// Under a policy that decides; `unsure` where another may.
    pub fn new(shelf: &'a Shelf<'a>, candidate: Candidate<'a>, regime: &Regime, unsure: bool) -> Passage<'a> {
        let policy = candidate.policy;
        let named_rollout = |name| shelf.repository.rollouts.get(name);
        let every = policy.snapshot_every.filter(SignedDuration::is_positive);
        let snapshots = every.map(|every| (policy, every));
        let own = policy.rollout.as_ref().and_then(named_rollout).map(|rollout| Way { rollout, snapshots });
        // What an entry names takes a release along by itself: it waits for no snapshot.
        let entry = |place: Option<usize>| place.and_then(|place| policy.deadline.get(place));
        let urgent = entry(regime.rollout).and_then(|entry| entry.rollout.as_ref()).and_then(named_rollout);
        let urgent = urgent.map(|rollout| Way { rollout, snapshots: None });
        Passage {
            decisive: urgent.or(own),
            own,
            min_age: entry(regime.min_age).and_then(|entry| entry.min_age).unwrap_or(policy.min_age),
            proceeds: regime.proceeds && !unsure,
            policy: policy.name.as_str(),
            unsure,
            successor: None,
            newcomers: Newcomers::default(),
            asked: RefCell::new(vec![Asked::default(); shelf.releases.len()]),
            nowhere: Cell::default(),
        }
    }

    /// The same from a halted release to its successor.
    pub fn with_successor(self, successor: &'a Version) -> Passage<'a> {
        Passage { successor: Some(successor), ..self }
    }

    fn asked<T>(&self, place: usize, known: impl Fn(&Asked) -> Option<T>) -> Option<T> {
        self.asked.borrow().get(place).and_then(known)
    }

    fn note(&self, place: usize, note: impl FnOnce(&mut Asked)) {
        if let Some(asked) = self.asked.borrow_mut().get_mut(place) {
            note(asked);
        }
    }

    fn rings<'r>(&'r self, shelf: &'r Shelf<'r>, subject: &'r Subject<'r>) -> Rings<'r> {
        let Passage { policy, unsure, successor, newcomers, .. } = self;
        Rings { shelf, subject, policy, unsure: *unsure, successor: *successor, newcomers }
    }

    /// Whether a release was halted.
    pub fn halted(&self, shelf: &'a Shelf<'a>, subject: &Subject<'_>, place: usize) -> bool {
        if let Some(known) = self.asked(place, |asked| asked.halted) {
            return known;
        }
        let Some(release) = shelf.releases.get(place) else { return false };
        let halted = halted(shelf, subject, self.own, release);
        self.note(place, |asked| asked.halted = Some(halted));
        halted
    }

    /// What is so of a release, by place.
    pub fn verdict(&self, shelf: &'a Shelf<'a>, subject: &Subject<'_>, place: usize) -> Option<Verdict> {
        let known = self.asked(place, |asked| asked.verdict);
        if known.is_some() {
            return known;
        }
        let release = shelf.releases.get(place)?;
        let failed_gate = self.halted(shelf, subject, place);
        let rings = self.rings(shelf, subject);
        let reached = |way| {
            let stage = rings.stage(way, Some(release));
            stage.reached() || (self.proceeds && !failed_gate && carried(&rings, &stage))
        };
        let verdict = Verdict {
            offered: matches!(subject.offer(release), Offer::Since(since) if since <= shelf.now),
            blocked: blocked(shelf, subject, &release.version),
            failed_gate,
            young: shelf.now.duration_since(release.published) < self.min_age,
            in_rings: match (self.decisive, self.own) {
                (None, None) => true,
                (decisive, own) => decisive.into_iter().chain(own).any(reached),
            },
        };
        self.note(place, |asked| asked.verdict = Some(verdict));
        Some(verdict)
    }

    /// What the gate after the last ring says that is open to a release, by place; `None` where none is.
    pub fn gate(&self, shelf: &'a Shelf<'a>, subject: &Subject<'_>, place: usize) -> Option<GateAnswer> {
        if let Some(known) = self.asked(place, |asked| asked.gate) {
            return known;
        }
        let (way, release) = (self.decisive?, shelf.releases.get(place)?);
        let rings = self.rings(shelf, subject);
        let stage = rings.stage(way, Some(release));
        let gate = stage.last_open().map(|ring| rings.gate(&stage, ring));
        self.note(place, |asked| asked.gate = Some(gate));
        gate
    }

    /// The ring in which the devices are for a release, by place; without one, where they are anyway.
    pub fn ring(&self, shelf: &'a Shelf<'a>, subject: &Subject<'_>, place: Option<usize>) -> Option<usize> {
        let known = match place {
            Some(place) => self.asked(place, |asked| asked.ring),
            None => self.nowhere.get(),
        };
        if let Some(known) = known {
            return known;
        }
        let release: Option<&Release> = place.and_then(|place| shelf.releases.get(place));
        let ring = self.rings(shelf, subject).stage(self.decisive?, release).ring;
        match place {
            Some(place) => self.note(place, |asked| asked.ring = Some(ring)),
            None => self.nowhere.set(Some(ring)),
        }
        ring
    }
}

/// Whether the due time carries a device past the gates before its ring.
fn carried(rings: &Rings<'_>, stage: &Stage<'_>) -> bool {
    let Some(ring) = stage.ring else { return false };
    (0..ring).any(|earlier| stage.opened(earlier))
        && (0..ring).any(|earlier| rings.gate(stage, earlier) == GateAnswer::Inconclusive)
}

/// Whether a block takes a release from some devices.
fn blocked(shelf: &Shelf<'_>, subject: &Subject<'_>, version: &Version) -> bool {
    shelf.blocks.iter().any(|block| {
        block.until.is_none_or(|until| shelf.now < until.end_in(subject.zone))
            && block.releases.contains(version)
            && !subject.holds(block.condition.as_ref()).is_false()
    })
}
