//! What does not run from the new files yet: the kernel, and programs that map files which have been replaced.
//!
//! dpkg replaces a file by renaming a new one over it, so that a process which has the old one mapped shows it as
//! ` (deleted)` in `/proc/PID/maps` (proc_pid_maps(5)).

use super::{inventory::Inventory, receipt::Needed, relations::kernel_release};
use refit_model::Version;
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// A program or service that still runs from files that are gone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ServiceRestart {
    /// The systemd unit: `ssh.service`; `None` for a process that belongs to none (a session of a person, a container).
    pub unit: Option<String>,
    /// The program: `/usr/sbin/sshd`.
    pub program: String,
    /// Its processes, sorted.
    pub pids: Vec<u32>,
    /// The files that it still uses, sorted.
    pub files: Vec<String>,
}

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

/// Unit and program.
type Program = (Option<String>, String);
/// Processes and the deleted files that they use.
type Outdated = (BTreeSet<u32>, BTreeSet<String>);

fn outdated_processes(proc: &Path) -> Vec<ServiceRestart> {
    let mut found: BTreeMap<Program, Outdated> = BTreeMap::new();
    let Ok(entries) = fs::read_dir(proc) else { return Vec::new() };
    for entry in entries.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // A process may end, or belong to somebody else: then there is nothing to say of it.
        let Ok(maps) = fs::read_to_string(entry.path().join("maps")) else { continue };
        let files: BTreeSet<String> = maps.lines().filter_map(deleted_file).map(str::to_owned).collect();
        if files.is_empty() {
            continue;
        }
        let program = fs::read_link(entry.path().join("exe")).map(|path| path.to_string_lossy().into_owned());
        let program = program.unwrap_or_default().trim_end_matches(" (deleted)").to_owned();
        let unit = fs::read_to_string(entry.path().join("cgroup")).ok().and_then(|text| unit_of(&text));
        let (pids, all) = found.entry((unit, program)).or_default();
        pids.insert(pid);
        all.extend(files);
    }
    found
        .into_iter()
        .map(|((unit, program), (pids, files))| ServiceRestart {
            unit,
            program,
            pids: pids.into_iter().collect(),
            files: files.into_iter().collect(),
        })
        .collect()
}

/// The program file or library that a line of `maps` shows as deleted. Shared memory, temporary files and the like are
/// deleted on purpose while they are used.
fn deleted_file(line: &str) -> Option<&str> {
    let mut fields = line.splitn(6, ' ');
    let permissions = fields.nth(1)?;
    let path = fields.nth(3)?.trim_start().strip_suffix(" (deleted)")?;
    let code = permissions.contains('x');
    (code && ["/usr/", "/lib", "/bin/", "/sbin/", "/opt/"].iter().any(|folder| path.starts_with(folder)))
        .then_some(path)
}

/// The service in a process's control group: the last part that is one (`/system.slice/ssh.service`).
fn unit_of(cgroup: &str) -> Option<String> {
    let path = cgroup.lines().find_map(|line| {
        line.strip_prefix("0::").or_else(|| line.split_once(":name=systemd:").map(|(_, path)| path))
    })?;
    let unit = path.split('/').rfind(|part| part.ends_with(".service"))?;
    Some(unit.to_owned())
}

#[cfg(test)]
#[path = "restarts_tests.rs"]
mod tests;
