//! What may be installed, and what keeps it back (rules 6, 7, 10 and 13 of docs/reference/rules.md).

use super::{
    GateAnswer, Kept, Rings, Stage, Truth, WindowOf,
    clock::Regime,
    duty::{Cause, Judge},
    moving::{Moving, Way},
    ring::{halted, halted_set},
};
use refit_model::{Offer, Release, Version};
use smol_str::SmolStr;

/// Looks for what a slot may have now.
pub(super) struct Admission<'a> {
    judge: &'a Judge<'a>,
    causes: &'a [Cause<'a>],
    regime: &'a Regime,
    conflict: bool,
    undetermined: bool,
}

/// What may be installed.
pub(super) struct Admitted {
    pub release: Option<Version>,
    pub rollout: Option<SmolStr>,
    pub ring: Option<SmolStr>,
    pub gate: Option<GateAnswer>,
    pub kept: Kept,
}

impl<'a> Admission<'a> {
    pub fn new(
        judge: &'a Judge<'a>,
        causes: &'a [Cause<'a>],
        regime: &'a Regime,
        conflict: bool,
        undetermined: bool,
    ) -> Self {
        Self { judge, causes, regime, conflict, undetermined }
    }

    pub fn admit(&self) -> Admitted {
        let judge = self.judge;
        let (track, subject, shelf) = (judge.track, judge.subject, judge.track.shelf);
        let policy = track.candidate.policy;
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
        let ways = self.ways();
        let halted = |release: &Release| halted(shelf, subject, own, release);
        let on_halted = subject.installed.is_some_and(|installed| {
            let known = shelf.releases.iter().find(|release| release.version == *installed.version);
            match known {
                Some(release) => halted(release),
                None => halted_set(shelf, subject, &Moving::alone(shelf, installed.version)),
            }
        });
        let up = judge.aim.is_some_and(|aim| track.up(&aim));
        let successor = ways.iter().find(|release| on_halted && up && !halted(release)).map(|release| &release.version);
        let unsure = self.conflict || self.undetermined;
        let rings = Rings { shelf, subject, policy: policy.name.as_str(), unsure, successor };
        let proceeds = !unsure && self.regime.proceeds;
        let mut kept = Kept::default();
        // What was admitted stays where policies contradict each other, or where another may apply.
        let stays = self.conflict || (self.undetermined && subject.admitted_before.is_some());
        let mut admitted_release: Option<&'a Release> = None;
        for &release in ways.iter().rev() {
            let offered = matches!(subject.offer(release), Offer::Since(since) if since <= judge.now);
            let block = self.blocked(&release.version);
            let failed_gate = halted(release);
            let young = judge.now.duration_since(release.published) < min_age;
            let reached = |way: Way<'a>| {
                let stage = rings.stage(way, Some(release));
                stage.reached() || (proceeds && !failed_gate && self.carried(&rings, &stage))
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
            let goal = judge.aim.and_then(|aim| track.release(&aim, judge.now));
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

    /// The releases on the way to the goal, oldest first.
    fn ways(&self) -> Vec<&'a Release> {
        let track = self.judge.track;
        let Some(aim) = self.judge.aim.filter(|aim| !track.above(aim)) else { return Vec::new() };
        track.known(self.judge.now).filter(|release| track.on_the_way(release, &aim)).collect()
    }

    /// Whether the due time carries a device past the gates before its ring.
    fn carried(&self, rings: &Rings<'a>, stage: &Stage<'a>) -> bool {
        let Some(ring) = stage.ring else { return false };
        (0..ring).any(|earlier| stage.opened(earlier))
            && (0..ring).any(|earlier| rings.gate(stage, earlier) == GateAnswer::Inconclusive)
    }

    /// Whether a block, or an exception's range, takes a release from here.
    fn blocked(&self, version: &Version) -> bool {
        let (shelf, subject, now) = (self.judge.track.shelf, self.judge.subject, self.judge.now);
        let blocked = shelf.repository.blocks.iter().any(|block| {
            block.title == *shelf.title
                && block.until.is_none_or(|until| now < until.end_in(subject.zone))
                && block.releases.contains(version)
                && !subject.holds(block.condition.as_ref()).is_false()
        });
        blocked
            || self.judge.exceptions().any(|(exception, _)| {
                exception.hold_at.as_ref().is_some_and(|range| !range.contains(version))
                    && !self.causes.iter().any(|cause| self.judge.frees(exception, *cause))
            })
    }

    /// The freezes that concern the slot and do not yield to one of its open exposures.
    pub fn freezes(&self) -> Vec<usize> {
        let judge = self.judge;
        let yields = |freeze: &crate::policy::repository::Freeze| {
            freeze.unless.as_ref().is_some_and(|unless| {
                judge.exposures().any(|advisory| judge.asks(unless, advisory, judge.now).is_true())
            })
        };
        let freezes = judge.track.shelf.repository.freezes.iter().enumerate();
        freezes
            .filter(|(_, freeze)| !judge.subject.holds(freeze.condition.as_ref()).is_false() && !yields(freeze))
            .map(|(place, _)| place)
            .collect()
    }

    /// The window that counts: that of the first exception, by name, that surely acts and names one, else the policy's.
    pub fn window(&self) -> Option<WindowOf> {
        let all = &self.judge.track.shelf.repository.exceptions;
        let acting = self.judge.exceptions().filter(|(exception, truth)| {
            *truth == Truth::True
                && exception.window.is_some()
                && !self.causes.iter().any(|cause| self.judge.frees(exception, *cause))
        });
        let places = acting.filter_map(|(exception, _)| all.iter().position(|known| known.name == exception.name));
        let window = places.map(WindowOf::Exception).next();
        window.or(self.judge.track.candidate.policy.window.as_ref().map(|_| WindowOf::Policy))
    }
}
