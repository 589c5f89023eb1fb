//! Plans of fleets: what the engine counts at once is what the plain decision says device by device, and a plan that was changed by
//! somebody does not add up.
#![allow(clippy::disallowed_methods, reason = "a test reads files")]

use super::{
    equality::{cases, specs},
    fleets::fleet,
    worlds::{Spec, now},
};
use jiff::Timestamp;
use refit_core::{
    control::{CohortKey, DeviceSet, SlotName, Wanted},
    decide::{Compliance, Decision, Goal, Hold, Mark, decide},
    engine::Fleet,
    facts::Value,
    plan::world::{FORMAT, Revision, Sources, WorldPlan, check, make, tables},
    policy::{document::policy::Mode, repository::Repository},
    world::{Applied, Device, World},
};
use serde_json::{Value as Json, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

/// The figures of a change, or of a plan, counted one device after the other.
#[derive(Debug, Default, PartialEq)]
struct Figures {
    devices: u64,
    overdue: u64,
    sooner: u64,
    later: u64,
    earliest_due: Option<Timestamp>,
    holds: BTreeMap<Hold, u64>,
    marks: BTreeMap<Mark, u64>,
}

#[derive(Debug, Default, PartialEq)]
struct Counted {
    changes: BTreeMap<(Option<CohortKey>, Option<CohortKey>), Figures>,
    compliance: BTreeMap<Compliance, u64>,
    moved: u64,
    touched: u64,
    overdue_devices: u64,
    radius: BTreeMap<String, BTreeMap<String, u64>>,
    envelope: BTreeMap<CohortKey, u64>,
}

/// What would be published of a decision.
fn key(decision: &Decision) -> Option<CohortKey> {
    let release = |version: Option<&refit_model::Version>| {
        version.map_or(Wanted::Nothing, |version| Wanted::Release(version.as_str().into()))
    };
    let outstanding = !decision.derivation.obligations.is_empty();
    let absent = decision.goal == Some(Goal::Absent);
    Some(CohortKey {
        slot: SlotName::from(&decision.slot),
        policy: decision.policy.clone()?,
        mode: decision.mode,
        goal: if absent { Wanted::Absent } else { release(decision.goal.as_ref().and_then(Goal::version)) },
        admitted: match outstanding {
            true if absent && decision.unsure().is_none() => Wanted::Absent,
            true => release(decision.admitted.as_ref()),
            false => Wanted::Nothing,
        },
        rollout: decision.rollout.clone(),
        ring: decision.ring.clone(),
    })
}

/// The plan, device by device, by the plain decision.
fn plainly(before: Option<(&Repository, &World)>, after: (&Repository, &World), devices: &[Device]) -> Counted {
    let mut counted = Counted::default();
    for device in devices {
        let was: BTreeMap<_, Decision> = before
            .into_iter()
            .flat_map(|(repository, world)| decide(repository, world, device, now()))
            .map(|decision| (decision.slot.clone(), decision))
            .collect();
        let is = decide(after.0, after.1, device, now());
        let slots: BTreeSet<_> = is.iter().map(|decision| decision.slot.clone()).collect();
        let (mut moved, mut touched, mut overdue) = (false, false, false);
        for decision in &is {
            *counted.compliance.entry(decision.compliance).or_default() += 1;
            overdue |= decision.compliance == Compliance::Overdue;
            let before = was.get(&decision.slot).filter(|was| was.policy.is_some());
            let (key_before, key_after) = (before.and_then(key), key(decision));
            let due_before = before.and_then(|was| was.due);
            if key_before == key_after && due_before == decision.due {
                continue;
            }
            touched = true;
            if let Some(after) = key_after.as_ref().filter(|after| after.moves_from(key_before.as_ref())) {
                moved = true;
                *counted.envelope.entry(after.clone()).or_default() += 1;
            }
            let figures = counted.changes.entry((key_before, key_after)).or_default();
            figures.devices += 1;
            figures.overdue += u64::from(decision.compliance == Compliance::Overdue);
            figures.earliest_due = figures.earliest_due.into_iter().chain(decision.due).min();
            if let Some(was) = due_before {
                figures.sooner += u64::from(decision.due.is_some_and(|is| is < was));
                figures.later += u64::from(decision.due.is_none_or(|is| is > was));
            }
            decision.holds.iter().for_each(|hold| *figures.holds.entry(*hold).or_default() += 1);
            decision.marks.iter().for_each(|mark| *figures.marks.entry(*mark).or_default() += 1);
        }
        for (_, gone) in was.iter().filter(|(slot, was)| was.policy.is_some() && !slots.contains(*slot)) {
            touched = true;
            counted.changes.entry((key(gone), None)).or_default().devices += 1;
        }
        if moved {
            radius(&mut counted, after.0, device, &is);
        }
        counted.moved += u64::from(moved);
        counted.touched += u64::from(touched);
        counted.overdue_devices += u64::from(overdue);
    }
    counted
}

/// Counts a moved device by what is known of it and by the rings in which it is given something.
fn radius(counted: &mut Counted, repository: &Repository, device: &Device, decisions: &[Decision]) {
    let mut add = |what: &str, value: String| {
        *counted.radius.entry(what.to_owned()).or_default().entry(value).or_default() += 1;
    };
    for name in ["device.platform", "person.department", "device.site"] {
        let field = name.parse().unwrap();
        let said = device.facts.resolve(&field, &repository.authority, &repository.staleness, now());
        add(
            name,
            match said.value {
                None => "unknown".to_owned(),
                Some(Value::Text(text)) => text.to_string(),
                Some(other) => other.to_string(),
            },
        );
    }
    let given = decisions.iter().filter_map(key).filter(|key| key.admitted != Wanted::Nothing);
    let rings: BTreeSet<String> =
        given.map(|key| key.ring.map_or("no ring".to_owned(), |ring| ring.to_string())).collect();
    rings.into_iter().for_each(|ring| add("ring", ring));
}

fn figures_of(plan: &WorldPlan) -> Counted {
    let changes = plan.plan.changes.iter().map(|change| {
        let figures = Figures {
            devices: change.devices,
            overdue: change.overdue,
            sooner: change.sooner,
            later: change.later,
            earliest_due: change.earliest_due,
            holds: change.holds.clone(),
            marks: change.marks.clone(),
        };
        ((change.before.clone(), change.after.clone()), figures)
    });
    let summary = &plan.plan.summary;
    Counted {
        changes: changes.collect(),
        compliance: summary.compliance.clone(),
        moved: summary.moved,
        touched: summary.touched,
        overdue_devices: summary.overdue_devices,
        radius: plan.plan.blast_radius.clone(),
        envelope: plan.plan.envelope.iter().map(|permit| (permit.cohort.clone(), permit.devices)).collect(),
    }
}

fn planned(
    before: Option<&Repository>,
    after: &Repository,
    world: &World,
    devices: &[Device],
    applied: Option<Timestamp>,
) -> WorldPlan {
    let mut fleet = Fleet::new();
    devices.iter().for_each(|device| fleet.put(device));
    let after = Revision { repository: after, hash: "" };
    let sources = Sources { fleet: &fleet, world, before, after, applied, now: now() };
    let (plan, members) = make(&sources, |_, _| ControlFlow::Continue(())).unwrap();
    WorldPlan {
        world_plan: FORMAT,
        world: "fleet.jsonl".to_owned(),
        policy: "after".to_owned(),
        against: None,
        applied,
        plan,
        members,
    }
}

/// The times at which policies apply where nothing was in force, and where something was.
fn applied(before: Option<&Repository>, after: &Repository, since: Option<Timestamp>) -> (Applied, Applied) {
    let all = |all| Applied { all, ..Applied::default() };
    let Some(before) = before else { return (all(None), all(since.or(Some(now())))) };
    let mut new = all(since);
    for policy in &after.policies {
        let known = before.policies.iter().find(|known| known.name == policy.name);
        if known.is_none() {
            new.policies.insert(policy.name.clone(), now());
        }
        for entry in &policy.deadline {
            if !known.is_some_and(|known| known.deadline.iter().any(|known| known.text == entry.text)) {
                new.entries.insert((policy.name.clone(), entry.text.clone()), now());
            }
        }
    }
    (all(since), new)
}

/// Policies that act, within budgets: most of those that are generated only observe, and move nobody.
fn acting(mut repository: Repository) -> Repository {
    repository.policies.iter_mut().for_each(|policy| policy.mode = Mode::Enforce);
    repository.budgets = serde_json::from_value(json!([
        { "per": "24h", "at_most": "30%", "of": "devices" },
        { "per": "7d", "at_most": "20%", "of": "devices", "by": "person.department" },
    ]))
    .unwrap();
    repository
}

#[test]
fn a_plan_counts_what_the_plain_decision_says_device_by_device() {
    let all: Vec<Spec> = specs(cases(600), 5).collect();
    let (mut moved, mut compared, mut gone, mut overdue, mut beyond) = (0, 0, 0, 0, 0);
    for (seed, specs) in (3_000..).zip(all.chunks(15)) {
        let (after, world, devices) = fleet(specs, seed);
        let (before, _, _) = fleet(specs, seed + 700);
        // Every third fleet has modes as they come, and changes of them.
        let (before, after) = if seed % 3 == 0 { (before, after) } else { (acting(before), acting(after)) };
        let since = [None, Some(super::worlds::ago(24 * 90))][seed as usize % 2];
        for before in [None, Some(&before)] {
            let plan = planned(before, &after, &world, &devices, since);
            let (of_before, of_after) = applied(before, &after, since);
            let mut worlds = [world.clone(), world.clone()];
            worlds[0].applied = of_before;
            worlds[1].applied = of_after;
            let expected = plainly(before.map(|before| (before, &worlds[0])), (&after, &worlds[1]), &devices);
            assert_eq!(figures_of(&plan), expected, "seed {seed}, compared: {}", before.is_some());
            assert_eq!(check(&plan), Vec::<String>::new(), "seed {seed}");
            let of_budgets: u64 = plan.plan.budgets.iter().filter(|row| row.by.is_some()).map(|row| row.of).sum();
            let nobody_is_without = of_budgets == devices.len() as u64;
            assert!(
                nobody_is_without || plan.plan.budgets.is_empty(),
                "seed {seed}: {of_budgets} of {}",
                devices.len()
            );
            moved += plan.plan.summary.moved;
            beyond += plan.plan.summary.beyond_budgets;
            overdue += plan.plan.summary.overdue_devices;
            compared += plan.plan.changes.iter().filter(|change| change.sooner + change.later > 0).count();
            gone += plan.plan.changes.iter().filter(|change| change.after.is_none()).count();
        }
    }
    // Agreement is worth something only about what occurs.
    let occurs = [moved, overdue, beyond, compared as u64, gone as u64];
    assert!(occurs.iter().all(|often| *often > 20), "moved, overdue, beyond budgets, compared, gone: {occurs:?}");
}

#[test]
fn nothing_changes_against_the_same_policies() {
    let all: Vec<Spec> = specs(60, 6).collect();
    for (seed, specs) in (4_000..).zip(all.chunks(15)) {
        let (repository, world, devices) = fleet(specs, seed);
        let plan = planned(Some(&repository), &repository, &world, &devices, None);
        assert!(plan.plan.changes.is_empty(), "seed {seed}: {:?}", plan.plan.changes);
        assert_eq!(plan.plan.summary.touched, 0);
        assert!(tables(&plan).policies.is_empty());
    }
}

#[test]
fn a_plan_is_read_as_it_was_written() {
    let all: Vec<Spec> = specs(15, 7).collect();
    let (repository, world, devices) = fleet(&all, 5_000);
    let plan = planned(None, &repository, &world, &devices, None);
    let text = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<WorldPlan>(&text).unwrap(), plan);
}

/// A plan in which something moves and something is overdue, of seeds in turn.
fn some_plan() -> WorldPlan {
    let all: Vec<Spec> = specs(300, 8).collect();
    let mut plans = (6_000..).zip(all.chunks(15)).map(|(seed, specs)| {
        let (repository, world, devices) = fleet(specs, seed);
        planned(None, &acting(repository), &world, &devices, Some(super::worlds::ago(24 * 400)))
    });
    let fits = |plan: &WorldPlan| plan.plan.summary.moved > 1 && plan.plan.summary.overdue_devices > 1;
    plans.find(fits).expect("one of them moves devices")
}

/// Somebody who changes a plan.
type Tampering = Box<dyn Fn(&mut WorldPlan)>;

#[test]
fn a_plan_that_was_changed_does_not_add_up() {
    let plan = some_plan();
    assert_eq!(check(&plan), Vec::<String>::new());
    let moving = plan.plan.changes.iter().position(|change| change.moves).unwrap();
    let late = plan.plan.changes.iter().position(|change| change.overdue > 0).unwrap();
    let stranger = plan.members.devices.len() as u32;
    let changes: Vec<(&str, Tampering)> = vec![
        ("devices", Box::new(|plan| plan.plan.devices += 1)),
        ("a device twice", Box::new(|plan| plan.members.devices[1] = plan.members.devices[0].clone())),
        ("moved", Box::new(|plan| plan.plan.summary.moved -= 1)),
        ("touched", Box::new(|plan| plan.plan.summary.touched += 1)),
        ("overdue", Box::new(|plan| plan.plan.summary.overdue_devices -= 1)),
        ("beyond the budgets", Box::new(|plan| plan.plan.summary.beyond_budgets += 1)),
        ("compliance", Box::new(|plan| plan.plan.summary.compliance.clear())),
        ("a change's devices", Box::new(move |plan| plan.plan.changes[moving].devices -= 1)),
        ("a change that says it moves nobody", Box::new(move |plan| plan.plan.changes[moving].moves = false)),
        ("a change's key", Box::new(move |plan| plan.plan.changes[moving].after.as_mut().unwrap().policy = "x".into())),
        ("a change less", Box::new(|plan| drop(plan.plan.changes.pop()))),
        ("a change's sooner", Box::new(|plan| plan.plan.changes[0].sooner += 1)),
        ("a change's holds", Box::new(|plan| plan.plan.changes[0].holds.extend([(Hold::Mandate, 1)]))),
        ("a change's marks", Box::new(|plan| plan.plan.changes[0].marks.extend([(Mark::Conflict, 99)]))),
        ("a permit", Box::new(|plan| plan.plan.envelope[0].devices += 1)),
        ("a permit less", Box::new(|plan| drop(plan.plan.envelope.pop()))),
        ("of what a budget is a share", Box::new(|plan| plan.plan.budgets[0].of += 1)),
        ("how many a budget permits", Box::new(|plan| plan.plan.budgets[0].limit = 0)),
        ("when something is due first", Box::new(move |plan| plan.plan.changes[late].earliest_due = None)),
        ("the radius", Box::new(|plan| drop(plan.plan.blast_radius.pop_first()))),
        (
            "a member less",
            Box::new(move |plan| {
                let devices = &mut plan.members.gathered.changes[moving].devices;
                let first = devices.iter().next().unwrap();
                devices.remove(first);
            }),
        ),
        (
            "a member who is nobody",
            Box::new(move |plan| plan.members.gathered.changes[moving].devices.insert(stranger)),
        ),
        ("nobody is overdue", Box::new(|plan| plan.members.gathered.overdue = DeviceSet::default())),
        ("no rings", Box::new(|plan| plan.members.gathered.rings.clear())),
        ("a group", Box::new(|plan| drop(plan.members.groups.remove("device.platform")))),
        ("an example", Box::new(move |plan| plan.plan.changes[moving].examples = vec!["nobody".into()])),
    ];
    for (what, change) in changes {
        let mut changed = plan.clone();
        change(&mut changed);
        assert_ne!(changed, plan, "{what} changes nothing");
        assert!(!check(&changed).is_empty(), "{what} was changed, and still it adds up");
    }
}

/// Keys of a value that its schema does not name, with their paths.
fn unnamed(root: &Json, schema: &Json, value: &Json, path: &str) -> Vec<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or_default();
        return unnamed(root, &root["$defs"][name], value, path);
    }
    if let Some(choices) = schema["anyOf"].as_array().or(schema["oneOf"].as_array()) {
        let found = choices.iter().map(|choice| unnamed(root, choice, value, path));
        return found.min_by_key(Vec::len).unwrap_or_default();
    }
    match value {
        Json::Array(items) => {
            let items = items.iter().enumerate();
            items
                .flat_map(|(place, item)| {
                    let schema = schema["prefixItems"].get(place).unwrap_or(&schema["items"]);
                    unnamed(root, schema, item, &format!("{path}[{place}]"))
                })
                .collect()
        }
        Json::Object(fields) => {
            let named = |name: &str| {
                schema["properties"]
                    .get(name)
                    .or(schema["additionalProperties"].as_object().map(|_| &schema["additionalProperties"]))
            };
            let fields = fields.iter();
            fields
                .flat_map(|(name, value)| {
                    let path = format!("{path}.{name}");
                    named(name).map_or_else(|| vec![path.clone()], |schema| unnamed(root, schema, value, &path))
                })
                .collect()
        }
        _ => Vec::new(),
    }
}

#[test]
fn the_schema_of_a_plan_names_every_key_of_it() {
    let schema = serde_json::to_value(schemars::schema_for!(WorldPlan)).unwrap();
    let plan = serde_json::to_value(some_plan()).unwrap();
    assert_eq!(unnamed(&schema, &schema, &plan, "plan"), [""; 0]);
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas/world-plan.json");
    let written = std::fs::read_to_string(file).unwrap_or_default();
    let fresh = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    assert!(
        written == fresh,
        "schemas/world-plan.json is not that of the types; `cargo xtask generate` writes:\n{fresh}"
    );
}
