//! The command line against a server, as a person reads it: a small company plans, approves, applies, and stops.

use super::running::{Running, signal, start};
use refit_api::{Enrol, NewObservation, NewPersonObservation, NewReleases};
use refit_core::control::PlanStatus;
use std::{fmt::Write as _, fs, path::Path, process::Command, time::Duration};

const POLICY: &str = "organization: acme
defaults: { mode: enforce }
budgets: [{ per: 24h, at_most: 25%, of: devices }]
---
title: editor
name: Editor
scheme: semver
---
policy: editors
software: [editor]
deadline: [{ within: 7d }]
phase_in: 30d
";

fn observation(platform: &str, version: &str) -> NewObservation {
    serde_json::from_value(serde_json::json!({
        "source": "agent",
        "facts": { "device.platform": platform },
        "installs": { "all": [{ "title": "editor", "version": version }] },
    }))
    .unwrap()
}

/// What a person types, and what is answered.
pub struct Session<'s> {
    pub folder: &'s Path,
    pub text: String,
}

impl Session<'_> {
    pub fn says(&mut self, what: &str) {
        let _ = writeln!(self.text, "\n# {what}");
    }

    /// Types a command; what it prints to standard output.
    pub fn types(&mut self, line: &str) -> String {
        let programs = Path::new(env!("CARGO_BIN_EXE_refit")).parent().unwrap();
        let output = Command::new("bash")
            .args(["--noprofile", "--norc", "-c", line])
            .current_dir(self.folder)
            .env_clear()
            .env("HOME", self.folder)
            .env("REFIT_DATA", self.folder.join("data"))
            .env("PATH", format!("{}:/usr/bin:/bin", programs.display()))
            .output()
            .unwrap();
        let (said, complained) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        let _ = write!(self.text, "$ {line}\n{said}");
        for line in complained.lines() {
            let _ = writeln!(self.text, "! {line}");
        }
        if !output.status.success() {
            let _ = writeln!(self.text, "exit status {}", output.status.code().unwrap_or(-1));
        }
        said
    }
}

/// The devices of which the server has not published what it decided.
pub fn undecided(running: &Running) -> Vec<String> {
    let mut devices = running.client.devices(&Default::default()).unwrap();
    devices.retain(|device| {
        let said = running.client.decisions(&device.id).unwrap();
        said.behind || said.revision == 0
    });
    devices.into_iter().map(|device| device.id).collect()
}

/// Waits until the server has published what it decided.
pub fn settle(running: &Running) {
    for _ in 0..2_000 {
        if undecided(running).is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("not decided: {:?}", undecided(running));
}

#[test]
fn a_company_plans_approves_applies_and_stops() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("policies")).unwrap();
    fs::write(folder.path().join("policies/refit.yaml"), POLICY).unwrap();
    let mut running = start(&folder.path().join("data"));
    for (id, name, platform, version) in [
        ("d-1", "anna", "macos", "1.0.0"),
        ("d-2", "bela", "macos", "1.0.0"),
        ("d-3", "cleo", "windows", "1.1.0"),
        ("d-4", "dora", "windows", "1.0.0"),
    ] {
        running.client.enrol(&Enrol { id: Some(id.to_owned()), name: Some(name.to_owned()) }).unwrap();
        running.client.observe(id, &observation(platform, version)).unwrap();
    }
    let releases: NewReleases = serde_json::from_value(serde_json::json!({
        "source": "vendor",
        "releases": [
            { "title": "editor", "version": "1.0.0", "published": "2026-01-05T10:00:00Z" },
            { "title": "editor", "version": "1.1.0", "published": "2026-03-02T10:00:00Z" },
        ],
    }))
    .unwrap();
    running.client.publish_releases(&releases).unwrap();

    let mut session = Session { folder: folder.path(), text: String::new() };
    session.says("Devices report to a server that has no policy yet.");
    session.types("refit devices");
    session.types("refit explain anna editor --server");
    session.says("What would a policy change? Nothing happens by asking.");
    session.types("refit plan policies --server --out plan.json");
    session.says("Whoever only wants to know leaves nothing behind.");
    session.types("refit plan policies --server");
    session.types("refit plans list | tail -1");
    session.types("refit settings approvals 1");
    session.types("refit apply plan.json");
    session.says("Somebody else has to approve it.");
    let plan: serde_json::Value = serde_json::from_slice(&fs::read(folder.path().join("plan.json")).unwrap()).unwrap();
    let plan = plan["plan"].as_str().unwrap();
    session.types(&format!("refit plans approve {plan}"));
    session.types("refit tokens create Bob --owner bob --person --scope read,approve > bob.token");
    session.types(&format!("refit plans approve {plan} --token-file bob.token"));
    session.says("A plan of another server is not taken for one of this server's.");
    session.types("sed 's/127.0.0.1:[0-9]*/127.0.0.1:1/' plan.json > other.json");
    session.types("refit apply other.json");
    session.types("refit apply plan.json");
    session.says("Once more changes nothing, and neither does a plan of the same policy.");
    session.types("refit apply plan.json");
    session.types("refit plan policies --server --detailed-exitcode");
    settle(&running);
    session.says("Everybody is obliged, and nobody is forced before the policy is phased in.");
    session.types("refit devices");
    session.types("refit devices anna");
    session.types("refit exposures --server");
    session.types("refit exposures --server --json");
    session.types("refit explain anna editor --server | head -2");
    session.says("A policy that is written otherwise and tells devices the same is a change all the same.");
    fs::write(folder.path().join("policies/refit.yaml"), format!("# The editors.\n{POLICY}")).unwrap();
    session.types("refit plan policies --server --detailed-exitcode --out - > other.json");
    session.types("grep -c server other.json");
    session.types("refit apply other.json");
    session.says(
        "A release arrives. The budget lets one of four devices go at a time; what exceeds it waits for a person.",
    );
    let newer: NewReleases = serde_json::from_value(serde_json::json!({
        "source": "vendor",
        "releases": [{ "title": "editor", "version": "1.2.0", "published": "2026-03-09T10:00:00Z" }],
    }))
    .unwrap();
    running.client.publish_releases(&newer).unwrap();
    settle(&running);
    session.types("refit plans list");
    let held = running.client.plans(Some(PlanStatus::Open)).unwrap().pop().unwrap();
    session.types(&format!("refit plans show {}", held.id));
    session.types(&format!("refit plans show {plan} | head -5"));
    session.says("A disk was copied: two machines report under one id.");
    for (sequence, links) in [(1, vec![11]), (2, vec![12, 11]), (2, vec![99, 11])] {
        let mut counted = observation("windows", "1.1.0");
        let check_in = serde_json::json!({ "sequence": sequence, "links": links });
        counted.check_in = Some(serde_json::from_value(check_in).unwrap());
        counted.facts.insert("device.plattform".into(), Some(serde_json::from_value("windows".into()).unwrap()));
        running.client.observe("d-3", &counted).unwrap();
    }
    session.types("refit devices | grep cleo");
    session.types("refit devices cleo");
    session.types("refit explain cleo editor --server | head -2");
    session.types("refit quarantine lift cleo --why 'the copy is wiped'");
    session.types("refit quarantine lift cleo --why 'the copy is wiped'");
    session.says("A mistake in a policy is found before anything is asked of the fleet.");
    fs::write(folder.path().join("policies/refit.yaml"), POLICY.replace("[editor]", "[editro]")).unwrap();
    session.types("refit plan policies --server");
    session.says("Everything stops, and goes on.");
    session.types("refit halt --everything --why 'the new release breaks printing'");
    session.types("refit rollouts");
    session.types("refit resume --everything --why mended");
    session.types("refit rollouts editor");
    session.says("What there is not.");
    session.types("refit devices nobody");
    session.types("refit explain nobody editor --server");
    session.types("refit explain anna edtor --server");
    session.types("refit rollouts edtor");
    session.types("refit rollouts 'snapshot/security updates'");
    session.types("refit gate editor 1.1.0 canary back");
    session.types("refit plans show nothing");
    session.types("refit people erase nobody");
    session.types("refit devices --platform wndows");
    session.types("refit devices --platform ios");
    session.types("refit tokens create ci --owner it --scope raed");
    session.types("refit events --after 0 --kind brake.released --json | wc -l");
    session.says("Somebody asks to be forgotten, and asks again.");
    let person: NewPersonObservation =
        serde_json::from_value(serde_json::json!({ "source": "hr", "values": { "department": "IT" } })).unwrap();
    running.client.observe_person("p-1", &person).unwrap();
    session.types("refit people erase p-1");
    session.types("refit people erase p-1");
    session.types("refit events --after 0 --kind person.erased --json | wc -l");

    signal(&running.child, nix::sys::signal::Signal::SIGTERM);
    assert!(running.child.wait().unwrap().success());
    session.says("The server has ended.");
    session.types("refit devices");

    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.add_filter(&regex_escaped(folder.path()), "/home/you");
    settings.add_filter(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "[id]");
    settings.add_filter(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "[time]");
    settings.add_filter(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "[time]");
    settings.add_filter(r"\d+ s ago", "[n] s ago");
    settings.add_filter(r"127\.0\.0\.1:\d{2,}", "127.0.0.1:[port]");
    settings.bind(|| insta::assert_snapshot!("company", session.text));
}

fn regex_escaped(path: &Path) -> String {
    path.display().to_string().replace('.', r"\.")
}
