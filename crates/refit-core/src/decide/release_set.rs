//! What moves through rings as one: a release by itself, or a dated snapshot of an archive.

use super::{case::Case, ring, select::Slot};
use crate::{
    policy::repository::{Policy, Rollout},
    rollout::{snapshot_after, snapshot_name, snapshot_policy, snapshot_title},
    world::{GateState, RolloutState},
};
use jiff::{SignedDuration, Timestamp};
use refit_model::{Release, Scheme, TitleId, Version};
use smol_str::SmolStr;

/// A rollout that releases may take, and whether they take it in snapshots.
#[derive(Clone, Copy)]
pub(super) struct Route<'a> {
    pub rollout: &'a Rollout,
    /// How often a snapshot is taken; `None` is: each release goes by itself.
    pub every: Option<SignedDuration>,
}

/// A release set, with what is known of it.
pub(super) struct ReleaseSet<'s> {
    /// The title, or what snapshots of the policy go by.
    pub title: TitleId,
    /// The release, or the snapshot's name.
    pub version: Version,
    /// How far it and its like have come.
    pub rollouts: &'s [RolloutState],
    /// What is known of gates for it and its like.
    pub gates: &'s [GateState],
    /// When the snapshot is taken; `None` where the release goes by itself, and where that is long past.
    pub taken: Option<Timestamp>,
}

impl<'s> ReleaseSet<'s> {
    /// A release that goes by itself.
    pub fn alone(slot: &Slot<'s>, version: &Version) -> ReleaseSet<'s> {
        ReleaseSet {
            title: slot.key.title.clone(),
            version: version.clone(),
            rollouts: slot.rollouts,
            gates: slot.gates,
            taken: None,
        }
    }

    /// The snapshots that began with a release, of whatever policy.
    pub fn began_with(case: &Case<'s>, release: &Release) -> impl Iterator<Item = ReleaseSet<'s>> {
        let rollouts = &case.world.rollouts;
        let snapshots = rollouts.range(snapshot_title("")..).take_while(|(title, _)| snapshot_policy(title).is_some());
        let key = (release.title.clone(), SmolStr::from(release.version.as_str()));
        let world = case.world;
        snapshots.flat_map(move |(title, states)| {
            let gates = world.gates.get(title).map_or(&[][..], Vec::as_slice);
            let key = key.clone();
            let began = states.iter().filter(move |state| state.releases.as_ref().is_some_and(|it| it.contains(&key)));
            began.map(move |state| ReleaseSet {
                title: title.clone(),
                version: state.version.clone(),
                rollouts: states,
                gates,
                taken: None,
            })
        })
    }

    /// What a release moves with on a route of the policy: the first snapshot after its publication, but none that began without it.
    pub fn on(
        case: &Case<'s>,
        slot: &Slot<'s>,
        policy: &Policy,
        route: Route<'_>,
        release: &Release,
    ) -> ReleaseSet<'s> {
        let Some(every) = route.every else { return ReleaseSet::alone(slot, &release.version) };
        let title = snapshot_title(&policy.name);
        let rollouts = case.world.rollouts.get(&title).map_or(&[][..], Vec::as_slice);
        let gates = case.world.gates.get(&title).map_or(&[][..], Vec::as_slice);
        let mut taken = snapshot_after(every, release.published);
        loop {
            let Ok(version) = Version::parse(Scheme::Generic, &snapshot_name(taken)) else {
                return ReleaseSet::alone(slot, &release.version);
            };
            let set = ReleaseSet { title: title.clone(), version, rollouts, gates, taken: Some(taken) };
            let began_without = ring::state(case, &set, route.rollout)
                .and_then(|state| state.releases.as_ref())
                .is_some_and(|moved| !moved.contains(&(release.title.clone(), release.version.as_str().into())));
            match taken.checked_add(every) {
                Ok(next) if began_without => taken = next,
                _ => return set,
            }
        }
    }
}
