//! Explanations of the past: what was answered then is answered for 400 days, whatever has come since and whichever snapshots are
//! still there.

use crate::server::Server;
use jiff::{SignedDuration, Timestamp};
use refit_core::control::{Actor, Bearer, Input, Scope};
use serde_json::{Value, json};

const DEVICES: [&str; 5] = ["d0", "d1", "d2", "d3", "d4"];

/// How long the log becomes.
const DAYS: i64 = 440;
/// How long the past is answered.
const ANSWERED: SignedDuration = SignedDuration::from_hours(400 * 24);

/// The policy repository, as it was changed every 50 days.
fn policy(revision: i64) -> String {
    let within = 3 + revision;
    let exception = match revision % 3 {
        1 => {
            "---\nexception: lab\nsoftware: [editor]\nwhere: device.site == \"lab\"\ndue: 2028-12-30T17:00:00Z\n\
              until: 2028-12-31\nwhy: The lab's appliance\n"
        }
        _ => "",
    };
    format!(
        "organization: acme\ndefaults: {{ mode: enforce }}\nexceptions: {{ longest: 2000d }}\n---\ntitle: editor\n\
         name: Editor\nscheme: semver\n---\npolicy: finance {revision}\nwhere: person.department == \"Finance\"\n\
         software: [editor]\npriority: 10\ndeadline: [{{ within: 1d }}]\n---\npolicy: everybody\nsoftware: [editor]\n\
         min_age: {revision}d\ndeadline: [{{ if: exposure.kev, within: 1d }}, {{ within: {within}d }}]\n{exception}"
    )
}

struct History {
    server: Server,
    secret: String,
    /// Device, when it was asked, and what was answered.
    answers: Vec<(&'static str, Timestamp, Value)>,
}

impl History {
    async fn send(&self, method: &str, path: &str, body: Value) -> Value {
        self.server.call(&self.secret, method, path, &[], Some(body)).await.ok()
    }

    async fn ask(&self, device: &str, rest: &str) -> Value {
        let path = format!("/api/v1/devices/{device}/explanation?title=editor{rest}");
        self.server.call(&self.secret, "GET", &path, &[], None).await.ok()
    }

    /// What happens on a day; devices have reported when it is over.
    async fn day(&mut self, day: i64) {
        let now = self.server.now();
        // Tokens of tests last for a day.
        self.secret = self.server.token(&format!("t{day}"), "olga", Bearer::Person, &Scope::ALL).await;
        if day % 6 == 0 {
            let release = json!({ "title": "editor", "version": format!("1.{day}.0"), "published": now });
            self.send("POST", "/api/v1/releases", json!({ "source": "vendor", "releases": [release] })).await;
        }
        if day % 30 == 10 {
            let (range, kev) = (format!("<1.{}.0", day - day % 6), (day % 60 == 10).then_some(now));
            let advisory = json!({
                "id": format!("CVE-{day}"), "title": "editor", "affected": [range], "known_at": now, "cvss": 8.1, "kev": kev,
            });
            self.send("POST", "/api/v1/advisories", json!({ "source": "vendor", "advisories": [advisory] })).await;
        }
        if day % 50 == 0 {
            let files = json!({ "files": { "refit.yaml": policy(day / 50) } });
            let plan = self.send("POST", "/api/v1/plans", files).await;
            self.send("POST", &format!("/api/v1/plans/{}/apply", plan["id"].as_str().unwrap()), Value::Null).await;
        }
        if day % 70 == 0 {
            let department = if day % 140 == 0 { "Finance" } else { "IT" };
            let values = json!({ "source": "hr", "values": { "department": department } });
            self.send("PUT", "/api/v1/people/p1", values).await;
            self.send("PUT", "/api/v1/devices/d1/assignment", json!({ "person": "p1" })).await;
        }
        for (n, device) in (0..).zip(DEVICES) {
            // Each is behind in its own way; one is away for a week now and then.
            let version = day - day % (6 * (n + 1)) - 6 * (n % 2);
            if n == 3 && day % 40 < 8 {
                continue;
            }
            let said = json!({
                "source": "agent",
                "facts": { "device.platform": "linux", "device.site": if n == 2 { "lab" } else { "HQ" } },
                "installs": { "all": [{ "title": "editor", "version": format!("1.{}.0", version.max(0)) }] },
            });
            self.send("POST", &format!("/api/v1/devices/{device}/observations"), said).await;
        }
        // Who checked in is written down every quarter of an hour.
        self.server.wait(SignedDuration::from_mins(20));
        self.server.shell.tell(&Actor::server(), Input::Tick, None).await.unwrap();
        self.server.shell.settled().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_is_answered_for_400_days() {
    let server = Server::new().await;
    server.shell.evaluate().unwrap();
    let secret = server.admin.clone();
    let mut history = History { server, secret, answers: Vec::new() };
    for device in DEVICES {
        history.send("POST", "/api/v1/devices", json!({ "id": device })).await;
    }
    for day in (0..=DAYS).step_by(2) {
        history.day(day).await;
        if day % 14 == 0 {
            for device in DEVICES {
                let answer = history.ask(device, "").await;
                history.answers.push((device, history.server.now(), answer));
            }
        }
        history.server.wait(SignedDuration::from_hours(12));
        history.server.shell.snapshot().await.unwrap();
        history.server.wait(SignedDuration::from_hours(36) - SignedDuration::from_mins(20));
    }
    history.secret = history.server.token("last", "olga", Bearer::Person, &Scope::ALL).await;
    let snapshots = history.server.shell.store().snapshots().await.unwrap();
    assert!(snapshots.len() < 30, "the others were dropped: {}", snapshots.len());

    let (mut compared, now) = (0, history.server.now());
    for (device, at, answer) in &history.answers {
        if now.duration_since(*at) > ANSWERED {
            continue;
        }
        let again = history.ask(device, &format!("&at={at}")).await;
        assert_eq!(again["text"], answer["text"], "{device} at {at}");
        assert_eq!(&again, answer, "{device} at {at}");
        compared += 1;
    }
    assert!(compared > 130, "{compared}");
    let texts: std::collections::BTreeSet<_> =
        history.answers.iter().map(|(_, _, answer)| answer["text"].as_str().unwrap()).collect();
    assert!(texts.len() > 100, "they differ: {}", texts.len());

    // Whoever is erased is unknown in the past too: that is what erasing is for.
    let (_, at, answer) = history
        .answers
        .iter()
        .rev()
        .find(|(device, _, answer)| *device == "d1" && answer.to_string().contains("Finance"))
        .unwrap();
    history.server.call(&history.secret, "DELETE", "/api/v1/people/p1", &[], None).await.ok();
    let again = history.ask("d1", &format!("&at={at}")).await;
    assert_ne!(again["decisions"], answer["decisions"]);
    assert!(!again["decisions"].to_string().contains("\"Finance\""), "{again}");
}
