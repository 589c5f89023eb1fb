//! Rollouts that go on by themselves, as the API tells of them.

use super::server::Server;
use jiff::SignedDuration;
use refit_core::control::{Actor, IdentityInput, Input};
use serde_json::{Value, json};

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
---
title: editor
name: Editor
scheme: semver
---
policy: editors
software: [editor]
rollout: standard
deadline: [{ within: 14d }]
";

struct Fleet {
    server: Server,
    receipts: u32,
}

impl Fleet {
    /// Twelve devices with the editor, two of them canaries.
    async fn new() -> Fleet {
        Fleet::under(POLICY).await
    }

    async fn under(policy: &str) -> Fleet {
        let server = Server::new().await;
        server.shell.evaluate().unwrap();
        let plan = server.post("/api/v1/plans", json!({ "files": { "refit.yaml": policy } })).await.ok();
        let apply = format!("/api/v1/plans/{}/apply", plan["id"].as_str().unwrap());
        server.call(&server.admin, "POST", &apply, &[], None).await.ok();
        let fleet = Fleet { server, receipts: 0 };
        for n in 0..12 {
            let id = format!("d{n:02}");
            fleet.server.post("/api/v1/devices", json!({ "id": id })).await.ok();
            let tags = if n < 2 { vec!["canary"] } else { vec![] };
            let tags = json!({ "source": "cmdb", "facts": { "device.tags": tags } });
            fleet.server.post(&format!("/api/v1/devices/{id}/observations"), tags).await.ok();
            fleet.has(&id, "1.0.0").await;
        }
        fleet.server.shell.settled().await;
        fleet
    }

    async fn has(&self, id: &str, version: &str) {
        let install = json!([{ "title": "editor", "version": version }]);
        let said =
            json!({ "source": "agent", "facts": { "device.platform": "linux" }, "installs": { "all": install } });
        self.server.post(&format!("/api/v1/devices/{id}/observations"), said).await.ok();
    }

    async fn release(&self, version: &str) {
        let release = json!({ "title": "editor", "version": version, "published": self.server.now().to_string() });
        self.server.post("/api/v1/releases", json!({ "source": "vendor", "releases": [release] })).await.ok();
        self.server.shell.settled().await;
    }

    async fn receipt(&mut self, id: &str, result: &str, after: &str) {
        self.receipts += 1;
        let receipt = json!({
            "id": format!("receipt {}", self.receipts), "slot": { "title": "editor" }, "result": result,
            "before": "1.0.0", "after": after, "at": self.server.now().to_string(), "duration_ms": 900,
        });
        self.server.post(&format!("/api/v1/devices/{id}/receipts"), receipt).await.ok();
        self.server.shell.settled().await;
    }

    async fn rollout(&self) -> Value {
        self.server.get("/api/v1/rollouts?title=editor").await.ok()["items"][0].clone()
    }

    async fn timeline(&self) -> Vec<String> {
        let said = self.server.get("/api/v1/rollouts/timeline?title=editor&version=1.1.0").await.ok();
        let moments = said["items"].as_array().unwrap().iter();
        moments.map(|moment| moment["says"].as_str().unwrap().to_owned()).collect()
    }

    async fn explain(&self, id: &str) -> String {
        let said = self.server.get(&format!("/api/v1/devices/{id}/explanation?title=editor")).await.ok();
        said["text"].as_str().unwrap().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_passes_ring_by_ring_and_says_where_it_stands() {
    let mut fleet = Fleet::new().await;
    fleet.release("1.1.0").await;
    let rollout = fleet.rollout().await;
    assert_eq!(rollout["stage"], "under_way");
    assert_eq!(rollout["platform"], "linux");
    assert_eq!(rollout["open"][0]["devices"], 2);
    assert_eq!(rollout["waiting"], json!(["rest"]));
    assert_eq!(rollout["says"], "rest opens when canary has passed: 0 of 2 reported, none failed");
    fleet.has("d00", "1.1.0").await;
    fleet.receipt("d00", "succeeded", "1.1.0").await;
    fleet.server.wait(SignedDuration::from_hours(6));
    let rollout = fleet.rollout().await;
    assert_eq!(rollout["says"], "rest opens when canary has passed: 1 of 2 reported, none failed, 6 h of 12 h soaked");
    let explained = fleet.explain("d05").await;
    assert!(explained.contains("1 of 2 devices have reported, none failed"), "{explained}");
    fleet.has("d01", "1.1.0").await;
    fleet.receipt("d01", "succeeded", "1.1.0").await;
    fleet.server.wait(SignedDuration::from_hours(7));
    // Somebody has to say something for the server to look again at once: time is set by hand here.
    fleet.has("d00", "1.1.0").await;
    fleet.receipt("d01", "succeeded", "1.1.0").await;
    let rollout = fleet.rollout().await;
    assert_eq!(rollout["stage"], "complete", "{rollout:#}");
    assert_eq!(
        fleet.timeline().await,
        [
            "ring canary of standard opened for 2 devices",
            "passed after ring canary of standard: 2 of 2 reported, 0 failed",
            "ring rest of standard opened for 10 devices",
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_that_fails_is_halted_and_people_let_it_go_on() {
    let mut fleet = Fleet::new().await;
    fleet.release("1.1.0").await;
    fleet.receipt("d01", "failed", "1.0.0").await;
    let rollout = fleet.rollout().await;
    assert_eq!(rollout["stage"], "halted");
    assert_eq!(rollout["says"], "halted after canary: 1 of 1 failed");
    assert_eq!(rollout["gates"][0]["answer"], "halt");
    let halted = fleet.explain("d05").await;
    assert!(halted.contains("halted"), "{halted}");
    let nothing = fleet.server.get("/api/v1/devices/d00/decisions").await.ok();
    assert_eq!(nothing["slots"][0]["admitted"], Value::Null, "{nothing:#}");

    let named = json!({ "title": "editor", "version": "1.1.0", "why": "that disk was full" });
    let strange = json!({ "title": "editor", "version": "1.1.0", "why": " " });
    fleet.server.post("/api/v1/rollouts/resume", strange).await.problem(422, "invalid");
    fleet.server.post("/api/v1/rollouts/resume", named.clone()).await.ok();
    fleet.server.post("/api/v1/rollouts/resume", named.clone()).await.problem(409, "conflict");
    fleet.server.shell.settled().await;
    assert_eq!(fleet.rollout().await["stage"], "under_way");
    fleet.server.post("/api/v1/rollouts/expedite", named.clone()).await.ok();
    fleet.server.shell.settled().await;
    let rollout = fleet.rollout().await;
    assert_eq!((&rollout["stage"], &rollout["expedited"]), (&json!("complete"), &json!(true)));
    fleet.server.post("/api/v1/rollouts/halt", named).await.ok();
    fleet.server.shell.settled().await;
    let rollout = fleet.rollout().await;
    assert_eq!(rollout["stage"], "halted");
    assert!(rollout["gates"][0]["until"].is_string());
    assert_eq!(
        fleet.timeline().await,
        [
            "ring canary of standard opened for 2 devices",
            "halted after ring canary of standard: 1 of 1 failed",
            "let go on after ring canary of standard: that disk was full",
            "it waits for no gate: that disk was full",
            "ring rest of standard opened for 10 devices",
            "halted after ring rest: that disk was full",
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_answers_for_a_gate_with_a_reason_and_takes_that_back() {
    let fleet = Fleet::new().await;
    fleet.release("1.1.0").await;
    let gate = |answer: Value, why: Value| {
        json!({
            "title": "editor", "version": "1.1.0", "rollout": "standard", "after": "canary", "platform": "linux", "answer": answer,
            "why": why,
        })
    };
    let path = "/api/v1/rollouts/gates";
    fleet.server.post(path, gate("inconclusive".into(), " ".into())).await.problem(422, "invalid");
    fleet.server.post(path, gate("inconclusive".into(), "wait for me".into())).await.ok();
    fleet.server.shell.settled().await;
    let rollout = fleet.rollout().await;
    assert_eq!((&rollout["stage"], &rollout["gates"][0]["why"]), (&json!("under_way"), &json!("wait for me")));
    let says = rollout["says"].as_str().unwrap();
    let back = "`refit gate editor 1.1.0 canary back --rollout standard --platform linux` takes that back";
    assert!(says.starts_with("rest waits because a person said") && says.contains(back), "{says}");
    let explained = fleet.explain("d05").await;
    assert!(explained.contains("is kept waiting by a person") && explained.contains(back), "{explained}");
    let expedite = json!({ "title": "editor", "version": "1.1.0", "why": "it is exploited" });
    fleet.server.post("/api/v1/rollouts/expedite", expedite).await.problem(409, "conflict");
    fleet.server.post(path, gate(Value::Null, "it is clear now".into())).await.problem(422, "invalid");
    fleet.server.post(path, gate(Value::Null, Value::Null)).await.ok();
    fleet.server.shell.settled().await;
    assert_eq!(fleet.rollout().await["says"], "rest opens when canary has passed: 0 of 2 reported, none failed");
    assert_eq!(
        fleet.timeline().await,
        [
            "ring canary of standard opened for 2 devices",
            "kept waiting after ring canary of standard: wait for me",
            "taken back after ring canary of standard, where a person kept it waiting",
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_monitoring_posts_halts_a_release_and_a_slip_is_told() {
    let policy = POLICY
        .replace("reports: 1%,", "reports: 1%, signals: [{ name: crashes, from: sentry, no_worse_than: control }],");
    let mut fleet = Fleet::under(&policy).await;
    fleet.release("1.1.0").await;
    for id in ["d00", "d01"] {
        fleet.has(id, "1.1.0").await;
        fleet.receipt(id, "succeeded", "1.1.0").await;
    }
    let signal =
        |devices: Value| json!({ "source": "sentry", "signal": "crashes", "complete": true, "devices": devices });
    let said = fleet.server.get("/api/v1/signals").await.ok();
    assert_eq!(said["items"][0]["newest"], Value::Null, "{said}");
    let problem = fleet.server.post("/api/v1/signals", signal(json!({ "d99": true }))).await.problem(422, "invalid");
    assert!(problem.to_string().contains("no device, or more than one, is called `d99`"), "{problem}");
    let mut slip = signal(json!({ "d00": true }));
    slip["signal"] = "crash".into();
    let problem = fleet.server.post("/api/v1/signals", slip).await.problem(422, "invalid");
    assert!(problem["detail"].as_str().unwrap().contains("they listen to `crashes` from `sentry`"), "{problem}");
    let devices: serde_json::Map<String, Value> = (0..12).map(|n| (format!("d{n:02}"), json!(n < 2))).collect();
    fleet.server.post("/api/v1/signals", signal(devices.into())).await.ok();
    fleet.server.shell.settled().await;
    let said = fleet.server.get("/api/v1/signals").await.ok();
    assert_eq!((&said["items"][0]["bad"], &said["items"][0]["fine"]), (&json!(2), &json!(10)), "{said}");
    // Monitoring may go on under an id that was merged: it is told whose that is by now, and of two words the worse one counts.
    fleet.server.post("/api/v1/devices", json!({ "id": "again" })).await.ok();
    let merge = Input::Identity(IdentityInput::MergeDevices { from: "again".into(), into: "d05".into() });
    fleet.server.shell.tell(&Actor::server(), merge, None).await.unwrap();
    let mut one = signal(json!({ "again": true, "d05": false }));
    one["complete"] = false.into();
    assert_eq!(fleet.server.post("/api/v1/signals", one.clone()).await.ok()["merged"], json!({ "again": "d05" }));
    let bad = |said: &Value| said["items"][0]["bad"].clone();
    assert_eq!(bad(&fleet.server.get("/api/v1/signals").await.ok()), json!(3));
    one["devices"] = json!({ "again": false });
    fleet.server.post("/api/v1/signals", one).await.ok();
    assert_eq!(bad(&fleet.server.get("/api/v1/signals").await.ok()), json!(2));
    // Two of two prove nothing to a gate that wants to be sure; it does not pass.
    fleet.server.wait(SignedDuration::from_hours(13));
    fleet.receipt("d00", "succeeded", "1.1.0").await;
    let rollout = fleet.rollout().await;
    assert_eq!(rollout["stage"], "under_way");
    assert!(rollout["says"].as_str().unwrap().contains("signal crashes says something bad look worse"), "{rollout:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_is_told_with_what_moves_in_it() {
    let fleet = Fleet::under(&POLICY.replace("rollout: standard", "rollout: { use: standard, every: 6h }")).await;
    fleet.release("1.1.0").await;
    assert_eq!(fleet.server.get("/api/v1/rollouts").await.ok()["items"], json!([]));
    let explained = fleet.explain("d00").await;
    assert!(explained.contains("1.1.0") && explained.contains("it moves with the snapshot of"), "{explained}");
    fleet.server.wait(SignedDuration::from_hours(7));
    // Somebody has to say something for the server to look again at once: time is set by hand here.
    fleet.has("d11", "1.0.1").await;
    fleet.server.shell.settled().await;
    let rollout = fleet.rollout().await;
    assert_eq!(rollout["title"], "snapshot/editors", "it is found by the title of a release that moves with it");
    let releases = json!([{ "title": "editor", "version": "1.1.0", "fine": 0, "failed": 0 }]);
    assert_eq!(rollout["releases"], releases);
    assert_eq!(rollout["open"][0]["devices"], 2);
    let explained = fleet.explain("d05").await;
    let day = rollout["version"].as_str().unwrap();
    assert!(explained.contains(&format!("has not opened for snapshot {day}")), "{explained}");
}
