//! The fleet engine on made-up fleets: what it takes to load one, to decide for everybody, and to select by a condition.
//!
//! `cargo bench -p refit-worlds --bench engine` does so for 10,000 and 100,000 devices; `-- 1000000` for as many as are named. Times are
//! CPU times of one thread. `-- once 100000` decides once, for a profiler.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a bench reads the clock, and one that can't be set up is meant to panic"
)]

mod policies;

use nix::time::{ClockId, clock_gettime};
use refit_core::{
    engine::{Change, Engine, Fleet, Selection, Verdicts, WorldChange},
    facts::Fields,
    policy::{
        expr::{Scope, compile},
        repository::Repository,
    },
    world::{Device, Install, World},
};
use refit_model::{Release, TitleId, Version};
use refit_worlds::{Spec, Statistics, Synthetic};
use std::{error::Error, hint::black_box, sync::Arc, time::Duration};

/// How many devices are made before they are put in.
const BATCH: usize = 5_000;
/// How often a whole evaluation is measured.
const ROUNDS: usize = 3;
/// How many devices change.
const CHANGES: u32 = 2_000;

const SELECTORS: [&str; 6] = [
    r#"device.platform == "macos""#,
    r#"person.department == "Finance""#,
    r#""canary" in device.tags || person.vip"#,
    r#"device.platform == "windows" && person.department in ["Sales", "Support"] && !("kiosk" in device.tags)"#,
    r#"device.os_version >= "15.0""#,
    r#"since(device.enrolled) < duration("14d")"#,
];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let once = arguments.iter().any(|argument| argument == "once");
    let mut sizes: Vec<u32> = arguments.iter().filter_map(|argument| argument.parse().ok()).collect();
    if sizes.is_empty() {
        sizes = vec![10_000, 100_000];
    }
    for devices in sizes {
        measure(devices, once)?;
    }
    Ok(())
}

fn measure(devices: u32, once: bool) -> Result<(), Box<dyn Error>> {
    let now = "2026-11-23T09:00:00Z".parse()?;
    let synthetic = Synthetic::new(Spec { devices, seed: 1, now });
    let repository = policies::repository(&synthetic)?;
    let mut world = synthetic.world().clone();
    policies::introduce(&mut world, &synthetic, now);
    let before = resident();
    let (fleet, statistics, loading) = load(&synthetic);
    if once {
        black_box(Verdicts::new(&fleet, &repository, &world, now).cells());
        return Ok(());
    }
    println!(
        "== {devices} devices, {} policies, {} managed titles",
        repository.policies.len(),
        policies::managed(&synthetic).len()
    );
    println!("{}", statistics.figures());
    let fleet_bytes = resident().saturating_sub(before);
    println!(
        "memory: {:.0} MiB, {} bytes a device",
        fleet_bytes as f64 / f64::from(1 << 20),
        fleet_bytes / u64::from(devices)
    );
    println!(
        "load: {:.2} s, {:.0} devices/s decoded",
        loading.as_secs_f64(),
        f64::from(devices) / loading.as_secs_f64()
    );
    evaluate(&fleet, &repository, &world, &synthetic)?;
    select(&fleet, &repository, &synthetic)?;
    change(fleet, repository, world, &synthetic);
    Ok(())
}

/// Devices are made in batches, of which the making is not measured.
fn load(synthetic: &Synthetic) -> (Fleet, Statistics<'_>, Duration) {
    let mut fleet = Fleet::new();
    let mut statistics = Statistics::new(synthetic.world(), synthetic.spec().now);
    let mut took = Duration::ZERO;
    let mut devices = synthetic.devices();
    loop {
        let batch: Vec<Device> = devices.by_ref().take(BATCH).collect();
        if batch.is_empty() {
            return (fleet, statistics, took);
        }
        batch.iter().for_each(|device| statistics.count(device));
        let start = cpu();
        batch.iter().for_each(|device| fleet.put(device));
        took += cpu() - start;
    }
}

fn evaluate(
    fleet: &Fleet,
    repository: &Repository,
    world: &World,
    synthetic: &Synthetic,
) -> Result<(), Box<dyn Error>> {
    let now = synthetic.spec().now;
    let mut times = Vec::new();
    let mut counts = String::new();
    for _ in 0..ROUNDS {
        let start = cpu();
        let verdicts = Verdicts::new(fleet, repository, world, now);
        times.push(cpu() - start);
        counts = format!("{} classes, {} cells, {} cohorts", verdicts.classes(), verdicts.cells(), verdicts.cohorts());
    }
    times.sort();
    println!("full evaluation: {:.0} ms ({counts})", times[0].as_secs_f64() * 1e3);
    println!("memory with verdicts: peak {:.0} MiB", peak() as f64 / f64::from(1 << 20));
    Ok(())
}

fn select(fleet: &Fleet, repository: &Repository, synthetic: &Synthetic) -> Result<(), Box<dyn Error>> {
    let now = synthetic.spec().now;
    let fields = Fields::builtin();
    let devices = fleet.len() as f64;
    for text in SELECTORS {
        let condition = compile(text, &Scope::device(&fields)).map_err(|error| format!("{text}: {error:?}"))?;
        let mut best = [Duration::MAX; 2];
        let mut found = 0;
        for _ in 0..ROUNDS {
            let mut selection = Selection::new(fleet, repository, now);
            let start = cpu();
            found = black_box(selection.select(&condition)).holds.len();
            best[0] = best[0].min(cpu() - start);
            // Again on columns that have been read.
            selection.forget();
            let start = cpu();
            black_box(selection.select(&condition));
            best[1] = best[1].min(cpu() - start);
        }
        let nanos = best.map(|took| took.as_secs_f64() * 1e9 / devices);
        println!(
            "select: {:.1} ns a device with its columns, {:.2} ns on columns that are there ({found} hold): {text}",
            nanos[0], nanos[1]
        );
    }
    Ok(())
}

/// One change after the other, decisions included.
fn change(fleet: Fleet, repository: Repository, world: World, synthetic: &Synthetic) {
    let now = synthetic.spec().now;
    let start = cpu();
    let mut engine = Engine::new(fleet, Arc::new(repository), world, now);
    println!("an engine that is kept true: {:.0} ms to begin with", (cpu() - start).as_secs_f64() * 1e3);
    let managed: Vec<TitleId> = policies::managed(synthetic).iter().map(|title| title.id.clone()).collect();
    let (mut installed, mut seen) = (Vec::new(), Vec::new());
    for number in 0..synthetic.spec().devices.min(CHANGES) {
        let device = synthetic.device(number);
        let id = device.id.clone();
        let start = cpu();
        black_box(engine.apply(Change::Seen(id.clone(), now)));
        seen.push(cpu() - start);
        // It is brought up to date with something that policies speak of.
        let Some(install) = device.installs.iter().find(|install| managed.contains(&install.title)) else { continue };
        let newest = synthetic.world().releases(&install.title).last();
        let Some(version) = newest.map(|release| release.version.clone()) else { continue };
        let change = Change::Installed(id, Install { version, since: Some(now), ..install.clone() });
        let start = cpu();
        black_box(engine.apply(change));
        installed.push(cpu() - start);
    }
    for (what, mut times) in [("one install changes", installed), ("it was seen, and nothing changed", seen)] {
        times.sort();
        let micros =
            |part: f64| times.get((times.len() as f64 * part) as usize).map_or(0.0, |took| took.as_secs_f64() * 1e6);
        println!(
            "{what}: {:.1} µs at the median, {:.1} µs at the 99th percentile of {}",
            micros(0.5),
            micros(0.99),
            times.len()
        );
    }
    if let Some(release) = managed.first().and_then(|title| synthetic.world().releases(title).last()) {
        let version = Version::parse(release.version.scheme(), "900.0.9000.0").unwrap();
        let next = Release { version, published: now, ..release.clone() };
        let start = cpu();
        engine.change(WorldChange::Released(next));
        println!("a release of {}: {:.1} ms", release.title, (cpu() - start).as_secs_f64() * 1e3);
    }
}

/// CPU time of this thread: others who use the machine do not count.
fn cpu() -> Duration {
    Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap())
}

fn status(key: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    let kilobytes = line.and_then(|line| line.trim_start_matches(':').split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) << 10
}

/// Bytes in memory.
fn resident() -> u64 {
    status("VmRSS")
}

/// The most there were.
fn peak() -> u64 {
    status("VmHWM")
}
