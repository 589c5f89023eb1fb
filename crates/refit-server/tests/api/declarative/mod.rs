//! Declarative management from end to end: a Mac of an inventory syncs through its MDM, is told by when it has to update, and says what came
//! of it.

mod mac;

use crate::server::{Answer, Server};
use axum::{body::Body, http::Request};
use jiff::SignedDuration;
use mac::{Mac, Synced};
use refit_core::control::{Bearer, Scope};
use refit_server::api::Options;
use serde_json::{Value, json};
use std::fs;

const POLICY: &str = "\
organization: acme
defaults: { mode: enforce }
rollouts:
  standard:
    gate: default
    rings:
      - { name: canary, where: '\"canary\" in device.tags', soak: 12h }
      - { name: rest }
gates:
  default: { failure_rate: 2%, confidence: 95%, enough: 90%, reports: 1%, patience: 7d }
freezes: [{ name: fair, from: 2026-12-08, to: 2026-12-10 }]
---
title: macos
name: macOS
vendor: Apple
kind: os
scheme: apple
branches:
  - { name: \"15\", versions: \">=15, <16\", released: 2024-09-16 }
  - { name: \"26\", versions: \">=26, <27\", released: 2025-09-15 }
---
policy: macs
software: [macos]
rollout: standard
deadline: [{ within: 14d }]
experience: { notify: 48h, reboot: { mode: at_due } }
---
target: macs
kind: apple-declarative
owner: endpoint@acme.example
where: device.platform == \"macos\"
";

const UDID: [&str; 3] = [
    "5A6C3A8E-0F0B-5D3A-9C1D-0C1F6E1D0101",
    "5A6C3A8E-0F0B-5D3A-9C1D-0C1F6E1D0102",
    "5A6C3A8E-0F0B-5D3A-9C1D-0C1F6E1D0103",
];

/// A server whose inventory knows three Macs, the first of them a canary, and the token of their MDM.
struct Fleet {
    server: Server,
    mdm: String,
}

impl Fleet {
    async fn new(options: Options) -> Fleet {
        let server = Server::with(options).await;
        server.shell.evaluate().unwrap();
        let mdm = server.token("mdm", "endpoint", Bearer::Program, &[Scope::DeclarativeManagement]).await;
        let fleet = Fleet { server, mdm };
        fleet.apply(POLICY).await;
        for (n, udid) in UDID.iter().enumerate() {
            let id = format!("mac-{n}");
            fleet.server.post("/api/v1/devices", json!({ "id": id })).await.ok();
            let tags = if n == 0 { json!(["canary"]) } else { json!([]) };
            let facts = json!({
                "device.serial": serial(n), "device.hardware_uuid": udid, "device.platform": "macos", "device.os": "macos",
                "device.kind": "laptop", "device.timezone": "Europe/Berlin", "device.tags": tags,
            });
            let said = json!({ "source": "inventory", "facts": facts });
            fleet.server.post(&format!("/api/v1/devices/{id}/observations"), said).await.ok();
        }
        fleet.release("26.0").await;
        fleet
    }

    /// Waits until nothing follows any more from what is in the log.
    async fn rests(&self) {
        loop {
            let head = *self.server.shell.head().borrow();
            self.server.shell.settled().await;
            if *self.server.shell.head().borrow() == head {
                return;
            }
        }
    }

    async fn apply(&self, policy: &str) {
        let plan = self.server.post("/api/v1/plans", json!({ "files": { "refit.yaml": policy } })).await.ok();
        let apply = format!("/api/v1/plans/{}/apply", plan["id"].as_str().unwrap());
        self.server.call(&self.server.admin, "POST", &apply, &[], None).await.ok();
        self.rests().await;
    }

    async fn release(&self, version: &str) {
        let release =
            json!({ "title": "macos", "branch": "26", "version": version, "published": self.server.now().to_string() });
        self.server.post("/api/v1/releases", json!({ "source": "sofa", "releases": [release] })).await.ok();
        self.rests().await;
    }

    /// All that a Mac does when it is woken up.
    async fn syncs(&self, mac: &mut Mac) -> Synced {
        let synced = mac.sync(&self.server, &self.mdm).await;
        if synced != Synced::Unchanged {
            self.tells(mac, false).await;
        }
        synced
    }

    async fn tells(&self, mac: &mut Mac, full: bool) {
        mac.tells(&self.server, &self.mdm, full).await;
        self.rests().await;
    }

    /// A Mac that has synced until nothing more changes, and runs 26.0.
    async fn mac(&self, n: usize) -> Mac {
        let mut mac = Mac::new(UDID[n], &serial(n), "26.0");
        while self.syncs(&mut mac).await != Synced::Unchanged {}
        mac
    }

    async fn device(&self, n: usize) -> Value {
        self.server.get(&format!("/api/v1/devices/mac-{n}")).await.ok()
    }

    async fn fact(&self, n: usize, field: &str) -> Option<Value> {
        let device = self.device(n).await;
        let facts = device["facts"].as_array().unwrap().iter();
        let mut ours = facts.filter(|fact| fact["field"] == field && fact["source"] == "apple-declarative");
        ours.next().map(|fact| fact["value"].clone())
    }

    async fn slot(&self, n: usize) -> Value {
        self.server.get(&format!("/api/v1/devices/mac-{n}/decisions")).await.ok()["slots"][0].clone()
    }

    async fn declarations(&self, n: usize) -> Value {
        self.server.get(&format!("/api/v1/devices/mac-{n}/declarations")).await.ok()
    }

    async fn stage(&self, version: &str) -> Value {
        let rollouts = self.server.get("/api/v1/rollouts?title=macos").await.ok();
        let mut of = rollouts["items"].as_array().unwrap().iter().filter(|it| it["version"] == version);
        of.next().map(|rollout| rollout["stage"].clone()).unwrap_or_default()
    }
}

fn serial(n: usize) -> String {
    format!("C02XK1ADA{n}")
}

fn changed(synced: Synced) -> (Vec<String>, usize) {
    match synced {
        Synced::Changed { fetched, removed } => (fetched, removed),
        Synced::Unchanged => panic!("nothing has changed"),
    }
}

/// Of identifiers what they are for: `enforce` of `refit.enforce.macos.canary…`.
fn purposes(identifiers: &[String]) -> Vec<&str> {
    identifiers.iter().map(|identifier| identifier.split('.').nth(1).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mac_is_told_by_when_it_has_to_update_and_says_that_it_has() {
    let fleet = Fleet::new(Options::default()).await;
    let mut mac = Mac::new(UDID[0], &serial(0), "26.0");
    mac.unsupported.insert("softwareupdate.device-id");
    // Nobody knows what it runs: it is asked, and nothing else.
    let (fetched, _) = changed(fleet.syncs(&mut mac).await);
    assert_eq!(purposes(&fetched), ["activate", "status"]);
    let device = fleet.device(0).await;
    let install =
        json!({ "slot": { "title": "macos", "branch": "26" }, "version": "26.0", "since": "2026-11-25T08:00:00Z" });
    assert_eq!(device["installs"], json!([install]), "{device:#}");
    assert_eq!(device["presence"]["seen_by"], "apple-declarative");
    assert_eq!(fleet.fact(0, "device.os_version").await, Some(json!("26.0")));
    assert_eq!(fleet.fact(0, "device.update_state").await, Some(json!("none")));
    assert_eq!(fleet.slot(0).await["compliance"], "compliant");
    let shown = fleet.declarations(0).await;
    assert_eq!(shown["not_reported"]["softwareupdate.device-id"], json!(["Error.UnsupportedStatusItem"]));
    // What its ring wants of it by itself comes next; what it has is not fetched again.
    let (fetched, removed) = changed(fleet.syncs(&mut mac).await);
    assert_eq!((purposes(&fetched), removed), (vec!["activate", "settings"], 0));
    assert_eq!(fleet.syncs(&mut mac).await, Synced::Unchanged);
    assert_eq!(mac.enforced(), None);

    // A release comes, its ring opens, and a fortnight later the freeze is still on: the day after it counts, on the Mac's own clock.
    fleet.release("26.1").await;
    let (fetched, removed) = changed(fleet.syncs(&mut mac).await);
    assert_eq!((purposes(&fetched), removed), (vec!["activate", "enforce"], 0));
    assert_eq!(mac.enforced(), Some(("26.1".to_owned(), "2026-12-11T00:00:00".to_owned())));
    assert_eq!(fleet.slot(0).await["due"], "2026-12-09T08:00:00Z");
    let shown = fleet.declarations(0).await;
    assert_eq!(shown["answered"], shown["token"]);
    assert_eq!(shown["declarations"].as_array().unwrap().len(), 6, "{shown:#}");
    let enforce =
        shown["declarations"].as_array().unwrap().iter().find(|it| it["identifier"] == mac.enforcement().unwrap());
    let enforce = enforce.unwrap();
    assert_eq!((&enforce["policies"], &enforce["payload"]["TargetOSVersion"]), (&json!(["macs"]), &json!("26.1")));
    // It says how far it is, and only that.
    mac.begins("26.1", "downloading");
    let report = mac.report(false);
    assert!(report["StatusItems"].get("device").is_none(), "{report}");
    mac.ask(&fleet.server, &fleet.mdm, "status", Some(report.to_string())).await.ok();
    mac.begins("26.1", "prepared");
    fleet.tells(&mut mac, false).await;
    assert_eq!(fleet.fact(0, "device.update_state").await, Some(json!("prepared")));
    assert_eq!(fleet.fact(0, "device.update_pending").await, Some(json!("26.1")));
    assert_eq!(fleet.declarations(0).await["asked_by"], mac.enforcement().unwrap());
    assert_eq!(fleet.slot(0).await["compliance"], "due");

    // Done is what is seen to run.
    fleet.server.wait(SignedDuration::from_hours(5));
    mac.runs("26.1");
    fleet.tells(&mut mac, false).await;
    assert_eq!(fleet.device(0).await["installs"][0]["version"], "26.1");
    assert_eq!(fleet.fact(0, "device.update_pending").await, None);
    assert_eq!(fleet.slot(0).await["compliance"], "compliant");
    let (fetched, removed) = changed(fleet.syncs(&mut mac).await);
    assert_eq!((fetched, removed, mac.enforced()), (vec![], 2, None));

    // A newer release is a new token.
    let before = mac.token.clone();
    fleet.release("26.2").await;
    let (fetched, _) = changed(fleet.syncs(&mut mac).await);
    assert_eq!(purposes(&fetched), ["activate", "enforce"]);
    assert_eq!(mac.enforced().unwrap().0, "26.2");
    assert_ne!(mac.token, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_ring_that_has_opened_is_told_and_a_halt_takes_it_back() {
    let fleet = Fleet::new(Options::default()).await;
    let (mut canary, mut other) = (fleet.mac(0).await, fleet.mac(1).await);
    let settled = canary.token.clone();
    fleet.release("26.1").await;
    changed(fleet.syncs(&mut canary).await);
    assert_eq!((canary.enforced().unwrap().0.as_str(), fleet.syncs(&mut other).await), ("26.1", Synced::Unchanged));
    let told = canary.token.clone();
    let halt = json!({ "title": "macos", "version": "26.1", "why": "it breaks the VPN" });
    fleet.server.post("/api/v1/rollouts/halt", halt).await.ok();
    fleet.rests().await;
    let (fetched, removed) = changed(fleet.syncs(&mut canary).await);
    assert_eq!((fetched, removed, canary.enforced()), (vec![], 2, None));
    // What is declared is what it was before, and so is the token.
    assert_eq!(canary.token, settled);
    let resume = json!({ "title": "macos", "version": "26.1", "why": "it was the VPN" });
    fleet.server.post("/api/v1/rollouts/resume", resume).await.ok();
    fleet.rests().await;
    changed(fleet.syncs(&mut canary).await);
    assert_eq!(canary.token, told);
    // So it is with everything.
    fleet
        .server
        .call(&fleet.server.admin, "POST", "/api/v1/brake/stop", &[], Some(json!({ "why": "a fire" })))
        .await
        .ok();
    changed(fleet.syncs(&mut canary).await);
    assert_eq!(canary.enforced(), None);
    let because = &fleet.declarations(0).await["not_declared"][0]["because"];
    assert!(because.as_str().unwrap().contains("has not published it"), "{because}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_that_fails_speaks_against_the_release_once() {
    let fleet = Fleet::new(Options::default()).await;
    let mut canary = fleet.mac(0).await;
    fleet.release("26.1").await;
    changed(fleet.syncs(&mut canary).await);
    canary.begins("26.1", "installing");
    canary.fails(1, "not enough space", "2026-11-25T07:30:00Z");
    fleet.tells(&mut canary, false).await;
    assert_eq!(fleet.fact(0, "device.update_failure").await, Some(json!("not enough space")));
    let receipt = fleet.device(0).await["receipts"][0].clone();
    assert_eq!((&receipt["result"], &receipt["after"]), (&json!("failed"), &json!("26.0")));
    assert_eq!(receipt["at"], "2026-11-25T07:30:00Z");
    assert_eq!(fleet.stage("26.1").await, "halted");
    let head = *fleet.server.shell.head().borrow();
    fleet.tells(&mut canary, true).await;
    let device = fleet.device(0).await;
    assert_eq!(device["receipts"][0]["id"], receipt["id"]);
    assert_eq!((*fleet.server.shell.head().borrow(), device["receipts"].as_array().unwrap().len()), (head, 1));
    // A halted release is enforced on nobody.
    changed(fleet.syncs(&mut canary).await);
    assert_eq!(canary.enforced(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_apple_does_not_offer_for_the_model_is_not_enforced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pmv.json");
    let offers = |version: &str, until: &str, boards: &[&str]| {
        let release = json!({
            "ProductVersion": version, "PostingDate": "2026-11-16", "ExpirationDate": until, "SupportedDevices": boards,
        });
        let other = json!({ "ProductVersion": "26.0", "PostingDate": "2025-09-15", "SupportedDevices": ["J504AP"] });
        let said = json!({ "PublicAssetSets": { "macOS": [release] }, "AssetSets": { "macOS": [other] } });
        fs::write(&path, said.to_string()).unwrap();
    };
    offers("26.1", "2027-03-01", &["J504AP"]);
    let fleet = Fleet::new(Options { apple_versions: Some(path.clone()), ..Options::default() }).await;
    let mut mac = fleet.mac(0).await;
    fleet.release("26.1").await;
    changed(fleet.syncs(&mut mac).await);
    assert_eq!(mac.enforced().unwrap().0, "26.1");
    let because = async || {
        let shown = fleet.declarations(0).await;
        shown["not_declared"][0]["because"].as_str().unwrap_or_default().to_owned()
    };
    for (version, until, boards, expected) in [
        ("26.1", "2026-12-01", ["J504AP"], "Apple offers macos 26.1 only until 2026-12-01"),
        ("26.1.1", "2027-03-01", ["J504AP"], "Apple does not list macos 26.1; the newest that it lists is 26.1.1"),
        ("26.1", "2027-03-01", ["J314sAP"], "Apple does not offer macos 26.1 for J504AP"),
    ] {
        offers(version, until, &boards);
        let _ = mac.sync(&fleet.server, &fleet.mdm).await;
        assert_eq!((mac.enforced(), because().await.as_str()), (None, expected));
    }
    let stands = async || fleet.server.get("/api/v1/declarative-management").await.ok();
    assert!(stands().await["versions_trouble"].is_null());
    // Half a file is no file: what was read last counts.
    fs::write(&path, "{").unwrap();
    assert_eq!(mac.sync(&fleet.server, &fleet.mdm).await, Synced::Unchanged);
    let said = stands().await;
    assert!(said["versions_trouble"].as_str().unwrap().contains("pmv.json") && said["versions_since"].is_string());
    offers("26.1", "2027-03-01", &["J504AP", "J314sAP"]);
    changed(mac.sync(&fleet.server, &fleet.mdm).await);
    assert_eq!(mac.enforced().unwrap().0, "26.1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_known_gets_nothing_and_is_counted() {
    let fleet = Fleet::new(Options::default()).await;
    let mut stranger = Mac::new("00000000-1111-2222-3333-444455556666", "C02NOBODY", "26.0");
    let (fetched, removed) = changed(fleet.syncs(&mut stranger).await);
    assert_eq!((fetched, removed, stranger.active().len()), (vec![], 0, 0));
    let head = *fleet.server.shell.head().borrow();
    stranger.tells(&fleet.server, &fleet.mdm, true).await;
    assert_eq!(*fleet.server.shell.head().borrow(), head);
    let said = fleet.server.get("/api/v1/declarative-management").await.ok();
    let unknown = &said["unknown"][0];
    assert_eq!((&unknown["enrollment"], &unknown["times"]), (&json!(stranger.enrolment), &json!(4)), "{said}");
    assert!(unknown["why"].as_str().unwrap().contains("no managed device"));
    let figures = fleet.server.get("/metrics").await.ok();
    assert!(figures.as_str().unwrap().contains("refit_declarative_unknown 1\n"));
    let nothing = stranger.ask(&fleet.server, &fleet.mdm, "declaration/configuration/refit.status", None).await;
    nothing.problem(404, "not-found");
    // By its serial number it may be known too, and a user of it is not it.
    let mut by_serial = Mac::new(&serial(2), &serial(2), "26.0");
    assert_eq!(purposes(&changed(fleet.syncs(&mut by_serial).await).0), ["activate", "status"]);
    let mut user = Mac::new(&format!("{}:USER-1", UDID[0]), &serial(0), "26.0");
    assert_eq!(changed(fleet.syncs(&mut user).await), (vec![], 0));
    let said = fleet.server.get("/api/v1/declarative-management").await.ok();
    assert_eq!((said["unknown"].as_array().unwrap().len(), &said["devices"]), (1, &json!(1)), "{said}");
    // Whose serial number two have is nobody.
    let facts = json!({ "device.serial": serial(2), "device.platform": "macos" });
    fleet
        .server
        .post("/api/v1/devices/mac-1/observations", json!({ "source": "inventory", "facts": facts }))
        .await
        .ok();
    by_serial.token = None;
    assert_eq!(changed(by_serial.sync(&fleet.server, &fleet.mdm).await), (vec![], 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_report_of_the_device_changes_nothing() {
    let fleet = Fleet::new(Options::default()).await;
    let mac = fleet.mac(0).await;
    let (head, before) = (*fleet.server.shell.head().borrow(), fleet.device(0).await);
    let version =
        |version: Value| json!({ "StatusItems": { "device": { "operating-system": { "version": version } } } });
    let of_another = json!({ "Errors": [], "StatusItems": { "device": {
        "identifier": { "serial-number": "C02OTHER" }, "operating-system": { "version": "26.1" },
    }}});
    for (data, status, code) in [
        ("{".to_owned(), 400, "malformed"),
        ("half a".to_owned(), 400, "malformed"),
        ("[]".to_owned(), 422, "invalid"),
        ("{}".to_owned(), 422, "invalid"),
        (json!({ "StatusItems": [] }).to_string(), 422, "invalid"),
        (version(json!(26)).to_string(), 422, "invalid"),
        (version(json!("no version")).to_string(), 422, "invalid"),
        (version(json!("9".repeat(3_000))).to_string(), 422, "invalid"),
        (of_another.to_string(), 409, "conflict"),
        (" ".repeat(3 << 20), 413, "too-large"),
    ] {
        mac.ask(&fleet.server, &fleet.mdm, "status", Some(data.clone())).await.problem(status, code);
    }
    assert_eq!((*fleet.server.shell.head().borrow(), fleet.device(0).await), (head, before));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_passes_on_may_do_that_and_nothing_else() {
    let fleet = Fleet::new(Options::default()).await;
    let (server, mac) = (&fleet.server, Mac::new(UDID[0], &serial(0), "26.0"));
    let facts = server.token("facts", "olga", Bearer::Program, &[Scope::Facts, Scope::Read]).await;
    for endpoint in ["tokens", "declaration-items", "declaration/configuration/refit.status"] {
        mac.ask(server, &facts, endpoint, None).await.problem(403, "scope-missing");
        mac.ask(server, "refit_nobody", endpoint, None).await.problem(401, "unauthorized");
    }
    let report = json!({ "StatusItems": {}, "Errors": [] }).to_string();
    mac.ask(server, &facts, "status", Some(report.clone())).await.problem(403, "scope-missing");
    mac.ask(server, &fleet.mdm, "tokens", Some(report)).await.problem(405, "method-not-allowed");
    for path in ["/api/v1/devices", "/api/v1/devices/mac-0/declarations", "/api/v1/declarative-management"] {
        server.call(&fleet.mdm, "GET", path, &[], None).await.problem(403, "scope-missing");
    }
    let said = json!({ "source": "apple-declarative", "facts": { "device.site": "Kiel" } });
    let path = "/api/v1/devices/mac-0/observations";
    server.call(&fleet.mdm, "POST", path, &[], Some(said)).await.problem(403, "scope-missing");
    // Who does not say which device it is asks for none.
    let plain: Answer = server
        .send(
            Request::builder()
                .uri("/apple/ddm/tokens")
                .header("authorization", format!("Bearer {}", fleet.mdm))
                .body(Body::empty())
                .unwrap(),
        )
        .await;
    let problem = plain.problem(422, "invalid");
    assert_eq!(problem["errors"][0]["path"], "X-Enrollment-ID");
}
