//! Releases go through the rings by themselves, stop where they break something, and go on when it is mended.

mod answered_reports;
mod answers;
mod asks;
mod by_hand;
mod explained;
mod halts;
mod pace;
mod plans;
mod reports;
mod rings;
mod side_by_side;
mod signals;
mod snapshots;
mod status;
mod succession;

pub use signals::exploited;

use super::shell::Shell;
use refit_core::{
    control::{
        AgentInput, ComplaintReceived, Director, EnrolmentRecord, Event, Input, ReceiptResult, SlotName, TokenId,
    },
    policy::document::test::GateAnswer,
    rollout::{HaltedBy, Measure, Verdict},
};
use refit_model::{DeviceId, TitleId};

const POLICY: &str = "
organization: acme
defaults: { mode: enforce }
rollouts:
  standard:
    gate: default
    rings:
      - { name: canary, where: '\"canary\" in device.tags', soak: 1d }
      - { name: early, share: 40%, soak: 1d }
      - { name: rest }
gates:
  default: { failure_rate: 2%, confidence: 95%, enough: 90%, silence: 1%, reports: 1%, patience: 7d }
---
title: editor
name: Editor
scheme: semver
---
policy: editors
software: [editor]
rollout: standard
deadline: [{ within: 14d }]
";

/// Devices with the editor; the first `canaries` of them are tagged so.
fn fleet(count: usize, canaries: usize) -> Shell {
    made(count, canaries, |shell, id| shell.enrol(id))
}

fn made(count: usize, canaries: usize, enrol: impl Fn(&mut Shell, &str)) -> Shell {
    made_under(POLICY, count, canaries, enrol)
}

fn made_under(policy: &str, count: usize, canaries: usize, enrol: impl Fn(&mut Shell, &str)) -> Shell {
    let mut shell = Shell::new("2026-11-01T00:00:00Z");
    shell.tell(Input::Start { program: "1".into(), alive_until: None });
    for index in 0..count {
        let id = name(index);
        enrol(&mut shell, &id);
        shell.installs(&id, &[("editor", "1.0.0")]);
        shell.tags(&id, if index < canaries { &["canary"] } else { &[] });
    }
    shell.release("editor", "1.0.0");
    shell.apply(policy);
    shell.settle();
    shell
}

fn name(index: usize) -> String {
    format!("d{index:03}")
}

/// Lets the director act until it has nothing to do.
fn direct(shell: &mut Shell) -> Vec<String> {
    let mut said = Vec::new();
    for _ in 0..20 {
        shell.settle();
        let look = Director.look(&shell.state, &shell.board, shell.now);
        if look.inputs.is_empty() {
            return said;
        }
        for input in look.inputs {
            for event in shell.tell(input) {
                said.extend(tell(&event));
            }
        }
    }
    panic!("it never comes to rest: {said:?}");
}

fn tell(event: &Event) -> Option<String> {
    match event {
        Event::RingOpened(opened) => {
            let members = opened.members.as_ref().map_or(0, |members| members.len());
            Some(format!("{} {}: {} opens with {members}", opened.title, opened.version, opened.ring))
        }
        Event::GateAnswered(answered) => Some(match answered.answer {
            Some(answer) => {
                format!("{} {}: {answer:?} after {}", answered.title, answered.version, answered.after)
            }
            None => format!("{} {}: taken back after {}", answered.title, answered.version, answered.after),
        }),
        _ => None,
    }
}

/// The device has an agent.
fn joined(shell: &mut Shell, device: &str) {
    let enrolment = TokenId::new(device);
    let record = EnrolmentRecord {
        hash: "0".repeat(64).into(),
        name: "all".into(),
        made: shell.now,
        expires: shell.now + jiff::SignedDuration::from_hours(1),
        uses: 1,
        used: 0,
        revoked: None,
    };
    shell.tell(Input::Agents(AgentInput::CreateEnrolment { enrolment: enrolment.clone(), record }));
    shell.tell(Input::Agents(AgentInput::Join {
        enrolment,
        device: DeviceId::new(device),
        machine: format!("machine of {device}").into(),
        name: None,
        agent: "1".into(),
        serial: format!("serial of {device}").into(),
        until: shell.now + jiff::SignedDuration::from_hours(24 * 30),
    }));
}

/// The devices that are given a version now.
fn given(shell: &Shell, version: &str) -> Vec<String> {
    let is_given = |device: &refit_core::control::DeviceRecord| {
        let wanted = refit_core::control::Wanted::Release(version.into());
        device.published.values().any(|published| published.key.admitted == wanted)
    };
    shell.state.managed().filter(|device| is_given(device)).map(|device| device.id.to_string()).collect()
}

fn receipt(shell: &mut Shell, device: &str, result: ReceiptResult, before: &str, after: &str) {
    receipt_of(shell, device, None, result, before, after);
}

fn receipt_of(shell: &mut Shell, device: &str, wanted: Option<&str>, result: ReceiptResult, before: &str, after: &str) {
    receipt_for(shell, device, "editor", wanted, result, before, after);
}

fn receipt_for(
    shell: &mut Shell,
    device: &str,
    title: &str,
    wanted: Option<&str>,
    result: ReceiptResult,
    before: &str,
    after: &str,
) {
    let wanted = wanted.map(Into::into);
    let id = format!("{device}-{}", shell.log.len());
    shell.tell(Input::Receipt {
        device: DeviceId::new(device),
        receipt: id.into(),
        slot: SlotName::of(TitleId::new(title)),
        wanted,
        result,
        before: Some(before.into()),
        after: Some(after.into()),
        at: shell.now,
        duration_ms: 1_000,
        output: None,
    });
}

/// The devices that are given a version do it.
fn update(shell: &mut Shell, version: &str) -> usize {
    let devices = given(shell, version);
    for device in &devices {
        shell.installs(device, &[("editor", version)]);
        receipt(shell, device, ReceiptResult::Succeeded, "1.0.0", version);
    }
    devices.len()
}

/// Everybody checks in, but for these.
fn heard(shell: &mut Shell, silent: &[String]) {
    let devices: Vec<_> = shell.state.managed().map(|device| (device.id.to_string(), device.index)).collect();
    for (device, index) in devices {
        if !silent.contains(&device) {
            shell.state.note_seen(index, shell.now);
        }
    }
    shell.tell(Input::Tick);
    shell.now += jiff::SignedDuration::from_mins(16);
    shell.tell(Input::Tick);
}

#[test]
fn a_good_release_goes_through_all_rings_by_itself() {
    let mut shell = fleet(30, 3);
    shell.release("editor", "1.1.0");
    assert_eq!(direct(&mut shell), ["editor 1.1.0: canary opens with 3"]);
    assert_eq!(given(&shell, "1.1.0"), ["d000", "d001", "d002"]);
    shell.wait(1);
    assert_eq!(update(&mut shell, "1.1.0"), 3);
    assert_eq!(direct(&mut shell), [""; 0], "it has not soaked");
    shell.wait(24);
    heard(&mut shell, &[]);
    let said = direct(&mut shell);
    assert_eq!(said[0], "editor 1.1.0: Pass after canary");
    assert!(said[1].starts_with("editor 1.1.0: early opens with "), "{said:?}");
    let early = update(&mut shell, "1.1.0");
    assert!((4..20).contains(&early), "{early}");
    shell.wait(25);
    heard(&mut shell, &[]);
    let said = direct(&mut shell);
    assert_eq!(said[0], "editor 1.1.0: Pass after early");
    assert_eq!(said[1], format!("editor 1.1.0: rest opens with {}", 27 - early));
    assert_eq!(update(&mut shell, "1.1.0"), 27 - early);
    shell.wait(30 * 24);
    heard(&mut shell, &[]);
    assert_eq!(direct(&mut shell), [""; 0], "there is nothing left to do");
    let (replayed, now) = (shell.replayed(), &shell.state.rollouts);
    assert_eq!(replayed.rollouts, *now);
}

/// A release goes to everybody.
fn goes_all_the_way(shell: &mut Shell, version: &str) {
    shell.release("editor", version);
    for _ in 0..4 {
        direct(shell);
        shell.wait(1);
        update(shell, version);
        shell.wait(25);
        heard(shell, &[]);
    }
    let trial = shell.state.rollouts.trial(&TitleId::new("editor"), version).unwrap();
    assert_eq!(trial.fine.len() as usize, shell.state.managed().count());
}

#[test]
fn a_release_is_weighed_until_the_next_has_gone_all_the_way() {
    let mut shell = fleet(30, 3);
    goes_all_the_way(&mut shell, "1.1.0");
    let fail = |shell: &mut Shell| {
        for device in (5..25).map(name) {
            receipt_of(shell, &device, Some("1.1.0"), ReceiptResult::Failed, "1.0.0", "1.0.0");
        }
        direct(shell)
    };
    let mut early = fleet(30, 3);
    goes_all_the_way(&mut early, "1.1.0");
    assert_eq!(fail(&mut early), ["editor 1.1.0: Halt after rest"], "it has gone all the way, and is weighed");
    goes_all_the_way(&mut shell, "1.2.0");
    assert_eq!(fail(&mut shell), [""; 0], "nobody is given it any more, and a look costs nothing for it");
}

#[test]
fn a_release_that_breaks_the_canaries_reaches_nobody_else_and_its_successor_goes_to_them_first() {
    let mut shell = fleet(30, 3);
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    receipt(&mut shell, "d000", ReceiptResult::Failed, "1.0.0", "1.0.0");
    assert_eq!(direct(&mut shell), ["editor 1.1.0: Halt after canary"]);
    assert_eq!(given(&shell, "1.1.0"), [""; 0], "a halted release is given to nobody");
    shell.wait(24 * 8);
    heard(&mut shell, &[]);
    assert_eq!(direct(&mut shell), [""; 0], "it stays so");

    shell.release("editor", "1.1.1");
    assert_eq!(direct(&mut shell), ["editor 1.1.1: canary opens with 3"]);
    shell.wait(1);
    update(&mut shell, "1.1.1");
    shell.wait(25);
    heard(&mut shell, &[]);
    let said = direct(&mut shell);
    assert_eq!(said[0], "editor 1.1.1: Pass after canary");
    assert!(said[1].starts_with("editor 1.1.1: early opens"), "{said:?}");
}

/// A release soaks for long on the canaries when what it mends is exploited: the urgent rollout begins with what they have said.
#[test]
fn an_urgent_rollout_takes_over_where_a_slow_one_stands() {
    let urgent = POLICY
        .replace("gates:", "  fast: { gate: default, rings: [{ name: canary, where: '\"canary\" in device.tags', soak: 1h }, { name: rest }] }\ngates:")
        .replace("silence: 1%, reports: 1%, ", "")
        .replace("deadline: [", "deadline: [{ if: exposure.kev, within: 2d, rollout: fast }, ");
    let mut shell = made_under(&urgent, 30, 3, |shell, id| shell.enrol(id));
    shell.release("editor", "1.1.0");
    assert_eq!(direct(&mut shell), ["editor 1.1.0: canary opens with 3"]);
    shell.wait(1);
    assert_eq!(update(&mut shell, "1.1.0"), 3);
    assert_eq!(direct(&mut shell), [""; 0]);
    let advisory = serde_json::json!({
        "id": "CVE-2026-1111", "title": "editor", "affected": ["<1.1.0"],
        "known_at": "2026-11-01T00:00:00Z", "kev": "2026-11-01T00:00:00Z",
    });
    let advisories = vec![serde_json::from_value(advisory).unwrap()];
    shell.tell(Input::Advisories { source: "feed".into(), advisories });
    assert_eq!(direct(&mut shell), ["editor 1.1.0: canary opens with 3"], "they are ahead, and count for it");
    shell.wait(1);
    assert_eq!(direct(&mut shell), ["editor 1.1.0: Pass after canary", "editor 1.1.0: rest opens with 27"]);
    // The gate's answer is one of the release: the slow rollout goes on by it too, and has nobody left to open for.
    assert_eq!(update(&mut shell, "1.1.0"), 27);
    assert_eq!(direct(&mut shell), [""; 0]);
}

#[test]
fn devices_that_fall_silent_halt_a_release() {
    let mut shell = fleet(60, 8);
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    shell.wait(1);
    heard(&mut shell, &[]);
    // They have what they are given, and are never heard of again.
    let silent: Vec<String> = (0..8).map(name).collect();
    for _ in 0..3 {
        shell.wait(9);
        heard(&mut shell, &silent);
    }
    assert_eq!(direct(&mut shell), ["editor 1.1.0: Halt after canary"]);
    let halt = shell.state.rollouts.halt(&TitleId::new("editor"), "1.1.0", Some("linux")).unwrap();
    assert_eq!(halt.verdict, Some(Verdict::Halts(HaltedBy::Measure(Measure::Silence))));
}

/// Presence is written down by the quarter of an hour, unless a gate listens more closely.
#[test]
fn who_falls_silent_within_minutes_is_found_where_the_gate_says_so() {
    let policy =
        POLICY.replace("silence: 1%, reports: 1%", "silence: 1%, silent_after: 4m").replace("soak: 1d", "soak: 1m");
    let mut shell = made_under(&policy, 60, 8, |shell, id| shell.enrol(id));
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    let silent: Vec<String> = (0..8).map(name).collect();
    let mut halted = None;
    for minute in 0..10 {
        let devices: Vec<_> = shell.state.managed().map(|device| (device.id.to_string(), device.index)).collect();
        for (device, index) in devices {
            if minute < 2 || !silent.contains(&device) {
                shell.state.note_seen(index, shell.now);
            }
        }
        shell.tell(Input::Tick);
        shell.now += jiff::SignedDuration::from_mins(1);
        let said = direct(&mut shell);
        if !said.is_empty() {
            assert_eq!(said, ["editor 1.1.0: Halt after canary"]);
            halted = halted.or(Some(minute));
        }
    }
    assert!(halted.is_some_and(|minute| (4..=6).contains(&minute)), "{halted:?}");
}

#[test]
fn a_server_that_was_down_takes_nobody_for_silent() {
    let mut shell = fleet(60, 8);
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    shell.wait(1);
    update(&mut shell, "1.1.0");
    heard(&mut shell, &[]);
    let alive = shell.now;
    shell.wait(30 * 24);
    shell.tell(Input::Start { program: "1".into(), alive_until: Some(alive) });
    assert_eq!(direct(&mut shell), [""; 0], "nobody is silent, and nobody has been watched for a day");
    heard(&mut shell, &[]);
    let said = direct(&mut shell);
    assert_eq!(said[0], "editor 1.1.0: Pass after canary", "{said:?}");
}

#[test]
fn people_who_say_that_it_broke_something_halt_a_release() {
    let mut shell = made(100, 12, joined);
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    shell.wait(1);
    update(&mut shell, "1.1.0");
    for index in 0..8 {
        let device = name(index);
        let complaint = ComplaintReceived {
            device: DeviceId::new(&device),
            complaint: format!("complaint {index}").into(),
            at: shell.now,
            title: None,
            text: "0".repeat(64).into(),
        };
        shell.tell(Input::Agents(AgentInput::Complaint(complaint)));
    }
    assert_eq!(direct(&mut shell), ["editor 1.1.0: Halt after canary"]);
    let halt = shell.state.rollouts.halt(&TitleId::new("editor"), "1.1.0", Some("linux")).unwrap();
    assert_eq!(halt.verdict, Some(Verdict::Halts(HaltedBy::Measure(Measure::Reports))));
}

#[test]
fn while_everything_is_stopped_nothing_opens_and_halts_are_found() {
    let mut shell = fleet(30, 3);
    shell.tell(Input::Stop { why: "drill".into() });
    shell.release("editor", "1.1.0");
    assert_eq!(direct(&mut shell), [""; 0]);
    shell.tell(Input::GoOn { why: "drill".into() });
    assert_eq!(direct(&mut shell), ["editor 1.1.0: canary opens with 3"]);
    shell.tell(Input::Stop { why: "again".into() });
    receipt(&mut shell, "d000", ReceiptResult::Failed, "1.0.0", "1.0.0");
    assert_eq!(direct(&mut shell), ["editor 1.1.0: Halt after canary"]);
}

#[test]
fn a_halt_with_an_end_is_taken_back_then() {
    let mut shell = fleet(30, 3);
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    let until = shell.now + jiff::SignedDuration::from_hours(72);
    shell.tell(Input::AnswerGate {
        title: TitleId::new("editor"),
        version: "1.1.0".into(),
        rollout: None,
        after: "canary".into(),
        platform: None,
        answer: Some(GateAnswer::Halt),
        until: Some(until),
        why: Some("it looks odd".into()),
        found: None,
    });
    assert_eq!(direct(&mut shell), [""; 0]);
    assert_eq!(given(&shell, "1.1.0"), [""; 0]);
    assert_eq!(Director.look(&shell.state, &shell.board, shell.now).next, Some(until));
    shell.wait(72);
    assert_eq!(direct(&mut shell), ["editor 1.1.0: taken back after canary"]);
    assert_eq!(given(&shell, "1.1.0").len(), 3);
}

#[test]
fn platforms_go_each_their_own_way() {
    let mut shell = fleet(20, 4);
    for index in [1, 3, 11, 13, 15] {
        shell.platform(&name(index), "macos");
    }
    shell.release("editor", "1.1.0");
    assert_eq!(direct(&mut shell), ["editor 1.1.0: canary opens with 2", "editor 1.1.0: canary opens with 2"]);
    shell.wait(1);
    receipt(&mut shell, "d000", ReceiptResult::Failed, "1.0.0", "1.0.0");
    for device in ["d001", "d003"] {
        shell.installs_on(device, "macos", &[("editor", "1.1.0")]);
    }
    assert_eq!(direct(&mut shell), ["editor 1.1.0: Halt after canary"]);
    shell.wait(25);
    heard(&mut shell, &[]);
    let said = direct(&mut shell);
    assert_eq!(said[0], "editor 1.1.0: Pass after canary", "{said:?}");
    let given = given(&shell, "1.1.0");
    assert!(given.iter().all(|device| ["d011", "d013", "d015"].contains(&device.as_str())), "{given:?}");
}

#[test]
fn what_a_person_lets_go_on_is_judged_by_what_comes_of_it_from_then_on() {
    let mut shell = fleet(30, 3);
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    shell.wait(1);
    receipt(&mut shell, "d000", ReceiptResult::Failed, "1.0.0", "1.0.0");
    assert_eq!(direct(&mut shell), ["editor 1.1.0: Halt after canary"]);
    let resume = Input::ResumeRelease {
        title: TitleId::new("editor"),
        version: "1.1.0".into(),
        platform: None,
        why: "that disk was full".into(),
    };
    shell.tell(resume.clone());
    assert_eq!(direct(&mut shell), [""; 0]);
    assert!(shell.try_as(&refit_core::control::Actor::server(), resume.clone()).is_err(), "nothing is halted");
    assert_eq!(update(&mut shell, "1.1.0"), 3);
    shell.wait(25);
    heard(&mut shell, &[]);
    let said = direct(&mut shell);
    assert_eq!(said[0], "editor 1.1.0: Pass after canary");
    // It breaks somewhere else.
    let next = given(&shell, "1.1.0");
    receipt(&mut shell, &next[0], ReceiptResult::Failed, "1.0.0", "1.0.0");
    receipt(&mut shell, &next[1], ReceiptResult::Failed, "1.0.0", "1.0.0");
    assert_eq!(direct(&mut shell), ["editor 1.1.0: Halt after early"]);
    assert_eq!(shell.replayed().rollouts, shell.state.rollouts);
}

#[test]
fn an_expedited_release_waits_for_no_gate_and_is_halted_all_the_same() {
    let mut shell = fleet(30, 3);
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    let expedite = Input::ExpediteRelease {
        title: TitleId::new("editor"),
        version: "1.1.0".into(),
        platform: None,
        why: "it is exploited".into(),
    };
    assert_eq!(shell.tell(expedite.clone()).len(), 1);
    assert_eq!(shell.tell(expedite).len(), 0);
    let said = direct(&mut shell);
    assert!(
        said[0].starts_with("editor 1.1.0: early opens") && said[1].starts_with("editor 1.1.0: rest opens"),
        "{said:?}"
    );
    assert_eq!(given(&shell, "1.1.0").len(), 30);
    receipt(&mut shell, "d020", ReceiptResult::Failed, "1.0.0", "1.0.0");
    assert_eq!(direct(&mut shell), ["editor 1.1.0: Halt after rest"]);
    assert_eq!(given(&shell, "1.1.0"), [""; 0]);
}

#[test]
fn a_halt_by_a_person_ends_after_three_days() {
    let mut shell = fleet(30, 3);
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    shell.tell(Input::HaltRelease {
        title: TitleId::new("editor"),
        version: "1.1.0".into(),
        platform: None,
        why: "the phones ring".into(),
    });
    assert_eq!(direct(&mut shell), [""; 0]);
    assert_eq!(given(&shell, "1.1.0"), [""; 0]);
    shell.wait(71);
    assert_eq!(direct(&mut shell), [""; 0]);
    shell.wait(1);
    assert_eq!(direct(&mut shell), ["editor 1.1.0: taken back after canary"]);
    assert_eq!(given(&shell, "1.1.0").len(), 3);
}

#[test]
fn a_failure_counts_against_the_release_that_was_tried_and_not_against_a_newer_one() {
    let mut shell = fleet(30, 3);
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    // While the canary tries it, the next one comes out and is given in its place.
    shell.release("editor", "1.2.0");
    assert_eq!(direct(&mut shell), ["editor 1.2.0: canary opens with 3"]);
    assert_eq!(given(&shell, "1.2.0").len(), 3);
    receipt_of(&mut shell, "d000", Some("1.1.0"), ReceiptResult::Failed, "1.0.0", "1.0.0");
    assert_eq!(direct(&mut shell), ["editor 1.1.0: Halt after canary"]);
    assert_eq!(given(&shell, "1.2.0").len(), 3);
}

#[test]
fn what_nobody_knows_is_not_halted_by_mistake() {
    let mut shell = fleet(30, 3);
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    let halt = |title: &str, version: &str, platform: Option<&str>| Input::HaltRelease {
        title: TitleId::new(title),
        version: version.into(),
        platform: platform.map(Into::into),
        why: "the phones ring".into(),
    };
    let mut refused = |input: Input| {
        let server = refit_core::control::Actor::server();
        shell.try_as(&server, input).unwrap_err().to_string()
    };
    assert_eq!(refused(halt("editr", "1.1.0", None)), "there is no title `editr`: did you mean `editor`?");
    let said = refused(halt("editor", "1.1.1", None));
    assert_eq!(said, "there is no release `1.1.1` of editor: the newest are 1.1.0, 1.0.0");
    let said = refused(halt("editor", "1.1.0", Some("linx")));
    assert_eq!(said, "no device is on platform `linx`: there are linux");
}
