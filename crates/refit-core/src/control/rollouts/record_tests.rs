use super::*;
use crate::{
    control::event::GateAnswered,
    rollout::{HaltedBy, Measure, PassedBy, snapshot_title},
};
use refit_model::Scheme;

const DEB: [&str; 2] = ["deb/openssl", "deb/curl"];

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn devices(list: &[u32]) -> DeviceSet {
    list.iter().copied().collect()
}

fn opened(title: &str, version: &str, ring: &str, members: &[u32]) -> RingOpened {
    RingOpened {
        title: TitleId::new(title),
        version: version.into(),
        rollout: "standard".into(),
        ring: ring.into(),
        platform: Some("linux".into()),
        members: Some(devices(members)),
        releases: Vec::new(),
    }
}

fn answered(title: &str, after: &str, answer: Option<GateAnswer>) -> GateAnswered {
    GateAnswered {
        title: TitleId::new(title),
        version: "2".into(),
        rollout: None,
        after: after.into(),
        platform: Some("linux".into()),
        answer,
        until: None,
        verdict: None,
        evidence: None,
        why: None,
    }
}

/// Release 2 of the editor has begun, in a ring of devices 0 to 9.
fn begun() -> Rollouts {
    let mut rollouts = Rollouts::default();
    rollouts.begins(&(TitleId::new("editor"), "2".into()), None, DeviceSet::default());
    let members: Vec<u32> = (0..10).collect();
    rollouts.ring_opened(1, at(100), &opened("editor", "2", "canary", &members));
    rollouts
}

/// Two packages move as one, in a ring of devices 0 to 9.
fn snapshot() -> (Rollouts, TitleId) {
    snapshot_of(&DEB)
}

fn snapshot_of(packages: &[&str]) -> (Rollouts, TitleId) {
    let mut rollouts = Rollouts::default();
    let (title, version) = (snapshot_title("linux"), SmolStr::from("2026-11-09"));
    let releases: Vec<(TitleId, SmolStr)> = packages.iter().map(|deb| (TitleId::new(*deb), "2".into())).collect();
    for release in &releases {
        rollouts.begins(release, Some((title.clone(), version.clone())), DeviceSet::default());
    }
    let members: Vec<u32> = (0..10).collect();
    let opened = RingOpened { releases, ..opened(title.as_str(), &version, "canary", &members) };
    rollouts.ring_opened(1, at(100), &opened);
    (rollouts, title)
}

fn trial(rollouts: &Rollouts, title: &str) -> Trial {
    rollouts.trial(&TitleId::new(title), "2").unwrap().into_owned()
}

#[test]
fn what_moves_with_what() {
    let (rollouts, title) = snapshot();
    let record = &rollouts.of(&title)[0];
    let [openssl, curl] = DEB.map(TitleId::new);
    assert!(record.moves(&title, &openssl, "2") && record.moves(&title, &curl, "2"));
    assert!(!record.moves(&title, &openssl, "1") && !record.moves(&title, &title, "2026-11-09"));
    assert_eq!(record.titles(&title).collect::<Vec<_>>(), [&curl, &openssl]);
    assert_eq!(rollouts.parts(&title, "2026-11-09").len(), 2);
    assert_eq!(rollouts.parts(&title, "2026-11-08").len(), 0);

    let rollouts = begun();
    let editor = TitleId::new("editor");
    let record = &rollouts.of(&editor)[0];
    assert!(record.moves(&editor, &editor, "2"));
    assert!(!record.moves(&editor, &editor, "1") && !record.moves(&editor, &curl, "2"));
    assert_eq!(record.titles(&editor).collect::<Vec<_>>(), [&editor]);
    assert_eq!(rollouts.parts(&editor, "2"), [(editor, "2".into())].into());
}

#[test]
fn of_what_a_record_speaks() {
    let rollouts = begun();
    let record = &rollouts.of(&TitleId::new("editor"))[0];
    assert!(record.is_of("standard", "2", Some("linux")));
    assert!(!record.is_of("fast", "2", Some("linux")));
    assert!(!record.is_of("standard", "1", Some("linux")));
    assert!(!record.is_of("standard", "2", Some("macos")) && !record.is_of("standard", "2", None));
    assert_eq!(record.reached(), (0..10).collect());
    assert!(record.ring("canary").is_some() && record.ring("early").is_none());
}

#[test]
fn what_came_of_a_snapshot_is_what_came_of_its_releases() {
    let (mut rollouts, title) = snapshot();
    let [openssl, curl] = DEB.map(TitleId::new);
    rollouts.result(&openssl, "2", 1, at(110), Some(false));
    rollouts.result(&curl, "2", 1, at(111), Some(true));
    rollouts.result(&openssl, "2", 2, at(112), Some(false));
    rollouts.complaint(3, &[(curl.clone(), "2".into())]);
    rollouts.complaint(4, &[(openssl.clone(), "2".into())]);
    let all = rollouts.trial(&title, "2026-11-09").unwrap().into_owned();
    assert_eq!((all.fine, all.failed, all.complained), (devices(&[2]), devices(&[1]), devices(&[3, 4])));
    // Each by itself knows what it did.
    assert_eq!(trial(&rollouts, "deb/openssl").fine, devices(&[1, 2]));
    assert_eq!(trial(&rollouts, "deb/curl").failed, devices(&[1]));
    assert!(rollouts.trial(&openssl, "1").is_none());
    // A person lets it go on.
    let goes_on = GateAnswered {
        version: "2026-11-09".into(),
        why: Some("the network".into()),
        ..answered(title.as_str(), "canary", None)
    };
    rollouts.gate_answered(9, at(200), &goes_on, None);
    let all = rollouts.trial(&title, "2026-11-09").unwrap().into_owned();
    assert_eq!((all.failed.clone(), all.complained.clone()), (devices(&[]), devices(&[])));
    assert_eq!(all.went_on(Some("linux")), Some(at(200)));
    // What is said of one of its releases alone is not said of the snapshot.
    let alone = GateAnswered { why: Some("it is fine".into()), ..answered("deb/openssl", "canary", None) };
    rollouts.gate_answered(10, at(300), &alone, None);
    let all = rollouts.trial(&title, "2026-11-09").unwrap().into_owned();
    assert_eq!(all.went_on(Some("linux")), None);
    assert_eq!(trial(&rollouts, "deb/openssl").went_on(Some("linux")), Some(at(300)));
}

#[test]
fn a_snapshot_is_fine_on_a_device_where_no_release_of_it_failed_or_was_put_back() {
    let (mut rollouts, title) = snapshot_of(&["deb/openssl", "deb/curl", "deb/zlib"]);
    let [openssl, curl, zlib] = ["deb/openssl", "deb/curl", "deb/zlib"].map(TitleId::new);
    for (device, openssl_failed) in [(1, false), (2, true), (3, false)] {
        rollouts.result(&openssl, "2", device, at(110), Some(openssl_failed));
        rollouts.result(&curl, "2", device, at(110), Some(false));
        rollouts.result(&zlib, "2", device, at(110), Some(false));
    }
    for device in [1, 2] {
        rollouts.put_back(&curl, device, || Version::parse(Scheme::Dpkg, "1").ok());
    }
    assert_eq!(trial(&rollouts, "deb/curl").put_back, devices(&[1, 2]));
    let all = rollouts.trial(&title, "2026-11-09").unwrap().into_owned();
    assert_eq!((&all.fine, &all.failed, &all.put_back), (&devices(&[3]), &devices(&[2]), &devices(&[1, 2])));
    assert_eq!(all.results(), devices(&[2, 3]), "who was put back has said nothing");
}

#[test]
fn halts_are_the_releases_own_and_those_of_its_snapshots() {
    let (mut rollouts, title) = snapshot();
    let openssl = TitleId::new("deb/openssl");
    let halted = |rollouts: &Rollouts| rollouts.halts_of(&openssl, "2").map(|(title, _)| title).collect::<Vec<_>>();
    assert_eq!(halted(&rollouts), []);
    let pass =
        GateAnswered { version: "2026-11-09".into(), ..answered(title.as_str(), "canary", Some(GateAnswer::Pass)) };
    rollouts.gate_answered(2, at(200), &pass, None);
    assert_eq!(halted(&rollouts), []);
    let other = GateAnswered { version: "2026-11-08".into(), answer: Some(GateAnswer::Halt), ..pass.clone() };
    rollouts.gate_answered(3, at(201), &other, None);
    assert_eq!(halted(&rollouts), []);
    rollouts.gate_answered(4, at(202), &GateAnswered { answer: Some(GateAnswer::Halt), ..pass }, None);
    assert_eq!(halted(&rollouts), std::slice::from_ref(&title));
    rollouts.gate_answered(5, at(203), &answered("deb/openssl", "canary", Some(GateAnswer::Halt)), None);
    assert_eq!(halted(&rollouts), [openssl, title]);
}

#[test]
fn answers_stand_by_ring_and_platform_until_they_are_taken_back() {
    let mut rollouts = begun();
    let editor = TitleId::new("editor");
    let said = |rollouts: &Rollouts, after: &str, platform: &str| {
        rollouts.answer(&editor, "2", Some(platform), ("standard", after)).map(|gate| gate.answer)
    };
    rollouts.gate_answered(2, at(200), &answered("editor", "canary", Some(GateAnswer::Pass)), None);
    assert_eq!(said(&rollouts, "canary", "linux"), Some(GateAnswer::Pass));
    assert_eq!((said(&rollouts, "early", "linux"), said(&rollouts, "canary", "macos")), (None, None));
    let macos = GateAnswered { platform: Some("macos".into()), ..answered("editor", "canary", Some(GateAnswer::Halt)) };
    rollouts.gate_answered(3, at(201), &macos, None);
    rollouts.gate_answered(4, at(202), &answered("editor", "early", Some(GateAnswer::Halt)), None);
    assert!(rollouts.halt(&editor, "2", Some("linux")).is_some_and(|halt| halt.after == "early"));
    assert!(rollouts.halt(&editor, "1", Some("linux")).is_none());
    // What is said again takes the place of what was said, there and nowhere else.
    rollouts.gate_answered(5, at(203), &answered("editor", "canary", Some(GateAnswer::Inconclusive)), None);
    assert_eq!(said(&rollouts, "canary", "linux"), Some(GateAnswer::Inconclusive));
    assert_eq!(said(&rollouts, "canary", "macos"), Some(GateAnswer::Halt));
    assert_eq!(rollouts.answers(&editor).len(), 3);
    rollouts.gate_answered(6, at(204), &answered("editor", "early", None), None);
    assert_eq!((said(&rollouts, "early", "linux"), rollouts.answers(&editor).len()), (None, 2));
    // One for every platform speaks of each.
    let everywhere = GateAnswered { platform: None, ..answered("editor", "early", Some(GateAnswer::Halt)) };
    rollouts.gate_answered(7, at(205), &everywhere, None);
    assert_eq!(said(&rollouts, "early", "windows"), Some(GateAnswer::Halt));
}

#[test]
fn a_release_waits_for_no_gate_where_somebody_said_so() {
    let mut rollouts = begun();
    let editor = TitleId::new("editor");
    let expedite = |version: &str, platform: Option<&str>| ReleaseExpedited {
        title: TitleId::new("editor"),
        version: version.into(),
        platform: platform.map(Into::into),
        why: "it is exploited".into(),
    };
    assert!(!rollouts.is_expedited(&editor, "2", Some("linux")));
    rollouts.release_expedited(2, at(200), &expedite("2", Some("linux")));
    assert!(rollouts.is_expedited(&editor, "2", Some("linux")));
    assert!(!rollouts.is_expedited(&editor, "2", Some("macos")) && !rollouts.is_expedited(&editor, "1", Some("linux")));
    rollouts.release_expedited(3, at(201), &expedite("3", None));
    assert!(rollouts.is_expedited(&editor, "3", Some("macos")) && rollouts.is_expedited(&editor, "3", None));
    assert!(!rollouts.is_expedited(&TitleId::new("browser"), "3", None));
}

#[test]
fn a_timeline_keeps_the_newest_moments() {
    let mut rollouts = begun();
    let editor = TitleId::new("editor");
    for seq in 2..=256 {
        rollouts.gate_answered(seq, at(100), &answered("editor", "canary", Some(GateAnswer::Inconclusive)), None);
    }
    let ends = |rollouts: &Rollouts| {
        let timeline = &rollouts.timelines[&editor];
        (timeline.len(), timeline.front().unwrap().seq, timeline.back().unwrap().seq)
    };
    assert_eq!(ends(&rollouts), (256, 1, 256));
    rollouts.gate_answered(257, at(100), &answered("editor", "canary", Some(GateAnswer::Pass)), None);
    assert_eq!(ends(&rollouts), (256, 2, 257));
}

#[test]
fn the_first_result_of_a_ring_is_the_earliest_of_its_members() {
    let mut rollouts = begun();
    let editor = TitleId::new("editor");
    let first = |rollouts: &Rollouts, ring: usize| rollouts.of(&editor)[0].open[ring].first_result;
    rollouts.result(&editor, "2", 17, at(120), Some(false));
    assert_eq!(first(&rollouts, 0), None, "it is no member");
    rollouts.result(&editor, "2", 1, at(150), Some(false));
    rollouts.result(&editor, "2", 2, at(140), Some(true));
    rollouts.result(&editor, "2", 3, at(160), Some(false));
    assert_eq!(first(&rollouts, 0), Some(at(140)));
    // A clock that is behind makes it no earlier than the ring.
    rollouts.result(&editor, "2", 4, at(50), Some(false));
    assert_eq!(first(&rollouts, 0), Some(at(100)));
    // A ring in which somebody has it already has its first result when it opens; one in which nobody has, has none.
    rollouts.ring_opened(8, at(300), &opened("editor", "2", "early", &[17, 18]));
    rollouts.ring_opened(9, at(400), &opened("editor", "2", "rest", &[30, 31]));
    assert_eq!((first(&rollouts, 1), first(&rollouts, 2)), (Some(at(300)), None));
    let elsewhere = RingOpened { platform: Some("macos".into()), ..opened("editor", "2", "canary", &[40]) };
    rollouts.ring_opened(10, at(500), &elsewhere);
    assert_eq!(rollouts.of(&editor).len(), 2);
}

#[test]
fn a_device_says_one_thing_of_a_release() {
    let mut rollouts = begun();
    let editor = TitleId::new("editor");
    rollouts.result(&editor, "2", 1, at(110), Some(true));
    rollouts.result(&editor, "2", 1, at(120), Some(false));
    assert_eq!((trial(&rollouts, "editor").fine, trial(&rollouts, "editor").failed), (devices(&[1]), devices(&[])));
    rollouts.result(&editor, "2", 1, at(130), Some(true));
    assert_eq!((trial(&rollouts, "editor").fine, trial(&rollouts, "editor").failed), (devices(&[]), devices(&[1])));
    rollouts.result(&editor, "2", 1, at(140), None);
    assert_eq!(trial(&rollouts, "editor").results(), devices(&[]));
    // Nothing counts of what has not begun.
    rollouts.result(&editor, "3", 1, at(150), Some(true));
    rollouts.complaint(1, &[(editor.clone(), "3".into())]);
    assert!(rollouts.trial(&editor, "3").is_none());
    // Who had it before it began is a result; who has it when it begins once more was counted.
    rollouts.begins(&(editor.clone(), "3".into()), None, devices(&[5]));
    rollouts.begins(&(editor.clone(), "3".into()), Some((snapshot_title("linux"), "2026-11-09".into())), devices(&[6]));
    let trial = rollouts.trial(&editor, "3").unwrap();
    assert_eq!((trial.fine.clone(), trial.snapshots.len()), (devices(&[5]), 1));
}

#[test]
fn what_was_let_go_on_speaks_against_nothing_until_it_speaks_again() {
    let mut rollouts = begun();
    let editor = TitleId::new("editor");
    rollouts.result(&editor, "2", 1, at(110), Some(true));
    rollouts.result(&editor, "2", 20, at(110), Some(true));
    rollouts.complaint(21, &[(editor.clone(), "2".into())]);
    let halt =
        |verdict| GateAnswered { verdict: Some(verdict), ..answered("editor", "canary", Some(GateAnswer::Halt)) };
    // A halt by failures that ends by itself forgets nothing, and one by people what they said.
    rollouts.gate_answered(2, at(200), &halt(Verdict::Halts(HaltedBy::Failures)), None);
    rollouts.gate_answered(3, at(201), &answered("editor", "canary", None), None);
    assert_eq!(trial(&rollouts, "editor").complained, devices(&[21]));
    rollouts.gate_answered(4, at(202), &halt(Verdict::Passes(PassedBy::Bound)), None);
    rollouts.gate_answered(5, at(203), &answered("editor", "early", None), None);
    assert_eq!(trial(&rollouts, "editor").complained, devices(&[21]));
    rollouts.gate_answered(6, at(204), &halt(Verdict::Halts(HaltedBy::Measure(Measure::Reports))), None);
    rollouts.gate_answered(7, at(205), &answered("editor", "canary", None), None);
    let now = trial(&rollouts, "editor");
    assert_eq!((now.complained.clone(), now.failed.clone()), (devices(&[]), devices(&[1, 20])));
    assert_eq!(now.went_on(Some("linux")), None);
    // A person lets it go on, on one platform or on all.
    let goes_on = |platform: Option<&str>| GateAnswered {
        why: Some("the network".into()),
        platform: platform.map(Into::into),
        ..answered("editor", "canary", None)
    };
    rollouts.complaint(1, &[(editor.clone(), "2".into())]);
    rollouts.gate_answered(8, at(206), &goes_on(Some("linux")), Some(&devices(&[1, 2])));
    let now = trial(&rollouts, "editor");
    assert_eq!((now.failed.clone(), now.complained.clone()), (devices(&[20]), devices(&[])));
    assert_eq!((now.went_on(Some("linux")), now.went_on(Some("macos"))), (Some(at(206)), None));
    rollouts.gate_answered(9, at(207), &goes_on(None), None);
    rollouts.gate_answered(10, at(208), &goes_on(None), None);
    let now = trial(&rollouts, "editor");
    assert_eq!(now.failed, devices(&[]));
    assert_eq!((now.went_on(Some("linux")), now.went_on(Some("macos"))), (Some(at(208)), Some(at(208))));
    assert_eq!(now.went_on.len(), 2, "of each the last is kept");
    rollouts.result(&editor, "2", 1, at(210), Some(true));
    assert_eq!(trial(&rollouts, "editor").failed, devices(&[1]));
}

#[test]
fn a_rollout_lets_its_members_go_when_their_ring_opens() {
    let mut rollouts = begun();
    let title = TitleId::new("editor");
    let fast = RingOpened { rollout: "fast".into(), ..opened("editor", "2", "canary", &[3]) };
    rollouts.ring_opened(2, at(50), &fast);
    rollouts.ring_opened(3, at(10), &opened("editor", "1", "canary", &[3]));
    let since = |version, rollout, ring, device, seconds| {
        rollouts.let_go_since((&title, version), (rollout, ring), device, at(seconds))
    };
    assert!(since("2", "standard", "canary", 3, 99) && !since("2", "standard", "canary", 3, 100));
    assert!(since("2", "fast", "canary", 3, 49) && !since("2", "fast", "canary", 3, 50));
    assert!(since("1", "standard", "canary", 3, 9) && !since("1", "standard", "canary", 3, 10));
    assert!(!since("2", "standard", "canary", 30, 0), "it is no member");
    assert!(!since("2", "standard", "early", 3, 0));
    // With a snapshot, what it brings.
    let (rollouts, _) = snapshot();
    let of_curl =
        |seconds| rollouts.let_go_since((&TitleId::new("deb/curl"), "2"), ("standard", "canary"), 3, at(seconds));
    assert!(of_curl(99) && !of_curl(100));
}

#[test]
fn a_rollout_lets_its_members_go_when_a_halt_ends_and_at_no_other_answer() {
    let title = TitleId::new("editor");
    let since = |rollouts: &Rollouts, seconds, device| {
        rollouts.let_go_since((&title, "2"), ("standard", "canary"), device, at(seconds))
    };
    let mut rollouts = begun();
    rollouts.gate_answered(2, at(200), &answered("editor", "canary", Some(GateAnswer::Halt)), None);
    assert!(!since(&rollouts, 150, 3), "a halt lets nobody go");
    rollouts.gate_answered(3, at(300), &answered("editor", "canary", None), None);
    assert!(since(&rollouts, 299, 3) && !since(&rollouts, 300, 3) && !since(&rollouts, 299, 30));
    let elsewhere = GateAnswered { platform: Some("macos".into()), ..answered("editor", "canary", None) };
    rollouts.gate_answered(4, at(400), &elsewhere, None);
    assert!(!since(&rollouts, 300, 3), "it went on where the device is not");
    let other = GateAnswered { version: "1".into(), ..answered("editor", "canary", None) };
    rollouts.gate_answered(5, at(450), &other, None);
    assert!(!since(&rollouts, 300, 3), "that was another release");
    rollouts.gate_answered(6, at(500), &answered("editor", "canary", Some(GateAnswer::Pass)), None);
    assert!(
        !since(&rollouts, 300, 3),
        "what was not halted lets nobody go: the next ring opens by an event of its own"
    );
    rollouts.gate_answered(7, at(600), &answered("editor", "canary", Some(GateAnswer::Halt)), None);
    rollouts.gate_answered(8, at(700), &answered("editor", "early", Some(GateAnswer::Pass)), None);
    assert!(!since(&rollouts, 300, 3), "another gate than the one that halts it");
    rollouts.gate_answered(9, at(800), &answered("editor", "canary", Some(GateAnswer::Pass)), None);
    assert!(since(&rollouts, 799, 3) && !since(&rollouts, 800, 3), "a person let it pass");
}

#[test]
fn who_is_held_by_another_halt_is_not_let_go() {
    let (title, mut rollouts) = (TitleId::new("editor"), begun());
    let since =
        |rollouts: &Rollouts, seconds| rollouts.let_go_since((&title, "2"), ("standard", "canary"), 3, at(seconds));
    let halt = Some(GateAnswer::Halt);
    let everywhere = |answer| GateAnswered { platform: None, ..answered("editor", "canary", answer) };
    rollouts.gate_answered(2, at(200), &answered("editor", "canary", halt), None);
    rollouts.gate_answered(3, at(210), &everywhere(halt), None);
    rollouts.gate_answered(4, at(300), &answered("editor", "canary", None), None);
    assert!(!since(&rollouts, 250), "it is halted everywhere");
    rollouts.gate_answered(5, at(400), &everywhere(None), None);
    assert!(since(&rollouts, 399) && !since(&rollouts, 400));
    // It ends everywhere, and not here.
    rollouts.gate_answered(6, at(500), &everywhere(halt), None);
    rollouts.gate_answered(7, at(510), &answered("editor", "canary", halt), None);
    rollouts.gate_answered(8, at(600), &everywhere(None), None);
    assert!(!since(&rollouts, 450));
    rollouts.gate_answered(9, at(700), &answered("editor", "canary", None), None);
    assert!(since(&rollouts, 699));
}

#[test]
fn a_halt_of_another_release_or_on_another_platform_that_ends_lets_nobody_go() {
    let title = TitleId::new("editor");
    let mut rollouts = begun();
    let release = |answer| GateAnswered { version: "1".into(), ..answered("editor", "canary", answer) };
    let platform = |answer| GateAnswered { platform: Some("macos".into()), ..answered("editor", "canary", answer) };
    rollouts.gate_answered(2, at(200), &release(Some(GateAnswer::Halt)), None);
    rollouts.gate_answered(3, at(210), &release(None), None);
    rollouts.gate_answered(4, at(220), &platform(Some(GateAnswer::Halt)), None);
    rollouts.gate_answered(5, at(230), &platform(None), None);
    assert!(!rollouts.let_go_since((&title, "2"), ("standard", "canary"), 3, at(150)));
}

#[test]
fn a_halt_that_one_rollout_found_ends_by_what_is_said_of_that_rollout_or_of_all() {
    let title = TitleId::new("editor");
    let of = |rollout: Option<&str>, answer: Option<GateAnswer>| GateAnswered {
        rollout: rollout.map(Into::into),
        ..answered("editor", "canary", answer)
    };
    // When a member was let go after all of that was said, one every ten seconds from second 200 on.
    let let_go = |all: &[(Option<&str>, Option<GateAnswer>)]| {
        let mut rollouts = begun();
        for (number, (rollout, answer)) in (0..).zip(all) {
            rollouts.gate_answered(number + 2, at(200 + 10 * number.cast_signed()), &of(*rollout, *answer), None);
        }
        let since = |at| rollouts.let_go_since((&title, "2"), ("standard", "canary"), 3, at);
        (200..300).rev().find(|second| since(at(second - 1)))
    };
    let (standard, fast, halt) = (Some("standard"), Some("fast"), Some(GateAnswer::Halt));
    assert_eq!(let_go(&[(standard, halt), (standard, None)]), Some(210));
    assert_eq!(let_go(&[(standard, halt), (None, None)]), Some(210));
    assert_eq!(let_go(&[(standard, halt), (fast, None)]), None);
    assert_eq!(let_go(&[(None, halt), (standard, None)]), None);
    // Whichever halted it, it goes on when the last has ended.
    assert_eq!(let_go(&[(standard, halt), (fast, halt), (standard, None)]), None);
    assert_eq!(let_go(&[(standard, halt), (fast, halt), (standard, None), (fast, None)]), Some(230));
    assert_eq!(let_go(&[(standard, halt), (fast, halt), (None, None)]), Some(220));
}
