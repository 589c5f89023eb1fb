//! Who shares what is published: what other systems are configured from.

use super::shell::{Shell, person};
use refit_core::{
    cohorts::Cohorts,
    control::{Evaluator, Input, Scope, cohorts},
};

const POLICY: &str = "
organization: acme
defaults: { mode: enforce }
budgets: [{ per: 24h, at_most: 20%, of: devices }]
freezes: [{ name: macs, from: 2026-12-01, to: 2026-12-02, where: 'device.platform == \"macos\"' }]
---
title: editor
name: Editor
scheme: semver
---
policy: editors
software: [editor]
deadline: [{ within: 7d }]
---
target: macs
kind: apple-declarative
where: device.platform == \"macos\"
";

fn fleet() -> Shell {
    let mut shell = Shell::new("2026-11-01T00:00:00Z");
    shell.tell(Input::Start { program: "1".into(), alive_until: None });
    for index in 0..10 {
        let id = format!("d{index}");
        shell.enrol(&id);
        shell.installs_on(&id, if index < 3 { "macos" } else { "linux" }, &[("editor", "1.0.0")]);
    }
    shell.release("editor", "1.0.0");
    let ada = person("ada", &[Scope::Plan, Scope::Apply]);
    let (id, plan) = shell.plan_as(&ada, POLICY);
    shell.try_as(&person("bob", &[Scope::Approve]), Input::Approve { plan: id.clone() }).unwrap();
    let envelope = plan.envelope.iter().map(|permit| (permit.cohort.clone(), permit.devices)).collect();
    shell.try_as(&ada, Input::Apply { plan: id, envelope }).unwrap();
    shell.settle();
    shell
}

/// Of all devices those to whom something is admitted, as it is published and not.
fn admitted(cohorts: &Cohorts) -> (u64, u64) {
    let with = |unpublished| {
        let here = cohorts.titles.iter().filter(move |cohort| cohort.unpublished == unpublished);
        here.filter(|cohort| cohort.outcome.admitted.is_some()).map(|cohort| cohort.devices.len()).sum()
    };
    (with(false), with(true))
}

#[test]
fn without_a_policy_nobody_shares_anything() {
    let shell = Shell::new("2026-11-01T00:00:00Z");
    assert!(cohorts(&shell.state, shell.now).is_none());
}

#[test]
fn everybody_is_in_a_cohort_by_platform_and_freeze_and_targets_know_theirs() {
    let shell = fleet();
    let cohorts = cohorts(&shell.state, shell.now).unwrap();
    assert_eq!(cohorts.devices, 10);
    assert_eq!(admitted(&cohorts), (0, 0));
    let mut places: Vec<(String, usize, u64)> = cohorts
        .titles
        .iter()
        .map(|it| (it.place.platform.clone().unwrap_or_default().to_string(), it.place.freezes.len(), it.devices.len()))
        .collect();
    places.sort();
    assert_eq!(places, [("linux".to_owned(), 0, 7), ("macos".to_owned(), 1, 3)]);
    assert_eq!(cohorts.targets["macs"].len(), 3);
    // Numbers are those of the records.
    let macs: Vec<String> = cohorts.targets["macs"]
        .iter()
        .filter_map(|index| Some(shell.state.by_index.get(index as usize)?.to_string()))
        .collect();
    assert_eq!(macs, ["d0", "d1", "d2"]);
}

#[test]
fn what_a_budget_holds_is_not_published_to_other_systems_either() {
    let mut shell = fleet();
    shell.release("editor", "1.1.0");
    shell.settle();
    let cohorts = cohorts(&shell.state, shell.now).unwrap();
    assert_eq!(admitted(&cohorts), (2, 8));
}

#[test]
fn while_everything_is_stopped_nothing_is() {
    let mut shell = fleet();
    shell.release("editor", "1.1.0");
    shell.settle();
    shell.tell(Input::Stop { why: "a fire".into() });
    let cohorts = cohorts(&shell.state, shell.now).unwrap();
    assert_eq!(admitted(&cohorts), (0, 10));
}

#[test]
fn one_device_is_told_what_everybody_is_told() {
    let mut shell = fleet();
    shell.release("editor", "1.1.0");
    shell.settle();
    let all = cohorts(&shell.state, shell.now).unwrap();
    let mut evaluator = Evaluator::default();
    for record in shell.state.managed() {
        let one = evaluator.cohorts(&shell.state, record, shell.now).unwrap();
        let here = |cohorts: &Cohorts| -> Vec<String> {
            let of = cohorts.titles.iter().filter(|cohort| cohort.devices.contains(record.index));
            of.map(|it| format!("{:?} {:?} {} {:?}", it.slot, it.outcome, it.unpublished, it.place)).collect()
        };
        assert_eq!(one.devices, 1);
        assert_eq!(here(&one), here(&all), "{}", record.id);
        assert_eq!(one.targets["macs"].contains(record.index), all.targets["macs"].contains(record.index));
    }
}
