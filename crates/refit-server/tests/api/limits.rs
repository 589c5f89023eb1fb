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

#[tokio::test]
async fn a_list_is_no_object_at_any_depth() {
    let server = Server::new().await;
    server.fleet().await;
    let observe = async |body: serde_json::Value| server.post("/api/v1/devices/d1/observations", body).await;
    let wrong = [
        (json!({ "source": "a", "facts": [] }), "facts"),
        (json!({ "source": "a", "installs": { "changes": [] } }), "installs.changes"),
        (json!({ "source": "a", "installs": { "changes": [[], []] } }), "installs.changes"),
        (
            json!({ "source": "a", "installs": { "all": [["firefox", null, null, "131.0", null, null]] } }),
            "installs.all[0]",
        ),
        (json!({ "source": "a", "installs": { "changes": { "gone": [["firefox"]] } } }), "installs.changes.gone[0]"),
        (json!({ "source": "a", "universe": ["u"] }), "universe"),
        (
            json!({ "source": "a", "universe": { "key": "u", "offers": [["firefox", null, "1", "2026-11-01T00:00:00Z"]] } }),
            "universe.offers[0]",
        ),
    ];
    for (body, path) in wrong {
        let problem = observe(body.clone()).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["path"], path, "{body}: {problem}");
    }
    // Where a list belongs, it stays one.
    let right = json!({
        "source": "a", "facts": { "device.tags": ["lab", "canary"], "device.site": null },
        "installs": { "all": [{ "title": "firefox", "version": "131.0", "source": { "name": "firefox-esr" } }] },
    });
    observe(right).await.ok();
    let receipt = json!({ "id": "r", "slot": ["firefox"], "result": "failed", "at": "2026-11-25T08:00:00Z" });
    let problem = server.post("/api/v1/devices/d1/receipts", receipt).await.problem(422, "invalid");
    assert_eq!(problem["errors"][0]["path"], "slot");
}

#[tokio::test]
async fn what_is_not_known_is_refused_with_what_is() {
    let server = Server::new().await;
    server.fleet().await;
    let help = async |path: &str, field: &str| {
        let problem = server.get(path).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["path"], field, "{problem}");
        problem["help"].as_str().unwrap().to_owned()
    };
    assert!(help("/api/v1/events?kind=foo", "kind").await.contains("plan.made, "));
    assert!(help("/api/v1/events?kind=device.,foo.", "kind").await.contains("device.observed"));
    for kind in ["device.", "plan.made", "plan.made, token.created", ""] {
        server.get(&format!("/api/v1/events?kind={}", kind.replace(' ', "%20"))).await.ok();
    }
    assert!(help("/api/v1/devices?platform=foo", "platform").await.contains("linux, macos"));
    assert_eq!(server.get("/api/v1/devices?platform=windows").await.ok()["items"], json!([]));
    // What some device says to be on is one, whatever Refit knows.
    server
        .post("/api/v1/devices/d1/observations", json!({ "source": "b", "facts": { "device.platform": "plan9" } }))
        .await
        .ok();
    server.get("/api/v1/devices?platform=plan9").await.ok();
    let day = server.get("/api/v1/devices/d1/explanation?title=firefox&at=2026-11-25").await.problem(422, "invalid");
    let detail = day["detail"].as_str().unwrap();
    assert!(detail.contains("`2026-11-25` is no point in time: write `2026-11-25T00:00:00Z`"), "{detail}");
    let no = server.get("/api/v1/devices/d1/explanation?title=firefox&at=tomorrow").await.problem(422, "invalid");
    assert!(no["detail"].as_str().unwrap().contains("write `2026-11-25T08:00:00Z`"), "{no}");
}

#[tokio::test]
async fn what_no_policy_reads_is_kept_and_named_and_a_plan_that_declares_it_reads_it() {
    let server = Server::new().await;
    server.fleet().await;
    let say = async |device: &str, facts: serde_json::Value| {
        let said = json!({ "source": "cmdb", "facts": facts });
        server.post(&format!("/api/v1/devices/{device}/observations"), said).await
    };
    server.post("/api/v1/devices", json!({ "id": "d2" })).await.ok();
    let told = say("d1", json!({ "device.rack": 4, "device.plattform": "linux", "device.site": "Rome" })).await.ok();
    let no_field = "no policy in force has such a field, so that nothing reads it: ";
    let expected = json!([
        { "field": "device.plattform", "problem": format!("{no_field}did you mean `device.platform`?") },
        { "field": "device.rack", "problem": format!("{no_field}`fields:` of refit.yaml declares it") },
    ]);
    assert_eq!(told["unread"], expected);
    say("d2", json!({ "device.rack": "upper" })).await.ok();
    server.put("/api/v1/people/p1", json!({ "source": "hr", "values": { "badge": "blue" } })).await.ok();
    let policy = |rack: &str| {
        format!(
            "organization: acme\ndefaults: {{ mode: enforce }}\nfields: {{ device.rack: int, person.badge: text }}\n---\n\
             title: firefox\nname: Firefox\nscheme: generic\n---\n\
             policy: firefox\nsoftware: [firefox]\nwhere: device.rack {rack}\n"
        )
    };
    let plan =
        async |rack: &str| server.post("/api/v1/plans", json!({ "files": { "refit.yaml": policy(rack) } })).await.ok();
    // The field is declared by the plan's own revision; what was said before counts.
    let reached = plan("== 4").await;
    let elsewhere = plan("== 5").await;
    assert_eq!(reached["content"]["unread"], json!({ "device.rack": 1 }));
    let touched = |plan: &serde_json::Value| plan["content"]["summary"]["touched"].clone();
    assert_ne!(touched(&reached), touched(&elsewhere), "{reached}");
    let path = format!("/api/v1/plans/{}/apply", reached["id"].as_str().unwrap());
    server.call(&server.admin, "POST", &path, &[], None).await.ok();
    let told = say("d1", json!({ "device.rack": 7 })).await.ok();
    assert_eq!(told.get("unread"), None);
    let facts = server.get("/api/v1/devices/d2").await.ok()["facts"].clone();
    assert_eq!(facts[0]["problem"], "it is not a whole number, so that the field is unknown");
}

#[tokio::test]
async fn what_no_policy_reads_has_limits() {
    let server = Server::new().await;
    server.fleet().await;
    let say = async |facts: serde_json::Value| {
        let said = json!({ "source": "cmdb", "facts": facts });
        server.post("/api/v1/devices/d1/observations", said).await
    };
    let many = |from: usize, to: usize| -> serde_json::Value {
        (from..to).map(|number| (format!("device.f{number}"), json!(number))).collect::<serde_json::Map<_, _>>().into()
    };
    say(many(0, 60)).await.ok();
    let problem = say(many(60, 65)).await.problem(422, "invalid");
    assert!(problem["detail"].as_str().unwrap().contains("more than 64 fields"), "{problem}");
    // What is kept already can change, and be taken back.
    say(many(0, 60)).await.ok();
    say(json!({ "device.f0": null })).await.ok();
    say(many(60, 65)).await.ok();
    say(json!({ "device.f1": "x".repeat(4_097) })).await.problem(422, "invalid");
    say(json!({ (format!("device.{}", "x".repeat(200))): 1 })).await.problem(422, "invalid");
}

/// One request over HTTP/2 with a body in parts; the answer's status and body.
async fn http2(server: &Server, path: &str, length: Option<usize>, body: &[u8]) -> (u16, serde_json::Value) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = server.router.clone();
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    let connecting = tokio::spawn(connection);
    let mut request = Request::builder().method("POST").uri(format!("http://{address}{path}"));
    request = request.header("content-type", "application/json");
    request = request.header("authorization", format!("Bearer {}", server.admin));
    if let Some(length) = length {
        request = request.header("content-length", length);
    }
    let (answer, mut stream) = client.ready().await.unwrap().send_request(request.body(()).unwrap(), false).unwrap();
    let mut left = body;
    while !left.is_empty() {
        stream.reserve_capacity(left.len().min(16 << 10));
        let room = std::future::poll_fn(|context| stream.poll_capacity(context)).await.unwrap().unwrap();
        let (part, rest) = left.split_at(room.min(left.len()));
        stream.send_data(part.to_vec().into(), rest.is_empty()).unwrap();
        left = rest;
    }
    let answer = answer.await.unwrap();
    let (status, mut body) = (answer.status().as_u16(), answer.into_body());
    let mut bytes = Vec::new();
    while let Some(part) = body.data().await {
        let part = part.unwrap();
        body.flow_control().release_capacity(part.len()).unwrap();
        bytes.extend_from_slice(&part);
    }
    serving.abort();
    connecting.abort();
    (status, serde_json::from_slice(&bytes).unwrap())
}

#[tokio::test]
async fn a_body_that_is_too_large_is_answered_over_http_2_as_well() {
    let server = Server::new().await;
    let large = format!("{{\"name\": \"{}\"}}", "x".repeat(3 << 20)).into_bytes();
    for length in [None, Some(large.len())] {
        let (status, problem) = http2(&server, "/api/v1/devices", length, &large).await;
        assert_eq!((status, &problem["type"]), (413, &json!("/problems/too-large")));
    }
    let (status, _) = http2(&server, "/api/v1/devices", None, b"{\"id\": \"d1\"}").await;
    assert_eq!(status, 201);
}
