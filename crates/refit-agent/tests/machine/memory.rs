//! What the machine remembers across its own death, the device's, and another enrolment.

use crate::{restarts::asks_for_the_restart, rig::*};
use refit_agent::machine::session::Phase;
use refit_agent::machine::{Failure, Journal};
use refit_model::DeviceId;
use refit_wire::protocol::{CheckIn, Receipt};
use refit_wire::state::RestartMode;
use std::collections::BTreeSet;
use std::time::Duration;

#[test]
fn receipts_are_sent_until_the_server_has_them() {
    let mut rig = Rig::with([deb("curl", "8.1-1")]);
    rig.server.keep_receipts = true;
    rig.check_in();
    rig.check_in();
    rig.restart_agent();
    rig.check_in();
    let sent = rig.check_ins.iter().filter(|check_in| !check_in.receipts.is_empty()).count();
    assert!(sent >= 3, "{sent}");
    assert_eq!(rig.receipts(), ["curl 8.1-1: Succeeded"], "each has one id");
    rig.server.keep_receipts = false;
    rig.check_in();
    rig.check_in();
    assert!(rig.check_ins.last().unwrap().receipts.is_empty());
}

#[test]
fn check_ins_are_counted_on_disk() {
    let mut rig = Rig::new();
    for _ in 0..3 {
        rig.check_in();
        rig.restart_agent();
    }
    let counters: Vec<u64> = rig.check_ins.iter().map(|check_in| check_in.counter).collect();
    assert!(counters.windows(2).all(|pair| pair[0] < pair[1]), "{counters:?}");
}

/// The agent is killed after each number of effects in turn. However it ends, the change is made once and reported once.
#[test]
fn killed_between_any_two_steps_it_makes_each_change_once_and_reports_it() {
    for effects in 0..40 {
        let mut rig = Rig::with([deb("curl", "8.1-1")]);
        rig.restarting.insert("curl".into());
        rig.dies_after = Some(effects);
        rig.check_in();
        rig.check_in();
        let died = rig.dead;
        rig.restart_agent();
        rig.check_in();
        rig.check_in();
        // Where it died before the change was begun, the package manager is left alone for a moment.
        rig.pass(Duration::from_secs(400));
        rig.check_in();
        assert_eq!((rig.version("curl"), rig.applied.len()), ("8.1-1", 1), "after {effects} effects");
        let receipts = rig.receipts();
        assert_eq!(receipts, ["curl 8.1-1: RestartPending"], "after {effects} effects");
        if !died {
            return;
        }
    }
    panic!("it never came to its end");
}

/// The machine lost power while the package manager worked: what is unpacked and not configured has not failed.
#[test]
fn what_was_torn_apart_is_taken_up_again_and_reported_once() {
    for effects in 0..40 {
        let mut rig = Rig::with([deb("curl", "8.1-1"), deb("openssl", "3.1-1")]);
        rig.dies_after = Some(effects);
        rig.check_in();
        rig.check_in();
        let session = rig.saved.as_ref().and_then(|journal| journal.session.clone());
        if !(rig.dead && rig.applied.is_empty() && session.is_some_and(|session| session.phase == Phase::Applying)) {
            continue;
        }
        // One of both is done, the other one is half-way.
        rig.packages.insert("openssl".into(), "3.1-1".into());
        rig.packages.insert("curl".into(), "8.1-1".into());
        rig.unfinished.insert("curl".into());
        rig.restart_agent();
        rig.check_in();
        rig.pass(Duration::from_secs(400));
        rig.check_in();
        assert!(rig.unfinished.is_empty());
        let mut receipts = rig.receipts();
        receipts.sort();
        assert_eq!(receipts, ["curl 8.1-1: Succeeded", "openssl 3.1-1: Succeeded"]);
        let before = |receipt: &Receipt| receipt.before.clone();
        let before: Vec<_> = rig.check_ins.iter().flat_map(|check_in| check_in.receipts.iter().map(before)).collect();
        assert_eq!(before.iter().flatten().collect::<BTreeSet<_>>().len(), 2, "what it was is known: {before:?}");
        assert!(rig.machine.journal().unfinished.is_empty());
        return;
    }
    panic!("it never died while it was applying");
}

#[test]
fn a_journal_is_read_as_it_was_written() {
    let mut rig = Rig::with([deb("curl", "8.1-1"), chrome("131.0-1")]);
    rig.check_in();
    let journal = rig.machine.journal();
    let text = serde_json::to_string(journal).unwrap();
    assert_eq!(serde_json::from_str::<Journal>(&text).unwrap(), *journal);
    assert!(serde_json::from_str::<Journal>(&text[..text.len() / 2]).is_err());
}

#[test]
fn check_ins_are_counted_on_disk_so_that_a_copy_parts_from_its_original() {
    let mut rig = Rig::new();
    let history = |rig: &Rig| rig.check_ins.last().unwrap().history.clone().unwrap();
    let first = history(&rig);
    assert_eq!((first.sequence, first.links.len(), first.recorded), (1, 1, None));
    rig.server.records = true;
    rig.check_in();
    rig.server.records = false;
    rig.check_in();
    let third = history(&rig);
    assert_eq!(third.recorded.map(|head| head.sequence), Some(2));
    assert_eq!(third.recorded.map(|head| head.link), third.links.get(1).copied());
    // Nobody answers: it is the same check-in until somebody does, also after the agent's death.
    rig.server.unreachable = true;
    rig.check_in();
    rig.check_in();
    rig.restart_agent();
    rig.server.unreachable = false;
    rig.check_in();
    let fourth = history(&rig);
    assert_eq!((fourth.sequence, &fourth.links[1..]), (4, &third.links[..]));
    // A copy of the disk draws another number for its next.
    let (saved, disk) = (rig.saved.clone(), rig.disk.clone());
    rig.check_in();
    let fifth = history(&rig);
    (rig.saved, rig.disk) = (saved, disk);
    let copied = rig.check_ins.len();
    rig.restart_agent();
    let copy = rig.check_ins[copied].history.clone().unwrap();
    assert_eq!((fifth.sequence, &fifth.links[1..]), (copy.sequence, &copy.links[1..]));
    assert_ne!(fifth.links[0], copy.links[0]);
}

#[test]
fn who_is_told_that_a_later_check_in_is_known_counts_on() {
    let mut rig = Rig::new();
    let sequence_of = |said: &CheckIn| said.history.as_ref().unwrap().sequence;
    let sequence = |rig: &Rig| sequence_of(rig.check_ins.last().unwrap());
    let refused = |status, code: &str| Some(Failure::Refused { status, code: code.into(), detail: "no".into() });
    rig.server.refusal = refused(503, "unavailable");
    rig.check_in();
    rig.check_in();
    assert_eq!(sequence(&rig), 2, "a refusal is no answer");
    // An older copy of a disk: it must not say the same for ever, or nobody could tell it from a message that is late.
    rig.server.refusal = refused(409, "replayed");
    rig.check_in();
    let told = rig.check_ins.last().unwrap().clone();
    rig.check_in();
    assert_eq!(sequence(&rig), sequence_of(&told) + 33, "beyond all that the server can have heard");
    let said = rig.check_ins.last().unwrap();
    let links = &said.history.as_ref().unwrap().links;
    assert_eq!(links.iter().collect::<BTreeSet<_>>().len(), 32);
    assert!(said.counter > told.counter + 100_000);
}

/// A journal of this form from before some of its fields.
#[test]
fn a_journal_of_an_earlier_version_is_read() {
    let mut rig = Rig::new();
    rig.restarting.insert("curl".into());
    rig.publish([deb("curl", "8.1-1")]);
    rig.check_in();
    let mut journal = serde_json::to_value(rig.machine.journal()).unwrap();
    let fields = journal.as_object_mut().unwrap();
    for later in ["unfinished", "brake_released", "history", "offers"] {
        assert!(fields.remove(later).is_some(), "{later}");
    }
    assert!(journal["restart"].as_object_mut().unwrap().remove("restarted").is_some());
    let read: Journal = serde_json::from_value(journal).unwrap();
    assert_eq!(read.restart, rig.machine.journal().restart);
}

/// The journal of the enrolment before, of the same device or of another one.
#[test]
fn enrolling_again_forgets_no_limit_and_no_receipt() {
    let mut rig = Rig::new();
    rig.server.keep_receipts = true;
    rig.state.terms[1].reboot = RestartMode::AtDue;
    rig.restarting.insert("openssl".into());
    rig.publish([due(deb("openssl", "3.1-1"), "2026-11-25T12:00:00Z")]);
    rig.check_in();
    asks_for_the_restart(&mut rig);
    let old = rig.machine.journal().clone();
    assert_eq!((old.restarts.len(), old.receipts.len()), (1, 1));
    let fresh = |device: &str| {
        let (root, envelope) = (root(1), signed(&root(1), &[1, 2]));
        Journal::enrolled(DeviceId::new(device), &root, &envelope, rig.wall)
    };
    let same = fresh("d1").after(old.clone());
    assert_eq!((&same.restarts, &same.receipts, &same.restart), (&old.restarts, &old.receipts, &old.restart));
    assert_eq!((same.state.clone(), same.mandate.clone(), same.epoch, same.counter), (None, None, 0, 0));
    assert_eq!((&same.history, &same.floors), (&Default::default(), &old.floors));
    let other = fresh("d2").after(old.clone());
    assert_eq!((&other.restarts, other.receipts.len(), &other.restart), (&old.restarts, 0, &None));
}
