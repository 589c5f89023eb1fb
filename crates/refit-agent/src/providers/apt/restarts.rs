//! What does not run from the new files yet: the kernel, and programs that map files which have been replaced.

use super::{inventory::Inventory, relations::kernel_release};
use crate::providers::{processes::outdated_processes, receipt::Needed};
use refit_model::Version;
use std::{collections::BTreeSet, fs, path::Path};

/// Asks the running system. As another user than root, only that user's processes can be looked at.
pub fn needs_restart(inventory: &Inventory) -> Needed {
    let running = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let marker = Path::new("/run/reboot-required");
    let packages = fs::read_to_string("/run/reboot-required.pkgs").unwrap_or_default();
    Needed {
        reboot: reboot_reasons(inventory, running.trim(), marker.exists(), &packages),
        restarts: outdated_processes(Path::new("/proc")),
    }
}

fn reboot_reasons(inventory: &Inventory, running: &str, marked: bool, marked_by: &str) -> Vec<String> {
    let mut reasons = Vec::new();
    if marked {
        let packages: BTreeSet<&str> = marked_by.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        reasons.push(match packages.is_empty() {
            true => "the system is marked as needing a restart (/run/reboot-required)".to_owned(),
            false => format!("{} asked for it", packages.into_iter().collect::<Vec<_>>().join(", ")),
        });
    }
    // Only a machine that runs one of its own kernels starts another one of them next time; a container does not.
    let kernels: Vec<(&str, &Version)> = inventory
        .present()
        .filter_map(|package| Some((kernel_release(&package.title)?, package.well_version()?)))
        .collect();
    let flavour = |release: &str| release.split_once('-').map(|(_, rest)| kernel_flavour(rest).to_owned());
    if let Some((_, current)) = kernels.iter().find(|(release, _)| *release == running) {
        let newest =
            kernels.iter().filter(|(release, _)| flavour(release) == flavour(running)).max_by(|a, b| a.1.cmp(b.1));
        if let Some((release, version)) = newest.filter(|(_, version)| version > current) {
            reasons.push(format!("kernel {release} ({version}) is installed, {running} is running"));
        }
    }
    reasons
}

/// `cloud-amd64` of `56-cloud-amd64`.
fn kernel_flavour(text: &str) -> &str {
    text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '+').trim_start_matches('-')
}

#[cfg(test)]
#[path = "restarts_tests.rs"]
mod tests;
