use crate::server::Server;
use serde_json::json;

#[tokio::test]
async fn a_repeated_request_gets_the_same_answer_and_happens_once() {
    let server = Server::new().await;
    let key = [("idempotency-key", "k1")];
    let enrol = async |body| server.call(&server.admin, "POST", "/api/v1/devices", &key, Some(body)).await;
    let first = enrol(json!({ "name": "laptop" })).await;
    let again = enrol(json!({ "name": "laptop" })).await;
    assert_eq!((first.status, &first.body), (again.status, &again.body));
    assert_eq!(first.header("idempotency-replayed"), "");
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(server.get("/api/v1/devices").await.ok()["items"].as_array().unwrap().len(), 1);
    enrol(json!({ "name": "another" })).await.problem(422, "key-reused");
    // Another token's keys are its own.
    let scopes = [refit_core::control::Scope::Facts];
    let other = server.token("other", "otto", refit_core::control::Bearer::Program, &scopes).await;
    server.call(&other, "POST", "/api/v1/devices", &key, Some(json!({ "name": "another" }))).await.ok();
}

#[tokio::test]
async fn two_at_the_same_time_happen_once() {
    let server = Server::new().await;
    let key = [("idempotency-key", "k1")];
    let enrol = || server.call(&server.admin, "POST", "/api/v1/devices", &key, Some(json!({})));
    let (a, b, c) = tokio::join!(enrol(), enrol(), enrol());
    assert_eq!(a.body, b.body);
    assert_eq!(b.body, c.body);
    assert_eq!(server.get("/api/v1/devices").await.ok()["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_was_refused_may_be_tried_again_and_a_secret_is_not_kept() {
    let server = Server::new().await;
    let key = [("idempotency-key", "k1")];
    let observe = || {
        let said = json!({ "source": "agent", "facts": {} });
        server.call(&server.admin, "POST", "/api/v1/devices/d1/observations", &key, Some(said))
    };
    observe().await.problem(404, "not-found");
    server.post("/api/v1/devices", json!({ "id": "d1" })).await.ok();
    observe().await.ok();
    let key = [("idempotency-key", "k2")];
    let token = || {
        let wanted = json!({
            "name": "x", "bearer": "program", "scopes": ["read"], "expires": "2026-11-26T00:00:00Z",
        });
        server.call(&server.admin, "POST", "/api/v1/tokens", &key, Some(wanted))
    };
    let (first, again) = (token().await.ok(), token().await.ok());
    assert!(first["secret"].is_string() && again["secret"].is_null());
    assert_eq!(first["id"], again["id"]);
    let long = "k".repeat(256);
    let key = [("idempotency-key", long.as_str())];
    server.call(&server.admin, "POST", "/api/v1/devices", &key, Some(json!({}))).await.problem(422, "invalid");
}

#[tokio::test]
async fn a_plan_is_made_once() {
    let server = Server::new().await;
    let key = [("idempotency-key", "k1")];
    let files = json!({ "files": { "refit.yaml": crate::server::POLICY } });
    let make = || server.call(&server.admin, "POST", "/api/v1/plans", &key, Some(files.clone()));
    assert_eq!(make().await.ok(), make().await.ok());
    assert_eq!(server.get("/api/v1/plans").await.ok()["items"].as_array().unwrap().len(), 1);
}
