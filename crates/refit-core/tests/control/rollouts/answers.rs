//! Several answers to one gate: whoever said the more exact is heard, and the director goes by what decisions go by.

use super::{direct, explained::explained, fleet, heard, update};
use crate::shell::Shell;
use refit_core::{
    control::{Actor, Input},
    policy::document::test::GateAnswer,
};
use refit_model::TitleId;

const PASS: Option<GateAnswer> = Some(GateAnswer::Pass);
const WAIT: Option<GateAnswer> = Some(GateAnswer::Inconclusive);
const HALT: Option<GateAnswer> = Some(GateAnswer::Halt);

/// Of what an answer speaks: a rollout and a platform, or all of them.
type Place = (Option<&'static str>, Option<&'static str>);

const ALL: Place = (None, None);
const PLACES: [Place; 4] = [ALL, (None, Some("linux")), (Some("standard"), None), (Some("standard"), Some("linux"))];

/// The canaries have their ring.
fn begun(count: usize) -> Shell {
    let mut shell = fleet(count, 3);
    shell.release("editor", "1.1.0");
    assert_eq!(direct(&mut shell), ["editor 1.1.0: canary opens with 3"]);
    shell
}

fn answer(shell: &mut Shell, place: Place, answer: Option<GateAnswer>) {
    shell.tell(said(place, answer));
}

fn said((rollout, platform): Place, answer: Option<GateAnswer>) -> Input {
    Input::AnswerGate {
        title: TitleId::new("editor"),
        version: "1.1.0".into(),
        rollout: rollout.map(Into::into),
        after: "canary".into(),
        platform: platform.map(Into::into),
        answer,
        until: None,
        why: answer.map(|_| "somebody looked".into()),
        found: None,
    }
}

/// What counts for Linux in the only rollout that there is.
fn counts(shell: &Shell) -> Option<GateAnswer> {
    let title = TitleId::new("editor");
    let gate = shell.state.rollouts.answer(&title, "1.1.0", Some("linux"), ("standard", "canary"));
    gate.map(|gate| gate.answer)
}

#[test]
fn who_lets_it_pass_on_one_platform_or_in_one_rollout_is_heard() {
    for place in PLACES.into_iter().skip(1) {
        let mut shell = begun(30);
        answer(&mut shell, ALL, WAIT);
        assert_eq!(direct(&mut shell), [""; 0]);
        answer(&mut shell, place, PASS);
        let said = direct(&mut shell);
        assert!(said[0].starts_with("editor 1.1.0: early opens with "), "{place:?}: {said:?}");
        assert_eq!(shell.replayed().rollouts, shell.state.rollouts);
    }
}

#[test]
fn who_keeps_it_waiting_on_one_platform_or_in_one_rollout_is_heard() {
    for place in PLACES.into_iter().skip(1) {
        let mut shell = begun(30);
        answer(&mut shell, ALL, PASS);
        answer(&mut shell, place, WAIT);
        assert_eq!(direct(&mut shell), [""; 0], "{place:?}");
        // That taken back, what was said of all counts again.
        answer(&mut shell, place, None);
        assert!(direct(&mut shell)[0].starts_with("editor 1.1.0: early opens with "), "{place:?}");
    }
}

#[test]
fn who_says_something_of_all_platforms_says_it_of_each() {
    for place in PLACES.into_iter().skip(1) {
        let mut shell = begun(30);
        shell.wait(1);
        update(&mut shell, "1.1.0");
        answer(&mut shell, place, PASS);
        answer(&mut shell, ALL, WAIT);
        assert_eq!((counts(&shell), direct(&mut shell)), (WAIT, vec![]), "{place:?}");
        shell.wait(25);
        heard(&mut shell, &[]);
        assert_eq!(direct(&mut shell), [""; 0], "{place:?}: it has soaked, and a person keeps it");
        answer(&mut shell, ALL, None);
        assert_eq!(direct(&mut shell)[0], "editor 1.1.0: Pass after canary", "{place:?}");
    }
}

/// Whatever two people say of whatever, one after the other. Who answers for a gate lifts no halt.
#[test]
fn decisions_and_the_director_go_by_the_same_answer() {
    let all: Vec<(Place, Option<GateAnswer>)> =
        PLACES.into_iter().flat_map(|place| [PASS, WAIT, HALT].map(|answer| (place, answer))).collect();
    for first in &all {
        for second in &all {
            let mut shell = begun(6);
            answer(&mut shell, first.0, first.1);
            let heard = shell.try_as(&Actor::server(), said(second.0, second.1));
            assert!(heard.is_ok() || first.1 == HALT, "{first:?}, then {second:?}: {heard:?}");
            let (decision, _) = explained(&mut shell, "d005");
            assert_eq!(decision.gate, counts(&shell), "{first:?}, then {second:?}");
            assert!(decision.gate.is_some(), "{first:?}, then {second:?}");
            if first.1 != HALT && second.1 != HALT {
                PLACES.into_iter().for_each(|place| answer(&mut shell, place, None));
                assert_eq!(counts(&shell), None, "{first:?}, then {second:?}: all of it is taken back");
            }
        }
    }
}
