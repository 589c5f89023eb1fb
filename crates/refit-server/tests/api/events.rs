use crate::server::Server;
use axum::{body::Body, http::Request};
use refit_core::control::{Bearer, Scope};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tower::ServiceExt as _;

async fn enrol(server: &Server, id: &str) {
    server.post("/api/v1/devices", json!({ "id": id })).await.ok();
}

#[tokio::test]
async fn the_log_is_read_in_pages_and_by_kind() {
    let server = Server::new().await;
    for id in ["d1", "d2", "d3"] {
        enrol(&server, id).await;
    }
    let page = server.get("/api/v1/events?limit=2").await.ok();
    assert_eq!(page["next"], 2);
    assert_eq!(page["head"], 4);
    assert_eq!(page["items"][0]["kind"], "token.created");
    // The hash of a secret is nobody's business.
    assert!(page["items"][0]["body"]["record"].get("hash").is_none());
    let page = server.get("/api/v1/events?after=2").await.ok();
    assert_eq!(page["items"].as_array().unwrap().len(), 2);
    let page = server.get("/api/v1/events?kind=device.&limit=1").await.ok();
    assert_eq!(page["items"][0]["body"]["device"], "d1");
    assert_eq!(server.get("/api/v1/events?kind=plan.made").await.ok()["next"], 4);
    let beyond = server.get("/api/v1/events?after=18446744073709551615").await.ok();
    assert_eq!((&beyond["items"], &beyond["head"]), (&json!([]), &json!(4)));
    server.get("/api/v1/events?limit=0").await.problem(422, "invalid");
    server.get("/api/v1/events?wait=61").await.problem(422, "invalid");
}

#[tokio::test]
async fn an_event_says_who_did_it_and_from_where() {
    let server = Server::new().await;
    let from = |address: &str, id: &str| {
        let peer: std::net::SocketAddr = address.parse().unwrap();
        let request = Request::post("/api/v1/devices")
            .header("authorization", format!("Bearer {}", server.admin))
            .header("content-type", "application/json")
            // Anybody can write this.
            .header("x-forwarded-for", "203.0.113.99")
            .extension(axum::extract::ConnectInfo(peer))
            .body(Body::from(json!({ "id": id }).to_string()))
            .unwrap();
        server.router.clone().oneshot(request)
    };
    assert!(from("192.0.2.7:50123", "d1").await.unwrap().status().is_success());
    assert!(from("[::ffff:192.0.2.8]:50123", "d2").await.unwrap().status().is_success());
    enrol(&server, "d3").await;
    let page = server.get("/api/v1/events?kind=device.enrolled").await.ok();
    let items = page["items"].as_array().unwrap();
    let origins: Vec<&str> = items.iter().map(|event| event["origin"].as_str().unwrap()).collect();
    assert_eq!(origins, ["192.0.2.7", "192.0.2.8", "local"]);
    assert!(items[0]["body"].get("origin").is_none());
    assert_eq!(items[0]["version"], 2);
    assert!(items[0]["actor"].as_str().unwrap().starts_with("token:"));
}

#[tokio::test]
async fn who_waits_hears_of_an_event_at_once() {
    let server = Server::new().await;
    let begun = Instant::now();
    let waiting = server.get("/api/v1/events?after=1&wait=30&kind=device.enrolled");
    let happening = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        server.token("unwanted", "una", Bearer::Program, &[Scope::Read]).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        enrol(&server, "d1").await;
    };
    let (page, ()) = tokio::join!(waiting, happening);
    assert_eq!(page.ok()["items"][0]["body"]["device"], "d1");
    assert!(begun.elapsed() < Duration::from_secs(10));
    let page = server.get("/api/v1/events?after=3&wait=1").await.ok();
    assert_eq!(page["items"], json!([]));
}

#[tokio::test]
async fn a_stream_goes_on_where_it_ended_and_ends_with_its_token() {
    let server = Server::new().await;
    enrol(&server, "d1").await;
    let secret = server.token("stream", "sam", Bearer::Program, &[Scope::Read]).await;
    let request = Request::builder()
        .uri("/api/v1/events?kind=device.enrolled")
        .header("authorization", format!("Bearer {secret}"))
        .header("accept", "text/event-stream")
        .header("last-event-id", "1")
        .body(Body::empty())
        .unwrap();
    let response = server.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body().into_data_stream();
    let mut next = async || -> Option<String> {
        let chunk = tokio::time::timeout(Duration::from_secs(10), futures_util::StreamExt::next(&mut body)).await;
        chunk.unwrap().map(|chunk| String::from_utf8(chunk.unwrap().to_vec()).unwrap())
    };
    let first = next().await.unwrap();
    assert!(first.contains("id: 2\n") && first.contains("event: device.enrolled\n"), "{first}");
    let data = first.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(data).unwrap()["body"]["device"], "d1");
    enrol(&server, "d2").await;
    assert!(next().await.unwrap().contains("\"d2\""));
    server.delete("/api/v1/tokens/stream").await.ok();
    assert_eq!(next().await, None);
}

#[tokio::test]
async fn what_is_no_position_is_refused() {
    let server = Server::new().await;
    let headers = [("accept", "text/event-stream"), ("last-event-id", "x")];
    server.call(&server.admin, "GET", "/api/v1/events", &headers, None).await.problem(422, "invalid");
}
