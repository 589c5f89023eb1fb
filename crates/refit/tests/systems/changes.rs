//! Only what has changed is asked for, and now and then everything: what of it counts as whole, and what not.

use super::server::{self, Answer, Asked, Server, status};
use serde_json::{Value, json};
use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

const CONNECTOR: &str = r#"
connector: directory
name: Directory
reads: http_json
settings: { url: { about: Where it is. } }
address: "{url}"
lists:
  users:
    get: /users
    paging: { next_link: { next: /next } }
    changes: { delta: { start: "/delta?token=latest", next: /delta } }
    gives: [users]
  sites: { get: /sites, gives: [sites] }
records:
  - records: users
    of: person
    from: [/users]
    id: record.id
    keys: { employee_id: record.id }
    fields: { person.department: record.department }
  - records: sites
    of: device
    from: [/sites]
    id: record.id
    keys: { serial: record.serial }
"#;

/// People, and for each of them the computers: a system that lists these no other way.
const FOR_EACH: &str = r#"
connector: directory
name: Directory
reads: http_json
settings: { url: { about: Where it is. } }
address: "{url}"
lists:
  users: { get: /users, changes: { since: { parameter: since, value: "{since}" } }, gives: [users] }
  computers: { get: "/users/{id}/computers", for_each: users, gives: [computers] }
records:
  - records: users
    of: person
    from: [/users]
    id: record.id
    deleted: record.gone
    keys: { employee_id: record.id }
  - records: computers
    of: device
    from: [/computers]
    id: record.serial
    keys: { serial: record.serial }
"#;

/// A company whose only source is a double of a directory.
struct Company {
    home: tempfile::TempDir,
    double: Server,
}

impl Company {
    fn new(connector: &str, answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Company {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir_all(home.path().join("acme/directory")).unwrap();
        fs::write(home.path().join("acme/directory/connector.yaml"), connector).unwrap();
        fs::write(home.path().join("acme/refit.yaml"), "organization: acme\n---\nsource: directory\n").unwrap();
        Company { home, double: Server::start(answer) }
    }

    fn command(&self, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_refit"));
        let connect = format!("directory={}", self.double.url);
        command.args(["sources", "sync", "acme", "--connect", &connect]).args(more);
        command.current_dir(self.home.path()).env("REFIT_DATA", self.data()).env("NO_PROXY", "*");
        command
    }

    /// Reads the source; what of it is said, and which paths were asked for.
    fn sync(&self, more: &[&str]) -> (Value, Vec<String>) {
        let before = self.double.paths().len();
        let output: Output = self.command(&[&["--json"], more].concat()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let json: Value =
            serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
        let asked = self.double.asked();
        let asked = asked.iter().skip(before).map(|asked| {
            let token = asked.query.get("token").map_or_else(String::new, |token| format!("?{token}"));
            format!("{}{token}", asked.path)
        });
        (json[0].clone(), asked.collect())
    }

    fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let mut command = Command::new(env!("CARGO_BIN_EXE_refit"));
        let output = command.arg("--json").args(arguments).env("REFIT_DATA", self.data()).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// So many hours pass, as far as the source's file knows.
    fn pass(&self, hours: i64) {
        let file = self.data().join("sources/directory.json");
        let mut kept: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        earlier(&mut kept, hours);
        fs::write(&file, kept.to_string()).unwrap();
    }
}

fn earlier(value: &mut Value, hours: i64) {
    match value {
        Value::String(text) => {
            if let Ok(time) = text.parse::<jiff::Timestamp>() {
                *text = (time - jiff::SignedDuration::from_hours(hours)).to_string();
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| earlier(value, hours)),
        Value::Object(values) => values.values_mut().for_each(|value| earlier(value, hours)),
        _ => {}
    }
}

fn users(from: usize, to: usize) -> Vec<Value> {
    (from..to).map(|id| json!({ "id": format!("E{id}"), "department": "Sales" })).collect()
}

/// Six users on two pages, and a token by which one of them has changed since.
fn directory(asked: &Asked) -> Answer {
    let here = format!("http://{}", asked.headers["host"]);
    let next = format!("{here}/delta?token=A");
    match (asked.path.as_str(), asked.query.get("token").map(String::as_str)) {
        ("/users", None) => server::json(json!({ "users": users(1, 4), "next": format!("{here}/users?token=two") })),
        ("/users", Some("two")) => server::json(json!({ "users": users(4, 7) })),
        ("/sites", _) => server::json(json!({ "sites": [{ "id": 1, "serial": "SITE0001" }] })),
        ("/delta", Some("latest")) => server::json(json!({ "users": [], "delta": next })),
        ("/delta", Some("A")) => {
            server::json(json!({ "users": [{ "id": "E1", "department": "Engineering" }], "delta": next }))
        }
        _ => status(404, &[]),
    }
}

/// A list that can't be asked for changes is read whole each time, and says nothing of when the others were.
#[test]
fn each_list_is_read_whole_once_a_day() {
    let company = Company::new(CONNECTOR, directory);
    let whole = ["/sites", "/delta?latest", "/users", "/users?two"];
    assert_eq!(company.sync(&[]).1, whole);
    company.pass(13);
    let (synced, asked) = company.sync(&[]);
    assert_eq!(asked, ["/sites", "/delta?A"]);
    assert_eq!(synced["whole"], false, "of the users only what changed was read: {synced}");
    company.pass(13);
    let (synced, asked) = company.sync(&[]);
    assert_eq!((&synced["whole"], &asked[..]), (&json!(true), &whole.map(str::to_owned)[..]), "{synced}");
    company.pass(13);
    assert_eq!(company.sync(&[]).1, ["/sites", "/delta?A"]);
}

/// Three people with a computer each; E1 has changed after the first reading, and E3 has gone by the time that its computers are asked for.
fn computers(asked: &Asked, leaver: &AtomicBool) -> Answer {
    let left = leaver.load(Ordering::SeqCst);
    let user = |id: usize| json!({ "id": format!("E{id}") });
    match asked.path.as_str() {
        "/users" if asked.query.contains_key("since") => server::json(json!({ "users": [user(1)] })),
        "/users" if left => server::json(json!({ "users": [user(1), user(2)] })),
        "/users" => server::json(json!({ "users": [user(1), user(2), user(3)] })),
        "/users/E3/computers" if left => status(404, &[]),
        path => {
            let person = path.strip_prefix("/users/").and_then(|rest| rest.strip_suffix("/computers")).unwrap();
            server::json(json!({ "computers": [{ "serial": format!("PF00{person}") }] }))
        }
    }
}

#[test]
fn a_list_that_was_asked_for_some_records_of_another_is_not_whole() {
    let leaver = Arc::new(AtomicBool::new(false));
    let leaves = Arc::clone(&leaver);
    let company = Company::new(FOR_EACH, move |asked| computers(asked, &leaves));
    let each = |people: &[usize]| -> Vec<String> {
        let computers = people.iter().map(|id| format!("/users/E{id}/computers"));
        [vec!["/users".to_owned()], computers.collect()].concat()
    };
    assert_eq!(company.sync(&[]).1, each(&[1, 2, 3]));
    let (synced, asked) = company.sync(&[]);
    assert_eq!((&synced["result"], &synced["whole"], asked), (&json!("read"), &json!(false), each(&[1])), "{synced}");
    assert_eq!(company.json(&["sources", "status"])[0]["records"], json!({ "users": 3, "computers": 3 }));

    // Whoever has left is not asked about, and what the list of them has is gone with the next reading of everything.
    leaver.store(true, Ordering::SeqCst);
    company.pass(25);
    let (synced, asked) = company.sync(&[]);
    assert_eq!((&synced["whole"], asked), (&json!(true), each(&[1, 2])), "{synced}");
    assert_eq!(company.json(&["sources", "status"])[0]["records"], json!({ "users": 2, "computers": 2 }));
}

#[test]
fn of_a_source_that_was_never_read_no_state_stays() {
    let broken = Arc::new(AtomicBool::new(true));
    let breaks = Arc::clone(&broken);
    let company =
        Company::new(
            CONNECTOR,
            move |asked| {
                if breaks.load(Ordering::SeqCst) { status(403, &[]) } else { directory(asked) }
            },
        );
    let said = || {
        let output = company.command(&[]).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, text) = said();
    assert_eq!(code, Some(1));
    assert!(text.contains("; nothing is known of it yet"), "{text}");
    broken.store(false, Ordering::SeqCst);
    assert_eq!(said().0, Some(0));
    broken.store(true, Ordering::SeqCst);
    let (_, text) = said();
    assert!(text.contains("; its last good state stays"), "{text}");
}
