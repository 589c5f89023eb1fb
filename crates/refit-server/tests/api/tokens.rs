use crate::server::Server;
use jiff::SignedDuration;
use refit_core::control::{Bearer, Scope};
use serde_json::json;

#[tokio::test]
async fn a_token_shows_its_secret_once_works_expires_and_is_revoked() {
    let server = Server::new().await;
    let wanted = json!({
        "name": "dashboard", "bearer": "program", "scopes": ["read"], "expires": "2026-11-25T10:00:00Z",
    });
    let made = server.post("/api/v1/tokens", wanted.clone()).await;
    assert_eq!(made.status, 201);
    let secret = made.body["secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("refit_") && secret.len() == 6 + 43, "{secret}");
    assert_eq!(made.body["owner"], "olga");
    let read = async |secret: &str| server.call(secret, "GET", "/api/v1/devices", &[], None).await;
    read(&secret).await.ok();
    server.call(&secret, "GET", "/api/v1/tokens", &[], None).await.problem(403, "scope-missing");
    server.call(&secret, "POST", "/api/v1/tokens", &[], Some(wanted.clone())).await.problem(403, "scope-missing");
    let listed = server.get("/api/v1/tokens").await.ok().to_string();
    assert!(listed.contains("dashboard") && !listed.contains("hash") && !listed.contains(&secret));
    server.wait(SignedDuration::from_hours(3));
    let problem = read(&secret).await;
    assert_eq!(problem.header("www-authenticate"), "Bearer realm=\"refit\"");
    assert!(problem.problem(401, "unauthorized")["detail"].as_str().unwrap().contains("expired"));
    let other = server.token("other", "otto", Bearer::Program, &[Scope::Read]).await;
    read(&other).await.ok();
    server.delete("/api/v1/tokens/other").await.ok();
    read(&other).await.problem(401, "unauthorized");
    server.delete("/api/v1/tokens/other").await.problem(404, "not-found");
    server.post("/api/v1/tokens", wanted).await.problem(422, "invalid");
}

#[tokio::test]
async fn nobody_hands_on_more_than_they_have() {
    let server = Server::new().await;
    let admin = server.token("half", "hal", Bearer::Program, &[Scope::Admin, Scope::Read]).await;
    let wanted = json!({
        "name": "more", "bearer": "person", "scopes": ["approve"], "expires": "2026-11-26T08:00:00Z",
    });
    server.call(&admin, "POST", "/api/v1/tokens", &[], Some(wanted)).await.problem(403, "scope-missing");
}

#[tokio::test]
async fn every_write_names_the_token() {
    let server = Server::new().await;
    server.post("/api/v1/devices", json!({ "id": "d1" })).await.ok();
    let events = server.get("/api/v1/events?kind=device.enrolled").await.ok();
    assert_eq!(events["items"][0]["actor"], "token:admin");
}
