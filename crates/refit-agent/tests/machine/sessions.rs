//! What the machine does when all is as it should be: windows, notices, deferrals, failures, check-ins.

use crate::rig::*;
use refit_agent::machine::{Complaint, Failure, Input, PersonSaid, Telling};
use refit_model::TitleId;
use refit_wire::lease::Brake;
use refit_wire::mandate::check::Step;
use refit_wire::protocol::{Report, ReportAnswer, ReportOutcome, Want};
use refit_wire::state::{
    Action, AfterDue, Busy, DeferTerms, Package, RelaunchTerms, Releases, RestartMode, Span, System, WindowTerms,
    Withheld,
};
use std::time::Duration;

/// A rig whose terms for distribution packages were changed, and whose state upgrades curl.
fn curl(change: impl FnOnce(&mut refit_wire::state::Terms), by: Option<&str>) -> Rig {
    let mut rig = Rig::new();
    change(&mut rig.state.terms[1]);
    let mut directive = deb("curl", "8.1-1");
    directive.due = by.map(at);
    directive.grace_seconds = 4 * 3_600;
    rig.publish([directive]);
    rig
}

#[test]
fn a_window_is_waited_for_and_yields_at_the_due_time() {
    let window = |after_due| WindowTerms { rrule: "FREQ=DAILY;BYHOUR=19".into(), lasts_seconds: 36_000, after_due };
    let mut rig = curl(|terms| terms.window = Some(window(AfterDue::Run)), None);
    rig.check_in();
    assert_eq!(rig.standing(), ["curl 8.1-1: Window"]);
    assert!(rig.wake <= Duration::from_secs(330), "it checks in meanwhile");
    rig.hours(8);
    assert_eq!(rig.version("curl"), "8.1-1");
    let mut rig = curl(|terms| terms.window = Some(window(AfterDue::Run)), Some("2026-11-25T13:00:00Z"));
    rig.hours(2);
    assert_eq!(rig.version("curl"), "8.1-1");
    let mut rig = curl(|terms| terms.window = Some(window(AfterDue::Wait)), Some("2026-11-25T13:00:00Z"));
    rig.hours(2);
    assert_eq!(rig.standing(), ["curl 8.1-1: Window"]);
}

#[test]
fn a_freeze_beats_a_due_time() {
    let span = Span { from: at("2026-11-25T00:00:00Z"), to: at("2026-11-26T00:00:00Z") };
    let mut rig = curl(|terms| terms.freezes = vec![span], Some("2026-11-25T13:00:00Z"));
    rig.hours(11);
    assert_eq!(rig.standing(), ["curl 8.1-1: Freeze"]);
    rig.hours(2);
    assert_eq!(rig.version("curl"), "8.1-1");
}

#[test]
fn grace_after_an_absence_is_counted_in_use() {
    let mut rig = curl(|_| {}, None);
    rig.server.unreachable = true;
    rig.check_in();
    // Five days asleep, in which the change became due.
    rig.wall = at("2026-11-30T12:00:00Z");
    rig.monotonic += Duration::from_secs(5 * 86_400);
    rig.state.directives[0].due = Some(at("2026-11-28T00:00:00Z"));
    rig.state.sequence += 1;
    rig.server.unreachable = false;
    rig.pass(Duration::from_secs(1));
    rig.check_in();
    assert_eq!(rig.standing(), ["curl 8.1-1: Grace"]);
    rig.presence.in_use = false;
    rig.hours(10);
    assert_eq!(rig.standing(), ["curl 8.1-1: Grace"], "lying in a bag is no use");
    rig.presence.in_use = true;
    rig.hours(5);
    assert_eq!(rig.version("curl"), "8.1-1");
}

#[test]
fn a_person_is_told_and_may_put_it_off_as_often_as_is_allowed() {
    let defer = DeferTerms { times: 2, for_seconds: 8 * 3_600 };
    let mut rig = curl(
        |terms| {
            terms.notify_seconds = 3_600;
            terms.defer = Some(defer);
        },
        Some("2026-11-30T00:00:00Z"),
    );
    rig.presence.attended = true;
    rig.pass(Duration::from_secs(1));
    rig.check_in();
    let Some(Telling::Notice { deferrals_left: 2, items, .. }) = rig.told.first() else { panic!("{:?}", rig.told) };
    assert_eq!((items[0].title.as_str(), items[0].version.as_deref()), ("deb/curl", Some("8.1-1")));
    for _ in 0..2 {
        rig.step(Input::Person(PersonSaid::Later));
        rig.hours(7);
        assert_eq!(rig.standing(), ["curl 8.1-1: Deferral"]);
        rig.pass(Duration::from_secs(3_590));
    }
    // It is used up.
    rig.step(Input::Person(PersonSaid::Later));
    rig.hours(2);
    assert_eq!(rig.version("curl"), "8.1-1");
}

#[test]
fn a_person_may_say_now() {
    let mut rig = curl(|terms| terms.notify_seconds = 86_400, None);
    rig.presence.attended = true;
    rig.pass(Duration::from_secs(1));
    rig.check_in();
    assert_eq!(rig.standing(), ["curl 8.1-1: Notice"]);
    rig.step(Input::Person(PersonSaid::Now));
    assert_eq!(rig.version("curl"), "8.1-1");
}

#[test]
fn a_due_time_beats_a_deferral() {
    let mut rig = curl(
        |terms| {
            terms.notify_seconds = 600;
            terms.defer = Some(DeferTerms { times: 9, for_seconds: 86_400 });
        },
        Some("2026-11-25T14:00:00Z"),
    );
    rig.presence.attended = true;
    rig.pass(Duration::from_secs(1));
    rig.check_in();
    rig.step(Input::Person(PersonSaid::Later));
    rig.hours(1);
    assert_eq!(rig.standing(), ["curl 8.1-1: Deferral"]);
    rig.hours(2);
    assert_eq!(rig.version("curl"), "8.1-1");
}

#[test]
fn a_call_is_respected_until_some_time_after_the_due_time() {
    let relaunch = RelaunchTerms { mode: RestartMode::AtDue, not_while: vec![Busy::Call], wait_seconds: 3_600 };
    let mut rig = curl(|terms| terms.relaunch = relaunch, Some("2026-11-25T13:00:00Z"));
    rig.presence.busy = [Busy::Call].into();
    rig.presence.attended = true;
    rig.pass(Duration::from_secs(1));
    rig.check_in();
    assert_eq!(rig.standing(), ["curl 8.1-1: Busy"]);
    rig.hours(1);
    assert_eq!(rig.version("curl"), "8.0-1");
    rig.hours(2);
    assert_eq!(rig.version("curl"), "8.1-1");
}

#[test]
fn the_kill_switch_stops_what_has_not_begun_and_is_acknowledged() {
    let mut rig = curl(|_| {}, None);
    rig.brake = Some(Brake { since: rig.wall, why: "something is wrong".into() });
    rig.check_in();
    rig.check_in();
    assert_eq!(rig.standing(), ["curl 8.1-1: KillSwitch"]);
    assert!(rig.check_ins.last().unwrap().holds.stopped);
    // It outlives the agent, and what an older lease said.
    rig.restart_agent();
    assert_eq!(rig.version("curl"), "8.0-1");
    rig.brake = None;
    rig.check_in();
    assert_eq!(rig.version("curl"), "8.1-1");
}

#[test]
fn nothing_begins_without_a_fresh_lease() {
    let mut rig = Rig::new();
    rig.check_in();
    rig.publish([deb("curl", "8.1-1")]);
    rig.server.unreachable = true;
    rig.hours(3);
    rig.restart_agent();
    rig.hours(1);
    assert_eq!(rig.version("curl"), "8.0-1");
    rig.server.unreachable = false;
    rig.hours(1);
    assert_eq!(rig.version("curl"), "8.1-1");
}

#[test]
fn a_failure_is_reported_with_its_output_and_tried_again_later() {
    let mut rig = Rig::with([deb("curl", "8.1-1"), deb("openssl", "3.1-1")]);
    rig.failing.insert("curl".into());
    rig.check_in();
    rig.check_in();
    assert_eq!(rig.receipts(), ["curl 8.1-1: Failed", "openssl 3.1-1: Succeeded"]);
    let receipts: Vec<_> = rig.check_ins.iter().flat_map(|check_in| &check_in.receipts).collect();
    assert_eq!(receipts[0].output, "the script failed");
    assert_eq!(rig.standing(), ["curl 8.1-1: PackageManager"]);
    rig.failing.clear();
    rig.hours(2);
    assert_eq!(rig.version("curl"), "8.1-1");
}

/// What `refit-agent once` answers with 1: what went wrong now, or is not done because of it. Not what is only remembered.
#[test]
fn the_answer_is_no_while_something_is_wrong_and_not_once_it_has_passed() {
    let is_no = |rig: &Rig| rig.machine.status(rig.clock()).is_no();
    let mut rig = Rig::with([deb("curl", "8.1-1"), deb("openssl", "3.1-1")]);
    rig.failing.insert("curl".into());
    rig.check_in();
    assert!(is_no(&rig), "a package has failed");
    rig.check_in();
    assert!(is_no(&rig), "it is not tried again yet, and not done");
    rig.failing.clear();
    rig.hours(2);
    rig.check_in();
    assert!(!is_no(&rig));

    rig.faults = vec!["http://mirror.example: no answer".into()];
    rig.check_in();
    assert!(is_no(&rig), "a package source is not in order");
    rig.faults.clear();
    rig.check_in();
    assert!(!is_no(&rig) && !rig.machine.status(rig.clock()).problems.is_empty(), "it is remembered for a day");

    rig.publish([directive("x", "evil-tool", upgrade("google-chrome-stable", "131.0-1"))]);
    rig.check_in();
    assert!(is_no(&rig), "the mandate does not permit it");
    rig.publish([]);
    rig.check_in();
    assert!(!is_no(&rig));
    // To wait for one's time is as it should be.
    rig.state.terms[0].freezes = vec![Span { from: rig.wall, to: at("2026-12-01T00:00:00Z") }];
    rig.publish([chrome("131.0-1")]);
    rig.check_in();
    assert_eq!(rig.standing(), ["chrome 131.0-1: Freeze"]);
    assert!(!is_no(&rig));
}

/// A package whose script refuses to let it go is there still, and has no version that is well.
#[test]
fn a_removal_that_fails_has_failed() {
    let mut rig = Rig::new();
    rig.sign_mandate(|mandate| {
        let permit = mandate.titles.get_mut(&TitleId::new("google-chrome")).unwrap();
        permit.verbs.insert(refit_wire::mandate::Verb::Remove);
    });
    rig.failing.insert("google-chrome-stable".into());
    rig.publish([directive("gone", "google-chrome", Action::Remove(name("google-chrome-stable")))]);
    rig.check_in();
    rig.check_in();
    assert_eq!((rig.receipts(), rig.version("google-chrome-stable")), (vec!["gone: Failed".to_owned()], "130.0-1"));
    rig.failing.clear();
    rig.hours(2);
    rig.check_in();
    assert_eq!(rig.receipts(), ["gone: Failed", "gone: Succeeded"]);
}

#[test]
fn what_the_package_manager_refuses_does_not_hold_up_the_rest() {
    let mut rig = Rig::with([deb("curl", "8.1-1"), deb("openssl", "3.1-1"), chrome("131.0-1")]);
    rig.refusing.insert("openssl".into(), false);
    rig.check_in();
    assert_eq!((rig.version("curl"), rig.version("google-chrome-stable")), ("8.1-1", "131.0-1"));
    assert_eq!(rig.applied.len(), 1);
    rig.check_in();
    assert_reported(&rig, "package_manager", "openssl can't be changed");
}

#[test]
fn between_a_new_mandate_and_its_state_nothing_is_wrong() {
    let mut rig = Rig::with([]);
    rig.check_in();
    rig.sign_mandate(|_| {});
    rig.publish([deb("curl", "8.1-1")]);
    rig.check_in();
    assert_eq!((rig.version("curl"), rig.machine.status(rig.clock()).problems), ("8.1-1", Vec::new()));
    // Where the state never comes, it is told.
    rig.sign_mandate(|_| {});
    rig.server.state = Some(Err(Failure::NotFound));
    rig.check_in();
    rig.check_in();
    assert_reported(&rig, "mixed", "state and mandate do not belong together");
}

#[test]
fn what_the_server_no_longer_names_is_not_begun_though_what_it_names_does_not_come() {
    let mut rig = curl(|terms| terms.notify_seconds = 86_400, None);
    rig.presence.attended = true;
    rig.pass(Duration::from_secs(1));
    rig.check_in();
    assert_eq!(rig.standing(), ["curl 8.1-1: Notice"]);
    // The release is halted, and the state that says so is lost on the way.
    rig.publish([]);
    rig.server.state = Some(Err(Failure::NotFound));
    rig.check_in();
    rig.step(Input::Person(PersonSaid::Now));
    assert_eq!(rig.version("curl"), "8.0-1");
    rig.server.state = None;
    rig.check_in();
    rig.step(Input::Person(PersonSaid::Now));
    assert_eq!((rig.version("curl"), rig.standing()), ("8.0-1", Vec::new()));
}

/// A block, a `hold_at`, a halt: decision 0038.
#[test]
fn what_is_kept_back_comes_with_nothing_else() {
    let brings = |releases: Releases| {
        let mut rig = Rig::with([deb("curl", "8.1-1"), deb("openssl", "3.1-1")]);
        let library = Step {
            package: name("libc6"),
            before: Some("2.36-1".into()),
            after: Some("2.37-1".into()),
            keys: [DEBIAN.into()].into(),
        };
        rig.besides.push(("curl".into(), library));
        rig.state.withheld = vec![Withheld { package: name("libc6"), releases }];
        rig.check_in();
        rig
    };
    let refuse = [">=2.37", "=2.37-1", "no range"].map(|range| Releases::Not(range.into()));
    for releases in refuse.into_iter().chain([Releases::Only("<2.37".into()), Releases::Only("no range".into())]) {
        let mut rig = brings(releases);
        assert_eq!((rig.version("curl"), rig.version("libc6"), rig.version("openssl")), ("8.0-1", "2.36-1", "3.1-1"));
        rig.check_in();
        assert_reported(&rig, "withheld", "libc6 2.37-1 would be brought along, and the policy keeps it back here");
        assert_eq!(rig.standing(), ["curl 8.1-1: Held"]);
        // The next state lets it go, and nobody waits for the hour in which it would be tried again.
        rig.state.withheld.clear();
        rig.state.sequence += 1;
        rig.check_in();
        assert_eq!((rig.version("curl"), rig.version("libc6")), ("8.1-1", "2.37-1"));
    }
    for releases in [Releases::Not(">=2.38".into()), Releases::Only("<2.38".into())] {
        assert_eq!(brings(releases).version("libc6"), "2.37-1");
    }
}

#[test]
fn a_package_manager_that_is_busy_is_left_alone_for_a_while() {
    let mut rig = Rig::with([deb("curl", "8.1-1")]);
    rig.refusing.insert("curl".into(), true);
    rig.check_in();
    assert_eq!(rig.version("curl"), "8.0-1");
    rig.refusing.clear();
    rig.pass(Duration::from_secs(200));
    assert_eq!(rig.version("curl"), "8.0-1");
    rig.pass(Duration::from_secs(200));
    assert_eq!(rig.version("curl"), "8.1-1");
}

#[test]
fn a_consequence_that_is_permitted_is_made() {
    let mut rig = Rig::with([deb("curl", "8.1-1")]);
    rig.besides.push((
        "curl".into(),
        Step {
            package: name("libc6"),
            before: Some("2.36-1".into()),
            after: Some("2.37-1".into()),
            keys: [DEBIAN.into()].into(),
        },
    ));
    rig.check_in();
    assert_eq!((rig.version("curl"), rig.version("libc6")), ("8.1-1", "2.37-1"));
}

#[test]
fn a_named_downgrade_goes_below_what_has_run_and_what_follows_counts_from_there() {
    let mut rig = Rig::with([chrome("131.0-1")]);
    rig.check_in();
    rig.sign_mandate(|mandate| {
        let permit = mandate.titles.get_mut(&TitleId::new("google-chrome")).unwrap();
        permit.verbs.insert(refit_wire::mandate::Verb::Downgrade);
    });
    rig.offers.push(("google-chrome-stable".into(), "130.0-2".into(), GOOGLE.into()));
    rig.offers.push(("google-chrome-stable".into(), "130.0-3".into(), GOOGLE.into()));
    let package = |version: &str, downgrade| {
        Action::Upgrade(Package {
            system: System::Deb,
            name: "google-chrome-stable".into(),
            version: version.into(),
            downgrade,
        })
    };
    rig.publish([directive("back", "google-chrome", package("130.0-2", true))]);
    rig.check_in();
    assert_eq!(rig.version("google-chrome-stable"), "130.0-2");
    rig.publish([directive("on", "google-chrome", package("130.0-3", false))]);
    rig.check_in();
    assert_eq!(rig.version("google-chrome-stable"), "130.0-3");
}

#[test]
fn only_changes_are_told_and_nothing_twice() {
    let mut rig = Rig::new();
    assert!(matches!(rig.check_ins[0].report, Report::All { .. }));
    rig.check_in();
    assert!(matches!(rig.check_ins.last().unwrap().report, Report::Same { .. }));
    rig.packages.insert("jq".into(), "1.7".into());
    rig.check_in();
    let Report::Changes { present, .. } = &rig.check_ins.last().unwrap().report else { panic!() };
    assert_eq!(present.len(), 1);
    // After a start nothing has to be told that has not changed.
    rig.restart_agent();
    assert!(matches!(rig.check_ins.last().unwrap().report, Report::Same { .. }));
    rig.server.want = Some(Want::All);
    rig.check_in();
    rig.server.want = None;
    rig.check_in();
    assert!(matches!(rig.check_ins.last().unwrap().report, Report::All { .. }));
}

#[test]
fn offers_are_told_when_they_differ_and_again_to_a_server_that_was_restored() {
    let mut rig = Rig::new();
    let told = |rig: &Rig| match &rig.check_ins.last().unwrap().report {
        Report::Same { .. } => None,
        Report::Changes { universe, .. } => universe.as_ref().map(|universe| universe.offers.len()),
        Report::All { inventory } => Some(inventory.universe.offers.len()),
    };
    let release = |version: &str| {
        serde_json::from_value(serde_json::json!({
            "title": "deb/curl", "version": version, "published": "2026-11-01T00:00:00Z"
        }))
        .unwrap()
    };
    rig.universe.push(release("8.1-1"));
    rig.check_in();
    assert_eq!(told(&rig), Some(1));
    rig.check_in();
    assert_eq!(told(&rig), None);
    // An archive that was signed anew offers the same.
    rig.universe[0].published = at("2026-11-20T00:00:00Z");
    rig.restart_agent();
    assert_eq!(told(&rig), None);
    rig.universe.push(release("8.2-1"));
    rig.check_in();
    assert_eq!(told(&rig), Some(2));
    rig.check_in();
    assert_eq!(told(&rig), None);
    // A backup knows less.
    rig.epoch = 2;
    rig.state.epoch = 2;
    rig.check_in();
    rig.check_in();
    assert_eq!(told(&rig), Some(2));
    // A server that asks for them again and again gets them, and not at once each time.
    rig.server.want = Some(Want::Offers);
    let before = rig.check_ins.len();
    rig.check_in();
    assert!(rig.check_ins.len() <= before + 2, "{}", rig.check_ins.len() - before);
}

#[test]
fn a_complaint_is_sent_at_once() {
    let mut rig = Rig::new();
    let complaint = Complaint { title: None, text: "x".repeat(1_000) };
    rig.step(Input::Person(PersonSaid::Complains(complaint)));
    let sent = &rig.check_ins.last().unwrap().complaints;
    assert_eq!((sent.len(), sent[0].text.len()), (1, 500));
}

#[test]
fn an_answer_to_what_was_said_here_is_shown_once_and_to_somebody() {
    let mut rig = Rig::new();
    rig.presence.attended = false;
    rig.step(Input::Person(PersonSaid::Complains(Complaint { title: Some("curl".into()), text: "broken".into() })));
    let complaint = rig.check_ins.last().unwrap().complaints[0].clone();
    let answer = |complaint: &str, outcome| ReportAnswer { complaint: complaint.into(), outcome };
    // Nobody said the one, and the other is of a newer server.
    rig.server.answers = vec![answer("nobody's", ReportOutcome::Fix), answer(&complaint.id, ReportOutcome::Other)];
    rig.check_in();
    rig.server.answers = vec![answer(&complaint.id, ReportOutcome::Block)];
    rig.check_in();
    assert_eq!(rig.told, [], "nobody is there to read it");
    assert!(rig.check_ins.iter().all(|check_in| check_in.answered.is_empty()));
    rig.presence.attended = true;
    rig.check_in();
    let told = Telling::Answer { title: Some("curl".into()), said: complaint.at, outcome: ReportOutcome::Block };
    assert_eq!(rig.told, std::slice::from_ref(&told));
    rig.check_in();
    assert_eq!(rig.check_ins.last().unwrap().answered, std::slice::from_ref(&complaint.id));
    // Once the server names it no more, it is forgotten; and it is not shown again.
    rig.server.answers.clear();
    rig.check_in();
    rig.check_in();
    assert!(rig.check_ins.last().unwrap().answered.is_empty());
    assert_eq!(rig.told, [told]);
}

#[test]
fn a_server_that_is_not_there_is_asked_less_and_less() {
    let mut rig = Rig::new();
    rig.server.unreachable = true;
    rig.check_in();
    let first = rig.wake;
    for _ in 0..12 {
        let wait = rig.wake;
        rig.pass(wait);
    }
    assert!(first <= Duration::from_secs(31), "{first:?}");
    assert!(rig.wake >= Duration::from_secs(1_800), "{:?}", rig.wake);
    assert!(rig.wake <= Duration::from_secs(3_600), "{:?}", rig.wake);
}
