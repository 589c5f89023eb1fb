//! What goes well, and what is held back with a reason.

use super::machine::{EVERYTHING, Machine};
use refit_testbed::{BaseRoot, Device, Package, scenarios};

#[test]
fn a_plain_upgrade_is_planned_made_and_not_planned_again() {
    let Some(base) = BaseRoot::minimal() else { return };
    let machine = Machine::new(scenarios::plain_upgrade(&base), EVERYTHING);
    machine.plan();
    assert_eq!(machine.state("alpha"), "ii 1.0", "a plan changes nothing");
    machine.apply(0);
    assert_eq!(machine.state("alpha"), "ii 2.0");
    machine.plan();
    machine.is_consistent();
    machine.tells("plain_upgrade");
}

#[test]
fn a_policy_for_security_updates_leaves_the_others() {
    let Some(base) = BaseRoot::minimal() else { return };
    let device = Device::new(&base, [Package::new("alpha", "1.0"), Package::new("beta", "1.0")]);
    device.publish_security([Package::new("alpha", "2.0")]);
    device.offer([Package::new("alpha", "1.5"), Package::new("beta", "2.0")]);
    let policy = "policy: security\nmode: enforce\nsoftware: [os/security]\ndeadline: [{ within: 7d }]\n";
    let machine = Machine::new(device, policy);
    machine.plan();
    machine.apply(0);
    assert_eq!((machine.state("alpha"), machine.state("beta")), ("ii 2.0".to_owned(), "ii 1.0".to_owned()));
    machine.tells("security_only");
}

#[test]
fn a_conflict_keeps_a_package_back_and_names_the_other() {
    let Some(base) = BaseRoot::minimal() else { return };
    let machine = Machine::new(scenarios::dependency_conflict(&base), EVERYTHING);
    machine.plan();
    machine.apply(0);
    assert_eq!((machine.state("alpha"), machine.state("beta")), ("ii 1.0".to_owned(), "ii 1.0".to_owned()));
    machine.tells("dependency_conflict");
}

#[test]
fn a_dependency_that_nobody_has_keeps_a_package_back() {
    let Some(base) = BaseRoot::minimal() else { return };
    let machine = Machine::new(scenarios::missing_dependency(&base), EVERYTHING);
    machine.plan();
    machine.apply(0);
    assert_eq!(machine.state("alpha"), "ii 1.0");
    machine.tells("missing_dependency");
}

#[test]
fn a_new_package_takes_permission() {
    let Some(base) = BaseRoot::minimal() else { return };
    let machine = Machine::new(scenarios::upgrade_needs_new_package(&base), EVERYTHING);
    machine.plan();
    machine.apply(0);
    assert_eq!((machine.state("alpha"), machine.state("library")), ("ii 1.0".to_owned(), "-".to_owned()));
    machine.remark("the policy is given `packages: { install_new: true }`");
    machine.set_policy(&format!("{EVERYTHING}packages: {{ install_new: true }}\n"));
    machine.plan();
    machine.apply(0);
    assert_eq!((machine.state("alpha"), machine.state("library")), ("ii 2.0".to_owned(), "ii 1.0".to_owned()));
    machine.has_nothing_left();
    machine.tells("new_package");
}

#[test]
fn a_removal_takes_permission() {
    let Some(base) = BaseRoot::minimal() else { return };
    let machine = Machine::new(scenarios::upgrade_removes_package(&base), EVERYTHING);
    machine.plan();
    machine.apply(0);
    assert_eq!((machine.state("alpha"), machine.state("alpha-extras")), ("ii 1.0".to_owned(), "ii 1.0".to_owned()));
    machine.remark("the policy is given `packages: { remove: true }`");
    machine.set_policy(&format!("{EVERYTHING}packages: {{ remove: true }}\n"));
    machine.plan();
    machine.apply(0);
    assert_eq!((machine.state("alpha"), machine.state("alpha-extras")), ("ii 2.0".to_owned(), "-".to_owned()));
    machine.has_nothing_left();
    machine.tells("removal");
}

#[test]
fn what_another_change_brings_along_names_the_change_that_needs_it() {
    let Some(base) = BaseRoot::minimal() else { return };
    let names = ["alpha", "omega", "shared", "zeta"];
    let device = Device::new(&base, names.map(|name| Package::new(name, "1.0")));
    device.offer([
        Package::new("alpha", "2.0"),
        Package::new("omega", "2.0").depends("shared (>= 2.0), fresh"),
        Package::new("shared", "2.0").depends("deeper"),
        Package::new("fresh", "1.0"),
        Package::new("deeper", "1.0"),
        Package::new("zeta", "2.0"),
    ]);
    let policy = "\
policy: three
mode: enforce
software: [deb/alpha, deb/omega, deb/zeta]
deadline: [{ within: 14d }]
packages: { install_new: true, upgrade_others: true }
";
    let machine = Machine::new(device, policy);
    machine.plan();
    machine.apply(0);
    assert_eq!((machine.state("shared"), machine.state("deeper")), ("ii 2.0".to_owned(), "ii 1.0".to_owned()));
    machine.tells("brought_along");
}

#[test]
fn two_policies_with_different_permissions_share_a_session() {
    let Some(base) = BaseRoot::minimal() else { return };
    let names = ["alpha", "omega", "shared"];
    let device = Device::new(&base, names.map(|name| Package::new(name, "1.0")));
    device.offer([
        Package::new("alpha", "2.0").depends("shared (>= 2.0)"),
        Package::new("omega", "2.0").depends("fresh, shared (>= 2.0)"),
        Package::new("shared", "2.0"),
        Package::new("fresh", "1.0"),
    ]);
    let policy = "\
policy: careful
mode: enforce
software: [deb/alpha]
deadline: [{ within: 14d }]
packages: { upgrade_others: true }
---
policy: generous
mode: enforce
software: [deb/omega]
deadline: [{ within: 14d }]
packages: { upgrade_others: true, install_new: true }
";
    let machine = Machine::new(device, policy);
    machine.plan();
    machine.apply(0);
    let states = ["alpha", "omega", "shared", "fresh"].map(|name| machine.state(name));
    assert_eq!(states, ["ii 2.0", "ii 2.0", "ii 2.0", "ii 1.0"]);
    machine.has_nothing_left();
    machine.tells("two_permissions");
}

#[test]
fn a_hold_is_respected_and_said() {
    let Some(base) = BaseRoot::minimal() else { return };
    let machine = Machine::new(scenarios::hold(&base), EVERYTHING);
    machine.plan();
    machine.apply(0);
    assert_eq!(machine.state("alpha"), "hi 1.0");
    machine.tells("hold");
}

#[test]
fn a_pin_is_respected_and_said() {
    let Some(base) = BaseRoot::minimal() else { return };
    let machine = Machine::new(scenarios::pin(&base), EVERYTHING);
    machine.plan();
    machine.apply(0);
    assert_eq!(machine.state("alpha"), "ii 1.0");
    machine.tells("pin");
}

#[test]
fn a_restart_that_a_package_asks_for_is_said() {
    let Some(base) = BaseRoot::minimal() else { return };
    let machine = Machine::new(scenarios::reboot_marker(&base), EVERYTHING);
    machine.plan();
    machine.apply(0);
    assert_eq!(machine.state("alpha"), "ii 2.0");
    machine.tells("reboot_marker");
}

#[test]
fn an_edited_configuration_file_keeps_its_content() {
    let Some(base) = BaseRoot::minimal() else { return };
    let machine = Machine::new(scenarios::edited_conffile(&base), EVERYTHING);
    machine.plan();
    machine.apply(0);
    assert_eq!(machine.state("alpha"), "ii 2.0");
    assert_eq!(machine.root().read("/etc/alpha.conf"), "colour=mine\n");
    assert_eq!(machine.root().read("/etc/alpha.conf.dpkg-dist"), "colour=blue\n");
    machine.tells("edited_conffile");
}

#[test]
fn forbidden_packages_go_and_required_ones_come() {
    let Some(base) = BaseRoot::minimal() else { return };
    let device = Device::new(&base, [Package::new("telnet", "1.0")]);
    device.offer([Package::new("agent", "1.0")]);
    let policy = "\
policy: no plain text
mode: enforce
software: [deb/telnet]
presence: forbidden
deadline: [{ within: 1d }]
---
policy: monitored
mode: enforce
software: [deb/agent]
presence: required
deadline: [{ within: 1d }]
";
    let machine = Machine::new(device, policy);
    machine.plan();
    machine.apply(0);
    assert_eq!((machine.state("telnet"), machine.state("agent")), ("-".to_owned(), "ii 1.0".to_owned()));
    machine.plan();
    machine.tells("forbidden_and_required");
}

#[test]
fn a_policy_that_observes_changes_nothing() {
    let Some(base) = BaseRoot::minimal() else { return };
    let machine = Machine::new(scenarios::plain_upgrade(&base), &EVERYTHING.replace("enforce", "observe"));
    machine.plan();
    machine.apply(0);
    assert_eq!(machine.state("alpha"), "ii 1.0");
    machine.tells("observe");
}

#[test]
fn a_freeze_and_a_closed_window_hold() {
    let Some(base) = BaseRoot::minimal() else { return };
    let machine = Machine::new(scenarios::plain_upgrade(&base), EVERYTHING);
    let frozen = "organization: acme\nfreezes:\n  - { name: year end, from: 2026-01-01, to: 2099-12-31 }\n";
    machine.root().write("/policy/refit.yaml", frozen);
    machine.plan();
    machine.apply(0);
    assert_eq!(machine.state("alpha"), "ii 1.0");
    machine.remark("in place of the freeze, a window that opens once a year");
    let window = "organization: acme\nwindows:\n  yearly: { rrule: \"FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYHOUR=3\", lasts: 1h }\n";
    machine.root().write("/policy/refit.yaml", window);
    machine.set_policy(&format!("{EVERYTHING}window: yearly\n"));
    machine.plan();
    machine.apply(0);
    assert_eq!(machine.state("alpha"), "ii 1.0");
    machine.tells("freeze_and_window");
}

#[test]
fn what_one_policy_holds_is_not_brought_along_by_another() {
    let Some(base) = BaseRoot::minimal() else { return };
    let device = Device::new(&base, ["alpha", "shared"].map(|name| Package::new(name, "1.0")));
    device.offer([Package::new("alpha", "2.0").depends("shared (>= 2.0)"), Package::new("shared", "2.0")]);
    let policy = "\
policy: eager
mode: enforce
software: [deb/alpha]
deadline: [{ within: 14d }]
packages: { upgrade_others: true }
---
policy: patient
mode: enforce
software: [deb/shared]
deadline: [{ within: 14d }]
window: yearly
";
    let machine = Machine::new(device, policy);
    let window = "organization: acme\nwindows:\n  yearly: { rrule: \"FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYHOUR=3\", lasts: 1h }\n";
    machine.root().write("/policy/refit.yaml", window);
    machine.plan();
    machine.apply(0);
    assert_eq!((machine.state("alpha"), machine.state("shared")), ("ii 1.0".to_owned(), "ii 1.0".to_owned()));
    machine.tells("held_by_another_policy");
}
