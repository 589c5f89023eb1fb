//! Sources that are the rows of a query: what has changed, and what is wrong with a query or its file.

use serde_json::{Value, json};
use sqlx::{ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};
use std::{fs, path::Path, process::Command};

const CONNECTOR: &str = "
connector: inventory
name: Inventory
reads: sql
settings: { path: { about: The file. } }
lists:
  devices:
    sql: select d.id, d.serial, h.name, d.changed from devices d left join hosts h on h.device = d.id where d.changed >= :since
    changes: { since: { parameter: since, overlap: 0s } }
    gives: [devices]
records:
  - records: devices
    of: device
    id: record.id
    observed: record.changed
    keys: { serial: record.serial }
    fields: { device.serial: record.serial, device.hostname: record.name }
";

fn write(path: &Path, statements: &'static str) {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = options.connect().await.unwrap();
        sqlx::raw_sql(statements).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    });
}

pub fn refit(home: &Path, arguments: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_refit"));
    let output =
        command.arg("--json").args(arguments).current_dir(home).env("REFIT_DATA", home.join("data")).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}{}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn rows_become_devices_and_only_those_that_changed_are_asked_for_again() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    fs::create_dir_all(home.join("acme/inventory")).unwrap();
    fs::write(home.join("acme/inventory/connector.yaml"), CONNECTOR).unwrap();
    fs::write(home.join("acme/refit.yaml"), "organization: acme\n---\nsource: inventory\n").unwrap();
    let said = refit(home, &["sources", "sync", "acme"]);
    assert_eq!(said["error"], "say which file the source `inventory` is: `--file inventory=FILE`");
    let file = home.join("assets.db");
    write(
        &file,
        "create table devices (id integer primary key, serial text, changed text);
         create table hosts (device integer, name text);
         insert into devices values (1, 'C02XK1ADA', '2026-11-20T08:00:00Z'), (2, 'PF3KX2M1', '2026-11-20T08:00:00Z');
         insert into hosts values (1, 'ada-mac');",
    );
    let sync = || refit(home, &["sources", "sync", "acme", "--file", "inventory=assets.db"])[0].clone();
    let synced = sync();
    assert_eq!((&synced["records"], &synced["whole"]), (&json!(2), &json!(true)), "{synced}");
    let device = refit(home, &["device", "C02XK1ADA", "--now", "2026-11-21T00:00:00Z"]);
    let name = device["fields"].as_array().unwrap().iter().find(|field| field["field"] == "device.hostname").unwrap();
    assert_eq!(name["value"], "ada-mac", "{device}");

    // The next year, so that it is after the last reading whenever this runs.
    write(&file, "insert into devices values (3, 'NEW00001', '2126-11-20T08:00:00Z')");
    let synced = sync();
    assert_eq!((&synced["records"], &synced["whole"]), (&json!(1), &json!(false)), "{synced}");
    assert_eq!(refit(home, &["device", "PF3KX2M1"])["id"].as_str().unwrap().len(), 18, "who did not change stays");

    write(&file, "drop table hosts");
    let synced = sync();
    assert_eq!(synced["result"], "failed", "{synced}");
    assert!(synced["why"].as_str().unwrap().contains("assets.db: no such table: hosts"), "{synced}");
    fs::write(&file, "no database at all, but a text that is long enough to be taken for one").unwrap();
    assert!(sync()["why"].as_str().unwrap().contains("not a database"), "{}", sync());
}

/// A server is never one that the policy repository names: a password may be in the environment of whoever reads it.
#[test]
fn a_server_is_named_by_whoever_runs_it() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    fs::create_dir_all(home.join("acme/inventory")).unwrap();
    let connector =
        CONNECTOR.replace("settings: { path: { about: The file. } }", "address: postgres://127.0.0.1:1/inventory");
    fs::write(home.join("acme/inventory/connector.yaml"), connector).unwrap();
    fs::write(home.join("acme/refit.yaml"), "organization: acme\n---\nsource: inventory\n").unwrap();
    let said = refit(home, &["sources", "sync", "acme"]);
    assert_eq!(said["error"], "say where the database is: `--connect inventory=postgres://HOST/DATABASE`");
    let elsewhere =
        refit(home, &["sources", "sync", "acme", "--connect", "inventory=postgres://127.0.0.1:2/inventory"]);
    assert!(elsewhere[0]["why"].as_str().unwrap().contains("which is another host"), "{elsewhere}");
    let there = refit(home, &["sources", "sync", "acme", "--connect", "inventory=postgres://127.0.0.1:1/inventory"]);
    assert!(there[0]["why"].as_str().unwrap().to_lowercase().contains("refused"), "{there}");
}
