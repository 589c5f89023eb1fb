//! Objects for nobody, to try on a live tenant: each has all fields that a policy may bring about.

use super::{DRIVERS, EXPEDITED, FEATURE, RING, assigned, time};
use crate::{
    api::verify::{Sample, Sampling, patch_day},
    object::{Identity, Object},
    time::Time,
};
use serde_json::json;

/// A feature version that Microsoft services for years to come: the page of what can be named does not list what has ended.
const VERSION: &str = "Windows 11, version 25H2";

pub(super) fn samples(sampling: &Sampling<'_>) -> Vec<Sample> {
    let Sampling { mark, name, now, .. } = *sampling;
    let object = |kind: &str, name: &str, of: &str| {
        Object::new(Identity::new(kind, name.to_owned()), String::new())
            .with("@odata.type", format!("#microsoft.graph.{of}"))
            .with("assignments", assigned(sampling.name))
            .with("description", mark)
            .with("displayName", name)
    };
    let hours = json!({
        "@odata.type": "#microsoft.graph.windowsUpdateActiveHoursInstall", "activeHoursEnd": "19:00:00.0000000",
        "activeHoursStart": "06:00:00.0000000",
    });
    let ring = object(RING, name, "windowsUpdateForBusinessConfiguration")
        .with("allowWindows11Upgrade", false)
        .with("automaticUpdateMode", "autoInstallAndRebootAtMaintenanceTime")
        .with("deadlineForFeatureUpdatesInDays", 7)
        .with("deadlineForQualityUpdatesInDays", 7)
        .with("deadlineGracePeriodInDays", time::GRACE_DAYS)
        .with("featureUpdatesDeferralPeriodInDays", 0)
        .with("featureUpdatesPaused", false)
        .with("installationSchedule", hours)
        .with("microsoftUpdateServiceAllowed", true)
        .with("postponeRebootUntilAfterDeadline", true)
        .with("qualityUpdatesDeferralPeriodInDays", 5)
        .with("qualityUpdatesPaused", false)
        .with("scheduleRestartWarningInHours", 4)
        .with("updateNotificationLevel", "defaultNotifications")
        .with("userPauseAccess", "disabled")
        .with("userWindowsUpdateScanAccess", "enabled");
    let pin = object(FEATURE, name, "windowsFeatureUpdateProfile")
        .with("featureUpdateVersion", VERSION)
        .with("installFeatureUpdatesOptional", false);
    let drivers = object(DRIVERS, &format!("{name}-drivers"), "windowsDriverUpdateProfile")
        .with("approvalType", "automatic")
        .with("deploymentDeferralInDays", 5);
    let release = time::release(Time::Instant(patch_day(now)));
    let expedited = |days: i64| json!({ "daysUntilForcedReboot": days, "qualityUpdateRelease": release });
    let urgent = object(EXPEDITED, &format!("{name}-expedite"), "windowsQualityUpdateProfile")
        .with("expeditedUpdateSettings", expedited(2));
    vec![
        Sample::new(ring, "qualityUpdatesDeferralPeriodInDays", 6),
        Sample::new(pin, "description", format!("{mark} It was changed.")),
        Sample::new(drivers, "deploymentDeferralInDays", 6),
        Sample::new(urgent, "expeditedUpdateSettings", expedited(1)),
    ]
}
