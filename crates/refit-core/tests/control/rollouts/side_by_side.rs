//! Two rollouts of one release at once: evidence and halts are of the release, and each passes its own gates.

use super::{direct, given, heard, made_under, name, receipt, update};
use crate::shell::Shell;
use refit_core::{
    control::{Actor, Happened, Input, ReceiptResult, Refusal},
    policy::document::test::GateAnswer,
};
use refit_model::TitleId;

/// Both have a ring of one name; what is enough for the fast one is not for the other.
const POLICY: &str = "
organization: acme
defaults: { mode: enforce }
rollouts:
  fast:
    gate: quick
    rings: [{ name: canary, where: '\"canary\" in device.tags', soak: 2h }, { name: rest }]
  standard:
    gate: careful
    rings: [{ name: canary, where: '\"canary\" in device.tags', soak: 1d }, { name: rest }]
gates:
  quick: { enough: 50% }
  careful: { enough: 90% }
---
title: editor
name: Editor
scheme: semver
---
policy: editors
software: [editor]
rollout: standard
deadline: [{ within: 14d }]
---
policy: exposed editors
priority: 5
where: '\"exposed\" in device.tags'
software: [editor]
rollout: fast
deadline: [{ within: 14d }]
";

/// Six devices: the first four are canaries, and of each two one goes by the fast rollout.
fn two() -> Shell {
    let mut shell = made_under(POLICY, 8, 4, |shell, id| shell.enrol(id));
    for index in [0, 1, 4, 5] {
        shell.tags(&name(index), if index < 4 { &["canary", "exposed"] } else { &["exposed"] });
    }
    shell.settle();
    shell.release("editor", "1.1.0");
    let said = direct(&mut shell);
    assert_eq!(said, ["editor 1.1.0: canary opens with 2", "editor 1.1.0: canary opens with 2"]);
    shell
}

#[test]
fn what_is_enough_for_the_gate_of_one_rollout_is_not_for_that_of_another() {
    let mut shell = two();
    update(&mut shell, "1.1.0");
    shell.wait(3);
    heard(&mut shell, &[]);
    assert_eq!(direct(&mut shell), ["editor 1.1.0: Pass after canary", "editor 1.1.0: rest opens with 2"]);
    assert_eq!(given(&shell, "1.1.0"), [4, 5].map(name), "the others go by the careful gate");
    shell.wait(20);
    assert_eq!(direct(&mut shell), [""; 0]);
    shell.wait(2);
    assert_eq!(direct(&mut shell), ["editor 1.1.0: Pass after canary", "editor 1.1.0: rest opens with 2"]);
    let moments = &shell.state.rollouts.timelines[&TitleId::new("editor")];
    let passed = moments.iter().filter(|moment| matches!(moment.what, Happened::Answered { .. }));
    let passed: Vec<String> = passed.map(|moment| moment.what.to_string()).collect();
    assert_eq!(passed.len(), 2);
    assert!(passed[0].starts_with("passed after ring canary of fast: "), "{passed:?}");
    assert!(passed[1].starts_with("passed after ring canary of standard: "), "{passed:?}");
}

#[test]
fn a_halt_by_one_rollout_stops_the_others() {
    let mut shell = two();
    for device in [0, 1].map(name) {
        receipt(&mut shell, &device, ReceiptResult::Failed, "1.0.0", "1.0.0");
    }
    let said = direct(&mut shell);
    assert!(said.contains(&"editor 1.1.0: Halt after canary".to_owned()), "{said:?}");
    assert_eq!(given(&shell, "1.1.0"), [""; 0]);
    shell.wait(48);
    assert_eq!(direct(&mut shell), [""; 0]);
}

#[test]
fn a_person_answers_the_gate_of_one_rollout_or_those_of_all() {
    let answer = |rollout: Option<&str>, answer| Input::AnswerGate {
        title: TitleId::new("editor"),
        version: "1.1.0".into(),
        rollout: rollout.map(Into::into),
        after: "canary".into(),
        platform: None,
        answer,
        until: None,
        why: Some("somebody looked".into()),
        found: None,
    };
    let mut shell = two();
    shell.tell(answer(Some("fast"), Some(GateAnswer::Pass)));
    assert_eq!(direct(&mut shell), ["editor 1.1.0: rest opens with 2"]);
    shell.tell(answer(None, Some(GateAnswer::Inconclusive)));
    let answers = shell.state.rollouts.answers(&TitleId::new("editor"));
    assert_eq!(answers.len(), 1, "what is said of all takes the place of what was said of one: {answers:?}");
    shell.tell(answer(None, Some(GateAnswer::Pass)));
    assert_eq!(direct(&mut shell), ["editor 1.1.0: rest opens with 2"]);
    let refused = shell.try_as(&Actor::server(), answer(Some("fats"), Some(GateAnswer::Pass))).unwrap_err();
    assert_eq!(refused, Refusal::Missing { what: "rollout", id: "fats".into() });
}
