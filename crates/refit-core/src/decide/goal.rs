//! Rule 3: where a slot has to go, and since when it no longer satisfies.

use super::{case::Case, select::Slot};
use crate::policy::repository::{Policy, Wanted, WantedBranch, WantedRelease};
use jiff::Timestamp;
use refit_model::{BranchName, Offer, Release, Version};

/// Where a slot stands against a policy's target.
pub(super) struct Standing<'a> {
    /// Where it has to go; `None` where no release satisfies.
    pub goal: Option<&'a Release>,
    /// Whether what is installed satisfies; always false where nothing is.
    pub satisfies: bool,
    /// When it ceased to; `None` is: it never did.
    pub ceased: Option<Timestamp>,
    /// Whether it is above what the policy asks for.
    pub above: bool,
    /// The releases that it may be moved to, oldest first: those that the target allows, up to the goal.
    pub ways: Vec<&'a Release>,
    /// Whether no release that satisfies will ever be offered to this device.
    pub unsupported: bool,
}

/// Where `slot` stands against `policy`, among `releases` (oldest version first, published by now).
pub(super) fn standing<'a>(
    case: &Case<'_>,
    slot: &Slot<'_>,
    policy: &Policy,
    releases: &[&'a Release],
) -> Standing<'a> {
    let lines = Lines::new(case, slot, releases);
    let installed = slot.install.map(|install| &install.version);
    let (satisfies, ceased) = match installed {
        Some(version) => satisfaction(case, policy, &lines, version),
        None => (false, None),
    };
    let mut goal =
        lines.goal_branch(case, policy, installed).and_then(|line| line.newest_wanted(&policy.target.release));

    // What is newer than everything that is known to be published is not asked to go back.
    let pinned = matches!(policy.target.release, WantedRelease::Range(_));
    let newer_than_goal = match (installed, goal) {
        (Some(installed), Some(goal)) => *installed > goal.version,
        _ => false,
    };
    let downgrade = newer_than_goal && pinned && policy.allow_downgrade;
    let above = newer_than_goal && !downgrade;
    if above && policy.target.branch == WantedBranch::Installed && policy.target.release == WantedRelease::Latest(0) {
        goal = None;
    }

    let ways = match goal {
        Some(goal) => releases
            .iter()
            .copied()
            .filter(|release| release.branch == goal.branch && release.version <= goal.version)
            .filter(|release| match (installed, downgrade) {
                (None, _) | (_, true) => true,
                (Some(installed), false) => release.version > *installed,
            })
            .filter(|release| match &policy.target.release {
                WantedRelease::Latest(_) => true,
                WantedRelease::Range(range) => range.contains(&release.version),
            })
            .collect(),
        None => Vec::new(),
    };
    let satisfying = lines.satisfying(policy, goal);
    let unsupported = !(satisfies || above)
        && !satisfying.is_empty()
        && satisfying.iter().all(|release| case.device.offer(release) == Offer::Never);
    Standing { goal, satisfies: satisfies || above, ceased, above, ways, unsupported }
}

/// The branches of a title as they are now, oldest first, each with its releases, oldest first.
struct Lines<'r, 'a> {
    lines: Vec<Line<'r, 'a>>,
    installed_branch: Option<Option<&'r BranchName>>,
}

struct Line<'r, 'a> {
    branch: Option<&'a BranchName>,
    releases: Vec<&'a Release>,
    /// When support ended; `None` while it lasts.
    ended: Option<Timestamp>,
    _slot: std::marker::PhantomData<&'r ()>,
}

impl<'r, 'a> Lines<'r, 'a> {
    fn new(case: &Case<'_>, slot: &Slot<'r>, releases: &[&'a Release]) -> Self {
        let mut lines: Vec<Line<'r, 'a>> = Vec::new();
        for &release in releases {
            match lines.iter_mut().find(|line| line.branch == release.branch.as_ref()) {
                Some(line) => line.releases.push(release),
                None => lines.push(Line {
                    branch: release.branch.as_ref(),
                    releases: vec![release],
                    ended: support_ended(case, slot, release.branch.as_ref()),
                    _slot: std::marker::PhantomData,
                }),
            }
        }
        lines.sort_by(|a, b| a.newest().cmp(&b.newest()).then(a.branch.cmp(&b.branch)));
        Lines { lines, installed_branch: slot.install.map(|install| install.branch.as_ref()) }
    }

    fn installed(&self) -> Option<usize> {
        let branch = self.installed_branch?;
        self.lines.iter().position(|line| line.branch == branch)
    }

    /// The branch that the goal comes from.
    fn goal_branch(&self, case: &Case<'_>, policy: &Policy, installed: Option<&Version>) -> Option<&Line<'r, 'a>> {
        let open = |index: &usize| {
            let line = &self.lines[*index];
            line.ended.is_none() && self.accepted(case, policy, *index)
        };
        let reachable = |index: &usize| self.lines[*index].newest_wanted(&policy.target.release).is_some();
        match &policy.target.branch {
            WantedBranch::Latest(back) => {
                // The newest branches that are still supported are counted.
                let mut supported = (0..self.lines.len()).rev().filter(|index| self.lines[*index].ended.is_none());
                supported.nth(*back).map(|index| &self.lines[index])
            }
            WantedBranch::Named(name) => self.lines.iter().find(|line| line.branch == Some(name)),
            WantedBranch::Installed | WantedBranch::Any => match self.installed() {
                Some(at) => {
                    let above_all = installed.is_some_and(|version| {
                        matches!(&policy.target.release, WantedRelease::Range(range)
                            if !range.contains(version) && self.lines.iter().flat_map(|line| &line.releases)
                                .filter(|release| range.contains(&release.version))
                                .all(|release| release.version < *version))
                    });
                    let candidates = std::iter::once(at).chain(at + 1..self.lines.len());
                    let mut next = candidates.filter(open).filter(reachable);
                    next.next()
                        .or_else(|| (0..self.lines.len()).rev().filter(open).find(reachable))
                        .or_else(|| above_all.then(|| (0..self.lines.len()).rev().find(reachable)).flatten())
                        .map(|index| &self.lines[index])
                }
                None => (0..self.lines.len()).rev().filter(open).find(reachable).map(|index| &self.lines[index]),
            },
        }
    }

    /// Whether some entry of `accept` still takes a branch; without entries the installed one, and every one, is taken.
    fn accepted(&self, case: &Case<'_>, policy: &Policy, index: usize) -> bool {
        policy.accept.is_empty()
            || policy.accept.iter().any(|accepted| {
                accepted.until.is_none_or(|until| case.now < until.end_in(&case.zone))
                    && self.matches(&accepted.wanted.branch, index)
            })
    }

    fn matches(&self, wanted: &WantedBranch, index: usize) -> bool {
        match wanted {
            WantedBranch::Any => true,
            WantedBranch::Installed => self.installed_branch.is_none() || self.installed() == Some(index),
            WantedBranch::Latest(back) => self.lines.len().checked_sub(back + 1) == Some(index),
            WantedBranch::Named(name) => self.lines[index].branch == Some(name),
        }
    }

    /// The releases that satisfy the target now, in the goal's branch.
    fn satisfying(&self, policy: &Policy, goal: Option<&'a Release>) -> Vec<&'a Release> {
        let Some(goal) = goal else { return Vec::new() };
        match &policy.target.release {
            WantedRelease::Latest(_) => vec![goal],
            WantedRelease::Range(range) => self
                .lines
                .iter()
                .flat_map(|line| line.releases.iter().copied())
                .filter(|release| range.contains(&release.version))
                .filter(|release| match &policy.target.branch {
                    WantedBranch::Installed | WantedBranch::Any => true,
                    _ => release.branch == goal.branch,
                })
                .collect(),
        }
    }

    /// Whether `version` satisfies one branch and release, and if not since when; `None` is: it never did.
    fn satisfied(&self, wanted: &Wanted, version: &Version) -> Result<(), Option<Timestamp>> {
        let Some(at) = self.installed() else {
            // A branch of which no release is known: only a range, of any branch, can speak of it.
            return match (&wanted.branch, &wanted.release) {
                (WantedBranch::Any | WantedBranch::Installed, WantedRelease::Range(range))
                    if !range.contains(version) =>
                {
                    Err(None)
                }
                (WantedBranch::Any | WantedBranch::Installed, _) => Ok(()),
                _ => Err(None),
            };
        };
        let mut ceased: Vec<Option<Timestamp>> = Vec::new();
        if let Some(ended) = self.lines[at].ended {
            ceased.push(Some(ended));
        }
        match &wanted.branch {
            WantedBranch::Any | WantedBranch::Installed => {}
            WantedBranch::Named(name) if self.lines[at].branch == Some(name) => {}
            WantedBranch::Named(_) => ceased.push(None),
            WantedBranch::Latest(back) => {
                let newer = self.lines[at + 1..].iter().filter_map(|line| line.first_published());
                match nth_smallest(newer, *back) {
                    Some(overtaken) => ceased.push(Some(overtaken)),
                    None if self.lines.len() - 1 - at < *back => ceased.push(None),
                    None => {}
                }
            }
        }
        match &wanted.release {
            WantedRelease::Range(range) if range.contains(version) => {}
            WantedRelease::Range(_) => ceased.push(None),
            WantedRelease::Latest(back) => {
                let newer = self.lines[at].releases.iter().filter(|release| release.version > *version);
                if let Some(overtaken) = nth_smallest(newer.map(|release| release.published), *back) {
                    ceased.push(Some(overtaken));
                }
            }
        }
        // Whichever came first ended it; what never held comes before all.
        match ceased.into_iter().min() {
            None => Ok(()),
            Some(first) => Err(first),
        }
    }
}

impl<'a> Line<'_, 'a> {
    fn newest(&self) -> Option<&Version> {
        self.releases.last().map(|release| &release.version)
    }

    fn first_published(&self) -> Option<Timestamp> {
        self.releases.iter().map(|release| release.published).min()
    }

    /// The newest release that is wanted of this branch.
    fn newest_wanted(&self, wanted: &WantedRelease) -> Option<&'a Release> {
        match wanted {
            WantedRelease::Latest(back) => self
                .releases
                .len()
                .checked_sub(1)
                .and_then(|last| self.releases.get(last.saturating_sub(*back)))
                .copied(),
            WantedRelease::Range(range) => {
                self.releases.iter().rev().copied().find(|release| range.contains(&release.version))
            }
        }
    }
}

/// Whether `version` satisfies what the policy accepts, and if not since when; `None` is: it never did.
fn satisfaction(
    case: &Case<'_>,
    policy: &Policy,
    lines: &Lines<'_, '_>,
    version: &Version,
) -> (bool, Option<Timestamp>) {
    if policy.accept.is_empty() {
        return match lines.satisfied(&policy.target, version) {
            Ok(()) => (true, None),
            Err(since) => (false, since),
        };
    }
    let mut last: Option<Timestamp> = None;
    for accepted in &policy.accept {
        let ended = accepted.until.map(|until| until.end_in(&case.zone)).filter(|end| *end <= case.now);
        match (lines.satisfied(&accepted.wanted, version), ended) {
            (Ok(()), None) => return (true, None),
            (Ok(()), Some(ended)) => last = last.max(Some(ended)),
            (Err(since), ended) => {
                // Of two ends of the same entry the earlier counts.
                last = last.max(match (since, ended) {
                    (Some(since), Some(ended)) => Some(since.min(ended)),
                    (since, _) => since,
                });
            }
        }
    }
    (false, last)
}

/// When support of a branch ended where the device is; `None` while it lasts, or where nobody has said.
fn support_ended(case: &Case<'_>, slot: &Slot<'_>, branch: Option<&BranchName>) -> Option<Timestamp> {
    let title = case.repository.titles.get(&slot.key.title)?;
    let last_day = title.branches.iter().find(|known| Some(&known.name) == branch)?.supported_until?;
    Some(last_day.end_in(&case.zone)).filter(|end| *end <= case.now)
}

fn nth_smallest(times: impl Iterator<Item = Timestamp>, n: usize) -> Option<Timestamp> {
    let mut times: Vec<Timestamp> = times.collect();
    times.sort();
    times.get(n).copied()
}
