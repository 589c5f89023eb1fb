//! Where the objects of Windows updates are in Graph.

use super::{DRIVERS, EXPEDITED, FEATURE, RING, SETTING_DRIVERS, samples::samples};
use crate::targets::graph::{GROUP, Graph, Place};
use serde_json::Value;

/// Windows updates in Graph.
pub static GRAPH: Graph = Graph {
    places: &PLACES,
    order: &[GROUP, RING, FEATURE, DRIVERS, EXPEDITED],
    settings: &[SETTING_DRIVERS],
    permissions: "the application permissions DeviceManagementConfiguration.ReadWrite.All, DeviceManagementManagedDevices.Read.All, \
                  Device.Read.All and Group.ReadWrite.All",
    samples,
};

static PLACES: [Place; 4] = [
    Place {
        kind: RING,
        path: "/v1.0/deviceManagement/deviceConfigurations",
        of_type: "#microsoft.graph.windowsUpdateForBusinessConfiguration",
        is_shared: true,
        assigned_as: "assignments",
        assignment: "#microsoft.graph.deviceConfigurationAssignment",
        ready: None,
        fixed: &[],
        because: another_ring,
        is_same: true,
        note: pause_ends,
    },
    Place {
        kind: FEATURE,
        path: "/beta/deviceManagement/windowsFeatureUpdateProfiles",
        of_type: "#microsoft.graph.windowsFeatureUpdateProfile",
        is_shared: false,
        assigned_as: "assignments",
        assignment: "#microsoft.graph.windowsFeatureUpdateProfileAssignment",
        ready: None,
        fixed: &[],
        because: |_, _| {
            Some("two feature update policies on one device name two versions, and it is not said which counts")
        },
        is_same: true,
        note: |_| None,
    },
    Place {
        kind: DRIVERS,
        path: "/beta/deviceManagement/windowsDriverUpdateProfiles",
        of_type: "#microsoft.graph.windowsDriverUpdateProfile",
        is_shared: false,
        assigned_as: "assignments",
        assignment: "#microsoft.graph.windowsDriverUpdateProfileAssignment",
        ready: None,
        // The admin center lets nobody change it either.
        fixed: &["approvalType"],
        because: |_, _| Some("two driver policies on one device: what one of them approves is installed"),
        is_same: true,
        note: |_| None,
    },
    Place {
        kind: EXPEDITED,
        path: "/beta/deviceManagement/windowsQualityUpdateProfiles",
        of_type: "#microsoft.graph.windowsQualityUpdateProfile",
        is_shared: false,
        assigned_as: "assignments",
        assignment: "#microsoft.graph.windowsQualityUpdateProfileAssignment",
        ready: None,
        fixed: &[],
        because: |_, _| Some("it installs an update at once, whatever update rings defer"),
        is_same: false,
        note: |_| None,
    },
];

fn another_ring(record: &Value, _ours: &[&Value]) -> Option<&'static str> {
    let is_paused = |name: &str| record[name].as_bool() == Some(true);
    if is_paused("qualityUpdatesPaused") || is_paused("featureUpdatesPaused") {
        return Some("it is an update ring that is paused: its devices get no updates");
    }
    Some(
        "two update rings on one device contradict each other: Intune reports a conflict, and it is not said which counts",
    )
}

/// That a pause of one of Refit's rings ends by itself. Only while it is on Intune says when.
fn pause_ends(record: &Value) -> Option<String> {
    let ends = |paused: &str, ends: &str| {
        let is_paused = record[paused].as_bool() == Some(true);
        record[ends].as_str().filter(|_| is_paused).and_then(|at| at.get(..10))
    };
    let quality = ends("qualityUpdatesPaused", "qualityUpdatesPauseExpiryDateTime");
    let feature = ends("featureUpdatesPaused", "featureUpdatesPauseExpiryDateTime");
    let day = quality.into_iter().chain(feature).min()?;
    let name = record["displayName"].as_str().unwrap_or_default();
    Some(format!(
        "the pause of {RING} {name} ends by itself on {day}, and its devices are offered updates from then on, whatever holds them here: \
         Intune pauses for 35 days at the most, and Refit does not renew it (in Intune, Extend does)"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pause_says_when_it_ends() {
        let ring = |paused: bool, ends: Value| json!({ "displayName": "refit-a", "qualityUpdatesPaused": paused, "qualityUpdatesPauseExpiryDateTime": ends });
        let said = pause_ends(&ring(true, json!("2026-12-28T00:00:00Z"))).unwrap();
        assert!(said.contains("refit-a ends by itself on 2026-12-28"), "{said}");
        assert_eq!(pause_ends(&ring(false, json!("2026-12-28T00:00:00Z"))), None);
        assert_eq!(pause_ends(&ring(true, Value::Null)), None);
    }
}
