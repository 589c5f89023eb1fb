//! What changes one thing at a time is, after each of them, what deciding everything from scratch gives, byte for byte, and what the plain
//! decision says.

use super::{
    compare::{Counts, differences_of},
    equality::{cases, specs},
    fleets::{Dice, fleet},
    reasons::REASONS,
    worlds::now,
};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use refit_core::{
    engine::{Change, Engine, Fleet, Verdicts, WorldChange},
    facts::{Fact, FieldRef, Value},
    policy::{document::test::GateAnswer, repository::Repository},
    rollout::{snapshot_after, snapshot_name, snapshot_title},
    world::{Device, GateFinding, GateState, Install, RolloutState, World},
};
use refit_model::{Advisory, AdvisoryId, BranchName, DeviceId, Release, Scheme, TitleId, Version, VersionRange};
use smol_str::SmolStr;
use std::{collections::BTreeMap, sync::Arc};

/// What can happen.
enum Event {
    Device(Change),
    /// One thing, or several that are heard of together.
    World(Vec<WorldChange>),
    Time(Timestamp),
}

/// Something that happens to a fleet, of which `others` are other states of the same devices.
fn event(engine: &Engine, repository: &Repository, others: &[Device], dice: &mut Dice) -> Event {
    let ids: Vec<_> = engine.fleet().ids().cloned().collect();
    let other = dice.of(others);
    let known = (!ids.is_empty()).then(|| dice.of(&ids)).and_then(|id| engine.fleet().device(&id));
    let Some(known) = known else { return Event::Device(Change::Known(Box::new(other))) };
    let id = known.id.clone();
    match dice.below(18) {
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
        9..=13 => Event::World(vec![world_change(engine, repository, dice)]),
        14 => Event::World((0..2 + dice.below(4)).map(|_| world_change(engine, repository, dice)).collect()),
        15 => Event::Device(Change::Seen(id, engine.now())),
        _ => Event::Time(engine.now() + SignedDuration::from_hours(dice.hours(40))),
    }
}

/// Something that happens to what is not a device: to a title, or to the snapshots of a policy that takes any.
fn world_change(engine: &Engine, repository: &Repository, dice: &mut Dice) -> WorldChange {
    let (world, now) = (engine.world(), engine.now());
    let around = |dice: &mut Dice| now + SignedDuration::from_hours(dice.hours(60) - 40);
    let titles: Vec<_> = world.titles().cloned().collect();
    let title = dice.of(&titles);
    let release: Release = dice.of(world.releases(&title));
    let known: Vec<Advisory> = world.advisories(&title).to_vec();
    let all: Vec<Advisory> = titles.iter().flat_map(|title| world.advisories(title)).cloned().collect();
    let conditions = repository.policies.iter().flat_map(|policy| &policy.deadline);
    let conditions: Vec<SmolStr> =
        conditions.filter_map(|entry| entry.condition.as_ref().map(|condition| condition.text().clone())).collect();
    let snapshots = repository.policies.iter().filter_map(|policy| {
        let (every, rollout) = policy.snapshot_every.zip(policy.rollout.clone())?;
        Some((policy.name.clone(), every, rollout))
    });
    let snapshots: Vec<(SmolStr, SignedDuration, SmolStr)> = snapshots.collect();
    match dice.below(8) {
        0 if !known.is_empty() => {
            let advisory = dice.of(&known);
            let kev = dice.one_in(2).then(|| around(dice));
            let withdrawn = dice.one_in(6).then(|| around(dice));
            WorldChange::Advised(Advisory { kev, cvss: dice.some(&[5.0, 9.8]), withdrawn, ..advisory })
        }
        0 | 1 => {
            let fixed = format!("<{}", release.version);
            WorldChange::Advised(Advisory {
                id: AdvisoryId::new(format!("CVE-2027-{}", dice.below(3))),
                affected: vec![VersionRange::parse(release.version.scheme(), &fixed).unwrap()],
                title,
                upstream: None,
                known_at: now - SignedDuration::from_hours(dice.hours(300)),
                cvss: dice.some(&[5.0, 9.8]),
                epss: dice.some(&[0.1, 0.7]),
                kev: dice.one_in(2).then(|| around(dice)),
                ransomware: dice.one_in(2),
                withdrawn: None,
                said_by: Vec::new(),
            })
        }
        2 if !all.is_empty() && !conditions.is_empty() => {
            let since = now - SignedDuration::from_hours(dice.hours(300));
            WorldChange::Latched(dice.of(&all).id, dice.of(&conditions), since)
        }
        3 => WorldChange::Opened(title, opened(release.version, "shares".into(), &RINGS, dice)),
        4 => WorldChange::Found(title, found(release.version, &["early", "broad", "canary"], dice)),
        5 | 6 if !snapshots.is_empty() => {
            let (policy, every, rollout) = dice.of(&snapshots);
            // What moves in snapshots are packages of an archive.
            let packages: Vec<TitleId> = titles.into_iter().filter(|title| title.package().is_some()).collect();
            let title = dice.of(&packages);
            let release: Release = dice.of(world.releases(&title));
            let taken = snapshot_after(every, release.published);
            let version = Version::parse(Scheme::Generic, &snapshot_name(taken)).unwrap();
            let rings: Vec<&str> = repository.rollouts[&rollout].rings.iter().map(|ring| ring.name.as_str()).collect();
            if dice.one_in(2) {
                return WorldChange::Found(snapshot_title(&policy), found(version, &rings, dice));
            }
            let mut state = opened(version, rollout.clone(), &rings, dice);
            let began = world.releases(&title).iter().filter(|_| !dice.one_in(4));
            let began = began.map(|release| (title.clone(), release.version.as_str().into())).collect();
            state.releases = (!dice.one_in(3)).then_some(began);
            WorldChange::Opened(snapshot_title(&policy), state)
        }
        _ => WorldChange::Released(Release { published: around(dice), security: dice.one_in(2), ..release }),
    }
}

const RINGS: [&str; 3] = ["early", "broad", "rest"];

fn opened(version: Version, rollout: SmolStr, rings: &[&str], dice: &mut Dice) -> RolloutState {
    let open = 1 + dice.below(rings.len() as u64) as usize;
    RolloutState {
        rollout,
        version,
        releases: None,
        platform: dice.one_in(3).then(|| "linux".into()),
        open: rings.iter().take(open).map(|ring| (*ring).into()).collect(),
        members: BTreeMap::new(),
    }
}

fn found(version: Version, rings: &[&str], dice: &mut Dice) -> GateState {
    let answers = [GateAnswer::Pass, GateAnswer::Halt, GateAnswer::Inconclusive];
    let finding = GateFinding::Answered(dice.of(&answers));
    let (after, platform) = (dice.of(rings).into(), None);
    let rollout = dice.one_in(3).then(|| dice.of(&["shares", "conditions"]).into());
    GateState { version, rollout, after, platform, finding, notes: None }
}

/// Releases and advisories as they were told, the later in place of the earlier: what a world that was changed bit by bit has to say.
#[derive(Default)]
struct Told {
    releases: BTreeMap<(TitleId, String, Option<BranchName>), Release>,
    advisories: BTreeMap<(TitleId, AdvisoryId), Advisory>,
}

impl Told {
    fn hear(&mut self, change: &WorldChange) {
        match change {
            WorldChange::Released(release) => {
                let key = (release.title.clone(), release.version.to_string(), release.branch.clone());
                self.releases.insert(key, release.clone());
            }
            WorldChange::Advised(advisory) => {
                self.advisories.insert((advisory.title.clone(), advisory.id.clone()), advisory.clone());
            }
            _ => {}
        }
    }

    fn of(world: &World) -> Told {
        let mut told = Told::default();
        for title in world.titles() {
            world.releases(title).iter().cloned().for_each(|release| told.hear(&WorldChange::Released(release)));
            world.advisories(title).iter().cloned().for_each(|advisory| told.hear(&WorldChange::Advised(advisory)));
        }
        told
    }

    /// What a world has of it that is made of it at once.
    fn world(&self) -> World {
        World::new(self.releases.values().cloned().collect(), self.advisories.values().cloned().collect())
    }
}

/// All that a world says of releases and advisories.
fn said(world: &World) -> String {
    let titles = world.titles();
    titles.map(|title| format!("{:?} {:?}\n", world.releases(title), world.advisories(title))).collect()
}

/// So many things happen to each fleet.
const STEPS: usize = 40;

/// So often at least does each reason of a derivation have to occur after events, among the usual number of them.
const OFTEN: u64 = 10;

#[test]
fn one_thing_after_the_other_comes_to_the_same_as_from_scratch() {
    let all = specs(cases(1200), 5);
    let all: Vec<_> = all.collect();
    let (mut happened, mut counts) = (0, Counts::new());
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
        let mut told = Told::of(&world);
        let mut engine = Engine::new(start, Arc::clone(&repository), world, now());
        for step in 0..STEPS {
            let event = event(&engine, &repository, &others, &mut dice);
            let what = match &event {
                Event::Device(change) => format!("{change:?}"),
                Event::World(changes) => format!("{changes:?}"),
                Event::Time(at) => format!("it is {at}"),
            };
            let known: Vec<DeviceId> = engine.fleet().ids().cloned().collect();
            let concerned = match &event {
                Event::Device(change) => Some(change.id().clone()),
                _ => (!known.is_empty()).then(|| dice.of(&known)),
            };
            match event {
                Event::Device(change) => drop(engine.apply(change)),
                Event::World(mut changes) => {
                    changes.iter().for_each(|change| told.hear(change));
                    match changes.len() {
                        1 => changes.drain(..).for_each(|change| engine.change(change)),
                        _ => engine.change_all(changes),
                    }
                }
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
            // Of whom it speaks, or of somebody, and at the end of everybody, the plain decision says the same.
            let last = step + 1 == STEPS;
            let asked = fleet.ids().filter(|id| last || concerned.as_ref() == Some(*id));
            let asked: Vec<Device> = asked.filter_map(|id| fleet.device(id)).collect();
            let answers = |id: &DeviceId| engine.device(id);
            let found = differences_of(&repository, world, &asked, engine.now(), answers, &mut counts);
            if let Some(first) = found.first() {
                panic!(
                    "seed {seed}, step {step}, after {what}\n{} {}: {} plain {}, engine {} ({} differ)\n{}",
                    first.device,
                    first.slot,
                    first.field,
                    first.plain,
                    first.engine,
                    found.len(),
                    first.explanation
                );
            }
        }
        assert_eq!(said(engine.world()), said(&told.world()), "seed {seed}");
        // Nothing is left of what was before, and a snapshot brings back what there is.
        let known: Vec<Device> = engine.fleet().ids().filter_map(|id| engine.fleet().device(id)).collect();
        let mut built = Fleet::new();
        known.iter().for_each(|device| built.put(device));
        assert_eq!(engine.fleet().export(), built.export(), "seed {seed}");
        assert_eq!(Fleet::restore(&engine.fleet().snapshot()).unwrap().export(), built.export(), "seed {seed}");
        // Nor of those who leave; and when they come back, all is as it was.
        let before = engine.export();
        known.iter().for_each(|device| assert!(engine.apply(Change::Gone(device.id.clone()))));
        assert_eq!((engine.export(), engine.cells()), (String::new(), 0), "seed {seed}");
        assert_eq!(engine.fleet().export(), Fleet::new().export(), "seed {seed}");
        known.into_iter().rev().for_each(|device| assert!(engine.apply(Change::Known(Box::new(device)))));
        assert_eq!(engine.export(), before, "seed {seed}");
    }
    println!("{happened} events");
    for reason in REASONS {
        println!("{:>8} {reason}", counts.get(reason).copied().unwrap_or(0));
    }
    let seldom: Vec<&str> =
        REASONS.into_iter().filter(|reason| counts.get(*reason).is_none_or(|count| *count < OFTEN)).collect();
    assert!(seldom.is_empty(), "these hardly occur after events: {seldom:?}");
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
