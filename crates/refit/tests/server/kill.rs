//! `refit serve`, as a process: killed at any moment, started twice, ended politely.

use super::running::{Running, command, signal, start};
use refit_api::{
    Enrol, NewObservation, NewPersonObservation,
    client::{Client, DeviceFilter},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

const POLICY: &str = "
organization: acme
defaults: { mode: enforce }
---
title: editor
name: Editor
scheme: semver
---
policy: editors
software: [editor]
deadline: [{ within: 7d }]
";

fn devices(client: &Client) -> BTreeSet<String> {
    client.devices(&DeviceFilter::default()).unwrap().into_iter().map(|device| device.id.to_string()).collect()
}

fn observation(version: &str) -> NewObservation {
    serde_json::from_value(serde_json::json!({
        "source": "agent",
        "facts": { "device.platform": "linux" },
        "installs": { "all": [{ "title": "editor", "version": version }] },
    }))
    .unwrap()
}

#[test]
fn killed_at_any_moment_it_loses_nothing_that_it_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let acknowledged: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let begun = Instant::now();
    let mut ended_at = None;
    for round in 0..12_u64 {
        let Running { mut child, client } = start(&data);
        let there = devices(&client);
        let missing: Vec<_> = acknowledged.lock().unwrap().difference(&there).cloned().collect();
        assert!(missing.is_empty(), "round {round}: {missing:?} had been acknowledged");
        if round == 0 {
            let plan = client.make_plan(BTreeMap::from([("refit.yaml".to_owned(), POLICY.to_owned())])).unwrap();
            client.apply_plan(&plan.summary.id).unwrap();
        }
        // The time in which it was killed is a time in which nobody listened.
        let started = client.events(0, Some("server.started"), Duration::ZERO).unwrap();
        let body = serde_json::to_value(started.items.last().unwrap()).unwrap();
        assert_eq!(body.to_string().contains("\"down_since\":\""), ended_at.is_some(), "{body}");
        let (stop, client) = (Arc::new(AtomicBool::new(false)), Arc::new(client));
        let writers: Vec<_> = (0..3)
            .map(|thread| {
                let (stop, client, acknowledged) = (stop.clone(), client.clone(), acknowledged.clone());
                std::thread::spawn(move || {
                    for number in 0.. {
                        let id = format!("r{round}-t{thread}-n{number}");
                        let enrol = Enrol { id: Some(id.clone()), name: None };
                        if stop.load(Ordering::SeqCst) || client.enrol(&enrol).is_err() {
                            return;
                        }
                        acknowledged.lock().unwrap().insert(id.clone());
                        if client.observe(&id, &observation("1.0.0")).is_err() {
                            return;
                        }
                    }
                })
            })
            .collect();
        // A moment that differs from round to round, by what nobody planned.
        let odd = u64::from(begun.elapsed().subsec_nanos()) % 400;
        std::thread::sleep(Duration::from_millis(50 + odd));
        child.kill().unwrap();
        child.wait().unwrap();
        stop.store(true, Ordering::SeqCst);
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        ended_at = Some(Instant::now());
    }
    let Running { mut child, client } = start(&data);
    assert!(acknowledged.lock().unwrap().is_subset(&devices(&client)));
    assert!(acknowledged.lock().unwrap().len() > 20);
    signal(&child, nix::sys::signal::Signal::SIGTERM);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_second_server_is_refused_and_the_next_goes_on_where_the_first_ended() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let Running { mut child, client } = start(&data);
    client.enrol(&Enrol { id: Some("a".into()), name: None }).unwrap();
    let second = command(&data).output().unwrap();
    assert_eq!(second.status.code(), Some(3));
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(said.contains(&format!("is in use by another process ({})", child.id())), "{said}");

    let backup = folder.path().join("backup");
    let refit = || Command::new(env!("CARGO_BIN_EXE_refit"));
    assert!(refit().args(["backup", "--data"]).arg(&data).arg("--to").arg(&backup).status().unwrap().success());
    client.enrol(&Enrol { id: Some("b".into()), name: None }).unwrap();

    let token = std::fs::read_to_string(data.join("admin.token")).unwrap();
    signal(&child, nix::sys::signal::Signal::SIGINT);
    let asked = Instant::now();
    assert!(child.wait().unwrap().success());
    assert!(asked.elapsed() < Duration::from_secs(10));
    assert!(!data.join("server.json").exists());
    let Running { mut child, client } = start(&data);
    assert_eq!(devices(&client), BTreeSet::from(["a".to_owned(), "b".to_owned()]));
    assert_eq!(std::fs::read_to_string(data.join("admin.token")).unwrap(), token);
    signal(&child, nix::sys::signal::Signal::SIGTERM);
    assert!(child.wait().unwrap().success());

    // On another machine, from the backup: it goes on, with a token that can be used there.
    let elsewhere = folder.path().join("elsewhere");
    assert!(refit().args(["restore", "--data"]).arg(&elsewhere).arg("--from").arg(&backup).status().unwrap().success());
    let Running { mut child, client } = start(&elsewhere);
    assert_eq!(devices(&client), BTreeSet::from(["a".to_owned()]));
    client.enrol(&Enrol { id: Some("c".into()), name: None }).unwrap();
    signal(&child, nix::sys::signal::Signal::SIGTERM);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_server_is_trusted_by_the_authority_that_is_named_or_those_of_the_system() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let Running { mut child, client } = start(&data);
    let (ca, token) = (data.join("tls/ca.pem"), data.join("admin.token"));
    // With `--server=URL` and what else is given, and these authorities of the system.
    let asked = |roots: &Path, more: &[&Path]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_refit"));
        command
            .arg("devices")
            .arg(format!("--server={}", client.address()))
            .arg("--data")
            .arg(folder.path().join("none"));
        command.args(more).env("SSL_CERT_FILE", roots).env("SSL_CERT_DIR", folder.path().join("none"));
        let output = command.env_remove("REFIT_TOKEN").output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let token = [Path::new("--token-file"), token.as_path()];
    assert_eq!(asked(&ca, &token), (Some(0), String::new()));
    let (status, said) = asked(Path::new("/dev/null"), &token);
    assert_eq!((status, said.contains("give the server's with `--ca FILE`")), (Some(3), true), "{said}");
    let named = [Path::new("--ca"), ca.as_path()];
    assert_eq!(asked(Path::new("/dev/null"), &[token, named].concat()), (Some(0), String::new()));
    let (status, said) = asked(Path::new("/dev/null"), &named);
    assert_eq!((status, said.contains("no token is known: give `--token-file FILE`")), (Some(3), true), "{said}");

    let other = folder.path().join("other");
    let Running { child: mut second, .. } = start(&other);
    let stranger = other.join("tls/ca.pem");
    let (status, said) = asked(&ca, &[token, [Path::new("--ca"), stranger.as_path()]].concat());
    assert_eq!((status, said.contains("`--ca FILE` names the server's own")), (Some(3), true), "{said}");
    for child in [&mut child, &mut second] {
        signal(child, nix::sys::signal::Signal::SIGTERM);
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn who_was_erased_after_a_backup_is_erased_again_when_it_is_restored() {
    let folder = tempfile::tempdir().unwrap();
    let (data, backup) = (folder.path().join("data"), folder.path().join("backup"));
    let stop = |child: &mut std::process::Child| {
        signal(child, nix::sys::signal::Signal::SIGTERM);
        assert!(child.wait().unwrap().success());
    };
    let Running { mut child, client } = start(&data);
    let person: NewPersonObservation =
        serde_json::from_value(serde_json::json!({ "source": "hr", "values": { "department": "IT" } })).unwrap();
    for id in ["p-1", "p-2"] {
        client.observe_person(id, &person).unwrap();
    }
    let refit = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_refit"));
        let output = command.args(arguments).arg("--data").arg(&data).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let refused = |arguments: &[&str], why: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_refit"));
        let output = command.args(arguments).arg("--data").arg(&data).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(why), "{output:?}");
    };
    refit(&["backup", "--to", backup.to_str().unwrap()]);
    refused(&["backup", "--to", backup.to_str().unwrap()], "is there already, and a backup is never overwritten");
    client.erase_person("p-1").unwrap();
    // Without a clean end what is new is in the -wal file alone.
    child.kill().unwrap();
    child.wait().unwrap();

    refused(&["restore", "--from", backup.to_str().unwrap()], "would be replaced: `--replace` does so");
    assert!(!data.join("server.restored").exists(), "nothing was brought back");
    let said = refit(&["restore", "--replace", "--from", backup.to_str().unwrap()]);
    assert!(said.contains("erased again when the server starts: p-1"), "{said}");
    // It is refused once more, and what the first one has noted for the next start stands.
    refused(&["restore", "--from", backup.to_str().unwrap()], "would be replaced: `--replace` does so");
    assert!(data.join("server.restored").exists(), "the next start raises the epoch");
    let Running { mut child, client } = start(&data);
    let facts = |id: &str| client.person(id).unwrap().facts.len();
    assert_eq!((facts("p-1"), facts("p-2")), (0, 1));
    assert!(client.person("p-1").unwrap().erased.is_some());
    assert!(!data.join("erase-again").exists());
    stop(&mut child);
}
