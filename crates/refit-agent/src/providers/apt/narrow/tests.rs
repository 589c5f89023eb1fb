use super::*;
use crate::providers::{
    Manager,
    apt::{
        inventory::{Want, apt_name},
        records::Record,
        relations::{parse_clauses, parse_provides},
    },
    installs::Status,
    narrow::{Actions, Dropped, Simulate, Violations, Wanted},
    transaction::{Action, ActionKind, Refusal, Unmet},
};
use refit_model::{Scheme, Version};
use std::collections::{BTreeMap, BTreeSet};

/// A small world with a resolver that knows just enough: it installs what is asked for and whatever `pulls` says.
struct World {
    inventory: Inventory,
    pulls: BTreeMap<&'static str, Vec<Action>>,
    old: BTreeMap<TitleId, Record>,
    new: BTreeMap<TitleId, Record>,
}

fn title(name: &str) -> TitleId {
    TitleId::new(format!("deb/{name}"))
}

fn version(text: &str) -> Version {
    Version::parse(Scheme::Dpkg, text).unwrap()
}

fn to(name: &str, text: &str) -> Change {
    Change { title: title(name), to: Some(version(text)) }
}

fn installed(name: &str, want: Want) -> (TitleId, Package) {
    let package = Package {
        title: title(name),
        name: name.into(),
        architecture: "amd64".into(),
        version: Some(version("1")),
        source: name.into(),
        source_version: Some(version("1")),
        want,
        status: Status::Installed,
        reinstall_required: false,
        essential: name == "essential",
        installed_bytes: 0,
        changed: None,
    };
    (package.title.clone(), package)
}

fn record(name: &str, text: &str, depends: &str, conflicts: &str) -> (TitleId, Record) {
    let mut record = Record::blank(title(name), version(text));
    record.depends = parse_clauses(depends);
    record.conflicts = parse_clauses(conflicts);
    record.provides = parse_provides("");
    (title(name), record)
}

fn action(kind: ActionKind, text: Option<&str>) -> Action {
    let from = (kind != ActionKind::Install).then(|| version("1"));
    Action { kind, from, to: text.map(version), origins: Vec::new() }
}

/// Packages at version 1; each new version's dependencies and conflicts.
fn world(new: &[(&str, &str, &str)], held: &[&str]) -> World {
    let names = ["a", "b", "c", "d", "essential"];
    let want = |name: &&str| if held.contains(name) { Want::Hold } else { Want::Install };
    World {
        inventory: Inventory {
            architecture: "amd64".into(),
            packages: names.iter().map(|name| installed(name, want(name))).collect(),
            unreadable: Vec::new(),
        },
        pulls: BTreeMap::new(),
        old: names.iter().map(|name| record(name, "1", "", "")).collect(),
        new: new.iter().map(|(name, depends, conflicts)| record(name, "2", depends, conflicts)).collect(),
    }
}

impl World {
    /// What apt does besides, when `name` is among the changes.
    fn pull(mut self, name: &'static str, other: &str, kind: ActionKind) -> World {
        let goal = (kind != ActionKind::Remove).then_some("2");
        let mut pulled = action(kind, goal);
        // The other package's name rides along as an origin.
        pulled.origins = vec![other.into()];
        self.pulls.entry(name).or_default().push(pulled);
        self
    }

    fn apt(&self, changes: &[Change]) -> Actions {
        let mut actions = Actions::new();
        for change in changes {
            let kind = if change.to.is_some() { ActionKind::Upgrade } else { ActionKind::Remove };
            actions.insert(
                change.title.clone(),
                Action { kind, from: Some(version("1")), to: change.to.clone(), origins: Vec::new() },
            );
        }
        loop {
            let more: Vec<Action> =
                actions.keys().filter_map(|title| self.pulls.get(apt_name(title))).flatten().cloned().collect();
            let before = actions.len();
            for mut pulled in more {
                let other = title(&pulled.origins.remove(0));
                actions.entry(other).or_insert(pulled);
            }
            if actions.len() == before {
                return actions;
            }
        }
    }

    fn narrow(&self, wanted: &[Change], permissions: Permissions) -> (Vec<String>, Vec<String>, u32) {
        let mut simulate = |changes: &[Change]| Ok(self.apt(changes));
        self.narrow_with(wanted, permissions, &mut simulate)
    }

    fn narrow_with(
        &self,
        wanted: &[Change],
        permissions: Permissions,
        simulate: &mut Simulate<'_>,
    ) -> (Vec<String>, Vec<String>, u32) {
        self.narrow_onto(&Settled::default(), wanted, permissions, simulate)
    }

    fn narrow_onto(
        &self,
        settled: &Settled,
        wanted: &[Change],
        permissions: Permissions,
        simulate: &mut Simulate<'_>,
    ) -> (Vec<String>, Vec<String>, u32) {
        let mut blame = |actions: &Actions, wanted: &Wanted, violations: &Violations| {
            Ok(blame::blame(actions, wanted, violations, &self.old, &self.new))
        };
        let narrowed = narrow::narrow(&self.inventory, settled, wanted, permissions, simulate, &mut blame).unwrap();
        let kept = narrowed.changes.iter().map(|change| apt_name(&change.title).to_owned()).collect();
        let dropped = narrowed.dropped.iter().flat_map(|Dropped { change, obstacles }| {
            let words = obstacles.iter().map(|obstacle| obstacle.in_words(Manager::Apt));
            words.map(|words| format!("{}: {words}", apt_name(&change.title)))
        });
        (kept, dropped.collect(), narrowed.simulations)
    }
}

const NOTHING: Permissions = Permissions { extra_upgrades: false, installs: false, removals: false };

#[test]
fn what_stays_inside_takes_one_simulation() {
    let (kept, dropped, simulations) = world(&[], &[]).narrow(&[to("a", "2"), to("b", "2")], NOTHING);
    assert_eq!((kept, dropped, simulations), (vec!["a".to_owned(), "b".to_owned()], vec![], 1));
}

#[test]
fn a_held_package_is_reported_with_its_reason_and_never_passed_to_apt() {
    let (kept, dropped, _) = world(&[], &["a"]).narrow(&[to("a", "2"), to("b", "2")], NOTHING);
    assert_eq!(kept, ["b"]);
    assert_eq!(dropped, ["a: it is held (`apt-mark unhold` releases it)"]);
}

#[test]
fn an_upgrade_that_needs_a_new_package_is_dropped_and_the_rest_is_kept() {
    let world =
        world(&[("a", "kernel", ""), ("b", "", ""), ("kernel", "", "")], &[]).pull("a", "kernel", ActionKind::Install);
    let (kept, dropped, simulations) = world.narrow(&[to("a", "2"), to("b", "2")], NOTHING);
    assert_eq!((kept, simulations), (vec!["b".to_owned()], 2));
    assert_eq!(dropped, ["a: it needs to install kernel 2, which is not permitted"]);
    let (kept, dropped, _) = world.narrow(&[to("a", "2"), to("b", "2")], Permissions { installs: true, ..NOTHING });
    assert_eq!((kept.len(), dropped.len()), (2, 0));
}

#[test]
fn what_needs_a_dropped_package_is_dropped_in_the_same_round() {
    let world = world(&[("a", "kernel", ""), ("b", "a (>= 2)", ""), ("c", "", ""), ("kernel", "", "")], &[])
        .pull("a", "kernel", ActionKind::Install)
        .pull("b", "a", ActionKind::Upgrade);
    let (kept, dropped, simulations) = world.narrow(&[to("a", "2"), to("b", "2"), to("c", "2")], NOTHING);
    assert_eq!((kept, simulations, dropped.len()), (vec!["c".to_owned()], 2, 2));
}

#[test]
fn a_conflict_blames_the_package_that_states_it() {
    let world = world(&[("a", "", "d (<< 2)"), ("b", "", "")], &[]).pull("a", "d", ActionKind::Remove);
    let (kept, dropped, _) = world.narrow(&[to("a", "2"), to("b", "2")], NOTHING);
    assert_eq!(
        (kept, dropped),
        (vec!["b".to_owned()], vec!["a: it would remove d, which is not permitted".to_owned()])
    );
}

#[test]
fn what_relations_do_not_explain_is_found_by_trying() {
    let world = world(&[], &[]).pull("c", "d", ActionKind::Upgrade);
    let (kept, dropped, _) = world.narrow(&[to("a", "2"), to("b", "2"), to("c", "2")], NOTHING);
    assert_eq!(kept, ["a", "b"]);
    assert_eq!(dropped, ["c: it would also upgrade d to 2, which is not permitted"]);
}

#[test]
fn a_held_package_is_never_brought_along_whatever_is_permitted() {
    let all = Permissions { extra_upgrades: true, installs: true, removals: true };
    let world = world(&[("a", "d (>= 2)", ""), ("d", "", "")], &["d"]).pull("a", "d", ActionKind::Upgrade);
    let (kept, dropped, _) = world.narrow(&[to("a", "2")], all);
    assert_eq!((kept.len(), dropped), (0, vec!["a: it would change d, which is held".to_owned()]));
}

#[test]
fn a_package_that_was_to_be_upgraded_is_never_removed_for_another() {
    let all = Permissions { extra_upgrades: true, installs: true, removals: true };
    let world = world(&[("a", "", "d"), ("d", "", "")], &["d"]).pull("a", "d", ActionKind::Remove);
    let (kept, _, _) = world.narrow(&[to("a", "2"), to("d", "2")], all);
    assert_eq!(kept, Vec::<String>::new());
}

#[test]
fn an_essential_package_is_never_removed_even_by_name() {
    let all = Permissions { extra_upgrades: true, installs: true, removals: true };
    let gone = Change { title: title("essential"), to: None };
    let (kept, dropped, _) = world(&[], &[]).narrow(&[gone, to("a", "2")], all);
    assert_eq!(kept, ["a"]);
    assert_eq!(dropped, ["essential: it would remove essential, without which the system does not work"]);
}

#[test]
fn a_refusal_drops_the_package_that_apt_names() {
    let world = world(&[], &[]);
    let mut simulate = |changes: &[Change]| {
        if changes.iter().any(|change| change.title == title("b")) {
            let unmet = vec![Unmet { title: title("b"), dependency: "Depends: z but it is not installable".into() }];
            return Err(SimulateError::Refused(Refusal { unmet, ..Refusal::default() }));
        }
        Ok(world.apt(changes))
    };
    let (kept, dropped, _) = world.narrow_with(&[to("a", "2"), to("b", "2")], NOTHING, &mut simulate);
    assert_eq!(kept, ["a"]);
    assert_eq!(dropped, ["b: what b asks for could not be met: Depends: z but it is not installable"]);
}

#[test]
fn what_is_fulfilled_already_is_neither_kept_nor_dropped() {
    let (kept, dropped, _) = world(&[], &["a"]).narrow(&[to("a", "1")], NOTHING);
    assert_eq!((kept.len(), dropped.len()), (0, 0));
}

#[test]
fn what_is_settled_keeps_its_permissions_and_lends_them_to_nobody() {
    let world = world(&[("a", "c (>= 2)", ""), ("b", "d (>= 2)", "")], &[]).pull("a", "c", ActionKind::Upgrade).pull(
        "b",
        "d",
        ActionKind::Upgrade,
    );
    let settled = Settled { changes: vec![to("a", "2")], actions: world.apt(&[to("a", "2")]), ..Settled::default() };
    let mut simulate = |changes: &[Change]| Ok(world.apt(changes));
    let (kept, dropped, _) = world.narrow_onto(&settled, &[to("b", "2")], NOTHING, &mut simulate);
    assert_eq!(kept, ["a"]);
    assert_eq!(dropped, ["b: it would also upgrade d to 2, which is not permitted"]);
}

#[test]
fn what_is_brought_along_names_the_change_that_leads_to_it() {
    let world = world(&[("a", "", ""), ("b", "c (>= 2)", ""), ("c", "d (>= 2)", ""), ("d", "", "")], &[]);
    let actions: Actions =
        ["a", "b", "c", "d"].iter().map(|name| (title(name), action(ActionKind::Upgrade, Some("2")))).collect();
    let needed_by = blame::needed_by(&actions, &[to("a", "2"), to("b", "2")], &world.old, &world.new);
    let expected = BTreeSet::from([title("b")]);
    assert_eq!(needed_by, BTreeMap::from([(title("c"), expected.clone()), (title("d"), expected)]));
}

#[test]
fn what_a_policy_holds_is_not_brought_along() {
    let world = world(&[("a", "c (>= 2)", "")], &[]).pull("a", "c", ActionKind::Upgrade);
    let frozen = BTreeMap::from([(title("c"), "freeze `year end`".to_owned())]);
    let settled = Settled { frozen, ..Settled::default() };
    let permissions = Permissions { extra_upgrades: true, ..NOTHING };
    let mut simulate = |changes: &[Change]| Ok(world.apt(changes));
    let (kept, dropped, _) = world.narrow_onto(&settled, &[to("a", "2"), to("b", "2")], permissions, &mut simulate);
    assert_eq!(kept, ["b"]);
    assert_eq!(dropped, ["a: it would also change c: freeze `year end`"]);
}
