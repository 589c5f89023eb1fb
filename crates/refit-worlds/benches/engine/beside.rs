//! What a check-in takes while somebody plans for the same fleet, on a copy of it and on another core.

use super::{brought_up_to_date, cpu, memory::enough};
use refit_core::{
    engine::Engine,
    plan::world::{Revision, Sources, make},
    policy::repository::Repository,
};
use refit_worlds::Synthetic;
use std::{
    hint::black_box,
    ops::{ControlFlow, Range},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

/// Devices check in one after the other, decisions included, while plans are made without a pause.
pub fn check_ins(engine: &mut Engine, repository: &Repository, synthetic: &Synthetic, devices: Range<u32>) {
    let bytes: usize = engine.fleet().footprint().iter().map(|(_, bytes)| bytes).sum();
    // Its copy, and what is said of it.
    if !enough("check-ins while a plan is made", 2 * bytes as u64) {
        return;
    }
    let (fleet, world, now) = (engine.fleet().clone(), engine.world().clone(), engine.now());
    let (begun, done) = (AtomicBool::new(false), AtomicBool::new(false));
    let mut took: Vec<(Duration, Duration)> = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let after = Revision { repository, hash: "" };
                let sources = Sources { fleet: &fleet, world: &world, before: None, after, applied: None, now };
                begun.store(true, Ordering::Relaxed);
                let go_on = |_, _| match done.load(Ordering::Relaxed) {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                };
                black_box(make(&sources, go_on).is_some());
            }
        });
        while !begun.load(Ordering::Relaxed) {
            thread::yield_now();
        }
        for number in devices {
            let Some(change) = brought_up_to_date(synthetic, number) else { continue };
            let (start, clock) = (cpu(), Instant::now());
            black_box(engine.apply(change));
            took.push((cpu() - start, clock.elapsed()));
        }
        done.store(true, Ordering::Relaxed);
    });
    let of = |which: fn(&(Duration, Duration)) -> Duration| {
        let mut times: Vec<Duration> = took.iter().map(which).collect();
        times.sort();
        let micros = |part: f64| {
            let at = times.get((times.len() as f64 * part) as usize);
            at.map_or(0.0, |took| took.as_secs_f64() * 1e6)
        };
        format!("{:.1} µs at the median, {:.1} µs at the 99th percentile", micros(0.5), micros(0.99))
    };
    println!(
        "the same while a plan of everything is made beside it: {} of {}; on the clock {}",
        of(|took| took.0),
        took.len(),
        of(|took| took.1)
    );
}
