//! What the agents' door costs: `cargo bench -p refit-server --bench agents`.
//!
//! The server is a process of its own, so that its CPU time is its own; the load comes from this one, on the same machine.
//! Beside the door stands the same TLS server that reads the same bodies, answers as many bytes, and does nothing. Prints
//! tables for docs/benchmarks.md. `REFIT_BENCH_SECONDS` says how long each part runs (5), `REFIT_BENCH_DELTA_SECONDS` how
//! long deltas are told (as long; 600 for the ten minutes of the aim).
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, dead_code, reason = "a benchmark")]

#[path = "../tests/agents/client.rs"]
mod client;

use axum::{Router, body::Bytes, routing::post};
use client::{Device, Wire, config, exchange, key};
use jiff::{SignedDuration, Timestamp, Zoned};
use refit_api::{NewEnrolment, client::Client};
use refit_core::policy::resolve::Titles;
use refit_model::{
    DeviceId,
    entry::{InstallEntry, Plain},
};
use refit_server::{
    agents::Authority,
    start::{Options, Server, asked_to_end},
    tls::{Certificates, Clients},
};
use refit_wire::{
    EnrolmentToken,
    protocol::{Inventory, Universe},
};
use std::{
    io::{BufRead as _, Write as _},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Devices that check in.
const DEVICES: usize = 64;
/// Packages on each.
const PACKAGES: usize = 20;
/// The path of a check-in.
const CHECK_IN: &str = "/agent/v1/check-in";

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    match std::env::var("REFIT_BENCH_SERVE") {
        Ok(which) => runtime.block_on(serve(&which)),
        Err(_) => runtime.block_on(run()),
    }
}

fn duration(name: &str, default: f64) -> Duration {
    Duration::from_secs_f64(std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default))
}

/// The other process: a server, until its input ends.
async fn serve(which: &str) {
    let data = std::env::var("REFIT_BENCH_DATA").unwrap();
    let data = Path::new(&data);
    if which == "idle" {
        let now = Zoned::now();
        let authority = Authority::open(&data.join("tls"), now.timestamp()).unwrap();
        let clients = Clients::of(authority.certificate()).unwrap();
        let tls = Certificates::Own { folder: data.join("tls"), names: Vec::new() }.config(&clients, &now).unwrap();
        let router = Router::new().route(CHECK_IN, post(|_: Bytes| async { " ".repeat(860) }));
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let address = socket.local_addr().unwrap();
        let tls = axum_server::tls_rustls::RustlsConfig::from_config(tls);
        let server = axum_server::from_tcp_rustls(socket, tls)
            .unwrap()
            .map(|acceptor| acceptor.acceptor(axum_server::accept::NoDelayAcceptor::new()));
        println!("https://{address}");
        server.serve(router.into_make_service_with_connect_info::<SocketAddr>()).await.unwrap();
        return;
    }
    let options = Options {
        connections: Default::default(),
        data: data.to_owned(),
        listen: "127.0.0.1:0".parse().unwrap(),
        public: None,
        approvals: Some(0),
        certificates: None,
        catalog: Titles::default(),
        hostname: String::new(),
        version: "bench".into(),
        webhook_private: Vec::new(),
        apple_versions: None,
        sign_in: None,
        signing_secrets: Default::default(),
    };
    let server = Server::start(options).await.unwrap();
    println!("{}", server.address().address);
    server.run(asked_to_end()).await.unwrap();
}

/// A server in a process of its own.
struct Process {
    child: Child,
    address: SocketAddr,
    ca: String,
}

impl Process {
    fn start(which: &str, data: &Path) -> Process {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .env("REFIT_BENCH_SERVE", which)
            .env("REFIT_BENCH_DATA", data)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        std::io::BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("https://").unwrap().parse().unwrap();
        let ca = std::fs::read_to_string(data.join("tls/ca.pem")).unwrap();
        Process { child, address, ca }
    }

    /// Its CPU time so far, in seconds.
    fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        ticks as f64 / 100.0
    }

    /// Its memory, in MiB.
    fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().split(' ').next().unwrap().parse::<u64>().unwrap() / 1024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    Cold,
    Resumed,
    KeptAlive,
}

async fn run() {
    let folder = tempfile::tempdir().unwrap();
    let seconds = duration("REFIT_BENCH_SECONDS", 5.0);
    println!("| check-ins | how | a second | server CPU each | bytes each |\n| --- | --- | --- | --- | --- |");
    let data = folder.path().join("door");
    let door = Process::start("door", &data);
    let devices = enrolled(&door, &data).await;
    let devices = measure("the door", &door, devices, seconds).await;

    let data = folder.path().join("idle");
    std::fs::create_dir_all(&data).unwrap();
    let idle = Process::start("idle", &data);
    let strangers = strangers(&idle, &data);
    drop(measure("TLS that does nothing", &idle, strangers, seconds).await);
    drop(idle);

    let seconds = duration("REFIT_BENCH_DELTA_SECONDS", seconds.as_secs_f64());
    deltas(&door, devices, seconds).await;
}

async fn measure(name: &str, server: &Process, devices: Vec<Device>, seconds: Duration) -> Vec<Device> {
    let mut devices = devices;
    for (how, word) in [(How::Cold, "cold"), (How::Resumed, "resumed"), (How::KeptAlive, "kept alive")] {
        let bytes: u64 = devices.iter().map(|device| device.wire.bytes.load(Ordering::Relaxed)).sum();
        let (cpu, begun) = (server.cpu(), Instant::now());
        let tasks: Vec<_> =
            devices.into_iter().map(|device| tokio::spawn(load(device, how, begun + seconds))).collect();
        devices = Vec::new();
        let mut count = 0;
        for task in tasks {
            let (device, calls) = task.await.unwrap();
            devices.push(device);
            count += calls;
        }
        let took = begun.elapsed().as_secs_f64();
        let cpu = (server.cpu() - cpu) * 1e6 / count as f64;
        let bytes = devices.iter().map(|device| device.wire.bytes.load(Ordering::Relaxed)).sum::<u64>() - bytes;
        println!("| {name} | {word} | {:.0} | {cpu:.0} µs | {} |", count as f64 / took, bytes / count);
        let _ = std::io::stdout().flush();
    }
    devices
}

/// One device that says again and again that nothing has changed.
async fn load(mut device: Device, how: How, until: Instant) -> (Device, u64) {
    let mut calls = 0;
    let mut kept = None;
    while Instant::now() < until {
        let body = serde_json::to_vec(&device.same()).unwrap();
        let status = match how {
            How::KeptAlive => {
                let stream = match &mut kept {
                    Some(stream) => stream,
                    empty => empty.insert(device.wire.connect().await.unwrap()),
                };
                exchange(stream, "POST", CHECK_IN, &body, "keep-alive").await.unwrap().status
            }
            How::Cold | How::Resumed => {
                if how == How::Cold {
                    // Nothing is remembered of earlier sessions.
                    let mut fresh = tokio_rustls::rustls::ClientConfig::clone(&device.wire.config);
                    fresh.resumption = tokio_rustls::rustls::client::Resumption::in_memory_sessions(8);
                    device.wire.config = Arc::new(fresh);
                }
                let answer = device.wire.try_call("POST", CHECK_IN, &body).await.unwrap();
                assert!(how == How::Cold || calls == 0 || answer.resumed);
                answer.status
            }
        };
        assert_eq!(status, 200);
        calls += 1;
    }
    (device, calls)
}

/// Devices that each have upgraded a package since they last said anything.
async fn deltas(server: &Process, devices: Vec<Device>, seconds: Duration) {
    let (cpu, begun) = (server.cpu(), Instant::now());
    let longest = Arc::new(AtomicU64::new(0));
    let tasks = devices.into_iter().map(|mut device| {
        let longest = longest.clone();
        tokio::spawn(async move {
            let mut stream = device.wire.connect().await.unwrap();
            let (mut waits, mut version) = (Vec::new(), 0_u64);
            while begun.elapsed() < seconds {
                version += 1;
                let mut now = device.said.clone();
                if let Some(mut install) = now.installs.first_entry() {
                    install.get_mut().version = format!("1.{version}-1").into();
                }
                let report = now.since(&device.said);
                device.said = now;
                let body = serde_json::to_vec(&device.next(report)).unwrap();
                let asked = Instant::now();
                let answer = exchange(&mut stream, "POST", CHECK_IN, &body, "keep-alive").await.unwrap();
                assert_eq!(answer.status, 200);
                assert_eq!(answer.json()["want"], "nothing");
                let waited = asked.elapsed();
                longest.fetch_max(waited.as_micros() as u64, Ordering::Relaxed);
                waits.push(waited);
            }
            waits
        })
    });
    let tasks: Vec<_> = tasks.collect();
    let mut waits = Vec::new();
    for task in tasks {
        waits.extend(task.await.unwrap());
    }
    let took = begun.elapsed().as_secs_f64();
    waits.sort();
    let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!("\n| deltas made durable, {DEVICES} at once | |\n| --- | --- |");
    println!("| a second, over {took:.0} s | {:.0} |", waits.len() as f64 / took);
    println!("| median, 99 %, longest | {:.1} ms, {:.1} ms, {:.1} ms |", at(0.5), at(0.99), at(1.0));
    println!("| server CPU each | {:.0} µs |", (server.cpu() - cpu) * 1e6 / waits.len() as f64);
    println!("| memory of the server | {} MiB |", server.memory());
}

async fn enrolled(server: &Process, data: &Path) -> Vec<Device> {
    let token = std::fs::read_to_string(data.join("admin.token")).unwrap().trim().to_owned();
    let address = format!("https://{}", server.address);
    let ca = data.join("tls/ca.pem");
    let made = tokio::task::spawn_blocking(move || {
        let expires = Timestamp::now().checked_add(SignedDuration::from_hours(24)).unwrap();
        let new = NewEnrolment { name: "bench".into(), expires, uses: DEVICES as u32, address: None };
        Client::new(&address, &token, Some(&ca)).unwrap().create_enrolment(&new).unwrap()
    });
    let token: EnrolmentToken = made.await.unwrap().token.unwrap().parse().unwrap();
    let mut devices = Vec::new();
    for n in 0..DEVICES {
        let mut device = Device::enrol(server.address, &server.ca, &token.secret, &format!("machine {n}")).await;
        device.say_all(inventory()).await;
        devices.push(device);
    }
    devices
}

/// Devices that the idle server knows by their certificates only.
fn strangers(server: &Process, data: &Path) -> Vec<Device> {
    let authority = Authority::open(&data.join("tls"), Timestamp::now()).unwrap();
    let device = |n: usize| {
        let (pair, request) = key();
        let id = format!("{n:036}");
        let made = authority.issue(&DeviceId::new(&id), &request, Timestamp::now()).unwrap();
        let config = config(&server.ca, Some((&made.pem, &pair.serialize_pem())));
        Device {
            id,
            wire: Wire::new(server.address, config),
            counter: 0,
            run: format!("run of machine {n}"),
            said: inventory(),
            holds: Default::default(),
        }
    };
    (0..DEVICES).map(device).collect()
}

fn inventory() -> Inventory {
    let installs = (0..PACKAGES).map(|n| {
        let entry = serde_json::json!({ "title": format!("deb/package-{n}"), "version": "1.0-1" });
        let entry: InstallEntry = serde_json::from_value(entry).unwrap();
        (entry.slot(), entry)
    });
    let offer =
        serde_json::json!({ "title": "deb/package-0", "version": "2.0-1", "published": "2026-11-01T00:00:00Z" });
    Inventory {
        facts: [("device.platform".into(), Plain::Text("linux".into()))].into(),
        installs: installs.collect(),
        universe: Universe {
            key: "bench".into(),
            distribution: "debian/bookworm".into(),
            offers: vec![serde_json::from_value(offer).unwrap()],
        },
    }
}
