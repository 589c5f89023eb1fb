use crate::server::Server;
use serde_json::json;

#[tokio::test]
async fn pages_stay_as_they_are_while_devices_arrive() {
    let server = Server::new().await;
    for number in (10..30).step_by(2) {
        server.post("/api/v1/devices", json!({ "id": format!("d{number}") })).await.ok();
    }
    let mut seen: Vec<String> = Vec::new();
    let mut path = "/api/v1/devices?limit=3".to_owned();
    let mut number = 11;
    loop {
        let page = server.get(&path).await.ok();
        let ids = page["items"].as_array().unwrap().iter().map(|device| device["id"].as_str().unwrap().to_owned());
        seen.extend(ids);
        // Some arrive before the cursor, and some after it.
        server.post("/api/v1/devices", json!({ "id": format!("d{number}") })).await.ok();
        number += 2;
        match page["next"].as_str() {
            Some(next) => path = format!("/api/v1/devices?limit=3&cursor={next}"),
            None => break,
        }
    }
    let mut sorted = seen.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(seen, sorted, "nothing twice, and in order");
    for number in (10..30).step_by(2) {
        assert!(seen.contains(&format!("d{number}")), "{number}: {seen:?}");
    }
}

#[tokio::test]
async fn devices_are_found_by_platform_title_and_name() {
    let server = Server::new().await;
    for (id, name, platform, title) in [("d1", "ann", "linux", "firefox"), ("d2", "bob", "macos", "zoom")] {
        server.post("/api/v1/devices", json!({ "id": id, "name": name })).await.ok();
        let said = json!({
            "source": "agent",
            "facts": { "device.platform": platform },
            "installs": { "all": [{ "title": title, "version": "1.0" }] },
        });
        server.post(&format!("/api/v1/devices/{id}/observations"), said).await.ok();
    }
    for (query, found) in [
        ("platform=linux", json!(["d1"])),
        ("title=zoom", json!(["d2"])),
        ("name=an", json!(["d1"])),
        ("name=d", json!(["d1", "d2"])),
        ("platform=linux&title=zoom", json!([])),
        ("compliance=overdue", json!([])),
    ] {
        let page = server.get(&format!("/api/v1/devices?{query}")).await.ok();
        let ids: Vec<_> = page["items"].as_array().unwrap().iter().map(|device| device["id"].clone()).collect();
        assert_eq!(json!(ids), found, "{query}");
    }
    for query in ["limit=0", "limit=1001", "limit=x", "cursor=x", "cursor=%00", "compliance=fine", "unknown=1"] {
        server.get(&format!("/api/v1/devices?{query}")).await.problem(422, "invalid");
    }
}

#[tokio::test]
async fn devices_are_found_by_what_they_have_now() {
    let server = Server::new().await;
    let says = async |id: &str, source: &str, platform: &str, titles: &[&str]| {
        let installs: Vec<_> = titles.iter().map(|title| json!({ "title": title, "version": "1" })).collect();
        let mut said = json!({ "source": source, "facts": { "device.platform": platform } });
        if source == "agent" {
            said["installs"] = json!({ "all": installs });
        }
        server.post(&format!("/api/v1/devices/{id}/observations"), said).await.ok();
    };
    for id in ["d2", "d1", "d3"] {
        server.post("/api/v1/devices", json!({ "id": id })).await.ok();
        says(id, "agent", "linux", &["zoom", "firefox"]).await;
    }
    let found = async |query: &str| {
        let page = server.get(&format!("/api/v1/devices?{query}")).await.ok();
        page["items"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found("platform=linux").await, ["d1", "d2", "d3"]);
    server.wait(jiff::SignedDuration::from_secs(60));
    says("d2", "agent", "macos", &["firefox"]).await;
    assert_eq!(found("platform=linux").await, ["d1", "d3"]);
    assert_eq!(found("platform=macos").await, ["d2"]);
    assert_eq!(found("title=zoom").await, ["d1", "d3"]);
    assert_eq!(found("title=firefox&platform=macos").await, ["d2"]);
    server.delete("/api/v1/devices/d1").await.ok();
    assert_eq!(found("title=zoom&platform=linux").await, ["d3"]);
    let titles = server.get("/api/v1/titles").await.ok();
    assert_eq!(titles["items"][0]["devices"], 2);
    assert_eq!(titles["items"][1]["devices"], 1);
    let text = server.get("/metrics").await.ok().as_str().unwrap().to_owned();
    assert!(text.contains("refit_devices 2"), "{text}");
}
