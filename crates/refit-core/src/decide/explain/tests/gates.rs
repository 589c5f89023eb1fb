//! What is said of gates that wait for more than results, and of halts, where there is a log.

use super::{BROWSERS, ORGANIZATION, told_under};
use crate::{
    policy::document::test::GateAnswer,
    rollout::{Compared, Evidence, HaltedBy, Measure, PassedBy, Tally, Verdict},
    world::{GateFinding, GateNotes, GateState, World},
};
use jiff::Timestamp;
use refit_model::TitleId;
use smol_str::SmolStr;

/// Chrome on its way to everybody: the canaries have it, and nine of ten have reported.
const UNDER_WAY: &str = r#"
now: 2026-11-25T09:00:00Z
device: { id: d1, platform: macos, tags: [] }
installed: [{ title: google-chrome, version: 131.0.6778.70, since: 2026-11-13T10:00:00Z }]
releases: [{ title: google-chrome, version: 131.0.6778.86, published: 2026-11-19T18:00:00Z }]
rollouts: [{ title: google-chrome, version: 131.0.6778.86, rollout: standard, open: [canary] }]
gates:
  - { title: google-chrome, version: 131.0.6778.86, after: canary, first_result: 2026-11-21T09:00:00Z, devices: 10, reported: 9, failed: 0 }"#;

/// What is told where the gates ask for these measures, and the log says this of them.
fn told(asks: &str, more: impl Fn(&mut GateState)) -> String {
    let organization = ORGANIZATION.replace("patience: 7d", &format!("patience: 7d{asks}"));
    told_under(&organization, BROWSERS, UNDER_WAY, "google-chrome", |world: &mut World| {
        world.gates.get_mut(&TitleId::new("google-chrome")).unwrap().iter_mut().for_each(&more);
    })
}

/// The lines of a section.
fn section(text: &str, heading: &str) -> String {
    let after = text.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no {heading} in {text}")).1;
    after.split("\n\n").next().unwrap().to_owned()
}

fn compared(measure: Measure, reached: (u64, u64), control: (u64, u64), watched: Option<u64>) -> Compared {
    Compared { measure, reached: Tally::new(reached.0, reached.1), control: Tally::new(control.0, control.1), watched }
}

fn measures(state: &mut GateState, measures: Vec<Compared>) {
    let GateFinding::Evidence(evidence) = &mut state.finding else { panic!() };
    evidence.compared = measures;
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The gate has answered: what it went by stands in the log.
fn answered(state: &mut GateState, answer: GateAnswer, notes: GateNotes) {
    let finding = std::mem::replace(&mut state.finding, GateFinding::Answered(answer));
    let GateFinding::Evidence(evidence) = finding else { panic!() };
    let evidence = notes.verdict.is_some().then(|| notes.evidence.clone().unwrap_or(evidence));
    state.notes = Some(Box::new(GateNotes { at: Some(at("2026-11-23T10:30:00Z")), evidence, ..notes }));
}

#[test]
fn a_gate_that_waits_for_silence_says_so_and_not_that_it_passes() {
    let text = told(", silence: 1%", |state| {
        measures(state, vec![compared(Measure::Silence, (0, 10), (0, 60), Some(3))]);
    });
    insta::assert_snapshot!(section(&text, "Ring and gate"));
}

#[test]
fn a_gate_that_asks_names_the_command_that_lets_it_pass_this_gate_and_no_other() {
    let text = told(", silence: 1%", |state| {
        measures(state, vec![compared(Measure::Silence, (0, 10), (0, 60), Some(3))]);
        (state.rollout, state.platform) = (Some("standard".into()), Some("macos".into()));
        let asked = Some(at("2026-11-24T09:00:00Z"));
        state.notes = Some(Box::new(GateNotes { asked, ..GateNotes::default() }));
    });
    let pass = "`refit gate google-chrome 131.0.6778.86 canary pass --rollout standard --platform macos --why TEXT` lets it pass this gate";
    assert!(text.contains(pass), "{text}");
    assert!(
        text.contains("`refit halt google-chrome 131.0.6778.86 --why TEXT` stops it") && !text.contains("expedite"),
        "{text}"
    );
}

#[test]
fn a_measure_that_looks_worse_is_named_with_its_figures() {
    let text = told(", silence: 1%, reports: 1%", |state| {
        let silence = compared(Measure::Silence, (0, 10), (0, 60), Some(10));
        measures(state, vec![silence, compared(Measure::Reports, (1, 10), (0, 60), None)]);
    });
    insta::assert_snapshot!(section(&text, "Ring and gate"));
}

#[test]
fn a_signal_that_speaks_of_too_few_is_waited_for() {
    let signal = ", signals: [{ name: crashes, from: monitoring, no_worse_than: control }]";
    let text = told(signal, |state| {
        measures(state, vec![compared(Measure::Signal("crashes".into()), (0, 2), (0, 60), Some(2))]);
    });
    insta::assert_snapshot!(section(&text, "Ring and gate"));
}

#[test]
fn a_gate_that_soaks_says_until_when() {
    let text = told(", reports: 1%", |state| {
        let GateFinding::Evidence(evidence) = &mut state.finding else { panic!() };
        evidence.first_result = Some(at("2026-11-24T04:00:00Z"));
        measures(state, vec![compared(Measure::Reports, (0, 10), (0, 60), None)]);
    });
    insta::assert_snapshot!(section(&text, "Ring and gate"));
}

#[test]
fn a_halt_by_a_measure_has_its_figures_and_says_who_can_end_it() {
    let text = told("", |state| {
        let silent = compared(Measure::Silence, (8, 10), (1, 60), Some(9));
        let evidence = Evidence { devices: 10, reported: 2, compared: vec![silent], ..Evidence::default() };
        let verdict = Some(Verdict::Halts(HaltedBy::Measure(Measure::Silence)));
        answered(state, GateAnswer::Halt, GateNotes { verdict, evidence: Some(evidence), ..GateNotes::default() });
    });
    insta::assert_snapshot!(text);
}

#[test]
fn a_halt_by_a_person_has_their_reason_and_its_end() {
    let text = told("", |state| {
        let why = Some(SmolStr::new("The help desk drowns."));
        let until = Some(at("2026-11-26T10:30:00Z"));
        answered(state, GateAnswer::Halt, GateNotes { why, until, ..GateNotes::default() });
    });
    insta::assert_snapshot!(text);
}

#[test]
fn a_gate_that_has_passed_says_by_what_it_did() {
    let text = told("", |state| {
        let verdict = Some(Verdict::Passes(PassedBy::Enough));
        answered(state, GateAnswer::Pass, GateNotes { verdict, ..GateNotes::default() });
    });
    insta::assert_snapshot!(section(&text, "Ring and gate"));
}

#[test]
fn a_gate_that_a_person_keeps_waiting_says_so() {
    let text = told("", |state| answered(state, GateAnswer::Inconclusive, GateNotes::default()));
    insta::assert_snapshot!(section(&text, "Ring and gate"));
}
