//! Processes: a server tells ServiceNow and Jira what happens, through lost answers, limits and its own death; a pipeline tells GitHub and
//! GitLab what a plan would do. Each time the other system's own count says that there is one object for each thing.

#[path = "doubles.rs"]
mod doubles;

use super::running::{Running, command, wait_for};
use doubles::{Day, Double, Jira};
use refit_api::{Enrol, NewObservation, NewPersonObservation, NewReceipt, NewReleases};
use refit_core::control::Stage;
use serde_json::{Value, json};
use std::{
    fs,
    path::Path,
    process::{Command, Output},
    time::{Duration, Instant},
};

const POLICY: &str = "
organization: acme
defaults: { mode: enforce }
rollouts:
  standard:
    rings:
      - { name: canary, where: '\"canary\" in device.tags' }
      - { name: rest, approval: change }
---
process: change
template: processes/change
where: subject.rollout == \"standard\"
settings: { user: refit }
---
process: tickets
template: processes/tickets
settings: { user: refit@acme.example, project: PATCH }
---
title: editor
name: Editor
scheme: semver
---
policy: editors
software: [editor]
rollout: standard
deadline: [{ within: 14d }]
";

/// A template that comes with Refit, at the pace of a test.
fn template(name: &str, instead: &[(&str, &str)]) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../processes/{name}/template.yaml"));
    let mut text = fs::read_to_string(file).unwrap();
    for (what, instead) in instead {
        assert!(text.contains(what), "{name} has another `{what}` now");
        text = text.replacen(what, instead, 1);
    }
    text
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "{what}: it does not come");
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn observe(running: &Running, device: &str, version: &str) {
    let tags: &[&str] = if device == "d0" { &["canary"] } else { &[] };
    let said: NewObservation = serde_json::from_value(json!({
        "source": "agent", "facts": { "device.platform": "linux", "device.tags": tags },
        "installs": { "all": [{ "title": "editor", "version": version }] },
    }))
    .unwrap();
    running.client.observe(device, &said).unwrap();
}

fn updated(running: &Running, device: &str) {
    observe(running, device, "1.1.0");
    let receipt: NewReceipt = serde_json::from_value(json!({
        "id": format!("r-{device}"), "slot": { "title": "editor" }, "result": "succeeded", "before": "1.0.0",
        "after": "1.1.0", "at": jiff::Timestamp::now().to_string(), "duration_ms": 100,
    }))
    .unwrap();
    running.client.receipt(device, &receipt).unwrap();
}

fn release(running: &Running, version: &str) {
    let release = json!({ "title": "editor", "version": version, "published": jiff::Timestamp::now().to_string() });
    let releases: NewReleases = serde_json::from_value(json!({ "source": "vendor", "releases": [release] })).unwrap();
    running.client.publish_releases(&releases).unwrap();
}

/// A company with four devices, one of which is a canary: two of Ada's, one of Bob's, one of nobody's.
struct Company {
    folder: tempfile::TempDir,
    servicenow: Double<doubles::ServiceNow>,
    jira: Double<Jira>,
}

impl Company {
    fn new(servicenow: doubles::Days, jira: doubles::Days) -> Company {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("secret"), "hush\n").unwrap();
        Company { folder, servicenow: doubles::servicenow(servicenow), jira: doubles::jira(jira) }
    }

    fn start(&self) -> Running {
        let data = self.folder.path().join("data");
        let secret = self.folder.path().join("secret").display().to_string();
        let mut serve = command(&data);
        serve.arg(format!("--connect=change={}", self.servicenow.server.url));
        serve.arg(format!("--connect=tickets={}", self.jira.server.url));
        serve.arg(format!("--secret=change.password={secret}")).arg(format!("--secret=tickets.token={secret}"));
        wait_for(serve, &data)
    }

    fn begin(&self, running: &Running) {
        for person in ["ada", "bob"] {
            let said: NewPersonObservation = serde_json::from_value(json!({
                "source": "hr", "values": { "email": format!("{person}@acme.example"), "department": "Engineering" },
            }))
            .unwrap();
            running.client.observe_person(person, &said).unwrap();
        }
        for (device, person) in [("d0", Some("ada")), ("d1", Some("ada")), ("d2", Some("bob")), ("d3", None)] {
            running
                .client
                .enrol(&Enrol { id: Some(device.to_owned()), name: Some(format!("laptop-{device}")) })
                .unwrap();
            observe(running, device, "1.0.0");
            running.client.assign(device, person).unwrap();
        }
        release(running, "1.0.0");
        let files = [
            ("refit.yaml", POLICY.to_owned()),
            (
                "processes/change/template.yaml",
                template("servicenow-change", &[("every: 1m", "every: 1s"), ("one_for:", "settle: 2s\none_for:")]),
            ),
            ("processes/tickets/template.yaml", template("jira-tickets", &[("settle: 2m", "settle: 2s")])),
        ];
        let files = files.map(|(path, text)| (path.to_owned(), text)).into();
        let plan = running.client.make_plan(files).unwrap();
        running.client.apply_plan(&plan.summary.id).unwrap();
        release(running, "1.1.0");
    }
}

/// The ring `rest` of the release is open.
fn is_open(running: &Running) -> bool {
    let rollouts = running.client.rollouts().unwrap();
    let rollout = rollouts.into_iter().find(|rollout| rollout.version == "1.1.0");
    rollout.is_some_and(|rollout| rollout.open.iter().any(|ring| ring.ring == "rest"))
}

fn says(running: &Running) -> Option<String> {
    let rollouts = running.client.rollouts().unwrap();
    rollouts.into_iter().find(|rollout| rollout.version == "1.1.0").map(|rollout| rollout.says)
}

#[test]
fn a_rollout_has_one_change_and_each_owner_one_ticket_through_bad_days_and_a_restart() {
    // The answer to the first change and to the first ticket is lost; and so it goes on.
    let company = Company::new(
        |before, asked| match (before, asked.method.as_str()) {
            (1, "POST") => Day::LosesAnswer,
            (4 | 12, _) => Day::Busy,
            (6 | 9, _) => Day::Fails,
            (before, "PATCH") if before % 11 == 0 => Day::LosesAnswer,
            _ => Day::Fine,
        },
        |before, asked| match (before, asked.path.ends_with("/issue")) {
            (0..=3, true) => Day::LosesAnswer,
            (5, _) => Day::Busy,
            (7, _) => Day::Fails,
            (before, false) if before % 13 == 0 && asked.method != "GET" => Day::LosesAnswer,
            _ => Day::Fine,
        },
    );
    let running = company.start();
    company.begin(&running);

    let mark = until("a change", || {
        let state = company.servicenow.state();
        state
            .changes
            .values()
            .next()
            .filter(|change| change["state"] == "-4")
            .map(|change| change["correlation_id"].clone())
    });
    assert!(mark.starts_with("refit-"), "{mark}");
    until("three tickets", || (company.jira.state().tickets.len() == 3).then_some(()));
    updated(&running, "d0");
    until("what the rollout waits for", || says(&running).filter(|says| says.contains("people have agreed in change")));
    until("Ada's ticket with one device less", || {
        let jira = company.jira.state();
        let ada = jira.tickets.values().find(|ticket| ticket.fields["assignee"]["id"] == "5b10")?.fields.clone();
        (ada["summary"] == "Update editor on 1 device").then_some(())
    });
    assert!(!is_open(&running), "nobody has agreed");

    // The server dies, and another one goes on.
    drop(running);
    let running = company.start();
    std::thread::sleep(Duration::from_secs(5));
    assert!(!is_open(&running), "nobody has agreed");
    company.servicenow.state().approve();
    until("the ring after the approval", || is_open(&running).then_some(()));
    for device in ["d1", "d2", "d3"] {
        updated(&running, device);
    }
    until("the end of the change", || {
        let state = company.servicenow.state();
        state.changes.values().all(|change| change["state"] == "3").then_some(())
    });
    until("the end of the tickets", || company.jira.state().tickets.values().all(|ticket| ticket.done).then_some(()));

    // Counted where they are: one change, and one ticket for each of Ada, Bob and nobody.
    let servicenow = company.servicenow.state();
    assert_eq!(servicenow.changes.len(), 1);
    assert_eq!(servicenow.states, ["-5", "-4", "-1", "0", "3"]);
    let change = servicenow.changes.values().next().unwrap();
    assert_eq!(change["close_code"], "successful");
    assert!(change["close_notes"].contains("Devices: 4; succeeded: 4; failed: 0"), "{}", change["close_notes"]);
    let jira = company.jira.state();
    assert_eq!(jira.tickets.len(), 3);
    assert_eq!(jira.tickets.values().filter(|ticket| ticket.fields["assignee"]["id"] == "5b10").count(), 1);
    let rollout = running.client.rollouts().unwrap().into_iter().find(|rollout| rollout.version == "1.1.0").unwrap();
    assert_eq!(rollout.stage, Stage::Complete);
}

/// `refit process run` in a folder.
fn pipeline(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_refit")).current_dir(folder).args(["process", "run"]).args(args).output().unwrap()
}

fn done(output: &Output) {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("token"), "hush\n").unwrap();
    fs::write(folder.path().join("plan.json"), "{\"changes\": 3}").unwrap();
    folder
}

#[test]
fn a_pull_request_has_one_comment_with_the_newest_plan_and_a_status_of_each_commit() {
    // The first comment is made, and nobody hears of it.
    let github = doubles::github(150, |before, asked| match (before, asked.method.as_str()) {
        (0..=3, "POST") if asked.path.ends_with("/comments") => Day::LosesAnswer,
        (5, _) => Day::Busy,
        _ => Day::Fine,
    });
    let folder = folder();
    let url = format!("--connect={}", github.server.url);
    for (sha, text, result) in [
        ("aaa", "3 devices change", "success"),
        ("bbb", "nothing changes", "failure"),
        ("bbb", "nothing changes", "failure"),
    ] {
        fs::write(folder.path().join("plan.md"), text).unwrap();
        let (sha, result) = (format!("--set=sha={sha}"), format!("--fact=result={result}"));
        done(&pipeline(
            folder.path(),
            &[
                "github-plan",
                "plan.json",
                "--text=plan.md",
                "--set=owner=acme",
                "--set=repository=policy",
                "--set=pull_request=12",
                "--secret=token=token",
                &sha,
                &result,
                &url,
            ],
        ));
    }
    let forge = github.state();
    assert_eq!(forge.comments.len(), 151, "150 of others, and ours");
    assert!(forge.comments[150].contains("nothing changes\n\nPlan of bbb."), "{}", forge.comments[150]);
    let last = forge.statuses.last().unwrap();
    assert_eq!(
        (last["sha"].as_str(), last["state"].as_str(), last["context"].as_str()),
        (Some("bbb"), Some("failure"), Some("refit/plan"))
    );
    assert!(forge.statuses.iter().any(|status| status["sha"] == "aaa" && status["state"] == "success"));
}

#[test]
fn a_merge_request_has_one_note_with_the_newest_plan_and_a_status_of_each_commit() {
    let gitlab = doubles::gitlab(99, |before, asked| match (before, asked.method.as_str()) {
        (0..=3, "POST") if asked.path.ends_with("/notes") => Day::LosesAnswer,
        _ => Day::Fine,
    });
    let folder = folder();
    let url = format!("--connect={}", gitlab.server.url);
    for text in ["3 devices change", "nothing changes"] {
        fs::write(folder.path().join("plan.md"), text).unwrap();
        done(&pipeline(
            folder.path(),
            &[
                "gitlab-plan",
                "plan.json",
                "--text=plan.md",
                "--set=project=acme/policy",
                "--set=merge_request=12",
                "--set=sha=aaa",
                "--fact=result=success",
                "--secret=token=token",
                &url,
            ],
        ));
    }
    let forge = gitlab.state();
    assert_eq!(forge.comments.len(), 100);
    assert!(forge.comments[99].contains("nothing changes"), "{}", forge.comments[99]);
    assert_eq!(forge.statuses.len(), 1);
    assert_eq!(forge.statuses[0]["state"], "success");
}

#[test]
fn a_pipeline_that_may_not_write_is_told_so() {
    let github = doubles::github(0, |_, _| Day::Fine);
    let folder = folder();
    fs::write(folder.path().join("token"), "wrong").unwrap();
    let url = format!("--connect={}", github.server.url);
    let args = [
        "github-plan",
        "plan.json",
        "--set=owner=acme",
        "--set=repository=policy",
        "--set=pull_request=12",
        "--set=sha=a",
        "--secret=token=token",
        &url,
    ];
    let mut child = Command::new(env!("CARGO_BIN_EXE_refit"));
    let child = child.current_dir(folder.path()).args(["process", "run"]).args(args);
    let begun = child.stderr(std::process::Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(3));
    let pid = nix::unistd::Pid::from_raw(i32::try_from(begun.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    let said = String::from_utf8(begun.wait_with_output().unwrap().stderr).unwrap();
    assert!(said.contains("the system does not let us"), "{said}");
    assert!(github.state().comments.is_empty());
}

#[test]
fn the_person_of_a_device_has_one_message_that_is_written_anew() {
    let slack = doubles::slack(|before, asked| match asked.path.as_str() {
        "/api/chat.postMessage" if before < 6 => Day::LosesAnswer,
        _ => Day::Fine,
    });
    let folder = folder();
    let template = template(
        "slack-devices",
        &[
            ("address: https://slack.com/api", "address: \"{url}/api\""),
            ("settings: {}", "settings: { url: { about: Slack. } }"),
        ],
    );
    fs::write(folder.path().join("template.yaml"), template).unwrap();
    let url = format!("--connect={}", slack.server.url);
    for titles in ["editor", "editor, firefox"] {
        let situation = json!({ "key": "d0", "facts": {
            "device": { "id": "d0", "name": "laptop-d0" }, "owner": { "email": "ada@acme.example" }, "titles_text": titles, "overdue": 0,
        } });
        fs::write(folder.path().join("device.json"), situation.to_string()).unwrap();
        done(&pipeline(folder.path(), &["template.yaml", "device.json", "--secret=token=token", &url]));
    }
    let slack = slack.state();
    assert_eq!(slack.messages.len(), 1);
    let text: &Value = &slack.messages[0]["text"];
    assert_eq!(text, "Updates are due on laptop-d0: editor, firefox");
}
