//! `refit sources sync` against doubles of systems: what comes with Refit asks them as they want it, and one device has its person.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails is meant to panic")]

#[path = "../../../refit-connect/tests/systems/server.rs"]
#[allow(dead_code, reason = "the tests of the client use all of it")]
mod server;

mod changes;
mod files;
mod graph;
mod guide;
mod okta;
#[cfg(unix)]
mod prism;
mod rows;

use serde_json::{Value, json};
use server::{Answer, Asked, Server, pairs, status};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

const DOCUMENTS: &str = r#"
organization: acme
authority:
  person.department: [workday]
---
source: workday
settings: { report: "URL/report", user: isu }
---
source: jamf-pro
settings: { client_id: me }
"#;

/// A company that is read: its policy repository, its data folder, and its secrets.
struct Company {
    home: tempfile::TempDir,
    workday: Server,
    jamf: Server,
}

/// A copy of a connector that comes with Refit, called `VENDOR-double`, with something else in the place of what is its vendor's.
fn double(home: &Path, vendor: &str, instead: &[(&str, &str)]) {
    let connector = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../connectors/{vendor}/connector.yaml"));
    let text = fs::read_to_string(connector).unwrap();
    let mut text = text.replacen(&format!("connector: {vendor}\n"), &format!("connector: {vendor}-double\n"), 1);
    for (what, instead) in instead {
        assert!(text.contains(what), "{vendor} has another `{what}` now");
        text = text.replacen(what, instead, 1);
    }
    let folder = home.join("acme").join(format!("{vendor}-double"));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("connector.yaml"), text).unwrap();
}

fn worker(number: usize) -> Value {
    json!({
        "Employee_ID": format!("E{number}"),
        "Name": format!("Person {number}"),
        "Email_-_Work": format!("p{number}@acme.example"),
        "Worker_Status": "Active",
        "Department": if number == 1 { "Engineering" } else { "Sales" },
    })
}

fn computer(number: usize, version: &str) -> Value {
    let now = jiff::Timestamp::now().to_string();
    json!({
        "id": number.to_string(),
        "udid": format!("954F4D56-C574-E7D3-FC3A-57{number:010X}"),
        "general": { "name": format!("mac-{number}"), "managementId": format!("m{number}"), "reportDate": now, "lastContactTime": now },
        "hardware": { "serialNumber": format!("C02XK{number:04}"), "model": "MacBook Pro" },
        "operatingSystem": { "version": version },
        "userAndLocation": { "email": format!("P{number}@acme.example") },
        "applications": [{ "name": "Safari.app", "bundleId": "com.apple.Safari", "version": "18.1", "path": "/Applications/Safari.app" }],
    })
}

/// Jamf Pro with 450 computers on three pages, whose tokens count for two requests.
fn jamf(asked: &Asked, left: &Mutex<u32>) -> Answer {
    if asked.path == "/api/oauth/token" {
        let form = pairs(&asked.body);
        assert_eq!((form["client_id"].as_str(), form["client_secret"].as_str()), ("me", "hush"));
        *left.lock().unwrap() = 2;
        return server::json(json!({ "access_token": "t", "expires_in": 1199 }));
    }
    assert_eq!(asked.headers["authorization"], "Bearer t");
    let mut left = left.lock().unwrap();
    if *left == 0 {
        return status(401, &[]);
    }
    *left -= 1;
    if asked.path != "/api/v1/computers-inventory" {
        return server::json(json!({ "totalCount": 0, "results": [] }));
    }
    if let Some(filter) = asked.query.get("filter") {
        assert!(filter.starts_with("general.reportDate>\"20"), "{filter}");
        return server::json(json!({ "totalCount": 1, "results": [computer(1, "15.2")] }));
    }
    let (page, size): (usize, usize) =
        (asked.query["page"].parse().unwrap(), asked.query["page-size"].parse().unwrap());
    let computers: Vec<Value> = (page * size..450.min((page + 1) * size)).map(|n| computer(n, "15.1")).collect();
    server::json(json!({ "totalCount": 450, "results": computers }))
}

impl Company {
    fn new(workday: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Company {
        let left = Mutex::new(0);
        let (workday, jamf) = (Server::start(workday), Server::start(move |asked| jamf(asked, &left)));
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("acme")).unwrap();
        fs::write(home.path().join("acme/refit.yaml"), DOCUMENTS.replace("URL", &workday.url)).unwrap();
        fs::write(home.path().join("password"), "swordfish\n").unwrap();
        fs::write(home.path().join("secret"), "hush").unwrap();
        Company { home, workday, jamf }
    }

    fn refit(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_refit"));
        command.args(arguments).current_dir(self.home.path()).env("REFIT_DATA", self.data()).env("NO_PROXY", "*");
        command.output().unwrap()
    }

    fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    fn sync(&self, more: &[&str]) -> (i32, Value) {
        let (workday, jamf) = (format!("workday={}", self.workday.url), format!("jamf-pro={}", self.jamf.url));
        let mut arguments = vec!["--json", "sources", "sync", "acme", "--connect", &workday, "--connect", &jamf];
        arguments.extend(["--secret", "workday.password=password", "--secret", "jamf-pro.client_secret=secret"]);
        arguments.extend(more);
        let output = self.refit(&arguments);
        let text = String::from_utf8(output.stdout).unwrap();
        let json =
            serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
        (output.status.code().unwrap(), json)
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.refit(&[&["--json"], arguments].concat());
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

fn workers(asked: &Asked) -> Answer {
    assert_eq!(asked.headers["authorization"], "Basic aXN1OnN3b3JkZmlzaA==");
    server::json(json!({ "Report_Entry": (0..450).map(worker).collect::<Vec<_>>() }))
}

fn field<'v>(profile: &'v Value, name: &str) -> &'v Value {
    profile["fields"].as_array().unwrap().iter().find(|field| field["field"] == name).unwrap_or(&Value::Null)
}

#[test]
fn what_systems_say_becomes_one_device_with_its_person() {
    let company = Company::new(workers);
    let (code, synced) = company.sync(&[]);
    assert_eq!(code, 0, "{synced}");
    let counts: Vec<_> = synced
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["source"].as_str().unwrap(), it["records"].as_u64().unwrap()))
        .collect();
    assert_eq!(counts, [("workday", 450), ("jamf-pro", 450)]);
    let tokens = company.jamf.paths().iter().filter(|path| *path == "/api/oauth/token").count();
    assert_eq!(tokens, 2, "a token that is refused is renewed");

    let device = company.json(&["device", "C02XK0001", "--policy", "acme"]);
    assert_eq!(device["person"]["name"], "p1@acme.example");
    assert_eq!(field(&device, "device.os_version")["value"], "15.1");
    assert_eq!(field(&device, "device.os_version")["source"], "jamf-pro");
    assert_eq!(device["installs"]["jamf-pro"], 1);
    let person = company.json(&["person", "p1@acme.example", "--policy", "acme"]);
    assert_eq!(field(&person, "person.department")["value"], "Engineering");
    assert_eq!(person["devices"][0]["id"], device["id"]);

    // The second time only what has changed is asked for, and everything else stays.
    let (code, synced) = company.sync(&[]);
    assert_eq!((code, &synced[1]["records"]), (0, &json!(1)), "{synced}");
    let device = company.json(&["device", "C02XK0001", "--policy", "acme"]);
    assert_eq!(field(&device, "device.os_version")["value"], "15.2");
    let other = company.json(&["device", "C02XK0449", "--policy", "acme"]);
    assert_eq!(field(&other, "device.os_version")["value"], "15.1");
    assert_eq!(company.sync(&["--full"]).1[1]["records"], 450);
    assert_readable_for_its_owner_only(&company.data());
}

#[cfg(unix)]
fn assert_readable_for_its_owner_only(data: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    for folder in ["sources", "identity"] {
        let mode = fs::metadata(data.join(folder)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{folder}");
    }
    for entry in fs::read_dir(data.join("sources")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!text.contains("swordfish") && !text.contains("hush"), "a secret is kept");
    }
}

#[test]
fn a_system_that_fails_or_shrinks_keeps_its_last_good_state() {
    let (broken, short) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (breaks, shrinks) = (Arc::clone(&broken), Arc::clone(&short));
    let company = Company::new(move |asked| {
        if breaks.load(Ordering::SeqCst) {
            return status(403, &[]);
        }
        let count = if shrinks.load(Ordering::SeqCst) { 300 } else { 450 };
        assert!(asked.path == "/report");
        server::json(json!({ "Report_Entry": (0..count).map(worker).collect::<Vec<_>>() }))
    });
    assert_eq!(company.sync(&["--only", "workday"]).0, 0);
    broken.store(true, Ordering::SeqCst);
    let (code, synced) = company.sync(&["--only", "workday"]);
    assert_eq!((code, &synced[0]["result"]), (1, &json!("failed")));
    assert!(
        synced[0]["why"].as_str().unwrap().contains("does not let us read this (status 403: as the test wants it)"),
        "{synced}"
    );
    broken.store(false, Ordering::SeqCst);
    short.store(true, Ordering::SeqCst);
    let (code, synced) = company.sync(&["--only", "workday"]);
    assert_eq!((code, &synced[0]["result"]), (1, &json!("not_believed")));
    let person = company.json(&["person", "p449@acme.example"]);
    assert_eq!(field(&person, "person.department")["value"], "Sales");
    let status = company.refit(&["--json", "sources", "status"]);
    assert_eq!(status.status.code(), Some(1));
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(status[0]["alarm"]["missing"], 150);
    assert_eq!(company.sync(&["--only", "workday", "--believe", "workday"]).0, 0);
    assert!(company.json(&["sources", "status"])[0].get("alarm").is_none());
}

#[test]
fn a_secret_goes_only_where_whoever_runs_it_says() {
    let company = Company::new(workers);
    let output =
        company.refit(&["sources", "sync", "acme", "--only", "workday", "--secret", "workday.password=password"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("--connect workday=https://HOST"), "{said}");
    // The report's address is the policy's; the host is not.
    let arguments = ["sources", "sync", "acme", "--only", "workday", "--connect", "workday=https://acme.example"];
    let output = company.refit(&[&arguments[..], &["--secret", "workday.password=password"]].concat());
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("which is another host"), "{said}");
    assert!(company.workday.paths().is_empty());
}
