//! Who may ask for what: every operation of the OpenAPI document, with every role, every single scope, no token and one that is over; asked of the real
//! router. What comes out is `docs/reference/authorization.md`, for people; `UPDATE_AUTHORIZATION=1` writes it.

use crate::server::{Answer, Server};
use jiff::SignedDuration;
use refit_core::control::{Bearer, Role, Scope};
use refit_server::api::{access, openapi};
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fmt::Write as _,
    fs,
    path::Path,
};

/// An operation of the document.
struct Operation {
    method: String,
    path: String,
    /// The scopes that it needs; `None` where it needs no token.
    needs: Option<Vec<Scope>>,
    /// What is asked of it.
    uri: String,
    body: Option<Value>,
}

fn operations(document: &Value) -> Vec<Operation> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let at = format!("{method} {path}");
            let security = operation["security"].as_array().unwrap_or_else(|| {
                panic!("nobody has said which scope `{at}` needs: add it to crates/refit-server/src/api/access.rs")
            });
            let needs = match security.as_slice() {
                [none] if *none == json!({}) => None,
                [one] => {
                    let names = one["token"].as_array().unwrap().iter();
                    let read =
                        |name: &Value| serde_json::from_value(name.clone()).unwrap_or_else(|_| panic!("{at}: {name}"));
                    Some(names.map(read).collect())
                }
                _ => panic!("{at}: {security:?}"),
            };
            let uri = uri(path, operation);
            let body = operation
                .pointer("/requestBody/content/application~1json/schema")
                .map(|schema| example(document, schema));
            let body = if path == "/api/v1/posture" { Some(json!({ "device": "d1" })) } else { body };
            operations.push(Operation { method: method.to_uppercase(), path: path.clone(), needs, uri, body });
        }
    }
    // What gives up the token that asks comes last.
    operations.sort_by_key(|operation| operation.method == "DELETE" && operation.path == "/api/v1/session");
    operations
}

/// The path with something in place of its parameters, and the parameters that a query has to have.
fn uri(path: &str, operation: &Value) -> String {
    let mut uri = path.to_owned();
    let mut query = Vec::new();
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap();
        let value = parameter["example"].as_str().unwrap_or("x");
        match parameter["in"].as_str().unwrap() {
            "path" => uri = uri.replace(&format!("{{{name}}}"), value),
            "query" if parameter["required"] == true => query.push(format!("{name}={value}")),
            _ => {}
        }
    }
    if query.is_empty() { uri } else { format!("{uri}?{}", query.join("&")) }
}

/// The least that is of a schema.
fn example(document: &Value, schema: &Value) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        return example(document, document.pointer(reference.trim_start_matches('#')).unwrap());
    }
    if let Some(only) = schema.get("const") {
        return only.clone();
    }
    if let Some(first) = schema["enum"].get(0) {
        return first.clone();
    }
    for choice in ["oneOf", "anyOf"] {
        if let Some(first) = schema[choice].get(0) {
            return example(document, first);
        }
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str());
    match kind {
        Some("object") => {
            let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let made = required.map(|name| {
                // What has to be there to be looked at.
                let value = match name {
                    "title" => json!("firefox"),
                    "version" => json!("131.0"),
                    "url" => json!("https://hooks.example/refit"),
                    "scopes" => json!(["admin"]),
                    "files" => json!({ "refit.yaml": crate::server::POLICY }),
                    _ => example(document, &schema["properties"][name]),
                };
                (name.to_owned(), value)
            });
            Value::Object(made.collect::<Map<_, _>>())
        }
        Some("array") => {
            let least = schema["minItems"].as_u64().unwrap_or(0);
            (0..least).map(|_| example(document, &schema["items"])).collect()
        }
        Some("string") if schema["format"] == "date-time" => json!("2026-11-28T20:00:00Z"),
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or(json!(1)),
        Some("boolean") => json!(true),
        _ => json!("x"),
    }
}

/// What comes of a request, as far as it matters who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Whoever asks has no token that counts.
    Unknown,
    /// Their token does not permit it.
    Refused,
    /// It was looked at; whatever came of that.
    Heard,
}

async fn ask(server: &Server, secret: Option<&str>, operation: &Operation) -> (Outcome, Answer) {
    let answer = match secret {
        Some(secret) => server.call(secret, &operation.method, &operation.uri, &[], operation.body.clone()).await,
        None => {
            let mut request = axum::http::Request::builder().method(operation.method.as_str()).uri(&operation.uri);
            if operation.body.is_some() {
                request = request.header("content-type", "application/json");
            }
            let body = operation.body.as_ref().map_or_else(axum::body::Body::empty, |body| body.to_string().into());
            server.send(request.body(body).unwrap()).await
        }
    };
    let kind = answer.body["type"].as_str().unwrap_or_default();
    let outcome = match (answer.status.as_u16(), kind) {
        (401, _) => Outcome::Unknown,
        (403, "/problems/scope-missing") => Outcome::Refused,
        // Two locks that disagree: the one before the handler lets in what the handler refuses.
        (403, "/problems/forbidden") if answer.body["detail"].as_str().unwrap().contains("nobody has said") => {
            Outcome::Refused
        }
        (500.., _) if answer.status != 503 => panic!("{} {}: {}", operation.method, operation.uri, answer.body),
        _ => Outcome::Heard,
    };
    (outcome, answer)
}

#[test]
fn every_operation_states_its_scope_and_none_is_stated_of_what_there_is_not() {
    let document = openapi();
    let stated: BTreeSet<(String, String)> =
        access::RULES.iter().map(|(method, path, _)| (method.to_uppercase(), (*path).to_owned())).collect();
    assert_eq!(stated.len(), access::RULES.len(), "an operation is in the table twice");
    let guarded: BTreeSet<(String, String)> = (operations(&document).into_iter())
        .filter(|operation| operation.needs.is_some())
        .map(|operation| (operation.method, operation.path))
        .collect();
    assert_eq!(stated, guarded);
    let mut sorted = access::RULES.to_vec();
    sorted.sort_by_key(|(_, path, _)| *path);
    assert!(
        sorted.iter().map(|(_, path, _)| path).eq(access::RULES.iter().map(|(_, path, _)| path)),
        "by path, please"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_is_for_whom_the_matrix_says() {
    let server = Server::subscribing(refit_server::api::Options::default()).await;
    let expired = server.token("expired", "olga", Bearer::Person, &Scope::ALL).await;
    server.wait(SignedDuration::from_hours(25));
    let admin = server.token("admin-2", "olga", Bearer::Person, &Scope::ALL).await;
    let mut server = server;
    server.admin = admin;
    let plan = server.fleet().await;
    server.post(&format!("/api/v1/plans/{plan}/apply"), Value::Null).await.ok();
    server.put("/api/v1/people/p1", json!({ "source": "hr", "values": { "department": "IT" } })).await.ok();

    let mut bearers: Vec<(String, BTreeSet<Scope>, String)> = Vec::new();
    for role in Role::ALL {
        let scopes: Vec<Scope> = role.scopes().into_iter().collect();
        let secret = server.token(&format!("as-{}", role.name()), role.name(), Bearer::Person, &scopes).await;
        bearers.push((format!("role {}", role.name()), role.scopes(), secret));
    }
    for scope in Scope::ALL {
        let secret = server.token(&format!("only-{}", scope.name()), "otto", Bearer::Person, &[scope]).await;
        bearers.push((format!("scope {}", scope.name()), [scope].into(), secret));
    }

    let document = openapi();
    let operations = operations(&document);
    let mut matrix: BTreeMap<(String, String), Vec<bool>> = BTreeMap::new();
    let (mut wrong, mut not_read) = (Vec::new(), Vec::new());
    for operation in &operations {
        let at = format!("{} {}", operation.method, operation.path);
        for (who, secret) in [("nobody", None), ("who is over", Some(expired.as_str()))] {
            let wanted = if operation.needs.is_some() { Outcome::Unknown } else { Outcome::Heard };
            let (outcome, _) = ask(&server, secret, operation).await;
            if outcome != wanted {
                wrong.push(format!("{at} by {who}: {outcome:?}"));
            }
        }
        let Some(needs) = &operation.needs else { continue };
        let cells = matrix.entry((operation.path.clone(), operation.method.clone())).or_default();
        for (who, scopes, secret) in &bearers {
            let wanted = if needs.iter().all(|scope| scope.is_in(scopes)) { Outcome::Heard } else { Outcome::Refused };
            let (outcome, answer) = ask(&server, Some(secret), operation).await;
            if outcome != wanted {
                wrong.push(format!("{at} by {who}: {outcome:?}, and not {wanted:?}: {}", answer.body));
            }
            if who.starts_with("role") {
                cells.push(outcome == Outcome::Heard);
            }
            if who == "role administrator" && [400, 415, 422].contains(&answer.status.as_u16()) {
                not_read.push(format!("{at}: {}", answer.body["detail"]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Where a made-up body is not even read, the handler's own lock is not tried: those are few.
    let with_body = operations.iter().filter(|operation| operation.body.is_some()).count();
    assert!(not_read.len() * 3 <= with_body, "{} of {with_body}:\n{}", not_read.len(), not_read.join("\n"));

    let text = written(&operations, &matrix);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/authorization.md");
    if env::var_os("UPDATE_AUTHORIZATION").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == text,
        "run with UPDATE_AUTHORIZATION=1, and read what changed in docs/reference/authorization.md"
    );
}

fn written(operations: &[Operation], matrix: &BTreeMap<(String, String), Vec<bool>>) -> String {
    let mut text = "# Who may ask for what\n\n\
        What a token may do is the sum of its scopes. A person who [signs in](../guides/server.md#sign-in) has the scopes of their roles; a program has those that it\n\
        was given. This page is written by a test that asks every operation of the [API](api.md) as everybody\n\
        (`crates/refit-server/tests/api/authorization.rs`).\n\n"
        .to_owned();
    text += "## Roles\n\n| role | | scopes |\n| --- | --- | --- |\n";
    for role in Role::ALL {
        let all = role.scopes().len() == Scope::ALL.len();
        let names: Vec<String> = role.scopes().iter().map(|scope| format!("`{}`", scope.name())).collect();
        let scopes = if all { "all".to_owned() } else { names.join(", ") };
        let _ = writeln!(text, "| `{}` | {} | {scopes} |", role.name(), role.about());
    }
    text += "\nWhoever has several roles may do what any of them permits.\n\n## What roles see\n\n\
        | role | exposures | personal values | sensitive values | who has read them |\n| --- | --- | --- | --- | --- |\n";
    let yes = |is: bool| if is { "yes" } else { "" };
    for role in Role::ALL {
        let may = |scope: Scope| yes(scope.is_in(&role.scopes()));
        let (exposures, people) = (may(Scope::ReadExposures), may(Scope::ReadPeople));
        let (sensitive, audit) = (may(Scope::ReadSensitive), may(Scope::Audit));
        let _ = writeln!(text, "| `{}` | {exposures} | {people} | {sensitive} | {audit} |", role.name());
    }
    text += "\nWhat somebody may not see is left out of answers, and the answer says so: `redacted` of a fact, of a decision, of an event. Sensitive are values that\n\
        are kept for a [purpose](policy.md), and who is on leave. `posture` says of a device what is overdue and which advisory obliges it, to whoever has that scope.\n\
        Whoever may make plans can learn from them how many devices a condition selects, whatever it asks.\n\n";
    text += "## Scopes made of others\n\n| scope | is |\n| --- | --- |\n| `read` | `read_fleet` and `read_exposures`, and the log |\n\
        | `read_personal` | `read_people` and `read_sensitive` |\n| `admin` | among others `audit` |\n\n";
    text += "## Operations\n\nEach needs all the scopes that are named.\n\n| operation | needs |";
    for role in Role::ALL {
        let _ = write!(text, " {} |", role.name().replace('_', " "));
    }
    text += "\n| --- | --- |";
    text += &" --- |".repeat(Role::ALL.len());
    text.push('\n');
    for ((path, method), cells) in matrix {
        let of = |operation: &&Operation| operation.path == *path && operation.method == *method;
        let needs = operations.iter().find(of).unwrap().needs.as_ref().unwrap();
        let names: Vec<String> = needs.iter().map(|scope| format!("`{}`", scope.name())).collect();
        let needs = if names.is_empty() { "any token".to_owned() } else { names.join(", ") };
        let _ = write!(text, "| `{method} {path}` | {needs} |");
        for cell in cells {
            let _ = write!(text, " {} |", yes(*cell));
        }
        text.push('\n');
    }
    text += "\nNo token is needed for:\n\n";
    let mut open: Vec<&Operation> = operations.iter().filter(|operation| operation.needs.is_none()).collect();
    open.sort_by(|a, b| (&a.path, &a.method).cmp(&(&b.path, &b.method)));
    for operation in open {
        let _ = writeln!(text, "- `{} {}`", operation.method, operation.path);
    }
    text + "\nProtocols of others have doors of their own, with one scope each: `/fleetlock` (`fleet_lock`), `/apple/ddm` (`declarative_management`), `/scim` (`read_personal`, and\n\
        `facts` to write), `/okta` (`hooks`, `posture`), `/ssf` (`shared_signals`).\n"
}

/// What nobody sees but who may: a made-up advisory and a made-up department are looked for in every answer to every role.
#[tokio::test(flavor = "multi_thread")]
async fn no_answer_shows_what_its_reader_may_not_see() {
    const ADVISORY: &str = "CVE-2026-31337";
    const DEPARTMENT: &str = "Zoology";
    let server = Server::subscribing(refit_server::api::Options::default()).await;
    let plan = server.fleet().await;
    let advisory = json!({
        "id": ADVISORY, "title": "firefox", "affected": ["<131.0"], "known_at": "2026-11-01T00:00:00Z", "cvss": 9.8, "kev": true,
    });
    let published =
        server.post("/api/v1/advisories", json!({ "source": "mozilla", "advisories": [advisory.clone()] })).await;
    if !published.status.is_success() {
        let mut plain = advisory;
        plain.as_object_mut().unwrap().remove("kev");
        server.post("/api/v1/advisories", json!({ "source": "mozilla", "advisories": [plain] })).await.ok();
    }
    server.post(&format!("/api/v1/plans/{plan}/apply"), Value::Null).await.ok();
    let values = json!({ "department": DEPARTMENT, "on_leave": true });
    server.put("/api/v1/people/p1", json!({ "source": "hr", "values": values })).await.ok();
    server.put("/api/v1/devices/d1/assignment", json!({ "person": "p1" })).await.ok();
    // What is decided is said in the stream and in the exposures.
    server.shell.evaluate().unwrap();
    server.shell.settled().await;

    let document = openapi();
    let mut seen: BTreeMap<(Role, &str), usize> = BTreeMap::new();
    for role in Role::ALL {
        let scopes: Vec<Scope> = role.scopes().into_iter().collect();
        let secret = server.token(&format!("as-{}", role.name()), role.name(), Bearer::Person, &scopes).await;
        for operation in operations(&document) {
            let is_read = operation.method == "GET" || operation.path.ends_with("/preview");
            if !is_read || operation.needs.is_none() {
                continue;
            }
            let uri = match operation.path.as_str() {
                "/api/v1/plans/{id}" => format!("/api/v1/plans/{plan}"),
                "/api/v1/devices/{id}/explanation" => "/api/v1/devices/d1/explanation?title=firefox".to_owned(),
                "/api/v1/rollouts/timeline" => "/api/v1/rollouts/timeline?title=firefox".to_owned(),
                "/api/v1/stream" => "/api/v1/stream?after=0&limit=1000".to_owned(),
                "/api/v1/devices" => "/api/v1/devices?facts=true".to_owned(),
                _ => operation.uri.clone(),
            };
            let body = operation
                .path
                .ends_with("/preview")
                .then(|| json!({ "files": { "refit.yaml": crate::server::POLICY } }));
            let answer = server.call(&secret, &operation.method, &uri, &[], body).await;
            let text = answer.body.to_string();
            let at = format!("{role:?} by {} {uri}", operation.method);
            // Whoever may ask for the posture is told what obliges.
            let is_posture = operation.needs.as_ref().unwrap().contains(&Scope::Posture);
            for (marker, scope) in [(ADVISORY, Scope::ReadExposures), (DEPARTMENT, Scope::ReadPeople)] {
                // How many devices of each department a plan moves is of nobody in particular.
                let is_count = marker == DEPARTMENT && operation.path.starts_with("/api/v1/plans");
                if is_count || !text.contains(marker) {
                    continue;
                }
                assert!(scope.is_in(&role.scopes()) || is_posture, "{at} shows {marker}: {text}");
                *seen.entry((role, marker)).or_default() += 1;
            }
            if operation.path == "/api/v1/people/{id}" {
                let fact = |field: &str| {
                    let facts = answer.body["facts"].as_array().unwrap().iter();
                    let fact = facts.clone().find(|fact| fact["field"] == field).unwrap();
                    (fact.get("value").is_some(), fact["redacted"] == true)
                };
                let people = Scope::ReadPeople.is_in(&role.scopes());
                let sensitive = Scope::ReadSensitive.is_in(&role.scopes());
                assert_eq!(fact("department"), (people, !people), "{at}: {text}");
                assert_eq!(fact("on_leave"), (sensitive, !sensitive), "{at}: {text}");
            }
            if operation.path == "/api/v1/devices/{id}/decisions" {
                let slot = &answer.body["slots"][0];
                let exposures = Scope::ReadExposures.is_in(&role.scopes());
                assert_eq!(slot["exposures"].as_array().unwrap().is_empty(), !exposures, "{at}: {text}");
                assert_eq!(slot.get("redacted").is_some(), !exposures, "{at}: {text}");
            }
        }
    }
    // That it is looked for in the right places shows where it is found.
    let found = |role: Role, marker: &str| seen.get(&(role, marker)).copied().unwrap_or(0);
    assert!(found(Role::Security, ADVISORY) >= 6, "{seen:?}");
    assert!(found(Role::Security, DEPARTMENT) >= 2, "{seen:?}");
    assert!(found(Role::PeopleOperations, DEPARTMENT) >= 2, "{seen:?}");
    assert_eq!(found(Role::PeopleOperations, ADVISORY), 0, "{seen:?}");

    // What is left out of events is asked for by no filter.
    let finance = server.token("fin", "fin", Bearer::Person, &[Scope::ReadFleet]).await;
    let stream = async |secret: &str, filter: &str| {
        let uri = format!("/api/v1/stream?after=0&limit=1000&filter={filter}");
        server.call(secret, "GET", &uri, &[], None).await.ok()["items"].as_array().unwrap().clone()
    };
    let asked = "%22CVE-2026-31337%22%20in%20event.obligations";
    assert!(!stream(&server.admin, asked).await.is_empty());
    assert!(stream(&finance, asked).await.is_empty());
    let standing = stream(&finance, "event.type%20in%20%5B%22device.due%22,%22device.overdue%22%5D").await;
    assert!(!standing.is_empty());
    for event in standing {
        assert_eq!(event["redacted"], "kev,obligations", "{event}");
        assert!(event["data"].get("obligations").is_none() && event["data"]["title"] == "firefox", "{event}");
    }
}

#[tokio::test]
async fn a_token_has_a_limit_of_its_own() {
    let server = Server::new().await;
    let wanted = json!({
        "name": "slow", "bearer": "program", "scopes": ["read_fleet"], "expires": "2026-11-26T08:00:00Z", "requests_per_minute": 12,
    });
    let made = server.post("/api/v1/tokens", wanted.clone()).await.ok();
    assert_eq!(made["requests_per_minute"], 12);
    let secret = made["secret"].as_str().unwrap();
    let read = async || server.call(secret, "GET", "/api/v1/devices", &[], None).await;
    read().await.ok();
    read().await.ok();
    let refused = read().await;
    assert!(["4", "5"].contains(&refused.header("retry-after")), "{}", refused.header("retry-after"));
    refused.problem(429, "rate-limited");
    server.get("/api/v1/devices").await.ok();
    let mut none = wanted;
    none["requests_per_minute"] = json!(0);
    server.post("/api/v1/tokens", none).await.problem(422, "invalid");
}

#[tokio::test]
async fn parts_of_a_scope_are_handed_on_by_who_has_the_whole() {
    let server = Server::new().await;
    let admin = server.token("half", "hal", Bearer::Program, &[Scope::Admin, Scope::Read]).await;
    let wanted = |scopes: Value| json!({ "name": "n", "bearer": "program", "scopes": scopes, "expires": "2026-11-26T08:00:00Z" });
    let make = async |scopes: Value| server.call(&admin, "POST", "/api/v1/tokens", &[], Some(wanted(scopes))).await;
    make(json!(["read_fleet", "read_exposures", "audit"])).await.ok();
    make(json!(["read_people"])).await.problem(403, "scope-missing");
}
