//! Who is in rings that a condition chooses, so that a mandate can list them.

use crate::{policy::repository::Repository, rollout::position, world::Device};
use jiff::Timestamp;
use refit_model::DeviceId;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// The members of rings with a condition, by rollout and ring.
pub type Members = BTreeMap<(SmolStr, SmolStr), BTreeSet<DeviceId>>;

/// Who is in rings that a condition chooses. Where it is unknown whether the condition holds, a device is no member: it waits.
///
/// A ring that also has a share takes a device only if its position is in the share for each policy that uses the rollout.
pub fn members<'d>(repository: &Repository, devices: impl IntoIterator<Item = &'d Device>, now: Timestamp) -> Members {
    let mut members = Members::new();
    for rollout in repository.rollouts.values() {
        for ring in rollout.rings.iter().filter(|ring| ring.condition.is_some()) {
            members.insert((rollout.name.clone(), ring.name.clone()), BTreeSet::new());
        }
    }
    for device in devices {
        // Who can't be told from another can't be told to be a member either.
        if device.identity_in_doubt {
            continue;
        }
        let facts = device.facts.view(&repository.authority, &repository.staleness, now);
        for rollout in repository.rollouts.values() {
            let mut cut = 0.0;
            for ring in &rollout.rings {
                let from = cut;
                cut += ring.share.map_or(0.0, |share| share.0);
                let Some(condition) = &ring.condition else { continue };
                let inside = |policy: &SmolStr| {
                    let at = position(&device.id, policy) + 1e-9;
                    ring.share.is_none() || (from..cut).contains(&at)
                };
                let used_by = repository.policies.iter().filter(|policy| {
                    let entries = policy.deadline.iter().filter_map(|entry| entry.rollout.as_ref());
                    policy.rollout.iter().chain(entries).any(|name| *name == rollout.name)
                });
                if condition.truth(&facts, now).is_true()
                    && used_by.map(|policy| &policy.name).all(inside)
                    && let Some(listed) = members.get_mut(&(rollout.name.clone(), ring.name.clone()))
                {
                    listed.insert(device.id.clone());
                }
            }
        }
    }
    members
}
