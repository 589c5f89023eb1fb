//! What is signed, by whom, in which order, for how long, and how large.

use crate::rig::*;
use refit_agent::machine::Failure;
use refit_wire::protocol::WaitsFor;
use refit_wire::{Digest, Lease, limits};
use std::time::Duration;

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

/// A root asks for two signatures under mandates, where one was enough. What is on disk is held against it too.
#[test]
fn a_kept_mandate_with_too_few_signatures_for_the_new_root_counts_no_more() {
    let mut rig = Rig::new();
    rig.check_in();
    let mut next = root(2);
    next.policy = role(2, &[4, 7]);
    rig.server.root = Some(2);
    rig.server.roots = [(2, signed(&next, &[1, 2]).to_bytes())].into();
    rig.check_in();
    rig.publish([chrome("131.0-1")]);
    rig.check_in();
    assert!(rig.machine.mandate().is_none());
    rig.restart_agent();
    rig.check_in();
    assert!(rig.machine.mandate().is_none(), "the next life of the agent believes what this one did not");
    assert_refused(&mut rig, "signature", "mandate");
    // Signed by both, it counts.
    rig.server.mandate = Some(signed(&rig.mandate, &[4, 7]).to_bytes());
    rig.check_in();
    rig.check_in();
    assert_eq!(rig.version("google-chrome-stable"), "131.0-1");
}

/// The same of the server's key: a state that only a key signed that is gone is not what the device goes by after a restart.
#[test]
fn a_kept_state_of_a_key_that_the_new_root_does_not_name_counts_no_more() {
    let mut rig = Rig::with([chrome("131.0-1")]);
    rig.server.unreachable = true;
    rig.check_in();
    rig.server.unreachable = false;
    rig.state.directives.clear();
    rig.check_in();
    let mut next = root(2);
    next.server = role(1, &[6]);
    rig.server.root = Some(2);
    rig.server.roots = [(2, signed(&next, &[1, 2]).to_bytes())].into();
    rig.check_in();
    assert!(rig.machine.state().is_none());
    rig.restart_agent();
    assert!(rig.machine.state().is_none());
}
