//! What is counted instruction by instruction: `-- count` goes each way once, on a small fleet that is always the same, and prints nothing.
//!
//! `cargo xtask instructions` runs it under callgrind, which writes what was executed between entering and leaving each function here whose
//! name begins with `counted_`. None of them holds a closure, which would bear its name too.

use super::policies;
use jiff::Timestamp;
use refit_core::{
    engine::{Change, Engine, Fleet, Selection, Sets, SnapshotError, Verdicts, WorldChange},
    facts::Fields,
    policy::{
        expr::{Expr, Scope, compile},
        repository::Repository,
    },
    world::{Device, World},
};
use refit_model::Advisory;
use refit_worlds::{Spec, Synthetic};
use std::{error::Error, hint::black_box, sync::Arc};

/// How many devices.
const DEVICES: u32 = 500;
/// How many of them check in.
const CHECK_INS: u32 = 100;

#[inline(never)]
fn counted_load(fleet: &mut Fleet, devices: &[Device]) {
    fleet.extend(devices);
}

#[inline(never)]
fn counted_evaluation<'a>(
    fleet: &'a Fleet,
    repository: &'a Repository,
    world: &'a World,
    now: Timestamp,
) -> Verdicts<'a> {
    Verdicts::new(fleet, repository, world, now)
}

#[inline(never)]
fn counted_selection(selection: &mut Selection<'_>, conditions: &[Expr], found: &mut Vec<Sets>) {
    for condition in conditions {
        found.push(selection.select(condition));
    }
}

#[inline(never)]
fn counted_snapshot(fleet: &Fleet) -> Result<Fleet, SnapshotError> {
    Fleet::restore(&fleet.snapshot())
}

#[inline(never)]
fn counted_check_ins(engine: &mut Engine, changes: Vec<Change>) {
    for change in changes {
        engine.apply(change);
    }
}

/// Another body than that of the first time: the compiler makes one function of two that are the same, under one name.
#[inline(never)]
fn counted_same_check_ins(engine: &mut Engine, changes: Vec<Change>) -> bool {
    let mut known = true;
    for change in changes {
        known &= engine.apply(change);
    }
    known
}

#[inline(never)]
fn counted_release(engine: &mut Engine, release: WorldChange) {
    engine.change(release);
}

#[inline(never)]
fn counted_scores(engine: &mut Engine, scores: Vec<WorldChange>) {
    engine.change_all(scores);
}

/// Goes each way once.
pub fn run(conditions: &[&str]) -> Result<(), Box<dyn Error>> {
    let now = "2026-11-23T09:00:00Z".parse()?;
    let synthetic = Synthetic::new(Spec { devices: DEVICES, seed: 1, now });
    let repository = policies::repository(&synthetic)?;
    let mut world = synthetic.world().clone();
    policies::introduce(&mut world, &synthetic, now);
    let devices: Vec<Device> = synthetic.devices().collect();
    let mut fleet = Fleet::new();
    counted_load(&mut fleet, &devices);
    black_box(counted_evaluation(&fleet, &repository, &world, now).cells());
    let fields = Fields::builtin();
    let compiled = |text: &&str| compile(text, &Scope::device(&fields)).map_err(|error| format!("{text}: {error:?}"));
    let conditions: Vec<Expr> = conditions.iter().map(compiled).collect::<Result<_, _>>()?;
    let mut found = Vec::new();
    counted_selection(&mut Selection::new(&fleet, &repository, now), &conditions, &mut found);
    black_box(found);
    black_box(counted_snapshot(&fleet)?.len());
    let changes: Vec<Change> =
        (0..CHECK_INS).filter_map(|number| super::brought_up_to_date(&synthetic, number)).collect();
    let release = super::newer_release(&synthetic).ok_or("no title is managed")?;
    let all = synthetic.world().titles().flat_map(|title| synthetic.world().advisories(title));
    let scored: Vec<WorldChange> = all.map(scored).collect();
    let mut engine = Engine::new(fleet, Arc::new(repository), world, now);
    counted_check_ins(&mut engine, changes.clone());
    if !counted_same_check_ins(&mut engine, changes) {
        return Err("a device that checks in again is not known".into());
    }
    counted_release(&mut engine, release);
    counted_scores(&mut engine, scored);
    black_box(engine.cells());
    Ok(())
}

/// An advisory whose score has moved a little, as all do when scores are told anew.
pub fn scored(advisory: &Advisory) -> WorldChange {
    let epss = advisory.epss.map(|epss| (epss * 1.01).min(1.0));
    WorldChange::Advised(Advisory { epss, ..advisory.clone() })
}
