//! What moves devices spends rolling budgets; what exceeds them waits for a person.

use super::shell::{Shell, person};
use refit_core::control::{Input, PersonId, PlanId, PlanKind, PlanStatus, Scope};

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
