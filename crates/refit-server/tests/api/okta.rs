//! Okta's hooks, with requests as Okta documents them.

use crate::{
    foreign,
    posture::Asked,
    server::{Answer, Server},
};
use axum::{body::Body, http::Request};
use jiff::SignedDuration;
use refit_core::{
    control::{Bearer, Scope},
    facts::{identity::RecordId, mapping::document::Subject},
};
use refit_server::api::Options;
use serde_json::{Value, json};
use std::{fs, path::Path};

const EVENTS: &str = "/okta/okta/events";

/// The id under which a person is known whom Okta told first.
fn own_id(account: &str) -> String {
    RecordId { of: Subject::Person, source: "okta".into(), id: account.into() }.mint(0).to_string()
}

fn sample(name: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api/okta_samples");
    serde_json::from_str(&fs::read_to_string(folder.join(format!("{name}.json"))).unwrap()).unwrap()
}

/// An event as Okta's system log has it.
fn event(uuid: &str, kind: &str, minute: &str, account: &str, login: &str) -> Value {
    json!({
        "uuid": uuid, "published": format!("2026-11-25T07:{minute}:00.123Z"), "eventType": kind, "version": "0",
        "severity": "INFO", "displayMessage": "something happened", "legacyEventType": null,
        "actor": { "id": "00uadmin", "type": "User", "alternateId": "admin@acme.example", "displayName": "Admin" },
        "outcome": { "result": "SUCCESS", "reason": null },
        "target": [
            { "id": account, "type": "User", "alternateId": login, "displayName": "Somebody", "detailEntry": null },
            { "id": "0oa1", "type": "AppInstance", "alternateId": "unknown", "displayName": "An app" },
        ],
        "debugContext": { "debugData": { "requestUri": "/api/v1/users" } },
    })
}

fn delivery(events: Vec<Value>) -> Value {
    json!({
        "eventType": "com.okta.event_hook", "eventTypeVersion": "1.0", "cloudEventsVersion": "0.1",
        "source": "https://acme.okta.com/api/v1/eventHooks/who1", "eventId": "e1", "data": { "events": events },
        "eventTime": "2026-11-25T07:59:00Z", "contentType": "application/json",
    })
}

async fn deliver(server: &Server, events: Vec<Value>) {
    let answer = server.post(EVENTS, delivery(events)).await;
    assert_eq!(answer.status.as_u16(), 204, "{}", answer.body);
}

/// What Okta says of a person, as `field = value`; without what is kept of the last event.
async fn said(server: &Server, person: &str) -> Vec<String> {
    let person = server.get(&format!("/api/v1/people/{person}")).await.ok();
    let facts = person["facts"].as_array().unwrap().iter();
    let of_okta = facts.filter(|fact| fact["source"] == "okta" && fact["field"] != "account");
    let mut said: Vec<String> =
        of_okta.map(|fact| format!("{} = {}", fact["field"].as_str().unwrap(), fact["value"])).collect();
    said.sort();
    said
}

#[tokio::test]
async fn okta_verifies_the_address_and_only_a_token_for_it_tells_anything() {
    let server = Server::new().await;
    let ask = |challenge: &str| {
        Request::get(EVENTS).header("x-okta-verification-challenge", challenge).body(Body::empty()).unwrap()
    };
    let answer = server.send(ask("My verification challenge")).await;
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.ok(), json!({ "verification": "My verification challenge" }));
    server.send(Request::get(EVENTS).body(Body::empty()).unwrap()).await.problem(422, "invalid");

    let create = event("u1", "user.lifecycle.create", "00", "00u1", "ada@acme.example");
    for scopes in [&[Scope::Posture][..], &[Scope::Facts, Scope::Read]] {
        let token = server.token("other", "ida", Bearer::Program, scopes).await;
        let refused = server.call(&token, "POST", EVENTS, &[], Some(delivery(vec![create.clone()]))).await;
        refused.problem(403, "scope-missing");
        server.delete("/api/v1/tokens/other").await.ok();
    }
    let token = server.token("okta", "ida", Bearer::Program, &[Scope::Hooks]).await;
    let taken = server.call(&token, "POST", EVENTS, &[], Some(delivery(vec![create]))).await;
    assert_eq!(taken.status.as_u16(), 204, "{}", taken.body);
    assert_eq!(said(&server, &own_id("00u1")).await, ["email = \"ada@acme.example\"", "employment = \"starting\""]);
    // It permits nothing else.
    let body = json!({ "source": "okta", "values": { "department": "IT" } });
    server.call(&token, "PUT", "/api/v1/people/p1", &[], Some(body)).await.problem(403, "scope-missing");
    server.post("/okta/Okta!/events", delivery(Vec::new())).await.problem(404, "not-found");
    server.post(EVENTS, json!({ "data": {} })).await.problem(400, "malformed");
    server.post(EVENTS, delivery(vec![json!({}); 1_001])).await.problem(422, "invalid");
}

#[tokio::test]
async fn events_that_come_late_or_again_change_nothing() {
    let server = Server::new().await;
    let ada = own_id("00u1");
    let of_ada = |uuid: &str, what: &str, minute: &str| {
        event(uuid, &format!("user.lifecycle.{what}"), minute, "00u1", "ada@acme.example")
    };
    let email = "email = \"ada@acme.example\"";
    // In one delivery too the order is that of their times.
    deliver(&server, vec![of_ada("u2", "activate", "10"), of_ada("u1", "create", "00")]).await;
    assert_eq!(said(&server, &ada).await, [email, "employment = \"active\""]);
    deliver(&server, vec![of_ada("u4", "deactivate", "30")]).await;
    assert_eq!(said(&server, &ada).await, [email, "employment = \"left\""]);
    let head = server.shell.view().state.seq;
    for late in [of_ada("u3", "suspend", "20"), of_ada("u4", "deactivate", "30"), of_ada("u1", "create", "00")] {
        deliver(&server, vec![late]).await;
        assert_eq!((said(&server, &ada).await.len(), server.shell.view().state.seq), (2, head));
    }
    deliver(&server, vec![of_ada("u6", "unsuspend", "40")]).await;
    // This says what is so already. What comes late is older than it all the same.
    deliver(&server, vec![of_ada("u8", "unsuspend", "50")]).await;
    deliver(&server, vec![of_ada("u7", "suspend", "45")]).await;
    assert_eq!(said(&server, &ada).await, [email, "employment = \"active\""]);
    deliver(&server, vec![of_ada("u9", "suspend", "52")]).await;
    assert_eq!(said(&server, &ada).await, [email], "who is suspended may be away, or not");
    deliver(&server, vec![of_ada("u10", "delete.initiated", "55")]).await;
    assert_eq!(said(&server, &ada).await, [""; 0]);
    // A clock that is ahead keeps nothing from being known that comes later.
    let mut ahead = of_ada("u11", "activate", "56");
    ahead["published"] = json!("2027-01-01T00:00:00Z");
    deliver(&server, vec![ahead]).await;
    server.wait(SignedDuration::from_hours(1));
    let mut later = of_ada("u12", "deactivate", "00");
    later["published"] = json!("2026-11-25T08:30:00Z");
    deliver(&server, vec![later]).await;
    assert!(said(&server, &ada).await.contains(&"employment = \"left\"".to_owned()));
}

#[tokio::test]
async fn an_event_is_of_whom_the_account_is() {
    let server = Server::new().await;
    let hr = json!({ "source": "hr", "values": { "email": "ada@acme.example", "department": "IT" } });
    server.put("/api/v1/people/p1", hr).await.ok();
    let ada = |uuid: &str, what: &str, minute: &str| {
        event(uuid, &format!("user.lifecycle.{what}"), minute, "00u1", "Ada@ACME.example")
    };
    deliver(&server, vec![ada("u1", "activate", "00")]).await;
    assert_eq!(said(&server, "p1").await, ["email = \"Ada@ACME.example\"", "employment = \"active\""]);
    server.get(&format!("/api/v1/people/{}", own_id("00u1"))).await.problem(404, "not-found");
    deliver(&server, vec![ada("u2", "deactivate", "10")]).await;
    assert!(said(&server, "p1").await.contains(&"employment = \"left\"".to_owned()));
    // Of whom nobody knows nothing is said by what ends, and somebody is there by what begins.
    let bob = |what: &str| event("u3", &format!("user.lifecycle.{what}"), "20", "00u2", "bob");
    deliver(&server, vec![bob("deactivate"), bob("suspend"), bob("delete.initiated")]).await;
    let path = format!("/api/v1/people/{}", own_id("00u2"));
    server.get(&path).await.problem(404, "not-found");
    let mut failed = bob("create");
    failed["outcome"]["result"] = json!("FAILURE");
    deliver(&server, vec![failed]).await;
    server.get(&path).await.problem(404, "not-found");
    // What can't be read and what is no event of an account keep nothing else from being known.
    let other = event("u4", "user.session.start", "21", "00u2", "bob");
    deliver(&server, vec![json!({ "uuid": 1 }), json!(null), other, bob("create")]).await;
    assert_eq!(said(&server, &own_id("00u2")).await, ["employment = \"starting\""], "a name is no address");
    deliver(&server, vec![event("u5", "user.account.update_profile", "22", "00u2", "bob")]).await;
    assert_eq!(said(&server, &own_id("00u2")).await, ["employment = \"starting\""]);
}

#[tokio::test]
async fn beside_scim_the_hook_says_who_has_left() {
    let server = Server::new().await;
    let user = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "ada@acme.example", "active": true,
    });
    let id = server.post("/scim/okta/v2/Users", user).await.ok()["id"].as_str().unwrap().to_owned();
    let off = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{ "op": "replace", "value": { "active": false } }],
    });
    server.call(&server.admin, "PATCH", &format!("/scim/okta/v2/Users/{id}"), &[], Some(off)).await.ok();
    let event = event("u1", "user.lifecycle.deactivate", "59", "00u1", "ada@acme.example");
    let taken = server.post("/okta/okta-events/events", delivery(vec![event])).await;
    assert_eq!(taken.status.as_u16(), 204);
    // Whose account is off is found by its name all the same, and SCIM takes nothing of it back.
    let employment = server.get(&format!("/api/v1/people/{id}")).await.ok()["facts"].clone();
    let employment: Vec<&Value> =
        employment.as_array().unwrap().iter().filter(|fact| fact["field"] == "employment").collect();
    assert_eq!(employment.len(), 1, "{employment:?}");
    assert_eq!((&employment[0]["source"], &employment[0]["value"]), (&json!("okta-events"), &json!("left")));
}

/// A request of an inline hook, and what it is answered with 200, which is held against Okta's own document.
async fn asks(server: &Server, secret: &str, hook: &str, body: Value) -> Value {
    let answer = server.call(secret, "POST", &format!("/okta/okta/{hook}"), &[], Some(body)).await;
    let said = checked(answer, 200);
    foreign::check_okta(hook, &said);
    said
}

fn checked(answer: Answer, status: u16) -> Value {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.body);
    answer.body
}

/// The example of a request, of whoever signs in with `login`.
fn of(hook: &str, login: &str) -> Value {
    let mut body = sample(hook);
    body["data"]["context"]["user"]["profile"]["login"] = json!(login);
    body
}

#[tokio::test]
async fn posture_goes_into_tokens_and_assertions_or_refuses_them() {
    let asked = Asked::new(Options::default()).await;
    asked.evaluate().await;
    asked.ada().await;
    let (server, okta) = (&asked.server, asked.okta.as_str());
    let said = asks(server, okta, "token", of("token", "ada@acme.example")).await;
    let commands = said["commands"].as_array().unwrap();
    let kinds: Vec<&str> = commands.iter().map(|command| command["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["com.okta.identity.patch", "com.okta.access.patch"]);
    assert_eq!(commands[0]["value"], commands[1]["value"]);
    assert_eq!(commands[0]["value"][0], json!({ "op": "add", "path": "/claims/refit_access", "value": "allow" }));
    assert_eq!(commands[0]["value"][1]["value"], "compliant");
    assert!(commands[0]["value"][2]["value"].as_i64().unwrap() > server.now().as_second());
    // Only what is asked for.
    let mut access = of("token", "ada@acme.example");
    access["data"].as_object_mut().unwrap().remove("identity");
    let said = asks(server, okta, "token", access).await;
    assert_eq!(said["commands"].as_array().unwrap().len(), 1);
    assert_eq!(said["commands"][0]["type"], "com.okta.access.patch");
    let saml = asks(server, okta, "saml", of("saml", "ada@acme.example")).await;
    let added = &saml["commands"][0]["value"][0];
    assert_eq!(
        (&saml["commands"][0]["type"], &added["path"]),
        (&json!("com.okta.assertion.patch"), &json!("/claims/refit_access"))
    );
    assert_eq!(added["value"]["attributeValues"][0]["value"], "allow");

    asked.server.wait(SignedDuration::from_hours(2));
    asked.server.shell.settled().await;
    for hook in ["token", "saml"] {
        let said = asks(server, okta, hook, of(hook, "ada@acme.example")).await;
        let summary = said["error"]["errorSummary"].as_str().unwrap();
        assert_eq!(summary, "firefox is overdue since 2026-11-25T09:00:00Z. To go on: update firefox to 131.0");
        // Nobody is known by the example's own name, and what is written for that blocks.
        let said = asks(server, okta, hook, sample(hook)).await;
        assert!(said["error"]["errorSummary"].as_str().unwrap().starts_with("nobody is known"), "{said}");
    }
    // Another caller, another answer: as `posture:` documents say.
    let said = asks(server, &asked.vpn, "token", sample("token")).await;
    assert_eq!(said["commands"][0]["value"][0]["value"], "allow");
    // A program that gets a token for itself has no devices.
    let mut program = sample("token");
    let context = program["data"]["context"].as_object_mut().unwrap();
    context.remove("user");
    context.remove("session");
    let answer = server.call(okta, "POST", "/okta/okta/token", &[], Some(program)).await;
    assert_eq!(checked(answer, 204), "");
    let none = server.token("none", "ida", Bearer::Program, &[Scope::Read]).await;
    server.call(&none, "POST", "/okta/okta/token", &[], Some(sample("token"))).await.problem(403, "scope-missing");
}

#[tokio::test]
async fn who_may_register_is_whom_somebody_knows() {
    let asked = Asked::new(Options::default()).await;
    let (server, okta) = (&asked.server, asked.okta.as_str());
    let denied = asks(server, okta, "registration", sample("registration")).await;
    assert_eq!(denied["commands"][0]["value"], json!({ "registration": "DENY" }));
    let summary = denied["error"]["errorSummary"].as_str().unwrap();
    assert!(summary.contains("nobody is known") && summary.contains("identity@acme.example"), "{summary}");
    let hr = json!({ "source": "hr", "values": { "email": "rosario.jones@example.com", "employment": "starting" } });
    server.put("/api/v1/people/p1", hr).await.ok();
    let allowed = asks(server, okta, "registration", sample("registration")).await;
    assert_eq!(
        allowed["commands"],
        json!([{ "type": "com.okta.action.update", "value": { "registration": "ALLOW" } }])
    );
    assert!(allowed.get("error").is_none());
    server.put("/api/v1/people/p1", json!({ "source": "hr", "values": { "employment": "left" } })).await.ok();
    let left = asks(server, okta, "registration", sample("registration")).await;
    assert_eq!(left["commands"][0]["value"], json!({ "registration": "DENY" }));
    // Who says more of themselves has an account already.
    let more = server.call(okta, "POST", "/okta/okta/registration", &[], Some(sample("profile"))).await;
    assert_eq!(more.status.as_u16(), 204);
    // While nothing is refused yet, nobody is.
    asked.apply("organization: acme\n---\nposture: sign-in\ncallers: [okta]\nstrategy: warn\n").await;
    let warned = asks(server, okta, "registration", sample("registration")).await;
    assert_eq!(warned["commands"][0]["value"], json!({ "registration": "ALLOW" }));
}

#[tokio::test]
async fn an_import_is_linked_to_the_account_of_the_same_person() {
    let server = Server::new().await;
    let admin = server.admin.clone();
    let import = |matches: Value| {
        let mut body = sample("import");
        body["data"]["context"]["matches"] = matches;
        body
    };
    let nothing = async |matches: Value| {
        let answer = server.call(&admin, "POST", "/okta/okta/import", &[], Some(import(matches))).await;
        assert_eq!(checked(answer, 204), "");
    };
    // Of whom nothing is known Okta decides.
    nothing(json!([])).await;
    nothing(json!(["00u9"])).await;
    let hr = json!({ "source": "hr", "values": { "email": "sally.admin@example.net" } });
    server.put("/api/v1/people/p1", hr).await.ok();
    nothing(json!([])).await;
    deliver(&server, vec![event("u1", "user.lifecycle.activate", "00", "00u7", "sally.admin@example.net")]).await;
    let linked = asks(&server, &admin, "import", import(json!([]))).await;
    let link = json!([
        { "type": "com.okta.action.update", "value": { "result": "LINK_USER" } },
        { "type": "com.okta.user.update", "value": { "id": "00u7" } },
    ]);
    assert_eq!(linked["commands"], link);
    // Okta would link her to somebody else's account, because of a name: it is made anew where hers is not known.
    deliver(&server, vec![event("u2", "user.lifecycle.activate", "10", "00u8", "sally.other@example.net")]).await;
    deliver(&server, vec![event("u3", "user.lifecycle.delete.initiated", "20", "00u7", "sally.admin@example.net")])
        .await;
    let made = asks(&server, &admin, "import", import(json!(["00u8"]))).await;
    assert_eq!(made["commands"], json!([{ "type": "com.okta.action.update", "value": { "result": "CREATE_USER" } }]));
    // Another number is somebody else, whatever the address: the same rule as for SCIM.
    let user = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "sally.admin@example.net", "active": true,
        "externalId": "00u7", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": { "employeeNumber": "7" },
    });
    server.post("/scim/okta/v2/Users", user).await.ok();
    assert_eq!(asks(&server, &admin, "import", import(json!([]))).await["commands"], link);
    let mut other = import(json!([]));
    other["data"]["appUser"]["profile"]["employeeNumber"] = json!("8");
    let answer = server.call(&admin, "POST", "/okta/okta/import", &[], Some(other)).await;
    assert_eq!(answer.status.as_u16(), 204, "{}", answer.body);
}
