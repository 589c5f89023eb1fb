//! What only dnf and rpm have.

use crate::machine::{Machine, results};
use refit_testbed::{
    family::{AnyDevice, Family, Software},
    rpm::{RpmDevice, RpmPackage, Scriptlet},
};
use serde_json::json;

fn machine(installed: impl IntoIterator<Item = RpmPackage>) -> Option<Machine> {
    let base = Family::Dnf.base()?;
    Some(Machine::on(AnyDevice::Dnf(RpmDevice::new(&base, installed))))
}

fn device(machine: &Machine) -> &RpmDevice {
    let AnyDevice::Dnf(device) = &machine.device else { unreachable!() };
    device
}

#[test]
fn a_package_that_obsoletes_another_is_shown_to_remove_it() {
    let Some(machine) = machine([RpmPackage::new("alpha", "1.0"), RpmPackage::new("old", "1.0")]) else { return };
    let alpha = RpmPackage::new("alpha", "2.0").tag("Obsoletes", "old < 2").tag("Provides", "old = 2");
    device(&machine).offer([alpha]);
    let change = [machine.change("alpha", Some("2.0"))];
    let answer = machine.ask("simulate", &change);
    let old = &answer.ok()["packages"]["rpm/old"];
    assert_eq!(
        (&old["kind"], &old["named"], &old["to"]),
        (&json!("remove"), &json!(false), &json!(null)),
        "{answer:?}"
    );
    let changed = machine.changed(|| {
        let answer = machine.ask("apply", &change);
        assert_eq!(answer.ok()["succeeded"], true, "{answer:?}");
    });
    assert_eq!(changed, ["alpha: 1.0 -> 2.0", "old: 1.0 -> none"]);
}

#[test]
fn a_first_installation_that_was_broken_off_is_made_again() {
    let Some(machine) = machine([]) else { return };
    let waits = "test ! -e /etc/wait || { touch /etc/waiting; sleep 1000; }; touch /etc/alpha-is-configured";
    device(&machine).offer([RpmPackage::new("alpha", "1.0").script(Scriptlet::Post, waits)]);
    let root = machine.device.root();
    root.write("/etc/wait", "");
    let change = [machine.change("alpha", Some("1.0"))];
    let mut running = machine.start("apply", &change);
    running.wait_until("in the script", || root.exists("/etc/waiting"));
    running.kill();
    root.remove("/etc/wait");
    assert_eq!(machine.install("alpha")["status"], "half_installed");
    let answer = machine.ask("apply", &change);
    let receipt = answer.ok();
    assert_eq!(receipt["succeeded"], true, "{receipt:#}");
    assert!(root.exists("/etc/alpha-is-configured"), "{receipt:#}");
    assert_eq!(machine.install("alpha")["status"], "installed");
}

#[test]
fn a_package_that_failed_is_installed_again_where_the_same_version_is_asked_for() {
    let Some(machine) = machine([RpmPackage::new("alpha", "1.0")]) else { return };
    device(&machine).offer([RpmPackage::new("alpha", "2.0").script(Scriptlet::Post, "test -e /etc/may-migrate")]);
    let change = [machine.change("alpha", Some("2.0"))];
    assert_eq!(machine.ask("apply", &change).ok()["succeeded"], false);
    machine.device.root().write("/etc/may-migrate", "");
    assert_eq!(machine.ask("simulate", &change).ok()["packages"]["rpm/alpha"]["kind"], "reinstall");
    let answer = machine.ask("apply", &change);
    assert_eq!(answer.ok()["succeeded"], true, "{answer:?}");
    assert_eq!(machine.install("alpha")["status"], "installed");
}

#[test]
fn an_excluded_package_is_held() {
    let Some(machine) = machine([RpmPackage::new("alpha", "1.0")]) else { return };
    device(&machine).offer([RpmPackage::new("alpha", "2.0")]);
    machine.device.root().shell("echo excludepkgs=alpha >>/etc/dnf/dnf.conf").success();
    assert!(machine.install("alpha")["held"].as_str().unwrap().contains("excludepkgs"));
    let answer = machine.ask("simulate", &[machine.change("alpha", Some("2.0"))]);
    assert!(answer.error().contains("alpha is held"), "{answer:?}");
    let answer = machine.ask("available", &[]);
    let newest = &answer.ok()["packages"]["rpm/alpha"][0];
    assert_eq!(newest["version"], "2.0-1");
    assert!(newest["withheld"].as_str().unwrap().contains("excludepkgs"), "{newest:#}");
}

#[test]
fn kernels_are_installed_beside_older_ones() {
    let Some(machine) = machine([]) else { return };
    // Two versions are there at once, so that no file may have the same name in both.
    let own = |version: &str| {
        RpmPackage::without_files("kernel-core", version)
            .tag("Provides", "installonlypkg(kernel)")
            .file(&format!("/boot/vmlinuz-{version}"), version)
    };
    device(&machine).offer([own("5.1")]);
    assert_eq!(machine.ask("apply", &[machine.change("kernel-core", Some("5.1"))]).ok()["succeeded"], true);
    device(&machine).offer([own("5.2")]);
    let changed = machine.changed(|| {
        let answer = machine.ask("apply", &[machine.change("kernel-core", Some("5.2"))]);
        assert_eq!(answer.ok()["succeeded"], true, "{answer:?}");
        assert!(answer.ok()["needed"]["reboot"].to_string().contains("kernel-core 5.2-1"), "{answer:?}");
    });
    assert_eq!(changed, ["kernel-core: 5.1 -> 5.1, 5.2"]);
    let found = machine.install("kernel-core");
    assert_eq!(
        (&found["version"], &found["beside"], &found["status"]),
        (&json!("5.2-1"), &json!(["5.1-1"]), &json!("installed"))
    );
}

#[test]
fn a_key_that_is_only_on_the_network_is_not_taken() {
    let Some(machine) = machine([RpmPackage::new("alpha", "1.0")]) else { return };
    let root = machine.device.root();
    root.shell("sed -i 's|^gpgkey=.*|gpgkey=http://127.0.0.1:9/key.asc|' /etc/yum.repos.d/testbed.repo").success();
    root.shell("rm -rf /var/cache/dnf/*").success();
    let faults = machine.faults();
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(["unverifiable", "tampered", "unknown_key"].contains(&faults[0].as_str()), "{faults:?}");
}

#[test]
fn a_script_of_the_old_version_that_fails_is_told_and_the_new_one_is_done() {
    let old = RpmPackage::new("alpha", "1.0").script(Scriptlet::Postun, "exit 5");
    let Some(machine) = machine([old]) else { return };
    device(&machine).offer([RpmPackage::new("alpha", "2.0")]);
    let answer = machine.ask("apply", &[machine.change("alpha", Some("2.0"))]);
    let receipt = answer.ok();
    assert_eq!(results(receipt)["alpha"], "done", "{receipt:#}");
    assert!(receipt["problems"].to_string().contains("%postun of alpha-1.0-1.noarch failed"), "{receipt:#}");
}

#[test]
fn another_root_is_patched_and_the_machine_itself_is_not() {
    let Some(machine) = Machine::new(Family::Dnf, [Software::new("alpha", "1.0")]) else { return };
    let root = machine.device.root();
    root.shell("mkdir -p /srv/other/etc && cp -r /etc/yum.repos.d /srv/other/etc && dnf -y -q --installroot=/srv/other install alpha").success();
    machine.device.offer([Software::new("alpha", "2.0")]);
    let ask = |verb: &str| {
        machine.ask_with(json!({ "verb": verb, "root": "/srv/other", "changes": [["rpm/alpha", "2.0-1"]] }))
    };
    let changed = machine.changed(|| {
        assert_eq!(ask("refresh").ok()["faults"], json!([]));
        let answer = ask("apply");
        assert_eq!(answer.ok()["succeeded"], true, "{answer:?}");
    });
    assert_eq!(changed, [] as [&str; 0]);
    let inside = root.run("rpm", ["--root", "/srv/other", "-q", "alpha"]).success();
    assert_eq!(inside.stdout.trim(), "alpha-2.0-1.noarch");
    assert_eq!(ask("simulate").ok()["packages"], json!({}));
}

#[test]
fn packages_are_fetched_over_the_network_and_checked_before_anything_changes() {
    let Some(machine) = machine([RpmPackage::new("alpha", "1.0")]) else { return };
    let device = device(&machine);
    device
        .repository
        .publish([RpmPackage::new("alpha", "2.0").tag("Requires", "library"), RpmPackage::new("library", "1.0")]);
    let root = machine.device.root();
    root.shell("sed -i 's|^baseurl=.*|baseurl=http://127.0.0.1:8000/|' /etc/yum.repos.d/testbed.repo").success();
    assert_eq!(machine.ask_over_http("refresh", &[]).ok()["faults"], json!([]));
    let change = [machine.change("alpha", Some("2.0"))];
    let changed = machine.changed(|| {
        // Without the server what is known is enough to simulate, and not to change anything.
        assert_eq!(machine.ask("simulate", &change).ok()["packages"].as_object().unwrap().len(), 2);
        let answer = machine.ask("apply", &change);
        assert!(answer.error().contains("could not be fetched"), "{answer:?}");
    });
    assert_eq!(changed, [] as [&str; 0]);
    let changed = machine.changed(|| {
        let answer = machine.ask_over_http("apply", &change);
        assert_eq!(answer.ok()["succeeded"], true, "{answer:?}");
    });
    assert_eq!(changed, ["alpha: 1.0 -> 2.0", "library: none -> 1.0"]);
    // Reasons are kept: what was asked for is somebody's wish, what came along is not.
    let reasons = device.dnf(["-q", "-C", "repoquery", "--installed", "--qf", "%{name} %{reason}", "alpha", "library"]);
    assert_eq!(reasons.success().stdout, "alpha user\nlibrary dependency\n");
}

#[test]
fn what_cannot_be_repaired_now_is_told_and_does_not_stand_in_the_way() {
    let Some(machine) = machine([RpmPackage::new("alpha", "1.0"), RpmPackage::new("beta", "1.0")]) else { return };
    let waits = "test ! -e /etc/wait || { touch /etc/waiting; sleep 1000; }";
    let alpha = RpmPackage::new("alpha", "2.0").script(Scriptlet::Post, waits);
    device(&machine).offer([alpha.clone(), RpmPackage::new("beta", "2.0")]);
    let root = machine.device.root();
    root.write("/etc/wait", "");
    let mut running = machine.start("apply", &[machine.change("alpha", Some("2.0"))]);
    running.wait_until("in the script", || root.exists("/etc/waiting"));
    running.kill();
    root.remove("/etc/wait");
    // What would have to be installed again is no longer there.
    device(&machine).repository.withdraw(&alpha);
    device(&machine).offer([]);
    let changed = machine.changed(|| {
        let answer = machine.ask("apply", &[machine.change("beta", Some("2.0"))]);
        let receipt = answer.ok();
        assert_eq!((&receipt["succeeded"], results(receipt)["beta"].as_str()), (&json!(true), "done"), "{receipt:#}");
        assert!(receipt["problems"].to_string().contains("alpha (half-installed) stayed unfinished"), "{receipt:#}");
    });
    assert_eq!(changed, ["alpha: 1.0, 2.0 -> 2.0", "beta: 1.0 -> 2.0"]);
    assert_eq!(machine.install("alpha")["status"], "half_installed");
    // Another version of it mends it.
    device(&machine).offer([RpmPackage::new("alpha", "3.0")]);
    let answer = machine.ask("apply", &[machine.change("alpha", Some("3.0"))]);
    assert_eq!((&answer.ok()["succeeded"], &answer.ok()["problems"]), (&json!(true), &json!([])), "{answer:?}");
    assert_eq!(machine.install("alpha")["status"], "installed");
}
