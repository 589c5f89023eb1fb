//! SCIM inbound as a public client library sees it, over TLS, from a program of its own: its checks of the standard, and people and a group as an
//! identity provider pushes them.
//!
//! The library is scim2-client, with the checks of scim2-tester (both in Python). It is in the target folder, where `cargo xtask test` installs it.

use super::running::start;
use refit_api::{NewToken, Person};
use refit_core::control::{Bearer, Plain, Scope};
use refit_testbed::skip;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// The Python that has the library.
fn python() -> Option<PathBuf> {
    let binary = Path::new(env!("CARGO_BIN_EXE_refit"));
    let python = binary.ancestors().nth(2).unwrap().join("scim/bin/python");
    if python.is_file() {
        return Some(python);
    }
    skip("the SCIM client library is missing; `cargo xtask test` installs it");
    None
}

/// What `okta` says of a person, by field.
fn said(person: &Person) -> BTreeMap<&str, Option<&Plain>> {
    let of_okta = person.facts.iter().filter(|fact| fact.source == "okta" && fact.field != "scim");
    of_okta.map(|fact| (fact.field.as_str(), fact.value.as_ref())).collect()
}

#[test]
fn a_public_scim_client_finds_what_the_standard_says() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let running = start(folder.path());
    let token = NewToken {
        name: "okta".into(),
        owner: None,
        bearer: Bearer::Program,
        requests_per_minute: None,
        scopes: BTreeSet::from([Scope::Facts, Scope::ReadPersonal]),
        expires: jiff::Timestamp::now() + Duration::from_secs(86_400),
    };
    let token = running.client.create_token(&token).unwrap().secret.unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/server/scim_client.py");
    let mut client = Command::new(python);
    client.args([script, running.client.address()]).arg(folder.path().join("tls/ca.pem")).env("SCIM_TOKEN", token);
    let output = client.output().unwrap();
    let said_of_itself = String::from_utf8_lossy(&output.stderr);
    let seen: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("the client ends: {said_of_itself}"));

    let checks = seen["checks"].as_array().unwrap();
    let passed = |check: &&Value| ["SUCCESS", "COMPLIANT", "ACCEPTABLE"].contains(&check["status"].as_str().unwrap());
    let missed: Vec<&Value> = checks.iter().filter(|check| !passed(check)).collect();
    assert!(missed.is_empty(), "{missed:#?}");
    // One that is left out finds nothing: each kind of resource is made, read, changed and deleted.
    for (of, least) in [(Value::Null, 20), (json!("User"), 60), (json!("Group"), 15)] {
        let count = checks.iter().filter(|check| check["of"] == of).count();
        assert!(count >= least, "{count} checks of {of}");
    }

    let pushed = &seen["pushed"];
    assert_eq!(pushed["stale"], "412", "what was read before somebody else's change replaces nothing");
    assert_eq!(pushed["group"], json!(["Patch first", [pushed["ada"]]]));
    assert_eq!((&pushed["department"], &pushed["groups"]), (&json!("Finance"), &json!(["Patch first"])));
    assert_eq!(pushed["left"], json!(["ada@acme.example"]));
    // And what policies read of it.
    let ada = running.client.person(pushed["ada"].as_str().unwrap()).unwrap();
    let text = |text: &str| Plain::Text(text.into());
    let (email, department, employment) = (text("ada@acme.example"), text("Finance"), text("active"));
    let groups = Plain::List(vec!["Patch first".into()]);
    let expected = [
        ("department", Some(&department)),
        ("email", Some(&email)),
        ("employment", Some(&employment)),
        ("groups", Some(&groups)),
    ];
    assert_eq!(said(&ada), BTreeMap::from(expected));
    let bob = running.client.person(pushed["bob"].as_str().unwrap()).unwrap();
    assert_eq!(said(&bob), BTreeMap::new(), "nothing is said of whom the provider deleted");
}
