//! Only what has changed is asked for, and now and then everything: what of it counts as whole, where changes begin may be lost, and
//! how often systems are asked.

use super::server::{self, Answer, Asked, Server, status};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
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
  sites: { get: /sites, every: 1h, gives: [sites] }
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
    /// `said` is what the source's document says besides its name.
    fn new(connector: &str, said: &str, answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Company {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir_all(home.path().join("acme/directory")).unwrap();
        fs::write(home.path().join("acme/directory/connector.yaml"), connector).unwrap();
        let documents = format!("organization: acme\n---\nsource: directory\n{said}");
        fs::write(home.path().join("acme/refit.yaml"), documents).unwrap();
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

    fn department(&self, person: &str) -> Value {
        let person = self.json(&["person", person]);
        let mut fields = person["fields"].as_array().unwrap().iter();
        fields.find(|field| field["field"] == "person.department").map_or(Value::Null, |field| field["value"].clone())
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

/// Six users on two pages; tokens `A`, `B`, …, of which these are known. What the last page of changes says is `last`.
fn directory(asked: &Asked, known: &[&str], last: Option<&str>) -> Answer {
    let here = format!("http://{}", asked.headers["host"]);
    match (asked.path.as_str(), asked.query.get("token").map(String::as_str)) {
        ("/users", None) => server::json(json!({ "users": users(1, 4), "next": format!("{here}/users?token=two") })),
        ("/users", Some("two")) => server::json(json!({ "users": users(4, 7) })),
        ("/sites", _) => server::json(json!({ "sites": [{ "id": 1, "serial": "SITE0001" }] })),
        ("/delta", Some("latest")) => server::json(json!({ "users": [], "delta": format!("{here}/delta?token=A") })),
        ("/delta", Some(token)) if known.contains(&token) => {
            let delta = last.map(|token| format!("{here}/delta?token={token}"));
            server::json(json!({ "users": [{ "id": "E1", "department": "Engineering" }], "delta": delta }))
        }
        _ => Answer::Whole(410, Vec::new(), json!({ "error": { "message": "the token has expired" } }).to_string()),
    }
}

/// A directory whose only token goes on being taken.
fn steady(asked: &Asked) -> Answer {
    directory(asked, &["A"], Some("A"))
}

/// A list that can't be asked for changes is read whole each time, and says nothing of when the others were.
#[test]
fn each_list_is_read_whole_once_a_day() {
    let company = Company::new(CONNECTOR, "", steady);
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
    let company = Company::new(FOR_EACH, "", move |asked| computers(asked, &leaves));
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
            "",
            move |asked| {
                if breaks.load(Ordering::SeqCst) { status(403, &[]) } else { steady(asked) }
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

#[test]
fn a_token_that_is_not_taken_any_more_leads_to_everything_and_is_said() {
    let company = Company::new(CONNECTOR, "", |asked| directory(asked, &["A"], Some("B")));
    let (synced, asked) = company.sync(&[]);
    assert_eq!((&synced["records"], &synced["whole"]), (&json!(7), &json!(true)), "{synced}");
    assert_eq!(asked, ["/sites", "/delta?latest", "/users", "/users?two"]);

    let (synced, asked) = company.sync(&["--only", "directory"]);
    assert_eq!((&synced["records"], &synced["whole"]), (&json!(2), &json!(false)), "{synced}");
    assert_eq!(asked, ["/sites", "/delta?A"]);
    assert_eq!(company.department("E1"), "Engineering");

    let (synced, asked) = company.sync(&["--only", "directory"]);
    assert_eq!(asked, ["/sites", "/delta?B", "/delta?latest", "/users", "/users?two"]);
    assert_eq!(
        (&synced["result"], &synced["records"], &synced["whole"]),
        (&json!("read"), &json!(7), &json!(true)),
        "{synced}"
    );
    let note = synced["notes"][0].as_str().unwrap();
    assert!(note.starts_with("users: only what changed can't be had, so everything is read: "), "{note}");
    assert!(note.ends_with("status 410: the token has expired"), "{note}");
    assert_eq!(company.department("E1"), "Sales");
    assert_eq!(company.sync(&["--only", "directory"]).1, ["/sites", "/delta?A"], "it goes on from there");
}

#[test]
fn a_token_that_is_damaged_in_the_data_folder_is_not_followed_elsewhere() {
    let other = Server::start(|_| server::json("{}"));
    let company = Company::new(CONNECTOR, "", steady);
    company.sync(&[]);
    let file = company.data().join("sources/directory.json");
    let kept = fs::read_to_string(&file).unwrap();
    let ours = format!("{}/delta?token=A", company.double.url);
    for damaged in [
        format!("{}/delta?token=A", other.url),
        "no address".to_owned(),
        format!("{}/delta?token=", company.double.url),
    ] {
        assert!(kept.contains(&ours), "{kept}");
        fs::write(&file, kept.replace(&ours, &damaged)).unwrap();
        let (synced, asked) = company.sync(&["--only", "directory"]);
        assert_eq!((&synced["result"], &synced["records"]), (&json!("read"), &json!(7)), "{damaged}: {synced}");
        assert!(asked.ends_with(&["/users".to_owned(), "/users?two".to_owned()]), "{asked:?}");
        assert_eq!(synced["notes"].as_array().unwrap().len(), 1, "{synced}");
    }
    assert!(other.paths().is_empty());
}

#[test]
fn a_last_page_without_a_token_leads_to_everything_the_next_time() {
    let company = Company::new(CONNECTOR, "", |asked| directory(asked, &["A"], None));
    company.sync(&[]);
    let (synced, _) = company.sync(&["--only", "directory"]);
    assert_eq!(synced["records"], 2, "{synced}");
    assert!(synced["notes"][0].as_str().unwrap().contains("does not say where the changes begin"), "{synced}");
    assert_eq!(company.sync(&["--only", "directory"]).1, ["/sites", "/delta?latest", "/users", "/users?two"]);
}

/// Users, of whom the system lists the ids that have changed, and gives some by their ids.
const LISTED: &str = r#"
connector: directory
name: Directory
reads: http_json
settings: { url: { about: Where it is. } }
address: "{url}"
lists:
  users:
    get: /users
    query: { fields: department }
    changes: { listed: { get: /changed, parameter: since, ids: /ids, by: "filter[ids]", at_once: 2 } }
    gives: [users]
records:
  - records: users
    of: person
    from: [/users]
    id: record.id
    keys: { employee_id: record.id }
    fields: { person.department: record.department }
"#;

#[test]
fn who_is_listed_as_changed_is_asked_about_by_id() {
    let changed = Arc::new(Mutex::new(json!({ "E1": {}, "E2": {}, "E3": {} })));
    let now = Arc::clone(&changed);
    let company = Company::new(LISTED, "", move |asked| match (asked.path.as_str(), asked.query.get("filter[ids]")) {
        ("/users", None) => server::json(json!({ "users": users(1, 7) })),
        ("/users", Some(ids)) => {
            assert_eq!(asked.query["fields"], "department");
            let users = ids.split(',').map(|id| json!({ "id": id, "department": "Engineering" }));
            server::json(json!({ "users": users.collect::<Vec<_>>() }))
        }
        ("/changed", None) => {
            assert!(asked.query["since"].parse::<jiff::Timestamp>().is_ok(), "{asked:?}");
            server::json(json!({ "ids": *now.lock().unwrap() }))
        }
        _ => status(404, &[]),
    });
    assert_eq!(company.sync(&[]).1, ["/users"]);
    let (synced, asked) = company.sync(&[]);
    assert_eq!(
        (&asked[..], &synced["whole"]),
        (&["/changed", "/users", "/users"].map(str::to_owned)[..], &json!(false))
    );
    let of_ids: Vec<String> =
        company.double.asked().iter().filter_map(|asked| asked.query.get("filter[ids]").cloned()).collect();
    assert_eq!(of_ids, ["E1,E2", "E3"]);
    assert_eq!((company.department("E3"), company.department("E4")), (json!("Engineering"), json!("Sales")));
    *changed.lock().unwrap() = json!([]);
    let (synced, asked) = company.sync(&[]);
    assert_eq!((&asked[..], &synced["records"]), (&["/changed".to_owned()][..], &json!(0)));
    // A list that can't be read says nothing of what has changed: everything is read.
    *changed.lock().unwrap() = json!("none");
    let (synced, asked) = company.sync(&[]);
    assert_eq!(asked, ["/changed", "/users"], "{synced}");
    assert!(synced["notes"].to_string().contains("has no ids"), "{synced}");
}

#[test]
fn a_setting_says_whether_a_system_can_be_asked_for_changes() {
    let connector = LISTED
        .replace("about: Where it is. } }", "about: Where it is. }, since: { about: Its prompt., default: \"\" } }")
        .replace(
            "changes: { listed: { get: /changed, parameter: since, ids: /ids, by: \"filter[ids]\", at_once: 2 } }",
            "changes: { since: { parameter: \"{since}\" } }",
        );
    for (said, asked) in [("", None), ("settings: { since: Changed_Since }\n", Some("Changed_Since"))] {
        let company = Company::new(&connector, said, |_| server::json(json!({ "users": users(1, 7) })));
        for whole in [true, asked.is_none()] {
            assert_eq!(company.sync(&[]).0["whole"], whole, "{said}");
        }
        let last = company.double.asked().pop().unwrap();
        let parameters: Vec<&str> = last.query.keys().map(String::as_str).filter(|name| *name != "fields").collect();
        assert_eq!(parameters, Vec::from_iter(asked));
    }
}

#[test]
fn lists_and_sources_are_asked_no_more_often_than_they_say() {
    let company = Company::new(CONNECTOR, "", steady);
    company.sync(&[]);
    assert_eq!(company.sync(&[]).1, ["/delta?A"], "sites rest for an hour");
    assert_eq!(company.sync(&["--only", "directory"]).1, ["/sites", "/delta?A"], "who names it wants it now");
    assert_eq!(company.sync(&["--full"]).1.len(), 4);

    let company = Company::new(CONNECTOR, "every: 2h\n", steady);
    company.sync(&[]);
    let (synced, asked) = company.sync(&[]);
    assert_eq!((&synced["result"], asked.len()), (&json!("resting"), 0), "{synced}");
    assert_eq!(synced["why"], "read 0 min ago; again in 119 min");
    assert_eq!(company.sync(&["--full"]).0["result"], "read");
}

#[test]
fn a_source_whose_lists_all_rest_is_not_asked() {
    let connector = CONNECTOR.replace("  users:\n    get: /users\n", "  users:\n    get: /users\n    every: 1h\n");
    let company = Company::new(&connector, "", steady);
    company.sync(&[]);
    let (synced, asked) = company.sync(&[]);
    assert_eq!((&synced["result"], asked.len()), (&json!("resting"), 0), "{synced}");
    assert_eq!(company.json(&["sources", "status"])[0]["records"], json!({ "users": 6, "sites": 1 }));
    company.pass(2);
    assert_eq!(company.sync(&[]).1, ["/sites", "/delta?A"]);
}

#[test]
fn a_source_that_failed_does_not_rest() {
    let broken = Arc::new(AtomicBool::new(true));
    let breaks = Arc::clone(&broken);
    let company = Company::new(CONNECTOR, "every: 2h\n", move |asked| {
        if breaks.load(Ordering::SeqCst) { status(403, &[]) } else { steady(asked) }
    });
    assert_eq!(company.sync(&[]).0["result"], "failed");
    broken.store(false, Ordering::SeqCst);
    assert_eq!(company.sync(&[]).0["result"], "read");
    broken.store(true, Ordering::SeqCst);
    assert_eq!(company.sync(&["--only", "directory"]).0["result"], "failed");
    broken.store(false, Ordering::SeqCst);
    assert_eq!(company.sync(&[]).1, ["/sites", "/delta?latest", "/users", "/users?two"], "nor do its lists");
}

/// The list of people rests while that of their computers does not: everybody who is known is asked about. Whoever left meanwhile has none.
#[test]
fn of_a_list_that_rests_those_who_are_known_are_asked_about() {
    let leaver = Arc::new(AtomicBool::new(false));
    let leaves = Arc::clone(&leaver);
    let connector = FOR_EACH.replace("get: /users, ", "get: /users, every: 2d, ");
    let company = Company::new(&connector, "", move |asked| computers(asked, &leaves));
    company.sync(&[]);
    company.pass(25);
    leaver.store(true, Ordering::SeqCst);
    let (synced, asked) = company.sync(&[]);
    assert_eq!(asked, ["/users/E1/computers", "/users/E2/computers", "/users/E3/computers"]);
    assert_eq!((&synced["result"], &synced["records"]), (&json!("read"), &json!(2)), "{synced}");
    assert_eq!(company.json(&["sources", "status"])[0]["records"], json!({ "users": 3, "computers": 2 }));
}

#[test]
fn a_question_that_fits_none_of_the_records_that_it_is_asked_for_fails() {
    let company = Company::new(FOR_EACH, "", |asked| match asked.path.as_str() {
        "/users" => server::json(json!({ "users": users(1, 4) })),
        _ => status(404, &[]),
    });
    let (synced, _) = company.sync(&[]);
    assert_eq!(synced["result"], "failed", "{synced}");
    assert!(synced["why"].as_str().unwrap().contains("/users/E1/computers: the system answers with status 404"));
}

/// Part of a system that not everybody has is no reason to read nothing of the rest; what was read once and is refused now is missed.
#[test]
fn a_list_that_not_everybody_has_may_be_refused_from_the_beginning() {
    let connector = CONNECTOR.replace("every: 1h, gives: [sites]", "optional: true, gives: [sites]");
    let refused = Arc::new(AtomicBool::new(true));
    let refuses = Arc::clone(&refused);
    let company = Company::new(&connector, "", move |asked| match asked.path.as_str() {
        "/sites" if refuses.load(Ordering::SeqCst) => status(403, &[]),
        _ => steady(asked),
    });
    let (synced, _) = company.sync(&[]);
    assert_eq!((&synced["result"], &synced["records"]), (&json!("read"), &json!(6)), "{synced}");
    let note = synced["notes"][0].as_str().unwrap();
    assert!(note.starts_with("sites: nothing of it is read: ") && note.contains("status 403"), "{note}");
    assert_eq!(company.sync(&["--full"]).0["result"], "read", "it is still not there");
    refused.store(false, Ordering::SeqCst);
    let (synced, _) = company.sync(&["--full"]);
    assert_eq!((&synced["records"], &synced["notes"]), (&json!(7), &Value::Null), "{synced}");
    refused.store(true, Ordering::SeqCst);
    assert_eq!(company.sync(&[]).0["result"], "failed");
    assert_eq!(company.json(&["sources", "status"])[0]["records"], json!({ "users": 6, "sites": 1 }));

    // Where nothing else is there, nothing was read.
    let both = connector.replace("    gives: [users]", "    optional: true\n    gives: [users]");
    let company = Company::new(&both, "", |_| status(403, &[]));
    assert_eq!(company.sync(&[]).0["result"], "failed");
}

/// Killed in the middle of a reading it has changed nothing, and the next reading goes its way.
#[test]
fn what_is_killed_half_way_leaves_what_was_known() {
    let (slow, waiting) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(0)));
    let (stalls, waits) = (Arc::clone(&slow), Arc::clone(&waiting));
    let company = Company::new(CONNECTOR, "", move |asked| {
        if stalls.load(Ordering::SeqCst) && asked.query.get("token").is_some_and(|token| token == "two") {
            *waits.lock().unwrap() += 1;
            return Answer::Late(Duration::from_secs(30), "{}".into());
        }
        steady(asked)
    });
    company.sync(&[]);
    let before = files(&company.data());
    slow.store(true, Ordering::SeqCst);
    let mut child = company.command(&["--full"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while *waiting.lock().unwrap() == 0 {
        assert!(begun.elapsed() < Duration::from_secs(60), "the second page is not asked for");
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(files(&company.data()), before);
    slow.store(false, Ordering::SeqCst);
    assert_eq!(company.sync(&["--full"]).0["records"], 7);
}

fn files(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for name in ["sources", "identity"] {
        for entry in fs::read_dir(folder.join(name)).unwrap() {
            let path = entry.unwrap().path();
            found.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
        }
    }
    found.sort();
    found
}
