use crate::server::Server;
use axum::{body::Body, http::Request};
use refit_server::api::Options;
use serde_json::json;

fn raw(server: &Server, method: &str, path: &str, kind: &str, body: impl Into<Body>) -> Request<Body> {
    let request = Request::builder().method(method).uri(path).header("content-type", kind);
    request.header("authorization", format!("Bearer {}", server.admin)).body(body.into()).unwrap()
}

#[tokio::test]
async fn what_can_not_be_read_is_refused_with_a_problem() {
    let server = Server::new().await;
    let post = async |kind: &str, body: &str| {
        server.send(raw(&server, "POST", "/api/v1/devices", kind, body.to_owned())).await
    };
    post("text/plain", "{}").await.problem(415, "media-type");
    post("application/json", "{").await.problem(400, "malformed");
    post("application/json", "{} {}").await.problem(400, "malformed");
    post("application/json", "[]").await.problem(422, "invalid");
    post("application/json", " [\"d1\", null]").await.problem(422, "invalid");
    post("application/json", "[1]").await.problem(422, "invalid");
    post("application/json; charset=utf-8", "{}").await.ok();
    let large = format!("{{\"name\": \"{}\"}}", "x".repeat(3 << 20));
    post("application/json", &large).await.problem(413, "too-large");
    server.get("/api/v1/nothing").await.problem(404, "not-found");
    server.get("/").await.problem(404, "not-found");
    let patch = server.call(&server.admin, "PATCH", "/api/v1/devices", &[], None).await;
    assert!(patch.header("allow").contains("GET"), "{}", patch.header("allow"));
    patch.problem(405, "method-not-allowed");
    server.get("/api/v1/devices/%ff").await.problem(404, "not-found");
    let nobody = Request::builder().uri("/api/v1/devices").body(Body::empty()).unwrap();
    server.send(nobody).await.problem(401, "unauthorized");
}

#[tokio::test]
async fn who_asks_too_often_has_to_wait() {
    let server = Server::with(Options { requests_per_second: 0.5, burst: 3.0, ..Options::default() }).await;
    for _ in 0..3 {
        server.get("/api/v1/devices").await.ok();
    }
    let refused = server.get("/api/v1/devices").await;
    assert_eq!(refused.header("retry-after"), "2");
    refused.problem(429, "rate-limited");
    // Others do not have to.
    let scopes = [refit_core::control::Scope::Read];
    let other = server.token("other", "otto", refit_core::control::Bearer::Program, &scopes).await;
    server.call(&other, "GET", "/api/v1/devices", &[], None).await.ok();
}

#[tokio::test]
async fn a_request_keeps_the_id_that_it_came_with() {
    let server = Server::new().await;
    let answer = server.call(&server.admin, "GET", "/api/v1/devices/x", &[("x-request-id", "abc-1")], None).await;
    assert_eq!(answer.header("x-request-id"), "abc-1");
    assert_eq!(answer.problem(404, "not-found")["request"], "abc-1");
    let answer = server.call(&server.admin, "GET", "/api/v1/devices", &[("x-request-id", "a b\"")], None).await;
    assert_ne!(answer.header("x-request-id"), "a b\"");
}

#[tokio::test]
async fn a_plan_waits_for_its_turn() {
    let server = Server::with(Options { long_work: 0, ..Options::default() }).await;
    let refused = server.post("/api/v1/plans", json!({ "files": { "refit.yaml": "organization: acme\n" } })).await;
    assert_eq!(refused.header("retry-after"), "5");
    refused.problem(503, "unavailable");
}

#[tokio::test]
async fn answers_are_compressed_for_who_wants_it() {
    let server = Server::new().await;
    let answer = server.call(&server.admin, "GET", "/api/v1/openapi.json", &[("accept-encoding", "gzip")], None).await;
    assert_eq!(answer.header("content-encoding"), "gzip");
}
