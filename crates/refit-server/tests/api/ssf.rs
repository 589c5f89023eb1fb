//! Shared Signals, with receivers that push and fetch, and that check what they get by other means than it was made with.

use crate::{
    foreign,
    posture::Asked,
    server::Server,
    subscriptions::{next, receiver},
};
use axum::{body::Body, http::Request};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::SignedDuration;
use refit_connect::outbound::Outbound;
use refit_core::control::{Bearer, Scope};
use refit_server::{
    api::{Api, Options, router},
    shared_signals::{RsaKey, SharedSignals},
};
use refit_wire::jws;
use ring::{rsa, signature};
use serde_json::{Value, json};
use std::process::Command;

const CHANGE: &str = "https://schemas.openid.net/secevent/caep/event-type/device-compliance-change";
const VERIFICATION: &str = "https://schemas.openid.net/secevent/ssf/event-type/verification";
const PUSH: &str = "urn:ietf:rfc:8935";
const POLL: &str = "urn:ietf:rfc:8936";

/// A server with a device that is due at nine, its person, and a receiver's token.
struct Shared {
    asked: Asked,
    token: String,
    running: tokio::task::JoinHandle<()>,
}

impl Shared {
    async fn new(private: Vec<String>) -> Shared {
        let asked = Asked::at(Server::sending(private).await).await;
        let running = tokio::spawn(asked.server.shared_signals.clone().run());
        let scopes = [Scope::SharedSignals, Scope::ReadPersonal];
        let token = asked.server.token("okta-signals", "ida", Bearer::Program, &scopes).await;
        asked.evaluate().await;
        asked.ada().await;
        Shared { asked, token, running }
    }

    fn server(&self) -> &Server {
        &self.asked.server
    }

    async fn call(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let answer = self.server().call(&self.token, method, path, &[], body).await;
        (answer.status.as_u16(), answer.body)
    }

    async fn stream(&self, delivery: Value) -> String {
        let wanted = json!({ "delivery": delivery, "aud": "https://acme.okta.com", "events_requested": [CHANGE] });
        let (status, made) = self.call("POST", "/ssf/streams", Some(wanted)).await;
        assert_eq!(status, 201, "{made}");
        made["stream_id"].as_str().unwrap().to_owned()
    }

    async fn poll(&self, stream: &str, body: Value) -> Value {
        let (status, polled) = self.call("POST", &format!("/ssf/poll/{stream}"), Some(body)).await;
        assert_eq!(status, 200, "{polled}");
        polled
    }

    /// Fetches the one token that there is, and says that it was taken.
    async fn fetch(&self, stream: &str) -> Value {
        let polled = self.poll(stream, json!({})).await;
        let sets = polled["sets"].as_object().unwrap();
        assert_eq!(sets.len(), 1, "{polled}");
        let (jti, set) = sets.iter().next().unwrap();
        let left = self.poll(stream, json!({ "ack": [jti], "returnImmediately": true })).await;
        assert_eq!(left, json!({ "sets": {}, "moreAvailable": false }));
        let claims = self.claims(set.as_str().unwrap());
        assert_eq!(claims["jti"], jti.as_str());
        claims
    }

    fn claims(&self, set: &str) -> Value {
        jws::open(set, "secevent+jwt", &self.server().agents.key().public()).unwrap()
    }

    async fn reports(&self, version: &str) {
        let install = json!([{ "title": "firefox", "version": version }]);
        let said = json!({ "source": "agent", "installs": { "all": install } });
        self.server().post("/api/v1/devices/d1/observations", said).await.ok();
        self.server().shell.settled().await;
    }

    /// Time passes, and something is overdue.
    async fn falls_due(&self) {
        self.server().wait(SignedDuration::from_hours(2));
        let said = json!({ "source": "agent", "facts": { "device.hostname": self.server().now().to_string() } });
        self.server().post("/api/v1/devices/d1/observations", said).await.ok();
        self.server().shell.settled().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_fetches_is_told_of_each_change_once_it_takes_it() {
    let shared = Shared::new(Vec::new()).await;
    let server = shared.server();
    let metadata = server.send(Request::get("/.well-known/ssf-configuration").body(Body::empty()).unwrap()).await.ok();
    assert_eq!((&metadata["spec_version"], &metadata["issuer"]), (&json!("1_0"), &json!("https://refit.example:7443")));
    assert_eq!(metadata["configuration_endpoint"], "https://refit.example:7443/ssf/streams");
    assert_eq!(metadata["delivery_methods_supported"], json!([PUSH, POLL]));

    assert_eq!(shared.call("GET", "/ssf/streams", None).await, (200, json!([])));
    let stream = shared.stream(json!({ "method": POLL })).await;
    let (status, shown) = shared.call("GET", &format!("/ssf/streams?stream_id={stream}"), None).await;
    let address = format!("https://refit.example:7443/ssf/poll/{stream}");
    assert_eq!((status, &shown["delivery"]), (200, &json!({ "method": POLL, "endpoint_url": address })));
    assert_eq!((&shown["aud"], &shown["events_delivered"]), (&json!("https://acme.okta.com"), &json!([CHANGE])));
    assert_eq!(shared.call("GET", "/ssf/streams", None).await, (200, json!([shown])));
    // What has changed of nobody is told to nobody.
    let none = shared.poll(&stream, json!({ "returnImmediately": true })).await;
    assert_eq!(none, json!({ "sets": {}, "moreAvailable": false }));

    shared.falls_due().await;
    // What is not acknowledged comes again, with the same id and the same words.
    let first = shared.poll(&stream, json!({})).await;
    assert_eq!(shared.poll(&stream, json!({})).await, first);
    let set = first["sets"].as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned();
    let claims = shared.fetch(&stream).await;
    assert_eq!(claims, shared.claims(&set));
    let device = json!({ "format": "iss_sub", "iss": "https://refit.example:7443", "sub": "d1" });
    let user = json!({ "format": "email", "email": "ada@acme.example" });
    assert_eq!(claims["sub_id"], json!({ "format": "complex", "device": device, "user": user }));
    assert_eq!(
        (&claims["iss"], &claims["aud"]),
        (&json!("https://refit.example:7443"), &json!("https://acme.okta.com"))
    );
    assert!(claims.get("exp").is_none() && claims.get("sub").is_none(), "{claims}");
    let change = &claims["events"][CHANGE];
    assert_eq!((&change["previous_status"], &change["current_status"]), (&json!("compliant"), &json!("not-compliant")));
    assert_eq!(change["subject"], json!({ "device": device, "user": user }), "as Okta's document has it");
    assert_eq!(change["event_timestamp"], server.now().as_second());
    // As a library of another language reads it.
    let keys = server.send(Request::get("/.well-known/jwks.json").body(Body::empty()).unwrap()).await.ok();
    if let Some(read) = foreign::jwt(&set, &keys, "https://acme.okta.com") {
        assert_eq!((&read["header"]["typ"], &read["claims"]), (&json!("secevent+jwt"), &claims));
    }

    shared.reports("131.0").await;
    let change = shared.fetch(&stream).await["events"][CHANGE].clone();
    assert_eq!((&change["previous_status"], &change["current_status"]), (&json!("not-compliant"), &json!("compliant")));

    let verify = json!({ "stream_id": stream, "state": "VGhpcyBpcyBhbiBleGFtcGxl" });
    assert_eq!(shared.call("POST", "/ssf/verify", Some(verify.clone())).await.0, 204);
    let claims = shared.fetch(&stream).await;
    assert_eq!(claims["events"], json!({ VERIFICATION: { "state": "VGhpcyBpcyBhbiBleGFtcGxl" } }));
    assert_eq!(claims["sub_id"], json!({ "format": "opaque", "id": stream }));
    assert_eq!(shared.call("POST", "/ssf/verify", Some(verify)).await.0, 429);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_paused_left_alone_and_changed_by_whom_it_belongs_to() {
    let shared = Shared::new(Vec::new()).await;
    let stream = shared.stream(json!({ "method": POLL })).await;
    let other = shared.server().token("other", "nils", Bearer::Program, &[Scope::SharedSignals]).await;
    let path = format!("/ssf/streams?stream_id={stream}");
    for (method, path, body) in [
        ("GET", path.as_str(), None),
        ("DELETE", path.as_str(), None),
        ("PATCH", "/ssf/streams", Some(json!({ "stream_id": stream }))),
        ("POST", "/ssf/status", Some(json!({ "stream_id": stream, "status": "disabled" }))),
        ("POST", "/ssf/verify", Some(json!({ "stream_id": stream }))),
        ("POST", &format!("/ssf/poll/{stream}"), Some(json!({}))),
    ] {
        let answer = shared.server().call(&other, method, path, &[], body).await;
        answer.problem(404, "not-found");
    }
    // It tells of people: what is its owner's too, and may not read of them, does not see it.
    let plain = shared.server().token("plain", "ida", Bearer::Program, &[Scope::SharedSignals]).await;
    shared.server().call(&plain, "GET", &path, &[], None).await.problem(404, "not-found");
    // An administrator sees it, and receives nothing by that.
    let admin = shared.server().token("overseer", "nils", Bearer::Program, &[Scope::Admin]).await;
    shared.server().call(&admin, "GET", &path, &[], None).await.ok();
    let poll = format!("/ssf/poll/{stream}");
    shared.server().call(&admin, "POST", &poll, &[], Some(json!({}))).await.problem(403, "scope-missing");
    let reader = shared.server().token("reader", "ida", Bearer::Program, &[Scope::Read]).await;
    shared.server().call(&reader, "GET", "/ssf/streams", &[], None).await.problem(403, "scope-missing");
    // It is no subscription, and a subscription is no stream.
    let subscriptions = shared.server().get("/api/v1/subscriptions").await.ok();
    assert_eq!(subscriptions["items"], json!([]));
    shared.server().delete(&format!("/api/v1/subscriptions/{stream}")).await.problem(404, "not-found");

    let set = async |status: &str| {
        let body = json!({ "stream_id": stream, "status": status, "reason": "an audit" });
        let (code, said) = shared.call("POST", "/ssf/status", Some(body)).await;
        assert_eq!((code, &said["status"], &said["reason"]), (200, &json!(status), &json!("an audit")));
    };
    // What changes while it is paused is told when it is on again; and of what came and went nothing is.
    set("paused").await;
    shared.falls_due().await;
    let none = json!({ "sets": {}, "moreAvailable": false });
    assert_eq!(shared.poll(&stream, json!({})).await, none);
    set("enabled").await;
    assert_eq!(shared.fetch(&stream).await["events"][CHANGE]["current_status"], "not-compliant");
    // Of whom nothing is wanted nothing is told.
    let ada = json!({ "format": "email", "email": "ada@acme.example" });
    let of = |subject: &Value| Some(json!({ "stream_id": stream, "subject": subject }));
    assert_eq!(shared.call("POST", "/ssf/subjects/remove", of(&ada)).await.0, 204);
    shared.reports("131.0").await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(shared.poll(&stream, json!({ "returnImmediately": true })).await, none);
    let complex = json!({ "format": "complex", "user": ada });
    assert_eq!(shared.call("POST", "/ssf/subjects/add", of(&complex)).await.0, 200);
    shared.reports("130.0").await;
    shared.falls_due().await;
    assert_eq!(shared.fetch(&stream).await["events"][CHANGE]["current_status"], "not-compliant");

    set("disabled").await;
    shared.reports("131.0").await;
    assert_eq!(shared.call("POST", "/ssf/verify", Some(json!({ "stream_id": stream }))).await.0, 400);
    // What happened while it is off is passed over.
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    set("enabled").await;
    assert_eq!(shared.poll(&stream, json!({ "returnImmediately": true })).await, none);

    let device = json!({ "format": "opaque", "id": "d1" });
    assert_eq!(shared.call("POST", "/ssf/subjects/remove", of(&device)).await.0, 204);
    for unknown in
        [json!({ "format": "opaque", "id": "d9" }), json!({ "format": "email", "email": "eve@acme.example" })]
    {
        assert_eq!(shared.call("POST", "/ssf/subjects/remove", of(&unknown)).await.0, 404, "{unknown}");
    }
    assert_eq!(shared.call("POST", "/ssf/subjects/add", of(&json!({ "format": "phone_number" }))).await.0, 400);

    let none = json!({ "stream_id": stream, "events_requested": [], "description": "for later" });
    let (status, shown) = shared.call("PATCH", "/ssf/streams", Some(none)).await;
    assert_eq!((status, &shown["events_delivered"], &shown["description"]), (200, &json!([]), &json!("for later")));
    assert_eq!(shown["delivery"]["method"], POLL);
    let (status, shown) = shared.call("PUT", "/ssf/streams", Some(json!({ "stream_id": stream }))).await;
    assert_eq!((status, &shown["events_delivered"]), (200, &json!([CHANGE])));
    for wrong in [
        json!({ "stream_id": stream, "iss": "https://else.example" }),
        json!({ "stream_id": stream, "aud": "https://else.example" }),
        json!({ "stream_id": stream, "delivery": { "method": "pigeon" } }),
        json!({ "stream_id": stream, "delivery": { "method": PUSH, "endpoint_url": "http://else.example" } }),
        json!({ "stream_id": stream, "delivery": { "method": PUSH } }),
        json!({ "events_requested": [] }),
    ] {
        assert_eq!(shared.call("PATCH", "/ssf/streams", Some(wrong.clone())).await.0, 400, "{wrong}");
    }
    assert_eq!(shared.call("DELETE", &path, None).await.0, 204);
    assert_eq!(shared.call("GET", &path, None).await.0, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_pushed_in_vain_is_pushed_again_and_a_restart_forgets_nothing() {
    let (host, got) = receiver(&[503, 202]);
    let shared = Shared::new(vec![host.clone()]).await;
    let stream = shared.stream(json!({ "method": PUSH, "endpoint_url": format!("http://{host}/events") })).await;
    shared.falls_due().await;
    let first = next(&got);
    assert_eq!(first.headers["content-type"], "application/secevent+jwt");
    let claims = shared.claims(&String::from_utf8(first.body.clone()).unwrap());
    assert_eq!(claims["events"][CHANGE]["current_status"], "not-compliant");
    let status = async || shared.call("GET", &format!("/ssf/status?stream_id={stream}"), None).await.1;
    while status().await["failures"] == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    shared.server().shared_signals.keep().await;
    shared.running.abort();
    // Another server goes on with what lies in the folder.
    let server = shared.server();
    let place = (server.folder.path().join("shared-signals"), *server.shell.head().borrow());
    let outbound = Outbound::new(vec![host]);
    let again = SharedSignals::new(server.shell.clone(), server.agents.clone(), outbound, place, None);
    server.wait(SignedDuration::from_mins(5));
    let running = tokio::spawn(again.run());
    let second = next(&got);
    assert_eq!(second.body, first.body, "the same token");
    running.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_an_rsa_key_tokens_are_signed_as_the_interoperability_profile_asks() {
    let mut shared = Shared::new(Vec::new()).await;
    let folder = shared.server().folder.path().join("rsa");
    std::fs::create_dir(&folder).unwrap();
    assert!(RsaKey::open(&folder).unwrap().is_none());
    let file = folder.join("shared-signals.pem");
    std::fs::write(&file, "no key").unwrap();
    assert!(RsaKey::open(&folder).unwrap_err().to_string().contains("openssl genrsa"));
    let made = Command::new("openssl").args(["genrsa", "-out"]).arg(&file).arg("2048").output();
    if !made.is_ok_and(|made| made.status.success()) {
        refit_testbed::skip("openssl is missing: apt-get install openssl");
        return;
    }
    let server = &mut shared.asked.server;
    let place = (folder.clone(), *server.shell.head().borrow());
    let key = RsaKey::open(&folder).unwrap();
    let signals =
        SharedSignals::new(server.shell.clone(), server.agents.clone(), Outbound::new(Vec::new()), place, key);
    tokio::spawn(signals.clone().run());
    let options = Options { shared_signals: Some(signals), ..Options::default() };
    server.router = router(Api::new(server.shell.clone(), server.agents.clone(), options));
    let stream = shared.stream(json!({ "method": POLL })).await;
    shared.call("POST", "/ssf/verify", Some(json!({ "stream_id": stream }))).await;
    let polled = shared.poll(&stream, json!({})).await;
    let set = polled["sets"].as_object().unwrap().values().next().unwrap().as_str().unwrap();
    let (signed, tag) = set.rsplit_once('.').unwrap();
    let header: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(signed.split('.').next().unwrap()).unwrap()).unwrap();
    assert_eq!((&header["alg"], &header["typ"]), (&json!("RS256"), &json!("secevent+jwt")));
    let keys = shared.server().send(Request::get("/.well-known/jwks.json").body(Body::empty()).unwrap()).await.ok();
    let key = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == header["kid"]).unwrap();
    let number = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
    let public = rsa::PublicKeyComponents { n: number("n"), e: number("e") };
    let tag = URL_SAFE_NO_PAD.decode(tag).unwrap();
    public.verify(&signature::RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &tag).unwrap();
    foreign::jwt(set, &keys, "https://acme.okta.com");
}
