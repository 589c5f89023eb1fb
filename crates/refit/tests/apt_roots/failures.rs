//! Scripts that fail, full disks, locks, a run that is killed.

use super::machine::{EVERYTHING, Machine};
use refit_testbed::{BaseRoot, Device, Package, Root, Script, scenarios};

#[test]
fn a_failing_postinst_is_reported_and_a_fixed_version_mends_it() {
    let Some(base) = BaseRoot::minimal() else { return };
    let machine = Machine::new(scenarios::failing_postinst(&base), EVERYTHING);
    machine.plan();
    machine.apply(1).says("alpha: cannot migrate").says("dpkg --configure -a");
    assert_eq!(machine.state("alpha"), "iF 2.0");
    machine.plan();
    machine.apply(1);
    machine.remark("a version with a script that works is published");
    machine.device.offer([Package::new("alpha", "2.1")]);
    machine.plan();
    machine.apply(0);
    assert_eq!(machine.state("alpha"), "ii 2.1");
    machine.is_consistent();
    machine.has_nothing_left();
    machine.tells("failing_postinst");
}

#[test]
fn a_failing_preinst_leaves_the_old_version() {
    let Some(base) = BaseRoot::minimal() else { return };
    let machine = Machine::new(scenarios::failing_preinst(&base), EVERYTHING);
    machine.plan();
    machine.apply(1).says("alpha: will not unpack");
    assert_eq!(machine.state("alpha"), "ii 1.0");
    machine.is_consistent();
    machine.tells("failing_preinst");
}

#[test]
fn a_half_configured_package_is_not_patched_and_is_repaired_first() {
    let Some(base) = BaseRoot::minimal() else { return };
    let machine = Machine::new(scenarios::half_configured(&base), EVERYTHING);
    assert_eq!(machine.state("alpha"), "iF 2.0");
    machine.refit("inventory --outdated").exit(0).says("0 outdated, 1 not in order");
    machine.plan().says("half-configured");
    machine.remark("what its script complains about is mended by hand");
    machine.root().write("/etc/alpha-can-migrate", "");
    machine.apply(0);
    assert_eq!(machine.state("alpha"), "ii 2.0");
    machine.is_consistent();
    machine.has_nothing_left();
    machine.tells("half_configured");
}

#[test]
fn a_run_that_was_killed_is_repaired_by_the_next_one() {
    let Some(base) = BaseRoot::minimal() else { return };
    let machine = Machine::new(scenarios::upgrade_that_waits(&base), EVERYTHING);
    machine.plan();
    let running = machine.start("apply plan.json");
    scenarios::kill_while_waiting(machine.root(), running);
    machine.remark("`refit apply plan.json` is killed with all that it started, between unpack and configure");
    assert_eq!(machine.state("alpha"), "iU 2.0");
    machine.apply(0);
    assert_eq!((machine.state("alpha"), machine.state("omega")), ("ii 2.0".to_owned(), "ii 2.0".to_owned()));
    machine.is_consistent();
    machine.has_nothing_left();
    machine.tells("killed");
}

#[test]
fn a_plan_made_after_a_run_was_killed_says_what_will_be_repaired() {
    let Some(base) = BaseRoot::minimal() else { return };
    let machine = Machine::new(scenarios::killed_between_unpack_and_configure(&base), EVERYTHING);
    assert_eq!(machine.state("alpha"), "iU 2.0");
    machine.plan();
    machine.apply(0);
    assert_eq!(machine.state("alpha"), "ii 2.0");
    machine.is_consistent();
    machine.plan();
    machine.apply(0);
    assert_eq!(machine.state("omega"), "ii 2.0");
    machine.has_nothing_left();
    machine.tells("killed_earlier");
}

#[test]
fn a_full_disk_is_noticed_before_anything_is_fetched() {
    let Some(base) = BaseRoot::minimal() else { return };
    let device = scenarios::disk_full_for_download(&base);
    device.root.free_disk();
    let machine = Machine::new(device, EVERYTHING);
    machine.root().fill_disk(0);
    machine.refit("plan policy --local --out plan.json").exit(3);
    machine.refit("plan policy --local --out /run/plan.json").exit(0);
    machine.refit("apply /run/plan.json").exit(1).says("Make room there");
    assert_eq!((machine.state("alpha"), machine.state("beta")), ("ii 1.0".to_owned(), "ii 1.0".to_owned()));
    machine.is_consistent();
    machine.tells("disk_full");
}

#[test]
fn a_disk_that_runs_full_half_way_leaves_what_the_next_run_repairs() {
    let Some(base) = BaseRoot::minimal() else { return };
    let device =
        Device::on(Root::with_disk(&base, 192 << 20), ["alpha", "omega"].map(|name| Package::new(name, "1.0")));
    // What breaks the old alpha is unpacked after the new one. Its preinst plays somebody else who fills the disk.
    let preinst = "test -e /var/filled || fallocate -l $(( $(stat -f -c '%a * %S' /var) - (1 << 20) )) /var/filled";
    let omega = Package::new("omega", "2.0")
        .field("Breaks", "alpha (<< 2.0)")
        .file("/usr/share/omega/large", vec![0; 4 << 20])
        .script(Script::Preinst, preinst);
    device.offer([Package::new("alpha", "2.0"), omega]);
    let machine = Machine::new(device, EVERYTHING);
    machine.plan();
    machine.apply(1).says("the disk ran full");
    machine.remark("somebody makes room");
    machine.root().write("/var/filled", "");
    machine.plan();
    machine.apply(0);
    assert_eq!((machine.state("alpha"), machine.state("omega")), ("ii 2.0".to_owned(), "ii 2.0".to_owned()));
    machine.is_consistent();
    machine.has_nothing_left();
    machine.tells("disk_full_half_way");
}

#[test]
fn what_is_unpacked_and_offered_by_nobody_is_finished() {
    let Some(base) = BaseRoot::minimal() else { return };
    let device = Device::new(&base, [Package::new("alpha", "1.0")]);
    device.publish([Package::new("alpha", "2.0"), Package::new("local", "1.5")]);
    device.root.shell("cd /root && apt-get update -q && apt-get download alpha local").success();
    for package in [Package::new("alpha", "2.0"), Package::new("local", "1.5")] {
        device.repository.withdraw("bookworm", &package);
    }
    device.root.apt_get(["update"]).success();
    let machine = Machine::new(device, EVERYTHING);
    machine.remark("somebody unpacks two packages that no source offers, and does not configure them");
    machine.root().shell("dpkg --unpack /root/alpha_2.0_all.deb /root/local_1.5_all.deb").success();
    let explained = machine.root().run("refit", ["explain", "local", "alpha", "--policy", "policy"]).exit(0);
    assert!(!explained.says("2.0 (unpacked) has to become 2.0").stdout.contains("0~~"));
    let json = machine.root().run("refit", ["explain", "local", "alpha", "--policy", "policy", "--json"]).exit(0);
    let decisions: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&decisions[0]["installed"], &decisions[0]["state"]), (&"2.0".into(), &"unpacked".into()), "{json}");
    let plan = machine.plan().says("2.0 (unpacked)").says("1.5 (unpacked)");
    assert!(!plan.stdout.contains("0~~") && !json.stdout.contains("\"0~~\""), "{plan} {json}");
    machine.apply(0);
    assert_eq!((machine.state("alpha"), machine.state("local")), ("ii 2.0".to_owned(), "ii 1.5".to_owned()));
    machine.is_consistent();
    machine.has_nothing_left();
    machine.tells("unpacked_by_hand");
}

#[test]
fn what_was_repaired_before_it_gave_up_is_said() {
    let Some(base) = BaseRoot::minimal() else { return };
    let postinst = "test -e /etc/alpha-can-migrate || exit 1";
    let device = Device::new(&base, ["alpha", "beta"].map(|name| Package::new(name, "1.0")));
    device.offer([Package::new("alpha", "2.0").script(Script::Postinst, postinst)]);
    device.root.apt_get(["-y", "install", "alpha"]).exit(100);
    device.offer([Package::new("beta", "2.0")]);
    let machine = Machine::new(device, EVERYTHING);
    machine.plan();
    machine.remark("alpha can be configured now, and beta 2.0 is gone from the archive");
    machine.root().write("/etc/alpha-can-migrate", "");
    machine.device.repository.withdraw("bookworm", &Package::new("beta", "2.0"));
    let outcome = machine.apply(1).says("Only `dpkg --configure -a` was run.");
    assert!(!outcome.stdout.contains("othing was changed"), "{outcome}");
    assert_eq!((machine.state("alpha"), machine.state("beta")), ("ii 2.0".to_owned(), "ii 1.0".to_owned()));
    machine.tells("repaired_and_gave_up");
}

#[test]
fn a_lost_database_of_packages_is_no_machine_in_order() {
    let Some(base) = BaseRoot::minimal() else { return };
    let machine = Machine::new(scenarios::plain_upgrade(&base), EVERYTHING);
    machine.root().shell("mv /var/lib/dpkg/status /root/").success();
    for words in ["plan policy --local", "inventory", "exposures", "explain local alpha --policy policy"] {
        machine.root().run("refit", words.split(' ')).exit(3).says("is lost or empty");
    }
    machine.root().write("/var/lib/dpkg/status", "");
    machine.root().run("refit", ["plan", "policy", "--local"]).exit(3).says("is lost or empty");
}

#[test]
fn a_lock_that_another_program_holds_is_waited_for_and_named() {
    let Some(base) = BaseRoot::minimal() else { return };
    let machine = Machine::new(scenarios::plain_upgrade(&base), EVERYTHING);
    machine.plan();
    // Both run in one shell: each command in a root has processes of its own, and the holder could not be named.
    let script = "\
        perl -e 'use Fcntl; open(my $f, \">>\", \"/var/lib/dpkg/lock-frontend\") or die; \
        my $l = pack(\"s s x4 q q i x4\", F_WRLCK, 0, 0, 0, 0); fcntl($f, F_SETLK, $l) or die; \
        open(my $s, \">\", \"/run/held\"); close $s; sleep' & \
        while kill -0 $! && ! test -e /run/held; do :; done; \
        refit apply plan.json --lock-wait 2; status=$?; kill $!; exit $status";
    let outcome = machine.root().run("sh", ["-c", &format!("({script}) 2>&1")]);
    machine.remark("another program holds dpkg's lock");
    machine.note("refit apply plan.json --lock-wait 2", &outcome);
    outcome.exit(1).says("perl");
    assert_eq!(machine.state("alpha"), "ii 1.0");
    machine.remark("it has ended");
    machine.apply(0);
    assert_eq!(machine.state("alpha"), "ii 2.0");
    machine.tells("locked");
}
