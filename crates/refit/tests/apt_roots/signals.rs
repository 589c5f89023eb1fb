//! `refit apply` is asked to end, or killed, while a package's script runs: the change comes to its end all the same.

use super::machine::{EVERYTHING, Machine};
use refit_testbed::{BaseRoot, scenarios};

/// Sends a signal to `refit apply` (`$P`), or to its group (`-$P`), between unpack and configure, and lets the upgrade go on.
/// `afterwards` runs before that.
fn signalled(signal: &str, to: &str, afterwards: &str) -> (Machine, String) {
    let base = BaseRoot::minimal().expect("asked for before");
    let machine = Machine::new(scenarios::upgrade_that_waits(&base), EVERYTHING);
    machine.root().run("refit", ["plan", "policy", "--local", "--out", "plan.json"]).success();
    // A shell without job control lets what runs in the background ignore what a terminal's key sends, and whoever started the tests may
    // have let them ignore the end of a terminal.
    let script = format!(
        "setsid env --default-signal=INT,HUP refit apply plan.json >told 2>&1 & P=$!; \
         until test -e /run/waiting; do kill -0 $P || exit 99; sleep 0.05; done; \
         kill -{signal} -- {to}; {afterwards} \
         sleep 0.5; echo on >/run/gate; \
         wait $P; echo \"exit status $?\"; \
         while pidof apt-get >/dev/null; do sleep 0.05; done; wait; cat told"
    );
    let outcome = machine.root().command("bash").args(["-c", &script]).run().success();
    machine.root().remove("/run/gate");
    (machine, outcome.stdout)
}

/// What was begun was finished, and nothing is left to be repaired.
fn is_finished(machine: &Machine) {
    assert_eq!((machine.state("alpha"), machine.state("omega")), ("ii 2.0".to_owned(), "ii 2.0".to_owned()));
    machine.is_consistent();
    machine.has_nothing_left();
}

fn is_finished_before_it_ends(signal: &str, number: u8, to: &str) {
    let Some(_) = BaseRoot::minimal() else { return };
    let (machine, told) = signalled(signal, to, "");
    assert!(told.contains(&format!("exit status {}\n", 128 + number)), "{told}");
    assert!(told.contains("finishing what was begun"), "{told}");
    assert!(told.contains("2 packages observed as planned"), "{told}");
    is_finished(&machine);
}

#[test]
fn a_key_at_the_terminal_leaves_no_package_half_installed() {
    is_finished_before_it_ends("INT", 2, "-$P");
}

#[test]
fn a_service_manager_that_ends_the_group_leaves_no_package_half_installed() {
    is_finished_before_it_ends("TERM", 15, "-$P");
}

#[test]
fn the_end_of_the_terminal_leaves_no_package_half_installed() {
    is_finished_before_it_ends("HUP", 1, "-$P");
}

#[test]
fn a_hangup_of_refit_alone_leaves_no_package_half_installed() {
    is_finished_before_it_ends("HUP", 1, "$P");
}

#[test]
fn apt_finishes_by_itself_where_refit_is_killed_and_the_next_apply_waits_for_it() {
    let Some(_) = BaseRoot::minimal() else { return };
    let next = "refit apply plan.json >next 2>&1 & N=$!; until grep -q waiting: next; do kill -0 $N; sleep 0.05; done;";
    let (machine, told) = signalled("KILL", "-$P", next);
    assert!(told.contains("exit status 137"), "{told}");
    let next = machine.root().read("/next");
    assert!(next.contains("waiting: process") && next.contains("apt-get"), "{next}");
    is_finished(&machine);
}

#[test]
fn a_signal_before_packages_are_touched_ends_it() {
    let Some(base) = BaseRoot::minimal() else { return };
    let machine = Machine::new(scenarios::plain_upgrade(&base), EVERYTHING);
    machine.root().run("refit", ["plan", "policy", "--local", "--out", "plan.json"]).success();
    let script = "\
        perl -e 'use Fcntl; open(my $f, \">>\", \"/var/lib/dpkg/lock-frontend\") or die; \
        my $l = pack(\"s s x4 q q i x4\", F_WRLCK, 0, 0, 0, 0); fcntl($f, F_SETLK, $l) or die; \
        open(my $s, \">\", \"/run/held\"); close $s; sleep' & L=$!; \
        until test -e /run/held; do sleep 0.05; done; \
        setsid env --default-signal=INT refit apply plan.json >told 2>&1 & P=$!; \
        until grep -q waiting: told; do kill -0 $P; sleep 0.05; done; kill -INT -- -$P; wait $P; \
        echo \"exit status $?\"; kill $L; cat told";
    let outcome = machine.root().command("bash").args(["-c", script]).run().success();
    assert!(outcome.stdout.contains("exit status 130"), "{outcome}");
    assert_eq!(machine.state("alpha"), "ii 1.0");
}
