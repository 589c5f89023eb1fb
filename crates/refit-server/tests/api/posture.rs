use crate::{
    foreign,
    server::{Answer, Server},
};
use axum::{body::Body, http::Request};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::SignedDuration;
use refit_api::{POSTURE_TYPE, PostureClaims, PostureSaid};
use refit_core::{
    control::{Bearer, Scope},
    posture::Access,
};
use refit_server::api::Options;
use refit_wire::jws;
use serde_json::{Value, json};

pub const POLICY: &str = "\
organization: acme
defaults: { mode: enforce }
authority: { device.serial: [jamf, agent] }
---
title: firefox
name: Firefox
---
policy: browsers
owner: endpoint@acme.example
software: [firefox]
phase_in: 0h
deadline: [{ within: 1h }]
---
source: agent
stale_after: 3h
---
posture: sign-in
owner: identity@acme.example
why: Nobody works with known holes.
callers: [okta]
strategy: block
---
posture: gateway
callers: [vpn]
strategy: block
answers:
  unknown_device: warn
  unknown_person: allow
  no_device: block
  starting: block
  quarantined: warn
  stale: block
  read_only: warn
";

/// A server with a device `d1` that is due at nine, and tokens of two that ask.
pub struct Asked {
    pub server: Server,
    pub okta: String,
    pub vpn: String,
}

impl Asked {
    pub async fn new(options: Options) -> Asked {
        Asked::at(Server::with(options).await).await
    }

    pub async fn at(server: Server) -> Asked {
        server.fleet().await;
        let asked = Asked {
            okta: server.token("okta", "ida", Bearer::Program, &[Scope::Posture, Scope::Hooks]).await,
            vpn: server.token("vpn", "nils", Bearer::Program, &[Scope::Posture]).await,
            server,
        };
        asked.apply(POLICY).await;
        asked
    }

    pub async fn apply(&self, policy: &str) {
        let plan = self.server.post("/api/v1/plans", json!({ "files": { "refit.yaml": policy } })).await.ok();
        let apply = format!("/api/v1/plans/{}/apply", plan["id"].as_str().unwrap());
        self.server.call(&self.server.admin, "POST", &apply, &[], None).await.ok();
    }

    /// Decides all devices, and goes on deciding.
    pub async fn evaluate(&self) {
        self.server.shell.evaluate().unwrap();
        self.server.shell.settled().await;
    }

    async fn ask(&self, secret: &str, about: Value) -> Answer {
        self.server.call(secret, "POST", "/api/v1/posture", &[], Some(about)).await
    }

    async fn okta(&self, about: Value) -> Value {
        self.ask(&self.okta, about).await.ok()["answer"].clone()
    }

    async fn vpn(&self, about: Value) -> Value {
        self.ask(&self.vpn, about).await.ok()["answer"].clone()
    }

    /// A person with an address who has the device.
    pub async fn ada(&self) {
        let said = json!({ "source": "hr", "values": { "email": "ada@acme.example" } });
        self.server.put("/api/v1/people/p1", said).await.ok();
        self.server.put("/api/v1/devices/d1/assignment", json!({ "person": "p1" })).await.ok();
    }
}

fn codes(answer: &Value) -> Vec<&str> {
    answer["reasons"].as_array().unwrap().iter().map(|reason| reason["code"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_device_is_let_in_until_something_is_overdue_and_again_once_it_is_put_right() {
    let asked = Asked::new(Options::default()).await;
    asked.evaluate().await;
    let about = json!({ "device": "d1" });
    let answer = asked.okta(about.clone()).await;
    assert_eq!((&answer["access"], &answer["compliant"]), (&json!("allow"), &json!(true)), "{answer}");
    assert_eq!(answer["devices"][0]["due"][0]["due"], "2026-11-25T09:00:00Z");
    assert_eq!(answer["devices"][0]["tolerated_until"], "2026-11-25T09:00:00Z");
    asked.server.wait(SignedDuration::from_hours(2));
    let answer = asked.okta(about.clone()).await;
    assert_eq!((&answer["access"], &answer["compliant"]), (&json!("block"), &json!(false)), "{answer}");
    let reason = &answer["reasons"][0];
    assert_eq!(
        (&reason["code"], &reason["text"]),
        (&json!("overdue"), &json!("firefox is overdue since 2026-11-25T09:00:00Z"))
    );
    assert_eq!(answer["by"]["posture"], "sign-in");
    assert_eq!(answer["by"]["revision"], 1);
    let finding = &answer["devices"][0]["overdue"][0];
    assert_eq!(finding["fix"]["text"], "update firefox to 131.0");
    assert_eq!(finding["because"], "CVE-2026-1");
    assert_eq!(
        finding["policy"],
        json!({ "name": "browsers", "file": "refit.yaml", "line": 8, "owner": "endpoint@acme.example" })
    );
    // The link is good.
    let explained = asked.server.get(finding["explanation"].as_str().unwrap()).await.ok();
    assert_eq!(explained["decisions"][0]["compliance"], "overdue");
    let install = json!([{ "title": "firefox", "version": "131.0" }]);
    let said = json!({ "source": "agent", "installs": { "all": install } });
    asked.server.post("/api/v1/devices/d1/observations", said).await.ok();
    let answer = asked.okta(about).await;
    assert_eq!((&answer["access"], codes(&answer)), (&json!("allow"), vec!["compliant"]));
}

#[tokio::test]
async fn the_answer_is_signed_and_the_keys_are_there_for_everybody() {
    let asked = Asked::new(Options::default()).await;
    let body = asked.ask(&asked.okta, json!({ "device": "d1" })).await.ok();
    let said: PostureSaid = serde_json::from_value(body).unwrap();
    let key = asked.server.agents.key().public();
    let claims: PostureClaims = jws::open(&said.signed, POSTURE_TYPE, &key).unwrap();
    assert_eq!((claims.iss.as_str(), claims.aud.as_str()), ("https://refit.example:7443", "okta"));
    assert_eq!((claims.sub.as_deref(), claims.exp), (Some("d1"), said.answer.until.as_second()));
    assert!(claims.iat <= asked.server.now().as_second() && asked.server.now().as_second() < claims.exp);
    assert_eq!(claims.posture, said.answer);
    assert_eq!(claims.posture.access, Access::Allow);
    // As somebody finds the key who knows nothing but the standard.
    let keys = asked.server.send(Request::get("/.well-known/jwks.json").body(Body::empty()).unwrap()).await.ok();
    let header = URL_SAFE_NO_PAD.decode(said.signed.split('.').next().unwrap()).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    assert_eq!((&header["alg"], &header["typ"]), (&json!("EdDSA"), &json!(POSTURE_TYPE)));
    assert_eq!(keys["keys"][0]["kid"], header["kid"]);
    assert_eq!(keys["keys"][0]["x"], URL_SAFE_NO_PAD.encode(key.to_bytes()));
    // And as a library of another language reads it.
    if let Some(read) = foreign::jwt(&said.signed, &keys, "okta") {
        assert_eq!(read["header"]["typ"], POSTURE_TYPE);
        assert_eq!(read["claims"], serde_json::to_value(&claims).unwrap());
    }
}

#[tokio::test]
async fn an_answer_is_kept_until_it_may_change() {
    let asked = Asked::new(Options::default()).await;
    asked.evaluate().await;
    let first = asked.ask(&asked.okta, json!({ "device": "d1" })).await;
    assert_eq!(first.header("cache-control"), "private, max-age=600");
    assert_eq!(first.header("content-location"), "/api/v1/devices/d1/posture");
    let tag = first.header("etag").to_owned();
    let again = async |secret: &str| {
        asked.server.call(secret, "GET", "/api/v1/devices/d1/posture", &[("if-none-match", tag.as_str())], None).await
    };
    asked.server.wait(SignedDuration::from_secs(200));
    let same = again(&asked.okta).await;
    assert_eq!((same.status.as_u16(), same.header("cache-control")), (304, "private, max-age=400"));
    // What is for somebody else is something else.
    assert_eq!(again(&asked.vpn).await.status, 200);
    // It ends with the due time, and is then asked for more often.
    asked.server.wait(SignedDuration::from_secs(3_200));
    let late = again(&asked.okta).await;
    assert_eq!((late.status.as_u16(), late.header("cache-control")), (200, "private, max-age=200"));
    asked.server.wait(SignedDuration::from_secs(201));
    asked.server.shell.settled().await;
    let overdue = again(&asked.okta).await;
    assert_eq!(overdue.body["answer"]["access"], "block");
    let kept: u64 = overdue.header("cache-control").strip_prefix("private, max-age=").unwrap().parse().unwrap();
    assert!((60..=120).contains(&kept), "{kept}");
}

#[tokio::test]
async fn devices_are_named_by_serial_number_and_by_whose_they_are() {
    let asked = Asked::new(Options::default()).await;
    let server = &asked.server;
    let serial = |source: &str, serial: &str| json!({ "source": source, "facts": { "device.serial": serial } });
    server.post("/api/v1/devices/d1/observations", serial("agent", "C02XK1")).await.ok();
    assert_eq!(asked.okta(json!({ "serial": " c02xk1" })).await["about"], json!({ "device": "d1" }));
    // A device that says of itself that it is another one does not become it.
    server.post("/api/v1/devices", json!({ "id": "d2" })).await.ok();
    server.post("/api/v1/devices/d2/observations", serial("jamf", "PF3KX2")).await.ok();
    server.post("/api/v1/devices/d2/observations", serial("agent", "C02XK1")).await.ok();
    assert_eq!(asked.okta(json!({ "serial": "C02XK1" })).await["about"], json!({ "device": "d1" }));
    assert_eq!(asked.okta(json!({ "serial": "PF3KX2" })).await["about"], json!({ "device": "d2" }));
    // Where nobody more trusted says otherwise it is unclear who is meant.
    server.post("/api/v1/devices/d2/observations", serial("jamf", "C02XK1")).await.ok();
    let both = asked.okta(json!({ "serial": "C02XK1" })).await;
    assert_eq!((codes(&both), &both["access"]), (vec!["unknown_device"], &json!("block")));
    assert!(both["reasons"][0]["text"].as_str().unwrap().starts_with("2 managed devices"), "{both}");

    asked.ada().await;
    server.put("/api/v1/devices/d2/assignment", json!({ "person": "p1" })).await.ok();
    for user in ["p1", "ada@acme.example", "Ada@ACME.example"] {
        let answer = asked.okta(json!({ "user": user })).await;
        assert_eq!(answer["about"], json!({ "person": "p1" }), "{user}");
        assert_eq!(answer["device_count"], 2, "{user}");
    }
    // An address that two people have names neither.
    server.put("/api/v1/people/p2", json!({ "source": "hr", "values": { "email": "ada@acme.example" } })).await.ok();
    let two = asked.okta(json!({ "user": "ada@acme.example" })).await;
    assert_eq!(codes(&two), ["unknown_person"]);
    // Nor does one that somebody had who has left.
    server.put("/api/v1/people/p2", json!({ "source": "hr", "values": { "employment": "left" } })).await.ok();
    assert_eq!(asked.okta(json!({ "user": "ada@acme.example" })).await["about"], json!({ "person": "p1" }));
    let get = server.call(&asked.okta, "GET", "/api/v1/people/p1/posture", &[], None).await;
    assert_eq!(get.ok()["answer"]["about"], json!({ "person": "p1" }));
    server.delete("/api/v1/devices/d1").await.ok();
    let gone = asked.okta(json!({ "device": "d1" })).await;
    assert_eq!(gone["reasons"][0]["text"], "this device is no longer managed");
    assert_eq!(asked.okta(json!({ "user": "p1" })).await["device_count"], 1);
}

#[tokio::test]
async fn exactly_one_is_asked_about() {
    let asked = Asked::new(Options::default()).await;
    for about in
        [json!({}), json!({ "device": "d1", "user": "p1" }), json!({ "device": "" }), json!({ "devise": "d1" })]
    {
        asked.ask(&asked.okta, about).await.problem(422, "invalid");
    }
    let long = "x".repeat(257);
    asked.ask(&asked.okta, json!({ "user": long })).await.problem(422, "invalid");
}

#[tokio::test]
async fn whoever_asks_may_do_that_and_nothing_else() {
    let asked = Asked::new(Options::default()).await;
    let server = &asked.server;
    for path in ["/api/v1/devices", "/api/v1/people", "/api/v1/devices/d1"] {
        server.call(&asked.okta, "GET", path, &[], None).await.problem(403, "scope-missing");
    }
    let reader = server.token("reader", "rita", Bearer::Program, &[Scope::Read, Scope::ReadPersonal]).await;
    asked.ask(&reader, json!({ "device": "d1" })).await.problem(403, "scope-missing");
    for path in ["/api/v1/devices/d1/posture", "/api/v1/people/p1/posture"] {
        server.call(&reader, "GET", path, &[], None).await.problem(403, "scope-missing");
    }
    asked.ask("refit_nobody", json!({ "device": "d1" })).await.problem(401, "unauthorized");
}

/// Every cell of the matrix for each who asks, through the API: what is answered by default, and what is written for the gateway.
#[tokio::test]
async fn each_who_asks_is_answered_as_it_is_written_for_them() {
    let asked = Asked::new(Options { decided_at_once: 1, ..Options::default() }).await;
    let server = &asked.server;
    server.put("/api/v1/people/p9", json!({ "source": "hr", "values": { "department": "IT" } })).await.ok();
    let cell = async |about: Value, code: &str, [okta, vpn]: [&str; 2]| {
        for (answer, wanted) in [(asked.okta(about.clone()).await, okta), (asked.vpn(about.clone()).await, vpn)] {
            assert_eq!(answer["access"], wanted, "{code}: {answer}");
            assert!(codes(&answer).contains(&code), "{code}: {answer}");
        }
    };
    cell(json!({ "device": "nobody" }), "unknown_device", ["block", "warn"]).await;
    cell(json!({ "serial": "C02XK1" }), "unknown_device", ["block", "warn"]).await;
    cell(json!({ "certificate": "none" }), "unknown_device", ["block", "warn"]).await;
    cell(json!({ "user": "nobody@acme.example" }), "unknown_person", ["block", "allow"]).await;
    cell(json!({ "user": "p9" }), "no_device", ["warn", "block"]).await;
    // A copy of a device.
    server.post("/api/v1/devices", json!({ "id": "d2" })).await.ok();
    for (sequence, links) in [(1, vec![11]), (2, vec![12, 11]), (2, vec![13, 11])] {
        let said = json!({ "source": "agent", "check_in": { "sequence": sequence, "links": links } });
        server.post("/api/v1/devices/d2/observations", said).await;
    }
    cell(json!({ "device": "d2" }), "quarantined", ["block", "warn"]).await;
    // Its agent has said nothing for longer than it may.
    server.wait(SignedDuration::from_hours(4));
    cell(json!({ "device": "d1" }), "stale", ["warn", "block"]).await;
}

#[tokio::test]
async fn what_cannot_be_decided_now_is_answered_as_it_is_written() {
    let asked = Asked::new(Options { decided_at_once: 0, ..Options::default() }).await;
    let about = json!({ "device": "d1" });
    let (okta, vpn) = (asked.okta(about.clone()).await, asked.vpn(about.clone()).await);
    assert_eq!((&okta["access"], &vpn["access"]), (&json!("allow"), &json!("block")), "{okta}");
    assert_eq!((codes(&okta), &okta["compliant"]), (vec!["starting"], &Value::Null));
    // Once it is decided, that is what is said, and that it is behind where something has changed since.
    asked.evaluate().await;
    let answer = asked.okta(about).await;
    assert_eq!((codes(&answer), &answer["devices"][0]["behind"]), (vec!["compliant"], &json!(false)), "{answer}");
}

#[tokio::test]
async fn a_server_that_can_write_no_more_says_so() {
    let asked = Asked::new(Options::default()).await;
    asked.evaluate().await;
    asked.server.wait(SignedDuration::from_hours(2));
    asked.server.shell.close("another server has taken over").await;
    let about = json!({ "device": "d1" });
    let (okta, vpn) = (asked.okta(about.clone()).await, asked.vpn(about).await);
    // By default what is known counts; the gateway is told otherwise.
    assert_eq!((&okta["access"], codes(&okta)), (&json!("block"), vec!["read_only", "overdue"]), "{okta}");
    assert_eq!((&vpn["access"], codes(&vpn)), (&json!("warn"), vec!["read_only", "overdue"]), "{vpn}");
}

#[tokio::test]
async fn without_a_policy_everybody_is_let_in_and_nothing_is_promised() {
    let server = Server::new().await;
    server.post("/api/v1/devices", json!({ "id": "d1" })).await.ok();
    for id in ["d1", "nobody"] {
        let answer = server.post("/api/v1/posture", json!({ "device": id })).await.ok()["answer"].clone();
        assert_eq!((&answer["access"], &answer["compliant"]), (&json!("allow"), &Value::Null), "{answer}");
        assert_eq!(answer["by"], json!({ "revision": 0 }));
    }
}
