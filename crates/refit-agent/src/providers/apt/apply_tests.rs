use super::*;
use crate::providers::transaction::Permissions;
use refit_model::{Scheme, Version};

fn version(text: &str) -> Version {
    Version::parse(Scheme::Dpkg, text).unwrap()
}

fn action(kind: ActionKind, to: Option<&str>) -> Action {
    Action { kind, from: Some(version("1")), to: to.map(version), origins: Vec::new() }
}

fn actions(list: &[(&str, ActionKind, Option<&str>)]) -> BTreeMap<TitleId, Action> {
    list.iter().map(|(name, kind, to)| (TitleId::new(format!("deb/{name}")), action(*kind, *to))).collect()
}

fn plan(list: &[(&str, ActionKind, Option<&str>)]) -> Transaction {
    let actions = actions(list);
    let changes =
        actions.iter().map(|(title, action)| Change { title: title.clone(), to: action.to.clone() }).collect();
    Transaction { changes, actions, permissions: Permissions::default() }
}

fn nothing_installed() -> Inventory {
    Inventory { architecture: "amd64".into(), packages: BTreeMap::new(), unreadable: Vec::new() }
}

const UPGRADE: ActionKind = ActionKind::Upgrade;

#[test]
fn what_was_planned_and_nothing_else_is_no_drift() {
    let plan = plan(&[("a", UPGRADE, Some("2"))]);
    let now = actions(&[("a", UPGRADE, Some("2")), ("late", ActionKind::Configure, Some("1"))]);
    assert_eq!(differences(&plan, &now, &nothing_installed()), Vec::<String>::new());
}

#[test]
fn every_drift_is_told() {
    let plan = plan(&[("a", UPGRADE, Some("2")), ("b", UPGRADE, Some("2")), ("c", UPGRADE, Some("2"))]);
    let now = actions(&[("a", UPGRADE, Some("2")), ("b", UPGRADE, Some("3")), ("d", ActionKind::Remove, None)]);
    assert_eq!(
        differences(&plan, &now, &nothing_installed()),
        ["b: planned 2, now 3", "c: planned 2, now left as it is", "d: not planned, now removal"]
    );
}

#[test]
fn apt_may_not_remove_or_downgrade_unless_the_plan_does() {
    let plain = arguments(&[], &actions(&[("a", UPGRADE, Some("2"))]), ApplyOptions::default());
    assert!(plain.contains(&"--no-remove".to_owned()) && !plain.contains(&"--allow-downgrades".to_owned()));
    let removing = arguments(&[], &actions(&[("a", ActionKind::Remove, None)]), ApplyOptions::default());
    assert!(!removing.contains(&"--no-remove".to_owned()));
    let older = arguments(&[], &actions(&[("a", ActionKind::Downgrade, Some("0"))]), ApplyOptions::default());
    assert!(older.contains(&"--allow-downgrades".to_owned()));
}

#[test]
fn names_come_after_the_end_of_options() {
    let change = Change { title: "deb/libc6:i386".into(), to: Some(version("2")) };
    let gone = Change { title: "deb/curl".into(), to: None };
    let args = arguments(&[change, gone], &BTreeMap::new(), ApplyOptions::default());
    let end = args.iter().position(|arg| arg == "--").unwrap();
    assert_eq!(args[end + 1..], ["libc6:i386=2", "curl-"]);
    assert!(args.contains(&"Dpkg::Options::=--force-confold".to_owned()));
}
