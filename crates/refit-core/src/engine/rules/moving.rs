//! What moves through rings as one (rule 9 of docs/reference/rules.md): a release by itself, or with a dated snapshot of an archive.

use super::{
    subject::{Shelf, Subject},
    trail::Trail,
};
use crate::{
    policy::repository::{Policy, Rollout},
    rollout::{snapshot_after, snapshot_name, snapshot_title},
    world::RolloutState,
};
use jiff::SignedDuration;
use refit_model::{Release, Scheme, TitleId, Version};
use smol_str::SmolStr;
use std::borrow::Cow;

/// A way through rings.
#[derive(Clone, Copy)]
pub(super) struct Way<'a> {
    pub rollout: &'a Rollout,
    /// The policy, and how often it takes snapshots, where releases go in those.
    pub snapshots: Option<(&'a Policy, SignedDuration)>,
}

/// A release that goes by itself, or the snapshot that it goes with.
#[derive(Clone)]
pub(super) struct Moving<'a> {
    pub version: Cow<'a, Version>,
    /// What is known of that and its like; `None`: nothing.
    pub trail: Option<&'a Trail<'a>>,
}

impl<'a> Moving<'a> {
    /// What goes by itself.
    pub fn alone(shelf: &'a Shelf<'a>, version: &'a Version) -> Moving<'a> {
        Moving { version: Cow::Borrowed(version), trail: Some(&shelf.trail) }
    }

    /// What a release goes with on a way: the first snapshot after its publication that did not begin without it.
    pub fn with(shelf: &'a Shelf<'a>, subject: &Subject<'_>, way: Way<'_>, release: &'a Release) -> Moving<'a> {
        let alone = Moving::alone(shelf, &release.version);
        let Some((policy, every)) = way.snapshots else { return alone };
        let title = snapshot_title(&policy.name);
        let trail = shelf.snapshots.iter().find(|(known, _)| **known == title).map(|(_, trail)| trail);
        let mut taken = snapshot_after(every, release.published);
        loop {
            let Ok(version) = Version::parse(Scheme::Generic, &snapshot_name(taken)) else { return alone };
            let snapshot = Moving { version: Cow::Owned(version), trail };
            let began = snapshot.state(subject, way.rollout).and_then(|state| state.releases.as_ref());
            match taken.checked_add(every) {
                Ok(next) if began.is_some_and(|moved| !moved.contains(&key(release))) => taken = next,
                _ => return snapshot,
            }
        }
    }

    /// The snapshots of all policies that began with a release.
    pub fn that_began_with(shelf: &'a Shelf<'a>, release: &Release) -> Vec<Moving<'a>> {
        if shelf.snapshots.is_empty() {
            return Vec::new();
        }
        let key = key(release);
        let with = |state: &&RolloutState| state.releases.as_ref().is_some_and(|moved| moved.contains(&key));
        let began = shelf.snapshots.iter().flat_map(|(_, trail)| {
            let states = trail.rollouts.iter().filter(with);
            states.map(move |state| Moving { version: Cow::Borrowed(&state.version), trail: Some(trail) })
        });
        began.collect()
    }

    /// How far it has come in a rollout here: on the device's own platform, where that is told apart.
    pub fn state(&self, subject: &Subject<'_>, rollout: &Rollout) -> Option<&'a RolloutState> {
        let trail = self.trail?;
        let here = |state: &&RolloutState| {
            state.rollout == rollout.name
                && state.platform.as_deref().is_none_or(|platform| Some(platform) == subject.platform)
        };
        let mut first = None;
        for state in trail.states(&self.version).filter(here) {
            if state.platform.is_some() {
                return Some(state);
            }
            first = first.or(Some(state));
        }
        first
    }
}

/// A release as snapshots name it.
fn key(release: &Release) -> (TitleId, SmolStr) {
    (release.title.clone(), release.version.as_str().into())
}
