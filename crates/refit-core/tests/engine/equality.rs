//! Worlds at random: the engine and the plain decision give the same answers, for each device and slot.

#![allow(clippy::disallowed_methods, reason = "how many worlds there are is asked for from outside")]

use super::compare::{Counts, Difference, differences};
use super::fleets::{Dice, fleet};
use super::reasons::{MEET, OFTEN, ONLY_ASKED, REASONS, pair};
use super::worlds::{self, Spec, now, spec};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use refit_core::engine::{Change, Fleet, Verdicts};
use refit_model::DeviceId;
use std::collections::BTreeMap;

pub fn specs(count: usize, seed: u8) -> impl Iterator<Item = Spec> {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = spec();
    (0..count).map(move |_| strategy.new_tree(&mut runner).unwrap().current())
}

/// The worlds of which fleets are made.
const FLEETS: usize = 10_800;

/// How many worlds: so many, if nobody asks for others.
pub fn cases(default: usize) -> usize {
    std::env::var("REFIT_ENGINE_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(default)
}

/// Says how many answers differ in what, with examples of each; `REFIT_ENGINE_SHOW` says how many.
fn report(found: &[(Difference, String)]) -> String {
    let shown = std::env::var("REFIT_ENGINE_SHOW").ok().and_then(|shown| shown.parse().ok()).unwrap_or(1);
    let mut kinds: BTreeMap<&str, Vec<&(Difference, String)>> = BTreeMap::new();
    for one in found {
        kinds.entry(one.0.field).or_default().push(one);
    }
    let mut text = String::new();
    for (field, examples) in kinds {
        text += &format!("\n=== {} times {field}", examples.len());
        for (one, spec) in examples.into_iter().take(shown) {
            text += &format!("\n--- {field} plain {}, engine {}\n{spec}\n{}", one.plain, one.engine, one.explanation);
        }
    }
    text
}

fn print(counts: &Counts) {
    for (what, count) in counts {
        println!("{count:>8} {what}");
    }
}

/// Answers that generated fleets have to give.
const OCCUR: [&str; 33] = [
    "compliance compliant",
    "compliance due",
    "compliance overdue",
    "compliance unsupported",
    "compliance unseen",
    "compliance undetermined",
    "compliance not_applicable",
    "compliance unmanaged",
    "progress none",
    "progress waiting",
    "progress scheduled",
    "gate pass",
    "gate halt",
    "gate inconclusive",
    "goal absent",
    "holds block",
    "holds failed_gate",
    "holds freeze",
    "holds provisioning",
    "holds grace",
    "holds window",
    "holds block and failed_gate",
    "holds block and freeze",
    "holds failed_gate and freeze",
    "holds freeze and grace",
    "holds freeze and window",
    "holds grace and window",
    "marks above_target",
    "marks provisional",
    "marks undetermined",
    "marks conflict",
    "ring early",
    "ring broad",
];

#[test]
fn one_device_in_any_world_is_decided_alike() {
    let (mut counts, mut found) = (Counts::new(), Vec::new());
    for spec in specs(cases(600), 1) {
        let built = spec.built();
        let different = differences(&built.repository, &built.world, &[built.device], now(), &mut counts);
        found.extend(different.into_iter().take(1).map(|one| (one, format!("{spec:?}"))));
    }
    print(&counts);
    assert!(found.is_empty(), "{} worlds differ: {}", found.len(), report(&found));
}

#[test]
fn many_devices_in_one_world_are_decided_alike() {
    let (mut counts, mut found) = (Counts::new(), Vec::new());
    let all: Vec<Spec> = specs(cases(600), 2).collect();
    for specs in all.chunks(20) {
        let Some(first) = specs.first() else { continue };
        let devices: Vec<_> = specs
            .iter()
            .enumerate()
            .map(|(number, spec)| {
                let mut device = spec.device();
                device.id = DeviceId::new(format!("device-{number}"));
                device.offers = first.device().offers;
                device
            })
            .collect();
        let built = first.built();
        let different = differences(&built.repository, &built.world, &devices, now(), &mut counts);
        found.extend(different.into_iter().take(1).map(|one| {
            let spec = format!("{first:?}\n{} {:?}", one.device, worlds::TITLE);
            (one, spec)
        }));
    }
    print(&counts);
    assert!(found.is_empty(), "{} worlds differ: {}", found.len(), report(&found));
}

#[test]
fn fleets_are_decided_alike() {
    let (mut counts, mut found) = (Counts::new(), Vec::new());
    let all: Vec<Spec> = specs(cases(FLEETS), 3).collect();
    for (seed, specs) in (0..).zip(all.chunks(15)) {
        let (repository, world, devices) = fleet(specs, seed);
        let different = differences(&repository, &world, &devices, now(), &mut counts);
        let mut last = String::new();
        for one in different {
            let slot = format!("{} {}", one.device, one.slot);
            if slot != last {
                let spec = devices.iter().find(|device| device.id.as_str() == one.device);
                let spec = format!("seed {seed} {spec:?}");
                last = slot;
                found.push((one, spec));
            }
        }
    }
    print(&counts);
    assert!(found.is_empty(), "{} slots differ: {}", found.len(), report(&found));
    let worlds = cases(FLEETS);
    // Agreement is worth something only about what occurs.
    let seldom: Vec<&str> =
        OCCUR.iter().copied().filter(|what| counts.get(*what).is_none_or(|count| *count < 20)).collect();
    assert!(seldom.is_empty(), "these hardly occur: {seldom:?}");
    let unexpected: Vec<&str> = ONLY_ASKED.into_iter().filter(|what| counts.contains_key(*what)).collect();
    assert!(
        unexpected.is_empty(),
        "decisions do give these, so that each has to be among those that occur: {unexpected:?}"
    );
    let (often, of) = OFTEN;
    let least = often * worlds as u64 / of as u64;
    let pairs = MEET.iter().enumerate().flat_map(|(place, one)| MEET[place + 1..].iter().map(|other| pair(one, other)));
    let mut occurring: Vec<(u64, String)> = (REASONS.into_iter().map(str::to_owned).chain(pairs))
        .map(|what| (counts.get(&what).copied().unwrap_or(0), what))
        .collect();
    occurring.sort();
    println!("== {worlds} worlds: each of these has to occur {least} times; the most seldom first");
    occurring.iter().for_each(|(count, what)| println!("{count:>8} {what}"));
    let seldom: Vec<&(u64, String)> = occurring.iter().filter(|(count, _)| *count < least).collect();
    assert!(
        seldom.is_empty(),
        "every reason has to occur {often} times among {of} worlds (REFIT_ENGINE_CASES={of}), which is {least} times among these. Make the \
         generator of fleets give more of it, not more worlds: {seldom:?}"
    );
}

#[test]
fn how_a_fleet_came_about_makes_no_difference() {
    let all: Vec<Spec> = specs(cases(300), 4).collect();
    for (seed, specs) in (1_000..).zip(all.chunks(15)) {
        let (repository, world, devices) = fleet(specs, seed);
        let (_, _, others) = fleet(specs, seed + 500);
        let mut dice = Dice::new(seed);
        let mut built = Fleet::new();
        devices.iter().for_each(|device| built.put(device));
        // The same devices, after having been others, one change at a time, in whatever order.
        let mut changed = Fleet::new();
        others.iter().for_each(|other| changed.put(other));
        let mut changes: Vec<Change> = Vec::new();
        for (device, other) in devices.iter().zip(&others) {
            changes.push(Change::Gone(other.id.clone()));
            let mut bare = device.clone();
            bare.installs.clear();
            changes.push(Change::Known(Box::new(bare)));
            let installs = device.installs.iter().cloned();
            changes.extend(installs.map(|install| Change::Installed(device.id.clone(), install)));
            changes.push(Change::Seen(device.id.clone(), device.seen));
        }
        let mut waiting: Vec<Change> = Vec::new();
        for change in changes {
            // What concerns different devices may come in any order.
            if matches!(change, Change::Gone(_)) && dice.one_in(2) {
                waiting.push(change);
            } else {
                changed.apply(change);
            }
        }
        waiting.into_iter().for_each(|change| assert!(changed.apply(change)));
        let verdicts = |fleet: &Fleet| Verdicts::new(fleet, &repository, &world, now()).export();
        assert_eq!(changed.export(), built.export());
        assert_eq!(verdicts(&changed), verdicts(&built));
    }
}
