//! What a person does on one machine, with apt and with dnf: the same words, and the same answers but for names.

use super::machine::equip;
use refit_testbed::{
    Outcome,
    family::{AnyDevice, Family, Software},
};
use std::time::{Duration, Instant};

const POLICY: &str = "\
policy: everything
mode: enforce
software: [\"os/*\"]
deadline: [{ within: 14d }]
";

fn device(family: Family, installed: impl IntoIterator<Item = Software>) -> Option<AnyDevice> {
    let mut device = AnyDevice::new(family, installed)?;
    equip(device.root_mut());
    device.root().write("/policy/patch.yaml", POLICY);
    if family == Family::Dnf {
        // The testbed's dnf runs on Debian; what a system says that it is decides.
        device.root().remove("/etc/os-release");
        let system = "ID=almalinux\nVERSION_ID=9.4\nID_LIKE=\"rhel centos fedora\"\n";
        device.root().write("/etc/os-release", system);
    }
    Some(device)
}

fn refit(device: &AnyDevice, words: &str) -> Outcome {
    device.root().run("sh", ["-c", &format!("refit {words} 2>&1")])
}

fn version(device: &AnyDevice, name: &str) -> String {
    device.database().get(name).map(|package| package.version.clone()).unwrap_or_default()
}

fn what_is_planned_is_applied_and_what_is_not_permitted_stays(family: Family) {
    let software = ["alpha", "beta", "gamma"].map(|name| Software::new(name, "1.0"));
    let Some(device) = device(family, software) else { return };
    device.offer([
        Software::new("alpha", "2.0"),
        Software::new("beta", "2.0").needs("library"),
        Software::new("library", "1.0"),
    ]);
    let (one, two) = (family.version("1.0"), family.version("2.0"));
    refit(&device, "inventory --outdated").exit(0).says(&format!("{}  {one}  → {two}", family.title("alpha")));
    let plan = refit(&device, "plan policy --local --out plan.json").exit(0);
    plan.says(&format!("{}  {one} → {two}", family.title("alpha")))
        .says(&format!("it needs to install library {one}, which is not permitted"));
    refit(&device, "explain local alpha --policy policy").exit(0).says(&two);
    refit(&device, "apply plan.json").exit(0);
    assert_eq!([version(&device, "alpha"), version(&device, "beta")], [two, one]);
    refit(&device, "plan policy --local --detailed-exitcode").exit(0);
}

fn a_script_that_fails_is_a_failure(family: Family) {
    let Some(device) = device(family, ["alpha", "beta"].map(|name| Software::new(name, "1.0"))) else { return };
    device.offer([Software::new("alpha", "2.0").after("echo no licence >&2; exit 7"), Software::new("beta", "2.0")]);
    refit(&device, "plan policy --local --out plan.json").exit(0);
    refit(&device, "apply plan.json").exit(1).says("failed").says("no licence");
    assert_eq!(version(&device, "beta"), family.version("2.0"));
    // Its version reads as the new one, and nobody is told that all is well.
    let said = refit(&device, "plan policy --local --detailed-exitcode");
    said.exit(4).says("half-configured");
}

fn a_title_of_the_catalog_is_told_by_the_package_that_carries_it(family: Family) {
    let Some(device) = device(family, [Software::new("google-chrome-stable", "1.0")]) else { return };
    let said = refit(&device, "explain local google-chrome --policy policy").exit(0);
    said.says(&format!("decisions speak of it as `{}`", family.title("google-chrome-stable")));
}

fn the_machine_is_a_device_of_its_own_server(family: Family) {
    let Some(mut device) = device(family, [Software::new("alpha", "1.0")]) else { return };
    device.root_mut().share_network();
    device.offer([Software::new("alpha", "2.0")]);
    let up = "exec refit up --policy policy --data /data --listen 127.0.0.1:0 2>&1";
    let server = device.root().command("sh").args(["-c", up]).start();
    let (begun, title) = (Instant::now(), family.title("alpha"));
    let asked = loop {
        let asked = refit(&device, &format!("devices --title {title} --compliance due --data /data"));
        if asked.stdout.contains("1 device") || begun.elapsed() > Duration::from_secs(60) {
            break asked;
        }
        std::thread::sleep(Duration::from_millis(200));
    };
    let explained = refit(&device, &format!("explain \"$(hostname)\" {title} --server --data /data"));
    let said = server.kill();
    assert!(asked.stdout.contains("1 device"), "{asked} {said}");
    explained.exit(0).says(&family.version("2.0"));
    said.says("this machine is a device").says("the policy is in force");
}

/// Makes one test of each scenario for each kind of package manager.
macro_rules! both {
    ($($scenario:ident),* $(,)?) => {
        mod apt {
            $(#[test] fn $scenario() { super::$scenario(refit_testbed::family::Family::Apt); })*
        }
        mod dnf {
            $(#[test] fn $scenario() { super::$scenario(refit_testbed::family::Family::Dnf); })*
        }
    };
}

both! {
    what_is_planned_is_applied_and_what_is_not_permitted_stays,
    a_script_that_fails_is_a_failure,
    a_title_of_the_catalog_is_told_by_the_package_that_carries_it,
    the_machine_is_a_device_of_its_own_server,
}
