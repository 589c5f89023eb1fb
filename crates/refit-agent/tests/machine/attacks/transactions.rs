//! What would be installed or removed: titles, names, sources, versions, and what comes along.

use crate::rig::*;
use refit_model::TitleId;
use refit_wire::mandate::check::Step;
use refit_wire::state::{Action, Package, System};

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
fn a_package_that_is_asked_for_twice_is_changed_once() {
    let mut second = chrome("131.0-1");
    second.id = "again".into();
    let mut rig = Rig::with([chrome("131.0-1"), second]);
    rig.check_in();
    rig.check_in();
    assert_eq!(rig.applied.len(), 1);
}

#[test]
fn what_is_wrong_with_a_package_source_is_reported() {
    let mut rig = Rig::with([]);
    rig.faults = vec!["http://mirror.example: signed with a key that this machine does not trust".into()];
    rig.check_in();
    rig.check_in();
    assert_reported(&rig, "package_source", "signed with a key that this machine does not trust");
}
