use crate::server::Server;
use refit_core::control::{Actor, IdentityInput, Input, SourceAlarm, SourceRead, SourceTrouble};
use serde_json::json;

#[tokio::test]
async fn a_source_that_is_not_believed_is_shown_and_counted() {
    let server = Server::new().await;
    assert_eq!(server.get("/api/v1/sources").await.ok(), json!({ "items": [] }));
    let mut read = SourceRead { source: "okta".into(), read: Some(server.now()), records: 100, alarm: None };
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
    let said = json!({ "source": "okta", "read": now, "records": 100, "alarm": alarm });
    assert_eq!(server.get("/api/v1/sources").await.ok()["items"], json!([said]));
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
