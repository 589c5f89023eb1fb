//! The fleet engine on made-up fleets: what it takes to load one, to decide for everybody, and to select by a condition.
//!
//! `cargo bench -p refit-worlds --bench engine` does so for 10,000 and 100,000 devices; `-- 1000000` for as many as are named. Times are
//! CPU times of one thread. `-- once 100000` decides once, for a profiler, `-- plan 10000` makes a plan, `-- change 10000` changes devices,
//! `-- laptops 1000000` says what the laptops of such a fleet take of memory without the others;
//! `-- 10000 100000 --plot FILE.svg` draws what was measured, `--no-plan` leaves the plan out; `-- count` is for `cargo xtask instructions`.
//! What there is not enough memory for is left out, and that is said.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a bench reads the clock, and one that can't be set up is meant to panic"
)]

mod beside;
mod bytes;
mod count;
mod memory;
mod plot;
mod policies;

use jiff::Timestamp;
use memory::{enough, mebibytes, peak, print, resident};
use nix::time::{ClockId, clock_gettime};
use plot::Figures;
use refit_core::{
    engine::{Change, Engine, Fleet, Selection, Verdicts, WorldChange},
    facts::Fields,
    plan::world::{FORMAT, Revision, Sources, WorldPlan, check, make, tables},
    policy::{
        expr::{Scope, compile},
        repository::Repository,
    },
    world::{Device, Install, World},
};
use refit_model::{Advisory, Release, TitleId, Version};
use refit_worlds::{Spec, Statistics, Synthetic};
use std::{collections::BTreeSet, error::Error, hint::black_box, ops::ControlFlow, sync::Arc, time::Duration};

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
    if arguments.iter().any(|argument| argument == "count") {
        return count::run(&SELECTORS);
    }
    let only = ["once", "plan", "change", "laptops"];
    let only = arguments.iter().map(String::as_str).find(|argument| only.contains(argument));
    let mut sizes: Vec<u32> = arguments.iter().filter_map(|argument| argument.parse().ok()).collect();
    if sizes.is_empty() {
        sizes = vec![10_000, 100_000];
    }
    let mut figures = Vec::new();
    for devices in sizes {
        figures.push(measure(devices, only, !arguments.iter().any(|argument| argument == "--no-plan"))?);
    }
    let plot = arguments.iter().position(|argument| argument == "--plot");
    if let Some(file) = plot.and_then(|place| arguments.get(place + 1)) {
        std::fs::write(file, plot::svg(&figures))?;
    }
    Ok(())
}

fn measure(devices: u32, only: Option<&str>, with_plan: bool) -> Result<Figures, Box<dyn Error>> {
    let mut figures = Figures { devices, values: Vec::new() };
    let now = "2026-11-23T09:00:00Z".parse()?;
    let synthetic = Synthetic::new(Spec { devices, seed: 1, now });
    let repository = policies::repository(&synthetic)?;
    let mut world = synthetic.world().clone();
    policies::introduce(&mut world, &synthetic, now);
    let before = resident();
    let (fleet, statistics, loading) = load(&synthetic, only == Some("laptops"));
    match only {
        Some("laptops") => {
            println!("== the laptops of {devices} devices\n{}", statistics.figures());
            print("memory", fleet.len(), resident().saturating_sub(before), &fleet.footprint());
            return Ok(figures);
        }
        Some("once") => {
            black_box(Verdicts::new(&fleet, &repository, &world, now).cells());
            return Ok(figures);
        }
        Some("plan") => {
            plan(&fleet, &repository, &world, now);
            return Ok(figures);
        }
        Some("change") => {
            change(fleet, repository, world, &synthetic, &mut figures);
            return Ok(figures);
        }
        _ => {}
    }
    println!(
        "== {devices} devices, {} policies, {} managed titles",
        repository.policies.len(),
        policies::managed(&synthetic).len()
    );
    println!("{}", statistics.figures());
    let fleet_bytes = resident().saturating_sub(before);
    print("memory", fleet.len(), fleet_bytes, &fleet.footprint());
    println!(
        "load: {:.2} s, {:.0} devices/s decoded",
        loading.as_secs_f64(),
        f64::from(devices) / loading.as_secs_f64()
    );
    bytes::from_text(&synthetic)?;
    figures.values.push(("memory of the fleet, MiB", mebibytes(fleet_bytes)));
    figures.values.push(("bulk load, ms", loading.as_secs_f64() * 1e3));
    if !enough("deciding", fleet_bytes) {
        return Ok(figures);
    }
    figures.values.push(("full evaluation, ms", evaluate(&fleet, &repository, &world, now)));
    select(&fleet, &repository, &synthetic)?;
    // Its bytes, and another fleet.
    if enough("a snapshot", 2 * fleet_bytes) {
        figures.values.push(("snapshot read, ms", snapshot(&fleet)?));
    }
    if with_plan && enough("a plan", 2 * fleet_bytes) {
        figures.values.push(("a plan of everything, ms", plan(&fleet, &repository, &world, now)));
    }
    change(fleet, repository, world, &synthetic, &mut figures);
    Ok(figures)
}

/// Devices are made in batches, of which the making is not measured.
fn load(synthetic: &Synthetic, only_laptops: bool) -> (Fleet, Statistics<'_>, Duration) {
    let mut fleet = Fleet::new();
    let mut statistics = Statistics::new(synthetic.world(), synthetic.spec().now);
    let mut took = Duration::ZERO;
    let mut devices = synthetic.devices();
    loop {
        let mut batch: Vec<Device> = devices.by_ref().take(BATCH).collect();
        if batch.is_empty() {
            return (fleet, statistics, took);
        }
        if only_laptops {
            batch.retain(|device| device.seen_by == "mdm");
        }
        batch.iter().for_each(|device| statistics.count(device));
        let start = cpu();
        fleet.extend(&batch);
        took += cpu() - start;
    }
}

/// How many milliseconds a full evaluation takes.
fn evaluate(fleet: &Fleet, repository: &Repository, world: &World, now: Timestamp) -> f64 {
    let mut best = Duration::MAX;
    let before = resident();
    for round in 1..=ROUNDS {
        let start = cpu();
        let verdicts = Verdicts::new(fleet, repository, world, now);
        best = best.min(cpu() - start);
        if round == ROUNDS {
            println!("memory with verdicts: {:.0} MiB at the most", mebibytes(peak()));
            // The first round left what it had to the others.
            print("of that verdicts", fleet.len(), resident().saturating_sub(before), &verdicts.footprint());
            println!(
                "full evaluation: {:.0} ms ({} classes, {} cells, {} cohorts)",
                best.as_secs_f64() * 1e3,
                verdicts.classes(),
                verdicts.cells(),
                verdicts.cohorts()
            );
            // All of a fleet: what nobody asks is in it, too.
            let all: usize = fleet.footprint().iter().map(|(_, bytes)| bytes).sum();
            let pass = bytes::one_pass(all as u64);
            println!(
                "one pass over as many bytes as the fleet has, {:.0} MiB: {:.0} ms; the evaluation takes {:.1} times as long",
                mebibytes(all as u64),
                pass.as_secs_f64() * 1e3,
                best.as_secs_f64() / pass.as_secs_f64()
            );
        }
    }
    best.as_secs_f64() * 1e3
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

/// A fleet as bytes and back: how many milliseconds reading takes.
fn snapshot(fleet: &Fleet) -> Result<f64, Box<dyn Error>> {
    let start = cpu();
    let bytes = fleet.snapshot();
    let took = cpu() - start;
    let start = cpu();
    let restored = Fleet::restore(&bytes)?;
    let reading = cpu() - start;
    println!(
        "snapshot: {:.0} MiB, written in {:.2} s, read in {:.2} s",
        mebibytes(bytes.len() as u64),
        took.as_secs_f64(),
        reading.as_secs_f64()
    );
    assert_eq!(restored.len(), fleet.len());
    drop(restored);
    if let Err(error) = bytes::through_a_file(&bytes) {
        println!("a snapshot through a file is left out: {error}");
    }
    Ok(reading.as_secs_f64() * 1e3)
}

/// What the policies would do to everybody, against no policy at all, as `refit plan --world` makes it: how many milliseconds that takes.
fn plan(fleet: &Fleet, repository: &Repository, world: &World, now: Timestamp) -> f64 {
    let after = Revision { repository, hash: "" };
    let sources = Sources { fleet, world, before: None, after, applied: None, now };
    let start = cpu();
    let (plan, members) = make(&sources, |_, _| ControlFlow::Continue(())).expect("nobody stops it");
    let made = cpu() - start;
    let plan = WorldPlan {
        world_plan: FORMAT,
        world: String::new(),
        policy: String::new(),
        against: None,
        applied: None,
        plan,
        members,
    };
    let start = cpu();
    let wrong = check(&plan);
    let checked = cpu() - start;
    assert!(wrong.is_empty(), "{wrong:?}");
    let start = cpu();
    black_box(tables(&plan));
    println!(
        "a plan of everything: {:.0} ms to make, {:.0} ms to check, {:.0} ms to divide; {} changes for {} devices",
        made.as_secs_f64() * 1e3,
        checked.as_secs_f64() * 1e3,
        (cpu() - start).as_secs_f64() * 1e3,
        plan.plan.changes.len(),
        plan.plan.summary.touched
    );
    made.as_secs_f64() * 1e3
}

/// One change after the other, decisions included.
fn change(fleet: Fleet, repository: Repository, world: World, synthetic: &Synthetic, figures: &mut Figures) {
    let now = synthetic.spec().now;
    let start = cpu();
    let repository = Arc::new(repository);
    let mut engine = Engine::new(fleet, Arc::clone(&repository), world, now);
    println!("an engine that is kept true: {:.0} ms to begin with", (cpu() - start).as_secs_f64() * 1e3);
    let (mut moved, mut same, mut seen) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..synthetic.spec().devices.min(CHANGES) {
        let id = synthetic.device(number).id;
        let start = cpu();
        black_box(engine.apply(Change::Seen(id, now)));
        seen.push(cpu() - start);
        let Some(change) = brought_up_to_date(synthetic, number) else { continue };
        let again = change.clone();
        let start = cpu();
        black_box(engine.apply(change));
        moved.push(cpu() - start);
        let start = cpu();
        black_box(engine.apply(again));
        same.push(cpu() - start);
    }
    for (what, mut times) in [
        ("a check-in with three changed installs", moved),
        ("the same once more, with nothing changed", same),
        ("one that says only that it was seen", seen),
    ] {
        times.sort();
        let micros =
            |part: f64| times.get((times.len() as f64 * part) as usize).map_or(0.0, |took| took.as_secs_f64() * 1e6);
        println!(
            "{what}: {:.1} µs at the median, {:.1} µs at the 99th percentile of {}",
            micros(0.5),
            micros(0.99),
            times.len()
        );
        if what.ends_with("three changed installs") {
            figures.values.push(("check-in, three changes, µs", micros(0.5)));
        }
    }
    let devices = synthetic.spec().devices;
    beside::check_ins(&mut engine, &repository, synthetic, devices.min(CHANGES)..devices.min(2 * CHANGES));
    let Some(title) = policies::managed(synthetic).first().map(|title| title.id.clone()) else { return };
    if let Some(release) = newer_release(synthetic) {
        let took = timed(&format!("a release of {title}"), || engine.change(release));
        figures.values.push(("a release of the most popular title, ms", took));
    }
    if let Some(advisory) = synthetic.world().advisories(&title).last() {
        let listed = Advisory { kev: Some(now), ..advisory.clone() };
        timed(&format!("an advisory of {title} is listed in KEV"), || engine.change(WorldChange::Advised(listed)));
    }
    // A refresh moves every score a little: few cross what a condition asks.
    let all = synthetic.world().titles().flat_map(|title| synthetic.world().advisories(title));
    let scored: Vec<WorldChange> = all.map(count::scored).collect();
    timed(&format!("{} EPSS scores are told anew", scored.len()), || engine.change_all(scored));
}

/// A check-in in which three of the titles that policies speak of were brought up to date; `None` where fewer are behind.
fn brought_up_to_date(synthetic: &Synthetic, number: u32) -> Option<Change> {
    let now = synthetic.spec().now;
    let managed: BTreeSet<TitleId> = policies::managed(synthetic).iter().map(|title| title.id.clone()).collect();
    let device = synthetic.device(number);
    let behind = device.installs.iter().filter_map(|install| {
        let newest = synthetic.world().releases(&install.title).last()?;
        let is_behind = managed.contains(&install.title) && newest.version != install.version;
        is_behind.then(|| Install { version: newest.version.clone(), since: Some(now), ..install.clone() })
    });
    let installed: Vec<Install> = behind.take(3).collect();
    (installed.len() == 3).then(|| Change::Observed { id: device.id, seen: now, installed, removed: Vec::new() })
}

/// A new release of the title that most devices have.
fn newer_release(synthetic: &Synthetic) -> Option<WorldChange> {
    let title = &policies::managed(synthetic).first()?.id;
    let release = synthetic.world().releases(title).last()?;
    let version = Version::parse(release.version.scheme(), "900.0.9000.0").ok()?;
    Some(WorldChange::Released(Release { version, published: synthetic.spec().now, ..release.clone() }))
}

/// How many milliseconds something takes, which is printed.
fn timed(what: &str, act: impl FnOnce()) -> f64 {
    let start = cpu();
    act();
    let took = (cpu() - start).as_secs_f64() * 1e3;
    println!("{what}: {took:.1} ms");
    took
}

/// CPU time of this thread: others who use the machine do not count.
fn cpu() -> Duration {
    Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap())
}
