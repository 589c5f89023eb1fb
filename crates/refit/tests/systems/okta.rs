//! Okta as it answers on a bad day: pages by `Link` headers, a limit that is used up and one that was passed, a token that ends early, an error of its
//! own, an answer that is cut and one that is slow. Nobody is missing afterwards, and the second time only what has changed is asked for.

use super::{
    double,
    server::{Answer, Asked, Server, json as whole, pairs, status},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fs,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// How many people there are.
const PEOPLE: usize = 450;
/// How many requests a token is good for, whatever it says of itself.
const TOKEN_LASTS: u32 = 3;

#[derive(Default)]
struct Okta {
    tokens: u32,
    left: u32,
    /// What has gone wrong already: it does once.
    wrong: BTreeSet<&'static str>,
    /// Before this time nothing may be asked.
    closed: Option<jiff::Timestamp>,
    /// Requests that came before it.
    in_vain: u32,
}

fn user(number: usize, status: &str) -> Value {
    json!({
        "id": format!("00u{number:05}"), "status": status, "lastUpdated": "2026-11-01T08:00:00.000Z",
        "profile": { "login": format!("p{number}@acme.example"), "email": format!("p{number}@acme.example"),
            "firstName": "Person", "lastName": number.to_string(), "department": "Engineering" },
    })
}

fn device() -> Value {
    let owner = json!({ "user": { "id": "00u00001", "status": "ACTIVE",
        "profile": { "login": "p1@acme.example", "email": "p1@acme.example" } } });
    json!({
        "id": "guo1", "status": "ACTIVE", "resourceType": "UDDevice", "lastUpdated": jiff::Timestamp::now().to_string(),
        "profile": { "displayName": "mac-1", "platform": "MACOS", "serialNumber": "C02XK0001", "registered": true },
        "_embedded": { "users": [owner] },
    })
}

/// What Okta answers; `later` is whether it is asked for changes by now.
fn okta(asked: &Asked, okta: &Mutex<Okta>, later: bool) -> Answer {
    let mut okta = okta.lock().unwrap();
    if asked.path == "/oauth2/v1/token" {
        let form = pairs(&asked.body);
        assert_eq!(form["scope"], "okta.users.read okta.devices.read");
        assert_eq!(form["client_assertion"].split('.').count(), 3);
        (okta.tokens, okta.left) = (okta.tokens + 1, TOKEN_LASTS);
        let token = format!("t{}", okta.tokens);
        return whole(json!({ "token_type": "Bearer", "expires_in": 3600, "access_token": token }));
    }
    let now = jiff::Timestamp::now();
    if okta.closed.take().is_some_and(|until| now < until) {
        okta.in_vain += 1;
    }
    if asked.headers["authorization"] != format!("Bearer t{}", okta.tokens) || okta.left == 0 {
        return status(401, &[]);
    }
    okta.left -= 1;
    let search = asked.query.get("search").map(String::as_str);
    let changed = search.is_some_and(|search| search.starts_with("lastUpdated gt \"20"));
    assert_eq!(changed, later, "{asked:?}");
    if asked.path == "/api/v1/devices" {
        assert_eq!(asked.query["expand"], "user");
        return whole(if later { json!([]) } else { json!([device()]) });
    }
    assert_eq!((asked.path.as_str(), asked.query["limit"].as_str()), ("/api/v1/users", "200"));
    if later {
        return whole(json!([user(449, "DEPROVISIONED")]));
    }
    let from: usize = asked.query.get("after").map_or(0, |after| after.parse().unwrap());
    // The limit is told in whole seconds.
    let reset = now.as_second() + 2;
    let limit =
        |left: &str| vec![("x-rate-limit-remaining", left.to_owned()), ("x-rate-limit-reset", reset.to_string())];
    let users: Vec<Value> = (from..PEOPLE.min(from + 200)).map(|number| user(number, "ACTIVE")).collect();
    let body = Value::from(users).to_string();
    let mut left = "50";
    match from {
        0 if okta.wrong.insert("too many") => {
            okta.closed = Some(jiff::Timestamp::from_second(reset).unwrap());
            return Answer::Whole(429, limit("0"), json!({ "errorCode": "E0000047" }).to_string());
        }
        0 => {
            left = "0";
            okta.closed = Some(jiff::Timestamp::from_second(reset).unwrap());
        }
        200 if okta.wrong.insert("broken") => return status(500, &[]),
        200 if okta.wrong.insert("cut") => return Answer::Cut(body),
        // It is the last page, and has no link.
        400 if okta.wrong.insert("slow") => return Answer::Late(Duration::from_secs(2), body),
        _ => {}
    }
    let mut headers = limit(left);
    if from + 200 < PEOPLE {
        let here = format!("http://{}/api/v1/users", asked.headers["host"]);
        headers.push(("link", format!("<{here}?limit=200>; rel=\"self\"")));
        headers.push(("link", format!("<{here}?after={}&limit=200>; rel=\"next\"", from + 200)));
    }
    Answer::Whole(200, headers, body)
}

#[test]
fn nobody_is_missing_after_a_bad_day_and_then_only_what_changed_is_asked_for() {
    let later = Arc::new(AtomicBool::new(false));
    let state = Arc::new(Mutex::new(Okta::default()));
    let (by_then, of_server) = (Arc::clone(&later), Arc::clone(&state));
    let server = Server::start(move |asked| okta(asked, &of_server, by_then.load(Ordering::SeqCst)));
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    // The connector signs with RSA as Okta's own examples do; what signs is not what is looked at here.
    double(home, "okta", &[("    key: private_key\n", "    key: private_key\n    algorithm: ES256\n")]);
    let policy = "organization: acme\n---\nsource: okta\nconnector: okta-double\nsettings: { client_id: me }\n";
    fs::write(home.join("acme/refit.yaml"), policy).unwrap();
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap().serialize_pem();
    fs::write(home.join("key.pem"), key).unwrap();
    let refit = |arguments: &[&str]| -> Value {
        let mut command = Command::new(env!("CARGO_BIN_EXE_refit"));
        command.arg("--json").args(arguments).current_dir(home).env("REFIT_DATA", home.join("data"));
        let output = command.env("NO_PROXY", "*").output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}{}", String::from_utf8_lossy(&output.stderr)))
    };
    let sync = || {
        let connect = format!("okta={}", server.url);
        let secret = "okta.private_key=key.pem";
        let said = refit(&["sources", "sync", "acme", "--connect", &connect, "--secret", secret]);
        let it = &said[0];
        assert_eq!(it["result"], "read", "{said}");
        (it["records"].as_u64().unwrap(), it["whole"].as_bool().unwrap())
    };
    assert_eq!(sync(), (PEOPLE as u64 + 1, true));
    {
        let state = state.lock().unwrap();
        assert_eq!(state.wrong, BTreeSet::from(["broken", "cut", "slow", "too many"]));
        assert_eq!(state.in_vain, 0, "nothing is asked before the limit is over");
        assert!(state.tokens > 1, "a token that ends early is renewed");
    }
    let device = refit(&["device", "C02XK0001", "--policy", "acme"]);
    assert_eq!(device["person"]["name"], "p1@acme.example", "{device}");
    assert_eq!(refit(&["person", "p449@acme.example"])["id"].as_str().unwrap().len(), 18);

    later.store(true, Ordering::SeqCst);
    assert_eq!(sync(), (1, false));
    let gone = refit(&["person", "p449@acme.example"]);
    assert!(gone["error"].as_str().is_some_and(|error| error.contains("no source has a person")), "{gone}");
    assert_eq!(refit(&["person", "p448@acme.example"])["id"].as_str().unwrap().len(), 18);
}
