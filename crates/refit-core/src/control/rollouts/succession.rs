//! Which releases have been taken over from by a later one.

use super::{super::state::State, record::RolloutRecord};
use crate::rollout::snapshot_policy;
use refit_model::{BranchName, TitleId, Version};
use std::collections::BTreeSet;

impl State {
    /// Whether a later release has taken the place of this one in its rollout on its platform: it has opened the last ring that the
    /// rollout has now, and is not halted there.
    ///
    /// Later is what is greater by the title's version scheme, in the same branch: macOS 15.1 takes the place of no 14.7.1. A release of
    /// which nobody says the branch is in that of all such releases. Snapshots are later by their date, and have no branches. Which of
    /// two began first says nothing: what is put off may begin after its successor.
    pub fn is_succeeded(&self, title: &TitleId, record: &RolloutRecord) -> bool {
        let rollout = self.policy.as_ref().and_then(|policy| policy.repository.rollouts.get(&record.rollout));
        let Some(last) = rollout.and_then(|rollout| rollout.rings.last()) else { return false };
        let platform = record.platform.as_deref();
        // The newest first: it is what has taken over from nearly all that there ever were.
        self.rollouts.of(title).iter().rev().any(|other| {
            other.is_of(&record.rollout, &other.version, platform)
                && other.ring(&last.name).is_some()
                && self.is_later(title, &other.version, &record.version)
                && self.rollouts.halts_of(title, &other.version).all(|(_, it)| !it.speaks_of(&it.version, platform))
        })
    }

    /// Whether one version of a title succeeds another.
    fn is_later(&self, title: &TitleId, later: &str, earlier: &str) -> bool {
        if snapshot_policy(title).is_some() {
            // They are named by their time, from the year to the minute.
            return later > earlier;
        }
        let Some(policy) = &self.policy else { return false };
        let scheme = policy.repository.scheme(title);
        let (Ok(after), Ok(before)) = (Version::parse(scheme, later), Version::parse(scheme, earlier)) else {
            return false;
        };
        after > before && !self.branches(title, later).is_disjoint(&self.branches(title, earlier))
    }

    /// The branches in which a version was released.
    fn branches(&self, title: &TitleId, version: &str) -> BTreeSet<Option<&BranchName>> {
        let known = self.releases.get(title).into_iter().flat_map(|list| list.iter());
        let of_version = known.filter(|release| release.version == version);
        let branches: BTreeSet<_> = of_version.map(|release| release.branch.as_ref()).collect();
        if branches.is_empty() { BTreeSet::from([None]) } else { branches }
    }
}
