use crate::server::Server;
use serde_json::json;

#[tokio::test]
async fn what_the_client_has_is_not_sent_again() {
    let server = Server::new().await;
    server.post("/api/v1/devices", json!({ "id": "d1" })).await.ok();
    let first = server.get("/api/v1/devices/d1").await;
    let tag = first.header("etag").to_owned();
    assert!(tag.starts_with('"'), "{tag}");
    let again = async |tag: &str| {
        server.call(&server.admin, "GET", "/api/v1/devices/d1", &[("if-none-match", tag)], None).await
    };
    let same = again(&tag).await;
    assert_eq!(same.status, 304);
    assert_eq!(same.body, "");
    assert_eq!(again(&format!("\"x\", W/{tag}")).await.status, 304);
    server
        .post("/api/v1/devices/d1/observations", json!({ "source": "a", "facts": { "device.site": "HQ" } }))
        .await
        .ok();
    assert_eq!(again(&tag).await.status, 200);
}

#[tokio::test]
async fn what_has_changed_since_is_not_overwritten() {
    let server = Server::new().await;
    let path = "/api/v1/settings/approvals";
    let tag = server.get(path).await.header("etag").to_owned();
    let put = async |approvals: u32| {
        let body = json!({ "approvals": approvals });
        server.call(&server.admin, "PUT", path, &[("if-match", tag.as_str())], Some(body)).await
    };
    put(2).await.ok();
    put(3).await.problem(412, "changed");
    assert_eq!(server.get(path).await.ok()["approvals"], 2);
    server.put(path, json!({ "approvals": 99 })).await.problem(422, "invalid");
    server.post("/api/v1/devices", json!({ "id": "d1" })).await.ok();
    server.put("/api/v1/people/p1", json!({ "source": "hr", "values": {} })).await.ok();
    let path = "/api/v1/devices/d1/assignment";
    let tag = server.get(path).await.header("etag").to_owned();
    server.put(path, json!({ "person": "p1" })).await.ok();
    let headers = [("if-match", tag.as_str())];
    let late = server.call(&server.admin, "PUT", path, &headers, Some(json!({ "person": null }))).await;
    late.problem(412, "changed");
}
