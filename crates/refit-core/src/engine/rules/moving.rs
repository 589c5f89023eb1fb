//! What moves through rings as one (rule 9 of docs/reference/rules.md): a release by itself, or with a dated snapshot of an archive.

use super::subject::{Shelf, Subject};
use crate::{
    policy::repository::{Policy, Rollout},
    rollout::{snapshot_after, snapshot_name, snapshot_title},
    world::{GateState, RolloutState},
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
    /// How far that and its like have come.
    pub rollouts: &'a [RolloutState],
    /// What gates said of that and its like.
    pub gates: &'a [GateState],
}

impl<'a> Moving<'a> {
    /// What goes by itself.
    pub fn alone(shelf: &Shelf<'a>, version: &'a Version) -> Moving<'a> {
        Moving { version: Cow::Borrowed(version), rollouts: shelf.rollouts, gates: shelf.gates }
    }

    /// What a release goes with on a way: the first snapshot after its publication that did not begin without it.
    pub fn with(shelf: &Shelf<'a>, subject: &Subject<'_>, way: Way<'_>, release: &'a Release) -> Moving<'a> {
        let alone = Moving::alone(shelf, &release.version);
        let Some((policy, every)) = way.snapshots else { return alone };
        let (rollouts, gates) = of_title(shelf, &snapshot_title(&policy.name));
        let mut taken = snapshot_after(every, release.published);
        loop {
            let Ok(version) = Version::parse(Scheme::Generic, &snapshot_name(taken)) else { return alone };
            let snapshot = Moving { version: Cow::Owned(version), rollouts, gates };
            let began = snapshot.state(subject, way.rollout).and_then(|state| state.releases.as_ref());
            match taken.checked_add(every) {
                Ok(next) if began.is_some_and(|moved| !moved.contains(&key(release))) => taken = next,
                _ => return snapshot,
            }
        }
    }

    /// The snapshots of all policies that began with a release.
    pub fn that_began_with(shelf: &Shelf<'a>, release: &Release) -> Vec<Moving<'a>> {
        if shelf.snapshots.is_empty() {
            return Vec::new();
        }
        let key = key(release);
        let mut began = Vec::new();
        for (title, states) in &shelf.snapshots {
            let with = |state: &&RolloutState| state.releases.as_ref().is_some_and(|moved| moved.contains(&key));
            let (rollouts, gates) = of_title(shelf, title);
            began.extend(states.iter().filter(with).map(|state| Moving {
                version: Cow::Borrowed(&state.version),
                rollouts,
                gates,
            }));
        }
        began
    }

    /// How far it has come in a rollout here: on the device's own platform, where that is told apart.
    pub fn state(&self, subject: &Subject<'_>, rollout: &Rollout) -> Option<&'a RolloutState> {
        let here = |state: &&RolloutState| {
            state.rollout == rollout.name
                && state.version == *self.version
                && state.platform.as_deref().is_none_or(|platform| Some(platform) == subject.platform)
        };
        let states: Vec<&RolloutState> = self.rollouts.iter().filter(here).collect();
        states.iter().find(|state| state.platform.is_some()).or(states.first()).copied()
    }
}

/// What is known of what goes by that title.
fn of_title<'a>(shelf: &Shelf<'a>, title: &TitleId) -> (&'a [RolloutState], &'a [GateState]) {
    let rollouts = shelf.world.rollouts.get(title).map(Vec::as_slice).unwrap_or_default();
    let gates = shelf.world.gates.get(title).map(Vec::as_slice).unwrap_or_default();
    (rollouts, gates)
}

/// A release as snapshots name it.
fn key(release: &Release) -> (TitleId, SmolStr) {
    (release.title.clone(), release.version.as_str().into())
}
