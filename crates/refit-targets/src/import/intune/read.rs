//! Objects of Graph's as they are handed in: what each is, and to whom it is assigned.

use super::{FEATURE, FIELD};
use crate::import::{
    Imported,
    conditions::{has_one_of, not},
    text_of,
};
use serde_json::Value;

/// An object of Graph's, with the devices that it is assigned to.
pub(super) struct Assigned {
    pub object: Value,
    /// How people know it.
    pub from: String,
    /// The devices, besides that they run Windows; nothing where that is all of them.
    pub who: Vec<String>,
    /// Whether it is for everybody but some.
    pub everybody: bool,
}

pub(super) fn unsaid(kind: &str) -> &'static str {
    match kind {
        "windowsQualityUpdateProfile" => {
            "that an update is hurried is the policy's to say: `deadline: [{ if: exposure.kev, within: 2d, min_age: 0h }]`"
        }
        "windowsQualityUpdatePolicy" => "whether updates need no restart (hotpatch) is not said by policies",
        "windowsDriverUpdateProfile" => "drivers are no titles",
        "winGetApp" | "win32LobApp" | "officeSuiteApp" | "macOSPkgApp" => "applications are not imported",
        _ => "it is not known what this does",
    }
}

/// The objects of a list response, or one by itself.
pub(super) fn listed(value: &Value) -> Vec<&Value> {
    match (value, &value["value"]) {
        (Value::Array(objects), _) | (_, Value::Array(objects)) => objects.iter().collect(),
        (one, _) => vec![one],
    }
}

/// What an object is.
pub(super) fn kind<'v>(object: &'v Value, context: &str) -> Option<&'v str> {
    let said = object["@odata.type"].as_str().map(|kind| kind.trim_start_matches("#microsoft.graph."));
    match said {
        Some(kind) if kind.ends_with("Assignment") => Some("assignment"),
        Some(kind) => Some(kind),
        None if object["target"]["@odata.type"].is_string() => Some("assignment"),
        // A list of one type does not repeat it.
        None if context.contains("windowsFeatureUpdateProfiles") || object["featureUpdateVersion"].is_string() => {
            object["id"].as_str().map(|_| FEATURE)
        }
        None => None,
    }
}

/// The id of the object that an assignment is of: its own id begins with it, or it was asked for by it.
pub(super) fn policy_of(assignment: &Value, context: &str) -> Option<String> {
    let by_context = context.split_once("('").and_then(|(_, rest)| rest.split_once("')")).map(|(id, _)| id);
    let by_id = text_of(assignment, "id").and_then(|id| id.split_once('_')).map(|(id, _)| id);
    by_context.or(by_id).map(str::to_owned)
}

/// Who is meant by assignments, and whether that is everybody but some; `None` where it is nobody.
pub(super) fn who(assignments: &[Value], from: &str, imported: &mut Imported) -> Option<(Vec<String>, bool)> {
    let (mut included, mut excluded) = (Vec::new(), Vec::new());
    let mut everybody = false;
    for assignment in assignments {
        let target = &assignment["target"];
        let group = || text_of(target, "groupId").map(str::to_owned);
        match target["@odata.type"].as_str().unwrap_or_default().trim_start_matches("#microsoft.graph.") {
            "allDevicesAssignmentTarget" => everybody = true,
            "allLicensedUsersAssignmentTarget" => {
                everybody = true;
                imported.leave_out(from, "assignments", "all users: devices that are nobody's are meant too");
            }
            "groupAssignmentTarget" => included.extend(group()),
            "exclusionGroupAssignmentTarget" => excluded.extend(group()),
            other => imported.leave_out(from, "assignments", format!("whom `{other}` means is not known")),
        }
        let filter = text_of(target, "deviceAndAppManagementAssignmentFilterId");
        if filter.is_some() && target["deviceAndAppManagementAssignmentFilterType"] != "none" {
            imported.leave_out(
                from,
                "assignments",
                "whom the assignment's filter lets through is not asked: write it into `where`",
            );
        }
    }
    if !everybody && included.is_empty() {
        return None;
    }
    for list in [&mut included, &mut excluded] {
        list.sort();
        list.dedup();
    }
    let mut who = Vec::new();
    if !everybody {
        who.push(has_one_of(FIELD, &included));
    }
    if !excluded.is_empty() {
        who.push(not(&has_one_of(FIELD, &excluded)));
    }
    if who.iter().any(|condition| condition.contains(FIELD)) {
        imported.field(FIELD, "list", "the ids of the Entra groups that the device, or its person, is a member of");
    }
    Some((who, everybody))
}
