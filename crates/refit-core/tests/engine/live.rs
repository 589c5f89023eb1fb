//! What changes one thing at a time is, after each of them, what deciding everything from scratch gives, byte for byte.

use super::{
    equality::{cases, specs},
    fleets::{Dice, fleet},
    worlds::now,
};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use refit_core::{
    engine::{Change, Engine, Fleet, Verdicts, WorldChange},
    facts::{Fact, FieldRef, Value},
    policy::document::test::GateAnswer,
    world::{Device, GateFinding, GateState, Install, RolloutState},
};
use refit_model::{Advisory, Release};
use std::sync::Arc;

/// What can happen.
enum Event {
    Device(Change),
    World(WorldChange),
    Time(Timestamp),
}

/// Something that happens to a fleet, of which `others` are other states of the same devices.
fn event(engine: &Engine, others: &[Device], dice: &mut Dice) -> Event {
    let ids: Vec<_> = engine.fleet().ids().cloned().collect();
    let other = dice.of(others);
    let known = (!ids.is_empty()).then(|| dice.of(&ids)).and_then(|id| engine.fleet().device(&id));
    let Some(known) = known else { return Event::Device(Change::Known(Box::new(other))) };
    let id = known.id.clone();
    let titles: Vec<_> = engine.world().titles().cloned().collect();
    let title = dice.of(&titles);
    let releases = engine.world().releases(&title);
    let release: Release = dice.of(releases);
    match dice.below(16) {
        0 | 1 => Event::Device(Change::Known(Box::new(other))),
        2 => Event::Device(Change::Gone(id)),
        3 => {
            let field = dice.of(&[FieldRef::person("department"), FieldRef::device("platform")]);
            let values: &[&str] = if field.name == "platform" { &["windows", "linux"] } else { &["IT", "Finance"] };
            let observed = (!dice.one_in(4)).then(|| engine.now() - SignedDuration::from_hours(dice.hours(60)));
            let fact = Fact { value: Value::text(dice.of(values)), source: Some("workday".into()), observed };
            Event::Device(Change::Said(id, vec![(field, fact)]))
        }
        4 => {
            let zone = dice.some(&["Europe/Berlin", "Asia/Tokyo"]).map(|zone| TimeZone::get(zone).unwrap());
            Event::Device(Change::Moved(id, zone))
        }
        5 if dice.one_in(2) => {
            let installed = other.installs.iter().filter(|_| dice.one_in(2)).cloned().collect();
            let removed = known.installs.iter().filter(|_| dice.one_in(3)).map(Install::slot).collect();
            Event::Device(Change::Observed { id, seen: engine.now(), installed, removed })
        }
        5 | 6 => match other.installs.first() {
            Some(install) => {
                let mut install = install.clone();
                install.since = Some(engine.now());
                Event::Device(Change::Installed(id, install))
            }
            None => Event::Device(Change::Seen(id, engine.now())),
        },
        7 => match known.installs.first() {
            Some(install) => Event::Device(Change::Removed(id, install.slot())),
            None => Event::Device(Change::Seen(id, engine.now())),
        },
        8 => Event::Device(Change::Offered(id, other.offers)),
        9 => {
            let published = engine.now() + SignedDuration::from_hours(dice.hours(60) - 30);
            Event::World(WorldChange::Released(Release { published, security: dice.one_in(2), ..release }))
        }
        10 => {
            let known: Vec<Advisory> = engine.world().advisories(&title).to_vec();
            if known.is_empty() {
                return Event::Time(engine.now() + SignedDuration::from_hours(dice.hours(30)));
            }
            let advisory = dice.of(&known);
            let kev = dice.one_in(2).then(|| engine.now() + SignedDuration::from_hours(dice.hours(60) - 40));
            Event::World(WorldChange::Advised(Advisory { kev, cvss: dice.some(&[5.0, 9.8]), ..advisory }))
        }
        11 => {
            let open = 1 + dice.below(3) as usize;
            let rings = ["early", "broad", "rest"];
            let state = RolloutState {
                rollout: "shares".into(),
                version: release.version,
                releases: None,
                platform: dice.one_in(3).then(|| "linux".into()),
                open: rings.iter().take(open).map(|ring| (*ring).into()).collect(),
                members: Default::default(),
            };
            Event::World(WorldChange::Opened(title, state))
        }
        12 => {
            let answers = [GateAnswer::Pass, GateAnswer::Halt, GateAnswer::Inconclusive];
            let finding = GateFinding::Answered(dice.of(&answers));
            let (after, platform) = (dice.of(&["early", "broad", "canary"]).into(), None);
            let rollout = dice.one_in(3).then(|| dice.of(&["shares", "conditions"]).into());
            let state = GateState { version: release.version, rollout, after, platform, finding, notes: None };
            Event::World(WorldChange::Found(title, state))
        }
        13 => Event::Device(Change::Seen(id, engine.now())),
        _ => Event::Time(engine.now() + SignedDuration::from_hours(dice.hours(40))),
    }
}

#[test]
fn one_thing_after_the_other_comes_to_the_same_as_from_scratch() {
    let all = specs(cases(1200), 5);
    let all: Vec<_> = all.collect();
    let mut happened = 0;
    for (seed, specs) in (2_000..).zip(all.chunks(15)) {
        let (repository, world, devices) = fleet(specs, seed);
        let (_, _, others) = fleet(specs, seed + 700);
        // The other states are those of the same devices.
        let others: Vec<Device> =
            others.into_iter().zip(&devices).map(|(other, device)| Device { id: device.id.clone(), ..other }).collect();
        let mut dice = Dice::new(seed);
        let mut start = Fleet::new();
        devices.iter().take(10).for_each(|device| start.put(device));
        let repository = Arc::new(repository);
        let mut engine = Engine::new(start, Arc::clone(&repository), world, now());
        for step in 0..40 {
            let event = event(&engine, &others, &mut dice);
            let what = match &event {
                Event::Device(change) => format!("{change:?}"),
                Event::World(change) => format!("{change:?}"),
                Event::Time(at) => format!("it is {at}"),
            };
            match event {
                Event::Device(change) => drop(engine.apply(change)),
                Event::World(change) => engine.change(change),
                Event::Time(at) => engine.advance(at),
            }
            happened += 1;
            let (fleet, world) = (engine.fleet(), engine.world());
            let scratch = Verdicts::new(fleet, &repository, world, engine.now());
            assert_eq!(engine.cells() > 0, scratch.cells() > 0);
            let (own, scratch) = (engine.export(), scratch.export());
            if own != scratch {
                let lines = |text: &str| text.lines().map(str::to_owned).collect::<std::collections::BTreeSet<_>>();
                let (own, scratch) = (lines(&own), lines(&scratch));
                let only = |one: &std::collections::BTreeSet<String>, other| {
                    one.difference(other).cloned().collect::<Vec<_>>().join("\n  ")
                };
                panic!(
                    "seed {seed}, step {step}, after {what}\nonly one by one:\n  {}\nonly from scratch:\n  {}",
                    only(&own, &scratch),
                    only(&scratch, &own)
                );
            }
        }
        // Nothing is left of what was before, and a snapshot brings back what there is.
        let known: Vec<Device> = engine.fleet().ids().filter_map(|id| engine.fleet().device(id)).collect();
        let mut built = Fleet::new();
        known.iter().for_each(|device| built.put(device));
        assert_eq!(engine.fleet().export(), built.export(), "seed {seed}");
        assert_eq!(Fleet::restore(&engine.fleet().snapshot()).unwrap().export(), built.export(), "seed {seed}");
    }
    println!("{happened} events");
}

#[test]
fn time_wakes_only_what_it_changes() {
    let all: Vec<_> = specs(30, 6).collect();
    let (repository, world, devices) = fleet(&all, 77);
    let mut fleet = Fleet::new();
    devices.iter().for_each(|device| fleet.put(device));
    let mut engine = Engine::new(fleet, Arc::new(repository), world, now());
    let before = engine.export();
    let next = engine.next().expect("something changes");
    assert!(next > now());
    // Right before it nothing has changed.
    engine.advance(next - SignedDuration::from_nanos(1));
    assert_eq!(engine.export(), before);
    assert_eq!(engine.next(), Some(next));
    engine.advance(next);
    assert!(engine.next().is_none_or(|after| after > next));
}
