//! A stolen server signs whatever it likes with its own key. Each attack is refused, and each is reported: to the server, which
//! may have been mended by then, and to the system's log, which it can't reach.
//!
//! The known failures of a client of The Update Framework are in `tough.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that can't go on fails")]

mod rig;

use jiff::SignedDuration;
use refit_agent::machine::{Failure, Input, Telling};
use refit_model::{AdvisoryId, TitleId};
use refit_wire::{
    Digest, Envelope, Lease, State,
    lease::Brake,
    limits,
    mandate::{Expedited, Limits, check::Step},
    protocol::WaitsFor,
    state::{Action, AfterDue, Message, Package, RestartMode, System, WindowTerms},
};
use rig::*;
use std::time::Duration;

const NOTHING: &str = "";

#[test]
fn without_an_attack_the_device_does_as_it_is_told() {
    let mut rig = Rig::with([chrome("131.0-1"), deb("curl", "8.1-1")]);
    rig.check_in();
    assert_eq!((rig.version("google-chrome-stable"), rig.version("curl")), ("131.0-1", "8.1-1"));
    assert_eq!(rig.applied.len(), 1, "all that may go now goes in one transaction");
    rig.check_in();
    assert_eq!(rig.receipts(), ["chrome 131.0-1: Succeeded", "curl 8.1-1: Succeeded"]);
    assert_eq!(rig.reported(), Vec::<String>::new());
}

#[test]
fn an_unknown_title_is_refused() {
    let mut rig = Rig::with([directive("x", "evil-tool", upgrade("google-chrome-stable", "131.0-1"))]);
    assert_refused(&mut rig, "mandate", "the mandate does not name the title `evil-tool`");
    assert_eq!(rig.standing(), ["x: Mandate"]);
}

#[test]
fn another_package_under_a_known_title_is_refused() {
    let mut rig = Rig::with([directive("x", "google-chrome", upgrade("openssl", "3.1-1"))]);
    assert_refused(&mut rig, "mandate", "`google-chrome` is `google-chrome-stable`, not this package");
}

#[test]
fn a_package_that_is_another_to_the_distribution_is_refused() {
    let mut rig = Rig::with([directive("x", "deb/curl", upgrade("openssl", "3.1-1"))]);
    assert_refused(&mut rig, "mandate", "openssl");
}

#[test]
fn an_extra_package_in_the_transaction_is_refused_and_the_rest_goes_on() {
    let mut rig = Rig::with([chrome("131.0-1"), deb("curl", "8.1-1"), deb("openssl", "3.1-1")]);
    let backdoor =
        Step { package: name("backdoor"), before: None, after: Some("1.0".into()), keys: [DEBIAN.into()].into() };
    rig.besides.push(("openssl".into(), backdoor));
    rig.check_in();
    rig.check_in();
    assert_eq!((rig.version("backdoor"), rig.version("openssl")), (NOTHING, "3.0-1"));
    assert_eq!((rig.version("google-chrome-stable"), rig.version("curl")), ("131.0-1", "8.1-1"));
    assert_reported(&rig, "mandate", "backdoor: nobody asked for it");
    assert_eq!(rig.standing(), ["openssl 3.1-1: Mandate"]);
}

#[test]
fn a_removal_that_nobody_asked_for_is_refused() {
    let mut rig = Rig::with([deb("curl", "8.1-1")]);
    rig.besides.push((
        "curl".into(),
        Step { package: name("libc6"), before: Some("2.36-1".into()), after: None, keys: Default::default() },
    ));
    assert_refused(&mut rig, "mandate", "libc6");
}

#[test]
fn a_package_from_an_added_source_is_refused() {
    let mut rig = Rig::new();
    rig.offers = vec![("curl".into(), "8.2-1".into(), EVIL.into())];
    rig.publish([deb("curl", "8.2-1")]);
    // It has no age here, since no source that the mandate trusts offers it.
    rig.check_in();
    rig.check_in();
    assert_eq!((rig.applied.len(), rig.standing()), (0, vec!["curl 8.2-1: MandateTime".to_owned()]));
    // Not even when a signer knows the version does it come from there.
    rig.sign_mandate(|mandate| {
        mandate.known.entry(TitleId::new("deb/curl")).or_default().insert("8.2-1".into(), at("2026-11-01T00:00:00Z"));
    });
    assert_refused(&mut rig, "mandate", "a source signed by 0000000000000000000000000000000000000666");
}

#[test]
fn an_older_version_is_refused() {
    let mut rig = Rig::new();
    rig.offers.push(("openssl".into(), "2.9-1".into(), DEBIAN.into()));
    let action = Action::Upgrade(Package {
        system: System::Deb,
        name: "openssl".into(),
        version: "2.9-1".into(),
        downgrade: true,
    });
    rig.publish([directive("x", "deb/openssl", action)]);
    assert_refused(&mut rig, "mandate", "does not permit to downgrade");
}

#[test]
fn a_version_below_what_has_run_is_refused_after_the_package_was_removed_and_installed() {
    let mut rig = Rig::with([chrome("131.0-1")]);
    rig.check_in();
    assert_eq!(rig.version("google-chrome-stable"), "131.0-1");
    rig.packages.remove("google-chrome-stable");
    rig.offers = vec![("google-chrome-stable".into(), "125.0-1".into(), GOOGLE.into())];
    rig.publish([directive(
        "x",
        "google-chrome",
        Action::Install(Package {
            system: System::Deb,
            name: "google-chrome-stable".into(),
            version: "125.0-1".into(),
            downgrade: false,
        }),
    )]);
    rig.applied.clear();
    assert_refused(&mut rig, "mandate", "125.0-1 is below 131.0-1");
}

#[test]
fn a_version_below_what_has_run_is_refused_although_it_was_brought_down_while_the_agent_was_away() {
    let mut rig = Rig::with([chrome("131.0-1")]);
    rig.check_in();
    assert_eq!(rig.version("google-chrome-stable"), "131.0-1");
    // What a life of the agent has read is gone with it.
    rig.check_in();
    rig.packages.insert("google-chrome-stable".into(), "121.0-1".into());
    rig.offers = vec![("google-chrome-stable".into(), "125.0-1".into(), GOOGLE.into())];
    rig.publish([chrome("125.0-1")]);
    rig.applied.clear();
    rig.restart_agent();
    assert_refused(&mut rig, "mandate", "125.0-1 is below 131.0-1");
}

#[test]
fn a_version_below_the_mandates_floor_is_refused() {
    let mut rig = Rig::new();
    rig.packages.insert("google-chrome-stable".into(), "110.0-1".into());
    rig.offers = vec![("google-chrome-stable".into(), "119.0-1".into(), GOOGLE.into())];
    rig.publish([chrome("119.0-1")]);
    assert_refused(&mut rig, "mandate", "119.0-1 is below 120.0-1");
}

#[test]
fn a_replayed_state_is_refused() {
    let mut rig = Rig::with([]);
    let old = signed(&rig.state, &[5]);
    rig.publish([]);
    rig.check_in();
    rig.server.state = Some(Ok(old.to_bytes()));
    rig.server.state_digest = Some(old.digest());
    let held = rig.machine.journal().state.clone();
    assert_refused(&mut rig, "rollback", "the state is number");
    assert_eq!(rig.machine.journal().state, held);
}

#[test]
fn two_states_of_one_number_are_refused() {
    let mut rig = Rig::with([]);
    rig.check_in();
    rig.state.directives = vec![chrome("131.0-1")];
    assert_refused(&mut rig, "mixed", "two states of the number");
}

#[test]
fn a_state_under_another_mandate_is_refused() {
    let mut rig = Rig::with([chrome("131.0-1")]);
    rig.state.mandate = Some(Digest::of(b"another"));
    assert_refused(&mut rig, "mixed", "made under another mandate");
}

#[test]
fn another_devices_state_is_refused() {
    let mut rig = Rig::with([chrome("131.0-1")]);
    rig.state.device = "d2".into();
    assert_refused(&mut rig, "mixed", "the device `d2`");
}

#[test]
fn an_expired_state_is_refused() {
    let mut rig = Rig::with([chrome("131.0-1")]);
    rig.state.expires = at("2026-11-25T11:00:00Z");
    assert_refused(&mut rig, "expired", "the state has expired");
}

#[test]
fn an_older_epoch_is_refused() {
    let mut rig = Rig::with([]);
    rig.epoch = 5;
    rig.check_in();
    rig.epoch = 4;
    rig.publish([chrome("131.0-1")]);
    assert_refused(&mut rig, "rollback", "the lease is of epoch 4, and epoch 5 has begun");
}

#[test]
fn a_lease_that_lasts_longer_than_the_mandate_allows_is_refused() {
    let mut rig = Rig::with([chrome("131.0-1")]);
    let lease = Lease { until: at("2027-11-25T12:00:00Z"), ..rig.lease() };
    rig.server.lease = Some(signed(&lease, &[5]));
    assert_refused(&mut rig, "limit", "the lease lasts until");
}

#[test]
fn a_lease_without_an_end_to_it_permits_nothing_after_its_hour() {
    let mut rig = Rig::new();
    rig.check_in();
    rig.server.unreachable = true;
    rig.offers.push(("curl".into(), "8.2-1".into(), DEBIAN.into()));
    rig.pass(Duration::from_secs(3_700));
    assert_eq!(rig.machine.status(rig.clock()).waits_for, Some(WaitsFor::Lease));
}

#[test]
fn a_mass_restart_is_refused_where_nothing_waits_for_one() {
    let mut rig = Rig::new();
    rig.state.terms[1].reboot = RestartMode::AtDue;
    let mut restart = directive("r", "deb/linux", Action::Restart);
    restart.due = Some(at("2026-11-01T00:00:00Z"));
    rig.publish([restart]);
    rig.check_in();
    assert_refused(&mut rig, "mandate", "nothing on this device waits for one");
    assert_eq!(rig.restarts, 0);
}

#[test]
fn restarts_keep_to_the_mandates_rate() {
    let mut rig = Rig::new();
    rig.state.terms[1].reboot = RestartMode::AtDue;
    let mut restart = directive("r", "deb/linux", Action::Restart);
    restart.due = Some(at("2026-11-01T00:00:00Z"));
    rig.publish([restart]);
    for _ in 0..10 {
        rig.restart.machine = vec!["a kernel that never runs".into()];
        rig.check_in();
        rig.pass(Duration::from_secs(600));
        rig.restart_agent();
    }
    assert_eq!(rig.restarts, 2);
    rig.check_in();
    rig.check_in();
    assert_reported(&rig, "limit", "the mandate allows 2 in a day");
}

#[test]
fn an_endless_hold_ends() {
    let hold =
        directive("h", "deb/openssl", Action::Hold { package: name("openssl"), until: at("2099-01-01T00:00:00Z") });
    let mut rig = Rig::with([hold.clone(), deb("openssl", "3.1-1")]);
    rig.state.expires = at("2027-12-25T00:00:00Z");
    rig.sign_mandate(|mandate| mandate.limits = Limits { hold_seconds: 86_400, ..Limits::default() });
    rig.check_in();
    assert_eq!(rig.standing(), ["openssl 3.1-1: Held"]);
    // To let go for a moment and to ask again does not begin it anew.
    rig.hours(12);
    rig.publish([]);
    rig.check_in();
    rig.publish([hold, deb("openssl", "3.1-1")]);
    rig.hours(13);
    assert_eq!(rig.version("openssl"), "3.1-1");
    assert_reported(&rig, "limit", "a hold until 2099-01-01T00:00:00Z is asked for");
}

#[test]
fn a_message_that_is_no_template_is_refused() {
    let mut rig = Rig::new();
    let state = serde_json::to_string(&State {
        directives: vec![directive("m", "deb/curl", Action::Notify { message: Message::Unsupported { by: None } })],
        sequence: 9,
        ..rig.state.clone()
    })
    .unwrap();
    let with_text = state.replace(r#""say":"unsupported""#, r#""say":"unsupported","text":"Call 555-0100 now""#);
    assert_ne!(state, with_text);
    let forged = sign_bytes::<State>(with_text.as_bytes());
    rig.server.state = Some(Ok(forged.to_bytes()));
    rig.server.state_digest = Some(forged.digest());
    rig.presence.attended = true;
    assert_refused(&mut rig, "signature", "the state is signed and can't be read");
    assert_eq!(rig.told, []);
}

#[test]
fn a_message_about_a_title_that_is_text_is_not_shown() {
    let message = Action::Notify { message: Message::Unsupported { by: None } };
    let mut rig =
        Rig::with([directive("m", "Call 555-0100 now", message.clone()), directive("n", "debian-12", message)]);
    rig.presence.attended = true;
    rig.pass(Duration::from_secs(1));
    assert_refused(&mut rig, "mandate", "a message about `Call 555-0100 now`");
    assert_eq!(rig.told, [Telling::Unsupported { title: TitleId::new("debian-12"), by: None }]);
}

#[test]
fn a_notice_shows_only_what_looks_like_an_advisory() {
    let mut upgrade = chrome("131.0-1");
    upgrade.closes = ["Call 555-0100 now", "CVE-2026-1111", "CVE-call me"].map(AdvisoryId::new).into();
    let mut rig = Rig::new();
    rig.state.terms[0].notify_seconds = 3_600;
    rig.presence.attended = true;
    rig.publish([upgrade]);
    rig.pass(Duration::from_secs(1));
    rig.check_in();
    let Some(Telling::Notice { items, .. }) = rig.told.first() else { panic!("{:?}", rig.told) };
    assert_eq!(items[0].closes, [AdvisoryId::new("CVE-2026-1111")]);
}

#[test]
fn a_withheld_state_is_told_to_people_and_to_the_log() {
    let mut rig = Rig::with([]);
    rig.check_in();
    // The server answers, and never gives the state that it names.
    rig.publish([chrome("131.0-1")]);
    rig.server.state = Some(Err(Failure::NotFound));
    rig.hours(6 * 24);
    assert_eq!(rig.told, []);
    rig.hours(25);
    assert_eq!(rig.told.len(), 1, "once a day: {:?}", rig.told);
    assert!(matches!(rig.told[0], Telling::Silence { .. }));
    assert!(rig.logged.iter().any(|line| line.starts_with("silence: no fresh state has come since")));
    assert_reported(&rig, "missing", "the server has no state");
}

#[test]
fn silence_is_noticed_also_when_the_clock_was_set_back() {
    let mut rig = Rig::with([]);
    rig.check_in();
    rig.server.unreachable = true;
    rig.wall = at("2026-11-01T00:00:00Z");
    rig.hours(8 * 24);
    assert!(rig.told.iter().any(|telling| matches!(telling, Telling::Silence { .. })));
}

#[test]
fn a_root_from_the_server_is_refused() {
    let mut rig = Rig::with([chrome("131.0-1")]);
    let mut forged = root(2);
    forged.policy = role(1, &[7]);
    rig.server.root = Some(2);
    for seeds in [&[5][..], &[5, 1], &[5, 6, 7]] {
        rig.server.roots = [(2, signed(&forged, seeds).to_bytes())].into();
        rig.check_in();
        assert_eq!(rig.machine.root().version, 1);
    }
    assert_refused(&mut rig, "signature", "the root has");
}

#[test]
fn a_mandate_signed_by_the_server_is_refused() {
    let mut rig = Rig::with([chrome("131.0-1")]);
    rig.sign_mandate(|_| {});
    rig.server.mandate = Some(signed(&rig.mandate, &[5]).to_bytes());
    assert_refused(&mut rig, "signature", "the mandate has 0 of 1 signatures that count");
}

#[test]
fn endless_data_is_cut_off() {
    let mut rig = Rig::with([chrome("131.0-1")]);
    rig.server.state = Some(Ok(vec![b' '; limits::STATE + 1]));
    assert_refused(&mut rig, "limit", "the server's state is larger than");
    // A shell stops reading by itself.
    let mut rig = Rig::with([chrome("131.0-1")]);
    rig.server.state = Some(Err(Failure::TooLarge));
    assert_refused(&mut rig, "limit", "the server's state is larger than");
}

#[test]
fn endless_roots_come_to_an_end() {
    let mut rig = Rig::with([chrome("131.0-1")]);
    rig.server.root = Some(u64::MAX);
    rig.check_in();
    assert_eq!(rig.version("google-chrome-stable"), "131.0-1", "there is no root 2, so that the chain ends here");
}

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
fn what_is_wrong_with_a_package_source_is_reported() {
    let mut rig = Rig::with([]);
    rig.faults = vec!["http://mirror.example: signed with a key that this machine does not trust".into()];
    rig.check_in();
    rig.check_in();
    assert_reported(&rig, "package_source", "signed with a key that this machine does not trust");
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

#[test]
fn a_package_that_is_asked_for_twice_is_changed_once() {
    let mut second = chrome("131.0-1");
    second.id = "again".into();
    let mut rig = Rig::with([chrome("131.0-1"), second]);
    rig.check_in();
    rig.check_in();
    assert_eq!(rig.applied.len(), 1);
}

/// A server whose clock was set back signs leases that are older than one that is known. Nothing is begun on their word, but the
/// brake counts: otherwise it would not for as long as the last good lease lasts.
#[test]
fn the_brake_counts_also_where_the_servers_clock_was_set_back() {
    let mut rig = Rig::with([]);
    rig.check_in();
    rig.server.lease_issued = Some(rig.wall - SignedDuration::from_mins(20));
    rig.brake = Some(Brake { since: rig.wall, why: "a bad release".into() });
    rig.publish([chrome("131.0-1")]);
    rig.check_in();
    assert_eq!(rig.machine.status(rig.clock()).waits_for, Some(WaitsFor::KillSwitch));
    assert_refused(&mut rig, "rollback", "the lease was issued at");
    assert!(rig.check_ins.last().unwrap().holds.stopped, "the server hears that it counts");
    // Also for the next life of the agent.
    rig.restart_agent();
    assert_refused(&mut rig, "rollback", "the lease was issued at");

    // An old lease lets nothing go on. The first that is newer than all does.
    rig.brake = None;
    assert_refused(&mut rig, "rollback", "the lease was issued at");
    assert_eq!(rig.machine.status(rig.clock()).waits_for, Some(WaitsFor::KillSwitch));
    rig.server.lease_issued = None;
    rig.check_in();
    assert_eq!(rig.version("google-chrome-stable"), "131.0-1");
}

/// A brake that was let go does not come back with an old lease; a later one does.
#[test]
fn an_old_brake_does_not_come_back() {
    let mut rig = Rig::with([]);
    rig.brake = Some(Brake { since: rig.wall, why: "the first".into() });
    rig.check_in();
    let first = signed(&rig.lease(), &[5]);
    rig.pass(Duration::from_secs(300));
    rig.brake = None;
    rig.check_in();
    assert_eq!(rig.machine.status(rig.clock()).brake, None);
    rig.server.lease = Some(first);
    rig.check_in();
    assert_eq!(rig.machine.status(rig.clock()).brake, None);
    rig.check_in();
    assert_reported(&rig, "rollback", "the lease was issued at");
    let second = Lease {
        issued: rig.wall - SignedDuration::from_mins(30),
        brake: Some(Brake { since: rig.wall - SignedDuration::from_secs(10), why: "the second".into() }),
        ..rig.lease()
    };
    rig.server.lease = Some(signed(&Lease { until: second.issued + SignedDuration::from_mins(5), ..second }, &[5]));
    rig.check_in();
    assert_eq!(rig.machine.status(rig.clock()).brake.unwrap().why, "the second");
}

/// Only who may sign leases pulls the brake, and not from an epoch that has passed.
#[test]
fn a_brake_of_nobody_is_none() {
    let brake = |rig: &Rig| Some(Brake { since: rig.wall, why: "stop".into() });
    let mut rig = Rig::with([]);
    rig.epoch = 5;
    rig.check_in();
    let other = |rig: &Rig| Lease { brake: brake(rig), ..rig.lease() };
    let forged = [
        signed(&other(&rig), &[4]),
        signed(&Lease { epoch: 4, ..other(&rig) }, &[5]),
        signed(&Lease { organization: "other".into(), ..other(&rig) }, &[5]),
    ];
    for lease in forged {
        rig.server.lease = Some(lease);
        rig.check_in();
        assert_eq!(rig.machine.status(rig.clock()).brake, None);
    }
}

/// What else is wrong with an answer does not keep the brake from counting: a lease that lasts for too long, a root that is none.
#[test]
fn the_brake_counts_whatever_else_is_refused() {
    for wrong in ["lease", "root"] {
        let mut rig = Rig::with([]);
        rig.check_in();
        rig.brake = Some(Brake { since: rig.wall, why: "a bad release".into() });
        if wrong == "root" {
            rig.server.root = Some(2);
            rig.server.roots = [(2, signed(&root(2), &[5]).to_bytes())].into();
        } else {
            let lease = Lease { until: at("2027-11-25T12:00:00Z"), ..rig.lease() };
            rig.server.lease = Some(signed(&lease, &[5]));
        }
        rig.publish([chrome("131.0-1")]);
        rig.check_in();
        assert_eq!(rig.machine.status(rig.clock()).waits_for, Some(WaitsFor::KillSwitch), "{wrong}");
    }
}

// What has to work in spite of all this.

/// A stolen server signs the highest number there is. Once its key is gone from the root, devices follow again.
#[test]
fn a_new_root_without_the_stolen_key_lets_devices_follow_again() {
    let mut rig = Rig::with([]);
    rig.check_in();
    let good = (rig.state.clone(), rig.epoch);
    rig.epoch = u64::MAX;
    rig.state.epoch = u64::MAX;
    rig.state.sequence = u64::MAX;
    rig.check_in();
    assert_eq!(rig.machine.journal().epoch, u64::MAX);
    (rig.state, rig.epoch) = good;
    // The server has a new key, number 6, which the new root names in the place of the old one.
    let mut next = root(2);
    next.server = role(1, &[6]);
    rig.server.root = Some(2);
    rig.server.roots = [(2, signed(&next, &[1, 3]).to_bytes())].into();
    rig.publish([chrome("131.0-1")]);
    rig.server.lease = Some(signed(&rig.lease(), &[6]));
    let state = signed(&rig.state, &[6]);
    (rig.server.state, rig.server.state_digest) = (Some(Ok(state.to_bytes())), Some(state.digest()));
    rig.check_in();
    assert_eq!(rig.machine.root().version, 2);
    assert_eq!(rig.version("google-chrome-stable"), "131.0-1");
}

/// A payload signed with the server's key, although no type of ours would write it.
fn sign_bytes<T: refit_wire::Document>(payload: &[u8]) -> Envelope {
    #[derive(serde::Serialize, serde::Deserialize)]
    #[serde(transparent)]
    struct Raw(serde_json::Value);
    impl refit_wire::Document for Raw {
        const TYPE: &'static str = State::TYPE;
        const NAME: &'static str = "raw";
        const LIMIT: usize = limits::STATE;
    }
    assert_eq!(T::TYPE, Raw::TYPE);
    Envelope::sign(&Raw(serde_json::from_slice(payload).unwrap()), &[&key(5)]).unwrap()
}

use refit_wire::Document as _;
