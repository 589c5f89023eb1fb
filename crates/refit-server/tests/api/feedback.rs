//! Reports and exceptions through the API.

use crate::server::Server;
use jiff::SignedDuration;
use refit_core::control::{Actor, Bearer, Input, Scope};
use serde_json::{Value, json};

const POLICY: &str = "\
organization: acme
defaults: { mode: enforce }
exceptions: { longest: 90d }
rollouts:
  standard:
    gate: default
    rings:
      - { name: canary, where: '\"canary\" in device.tags', soak: 12h }
      - { name: rest }
gates:
  default: { failure_rate: 2%, confidence: 95%, enough: 90%, reports: 1%, patience: 7d }
---
title: editor
name: Editor
scheme: semver
---
policy: editors
owner: desk@acme.example
software: [editor]
rollout: standard
deadline: [{ within: 7d }]
---
exception_rules: short
longest: 3d
devices_most: 3
decided: at_once
terms: [due]
---
exception_rules: long
longest: 30d
approvers: [sara, otto]
";

/// Twelve devices with the editor, two of them canaries that got the next release an hour ago.
async fn fleet() -> Server {
    let server = Server::new().await;
    server.shell.evaluate().unwrap();
    apply(&server, POLICY).await;
    for n in 0..12 {
        let id = format!("d{n:02}");
        server.post("/api/v1/devices", json!({ "id": id })).await.ok();
        let tags = if n < 2 { vec!["canary"] } else { vec![] };
        let tags = json!({ "source": "cmdb", "facts": { "device.tags": tags } });
        server.post(&format!("/api/v1/devices/{id}/observations"), tags).await.ok();
        has(&server, &id, "1.0.0").await;
    }
    server.shell.settled().await;
    let release = json!({ "title": "editor", "version": "1.1.0", "published": server.now().to_string() });
    server.post("/api/v1/releases", json!({ "source": "vendor", "releases": [release] })).await.ok();
    server.shell.settled().await;
    for id in ["d00", "d01"] {
        has(&server, id, "1.1.0").await;
        let receipt = json!({
            "id": format!("receipt {id}"), "slot": { "title": "editor" }, "result": "succeeded",
            "before": "1.0.0", "after": "1.1.0", "at": server.now().to_string(), "duration_ms": 900,
        });
        server.post(&format!("/api/v1/devices/{id}/receipts"), receipt).await.ok();
    }
    server.wait(SignedDuration::from_hours(1));
    server.shell.settled().await;
    server
}

async fn apply(server: &Server, policy: &str) {
    let plan = server.post("/api/v1/plans", json!({ "files": { "refit.yaml": policy } })).await.ok();
    let apply = format!("/api/v1/plans/{}/apply", plan["id"].as_str().unwrap());
    server.call(&server.admin, "POST", &apply, &[], None).await.ok();
    server.shell.settled().await;
}

async fn has(server: &Server, id: &str, version: &str) {
    let install = json!([{ "title": "editor", "version": version }]);
    let said = json!({ "source": "agent", "facts": { "device.platform": "linux" }, "installs": { "all": install } });
    server.post(&format!("/api/v1/devices/{id}/observations"), said).await.ok();
}

async fn bare(server: &Server, secret: &str, path: &str) -> crate::server::Answer {
    server.call(secret, "POST", path, &[], None).await
}

/// The business events of these types, by type and subject.
async fn stream(server: &Server, secret: &str, filter: &str) -> Vec<(String, String)> {
    let path = format!("/api/v1/stream?filter={filter}&limit=1000");
    let page = server.call(secret, "GET", &path, &[], None).await.ok();
    let items = page["items"].as_array().unwrap().iter();
    let text = |event: &Value, field: &str| event[field].as_str().unwrap_or_default().to_owned();
    items.map(|event| (text(event, "type"), text(event, "subject"))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_finds_its_cause_and_its_owner_and_ends_with_a_block() {
    let server = fleet().await;
    let words = json!({ "device": "d00", "words": "The editor loses my files.", "title": "editor" });
    let opened = server.post("/api/v1/reports", words).await;
    assert_eq!(opened.status, 201);
    let id = opened.body["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/reports/{id}");
    let said = server.get(&path).await.ok();
    assert_eq!(
        (&said["status"], &said["owner"], &said["by"]),
        (&json!("open"), &json!("desk@acme.example"), &json!("olga"))
    );
    assert_eq!(said["words"], "The editor loses my files.");
    assert_eq!(
        said["changes"][0]["says"],
        "editor 1.1.0, which the report names, came 60 min before; none of the 1 other devices with it reports anything"
    );
    // It counts in the gate's evidence, as a share of the devices that have the release.
    server.shell.settled().await;
    let rollout = server.get("/api/v1/rollouts?title=editor").await.ok()["items"][0].clone();
    let reports = rollout["evidence"]["compared"].as_array().unwrap();
    let reports = reports.iter().find(|compared| compared["measure"] == "reports").unwrap();
    assert_eq!(reports["reached"], json!({ "of": 2, "bad": 1 }));
    // Words are for who may read what is personal, and not in the list.
    let reader = server.token("reader", "rita", Bearer::Program, &[Scope::Read]).await;
    let read = server.call(&reader, "GET", &path, &[], None).await.ok();
    assert!(read.get("words").is_none(), "{read}");
    let listed = server.get("/api/v1/reports?status=open&title=editor").await.ok();
    assert_eq!((listed["items"].as_array().unwrap().len(), listed["items"][0].get("words")), (1, None));
    assert_eq!(server.get("/api/v1/reports?title=browser").await.ok()["items"], json!([]));
    server.call(&reader, "POST", &format!("{path}/acknowledge"), &[], None).await.problem(403, "scope-missing");
    server.get(&format!("{path}/patch")).await.problem(409, "conflict");
    bare(&server, &server.admin, &format!("{path}/acknowledge")).await.ok();
    assert_eq!(server.get(&path).await.ok()["acknowledged_by"], "olga");
    let close = json!({ "outcome": "block", "why": "It does lose files." });
    let closed = server.post(&format!("{path}/close"), close).await.ok();
    assert_eq!((&closed["changed"], &closed["halted"]), (&json!(true), &json!(true)));
    let patch = server.get(&format!("{path}/patch")).await.ok();
    assert_eq!(patch["path"], "blocks/editor-1.1.0.yaml");
    let text = patch["text"].as_str().unwrap();
    assert!(text.contains("title: \"editor\"\nreleases: \"=1.1.0\"\nwhy: \"It does lose files.\"\n"), "{text}");
    // The policy takes it.
    let files = json!({ "files": { "refit.yaml": POLICY, "blocks/editor-1.1.0.yaml": text } });
    server.post("/api/v1/plans/preview", files).await.ok();
    let rollout = server.get("/api/v1/rollouts?title=editor").await.ok()["items"][0].clone();
    assert_eq!(rollout["stage"], "halted", "{rollout:#}");
    let told = stream(&server, &server.admin, "event.type.startsWith(%22report.%22)").await;
    let told: Vec<_> = told.iter().map(|(kind, subject)| (kind.as_str(), subject == &id)).collect();
    assert_eq!(told, [("report.opened", true), ("report.answered", true), ("report.closed", true)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_is_of_a_device_or_of_the_only_device_of_a_person() {
    let server = fleet().await;
    let post = async |body: Value| server.post("/api/v1/reports", body).await;
    let problem = post(json!({ "words": "broken" })).await.problem(422, "invalid");
    assert!(problem.to_string().contains("name the device, or a person who has one"), "{problem}");
    post(json!({ "device": "d99", "words": "broken" })).await.problem(404, "not-found");
    post(json!({ "person": "p1", "words": "broken" })).await.problem(404, "not-found");
    post(json!({ "device": "d00", "words": " " })).await.problem(422, "invalid");
    post(json!({ "device": "d00", "words": "x".repeat(501) })).await.problem(422, "invalid");
    let said = json!({ "source": "hr", "values": { "department": "Sales" } });
    server.put("/api/v1/people/p1", said).await.ok();
    let problem = post(json!({ "person": "p1", "words": "broken" })).await.problem(422, "invalid");
    assert!(problem.to_string().contains("p1 has no device"), "{problem}");
    let assign = async |device: &str| {
        server.put(&format!("/api/v1/devices/{device}/assignment"), json!({ "person": "p1" })).await.ok();
    };
    assign("d03").await;
    post(json!({ "person": "p1", "words": "broken" })).await.ok();
    let said = server.get("/api/v1/reports").await.ok()["items"][0].clone();
    assert_eq!((&said["device"], &said["person"], &said["changes"]), (&json!("d03"), &json!("p1"), &json!([])));
    assign("d04").await;
    let problem = post(json!({ "person": "p1", "words": "broken" })).await.problem(422, "invalid");
    assert!(problem.to_string().contains("name one of d03, d04"), "{problem}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exception_is_asked_for_granted_acts_and_is_written_back() {
    let server = fleet().await;
    let ask = json!({ "exception": "fair", "devices": ["d05"], "software": ["editor"], "until": "2026-11-27", "why": "a fair" });
    let sam = server.token("sam", "sam", Bearer::Program, &[Scope::Read, Scope::Plan]).await;
    let asked = server.call(&sam, "POST", "/api/v1/exceptions", &[], Some(ask.clone())).await;
    assert_eq!(asked.status, 201, "{}", asked.body);
    assert_eq!((&asked.body["granted"], &asked.body["devices"]), (&json!(true), &json!(1)));
    server.call(&sam, "POST", "/api/v1/exceptions", &[], Some(ask.clone())).await.problem(409, "exists");
    server.shell.settled().await;
    let said = server.get("/api/v1/exceptions/fair").await.ok();
    assert_eq!(
        (&said["in_repository"], &said["request"]["status"], &said["request"]["rule"]),
        (&json!(false), &json!("granted"), &json!("short"))
    );
    assert_eq!(said["acts_on"], 1, "{said:#}");
    let due = async || {
        let decisions = server.get("/api/v1/devices/d05/decisions").await.ok();
        decisions["slots"][0]["due"].as_str().unwrap().to_owned()
    };
    assert_eq!(due().await, "2026-11-27T23:59:59Z", "the end of its last day");
    // A preview of the same policy changes nothing: what was granted goes on.
    let preview = server.post("/api/v1/plans/preview", json!({ "files": { "refit.yaml": POLICY } })).await.ok();
    assert_eq!(preview["content"]["changes"], json!([]));
    let patch = server.get("/api/v1/exceptions/fair/patch").await.ok();
    assert_eq!(patch["path"], "exceptions/fair.yaml");
    let text = patch["text"].as_str().unwrap();
    // Written back, the repository's own goes before.
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("refit.yaml"), POLICY).unwrap();
    std::fs::write(folder.path().join("x.patch"), patch["diff"].as_str().unwrap()).unwrap();
    let applied = std::process::Command::new("git").args(["apply", "x.patch"]).current_dir(folder.path()).status();
    if applied.is_ok_and(|status| status.success()) {
        assert_eq!(std::fs::read_to_string(folder.path().join("exceptions/fair.yaml")).unwrap(), text);
    }
    let files = json!({ "files": { "refit.yaml": POLICY, "exceptions/fair.yaml": text } });
    let plan = server.post("/api/v1/plans", files).await.ok();
    let apply = format!("/api/v1/plans/{}/apply", plan["id"].as_str().unwrap());
    bare(&server, &server.admin, &apply).await.ok();
    server.shell.settled().await;
    let all = server.get("/api/v1/exceptions").await.ok();
    assert_eq!(all["items"].as_array().unwrap().len(), 1, "the same name, and no double: {all:#}");
    assert_eq!((&all["items"][0]["in_repository"], &all["items"][0]["acts_on"]), (&json!(true), &json!(1)));
    assert_eq!(due().await, "2026-11-27T23:59:59Z");
    server.get("/api/v1/exceptions/fair/patch").await.problem(409, "conflict");
    server.get("/api/v1/exceptions/other").await.problem(404, "not-found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rules_say_who_decides_and_what_is_exploited_takes_two() {
    let server = fleet().await;
    let advisory = json!({
        "id": "CVE-2026-7", "title": "editor", "affected": ["<1.1.0"], "known_at": "2026-11-20T00:00:00Z", "kev": "2026-11-24T00:00:00Z",
    });
    server.post("/api/v1/advisories", json!({ "source": "cisa", "advisories": [advisory] })).await.ok();
    server.shell.settled().await;
    let scopes = [Scope::Read, Scope::Plan, Scope::Approve];
    let sara = server.token("sara", "sara", Bearer::Person, &scopes).await;
    let otto = server.token("otto", "otto", Bearer::Person, &scopes).await;
    let eve = server.token("eve", "eve", Bearer::Person, &scopes).await;
    let ask = json!({
        "exception": "lab", "where": "!(\"canary\" in device.tags)", "policy": "editors", "hold_at": "<1.1.0",
        "until": "2026-12-10", "why": "the lab's licence", "exploited_too": true,
    });
    let problem = server.call(
        &sara,
        "POST",
        "/api/v1/exceptions",
        &[],
        Some({
            let mut ask = ask.clone();
            ask["until"] = "2027-01-31".into();
            ask
        }),
    );
    let problem = problem.await.problem(403, "forbidden");
    assert!(problem["detail"].as_str().unwrap().contains("`long`: 2027-01-31 is too late"), "{problem}");
    let asked = server.call(&sara, "POST", "/api/v1/exceptions", &[], Some(ask)).await.ok();
    assert_eq!((&asked["granted"], &asked["exploited"]), (&json!(false), &json!(["CVE-2026-7"])));
    let approve = async |who: &str| bare(&server, who, "/api/v1/exceptions/lab/approve").await;
    let own = approve(&sara).await.problem(403, "forbidden");
    assert!(own["detail"].as_str().unwrap().contains("nobody grants their own"), "{own}");
    approve(&eve).await.problem(403, "forbidden");
    assert_eq!(approve(&otto).await.ok()["granted"], json!(false), "a second person has to agree");
    // Sara asked for it, so that under this rule nobody else can: it is refused.
    server
        .call(&eve, "POST", "/api/v1/exceptions/lab/refuse", &[], Some(json!({ "why": "no" })))
        .await
        .problem(403, "forbidden");
    server.call(&otto, "POST", "/api/v1/exceptions/lab/refuse", &[], Some(json!({ "why": "no" }))).await.ok();
    let said = server.get("/api/v1/exceptions/lab").await.ok();
    assert_eq!((&said["request"]["status"], &said["request"]["because"]), (&json!("refused"), &json!("no")));
    approve(&otto).await.problem(409, "conflict");
    // Somebody else asks, and both agree.
    let ask = json!({
        "exception": "lab", "where": "!(\"canary\" in device.tags)", "policy": "editors", "hold_at": "<1.1.0",
        "until": "2026-12-10", "why": "the lab's licence", "exploited_too": true,
    });
    server.call(&eve, "POST", "/api/v1/exceptions", &[], Some(ask)).await.ok();
    assert_eq!(approve(&otto).await.ok()["granted"], json!(false));
    assert_eq!(approve(&sara).await.ok()["granted"], json!(true));
    server.shell.settled().await;
    let said = server.get("/api/v1/exceptions/lab").await.ok();
    assert_eq!((&said["acts_on"], &said["request"]["kev"]), (&json!(10), &json!(true)), "{said:#}");
    // Notice comes before the end, and the end by itself.
    for hours in [24 * 13, 24 * 4] {
        server.wait(SignedDuration::from_hours(hours));
        server.shell.tell(&Actor::server(), Input::Tick, None).await.unwrap();
    }
    // The other tokens have expired meanwhile.
    let late = server.token("late", "lea", Bearer::Program, &[Scope::Read]).await;
    let told = stream(&server, &late, "event.type.startsWith(%22exception.%22)").await;
    let told: Vec<&str> = told.iter().map(|(kind, _)| kind.as_str()).collect();
    let expected = ["requested", "refused", "requested", "granted", "expiring", "expired"];
    assert_eq!(told, expected.map(|what| format!("exception.{what}")));
}
