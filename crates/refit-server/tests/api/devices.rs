use crate::server::Server;
use refit_core::control::{Bearer, Scope};
use serde_json::json;

#[tokio::test]
async fn a_device_is_enrolled_observed_read_and_retired() {
    let server = Server::new().await;
    let made = server.post("/api/v1/devices", json!({ "id": "d1", "name": "laptop" })).await;
    assert_eq!(made.status, 201);
    assert_eq!(made.body["id"], "d1");
    let said = json!({
        "source": "agent",
        "facts": { "device.platform": "linux", "device.site": null },
        "installs": { "all": [{ "title": "deb/openssl", "version": "3.0.11-1" }] },
        "universe": { "key": "u1", "distribution": "debian/bookworm", "offers": [] },
    });
    assert_eq!(server.post("/api/v1/devices/d1/observations", said.clone()).await.ok()["changed"], true);
    assert_eq!(server.post("/api/v1/devices/d1/observations", said).await.ok()["changed"], false);
    let device = server.get("/api/v1/devices/d1").await.ok();
    assert_eq!(device["facts"][0]["field"], "device.platform");
    assert_eq!(device["facts"][0]["source"], "agent");
    assert_eq!(device["facts"][0]["observed"], "2026-11-25T08:00:00Z");
    assert_eq!(device["installs"][0]["slot"]["title"], "deb/openssl");
    assert_eq!(device["universe"], "u1");
    let changes = json!({ "source": "agent", "installs": { "changes": { "gone": [{ "title": "deb/openssl" }] } } });
    server.post("/api/v1/devices/d1/observations", changes).await.ok();
    assert_eq!(server.get("/api/v1/devices/d1").await.ok()["installs"], json!([]));
    server.delete("/api/v1/devices/d1").await.ok();
    assert!(server.get("/api/v1/devices/d1").await.ok()["retired"].is_string());
    assert_eq!(server.get("/api/v1/devices").await.ok()["items"], json!([]));
    server.delete("/api/v1/devices/d1").await.problem(404, "not-found");
}

#[tokio::test]
async fn an_id_is_minted_where_none_is_given() {
    let server = Server::new().await;
    let id = server.post("/api/v1/devices", json!({})).await.ok()["id"].as_str().unwrap().to_owned();
    assert_eq!(server.get(&format!("/api/v1/devices/{id}")).await.ok()["id"], id);
}

#[tokio::test]
async fn what_is_not_as_it_has_to_be_is_refused_with_the_path_to_it() {
    let server = Server::new().await;
    server.post("/api/v1/devices", json!({ "id": "d1" })).await.ok();
    server.post("/api/v1/devices", json!({ "id": "d1" })).await.problem(409, "exists");
    server.post("/api/v1/devices", json!({ "id": "a b" })).await.problem(422, "invalid");
    let unknown = server.post("/api/v1/devices", json!({ "id": "d2", "nmae": "x" })).await.problem(422, "invalid");
    assert!(unknown["detail"].as_str().unwrap().contains("nmae"), "{unknown}");
    let said =
        json!({ "source": "agent", "installs": { "all": [{ "title": "a", "version": "1" }, { "title": "b" }] } });
    let wrong = server.post("/api/v1/devices/d1/observations", said).await.problem(422, "invalid");
    assert_eq!(wrong["errors"][0]["path"], "installs.all[1]");
    let field = json!({ "source": "agent", "facts": { "person.department": "IT" } });
    server.post("/api/v1/devices/d1/observations", field).await.problem(422, "invalid");
    for path in ["", "/decisions", "/directives", "/assignment", "/explanation?title=firefox"] {
        let problem = server.get(&format!("/api/v1/devices/nobody{path}")).await.problem(404, "not-found");
        assert!(problem["detail"].as_str().unwrap().contains("nobody"));
    }
    server.post("/api/v1/devices/nobody/observations", json!({ "source": "a" })).await.problem(404, "not-found");
}

#[tokio::test]
async fn a_device_is_decided_explained_and_directed() {
    let server = Server::new().await;
    let plan = server.fleet().await;
    server.get("/api/v1/devices/d1/explanation?title=firefox").await.problem(409, "conflict");
    assert_eq!(server.get("/api/v1/devices/d1/decisions").await.ok()["revision"], 0);
    let before = server.now();
    server.wait(jiff::SignedDuration::from_mins(1));
    server.call(&server.admin, "POST", &format!("/api/v1/plans/{plan}/apply"), &[], None).await.ok();
    let decisions = server.get("/api/v1/devices/d1/decisions").await.ok();
    assert_eq!(decisions["revision"], 1);
    let slot = &decisions["slots"][0];
    assert_eq!(slot["slot"]["title"], "firefox");
    assert_eq!(slot["compliance"], "due");
    assert_eq!(slot["exposures"], json!([{ "advisory": "CVE-2026-1", "kev": false }]));
    let explained = server.get("/api/v1/devices/d1/explanation?title=firefox").await.ok();
    assert!(explained["text"].as_str().unwrap().contains("browsers"), "{explained}");
    assert_eq!(explained["decisions"][0]["compliance"], "due");
    server.get("/api/v1/devices/d1/explanation?title=deb/nothing").await.problem(404, "not-found");
    // As it was: before the policy was applied, nothing was decided.
    let at = format!("/api/v1/devices/d1/explanation?title=firefox&at={before}");
    server.get(&at).await.problem(409, "conflict");
    let at = format!("/api/v1/devices/d1/explanation?title=firefox&at={}", server.now());
    assert_eq!(server.get(&at).await.ok()["decisions"][0]["compliance"], "due");
    server.get("/api/v1/devices/d1/explanation?title=firefox&at=2027-01-01T00:00:00Z").await.problem(422, "invalid");
    server.get("/api/v1/devices/d1/explanation?title=firefox&at=tomorrow").await.problem(422, "invalid");
    server.get("/api/v1/devices/d1/explanation").await.problem(422, "invalid");
    let directives = server.get("/api/v1/devices/d1/directives").await.ok();
    assert_eq!(directives["revision"], 1);
}

#[tokio::test]
async fn a_receipt_counts_once() {
    let server = Server::new().await;
    server.fleet().await;
    let receipt = json!({
        "id": "r1", "slot": { "title": "firefox" }, "result": "succeeded", "before": "130.0", "after": "131.0",
        "at": "2026-11-25T08:00:00Z", "duration_ms": 1200, "output": "Setting up firefox",
    });
    assert_eq!(server.post("/api/v1/devices/d1/receipts", receipt.clone()).await.ok()["changed"], true);
    assert_eq!(server.post("/api/v1/devices/d1/receipts", receipt.clone()).await.ok()["changed"], false);
    assert_eq!(server.get("/api/v1/devices/d1").await.ok()["receipts"][0]["after"], "131.0");
    server.post("/api/v1/devices/nobody/receipts", receipt).await.problem(404, "not-found");
}

#[tokio::test]
async fn two_devices_under_one_id_are_stopped_until_a_person_lifts_it() {
    let server = Server::new().await;
    server.fleet().await;
    let (reports, lift) = ("/api/v1/devices/d1/observations", "/api/v1/devices/d1/quarantine/lift");
    let report = |sequence: u64, links: &[u32], version: &str| {
        json!({
            "source": "agent", "check_in": { "sequence": sequence, "links": links },
            "installs": { "all": [{ "title": "firefox", "version": version }] },
        })
    };
    assert_eq!(server.post(reports, report(1, &[11], "130.0")).await.ok()["changed"], true);
    assert_eq!(server.post(reports, report(2, &[12, 11], "131.0")).await.ok()["changed"], true);
    // A copy that was made after the first check-in draws another number for its second.
    assert_eq!(server.post(reports, report(2, &[99, 11], "130.0")).await.ok()["changed"], false);
    server.post(reports, report(3, &[13, 12, 11], "131.0")).await.problem(409, "quarantined");
    let device = server.get("/api/v1/devices/d1").await.ok();
    assert!(device["quarantine"]["because"].is_string(), "{device}");
    assert_eq!(server.get("/api/v1/devices").await.ok()["items"][0]["quarantined"], true);
    let plan = server.get("/api/v1/plans").await.ok()["items"][0]["id"].clone();
    let apply = format!("/api/v1/plans/{}/apply", plan.as_str().unwrap());
    server.call(&server.admin, "POST", &apply, &[], None).await.ok();
    let why = server.get("/api/v1/devices/d1/explanation?title=firefox").await.ok();
    assert!(why["text"].as_str().unwrap().contains("`refit quarantine lift d1 --why …`"), "{why}");
    let why = json!({ "why": "the copy is switched off" });
    server.post("/api/v1/devices/nobody/quarantine/lift", why.clone()).await.problem(404, "not-found");
    server.post(lift, json!({ "why": " " })).await.problem(422, "invalid");
    let program = server.token("robot", "ci", Bearer::Program, &[Scope::Approve]).await;
    server.call(&program, "POST", lift, &[], Some(why.clone())).await.problem(403, "forbidden");
    assert_eq!(server.post(lift, why.clone()).await.ok()["changed"], true);
    assert_eq!(server.post(lift, why).await.ok()["changed"], false);
    assert_eq!(server.post(reports, report(3, &[13, 12, 11], "131.0")).await.ok()["changed"], true);
    assert!(server.get("/api/v1/devices/d1").await.ok()["quarantine"].is_null());
}
