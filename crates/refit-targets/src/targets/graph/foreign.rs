//! What others have set in Intune on the same devices, so that what Refit writes does not count, or not alone.

use super::{ASSIGNMENTS, Place, all_members, is_marked};
use crate::{
    api::{Answers, Foreign, NotUnderstood},
    object::Identity,
};
use serde_json::Value;
use std::collections::BTreeSet;

/// Whether a record is somebody else's.
fn is_foreign(record: &Value, mark: &str) -> bool {
    let name = record["displayName"].as_str().unwrap_or_default().to_owned();
    !(Identity::new("", name).is_owned() && is_marked(record, mark))
}

/// The targets of a record: groups that are in, and groups that are out; all devices or people as `None`.
fn targets(record: &Value) -> (BTreeSet<Option<&str>>, BTreeSet<&str>) {
    let (mut within, mut out) = (BTreeSet::new(), BTreeSet::new());
    for assignment in record[ASSIGNMENTS].as_array().into_iter().flatten() {
        let target = &assignment["target"];
        let (kind, group) = (target["@odata.type"].as_str().unwrap_or_default(), target["groupId"].as_str());
        if kind.ends_with("exclusionGroupAssignmentTarget") {
            out.extend(group);
        } else if kind.ends_with("groupAssignmentTarget") {
            within.extend(group.map(Some));
        } else if kind.ends_with("allDevicesAssignmentTarget") || kind.ends_with("allLicensedUsersAssignmentTarget") {
            within.insert(None);
        }
    }
    (within, out)
}

/// The groups whose members have to be known.
pub(super) fn groups(places: &[Place], mark: &str, answers: &Answers) -> Result<BTreeSet<String>, NotUnderstood> {
    let mut wanted = BTreeSet::new();
    for place in places {
        for record in place.records(answers)?.iter().filter(|record| is_foreign(record, mark)) {
            let (within, out) = targets(record);
            wanted.extend(within.into_iter().flatten().chain(out).map(str::to_owned));
        }
    }
    Ok(wanted)
}

/// What others have set, and on which devices.
pub(super) fn settings(places: &[Place], mark: &str, answers: &Answers) -> Result<Vec<Foreign>, NotUnderstood> {
    let mut found = Vec::new();
    let members = |group: &str| -> Result<BTreeSet<String>, NotUnderstood> {
        let members = answers.records(&all_members(group), "/value")?;
        Ok(members.iter().filter_map(|member| member["id"].as_str()).map(str::to_owned).collect())
    };
    for place in places {
        let records = place.records(answers)?;
        let (theirs, ours): (Vec<&Value>, Vec<&Value>) = records.iter().partition(|record| is_foreign(record, mark));
        for record in theirs {
            let Some(because) = (place.because)(record, &ours) else { continue };
            let (within, out) = targets(record);
            if within.is_empty() {
                continue;
            }
            let mut devices = (!within.contains(&None)).then(BTreeSet::new);
            for group in within.into_iter().flatten() {
                if let Some(devices) = &mut devices {
                    devices.extend(members(group)?);
                }
            }
            for group in out {
                let gone = members(group)?;
                if let Some(devices) = &mut devices {
                    devices.retain(|device| !gone.contains(device));
                }
            }
            let name = record["displayName"].as_str().unwrap_or("without a name");
            found.push(Foreign { what: format!("{} `{name}`", place.kind), because: because.to_owned(), devices });
        }
    }
    Ok(found)
}
