//! Scripts that fail, full disks, locks, a run that is killed.

use super::machine::{EVERYTHING, Machine};
use refit_testbed::{BaseRoot, Package, scenarios};

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
    let machine = Machine::new(scenarios::disk_full_for_download(&base), EVERYTHING);
    machine.refit("plan policy --local --out /run/plan.json").exit(0);
    machine.refit("apply /run/plan.json").exit(1).says("Make room there");
    assert_eq!((machine.state("alpha"), machine.state("beta")), ("ii 1.0".to_owned(), "ii 1.0".to_owned()));
    machine.is_consistent();
    machine.tells("disk_full");
}

#[test]
fn a_lock_that_another_program_holds_is_waited_for_and_named() {
    let Some(base) = BaseRoot::minimal() else { return };
    let machine = Machine::new(scenarios::plain_upgrade(&base), EVERYTHING);
    machine.plan();
    let mut holder = Some(machine.root().command("true").start());
    let _ = holder.take();
    // The holder has to be visible in the same process namespace: both run in one shell.
    let script = "\
        perl -e 'use Fcntl; open(my $f, \">>\", \"/var/lib/dpkg/lock-frontend\") or die; \
        fcntl($f, F_SETLK, pack(\"s s x4 q q i x4\", F_WRLCK, 0, 0, 0, 0)) or die; \
        open(my $s, \">\", \"/run/held\"); close $s; sleep' & \
        while ! test -e /run/held; do :; done; \
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
