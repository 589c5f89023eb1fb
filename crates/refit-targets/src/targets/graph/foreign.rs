//! What others have set in Intune on the same devices, so that what Refit writes does not count, or not alone.

use super::{ASSIGNMENTS, Place, all_members, is_marked};
use crate::{
    api::{Answers, Foreign, NotUnderstood},
    object::Identity,
    render::figure,
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

/// What others have set.
pub(super) struct Settings {
    /// What, and on which devices.
    pub foreign: Vec<Foreign>,
    /// What can't be seen of it.
    pub notes: Vec<String>,
}

/// What others have set, and on which devices.
pub(super) fn settings(places: &[Place], mark: &str, answers: &Answers) -> Result<Settings, NotUnderstood> {
    let (mut found, mut notes) = (Vec::new(), Vec::new());
    let members = |group: &str| -> Result<Members, NotUnderstood> {
        let (mut devices, mut people) = (BTreeSet::new(), 0);
        for member in answers.records(&all_members(group), "/value")? {
            if member["@odata.type"].as_str().is_some_and(|of| of.ends_with("graph.user")) {
                people += 1;
            } else {
                devices.extend(member["id"].as_str().map(str::to_owned));
            }
        }
        Ok(Members { devices, people })
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
            let mut people = 0;
            for group in within.into_iter().flatten() {
                let of_group = members(group)?;
                people += of_group.people;
                if let Some(devices) = &mut devices {
                    devices.extend(of_group.devices);
                }
            }
            for group in out {
                let gone = members(group)?.devices;
                if let Some(devices) = &mut devices {
                    devices.retain(|device| !gone.contains(device));
                }
            }
            let name = record["displayName"].as_str().unwrap_or("without a name");
            let what = format!("{} `{name}`", place.kind);
            if people > 0 && devices.is_some() {
                let people = if people == 1 { "1 person".to_owned() } else { format!("{} people", figure(people)) };
                notes.push(format!(
                    "{what} is somebody else's, and is assigned to {people}: which devices are theirs can't be seen here, so it is not known \
                     whether they are among this target's"
                ));
            }
            let same_as = place.is_same.then_some(place.kind);
            found.push(Foreign { what, because: because.to_owned(), devices, same_as });
        }
    }
    Ok(Settings { foreign: found, notes })
}

/// Who is in a group of somebody else's.
struct Members {
    devices: BTreeSet<String>,
    people: u64,
}
