//! Branches and releases: where a slot has to go, and whether it may stay (rules 3 and 4 of docs/reference/rules.md).
//!
//! Everything here is a function of a time, since obligations and clocks look back: what was published and supported
//! then, under today's policy.

use super::subject::{Candidate, Shelf};
use crate::policy::repository::{Accepted, WantedBranch, WantedRelease};
use jiff::{Timestamp, tz::TimeZone};
use refit_model::{BranchName, Release, Version};
use std::collections::{BTreeMap, BTreeSet};

/// A title under one policy, as a slot sees it.
pub(super) struct Track<'a> {
    pub shelf: &'a Shelf<'a>,
    pub candidate: Candidate<'a>,
    pub zone: &'a TimeZone,
    /// Branch and version of what is installed.
    pub installed: Option<(&'a Option<BranchName>, &'a Version)>,
}

/// Where a slot has to go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Aim<'a> {
    pub branch: &'a Option<BranchName>,
    pub version: &'a Version,
}

/// A supported branch with its newest version.
#[derive(Clone, Copy)]
struct Rung<'a> {
    branch: &'a Option<BranchName>,
    newest: &'a Version,
}

impl<'a> Track<'a> {
    /// The releases that were out, oldest version first.
    pub fn known(&self, at: Timestamp) -> impl DoubleEndedIterator<Item = &'a Release> {
        self.known_with_places(at).map(|(_, release)| release)
    }

    /// As [`Track::known`], with their places on the shelf.
    pub fn known_with_places(&self, at: Timestamp) -> impl DoubleEndedIterator<Item = (usize, &'a Release)> {
        self.known_from(at, 0)
    }

    /// Those of them from a place on.
    pub fn known_from(&self, at: Timestamp, from: usize) -> impl DoubleEndedIterator<Item = (usize, &'a Release)> {
        let security_only = self.candidate.security_only;
        let out = move |release: &Release| release.published <= at && (!security_only || release.security);
        let shelf: &'a Shelf<'a> = self.shelf;
        shelf.releases.iter().enumerate().skip(from).filter(move |(_, release)| out(release))
    }

    /// The place of the release that an aim means, where it was out. What is installed counts whichever archive it came from.
    pub fn place(&self, aim: &Aim<'_>, at: Timestamp) -> Option<usize> {
        let own = |release: &Release| self.installed.is_some_and(|(_, version)| release.version == *version);
        let first = self.shelf.place_of(aim.version)?;
        let alike = self.shelf.releases.iter().enumerate().skip(first);
        let mut alike = alike.take_while(|(_, release)| release.version == *aim.version);
        let found = alike.find(|(_, release)| {
            release.published <= at
                && release.branch == *aim.branch
                && (!self.candidate.security_only || release.security || own(release))
        });
        found.map(|(place, _)| place)
    }

    /// The moments at which branches or releases came or went, up to `until`, in order.
    pub fn moments(&self, until: Timestamp) -> Vec<Timestamp> {
        let published = self.shelf.releases.iter().map(|release| release.published);
        let ends = self.branches().filter_map(|(_, end)| end);
        let untils = self.candidate.policy.accept.iter().filter_map(|accepted| accepted.until);
        let untils = untils.map(|until| until.end_in(self.zone));
        let moments: BTreeSet<_> = published.chain(ends).chain(untils).filter(|moment| *moment <= until).collect();
        moments.into_iter().collect()
    }

    fn branches(&self) -> impl Iterator<Item = (&'a BranchName, Option<Timestamp>)> {
        let shelf: &'a Shelf<'a> = self.shelf;
        shelf.branches.iter().map(|branch| (&branch.name, branch.supported_until.map(|day| day.end_in(self.zone))))
    }

    /// When a branch ends.
    fn end(&self, branch: &Option<BranchName>) -> Option<Timestamp> {
        self.branches().find(|(name, _)| branch.as_ref() == Some(*name)).and_then(|(_, end)| end)
    }

    fn supported(&self, branch: &Option<BranchName>, at: Timestamp) -> bool {
        self.end(branch).is_none_or(|end| at < end)
    }

    /// The supported branches that had begun, the oldest first.
    fn rungs(&self, at: Timestamp) -> Vec<Rung<'a>> {
        let mut newest: BTreeMap<&'a Option<BranchName>, &'a Version> = BTreeMap::new();
        for release in self.known(at) {
            newest.insert(&release.branch, &release.version);
        }
        let mut rungs: Vec<Rung<'a>> = newest.into_iter().map(|(branch, newest)| Rung { branch, newest }).collect();
        rungs.retain(|rung| self.supported(rung.branch, at));
        rungs.sort_by(|a, b| a.newest.cmp(b.newest));
        rungs
    }

    /// The newest branch but `back`; the oldest where there are fewer.
    fn latest(&self, back: usize, at: Timestamp) -> Option<Rung<'a>> {
        let rungs = self.rungs(at);
        let place = rungs.len().checked_sub(1)?.saturating_sub(back);
        rungs.get(place).copied()
    }

    /// Whether a branch is the newest but `back`. An installed one of which nobody has heard has its place by its
    /// version.
    fn is_latest(&self, back: usize, branch: &Option<BranchName>, at: Timestamp) -> bool {
        let rungs = self.rungs(at);
        let unheard = self.installed.filter(|(own, _)| *own == branch && rungs.iter().all(|rung| rung.branch != *own));
        match unheard {
            Some((own, version)) => {
                self.supported(own, at) && rungs.iter().filter(|rung| rung.newest > version).count() == back
            }
            None => self.latest(back, at).is_some_and(|rung| rung.branch == branch),
        }
    }

    fn is_branch(&self, wanted: &WantedBranch, branch: &Option<BranchName>, at: Timestamp) -> bool {
        match wanted {
            WantedBranch::Any => true,
            WantedBranch::Installed => self.installed.is_some_and(|(installed, _)| installed == branch),
            WantedBranch::Latest(back) => self.is_latest(*back, branch, at),
            WantedBranch::Named(name) => branch.as_ref() == Some(name),
        }
    }

    /// As [`Track::is_branch`], of branches that somebody has heard of.
    fn may_come_from(&self, wanted: &WantedBranch, branch: &Option<BranchName>, at: Timestamp) -> bool {
        match wanted {
            WantedBranch::Latest(back) => self.latest(*back, at).is_some_and(|rung| rung.branch == branch),
            wanted => self.is_branch(wanted, branch, at),
        }
    }

    fn lasts(&self, accepted: &Accepted, at: Timestamp) -> bool {
        accepted.until.is_none_or(|until| at < until.end_in(self.zone))
    }

    fn accepted_branch(&self, branch: &Option<BranchName>, at: Timestamp) -> bool {
        let accept = &self.candidate.policy.accept;
        accept.is_empty()
            || accept
                .iter()
                .any(|accepted| self.lasts(accepted, at) && self.may_come_from(&accepted.wanted.branch, branch, at))
    }

    fn is_release(
        &self,
        wanted: &WantedRelease,
        branch: &Option<BranchName>,
        version: &Version,
        at: Timestamp,
    ) -> bool {
        match wanted {
            WantedRelease::Latest(back) => {
                let newer = self.known(at).filter(|release| release.branch == *branch && release.version > *version);
                newer.count() <= *back
            }
            WantedRelease::Range(range) => range.contains(version),
        }
    }

    /// Whether an entry of `accept` took a release.
    pub fn accepted(&self, branch: &Option<BranchName>, version: &Version, at: Timestamp) -> bool {
        self.candidate.policy.accept.iter().any(|accepted| {
            self.lasts(accepted, at)
                && self.is_branch(&accepted.wanted.branch, branch, at)
                && self.is_release(&accepted.wanted.release, branch, version, at)
        })
    }

    /// Whether an entry of `accept` that took a release's branch took the release when it came out: what is overtaken
    /// since has been a way out.
    pub fn took(&self, release: &Release, at: Timestamp) -> bool {
        let Release { branch, version, published, .. } = release;
        self.candidate.policy.accept.iter().any(|accepted| {
            self.lasts(accepted, at)
                && self.is_branch(&accepted.wanted.branch, branch, at)
                && self.is_release(&accepted.wanted.release, branch, version, *published)
        })
    }

    /// Whether what is installed satisfied.
    pub fn satisfied(&self, at: Timestamp) -> bool {
        let Some((branch, version)) = self.installed else { return false };
        let policy = self.candidate.policy;
        let supported = self.supported(branch, at);
        if !policy.accept.is_empty() {
            return supported && self.accepted(branch, version, at);
        }
        let target = &policy.target;
        supported && self.is_branch(&target.branch, branch, at) && self.is_release(&target.release, branch, version, at)
    }

    /// Since when it has not satisfied, without a break; `None` outside where it does, inside where it never did.
    pub fn lapsed(&self, now: Timestamp) -> Option<Option<Timestamp>> {
        if let Some((straight, newer)) = self.straight() {
            return straight.first(newer).map(Some);
        }
        if self.satisfied(now) {
            return None;
        }
        let policy = self.candidate.policy;
        if let (WantedBranch::Installed | WantedBranch::Any, WantedRelease::Latest(back), Some((branch, version))) =
            (&policy.target.branch, &policy.target.release, self.installed)
            && policy.accept.is_empty()
        {
            // Once there are more newer ones than the target lets be, and once support has ended, that stays so.
            let newer = self.known(now).filter(|release| release.branch == *branch && release.version > *version);
            let mut newer: Vec<Timestamp> = newer.map(|release| release.published).collect();
            newer.sort_unstable();
            let end = self.end(branch).filter(|end| *end <= now);
            return Some(newer.get(*back).copied().into_iter().chain(end).min());
        }
        let mut since = None;
        for moment in self.moments(now).into_iter().rev() {
            if self.satisfied(moment) {
                return Some(since);
            }
            since = Some(moment);
        }
        // Before the first of them nothing was out.
        let before = since.and_then(|first: Timestamp| first.checked_sub(jiff::SignedDuration::from_nanos(1)).ok());
        match before {
            Some(before) if self.satisfied(before) => Some(since),
            _ => Some(None),
        }
    }

    /// The release that the target asks for in a branch.
    fn pick(&self, branch: &Option<BranchName>, at: Timestamp) -> Option<Aim<'a>> {
        let own = self.installed.filter(|(installed, _)| *installed == branch);
        let versions = || self.known(at).rev().filter(|release| release.branch == *branch);
        let found = match &self.candidate.policy.target.release {
            WantedRelease::Latest(back) => {
                // What is newer than everything that is known is not asked back.
                if let Some(own) = own
                    && *back == 0
                    && versions().next().is_some_and(|newest| newest.version < *own.1)
                {
                    Some(own)
                } else {
                    versions().take(*back + 1).last().map(|release| (&release.branch, &release.version))
                }
            }
            WantedRelease::Range(range) => {
                let inside = versions().filter(|release| range.contains(&release.version));
                let newest = inside.reduce(|newest, other| if other.version > newest.version { other } else { newest });
                newest.map(|release| (&release.branch, &release.version))
            }
        };
        found.map(|(branch, version)| Aim { branch, version })
    }

    /// The next branch up from a version that is supported, accepted, and has what the target asks for.
    fn next_up(&self, from: &Version, but: &Option<BranchName>, at: Timestamp) -> Option<Aim<'a>> {
        self.rungs(at)
            .into_iter()
            .filter(|rung| rung.branch != but && rung.newest > from && self.accepted_branch(rung.branch, at))
            .find_map(|rung| self.pick(rung.branch, at))
    }

    /// From a branch of which nobody has heard, or that is not accepted, where nothing leads up: the nearest below that
    /// is.
    fn next_down(&self, from: &Version, but: &Option<BranchName>, at: Timestamp) -> Option<Aim<'a>> {
        if !self.supported(but, at) {
            return None;
        }
        self.rungs(at)
            .into_iter()
            .rev()
            .filter(|rung| rung.branch != but && rung.newest < from && self.accepted_branch(rung.branch, at))
            .find_map(|rung| self.pick(rung.branch, at))
    }

    /// Where the slot had to go.
    pub fn aim(&self, at: Timestamp) -> Option<Aim<'a>> {
        let policy = self.candidate.policy;
        let target = &policy.target;
        let begun = |branch: &Option<BranchName>| self.known(at).any(|release| release.branch == *branch);
        let fine = |branch: &Option<BranchName>| self.supported(branch, at) && self.accepted_branch(branch, at);
        match (&target.branch, self.installed) {
            (WantedBranch::Named(name), installed) => {
                let branch = &Some(name.clone());
                if policy.accept.is_empty() || fine(branch) {
                    return self.pick(branch, at);
                }
                let newest = self.known(at).rfind(|release| release.branch == *branch);
                let newest = newest.map(|release| &release.version);
                let from = newest.or(installed.filter(|(own, _)| *own == branch).map(|(_, version)| version))?;
                let next = self.next_up(from, branch, at).or_else(|| self.next_down(from, branch, at));
                next.or_else(|| self.pick(branch, at))
            }
            (WantedBranch::Latest(back), installed) => {
                let rung = self.latest(*back, at)?;
                let aim = self.pick(rung.branch, at)?;
                // The newest branch is no pin: from one that has ended nothing leads back to it.
                let ended = installed.is_some_and(|(own, version)| !self.supported(own, at) && aim.version < version);
                (!ended).then_some(aim)
            }
            (WantedBranch::Installed | WantedBranch::Any, None) => {
                let rungs = self.rungs(at).into_iter().rev();
                rungs.filter(|rung| self.accepted_branch(rung.branch, at)).find_map(|rung| self.pick(rung.branch, at))
            }
            (WantedBranch::Installed | WantedBranch::Any, Some((own, version))) => {
                if fine(own)
                    && begun(own)
                    && let Some(aim) = self.pick(own, at)
                {
                    return Some(aim);
                }
                // Nobody leaves a branch because nothing has been heard of it yet.
                if fine(own) && !begun(own) && matches!(target.release, WantedRelease::Latest(_)) {
                    return None;
                }
                if let Some(aim) = self.next_up(version, own, at) {
                    return Some(aim);
                }
                match &target.release {
                    // A range that holds what is installed is no way back from a branch that has ended.
                    WantedRelease::Range(range) if self.supported(own, at) || !range.contains(version) => {
                        self.below(range, version, at)
                    }
                    WantedRelease::Latest(_) => self.next_down(version, own, at),
                    _ => None,
                }
            }
        }
    }

    /// What a range allows below what is installed: in a supported branch, else in any.
    fn below(&self, range: &crate::policy::repository::RangeText, from: &Version, at: Timestamp) -> Option<Aim<'a>> {
        let inside: Vec<&'a Release> =
            self.known(at).filter(|release| release.version < *from && range.contains(&release.version)).collect();
        let fine =
            |release: &&&Release| self.supported(&release.branch, at) && self.accepted_branch(&release.branch, at);
        let supported = inside.iter().rev().find(fine);
        let found = supported.or(inside.last().filter(|_| !range.contains(from)))?;
        Some(Aim { branch: &found.branch, version: &found.version })
    }

    /// Whether the way to an aim leads up; without an install everything is up.
    pub fn up(&self, aim: &Aim<'_>) -> bool {
        self.installed.is_none_or(|(_, version)| aim.version > version)
    }

    /// Whether the target pins: a named branch, or a range.
    fn pins(&self) -> bool {
        let target = &self.candidate.policy.target;
        matches!(target.branch, WantedBranch::Named(_)) || matches!(target.release, WantedRelease::Range(_))
    }

    /// Whether it was above what the policy asks for, and may stay there.
    pub fn above(&self, aim: &Aim<'_>) -> bool {
        let down = self.candidate.policy.allow_downgrade && self.pins();
        self.installed.is_some_and(|(_, version)| aim.version < version) && !down
    }

    /// Whether a release lies on the way to an aim.
    pub fn on_the_way(&self, release: &Release, aim: &Aim<'_>) -> bool {
        self.same_way(release, aim) && release.version <= *aim.version
    }

    /// Whether a release lies in the branch of an aim, in the same direction, and in the target's range.
    pub fn same_way(&self, release: &Release, aim: &Aim<'_>) -> bool {
        let inside = match &self.candidate.policy.target.release {
            WantedRelease::Latest(_) => true,
            WantedRelease::Range(range) => range.contains(&release.version),
        };
        let behind = self.installed.is_some_and(|(_, version)| {
            aim.version == version
                || match self.up(aim) {
                    true => release.version <= *version,
                    false => release.version >= *version,
                }
        });
        inside && !behind && release.branch == *aim.branch
    }

    /// The releases that satisfy the target: in the branch of an aim or, where a range says what satisfies, in any
    /// branch that the target may come from.
    pub fn satisfying(&self, aim: &Aim<'_>, at: Timestamp) -> Vec<&'a Release> {
        let target = &self.candidate.policy.target;
        let anywhere = matches!(
            (&target.branch, &target.release),
            (WantedBranch::Installed | WantedBranch::Any, WantedRelease::Range(_))
        ) && self.up(aim);
        let satisfies = |release: &&'a Release| {
            (anywhere || release.branch == *aim.branch)
                && match &target.release {
                    WantedRelease::Latest(_) => release.version == *aim.version,
                    WantedRelease::Range(range) => range.contains(&release.version),
                }
        };
        self.known(at).filter(satisfies).collect()
    }
}
