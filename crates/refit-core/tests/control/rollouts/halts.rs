//! Halts that end, and what stays halted.

use super::{POLICY, direct, fleet, given, heard, made_under, name, receipt_for, receipt_of, update};
use crate::shell::Shell;
use jiff::SignedDuration;
use refit_core::{
    control::{Director, GateRecord, Input, Installs, Observation, ReceiptResult},
    policy::document::test::GateAnswer,
    rollout::{HaltedBy, Measure, Verdict},
};
use refit_model::{DeviceId, TitleId};
use std::collections::BTreeMap;

fn title() -> TitleId {
    TitleId::new("editor")
}

fn halt(shell: &mut Shell, version: &str, platform: Option<&str>) {
    shell.tell(Input::HaltRelease {
        title: title(),
        version: version.into(),
        platform: platform.map(Into::into),
        why: "it looks odd".into(),
    });
}

fn resume(shell: &mut Shell, platform: Option<&str>) {
    shell.tell(Input::ResumeRelease {
        title: title(),
        version: "1.1.0".into(),
        platform: platform.map(Into::into),
        why: "it is fine".into(),
    });
}

fn halted<'s>(shell: &'s Shell, version: &str, platform: &str) -> Option<&'s GateRecord> {
    shell.state.rollouts.halt(&title(), version, Some(platform))
}

fn fails(shell: &mut Shell, index: usize) {
    receipt_of(shell, &name(index), Some("1.1.0"), ReceiptResult::Failed, "1.0.0", "1.0.0");
}

/// What came in while a person's halt stood is heard before anybody is given the release again.
#[test]
fn a_halt_that_ends_is_followed_by_that_of_the_evidence() {
    for platform in [Some("linux"), None] {
        let mut shell = fleet(30, 3);
        shell.release("editor", "1.1.0");
        direct(&mut shell);
        halt(&mut shell, "1.1.0", platform);
        (0..3).for_each(|index| fails(&mut shell, index));
        assert_eq!(direct(&mut shell), [""; 0], "it is halted as it is");
        shell.wait(72);
        let before = shell.log.len();
        let said = direct(&mut shell);
        assert_eq!(said[0], "editor 1.1.0: Halt after canary", "{platform:?}: {said:?}");
        let halt = halted(&shell, "1.1.0", "linux").unwrap();
        assert_eq!((halt.until, &halt.verdict), (None, &Some(Verdict::Halts(HaltedBy::Failures))));
        assert_eq!(given(&shell, "1.1.0"), [""; 0]);
        let moves = shell.log.iter().skip(before).filter(|(_, _, kind, ..)| *kind == "moves.published");
        assert_eq!(moves.count(), 0, "{platform:?}: it was given to nobody in between");
        shell.wait(500);
        assert_eq!(direct(&mut shell), [""; 0], "it stays so");
    }
}

#[test]
fn a_halt_by_a_person_does_not_end_what_is_halted_for_good() {
    let mut shell = fleet(30, 3);
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    (0..3).for_each(|index| fails(&mut shell, index));
    assert_eq!(direct(&mut shell), ["editor 1.1.0: Halt after canary"]);
    halt(&mut shell, "1.1.0", Some("linux"));
    let known = halted(&shell, "1.1.0", "linux").unwrap();
    assert_eq!((known.until, known.why.as_deref()), (None, Some("it looks odd")));
    assert_eq!(known.verdict, Some(Verdict::Halts(HaltedBy::Failures)), "what was found is still said");
    halt(&mut shell, "1.1.0", None);
    shell.wait(100);
    direct(&mut shell);
    assert!(halted(&shell, "1.1.0", "linux").is_some());
    assert_eq!(given(&shell, "1.1.0"), [""; 0]);
    assert_eq!(shell.replayed().rollouts, shell.state.rollouts);
}

/// People alone stop what is urgent for four hours; somebody confirms it, and what they said is weighed when those three days are over.
#[test]
fn what_people_said_and_somebody_confirmed_is_weighed_when_that_halt_ends() {
    let policy = POLICY
        .replace("gates:", "  fast: { gate: default, rings: [{ name: canary, where: '\"canary\" in device.tags', soak: 1h }, { name: rest }] }\ngates:")
        .replace("deadline: [", "deadline: [{ if: exposure.kev, within: 2d, rollout: fast }, ");
    let mut shell = made_under(&policy, 100, 12, super::joined);
    super::signals::exploited(&mut shell);
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    shell.wait(1);
    update(&mut shell, "1.1.0");
    (0..12).for_each(|index| super::signals::complain(&mut shell, index));
    assert_eq!(direct(&mut shell), ["editor 1.1.0: Halt after canary"]);
    shell.wait(1);
    halt(&mut shell, "1.1.0", None);
    shell.wait(3);
    assert_eq!(direct(&mut shell), ["editor 1.1.0: taken back after canary"]);
    let complained = |shell: &Shell| shell.state.rollouts.trial(&title(), "1.1.0").unwrap().complained.len();
    let told = |shell: &Shell| shell.state.rollouts.timelines[&title()].back().unwrap().what.to_string();
    let held = "still halted: the halt after ring canary of fast has ended, and another holds it";
    assert_eq!((told(&shell).as_str(), complained(&shell)), (held, 12));
    assert_eq!(given(&shell, "1.1.0"), [""; 0]);
    shell.wait(69);
    let said = direct(&mut shell);
    assert_eq!(said[0], "editor 1.1.0: Halt after canary", "{said:?}");
    assert_eq!(said.last().unwrap(), "editor 1.1.0: taken back after canary", "{said:?}");
    let by_people = Some(Verdict::Halts(HaltedBy::Measure(Measure::Reports)));
    assert_eq!(halted(&shell, "1.1.0", "linux").map(|halt| &halt.verdict), Some(&by_people));
    let held = "still halted on linux: the halt after ring canary has ended, and another holds it there";
    assert_eq!((told(&shell).as_str(), complained(&shell)), (held, 12));
    assert_eq!(given(&shell, "1.1.0"), [""; 0]);
    // Nobody confirms it again: they have had their time.
    shell.wait(4);
    let said = direct(&mut shell);
    assert_eq!(said[0], "editor 1.1.0: taken back after canary");
    assert_eq!(complained(&shell), 0);
    assert_eq!(shell.replayed().rollouts, shell.state.rollouts);
}

/// Whatever has become of the rollout, a halt with an end ends.
#[test]
fn a_halt_ends_though_nothing_is_under_way() {
    // Before its first ring; and where the policy has no rollout by then, or another ring.
    let without = POLICY.replace("rollout: standard\n", "");
    let renamed = POLICY.replace("name: canary", "name: first");
    for (opens, policy) in [(false, POLICY), (true, &*without), (true, &*renamed)] {
        let mut shell = fleet(30, 3);
        shell.release("editor", "1.1.0");
        if opens {
            direct(&mut shell);
        } else {
            shell.settle();
        }
        halt(&mut shell, "1.1.0", None);
        shell.settle();
        if policy != POLICY {
            shell.apply(policy);
        }
        direct(&mut shell);
        let look = Director.look(&shell.state, &shell.board, shell.now);
        assert_eq!(look.next, Some(shell.now + SignedDuration::from_hours(72)), "it looks again then");
        shell.wait(71);
        assert_eq!(direct(&mut shell), [""; 0]);
        shell.wait(1);
        let said = direct(&mut shell);
        assert_eq!(said[0], "editor 1.1.0: taken back after canary", "{said:?}");
        assert!(halted(&shell, "1.1.0", "linux").is_none());
    }
}

#[test]
fn a_person_who_says_that_it_is_not_clear_stops_it_from_passing_and_not_from_being_halted() {
    let mut shell = fleet(30, 3);
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    shell.tell(Input::AnswerGate {
        title: title(),
        version: "1.1.0".into(),
        rollout: None,
        after: "canary".into(),
        platform: None,
        answer: Some(GateAnswer::Inconclusive),
        until: None,
        why: Some("wait for me".into()),
        found: None,
    });
    shell.wait(1);
    update(&mut shell, "1.1.0");
    shell.wait(50);
    heard(&mut shell, &[]);
    assert_eq!(direct(&mut shell), [""; 0], "it does not pass");
    (0..3).for_each(|index| fails(&mut shell, index));
    assert_eq!(direct(&mut shell), ["editor 1.1.0: Halt after canary"]);
}

/// What comes after a person has let it go on counts, also by devices that were reached before.
#[test]
fn silence_counts_after_a_release_goes_on() {
    let mut shell = fleet(60, 8);
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    halt(&mut shell, "1.1.0", None);
    shell.wait(1);
    resume(&mut shell, None);
    heard(&mut shell, &[]);
    direct(&mut shell);
    let silent: Vec<String> = (0..8).map(name).collect();
    for _ in 0..3 {
        shell.wait(9);
        heard(&mut shell, &silent);
    }
    assert_eq!(direct(&mut shell), ["editor 1.1.0: Halt after canary"]);
    // Whoever was silent then is so no more, until they are heard again.
    resume(&mut shell, None);
    assert_eq!(direct(&mut shell), [""; 0]);
    heard(&mut shell, &[]);
    for _ in 0..3 {
        shell.wait(9);
        heard(&mut shell, &silent);
    }
    assert_eq!(direct(&mut shell), ["editor 1.1.0: Halt after canary"]);
    let verdict = &halted(&shell, "1.1.0", "linux").unwrap().verdict;
    assert_eq!(*verdict, Some(Verdict::Halts(HaltedBy::Measure(Measure::Silence))));
}

#[test]
fn signals_count_after_a_release_goes_on() {
    let policy = POLICY.replace(
        "silence: 1%, reports: 1%, patience: 7d",
        "signals: [{ name: crashes, from: monitoring, no_worse_than: control }]",
    );
    let mut shell = made_under(&policy, 60, 8, |shell, id| shell.enrol(id));
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    shell.wait(1);
    update(&mut shell, "1.1.0");
    let crash = |shell: &mut Shell| {
        shell.wait(1);
        let devices = (0..60).map(|index| (DeviceId::new(name(index)), index < 8)).collect();
        let at = shell.now;
        shell.tell(Input::Signal { source: "monitoring".into(), signal: "crashes".into(), at, whole: true, devices });
    };
    crash(&mut shell);
    assert_eq!(direct(&mut shell), ["editor 1.1.0: Halt after canary"]);
    shell.wait(1);
    resume(&mut shell, None);
    assert_eq!(direct(&mut shell), [""; 0], "what was said before counts no more");
    crash(&mut shell);
    assert_eq!(direct(&mut shell), ["editor 1.1.0: Halt after canary"]);
}

#[test]
fn what_goes_on_on_one_platform_is_held_against_it_on_the_other() {
    let mut shell = fleet(30, 6);
    (3..6).for_each(|index| shell.platform(&name(index), "macos"));
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    (0..6).for_each(|index| fails(&mut shell, index));
    assert_eq!(direct(&mut shell), ["editor 1.1.0: Halt after canary"; 2]);
    resume(&mut shell, Some("linux"));
    assert_eq!(direct(&mut shell), [""; 0]);
    let trial = shell.state.rollouts.trial(&title(), "1.1.0").unwrap();
    let macs: Vec<u32> = (3..6).map(|index| shell.state.device(&name(index).as_str().into()).unwrap().index).collect();
    assert_eq!(trial.failed.iter().collect::<Vec<u32>>(), macs);
    assert!(halted(&shell, "1.1.0", "macos").is_some() && halted(&shell, "1.1.0", "linux").is_none());
    assert_eq!(shell.replayed().rollouts, shell.state.rollouts);
}

/// A large fleet takes a while to decide: what fails is stopped meanwhile, and nothing opens.
#[test]
fn halts_are_found_while_devices_are_being_decided() {
    let mut shell = fleet(30, 3);
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    shell.release("editor", "1.2.0");
    assert_eq!(Director.halts(&shell.state, &shell.board, shell.now), []);
    (0..3).for_each(|index| fails(&mut shell, index));
    let halts = Director.halts(&shell.state, &shell.board, shell.now);
    assert!(
        matches!(&*halts, [Input::AnswerGate { version, answer: Some(GateAnswer::Halt), .. }] if version == "1.1.0")
    );
}

/// A script that failed leaves a package that is not in order: no older release is a way up from there.
#[test]
fn nobody_goes_back_because_a_script_failed() {
    let policy =
        POLICY.replace("title: editor\nname: Editor\nscheme: semver\n---\n", "").replace("[editor]", "[deb/editor]");
    let mut shell = Shell::new("2026-11-01T00:00:00Z");
    shell.tell(Input::Start { program: "1".into(), alive_until: None });
    for index in 0..10 {
        shell.enrol(&name(index));
        shell.installs(&name(index), &[("deb/editor", "1.0-1")]);
        shell.tags(&name(index), if index < 3 { &["canary"] } else { &[] });
    }
    shell.release("deb/editor", "1.0-1");
    shell.apply(&policy);
    shell.release("deb/editor", "1.1-1");
    let said = direct(&mut shell);
    assert_eq!(said, ["deb/editor 1.1-1: canary opens with 3"]);
    for index in 0..3 {
        let mut broken = crate::shell::entry("deb/editor", "1.1-1");
        broken.state = Some("half-configured".into());
        shell.tell(Input::Observe(Observation {
            device: DeviceId::new(name(index)),
            source: "agent".into(),
            observed: shell.now,
            facts: BTreeMap::new(),
            installs: Some(Installs::All(vec![broken])),
            universe: None,
            check_in: None,
        }));
        receipt_for(&mut shell, &name(index), "deb/editor", Some("1.1-1"), ReceiptResult::Failed, "1.0-1", "1.1-1");
    }
    assert_eq!(direct(&mut shell), ["deb/editor 1.1-1: Halt after canary"], "no ring of 1.0-1 opens");
    assert_eq!(given(&shell, "1.0-1"), [""; 0]);
    // The mended one is what it waits for.
    shell.release("deb/editor", "1.2-1");
    assert_eq!(direct(&mut shell), ["deb/editor 1.2-1: canary opens with 3"]);
}
