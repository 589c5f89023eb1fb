//! What the writer takes, and how long it keeps others waiting: `cargo bench -p refit-server --bench writer`.
//!
//! Prints a table for docs/benchmarks.md. `REFIT_BENCH_DEVICES` sets the size of the fleet.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

use jiff::Timestamp;
use refit_core::{
    control::{
        Actor, AdvisoryEntry, Input, InstallEntry, Installs, Observation, Plain, PlanId, PolicyFiles, ReleaseEntry,
    },
    policy::{
        load::load,
        repository::Repository,
        resolve::{Titles, resolve},
        syntax::Limits,
    },
};
use refit_model::{AdvisoryId, DeviceId, TitleId};
use refit_server::{
    policy::plan_and_apply,
    shell::{PlanProgress, Shell, SystemClock},
};
use refit_store::{Store, open_sqlite};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// Titles on every device.
const TITLES: usize = 20;
/// Inputs that wait for their answer at once.
const CLIENTS: usize = 64;

fn main() {
    let devices = std::env::var("REFIT_BENCH_DEVICES").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(run(devices));
}

async fn run(devices: usize) {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open_sqlite(folder.path()).await.unwrap();
    let store: Arc<dyn Store> = Arc::new(store);
    let fence = store.acquire_lease("bench", Timestamp::now(), Duration::from_secs(30)).await.unwrap();
    let shell = Shell::open(store.clone(), fence, Titles::default(), Arc::new(SystemClock)).await.unwrap();
    println!("| | result |\n| --- | --- |");

    let begun = Instant::now();
    for n in 0..200 {
        tell(&shell, enrol(devices + n)).await;
    }
    println!(
        "| one client, one input after the other | {:.2} ms an input |",
        begun.elapsed().as_secs_f64() * 1e3 / 200.0
    );

    let begun = Instant::now();
    together(&shell, devices, enrol).await;
    let rate = devices as f64 / begun.elapsed().as_secs_f64();
    println!("| {CLIENTS} clients, enrolments | {rate:.0} inputs/s |");
    let begun = Instant::now();
    together(&shell, devices, |n| observe(n, "1.0.0")).await;
    let rate = devices as f64 / begun.elapsed().as_secs_f64();
    println!("| {CLIENTS} clients, first reports of {TITLES} titles | {rate:.0} inputs/s |");
    println!("| longest pause of the writer so far | {} |", pause(&shell));

    for title in 0..TITLES {
        for version in ["1.0.0", "1.1.0"] {
            tell(&shell, release(title, version)).await;
        }
    }
    shell.metrics().pause_longest_us.set(0);
    shell.evaluate().unwrap();
    let (files, repository) = policy("7d");
    let begun = Instant::now();
    let done = Arc::new(AtomicBool::new(false));
    let (checked, waits) = (check_ins(&shell, devices, &done), Instant::now());
    plan_and_apply(&shell, &Actor::server(), &files, "first", repository).await.unwrap();
    println!("| a plan of {devices} devices, with check-ins | {:.1} s |", begun.elapsed().as_secs_f64());
    let begun = Instant::now();
    shell.settled().await;
    println!("| deciding and publishing them, with check-ins | {:.1} s |", begun.elapsed().as_secs_f64());
    let (_, repository) = policy("3d");
    let begun = Instant::now();
    shell.plan_fleet(repository, "second".into(), PlanProgress::default()).await.unwrap().unwrap();
    println!("| another plan, with check-ins | {:.1} s |", begun.elapsed().as_secs_f64());
    done.store(true, Ordering::SeqCst);
    meanwhile(&shell, checked.await.unwrap(), waits);
    large_policy(&shell, devices).await;
    large_match(&shell, devices).await;
    let begun = Instant::now();
    shell.snapshot().await.unwrap();
    let bytes = store.snapshots().await.unwrap().last().unwrap().bytes;
    println!("| a snapshot | {:.1} s, {:.1} MB |", begun.elapsed().as_secs_f64(), bytes as f64 / 1e6);
    let head = *shell.head().borrow();
    shell.close("the end").await;
    let begun = Instant::now();
    let again = Shell::open(store, fence, Titles::default(), Arc::new(SystemClock)).await.unwrap();
    println!("| opening {head} events from the snapshot | {:.1} s |", begun.elapsed().as_secs_f64());
    drop(again);
}

/// Check-ins that were made meanwhile, and the longest pause.
fn meanwhile(shell: &Shell, mut latencies: Vec<Duration>, since: Instant) {
    latencies.sort();
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "| check-ins meanwhile, {:.0}/s | median {:.1} ms, 99 % {:.1} ms, longest {:.1} ms |",
        latencies.len() as f64 / since.elapsed().as_secs_f64(),
        at(0.5),
        at(0.99),
        at(1.0)
    );
    println!("| longest pause of the writer meanwhile (bound: 20 ms) | {} |", pause(shell));
}

/// How long check-ins go on after something large was taken: devices are decided anew meanwhile.
const AFTERWARDS: Duration = Duration::from_secs(5);

/// A policy repository of 10,000 documents comes into force: half of them policies, half titles that no device has.
async fn large_policy(shell: &Shell, devices: usize) {
    let (PolicyFiles(mut files), _) = policy("7d");
    for file in 0..100 {
        let text: String = (0..50)
            .map(|n| file * 50 + n)
            .map(|n| {
                format!(
                    "---\ntitle: app-{n}\nname: App {n}\nscheme: semver\n---\npolicy: of app-{n}\nsoftware: [app-{n}]\n\
                     deadline: [{{ if: exposure.kev, within: 2d }}, {{ within: 14d }}]\nwhy: It is on every desk.\n"
                )
            })
            .collect();
        files.insert(format!("apps-{file}.yaml"), text);
    }
    let bytes = serde_json::to_vec(&PolicyFiles(files)).unwrap();
    let size = bytes.len() as f64 / 1e6;
    let content = shell.put(bytes).await.unwrap();
    let empty = shell.put(b"{}".to_vec()).await.unwrap();
    let plan = PlanId::new("large");
    let make = Input::MakePlan {
        plan: plan.clone(),
        policy_hash: "large".into(),
        files: content.into(),
        replaces: shell.view().state.revision(),
        content: empty.into(),
        as_of: jiff::Timestamp::now(),
    };
    tell(shell, make).await;
    shell.metrics().pause_longest_us.set(0);
    let done = Arc::new(AtomicBool::new(false));
    let (checked, begun) = (check_ins(shell, devices, &done), Instant::now());
    tell(shell, Input::Apply { plan, envelope: Vec::new() }).await;
    println!(
        "| applying 10,000 documents ({size:.1} MB), with check-ins | {:.2} s, pause {} |",
        begun.elapsed().as_secs_f64(),
        pause(shell)
    );
    tokio::time::sleep(AFTERWARDS).await;
    done.store(true, Ordering::SeqCst);
    meanwhile(shell, checked.await.unwrap(), begun);
}

/// A distribution is matched, and matched again: the second list takes the place of the first.
async fn large_match(shell: &Shell, devices: usize) {
    for round in 0..2 {
        let advisory = |n: usize| AdvisoryEntry {
            id: AdvisoryId::new(format!("CVE-2026-{n}")),
            title: TitleId::new(format!("deb/package-{}", n % 2_000)),
            affected: vec![format!("<{round}:1.{n}-1").into()],
            known_at: Timestamp::now(),
            cvss: Some(7.5),
            epss: Some(0.01),
            kev: None,
            ransomware: false,
            withdrawn: None,
            said_by: vec!["debian-tracker".into()],
        };
        let advisories: Vec<AdvisoryEntry> = (0..70_000).map(advisory).collect();
        let bytes = serde_json::to_vec(&advisories).unwrap();
        let size = bytes.len() as f64 / 1e6;
        let content = shell.put(bytes).await.unwrap();
        shell.metrics().pause_longest_us.set(0);
        let done = Arc::new(AtomicBool::new(false));
        let (checked, begun) = (check_ins(shell, devices, &done), Instant::now());
        let matched = Input::Matched {
            distribution: "debian/bookworm".into(),
            content: content.into(),
            advisories: advisories.len() as u64,
        };
        tell(shell, matched).await;
        println!(
            "| a match of {} advisories ({size:.1} MB), with check-ins | {:.2} s, pause {} |",
            advisories.len(),
            begun.elapsed().as_secs_f64(),
            pause(shell)
        );
        tokio::time::sleep(AFTERWARDS).await;
        done.store(true, Ordering::SeqCst);
        meanwhile(shell, checked.await.unwrap(), begun);
    }
}

/// Devices that check in, one after the other, until `done`; how long each waited.
fn check_ins(shell: &Shell, devices: usize, done: &Arc<AtomicBool>) -> tokio::task::JoinHandle<Vec<Duration>> {
    let (shell, done) = (shell.clone(), done.clone());
    tokio::spawn(async move {
        let mut latencies = Vec::new();
        for n in (0..devices).cycle() {
            if done.load(Ordering::SeqCst) {
                break;
            }
            let begun = Instant::now();
            tell(&shell, observe(n, "1.0.0")).await;
            latencies.push(begun.elapsed());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        latencies
    })
}

fn pause(shell: &Shell) -> String {
    format!("{:.1} ms", shell.metrics().pause_longest_us.get() as f64 / 1e3)
}

async fn tell(shell: &Shell, input: Input) {
    shell.tell(&Actor::server(), input, None).await.unwrap();
}

async fn together(shell: &Shell, many: usize, input: impl Fn(usize) -> Input + Copy + Send + 'static) {
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let shell = shell.clone();
            tokio::spawn(async move {
                for n in (client..many).step_by(CLIENTS) {
                    tell(&shell, input(n)).await;
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
}

fn enrol(n: usize) -> Input {
    Input::Enrol { device: DeviceId::new(format!("d{n:06}")), name: None }
}

fn observe(n: usize, version: &str) -> Input {
    let installs = (0..TITLES).map(|title| InstallEntry {
        title: TitleId::new(format!("title-{title}")),
        branch: None,
        profile: None,
        version: version.into(),
        state: None,
        source: None,
    });
    Input::Observe(Observation {
        device: DeviceId::new(format!("d{n:06}")),
        source: "agent".into(),
        observed: Timestamp::now(),
        facts: BTreeMap::from([("device.platform".into(), Some(Plain::Text("linux".into())))]),
        installs: Some(Installs::All(installs.collect())),
        universe: None,
        check_in: None,
    })
}

fn release(title: usize, version: &str) -> Input {
    let release = ReleaseEntry {
        title: TitleId::new(format!("title-{title}")),
        branch: None,
        version: version.into(),
        published: Timestamp::now(),
        security: false,
        withheld: false,
    };
    Input::Releases { source: "vendor".into(), releases: vec![release] }
}

fn policy(within: &str) -> (PolicyFiles, Arc<Repository>) {
    let mut text = "organization: acme\ndefaults: { mode: enforce }\n".to_owned();
    let names: Vec<String> = (0..TITLES).map(|title| format!("title-{title}")).collect();
    for name in &names {
        text += &format!("---\ntitle: {name}\nname: {name}\nscheme: semver\n");
    }
    text += &format!("---\npolicy: all\nsoftware: [{}]\ndeadline: [{{ within: {within} }}]\n", names.join(", "));
    let files = PolicyFiles(BTreeMap::from([("refit.yaml".to_owned(), text)]));
    let read = files.files();
    let (documents, _) = load(&read, &Limits::default());
    let (repository, _) = resolve(&documents, &read, &Titles::default());
    (files, Arc::new(repository))
}
