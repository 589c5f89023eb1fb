//! A server reads its sources by itself: two files and a system over HTTP, which name a laptop that has an agent.

use super::{
    double,
    running::{Running, command, wait_for},
};
use refit_api::{Device, Enrol, NewObservation};
use refit_core::control::{Plain, SourceTrouble};
use serde_json::json;
use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

const POLICY: &str = "
organization: acme
authority:
  device.site: [assets, directory]
  person.department: [hr, directory]
---
source: assets
connector: csv
every: 1s
---
source: hr
connector: csv
every: 1s
---
source: directory
every: 1s
";

const DIRECTORY: &str = r#"
connector: directory
name: Directory
reads: http_json
settings: { url: { about: Where it is. } }
secrets: { token: A token that may read. }
authentication: { bearer: { token: token } }
address: "{url}"
lists:
  machines: { get: /machines, gives: [machines] }
  users: { get: /users, gives: [users] }
records:
  - records: machines
    of: device
    from: [/machines]
    id: record.id
    keys: { serial: record.serial }
    fields: { device.hostname: record.name, device.site: record.site }
    relations:
      - relation: assigned
        assignment: primary
        keys: { email: record.user }
  - records: users
    of: person
    from: [/users]
    id: record.id
    keys: { email: record.mail }
    fields: { person.email: record.mail, person.department: record.department }
"#;

const ASSETS: &str = "\
id,serial,site,model
A-1,C02XK1AA,Kiel,X1
A-2,C02XK2AA,Kiel,X1
A-3,C02XK3AA,Bonn,X1
A-4,C02XK4AA,Bonn,X1
A-5,C02XK5AA,Bonn,X1
A-6,C02XK6AA,Bonn,X1
";

fn hr(department: &str) -> String {
    format!("employee_id,email,department,employment\n7,ada@acme.example,{department},active\n")
}

/// Waits until it is so.
fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "{what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn agent_says(running: &Running, device: &str, serial: &str) {
    let enrol = Enrol { id: Some(device.to_owned()), name: None };
    running.client.enrol(&enrol).unwrap();
    let observation = NewObservation {
        source: "agent".into(),
        observed: None,
        facts: BTreeMap::from([("device.serial".to_owned(), Some(Plain::Text(serial.into())))]),
        installs: None,
        universe: None,
        check_in: None,
    };
    running.client.observe(device, &observation).unwrap();
}

/// `field by source: value`
fn facts(device: &Device) -> Vec<String> {
    let field = |name: &str| name.trim_start_matches("device.").to_owned();
    let said = |value: &Option<Plain>| value.as_ref().map(ToString::to_string).unwrap_or_default();
    device
        .facts
        .iter()
        .map(|fact| format!("{} by {}: {}", field(&fact.field), fact.source, said(&fact.value)))
        .collect()
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    fs::write(folder.join(name), text).unwrap();
    folder.join(name).display().to_string()
}

#[test]
fn a_server_reads_its_sources_and_shows_what_each_says_of_a_laptop() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let refuses = Arc::new(AtomicBool::new(false));
    let shut = refuses.clone();
    let directory = double::Server::start(move |asked| {
        let permitted = asked.headers.get("authorization").is_some_and(|given| given == "Bearer hush");
        match asked.path.as_str() {
            _ if shut.load(Ordering::Relaxed) || !permitted => double::status(403, &[]),
            "/machines" => double::json(json!({ "machines": [
                { "id": "m-1", "serial": "C02XK1AA", "name": "ada-laptop", "site": "Bonn", "user": "ada@acme.example" }
            ] })),
            _ => double::json(json!({ "users": [
                { "id": "u-1", "mail": "ada@acme.example", "department": "finance-emea" }
            ] })),
        }
    });
    let assets = write(home, "assets.csv", ASSETS);
    let people = write(home, "hr.csv", &hr("Finance"));
    let token = write(home, "token", "hush\n");
    let data = home.join("data");
    let mut serve = command(&data);
    serve.args(["--connect", &format!("directory={}", directory.url), "--secret", &format!("directory.token={token}")]);
    serve.args(["--file", &format!("assets={assets}"), "--file", &format!("hr={people}")]).env("NO_PROXY", "*");
    let running = wait_for(serve, &data);
    let client = &running.client;
    agent_says(&running, "laptop-1", "C02XK1AA");
    let files = [("refit.yaml", POLICY), ("directory/connector.yaml", DIRECTORY)];
    let files = files.map(|(path, text)| (path.to_owned(), text.to_owned()));
    let plan = client.make_plan(files.into()).unwrap();
    client.apply_plan(&plan.summary.id).unwrap();

    // All three are read, and what they say of the laptop stands beside what its agent says.
    let wanted = [
        "hostname by directory: ada-laptop",
        "model by assets: X1",
        "phase by refit: active",
        "serial by agent: C02XK1AA",
        "serial by assets: C02XK1AA",
        "site by assets: Kiel",
        "site by directory: Bonn",
    ];
    let laptop = until("the sources are not read", || {
        let device = client.device("laptop-1").unwrap();
        (facts(&device) == wanted && device.person.is_some()).then_some(device)
    });
    let person = client.person(&laptop.person.unwrap()).unwrap();
    let departments = person.facts.iter().filter(|fact| fact.field == "department");
    let said: Vec<_> =
        departments.map(|fact| (fact.source.as_str(), fact.value.as_ref().unwrap().to_string())).collect();
    assert_eq!(said, [("directory", "finance-emea".into()), ("hr", "Finance".into())]);
    let sources = || client.sources().unwrap();
    let stand: Vec<_> = sources().into_iter().map(|it| (it.source, it.records, it.alarm)).collect();
    assert_eq!(stand, [("assets".into(), 6, None), ("directory".into(), 2, None), ("hr".into(), 1, None)]);
    // Devices that only a source knows are devices of the server.
    assert_eq!(client.devices(&Default::default()).unwrap().len(), 6);

    // One of them gets an agent, and goes on as the device that it is.
    agent_says(&running, "laptop-2", "C02XK2AA");
    let kept = until("the second laptop stays alone", || client.device("laptop-2").unwrap().merged_into);
    let device = client.device(&kept).unwrap();
    assert_eq!(device.former_ids, ["laptop-2"]);
    assert!(facts(&device).contains(&"serial by agent: C02XK2AA".to_owned()), "{:?}", facts(&device));

    // Somebody moves, and a source that shrinks or fails keeps its last good state.
    write(home, "hr.csv", &hr("Legal"));
    write(home, "assets.csv", ASSETS.lines().take(2).collect::<Vec<_>>().join("\n").as_str());
    refuses.store(true, Ordering::Relaxed);
    let moved = until("nobody moves", || {
        let page = client.events(0, Some("person.changed"), Duration::ZERO).unwrap();
        page.items.into_iter().next()
    });
    assert_eq!(moved.body["change"], "department");
    let alarms = until("no alarm", || {
        let alarms: Vec<_> = sources().into_iter().filter_map(|it| Some((it.source, it.alarm?.kind))).collect();
        (alarms.len() == 2).then_some(alarms)
    });
    let expected = [("assets".to_owned(), SourceTrouble::Shrunk), ("directory".to_owned(), SourceTrouble::Failed)];
    assert_eq!(alarms, expected);
    assert_eq!(client.devices(&Default::default()).unwrap().len(), 6);
    assert!(facts(&client.device("laptop-1").unwrap()).contains(&wanted[5].to_owned()));
    write(home, "assets.csv", ASSETS);
    refuses.store(false, Ordering::Relaxed);
    until("the alarms stay", || sources().iter().all(|it| it.alarm.is_none()).then_some(()));
    // What was taken in is not taken in again.
    let before = client.events(0, None, Duration::ZERO).unwrap().head;
    let read = || directory.asked().len();
    let (begun, first) = (Instant::now(), read());
    while read() == first || begun.elapsed() < Duration::from_secs(12) {
        std::thread::sleep(Duration::from_millis(200));
    }
    let page = client.events(before, Some("device.,person."), Duration::ZERO).unwrap();
    assert!(page.items.is_empty(), "{:?}", page.items);
}

const TWO: &str = "
organization: acme
---
source: assets
connector: csv
every: 1s
---
source: repairs
connector: csv
every: 1s
";

const APART: &str = "---
identities: a lent number
different: [[\"id:assets/A-1\", \"id:repairs/R-9\"]]
";

#[test]
fn what_people_settle_stays_settled_when_the_server_starts_again() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let data = home.join("data");
    let assets = write(home, "assets.csv", "id,serial,model\nA-1,C02XK1AA,X1\n");
    let repairs = write(home, "repairs.csv", "id,serial,model\nR-9,C02XK1AA,X9\n");
    let start = || {
        let mut serve = command(&data);
        serve
            .args(["--file", &format!("assets={assets}"), "--file", &format!("repairs={repairs}")])
            .env("NO_PROXY", "*");
        wait_for(serve, &data)
    };
    let apply = |running: &Running, text: &str| {
        let files = BTreeMap::from([("refit.yaml".to_owned(), text.to_owned())]);
        let plan = running.client.make_plan(files).unwrap();
        running.client.apply_plan(&plan.summary.id).unwrap();
    };
    // What is said of the model of each device, by its id.
    let models = |running: &Running| -> BTreeMap<String, Vec<String>> {
        let devices = running.client.devices(&Default::default()).unwrap();
        let said =
            |id: &str| facts(&running.client.device(id).unwrap()).into_iter().filter(|fact| fact.starts_with("model"));
        devices.into_iter().map(|device| (device.id.clone(), said(&device.id).collect())).collect()
    };
    let wait = |running: &Running, what: &str, wanted: &[&[&str]]| {
        until(what, || {
            let found = models(running);
            let mut said: Vec<Vec<String>> = found.values().cloned().collect();
            said.sort();
            (said == wanted).then_some(found)
        })
    };
    let both: &[&[&str]] = &[&["model by assets: X1", "model by repairs: X9"]];

    let mut running = start();
    apply(&running, TWO);
    let one = wait(&running, "they are not one", both);
    apply(&running, &format!("{TWO}{APART}"));
    let two = wait(&running, "they are not two", &[&["model by assets: X1"], &["model by repairs: X9"]]);
    assert!(one.keys().all(|id| two.contains_key(id)), "the older id stays: {one:?} {two:?}");

    // Both are read again by another process, with something new to say.
    super::running::signal(&running.child, nix::sys::signal::Signal::SIGTERM);
    running.child.wait().unwrap();
    write(home, "repairs.csv", "id,serial,model\nR-9,C02XK1AA,X8\n");
    running = start();
    let again = wait(&running, "they are not two again", &[&["model by assets: X1"], &["model by repairs: X8"]]);
    assert!(again.keys().eq(two.keys()), "{again:?} {two:?}");

    // Taken back, they are what they were, under the id that they had.
    apply(&running, TWO);
    let whole = wait(&running, "they are not one again", &[&["model by assets: X1", "model by repairs: X8"]]);
    assert!(whole.keys().eq(one.keys()), "{whole:?} {one:?}");
}
