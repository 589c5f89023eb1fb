//! Microsoft Graph: what targets that are kept by it ask and call. What each has there, it says itself ([`Place`]); groups are the same for
//! all.
//!
//! Pages: <https://learn.microsoft.com/graph/api/resources/intune-deviceconfig-windowsupdateforbusinessconfiguration>,
//! <https://learn.microsoft.com/graph/api/group-post-groups>, and their neighbours. What is under `/beta` there is here.

mod foreign;

use crate::{
    api::{
        self, Answers, Api, Ask, BASE, Call, Devices, Found, MEMBERS, NotUnderstood, OWN, Pages, There, refer,
        verify::{NotTried, Sample, Samples, Sampling},
    },
    cost::{Cost, Load},
    object::{Fields, Identity, Object, word},
    target::{Desired, Document},
};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The kind of object that a group is.
pub const GROUP: &str = "group";

/// An object as the body that is sent.
pub fn document(object: &Object) -> Document {
    let Document { path, text } = Document::json(object);
    Document { path: format!("{}/{path}", word(&object.id.kind, 24)), text }
}

/// What it costs: an object is read, written and assigned, and twenty members of a group are added by one call.
pub fn cost(desired: &Desired) -> Cost {
    let objects = desired.objects.len() as u64;
    let bytes = desired.objects.values().map(Object::bytes).sum();
    Cost { once: Load { calls: 3 * objects, bytes }, each: Load { calls: 1, bytes: 120 }, ..Cost::default() }
}

/// How many members are added at once at the most (group-post-members).
const MEMBERS_MOST: usize = 20;

/// The field in which it stands to whom something is assigned: it is written by a call of its own.
pub const ASSIGNMENTS: &str = "assignments";

/// What an answer calls the address of its next page.
const PAGES: Pages = Pages::NextLink("/@odata.nextLink");

/// Where objects of a kind are, and what is what there.
pub struct Place {
    /// The kind.
    pub kind: &'static str,
    /// The list of them.
    pub path: &'static str,
    /// The type of their records.
    pub of_type: &'static str,
    /// Whether there are records of other types in the same list.
    pub is_shared: bool,
    /// What the list of assignments is called where it is written.
    pub assigned_as: &'static str,
    /// The type of an assignment.
    pub assignment: &'static str,
    /// What has to stand where in a record before it can be assigned.
    pub ready: Option<(&'static str, &'static str)>,
    /// What can't be changed once it is there.
    pub fixed: &'static [&'static str],
    /// What comes of somebody else's record on the same device, beside one of Refit's; `None` where two get on with each other.
    pub because: fn(&Value, &[&Value]) -> Option<&'static str>,
    /// Whether it sets the same as Refit's: those are not written for the devices of somebody else's.
    pub is_same: bool,
    /// A note about one of Refit's as it is there: a pause that ends by itself.
    pub note: fn(&Value) -> Option<String>,
}

/// A target that Graph keeps.
pub struct Graph {
    /// Where its objects are, what others name first. Groups come before all of them.
    pub places: &'static [Place],
    /// The kinds, groups first.
    pub order: &'static [&'static str],
    /// Settings of the target's document that are its own.
    pub settings: &'static [&'static str],
    /// What the secret has to be allowed.
    pub permissions: &'static str,
    /// Objects that are tried on a live system, assigned to an empty group of the same name.
    pub samples: fn(&Sampling<'_>) -> Vec<Sample>,
}

const GROUPS: &str = "/v1.0/groups";

impl Place {
    fn ask(&self) -> Ask {
        let ask = Ask::list(self.path, PAGES).with("$expand", ASSIGNMENTS);
        if self.is_shared {
            return ask.with("$filter", format!("isof('{}')", self.of_type.trim_start_matches('#')));
        }
        ask
    }

    /// The records of this kind.
    fn records(&self, answers: &Answers) -> Result<Vec<Value>, NotUnderstood> {
        let mut records = answers.records(&self.ask(), "/value")?;
        // A record has its type where others are in the same place, or not at all.
        records.retain(|record| record["@odata.type"].as_str().is_none_or(|of| of == self.of_type));
        Ok(records)
    }
}

fn groups() -> Ask {
    Ask::list(GROUPS, PAGES)
        .with("$filter", "startswith(displayName,'refit-')")
        .with("$select", "id,displayName,description,mailEnabled,mailNickname,securityEnabled")
}

fn members(group: &str) -> Ask {
    Ask::list(format!("{GROUPS}/{group}/members"), PAGES).with("$select", "id").with("$top", "999").optional()
}

/// All that are in a group of somebody else's, and in the groups in it.
fn all_members(group: &str) -> Ask {
    Ask::list(format!("{GROUPS}/{group}/transitiveMembers"), PAGES).with("$select", "id").with("$top", "999").optional()
}

fn devices() -> Ask {
    Ask::list("/v1.0/devices", PAGES)
        .with("$filter", "operatingSystem eq 'Windows'")
        .with("$select", "id,deviceId,displayName")
        .with("$top", "999")
}

fn managed() -> Ask {
    Ask::list("/v1.0/deviceManagement/managedDevices", PAGES)
        .with("$filter", "operatingSystem eq 'Windows'")
        .with("$select", "id,azureADDeviceId,deviceName,serialNumber")
        .with("$top", "1000")
}

impl Api for Graph {
    fn connector(&self) -> &'static str {
        "intune"
    }

    fn within(&self) -> &'static str {
        "/v1.0"
    }

    fn permissions(&self) -> &'static str {
        self.permissions
    }

    fn ask(&self, mark: &str, answers: &Answers) -> Result<Vec<Ask>, NotUnderstood> {
        let mut wanted = vec![groups(), devices(), managed()];
        wanted.extend(self.places.iter().map(Place::ask));
        for group in answers.records(&groups(), "/value")? {
            if let Some(id) = owned(GROUP, &group).and(group["id"].as_str()) {
                wanted.push(members(id));
            }
        }
        wanted.extend(foreign::groups(self.places, mark, answers)?.iter().map(|group| all_members(group)));
        Ok(wanted)
    }

    fn found(&self, mark: &str, answers: &Answers) -> Result<Found, NotUnderstood> {
        let mut objects = Vec::new();
        for group in answers.records(&groups(), "/value")? {
            let (Some(id), Some(remote)) = (owned(GROUP, &group), group["id"].as_str()) else { continue };
            let ids = answers.records(&members(remote), "/value")?;
            let ids: BTreeSet<&str> = ids.iter().filter_map(|member| member["id"].as_str()).collect();
            let mut there = there(id, remote, &group, mark);
            there.fields.insert(MEMBERS.to_owned(), json!(ids));
            objects.push(there);
        }
        let mut assigned = Vec::new();
        for place in self.places {
            for record in place.records(answers)? {
                let (Some(id), Some(remote)) = (owned(place.kind, &record), record["id"].as_str()) else { continue };
                let mut there = there(id, remote, &record, mark);
                there.fields.insert("@odata.type".to_owned(), place.of_type.into());
                there.fields.insert(ASSIGNMENTS.to_owned(), assignments(&record, &objects));
                assigned.push(there);
            }
        }
        let foreign::Settings { foreign, mut notes } = foreign::settings(self.places, mark, answers)?;
        for place in self.places {
            let records = place.records(answers)?;
            let own = records.iter().filter(|it| owned(place.kind, it).is_some() && is_marked(it, mark));
            notes.extend(own.filter_map(place.note));
        }
        objects.extend(assigned);
        Ok(Found { objects, devices: known(answers)?, foreign, notes })
    }

    fn order(&self) -> &'static [&'static str] {
        self.order
    }

    fn settings(&self) -> &'static [&'static str] {
        self.settings
    }

    fn has_members(&self, kind: &str) -> bool {
        kind == GROUP
    }

    fn create(&self, id: &Identity, fields: &Fields) -> Vec<Call> {
        let own = |name: &&String| ![ASSIGNMENTS, MEMBERS].contains(&name.as_str());
        let mut body: Map<String, Value> =
            fields.iter().filter(|(name, _)| own(name)).map(|(name, value)| (name.clone(), value.clone())).collect();
        let Some(place) = self.place(&id.kind) else {
            let all = texts(fields.get(MEMBERS));
            let (first, rest) = all.split_at(all.len().min(MEMBERS_MOST));
            if !first.is_empty() {
                body.insert("members@odata.bind".to_owned(), bound(first));
            }
            let mut calls = vec![Call::post(GROUPS, Value::Object(body)).makes()];
            calls.extend(added(rest));
            return calls;
        };
        let mut calls = vec![Call::post(place.path, Value::Object(body)).makes()];
        if let Some((pointer, value)) = place.ready {
            calls.push(Call::wait(format!("{}/{OWN}", place.path), pointer, value));
        }
        calls.extend(fields.get(ASSIGNMENTS).map(|to| place.assign(to)));
        calls
    }

    fn update(&self, there: &There, before: &Fields, after: &Fields) -> Vec<Call> {
        let mut body = Map::new();
        for name in before.keys().chain(after.keys()) {
            if ![ASSIGNMENTS, MEMBERS].contains(&name.as_str()) && before.get(name) != after.get(name) {
                body.insert(name.clone(), after.get(name).cloned().unwrap_or(Value::Null));
            }
        }
        let place = self.place(&there.id.kind);
        let path = place.map_or(GROUPS, |place| place.path);
        let mut calls = Vec::new();
        if !body.is_empty() {
            // Which of the types in one place is meant has to be said.
            body.extend(place.map(|place| ("@odata.type".to_owned(), place.of_type.into())));
            calls.push(Call::patch(format!("{path}/{OWN}"), Value::Object(body)).to(there.version.as_deref()));
        }
        let to = after.get(ASSIGNMENTS);
        if let (Some(place), true) = (place, before.get(ASSIGNMENTS) != to) {
            calls.push(place.assign(to.unwrap_or(&json!([]))));
        }
        let (was, is) = (texts(before.get(MEMBERS)), texts(after.get(MEMBERS)));
        let (was, is): (BTreeSet<&str>, BTreeSet<&str>) = (was.into_iter().collect(), is.into_iter().collect());
        calls.extend(was.difference(&is).map(|member| Call::delete(format!("{GROUPS}/{OWN}/members/{member}/$ref"))));
        calls.extend(added(&is.difference(&was).copied().collect::<Vec<_>>()));
        calls
    }

    fn samples(&self, sampling: &Sampling<'_>) -> Samples {
        let group = group(sampling.name, String::new(), sampling.mark).with(MEMBERS, json!([]));
        let group = Sample::new(group, "description", format!("{} It was changed.", sampling.mark));
        let mut samples = vec![group];
        samples.extend((self.samples)(sampling));
        let because = "nobody is put into a group by a verification".to_owned();
        Samples { samples, not_tried: vec![NotTried { what: "devices in groups".to_owned(), because }] }
    }

    fn delete(&self, there: &There) -> Vec<Call> {
        let path = self.place(&there.id.kind).map_or(GROUPS, |place| place.path);
        vec![Call::delete(format!("{path}/{}", there.remote)).to(there.version.as_deref())]
    }

    fn made(&self, _kind: &str, answer: &str) -> Option<String> {
        let answer: Value = serde_json::from_str(answer).ok()?;
        answer["id"].as_str().map(str::to_owned)
    }

    fn refuses(&self, _id: &Identity, before: &Fields, after: &Fields) -> Option<String> {
        let package = "packageIdentifier";
        let is_other = before.get(package).is_some() && before.get(package) != after.get(package);
        is_other
            .then(|| "the package of an app can't be changed: take the app away there, and it is made anew".to_owned())
    }
}

impl Place {
    fn assign(&self, to: &Value) -> Call {
        let typed = |assignment: &Value| {
            let mut assignment = assignment.clone();
            assignment["@odata.type"] = self.assignment.into();
            assignment
        };
        let to: Vec<Value> = to.as_array().into_iter().flatten().map(typed).collect();
        Call::post(format!("{}/{OWN}/assign", self.path), json!({ self.assigned_as: to }))
    }
}

impl Graph {
    fn place(&self, kind: &str) -> Option<&'static Place> {
        self.places.iter().find(|place| place.kind == kind)
    }
}

/// The identity of a record whose name is Refit's.
fn owned(kind: &str, record: &Value) -> Option<Identity> {
    let id = Identity::new(kind, record["displayName"].as_str()?.to_owned());
    id.is_owned().then_some(id)
}

/// Whether a record is this target's.
fn is_marked(record: &Value, mark: &str) -> bool {
    record["description"].as_str().is_some_and(|description| description.contains(mark))
}

fn there(id: Identity, remote: &str, record: &Value, mark: &str) -> There {
    There {
        id,
        remote: remote.to_owned(),
        fields: record.as_object().cloned().unwrap_or_default().into_iter().collect(),
        is_marked: is_marked(record, mark),
        version: record["@odata.etag"].as_str().map(str::to_owned),
    }
}

/// To whom a record is assigned, as it is written: without ids of assignments, and without what is nothing.
fn assignments(record: &Value, groups: &[There]) -> Value {
    let mut all = Vec::new();
    for assignment in record[ASSIGNMENTS].as_array().into_iter().flatten() {
        let mut target = assignment["target"].clone();
        if let Some(group) = target["groupId"].as_str().map(|group| refer(groups, GROUP, group)) {
            target["groupId"] = group.into();
        }
        if let Some(target) = target.as_object_mut() {
            let is_unset = |name: &str, value: &Value| {
                name.starts_with("deviceAndAppManagementAssignmentFilter") && (value.is_null() || value == "none")
            };
            target.retain(|name, value| !is_unset(name, value));
        }
        let mut written = Map::new();
        written.insert("target".to_owned(), target);
        for name in ["intent", "settings"] {
            written.extend(assignment.get(name).map(|value| (name.to_owned(), value.clone())));
        }
        all.push(Value::Object(written));
    }
    all.sort_by_key(|assignment| assignment["target"].to_string());
    Value::Array(all)
}

/// The devices by all that they are known by.
fn known(answers: &Answers) -> Result<BTreeMap<String, String>, NotUnderstood> {
    let mut known = Devices::default();
    let text = |record: &Value, name: &str| record[name].as_str().unwrap_or_default().to_owned();
    let directory = answers.records(&devices(), "/value")?;
    let mut by_device_id = BTreeMap::new();
    for device in &directory {
        let remote = text(device, "id");
        known.name(&text(device, "deviceId"), &remote);
        known.name(&text(device, "displayName"), &remote);
        by_device_id.insert(text(device, "deviceId").to_lowercase(), remote);
    }
    for device in answers.records(&managed(), "/value")? {
        if let Some(remote) = by_device_id.get(&text(&device, "azureADDeviceId").to_lowercase()) {
            for name in ["id", "serialNumber", "deviceName"] {
                known.name(&text(&device, name), remote);
            }
        }
    }
    Ok(known.told_apart())
}

fn texts(list: Option<&Value>) -> Vec<&str> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

fn bound(members: &[&str]) -> Value {
    members.iter().map(|member| format!("{}/v1.0/directoryObjects/{member}", BASE)).collect()
}

/// The calls that add members, not too many at once.
fn added(members: &[&str]) -> Vec<Call> {
    let some = members.chunks(MEMBERS_MOST);
    some.map(|some| Call::patch(format!("{GROUPS}/{OWN}"), json!({ "members@odata.bind": bound(some) }))).collect()
}

/// The assignment to a group of Refit's, whose id is known when it is there.
pub fn to_group(name: &str) -> Value {
    let id = api::reference(&Identity::new(GROUP, name.to_owned()));
    json!({ "@odata.type": "#microsoft.graph.groupAssignmentTarget", "groupId": id })
}

/// A group of devices.
pub fn group(name: &str, about: String, mark: &str) -> Object {
    Object::new(Identity::new(GROUP, name.to_owned()), about)
        .with("description", mark)
        .with("displayName", name)
        .with("mailEnabled", false)
        .with("mailNickname", name)
        .with("securityEnabled", true)
}
