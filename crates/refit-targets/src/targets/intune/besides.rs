//! What goes to the group of an update ring besides the ring itself: an update that is urgent, and drivers.

use super::{DRIVERS, EXPEDITED, Key, Ring, assigned, name, put, time, words};
use crate::{
    object::{Identity, Object},
    target::{Desired, Input},
    time::{Time, earliest, left},
};
use refit_core::policy::document::policy::RestartMode;
use serde_json::json;

/// An update that a faster rollout brings is expedited, where restarts are forced: the expedited channel forces them in any case. Which one
/// is meant is said by the day on which Microsoft published it.
pub(super) fn write_expedited(
    input: &Input<'_>,
    key: &Key,
    ring: &Ring<'_>,
    group: &str,
    mark: &str,
    desired: &mut Desired,
) {
    let is_urgent = key.rollout.is_some() && key.rollout != ring.policy.rollout;
    if !is_urgent || ring.terms.reboot != Some(RestartMode::AtDue) || key.apart.is_some() {
        return;
    }
    let rest = left(input.repository, ring.policy, key.rollout.as_deref(), key.ring.as_deref());
    let Some(days) = rest.and_then(|left| time::days_until_restart(Time::AfterOffer(left))) else { return };
    // Of several releases that devices of the ring may have, the newest is meant: what is expedited is cumulative.
    let published = ring.admitted.iter().filter_map(|(title, version)| input.offered.published(title, version)).max();
    let Some(release) = published.map(|at| time::release(Time::Instant(at))) else { return };
    let name = name(key, &format!("expedite-{}", release.get(..10).unwrap_or_default()));
    let about = format!("the update of {} at once, for {}", release.get(..10).unwrap_or_default(), words(key));
    let object = Object::new(Identity::new(EXPEDITED, name.clone()), about)
        .with("@odata.type", "#microsoft.graph.windowsQualityUpdateProfile")
        .with("assignments", assigned(group))
        .with("description", mark)
        .with("displayName", name)
        .with("expeditedUpdateSettings", json!({ "daysUntilForcedReboot": days, "qualityUpdateRelease": release }));
    put(object, ring, true, desired);
}

/// Drivers go by the rings of the policy that moves the system they are for. A ring that is paused has no drivers to be given.
pub(super) fn write_drivers(
    input: &Input<'_>,
    key: &Key,
    ring: &Ring<'_>,
    group: &str,
    mark: &str,
    desired: &mut Desired,
) {
    let wait = earliest(input.repository, ring.policy.min_age, key.rollout.as_deref(), key.ring.as_deref());
    let name = name(key, "drivers");
    let object = Object::new(Identity::new(DRIVERS, name.clone()), format!("drivers of {}", words(key)))
        .with("@odata.type", "#microsoft.graph.windowsDriverUpdateProfile")
        .with("approvalType", "automatic")
        .with("assignments", assigned(group))
        .with("deploymentDeferralInDays", time::deferral(wait))
        .with("description", mark)
        .with("displayName", name);
    put(object, ring, false, desired);
}
