//! `examples/okta-workflows`: the description that Okta makes a connector of, and what the flows send and are answered.

use crate::{posture::Asked, server::Server};
use jiff::SignedDuration;
use refit_core::control::{Bearer, Scope};
use refit_server::api::{Options, openapi, openapi_for_workflows};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/okta-workflows")
}

fn read(path: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(folder().join(path)).unwrap()).unwrap()
}

#[test]
fn the_connector_is_the_part_of_the_description_that_it_says() {
    let part = openapi_for_workflows();
    assert!(read("connector/openapi.json") == part, "run `cargo xtask generate`, and read what changed");
    let (whole, paths) = (openapi(), part["paths"].as_object().unwrap());
    assert_eq!(paths.len(), 3);
    for (path, operations) in paths {
        assert_eq!(whole["paths"][path], *operations);
    }
    // Each reference leads somewhere, nothing else is there, and it is what the importer takes.
    let text = part.to_string();
    for of in ["schemas", "responses"] {
        for (name, known) in part["components"][of].as_object().unwrap() {
            assert_eq!(whole["components"][of][name], *known);
            assert!(text.contains(&format!("\"#/components/{of}/{name}\"")), "nothing names {name}");
        }
    }
    for reference in text.split("\"$ref\":\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(part.pointer(reference).is_some(), "{reference}");
    }
    assert!(part["openapi"].as_str().unwrap().starts_with("3."));
    assert_eq!(part["components"]["securitySchemes"]["token"]["scheme"], "bearer");
}

/// A server of the sample company: Ada's laptop is late from nine on.
async fn company() -> (Asked, String) {
    let asked = Asked::new(Options::default()).await;
    asked.ada().await;
    let said = json!({ "source": "hr", "values": { "email": "grace@acme.example" } });
    asked.server.put("/api/v1/people/p2", said).await.ok();
    asked.server.post("/api/v1/devices", json!({ "id": "d2", "name": "laptop of Grace" })).await.ok();
    let fine = json!({
        "source": "agent", "facts": { "device.platform": "linux" },
        "installs": { "all": [{ "title": "firefox", "version": "131.0" }] },
    });
    asked.server.post("/api/v1/devices/d2/observations", fine).await.ok();
    asked.server.put("/api/v1/devices/d2/assignment", json!({ "person": "p2" })).await.ok();
    let workflows = asked.server.token("workflows", "ida", Bearer::Program, &[Scope::Posture]).await;
    let policy = crate::posture::POLICY.replacen("callers: [okta]", "callers: [okta, workflows]", 1);
    asked.apply(&policy).await;
    asked.evaluate().await;
    asked.server.wait(SignedDuration::from_hours(2));
    // That it says something is what wakes the server up, whose clock is set by hand.
    let said = json!({ "source": "agent", "facts": { "device.hostname": "laptop" } });
    asked.server.post("/api/v1/devices/d1/observations", said).await.ok();
    asked.server.shell.settled().await;
    (asked, workflows)
}

/// Asks as a card does; what is signed differs with the key.
async fn answered(server: &Server, token: &str, sample: &Value) -> (u16, Value) {
    let (method, path) = (sample["method"].as_str().unwrap(), sample["path"].as_str().unwrap());
    let body = sample.get("body").cloned();
    let answer = server.call(token, method, path, &[], body).await;
    let status = answer.status.as_u16();
    let mut said = answer.body;
    said.as_object_mut().unwrap().remove("signed");
    (status, said)
}

#[tokio::test]
async fn what_the_cards_send_is_answered_as_the_samples_say() {
    let (asked, token) = company().await;
    let readme = fs::read_to_string(folder().join("README.md")).unwrap();
    let mut wrong = String::new();
    for name in ["user-late", "user-fine", "user-unknown", "device-late"] {
        assert!(readme.contains(&format!("samples/{name}.json")), "{name}");
        let sample = read(&format!("samples/{name}.json"));
        let (status, said) = answered(&asked.server, &token, &sample).await;
        if (json!(status), &said) != (sample["status"].clone(), &sample["answer"]) {
            wrong += &format!("{name}: {status}\n{said:#}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    // The paths that flows take outputs from, as the page has them.
    let late = read("samples/user-late.json")["answer"].clone();
    for (path, value) in [
        ("answer.access", json!("block")),
        ("answer.compliant", json!(false)),
        ("answer.reasons.0.text", json!("firefox is overdue since 2026-11-25T09:00:00Z")),
        ("answer.device_count", json!(1)),
        ("answer.devices.0.overdue.0.fix.text", json!("update firefox to 131.0")),
    ] {
        assert!(readme.contains(&format!("`{path}`")), "{path}");
        assert_eq!(late.pointer(&format!("/{}", path.replace('.', "/"))), Some(&value), "{path}");
    }
}

#[tokio::test]
async fn the_event_that_begins_a_flow_is_as_the_sample_says() {
    let (asked, _) = company().await;
    let filter = "event.type%20%3D%3D%20%22device.overdue%22";
    let page = asked.server.get(&format!("/api/v1/stream?wait=30&filter={filter}")).await.ok();
    let event = &page["items"][0];
    let sample = read("samples/event-overdue.json");
    // An id is that of the one log, and a position that of the one event.
    let plain = |event: &Value| {
        let mut event = event.clone();
        for name in ["id", "sequence"] {
            assert!(event[name].is_string(), "{event}");
            event.as_object_mut().unwrap().remove(name);
        }
        event
    };
    assert_eq!(plain(event), plain(&sample), "{event:#}");
    let readme = fs::read_to_string(folder().join("README.md")).unwrap();
    for (path, value) in [("type", "device.overdue"), ("subject", "d1"), ("data.title", "firefox")] {
        assert!(readme.contains(&format!("`{path}`")), "{path}");
        assert_eq!(event.pointer(&format!("/{}", path.replace('.', "/"))), Some(&json!(value)));
    }
    // What the page calls the time since which it is late is there.
    assert_eq!((readme.contains("`data.due`"), &event["data"]["due"]), (true, &json!("2026-11-25T09:00:00Z")));
    // An address of a flow, with its client token, is one that events can be sent to.
    let server = Server::subscribing(Options::default()).await;
    let url = "https://acme.workflows.okta.com/api/flo/1a2b/invoke?clientToken=c3d4";
    let made = json!({ "name": "workflows", "url": url, "filter": "event.type == \"device.overdue\"" });
    let made = server.post("/api/v1/subscriptions", made).await.ok();
    let kept = server.get(&format!("/api/v1/subscriptions/{}", made["id"].as_str().unwrap())).await.ok();
    assert_eq!(kept["url"], url, "{kept:#}");
}

#[tokio::test]
async fn a_connection_is_tried_by_a_device_that_there_is_not() {
    let (asked, token) = company().await;
    let ping = "/api/v1/devices/nothing/posture";
    assert_eq!(asked.server.call(&token, "GET", ping, &[], None).await.status.as_u16(), 200);
    asked.server.call("refit_wrong", "GET", ping, &[], None).await.problem(401, "unauthorized");
    let other = asked.server.token("other", "ida", Bearer::Program, &[Scope::Read]).await;
    asked.server.call(&other, "GET", ping, &[], None).await.problem(403, "scope-missing");
}
