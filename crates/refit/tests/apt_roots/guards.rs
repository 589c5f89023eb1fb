//! What `refit apply` refuses: everything that is not the plan that somebody has looked at, on the machine that it is for.

use super::machine::{EVERYTHING, Machine};
use refit_testbed::{BaseRoot, Device, Package, scenarios};

fn planned(base: &BaseRoot) -> Machine {
    let machine = Machine::new(scenarios::plain_upgrade(base), EVERYTHING);
    machine.root().run("refit", ["plan", "policy", "--local", "--out", "plan.json"]).success();
    machine
}

#[test]
fn a_policy_that_changed_since_is_refused() {
    let Some(base) = BaseRoot::minimal() else { return };
    let machine = planned(&base);
    machine.set_policy(&EVERYTHING.replace("14d", "7d"));
    machine.apply(1).says("has changed since");
    assert_eq!(machine.state("alpha"), "ii 1.0");
    machine.tells("policy_changed");
}

#[test]
fn a_version_that_was_published_since_is_refused() {
    let Some(base) = BaseRoot::minimal() else { return };
    let machine = planned(&base);
    machine.remark("alpha 3.0 is published");
    machine.device.offer([Package::new("alpha", "3.0")]);
    machine.apply(1).says("3.0");
    assert_eq!(machine.state("alpha"), "ii 1.0");
    machine.tells("repository_moved_on");
}

#[test]
fn a_version_that_was_withdrawn_since_is_refused() {
    let Some(base) = BaseRoot::minimal() else { return };
    let machine = planned(&base);
    machine.remark("alpha 2.0 is withdrawn, and the lists are not fetched again");
    machine.device.repository.withdraw("bookworm", &Package::new("alpha", "2.0"));
    machine.apply(1);
    assert_eq!(machine.state("alpha"), "ii 1.0");
    machine.is_consistent();
    machine.tells("package_withdrawn");
}

#[test]
fn a_plan_for_another_device_is_refused() {
    let Some(base) = BaseRoot::minimal() else { return };
    let machine = planned(&base);
    machine.root().write("/etc/machine-id", "fedcba9876543210fedcba9876543210\n");
    machine.apply(1);
    assert_eq!(machine.state("alpha"), "ii 1.0");
    machine.tells("another_device");
}

#[test]
fn a_plan_that_was_edited_is_refused() {
    let Some(base) = BaseRoot::minimal() else { return };
    let machine = planned(&base);
    let plan = machine.root().read("/plan.json");
    let edited = plan.replace("\"to\": \"2.0\"", "\"to\": \"1.5\"");
    assert_ne!(plan, edited);
    machine.root().write("/plan.json", edited);
    machine.apply(1);
    assert_eq!(machine.state("alpha"), "ii 1.0");
    machine.tells("edited_plan");
}

#[test]
fn packages_are_changed_by_root_only() {
    let Some(base) = BaseRoot::minimal() else { return };
    let machine = planned(&base);
    let line = "setpriv --reuid nobody --regid nogroup --clear-groups refit";
    machine.typed(&format!("{line} plan policy --local --data /tmp/data"));
    machine.typed(&format!("{line} apply plan.json --data /tmp/data")).says("root");
    assert_eq!(machine.state("alpha"), "ii 1.0");
    machine.tells("not_root");
}

#[test]
fn what_is_no_plan_is_refused() {
    let Some(base) = BaseRoot::minimal() else { return };
    let machine = planned(&base);
    machine.typed("refit apply nowhere.json").exit(3);
    machine.root().write("/plan.json", "{}");
    machine.apply(3);
    machine.root().write("/plan.json", "{ \"format\": 99 }");
    machine.apply(3);
    machine.tells("no_plan");
}

#[test]
fn what_can_no_longer_be_done_is_said() {
    let Some(base) = BaseRoot::minimal() else { return };
    let names = ["alpha", "beta", "gamma"];
    let device = Device::new(&base, names.map(|name| Package::new(name, "1.0")));
    device.offer(names.map(|name| Package::new(name, "2.0")));
    let machine = Machine::new(device, EVERYTHING);
    machine.root().run("refit", ["plan", "policy", "--local", "--out", "plan.json"]).success();
    machine.remark("somebody holds alpha, and upgrades beta by hand");
    machine.root().run("apt-mark", ["hold", "alpha"]).success();
    machine.root().apt_get(["-y", "install", "beta"]).success();
    machine.apply(1);
    assert_eq!(names.map(|name| machine.state(name)), ["hi 1.0", "ii 2.0", "ii 2.0"]);
    machine.tells("no_longer_to_be_done");
}

#[test]
fn a_plan_that_can_no_longer_be_made_is_not_said_to_be_applied() {
    let Some(base) = BaseRoot::minimal() else { return };
    let machine = planned(&base);
    machine.remark("the package sources vanish");
    machine.root().shell("rm -rf /etc/apt/sources.list.d/* /var/lib/apt/lists/*").success();
    machine.apply(1).says("no package source offers 2.0 now");
    machine.refit("apply plan.json --json").exit(1).says("\"applied\": false");
    assert_eq!(machine.state("alpha"), "ii 1.0");
    machine.tells("sources_vanished");
}

#[test]
fn a_plan_that_was_carried_out_by_hand_has_nothing_left_to_do() {
    let Some(base) = BaseRoot::minimal() else { return };
    let machine = planned(&base);
    machine.remark("somebody upgrades alpha by hand");
    machine.root().apt_get(["-y", "install", "alpha"]).success();
    machine.apply(0).says("as planned already");
    machine.refit("apply plan.json --json").exit(0).says("\"applied\": true");
}

#[test]
fn facts_given_to_the_plan_hold_when_it_is_applied() {
    let Some(base) = BaseRoot::minimal() else { return };
    let policy = format!("{EVERYTHING}where: '\"canary\" in device.tags'\n");
    let machine = Machine::new(scenarios::plain_upgrade(&base), &policy);
    machine.refit("plan policy --local --fact device.tags=canary --out plan.json").exit(0).says("deb/alpha");
    machine.apply(0);
    assert_eq!(machine.state("alpha"), "ii 2.0");
    machine.tells("facts");
}

#[test]
fn a_plan_replaces_a_file_and_nothing_else() {
    let Some(base) = BaseRoot::minimal() else { return };
    let machine = Machine::new(scenarios::plain_upgrade(&base), EVERYTHING);
    machine
        .root()
        .shell("mkdir folder; echo old >real.json; ln -s real.json link.json; ln -s gone.json dangling.json")
        .success();
    let written = |words: &str| machine.root().run("sh", ["-c", &format!("refit plan policy --local --out {words}")]);
    written("/dev/full").exit(3).says("No space left");
    machine.root().shell("test -c /dev/full").success();
    written("/dev/null").exit(0);
    written("link.json").exit(0);
    machine.root().shell("test -L link.json; grep -q made_at real.json").success();
    written("dangling.json").exit(3).says("a link to a file that is not there");
    written("folder").exit(3).says("it is a folder");
    written("/dev/stdout | tail -n +1 >both").exit(0);
    machine.root().shell("grep -q made_at both").success();
    let json = written("/nowhere/plan.json --json").exit(3);
    let told: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert!(told["error"].as_str().unwrap().contains("/nowhere/plan.json"), "{told}");
    let hint = written("'my plan.json' --data /srv/data").exit(0);
    hint.says("refit --data /srv/data apply 'my plan.json'");
}
