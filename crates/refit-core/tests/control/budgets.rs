//! What moves devices spends rolling budgets; what exceeds them waits for a person.

use super::shell::{Shell, person};
use refit_core::{
    control::{HeldBy, Input, PersonId, PlanId, PlanKind, PlanStatus, Scope, ServerHold, SlotName, Terms},
    decide::{Hold, WouldChange},
};

const POLICY: &str = "
organization: acme
defaults: { mode: enforce }
budgets: [{ per: 24h, at_most: 20%, of: devices }]
rollouts:
  staged:
    rings:
      - { name: canary, where: 'person.department == \"IT\"' }
      - { name: rest }
---
title: editor
name: Editor
scheme: semver
---
policy: editors
software: [editor]
rollout: staged
deadline: [{ within: 7d }]
";

fn fleet() -> Shell {
    let mut shell = Shell::new("2026-11-01T00:00:00Z");
    for index in 0..10 {
        let id = format!("d{index}");
        shell.enrol(&id);
        shell.installs(&id, &[("editor", "1.0.0")]);
        shell.department(&format!("p{index}"), "Engineering");
        shell.tell(Input::Assign { device: id.as_str().into(), person: Some(PersonId::new(format!("p{index}"))) });
    }
    shell.release("editor", "1.0.0");
    // People approved the first plan, so that it may move everybody at once.
    let ada = person("ada", &[Scope::Plan, Scope::Apply]);
    let (id, plan) = shell.plan_as(&ada, POLICY);
    shell.try_as(&person("bob", &[Scope::Approve]), Input::Approve { plan: id.clone() }).unwrap();
    let envelope = plan.envelope.iter().map(|permit| (permit.cohort.clone(), permit.devices)).collect();
    shell.try_as(&ada, Input::Apply { plan: id, envelope }).unwrap();
    shell.settle();
    shell.wait(48);
    for index in 0..10 {
        shell.department(&format!("p{index}"), "Engineering");
        shell.installs(&format!("d{index}"), &[("editor", "1.0.0")]);
    }
    shell.settle();
    shell
}

fn rings(shell: &Shell) -> (usize, usize) {
    let ring = |name: &str| {
        let inside = |published: &refit_core::control::Published| published.key.ring.as_deref() == Some(name);
        shell.state.managed().filter(|device| device.published.values().any(inside)).count()
    };
    (ring("canary"), ring("rest"))
}

fn held(shell: &Shell) -> Option<(PlanId, u64)> {
    shell.state.plans.iter().find_map(|(id, plan)| match &plan.kind {
        PlanKind::Held { held } if plan.status == PlanStatus::Open => {
            Some((id.clone(), held.iter().map(|held| held.devices.len()).sum()))
        }
        _ => None,
    })
}

fn rename(shell: &mut Shell, department: &str) {
    shell.wait(1);
    for index in 0..10 {
        shell.department(&format!("p{index}"), department);
    }
    shell.settle();
}

#[test]
fn a_department_renamed_overnight_is_held_and_shown_as_a_plan_that_needs_a_person() {
    let mut shell = fleet();
    assert_eq!(rings(&shell), (0, 10));
    rename(&mut shell, "IT");
    // Two of ten are what the budget permits in a day.
    assert_eq!(rings(&shell), (2, 8));
    let (plan, devices) = held(&shell).unwrap();
    assert_eq!(devices, 8);
    let PlanKind::Held { held } = &shell.state.plans[&plan].kind else { panic!() };
    assert_eq!(held[0].because, "the budget of 20% of 10 devices in 1d is spent: 2 of 2 were moved");
    // The day after nobody has looked at it, and it still waits.
    shell.wait(30);
    for index in 0..10 {
        shell.department(&format!("p{index}"), "IT");
    }
    shell.settle();
    assert_eq!(held_devices(&shell), 8);
}

fn held_devices(shell: &Shell) -> u64 {
    held(shell).map_or(0, |(_, devices)| devices)
}

#[test]
fn a_person_lets_what_is_held_go() {
    let mut shell = fleet();
    rename(&mut shell, "IT");
    let (plan, _) = held(&shell).unwrap();
    shell.try_as(&person("bob", &[Scope::Approve]), Input::Approve { plan }).unwrap();
    shell.settle();
    assert_eq!(rings(&shell), (10, 0));
    assert_eq!(held(&shell), None);
}

#[test]
fn what_is_rejected_stays_where_it_is() {
    let mut shell = fleet();
    rename(&mut shell, "IT");
    let (plan, _) = held(&shell).unwrap();
    let reject = Input::Reject { plan, why: "a mistake of HR".into() };
    shell.try_as(&person("bob", &[Scope::Approve]), reject).unwrap();
    shell.wait(48);
    for index in 0..10 {
        shell.department(&format!("p{index}"), "IT");
    }
    shell.settle();
    assert_eq!(rings(&shell), (2, 8));
    assert_eq!(held(&shell), None);
}

#[test]
fn a_name_that_is_put_right_frees_what_was_held() {
    let mut shell = fleet();
    rename(&mut shell, "IT");
    assert_eq!(held_devices(&shell), 8);
    rename(&mut shell, "Engineering");
    assert_eq!(held(&shell), None);
    // The two that had moved went back: they had spent the budget already.
    assert_eq!(rings(&shell), (0, 10));
}

/// What the server holds the editor of each device by.
fn holds(shell: &Shell) -> Vec<ServerHold> {
    let slot = SlotName::of("editor".into());
    let devices = shell.state.managed();
    devices.flat_map(|device| shell.state.server_holds(device, &slot, false)).collect()
}

#[test]
fn what_a_budget_holds_is_held_by_the_budget() {
    let mut shell = fleet();
    assert!(holds(&shell).is_empty());
    rename(&mut shell, "IT");
    let (plan, _) = held(&shell).unwrap();
    let found = holds(&shell);
    assert_eq!(found.len(), 8);
    assert_eq!(shell.state.held_devices(HeldBy::Budget).len(), 8);
    assert!(shell.state.held_devices(HeldBy::Envelope).is_empty());
    assert!(found.iter().all(|it| it.hold == Hold::Budget && it.plan.as_ref() == Some(&plan)), "{found:?}");
    assert_eq!(found[0].lifted_by(), Some(format!("refit plans approve {plan}")));
    // An explanation has it among the holds, with what ends it.
    let terms = Terms::in_force(&shell.state).unwrap();
    let index = shell.state.held_devices(HeldBy::Budget).iter().next().unwrap();
    let record = shell.state.at_index(index).unwrap().clone();
    let (mut decisions, _) = shell.evaluator.explain(&shell.state, &terms, &record, &"editor".into(), shell.now);
    shell.state.add_holds(&record, &mut decisions[0]);
    assert!(decisions[0].holds.contains(&Hold::Budget));
    assert_eq!(decisions[0].derivation.holds[0].hold, Hold::Budget);
    let ends = |change: &WouldChange| matches!(change, WouldChange::HoldEnds { hold: Hold::Budget, .. });
    assert!(decisions[0].derivation.would_change.iter().any(ends));
    // A person rejects it: it is still held, and no command lifts it.
    let reject = Input::Reject { plan, why: "a mistake of HR".into() };
    shell.try_as(&person("bob", &[Scope::Approve]), reject).unwrap();
    let found = holds(&shell);
    assert_eq!(found.len(), 8);
    assert!(found[0].rejected);
    assert_eq!(found[0].lifted_by(), None);
}

#[test]
fn what_is_let_go_is_held_by_nothing() {
    let mut shell = fleet();
    rename(&mut shell, "IT");
    let (plan, _) = held(&shell).unwrap();
    shell.try_as(&person("bob", &[Scope::Approve]), Input::Approve { plan }).unwrap();
    assert!(holds(&shell).is_empty());
    shell.settle();
    assert!(holds(&shell).is_empty());
}

#[test]
fn the_brake_holds_what_is_outstanding_and_nothing_else() {
    let mut shell = fleet();
    shell.tell(Input::Stop { why: "a fire".into() });
    assert!(holds(&shell).is_empty());
    let record = shell.state.device(&"d0".into()).unwrap();
    let found = shell.state.server_holds(record, &SlotName::of("editor".into()), true);
    assert_eq!(found[0].hold, Hold::KillSwitch);
    assert_eq!(found[0].because, "a fire");
    assert_eq!(found[0].lifted_by(), Some("refit resume --everything --why TEXT".to_owned()));
}

#[test]
fn the_reason_of_a_held_plan_has_the_figures_of_the_newest_device() {
    let mut shell = fleet();
    rename(&mut shell, "IT");
    // The fleet has grown, so that the budget permits three, and others are renamed in the same day.
    for index in 10..15 {
        let id = format!("d{index}");
        shell.enrol(&id);
        shell.installs(&id, &[("editor", "1.0.0")]);
        shell.department(&format!("p{index}"), "Engineering");
        shell.tell(Input::Assign { device: id.as_str().into(), person: Some(PersonId::new(format!("p{index}"))) });
    }
    shell.settle();
    shell.wait(1);
    for index in 10..15 {
        shell.department(&format!("p{index}"), "IT");
    }
    shell.settle();
    let (plan, devices) = held(&shell).unwrap();
    assert_eq!(devices, 12);
    let PlanKind::Held { held } = &shell.state.plans[&plan].kind else { panic!() };
    assert_eq!(held.len(), 1);
    assert_eq!(held[0].because, "the budget of 20% of 15 devices in 1d is spent: 3 of 3 were moved");
}

#[test]
fn a_budget_counts_devices_and_not_moves() {
    let mut shell = fleet();
    shell.wait(1);
    shell.department("p0", "IT");
    shell.settle();
    // It moves back and forth in the same day, and has spent what it spends.
    for department in ["Engineering", "IT", "Engineering"] {
        shell.wait(1);
        shell.department("p0", department);
        shell.settle();
    }
    assert_eq!(held(&shell), None);
    shell.department("p1", "IT");
    shell.settle();
    assert_eq!(rings(&shell), (1, 9));
    shell.department("p2", "IT");
    shell.settle();
    assert_eq!(held_devices(&shell), 1);
}

/// Of whom no source says a department are a group of their own, and what HR said too long ago still counts.
#[test]
fn nobody_is_without_a_budget() {
    let by_department = POLICY.replace("at_most: 20%, of: devices", "at_most: 20%, of: devices, by: person.department");
    for (department, permitted) in [(None, 2), (Some("Engineering"), 2)] {
        let mut shell = Shell::new("2026-11-01T00:00:00Z");
        for index in 0..10 {
            let id = format!("d{index}");
            shell.enrol(&id);
            shell.installs(&id, &[("editor", "1.0.0")]);
            if let Some(department) = department {
                shell.department(&format!("p{index}"), department);
                shell.tell(Input::Assign {
                    device: id.as_str().into(),
                    person: Some(PersonId::new(format!("p{index}"))),
                });
            }
        }
        shell.release("editor", "1.0.0");
        shell.apply(&by_department.replace("      - { name: canary, where: 'person.department == \"IT\"' }\n", ""));
        shell.settle();
        // HR has said nothing for months.
        shell.wait(24 * 90);
        (0..10).for_each(|index| drop(shell.installs(&format!("d{index}"), &[("editor", "1.0.0")])));
        shell.release("editor", "1.1.0");
        shell.settle();
        shell.tell(Input::OpenRing {
            title: "editor".into(),
            version: "1.1.0".into(),
            rollout: "staged".into(),
            ring: "rest".into(),
            platform: Some("linux".into()),
            members: None,
            releases: Vec::new(),
        });
        shell.settle();
        assert_eq!(shell.moved("editor").len(), permitted, "{department:?}");
        assert_eq!(held_devices(&shell), 10 - permitted as u64, "{department:?}");
    }
}
