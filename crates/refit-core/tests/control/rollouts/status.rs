//! How a release stands, from its first ring to its last.

use super::{POLICY, direct, fleet, name, receipt};
use crate::shell::Shell;
use refit_core::{
    control::{Course, Input, ReceiptResult, Stage, Status},
    policy::document::test::GateAnswer,
};
use refit_model::TitleId;

fn status(shell: &Shell) -> Status {
    let title = TitleId::new("editor");
    let record = shell.state.rollouts.of(&title).last().unwrap();
    Status::of(&shell.state, &title, record, shell.now).unwrap()
}

fn stands(shell: &Shell) -> (Stage, String, Option<String>) {
    let status = status(shell);
    let next = match &status.course {
        Course::UnderWay { next, .. } | Course::Asks { next } => Some(next.to_string()),
        _ => None,
    };
    (status.course.stage(), status.ring.to_string(), next)
}

fn answer(shell: &mut Shell, after: &str, answer: GateAnswer) {
    shell.tell(Input::AnswerGate {
        title: TitleId::new("editor"),
        version: "1.1.0".into(),
        rollout: None,
        after: after.into(),
        platform: Some("linux".into()),
        answer: Some(answer),
        until: None,
        why: Some("somebody looked".into()),
        found: None,
    });
}

#[test]
fn a_release_is_under_way_asks_a_person_and_is_complete() {
    let mut shell = fleet(30, 4);
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    assert_eq!(stands(&shell), (Stage::UnderWay, "canary".into(), Some("early".into())));
    let now = status(&shell);
    assert_eq!(now.soak.as_hours(), 24);
    assert_eq!(now.evidence.as_ref().map(|it| (it.devices, it.reported)), Some((4, 0)));

    // The gate's patience is seven days.
    shell.wait(7 * 24 - 1);
    assert_eq!(stands(&shell).0, Stage::UnderWay);
    shell.wait(1);
    direct(&mut shell);
    assert_eq!(stands(&shell).0, Stage::Asks);
    assert_eq!(
        status(&shell).sentence(shell.now),
        "a person has to say whether early opens: 0 of 4 reported, none failed; 4 are silent; not clear for 7 days"
    );

    // A person has said.
    answer(&mut shell, "canary", GateAnswer::Pass);
    assert_eq!(stands(&shell).0, Stage::UnderWay);
    direct(&mut shell);
    assert_eq!(stands(&shell), (Stage::UnderWay, "early".into(), Some("rest".into())));
    answer(&mut shell, "early", GateAnswer::Pass);
    direct(&mut shell);
    assert_eq!(stands(&shell), (Stage::Complete, "rest".into(), None));
}

#[test]
fn a_release_that_a_person_keeps_waiting_says_so_until_that_is_taken_back() {
    let mut shell = fleet(30, 4);
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    answer(&mut shell, "early", GateAnswer::Inconclusive);
    let course = status(&shell).course;
    assert!(matches!(course, Course::UnderWay { kept: None, .. }), "it has not come to that gate: {course:?}");
    answer(&mut shell, "canary", GateAnswer::Inconclusive);
    let said = status(&shell).sentence(shell.now);
    let expected = "early waits because a person said at 2026-11-01T00:00:00Z that canary is not clear (somebody looked), until `refit gate \
        editor 1.1.0 canary back --platform linux` takes that back; 0 of 4 reported, none failed";
    assert_eq!(said, expected);
    let moment = |shell: &Shell| {
        let moments = &shell.state.rollouts.timelines[&TitleId::new("editor")];
        let (last, before) = (moments.last().unwrap(), moments.iter().take(moments.len() - 1));
        last.says(before.map(|moment| &**moment))
    };
    assert_eq!(moment(&shell), "kept waiting after ring canary: somebody looked");
    shell.tell(Input::AnswerGate {
        title: TitleId::new("editor"),
        version: "1.1.0".into(),
        rollout: None,
        after: "canary".into(),
        platform: Some("linux".into()),
        answer: None,
        until: None,
        why: None,
        found: None,
    });
    assert_eq!(moment(&shell), "taken back after ring canary, where a person kept it waiting");
    let said = status(&shell).sentence(shell.now);
    assert_eq!(said, "early opens when canary has passed: 0 of 4 reported, none failed");
}

#[test]
fn a_release_is_halted_and_its_rollout_can_be_gone() {
    let mut shell = fleet(60, 20);
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    for index in 0..20 {
        receipt(&mut shell, &name(index), ReceiptResult::Failed, "1.0.0", "1.0.0");
    }
    direct(&mut shell);
    let now = status(&shell);
    assert_eq!(now.course.stage(), Stage::Halted);
    let said = now.sentence(shell.now);
    assert!(said.starts_with("halted after canary: ") && said.contains(" of 20 failed"), "{said}");

    // A halt is one, whatever becomes of its rollout.
    shell.apply(&POLICY.replace("rollout: standard\n", "").replace("  standard:\n", "  other:\n"));
    assert_eq!(stands(&shell), (Stage::Halted, "canary".into(), None));
    let goes_on = Input::ResumeRelease {
        title: TitleId::new("editor"),
        version: "1.1.0".into(),
        platform: None,
        why: "it was the network".into(),
    };
    shell.tell(goes_on);
    assert_eq!(stands(&shell), (Stage::Gone, "canary".into(), None));
}
