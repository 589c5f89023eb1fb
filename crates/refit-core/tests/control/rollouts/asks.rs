//! A gate that does not say, and a due time that comes meanwhile, ask a person: once, and where people look.

use super::{POLICY, direct, explained::explained, fleet, made_under, update};
use crate::shell::Shell;
use refit_core::{
    control::{AskedFor, Event, GateAsked, Happened, Input, RolloutRecord, Stage, Status, decode},
    policy::document::test::GateAnswer,
    rollout::{Verdict, Wants},
};
use refit_model::TitleId;

/// All that people were ever asked, by the log.
fn asked(shell: &Shell) -> Vec<GateAsked> {
    let events = shell.log.iter().map(|(_, _, kind, version, body)| decode(kind, *version, body).unwrap());
    let asked = events.filter_map(|event| match event {
        Event::GateAsked(asked) => Some(asked),
        _ => None,
    });
    asked.collect()
}

fn record(shell: &Shell) -> RolloutRecord {
    shell.state.rollouts.of(&TitleId::new("editor")).last().unwrap().clone()
}

fn stage(shell: &Shell) -> Stage {
    Status::of(&shell.state, &TitleId::new("editor"), &record(shell), shell.now).unwrap().course.stage()
}

/// How many releases wait for people, by what is counted.
fn waiting(shell: &Shell) -> usize {
    shell.state.waiting_for_people()
}

fn answer(shell: &mut Shell, answer: Option<GateAnswer>) {
    shell.tell(Input::AnswerGate {
        title: TitleId::new("editor"),
        version: "1.1.0".into(),
        rollout: None,
        after: "canary".into(),
        platform: Some("linux".into()),
        answer,
        until: None,
        why: Some("somebody looked".into()),
        found: None,
    });
}

#[test]
fn a_gate_of_which_the_policy_says_nothing_more_asks_a_week_after_its_soak_and_once() {
    let mut shell = made_under(&POLICY.replace(", patience: 7d", ""), 30, 3, |shell, id| shell.enrol(id));
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    let opened = shell.now;
    // Two of three report, none fails: it can neither pass nor halt.
    shell.wait(1);
    for device in ["d000", "d001"] {
        shell.installs(device, &[("editor", "1.1.0")]);
    }
    shell.wait(8 * 24 - 2);
    direct(&mut shell);
    assert_eq!((asked(&shell), stage(&shell), waiting(&shell)), (vec![], Stage::UnderWay, 0), "it soaks one day");
    // Nobody has to come by: it says when it wants to look again.
    let look = refit_core::control::Director.look(&shell.state, &shell.board, shell.now);
    assert!(look.next.is_some_and(|next| next <= opened + jiff::SignedDuration::from_hours(8 * 24)), "{look:?}");
    shell.wait(1);
    direct(&mut shell);
    for _ in 0..3 {
        shell.wait(24);
        direct(&mut shell);
    }
    let questions = asked(&shell);
    assert_eq!(questions.len(), 1, "{questions:?}");
    let question = &questions[0];
    assert_eq!(question.because, AskedFor::Patience { since: opened });
    assert!(matches!(question.verdict, Some(Verdict::Waits(Wants::Measure(_) | Wants::Results))), "{question:?}");
    assert_eq!(question.evidence.as_ref().map(|evidence| (evidence.reported, evidence.devices)), Some((2, 3)));
    assert_eq!((stage(&shell), waiting(&shell)), (Stage::Asks, 1));
    let moments = &shell.state.rollouts.timelines[&TitleId::new("editor")];
    assert_eq!(moments.iter().filter(|moment| matches!(moment.what, Happened::Asked { .. })).count(), 1);
    let (_, text) = explained(&mut shell, "d020");
    assert!(text.contains("a person has been asked since"), "{text}");
    let pass =
        "`refit gate editor 1.1.0 canary pass --rollout standard --platform linux --why TEXT` lets it pass this gate";
    assert!(text.contains(pass), "{text}");
    assert!(text.contains("`refit halt editor 1.1.0 --why TEXT` stops it"), "{text}");
    assert_eq!(shell.replayed().rollouts, shell.state.rollouts);
    // A person says that it goes on.
    answer(&mut shell, Some(GateAnswer::Pass));
    direct(&mut shell);
    assert_eq!((stage(&shell), waiting(&shell)), (Stage::UnderWay, 0));
    assert_eq!(record(&shell).open.len(), 2);
    assert_eq!(shell.replayed().rollouts, shell.state.rollouts);
}

#[test]
fn what_was_taken_back_asks_again_after_as_long() {
    let mut shell = fleet(30, 3);
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    shell.wait(7 * 24);
    direct(&mut shell);
    // Whoever says that it is not clear has been asked.
    answer(&mut shell, Some(GateAnswer::Inconclusive));
    shell.wait(30 * 24);
    direct(&mut shell);
    assert_eq!((asked(&shell).len(), stage(&shell)), (1, Stage::UnderWay));
    answer(&mut shell, None);
    let back = shell.now;
    shell.wait(7 * 24 - 1);
    direct(&mut shell);
    assert_eq!(asked(&shell).len(), 1);
    shell.wait(1);
    direct(&mut shell);
    let questions = asked(&shell);
    assert_eq!((questions.len(), questions[1].because), (2, AskedFor::Patience { since: back }));
    // What is halted asks nobody.
    answer(&mut shell, Some(GateAnswer::Halt));
    assert_eq!((stage(&shell), waiting(&shell)), (Stage::Halted, 0));
    assert_eq!(shell.replayed().rollouts, shell.state.rollouts);
}

#[test]
fn who_was_asked_because_it_takes_long_is_asked_again_when_somebody_behind_the_gate_is_overdue() {
    let mut shell = fleet(30, 3);
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    let opened = shell.now;
    shell.wait(7 * 24);
    direct(&mut shell);
    assert_eq!(asked(&shell).len(), 1);
    shell.wait(7 * 24);
    let due = shell.now;
    for _ in 0..3 {
        direct(&mut shell);
        shell.wait(24);
    }
    let causes: Vec<AskedFor> = asked(&shell).iter().map(|question| question.because).collect();
    assert_eq!(causes, [AskedFor::Patience { since: opened }, AskedFor::Due { devices: 27, since: due }]);
    assert_eq!((stage(&shell), waiting(&shell)), (Stage::Asks, 1), "one release waits, for two reasons");
    assert_eq!(shell.replayed().rollouts, shell.state.rollouts);
}

/// Nobody answers the gate: whoever opens the next ring has answered.
#[test]
fn a_ring_that_is_opened_by_hand_ends_the_question_and_the_gate_after_it_asks_its_own() {
    let policy = POLICY.replace("within: 14d", "within: 60d");
    let mut shell = made_under(&policy, 30, 3, |shell, id| shell.enrol(id));
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    shell.wait(7 * 24);
    direct(&mut shell);
    assert_eq!((stage(&shell), waiting(&shell)), (Stage::Asks, 1));
    shell.tell(Input::OpenRing {
        title: TitleId::new("editor"),
        version: "1.1.0".into(),
        rollout: "standard".into(),
        ring: "early".into(),
        platform: Some("linux".into()),
        members: None,
        releases: Vec::new(),
    });
    let opened = shell.now;
    direct(&mut shell);
    assert_eq!((stage(&shell), waiting(&shell)), (Stage::UnderWay, 0));
    shell.wait(7 * 24 - 1);
    direct(&mut shell);
    assert_eq!(asked(&shell).len(), 1);
    shell.wait(1);
    direct(&mut shell);
    let asked: Vec<_> = asked(&shell).into_iter().map(|question| (question.after, question.because)).collect();
    assert_eq!(asked[1..], [("early".into(), AskedFor::Patience { since: opened })]);
    assert_eq!((stage(&shell), waiting(&shell)), (Stage::Asks, 1));
    assert_eq!(shell.replayed().rollouts, shell.state.rollouts);
}

#[test]
fn what_is_taken_back_of_another_rollout_puts_no_question_off() {
    let policy = POLICY
        .replace("gates:", "  fast: { gate: default, rings: [{ name: canary, share: 10% }, { name: rest }] }\ngates:");
    let mut shell = made_under(&policy, 30, 3, |shell, id| shell.enrol(id));
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    let opened = shell.now;
    shell.wait(6 * 24);
    for answer in [Some(GateAnswer::Inconclusive), None] {
        let said = shell.tell(Input::AnswerGate {
            title: TitleId::new("editor"),
            version: "1.1.0".into(),
            rollout: Some("fast".into()),
            after: "canary".into(),
            platform: None,
            answer,
            until: None,
            why: None,
            found: None,
        });
        assert_eq!(said.len(), 1, "{answer:?}");
    }
    shell.wait(24);
    direct(&mut shell);
    let causes: Vec<AskedFor> = asked(&shell).iter().map(|question| question.because).collect();
    assert_eq!(causes, [AskedFor::Patience { since: opened }]);
}

/// Devices of which nobody reports, with a due time that comes long before the gate's patience ends.
fn overdue(at_due: &str) -> Shell {
    let policy = POLICY.replace("patience: 7d", "patience: 30d").replace("within: 14d", &format!("within: 4d{at_due}"));
    let mut shell = made_under(&policy, 30, 3, |shell, id| shell.enrol(id));
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    shell.wait(4 * 24 - 1);
    direct(&mut shell);
    assert_eq!(asked(&shell), []);
    shell.wait(1);
    direct(&mut shell);
    shell.wait(24);
    direct(&mut shell);
    shell
}

#[test]
fn a_due_time_behind_a_gate_that_is_not_clear_asks_a_person_where_the_policy_says_nothing_else() {
    for says in ["", ", at_due: ask"] {
        let mut shell = overdue(says);
        let questions = asked(&shell);
        assert_eq!(questions.len(), 1, "{questions:?}");
        let AskedFor::Due { devices: 27, since } = questions[0].because else { panic!("{questions:?}") };
        assert_eq!(since, shell.now - jiff::SignedDuration::from_hours(24));
        assert_eq!((stage(&shell), waiting(&shell)), (Stage::Asks, 1));
        let (_, text) = explained(&mut shell, "d020");
        assert!(text.contains("the policy then asks a person (`at_due: ask`)"), "{text}");
        assert!(text.contains("a person has been asked since"), "{text}");
        // Once it goes on, it is not asked any more.
        shell.tell(Input::ExpediteRelease {
            title: TitleId::new("editor"),
            version: "1.1.0".into(),
            platform: None,
            why: "it is fine".into(),
        });
        direct(&mut shell);
        assert_eq!((stage(&shell), waiting(&shell)), (Stage::Complete, 0));
        assert!(update(&mut shell, "1.1.0") > 0);
        assert_eq!(shell.replayed().rollouts, shell.state.rollouts);
    }
}

#[test]
fn a_due_time_that_waits_or_proceeds_asks_nobody() {
    let shell = overdue(", at_due: wait");
    assert_eq!((asked(&shell), stage(&shell)), (vec![], Stage::UnderWay));
    let mut shell = overdue(", at_due: proceed");
    assert_eq!((asked(&shell), stage(&shell)), (vec![], Stage::UnderWay));
    assert_eq!(update(&mut shell, "1.1.0"), 30, "they go ahead");
}
