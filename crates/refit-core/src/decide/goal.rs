//! Rule 3: where a slot has to go, and since when it no longer satisfies.

use super::{case::Case, select::Slot};
use crate::policy::repository::{Policy, Wanted, WantedBranch, WantedRelease};
use jiff::Timestamp;
use refit_model::{BranchName, Offer, Release, Version};

/// Where a slot stands against a policy's target.
pub(super) struct Standing<'a> {
    /// Where it has to go; `None` where no release satisfies, or where it is ahead of all that are known.
    pub goal: Option<&'a Release>,
    /// Whether what is installed satisfies; always false where nothing is.
    pub satisfies: bool,
    /// When it ceased to; `None` is: it never did.
    pub ceased: Option<Timestamp>,
    /// Whether it is above what the policy asks for.
    pub above: bool,
    /// Whether it is newer than everything that is known to be published, where the newest is asked for.
    pub ahead: bool,
    /// The releases that it may be moved to, oldest first: those that the target allows, up to the goal.
    pub ways: Vec<&'a Release>,
    /// Other releases that the target allows: those of branches that the goal is not in, newer ones than the goal, and older ones where it
    /// does not lead down. It may have been there once.
    pub elsewhere: Vec<&'a Release>,
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
    let lines = Lines::new(case, slot, releases, case.now);
    let installed = slot.install.map(|install| &install.version);
    let (satisfies, ceased) = match installed {
        Some(version) => satisfaction(case, slot, policy, releases, &lines, version),
        None => (false, None),
    };
    let mut goal = lines.goal(case, policy, installed);

    let stays_in_branch = goal.is_some_and(|goal| is_in_own_branch(slot, goal));
    let pinned = is_pinned(policy, stays_in_branch);
    let downgrade = goal.is_some_and(|goal| leads_down(slot, policy, goal));
    let newer_than_goal = installed.zip(goal).is_some_and(|(installed, goal)| *installed > goal.version);
    let mut above = newer_than_goal && !downgrade;
    // What is newer than everything that is known to be published is not asked to go back.
    let ahead = above && stays_in_branch && policy.target.release == WantedRelease::Latest(0);
    // Nor is what is in a branch that has ended before the next one began: there it can only wait.
    let stranded = above && !pinned && lines.installed_has_ended();
    if ahead || stranded {
        goal = None;
        above = false;
    }

    let newer = |release: &Release| installed.is_none_or(|installed| release.version > *installed);
    let wanted = |release: &Release| policy.target.release.holds(&release.version);
    let older = |release: &Release| policy.allow_downgrade && installed.is_some_and(|known| release.version < *known);
    let (mut ways, mut elsewhere) = (Vec::new(), Vec::new());
    for release in releases.iter().copied().filter(|release| wanted(release)) {
        let goal = goal.filter(|goal| goal.branch == release.branch);
        // Where an older release comes later, what is the newest but one now was not so before.
        let beyond = goal.is_none_or(|goal| release.version > goal.version && !downgrade);
        if goal.is_some_and(|goal| release.version <= goal.version && (downgrade || newer(release))) {
            ways.push(release);
        } else if older(release) || (beyond && newer(release)) {
            elsewhere.push(release);
        }
    }
    let satisfying = lines.satisfying(policy, goal);
    let unsupported = !above
        && goal.is_some_and(|goal| Some(&goal.version) != installed)
        && satisfying.iter().all(|release| case.device.offer(release) == Offer::Never);
    Standing { goal, satisfies: satisfies || above || ahead, ceased, above, ahead, ways, elsewhere, unsupported }
}

fn is_in_own_branch(slot: &Slot<'_>, goal: &Release) -> bool {
    slot.install.is_some_and(|install| install.branch == goal.branch)
}

/// Whether a policy keeps a slot where it says: a range and a branch that is named are pins; `latest` and `latest-1` move.
fn is_pinned(policy: &Policy, stays_in_branch: bool) -> bool {
    match (&policy.target.release, &policy.target.branch) {
        (WantedRelease::Range(_), _) => true,
        (WantedRelease::Latest(_), WantedBranch::Named(_)) => !stays_in_branch,
        (WantedRelease::Latest(_), _) => false,
    }
}

/// Whether `goal` is older than what is installed, and the policy asks to go back to it.
fn leads_down(slot: &Slot<'_>, policy: &Policy, goal: &Release) -> bool {
    let older = slot.install.is_some_and(|install| install.version > goal.version);
    older && policy.allow_downgrade && is_pinned(policy, is_in_own_branch(slot, goal))
}

/// The branches that the goal has come from, by what was published at each time, under the policy of today.
pub(super) struct GoalBranches<'a> {
    /// What is installed.
    installed: Option<&'a Version>,
    /// Where the goal is now.
    now: Option<&'a Release>,
    /// Since when, oldest first, and where the goal led; `None` where there was none.
    changes: Vec<(Timestamp, Option<Led<'a>>)>,
}

/// Where a goal led.
struct Led<'a> {
    branch: Option<&'a BranchName>,
    /// Whether back, to what is older than the installed release.
    down: bool,
    /// To which release of the branch, where a place among the newest is asked for that is not the first.
    at_most: Option<&'a Version>,
}

impl<'a> GoalBranches<'a> {
    pub fn new(case: &Case<'_>, slot: &Slot<'a>, policy: &Policy, releases: &[&'a Release]) -> GoalBranches<'a> {
        let installed = slot.install.map(|install| &install.version);
        let lines = Lines::new(case, slot, releases, case.now);
        // The goal changes its branch when one has its first release, or the first that is wanted, and when a last day is over. It leads
        // down no more when there is something newer in that branch.
        let begun = lines.lines.iter().flat_map(|line| {
            let wanted = || line.releases.iter().filter(|release| policy.target.release.holds(&release.version));
            let newer = wanted().filter(|release| installed.is_some_and(|installed| release.version >= *installed));
            let first_wanted = wanted().map(|release| release.published).min();
            [line.first_published(), first_wanted, newer.map(|release| release.published).min()]
        });
        // The newest but one is another with each release.
        let moves = matches!(policy.target.release, WantedRelease::Latest(back) if back > 0);
        let every = releases.iter().filter(|_| moves).map(|release| release.published);
        let mut times: Vec<Timestamp> = begun.flatten().chain(every).chain(last_days(case, slot, policy)).collect();
        times.sort_unstable();
        times.dedup();
        let goal_at = |at: Timestamp| {
            let published = published_by(releases, at);
            let goal = Lines::new(case, slot, &published, at).goal(case, policy, installed)?;
            let down = leads_down(slot, policy, goal);
            Some(Led { branch: goal.branch.as_ref(), down, at_most: moves.then_some(&goal.version) })
        };
        let now = lines.goal(case, policy, installed);
        GoalBranches { installed, now, changes: times.into_iter().map(|at| (at, goal_at(at))).collect() }
    }

    /// Whether the goal led to `release` at some time from `since` on: it came from its branch, and lay on the same side of what is
    /// installed.
    pub fn led_to(&self, release: &Release, since: Timestamp) -> bool {
        let down = self.installed.is_some_and(|installed| release.version < *installed);
        // Of what is beyond the goal now it has to be known how far it led.
        let beyond = self.now.is_some_and(|goal| goal.branch == release.branch && release.version > goal.version);
        let there = |led: &Led<'_>| {
            let in_reach = !beyond || led.at_most.is_some_and(|most| release.version <= *most);
            led.branch == release.branch.as_ref() && led.down == down && in_reach
        };
        let until = self.changes.iter().skip(1).map(|(at, _)| Some(*at)).chain([None]);
        let mut times = self.changes.iter().zip(until);
        times.any(|((_, led_to), until)| led_to.as_ref().is_some_and(there) && until.is_none_or(|until| until > since))
    }
}

/// The branches of a title as they are at a time, oldest first, each with its releases, oldest first.
struct Lines<'r, 'a> {
    at: Timestamp,
    lines: Vec<Line<'r, 'a>>,
    /// The index of the installed branch, which is there even where no release of it is known.
    installed: Option<usize>,
}

struct Line<'r, 'a> {
    branch: Option<&'r BranchName>,
    releases: Vec<&'a Release>,
    /// When support ended; `None` while it lasts.
    ended: Option<Timestamp>,
}

impl<'r, 'a: 'r> Lines<'r, 'a> {
    fn new(case: &Case<'_>, slot: &'r Slot<'_>, releases: &[&'a Release], at: Timestamp) -> Self {
        let mut lines: Vec<Line<'r, 'a>> = Vec::new();
        let line = |branch| Line { branch, releases: Vec::new(), ended: support_ended(case, slot, branch, at) };
        if let Some(install) = slot.install {
            lines.push(line(install.branch.as_ref()));
        }
        for &release in releases {
            match lines.iter_mut().find(|line| line.branch == release.branch.as_ref()) {
                Some(line) => line.releases.push(release),
                None => lines.push(Line { releases: vec![release], ..line(release.branch.as_ref()) }),
            }
        }
        let installed = slot.install.map(|install| &install.version);
        lines.sort_by_key(|line| (line.releases.last().map(|release| &release.version).or(installed), line.branch));
        let installed =
            slot.install.and_then(|install| lines.iter().position(|line| line.branch == install.branch.as_ref()));
        Lines { at, lines, installed }
    }

    fn installed_has_ended(&self) -> bool {
        self.installed.is_some_and(|index| self.lines[index].ended.is_some())
    }

    /// The newest release that satisfies the target, of the branch that the goal comes from.
    fn goal(&self, case: &Case<'_>, policy: &Policy, installed: Option<&Version>) -> Option<&'a Release> {
        self.lines[self.goal_line(case, policy, installed)?].newest_wanted(&policy.target.release)
    }

    /// The branch that the goal comes from.
    fn goal_line(&self, case: &Case<'_>, policy: &Policy, installed: Option<&Version>) -> Option<usize> {
        let wanted = |index: &usize| self.lines[*index].newest_wanted(&policy.target.release).is_some();
        let accepted = |index: &usize| self.lines[*index].ended.is_none() && self.accepted(case, policy, *index);
        let open = |index: &usize| accepted(index) && wanted(index);
        let newest_first = || (0..self.lines.len()).rev();
        let named = match &policy.target.branch {
            WantedBranch::Latest(back) => return self.latest(*back),
            WantedBranch::Named(name) => Some(self.lines.iter().position(|line| line.branch == Some(name))?),
            WantedBranch::Installed | WantedBranch::Any => None,
        };
        let Some(from) = named.or(self.installed) else { return newest_first().find(open) };
        if named.is_some_and(|named| accepted(&named)) {
            return named;
        }
        // A branch of which no release is known is no reason to leave it: a feed may lack it.
        let moves = matches!(policy.target.release, WantedRelease::Latest(_));
        if named.is_none() && moves && self.lines[from].releases.is_empty() && accepted(&from) {
            return None;
        }
        let pinned_below = installed.is_some_and(|version| self.is_pinned_below(&policy.target.release, version));
        (from..self.lines.len())
            .find(open)
            // Support that has ended leads onwards, never back.
            .or_else(|| (pinned_below || self.lines[from].ended.is_none()).then(|| newest_first().find(open)).flatten())
            // A pin and a name count also where what they name has ended.
            .or_else(|| pinned_below.then(|| newest_first().find(wanted)).flatten())
            .or_else(|| named.filter(wanted))
    }

    /// Whether a range holds only releases that are older than `version`.
    fn is_pinned_below(&self, wanted: &WantedRelease, version: &Version) -> bool {
        let WantedRelease::Range(range) = wanted else { return false };
        let mut held = self.lines.iter().flat_map(|line| &line.releases).filter(|held| range.contains(&held.version));
        !range.contains(version) && held.all(|held| held.version < *version)
    }

    /// The newest branch but `back`, of those that are supported and have releases; the oldest of them where there are fewer.
    fn latest(&self, back: usize) -> Option<usize> {
        let supported = |index: &usize| self.lines[*index].is_supported();
        (0..self.lines.len()).rev().filter(supported).take(back + 1).last()
    }

    /// Whether some entry of `accept` still takes a branch; without entries the target's is, and every one where it names none.
    fn accepted(&self, case: &Case<'_>, policy: &Policy, index: usize) -> bool {
        match &policy.target.branch {
            WantedBranch::Named(_) if policy.accept.is_empty() => self.matches(&policy.target.branch, index),
            _ if policy.accept.is_empty() => true,
            _ => policy.accept.iter().any(|accepted| {
                accepted.until.is_none_or(|until| self.at < until.end_in(&case.zone))
                    && self.matches(&accepted.wanted.branch, index)
            }),
        }
    }

    fn matches(&self, wanted: &WantedBranch, index: usize) -> bool {
        match wanted {
            WantedBranch::Any => true,
            WantedBranch::Installed => self.installed.is_none_or(|installed| installed == index),
            WantedBranch::Latest(back) => self.latest(*back) == Some(index),
            WantedBranch::Named(name) => self.lines[index].branch == Some(name),
        }
    }

    /// The releases that satisfy the target now: of its branch, or of any where it names none.
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

    /// Whether `version`, which is installed, satisfies one branch and release, and if not since when; `None` is: it never did.
    fn satisfied(&self, wanted: &Wanted, version: &Version) -> Result<(), Option<Timestamp>> {
        let Some(at) = self.installed else { return Err(None) };
        let line = &self.lines[at];
        let mut ceased: Vec<Option<Timestamp>> = Vec::new();
        if let Some(ended) = line.ended {
            ceased.push(Some(ended));
        }
        match &wanted.branch {
            WantedBranch::Any | WantedBranch::Installed => {}
            WantedBranch::Named(name) if line.branch == Some(name) => {}
            WantedBranch::Named(_) => ceased.push(None),
            WantedBranch::Latest(back) => {
                // A branch that has ended was counted until then.
                let newer = self.lines[at + 1..].iter().filter(|line| line.is_supported());
                let began: Vec<Timestamp> = newer.filter_map(Line::first_published).collect();
                if began.len() != *back && self.latest(*back) != Some(at) {
                    ceased.push(nth_smallest(began.into_iter(), *back));
                }
            }
        }
        match &wanted.release {
            WantedRelease::Range(range) if range.contains(version) => {}
            WantedRelease::Range(_) => ceased.push(None),
            WantedRelease::Latest(back) => {
                let newer = line.releases.iter().filter(|release| release.version > *version);
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

    /// Whether `version`, which is installed, satisfies what the policy accepts, and if not since when by the branches as they are;
    /// `None` is: it never did.
    fn satisfaction(&self, case: &Case<'_>, policy: &Policy, version: &Version) -> (bool, Option<Timestamp>) {
        if policy.accept.is_empty() {
            return match self.satisfied(&policy.target, version) {
                Ok(()) => (true, None),
                Err(since) => (false, since),
            };
        }
        let mut last: Option<Timestamp> = None;
        for accepted in &policy.accept {
            let ended = accepted.until.map(|until| until.end_in(&case.zone)).filter(|end| *end <= self.at);
            match (self.satisfied(&accepted.wanted, version), ended) {
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
}

impl<'a> Line<'_, 'a> {
    fn is_supported(&self) -> bool {
        self.ended.is_none() && !self.releases.is_empty()
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

impl WantedRelease {
    /// Whether a version may be wanted: any, where it is told by its place among the others.
    fn holds(&self, version: &Version) -> bool {
        match self {
            WantedRelease::Latest(_) => true,
            WantedRelease::Range(range) => range.contains(version),
        }
    }
}

/// Whether `version`, which is installed, satisfies what the policy accepts, and if not since when without a break; `None` is: it
/// never did.
///
/// A named branch, a range and a place among releases hold until they hold no more. A place among branches may come back: where
/// `latest` ends, what was `latest-1` is `latest`. What was not accepted before that is stale since then, whatever another branch
/// makes of it: so that a branch that begins or ends moves no due time later.
fn satisfaction(
    case: &Case<'_>,
    slot: &Slot<'_>,
    policy: &Policy,
    releases: &[&Release],
    lines: &Lines<'_, '_>,
    version: &Version,
) -> (bool, Option<Timestamp>) {
    let (satisfies, ceased) = lines.satisfaction(case, policy, version);
    let by_place = |wanted: &Wanted| matches!(wanted.branch, WantedBranch::Latest(_));
    let comes_back = match policy.accept.as_slice() {
        [] => by_place(&policy.target),
        accept => accept.iter().any(|accepted| by_place(&accepted.wanted)),
    };
    if satisfies || !comes_back {
        return (satisfies, ceased);
    }
    let begun = lines.lines.iter().filter_map(Line::first_published);
    let mut breaks: Vec<Timestamp> = begun.chain(last_days(case, slot, policy)).chain([Timestamp::MIN]).collect();
    breaks.sort_unstable();
    breaks.dedup();
    let satisfies_at = |at: &Timestamp| {
        let published = published_by(releases, *at);
        Lines::new(case, slot, &published, *at).satisfaction(case, policy, version).0
    };
    // Between two breaks what holds may cease and nothing comes back.
    let Some(last) = breaks.iter().rposition(satisfies_at) else { return (false, None) };
    let until = breaks.get(last + 1).copied();
    let within = |at: &Timestamp| *at > breaks[last] && until.is_none_or(|until| *at < until);
    let mut changes: Vec<Timestamp> = releases.iter().map(|release| release.published).filter(within).collect();
    changes.sort_unstable();
    changes.dedup();
    (false, changes.into_iter().find(|at| !satisfies_at(at)).or(until))
}

/// The ends of the last days of branches, and of entries of `accept`, that are over.
fn last_days(case: &Case<'_>, slot: &Slot<'_>, policy: &Policy) -> impl Iterator<Item = Timestamp> {
    let branches = slot.branches.iter().filter_map(|branch| branch.supported_until);
    let entries = policy.accept.iter().filter_map(|accepted| accepted.until);
    branches.chain(entries).map(|day| day.end_in(&case.zone)).filter(|end| *end <= case.now)
}

/// The releases that were published at a time.
fn published_by<'a>(releases: &[&'a Release], at: Timestamp) -> Vec<&'a Release> {
    releases.iter().copied().filter(|release| release.published <= at).collect()
}

/// Whether some entry of `accept` took a release at a time, by what was published then; without entries the target decides, which
/// the releases that a slot may be moved to satisfy already.
///
/// A release that was the newest, or the newest but one, counts although it was overtaken since (decision 0013).
pub(super) fn was_accepted(
    case: &Case<'_>,
    slot: &Slot<'_>,
    policy: &Policy,
    releases: &[&Release],
    release: &Release,
    at: Timestamp,
) -> bool {
    if policy.accept.is_empty() {
        return true;
    }
    let published = published_by(releases, at);
    let lines = Lines::new(case, slot, &published, at);
    let line = lines.lines.iter().position(|line| line.branch == release.branch.as_ref());
    policy.accept.iter().any(|accepted| {
        let takes_branch = match accepted.wanted.branch {
            // Whichever is installed is the installed one then.
            WantedBranch::Any | WantedBranch::Installed => true,
            _ => line.is_some_and(|line| lines.matches(&accepted.wanted.branch, line)),
        };
        takes_branch
            && accepted.wanted.release.holds(&release.version)
            && accepted.until.is_none_or(|until| at < until.end_in(&case.zone))
    })
}

/// When support of a branch ended where the device is; `None` while it lasts at that time, or where nobody has said.
fn support_ended(case: &Case<'_>, slot: &Slot<'_>, branch: Option<&BranchName>, at: Timestamp) -> Option<Timestamp> {
    let last_day = slot.branches.iter().find(|known| Some(&known.name) == branch)?.supported_until?;
    Some(last_day.end_in(&case.zone)).filter(|end| *end <= at)
}

fn nth_smallest(times: impl Iterator<Item = Timestamp>, n: usize) -> Option<Timestamp> {
    let mut times: Vec<Timestamp> = times.collect();
    times.sort();
    times.get(n).copied()
}
