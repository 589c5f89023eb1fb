//! Declarative management over TLS, as NanoMDM asks, and over a restart.

use super::server::Running;
use refit_api::{Enrol, NewObservation, NewToken};
use refit_core::control::{Bearer, Plain, Scope};
use serde_json::Value;
use std::{collections::BTreeMap, process::Command};

const POLICY: &str = "\
organization: acme
defaults: { mode: enforce }
---
title: macos
name: macOS
kind: os
scheme: apple
---
policy: macs
software: [macos]
deadline: [{ within: 14d }]
experience: { reboot: { mode: at_due } }
---
target: macs
kind: apple-declarative
where: device.platform == \"macos\"
";

const UDID: &str = "5A6C3A8E-0F0B-5D3A-9C1D-0C1F6E1D0101";

/// What NanoMDM does with `-dm https://mdm:SECRET@HOST/apple/ddm/` and the `Endpoint` of a device.
fn asks(server: &Running, ca: &str, secret: &str, endpoint: &str, data: Option<&str>) -> Value {
    let url = format!("https://mdm:{secret}@{}/apple/ddm/{endpoint}", server.address);
    let id = format!("X-Enrollment-ID: {UDID}");
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--fail-with-body", "--cacert", ca, "-H", &id, "-H", "X-Enrollment-Type: Device"]);
    if let Some(data) = data {
        curl.args(["-X", "PUT", "-H", "Content-Type: application/json", "-d", data]);
    }
    let said = curl.arg(&url).output().expect("curl is there");
    let text = String::from_utf8(said.stdout).unwrap();
    assert!(said.status.success(), "{text} {}", String::from_utf8_lossy(&said.stderr));
    if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_declared_is_the_same_after_a_restart_and_needs_no_new_sync() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(folder.path()).await;
    let files = BTreeMap::from([("refit.yaml".to_owned(), POLICY.to_owned())]);
    let plan = server.ask(move |admin| admin.make_plan(files)).await.unwrap().summary.id;
    server.ask(move |admin| admin.apply_plan(&plan)).await.unwrap();
    let secret = server
        .ask(|admin| {
            admin.enrol(&Enrol { id: Some("mac-1".into()), name: None }).unwrap();
            let text = |field: &str, value: &str| (field.to_owned(), Some(Plain::Text(value.into())));
            let observation = NewObservation {
                source: "inventory".into(),
                observed: None,
                facts: BTreeMap::from([text("device.platform", "macos"), text("device.hardware_uuid", UDID)]),
                installs: None,
                universe: None,
                check_in: None,
            };
            admin.observe("mac-1", &observation).unwrap();
            let token = NewToken {
                name: "mdm".into(),
                owner: Some("endpoint".into()),
                bearer: Bearer::Program,
                requests_per_minute: None,
                scopes: [Scope::DeclarativeManagement].into(),
                expires: jiff::Timestamp::now().checked_add(jiff::SignedDuration::from_hours(24)).unwrap(),
            };
            admin.create_token(&token).unwrap().secret.unwrap()
        })
        .await;
    server
        .shell
        .tell(
            &refit_core::control::Actor::server(),
            refit_core::control::Input::Releases {
                source: "sofa".into(),
                releases: vec![
                    serde_json::from_value(
                        serde_json::json!({ "title": "macos", "version": "26.1", "published": "2026-11-16T17:00:00Z" }),
                    )
                    .unwrap(),
                ],
            },
            None,
        )
        .await
        .unwrap();
    let ca = folder.path().join("tls/ca.pem").to_string_lossy().into_owned();
    let report = r#"{"StatusItems": {"device": {"model": {"family": "Mac"}, "operating-system": {"version": "26.0"}}}, "Errors": []}"#;
    assert_eq!(asks(&server, &ca, &secret, "status", Some(report)), Value::Null);
    server.settled().await;
    let token = |server: &Running| {
        let said = asks(server, &ca, &secret, "tokens", None);
        said["SyncTokens"]["DeclarationsToken"].as_str().unwrap().to_owned()
    };
    let (before, items) = (token(&server), asks(&server, &ca, &secret, "declaration-items", None));
    let configurations = items["Declarations"]["Configurations"].as_array().unwrap();
    let names: Vec<&str> = configurations.iter().map(|item| item["Identifier"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 3, "{items}");
    let enforce = names.iter().find(|name| name.starts_with("refit.enforce.")).unwrap();
    let declaration = asks(&server, &ca, &secret, &format!("declaration/configuration/{enforce}"), None);
    assert_eq!(declaration["Payload"]["TargetOSVersion"], "26.1");
    server.stop().await;
    let server = Running::start(folder.path()).await;
    // Also before anything is decided anew.
    assert_eq!(token(&server), before);
    server.settled().await;
    assert_eq!((token(&server), asks(&server, &ca, &secret, "declaration-items", None)), (before, items.clone()));
    let shown = server.ask(|admin| admin.declarations("mac-1")).await.unwrap();
    assert_eq!((shown.token.as_str(), shown.declarations.len()), (items["DeclarationsToken"].as_str().unwrap(), 6));
    server.stop().await;
}
