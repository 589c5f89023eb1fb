//! A gate that listens to a real Prometheus: a release that installs well and then has devices crash is halted.

use super::running::{Process, command, wait_for};
use refit_api::{Enrol, NewObservation, NewReceipt, NewReleases};
use refit_core::control::Stage;
use refit_testbed::BaseRoot;
use std::{
    fmt::Write as _,
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

const DEVICES: usize = 40;
const CANARIES: usize = 8;

const POLICY: &str = "
organization: acme
defaults: { mode: enforce }
rollouts:
  standard:
    gate: default
    rings:
      - { name: canary, where: '\"canary\" in device.tags', soak: 1h }
      - { name: rest }
gates:
  default: { failure_rate: 2%, confidence: 95%, enough: 90%, signals: [{ name: crashes, from: metrics, no_worse_than: control }] }
---
source: metrics
connector: prometheus
every: 10s
signals:
  crashes: { query: 'app_crashes > bool 3', device: device }
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

fn name(index: usize) -> String {
    format!("laptop-{index}")
}

/// What a program on every device counts, of which the first ones crash.
fn exporter(crashing: Arc<AtomicUsize>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let mut text = String::new();
            for index in 0..DEVICES {
                let crashes = if index < crashing.load(Ordering::Relaxed) { 9 } else { index % 3 };
                let _ = writeln!(text, "app_crashes{{device=\"{}:9100\"}} {crashes}", name(index));
            }
            let _ = writeln!(text, "app_crashes{{device=\"printer\"}} 0");
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close\r\n";
            let _ = write!(stream, "{head}Content-Length: {}\r\n\r\n{text}", text.len());
        }
    });
    address
}

fn prometheus(root: &BaseRoot, folder: &Path, target: SocketAddr) -> (Process, SocketAddr) {
    let config = format!(
        "global: {{ scrape_interval: 1s }}\nscrape_configs:\n  - job_name: devices\n    static_configs: [{{ targets: ['{target}'] }}]\n"
    );
    let file = folder.join("prometheus.yml");
    fs::write(&file, config).unwrap();
    // Whoever binds it is not told which one it got.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let child = Command::new(root.folder().join("usr/bin/prometheus"))
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--storage.tsdb.path={}", folder.join("tsdb").display()))
        .arg(format!("--web.listen-address={address}"))
        .arg("--log.level=error")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    (Process::new(child), address)
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(90), "{what}: it does not come");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn a_release_after_which_devices_crash_is_halted_by_what_prometheus_says() {
    let Some(root) = BaseRoot::monitoring() else { return };
    let folder = tempfile::tempdir().unwrap();
    let crashing = Arc::new(AtomicUsize::new(0));
    let (_prometheus, address) = prometheus(&root, folder.path(), exporter(crashing.clone()));
    let data = folder.path().join("data");
    let mut serve = command(&data);
    serve.arg(format!("--connect=metrics=http://{address}"));
    let server = wait_for(serve, &data);
    let client = &server.client;
    let observe = |device: &str, canary: bool, version: &str| {
        let tags: &[&str] = if canary { &["canary"] } else { &[] };
        let said: NewObservation = serde_json::from_value(serde_json::json!({
            "source": "agent", "facts": { "device.platform": "linux", "device.tags": tags },
            "installs": { "all": [{ "title": "editor", "version": version }] },
        }))
        .unwrap();
        client.observe(device, &said).unwrap();
    };
    for index in 0..DEVICES {
        // By name, as monitoring knows them.
        let id = format!("d{index}");
        client.enrol(&Enrol { id: Some(id.clone()), name: Some(name(index)) }).unwrap();
        observe(&id, index < CANARIES, "1.0.0");
    }
    let release = |version: &str| {
        let now = jiff::Timestamp::now().to_string();
        let release = serde_json::json!({ "title": "editor", "version": version, "published": now });
        let releases: NewReleases =
            serde_json::from_value(serde_json::json!({ "source": "vendor", "releases": [release] })).unwrap();
        client.publish_releases(&releases).unwrap();
    };
    release("1.0.0");
    let plan = client.make_plan([("refit.yaml".to_owned(), POLICY.to_owned())].into()).unwrap();
    client.apply_plan(&plan.summary.id).unwrap();
    release("1.1.0");
    let rollout = || client.rollouts().unwrap().into_iter().find(|rollout| rollout.version == "1.1.0");
    until("the first ring", rollout);
    for index in 0..CANARIES {
        let id = format!("d{index}");
        observe(&id, true, "1.1.0");
        let receipt: NewReceipt = serde_json::from_value(serde_json::json!({
            "id": format!("r{index}"), "slot": { "title": "editor" }, "result": "succeeded", "before": "1.0.0",
            "after": "1.1.0", "at": jiff::Timestamp::now().to_string(), "duration_ms": 100,
        }))
        .unwrap();
        client.receipt(&id, &receipt).unwrap();
    }
    // While nobody crashes the signal is heard, and the name of what is no device of ours is told.
    let signal =
        until("a reading", || client.signals().unwrap().into_iter().find(|signal| signal.fine == DEVICES as u64));
    assert_eq!((signal.bad, signal.listened), (0, true));
    assert_eq!(
        signal.trouble.as_deref(),
        Some("no single device is called `printer`: 1 of 41 samples count for nothing")
    );
    assert_ne!(rollout().unwrap().stage, Stage::Halted);
    crashing.store(CANARIES, Ordering::Relaxed);
    let halted = until("the halt", || rollout().filter(|rollout| rollout.stage == Stage::Halted));
    assert_eq!(
        halted.says,
        "halted after canary: devices of which signal crashes says something bad: 8 of 8 devices that it reached, 0 of 32 others"
    );
}
