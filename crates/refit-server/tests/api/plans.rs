use crate::server::{POLICY, Server};
use refit_core::control::{Bearer, Scope};
use serde_json::json;

#[tokio::test]
async fn a_plan_is_made_approved_by_somebody_else_and_applied() {
    let server = Server::new().await;
    server.put("/api/v1/settings/approvals", json!({ "approvals": 1 })).await.ok();
    let plan = server.fleet().await;
    let read = server.get(&format!("/api/v1/plans/{plan}")).await.ok();
    assert_eq!(read["status"], "open");
    assert_eq!(read["content"]["envelope"][0]["cohort"]["slot"]["title"], "firefox");
    assert_eq!(read["content"]["summary"]["moved"], 1);
    let apply = format!("/api/v1/plans/{plan}/apply");
    let approve = format!("/api/v1/plans/{plan}/approve");
    let call = async |secret: &str, path: &str| server.call(secret, "POST", path, &[], None).await;
    call(&server.admin, &apply).await.problem(403, "forbidden");
    call(&server.admin, &approve).await.problem(403, "forbidden");
    let program = server.token("ci", "build", Bearer::Program, &[Scope::Approve]).await;
    call(&program, &approve).await.problem(403, "forbidden");
    call(&program, &apply).await.problem(403, "scope-missing");
    let boss = server.token("boss", "bea", Bearer::Person, &[Scope::Approve]).await;
    assert_eq!(call(&boss, &approve).await.ok()["changed"], true);
    assert_eq!(call(&boss, &approve).await.ok()["changed"], false);
    let applied = call(&server.admin, &apply).await.ok();
    assert_eq!(applied["revision"], 1);
    assert_eq!(applied["outside"], json!([]));
    call(&server.admin, &apply).await.problem(409, "conflict");
    let policy = server.get("/api/v1/policy").await.ok();
    assert_eq!(policy["files"]["refit.yaml"], POLICY);
    assert_eq!(policy["policy_hash"], read["policy_hash"]);
    assert_eq!(server.get("/api/v1/policies").await.ok()["items"][0]["owner"], "endpoint@acme.example");
    assert_eq!(server.get("/api/v1/plans?status=applied").await.ok()["items"][0]["id"], plan);
    assert_eq!(server.get("/api/v1/plans?status=open").await.ok()["items"], json!([]));
    server.get("/api/v1/plans?status=fine").await.problem(422, "invalid");
}

#[tokio::test]
async fn a_preview_says_the_same_and_leaves_nothing() {
    let server = Server::new().await;
    let plan = server.fleet().await;
    let files = json!({ "files": { "refit.yaml": POLICY } });
    let before = server.get("/api/v1/events").await.ok()["head"].clone();
    let preview = server.post("/api/v1/plans/preview", files.clone()).await.ok();
    let kept = server.get(&format!("/api/v1/plans/{plan}")).await.ok();
    for field in ["changes", "envelope", "summary"] {
        assert_eq!(preview["content"][field], kept["content"][field]);
    }
    assert_eq!(preview["policy_hash"], kept["policy_hash"]);
    assert_eq!(server.get("/api/v1/events").await.ok()["head"], before);
    assert_eq!(server.get("/api/v1/plans").await.ok()["items"].as_array().unwrap().len(), 1);
    let reader = server.token("reader", "rob", Bearer::Person, &[Scope::Read]).await;
    server.call(&reader, "POST", "/api/v1/plans/preview", &[], Some(files)).await.problem(403, "scope-missing");
    server.post("/api/v1/plans/preview", json!({ "files": { "a.yaml": "polcy: x" } })).await.problem(422, "policy");
}

#[tokio::test]
async fn what_a_plan_did_not_show_is_said_when_it_is_applied() {
    let server = Server::new().await;
    let plan = server.fleet().await;
    server.post("/api/v1/devices", json!({ "id": "d2" })).await.ok();
    let installs = json!({ "all": [{ "title": "firefox", "version": "130.0" }] });
    server.post("/api/v1/devices/d2/observations", json!({ "source": "agent", "installs": installs })).await.ok();
    let applied = server.call(&server.admin, "POST", &format!("/api/v1/plans/{plan}/apply"), &[], None).await.ok();
    assert_eq!(applied["outside"][0]["devices"], 1);
    assert_eq!(applied["summary"]["moved"], 2);
}

#[tokio::test]
async fn errors_of_the_policy_repository_are_shown_with_their_places() {
    let server = Server::new().await;
    let text = "organization: acme\n---\npolicy: browsers\nsoftwear: [firefox]\n";
    let problem = server.post("/api/v1/plans", json!({ "files": { "refit.yaml": text } })).await.problem(422, "policy");
    let found = problem["diagnostics"].as_array().unwrap();
    let at = found.iter().find(|finding| finding["line"] == 4).unwrap_or_else(|| panic!("{problem}"));
    assert_eq!(at["file"], "refit.yaml");
    assert!(at["column"].is_u64());
    server.post("/api/v1/plans", json!({ "files": {} })).await.problem(422, "invalid");
    server.post("/api/v1/plans", json!({ "files": { "../x.yaml": "" } })).await.problem(422, "invalid");
    server.post("/api/v1/plans", json!({ "files": { "x.exe": "" } })).await.problem(422, "invalid");
}

#[tokio::test]
async fn a_plan_is_rejected_and_then_over() {
    let server = Server::new().await;
    let plan = server.fleet().await;
    let reject = format!("/api/v1/plans/{plan}/reject");
    server.post(&reject, json!({ "why": " " })).await.problem(422, "invalid");
    server.post(&reject, json!({ "why": "not before the quarter ends" })).await.ok();
    server.post(&reject, json!({ "why": "again" })).await.problem(409, "conflict");
    server
        .call(&server.admin, "POST", &format!("/api/v1/plans/{plan}/apply"), &[], None)
        .await
        .problem(409, "conflict");
    server.get("/api/v1/plans/none").await.problem(404, "not-found");
    server.post("/api/v1/plans/none/reject", json!({ "why": "x" })).await.problem(404, "not-found");
    server.call(&server.admin, "POST", "/api/v1/plans/none/apply", &[], None).await.problem(404, "not-found");
    server.call(&server.admin, "POST", "/api/v1/plans/none/approve", &[], None).await.problem(404, "not-found");
}
