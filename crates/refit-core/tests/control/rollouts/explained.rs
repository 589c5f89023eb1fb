//! What an explanation says of a release under way: all that `refit rollouts` knows of it.

use super::{direct, fleet, heard, update};
use crate::shell::Shell;
use refit_core::{
    control::{Input, Terms},
    decide::{Decision, View, explain},
    policy::document::test::GateAnswer,
};
use refit_model::{DeviceId, TitleId};

/// What is said of the editor on a device, and the decision behind it.
pub fn explained(shell: &mut Shell, device: &str) -> (Decision, String) {
    let terms = Terms::in_force(&shell.state).unwrap();
    let record = shell.state.device(&DeviceId::new(device)).unwrap().clone();
    let (mut decisions, zone) =
        shell.evaluator.explain(&shell.state, &terms, &record, &TitleId::new("editor"), shell.now);
    let decision = decisions.remove(0);
    let text = explain(&decision, &View { now: shell.now, zone }).to_string();
    (decision, text)
}

#[test]
fn whoever_asks_why_hears_that_the_gate_waits_for_silence() {
    let mut shell = fleet(30, 3);
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    shell.wait(24);
    update(&mut shell, "1.1.0");
    // It has soaked, all have reported and none failed: but nobody was heard a day after the change.
    shell.wait(23);
    heard(&mut shell, &[]);
    shell.wait(1);
    direct(&mut shell);
    let (_, text) = explained(&mut shell, "d020");
    assert!(text.contains("it waits for silence to show: 0 of the 3 that it takes have been watched"), "{text}");
    assert!(!text.contains("it passes"), "{text}");
    heard(&mut shell, &[]);
    direct(&mut shell);
    let (_, text) = explained(&mut shell, "d020");
    assert!(text.contains("the gate after ring early"), "{text}");
}

#[test]
fn a_halt_by_a_person_is_told_with_its_reason_its_end_and_what_lifts_it_and_decides_what_it_did() {
    let mut shell = fleet(30, 3);
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    shell.tell(Input::HaltRelease {
        title: TitleId::new("editor"),
        version: "1.1.0".into(),
        platform: None,
        why: "the phones ring".into(),
    });
    shell.settle();
    let (decision, text) = explained(&mut shell, "d020");
    let until = "2026-11-04";
    assert!(text.contains(&format!("halted after ring canary: the phones ring, until {until}")), "{text}");
    assert!(text.contains("the halt of 1.1.0 ends by itself"), "{text}");
    assert!(text.contains("`refit resume editor 1.1.0 --why TEXT`"), "{text}");
    // What is said decides nothing: the board, which knows of no reasons, says the same.
    let row = shell.board.row(&DeviceId::new("d020")).unwrap();
    let said = row.slots.iter().find(|outcome| outcome.slot.title.as_str() == "editor").unwrap();
    assert_eq!((said.compliance, said.due, said.progress), (decision.compliance, decision.due, decision.progress));
    assert_eq!(said.holds, decision.holds.iter().copied().collect::<Vec<_>>());
    assert_eq!(decision.gate, Some(GateAnswer::Halt));
}

#[test]
fn of_several_halts_the_one_that_lasts_longest_is_told_and_what_lifts_it() {
    let mut shell = fleet(30, 3);
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    let halt = |platform: Option<&str>, why: &str| Input::HaltRelease {
        title: TitleId::new("editor"),
        version: "1.1.0".into(),
        platform: platform.map(Into::into),
        why: why.into(),
    };
    shell.tell(halt(None, "the phones ring"));
    shell.wait(5);
    shell.tell(halt(Some("linux"), "so do the pagers"));
    shell.settle();
    let (_, text) = explained(&mut shell, "d020");
    assert!(text.contains("halted after ring canary: so do the pagers, until 2026-11-04"), "{text}");
    assert!(text.contains("`refit resume editor 1.1.0 --platform linux --why TEXT`"), "{text}");
    assert!(!text.contains("the phones ring"), "{text}");
}
