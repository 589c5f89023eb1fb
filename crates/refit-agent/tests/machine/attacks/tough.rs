//! What is known to have gone wrong in clients of The Update Framework: each advisory of the crate `tough`, as a test of ours.
//! A stolen server signs whatever it likes with its own key.

use crate::rig::*;
use refit_model::TitleId;
use refit_wire::{Digest, State, limits};

/// CVE-2020-15093, CVE-2026-6966: one key that signs twice counted as two.
#[test]
fn a_key_that_signs_twice_counts_once() {
    let mut rig = Rig::with([chrome("131.0-1")]);
    let mut forged = signed(&root(2), &[1]);
    forged.signatures.push(forged.signatures[0].clone());
    rig.server.root = Some(2);
    rig.server.roots = [(2, forged.to_bytes())].into();
    assert_refused(&mut rig, "signature", "the root has 1 of 2 signatures that count");
}

/// CVE-2021-41149 and CVE-2021-41150, CVE-2026-6968: names in documents became paths on disk. Here they never do: a document is
/// kept under its digest, and a package's name is only ever compared with what the mandate names.
#[test]
fn names_are_no_paths() {
    let evil = "../../../../etc/cron.d/evil";
    let mut rig =
        Rig::with([directive(evil, evil, upgrade(evil, "1.0")), directive("y", "google-chrome", upgrade(evil, "1.0"))]);
    rig.check_in();
    rig.check_in();
    assert_eq!(rig.applied.len(), 0);
    assert_reported(&rig, "mandate", evil);
    assert!(rig.disk.iter().all(|(digest, envelope)| *digest == envelope.digest() && digest.to_string().len() == 64));
}

/// CVE-2025-2885: a root was accepted whose number was not the next one.
#[test]
fn a_root_that_skips_a_number_is_refused() {
    let mut rig = Rig::with([chrome("131.0-1")]);
    rig.server.root = Some(3);
    rig.server.roots = [(2, signed(&root(3), &[1, 2]).to_bytes())].into();
    assert_refused(&mut rig, "rollback", "root 3 does not follow root 1");
    assert_eq!(rig.machine.root().version, 1);
}

/// CVE-2025-2886: a delegation that ends the search did not. Here the first that names a title decides: a distribution's
/// permission does not open what a title's own refuses.
#[test]
fn a_titles_own_permission_is_the_last_word() {
    let mut rig = Rig::new();
    rig.sign_mandate(|mandate| {
        let mut permit = mandate.titles[&TitleId::new("google-chrome")].clone();
        permit.policies = ["linux".into()].into();
        permit.packages = vec![name("curl")];
        permit.sources = ["google".into()].into();
        mandate.titles.insert(TitleId::new("deb/curl"), permit);
    });
    rig.publish([deb("curl", "8.1-1")]);
    rig.sign_mandate(|mandate| {
        mandate.known.entry(TitleId::new("deb/curl")).or_default().insert("8.1-1".into(), at("2026-11-01T00:00:00Z"));
    });
    assert_refused(&mut rig, "mandate", "which the mandate does not permit for it");
}

/// CVE-2025-2887: a delegated document could go back. Here a mandate's number never does, nor has one number two contents.
#[test]
fn a_mandate_never_goes_back() {
    let mut rig = Rig::with([]);
    let old = signed(&rig.mandate, &[4]);
    rig.sign_mandate(|_| {});
    rig.check_in();
    rig.server.mandate = Some(old.to_bytes());
    rig.state.mandate = Some(old.digest());
    rig.publish([chrome("131.0-1")]);
    assert_refused(&mut rig, "rollback", "the mandate is number 1, and number 2 is known");
    let mut other = rig.mandate.clone();
    other.policies.clear();
    rig.server.mandate = Some(signed(&other, &[4]).to_bytes());
    assert_refused(&mut rig, "mixed", "there are two mandates of the number 2");
}

/// CVE-2025-2888: what was refused was kept all the same, and stood in the way of what was right.
#[test]
fn what_is_refused_changes_nothing_that_is_kept() {
    let mut rig = Rig::with([]);
    rig.check_in();
    let held = |rig: &Rig| {
        let journal = rig.machine.journal();
        (journal.root.clone(), journal.mandate.clone(), journal.state.clone(), rig.disk.len())
    };
    let before = held(&rig);
    let forged = State { sequence: u64::MAX, mandate: Some(Digest::of(b"x")), ..rig.state.clone() };
    rig.server.state = Some(Ok(signed(&forged, &[5]).to_bytes()));
    rig.server.state_digest = Some(signed(&forged, &[5]).digest());
    rig.check_in();
    rig.check_in();
    assert_eq!(held(&rig), before);
    rig.server = Server::default();
    rig.publish([chrome("131.0-1")]);
    rig.check_in();
    assert_eq!(rig.version("google-chrome-stable"), "131.0-1");
}

/// CVE-2026-6967: expiry, digest and length of delegated documents were not checked.
#[test]
fn a_mandates_expiry_digest_and_length_are_checked() {
    let mut rig = Rig::with([chrome("131.0-1")]);
    rig.sign_mandate(|mandate| mandate.expires = at("2026-11-20T00:00:00Z"));
    assert_refused(&mut rig, "expired", "the mandate has expired");

    // The server names one mandate and sends another that is signed as well.
    let mut rig = Rig::with([chrome("131.0-1")]);
    rig.check_in();
    rig.applied.clear();
    rig.sign_mandate(|_| {});
    let named = rig.state.mandate;
    let mut other = rig.mandate.clone();
    other.number += 1;
    rig.server.mandate = Some(signed(&other, &[4]).to_bytes());
    rig.server.mandate_digest = named;
    assert_refused(&mut rig, "mixed", "the server named one mandate and sent another");
    assert_ne!(rig.machine.journal().mandate.as_ref().map(|held| held.digest), named);

    let mut rig = Rig::with([chrome("131.0-1")]);
    rig.server.mandate = Some(vec![b' '; limits::MANDATE + 1]);
    rig.server.mandate_digest = Some(Digest::of(b"too large"));
    assert_refused(&mut rig, "limit", "the server's mandate is larger than");
}

/// GHSA-j8x2-777p-23fc: delegations that lead in a circle kept a client busy for ever. Here no document names another of its kind;
/// what a server can send a device for again and again is fetched at intervals.
#[test]
fn a_server_that_sends_a_device_around_in_circles_does_not_keep_it_busy() {
    let mut rig = Rig::with([chrome("131.0-1")]);
    rig.server.root = Some(u64::MAX);
    rig.server.want = Some(refit_wire::protocol::Want::All);
    rig.server.state_digest = Some(Digest::of(b"another one, each time"));
    rig.check_in();
    let first = rig.check_ins.len();
    for _ in 0..360 {
        rig.pass(std::time::Duration::from_secs(10));
    }
    let more = rig.check_ins.len() - first;
    assert!((1..=361).contains(&more), "{more} check-ins in an hour");
    assert_eq!(rig.applied.len(), 0, "nothing is done on the word of an answer that does not hold together");
}
