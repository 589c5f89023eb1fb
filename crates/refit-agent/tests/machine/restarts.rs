//! Restarts of the machine: when, how often, and what is told of them.

use crate::rig::*;
use refit_agent::machine::{Input, PersonSaid, RestartNeeds, Telling};
use refit_wire::state::{Action, RestartMode};
use std::time::Duration;

/// The server, once it has the receipt: the restart is asked for, and to it nothing is due any more.
pub fn asks_for_the_restart(rig: &mut Rig) {
    let mut directives = rig.state.directives.clone();
    directives.push(directive("restart", "deb/openssl", Action::Restart));
    rig.publish(directives);
    rig.check_in();
}

/// A device on which something waits for a restart by its due time.
fn waiting() -> Rig {
    let mut rig = Rig::new();
    rig.state.terms[1].reboot = RestartMode::AtDue;
    rig.restarting.insert("openssl".into());
    rig.publish([due(deb("openssl", "3.1-1"), "2026-11-25T18:00:00Z")]);
    rig.check_in();
    rig.check_in();
    assert_eq!(rig.receipts(), ["openssl 3.1-1: RestartPending"]);
    rig
}

#[test]
fn a_restart_that_is_needed_is_a_result_of_its_own_and_comes_when_it_is_due() {
    let mut rig = waiting();
    asks_for_the_restart(&mut rig);
    rig.hours(5);
    assert_eq!(rig.restarts, 0);
    rig.hours(2);
    assert_eq!(rig.restarts, 1);
    rig.restarting.clear();
    rig.restart_agent();
    rig.check_in();
    rig.check_in();
    assert_eq!(rig.receipts(), ["openssl 3.1-1: RestartPending", "openssl 3.1-1: Succeeded"]);
    rig.hours(24);
    assert_eq!(rig.restarts, 1);
}

#[test]
fn what_was_put_back_before_the_restart_has_not_succeeded() {
    let mut rig = waiting();
    rig.packages.insert("openssl".into(), "3.0-1".into());
    // What the state says was taken back too: nothing is to be done again.
    rig.publish([]);
    rig.restarting.clear();
    rig.restart_agent();
    rig.check_in();
    rig.check_in();
    assert_eq!(rig.receipts(), ["openssl 3.1-1: RestartPending"]);
}

#[test]
fn a_reading_that_was_asked_for_before_the_change_says_nothing_of_its_restart() {
    let mut rig = Rig::new();
    rig.restarting.insert("openssl".into());
    rig.asked_meanwhile = true;
    rig.publish([due(deb("openssl", "3.1-1"), "2026-11-25T18:00:00Z")]);
    rig.check_in();
    rig.check_in();
    assert!(!rig.asked_meanwhile);
    assert_eq!(rig.receipts(), ["openssl 3.1-1: RestartPending"]);
}

/// A device on which something waits for a restart by its due time, that has lost its journal.
fn without_a_journal(restarted_meanwhile: bool) -> Rig {
    let mut rig = waiting();
    // To the server nothing is due any more but the restart, by when the change was.
    rig.publish([due(directive("restart", "deb/openssl", Action::Restart), "2026-11-25T18:00:00Z")]);
    if restarted_meanwhile {
        rig.restart = RestartNeeds::default();
        rig.boot += 1;
    }
    rig.restarting.clear();
    rig.lose_journal();
    rig.check_in();
    rig
}

#[test]
fn a_restart_that_waits_outlives_the_journal() {
    let mut rig = without_a_journal(false);
    rig.hours(5);
    assert_eq!(rig.restarts, 0);
    for _ in 0..24 {
        if rig.restarts == 0 {
            rig.pass(Duration::from_secs(300));
        }
    }
    assert_eq!(rig.restarts, 1);
    rig.restart_agent();
    // It checks in as it starts; the state of this server goes on asking.
    assert_eq!(rig.receipts(), ["openssl 3.1-1: RestartPending", "restart: Succeeded"]);
    assert_eq!(rig.reported(), Vec::<String>::new());
}

#[test]
fn a_machine_that_has_restarted_says_so_though_it_remembers_nothing() {
    let mut rig = without_a_journal(true);
    assert_eq!(rig.receipts(), ["openssl 3.1-1: RestartPending", "restart: Succeeded"]);
    assert_eq!(rig.reported(), Vec::<String>::new());
    // Once: who asks for it all the same asks for what nothing waits for.
    rig.check_in();
    rig.check_in();
    assert_reported(&rig, "mandate", "nothing on this device waits for one");
    rig.hours(24);
    assert_eq!((rig.restarts, rig.receipts().len()), (0, 2));
}

/// Nor is a restart that has not helped tried again because a server finds another name for it.
#[test]
fn who_asks_for_a_restart_by_another_name_gets_no_other_restart() {
    let mut rig = Rig::new();
    rig.state.terms[1].reboot = RestartMode::AtDue;
    rig.restart.machine = vec!["a new kernel".into()];
    for number in 0..20 {
        let name = format!("restart {number}");
        rig.publish([due(directive(&name, "deb/openssl", Action::Restart), "2026-11-25T10:00:00Z")]);
        rig.check_in();
        rig.restart.machine = vec!["a new kernel".into()];
        rig.restart_agent();
        rig.check_in();
    }
    assert_eq!(rig.restarts, 1);
}

/// Where too many of a group are away, the server leaves it out, as it does with every other change.
#[test]
fn a_restart_waits_until_the_state_asks_for_it() {
    let mut rig = Rig::new();
    rig.state.terms[1].reboot = RestartMode::AtDue;
    rig.restarting.insert("openssl".into());
    rig.publish([due(deb("openssl", "3.1-1"), "2026-11-25T13:00:00Z")]);
    rig.check_in();
    rig.hours(8);
    assert_eq!((rig.restarts, rig.version("openssl")), (0, "3.1-1"));
    asks_for_the_restart(&mut rig);
    assert_eq!(rig.restarts, 1);
}

#[test]
fn a_restart_that_does_not_help_is_not_tried_again_at_once() {
    let mut rig = Rig::new();
    rig.state.terms[1].reboot = RestartMode::AtDue;
    rig.restarting.insert("openssl".into());
    rig.publish([due(deb("openssl", "3.1-1"), "2026-11-25T12:00:00Z")]);
    rig.check_in();
    asks_for_the_restart(&mut rig);
    assert_eq!(rig.restarts, 1);
    // Another kernel was booted than the one that was installed.
    let still = RestartNeeds { machine: vec!["a new kernel".into()], packages: [name("openssl")].into() };
    rig.restart = still.clone();
    rig.restart_agent();
    rig.hours(5);
    assert_eq!(rig.restarts, 1);
    rig.check_in();
    assert_reported(&rig, "restart", "a restart is waited for still: a new kernel");
    rig.hours(2);
    assert_eq!(rig.restarts, 2);
    // Something else was installed since, which no restart has seen.
    rig.restart = still;
    rig.restart_agent();
    rig.restarting.insert("curl".into());
    rig.sign_mandate(|mandate| mandate.limits.restarts_per_day = 9);
    let mut directives = rig.state.directives.clone();
    directives.push(due(deb("curl", "8.1-1"), "2026-11-25T12:00:00Z"));
    rig.publish(directives);
    rig.check_in();
    rig.check_in();
    assert_eq!((rig.version("curl"), rig.restarts), ("8.1-1", 3));
}

#[test]
fn a_restart_that_is_asked_for_waits_for_the_person() {
    let mut rig = Rig::new();
    rig.state.terms[1].reboot = RestartMode::Ask;
    rig.restarting.insert("openssl".into());
    rig.publish([due(deb("openssl", "3.1-1"), "2026-11-25T13:00:00Z")]);
    rig.presence.attended = true;
    rig.check_in();
    asks_for_the_restart(&mut rig);
    rig.hours(30);
    assert_eq!(rig.restarts, 0);
    assert!(rig.told.iter().any(|telling| matches!(telling, Telling::RestartNeeded { at: None, .. })));
    rig.step(Input::Person(PersonSaid::RestartNow));
    assert_eq!(rig.restarts, 1);
}

#[test]
fn a_restart_never_comes_where_it_is_never_to() {
    let mut rig = Rig::new();
    rig.state.terms[1].reboot = RestartMode::Never;
    rig.restarting.insert("openssl".into());
    rig.publish([due(deb("openssl", "3.1-1"), "2026-11-25T13:00:00Z")]);
    rig.check_in();
    asks_for_the_restart(&mut rig);
    rig.hours(30);
    assert_eq!((rig.restarts, rig.version("openssl")), (0, "3.1-1"));
}
