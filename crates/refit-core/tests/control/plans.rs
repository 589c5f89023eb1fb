//! Plans of fleets that remember: at random, what is decided at once comes to what the plain decision says device by device. [`Shell`]
//! holds the two against each other whenever it makes a plan; here are fleets in which that is worth something.

use super::shell::{Shell, entry};
use refit_core::{
    control::{
        Actor, AdvisoryEntry, AtOnce, Director, FleetPlan, Input, InstallEntry, Installs, Observation, PersonId, Plain,
        ReleaseEntry, UniverseReport, fleet_plan_by,
    },
    decide::Mark,
};
use refit_model::DeviceId;
use smol_str::SmolStr;
use std::{collections::BTreeMap, ops::ControlFlow};

/// Numbers from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn of<T: Clone>(&mut self, list: &[T]) -> T {
        list[self.below(list.len() as u64) as usize].clone()
    }
}

const DEVICES: usize = 14;
const VERSIONS: [&str; 4] = ["1.0.0", "1.1.0", "1.2.0", "1.3.0"];

/// A policy repository: two to four policies of which several may speak of one title.
fn policies(dice: &mut Dice) -> String {
    let mut yaml = "
organization: acme
defaults: { mode: enforce }
authority: { person.department: [hr] }
rollouts:
  standard:
    gate: default
    rings: [{ name: canary, share: 30%, soak: 1h }, { name: rest }]
  fast:
    rings: [{ name: all }]
gates:
  default: { failure_rate: 2%, confidence: 95%, enough: 90% }
budgets:
  - { per: 24h, at_most: 40%, of: devices }
  - { per: 24h, at_most: 50%, of: devices, by: person.department }
---
title: editor
name: Editor
scheme: semver
---
title: viewer
name: Viewer
scheme: semver
"
    .to_owned();
    let rollout = dice.of(&["", "rollout: standard\n", "rollout: fast\n"]);
    let target = dice.of(&["", "target: \">=1.1.0\"\n", "target: latest-1\n"]);
    // What nobody speaks of any more is taken away.
    let software = dice.of(&["[editor, viewer, deb/curl]", "[editor, deb/curl]", "[viewer, deb/curl]"]);
    let days = 1 + dice.below(20);
    let phase_in = dice.of(&["phase_in: 0d\n", "phase_in: 3d\n", ""]);
    yaml += &format!(
        "---\npolicy: base\nsoftware: {software}\n{rollout}{target}{phase_in}deadline: [{{ if: exposure.kev, within: 1d, \
         rollout: fast, at_due: proceed }}, {{ within: {days}d }}]\n"
    );
    for name in ["finance", "twin", "tagged"] {
        if dice.one_in(2) {
            continue;
        }
        let software = dice.of(&["[editor]", "[viewer, deb/curl]", "[\"os/*\"]", "[editor, viewer]"]);
        let condition = dice.of(&[
            "person.department == \"Finance\"",
            "\"canary\" in device.tags",
            "device.platform == \"linux\"",
            "person.department != \"IT\"",
        ]);
        let (priority, days) = (dice.below(2), 1 + dice.below(9));
        let presence = if dice.one_in(5) && !software.contains('*') { "presence: forbidden\n" } else { "" };
        yaml += &format!(
            "---\npolicy: {name}\nsoftware: {software}\npriority: {priority}\nwhere: '{condition}'\n{rollout}{presence}{phase_in}deadline: \
             [{{ within: {days}d }}]\n"
        );
    }
    yaml
}

/// What a device says of itself; `None` is a device that nobody can get packages for.
fn report(shell: &mut Shell, dice: &mut Dice, number: usize) {
    let universe = ["one", "two", "two", "three"].get(number % 5).copied();
    let mut installs: Vec<InstallEntry> = Vec::new();
    for title in ["editor", "viewer"] {
        if !dice.one_in(6) {
            installs.push(entry(title, dice.of(&VERSIONS)));
        }
    }
    let now = shell.now;
    let universe = universe.map(|key| {
        installs.push(entry("deb/curl", &format!("7.{}", dice.below(4))));
        let offers = (0..4).filter(|_| !dice.one_in(3)).collect::<Vec<_>>();
        let offers = offers.into_iter().map(|minor| ReleaseEntry {
            title: "deb/curl".into(),
            branch: None,
            version: format!("7.{minor}").into(),
            published: now,
            security: minor % 2 == 0,
            withheld: dice.one_in(5),
        });
        UniverseReport { key: key.into(), distribution: "debian/bookworm".into(), offers: offers.collect() }
    });
    let mut facts: BTreeMap<SmolStr, Option<Plain>> = BTreeMap::new();
    if dice.one_in(2) {
        facts.insert("device.platform".into(), Some(Plain::Text("linux".into())));
    }
    if dice.one_in(3) {
        facts.insert("device.tags".into(), Some(Plain::List(vec!["canary".into()])));
    }
    shell.tell(Input::Observe(Observation {
        device: DeviceId::new(format!("d{number:02}")),
        source: "agent".into(),
        observed: now,
        facts,
        installs: Some(Installs::All(installs)),
        universe,
        check_in: None,
    }));
}

/// Rings open, gates answer, devices are decided.
fn settle(shell: &mut Shell) {
    for _ in 0..8 {
        shell.settle();
        let look = Director.look(&shell.state, &shell.board, shell.now);
        if look.inputs.is_empty() {
            return;
        }
        for input in look.inputs {
            let _ = shell.try_as(&Actor::server(), input);
        }
    }
}

fn something_happens(shell: &mut Shell, dice: &mut Dice) {
    shell.wait(1 + dice.below(60) as i64);
    for _ in 0..4 {
        match dice.below(7) {
            0 | 1 => {
                let number = dice.below(DEVICES as u64) as usize;
                report(shell, dice, number);
            }
            2 => shell.release(dice.of(&["editor", "viewer"]), dice.of(&VERSIONS)),
            3 => {
                let (person, department) = (dice.of(&["p0", "p1", "p2"]), dice.of(&["IT", "Finance", "Sales"]));
                shell.department(person, department);
            }
            4 => {
                let id: SmolStr = format!("CVE-2026-{}", dice.below(3)).into();
                let (title, affected) =
                    dice.of(&[("editor", "<1.2.0"), ("viewer", "<1.3.0"), ("deb/curl", "<7.2"), ("deb/curl", "<7.3")]);
                let advisory = AdvisoryEntry {
                    id: id.as_str().into(),
                    title: title.into(),
                    affected: vec![affected.into()],
                    known_at: shell.now,
                    cvss: None,
                    epss: None,
                    kev: dice.one_in(2).then_some(shell.now),
                    ransomware: false,
                    withdrawn: None,
                    said_by: Vec::new(),
                };
                shell.tell(Input::Advisories { source: "feed".into(), advisories: vec![advisory] });
            }
            5 => shell.wait(dice.below(80) as i64),
            _ => {
                let person = dice.one_in(4).then(|| PersonId::new(dice.of(&["p0", "p1", "p2"])));
                let device = format!("d{:02}", dice.below(DEVICES as u64));
                shell.tell(Input::Assign { device: DeviceId::new(device), person });
            }
        }
    }
}

/// How often what makes a plan worth comparing was there.
#[derive(Debug, Default)]
struct Met {
    moved: u64,
    overdue: u64,
    beyond_budgets: u64,
    later: u64,
    gone: u64,
    conflicts: u64,
    undetermined: u64,
    spells: usize,
    offers: usize,
}

impl Met {
    fn count(&mut self, shell: &Shell, plan: &FleetPlan) {
        self.moved += plan.summary.moved;
        self.overdue += plan.summary.overdue_devices;
        self.beyond_budgets += plan.summary.beyond_budgets;
        for change in &plan.changes {
            self.later += change.later;
            self.gone += if change.after.is_none() { change.devices } else { 0 };
            self.conflicts += change.marks.get(&Mark::Conflict).copied().unwrap_or(0);
            self.undetermined += change.marks.get(&Mark::Undetermined).copied().unwrap_or(0);
        }
        for device in shell.state.managed() {
            self.spells += device.spells.len();
            self.offers += device.offered.len();
        }
    }
}

#[test]
fn fleets_that_remember_are_planned_alike() {
    let mut met = Met::default();
    for seed in 1..=40u64 {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let mut shell = Shell::new("2026-11-01T00:00:00Z");
        shell.tell(Input::Start { program: "1".into(), alive_until: None });
        for number in 0..DEVICES {
            shell.enrol(&format!("d{number:02}"));
            report(&mut shell, &mut dice, number);
        }
        for version in VERSIONS {
            shell.release("editor", version);
            shell.release("viewer", version);
            shell.wait(dice.below(90) as i64);
        }
        for (person, department) in [("p0", "IT"), ("p1", "Finance"), ("p2", "Sales")] {
            shell.department(person, department);
            for _ in 0..3 {
                let device = format!("d{:02}", dice.below(DEVICES as u64));
                let person = Some(PersonId::new(person));
                shell.tell(Input::Assign { device: DeviceId::new(device), person });
            }
        }
        for _ in 0..4 {
            let yaml = policies(&mut dice);
            if dice.one_in(3) {
                let (_, plan) = shell.plan_as(&Actor::server(), &yaml);
                met.count(&shell, &plan);
            } else {
                let plan = shell.apply(&yaml);
                met.count(&shell, &plan);
                settle(&mut shell);
            }
            something_happens(&mut shell, &mut dice);
            if shell.state.policy.is_some() && dice.one_in(2) {
                settle(&mut shell);
            }
        }
    }
    // Agreement is worth something only about what occurs.
    let Met { moved, overdue, beyond_budgets, later, gone, conflicts, undetermined, spells, offers } = met;
    let often = [moved, overdue, beyond_budgets, later, gone, conflicts, undetermined, spells as u64, offers as u64];
    assert!(often.iter().all(|often| *often > 20), "{met:?}");
}

#[test]
fn a_plan_stops_where_it_is_told_to_and_says_how_far_it_is() {
    let mut shell = Shell::new("2026-11-01T00:00:00Z");
    shell.tell(Input::Start { program: "1".into(), alive_until: None });
    let mut dice = Dice(7);
    for number in 0..DEVICES {
        shell.enrol(&format!("d{number:02}"));
        report(&mut shell, &mut dice, number);
    }
    shell.release("editor", "1.3.0");
    shell.apply(&policies(&mut dice));
    let repository = shell.state.policy.as_ref().unwrap().repository.clone();
    for at_once in [AtOnce::NOBODY, AtOnce { from: 1, most: 2 }, AtOnce::default()] {
        let mut heard = Vec::new();
        let all = |done, of| {
            heard.push((done, of));
            ControlFlow::Continue(())
        };
        assert!(fleet_plan_by(at_once, &shell.state, repository.clone(), "", shell.now, all).is_some());
        assert!(heard.is_sorted() && heard.iter().all(|(done, of)| done <= of && *of == DEVICES as u64), "{heard:?}");
        assert!(heard.len() >= DEVICES / 2);
        for stops in 1..heard.len() {
            let mut left = stops;
            let stop = |_, _| {
                left -= 1;
                if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            assert!(fleet_plan_by(at_once, &shell.state, repository.clone(), "", shell.now, stop).is_none());
        }
    }
}
