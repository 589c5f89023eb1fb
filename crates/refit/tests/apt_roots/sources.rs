//! Package sources that are gone, expired, unsigned, tampered with. Nothing is installed from one that can't be trusted.

use super::machine::{EVERYTHING, Machine};
use refit_testbed::{BaseRoot, Device, Package, scenarios};

/// A source was spoiled after 2.0 was fetched from it, and offers 3.0: refreshing says so, and nobody gets 3.0.
fn spoiled(scenario: fn(&BaseRoot) -> Device, name: &str, says: &str) {
    let Some(base) = BaseRoot::minimal() else { return };
    let machine = Machine::new(scenario(&base), EVERYTHING);
    machine.refit("plan policy --local --refresh --out plan.json").exit(0).says(says).says("note: not refreshed:");
    assert!(machine.root().read("/plan.json").contains("not refreshed: "), "the plan says it, too");
    let outcome = machine.refit("apply plan.json");
    let state = machine.state("alpha");
    assert!(["ii 1.0", "ii 2.0"].contains(&state.as_str()), "{state}: {outcome}");
    machine.is_consistent();
    machine.tells(name);
}

#[test]
fn a_source_that_is_gone_is_said() {
    spoiled(scenarios::source_gone, "source_gone", "warning:");
}

#[test]
fn a_server_that_does_not_answer_is_said() {
    spoiled(scenarios::source_unreachable, "source_unreachable", "warning:");
}

#[test]
fn an_expired_source_is_said() {
    spoiled(scenarios::source_expired, "source_expired", "warning:");
}

#[test]
fn an_unsigned_source_is_said() {
    spoiled(scenarios::source_unsigned, "source_unsigned", "warning:");
}

#[test]
fn a_strangers_signature_is_said() {
    spoiled(scenarios::source_signed_by_stranger, "source_signed_by_stranger", "warning:");
}

#[test]
fn a_list_that_was_tampered_with_is_said() {
    spoiled(scenarios::source_tampered, "source_tampered", "warning:");
}

#[test]
fn nothing_is_taken_from_lists_that_have_expired() {
    let Some(base) = BaseRoot::minimal() else { return };
    let machine = Machine::new(scenarios::plain_upgrade(&base), EVERYTHING);
    machine
        .root()
        .shell("sed -i '/^Date:/a Valid-Until: Sat, 01 Aug 2026 00:00:00 UTC' /var/lib/apt/lists/*bookworm_InRelease")
        .success();
    machine.plan().says("has expired");
    machine.apply(0);
    assert_eq!(machine.state("alpha"), "ii 1.0");
    machine.tells("lists_expired");
}

#[test]
fn nothing_is_taken_from_an_unsigned_source_that_somebody_allowed() {
    let Some(base) = BaseRoot::minimal() else { return };
    let machine = Machine::new(scenarios::plain_upgrade(&base), EVERYTHING);
    machine.device.repository.unsign("bookworm");
    let sources = "deb [allow-insecure=yes] copy:/srv/repository bookworm main\n";
    machine.root().write("/etc/apt/sources.list.d/testbed.list", sources);
    machine.root().shell("rm -rf /var/lib/apt/lists/*; apt-get update --allow-insecure-repositories").success();
    machine.plan().says("not signed");
    machine.apply(0);
    assert_eq!(machine.state("alpha"), "ii 1.0");
    machine.tells("source_unsigned_and_allowed");
}

#[test]
fn a_package_that_was_tampered_with_is_never_unpacked() {
    let Some(base) = BaseRoot::minimal() else { return };
    let machine = Machine::new(scenarios::package_tampered(&base), EVERYTHING);
    machine.plan();
    machine.apply(1);
    assert_eq!(machine.state("alpha"), "ii 1.0");
    machine.is_consistent();
    machine.tells("package_tampered");
}

#[test]
fn nothing_is_brought_along_from_lists_that_have_expired() {
    let Some(base) = BaseRoot::minimal() else { return };
    let device = Device::new(&base, [Package::new("alpha", "1.0")]);
    device.publish_security([Package::new("library", "1.0")]);
    device.offer([Package::new("alpha", "2.0").depends("library")]);
    let machine = Machine::new(device, &format!("{EVERYTHING}packages: {{ install_new: true }}\n"));
    let lists = "/var/lib/apt/lists/*bookworm-security_InRelease";
    machine.root().shell(&format!("sed -i '/^Date:/a Valid-Until: Sat, 01 Aug 2026 00:00:00 UTC' {lists}")).success();
    machine.plan().says("has expired");
    machine.apply(0);
    assert_eq!((machine.state("alpha"), machine.state("library")), ("ii 1.0".to_owned(), "-".to_owned()));
    machine.tells("brought_along_from_expired_lists");
}

#[test]
fn a_refresh_says_whom_it_waits_for() {
    let Some(base) = BaseRoot::minimal() else { return };
    let machine = Machine::new(scenarios::plain_upgrade(&base), EVERYTHING);
    let script = "\
        perl -e 'use Fcntl; open(my $f, \">>\", \"/var/lib/apt/lists/lock\") or die; \
        my $l = pack(\"s s x4 q q i x4\", F_WRLCK, 0, 0, 0, 0); fcntl($f, F_SETLK, $l) or die; \
        open(my $s, \">\", \"/run/held\"); close $s; sleep' & L=$!; \
        until test -e /run/held; do sleep 0.05; done; \
        refit plan policy --local --refresh >told 2>&1 & P=$!; \
        until grep -q waiting: told; do kill -0 $P || exit 1; sleep 0.05; done; kill $L; wait $P; cat told";
    let outcome = machine.root().command("bash").args(["-c", script]).run().success();
    outcome.says("`perl -e use Fcntl;").says("holds /var/lib/apt/lists/lock");
}
