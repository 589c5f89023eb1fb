//! What may be installed, and what keeps it back (rules 6, 7, 10 and 13 of docs/reference/rules.md).

use super::{
    GateAnswer, Kept, Rings, Stage,
    clock::Regime,
    judged::Judged,
    moving::{Moving, Way},
    ring::{halted, halted_set},
    subject::{Candidate, Shelf, Spot, Subject},
};
use refit_model::{Offer, Release, Version};
use smol_str::SmolStr;
use std::cell::RefCell;

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
    /// What may be installed now, and what keeps back what may not.
    pub fn admit(&self) -> Admitted {
        let Admission { shelf, subject, judged, .. } = *self;
        let policy = self.candidate.policy;
        let mut found = Admitted { release: None, rollout: None, ring: None, gate: None, kept: Kept::default() };
        if policy.presence == super::Presence::Forbidden {
            return found;
        }
        let named_rollout = |name: &SmolStr| shelf.repository.rollouts.get(name);
        let every = policy.snapshot_every.filter(jiff::SignedDuration::is_positive);
        let snapshots = every.map(|every| (policy, every));
        let own = policy.rollout.as_ref().and_then(named_rollout).map(|rollout| Way { rollout, snapshots });
        // What an entry names takes a release along by itself: it waits for no snapshot.
        let entry = |place: Option<usize>| place.and_then(|place| policy.deadline.get(place));
        let urgent = entry(self.regime.rollout).and_then(|entry| entry.rollout.as_ref()).and_then(named_rollout);
        let urgent = urgent.map(|rollout| Way { rollout, snapshots: None });
        let decisive = urgent.or(own);
        let min_age = entry(self.regime.min_age).and_then(|entry| entry.min_age).unwrap_or(policy.min_age);
        found.rollout = decisive.map(|way| way.rollout.name.clone());
        let ways = &judged.ways;
        let halted = |release: &'a Release| halted(shelf, subject, own, release);
        let on_halted = self.spot.installed.is_some_and(|installed| {
            if !shelf.anything_halts() {
                return false;
            }
            let known = shelf.releases.iter().find(|release| release.version == *installed.version);
            match known {
                Some(release) => halted(release),
                None => halted_set(shelf, subject, &Moving::alone(shelf, installed.version)),
            }
        });
        // Without an install everything is up.
        let up =
            judged.aim.is_some_and(|aim| self.spot.installed.is_none_or(|installed| aim.version > installed.version));
        let successor = ways.iter().find(|release| on_halted && up && !halted(release)).map(|release| &release.version);
        let unsure = self.conflict || self.undetermined;
        let newcomers = RefCell::default();
        let rings = Rings { shelf, subject, policy: policy.name.as_str(), unsure, successor, newcomers };
        let proceeds = !unsure && self.regime.proceeds;
        let mut kept = Kept::default();
        // What was admitted stays where policies contradict each other, or where another may apply.
        let stays = self.conflict || (self.undetermined && subject.admitted_before.is_some());
        let mut admitted_release: Option<&'a Release> = None;
        for &release in ways.iter().rev() {
            let offered = matches!(subject.offer(release), Offer::Since(since) if since <= shelf.now);
            let block = self.blocked(&release.version);
            let failed_gate = halted(release);
            let young = shelf.now.duration_since(release.published) < min_age;
            let reached = |way: Way<'a>| {
                let stage = rings.stage(way, Some(release));
                stage.reached() || (proceeds && !failed_gate && Self::carried(&rings, &stage))
            };
            let in_rings = match (decisive, own) {
                (None, None) => true,
                (decisive, own) => decisive.into_iter().chain(own).any(reached),
            };
            let before = subject.admitted_before == Some(&release.version);
            let admitted = match stays {
                true => before && offered && !block && !failed_gate,
                false => offered && !block && !failed_gate && !young && in_rings,
            };
            if admitted {
                found.release = Some(release.version.clone());
                admitted_release = Some(release);
                break;
            }
            kept.block |= block;
            kept.failed_gate |= failed_gate;
            kept.waiting |= (young || !in_rings) && !(stays && before);
        }
        found.kept = kept;
        if let Some(way) = decisive {
            let goal = judged.aimed;
            let under_way = goal.into_iter().chain(ways.iter().rev().copied()).find_map(|release| {
                let stage = rings.stage(way, Some(release));
                stage.last_open().map(|ring| rings.gate(&stage, ring))
            });
            found.gate = under_way;
            let meant = admitted_release.or(goal);
            let stage = rings.stage(way, meant);
            found.ring = stage.ring.and_then(|ring| way.rollout.rings.get(ring)).map(|ring| ring.name.clone());
        }
        found
    }

    /// Whether the due time carries a device past the gates before its ring.
    fn carried(rings: &Rings<'_>, stage: &Stage<'_>) -> bool {
        let Some(ring) = stage.ring else { return false };
        (0..ring).any(|earlier| stage.opened(earlier))
            && (0..ring).any(|earlier| rings.gate(stage, earlier) == GateAnswer::Inconclusive)
    }

    /// Whether a block, or an exception's range, takes a release from here.
    fn blocked(&self, version: &Version) -> bool {
        let (subject, now) = (self.subject, self.shelf.now);
        let blocked = self.shelf.blocks.iter().any(|block| {
            block.until.is_none_or(|until| now < until.end_in(subject.zone))
                && block.releases.contains(version)
                && !subject.holds(block.condition.as_ref()).is_false()
        });
        blocked || self.judged.held_in.iter().any(|range| !range.contains(version))
    }

    /// The freezes that concern the slot and do not yield to one of its open exposures.
    pub fn freezes(&self) -> Vec<usize> {
        let freezes = self.shelf.repository.freezes.iter().enumerate();
        let concern = freezes.filter(|(_, freeze)| !self.subject.holds(freeze.condition.as_ref()).is_false());
        concern.map(|(place, _)| place).filter(|place| !self.judged.yielding.contains(place)).collect()
    }
}
