//! Worlds at random: the engine and the plain decision give the same answers, for each device and slot.

use super::compare::{Counts, Difference, differences};
use super::fleets::fleet;
use super::worlds::{self, Spec, now, spec};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use refit_model::DeviceId;
use std::collections::BTreeMap;

fn specs(count: usize, seed: u8) -> impl Iterator<Item = Spec> {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = spec();
    (0..count).map(move |_| strategy.new_tree(&mut runner).unwrap().current())
}

fn cases(default: usize) -> usize {
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
    let all: Vec<Spec> = specs(cases(1500), 3).collect();
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
}
