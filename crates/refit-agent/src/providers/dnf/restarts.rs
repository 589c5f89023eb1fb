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

/// When the machine started: what the kernel says, or in a container its first process.
fn booted() -> Option<Timestamp> {
    let started = fs::metadata("/proc/1").ok().and_then(|data| data.modified().ok());
    let of_first = started.and_then(|moment| Timestamp::try_from(moment).ok());
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let seconds = stat.lines().find_map(|line| line.strip_prefix("btime ")).and_then(|text| text.trim().parse().ok());
    let of_kernel = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
    of_first.max(of_kernel)
}
