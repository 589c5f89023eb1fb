//! A double of Jamf Pro: it keeps what it is given, refuses what Jamf's documentation says that Jamf Pro refuses, and can be changed by hand.

use super::super::server::{Answer, Asked, Server, pairs};
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
};

/// What goes wrong once.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// Nothing is done, and this is answered.
    Status(u16, &'static [(&'static str, &'static str)]),
    /// It is done, and no answer comes.
    LostAnswer,
}

/// All that the double keeps.
#[derive(Default)]
pub struct State {
    pub tokens: u32,
    pub left: u32,
    /// How many requests a token is good for, whatever it says of itself.
    pub token_lasts: u32,
    pub groups: BTreeMap<u64, Value>,
    pub smart: BTreeMap<u64, Value>,
    pub policies: BTreeMap<u64, Value>,
    pub deployments: BTreeMap<u64, Value>,
    pub plans: Vec<Value>,
    pub computers: Vec<Value>,
    /// Patch titles, with their definitions.
    pub titles: Vec<(Value, Vec<&'static str>)>,
    pub apps: Vec<Value>,
    pub macos: Vec<&'static str>,
    /// What this client may not do: the beginnings of paths.
    pub forbidden: BTreeSet<&'static str>,
    /// Everything that was called to change something, and taken.
    pub writes: Vec<String>,
    /// What goes wrong at the next call of a method whose path contains something.
    pub faults: Vec<(&'static str, &'static str, Fault)>,
}

/// A running double.
pub struct Double {
    pub server: Server,
    state: Arc<Mutex<State>>,
}

/// An answer that says no.
struct No(u16, String);

type Taken = Result<(u16, Value), No>;

/// The id and the secret of the client that the double knows.
pub const CLIENT: (&str, &str) = ("refit", "hush");

/// The states in which a plan has come to its end.
const ENDED: [&str; 4] = ["PlanCanceled", "PlanCompleted", "PlanException", "PlanFailed"];

fn no<T>(status: u16, why: impl Into<String>) -> Result<T, No> {
    Err(No(status, why.into()))
}

impl Double {
    pub fn start(state: State) -> Double {
        let state = Arc::new(Mutex::new(state));
        let kept = Arc::clone(&state);
        let server = Server::start(move |asked| kept.lock().unwrap().answer(asked));
        Double { server, state }
    }

    /// What it keeps, to be looked at and changed by hand.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    fn answer(&mut self, asked: &Asked) -> Answer {
        if asked.path == "/api/oauth/token" {
            return self.token(asked);
        }
        // Tokens that have ended are refused (Client Credentials).
        if asked.headers.get("authorization") != Some(&format!("Bearer t{}", self.tokens)) || self.left == 0 {
            return told(401, &[], &problem("INVALID_TOKEN", "Unauthorized"));
        }
        self.left -= 1;
        // A client may do what its roles say (Privileges and Deprecations).
        if self.forbidden.iter().any(|path| asked.path.starts_with(path)) {
            return told(403, &[], &problem("INVALID_PRIVILEGE", "Forbidden"));
        }
        let fault =
            self.faults.iter().position(|(method, path, _)| asked.method == *method && asked.path.contains(path));
        let fault = fault.map(|place| self.faults.remove(place).2);
        if let Some(Fault::Status(status, headers)) = fault {
            return told(status, headers, &problem("FAULT", "as the test wants it"));
        }
        let taken = self.route(asked);
        if taken.is_ok() && asked.method != "GET" {
            self.writes.push(format!("{} {}", asked.method, asked.path));
        }
        if fault.is_some() {
            return Answer::Nothing;
        }
        match taken {
            Ok((status, Value::String(text))) => told(status, &[], &text),
            Ok((status, body)) => told(status, &[], &body.to_string()),
            Err(No(status, why)) => told(status, &[], &problem("INVALID_FIELD", &why)),
        }
    }

    fn token(&mut self, asked: &Asked) -> Answer {
        let form = pairs(&asked.body);
        let of = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        if (of("client_id"), of("client_secret")) != CLIENT || of("grant_type") != "client_credentials" {
            return told(401, &[], r#"{"error":"invalid_client"}"#);
        }
        (self.tokens, self.left) = (self.tokens + 1, self.token_lasts);
        let token = json!({ "access_token": format!("t{}", self.tokens), "token_type": "Bearer", "expires_in": 1199 });
        told(200, &[], &token.to_string())
    }

    fn route(&mut self, asked: &Asked) -> Taken {
        let parts: Vec<&str> = asked.path.trim_start_matches('/').split('/').collect();
        match (asked.method.as_str(), &parts[..]) {
            ("GET", ["api", "v1", "computers-inventory"]) => Ok(paged(asked, self.computers.clone())),
            ("GET", ["api", "v2", "patch-software-title-configurations"]) => {
                Ok((200, self.titles.iter().map(|(title, _)| title.clone()).collect()))
            }
            ("GET", ["api", "v2", "patch-software-title-configurations", id, "definitions"]) => {
                let Some((_, versions)) = self.titles.iter().find(|(title, _)| title["id"] == *id) else {
                    return no(404, "no such title");
                };
                Ok(paged(asked, versions.iter().map(|version| json!({ "version": version })).collect()))
            }
            ("GET", ["api", "v1", "app-installers", "titles"]) => Ok(paged(asked, self.apps.clone())),
            ("GET", ["api", "v1", "managed-software-updates", "available-updates"]) => {
                Ok((200, json!({ "availableUpdates": { "macOS": self.macos, "iOS": [] } })))
            }
            (method, ["api", "v3", "computer-groups", "static-groups", rest @ ..]) => {
                self.static_group(method, rest, asked)
            }
            (method, ["api", "v3", "computer-groups", "smart-groups", rest @ ..]) => {
                self.smart_group(method, rest, asked)
            }
            (method, ["api", "v1", "app-installers", "deployments", rest @ ..]) => self.deployment(method, rest, asked),
            (method, ["api", "v1", "managed-software-updates", "plans", rest @ ..]) => self.plan(method, rest, asked),
            ("GET", ["api", "v2", "patch-policies", "policy-details"]) => {
                let detail = |(id, policy): (&u64, &Value)| {
                    json!({ "id": id.to_string(), "name": policy["general"]["name"], "enabled": policy["general"]["enabled"],
                        "targetPatchVersion": policy["general"]["target_version"],
                        "softwareTitleConfigurationId": policy["software_title_configuration_id"].to_string() })
                };
                Ok(paged(asked, self.policies.iter().map(detail).collect()))
            }
            ("GET", ["JSSResource", "computergroups", "id", id]) => {
                let group = found(&self.groups, id)?;
                let computers = group["assignments"].as_array().into_iter().flatten();
                let computers = computers.filter_map(|id| Some(json!({ "id": id.as_str()?.parse::<u64>().ok()? })));
                Ok((
                    200,
                    json!({ "computer_group": { "is_smart": false, "computers": computers.collect::<Vec<_>>() } }),
                ))
            }
            ("POST", ["JSSResource", "patchpolicies", "softwaretitleconfig", "id", title]) => {
                let title = (*title).to_owned();
                let policy = self.patch_policy(&title, asked, json!({}))?;
                let id = next(&self.policies);
                self.policies.insert(id, policy);
                Ok((201, format!("<?xml version=\"1.0\"?><patch_policy><id>{id}</id></patch_policy>").into()))
            }
            (method, ["JSSResource", "patchpolicies", "id", id]) => {
                let known = found(&self.policies, id)?.clone();
                let number: u64 = id.parse().unwrap();
                match method {
                    "GET" => {
                        let mut known = known;
                        known["general"]["id"] = json!(number);
                        Ok((200, json!({ "patch_policy": known })))
                    }
                    "PUT" => {
                        let title = known["software_title_configuration_id"].to_string();
                        let policy = self.patch_policy(&title, asked, known)?;
                        self.policies.insert(number, policy);
                        Ok((201, format!("<patch_policy><id>{id}</id></patch_policy>").into()))
                    }
                    "DELETE" => {
                        self.policies.remove(&number);
                        Ok((200, format!("<patch_policy><id>{id}</id></patch_policy>").into()))
                    }
                    _ => no(405, "Method Not Allowed"),
                }
            }
            _ => no(404, format!("{} {}: there is no such endpoint", asked.method, asked.path)),
        }
    }

    fn static_group(&mut self, method: &str, rest: &[&str], asked: &Asked) -> Taken {
        match (method, rest) {
            ("GET", []) => Ok(listed(asked, &self.groups, &["name", "description", "siteId"])),
            ("POST", []) => {
                let group = self.is_group(asked, None)?;
                let id = next(&self.groups);
                self.groups.insert(id, group);
                Ok((
                    201,
                    json!({ "id": id.to_string(), "href": format!("/api/v3/computer-groups/static-groups/{id}") }),
                ))
            }
            ("PUT", [id]) => {
                found(&self.groups, id)?;
                let number: u64 = id.parse().unwrap();
                let group = self.is_group(asked, Some(number))?;
                self.groups.insert(number, group);
                Ok((202, json!({ "id": id })))
            }
            ("DELETE", [id]) => {
                found(&self.groups, id)?;
                let is_scope = |policy: &Value| {
                    let groups = policy["scope"]["computer_groups"].as_array().cloned().unwrap_or_default();
                    groups.iter().any(|group| group["id"].as_u64().is_some() && group["id"].as_u64() == id.parse().ok())
                };
                if self.policies.values().any(is_scope) {
                    return no(400, "the group is the scope of something");
                }
                self.groups.remove(&id.parse().unwrap());
                Ok((204, Value::String(String::new())))
            }
            _ => no(405, "Method Not Allowed"),
        }
    }

    fn is_group(&self, asked: &Asked, own: Option<u64>) -> Result<Value, No> {
        let group = body(asked)?;
        let name = named(&group)?;
        let is_taken =
            |groups: &BTreeMap<u64, Value>| groups.iter().any(|(id, it)| it["name"] == name && Some(*id) != own);
        if is_taken(&self.groups) || is_taken(&self.smart) {
            return no(422, "Duplicate group name.");
        }
        let assigned = group["assignments"].as_array().cloned().unwrap_or_default();
        let is_known = |id: &Value| self.computers.iter().any(|computer| computer["id"] == *id);
        if !assigned.iter().all(is_known) {
            return no(400, "Invalid device IDs provided.");
        }
        Ok(group)
    }

    fn smart_group(&mut self, method: &str, rest: &[&str], asked: &Asked) -> Taken {
        match (method, rest) {
            ("GET", []) => Ok(listed(asked, &self.smart, &["name", "description", "siteId"])),
            ("GET", [id]) => {
                let mut group = found(&self.smart, id)?.clone();
                (group["id"], group["membershipCount"]) = (json!(id), json!(0));
                Ok((200, group))
            }
            ("POST", []) => {
                let group = body(asked)?;
                named(&group)?;
                let id = next(&self.smart);
                self.smart.insert(id, group);
                Ok((201, json!({ "id": id.to_string() })))
            }
            ("PUT", [id]) => {
                found(&self.smart, id)?;
                self.smart.insert(id.parse().unwrap(), body(asked)?);
                Ok((202, json!({ "id": id })))
            }
            ("DELETE", [id]) => {
                found(&self.smart, id)?;
                if self.deployments.values().any(|deployment| deployment["smartGroupId"] == *id) {
                    return no(400, "the group is the scope of something");
                }
                self.smart.remove(&id.parse().unwrap());
                Ok((204, Value::String(String::new())))
            }
            _ => no(405, "Method Not Allowed"),
        }
    }

    fn deployment(&mut self, method: &str, rest: &[&str], asked: &Asked) -> Taken {
        match (method, rest) {
            ("GET", []) => Ok(listed(asked, &self.deployments, &["name", "enabled"])),
            ("GET", [id]) => {
                let mut deployment = found(&self.deployments, id)?.clone();
                deployment["id"] = json!(id);
                (deployment["versionRemoved"], deployment["titleAvailableInAis"]) = (json!(false), json!(true));
                deployment["notificationSettings"]["completeMessage"] = Value::Null;
                deployment["selfServiceSettings"]["categories"] = json!([]);
                Ok((200, deployment))
            }
            ("POST", []) => {
                let deployment = self.is_deployment(asked)?;
                let id = next(&self.deployments);
                self.deployments.insert(id, deployment);
                Ok((201, json!({ "id": id.to_string() })))
            }
            ("PUT", [id]) => {
                found(&self.deployments, id)?;
                let deployment = self.is_deployment(asked)?;
                self.deployments.insert(id.parse().unwrap(), deployment);
                Ok((200, json!({ "id": id })))
            }
            ("DELETE", [id]) => {
                found(&self.deployments, id)?;
                self.deployments.remove(&id.parse().unwrap());
                Ok((204, Value::String(String::new())))
            }
            _ => no(405, "Method Not Allowed"),
        }
    }

    fn is_deployment(&self, asked: &Asked) -> Result<Value, No> {
        let deployment = body(asked)?;
        named(&deployment)?;
        if !self.apps.iter().any(|app| app["id"] == deployment["appTitleId"]) {
            return no(400, "appTitleId: no such app title");
        }
        one_of(&deployment, "deploymentType", &["INSTALL_AUTOMATICALLY", "SELF_SERVICE"])?;
        one_of(&deployment, "updateBehavior", &["AUTOMATIC", "MANUAL"])?;
        let group = deployment["smartGroupId"].as_str().unwrap_or("-1");
        if group == "-1" && deployment["enabled"] == true {
            return no(400, "smartGroupId: a deployment that is active has a smart group");
        }
        if group != "-1" && !group.parse().is_ok_and(|id: u64| self.smart.contains_key(&id)) {
            return no(400, "smartGroupId: no such smart group");
        }
        Ok(deployment)
    }

    fn plan(&mut self, method: &str, rest: &[&str], asked: &Asked) -> Taken {
        match (method, rest) {
            ("GET", []) => {
                let kind = asked.query.get("filter").and_then(|filter| filter.strip_prefix("device.objectType=="));
                let is_asked = |plan: &&Value| kind.is_none_or(|kind| plan["device"]["objectType"] == kind);
                Ok(paged(asked, self.plans.iter().filter(is_asked).cloned().collect()))
            }
            ("POST", []) => self.make_plans(&body(asked)?),
            _ => no(405, "Method Not Allowed"),
        }
    }

    fn make_plans(&mut self, body: &Value) -> Taken {
        let config = &body["config"];
        let actions = [
            "DOWNLOAD_ONLY",
            "DOWNLOAD_INSTALL",
            "DOWNLOAD_INSTALL_ALLOW_DEFERRAL",
            "DOWNLOAD_INSTALL_RESTART",
            "DOWNLOAD_INSTALL_SCHEDULE",
        ];
        one_of(config, "updateAction", &actions)?;
        let kinds = ["LATEST_MAJOR", "LATEST_MINOR", "LATEST_ANY", "SPECIFIC_VERSION", "CUSTOM_VERSION"];
        one_of(config, "versionType", &kinds)?;
        let version = config["specificVersion"].as_str().unwrap_or("NO_SPECIFIC_VERSION");
        let is_specific = ["SPECIFIC_VERSION", "CUSTOM_VERSION"].contains(&config["versionType"].as_str().unwrap());
        if is_specific == (version == "NO_SPECIFIC_VERSION") {
            return no(
                400,
                "specificVersion: only available when the version type is set to specific version or custom version",
            );
        }
        if config["updateAction"] == "DOWNLOAD_INSTALL_ALLOW_DEFERRAL" && config.get("maxDeferrals").is_none() {
            return no(400, "maxDeferrals: required when the provided updateAction is DOWNLOAD_INSTALL_ALLOW_DEFERRAL");
        }
        let devices = body["devices"].as_array().cloned().unwrap_or_default();
        if devices.is_empty() {
            return no(400, "devices: length ≥ 1");
        }
        let mut made = Vec::new();
        for device in devices {
            let is_running = |plan: &Value| {
                plan["device"]["deviceId"] == device["deviceId"]
                    && !ENDED.contains(&plan["status"]["state"].as_str().unwrap())
            };
            let wrong = if self.plans.iter().any(is_running) {
                Some("EXISTING_PLAN_FOR_DEVICE_IN_PROGRESS")
            } else if !self.macos.contains(&version) {
                Some("SPECIFIC_VERSION_UNAVAILABLE")
            } else {
                None
            };
            let state = if wrong.is_some() { "PlanFailed" } else { "DDMPlanScheduled" };
            let id = format!("6E47EF55-{:04}", self.plans.len());
            self.plans.push(json!({
                "planUuid": id, "device": device, "updateAction": config["updateAction"], "versionType": config["versionType"],
                "specificVersion": version, "maxDeferrals": 0, "recipeId": "-1",
                "forceInstallLocalDateTime": config["forceInstallLocalDateTime"],
                "status": { "state": state, "errorReasons": wrong.into_iter().collect::<Vec<_>>() },
            }));
            made.push(json!({ "device": device, "planId": id }));
        }
        Ok((201, json!({ "plans": made })))
    }

    /// A patch policy as it is kept: what is given, over what there was, with what the definition says.
    fn patch_policy(&self, title: &str, asked: &Asked, known: Value) -> Result<Value, No> {
        let Some((configuration, _)) = self.titles.iter().find(|(it, _)| it["id"] == title) else {
            return no(404, "no such software title configuration");
        };
        if asked.headers.get("content-type").is_none_or(|kind| !kind.contains("xml")) {
            return no(415, "an XML body is required");
        }
        let Some(given) = xml(&asked.body).and_then(|it| it.get("patch_policy").cloned()) else {
            return no(400, "the body is no XML of a patch policy");
        };
        let mut policy = json!({
            "general": { "release_date": 1_509_048_027_663_u64, "reboot": false, "minimum_os": "12.0", "kill_apps": [], "enabled": false,
                "distribution_method": "prompt", "allow_downgrade": false, "patch_unknown": true, "incremental_updates": false },
            "scope": { "all_computers": false, "computers": [], "computer_groups": [], "buildings": [], "departments": [],
                "limitations": { "network_segments": [], "ibeacons": [] },
                "exclusions": { "computers": [], "computer_groups": [] } },
            "user_interaction": { "install_button_text": "Update", "self_service_description": "", "self_service_icon": {},
                "notifications": { "notification_enabled": false, "notification_type": "Self Service", "notification_subject": "",
                    "notification_message": "", "reminders": { "notification_reminders_enabled": false, "notification_reminder_frequency": 1 } },
                "deadlines": { "deadline_enabled": true, "deadline_period": 7 },
                "grace_period": { "grace_period_duration": 15, "notification_center_subject": "Important", "message": "Save" } },
            "software_title_configuration_id": title.parse::<u64>().unwrap(),
        });
        over(&mut policy, &known);
        over(&mut policy, &given);
        let general = &policy["general"];
        if general["name"].as_str().is_none_or(str::is_empty) {
            return no(409, "Name is required");
        }
        one_of(general, "distribution_method", &["prompt", "selfservice"]).map_err(|No(_, why)| No(409, why))?;
        let version = general["target_version"].as_str().map(str::to_owned);
        let version = version.unwrap_or_else(|| general["target_version"].to_string());
        policy["general"]["target_version"] = json!(version);
        let packages = configuration["packages"].as_array().cloned().unwrap_or_default();
        if !packages.iter().any(|package| package["version"] == version) {
            return no(409, "the target version has no package");
        }
        for group in policy["scope"]["computer_groups"].as_array().cloned().unwrap_or_default() {
            found(&self.groups, &group["id"].to_string()).map_err(|_| No(409, "no such computer group".to_owned()))?;
        }
        Ok(policy)
    }
}

/// Each sort of object is numbered by itself, as there.
fn next(things: &BTreeMap<u64, Value>) -> u64 {
    things.keys().max().map_or(1, |last| last + 1)
}

fn told(status: u16, headers: &[(&'static str, &str)], body: &str) -> Answer {
    let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Answer::Whole(status, headers, body.to_owned())
}

fn problem(code: &str, why: &str) -> String {
    json!({ "errors": [{ "code": code, "description": why }], "message": why }).to_string()
}

fn body(asked: &Asked) -> Result<Value, No> {
    serde_json::from_str(&asked.body).or_else(|_| no(400, "the body is no JSON"))
}

/// Names have between 1 and 255 characters.
fn named(of: &Value) -> Result<&str, No> {
    match of["name"].as_str() {
        Some(name) if (1..=255).contains(&name.chars().count()) => Ok(name),
        _ => no(400, "name: length between 1 and 255"),
    }
}

fn one_of(of: &Value, field: &str, allowed: &[&str]) -> Result<(), No> {
    if of[field].as_str().is_some_and(|value| allowed.contains(&value)) {
        Ok(())
    } else {
        no(400, format!("{field}: {allowed:?}"))
    }
}

fn found<'s>(things: &'s BTreeMap<u64, Value>, id: &str) -> Result<&'s Value, No> {
    match id.parse().ok().and_then(|id: u64| things.get(&id)) {
        Some(thing) => Ok(thing),
        None => no(404, "The requested resource was not found"),
    }
}

fn paged(asked: &Asked, all: Vec<Value>) -> (u16, Value) {
    let of = |name: &str, default: usize| asked.query.get(name).map_or(default, |it| it.parse().unwrap());
    let (page, size) = (of("page", 0), of("page-size", 100));
    let total = all.len();
    (200, json!({ "totalCount": total, "results": all.into_iter().skip(page * size).take(size).collect::<Vec<_>>() }))
}

fn listed(asked: &Asked, things: &BTreeMap<u64, Value>, fields: &[&str]) -> (u16, Value) {
    let one = |(id, thing): (&u64, &Value)| {
        let mut record = json!({ "id": id.to_string() });
        for field in fields {
            record[*field] = thing[*field].clone();
        }
        record
    };
    paged(asked, things.iter().map(one).collect())
}

/// Writes values over others; lists are replaced.
fn over(below: &mut Value, above: &Value) {
    match (below, above) {
        (Value::Object(below), Value::Object(above)) => {
            for (name, value) in above {
                over(below.entry(name.as_str()).or_insert(Value::Null), value);
            }
        }
        (below, above) => below.clone_from(above),
    }
}

/// The elements whose children are a list.
const LISTS: [&str; 7] =
    ["buildings", "computer_groups", "computers", "departments", "ibeacons", "kill_apps", "network_segments"];

/// Elements and texts as JSON; `None` where it is no XML of this simple sort.
fn xml(text: &str) -> Option<Value> {
    let text = text.trim_start();
    let text = match text.strip_prefix("<?") {
        Some(rest) => rest.split_once("?>")?.1,
        None => text,
    };
    let (value, rest) = elements(text)?;
    rest.trim().is_empty().then_some(value)
}

fn elements(mut text: &str) -> Option<(Value, &str)> {
    let mut fields: Vec<(String, Value)> = Vec::new();
    loop {
        let rest = text.trim_start();
        if rest.is_empty() || rest.starts_with("</") {
            let all: Map<String, Value> = fields.into_iter().collect();
            return Some((Value::Object(all), rest));
        }
        let (name, after) = rest.strip_prefix('<')?.split_once('>')?;
        if let Some(name) = name.strip_suffix('/') {
            let nothing = if LISTS.contains(&name) { json!([]) } else { json!("") };
            fields.push((name.to_owned(), nothing));
            text = after;
            continue;
        }
        let end = format!("</{name}>");
        let (value, after) = if LISTS.contains(&name) {
            items(after)?
        } else if after.trim_start().starts_with('<') && !after.trim_start().starts_with("</") {
            elements(after)?
        } else {
            let (inner, _) = after.split_once('<')?;
            (typed(inner), after.get(inner.len()..)?)
        };
        fields.push((name.to_owned(), value));
        text = after.trim_start().strip_prefix(end.as_str())?;
    }
}

fn items(mut text: &str) -> Option<(Value, &str)> {
    let mut items = Vec::new();
    loop {
        let rest = text.trim_start();
        if rest.starts_with("</") {
            return Some((Value::Array(items), rest));
        }
        let (name, after) = rest.strip_prefix('<')?.split_once('>')?;
        let (value, after) = elements(after)?;
        items.push(value);
        text = after.strip_prefix(format!("</{name}>").as_str())?;
    }
}

fn typed(text: &str) -> Value {
    let text = text.trim().replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    match text.as_str() {
        "true" => json!(true),
        "false" => json!(false),
        number if number.parse::<u64>().is_ok() => json!(number.parse::<u64>().unwrap()),
        _ => Value::String(text),
    }
}
