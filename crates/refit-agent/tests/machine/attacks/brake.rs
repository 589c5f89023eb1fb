//! The kill switch: nobody but who may sign leases pulls it, and whoever pulls it is heard.

use crate::rig::*;
use jiff::SignedDuration;
use refit_wire::Lease;
use refit_wire::lease::Brake;
use refit_wire::protocol::WaitsFor;
use std::time::Duration;

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
