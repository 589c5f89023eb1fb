use super::*;

const PASS: Option<GateAnswer> = Some(GateAnswer::Pass);
const WAIT: Option<GateAnswer> = Some(GateAnswer::Inconclusive);
const HALT: Option<GateAnswer> = Some(GateAnswer::Halt);
const FAST: Option<&str> = Some("fast");
const LINUX: Option<&str> = Some("linux");

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn editor() -> TitleId {
    TitleId::new("editor")
}

fn said(rollout: Option<&str>, platform: Option<&str>, answer: Option<GateAnswer>) -> GateAnswered {
    GateAnswered {
        title: editor(),
        version: "2".into(),
        rollout: rollout.map(Into::into),
        after: "canary".into(),
        platform: platform.map(Into::into),
        answer,
        until: None,
        verdict: None,
        evidence: None,
        why: None,
    }
}

/// Gates said so, one after the other.
fn after(all: &[GateAnswered]) -> Rollouts {
    let mut rollouts = Rollouts::default();
    (1..).zip(all).for_each(|(seq, answered)| rollouts.gate_answered(seq, at(100), answered, None));
    rollouts
}

/// What counts of that for Linux in the rollout `fast`, and how many answers are kept.
fn counts(all: &[GateAnswered]) -> (Option<GateAnswer>, usize) {
    let rollouts = after(all);
    let counts = rollouts.answer(&editor(), "2", LINUX, ("fast", "canary"));
    (counts.map(|gate| gate.answer), rollouts.answers(&editor()).len())
}

#[test]
fn what_names_more_counts_and_of_what_names_as_much_the_careful() {
    for (rollout, platform) in [(None, LINUX), (FAST, None), (FAST, LINUX)] {
        for (all, one) in [(WAIT, PASS), (PASS, WAIT)] {
            let both = [said(None, None, all), said(rollout, platform, one)];
            assert_eq!(counts(&both), (one, 2), "{rollout:?} {platform:?}");
        }
    }
    // One names the rollout, the other the platform: neither is the more exact.
    for (of_fast, on_linux) in [(PASS, WAIT), (WAIT, PASS)] {
        let (of_fast, on_linux) = (said(FAST, None, of_fast), said(None, LINUX, on_linux));
        assert_eq!(counts(&[of_fast.clone(), on_linux.clone()]), (WAIT, 2));
        assert_eq!(counts(&[on_linux, of_fast]), (WAIT, 2));
    }
    // Both are more than what is said of all, and less than what names both.
    let exact = said(FAST, LINUX, PASS);
    assert_eq!(counts(&[said(FAST, None, WAIT), exact.clone()]), (PASS, 2));
    assert_eq!(counts(&[said(None, LINUX, WAIT), exact.clone()]), (PASS, 2));
    // A halt counts whoever found it, and what is said elsewhere does not.
    assert_eq!(counts(&[said(None, None, HALT), exact.clone()]), (HALT, 2));
    let elsewhere = [said(None, Some("macos"), PASS), said(Some("standard"), LINUX, PASS)];
    assert_eq!(counts(&elsewhere), (None, 2));
}

#[test]
fn what_is_said_of_more_takes_the_place_of_what_was_said_of_less() {
    let exact = said(FAST, LINUX, PASS);
    assert_eq!(counts(&[exact.clone(), said(None, Some("macos"), PASS), said(None, None, WAIT)]), (WAIT, 1));
    assert_eq!(counts(&[exact.clone(), said(FAST, None, WAIT)]), (WAIT, 1));
    assert_eq!(counts(&[exact.clone(), said(None, LINUX, WAIT)]), (WAIT, 1));
    assert_eq!(counts(&[exact.clone(), said(Some("standard"), None, WAIT)]), (PASS, 2), "that is another gate");
    // What is taken back is what was said, and nothing else.
    assert_eq!(counts(&[said(None, None, WAIT), said(None, LINUX, PASS), said(None, None, None)]), (PASS, 1));
    assert_eq!(counts(&[said(None, None, WAIT), said(None, LINUX, PASS), said(None, LINUX, None)]), (WAIT, 1));
}

#[test]
fn a_halt_is_let_go_on_by_who_speaks_of_it() {
    let halted = said(None, LINUX, HALT);
    for answer in [PASS, WAIT, HALT] {
        assert_eq!(counts(&[halted.clone(), said(None, None, answer)]), (HALT, 2), "{answer:?}");
    }
    assert_eq!(counts(&[halted.clone(), said(None, LINUX, PASS)]), (PASS, 1));
    // It comes first while it lasts, and leaves what was said as it was.
    let everywhere = [said(None, LINUX, WAIT), said(None, None, HALT)];
    assert_eq!(counts(&everywhere), (HALT, 2));
    let [wait, halt] = everywhere;
    assert_eq!(counts(&[wait, halt, said(None, None, None)]), (WAIT, 1));
}

#[test]
fn of_several_halts_the_one_that_lasts_longest_is_told() {
    let until =
        |rollout, platform, until: Option<i64>| GateAnswered { until: until.map(at), ..said(rollout, platform, HALT) };
    let told = |all: &[GateAnswered]| after(all).halt(&editor(), "2", LINUX).unwrap().until;
    assert_eq!(told(&[until(FAST, LINUX, Some(200)), until(None, None, Some(300))]), Some(at(300)));
    assert_eq!(told(&[until(FAST, LINUX, Some(300)), until(None, None, Some(200))]), Some(at(300)));
    assert_eq!(told(&[until(FAST, LINUX, Some(300)), until(None, None, None)]), None);
}

/// People alone stop a release on Linux; what else is said follows. The last moment of the timeline, and of how many devices it is still
/// known that somebody complained.
fn stopped_by_people(then: &[GateAnswered]) -> (String, u64) {
    let (title, here) = (editor(), DeviceSet::from_iter([1, 2]));
    let mut rollouts = Rollouts::default();
    rollouts.begins(&(title.clone(), "2".into()), None, DeviceSet::default());
    (1..=2).for_each(|device| rollouts.complaint(device, &[(title.clone(), "2".into())]));
    let verdict = Some(Verdict::Halts(HaltedBy::Measure(Measure::Reports)));
    let by_people = GateAnswered { verdict, ..said(FAST, LINUX, HALT) };
    let all = std::iter::once(&by_people).chain(then);
    (1..).zip(all).for_each(|(seq, answered)| {
        rollouts.gate_answered(seq, at(100), answered, answered.platform.as_ref().map(|_| &here));
    });
    let complained = rollouts.trial(&title, "2").unwrap().complained.len();
    (rollouts.timelines[&title].back().unwrap().what.to_string(), complained)
}

#[test]
fn what_people_said_is_kept_while_a_halt_that_confirms_it_lasts() {
    let ends = said(FAST, LINUX, None);
    let goes_on = "let go on after ring canary of fast: the halt has ended".to_owned();
    let held = "still halted: the halt after ring canary of fast has ended, and another holds it".to_owned();
    assert_eq!(stopped_by_people(std::slice::from_ref(&ends)), (goes_on.clone(), 0));
    for confirms in [said(None, None, HALT), said(Some("standard"), LINUX, HALT)] {
        assert_eq!(stopped_by_people(&[confirms, ends.clone()]), (held.clone(), 2));
    }
    // Somewhere else is not there, and what was taken back before holds nothing.
    assert_eq!(stopped_by_people(&[said(None, Some("macos"), HALT), ends.clone()]), (goes_on.clone(), 0));
    assert_eq!(stopped_by_people(&[said(None, None, HALT), said(None, None, None), ends.clone()]), (goes_on, 0));
    // The other one ends first, or last.
    let of_all = "still halted on linux: the halt after ring canary has ended, and another holds it there".to_owned();
    assert_eq!(stopped_by_people(&[said(None, None, HALT), said(None, None, None)]), (of_all, 2));
    let last = "let go on after ring canary: the halt has ended".to_owned();
    assert_eq!(stopped_by_people(&[said(None, None, HALT), ends.clone(), said(None, None, None)]), (last, 2));
    // A person takes one back: what was said until then counts no more, and the other holds it.
    let resumed = GateAnswered { why: Some("it was the network".into()), ..ends };
    let told =
        "still halted: the halt after ring canary of fast was taken back (it was the network), and another holds it";
    assert_eq!(stopped_by_people(&[said(None, None, HALT), resumed]), (told.to_owned(), 0));
    // What is no halt is taken back as ever.
    let taken_back = [said(Some("standard"), Some("macos"), WAIT), said(Some("standard"), Some("macos"), None)];
    assert_eq!(stopped_by_people(&taken_back).0, "let go on after ring canary of standard: the halt has ended");
}
