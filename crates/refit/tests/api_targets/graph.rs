//! A double of Microsoft Graph that keeps what it is given, and refuses what Microsoft's pages say that Graph refuses; each refusal names its
//! page (below <https://learn.microsoft.com/graph/api/> where it does not say otherwise).

use super::{
    kept::{Do, Kept, Refusal, Trouble, answered, no, page_of},
    server::{Answer, Asked, json as whole, pairs},
};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Graph's own types of update rings, as its metadata has them.
const TYPES: &str = include_str!("../../../refit-targets/tests/compile/graph/types.json");

pub const RINGS: &str = "/v1.0/deviceManagement/deviceConfigurations";
pub const FEATURES: &str = "/beta/deviceManagement/windowsFeatureUpdateProfiles";
pub const EXPEDITED: &str = "/beta/deviceManagement/windowsQualityUpdateProfiles";
pub const DRIVERS: &str = "/beta/deviceManagement/windowsDriverUpdateProfiles";
pub const APPS: &str = "/beta/deviceAppManagement/mobileApps";
pub const GROUPS: &str = "/v1.0/groups";

const LISTS: [&str; 6] = [RINGS, FEATURES, EXPEDITED, DRIVERS, APPS, GROUPS];

/// How many records a page has, so that there are several.
const PAGE: usize = 2;

/// What is in the tenant.
#[derive(Default)]
pub struct Graph {
    pub kept: Kept,
    /// Who is in which group.
    pub members: BTreeMap<String, BTreeSet<String>>,
    /// Devices of the directory, and what Intune knows of them.
    pub devices: Vec<Value>,
    pub managed: Vec<Value>,
    /// The days of updates that can be expedited.
    pub expeditable: BTreeSet<&'static str>,
    /// How often an app is looked at before it is published.
    pub unpublished_for: u32,
    /// Whether records have versions, which Graph gives of some kinds.
    pub has_versions: bool,
    /// What the tenant makes of a field of whatever is made in a list.
    pub alters: Option<(&'static str, &'static str, Value)>,
    /// With the first request of this method it goes down, and stays so.
    pub dies_at: Option<&'static str>,
    pub dead: bool,
}

impl Graph {
    /// A device of the directory, which Intune knows by its serial number.
    pub fn device(&mut self, number: u32) {
        let guid = format!("7d1f2a5e-0c1b-4b2e-9f57-{number:012}");
        self.devices
            .push(json!({ "id": format!("e-{number}"), "deviceId": guid, "displayName": format!("DESKTOP-{number}") }));
        self.managed.push(json!({
            "id": format!("i-{number}"), "azureADDeviceId": guid, "deviceName": format!("DESKTOP-{number}"), "serialNumber": format!("S-{number}"),
        }));
    }

    /// The one record of a list whose name begins so.
    pub fn named(&self, list: &str, name: &str) -> Value {
        let found: Vec<&Value> =
            self.kept.all(list).filter(|it| it["displayName"].as_str().unwrap().starts_with(name)).collect();
        assert_eq!(found.len(), 1, "{name} in {list}: {found:#?}");
        found[0].clone()
    }

    pub fn answer(&mut self, asked: &Asked) -> Answer {
        if asked.path == "/acme.example/oauth2/v2.0/token" {
            let form = pairs(&asked.body);
            assert_eq!(form["client_secret"], "hush");
            return whole(json!({ "token_type": "Bearer", "expires_in": 3599, "access_token": "t1" }));
        }
        if asked.headers.get("authorization").map(String::as_str) != Some("Bearer t1") {
            return no(401, "/graph/errors", "the token is none").into_answer();
        }
        self.dead |= self.dies_at.is_some_and(|method| asked.method == method);
        if self.dead {
            return answered(503, Some(0));
        }
        let trouble = self.kept.trouble(asked);
        match trouble {
            Some(Trouble { then: Do::Refuse(status, wait), .. }) => return answered(status, wait),
            Some(Trouble { then: Do::LoseAnswer, .. }) => {
                let _ = self.carried_out(asked);
                return Answer::Nothing;
            }
            Some(Trouble { then: Do::AnswerWith(status), .. }) => {
                let _ = self.carried_out(asked);
                return answered(status, Some(0));
            }
            Some(Trouble { then: Do::ChangeFirst(change), .. }) => change(&mut self.kept),
            None => {}
        }
        match self.carried_out(asked) {
            Ok(answer) => answer,
            Err(refusal) => refusal.into_answer(),
        }
    }

    fn carried_out(&mut self, asked: &Asked) -> Result<Answer, Refusal> {
        let body: Value = match asked.body.as_str() {
            "" => Value::Null,
            text => serde_json::from_str(text).map_err(|_| no(400, "/graph/errors", "the body is no JSON"))?,
        };
        if asked.method != "GET" {
            self.kept.writes.push(format!("{} {}", asked.method, asked.path));
        }
        let parts = |list: &str| {
            asked.path.strip_prefix(list).map(|rest| rest.trim_start_matches('/').split('/').collect::<Vec<_>>())
        };
        match asked.path.as_str() {
            "/v1.0/devices" => return Ok(page_of(asked, &self.devices.clone(), PAGE)),
            "/v1.0/deviceManagement/managedDevices" => return Ok(page_of(asked, &self.managed.clone(), PAGE)),
            _ => {}
        }
        let list = LISTS.into_iter().find(|list| asked.path.starts_with(list));
        let list = list.ok_or_else(|| no(400, "/graph/errors", "resource not found for the segment"))?;
        let parts = parts(list).unwrap();
        match (asked.method.as_str(), &parts[..]) {
            ("GET", [""]) => Ok(self.list(asked, list)),
            ("POST", [""]) => self.made(list, &body),
            ("GET", [id]) => self.one(list, id),
            ("PATCH", [id]) => self.changed(asked, list, id, &body),
            ("DELETE", [id]) => {
                self.kept.versioned(list, id, asked)?;
                self.members.remove(*id);
                self.kept.gone(list, id)
            }
            ("POST", [id, "assign"]) => self.assigned(list, id, &body),
            ("GET", [id, "members" | "transitiveMembers"]) => {
                self.kept.find(list, id)?;
                let of_type = |id: &str| if id.starts_with("u-") { "user" } else { "device" };
                let member =
                    |id: &String| json!({ "@odata.type": format!("#microsoft.graph.{}", of_type(id)), "id": id });
                let members: Vec<Value> = self.members.get(*id).into_iter().flatten().map(member).collect();
                Ok(page_of(asked, &members, PAGE))
            }
            ("DELETE", [id, "members", member, "$ref"]) => {
                let of = self.members.entry((*id).to_owned()).or_default();
                if of.remove(*member) {
                    return Ok(Answer::Whole(204, Vec::new(), String::new()));
                }
                Err(no(404, "group-delete-members", "it is no member of the group"))
            }
            _ => Err(no(405, "/graph/errors", "the method is not allowed here")),
        }
    }

    fn list(&self, asked: &Asked, list: &str) -> Answer {
        let filter = asked.query.get("$filter").map(String::as_str).unwrap_or_default();
        let of_type = filter.strip_prefix("isof('").and_then(|rest| rest.strip_suffix("')"));
        let begins = filter.strip_prefix("startswith(displayName,'").and_then(|rest| rest.strip_suffix("')"));
        let expands = asked.query.get("$expand").is_some_and(|of| of == "assignments");
        let matches = |record: &&Value| {
            of_type.is_none_or(|of| record["@odata.type"] == format!("#{of}"))
                && begins.is_none_or(|begin| record["displayName"].as_str().is_some_and(|name| name.starts_with(begin)))
        };
        let shown = |record: &Value| {
            let mut record = record.clone();
            let fields = record.as_object_mut().unwrap();
            if !expands {
                fields.remove("assignments");
            }
            // Only where several types share a list a record says which it has.
            if ![RINGS, APPS].contains(&list) {
                fields.remove("@odata.type");
            }
            if !(self.has_versions && list == RINGS) {
                fields.remove("@odata.etag");
            }
            record
        };
        let records: Vec<Value> = self.kept.all(list).filter(matches).map(shown).collect();
        page_of(asked, &records, PAGE)
    }

    fn one(&mut self, list: &str, id: &str) -> Result<Answer, Refusal> {
        let waits = self.unpublished_for;
        let record = self.kept.find(list, id)?;
        if list == APPS && record["publishingState"] == "processing" {
            if waits == 0 {
                record["publishingState"] = "published".into();
            }
            let record = record.clone();
            self.unpublished_for = waits.saturating_sub(1);
            return Ok(whole(record));
        }
        Ok(whole(record.clone()))
    }

    fn made(&mut self, list: &str, body: &Value) -> Result<Answer, Refusal> {
        let Value::Object(fields) = body else { return Err(no(400, "/graph/errors", "there is no body")) };
        self.check(list, fields, None)?;
        let mut fields = fields.clone();
        let members = bound(&fields.remove("members@odata.bind").unwrap_or_default());
        for member in &members {
            self.known(member)?;
        }
        let now = json!("2026-11-23T09:00:00Z");
        fields.insert("assignments".to_owned(), json!([]));
        match list {
            // What nobody has set is null, and so it comes back.
            RINGS => fields.extend([
                ("qualityUpdatesPauseExpiryDateTime".to_owned(), Value::Null),
                ("engagedRestartDeadlineInDays".to_owned(), Value::Null),
                ("version".to_owned(), 1.into()),
            ]),
            APPS => fields
                .extend([("publishingState".to_owned(), "processing".into()), ("isAssigned".to_owned(), false.into())]),
            GROUPS => fields.extend([("groupTypes".to_owned(), json!([])), ("mail".to_owned(), Value::Null)]),
            EXPEDITED => drop(fields.insert("releaseDateDisplayName".to_owned(), "11/10/2026".into())),
            _ => {}
        }
        fields.insert("createdDateTime".to_owned(), now.clone());
        fields.insert("lastModifiedDateTime".to_owned(), now);
        fields.entry("@odata.type").or_insert_with(|| type_of(list).into());
        if let Some((_, field, value)) = self.alters.as_ref().filter(|(of, ..)| *of == list) {
            fields.insert((*field).to_owned(), value.clone());
        }
        let record = self.kept.add(list, fields);
        if list == GROUPS {
            self.members.insert(record["id"].as_str().unwrap().to_owned(), members);
        }
        Ok(Answer::Whole(201, vec![("content-type", "application/json".into())], record.to_string()))
    }

    fn changed(&mut self, asked: &Asked, list: &str, id: &str, body: &Value) -> Result<Answer, Refusal> {
        self.kept.versioned(list, id, asked)?;
        let before = self.kept.find(list, id)?.clone();
        let Value::Object(fields) = body else { return Err(no(400, "/graph/errors", "there is no body")) };
        self.check(list, fields, Some(&before))?;
        let mut fields = fields.clone();
        if let Some(added) = fields.remove("members@odata.bind") {
            let added = bound(&added);
            for member in &added {
                self.known(member)?;
                if self.members[id].contains(member) {
                    return Err(no(400, "group-post-members", "the object is a member of the group already"));
                }
            }
            self.members.get_mut(id).unwrap().extend(added);
        }
        self.kept.change(list, id, fields);
        Ok(Answer::Whole(204, Vec::new(), String::new()))
    }

    fn assigned(&mut self, list: &str, id: &str, body: &Value) -> Result<Answer, Refusal> {
        let name = if list == APPS { "mobileAppAssignments" } else { "assignments" };
        let page = match list {
            RINGS => "intune-deviceconfig-deviceconfiguration-assign",
            APPS => "intune-apps-mobileapp-assign",
            DRIVERS => "intune-softwareupdate-windowsdriverupdateprofile-assign",
            FEATURES => "intune-softwareupdate-windowsfeatureupdateprofile-assign",
            EXPEDITED => "intune-softwareupdate-windowsqualityupdateprofile-assign",
            _ => return Err(no(405, "/graph/errors", "groups are assigned to nobody")),
        };
        let Some(all) = body[name].as_array() else { return Err(no(400, page, &format!("there is no `{name}`"))) };
        if list == APPS && self.kept.find(list, id)?["publishingState"] != "published" {
            return Err(no(
                400,
                "resources/intune-apps-wingetapp",
                "the app cannot be assigned unless the app is published",
            ));
        }
        let mut kept = Vec::new();
        for (number, assignment) in all.iter().enumerate() {
            let target = &assignment["target"];
            let group = target["groupId"].as_str();
            match target["@odata.type"].as_str() {
                Some("#microsoft.graph.groupAssignmentTarget" | "#microsoft.graph.exclusionGroupAssignmentTarget") => {
                    let known = group.is_some_and(|group| self.kept.find(GROUPS, group).is_ok());
                    if !known {
                        let page = "resources/intune-shared-groupassignmenttarget";
                        return Err(no(400, page, "groupId is the id of no group"));
                    }
                }
                Some("#microsoft.graph.allDevicesAssignmentTarget") => {}
                _ => {
                    return Err(no(
                        400,
                        "resources/intune-shared-deviceandappmanagementassignmenttarget",
                        "the target has no type that there is",
                    ));
                }
            }
            if list == APPS {
                let intents = ["available", "required", "uninstall", "availableWithoutEnrollment"];
                if !intents.iter().any(|intent| assignment["intent"] == *intent) {
                    return Err(no(400, "resources/intune-shared-installintent", "there is no such intent"));
                }
                let shown = ["showAll", "showReboot", "hideAll"];
                if !shown.iter().any(|shown| assignment["settings"]["notifications"] == *shown) {
                    return Err(no(
                        400,
                        "resources/intune-shared-wingetappnotification",
                        "there is no such notification",
                    ));
                }
            }
            let mut assignment = assignment.clone();
            assignment["id"] = format!("{id}_{number}").into();
            assignment["source"] = "direct".into();
            assignment["target"]["deviceAndAppManagementAssignmentFilterId"] = Value::Null;
            assignment["target"]["deviceAndAppManagementAssignmentFilterType"] = "none".into();
            kept.push(assignment);
        }
        // They come back in an order of the system's own.
        kept.reverse();
        self.kept.find(list, id)?["assignments"] = kept.into();
        Ok(Answer::Whole(204, Vec::new(), String::new()))
    }

    fn known(&self, device: &str) -> Result<(), Refusal> {
        match self.devices.iter().any(|it| it["id"] == *device) {
            true => Ok(()),
            false => Err(no(404, "group-post-members", "the object being added doesn't exist")),
        }
    }

    /// What Graph does not take. `before` is the record that is changed.
    fn check(&self, list: &str, fields: &Map<String, Value>, before: Option<&Value>) -> Result<(), Refusal> {
        let new = before.is_none();
        let text = |name: &str| fields.get(name).and_then(Value::as_str);
        for read_only in ["id", "createdDateTime", "lastModifiedDateTime", "publishingState", "isAssigned"] {
            if fields.contains_key(read_only) {
                return Err(no(400, page(list), &format!("`{read_only}` is read-only")));
            }
        }
        if list != GROUPS && new && text("displayName").is_none_or(str::is_empty) {
            return Err(no(400, page(list), "`displayName` is missing"));
        }
        match list {
            GROUPS => return group(fields, new),
            RINGS => return ring(fields),
            DRIVERS => {
                let approval = text("approvalType").or_else(|| before?["approvalType"].as_str());
                if !["manual", "automatic"].iter().any(|it| approval == Some(it)) {
                    return Err(no(
                        400,
                        "resources/intune-softwareupdate-driverupdateprofileapprovaltype",
                        "there is no such approvalType",
                    ));
                }
                if fields.contains_key("deploymentDeferralInDays") && approval != Some("automatic") {
                    return Err(no(400, page(list), "deploymentDeferralInDays is for automatic approval only"));
                }
            }
            EXPEDITED => {
                let settings = &fields.get("expeditedUpdateSettings").cloned().unwrap_or_default();
                if !settings.is_null() {
                    let days = settings["daysUntilForcedReboot"].as_i64();
                    let expedite = "https://learn.microsoft.com/intune/device-updates/windows/expedite-policy";
                    if !days.is_some_and(|days| (0..=2).contains(&days)) {
                        return Err(no(400, expedite, "daysUntilForcedReboot is 0, 1 or 2"));
                    }
                    let release = settings["qualityUpdateRelease"].as_str().unwrap_or_default();
                    if !self.expeditable.contains(release) {
                        return Err(no(400, expedite, "no update of this day can be expedited"));
                    }
                }
            }
            FEATURES => {
                let version = text("featureUpdateVersion");
                if (new || version.is_some()) && !version.is_some_and(|version| version.starts_with("Windows 1")) {
                    return Err(no(400, page(list), "featureUpdateVersion is no version that is supported"));
                }
            }
            APPS => {
                if new && fields.get("@odata.type").is_none_or(|of| of != "#microsoft.graph.winGetApp") {
                    return Err(no(400, "intune-apps-wingetapp-create", "`@odata.type` is missing"));
                }
                if new && text("packageIdentifier").is_none() {
                    return Err(no(400, page(list), "packageIdentifier is required at creation time"));
                }
                let account =
                    fields.get("installExperience").map_or(&Value::Null, |experience| &experience["runAsAccount"]);
                if new && !["system", "user"].iter().any(|it| account == it) {
                    return Err(no(400, page(list), "installExperience is required at creation time"));
                }
                if !new && fields.contains_key("packageIdentifier") {
                    return Err(no(400, page(list), "packageIdentifier cannot be modified on existing objects"));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// The page of what is in a list.
fn page(list: &str) -> &'static str {
    match list {
        GROUPS => "group-post-groups",
        RINGS => "resources/intune-deviceconfig-windowsupdateforbusinessconfiguration",
        FEATURES => "resources/intune-softwareupdate-windowsfeatureupdateprofile",
        EXPEDITED => "resources/intune-softwareupdate-windowsqualityupdateprofile",
        DRIVERS => "resources/intune-softwareupdate-windowsdriverupdateprofile",
        _ => "resources/intune-apps-wingetapp",
    }
}

fn type_of(list: &str) -> &'static str {
    match list {
        FEATURES => "#microsoft.graph.windowsFeatureUpdateProfile",
        EXPEDITED => "#microsoft.graph.windowsQualityUpdateProfile",
        DRIVERS => "#microsoft.graph.windowsDriverUpdateProfile",
        _ => "#microsoft.graph.group",
    }
}

fn bound(members: &Value) -> BTreeSet<String> {
    let ids = members.as_array().into_iter().flatten().filter_map(Value::as_str);
    ids.map(|address| address.rsplit('/').next().unwrap_or_default().to_owned()).collect()
}

fn group(fields: &Map<String, Value>, new: bool) -> Result<(), Refusal> {
    let page = page(GROUPS);
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    if new {
        for name in ["displayName", "mailNickname"] {
            if text(name).is_none_or(str::is_empty) {
                return Err(no(400, page, &format!("`{name}` is required")));
            }
        }
        for name in ["mailEnabled", "securityEnabled"] {
            if !fields.get(name).is_some_and(Value::is_boolean) {
                return Err(no(400, page, &format!("`{name}` is required")));
            }
        }
    }
    if text("displayName").is_some_and(|name| name.chars().count() > 256) {
        return Err(no(400, page, "displayName has 256 characters at the most"));
    }
    if let Some(name) = text("mailNickname") {
        if name.len() > 64 {
            return Err(no(400, page, "mailNickname has 64 characters at the most"));
        }
        if !name.is_ascii() || name.contains(['@', '(', ')', '\\', '[', ']', '"', ';', ':', '<', '>', ',', ' ']) {
            return Err(no(400, page, "mailNickname has a character that it can't have"));
        }
    }
    if fields.get("members@odata.bind").and_then(Value::as_array).is_some_and(|members| members.len() > 20) {
        let page = if new { page } else { "group-post-members" };
        return Err(no(400, page, "20 members can be added at the most"));
    }
    Ok(())
}

fn ring(fields: &Map<String, Value>) -> Result<(), Refusal> {
    let types: Value = serde_json::from_str(TYPES).unwrap();
    let of_type = "windowsUpdateForBusinessConfiguration";
    let own = page(RINGS);
    if fields.get("@odata.type").is_none_or(|of| *of != format!("#microsoft.graph.{of_type}")) {
        return Err(no(
            400,
            "intune-deviceconfig-windowsupdateforbusinessconfiguration-create",
            "`@odata.type` is missing",
        ));
    }
    for (name, value) in fields.iter().filter(|(name, _)| *name != "@odata.type") {
        let kind = types[of_type]["properties"][name]
            .as_str()
            .or_else(|| types["deviceConfiguration"]["properties"][name].as_str());
        let Some(kind) = kind else { return Err(no(400, own, &format!("there is no property `{name}`"))) };
        let members = kind.strip_prefix("graph.").and_then(|kind| types[kind]["members"].as_array());
        if let Some(members) = members.filter(|members| !value.is_null() && !members.contains(value)) {
            let page =
                if name == "automaticUpdateMode" { "resources/intune-deviceconfig-automaticupdatemode" } else { own };
            return Err(no(400, page, &format!("`{name}` is one of {members:?}")));
        }
        let right = match kind {
            "Edm.Boolean" => value.is_boolean(),
            "Edm.Int32" => value.is_i64(),
            "Edm.String" => value.is_string(),
            _ => true,
        };
        if !right && !value.is_null() {
            return Err(no(400, own, &format!("`{name}` is {kind}")));
        }
    }
    let number = |name: &str| fields.get(name).and_then(Value::as_i64);
    let settings = "https://learn.microsoft.com/mem/intune/protect/windows-update-settings";
    for (name, most) in [
        ("qualityUpdatesDeferralPeriodInDays", 30),
        ("deadlineForQualityUpdatesInDays", 30),
        ("deadlineForFeatureUpdatesInDays", 30),
        ("deadlineGracePeriodInDays", 7),
    ] {
        if number(name).is_some_and(|days| !(0..=most).contains(&days)) {
            return Err(no(400, settings, &format!("`{name}` is 0 to {most}")));
        }
    }
    let beta = "resources/intune-deviceconfig-windowsupdateforbusinessconfiguration?view=graph-rest-beta";
    for (name, some) in [
        ("scheduleRestartWarningInHours", &[2, 4, 8, 12, 24][..]),
        ("scheduleImminentRestartWarningInMinutes", &[15, 30, 60][..]),
    ] {
        if number(name).is_some_and(|number| !some.contains(&number)) {
            return Err(no(400, beta, &format!("`{name}` is one of {some:?}")));
        }
    }
    Ok(())
}
