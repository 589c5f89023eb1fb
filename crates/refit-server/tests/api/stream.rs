use crate::server::Server;
use axum::{body::Body, http::Request};
use refit_core::control::{Bearer, Scope};
use serde_json::{Value, json};
use std::time::Duration;
use tower::ServiceExt as _;

async fn enrol(server: &Server, id: &str) {
    server.post("/api/v1/devices", json!({ "id": id })).await.ok();
}

fn types(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().unwrap().iter();
    items.map(|event| event["type"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn business_events_are_read_in_pages_from_any_position_and_are_always_the_same() {
    let server = Server::new().await;
    for id in ["d1", "d2", "d3"] {
        enrol(&server, id).await;
    }
    let all = server.get("/api/v1/stream").await.ok();
    assert_eq!(types(&all), ["token.created", "device.enrolled", "device.enrolled", "device.enrolled"]);
    let first = &all["items"][1];
    assert_eq!((&first["specversion"], &first["subject"]), (&json!("1.0"), &json!("d1")));
    assert_eq!(first["dataschema"], "urn:refit:event:device.enrolled:1");
    assert_eq!(first["data"], json!({ "device": "d1" }));
    // One after the other, each once.
    let (mut after, mut found) = ("0".to_owned(), Vec::new());
    loop {
        let page = server.get(&format!("/api/v1/stream?limit=1&after={after}")).await.ok();
        after = page["next"].as_str().unwrap().to_owned();
        match page["items"].as_array().unwrap().as_slice() {
            [] => break,
            items => found.extend(items.iter().cloned()),
        }
    }
    assert_eq!(json!(found), all["items"]);
    assert_eq!(server.get("/api/v1/stream").await.ok(), all);
    assert_eq!(server.get("/api/v1/stream?after=2").await.ok()["items"][0]["subject"], "d2");
}

#[tokio::test]
async fn a_filter_is_a_condition_and_a_wrong_one_says_what_is_wrong() {
    let server = Server::new().await;
    enrol(&server, "d1").await;
    enrol(&server, "d2").await;
    let filter = "event.type%20%3D%3D%20%22device.enrolled%22%20%26%26%20event.subject%20%3D%3D%20%22d2%22";
    let page = server.get(&format!("/api/v1/stream?filter={filter}")).await.ok();
    assert_eq!(types(&page), ["device.enrolled"]);
    assert_eq!(page["items"][0]["subject"], "d2");
    let wrong = server.get("/api/v1/stream?filter=event.typ%20%3D%3D%20%22x%22").await.problem(422, "invalid");
    assert!(wrong["detail"].as_str().unwrap().contains("did you mean `type`?"), "{wrong}");
    for query in ["after=x", "after=1.", "limit=0", "wait=61", "limit=1001"] {
        server.get(&format!("/api/v1/stream?{query}")).await.problem(422, "invalid");
    }
}

#[tokio::test]
async fn who_may_not_read_what_is_personal_hears_nothing_of_people() {
    let server = Server::new().await;
    enrol(&server, "d1").await;
    server.put("/api/v1/people/p1", json!({ "source": "hr", "values": { "department": "IT" } })).await.ok();
    server.call(&server.admin, "PUT", "/api/v1/devices/d1/assignment", &[], Some(json!({ "person": "p1" }))).await.ok();
    assert!(types(&server.get("/api/v1/stream").await.ok()).contains(&"device.assigned".to_owned()));
    let reader = server.token("reader", "rita", Bearer::Program, &[Scope::Read]).await;
    let seen = server.call(&reader, "GET", "/api/v1/stream", &[], None).await.ok();
    assert!(!types(&seen).contains(&"device.assigned".to_owned()));
    let none = server.token("none", "nora", Bearer::Program, &[Scope::Facts]).await;
    server.call(&none, "GET", "/api/v1/stream", &[], None).await.problem(403, "scope-missing");
}

#[tokio::test]
async fn how_a_device_stands_is_told_from_due_to_overdue_to_compliant() {
    let server = Server::new().await;
    let plan = server.fleet().await;
    server.call(&server.admin, "POST", &format!("/api/v1/plans/{plan}/apply"), &[], None).await.ok();
    server.shell.evaluate().unwrap();
    server.shell.settled().await;
    let page = server.get("/api/v1/stream?limit=1000").await.ok();
    let standing: Vec<&Value> =
        page["items"].as_array().unwrap().iter().filter(|event| event["data"].get("compliance").is_some()).collect();
    let due = standing.iter().find(|event| event["type"] == "device.due").expect("something is due");
    assert_eq!(due["data"]["title"], "firefox");
    assert!(due["data"]["devices"].as_array().unwrap().iter().any(|device| device == "d1"), "{due}");
    assert!(types(&page).contains(&"exposure.opened".to_owned()), "{:?}", types(&page));
    let after = page["next"].as_str().unwrap().to_owned();

    // Nothing happens but that the due time comes.
    server.wait(jiff::SignedDuration::from_hours(24 * 8));
    // The first token has expired by then. That another one is made is what wakes the server up, whose clock is set by hand.
    let later = server.token("later", "olga", Bearer::Program, &[Scope::Read]).await;
    server.shell.settled().await;
    let filter = "event.type%20%3D%3D%20%22device.overdue%22";
    let path = format!("/api/v1/stream?after={after}&wait=60&filter={filter}");
    let page = server.call(&later, "GET", &path, &[], None).await.ok();
    assert_eq!(page["items"][0]["data"]["was"], "due", "{page}");
    assert_eq!(page["items"][0]["data"]["title"], "firefox");
}

#[tokio::test]
async fn a_stream_goes_on_where_it_ended() {
    let server = Server::new().await;
    enrol(&server, "d1").await;
    let request = Request::builder()
        .uri("/api/v1/stream")
        .header("authorization", format!("Bearer {}", server.admin))
        .header("accept", "text/event-stream")
        .header("last-event-id", "1")
        .body(Body::empty())
        .unwrap();
    let response = server.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body().into_data_stream();
    let mut next = async || -> String {
        let chunk = tokio::time::timeout(Duration::from_secs(10), futures_util::StreamExt::next(&mut body)).await;
        String::from_utf8(chunk.unwrap().unwrap().unwrap().to_vec()).unwrap()
    };
    let first = next().await;
    assert!(first.contains("id: 2.0\n") && first.contains("event: device.enrolled\n"), "{first}");
    enrol(&server, "d2").await;
    assert!(next().await.contains("\"d2\""));
}
