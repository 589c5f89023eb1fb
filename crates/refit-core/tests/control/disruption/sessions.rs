//! What a session takes along, what it leaves out, and when it gives way.

use super::{Fleet, POLICY, UPGRADE, stands, step};
use crate::shell::entry;
use jiff::SignedDuration;
use refit_core::control::{Input, Installs, LeaseStep, Observation, ReceiptResult, disruption};
use refit_model::DeviceId;
use refit_wire::protocol::{Standing, WaitsFor};
use std::collections::BTreeMap;

/// A second package, whose policy never lets two of a site be away, and a third that no group limits.
const TWO: &str = "---
policy: others
software: [deb/other]
deadline: [{ within: 7d }]
disruption: { group_by: device.site, max_unavailable: 1, settle: 10m }
---
policy: free
software: [deb/free]
deadline: [{ within: 7d }]
";

#[test]
fn a_session_takes_along_what_comes_later_and_leaves_out_what_has_no_room() {
    let devices = [("db-1", Some("db")), ("web-1", Some("web")), ("web-2", Some("web"))];
    let mut fleet = Fleet::new(&devices, &format!("{POLICY}{TWO}"));
    fleet.shell.release("deb/other", "1.0");
    fleet.has_both("db-1", "db", "berlin", "1.0", "1.0");
    fleet.has_both("web-1", "web", "berlin", "2.0", "1.0");
    fleet.has_both("web-2", "web", "paris", "2.0", "1.0");
    assert_eq!(fleet.check_in("db-1"), [UPGRADE]);
    assert_eq!(step(&fleet, "db-1"), None, "it has what it wants");
    fleet.shell.release("deb/other", "2.0");
    fleet.shell.settle();
    // Of its own cluster it has the lease already: it asks for the site alone.
    let Some(LeaseStep::Take(wishes)) = step(&fleet, "db-1") else { panic!("{:?}", step(&fleet, "db-1")) };
    let groups: Vec<&str> = wishes.iter().map(|wish| wish.place.group.value.as_str()).collect();
    assert_eq!(groups, ["berlin"]);
    assert_eq!(fleet.check_in("db-1"), ["upgrade deb/other 2.0", UPGRADE]);
    assert!(fleet.check_in("web-1").is_empty(), "the site is taken");
    assert_eq!(fleet.check_in("web-2"), ["upgrade deb/other 2.0"]);

    // Who finds one of its groups taken goes on with the other.
    let mut fleet = Fleet::new(&devices, &format!("{POLICY}{TWO}"));
    fleet.shell.release("deb/other", "1.0");
    fleet.shell.release("deb/other", "2.0");
    fleet.has_both("web-1", "web", "berlin", "2.0", "1.0");
    fleet.has_both("db-1", "db", "berlin", "1.0", "1.0");
    assert_eq!(fleet.check_in("web-1"), ["upgrade deb/other 2.0"]);
    assert_eq!(fleet.check_in("db-1"), [UPGRADE]);
}

#[test]
fn what_no_group_limits_keeps_no_lease() {
    let mut fleet = Fleet::new(&[("db-1", Some("db"))], &format!("{POLICY}{TWO}"));
    assert_eq!(fleet.check_in("db-1"), [UPGRADE]);
    fleet.shell.release("deb/free", "1.0");
    fleet.shell.release("deb/free", "2.0");
    fleet.shell.tell(Input::Observe(Observation {
        device: DeviceId::new("db-1"),
        source: "agent".into(),
        observed: fleet.shell.now,
        facts: BTreeMap::new(),
        installs: Some(Installs::All(vec![entry("deb/server", "2.0"), entry("deb/free", "1.0")])),
        universe: None,
        check_in: None,
    }));
    fleet.shell.settle();
    fleet.receipt("db-1", ReceiptResult::Succeeded, "2.0");
    let notice = |directive: &str| {
        let directive = directive.into();
        [Standing { directive, waits_for: WaitsFor::Notice, until: None }]
    };
    assert_eq!(fleet.check_in_standing("db-1", &notice(UPGRADE), true).len(), 1);
    assert_eq!(fleet.phase("db-1"), Some("session"), "a person was told of what the lease is for");
    fleet.check_in_standing("db-1", &notice("upgrade deb/free 2.0"), true);
    assert_eq!(fleet.phase("db-1"), Some("settling"));
}

#[test]
fn nothing_is_taken_while_everything_is_stopped() {
    let mut fleet = Fleet::new(&[("db-1", Some("db"))], POLICY);
    fleet.shell.tell(Input::Stop { why: "it burns".into() });
    assert_eq!(step(&fleet, "db-1"), None);
    fleet.shell.tell(Input::GoOn { why: "mended".into() });
    assert!(matches!(step(&fleet, "db-1"), Some(LeaseStep::Take(_))));
}

#[test]
fn whoever_has_a_lease_and_falls_silent_is_away_once() {
    let policy = POLICY.replace("max_unavailable: 1", "max_unavailable: 2");
    let mut fleet = Fleet::new(&[("db-1", Some("db")), ("db-2", Some("db")), ("db-3", Some("db"))], &policy);
    fleet.check_in("db-1");
    for _ in 0..10 {
        fleet.minutes(60);
        let index = fleet.shell.state.device(&"db-3".into()).unwrap().index;
        fleet.shell.state.note_seen(index, fleet.shell.now);
    }
    assert_eq!(fleet.check_in("db-2"), [UPGRADE], "db-1 is one of two");
    assert!(fleet.check_in("db-3").is_empty());
}

#[test]
fn the_devices_that_a_group_may_hold_are_found() {
    let fleet = Fleet::new(&[("db-1", Some("db")), ("db-2", Some("db")), ("lone", Some(""))], POLICY);
    let index = |device: &str| fleet.shell.state.device(&device.into()).unwrap().index;
    let found: Vec<u32> = fleet.shell.state.disrupted_devices().iter().collect();
    assert!(found.contains(&index("db-1")) && found.contains(&index("db-2")), "{found:?}");
    let mut done = fleet;
    done.has("db-2", Some("db"), "2.0");
    done.shell.settle();
    let index = done.shell.state.device(&"db-2".into()).unwrap().index;
    assert!(!done.shell.state.disrupted_devices().contains(index), "nothing is left to do there");
}

#[test]
fn a_session_that_can_do_nothing_now_gives_way_and_rests() {
    let mut fleet = Fleet::new(&[("db-1", Some("db")), ("db-2", Some("db"))], POLICY);
    fleet.check_in("db-1");
    let later = fleet.shell.now.checked_add(SignedDuration::from_hours(2)).unwrap();
    fleet.check_in_standing("db-1", &stands(WaitsFor::Nothing, None), true);
    assert_eq!(fleet.phase("db-1"), Some("session"));
    // Who was told of it has begun.
    fleet.check_in_standing("db-1", &stands(WaitsFor::Notice, None), true);
    assert_eq!(fleet.phase("db-1"), Some("session"));
    fleet.check_in_standing("db-1", &stands(WaitsFor::MandateTime, Some(later)), true);
    assert_eq!(fleet.phase("db-1"), Some("settling"));
    fleet.check_in("db-1");
    assert_eq!(fleet.phase("db-1"), None, "nothing was changed, and nothing has to settle");
    let again = |fleet: &Fleet| {
        let record = fleet.shell.state.device(&"db-1".into()).unwrap();
        disruption::again(&fleet.shell.state, record, None, fleet.shell.now).unwrap().as_secs()
    };
    assert_eq!(again(&fleet), 7_200, "it comes again when it may do something");
    assert!(fleet.check_in("db-1").is_empty());
    let now = std::mem::replace(&mut fleet.shell.now, later);
    assert_eq!(again(&fleet), 300, "from then on it waits for others");
    assert!(step(&fleet, "db-1").is_some(), "and asks");
    fleet.shell.now = now;
    assert_eq!(fleet.check_in("db-2"), [UPGRADE]);
    fleet.minutes(121);
    fleet.has("db-2", Some("db"), "2.0");
    fleet.receipt("db-2", ReceiptResult::Succeeded, "2.0");
    fleet.check_in("db-2");
    fleet.minutes(30);
    fleet.check_in("db-2");
    assert_eq!(fleet.check_in("db-1"), [UPGRADE]);
}

#[test]
fn a_change_in_a_shut_window_asks_for_no_lease() {
    let windows = "defaults: { mode: enforce }\nwindows: { night: { rrule: \"FREQ=DAILY;BYHOUR=22\", lasts: 2h } }";
    let policy = format!("{}window: night\n", POLICY.replace("defaults: { mode: enforce }", windows));
    let mut fleet = Fleet::new(&[("db-1", Some("db")), ("db-2", Some("db"))], &policy);
    assert!(fleet.check_in("db-1").is_empty());
    assert_eq!(fleet.phase("db-1"), None);
    let record = fleet.shell.state.device(&"db-1".into()).unwrap();
    // It comes again when the window opens.
    let again = disruption::again(&fleet.shell.state, record, None, fleet.shell.now).unwrap();
    assert_eq!(again.as_secs(), 22 * 3_600);
    for _ in 0..22 {
        fleet.minutes(60);
        fleet.check_in("db-2");
    }
    assert_eq!(fleet.check_in("db-1").len(), 1);
    // The window shuts, and nothing was done.
    fleet.minutes(121);
    fleet.check_in("db-1");
    fleet.check_in("db-1");
    assert_eq!(fleet.phase("db-1"), None);
}
