use crate::server::Server;
use refit_core::control::{Bearer, Scope};
use serde_json::json;

#[tokio::test]
async fn titles_releases_and_advisories_are_listed() {
    let server = Server::new().await;
    server.fleet().await;
    let titles = server.get("/api/v1/titles").await.ok();
    assert_eq!(
        titles["items"][0],
        json!({
            "title": "firefox", "devices": 1, "releases": 1, "advisories": 1, "in_catalog": false,
        })
    );
    assert_eq!(server.get("/api/v1/titles?name=x").await.ok()["items"], json!([]));
    assert_eq!(server.get("/api/v1/releases?title=firefox").await.ok()["items"][0]["version"], "131.0");
    server.get("/api/v1/releases").await.problem(422, "invalid");
    assert_eq!(server.get("/api/v1/advisories?title=firefox").await.ok()["items"][0]["id"], "CVE-2026-1");
    assert_eq!(server.get("/api/v1/advisories?kev=true").await.ok()["items"], json!([]));
    let wrong = json!({ "source": "x", "advisories": [{
        "id": "CVE-2026-2", "title": "firefox", "affected": ["*"], "known_at": "2026-11-01T00:00:00Z", "cvss": 11.0,
    }] });
    server.post("/api/v1/advisories", wrong).await.problem(422, "invalid");
    assert!(server.get("/api/v1/exposures?kev=true").await.ok()["items"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn the_brake_stops_what_would_be_applied() {
    let server = Server::new().await;
    let plan = server.fleet().await;
    assert_eq!(server.get("/api/v1/brake").await.ok(), json!({ "stopped": false }));
    server.post("/api/v1/brake/stop", json!({ "why": "an incident" })).await.ok();
    assert_eq!(server.get("/api/v1/brake").await.ok()["why"], "an incident");
    assert_eq!(server.get("/api/v1/devices/d1/directives").await.ok()["stopped"], "an incident");
    let apply = format!("/api/v1/plans/{plan}/apply");
    server.call(&server.admin, "POST", &apply, &[], None).await.problem(409, "stopped");
    assert_eq!(server.post("/api/v1/brake/stop", json!({ "why": "again" })).await.ok()["changed"], false);
    server.post("/api/v1/brake/go-on", json!({ "why": "over" })).await.ok();
    server.call(&server.admin, "POST", &apply, &[], None).await.ok();
    let reader = server.token("reader", "rita", Bearer::Person, &[Scope::Read]).await;
    let stop = server.call(&reader, "POST", "/api/v1/brake/stop", &[], Some(json!({ "why": "x" }))).await;
    stop.problem(403, "scope-missing");
}

#[tokio::test]
async fn rings_open_and_gates_are_answered_by_hand() {
    let server = Server::new().await;
    let ring = json!({ "title": "firefox", "version": "131.0", "rollout": "standard", "ring": "canary" });
    server.post("/api/v1/rollouts/rings", ring.clone()).await.problem(409, "conflict");
    server.fleet().await;
    let policy = "\
organization: acme
rollouts:
  standard:
    rings:
      - { name: canary, share: 10%, soak: 1d }
      - { name: rest }
exceptions: { longest: 90d }
---
title: firefox
name: Firefox
---
policy: browsers
software: [firefox]
rollout: standard
deadline: [{ within: 7d }]
---
exception: lab
software: [firefox]
due: 2026-12-30T17:00:00Z
until: 2026-12-31
why: The lab's appliance
";
    let plan = server.post("/api/v1/plans", json!({ "files": { "refit.yaml": policy } })).await.ok();
    let apply = format!("/api/v1/plans/{}/apply", plan["id"].as_str().unwrap());
    server.call(&server.admin, "POST", &apply, &[], None).await.ok();
    server.post("/api/v1/rollouts/rings", ring.clone()).await.ok();
    assert_eq!(server.post("/api/v1/rollouts/rings", ring).await.ok()["changed"], false);
    let gate = json!({ "title": "firefox", "version": "131.0", "after": "canary", "answer": "pass" });
    server.post("/api/v1/rollouts/gates", gate).await.ok();
    let rollout = &server.get("/api/v1/rollouts").await.ok()["items"][0];
    assert_eq!(rollout["open"][0]["ring"], "canary");
    assert_eq!(rollout["waiting"], json!(["rest"]));
    assert_eq!(rollout["gates"][0]["answer"], "pass");
    let none = json!({ "title": "firefox", "version": "131.0", "rollout": "none", "ring": "canary" });
    server.post("/api/v1/rollouts/rings", none).await.problem(404, "not-found");
    let none = json!({ "title": "firefox", "version": "131.0", "after": "none", "answer": null });
    server.post("/api/v1/rollouts/gates", none).await.problem(404, "not-found");
    let exceptions = server.get("/api/v1/exceptions").await.ok();
    assert_eq!(exceptions["items"][0]["until"], "2026-12-31");
    assert_eq!(server.get("/api/v1/budgets").await.ok()["items"], json!([]));
}

#[tokio::test]
async fn health_needs_no_token_and_figures_do() {
    let server = Server::new().await;
    let strange = async |path: &str| server.call("refit_nobody", "GET", path, &[], None).await;
    assert_eq!(strange("/healthz").await.ok()["status"], "ok");
    assert_eq!(strange("/readyz").await.ok()["status"], "ok");
    assert_eq!(strange("/api/v1/openapi.json").await.ok()["openapi"], "3.1.0");
    strange("/metrics").await.problem(401, "unauthorized");
    server.get("/api/v1/devices/none").await.problem(404, "not-found");
    let text = server.get("/metrics").await.ok().as_str().unwrap().to_owned();
    assert!(text.contains("refit_log_head 1"), "{text}");
    assert!(text.contains(r#"route="/api/v1/devices/{id}",status="404""#), "{text}");
    assert!(text.contains("refit_board_lag 0"), "{text}");
    server.get("/api/v1/policy").await.problem(404, "not-found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_explanation_says_that_a_move_waits_for_a_person() {
    let server = Server::new().await;
    server.shell.evaluate().unwrap();
    let policy = "\
organization: acme
defaults: { mode: enforce }
budgets:
  - { per: 24h, at_most: 1%, of: devices }
---
title: firefox
name: Firefox
---
policy: browsers in Berlin
where: device.site == \"Berlin\"
software: [firefox]
deadline: [{ within: 7d }]
";
    let plan = server.post("/api/v1/plans", json!({ "files": { "refit.yaml": policy } })).await.ok();
    let apply = format!("/api/v1/plans/{}/apply", plan["id"].as_str().unwrap());
    server.call(&server.admin, "POST", &apply, &[], None).await.ok();
    let releases = json!([{ "title": "firefox", "version": "2.0", "published": "2026-11-01T00:00:00Z" }]);
    server.post("/api/v1/releases", json!({ "source": "vendor", "releases": releases })).await.ok();
    let devices = ["a", "b", "c"];
    for site in ["Rome", "Berlin"] {
        for id in devices {
            if site == "Rome" {
                server.post("/api/v1/devices", json!({ "id": id })).await.ok();
            }
            let installs = json!({ "all": [{ "title": "firefox", "version": "1.0" }] });
            let said = json!({ "source": "agent", "facts": { "device.site": site }, "installs": installs });
            server.post(&format!("/api/v1/devices/{id}/observations"), said).await.ok();
        }
        // Until what this moves is published or held.
        server.shell.settled().await;
    }
    let plans = server.get("/api/v1/plans").await.ok();
    let held = plans["items"].as_array().unwrap().iter().find(|plan| plan["kind"] == "held").unwrap();
    let held = held["id"].as_str().unwrap();
    let explain = async |id: &str| {
        let path = format!("/api/v1/devices/{id}/explanation?title=firefox");
        server.get(&path).await.ok()["text"].as_str().unwrap().to_owned()
    };
    assert!(explain("a").await.starts_with("firefox on a is due"), "{}", explain("a").await);
    let said = explain("c").await;
    assert!(said.starts_with("Held (the budget of 1% of "), "{said}");
    assert!(said.contains(&format!("`refit plans approve {held}`.")), "{said}");
    // Programs are told the same: the cause, and what lifts it.
    let lifted = format!("refit plans approve {held}");
    let explained = server.get("/api/v1/devices/c/explanation?title=firefox").await.ok();
    assert_eq!(explained["held_by"][0]["hold"], "budget");
    assert_eq!(explained["held_by"][0]["lifted_by"], json!(lifted));
    assert_eq!(explained["decisions"][0]["holds"], json!(["budget"]));
    let decided = server.get("/api/v1/devices/c/decisions").await.ok();
    assert_eq!(decided["slots"][0]["holds"], json!(["budget"]));
    assert_eq!(decided["slots"][0]["held_by"][0]["plan"], json!(held));
    let listed = async |hold: &str| {
        let list = server.get(&format!("/api/v1/devices?hold={hold}")).await.ok();
        let items = list["items"].as_array().unwrap().clone();
        items.iter().map(|device| device["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(listed("budget").await, ["b", "c"]);
    assert_eq!(server.get("/api/v1/devices?hold=budget&title=zoom").await.ok()["items"], json!([]));
    assert!(listed("envelope").await.is_empty());
    assert!(listed("kill_switch").await.is_empty());
    let device = &server.get("/api/v1/devices?hold=budget").await.ok()["items"][0];
    assert_eq!(device["holds"], json!({ "budget": 1 }));
    assert_eq!(server.get(&format!("/api/v1/plans/{held}")).await.ok()["held"][0]["by"], "budget");
    // The brake comes before it.
    server.post("/api/v1/brake/stop", json!({ "why": "an incident" })).await.ok();
    assert_eq!(listed("kill_switch").await, ["a", "b", "c"]);
    let decided = server.get("/api/v1/devices/c/decisions").await.ok();
    assert_eq!(decided["slots"][0]["holds"], json!(["kill_switch", "budget"]));
    assert_eq!(decided["slots"][0]["held_by"][0]["lifted_by"], "refit resume --everything --why TEXT");
    assert!(explain("c").await.starts_with("Everything is stopped (an incident)"), "{}", explain("c").await);
    server.post("/api/v1/brake/go-on", json!({ "why": "over" })).await.ok();
    server.shell.settled().await;
    let why = json!({ "why": "they have not moved" });
    server.post(&format!("/api/v1/plans/{held}/reject"), why).await.ok();
    assert!(explain("c").await.starts_with(&format!("Held: a person rejected plan {held}")), "{}", explain("c").await);
}
