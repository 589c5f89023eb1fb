//! The edge of a window or of a freeze, in whatever zone, wakes nobody: what the time of day makes of an answer is worked out when it is read.

use super::{
    compare::{Counts, differences_of},
    memories::{devices, repository, semver, slot, world},
    worlds::{ago, now},
};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use refit_core::{
    engine::{Engine, Fleet, Hold, WorldChange},
    world::Device,
};
use refit_model::{DeviceId, Release};
use std::{collections::BTreeSet, sync::Arc};

const POLICIES: &str = "
organization: acme
defaults: { mode: enforce }
windows: { overnight: { rrule: \"FREQ=DAILY;BYHOUR=19\", lasts: 10h } }
freezes: [{ name: close, from: 2026-11-25, to: 2026-11-26 }]
---
title: editor
name: Editor
scheme: semver
---
policy: editors
software: [editor]
window: { use: overnight, after_due: wait }
deadline: [{ within: 5d }]
";

/// Whole hours, halves and quarters, and both sides of the date line.
const ZONES: [&str; 12] = [
    "Pacific/Honolulu",
    "America/Los_Angeles",
    "America/New_York",
    "America/St_Johns",
    "America/Sao_Paulo",
    "UTC",
    "Europe/Berlin",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Asia/Tokyo",
    "Australia/Adelaide",
    "Pacific/Kiritimati",
];

/// So long is looked, so often.
const STEPS: i32 = 7 * 24 * 2;
const STEP: SignedDuration = SignedDuration::from_mins(30);

/// One device in each zone.
fn everywhere() -> Vec<Device> {
    let mut devices = devices(ZONES.len(), true);
    for (device, zone) in devices.iter_mut().zip(ZONES) {
        device.timezone = Some(TimeZone::get(zone).unwrap());
    }
    devices
}

fn engine(devices: &[Device]) -> Engine {
    let mut fleet = Fleet::new();
    fleet.extend(devices);
    // The newer one has been out for a day: it is due in four, within the week that is looked at.
    let world = world(&[("1.0.0", 3_000), ("1.1.0", 24)]);
    Engine::new(fleet, Arc::new(repository(POLICIES)), world, now())
}

fn holds(engine: &Engine, id: &DeviceId) -> BTreeSet<Hold> {
    engine.device(id).into_iter().find(|(known, _, _)| *known == slot()).map(|(_, _, outcome)| outcome.holds).unwrap()
}

#[test]
fn the_edge_of_a_window_or_a_freeze_wakes_nobody_in_any_zone() {
    let devices = everywhere();
    let (mut engine, repository) = (engine(&devices), repository(POLICIES));
    let before = engine.export();
    assert_eq!(before.lines().count(), 1, "zones tell nobody apart: {before}");
    let end = now() + STEP * STEPS;
    let mut known: Vec<BTreeSet<Hold>> = devices.iter().map(|device| holds(&engine, &device.id)).collect();
    // Who was held, or let go, by what and when.
    let mut edges: BTreeSet<(Hold, bool, Timestamp, DeviceId)> = BTreeSet::new();
    let mut compliance = Counts::new();
    for step in 1..=STEPS {
        assert!(engine.next().is_none_or(|next| next > end), "somebody is woken at {:?}", engine.next());
        let at = now() + STEP * step;
        engine.advance(at);
        assert_eq!(engine.export(), before, "{at}");
        let answers = |id: &DeviceId| engine.device(id);
        let found = differences_of(&repository, engine.world(), &devices, at, answers, &mut compliance);
        assert!(found.is_empty(), "{at}: {:?}", found.first());
        for (device, held) in devices.iter().zip(&mut known) {
            let now_held = holds(&engine, &device.id);
            for hold in now_held.symmetric_difference(held) {
                edges.insert((*hold, now_held.contains(hold), at, device.id.clone()));
            }
            *held = now_held;
        }
    }
    // All of that was there to be read: in each zone a window that opens and closes each day, and a freeze once.
    let often = |hold: Hold, begins: bool| edges.iter().filter(|edge| (edge.0, edge.1) == (hold, begins)).count();
    let instants: BTreeSet<Timestamp> = edges.iter().map(|edge| edge.2).collect();
    assert!(often(Hold::Window, true) >= 6 * ZONES.len() && often(Hold::Window, false) >= 6 * ZONES.len(), "{edges:?}");
    assert_eq!((often(Hold::Freeze, true), often(Hold::Freeze, false)), (ZONES.len(), ZONES.len()), "{edges:?}");
    assert!(instants.len() > 4 * ZONES.len(), "edges of zones are at times of their own: {instants:?}");
    let stood = |how: &str| compliance.get(how).copied().unwrap_or(0);
    assert!(stood("compliance due") > 0 && stood("compliance overdue") > 0, "the due time came meanwhile");
}

#[test]
fn what_does_change_an_answer_wakes_whom_it_concerns_then_and_not_before() {
    let devices = everywhere();
    let mut engine = engine(&devices);
    let published = ago(-50);
    let newer = Release { version: semver("1.2.0"), published, ..engine.world().releases(&slot().title)[1].clone() };
    engine.change(WorldChange::Released(newer));
    let before = engine.export();
    assert_eq!(engine.next(), Some(published));
    engine.advance(published - SignedDuration::from_nanos(1));
    assert_eq!((engine.export(), engine.next()), (before.clone(), Some(published)));
    engine.advance(published);
    assert_ne!(engine.export(), before);
    assert!(engine.next().is_none_or(|next| next > published));
}
