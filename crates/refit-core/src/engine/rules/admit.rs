//! What may be installed, and what keeps it back (rules 6, 7, 10 and 13 of docs/reference/rules.md).

use super::{
    AtDue, GateAnswer, Kept, Rings, Stage, Truth, WindowOf,
    duty::{Count, Duty, Judge},
    ring::{halted, not_halted},
};
use crate::policy::repository::{Deadline, Rollout};
use jiff::Timestamp;
use refit_model::{Offer, Release, Version};
use smol_str::SmolStr;

/// Looks for what a slot may have now.
pub(super) struct Admission<'a> {
    judge: &'a Judge<'a>,
    duties: &'a [Duty<'a>],
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
    pub fn new(judge: &'a Judge<'a>, duties: &'a [Duty<'a>], conflict: bool, undetermined: bool) -> Self {
        Self { judge, duties, conflict, undetermined }
    }

    pub fn admit(&self) -> Admitted {
        let judge = self.judge;
        let (track, subject, shelf) = (judge.track, judge.subject, judge.track.shelf);
        let policy = track.candidate.policy;
        let mut found = Admitted { release: None, rollout: None, ring: None, gate: None, kept: Kept::default() };
        if policy.presence == super::Presence::Forbidden {
            return found;
        }
        let named = self.first_named(|entry| entry.rollout.as_ref()).or(policy.rollout.as_ref());
        let decisive = named.and_then(|name| shelf.repository.rollouts.get(name));
        let own = policy.rollout.as_ref().and_then(|name| shelf.repository.rollouts.get(name));
        let min_age = self.first_named(|entry| entry.min_age.as_ref()).copied().unwrap_or(policy.min_age);
        found.rollout = named.cloned();
        let ways = self.ways();
        let on_halted = subject.installed.is_some_and(|installed| halted(shelf, subject, installed.version));
        let up = judge.aim.is_some_and(|aim| track.up(&aim));
        let successor = if on_halted && up { not_halted(shelf, subject, ways.iter().copied()) } else { None };
        let unsure = self.conflict || self.undetermined;
        let rings = Rings { shelf, subject, policy: policy.name.as_str(), unsure, successor };
        let proceeds = !unsure && self.proceeds();
        let mut kept = Kept::default();
        // What was admitted stays where policies contradict each other, or where another may apply.
        let stays = self.conflict || (self.undetermined && subject.admitted_before.is_some());
        for release in ways.iter().rev() {
            let offered = matches!(subject.offer(release), Offer::Since(since) if since <= judge.now);
            let block = self.blocked(&release.version);
            let failed_gate = halted(shelf, subject, &release.version);
            let young = judge.now.duration_since(release.published) < min_age;
            let reached = |rollout: &'a Rollout| {
                let stage = rings.stage(rollout, Some(&release.version));
                stage.reached() || (proceeds && !failed_gate && self.carried(&rings, &stage, &release.version))
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
                break;
            }
            kept.block |= block;
            kept.failed_gate |= failed_gate;
            kept.waiting |= (young || !in_rings) && !(stays && before);
        }
        found.kept = kept;
        if let Some(rollout) = decisive {
            let under_way = |version: &Version| rings.stage(rollout, Some(version)).last_open();
            let shown: Vec<&'a Version> = self.shown();
            let newest = shown.iter().copied().find_map(|version| Some((version, under_way(version)?)));
            found.gate = newest.map(|(version, ring)| rings.gate(rollout, ring, version));
            let meant = found.release.as_ref().or(judge.aim.map(|aim| aim.version));
            let stage = rings.stage(rollout, meant);
            found.ring = stage.ring.and_then(|ring| rollout.rings.get(ring)).map(|ring| ring.name.clone());
        }
        found
    }

    /// The releases on the way to the goal, oldest first.
    fn ways(&self) -> Vec<&'a Release> {
        let track = self.judge.track;
        let Some(aim) = self.judge.aim.filter(|aim| !track.above(aim)) else { return Vec::new() };
        track.known(self.judge.now).filter(|release| track.on_the_way(release, &aim)).collect()
    }

    /// The versions whose way through the rings is of interest, newest first.
    fn shown(&self) -> Vec<&'a Version> {
        let track = self.judge.track;
        let Some(aim) = self.judge.aim else { return Vec::new() };
        let above = track.above(&aim);
        let ways = track.known(self.judge.now).filter(|release| !above && track.on_the_way(release, &aim));
        let mut shown: Vec<&'a Version> = ways.map(|release| &release.version).collect();
        if shown.last().is_none_or(|last| *last != aim.version) {
            shown.push(aim.version);
        }
        shown.reverse();
        shown
    }

    /// What the entry that is due first names, of those that surely count and name it; of two, the shorter.
    fn first_named<T>(&self, name: impl Fn(&'a Deadline) -> Option<&'a T>) -> Option<&'a T> {
        let counts = self.duties.iter().filter(|duty| duty.excepted.is_none()).flat_map(|duty| &duty.counts);
        let key =
            |count: &&Count<'a>| (count.due.unwrap_or(Timestamp::MAX), count.entry.within, count.entry.text.clone());
        let first = counts.filter(|count| count.sure && name(count.entry).is_some()).min_by_key(key)?;
        name(first.entry)
    }

    /// Whether an entry whose time has come says that the device goes ahead.
    fn proceeds(&self) -> bool {
        let counts = self.duties.iter().filter(|duty| duty.excepted.is_none()).flat_map(|duty| &duty.counts);
        let mut overdue = counts.filter(|count| count.sure && count.due.is_some_and(|due| due <= self.judge.now));
        overdue.any(|count| count.entry.at_due == AtDue::Proceed)
    }

    /// Whether the due time carries a device past the gates before its ring.
    fn carried(&self, rings: &Rings<'a>, stage: &Stage<'a>, version: &Version) -> bool {
        let Some(ring) = stage.ring else { return false };
        (0..ring).any(|earlier| stage.opened(earlier))
            && (0..ring).any(|earlier| rings.gate(stage.rollout, earlier, version) == GateAnswer::Inconclusive)
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
                    && !self.duties.iter().any(|duty| self.judge.frees(exception, duty.cause))
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
                && !self.duties.iter().any(|duty| self.judge.frees(exception, duty.cause))
        });
        let places = acting.filter_map(|(exception, _)| all.iter().position(|known| known.name == exception.name));
        let window = places.map(WindowOf::Exception).next();
        window.or(self.judge.track.candidate.policy.window.as_ref().map(|_| WindowOf::Policy))
    }
}
