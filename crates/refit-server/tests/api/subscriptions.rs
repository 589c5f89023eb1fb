use crate::server::Server;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::SignedDuration;
use refit_core::control::{Actor, Bearer, Input, Scope};
use refit_server::deliveries::Deliveries;
use ring::hmac;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::TcpListener,
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

/// A request that a receiver got.
pub struct Got {
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Got {
    fn event(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Whether any of its signatures is by this secret.
    fn is_signed_by(&self, secret: &str) -> bool {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        let mut content = format!("{}.{}.", self.headers["webhook-id"], self.headers["webhook-timestamp"]).into_bytes();
        content.extend_from_slice(&self.body);
        self.headers["webhook-signature"].split(' ').any(|signature| {
            let tag = STANDARD.decode(signature.strip_prefix("v1,").unwrap()).unwrap();
            hmac::verify(&key, &content, &tag).is_ok()
        })
    }
}

/// A receiver that answers with these statuses, and with the last of them from then on.
pub fn receiver(statuses: &'static [u16]) -> (String, Receiver<Got>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = format!("127.0.0.1:{}", listener.local_addr().unwrap().port());
    let (give, take) = channel();
    thread::spawn(move || {
        for number in 0.. {
            let Ok((mut stream, _)) = listener.accept() else { return };
            let mut said = Vec::new();
            let mut buffer = [0; 16_384];
            let (head, length) = loop {
                let read = stream.read(&mut buffer).unwrap();
                said.extend_from_slice(&buffer[..read]);
                let text = String::from_utf8_lossy(&said).into_owned();
                if let Some((head, _)) = text.split_once("\r\n\r\n") {
                    let lines = head.lines().skip(1).filter_map(|line| line.split_once(": "));
                    let headers: BTreeMap<String, String> =
                        lines.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
                    let length: usize = headers["content-length"].parse().unwrap();
                    break (headers, head.len() + 4 + length);
                }
                assert!(read > 0);
            };
            while said.len() < length {
                let read = stream.read(&mut buffer).unwrap();
                said.extend_from_slice(&buffer[..read]);
            }
            let size: usize = head["content-length"].parse().unwrap();
            let body = said[length - size..length].to_vec();
            let status = statuses[number.min(statuses.len() - 1)];
            let answer = format!("HTTP/1.1 {status} Said\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).unwrap();
            if give.send(Got { headers: head, body }).is_err() {
                return;
            }
        }
    });
    (host, take)
}

pub fn next(receiver: &Receiver<Got>) -> Got {
    receiver.recv_timeout(Duration::from_secs(20)).expect("something is sent")
}

async fn subscribe(server: &Server, host: &str, filter: &str) -> (String, String) {
    let wanted = json!({ "name": "test", "url": format!("http://{host}/hook"), "filter": filter });
    let made = server.post("/api/v1/subscriptions", wanted).await.ok();
    (made["id"].as_str().unwrap().to_owned(), made["secret"].as_str().unwrap().to_owned())
}

async fn enrol(server: &Server, id: &str) {
    server.post("/api/v1/devices", json!({ "id": id })).await.ok();
}

async fn status(server: &Server, id: &str) -> Value {
    server.get(&format!("/api/v1/subscriptions/{id}")).await.ok()
}

/// Waits until something is so of a subscription.
async fn until(server: &Server, id: &str, holds: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..400 {
        let now = status(server, id).await;
        if holds(&now) {
            return now;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("it does not come to hold: {}", status(server, id).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_is_sent_what_passes_its_filter_signed_and_in_order() {
    let (host, got) = receiver(&[204]);
    let server = Server::sending(vec![host.clone()]).await;
    enrol(&server, "before").await;
    let (id, secret) = subscribe(&server, &host, r#"event.type == "device.enrolled""#).await;
    for device in ["d1", "d2", "d3"] {
        enrol(&server, device).await;
    }
    let mut subjects = Vec::new();
    for _ in 0..3 {
        let request = next(&got);
        assert!(request.is_signed_by(&secret));
        let event = request.event();
        assert_eq!(request.headers["webhook-id"], event["id"].as_str().unwrap());
        assert!(!request.headers["webhook-id"].contains('.'));
        assert_eq!(request.headers["content-type"], "application/cloudevents+json");
        assert_eq!(event["type"], "device.enrolled");
        subjects.push(event["subject"].as_str().unwrap().to_owned());
    }
    subjects.sort();
    // What was there before it was made is not sent.
    assert_eq!(subjects, ["d1", "d2", "d3"]);
    let now = until(&server, &id, |now| now["pending"] == 0).await;
    assert_eq!((&now["state"], &now["dead"]), (&json!("active"), &json!(0)));
    let log = server.get(&format!("/api/v1/subscriptions/{id}/deliveries")).await.ok();
    assert_eq!(log["items"].as_array().unwrap().len(), 3);
    assert_eq!(log["items"][0]["status"], 204);

    // A new secret counts at once, and the one before it too.
    let rotated = server.post(&format!("/api/v1/subscriptions/{id}/secret"), json!({})).await.ok();
    let newer = rotated["secret"].as_str().unwrap();
    assert_ne!(newer, secret);
    enrol(&server, "d4").await;
    let request = next(&got);
    assert!(request.is_signed_by(newer) && request.is_signed_by(&secret));
    // By then the token that asked has expired as well.
    server.wait(SignedDuration::from_hours(25));
    let enrol = Input::Enrol { device: "d5".into(), name: None };
    server.shell.tell(&Actor::server(), enrol, None).await.unwrap();
    let request = next(&got);
    assert!(request.is_signed_by(newer) && !request.is_signed_by(&secret));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_is_sent_again_and_a_restart_remembers_what_was_delivered() {
    let (host, got) = receiver(&[500, 200]);
    let server = Server::sending(vec![host.clone()]).await;
    let (id, _) = subscribe(&server, &host, r#"event.type == "device.enrolled""#).await;
    enrol(&server, "d1").await;
    let first = next(&got);
    until(&server, &id, |now| now["failures"] == 1).await;
    server.wait(SignedDuration::from_secs(10));
    // It is looked at again because something happens.
    enrol(&server, "d2").await;
    let ids: Vec<String> = [next(&got), next(&got)].iter().map(|got| got.headers["webhook-id"].clone()).collect();
    assert!(ids.contains(&first.headers["webhook-id"]), "{ids:?}");
    until(&server, &id, |now| now["pending"] == 0 && now["failures"] == 0).await;

    // Another process goes on from the file.
    server.deliveries.as_ref().unwrap().keep().await;
    let outbound = refit_connect::outbound::Outbound::new([host.clone()]);
    let folder = server.folder.path().join("deliveries");
    let again = Deliveries::new(server.shell.clone(), server.agents.clone(), outbound, folder);
    tokio::spawn(again.clone().run());
    for _ in 0..400 {
        if again.kept(&id).is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    let kept = again.kept(&id).expect("it has read its file");
    assert!(kept.machine.pending().is_empty() && kept.log.len() == 3);
    assert!(got.recv_timeout(Duration::from_millis(500)).is_err(), "nothing is sent again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_log_from_a_backup_has_anew_is_sent_though_its_numbers_were_delivered_before() {
    let (host, got) = receiver(&[200]);
    let server = Server::sending(vec![host.clone()]).await;
    let (id, _) = subscribe(&server, &host, r#"event.type == "device.enrolled""#).await;
    let head = *server.shell.head().borrow();
    enrol(&server, "d1").await;
    next(&got);
    until(&server, &id, |now| now["pending"] == 0).await;
    server.deliveries.as_ref().unwrap().keep().await;

    // The log was found without what the file remembers, and has been written on since, with the same numbers.
    let outbound = refit_connect::outbound::Outbound::new([host.clone()]);
    let folder = server.folder.path().join("deliveries");
    let again = Deliveries::going_on(server.shell.clone(), server.agents.clone(), outbound, folder, head);
    tokio::spawn(again.run());
    assert_eq!(next(&got).event()["subject"], "d1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_says_gone_is_left_alone_until_somebody_resumes() {
    let (host, got) = receiver(&[410, 200]);
    let server = Server::sending(vec![host.clone()]).await;
    let (id, _) = subscribe(&server, &host, "").await;
    enrol(&server, "d1").await;
    next(&got);
    until(&server, &id, |now| now["state"] == "gone").await;
    enrol(&server, "d2").await;
    assert!(got.recv_timeout(Duration::from_millis(300)).is_err());
    server.post(&format!("/api/v1/subscriptions/{id}/resume"), json!({})).await.ok();
    next(&got);
    until(&server, &id, |now| now["state"] == "active" && now["pending"] == 0).await;
    server.delete(&format!("/api/v1/subscriptions/{id}")).await.ok();
    server.get(&format!("/api/v1/subscriptions/{id}")).await.problem(404, "not-found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_change_no_longer_wants_is_not_sent_and_a_new_address_is_another_receiver() {
    let (host, got) = receiver(&[410]);
    let (other, at_other) = receiver(&[204]);
    let server = Server::sending(vec![host.clone(), other.clone()]).await;
    let (id, _) = subscribe(&server, &host, r#"event.type == "device.enrolled""#).await;
    enrol(&server, "d1").await;
    next(&got);
    until(&server, &id, |now| now["state"] == "gone").await;
    enrol(&server, "d2").await;
    let wanted = json!({ "name": "test", "url": format!("http://{other}/hook"), "filter": r#"event.subject == "d2""# });
    let path = format!("/api/v1/subscriptions/{id}");
    server.call(&server.admin, "PUT", &path, &[], Some(wanted)).await.ok();
    assert_eq!(next(&at_other).event()["subject"], "d2");
    until(&server, &id, |now| now["state"] == "active" && now["pending"] == 0).await;
    assert!(at_other.recv_timeout(Duration::from_millis(300)).is_err(), "the first device is wanted no longer");
    // Addresses are often secrets: whoever may read the log is not told them.
    let log = server.get("/api/v1/events?limit=1000").await.ok().to_string();
    assert!(log.contains("subscription.set") && !log.contains("/hook"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wants_batches_is_sent_what_waits_in_one_post_and_what_fails_in_smaller_ones() {
    let (host, got) = receiver(&[500, 204]);
    let server = Server::sending(vec![host.clone()]).await;
    let mut wanted = json!({
        "name": "test",
        "url": format!("http://{host}/hook"),
        "filter": r#"event.type == "device.enrolled""#,
        "batch": true,
    });
    let made = server.post("/api/v1/subscriptions", wanted.clone()).await.ok();
    let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    assert_eq!(made["batch"], true);
    for device in ["d1", "d2", "d3"] {
        enrol(&server, device).await;
    }
    until(&server, id, |now| now["pending"] == 3).await;
    assert!(got.recv_timeout(Duration::from_millis(300)).is_err(), "it waits for others");
    server.wait(SignedDuration::from_secs(2));
    let batch = |request: &Got| {
        assert_eq!(request.headers["content-type"], "application/cloudevents-batch+json");
        assert!(request.is_signed_by(secret) && !request.headers["webhook-id"].contains('.'));
        let events = request.event();
        let subjects = events.as_array().unwrap().iter().map(|event| event["subject"].as_str().unwrap().to_owned());
        subjects.collect::<Vec<_>>()
    };
    let first = next(&got);
    assert_eq!(batch(&first), ["d1", "d2", "d3"]);

    // It is refused, and comes again: in smaller ones, each under its own id.
    until(&server, id, |now| now["failures"] == 1).await;
    server.wait(SignedDuration::from_secs(10));
    enrol(&server, "d4").await;
    let mut again = Vec::new();
    for _ in 0..3 {
        let request = next(&got);
        assert_eq!(request.headers["webhook-id"], request.event()[0]["id"].as_str().unwrap());
        again.push(batch(&request));
    }
    again.sort();
    assert_eq!(again, [["d1"], ["d2"], ["d3"]]);
    until(&server, id, |now| now["pending"] == 1).await;
    server.wait(SignedDuration::from_secs(2));
    assert_eq!(batch(&next(&got)), ["d4"]);
    until(&server, id, |now| now["pending"] == 0).await;
    let log = server.get(&format!("/api/v1/subscriptions/{id}/deliveries")).await.ok();
    let log = log["items"].as_array().unwrap();
    let counts: Vec<u64> = log.iter().map(|attempt| attempt["events"].as_u64().unwrap()).collect();
    assert_eq!(counts, [1, 1, 1, 1, 3]);
    let refused = &log[4];
    assert_eq!(refused["id"], first.headers["webhook-id"].as_str());
    assert_eq!((&refused["status"], &refused["attempt"]), (&json!(500), &json!(1)));
    assert_ne!(refused["position"], refused["last"]);

    // Whoever wants no batches any more is sent each by itself.
    wanted.as_object_mut().unwrap().remove("batch");
    server.call(&server.admin, "PUT", &format!("/api/v1/subscriptions/{id}"), &[], Some(wanted)).await.ok();
    assert_eq!(status(&server, id).await["batch"], false);
    enrol(&server, "d5").await;
    let request = next(&got);
    assert_eq!(request.headers["content-type"], "application/cloudevents+json");
    assert_eq!(request.event()["subject"], "d5");
}

#[tokio::test]
async fn a_wrong_subscription_is_refused_with_a_way_out() {
    let server = Server::sending(Vec::new()).await;
    let make = async |url: &str, filter: &str| {
        server.post("/api/v1/subscriptions", json!({ "name": "x", "url": url, "filter": filter })).await
    };
    make("http://example.com/", "").await.problem(422, "invalid");
    make("https://a:b@example.com/", "").await.problem(422, "invalid");
    let wrong = make("https://example.com/", "event.typ == \"x\"").await.problem(422, "invalid");
    assert!(wrong["detail"].as_str().unwrap().contains("did you mean `type`?"), "{wrong}");
    let reader = server.token("reader", "rita", Bearer::Program, &[Scope::Read]).await;
    let new = json!({ "name": "x", "url": "https://example.com/" });
    server.call(&reader, "POST", "/api/v1/subscriptions", &[], Some(new)).await.problem(403, "scope-missing");
    // Without a server that sends, nobody subscribes.
    let silent = Server::new().await;
    silent
        .post("/api/v1/subscriptions", json!({ "name": "x", "url": "https://example.com/" }))
        .await
        .problem(503, "unavailable");
}
