//! What devices remember counts where it has to, and elsewhere tells nobody apart.

use super::{
    compare::{Counts, differences},
    equality::{cases, specs},
    fleets::{Dice, fleet},
    worlds::{ago, now},
};
use refit_core::{
    engine::{Fleet, Verdicts},
    facts::{FieldRef, Value},
    policy::{
        diagnostic::{Files, Severity},
        load::load,
        repository::Repository,
        resolve::{Titles, resolve},
        syntax::Limits,
    },
    world::{Device, Install, RememberedOffer, SlotKey, World},
};
use refit_model::{Advisory, AdvisoryId, DeviceId, Release, Scheme, TitleId, Version, VersionRange};

const EDITOR: &str = "editor";

/// Two policies: of most devices it is known that the second does not speak of them, of some not even that.
const POLICIES: &str = "
organization: acme
defaults: { mode: enforce }
rollouts: { standard: { rings: [{ name: all }] } }
---
title: editor
name: Editor
scheme: semver
---
policy: editors
software: [editor]
rollout: standard
deadline: [{ within: 7d }]
---
policy: editors of developers
software: [editor]
priority: 1
where: person.department == \"Development\"
rollout: standard
deadline: [{ within: 2d }]
";

pub fn repository(yaml: &str) -> Repository {
    let mut files = Files::default();
    files.add("refit.yaml", yaml.as_bytes(), &Limits::default()).unwrap();
    let (documents, unread) = load(&files, &Limits::default());
    let (repository, unresolved) = resolve(&documents, &files, &Titles::default());
    let wrong = unread.iter().chain(&unresolved).find(|found| found.severity == Severity::Error);
    assert!(wrong.is_none(), "{wrong:?}");
    repository
}

pub fn semver(text: &str) -> Version {
    Version::parse(Scheme::Semver, text).unwrap()
}

pub fn slot() -> SlotKey {
    SlotKey::of(TitleId::new(EDITOR))
}

/// Releases of the editor, by how many hours ago they came out.
pub fn world(releases: &[(&str, i64)]) -> World {
    let release = |(version, hours): &(&str, i64)| Release {
        title: TitleId::new(EDITOR),
        branch: None,
        version: semver(version),
        published: ago(*hours),
        security: false,
    };
    World::new(releases.iter().map(release).collect(), Vec::new())
}

/// Devices with the first release of the editor, which have had it for long; whether anybody knows the department of each.
pub fn devices(count: usize, known: bool) -> Vec<Device> {
    let device = |number| {
        let mut device = Device::new(DeviceId::new(format!("device-{number:03}")), ago(1));
        device.enrolled = Some(ago(5_000));
        device.installs.push(Install {
            title: TitleId::new(EDITOR),
            branch: None,
            profile: None,
            version: semver("1.0.0"),
            since: Some(ago(4_000)),
        });
        if known {
            device.facts.set(FieldRef::person("department"), Value::text("Sales"));
        }
        device
    };
    (0..count).map(device).collect()
}

/// How many cells there are, of answers that are those of the plain decision.
fn cells(repository: &Repository, world: &World, devices: &[Device]) -> usize {
    let found = differences(repository, world, devices, now(), &mut Counts::new());
    assert!(found.is_empty(), "{found:?}");
    let mut fleet = Fleet::new();
    fleet.extend(devices);
    Verdicts::new(&fleet, repository, world, now()).cells()
}

#[test]
fn what_was_admitted_before_is_passed_over_where_the_answer_is_sure() {
    let (repository, world) = (repository(POLICIES), world(&[("1.0.0", 3_000), ("1.1.0", 300), ("1.2.0", 100)]));
    let mut devices = devices(40, true);
    for (number, device) in devices.iter_mut().enumerate().skip(10) {
        device.admitted_before.insert(slot(), semver(["1.1.0", "1.2.0"][number % 2]));
        device.decided_before.insert(slot(), ["editors", "editors of developers"][number % 2].into());
    }
    assert_eq!(cells(&repository, &world, &devices), 1);
}

#[test]
fn where_another_policy_may_decide_only_those_who_remember_something_are_looked_at_one_by_one() {
    let (repository, world) = (repository(POLICIES), world(&[("1.0.0", 3_000), ("1.1.0", 300), ("1.2.0", 100)]));
    let mut devices = devices(40, false);
    for device in devices.iter_mut().take(10) {
        device.admitted_before.insert(slot(), semver("1.1.0"));
    }
    // The policy that decided before counts only where two contradict each other.
    for device in devices.iter_mut().skip(5) {
        device.decided_before.insert(slot(), "editors".into());
    }
    assert_eq!(cells(&repository, &world, &devices), 1 + 10);
}

#[test]
fn a_spell_that_nobody_noted_begins_when_something_obliges_even_where_all_else_began_earlier() {
    let policies = "
organization: acme
defaults: { mode: enforce }
---
title: editor
name: Editor
scheme: semver
---
policy: editors
software: [editor]
target: \">=1.0.0\"
deadline: [{ if: exposure.kev, within: 2d }]
";
    let repository = repository(policies);
    let mut world = world(&[("1.0.0", 3_000), ("1.1.0", 300)]);
    world.advise(Advisory {
        id: AdvisoryId::new("CVE-2026-1"),
        title: TitleId::new(EDITOR),
        upstream: None,
        affected: vec![VersionRange::parse(Scheme::Semver, "<1.1.0").unwrap()],
        known_at: ago(100),
        cvss: None,
        epss: None,
        kev: Some(ago(200)),
        ransomware: false,
        withdrawn: None,
        said_by: Vec::new(),
    });
    let condition = repository.policies[0].deadline[0].condition.as_ref().unwrap().text().clone();
    world.latches.insert((AdvisoryId::new("CVE-2026-1"), condition), ago(400));
    let mut devices = devices(3, true);
    devices[1].spells.insert(slot(), ago(350));
    devices[2].spells.insert(slot(), ago(250));
    // The first is due by the time at which the hole was known, the second by the offer, the third by its spell.
    assert_eq!(cells(&repository, &world, &devices), 2);
    let mut fleet = Fleet::new();
    fleet.extend(&devices);
    let verdicts = Verdicts::new(&fleet, &repository, &world, now());
    let due = devices.iter().map(|device| verdicts.device(&device.id)[0].2.due.unwrap());
    assert_eq!(due.collect::<Vec<_>>(), [ago(100 - 48), ago(300 - 48), ago(250 - 48)]);
}

#[test]
fn devices_that_remember_what_was_decided_in_every_slot_are_decided_alike() {
    let all: Vec<_> = specs(cases(1_500), 9).collect();
    let (mut counts, mut found) = (Counts::new(), Vec::new());
    for (seed, specs) in (7_000..).zip(all.chunks(15)) {
        let (repository, world, mut devices) = fleet(specs, seed);
        let mut dice = Dice::new(seed);
        let policies: Vec<_> = repository.policies.iter().map(|policy| policy.name.clone()).collect();
        for device in &mut devices {
            let installs = device.installs.clone();
            for install in installs {
                let known = world.releases(&install.title);
                // As a server does: what is installed, where nothing was admitted.
                let admitted = if dice.one_in(3) { install.version.clone() } else { dice.of(known).version };
                device.decided_before.insert(install.slot(), dice.of(&policies));
                device.admitted_before.insert(install.slot(), admitted);
            }
        }
        let different = differences(&repository, &world, &devices, now(), &mut counts);
        found.extend(different.into_iter().map(|one| (seed, one)));
    }
    assert!(found.is_empty(), "{} answers differ, first {:?}", found.len(), found.first());
    let occurs = ["marks conflict", "marks undetermined", "release undetermined"];
    assert!(occurs.iter().all(|what| counts.get(*what).is_some_and(|count| *count > 20)), "{counts:?}");
}

#[test]
fn spells_that_were_noted_are_clocks_that_a_cell_has_many_of() {
    let (repository, world) = (repository(POLICIES), world(&[("1.0.0", 3_000), ("1.1.0", 300)]));
    let mut devices = devices(40, true);
    // Those that began before something newer came out make no difference; the others are due at their own times.
    for (number, device) in devices.iter_mut().enumerate().skip(10) {
        device.spells.insert(slot(), ago(if number < 20 { 400 } else { 10 + number as i64 }));
    }
    assert_eq!(cells(&repository, &world, &devices), 2);
    // A spell counts as it was noted, whenever the install is there: here all of them are newer.
    devices.iter_mut().for_each(|device| device.installs[0].since = Some(ago(5)));
    assert_eq!(cells(&repository, &world, &devices), 2);
}

#[test]
fn devices_that_remember_the_same_offers_share_a_cell() {
    let (repository, world) = (repository(POLICIES), world(&[("1.0.0", 3_000), ("1.1.0", 300)]));
    let offer = |hours| RememberedOffer {
        policy: "editors".into(),
        obligation: "stale".into(),
        version: semver("1.1.0"),
        at: ago(hours),
        arose: Some(ago(hours)),
    };
    let mut devices = devices(40, true);
    for (number, device) in devices.iter_mut().enumerate().skip(10) {
        // The last ones remember an offer that has not been made.
        device.first_offers.insert(slot(), vec![offer(if number < 30 { 500 } else { -500 })]);
    }
    assert_eq!(cells(&repository, &world, &devices), 3);
    // What they remember besides tells no more of them apart.
    for (number, device) in devices.iter_mut().enumerate() {
        device.spells.insert(slot(), ago(600 + number as i64));
        device.admitted_before.insert(slot(), semver("1.1.0"));
        device.decided_before.insert(slot(), "editors".into());
    }
    assert_eq!(cells(&repository, &world, &devices), 3);
}
