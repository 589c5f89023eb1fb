//! What time it is, and what may not happen yet.

use crate::rig::*;
use jiff::SignedDuration;
use refit_agent::machine::Input;
use refit_model::TitleId;
use refit_wire::mandate::Expedited;
use refit_wire::protocol::WaitsFor;
use refit_wire::state::{AfterDue, WindowTerms};
use std::time::Duration;

#[test]
fn lying_about_the_time_stops_the_device_and_nothing_else() {
    let lies =
        [("2026-11-25T13:00:00Z", "clock"), ("2027-11-25T13:00:00Z", "clock"), ("2026-11-25T11:00:00Z", "rollback")];
    for (lie, code) in lies {
        let mut rig = Rig::with([chrome("131.0-1")]);
        rig.server.lease_issued = Some(at(lie));
        assert_refused(&mut rig, code, "");
        // It does not outlast the lie: the newest signed time went up by ten minutes at the most.
        rig.server.lease_issued = None;
        rig.pass(Duration::from_secs(900));
        rig.check_in();
        assert_eq!(rig.version("google-chrome-stable"), "131.0-1", "{lie}");
    }
}

#[test]
fn a_wrong_clock_of_the_device_means_report_and_not_act() {
    let mut rig = Rig::with([chrome("131.0-1")]);
    let server_time = rig.wall;
    rig.wall = at("2026-12-20T00:00:00Z");
    rig.server.lease_issued = Some(server_time);
    assert_refused(&mut rig, "clock", "the clock was set");
    rig.restart_agent();
    assert_refused(&mut rig, "clock", "the clock");
    assert_eq!(rig.machine.status(rig.clock()).waits_for, Some(WaitsFor::Lease));
}

#[test]
fn a_clock_that_is_set_while_the_agent_runs_is_noticed() {
    let mut rig = Rig::new();
    rig.check_in();
    rig.server.unreachable = true;
    rig.wall = rig.wall.checked_add(SignedDuration::from_mins(30)).unwrap();
    rig.step(Input::Woken);
    assert!(rig.logged.iter().any(|line| line.starts_with("clock: the clock was set")), "{:?}", rig.logged);
}

/// A clock that was a year behind when a version came would make it a year old, and the rings would not wait for it.
#[test]
fn a_clock_that_was_behind_makes_no_version_old() {
    let mut rig = Rig::new();
    rig.sign_mandate(|mandate| {
        mandate.rollouts.get_mut("standard").unwrap()[0].members = Some(["other".into()].into());
    });
    rig.check_in();
    let right = rig.wall;
    rig.wall = at("2025-11-25T12:00:00Z");
    rig.server.lease_issued = Some(right);
    rig.offers = vec![("google-chrome-stable".into(), "132.0-1".into(), GOOGLE.into())];
    rig.check_in();
    rig.wall = right;
    rig.server.lease_issued = None;
    rig.publish([chrome("132.0-1")]);
    rig.restart_agent();
    rig.check_in();
    rig.check_in();
    assert_eq!((rig.applied.len(), rig.standing()), (0, vec!["chrome 132.0-1: MandateTime".to_owned()]));
    rig.hours(25);
    assert_eq!(rig.version("google-chrome-stable"), "132.0-1");
}

/// One that was a year ahead keeps none back for a year.
#[test]
fn a_clock_that_was_ahead_delays_nothing_once_it_is_right() {
    let mut rig = Rig::new();
    rig.check_in();
    let right = rig.wall;
    rig.wall = at("2027-11-25T12:00:00Z");
    rig.server.lease_issued = Some(right);
    rig.offers.push(("curl".into(), "8.3-1".into(), DEBIAN.into()));
    rig.check_in();
    rig.wall = right;
    rig.server.lease_issued = None;
    rig.publish([deb("curl", "8.3-1")]);
    rig.restart_agent();
    rig.check_in();
    rig.pass(Duration::from_secs(60));
    rig.check_in();
    rig.check_in();
    assert_eq!(rig.version("curl"), "8.3-1", "{:?} {:?}", rig.standing(), rig.reported());
}

#[test]
fn an_earlier_ring_than_the_devices_own_does_not_help() {
    let mut rig = Rig::new();
    rig.sign_mandate(|mandate| {
        mandate.rollouts.get_mut("standard").unwrap()[0].members = Some(["other".into()].into());
    });
    rig.state.terms[0].ring = Some("canary".into());
    rig.state.terms[0].rollout = Some("fast".into());
    rig.publish([chrome("131.0-1")]);
    rig.check_in();
    rig.check_in();
    assert_eq!((rig.applied.len(), rig.standing()), (0, vec!["chrome 131.0-1: MandateTime".to_owned()]));
    rig.hours(23);
    assert_eq!(rig.version("google-chrome-stable"), "130.0-1");
    rig.hours(2);
    assert_eq!(rig.version("google-chrome-stable"), "131.0-1");
    let waited = rig.check_ins.iter().flat_map(|check_in| &check_in.standing);
    assert!(waited.filter(|standing| standing.until.is_some()).count() > 0, "the server is told until when");
}

#[test]
fn only_a_policy_key_expedites() {
    let mut rig = Rig::new();
    rig.sign_mandate(|mandate| {
        mandate.rollouts.get_mut("standard").unwrap()[0].members = Some(["other".into()].into());
    });
    rig.publish([chrome("131.0-1")]);
    rig.check_in();
    let mut forged = rig.mandate.clone();
    forged.number += 1;
    forged.expedited.push(Expedited {
        title: TitleId::new("google-chrome"),
        version: None,
        until: at("2027-01-01T00:00:00Z"),
        why: "now".into(),
    });
    rig.server.mandate = Some(signed(&forged, &[5]).to_bytes());
    assert_refused(&mut rig, "signature", "the mandate has 0 of 1");
    // Signed as it has to be, it does.
    rig.server.mandate = None;
    rig.sign_mandate(|mandate| mandate.expedited = forged.expedited);
    rig.check_in();
    assert_eq!(rig.version("google-chrome-stable"), "131.0-1");
}

#[test]
fn a_window_that_never_opens_is_a_delay_and_one_that_is_none_is_reported() {
    let mut rig = Rig::new();
    rig.state.terms[0].window =
        Some(WindowTerms { rrule: "$(reboot)".into(), lasts_seconds: 60, after_due: AfterDue::Wait });
    rig.publish([chrome("131.0-1")]);
    assert_refused(&mut rig, "mandate", "`$(reboot)` is no recurrence rule");
}

#[test]
fn terms_that_are_not_there_are_refused() {
    let mut broken = chrome("131.0-1");
    broken.terms = 99;
    assert_refused(&mut Rig::with([broken]), "mandate", "has no terms");
}
