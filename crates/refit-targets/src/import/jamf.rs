//! Jamf Pro's patch policies, as its APIs give them.
//!
//! The Classic API has them whole, as XML or JSON (`/JSSResource/patchpolicies/id/N`); the Jamf Pro API has all of them in one list
//! (`/api/v2/patch-policies/policy-details`), without whom they are for, and the names of titles
//! (`/api/v2/patch-software-title-configurations`). What is handed in is put together by ids. A patch policy moves Macs that have the title
//! to the version that it names; in Self Service with a deadline, by itself so many days after a Mac is told of it.

use super::{
    Document, Imported, Names,
    conditions::{all, any, has_one_of, not, one_of},
    text_of,
};
use jiff::SignedDuration;
use quick_xml::{Reader, events::Event};
use refit_core::policy::{
    document::{scalars::Duration, title::System},
    resolve::Titles,
};
use refit_model::{Scheme, Version};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const GROUPS: &str = "device.jamf_groups";
const BUILDING: &str = "device.jamf_building";
const DEPARTMENT: &str = "device.jamf_department";

/// A file of Jamf's: JSON or XML as a value.
pub fn parse(text: &str) -> Result<Value, String> {
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if text.starts_with('<') {
        return xml(text);
    }
    serde_json::from_str(text).map_err(|error| format!("it is neither XML nor JSON: {error}"))
}

/// What is known of one patch policy, from both APIs.
#[derive(Debug, Default)]
struct Patch {
    name: String,
    enabled: Option<bool>,
    version: String,
    configuration: String,
    title: Option<String>,
    self_service: bool,
    deadline: Option<i64>,
    grace_minutes: Option<i64>,
    downgrades: bool,
    restarts: bool,
    minimum_os: Option<String>,
    incremental: bool,
    unknown: bool,
    scope: Option<Value>,
}

/// The documents that patch policies come to.
pub fn import(values: &[(String, Value)], titles: &Titles) -> Imported {
    let mut imported = Imported::default();
    let mut patches: BTreeMap<String, Patch> = BTreeMap::new();
    let mut named: BTreeMap<String, String> = BTreeMap::new();
    for (path, value) in values {
        let results = value["results"].as_array().map_or(0, Vec::len);
        if let Some(all) =
            value["totalCount"].as_u64().filter(|all| usize::try_from(*all).is_ok_and(|all| all > results))
        {
            let why =
                format!("it is a part of a list, with {results} of {all}: there are more pages, hand them in too");
            imported.leave_out(path, "totalCount", why);
        }
        for object in listed(value) {
            read(path, object, &mut patches, &mut named, &mut imported);
        }
    }
    let mut ready = Vec::new();
    for (id, patch) in patches {
        let from =
            if patch.name.is_empty() { format!("patch policy {id}") } else { format!("patch policy {}", patch.name) };
        let title = patch.title.clone().or_else(|| named.get(&patch.configuration).cloned());
        let Some(title) = title else {
            let why = format!(
                "it is not said of which title configuration {} is: hand in `/api/v2/patch-software-title-configurations` as well",
                patch.configuration
            );
            imported.leave_out(&from, "software_title_configuration_id", why);
            continue;
        };
        if patch.enabled == Some(false) {
            imported.leave_out(&from, "enabled", "it is switched off");
            continue;
        }
        let Some(scope) = &patch.scope else {
            let why = format!(
                "whom it is for only the Classic API says: hand in `/JSSResource/patchpolicies/id/{id}` as well"
            );
            imported.leave_out(&from, "scope", why);
            continue;
        };
        match whom(scope, &from, &mut imported) {
            Some(whom) => ready.push((title, from, whom, patch)),
            None => imported.leave_out(&from, "scope", "it is for nobody"),
        }
    }
    // Of several for one title a Mac comes to the newest in the end: it counts first.
    let number = |patch: &Patch| Version::parse(Scheme::Generic, &patch.version).ok();
    ready.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| number(&b.3).cmp(&number(&a.3))).then_with(|| a.1.cmp(&b.1)));
    let mut names = Names::new(titles);
    for (index, (title, from, whom, patch)) in ready.iter().enumerate() {
        let after = ready.iter().skip(index + 1).filter(|(other, ..)| other == title).count();
        write(title, from, whom, patch, after, &mut names, &mut imported);
    }
    imported.settle(titles)
}

/// The objects of a list, or one by itself.
fn listed(value: &Value) -> Vec<&Value> {
    match (value, &value["results"]) {
        (Value::Array(objects), _) | (_, Value::Array(objects)) => objects.iter().collect(),
        (one, _) => vec![one],
    }
}

fn read(
    path: &str,
    object: &Value,
    patches: &mut BTreeMap<String, Patch>,
    named: &mut BTreeMap<String, String>,
    imported: &mut Imported,
) {
    if object["patch_policy"].is_object() {
        let policy = &object["patch_policy"];
        let general = &policy["general"];
        let Some(id) = number(&general["id"]) else {
            return imported.leave_out(path, "general.id", "a patch policy without an id");
        };
        let patch = patches.entry(id).or_default();
        patch.name = general["name"].as_str().unwrap_or_default().to_owned();
        patch.enabled = truth(&general["enabled"]);
        patch.version = said(&general["target_version"]);
        patch.configuration = said(&policy["software_title_configuration_id"]);
        patch.self_service = general["distribution_method"] == "selfservice";
        let deadlines = &policy["user_interaction"]["deadlines"];
        patch.deadline =
            truth(&deadlines["deadline_enabled"]).filter(|on| *on).and_then(|_| whole(&deadlines["deadline_period"]));
        patch.grace_minutes = whole(&policy["user_interaction"]["grace_period"]["grace_period_duration"]);
        patch.downgrades = truth(&general["allow_downgrade"]).unwrap_or(false);
        patch.restarts = truth(&general["reboot"]).unwrap_or(false);
        patch.minimum_os = text_of(general, "minimum_os").map(str::to_owned);
        patch.incremental = truth(&general["incremental_updates"]).unwrap_or(false);
        patch.unknown = truth(&general["patch_unknown"]).unwrap_or(false);
        patch.scope = Some(policy["scope"].clone());
        return;
    }
    if object["patch_software_title"].is_object() {
        let title = &object["patch_software_title"];
        if let (Some(id), Some(name)) = (number(&title["id"]), text_of(title, "name")) {
            named.insert(id, name.to_owned());
        }
        return;
    }
    let id = number(&object["id"]);
    if let (Some(id), true) = (&id, object["targetPatchVersion"].is_string()) {
        let patch = patches.entry(id.clone()).or_default();
        // What the Classic API said is the whole.
        if patch.scope.is_some() {
            return;
        }
        patch.name = object["name"].as_str().unwrap_or_default().to_owned();
        patch.enabled = truth(&object["enabled"]);
        patch.version = said(&object["targetPatchVersion"]);
        patch.configuration = said(&object["softwareTitleConfigurationId"]);
        patch.self_service =
            object["deploymentMethod"].as_str().is_some_and(|method| method.to_ascii_lowercase().contains("self"));
        patch.deadline = truth(&object["selfServiceEnforceDeadline"])
            .filter(|on| *on)
            .and_then(|_| whole(&object["selfServiceDeadline"]));
        patch.grace_minutes = whole(&object["killAppsDelayMinutes"]);
        patch.downgrades = truth(&object["downgrade"]).unwrap_or(false);
        patch.unknown = truth(&object["patchUnknownVersion"]).unwrap_or(false);
        return;
    }
    if let (Some(id), true) = (&id, object["policyTargetVersion"].is_string()) {
        // The overview has the title's name, which the details lack.
        patches.entry(id.clone()).or_default().title = text_of(object, "softwareTitle").map(str::to_owned);
        return;
    }
    let title = text_of(object, "softwareTitleName").or_else(|| text_of(object, "displayName"));
    match (id, title) {
        (Some(id), Some(title)) if !object["softwareTitleId"].is_null() => drop(named.insert(id, title.to_owned())),
        _ => imported.leave_out(path, "", "it is no patch policy, and no title of one"),
    }
}

/// Whom a scope is for; `None` where that is nobody.
fn whom(scope: &Value, from: &str, imported: &mut Imported) -> Option<Vec<String>> {
    let included = parts(scope, from, imported);
    let everybody = truth(&scope["all_computers"]) == Some(true);
    if !everybody && included.is_empty() {
        return None;
    }
    let mut whom = if everybody { Vec::new() } else { vec![any(&included)] };
    whom.extend(parts(&scope["exclusions"], from, imported).iter().map(|part| not(part)));
    for key in ["network_segments", "ibeacons", "users", "user_groups"] {
        if !entries(&scope["limitations"][key]).is_empty() {
            imported.leave_out(
                from,
                &format!("scope.limitations.{key}"),
                "where a Mac is at the moment, and who is at it, is not asked",
            );
        }
    }
    Some(whom)
}

/// What a scope names, part by part.
fn parts(scope: &Value, from: &str, imported: &mut Imported) -> Vec<String> {
    let mut parts = Vec::new();
    let names = |key: &str| -> Vec<String> {
        let mut names: Vec<String> =
            entries(&scope[key]).iter().filter_map(|entry| text_of(entry, "name")).map(str::to_owned).collect();
        names.sort();
        names.dedup();
        names
    };
    let groups = names("computer_groups");
    if !groups.is_empty() {
        parts.push(has_one_of(GROUPS, &groups));
        imported.field(GROUPS, "list", "the names of the computer groups that a Mac is in");
    }
    for (key, field, what) in [
        ("buildings", BUILDING, "the building that Jamf knows of a Mac"),
        ("departments", DEPARTMENT, "the department that Jamf knows of a Mac"),
    ] {
        let names = names(key);
        if !names.is_empty() {
            parts.push(one_of(field, &names));
            imported.field(field, "text", what);
        }
    }
    let computers = names("computers");
    if !computers.is_empty() {
        parts.push(one_of("device.hostname", &computers));
    }
    for key in ["users", "user_groups", "jss_users", "jss_user_groups", "network_segments", "ibeacons"] {
        if !entries(&scope[key]).is_empty() {
            imported.leave_out(
                from,
                &format!("scope.{key}"),
                "where a Mac is at the moment, and who is at it, is not asked",
            );
        }
    }
    parts
}

fn write(
    name: &str,
    from: &str,
    whom: &[String],
    patch: &Patch,
    after: usize,
    names: &mut Names<'_>,
    imported: &mut Imported,
) {
    let title = names.title((System::Jamf, "jamf"), name, name, imported);
    let Some(target) = names.pinned(&title, &patch.version) else {
        let why = format!("`{}` is no version as {title} has them", patch.version);
        return imported.leave_out(from, "target_version", why);
    };
    let mut conditions = vec!["device.platform == \"macos\"".to_owned()];
    conditions.extend(whom.iter().cloned());
    if let Some(minimum) = &patch.minimum_os {
        match Version::parse(Scheme::Apple, minimum) {
            Ok(_) => conditions.push(format!("device.os_version >= \"{minimum}\"")),
            Err(_) => imported.leave_out(from, "minimum_os", format!("`{minimum}` is no version of macOS")),
        }
    }
    let field = |key: &str| format!("{from}: {key}");
    let mut policy = Document::new("policy", &names.unused("policy", &format!("jamf: {}", patch.name)), "");
    let chosen = patch.self_service && patch.deadline.is_none();
    if chosen {
        policy = policy.with("mode", json!("notify"), field("distribution_method is selfservice, without a deadline"));
    }
    policy = policy
        .with_some("priority", (after > 0).then(|| json!(after)), "of several for one title the newest version counts")
        .with("where", json!(all(&conditions)), field("scope"))
        .with("software", json!([title.as_str()]), field("software_title_configuration_id"))
        .with("presence", json!("if_present"), "a patch policy installs only where the title is")
        .with("target", target, field("target_version"))
        .with_some("allow_downgrade", patch.downgrades.then(|| json!(true)), field("allow_downgrade"));
    let deadline = patch.deadline.filter(|_| patch.self_service);
    if let Some(days) = deadline {
        let within = Duration(SignedDuration::from_hours(24 * days.clamp(0, 3_650)));
        policy = policy.with(
            "deadline",
            json!([{ "within": within.to_string() }]),
            field("user_interaction.deadlines.deadline_period"),
        );
        let why = "Jamf counts from when a Mac is told of the version; Refit from when the version came out and the Mac lacks it, and at the \
                   earliest from when this policy first applies";
        imported.leave_out(from, "user_interaction.deadlines.deadline_period", why);
    }
    let mode = if deadline.is_some() { "at_due" } else { "ask" };
    let mut experience = json!({ "relaunch": { "mode": mode } });
    if patch.restarts {
        experience["reboot"] = json!({ "mode": mode });
    }
    policy = policy.with("experience", experience, field("distribution_method, user_interaction, reboot"));
    imported.documents.push(policy);
    if !patch.self_service {
        let why = "there is no date: what is open is quit after the grace period there; without a due time Refit asks";
        imported.leave_out(from, "distribution_method", why);
    }
    if let Some(minutes) = patch.grace_minutes.filter(|minutes| *minutes > 0) {
        let why = format!("people have {minutes} minutes to quit what is open: how long that is, is Refit's own");
        imported.leave_out(from, "user_interaction.grace_period", why);
    }
    if patch.incremental {
        imported.leave_out(from, "incremental_updates", "the versions between are not installed one after the other");
    }
    if patch.unknown {
        imported.leave_out(from, "patch_unknown", "a version that nobody knows is compared like any other");
    }
}

fn entries(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(entries) => entries.iter().collect(),
        // As XML has it: the entries under their own names.
        Value::Object(map) => map
            .values()
            .flat_map(|value| match value {
                Value::Array(entries) => entries.iter().collect(),
                Value::Object(_) => vec![value],
                _ => Vec::new(),
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
}

fn number(value: &Value) -> Option<String> {
    let said = said(value);
    (!said.is_empty()).then_some(said)
}

fn said(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

/// So deep elements may be.
const DEEPEST: usize = 64;

/// XML as a value: elements by their names, several of one name as a list, texts where there is nothing else.
fn xml(text: &str) -> Result<Value, String> {
    let mut reader = Reader::from_str(text);
    let mut open: Vec<(String, Map<String, Value>, String)> = vec![(String::new(), Map::new(), String::new())];
    let broken = |error: String| format!("it is no XML: {error}");
    loop {
        let event = reader.read_event().map_err(|error| broken(error.to_string()))?;
        match event {
            Event::Start(start) => {
                if open.len() > DEEPEST {
                    return Err("it is nested too deeply".to_owned());
                }
                open.push((start.local_name().as_ref().to_owned(), Map::new(), String::new()));
            }
            Event::Empty(start) => {
                if let Some((_, map, _)) = open.last_mut() {
                    put(map, start.local_name().as_ref().to_owned(), Value::String(String::new()));
                }
            }
            Event::End(_) => {
                let (Some((name, map, text)), Some((_, parent, _))) = (open.pop(), open.last_mut()) else {
                    return Err(broken("an element is closed that is not open".to_owned()));
                };
                let value = if map.is_empty() { Value::String(text.trim().to_owned()) } else { Value::Object(map) };
                put(parent, name, value);
            }
            Event::Text(part) => add(&mut open, &part.xml10_content()),
            Event::CData(part) => add(&mut open, &part.xml10_content()),
            Event::GeneralRef(reference) => {
                let letter = match reference.resolve_char_ref() {
                    Ok(Some(letter)) => letter,
                    Ok(None) => match reference.xml10_content().as_ref() {
                        "amp" => '&',
                        "lt" => '<',
                        "gt" => '>',
                        "quot" => '"',
                        "apos" => '\'',
                        other => return Err(broken(format!("there is no entity `{other}`"))),
                    },
                    Err(error) => return Err(broken(error.to_string())),
                };
                add(&mut open, letter.encode_utf8(&mut [0; 4]));
            }
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
    match open.pop() {
        Some((name, map, _)) if name.is_empty() && !map.is_empty() => Ok(Value::Object(map)),
        _ => Err(broken("it has no end".to_owned())),
    }
}

fn add(open: &mut [(String, Map<String, Value>, String)], part: &str) {
    if let Some((_, _, text)) = open.last_mut() {
        text.push_str(part);
    }
}

fn put(map: &mut Map<String, Value>, name: String, value: Value) {
    match map.get_mut(&name) {
        None => drop(map.insert(name, value)),
        Some(Value::Array(list)) => list.push(value),
        Some(one) => *one = Value::Array(vec![one.take(), value]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xml_is_read_like_json() {
        let text = "<?xml version=\"1.0\"?><patch_policy><general><id>3</id><name>A &amp; B&#x21;</name><enabled>true</enabled></general>\
                    <scope><computer_groups><computer_group><id>1</id><name>x</name></computer_group>\
                    <computer_group><id>2</id><name>y</name></computer_group></computer_groups><buildings/></scope></patch_policy>";
        let read = parse(text).unwrap();
        assert_eq!(read["patch_policy"]["general"], json!({ "id": "3", "name": "A & B!", "enabled": "true" }));
        assert_eq!(entries(&read["patch_policy"]["scope"]["computer_groups"]).len(), 2);
        assert!(entries(&read["patch_policy"]["scope"]["buildings"]).is_empty());
    }

    #[test]
    fn a_page_of_a_list_is_said_to_be_one() {
        for (count, left_out) in [(1, 1), (0, 0)] {
            let page = json!({ "totalCount": count, "results": [] });
            let imported = import(&[("p.json".to_owned(), page)], &Titles::default());
            assert_eq!(imported.left_out.len(), left_out, "{:?}", imported.left_out);
        }
    }

    #[test]
    fn what_is_no_xml_is_said() {
        for text in ["<a><b></a>", "<a>", "</a>", "<a>&nope;</a>", "{", "", &"<a>".repeat(1_000)] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
