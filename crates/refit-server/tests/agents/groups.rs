//! Disruption groups, as devices meet them at the door.

use super::{
    client::Device,
    documents::apply,
    server::{Running, debian},
};
use refit_api::NewToken;
use refit_core::{
    control::{Bearer, Plain, Scope, SlotName},
    decide::Hold,
};
use refit_model::{TitleId, entry::ReceiptResult};
use refit_wire::{
    Envelope, State,
    protocol::{CheckInAnswer, Inventory, Receipt},
};
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    process::Command,
    sync::mpsc,
    time::Duration,
};

const POLICY: &str = "organization: acme
---
policy: openssl
mode: enforce
software: [deb/openssl]
deadline: [{ within: 7d }]
disruption: { group_by: device.cluster, max_unavailable: 1 }
";

fn of_cluster(openssl: &str) -> Inventory {
    let mut inventory = debian(openssl);
    inventory.facts.insert("device.cluster".into(), Plain::Text("db".into()));
    inventory
}

async fn directives(server: &Running, device: &Device) -> usize {
    let envelope = Envelope::parse::<State>(&device.wire.get("/agent/v1/state").await.body).unwrap();
    let state: State = envelope.open(&[&server.agents.key().public()], 1).unwrap();
    state.directives.len()
}

/// The device fetches what it is told, and checks in as one that holds it.
async fn check_in(device: &mut Device) -> CheckInAnswer {
    let held = Envelope::parse::<State>(&device.wire.get("/agent/v1/state").await.body).unwrap().digest();
    let mut check_in = device.same();
    check_in.holds.state = Some(held);
    device.send(&check_in).await.ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_cluster_that_comes_at_once_one_is_told_and_the_next_when_it_is_through() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(folder.path()).await;
    let mut devices = Vec::new();
    for name in ["a", "b", "c"] {
        let mut device = server.device(name).await;
        device.say_all(of_cluster("3.0.1-1")).await;
        devices.push(device);
    }
    apply(&server, POLICY).await;
    // All of them at the same moment.
    let check_ins: Vec<_> = devices.iter_mut().map(|device| (device.same(), &*device)).collect();
    let all = check_ins.iter().map(|(check_in, device)| device.send(check_in));
    let answers: Vec<CheckInAnswer> = futures_util::future::join_all(all).await.iter().map(|it| it.ok()).collect();
    let mut told = Vec::new();
    for (index, device) in devices.iter().enumerate() {
        if directives(&server, device).await > 0 {
            told.push(index);
        }
    }
    let [first] = told[..] else { panic!("one of three: {told:?}") };
    let waiting = (first + 1) % 3;
    assert!(answers[waiting].next_seconds <= 300, "who waits comes again soon: {}", answers[waiting].next_seconds);
    // Why, and for whom.
    let (id, name) = (devices[waiting].id.clone(), devices[first].id.clone());
    let said = server.ask(move |admin| admin.decisions(&id)).await.unwrap();
    let slot = said.slots.iter().find(|slot| slot.slot.title.as_str() == "deb/openssl").unwrap();
    assert!(slot.holds.contains(&Hold::Disruption), "{:?}", slot.holds);
    let held = &slot.held_by[0];
    assert!(held.because.contains("which has the lease since") && held.lifted_by.is_none(), "{held:?}");
    let groups = server.ask(|admin| admin.groups()).await.unwrap();
    assert_eq!((groups[0].field.as_str(), groups[0].value.as_str(), groups[0].devices), ("device.cluster", "db", 3));
    assert_eq!(groups[0].away[0].device.as_deref(), Some(name.as_str()));
    // It is done, and seen to be; then it is told that nothing is left, and holds that.
    let device = &mut devices[first];
    let inventory = of_cluster("3.0.2-1");
    let report = inventory.since(&device.said);
    device.said = inventory;
    let mut done = device.next(report);
    done.receipts = vec![Receipt {
        id: "r1".into(),
        directive: "upgrade deb/openssl 3.0.2-1".into(),
        slot: SlotName::of(TitleId::new("deb/openssl")),
        result: ReceiptResult::Succeeded,
        before: Some("3.0.1-1".into()),
        after: Some("3.0.2-1".into()),
        at: jiff::Timestamp::now(),
        duration_ms: 5,
        output: String::new(),
    }];
    device.send(&done).await.ok::<CheckInAnswer>();
    let answer = check_in(&mut devices[waiting]).await;
    assert_eq!(directives(&server, &devices[waiting]).await, 0, "{answer:?}");
    check_in(&mut devices[first]).await;
    check_in(&mut devices[waiting]).await;
    assert_eq!(directives(&server, &devices[waiting]).await, 1);
    server.stop().await;
}

/// A machine that speaks FleetLock, as `curl` does it: what it answers, and with which status.
fn fleet_lock(server: &Running, ca: &str, secret: &str, path: &str, id: &str, header: &str) -> (u16, String) {
    // What Zincati does with `fleet_lock.base_url = "https://node:SECRET@HOST/"`.
    let url = format!("https://node:{secret}@{}/v1/{path}", server.address);
    let body = format!(r#"{{"client_params":{{"id":"{id}","group":"db"}}}}"#);
    let curl = Command::new("curl")
        .args(["-sS", "--cacert", ca, "-H", header, "-d", &body, "-w", "\n%{http_code}", &url])
        .output()
        .expect("curl is there");
    assert!(curl.status.success(), "{}", String::from_utf8_lossy(&curl.stderr));
    let text = String::from_utf8(curl.stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), body.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn machines_that_speak_fleet_lock_restart_one_after_the_other_and_among_devices() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(folder.path()).await;
    apply(&server, POLICY).await;
    let token = NewToken {
        name: "nodes".into(),
        owner: Some("ops".into()),
        bearer: Bearer::Program,
        requests_per_minute: None,
        scopes: [Scope::FleetLock].into(),
        expires: jiff::Timestamp::now().checked_add(jiff::SignedDuration::from_hours(24)).unwrap(),
    };
    let secret = server.ask(move |admin| admin.create_token(&token)).await.unwrap().secret.unwrap();
    let ca = folder.path().join("tls/ca.pem").to_string_lossy().into_owned();
    const MEANT: &str = "fleet-lock-protocol: true";
    let ask = |path: &str, id: &str| fleet_lock(&server, &ca, &secret, path, id, MEANT);
    assert_eq!(ask("pre-reboot", "node-1"), (200, String::new()));
    assert_eq!(ask("pre-reboot", "node-1").0, 200, "again is granted again");
    let (status, body) = ask("pre-reboot", "node-2");
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, body["kind"].as_str()), (409, Some("failed_lock_semaphore_full")));
    assert!(body["value"].as_str().unwrap().contains("waits for node-1"), "{body}");
    // A device of the same group waits for it too.
    let mut device = server.device("a").await;
    device.say_all(of_cluster("3.0.1-1")).await;
    server.settled().await;
    check_in(&mut device).await;
    assert_eq!(directives(&server, &device).await, 0);
    assert_eq!(ask("steady-state", "node-2").0, 200, "who has none has given it back");
    assert_eq!(ask("steady-state", "node-1").0, 200);
    // The writer's clock ticks, and it is given back.
    server.shell.tell(&refit_core::control::Actor::server(), refit_core::control::Input::Tick, None).await.unwrap();
    check_in(&mut device).await;
    assert_eq!(directives(&server, &device).await, 1);
    assert_eq!(ask("pre-reboot", "node-2").0, 409);
    // Who does not mean it, who is nobody, and who may do something else.
    assert_eq!(fleet_lock(&server, &ca, &secret, "pre-reboot", "x", "x: y").0, 400);
    let (status, body) = fleet_lock(&server, &ca, "wrong", "pre-reboot", "x", MEANT);
    assert!(status == 401 && body.contains(r#""kind":"not_permitted""#), "{status} {body}");
    let groups = server.ask(|admin| admin.groups()).await.unwrap();
    assert_eq!(groups[0].away[0].device.as_deref(), Some(device.id.as_str()));
    let device_id = device.id.clone();
    let back = refit_api::GiveBack { device: Some(device_id), client: None, why: "by hand".into() };
    assert!(server.ask(move |admin| admin.give_back(&back)).await.unwrap().changed);
    let groups = server.ask(|admin| admin.groups()).await.unwrap();
    assert_eq!(groups[0].away[0].is, "withdrawn");
    server.stop().await;
}

/// Answers one request after the other with these statuses, and passes on what was asked.
fn webhook(statuses: Vec<u16>) -> (String, mpsc::Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/drain", listener.local_addr().unwrap());
    let (heard, hear) = mpsc::channel();
    std::thread::spawn(move || {
        for status in statuses {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream);
            let (mut signature, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                let (name, value) = line.trim().split_once(": ").unwrap_or_default();
                match name.to_ascii_lowercase().as_str() {
                    "refit-signature" => signature = value.to_owned(),
                    "content-length" => length = value.parse().unwrap(),
                    "" if line.trim().is_empty() => break,
                    _ => {}
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            reader.get_mut().write_all(answer.as_bytes()).unwrap();
            heard.send((signature, body)).unwrap();
        }
    });
    (url, hear)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_begins_before_the_webhook_has_agreed_and_what_it_is_asked_is_signed() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(folder.path()).await;
    let mut device = server.device("a").await;
    device.say_all(of_cluster("3.0.1-1")).await;
    apply(&server, &POLICY.replace("max_unavailable: 1", "max_unavailable: 1, drain: lb")).await;
    let (url, heard) = webhook(vec![503, 200]);
    server.ask(move |admin| admin.set_webhook("lb", Some(&url))).await.unwrap();
    check_in(&mut device).await;
    assert_eq!(directives(&server, &device).await, 0);
    let first = tokio::task::spawn_blocking(move || {
        let first = heard.recv_timeout(Duration::from_secs(20)).unwrap();
        (first, heard)
    });
    let ((signature, body), heard) = first.await.unwrap();
    let question: refit_api::WebhookQuestion = serde_json::from_slice(&body).unwrap();
    assert_eq!((question.device.as_deref(), &*question.webhook), (Some(device.id.as_str()), "lb"));
    assert_eq!(question.groups, ["device.cluster=db"]);
    let (key, signed) = signature.split_once(':').unwrap();
    let public = server.agents.key().public();
    let signed = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, signed).unwrap();
    assert!(public.id().to_string() == key && public.verifies(&body, &signed), "{signature}");
    // It said no: nothing is granted, and the reason is seen.
    for _ in 0..100 {
        let groups = server.ask(|admin| admin.groups()).await.unwrap();
        if groups[0].away[0].because.as_deref().is_some_and(|because| because.contains("503")) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    check_in(&mut device).await;
    assert_eq!(directives(&server, &device).await, 0);
    tokio::task::spawn_blocking(move || heard.recv_timeout(Duration::from_secs(20)).unwrap()).await.unwrap();
    for _ in 0..100 {
        let groups = server.ask(|admin| admin.groups()).await.unwrap();
        if groups[0].away[0].is == "session" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    check_in(&mut device).await;
    assert_eq!(directives(&server, &device).await, 1);
    server.stop().await;
}
