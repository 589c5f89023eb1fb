//! Where the objects of Windows updates are in Graph.

use super::{DRIVERS, EXPEDITED, FEATURE, RING, SETTING_DRIVERS};
use crate::targets::graph::{GROUP, Graph, Place};
use serde_json::Value;

/// Windows updates in Graph.
pub static GRAPH: Graph =
    Graph { places: &PLACES, order: &[GROUP, RING, FEATURE, DRIVERS, EXPEDITED], settings: &[SETTING_DRIVERS] };

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
        because: |_, ours| {
            (!ours.is_empty()).then_some("two driver policies on one device: what one of them approves is installed")
        },
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
