use crate::server::Server;
use refit_core::control::{
    Actor, DriftHand, DriftedObject, IdentityInput, Input, SourceAlarm, SourceRead, SourceTrouble, TargetObserved,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A reading of a hundred records that is believed.
fn reading(source: &str, server: &Server) -> SourceRead {
    SourceRead {
        source: source.into(),
        read: Some(server.now()),
        records: 100,
        alarm: None,
        was: None,
        set_aside: 0,
        uncovered: 0,
        purposes: BTreeMap::new(),
    }
}

#[tokio::test]
async fn a_source_that_is_not_believed_is_shown_and_counted() {
    let server = Server::new().await;
    assert_eq!(server.get("/api/v1/sources").await.ok(), json!({ "items": [] }));
    let mut read = reading("okta", &server);
    let tell = async |read: &SourceRead| {
        let told = server.shell.tell(&Actor::server(), Input::SourceRead(read.clone()), None).await;
        told.unwrap().events.len()
    };
    assert_eq!((tell(&read).await, tell(&read).await), (1, 0));
    let figure = async || {
        let text = server.get("/metrics").await.ok().as_str().unwrap().to_owned();
        text.lines().find(|line| line.starts_with("refit_source_alarm{")).map(str::to_owned)
    };
    assert_eq!(figure().await.as_deref(), Some(r#"refit_source_alarm{source="okta"} 0"#));
    let why = "40 of 100 users are missing, which is too many at once to be believed";
    let alarm = SourceAlarm { kind: SourceTrouble::Shrunk, since: server.now(), why: why.into() };
    read.alarm = Some(alarm);
    assert_eq!((tell(&read).await, tell(&read).await), (1, 0));
    assert_eq!(figure().await.as_deref(), Some(r#"refit_source_alarm{source="okta"} 1"#));
    let now = server.now().to_string();
    let alarm = json!({ "kind": "shrunk", "since": now, "why": why });
    let said = json!({ "source": "okta", "read": now, "records": 100, "set_aside": 0, "uncovered": 0, "alarm": alarm });
    assert_eq!(server.get("/api/v1/sources").await.ok()["items"], json!([said]));
    // That less fits is news by itself.
    (read.set_aside, read.uncovered) = (3, 1);
    assert_eq!((tell(&read).await, tell(&read).await), (1, 0));
    let said = &server.get("/api/v1/sources").await.ok()["items"][0];
    assert_eq!((&said["set_aside"], &said["uncovered"]), (&json!(3), &json!(1)));
}

#[tokio::test]
async fn what_the_answer_about_something_sensitive_is_kept_for_stands_beside_it() {
    let server = Server::new().await;
    let why = "Whoever is away is not forced.";
    let purposes = BTreeMap::from([("person.on_leave".into(), why.into()), ("device.site".into(), why.into())]);
    let read = SourceRead { purposes, ..reading("hr", &server) };
    server.shell.tell(&Actor::server(), Input::SourceRead(read), None).await.unwrap();
    // What holds of whom no list names stands there as said by `refit`.
    for source in ["hr", "other", "refit"] {
        let said = json!({ "source": source, "values": { "on_leave": true, "title": "Analyst" } });
        server.put("/api/v1/people/p1", said).await.ok();
    }
    let purposes = |facts: &Value| -> Vec<String> {
        let facts = facts.as_array().unwrap().iter();
        facts.map(|fact| format!("{} {} {}", fact["field"], fact["source"], fact["purpose"]).replace('"', "")).collect()
    };
    let of_person = [
        format!("on_leave hr {why}"),
        "on_leave other null".to_owned(),
        format!("on_leave refit {why}"),
        "title hr null".to_owned(),
        "title other null".to_owned(),
        "title refit null".to_owned(),
    ];
    assert_eq!(purposes(&server.get("/api/v1/people/p1").await.ok()["facts"]), of_person);
    assert_eq!(purposes(&server.get("/api/v1/people").await.ok()["items"][0]["facts"]), of_person);
    server.post("/api/v1/devices", json!({ "id": "d1" })).await.ok();
    let observation = json!({ "source": "hr", "facts": { "device.site": "Kiel" } });
    server.post("/api/v1/devices/d1/observations", observation).await.ok();
    let of_device = [format!("device.site hr {why}")];
    assert_eq!(purposes(&server.get("/api/v1/devices/d1").await.ok()["facts"]), of_device);
}

#[tokio::test]
async fn what_is_asked_under_an_id_that_was_merged_leads_to_the_device() {
    let server = Server::new().await;
    for device in ["old", "new"] {
        server.post("/api/v1/devices", json!({ "id": device })).await.ok();
    }
    let (from, into) = ("new".into(), "old".into());
    let merge = Input::Identity(IdentityInput::MergeDevices { from, into });
    server.shell.tell(&Actor::server(), merge, None).await.unwrap();
    let observation = json!({ "source": "mdm", "facts": { "device.site": "Kiel" } });
    server.post("/api/v1/devices/new/observations", observation).await.ok();
    let old = server.get("/api/v1/devices/old").await.ok();
    assert_eq!((&old["facts"][0]["value"], &old["former_ids"]), (&json!("Kiel"), &json!(["new"])));
    let new = server.get("/api/v1/devices/new").await.ok();
    assert_eq!((&new["merged_into"], &new["facts"]), (&json!("old"), &json!([])));
    assert!(new["retired"].is_string());
    let listed = server.get("/api/v1/devices").await.ok();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
}

/// A device `old` with Firefox and a policy, into which `new` was merged.
async fn merged() -> Server {
    let server = Server::new().await;
    let plan = server.fleet().await;
    server.call(&server.admin, "POST", &format!("/api/v1/plans/{plan}/apply"), &[], None).await.ok();
    server.post("/api/v1/devices", json!({ "id": "new" })).await.ok();
    let merge = Input::Identity(IdentityInput::MergeDevices { from: "new".into(), into: "d1".into() });
    server.shell.tell(&Actor::server(), merge, None).await.unwrap();
    server
}

#[tokio::test]
async fn what_is_written_under_an_id_that_was_merged_is_told_to_be_written_of_the_device() {
    let server = merged().await;
    let led = json!({ "new": "d1" });
    let observation = json!({ "source": "mdm", "facts": { "device.site": "Kiel" } });
    let said = server.post("/api/v1/devices/new/observations", observation.clone()).await.ok();
    assert_eq!((&said["merged"], &said["changed"]), (&led, &json!(true)));
    let again = server.post("/api/v1/devices/new/observations", observation.clone()).await.ok();
    assert_eq!((&again["merged"], &again["changed"]), (&led, &json!(false)));
    let itself = server.post("/api/v1/devices/d1/observations", observation).await.ok();
    assert!(itself.get("merged").is_none(), "{itself}");
    let receipt = json!({
        "id": "r1", "slot": { "title": "firefox" }, "result": "failed", "before": "130.0", "after": "130.0",
        "at": "2026-11-25T08:00:00Z", "duration_ms": 1200, "output": "no space left",
    });
    assert_eq!(server.post("/api/v1/devices/new/receipts", receipt).await.ok()["merged"], led);
    assert_eq!(server.get("/api/v1/devices/d1").await.ok()["receipts"][0]["id"], "r1");
    server.put("/api/v1/people/p1", json!({ "source": "hr", "values": {} })).await.ok();
    let given = server.put("/api/v1/devices/new/assignment", json!({ "person": "p1" })).await.ok();
    assert_eq!(given["merged"], led);
    assert_eq!(server.get("/api/v1/devices/new/assignment").await.ok(), json!({ "person": "p1" }));
    let why = json!({ "why": "the copy is switched off" });
    let lifted = server.post("/api/v1/devices/new/quarantine/lift", why).await.ok();
    assert_eq!((&lifted["merged"], &lifted["changed"]), (&led, &json!(false)));
    // What is asked is answered of the device, by its name.
    for asked in ["decisions", "directives", "explanation?title=firefox"] {
        let read = server.get(&format!("/api/v1/devices/new/{asked}")).await.ok();
        assert_eq!(read["device"], "d1", "{asked}: {read}");
    }
    let before = server.get("/api/v1/devices/new/explanation?title=firefox&at=2026-11-25T08:00:00Z").await.ok();
    assert_eq!(before["device"], "d1");
    let retired = server.delete("/api/v1/devices/new").await.ok();
    assert_eq!((&retired["merged"], &retired["changed"]), (&led, &json!(true)));
    assert!(server.get("/api/v1/devices/d1").await.ok()["retired"].is_string());
    server.delete("/api/v1/devices/new").await.problem(404, "not-found");
}

#[tokio::test]
async fn what_is_said_of_a_person_who_was_merged_is_said_of_the_one_who_they_are() {
    let server = Server::new().await;
    for person in ["ada", "u-7", "bob"] {
        let said = json!({ "source": person, "values": { "department": person } });
        server.put(&format!("/api/v1/people/{person}"), said).await.ok();
    }
    let merge = Input::Identity(IdentityInput::MergePeople { from: "u-7".into(), into: "ada".into() });
    server.shell.tell(&Actor::server(), merge, None).await.unwrap();
    let led = json!({ "u-7": "ada" });
    let said = server.put("/api/v1/people/u-7", json!({ "source": "hr", "values": { "title": "Analyst" } })).await.ok();
    assert_eq!(said["merged"], led);
    server.post("/api/v1/devices", json!({ "id": "d1" })).await.ok();
    let given = server.put("/api/v1/devices/d1/assignment", json!({ "person": "u-7" })).await.ok();
    assert_eq!(given["merged"], led);
    let ada = server.get("/api/v1/people/ada").await.ok();
    assert_eq!((&ada["former_ids"], &ada["devices"]), (&json!(["u-7"]), &json!(["d1"])));
    let sources: Vec<&str> =
        ada["facts"].as_array().unwrap().iter().map(|fact| fact["source"].as_str().unwrap()).collect();
    assert_eq!(sources, ["ada", "u-7", "hr"]);
    let former = server.get("/api/v1/people/u-7").await.ok();
    assert_eq!((&former["merged_into"], &former["facts"]), (&json!("ada"), &json!([])));
    let listed = server.get("/api/v1/people").await.ok()["items"].clone();
    let ids: Vec<&str> = listed.as_array().unwrap().iter().map(|person| person["id"].as_str().unwrap()).collect();
    assert_eq!((ids, &listed[0]), (vec!["ada", "bob"], &ada));
    let erased = server.delete("/api/v1/people/u-7").await.ok();
    assert_eq!((&erased["merged"], &erased["changed"]), (&led, &json!(true)));
    assert_eq!(server.get("/api/v1/people/ada").await.ok()["facts"], json!([]));
}

#[tokio::test]
async fn what_was_changed_by_hand_in_a_target_is_shown_counted_and_told() {
    let server = Server::new().await;
    let policy = "organization: acme\n---\ntarget: windows\nkind: intune\nowner: it@acme.example\n";
    let plan = server.post("/api/v1/plans", json!({ "files": { "refit.yaml": policy } })).await.ok();
    let plan = plan["id"].as_str().unwrap().to_owned();
    server.call(&server.admin, "POST", &format!("/api/v1/plans/{plan}/apply"), &[], None).await.ok();
    assert_eq!(server.get("/api/v1/targets").await.ok(), json!({ "items": [] }));
    let ring = DriftedObject {
        object: "update ring refit-a".into(),
        hand: DriftHand::Changed,
        fields: vec!["qualityUpdatesPaused".into()],
    };
    let tell = async |target: &str, drifted: Vec<DriftedObject>| {
        let observed = Some(server.now());
        let (kind, target) = ("intune".into(), target.into());
        let said =
            TargetObserved { target, kind, observed, drifted, undone: Vec::new(), trouble: None, was: Vec::new() };
        server.shell.tell(&Actor::server(), Input::TargetObserved(said), None).await.unwrap();
    };
    tell("windows", vec![ring.clone()]).await;
    // What the policy does not name is nobody's to look at.
    tell("other", vec![ring]).await;
    let objects = json!([{ "object": "update ring refit-a", "hand": "changed", "fields": ["qualityUpdatesPaused"] }]);
    let now = server.now().to_string();
    let said = json!({ "target": "windows", "kind": "intune", "observed": now, "drifted": objects });
    assert_eq!(server.get("/api/v1/targets").await.ok()["items"], json!([said]));
    let text = server.get("/metrics").await.ok().as_str().unwrap().to_owned();
    assert!(
        text.contains(r#"refit_target_drift{target="windows"} 1"#) && !text.contains(r#"target="other""#),
        "{text}"
    );
    tell("windows", Vec::new()).await;
    let stream = server.get("/api/v1/stream").await.ok();
    let events = stream["items"].as_array().unwrap().iter();
    let events: Vec<&Value> = events.filter(|event| event["subject"] == "windows").collect();
    let types: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["target.drifted", "target.restored"]);
    for event in events {
        assert_eq!((&event["data"]["objects"], &event["data"]["undone"]), (&objects, &json!(false)));
    }
}
