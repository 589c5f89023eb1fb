//! Sources that are files: as the bytes that they are, and from one folder only.

use super::rows::refit;
use serde_json::json;
use std::fs;

const CONNECTOR: &str = "
connector: inventory
name: Inventory
reads: plist
settings: { path: { about: The file. } }
records:
  - records: devices
    of: device
    id: record.id
    keys: { serial: record.serial }
    fields: { device.serial: record.serial, device.hostname: record.name }
";

/// A binary property list: `[{ id: "1", name: "ada-mac", serial: "C02XK1ADA" }]`, as `plutil -convert binary1` writes it.
const BINARY: &[u8] =
    b"bplist00\xa1\x01\xd3\x02\x03\x04\x05\x06\x07RidTnameVserialQ1Wada-macYC02XK1ADA\x08\x0a\x11\x14\x19 \x22*\x00\
    \x00\x00\x00\x00\x00\x01\x01\x00\x00\x00\x00\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\
    \x00\x00\x004";

#[test]
fn a_binary_property_list_is_read_from_the_folder_that_whoever_runs_it_names() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    fs::create_dir_all(home.join("acme/inventory")).unwrap();
    fs::create_dir_all(home.join("files")).unwrap();
    fs::write(home.join("acme/inventory/connector.yaml"), CONNECTOR).unwrap();
    let names = |path: &str| {
        let source = format!("organization: acme\n---\nsource: inventory\nsettings: {{ path: {path} }}\n");
        fs::write(home.join("acme/refit.yaml"), source).unwrap();
    };
    names("devices.plist");
    fs::write(home.join("files/devices.plist"), BINARY).unwrap();
    fs::write(home.join("secret.plist"), BINARY).unwrap();
    let beside = refit(home, &["sources", "sync", "acme"]);
    assert_eq!(beside[0]["result"], "failed", "it is not in the policy repository: {beside}");
    let synced = refit(home, &["sources", "sync", "acme", "--files", "files"])[0].clone();
    assert_eq!((&synced["result"], &synced["records"]), (&json!("read"), &json!(1)), "{synced}");
    let device = refit(home, &["device", "C02XK1ADA"]);
    assert!(device.to_string().contains("ada-mac"), "{device}");
    names("../secret.plist");
    let refused = refit(home, &["sources", "sync", "acme", "--files", "files"]);
    let why = refused["error"].as_str().unwrap();
    assert!(why.contains("`path: ../secret.plist` leads out of") && why.contains("`--file inventory=FILE`"), "{why}");
    let refused = refit(home, &["sources", "sync", "acme", "--files", "nowhere"]);
    assert!(refused["error"].as_str().unwrap().contains("`--files nowhere`"), "{refused}");
}

#[test]
fn a_source_that_tells_by_itself_is_not_read() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    fs::create_dir_all(home.join("acme/inventory")).unwrap();
    fs::write(home.join("acme/inventory/connector.yaml"), CONNECTOR).unwrap();
    let okta = "source: okta\nconnector: scim\nstale_after: 365d\n";
    let agents = "source: agent\nstale_after: 7d\n";
    let inventory = "source: inventory\nsettings: { path: devices.plist }\n";
    fs::write(home.join("acme/refit.yaml"), format!("organization: acme\n---\n{okta}---\n{agents}---\n{inventory}"))
        .unwrap();
    fs::write(home.join("acme/devices.plist"), BINARY).unwrap();
    let synced = refit(home, &["sources", "sync", "acme"]);
    let sources: Vec<&str> = synced.as_array().unwrap().iter().map(|it| it["source"].as_str().unwrap()).collect();
    assert_eq!((sources, &synced[0]["result"]), (vec!["inventory"], &json!("read")), "{synced}");
    let refused = refit(home, &["sources", "sync", "acme", "--only", "okta"]);
    assert!(refused["error"].as_str().unwrap().contains("the source `okta` tells a server by itself"), "{refused}");
}
