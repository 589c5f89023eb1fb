//! What does not run from the new files yet. rpm's packages leave no marker: as `needs-restarting` does, what was installed
//! since the machine started is looked at.

use super::{inventory::Inventory, run::Place};
use crate::providers::{processes::outdated_processes, receipt::Needed};
use jiff::Timestamp;
use std::{fs, path::Path};

/// Packages whose new files are used only after a restart of the machine: the list of `needs-restarting`.
const NEED_REBOOT: [&str; 12] = [
    "kernel",
    "kernel-core",
    "kernel-rt",
    "kernel-rt-core",
    "glibc",
    "linux-firmware",
    "systemd",
    "dbus",
    "dbus-broker",
    "dbus-daemon",
    "microcode_ctl",
    "zlib",
];

/// Asks the running system; of a root that is not the machine's own only its markers are read.
pub(super) fn needs_restart(place: &Place, inventory: &Inventory) -> Needed {
    let booted = booted().filter(|_| place.is_host());
    let mut reboot = reboot_reasons(inventory, booted, &more_names(place));
    if place.path("/run/reboot-required").exists() {
        reboot.push("the system is marked as needing a restart (/run/reboot-required)".to_owned());
    }
    let restarts = if place.is_host() { outdated_processes(Path::new("/proc")) } else { Vec::new() };
    Needed { reboot, restarts }
}

/// Names that the administrator has added for `needs-restarting`.
fn more_names(place: &Place) -> Vec<String> {
    let entries = fs::read_dir(place.path("/etc/dnf/plugins/needs-restarting.d")).into_iter().flatten().flatten();
    let files =
        entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|ending| ending == "conf"));
    let text: Vec<String> = files.filter_map(|path| fs::read_to_string(path).ok()).collect();
    let lines = text.iter().flat_map(|text| text.lines()).map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

fn reboot_reasons(inventory: &Inventory, booted: Option<Timestamp>, more: &[String]) -> Vec<String> {
    let Some(booted) = booted else { return Vec::new() };
    let counts = |name: &str| NEED_REBOOT.contains(&name) || more.iter().any(|known| known == name);
    let packages = inventory.installs.packages.values();
    packages
        .filter(|package| counts(&package.name) && package.changed.is_some_and(|changed| changed > booted))
        .map(|package| format!("{} {} was installed since the machine started", package.name, package.version))
        .collect()
}

/// When the machine started: when the kernel did, or in a container its first process, which is the same on a machine of its
/// own. (The time of `/proc/1` itself is when somebody first looked at it.)
fn booted() -> Option<Timestamp> {
    started(&fs::read_to_string("/proc/stat").ok()?, &fs::read_to_string("/proc/1/stat").ok()?)
}

/// From proc_stat(5) and proc_pid_stat(5): the kernel counts hundredths of a second since it started.
fn started(kernel: &str, first: &str) -> Option<Timestamp> {
    let boot: i64 = kernel.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    // The name of the program, in parentheses, may hold anything; start time is the twentieth field behind it.
    let ticks: i64 = first.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()?;
    Timestamp::from_second(boot.checked_add(ticks / 100)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_process_of_a_container_started_later_than_the_kernel() {
        let stat = "1 (a (b) c) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 12345 100 200 300\n";
        assert_eq!(started("cpu 1 2\nbtime 1000\n", stat).unwrap().as_second(), 1123);
    }
}
