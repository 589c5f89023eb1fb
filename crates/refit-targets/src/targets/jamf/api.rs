//! How Jamf Pro is asked and called: the Jamf Pro API in JSON, the Classic API for patch policies and for who is in a static group.
//!
//! None of these endpoints takes a version of what it changes (`versionLock`: developer.jamf.com, *Optimistic Locking*, lists those that do).

use super::{
    Catalog, GROUP, INSTALLER, Jamf, MACOS, PATCH, PLAN, SMART_GROUP, Titles,
    catalog::{App, Configuration},
    samples::samples,
    xml,
};
use crate::{
    api::{
        Answers, Api, Ask, Call, Devices, Found, MEMBERS, Method, NotUnderstood, OWN, Pages, There, refer,
        verify::{Samples, Sampling},
    },
    object::{Fields, Identity, MARKER},
    target::Offered,
};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

const STATIC_GROUPS: &str = "/api/v3/computer-groups/static-groups";
const SMART_GROUPS: &str = "/api/v3/computer-groups/smart-groups";
const PATCH_POLICIES: &str = "/api/v2/patch-policies/policy-details";
const PATCH_TITLES: &str = "/api/v2/patch-software-title-configurations";
const DEPLOYMENTS: &str = "/api/v1/app-installers/deployments";
const APPS: &str = "/api/v1/app-installers/titles";
const COMPUTERS: &str = "/api/v1/computers-inventory";
const UPDATES: &str = "/api/v1/managed-software-updates/available-updates";
const PLANS: &str = "/api/v1/managed-software-updates/plans";

/// The states in which a plan has come to its end.
const ENDED: [&str; 4] = ["PlanCanceled", "PlanCompleted", "PlanException", "PlanFailed"];

/// Why a plan fails where the Mac has another one.
const IN_THE_WAY: &str = "EXISTING_PLAN_FOR_DEVICE_IN_PROGRESS";

/// What Refit's plans do: install at a time.
pub(super) const DATED: &str = "DOWNLOAD_INSTALL_SCHEDULE";

/// How many plans of a group are under way, beside what Refit writes.
const RUNNING: &str = "running";

/// So many Macs are planned for by one call.
const PLANNED_AT_ONCE: usize = 1_000;

impl Api for Jamf {
    fn connector(&self) -> &'static str {
        "jamf-pro"
    }

    fn permissions(&self) -> &'static str {
        "an API client whose role reads computers, patch management software titles and managed software updates; creates, reads, updates \
         and deletes static and smart computer groups, patch policies and App Installers; creates managed software updates; and sends the \
         remote command to download and install updates"
    }

    fn samples(&self, sampling: &Sampling<'_>) -> Samples {
        samples(sampling)
    }

    fn settings(&self) -> &'static [&'static str] {
        &[Titles::SETTING]
    }

    fn ask(&self, _mark: &str, answers: &Answers) -> Result<Vec<Ask>, NotUnderstood> {
        let mut asks = vec![
            list(STATIC_GROUPS, 200),
            list(SMART_GROUPS, 200),
            list(PATCH_POLICIES, 200),
            Ask::one(PATCH_TITLES),
            // Servers outside of Jamf's cloud have no App Catalog.
            list(DEPLOYMENTS, 200).optional(),
            list(APPS, 200).optional(),
            Ask::one(UPDATES),
            computers(),
        ];
        for title in answers.records(&Ask::one(PATCH_TITLES), "")? {
            asks.push(definitions(text(&title, "/id")));
        }
        for (kind, listed, _) in KINDS {
            asks.extend(owned(answers, kind, &listed())?.into_iter().map(|(_, remote, _)| one(kind, &remote)));
        }
        if owned(answers, GROUP, &list(STATIC_GROUPS, 200))?.iter().any(|(id, ..)| is_planned(id)) {
            asks.push(plans());
        }
        Ok(asks)
    }

    fn found(&self, mark: &str, answers: &Answers) -> Result<Found, NotUnderstood> {
        let mut found = Found { devices: devices(answers)?, ..Found::default() };
        for (kind, listed, pointer) in KINDS {
            for (id, remote, record) in owned(answers, kind, &listed())? {
                let Some(whole) = answers.one(&one(kind, &remote))? else { continue };
                let whole = whole.pointer(pointer).cloned().unwrap_or_default();
                let fields = match *kind {
                    GROUP => static_group(&record, &whole),
                    PATCH => patch_policy(&whole, &found.objects),
                    INSTALLER => deployment(&whole, &found.objects),
                    _ => smart_group(&whole),
                };
                let is_marked = fields.values().any(|value| says(value, mark));
                found.objects.push(There { id, remote, fields, is_marked, version: None });
            }
        }
        let (planned, failed) = planned(answers, &found.objects)?;
        // A group is what its plans are found by: it stays as long as they are under way.
        for plan in &planned {
            let group = found.objects.iter_mut().find(|it| it.id.kind == GROUP && it.id.name == plan.id.name);
            if let (Some(group), Some(running)) = (group, plan.fields.get(RUNNING)) {
                group.fields.insert(RUNNING.to_owned(), running.clone());
            }
        }
        found.objects.extend(planned);
        found.notes.extend(failed);
        found.notes.extend(beside(answers, &found.objects)?);
        Ok(found)
    }

    fn offers(&self, answers: &Answers, offered: &mut Offered) -> Result<bool, NotUnderstood> {
        offered.jamf = Some(catalog(answers)?);
        Ok(true)
    }

    fn order(&self) -> &'static [&'static str] {
        &[GROUP, SMART_GROUP, PATCH, INSTALLER, PLAN]
    }

    fn has_members(&self, kind: &str) -> bool {
        matches!(kind, GROUP | PLAN)
    }

    fn create(&self, id: &Identity, fields: &Fields) -> Vec<Call> {
        match id.kind.as_str() {
            GROUP => vec![Call::post(STATIC_GROUPS, with_members(fields)).makes()],
            SMART_GROUP => vec![Call::post(SMART_GROUPS, json!(fields)).makes()],
            INSTALLER => vec![Call::post(DEPLOYMENTS, json!(fields)).makes()],
            PATCH => {
                let title = fields.get("software_title_configuration_id").and_then(Value::as_str).unwrap_or_default();
                let path = format!("/JSSResource/patchpolicies/softwaretitleconfig/id/{title}");
                vec![Call::xml(Method::Post, path, patch_body(fields)).makes()]
            }
            _ => {
                let mut calls = plan_for(fields, members(fields));
                if let Some(first) = calls.first_mut() {
                    *first = first.clone().makes();
                }
                calls
            }
        }
    }

    fn update(&self, there: &There, before: &Fields, after: &Fields) -> Vec<Call> {
        match there.id.kind.as_str() {
            GROUP => vec![Call::put(format!("{STATIC_GROUPS}/{OWN}"), with_members(after))],
            SMART_GROUP => vec![Call::put(format!("{SMART_GROUPS}/{OWN}"), json!(after))],
            INSTALLER => vec![Call::put(format!("{DEPLOYMENTS}/{OWN}"), json!(after))],
            PATCH => {
                let path = format!("/JSSResource/patchpolicies/id/{OWN}");
                vec![Call::xml(Method::Put, path, patch_body(after))]
            }
            // Who has a plan keeps it; who has come gets one.
            _ => plan_for(after, members(after).difference(&members(before)).cloned().collect()),
        }
    }

    fn delete(&self, there: &There) -> Vec<Call> {
        match there.id.kind.as_str() {
            GROUP => vec![Call::delete(format!("{STATIC_GROUPS}/{OWN}"))],
            SMART_GROUP => vec![Call::delete(format!("{SMART_GROUPS}/{OWN}"))],
            INSTALLER => vec![Call::delete(format!("{DEPLOYMENTS}/{OWN}"))],
            PATCH => vec![Call::delete(format!("/JSSResource/patchpolicies/id/{OWN}"))],
            // What has ended needs no call, and for what has not there is none.
            _ => Vec::new(),
        }
    }

    fn ends_by_itself(&self, kind: &str) -> bool {
        kind == PLAN
    }

    fn stays(&self, there: &There) -> Option<String> {
        let running = there.fields.get(RUNNING).and_then(Value::as_u64).filter(|running| *running > 0)?;
        let plans = crate::render::counted(running, "plan");
        if there.id.kind == GROUP {
            return Some(format!("{plans} for its Macs are under way, and are found by it"));
        }
        Some(format!(
            "{plans} under way can't be taken back by a call: cancel them in Jamf Pro, before they are forced"
        ))
    }

    fn made(&self, kind: &str, answer: &str) -> Option<String> {
        if kind == PATCH {
            let (_, after) = answer.split_once("<id>")?;
            return after.split_once("</id>").map(|(id, _)| id.trim().to_owned());
        }
        let answer: Value = serde_json::from_str(answer).ok()?;
        let made = match kind {
            // Each Mac has a plan of its own.
            PLAN => answer.get("plans")?.as_array()?.iter().map(|plan| text(plan, "/planId")).min()?,
            _ => text(&answer, "/id"),
        };
        Some(made).filter(|id| !id.is_empty())
    }

    fn refuses(&self, id: &Identity, before: &Fields, after: &Fields) -> Option<String> {
        let differs = id.kind == PLAN && before.get("config") != after.get("config");
        differs.then(|| {
            "a plan that was made can't be changed by a call: cancel it in Jamf Pro, and run the same command again"
                .to_owned()
        })
    }
}

/// Where the objects of a kind are listed, and where in the answer about one it stands.
type Kind = (&'static str, fn() -> Ask, &'static str);

/// What is listed; plans have no names, and are found by the groups that they were made for.
const KINDS: &[Kind] = &[
    (GROUP, || list(STATIC_GROUPS, 200), "/computer_group"),
    (SMART_GROUP, || list(SMART_GROUPS, 200), ""),
    (PATCH, || list(PATCH_POLICIES, 200), "/patch_policy"),
    (INSTALLER, || list(DEPLOYMENTS, 200).optional(), ""),
];

fn list(path: &str, size: u32) -> Ask {
    let pages = Pages::Numbered {
        parameter: "page",
        first: 0,
        size_parameter: "page-size",
        size,
        total: "/totalCount",
        records: "/results",
    };
    Ask::list(path, pages)
}

fn computers() -> Ask {
    list(COMPUTERS, 1_000).with("section", "GENERAL,HARDWARE").with("sort", "id:asc")
}

fn definitions(title: String) -> Ask {
    list(&format!("{PATCH_TITLES}/{title}/definitions"), 200)
}

fn plans() -> Ask {
    list(PLANS, 1_000).with("filter", "device.objectType==COMPUTER")
}

/// The question about one object. The Classic API alone says who is in a static group, and all that is in a patch policy.
fn one(kind: &str, remote: &str) -> Ask {
    let path = match kind {
        GROUP => format!("/JSSResource/computergroups/id/{remote}"),
        PATCH => format!("/JSSResource/patchpolicies/id/{remote}"),
        INSTALLER => format!("{DEPLOYMENTS}/{remote}"),
        _ => format!("{SMART_GROUPS}/{remote}"),
    };
    // What was listed may be gone a moment later.
    Ask::one(path).optional()
}

/// What of a list has Refit's name: with its id there, and the record.
fn owned(answers: &Answers, kind: &str, list: &Ask) -> Result<Vec<(Identity, String, Value)>, NotUnderstood> {
    let records = answers.records(list, "/results")?.into_iter();
    let records = records.map(|record| (Identity::new(kind, text(&record, "/name")), text(&record, "/id"), record));
    Ok(records.filter(|(id, ..)| id.is_owned()).collect())
}

/// Whether the Macs of a group have plans.
fn is_planned(group: &Identity) -> bool {
    group.name.starts_with(&format!("{MARKER}-{MACOS}-"))
}

/// A text or a number, as text; empty where it is not there.
fn text(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

fn texts<'v>(value: &'v Value, pointer: &str) -> impl Iterator<Item = &'v str> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// Whether the mark stands somewhere in a field.
fn says(value: &Value, mark: &str) -> bool {
    match value {
        Value::String(text) => text.contains(mark),
        Value::Object(fields) => fields.values().any(|value| says(value, mark)),
        _ => false,
    }
}

fn devices(answers: &Answers) -> Result<BTreeMap<String, String>, NotUnderstood> {
    let mut devices = Devices::default();
    for computer in answers.records(&computers(), "/results")? {
        let remote = text(&computer, "/id");
        for pointer in ["/hardware/serialNumber", "/udid", "/general/managementId", "/general/name"] {
            devices.name(&text(&computer, pointer), &remote);
        }
    }
    Ok(devices.told_apart())
}

/// What of a value has a place in a shape; what is somewhere else is not spoken of.
fn shaped(value: &Value, shape: &Value) -> Value {
    match (value, shape) {
        (Value::Object(fields), Value::Object(shapes)) => {
            let kept = shapes.iter().filter_map(|(name, shape)| Some((name.clone(), shaped(fields.get(name)?, shape))));
            Value::Object(kept.collect())
        }
        (value, _) => value.clone(),
    }
}

fn fields(value: Value) -> Fields {
    match value {
        Value::Object(fields) => fields.into_iter().collect(),
        _ => Fields::new(),
    }
}

fn static_group(record: &Value, whole: &Value) -> Fields {
    let computers = whole.pointer("/computers").and_then(Value::as_array).into_iter().flatten();
    let members: BTreeSet<String> = computers.map(|computer| text(computer, "/id")).collect();
    let mut group = fields(shaped(record, &json!({ "description": "", "name": "", "siteId": "" })));
    group.insert(MEMBERS.to_owned(), json!(members));
    group
}

fn smart_group(whole: &Value) -> Fields {
    let shape = json!({ "criteria": "", "description": "", "name": "", "siteId": "" });
    let mut group = fields(shaped(whole, &shape));
    let criterion = json!({
        "andOr": "", "closingParen": "", "name": "", "openingParen": "", "priority": "", "searchType": "", "value": "",
    });
    if let Some(Value::Array(criteria)) = group.get_mut("criteria") {
        criteria.iter_mut().for_each(|it| *it = shaped(it, &criterion));
    }
    group
}

fn patch_policy(whole: &Value, objects: &[There]) -> Fields {
    let shape = json!({
        "general": {
            "allow_downgrade": "", "distribution_method": "", "enabled": "", "incremental_updates": "", "name": "",
            "patch_unknown": "", "target_version": "",
        },
        "scope": "",
        "user_interaction": {
            "deadlines": "", "grace_period": { "grace_period_duration": "" },
            "notifications": { "notification_enabled": "", "notification_type": "", "reminders": "" },
            "self_service_description": "",
        },
    });
    let mut policy = shaped(whole, &shape);
    if let Some(scope) = policy.get_mut("scope") {
        // Whatever else somebody has scoped it to is seen; what is empty says nothing.
        *scope = filled(scope).unwrap_or_else(|| json!({}));
        for group in scope.get_mut("computer_groups").and_then(Value::as_array_mut).into_iter().flatten() {
            *group = json!({ "id": refer(objects, GROUP, &text(group, "/id")) });
        }
    }
    // What is switched off has figures all the same.
    let interaction = policy.get_mut("user_interaction");
    if let Some(interaction) = interaction.and_then(Value::as_object_mut) {
        only_where(interaction, "deadlines", "deadline_enabled");
        only_where(interaction, "notifications", "notification_enabled");
    }
    let mut policy = fields(policy);
    let title = text(whole, "/software_title_configuration_id");
    policy.insert("software_title_configuration_id".to_owned(), json!(title));
    policy
}

/// Leaves of a part only whether it is on, where it is off.
fn only_where(of: &mut Map<String, Value>, part: &str, switch: &str) {
    if let Some(Value::Object(part)) = of.get_mut(part)
        && part.get(switch) == Some(&Value::Bool(false))
    {
        part.retain(|name, _| name == switch);
    }
}

/// Without what is empty; `None` where nothing is left.
fn filled(value: &Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Object(fields) => {
            let kept: Map<String, Value> =
                fields.iter().filter_map(|(name, value)| Some((name.clone(), filled(value)?))).collect();
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        Value::Array(items) if items.is_empty() => None,
        other => Some(other.clone()),
    }
}

fn deployment(whole: &Value, objects: &[There]) -> Fields {
    let shape = json!({
        "appTitleId": "", "categoryId": "", "deploymentType": "", "enabled": "", "name": "",
        "notificationSettings": { "deadline": "", "notificationInterval": "", "quitDelay": "", "relaunch": "", "suppress": "" },
        "selectedVersion": "", "selfServiceSettings": { "description": "" }, "siteId": "", "smartGroupId": "",
        "updateBehavior": "",
    });
    let mut deployment = fields(shaped(whole, &shape));
    if let Some(group) = deployment.get_mut("smartGroupId") {
        *group = json!(refer(objects, SMART_GROUP, &text(whole, "/smartGroupId")));
    }
    deployment
}

/// The Macs that have the same plan, which has an id for each of them.
struct Having {
    config: Value,
    devices: BTreeSet<String>,
    running: u64,
    first: String,
}

/// The plans of Refit's groups, and what is known of those that failed. What most Macs of a group have is its plan.
fn planned(answers: &Answers, objects: &[There]) -> Result<(Vec<There>, Vec<String>), NotUnderstood> {
    let plans = answers.records(&plans(), "/results")?;
    let running = || plans.iter().filter(|plan| is_running(plan));
    let busy: BTreeSet<String> = running().map(device_of).collect();
    let under_way: BTreeSet<(String, String)> =
        running().map(|plan| (device_of(plan), config_of(plan).to_string())).collect();
    let (mut planned, mut failed) = (Vec::new(), Vec::new());
    for group in objects.iter().filter(|there| there.id.kind == GROUP && is_planned(&there.id)) {
        let members = members(&group.fields);
        let mut having: BTreeMap<String, Having> = BTreeMap::new();
        let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
        for plan in &plans {
            let device = device_of(plan);
            let config = config_of(plan);
            let as_text = config.to_string();
            // Once the plan that was in its way has ended, it is made again; once it is made again, it is of no interest.
            let is_over = texts(plan, "/status/errorReasons").any(|it| it == IN_THE_WAY)
                && (!busy.contains(&device) || under_way.contains(&(device.clone(), as_text.clone())));
            // Plans of other sorts are somebody else's, and in the way at the most.
            let is_dated = text(plan, "/updateAction") == DATED;
            if !members.contains(&device) || is_over || !is_dated {
                continue;
            }
            let plan_id = text(plan, "/planUuid");
            let same = having.entry(as_text);
            let same =
                same.or_insert_with(|| Having { config, devices: BTreeSet::new(), running: 0, first: plan_id.clone() });
            same.devices.insert(device);
            same.running += u64::from(is_running(plan));
            same.first = plan_id.min(std::mem::take(&mut same.first));
            for reason in texts(plan, "/status/errorReasons") {
                *reasons.entry(reason.to_owned()).or_default() += 1;
            }
        }
        failed.extend(reasons.into_iter().map(|(reason, count)| {
            format!("{}: {} failed: {reason}", group.id.name, crate::render::counted(count as u64, "plan"))
        }));
        let Some(Having { config, devices, running, first }) = having.into_values().max_by_key(|it| it.devices.len())
        else {
            continue;
        };
        let mut fields = Fields::new();
        fields.insert("config".to_owned(), config);
        fields.insert(MEMBERS.to_owned(), json!(devices));
        fields.insert(RUNNING.to_owned(), json!(running));
        let id = Identity::new(PLAN, group.id.name.clone());
        planned.push(There { id, remote: first, fields, is_marked: group.is_marked, version: None });
    }
    Ok((planned, failed))
}

fn device_of(plan: &Value) -> String {
    text(plan, "/device/deviceId")
}

fn config_of(plan: &Value) -> Value {
    let shape = json!({
        "forceInstallLocalDateTime": "", "specificVersion": "", "updateAction": "", "versionType": "",
    });
    shaped(plan, &shape)
}

fn is_running(plan: &Value) -> bool {
    !ENDED.contains(&text(plan, "/status/state").as_str())
}

/// What others have made for the titles that Refit updates.
fn beside(answers: &Answers, objects: &[There]) -> Result<Vec<String>, NotUnderstood> {
    let ours: BTreeSet<String> = objects
        .iter()
        .filter(|there| there.id.kind == PATCH)
        .filter_map(|there| there.fields.get("software_title_configuration_id")?.as_str().map(str::to_owned))
        .collect();
    let mut notes = Vec::new();
    for policy in answers.records(&list(PATCH_POLICIES, 200), "/results")? {
        let name = text(&policy, "/name");
        let is_on = policy.get("enabled") != Some(&Value::Bool(false));
        if is_on
            && ours.contains(&text(&policy, "/softwareTitleConfigurationId"))
            && !Identity::new(PATCH, name.clone()).is_owned()
        {
            notes.push(format!(
                "patch policy “{name}” is somebody else's, for a title that Refit updates: on a Mac that both are for, the one with the newer \
                 version counts"
            ));
        }
    }
    Ok(notes)
}

/// What the server can install.
fn catalog(answers: &Answers) -> Result<Catalog, NotUnderstood> {
    let mut catalog = Catalog::default();
    let titles = Ask::one(PATCH_TITLES);
    for record in answers.records(&titles, "")? {
        let configuration: Configuration = serde_json::from_value(record).map_err(|error| NotUnderstood {
            path: titles.path.clone(),
            why: format!("a patch title is none: {error}"),
        })?;
        let definitions = answers.records(&definitions(configuration.id.clone()), "/results")?;
        catalog.title(configuration, definitions.iter().map(|definition| text(definition, "/version")));
    }
    for app in answers.records(&list(APPS, 200).optional(), "/results")? {
        let (id, version) = (text(&app, "/id"), text(&app, "/version"));
        catalog.apps.insert(text(&app, "/titleName"), App { id, version });
    }
    if let Some(updates) = answers.one(&Ask::one(UPDATES))? {
        let list = updates.pointer("/availableUpdates/macOS").and_then(Value::as_array);
        let list = list.ok_or_else(|| NotUnderstood {
            path: UPDATES.to_owned(),
            why: "it has no list of the versions of macOS".to_owned(),
        })?;
        catalog.macos = list.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    }
    Ok(catalog)
}

fn members(of: &Fields) -> BTreeSet<String> {
    let members = of.get(MEMBERS).and_then(Value::as_array).into_iter().flatten();
    members.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// A static group as it is written: who is in it has another name there.
fn with_members(of: &Fields) -> Value {
    let mut body: Map<String, Value> = of.clone().into_iter().collect();
    body.remove(MEMBERS);
    // Without it the server answers with an error of its own.
    body.insert("assignments".to_owned(), json!(members(of)));
    Value::Object(body)
}

/// A patch policy as it is written: what it is not scoped to is said, so that nothing stays that somebody has added.
fn patch_body(of: &Fields) -> String {
    let mut body: Map<String, Value> = of.clone().into_iter().collect();
    let nothing = json!({ "network_segments": [], "ibeacons": [] });
    if let Some(Value::Object(scope)) = body.get_mut("scope") {
        for name in ["buildings", "computers", "departments"] {
            scope.entry(name).or_insert_with(|| json!([]));
        }
        let excluded = json!({
            "buildings": [], "computer_groups": [], "computers": [], "departments": [], "ibeacons": [], "network_segments": [],
        });
        scope.entry("exclusions").or_insert(excluded);
        scope.entry("limitations").or_insert(nothing);
    }
    xml::document("patch_policy", &Value::Object(body))
}

/// The calls that plan for Macs.
fn plan_for(of: &Fields, macs: BTreeSet<String>) -> Vec<Call> {
    let macs: Vec<Value> = macs.into_iter().map(|mac| json!({ "deviceId": mac, "objectType": "COMPUTER" })).collect();
    let config = of.get("config").cloned().unwrap_or_default();
    let chunks = macs.chunks(PLANNED_AT_ONCE);
    chunks.map(|devices| Call::post(PLANS, json!({ "config": config, "devices": devices }))).collect()
}
