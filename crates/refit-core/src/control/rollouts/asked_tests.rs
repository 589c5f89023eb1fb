use super::*;

const PASS: Option<GateAnswer> = Some(GateAnswer::Pass);
const WAIT: Option<GateAnswer> = Some(GateAnswer::Inconclusive);
const HALT: Option<GateAnswer> = Some(GateAnswer::Halt);
const STANDARD: Option<&str> = Some("standard");
const FAST: Option<&str> = Some("fast");
const LINUX: Option<&str> = Some("linux");
const MACOS: Option<&str> = Some("macos");

fn at(hours: i64) -> Timestamp {
    Timestamp::from_second(hours * 3_600).unwrap()
}

fn editor() -> TitleId {
    TitleId::new("editor")
}

/// The ring `canary`, or another, of release 2 opens.
fn opened(rollout: &str, ring: &str, platform: &str) -> RingOpened {
    RingOpened {
        title: editor(),
        version: "2".into(),
        rollout: rollout.into(),
        ring: ring.into(),
        platform: Some(platform.into()),
        members: None,
        releases: Vec::new(),
    }
}

/// What is said of release 2.
fn said(rollout: Option<&str>, after: &str, platform: Option<&str>, answer: Option<GateAnswer>) -> GateAnswered {
    GateAnswered {
        title: editor(),
        version: "2".into(),
        rollout: rollout.map(Into::into),
        after: after.into(),
        platform: platform.map(Into::into),
        answer,
        until: None,
        verdict: None,
        evidence: None,
        why: None,
    }
}

/// Since when the gate after the canaries on Linux is unclear, in `standard`: that ring opened at hour 1, and this was said from
/// hour 2 on, one an hour.
fn unclear_since(all: &[GateAnswered]) -> Timestamp {
    let mut rollouts = Rollouts::default();
    rollouts.ring_opened(1, at(1), &opened("standard", "canary", "linux"));
    for (hour, said) in (2..).zip(all) {
        rollouts.gate_answered(hour, at(hour.cast_signed()), said, None);
    }
    rollouts.unclear_since(&editor(), &rollouts.of(&editor())[0], "canary")
}

#[test]
fn a_gate_is_unclear_since_its_ring_opened_or_its_answer_was_taken_back() {
    assert_eq!(unclear_since(&[]), at(1));
    for (rollout, platform) in [(None, None), (None, LINUX), (STANDARD, None), (STANDARD, LINUX)] {
        for answer in [PASS, WAIT] {
            let of_gate = |answer| said(rollout, "canary", platform, answer);
            assert_eq!(unclear_since(&[of_gate(answer)]), at(1), "to say something is not to take it back");
            let back = [of_gate(answer), of_gate(None)];
            assert_eq!(unclear_since(&back), at(3), "{back:?}");
            assert_eq!(unclear_since(&[&back[..], &back[..]].concat()), at(5), "the last time counts");
        }
    }
}

#[test]
fn what_is_taken_back_of_something_else_leaves_a_gate_as_unclear_as_it_was() {
    let release = GateAnswered { version: "1".into(), ..said(None, "canary", LINUX, WAIT) };
    let (rollout, gate) = (said(FAST, "canary", LINUX, WAIT), said(None, "early", LINUX, WAIT));
    for other in [release, rollout, gate, said(None, "canary", MACOS, WAIT)] {
        let back = GateAnswered { answer: None, ..other.clone() };
        assert_eq!(unclear_since(&[other.clone(), back]), at(1), "{other:?}");
    }
}

/// Whoever halts a release halts it in all rollouts: no gate of it could say anything.
#[test]
fn what_was_halted_is_unclear_since_it_goes_on_whichever_gate_halted_it() {
    let halts = [said(None, "canary", LINUX, HALT), said(FAST, "early", LINUX, HALT), said(FAST, "early", None, HALT)];
    let back = |halt: &GateAnswered| GateAnswered { answer: None, ..halt.clone() };
    for halt in &halts {
        assert_eq!(unclear_since(&[halt.clone(), back(halt)]), at(3), "{halt:?}");
    }
    // While another holds it, it does not go on.
    let [one, other, _] = &halts;
    assert_eq!(unclear_since(&[one.clone(), other.clone(), back(other)]), at(1));
    assert_eq!(unclear_since(&[one.clone(), other.clone(), back(other), back(one)]), at(5));
    let elsewhere = [said(None, "early", MACOS, HALT), GateAnswered { version: "1".into(), ..other.clone() }];
    for halt in &elsewhere {
        assert_eq!(unclear_since(&[halt.clone(), back(halt)]), at(1), "{halt:?}");
    }
}

/// What is asked: of which release, in which rollout, after which ring, on which platform.
const ASKED: [(&str, &str, &str, &str); 5] = [
    ("2", "standard", "canary", "linux"),
    ("2", "standard", "early", "linux"),
    ("2", "fast", "canary", "linux"),
    ("2", "standard", "canary", "macos"),
    ("1", "standard", "canary", "linux"),
];

/// The numbers of the questions that something leaves open.
fn left(happens: impl Fn(&mut Rollouts)) -> Vec<usize> {
    let mut rollouts = Rollouts::default();
    for (version, rollout, after, platform) in ASKED {
        let asked = GateAsked {
            title: editor(),
            version: version.into(),
            rollout: rollout.into(),
            after: after.into(),
            platform: Some(platform.into()),
            because: AskedFor::Patience { since: at(1) },
            verdict: None,
            evidence: None,
        };
        rollouts.gate_asked(1, at(8), &asked);
    }
    happens(&mut rollouts);
    let left = rollouts.questions(&editor());
    let is_left = |(version, rollout, after, platform): (&str, &str, &str, &str)| {
        let place = (version, rollout, after, Some(platform));
        left.iter().any(|one| (&*one.version, &*one.rollout, &*one.after, one.platform.as_deref()) == place)
    };
    (0..ASKED.len()).filter(|number| is_left(ASKED[*number])).collect()
}

#[test]
fn an_answer_is_heard_where_its_own_gate_asked_and_nowhere_else() {
    assert_eq!(left(|_| {}), [0, 1, 2, 3, 4]);
    for answer in [PASS, WAIT, None] {
        let left_by = |rollout, platform| left(|rollouts| rollouts.heard(&said(rollout, "canary", platform, answer)));
        assert_eq!(left_by(STANDARD, LINUX), [1, 2, 3, 4], "{answer:?}");
        assert_eq!(left_by(None, LINUX), [1, 3, 4], "{answer:?}: in every rollout");
        assert_eq!(left_by(STANDARD, None), [1, 2, 4], "{answer:?}: on every platform");
        assert_eq!(left_by(None, None), [1, 4], "{answer:?}");
        assert_eq!(left(|rollouts| rollouts.heard(&said(None, "rest", None, answer))), [0, 1, 2, 3, 4], "{answer:?}");
    }
}

#[test]
fn a_halt_answers_all_that_was_asked_of_its_release() {
    // Whichever gate it is of, also one that asked nothing.
    for (rollout, after) in [(None, "canary"), (None, "rest"), (FAST, "early"), (STANDARD, "canary")] {
        let left_by = |platform| left(|rollouts| rollouts.heard(&said(rollout, after, platform, HALT)));
        assert_eq!(left_by(LINUX), [3, 4], "{rollout:?} {after}");
        assert_eq!(left_by(None), [4], "{rollout:?} {after}: on every platform");
    }
}

#[test]
fn a_ring_that_opens_answers_what_its_own_rollout_asked_of_the_release() {
    assert_eq!(left(|rollouts| rollouts.goes_on(&opened("standard", "early", "linux"))), [2, 3, 4]);
    assert_eq!(left(|rollouts| rollouts.goes_on(&opened("fast", "rest", "linux"))), [0, 1, 3, 4]);
    assert_eq!(left(|rollouts| rollouts.goes_on(&opened("standard", "early", "windows"))), [0, 1, 2, 3, 4]);
}

#[test]
fn two_causes_are_two_questions_and_other_figures_are_none() {
    let patience = |hours| AskedFor::Patience { since: at(hours) };
    let due = |devices| AskedFor::Due { devices, since: at(1) };
    assert!(patience(1).is_like(patience(2)) && due(1).is_like(due(2)));
    assert!(!patience(1).is_like(due(1)) && !due(1).is_like(patience(1)));
}
