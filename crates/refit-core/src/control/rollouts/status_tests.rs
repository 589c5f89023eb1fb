use super::*;
use crate::rollout::{Compared, HaltedBy, PassedBy, Tally};

fn at(hours: i64) -> Timestamp {
    Timestamp::from_second(hours * 3_600).unwrap()
}

fn status(course: Course) -> Status {
    Status {
        course,
        ring: "canary".into(),
        evidence: None,
        verdict: None,
        soak: SignedDuration::from_hours(48),
        approval: None,
        asks: Vec::new(),
    }
}

fn under_way() -> Status {
    status(Course::UnderWay { next: "early".into(), kept: None })
}

fn evidence(failed: u64) -> Evidence {
    Evidence { first_result: Some(at(0)), devices: 74, reported: 61, failed, ..Evidence::default() }
}

fn halt(verdict: Option<Verdict>) -> GateRecord {
    let compared = [(Measure::Silence, 3, 20), (Measure::Reports, 4, 10)].map(|(measure, bad, of)| Compared {
        measure,
        reached: Tally::new(bad, of),
        control: Tally::new(1, 200),
        watched: None,
    });
    GateRecord {
        version: "2".into(),
        rollout: None,
        after: "early".into(),
        platform: None,
        answer: GateAnswer::Halt,
        at: at(5),
        until: None,
        evidence: verdict.is_some().then(|| Evidence {
            compared: compared.into(),
            elsewhere: Tally::new(2, 9),
            ..evidence(3)
        }),
        verdict,
        why: None,
    }
}

fn halted(halt: GateRecord) -> String {
    status(Course::Halted(Box::new(halt))).sentence(at(30))
}

#[test]
fn how_a_release_stands_is_one_sentence() {
    let soaking = Status { evidence: Some(evidence(0)), ..under_way() };
    let expected = "early opens when canary has passed: 61 of 74 reported, none failed, 1 day 5 h of 2 days soaked";
    assert_eq!(soaking.sentence(at(29)), expected);
    let soaked = "early opens when canary has passed: 61 of 74 reported, none failed, soaked";
    assert_eq!(soaking.sentence(at(48)), soaked);
    let failing = Status {
        evidence: Some(evidence(2)),
        soak: SignedDuration::ZERO,
        ..status(Course::Asks { next: "early".into() })
    };
    assert_eq!(failing.sentence(at(1)), "a person has to say whether early opens: 61 of 74 reported, 2 failed");
    let question = |because| GateQuestion {
        version: "2".into(),
        rollout: "standard".into(),
        after: "canary".into(),
        platform: None,
        at: at(200),
        because,
    };
    let due = AskedFor::Due { devices: 12, since: at(72) };
    let asks = vec![question(AskedFor::Patience { since: at(0) }), question(due)];
    let both = Status { asks, ..failing };
    let expected = "a person has to say whether early opens: 61 of 74 reported, 2 failed; not clear for 9 days; 12 devices behind it are \
        overdue, the first since 1970-01-04T00:00:00Z";
    assert_eq!(both.sentence(at(9 * 24)), expected);
    let nobody = Evidence { first_result: None, devices: 0, ..Evidence::default() };
    let nobody = Status { evidence: Some(nobody), ..under_way() };
    let expected = "early opens when canary has passed: nobody in it has the title or waits for the release";
    assert_eq!(nobody.sentence(at(1)), expected);
    assert_eq!(under_way().sentence(at(1)), "early opens when canary has passed");
    assert_eq!(status(Course::Gone).sentence(at(1)), "canary is open, and the policy no longer has this rollout");
    assert_eq!(status(Course::Complete).sentence(at(1)), "all rings are open");
}

#[test]
fn what_a_person_keeps_waiting_is_said_with_what_takes_it_back() {
    let kept = |why: Option<&str>| {
        let back = "refit gate editor 2 canary back --platform linux".to_owned();
        Some(KeptWaiting { at: at(5), why: why.map(Into::into), back })
    };
    let waiting = |kept| status(Course::UnderWay { next: "early".into(), kept });
    let waits = Status { evidence: Some(evidence(0)), ..waiting(kept(Some("wait for me"))) };
    let expected = "early waits because a person said at 1970-01-01T05:00:00Z that canary is not clear (wait for me), until `refit gate \
        editor 2 canary back --platform linux` takes that back; 61 of 74 reported, none failed, soaked";
    assert_eq!(waits.sentence(at(48)), expected);
    let silent = waiting(kept(None));
    let expected = "early waits because a person said at 1970-01-01T05:00:00Z that canary is not clear, until `refit gate editor 2 canary \
        back --platform linux` takes that back";
    assert_eq!(silent.sentence(at(48)), expected);
}

#[test]
fn what_was_taken_back_is_told_by_what_had_been_said() {
    let moment = |rollout: Option<&str>, platform: Option<&str>, answer, why: Option<&str>| Moment {
        seq: 1,
        at: at(1),
        version: "2".into(),
        platform: platform.map(Into::into),
        what: Happened::Answered {
            rollout: rollout.map(Into::into),
            after: "early".into(),
            answer,
            verdict: None,
            evidence: None,
            why: why.map(Into::into),
        },
    };
    let (pass, halt, unclear) = (Some(GateAnswer::Pass), Some(GateAnswer::Halt), Some(GateAnswer::Inconclusive));
    let back = moment(None, None, None, None);
    let said = |before: &[Moment]| back.says(before);
    assert_eq!(said(&[moment(None, None, halt, None)]), "let go on after ring early: the halt has ended");
    assert_eq!(said(&[moment(None, None, pass, None)]), "taken back after ring early, where it had passed");
    let waiting = "taken back after ring early, where a person kept it waiting";
    assert_eq!(said(&[moment(None, None, halt, None), moment(None, None, unclear, None)]), waiting);
    // What was said of one rollout is taken back with what is said of all; what is said elsewhere is not.
    let (fast, slow) = (moment(Some("fast"), None, halt, None), moment(Some("slow"), None, pass, None));
    assert_eq!(said(&[fast.clone(), slow.clone()]), "let go on after ring early: the halt has ended");
    assert_eq!(
        said(&[fast.clone(), moment(None, None, None, None), slow.clone()]),
        "taken back after ring early, where it had passed"
    );
    assert_eq!(said(&[moment(None, Some("linux"), halt, None)]), "taken back after ring early");
    assert_eq!(said(&[]), "taken back after ring early");
    let of_slow = moment(Some("slow"), None, None, Some("too soon"));
    let expected = "taken back after ring early of slow, where it had passed: too soon";
    assert_eq!(of_slow.says(&[fast.clone(), slow.clone()]), expected);
    // Everything else needs nothing before it.
    assert_eq!(fast.says(&[slow]), "halted after ring early of fast: by hand");
}

#[test]
fn what_a_gate_wants_is_said() {
    let wants = |wants: Wants| {
        let compared = [Measure::Silence, Measure::Signal("crashes".into())].map(|measure| Compared {
            measure,
            reached: Tally::new(0, 9),
            control: Tally::new(0, 9),
            watched: Some(7),
        });
        let evidence = Evidence { compared: compared.into(), ..evidence(0) };
        let verdict = Some(Verdict::Waits(wants));
        let said = Status { evidence: Some(evidence), verdict, ..under_way() }.sentence(at(48));
        said.split("soaked").nth(1).unwrap().to_owned()
    };
    assert_eq!(wants(Wants::Results), "");
    assert_eq!(wants(Wants::Measure(Measure::Reports)), "; reports of people look worse than elsewhere");
    assert_eq!(wants(Wants::Measure(Measure::Silence)), "; devices that fell silent look worse than elsewhere");
    assert_eq!(wants(Wants::Watching(Measure::Silence)), "; 7 watched for long enough to fall silent");
    let signal = Measure::Signal("crashes".into());
    assert_eq!(wants(Wants::Watching(signal)), "; signal crashes speaks of 7 of them since the change");
    assert_eq!(wants(Wants::Watching(Measure::Reports)), "; 0 watched for long enough to fall silent");
}

#[test]
fn why_a_release_is_halted_is_said_with_figures() {
    let failures = halt(Some(Verdict::Halts(HaltedBy::Failures)));
    assert_eq!(halted(failures.clone()), "halted after early: 5 of 70 failed");
    let silence = halt(Some(Verdict::Halts(HaltedBy::Measure(Measure::Silence))));
    let said = "halted after early: devices that fell silent: 3 of 20 devices that it reached, 1 of 200 others";
    assert_eq!(halted(silence), said);
    let person = GateRecord { why: Some("it burns".into()), until: Some(at(72)), ..failures };
    assert_eq!(halted(person), "halted after early: it burns, until 1970-01-04T00:00:00Z");
    assert_eq!(halted(halt(None)), "halted after early: a person said so");
    let by_gate = GateRecord { verdict: Some(Verdict::Halts(HaltedBy::Failures)), ..halt(None) };
    assert_eq!(halted(by_gate), "halted after early: its gate said so");
    assert_eq!(because(&GateRecord { answer: GateAnswer::Pass, ..halt(None) }), "");
}

#[test]
fn each_moment_of_a_timeline_is_one_line() {
    let opened = |devices| Happened::Opened { rollout: "standard".into(), ring: "early".into(), devices }.to_string();
    assert_eq!(opened(Some(1)), "ring early of standard opened for 1 device");
    assert_eq!(opened(Some(12)), "ring early of standard opened for 12 devices");
    assert_eq!(opened(None), "ring early of standard opened");
    let said = |answer, verdict: Option<Verdict>, evidence, why: Option<&str>| {
        let (rollout, why) = (None, why.map(Into::into));
        Happened::Answered { rollout, after: "early".into(), answer, verdict, evidence, why }.to_string()
    };
    let (pass, halt) = (Some(GateAnswer::Pass), Some(GateAnswer::Halt));
    let bound = Some(Verdict::Passes(PassedBy::Bound));
    let line = "passed after ring early: 61 of 74 reported, 1 failed";
    assert_eq!(said(pass, bound, Some(evidence(1)), None), line);
    let failures = Some(Verdict::Halts(HaltedBy::Failures));
    assert_eq!(said(halt, failures, Some(evidence(3)), None), "halted after ring early: 3 of 61 failed");
    assert_eq!(said(halt, None, None, Some("it burns")), "halted after ring early: it burns");
    assert_eq!(said(pass, None, None, None), "passed after ring early: by hand");
    assert_eq!(said(Some(GateAnswer::Inconclusive), None, None, None), "kept waiting after ring early: by hand");
    assert_eq!(said(None, None, None, None), "let go on after ring early: the halt has ended");
    assert_eq!(said(None, None, None, Some("fixed")), "let go on after ring early: fixed");
    let asked = |because, evidence| {
        let (rollout, after) = ("standard".into(), "early".into());
        Happened::Asked { rollout, after, because, evidence }.to_string()
    };
    let line = "a person is asked whether it goes on after ring early of standard: not clear since 1970-01-01T00:00:00Z; 61 of 74 \
        reported, 1 failed";
    assert_eq!(asked(AskedFor::Patience { since: at(0) }, Some(evidence(1))), line);
    let line = "a person is asked whether it goes on after ring early of standard: 1 device behind it was due on 1970-01-04T00:00:00Z";
    assert_eq!(asked(AskedFor::Due { devices: 1, since: at(72) }, None), line);
    let expedited = Happened::Expedited { why: "it is exploited".into() }.to_string();
    assert_eq!(expedited, "it waits for no gate: it is exploited");
}
