//! What people do to releases on their way, and what they are told where that can't be.

use super::{POLICY, direct, fleet, given, made_under, name, update};
use crate::shell::Shell;
use refit_core::{
    control::{Actor, DeviceSet, Event, Input, Refusal, RingOpened},
    policy::document::test::GateAnswer,
};
use refit_model::TitleId;

fn open(ring: &str, platform: Option<&str>) -> Input {
    Input::OpenRing {
        title: TitleId::new("editor"),
        version: "1.1.0".into(),
        rollout: "standard".into(),
        ring: ring.into(),
        platform: platform.map(Into::into),
        members: None,
        releases: Vec::new(),
    }
}

fn opened(events: Vec<Event>) -> Vec<RingOpened> {
    let opened = events.into_iter().map(|event| match event {
        Event::RingOpened(opened) => opened,
        other => panic!("{other:?}"),
    });
    opened.collect()
}

fn indexes(shell: &Shell, devices: impl IntoIterator<Item = usize>) -> DeviceSet {
    devices.into_iter().map(|index| shell.state.device(&name(index).as_str().into()).unwrap().index).collect()
}

fn answer(version: &str, after: &str, platform: Option<&str>, answer: Option<GateAnswer>) -> Input {
    Input::AnswerGate {
        title: TitleId::new("editor"),
        version: version.into(),
        rollout: None,
        after: after.into(),
        platform: platform.map(Into::into),
        answer,
        until: None,
        why: None,
        found: None,
    }
}

#[test]
fn a_ring_that_is_opened_by_hand_takes_who_is_in_it_on_each_platform_that_has_the_title() {
    let mut shell = fleet(12, 3);
    shell.platform(&name(1), "macos");
    shell.enrol("phone");
    shell.platform("phone", "ios");
    shell.release("editor", "1.1.0");
    shell.settle();
    let rings = opened(shell.tell(open("canary", None)));
    let platforms: Vec<_> = rings.iter().map(|ring| ring.platform.as_deref()).collect();
    assert_eq!(platforms, [Some("linux"), Some("macos")], "no phone has the title");
    assert_eq!(rings[0].members, Some(indexes(&shell, [0, 2])));
    assert_eq!(rings[1].members, Some(indexes(&shell, [1])));
    shell.settle();
    assert_eq!(given(&shell, "1.1.0"), ["d000", "d001", "d002"]);
    assert_eq!(shell.tell(open("canary", Some("linux"))), [], "it is open");
    let refused = shell.try_as(&Actor::server(), open("rest", Some("linux"))).unwrap_err();
    assert_eq!(refused.to_string(), "ring `early` comes before `rest` and has not opened");
}

#[test]
fn a_ring_of_a_snapshot_is_opened_by_hand_with_what_it_began_with() {
    let mut shell = super::snapshots::fleet(8, 2);
    shell.release("deb/openssl", "2-1");
    shell.wait(7 * 24);
    let ring = |ring: &str| Input::OpenRing {
        title: TitleId::new("snapshot/linux"),
        version: "2026-11-09".into(),
        rollout: "standard".into(),
        ring: ring.into(),
        platform: Some("linux".into()),
        members: None,
        releases: Vec::new(),
    };
    let refused = shell.try_as(&Actor::server(), ring("canary")).unwrap_err();
    assert_eq!(refused.to_string(), "no snapshot of `linux` is under way: it begins by itself");
    direct(&mut shell);
    let opened = opened(shell.tell(ring("rest")));
    assert_eq!(opened[0].releases, [(TitleId::new("deb/openssl"), "2-1".into())]);
    assert_eq!(opened[0].members, Some(indexes(&shell, 2..8)));
}

/// Who has been told to stop does not want to hear that it went on.
#[test]
fn while_everything_is_stopped_nobody_opens_a_ring_or_lets_a_gate_pass() {
    let mut shell = fleet(12, 3);
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    let pass = |platform| answer("1.1.0", "canary", platform, Some(GateAnswer::Pass));
    shell.tell(Input::Stop { why: "drill".into() });
    let stopped = Refusal::Stopped { why: "drill".into() };
    for input in [open("early", Some("linux")), open("early", None), pass(Some("linux")), pass(None)] {
        assert_eq!(shell.try_as(&Actor::server(), input).unwrap_err(), stopped);
    }
    assert_eq!(stopped.to_string(), "everything is stopped: drill; go on with `refit resume --everything --why TEXT`");
    let (title, version, platform) = (TitleId::new("editor"), "1.1.0".into(), None);
    let expedite = Input::ExpediteRelease { title, version, platform, why: "it is exploited".into() };
    assert_eq!(shell.try_as(&Actor::server(), expedite.clone()).unwrap_err(), stopped);
    assert_eq!(shell.tell(open("canary", Some("linux"))), [], "it is open as it is");
    // Whatever keeps it is heard, and is taken back.
    for said in [Some(GateAnswer::Inconclusive), None, Some(GateAnswer::Halt)] {
        assert_eq!(shell.tell(answer("1.1.0", "canary", Some("linux"), said)).len(), 1, "{said:?}");
    }
    let (title, version, platform, why) =
        (TitleId::new("editor"), "1.1.0".into(), Some("linux".into()), "drill".into());
    assert_eq!(shell.tell(Input::ResumeRelease { title, version, platform, why }).len(), 1);
    shell.tell(Input::GoOn { why: "drill".into() });
    assert_eq!(shell.tell(pass(Some("linux"))).len(), 1);
    assert_eq!(opened(shell.tell(open("early", Some("linux")))).len(), 1);
    assert_eq!(shell.tell(expedite).len(), 1);
}

#[test]
fn who_is_only_observed_is_in_no_ring_that_is_opened_by_hand() {
    for (mode, members) in [("observe", 0..3), ("notify", 0..4)] {
        let guests = format!(
            "---\npolicy: guests\npriority: 5\nmode: {mode}\nsoftware: [editor]\nwhere: '\"guest\" in device.tags'\nrollout: standard\ndeadline: [{{ within: 14d }}]\n"
        );
        let mut shell = made_under(&format!("{POLICY}{guests}"), 12, 4, |shell, id| shell.enrol(id));
        shell.tags(&name(3), &["canary", "guest"]);
        shell.release("editor", "1.1.0");
        shell.settle();
        let rings = opened(shell.tell(open("canary", Some("linux"))));
        assert_eq!(rings[0].members, Some(indexes(&shell, members)), "{mode}");
    }
}

#[test]
fn an_answer_is_written_down_once_and_taken_back_where_there_is_one() {
    let mut shell = fleet(12, 3);
    shell.release("editor", "1.1.0");
    shell.release("editor", "1.2.0");
    direct(&mut shell);
    assert_eq!(shell.tell(answer("1.2.0", "canary", None, None)), [], "there is nothing to take back");
    let pass = Some(GateAnswer::Pass);
    assert_eq!(shell.tell(answer("1.2.0", "canary", Some("linux"), pass)).len(), 1);
    // What a person says again is written down again: it may have another end. What is said of something else is something else.
    assert_eq!(shell.tell(answer("1.2.0", "early", Some("linux"), None)), []);
    assert_eq!(shell.tell(answer("1.1.0", "canary", Some("linux"), None)), []);
    assert_eq!(shell.tell(answer("1.2.0", "canary", None, None)), []);
    assert_eq!(shell.tell(answer("1.2.0", "canary", Some("linux"), None)).len(), 1);
    let refused = shell.try_as(&Actor::server(), answer("1.2.0", "canari", None, pass));
    assert!(matches!(refused, Err(Refusal::Missing { what: "ring", .. })), "{refused:?}");
}

#[test]
fn one_release_is_let_go_on_and_no_other() {
    let mut shell = fleet(12, 3);
    shell.platform(&name(11), "macos");
    shell.release("editor", "1.1.0");
    shell.release("editor", "1.2.0");
    direct(&mut shell);
    let halt = Some(GateAnswer::Halt);
    shell.tell(answer("1.1.0", "canary", Some("linux"), halt));
    shell.tell(answer("1.2.0", "canary", Some("linux"), halt));
    shell.tell(answer("1.2.0", "canary", Some("macos"), halt));
    shell.tell(answer("1.2.0", "early", Some("linux"), Some(GateAnswer::Pass)));
    let resume = |platform: Option<&str>| Input::ResumeRelease {
        title: TitleId::new("editor"),
        version: "1.2.0".into(),
        platform: platform.map(Into::into),
        why: "it was the network".into(),
    };
    let taken_back = |events: Vec<Event>| -> Vec<String> { events.iter().filter_map(super::tell).collect() };
    assert_eq!(taken_back(shell.tell(resume(Some("linux")))), ["editor 1.2.0: taken back after canary"]);
    let title = TitleId::new("editor");
    let halted = |shell: &Shell, version: &str, platform: &str| {
        shell.state.rollouts.halt(&title, version, Some(platform)).is_some()
    };
    assert!(!halted(&shell, "1.2.0", "linux") && halted(&shell, "1.2.0", "macos") && halted(&shell, "1.1.0", "linux"));
    let pass =
        shell.state.rollouts.answer(&title, "1.2.0", Some("linux"), ("standard", "early")).map(|gate| gate.answer);
    assert_eq!(pass, Some(GateAnswer::Pass));
    assert_eq!(shell.tell(resume(None)).len(), 1, "of every platform where it is halted");
}

fn resume(platform: Option<&str>) -> Input {
    Input::ResumeRelease {
        title: TitleId::new("editor"),
        version: "1.1.0".into(),
        platform: platform.map(Into::into),
        why: "it was the network".into(),
    }
}

fn refused(shell: &mut Shell, input: Input) -> String {
    let Err(Refusal::Conflict(why) | Refusal::Invalid(why)) = shell.try_as(&Actor::server(), input) else {
        panic!("it is not refused")
    };
    why
}

#[test]
fn what_is_halted_on_every_platform_goes_on_on_none_of_them_alone() {
    let mut shell = fleet(12, 3);
    shell.platform(&name(1), "macos");
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    assert_eq!(refused(&mut shell, resume(Some("linux"))), "editor 1.1.0 is not halted on linux");
    // Both records hold it on Linux: whoever lifts the one would be told that it goes on.
    let halt = |platform: Option<&str>| Input::HaltRelease {
        title: TitleId::new("editor"),
        version: "1.1.0".into(),
        platform: platform.map(Into::into),
        why: "the phones ring".into(),
    };
    shell.tell(halt(None));
    shell.tell(halt(Some("linux")));
    let why = refused(&mut shell, resume(Some("linux")));
    let expected = "editor 1.1.0 is halted on every platform since 2026-11-01T00:00:00Z (the phones ring): `refit resume editor 1.1.0 --why \
        TEXT` lets it go on, on linux and everywhere else";
    assert_eq!(why, expected);
    let title = TitleId::new("editor");
    assert_eq!(shell.state.rollouts.answers(&title).len(), 2, "nothing was lifted");
    assert_eq!(shell.tell(resume(None)).len(), 2);
    assert!(shell.state.rollouts.halt(&title, "1.1.0", Some("linux")).is_none());
}

#[test]
fn whoever_answers_for_a_gate_lifts_no_halt() {
    let mut shell = fleet(12, 3);
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    shell.tell(answer("1.1.0", "canary", Some("linux"), Some(GateAnswer::Halt)));
    for said in [Some(GateAnswer::Pass), Some(GateAnswer::Inconclusive), None] {
        let why = refused(&mut shell, answer("1.1.0", "canary", Some("linux"), said));
        let resume = "`refit resume editor 1.1.0 --platform linux --why TEXT` lets it go on";
        assert!(why.starts_with("editor 1.1.0 is halted on linux since ") && why.ends_with(resume), "{why}");
    }
    assert_eq!(shell.tell(resume(Some("linux"))).len(), 1);
    assert_eq!(shell.tell(answer("1.1.0", "canary", Some("linux"), Some(GateAnswer::Pass))).len(), 1);
}

#[test]
fn nobody_answers_for_what_there_is_not() {
    let mut shell = fleet(12, 3);
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    let pass = Some(GateAnswer::Pass);
    let why = refused(&mut shell, answer("1.1.9", "canary", None, pass));
    assert_eq!(why, "there is no release `1.1.9` of editor: the newest are 1.1.0, 1.0.0");
    let why = refused(&mut shell, answer("1.1.0", "canary", Some("lunix"), pass));
    assert_eq!(why, "no device is on platform `lunix`: there are linux");
}

/// The gate would keep it all the same: whoever is in a hurry is told so.
#[test]
fn an_expedited_release_does_not_wait_unheard_for_somebody_who_said_that_it_is_not_clear() {
    let mut shell = fleet(12, 3);
    shell.release("editor", "1.1.0");
    let expedite = |platform: Option<&str>| Input::ExpediteRelease {
        title: TitleId::new("editor"),
        version: "1.1.0".into(),
        platform: platform.map(Into::into),
        why: "it is exploited".into(),
    };
    let unclear = Some(GateAnswer::Inconclusive);
    // Also before it has begun, and at a gate that it has not come to.
    for (begins, after) in [(false, "canary"), (true, "canary"), (true, "early")] {
        if begins {
            direct(&mut shell);
        }
        shell.tell(answer("1.1.0", after, None, unclear));
        for platform in [None, Some("linux")] {
            let why = refused(&mut shell, expedite(platform));
            let said = format!("because a person said at 2026-11-01T00:00:00Z that it is not clear after ring {after}");
            let back = format!("`refit gate editor 1.1.0 {after} back` takes that back");
            assert!(why.contains(&said) && why.ends_with(&back), "{why}");
        }
        shell.tell(answer("1.1.0", after, None, None));
    }
    // Nothing waits after the last ring.
    shell.tell(answer("1.1.0", "rest", None, unclear));
    assert_eq!(shell.tell(expedite(None)).len(), 1);
    let said = direct(&mut shell);
    assert!(said.iter().any(|said| said.starts_with("editor 1.1.0: rest opens")), "{said:?}");
}

#[test]
fn a_title_without_releases_is_told_from_one_that_does_not_exist() {
    let mut shell = fleet(12, 3);
    let halt = |title: &str| Input::HaltRelease {
        title: TitleId::new(title),
        version: "1.0".into(),
        platform: None,
        why: "the phones ring".into(),
    };
    shell.installs("d000", &[("editor", "1.0.0"), ("viewer", "3.0")]);
    let mut refused = |title: &str| shell.try_as(&Actor::server(), halt(title)).unwrap_err().to_string();
    assert_eq!(refused("viewer"), "no release of viewer is known");
    assert_eq!(refused("zzzz"), "there is no title `zzzz`");
}

#[test]
fn nothing_that_is_said_of_nobody_is_written_down_unless_it_is_said_of_all() {
    let policy = super::POLICY.replace(
        "patience: 7d",
        "patience: 7d, signals: [{ name: crashes, from: monitoring, no_worse_than: control }]",
    );
    let mut shell = super::made_under(&policy, 6, 2, |shell, id| shell.enrol(id));
    let at = shell.now;
    let signal = |whole: bool| Input::Signal {
        source: "monitoring".into(),
        signal: "crashes".into(),
        at,
        whole,
        devices: std::collections::BTreeMap::new(),
    };
    assert_eq!(shell.tell(signal(false)), []);
    assert_eq!(shell.tell(signal(true)).len(), 1);
    let mut plain = fleet(6, 2);
    let refused = plain.try_as(&Actor::server(), signal(true)).unwrap_err();
    assert_eq!(refused.to_string(), "no gate of a rollout listens to any signal: add `signals:` to a gate");
    update(&mut plain, "1.0.0");
}
