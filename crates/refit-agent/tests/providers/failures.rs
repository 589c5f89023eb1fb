//! Changes that fail, are refused, or are broken off.

use crate::machine::{Machine, results};
use refit_testbed::family::{AnyDevice, Family, Software};
use serde_json::{Value, json};
use std::path::Path;

fn alpha(version: &str) -> Software {
    Software::new("alpha", version)
}

fn beta(version: &str) -> Software {
    Software::new("beta", version)
}

fn both(machine: &Machine) -> [Value; 2] {
    [machine.change("alpha", Some("2.0")), machine.change("beta", Some("2.0"))]
}

/// apt-get exits 100 and dnf 0; the version column shows the new version in both.
pub fn a_failing_post_install_script_is_a_failure_and_stays_one(family: Family) {
    let Some(machine) = Machine::new(family, [alpha("1.0"), beta("1.0")]) else { return };
    machine.device.offer([alpha("2.0").after("echo 'alpha: cannot migrate' >&2; exit 3"), beta("2.0")]);
    let changed = machine.changed(|| {
        let answer = machine.ask("apply", &both(&machine));
        let receipt = answer.ok();
        assert_eq!(receipt["succeeded"], false, "{receipt:#}");
        let results = results(receipt);
        assert_eq!((results["alpha"].as_str(), results["beta"].as_str()), ("failed", "done"), "{receipt:#}");
        let failed =
            receipt["packages"].as_array().unwrap().iter().find(|p| p["outcome"]["result"] == "failed").unwrap();
        assert!(failed["outcome"]["output"].to_string().contains("alpha: cannot migrate"), "{failed:#}");
        assert_eq!(failed["after"], family.version("2.0"));
    });
    assert_eq!(changed, ["alpha: 1.0 -> 2.0", "beta: 1.0 -> 2.0"]);
    // Whoever looks later sees it too.
    assert_eq!(machine.install("alpha")["status"], "half_configured");
    assert_eq!(machine.install("beta")["status"], "installed");
}

pub fn a_package_that_failed_is_mended_by_a_newer_version(family: Family) {
    let Some(machine) = Machine::new(family, [alpha("1.0")]) else { return };
    machine.device.offer([alpha("2.0").after("exit 3")]);
    assert_eq!(machine.ask("apply", &[machine.change("alpha", Some("2.0"))]).ok()["succeeded"], false);
    machine.device.offer([alpha("3.0")]);
    let answer = machine.ask("apply", &[machine.change("alpha", Some("3.0"))]);
    assert_eq!(answer.ok()["succeeded"], true, "{answer:?}");
    assert_eq!(machine.install("alpha")["status"], "installed");
    assert_eq!(machine.install("alpha")["version"], family.version("3.0"));
}

pub fn a_failing_pre_install_script_leaves_the_old_version(family: Family) {
    let Some(machine) = Machine::new(family, [alpha("1.0")]) else { return };
    machine.device.offer([alpha("2.0").before("echo 'alpha: will not' >&2; exit 4")]);
    let changed = machine.changed(|| {
        let answer = machine.ask("apply", &[machine.change("alpha", Some("2.0"))]);
        let receipt = answer.ok();
        assert_eq!(receipt["succeeded"], false, "{receipt:#}");
        assert_eq!(results(receipt)["alpha"], "failed", "{receipt:#}");
        assert!(receipt["packages"][0]["outcome"]["output"].to_string().contains("alpha: will not"), "{receipt:#}");
    });
    assert_eq!(changed, [] as [&str; 0]);
    assert_eq!(machine.install("alpha")["status"], "installed");
}

pub fn a_conflict_is_refused_and_named(family: Family) {
    let installed = [alpha("1.0"), beta("1.0"), Software::new("keeper", "1.0").needs("beta")];
    let Some(machine) = Machine::new(family, installed) else { return };
    machine.device.offer([alpha("2.0").conflicts("beta"), Software::new("keeper", "2.0").needs("beta")]);
    let changes = [machine.change("alpha", Some("2.0")), machine.change("keeper", Some("2.0"))];
    let changed = machine.changed(|| {
        let answer = machine.ask("apply", &changes);
        assert!(answer.error().contains("alpha") || answer.error().contains("beta"), "{answer:?}");
        assert_eq!(answer.0["at"], "simulate");
    });
    assert_eq!(changed, [] as [&str; 0]);
}

pub fn a_missing_dependency_is_refused_and_named(family: Family) {
    let Some(machine) = Machine::new(family, [alpha("1.0")]) else { return };
    machine.device.offer([alpha("2.0").needs("nowhere")]);
    let answer = machine.ask("simulate", &[machine.change("alpha", Some("2.0"))]);
    assert!(answer.error().contains("alpha") && answer.error().contains("nowhere"), "{answer:?}");
}

pub fn a_version_that_nobody_has_is_not_found(family: Family) {
    let Some(machine) = Machine::new(family, [alpha("1.0")]) else { return };
    let answer = machine.ask("simulate", &[machine.change("alpha", Some("9.0"))]);
    assert!(answer.error().contains("no source has alpha in this version"), "{answer:?}");
}

/// Everything is killed while the first package's script runs, its files being there already.
pub fn an_interrupted_change_is_repaired_first(family: Family) {
    let Some(machine) = Machine::new(family, [alpha("1.0"), beta("1.0")]) else { return };
    let waits = "test ! -e /etc/wait || { touch /etc/waiting; sleep 1000; }";
    machine.device.offer([alpha("2.0").after(waits), beta("2.0")]);
    let root = machine.device.root();
    root.write("/etc/wait", "");
    let mut running = machine.start("apply", &both(&machine));
    running.wait_until("in the script", || root.exists("/etc/waiting"));
    running.kill();
    root.remove("/etc/wait").remove("/etc/waiting");
    let found = machine.install("alpha");
    assert!(found["status"] != "installed", "{found:#}");
    // What dpkg has unpacked is configured. dnf brings the version that is there once more: a mandate lets whoever may upgrade do so.
    let answer = machine.ask("simulate", &both(&machine));
    let alpha = &answer.ok()["packages"][family.title("alpha")];
    match family {
        Family::Apt => assert_eq!(alpha["kind"], "configure", "{answer:?}"),
        Family::Dnf => assert_eq!((&alpha["kind"], &alpha["from"]), (&json!("reinstall"), &alpha["to"]), "{answer:?}"),
    }

    let answer = machine.ask("apply", &both(&machine));
    let receipt = answer.ok();
    assert_eq!(receipt["succeeded"], true, "{receipt:#}");
    assert_eq!(receipt["repairs"].as_array().unwrap().len(), 1, "{receipt:#}");
    let after = machine.device.database();
    assert_eq!(after["alpha"].version, family.version("2.0"));
    assert_eq!(after["beta"].version, family.version("2.0"));
    assert_eq!(machine.install("alpha")["status"], "installed");
    assert_eq!(machine.ask("simulate", &both(&machine)).ok()["packages"], json!({}));
}

pub fn a_disk_without_room_changes_nothing(family: Family) {
    let Some(device) = AnyDevice::with_disk(family, 96 << 20, [alpha("1.0"), beta("1.0")]) else { return };
    let machine = Machine::on(device);
    machine.device.offer([alpha("2.0").large(4 << 20), beta("2.0")]);
    machine.device.root().fill_disk(3 << 20);
    let changed = machine.changed(|| {
        let answer = machine.ask("apply", &both(&machine));
        assert!(answer.error().contains("MiB free, and the change needs"), "{answer:?}");
        assert!(answer.error().contains("nothing was changed"), "{answer:?}");
    });
    assert_eq!(changed, [] as [&str; 0]);
    machine.device.root().free_disk();
    assert_eq!(machine.ask("apply", &both(&machine)).ok()["succeeded"], true);
}

pub fn a_lock_is_waited_for_with_a_limit_and_never_deleted(family: Family) {
    let Some(machine) = Machine::new(family, [alpha("1.0")]) else { return };
    machine.device.offer([alpha("2.0")]);
    let change = [machine.change("alpha", Some("2.0"))];
    let holder = machine.device.lock();
    let changed = machine.changed(|| {
        let answer = machine.ask("apply", &change);
        assert!(answer.error().contains("has not let go within 1 second"), "{answer:?}");
    });
    assert_eq!(changed, [] as [&str; 0]);
    let file = if family == Family::Apt { "/var/lib/dpkg/lock" } else { "/var/lib/rpm/.rpm.lock" };
    assert!(machine.device.root().exists(file), "{}", Path::new(file).display());
    drop(holder);
    assert_eq!(machine.ask("apply", &change).ok()["succeeded"], true);
}
