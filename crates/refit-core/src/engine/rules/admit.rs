//! What may be installed, and what keeps it back (rules 6, 7, 10 and 13 of docs/reference/rules.md).

use super::{
    GateAnswer, Kept,
    clock::Regime,
    judged::Judged,
    moving::Moving,
    passage::{Common, Passage, Verdict},
    ring::halted_set,
    subject::{Candidate, Shelf, Spot, Subject},
};
use refit_model::Version;
use smol_str::SmolStr;
use std::rc::Rc;

/// Looks for what a slot may have now.
pub(super) struct Admission<'s, 'a> {
    pub shelf: &'a Shelf<'a>,
    pub spot: Spot<'a>,
    pub subject: &'s Subject<'s>,
    pub candidate: Candidate<'a>,
    pub judged: &'s Judged<'a>,
    pub regime: &'s Regime,
    pub conflict: bool,
    pub undetermined: bool,
}

/// What may be installed.
pub(super) struct Admitted {
    pub release: Option<Version>,
    pub rollout: Option<SmolStr>,
    pub ring: Option<SmolStr>,
    pub gate: Option<GateAnswer>,
    pub kept: Kept,
}

impl<'a> Admission<'_, 'a> {
    /// What may be installed now, and what keeps back what may not; `common` where others share it.
    pub fn admit(&self, common: Option<&Common<'a>>) -> Admitted {
        let Admission { shelf, subject, judged, .. } = *self;
        let policy = self.candidate.policy;
        let mut found = Admitted { release: None, rollout: None, ring: None, gate: None, kept: Kept::default() };
        if policy.presence == super::Presence::Forbidden {
            return found;
        }
        let passage = self.passage(common);
        found.rollout = passage.decisive.map(|way| way.rollout.name.clone());
        // What was admitted stays where policies contradict each other, or where another may apply.
        let stays = self.conflict || (self.undetermined && subject.admitted_before.is_some());
        let mut admitted_release: Option<usize> = None;
        for &place in judged.ways.iter().rev() {
            let (Some(verdict), Some(release)) = (passage.verdict(shelf, subject, place), shelf.releases.get(place))
            else {
                continue;
            };
            let Verdict { offered, blocked, failed_gate, young, in_rings } = verdict;
            let block = blocked || judged.held_in.iter().any(|range| !range.contains(&release.version));
            let before = subject.admitted_before == Some(&release.version);
            let admitted = match stays {
                true => before && offered && !block && !failed_gate,
                false => offered && !block && !failed_gate && !young && in_rings,
            };
            if admitted {
                found.release = Some(release.version.clone());
                admitted_release = Some(place);
                break;
            }
            found.kept.block |= block;
            found.kept.failed_gate |= failed_gate;
            found.kept.waiting |= (young || !in_rings) && !(stays && before);
        }
        if let Some(way) = passage.decisive {
            let goal = judged.aimed;
            let mut under_way = goal.into_iter().chain(judged.ways.iter().rev().copied());
            found.gate = under_way.find_map(|place| passage.gate(shelf, subject, place));
            let ring = passage.ring(shelf, subject, admitted_release.or(goal));
            found.ring = ring.and_then(|ring| way.rollout.rings.get(ring)).map(|ring| ring.name.clone());
        }
        found
    }

    /// The way of releases to here.
    fn passage(&self, common: Option<&Common<'a>>) -> Rc<Passage<'a>> {
        let Admission { shelf, subject, judged, candidate, regime, .. } = *self;
        let unsure = self.conflict || self.undetermined;
        let passage = match common {
            Some(common) => common.passage(shelf, candidate, regime, unsure),
            None => Rc::new(Passage::new(shelf, candidate, regime, unsure)),
        };
        let on_halted = shelf.anything_halts()
            && self.spot.installed.is_some_and(|installed| match shelf.place_of(installed.version) {
                Some(place) => passage.halted(shelf, subject, place),
                None => halted_set(shelf, subject, &Moving::alone(shelf, installed.version)),
            });
        // Without an install everything is up.
        let up = || {
            judged.aim.is_some_and(|aim| self.spot.installed.is_none_or(|installed| aim.version > installed.version))
        };
        let mut ways = judged.ways.iter().copied().filter(|_| on_halted && up());
        let successor = ways.find(|place| !passage.halted(shelf, subject, *place));
        let successor = successor.and_then(|place| shelf.releases.get(place)).map(|release| &release.version);
        match successor {
            None => passage,
            Some(successor) => Rc::new(Passage::new(shelf, candidate, regime, unsure).with_successor(successor)),
        }
    }
}
