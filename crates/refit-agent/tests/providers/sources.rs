//! Package sources with something wrong, and packages that are not what was signed.

use crate::machine::Machine;
use refit_testbed::family::{AnyDevice, Family, Software, Spoiled};

fn alpha(version: &str) -> Software {
    Software::new("alpha", version)
}

/// Spoils the source of a device that knows of 2.0, after 3.0 was published in it; then 3.0 must not become known.
fn spoiled(family: Family, how: Spoiled, expected: &[&str]) {
    let Some(machine) = Machine::new(family, [alpha("1.0")]) else { return };
    machine.device.offer([alpha("2.0")]);
    machine.device.publish([alpha("3.0")]);
    machine.device.spoil(how);
    let changed = machine.changed(|| {
        let faults = machine.faults();
        assert!(!faults.is_empty() && faults.iter().all(|fault| expected.contains(&fault.as_str())), "{faults:?}");
    });
    assert_eq!(changed, [] as [&str; 0]);
    let offered = machine.offered("alpha");
    assert!(!offered.contains(&"3.0".to_owned()), "{offered:?}");
}

pub fn a_source_that_is_gone_is_told(family: Family) {
    spoiled(family, Spoiled::Gone, &["gone"]);
}

pub fn a_server_that_does_not_answer_is_told(family: Family) {
    spoiled(family, Spoiled::Unreachable, &["unreachable"]);
}

pub fn an_unsigned_source_is_not_believed(family: Family) {
    spoiled(family, Spoiled::Unsigned, &["unsigned"]);
}

/// apt says that it does not know the key; dnf says of every signature that does not hold that it is bad.
pub fn a_source_signed_by_a_stranger_is_not_believed(family: Family) {
    spoiled(family, Spoiled::SignedByStranger, &[if family == Family::Apt { "unknown_key" } else { "tampered" }]);
}

pub fn a_list_that_was_changed_is_not_believed(family: Family) {
    spoiled(family, Spoiled::Tampered, &["tampered"]);
}

/// The publisher's limit is apt's alone.
#[test]
fn an_expired_source_of_apt_is_not_believed() {
    spoiled(Family::Apt, Spoiled::Expired, &["expired"]);
}

pub fn a_package_that_was_changed_is_not_installed(family: Family) {
    let Some(machine) = Machine::new(family, [alpha("1.0")]) else { return };
    machine.device.offer([alpha("2.0")]);
    machine.device.tamper_with_package(&alpha("2.0"));
    let changed = machine.changed(|| {
        let answer = machine.ask("apply", &[machine.change("alpha", Some("2.0"))]);
        assert!(answer.error().contains("could not be fetched"), "{answer:?}");
        assert!(answer.error().contains("Do not install from this source"), "{answer:?}");
    });
    assert_eq!(changed, [] as [&str; 0]);
}

/// rpm has one set of keys for all repositories: only the mandate of a repository's own keys keeps others' packages out.
#[test]
fn a_package_signed_by_a_key_of_another_repository_is_not_installed() {
    let Some(machine) = Machine::new(Family::Dnf, [alpha("1.0")]) else { return };
    machine.device.offer([alpha("2.0")]);
    let AnyDevice::Dnf(device) = &machine.device else { unreachable!() };
    let stranger =
        device.repository.sign_package_with_stranger_key(&refit_testbed::rpm::RpmPackage::new("alpha", "2.0"));
    device.root.write("/tmp/stranger.asc", stranger);
    device.root.run("rpm", ["--import", "/tmp/stranger.asc"]).success();
    device.dnf(["-y", "-q", "--refresh", "makecache"]).success();
    let changed = machine.changed(|| {
        let answer = machine.ask("apply", &[machine.change("alpha", Some("2.0"))]);
        assert!(answer.error().contains("is signed by"), "{answer:?}");
        assert!(answer.error().contains("which is no key of the repository testbed"), "{answer:?}");
    });
    assert_eq!(changed, [] as [&str; 0]);
}
