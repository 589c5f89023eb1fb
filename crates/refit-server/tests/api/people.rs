use crate::server::Server;
use refit_core::control::{Bearer, Scope};
use serde_json::json;

#[tokio::test]
async fn personal_values_are_shown_to_who_may_read_them_and_can_be_erased() {
    let server = Server::new().await;
    server.post("/api/v1/devices", json!({ "id": "d1" })).await.ok();
    server.put("/api/v1/devices/d1/assignment", json!({ "person": "p1" })).await.problem(404, "not-found");
    let said = json!({ "source": "hr", "values": { "department": "Finance" } });
    server.put("/api/v1/people/p1", said.clone()).await.ok();
    server.put("/api/v1/devices/d1/assignment", json!({ "person": "p1" })).await.ok();
    let person = server.get("/api/v1/people/p1").await.ok();
    assert_eq!(person["facts"][0]["value"], "Finance");
    server.put("/api/v1/people/p0", json!({ "source": "hr", "values": {} })).await.ok();
    let first = server.get("/api/v1/people?limit=1").await.ok();
    assert_eq!(first["items"][0]["id"], "p0");
    let rest = server.get(&format!("/api/v1/people?limit=1&cursor={}", first["next"].as_str().unwrap())).await.ok();
    assert_eq!((&rest["items"], &rest["next"]), (&json!([person]), &json!(null)));
    assert_eq!(person["devices"], json!(["d1"]));
    let reader = server.token("reader", "rita", Bearer::Program, &[Scope::Read]).await;
    let person = server.call(&reader, "GET", "/api/v1/people/p1", &[], None).await.ok();
    assert!(person["facts"][0].get("value").is_none(), "{person}");
    let listed = server.call(&reader, "GET", "/api/v1/people", &[], None).await.ok();
    assert_eq!(listed["items"][1], person);
    server.call(&reader, "PUT", "/api/v1/people/p1", &[], Some(said)).await.problem(403, "scope-missing");
    server.call(&reader, "DELETE", "/api/v1/people/p1", &[], None).await.problem(403, "scope-missing");
    server.delete("/api/v1/people/p1").await.ok();
    let person = server.get("/api/v1/people/p1").await.ok();
    assert!(person["erased"].is_string());
    assert!(!person.to_string().contains("Finance"));
    server.get("/api/v1/people/p2").await.problem(404, "not-found");
    server.delete("/api/v1/people/p2").await.problem(404, "not-found");
}

#[tokio::test]
async fn an_explanation_shows_personal_values_only_to_who_may_read_them() {
    let server = Server::new().await;
    server.fleet().await;
    server.put("/api/v1/people/p1", json!({ "source": "hr", "values": { "department": "Finance" } })).await.ok();
    server.put("/api/v1/devices/d1/assignment", json!({ "person": "p1" })).await.ok();
    let policy = "\
organization: acme
---
title: firefox
name: Firefox
---
policy: browsers
where: person.department != 'IT'
software: [firefox]
deadline: [{ within: 7d }]
";
    let plan = server.post("/api/v1/plans", json!({ "files": { "refit.yaml": policy } })).await.ok();
    let apply = format!("/api/v1/plans/{}/apply", plan["id"].as_str().unwrap());
    server.call(&server.admin, "POST", &apply, &[], None).await.ok();
    let path = "/api/v1/devices/d1/explanation?title=firefox";
    assert!(server.get(path).await.ok().to_string().contains("Finance"));
    let reader = server.token("reader", "rita", Bearer::Program, &[Scope::Read]).await;
    let said = server.call(&reader, "GET", path, &[], None).await.ok();
    let text = said["text"].as_str().unwrap();
    assert!(text.contains("person.department is \"(personal)\""), "{text}");
    assert!(!said.to_string().contains("Finance"), "{said}");
}
