//! What monitoring systems and people say of devices, against the others.

use super::{POLICY, direct, given, joined, made_under, name, receipt, update};
use crate::shell::Shell;
use jiff::SignedDuration;
use refit_core::{
    control::{Actor, AgentInput, ComplaintReceived, Event, Input, ReceiptResult, Refusal},
    rollout::{HaltedBy, Measure, Verdict, Wants},
};
use refit_model::{DeviceId, TitleId};

/// With a gate that listens to a signal.
fn listening() -> Shell {
    let policy = POLICY.replace(
        "patience: 7d",
        "patience: 7d, signals: [{ name: crashes, from: monitoring, no_worse_than: control }]",
    );
    let mut shell = made_under(&policy.replace("silence: 1%, reports: 1%, ", ""), 60, 8, |shell, id| shell.enrol(id));
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    shell.wait(1);
    assert_eq!(update(&mut shell, "1.1.0"), 8);
    shell
}

/// The signal says of these devices that they are bad or fine.
fn said(shell: &mut Shell, whole: bool, devices: impl IntoIterator<Item = (usize, bool)>) -> Vec<Event> {
    let devices = devices.into_iter().map(|(index, bad)| (DeviceId::new(name(index)), bad)).collect();
    let at = shell.now;
    shell.tell(Input::Signal { source: "monitoring".into(), signal: "crashes".into(), at, whole, devices })
}

fn verdict(shell: &Shell) -> Verdict {
    let title = TitleId::new("editor");
    let record = &shell.state.rollouts.of(&title)[0];
    refit_core::control::Status::of(&shell.state, &title, record, shell.now).unwrap().verdict.unwrap()
}

#[test]
fn a_signal_that_is_worse_than_the_control_groups_halts_a_release_that_never_failed() {
    let mut shell = listening();
    shell.wait(30);
    // The others crash now and then too.
    said(&mut shell, true, (0..60).map(|index| (index, index < 8 || index == 30)));
    assert_eq!(direct(&mut shell), ["editor 1.1.0: Halt after canary"]);
    let title = TitleId::new("editor");
    let halt = shell.state.rollouts.halt(&title, "1.1.0", Some("linux")).unwrap();
    assert_eq!(halt.verdict, Some(Verdict::Halts(HaltedBy::Measure(Measure::Signal("crashes".into())))));
    assert_eq!(given(&shell, "1.1.0"), [""; 0]);
    assert_eq!(shell.replayed().rollouts, shell.state.rollouts);
}

#[test]
fn what_crashes_everywhere_is_not_the_releases_fault() {
    let mut shell = listening();
    shell.wait(30);
    said(&mut shell, true, (0..60).map(|index| (index, true)));
    // Nor is it any sign that the release is fine: one that makes everything crash would look the same.
    assert_eq!(direct(&mut shell), [""; 0]);
    assert_eq!(verdict(&shell), Verdict::Waits(Wants::Measure(Measure::Signal("crashes".into()))));
    said(&mut shell, false, [(0, false)]);
    assert_eq!(direct(&mut shell)[0], "editor 1.1.0: Pass after canary");
}

#[test]
fn a_signal_of_which_nothing_is_heard_passes_nothing() {
    let mut shell = listening();
    shell.wait(30);
    assert_eq!(direct(&mut shell), [""; 0]);
    let waits = Verdict::Waits(Wants::Watching(Measure::Signal("crashes".into())));
    assert_eq!(verdict(&shell), waits);
    // Seven of eight are less than nine in ten.
    said(&mut shell, false, (1..60).map(|index| (index, false)));
    assert_eq!(direct(&mut shell), [""; 0]);
    said(&mut shell, false, [(0, false)]);
    assert_eq!(direct(&mut shell)[0], "editor 1.1.0: Pass after canary");
}

#[test]
fn what_was_said_before_the_change_and_what_is_stale_says_nothing() {
    let mut shell = listening();
    let changed = shell.now;
    shell.wait(25);
    let before = changed - SignedDuration::from_mins(1);
    let devices: std::collections::BTreeMap<_, _> = (0..60).map(|index| (DeviceId::new(name(index)), false)).collect();
    let input = |at| Input::Signal {
        source: "monitoring".into(),
        signal: "crashes".into(),
        at,
        whole: true,
        devices: devices.clone(),
    };
    shell.tell(input(before));
    assert_eq!(direct(&mut shell), [""; 0]);
    shell.tell(input(changed));
    // More than a day ago.
    assert_eq!(direct(&mut shell), [""; 0]);
    let at = shell.now;
    shell.tell(input(at));
    assert_eq!(direct(&mut shell)[0], "editor 1.1.0: Pass after canary");
}

#[test]
fn a_slip_in_a_signal_is_told() {
    let mut shell = listening();
    let at = shell.now;
    let mut tell = |source: &str, signal: &str, device: &str| {
        let devices = [(DeviceId::new(device), true)].into();
        let input = Input::Signal { source: source.into(), signal: signal.into(), at, whole: false, devices };
        shell.try_as(&Actor::server(), input).unwrap_err()
    };
    let told = |refusal: Refusal| match refusal {
        Refusal::Invalid(why) => why,
        other => format!("{other:?}"),
    };
    assert_eq!(
        told(tell("monitoring", "crashs", "d000")),
        "no gate listens to signal `crashs` from `monitoring`: did you mean `crashes`?"
    );
    assert_eq!(
        told(tell("prometheus", "crashes", "d000")),
        "no gate listens to signal `crashes` from `prometheus`: they listen to `crashes` from `monitoring`"
    );
    assert!(matches!(tell("monitoring", "crashes", "d999"), Refusal::Missing { what: "device", .. }));
}

/// What the editor's next release mends is exploited.
pub fn exploited(shell: &mut Shell) {
    let advisory = serde_json::json!({
        "id": "CVE-2026-1111", "title": "editor", "affected": ["<1.1.0"],
        "known_at": "2026-11-01T00:00:00Z", "kev": "2026-11-01T00:00:00Z",
    });
    let advisories = vec![serde_json::from_value(advisory).unwrap()];
    shell.tell(Input::Advisories { source: "feed".into(), advisories });
}

pub fn complain(shell: &mut Shell, index: usize) {
    complain_of(shell, index, None);
}

fn complain_of(shell: &mut Shell, index: usize, title: Option<&str>) {
    let complaint = ComplaintReceived {
        device: DeviceId::new(name(index)),
        complaint: format!("complaint {index} {}", shell.log.len()).into(),
        at: shell.now,
        title: title.map(Into::into),
        text: "0".repeat(64).into(),
    };
    shell.tell(Input::Agents(AgentInput::Complaint(complaint)));
}

#[test]
fn what_the_control_group_says_of_another_title_does_not_excuse_a_release() {
    let mut shell = made_under(POLICY, 100, 12, joined);
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    shell.wait(1);
    update(&mut shell, "1.1.0");
    (12..100).for_each(|index| complain_of(&mut shell, index, Some("browser")));
    (0..12).for_each(|index| complain_of(&mut shell, index, Some("editor")));
    assert_eq!(direct(&mut shell), ["editor 1.1.0: Halt after canary"]);
}

#[test]
fn a_release_that_people_complain_of_no_more_than_others_do_of_theirs_is_not_halted() {
    for title in [None, Some("editor")] {
        let mut shell = made_under(POLICY, 100, 12, joined);
        shell.release("editor", "1.1.0");
        direct(&mut shell);
        shell.wait(1);
        update(&mut shell, "1.1.0");
        (0..100).for_each(|index| complain_of(&mut shell, index, title));
        assert_eq!(direct(&mut shell), [""; 0], "{title:?}");
    }
}

#[test]
fn a_person_with_many_devices_complains_once() {
    let mut shell = made_under(POLICY, 100, 20, joined);
    shell.department("ada", "IT");
    for index in 0..10 {
        shell.tell(Input::Assign { device: DeviceId::new(name(index)), person: Some("ada".into()) });
    }
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    shell.wait(1);
    update(&mut shell, "1.1.0");
    (0..10).for_each(|index| complain(&mut shell, index));
    assert_eq!(direct(&mut shell), [""; 0]);
    (10..20).for_each(|index| complain(&mut shell, index));
    assert_eq!(direct(&mut shell), ["editor 1.1.0: Halt after canary"]);
}

#[test]
fn people_alone_stop_an_urgent_release_for_four_hours() {
    let mut shell = made_under(POLICY, 100, 12, joined);
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    let expedite = Input::ExpediteRelease {
        title: TitleId::new("editor"),
        version: "1.1.0".into(),
        platform: None,
        why: "it is exploited".into(),
    };
    shell.tell(expedite);
    shell.wait(1);
    update(&mut shell, "1.1.0");
    (0..12).for_each(|index| complain(&mut shell, index));
    assert_eq!(direct(&mut shell), ["editor 1.1.0: Halt after canary"]);
    shell.wait(3);
    assert_eq!(direct(&mut shell), [""; 0]);
    shell.wait(1);
    let said = direct(&mut shell);
    assert_eq!(said[0], "editor 1.1.0: taken back after canary", "{said:?}");
    assert!(said[1].starts_with("editor 1.1.0: early opens"), "{said:?}");
    // A failure is no report: it halts until a person says otherwise.
    (20..30).for_each(|index| receipt(&mut shell, &name(index), ReceiptResult::Failed, "1.0.0", "1.0.0"));
    let said = direct(&mut shell);
    assert!(said.iter().any(|said| said.contains("Halt after")), "{said:?}");
    shell.wait(100);
    assert_eq!(direct(&mut shell), [""; 0]);
}

#[test]
fn a_person_confirms_a_halt_by_people() {
    let urgent = POLICY.replace(
        "deadline: [{ within: 14d }]",
        "deadline: [{ if: exposure.kev, within: 2d, rollout: standard }, { within: 14d }]",
    );
    let mut shell = made_under(&urgent, 100, 12, joined);
    exploited(&mut shell);
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    shell.wait(1);
    update(&mut shell, "1.1.0");
    (0..12).for_each(|index| complain(&mut shell, index));
    assert_eq!(direct(&mut shell), ["editor 1.1.0: Halt after canary"]);
    let halt = shell.state.rollouts.halt(&TitleId::new("editor"), "1.1.0", Some("linux")).unwrap();
    assert_eq!(halt.until, Some(shell.now + SignedDuration::from_hours(4)));
    shell.tell(Input::HaltRelease {
        title: TitleId::new("editor"),
        version: "1.1.0".into(),
        platform: Some("linux".into()),
        why: "it is so".into(),
    });
    shell.wait(5);
    assert_eq!(direct(&mut shell), [""; 0]);
    shell.wait(72);
    // They still say so, and that stops what is urgent for four hours.
    assert_eq!(direct(&mut shell), ["editor 1.1.0: Halt after canary"]);
    shell.wait(4);
    assert_eq!(direct(&mut shell)[0], "editor 1.1.0: taken back after canary");
}
