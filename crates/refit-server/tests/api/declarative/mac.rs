//! A Mac and its MDM, written from Apple's protocol (`declarative/protocol/` of `apple/device-management`): it fetches what has changed, makes
//! count what its activations name, and reports what it was asked for. Everything that is said in either direction is held against Apple's
//! schemas.

use crate::{
    schema::{wrong, wrong_in_protocol},
    server::{Answer, Server},
};
use axum::{body::Body, http::Request};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Where NanoMDM's `-dm` would lead.
const BASE: &str = "/apple/ddm/";
/// The categories of declarations: as items list them, as their address has them.
const CATEGORIES: [(&str, &str); 4] = [
    ("Activations", "activation"),
    ("Configurations", "configuration"),
    ("Assets", "asset"),
    ("Management", "management"),
];

pub struct Mac {
    /// As its MDM names it.
    pub enrolment: String,
    /// What it could report, by status item.
    pub status: BTreeMap<&'static str, Value>,
    /// Status items that it does not know.
    pub unsupported: BTreeSet<&'static str>,
    /// The token of its last sync.
    pub token: Option<String>,
    /// Its declarations, by identifier, with their category.
    declarations: BTreeMap<String, (&'static str, Value)>,
    /// What it reported last, by status item.
    told: BTreeMap<String, Value>,
}

/// What came of a sync.
#[derive(Debug, PartialEq)]
pub enum Synced {
    /// The token was that of the last time.
    Unchanged,
    /// These were fetched, and so many were taken away.
    Changed { fetched: Vec<String>, removed: usize },
}

impl Mac {
    pub fn new(enrolment: &str, serial: &str, version: &str) -> Mac {
        let status = BTreeMap::from([
            ("device.identifier.serial-number", json!(serial)),
            ("device.identifier.udid", json!(enrolment)),
            ("device.model.family", json!("Mac")),
            ("device.model.identifier", json!("Mac15,3")),
            ("device.operating-system.build-version", json!("25A354")),
            ("device.operating-system.supplemental.build-version", json!("")),
            ("device.operating-system.supplemental.extra-version", json!("")),
            ("device.operating-system.version", json!(version)),
            ("softwareupdate.device-id", json!("J504AP")),
            ("softwareupdate.failure-reason", json!({ "count": 0 })),
            ("softwareupdate.install-reason", json!({ "reason": [] })),
            ("softwareupdate.install-state", json!("none")),
            ("softwareupdate.pending-version", json!({ "os-version": "", "build-version": "" })),
        ]);
        Mac {
            enrolment: enrolment.to_owned(),
            status,
            unsupported: BTreeSet::new(),
            token: None,
            declarations: BTreeMap::new(),
            told: BTreeMap::new(),
        }
    }

    /// What its MDM passes on: without data as `GET`, with data as `PUT`; the secret is the password of the address.
    pub async fn ask(&self, server: &Server, secret: &str, endpoint: &str, data: Option<String>) -> Answer {
        let request = Request::builder()
            .method(if data.is_some() { "PUT" } else { "GET" })
            .uri(format!("{BASE}{endpoint}"))
            .header("authorization", format!("Basic {}", STANDARD.encode(format!("nanomdm:{secret}"))))
            .header("x-enrollment-id", &self.enrolment)
            .header("x-enrollment-type", "Device")
            .header("content-type", "application/json");
        server.send(request.body(data.map_or_else(Body::empty, Body::from)).unwrap()).await
    }

    async fn asked(&self, server: &Server, secret: &str, endpoint: &str, kind: &str) -> Value {
        let said = self.ask(server, secret, endpoint, None).await.ok();
        assert_eq!(wrong_in_protocol(kind, &said), Vec::<String>::new(), "{endpoint}: {said}");
        said
    }

    /// Fetches what has changed.
    pub async fn sync(&mut self, server: &Server, secret: &str) -> Synced {
        let tokens = self.asked(server, secret, "tokens", "TokensResponse").await;
        let token = tokens["SyncTokens"]["DeclarationsToken"].as_str().unwrap().to_owned();
        if self.token.as_ref() == Some(&token) {
            return Synced::Unchanged;
        }
        let items = self.asked(server, secret, "declaration-items", "DeclarationItemsResponse").await;
        assert_eq!(items["DeclarationsToken"], token.as_str());
        let (mut listed, mut fetched) = (BTreeSet::new(), Vec::new());
        for (list, category) in CATEGORIES {
            for item in items["Declarations"][list].as_array().unwrap() {
                let identifier = item["Identifier"].as_str().unwrap();
                listed.insert(identifier.to_owned());
                let known = self.declarations.get(identifier).map(|(_, declaration)| &declaration["ServerToken"]);
                if known == Some(&item["ServerToken"]) {
                    continue;
                }
                let endpoint = format!("declaration/{category}/{identifier}");
                let declaration = self.ask(server, secret, &endpoint, None).await.ok();
                assert_eq!(wrong(&declaration, "macOS"), Vec::<String>::new(), "{declaration}");
                assert_eq!(declaration["ServerToken"], item["ServerToken"]);
                assert_eq!(declaration["Identifier"], identifier);
                fetched.push(identifier.to_owned());
                self.declarations.insert(identifier.to_owned(), (category, declaration));
            }
        }
        let before = self.declarations.len();
        self.declarations.retain(|identifier, _| listed.contains(identifier));
        self.token = Some(token);
        Synced::Changed { fetched, removed: before - self.declarations.len() }
    }

    /// The configurations that count: an activation names them, and its predicate holds.
    pub fn active(&self) -> Vec<&Value> {
        let activations = self.declarations.values().filter(|(category, _)| *category == "activation");
        let holding = activations.filter(|(_, it)| self.holds(it["Payload"]["Predicate"].as_str()));
        let named = holding.flat_map(|(_, it)| it["Payload"]["StandardConfigurations"].as_array().unwrap());
        let names: BTreeSet<&str> = named.map(|name| name.as_str().unwrap()).collect();
        names.into_iter().map(|name| &self.declarations.get(name).expect("what is activated is there").1).collect()
    }

    /// A predicate of the form `@status(ITEM) == 'VALUE'`.
    fn holds(&self, predicate: Option<&str>) -> bool {
        let Some(predicate) = predicate else { return true };
        let (item, value) = predicate.strip_prefix("@status(").unwrap().split_once(") == ").unwrap();
        self.status.get(item) == Some(&json!(value.trim_matches('\'')))
    }

    /// The payload of the active configuration of a type.
    pub fn configured(&self, kind: &str) -> Option<&Value> {
        let found: Vec<&Value> =
            self.active().into_iter().filter(|it| it["Type"].as_str().unwrap().ends_with(kind)).collect();
        assert!(found.len() < 2, "{found:?}");
        found.first().map(|declaration| &declaration["Payload"])
    }

    /// Version and local time of what is enforced.
    pub fn enforced(&self) -> Option<(String, String)> {
        let payload = self.configured("softwareupdate.enforcement.specific")?;
        let text = |key: &str| payload[key].as_str().unwrap().to_owned();
        Some((text("TargetOSVersion"), text("TargetLocalDateTime")))
    }

    /// The identifier of what is enforced.
    pub fn enforcement(&self) -> Option<&str> {
        let active = self.active().into_iter();
        let mut specific = active.filter(|it| it["Type"].as_str().unwrap().ends_with("enforcement.specific"));
        specific.next().map(|declaration| declaration["Identifier"].as_str().unwrap())
    }

    /// What it would report now: what it was asked for and has changed, or all of that.
    pub fn report(&mut self, full: bool) -> Value {
        let asked = self.configured("management.status-subscriptions").map(|payload| payload["StatusItems"].clone());
        let names = asked.as_ref().and_then(Value::as_array).into_iter().flatten();
        let names: Vec<String> = names.map(|item| item["Name"].as_str().unwrap().to_owned()).collect();
        let (mut now, mut errors) =
            (BTreeMap::from([("management.declarations".to_owned(), self.processed())]), vec![]);
        for name in names {
            if self.unsupported.contains(name.as_str()) {
                let reasons = json!([{ "Code": "Error.UnsupportedStatusItem", "Description": "not here" }]);
                errors.push(json!({ "StatusItem": name, "Reasons": reasons }));
                continue;
            }
            now.insert(name.clone(), self.status.get(name.as_str()).unwrap_or_else(|| panic!("{name}")).clone());
        }
        let mut items = Map::new();
        for (name, value) in now.iter().filter(|(name, value)| full || self.told.get(*name) != Some(*value)) {
            let (path, last) = name.rsplit_once('.').unwrap();
            let folder = path.split('.').fold(&mut items, |folder, part| {
                folder.entry(part).or_insert_with(|| json!({})).as_object_mut().unwrap()
            });
            folder.insert(last.to_owned(), value.clone());
        }
        self.told = now;
        let mut report = json!({ "StatusItems": items, "Errors": errors });
        if full {
            report["FullReport"] = json!(true);
        }
        assert_eq!(wrong_in_protocol("StatusReport", &report), Vec::<String>::new(), "{report}");
        report
    }

    /// Reports, as it does after a change and once a day.
    pub async fn tells(&mut self, server: &Server, secret: &str, full: bool) {
        let report = self.report(full);
        let answer = self.ask(server, secret, "status", Some(report.to_string())).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    fn processed(&self) -> Value {
        let active: BTreeSet<&str> = self.active().iter().map(|it| it["Identifier"].as_str().unwrap()).collect();
        let of = |wanted: &str| -> Vec<Value> {
            let these = self.declarations.iter().filter(|(_, (category, _))| *category == wanted);
            let processed = these.map(|(identifier, (category, declaration))| {
                let counts = *category == "activation" || active.contains(identifier.as_str());
                json!({
                    "identifier": identifier, "server-token": declaration["ServerToken"], "active": counts, "valid": "valid",
                })
            });
            processed.collect()
        };
        json!({
            "activations": of("activation"), "configurations": of("configuration"), "assets": of("asset"),
            "management": of("management"),
        })
    }

    /// An update begins.
    pub fn begins(&mut self, version: &str, state: &str) {
        let declaration = self.enforcement().map(str::to_owned);
        self.status
            .insert("softwareupdate.pending-version", json!({ "os-version": version, "build-version": "25B78" }));
        self.status.insert("softwareupdate.install-state", json!(state));
        let mut reason = json!({ "reason": ["declaration"] });
        reason["declaration-id"] = json!(declaration);
        self.status.insert("softwareupdate.install-reason", reason);
    }

    /// It fails.
    pub fn fails(&mut self, count: u64, why: &str, at: &str) {
        self.status.insert("softwareupdate.install-state", json!("failed"));
        let failure = json!({ "count": count, "reason": why, "timestamp": at });
        self.status.insert("softwareupdate.failure-reason", failure);
    }

    /// It is done: another version runs.
    pub fn runs(&mut self, version: &str) {
        let enrolment = self.enrolment.clone();
        let serial = self.status["device.identifier.serial-number"].clone();
        self.status = Mac::new(&enrolment, serial.as_str().unwrap(), version).status;
        self.status.insert("device.operating-system.build-version", json!("25B78"));
    }
}
