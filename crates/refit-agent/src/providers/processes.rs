//! Programs that map files which have been replaced.
//!
//! dpkg and rpm replace a file by renaming a new one over it, so that a process which has the old one mapped shows it as
//! ` (deleted)` in `/proc/PID/maps` (proc_pid_maps(5)).

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

/// Unit and program.
type Program = (Option<String>, String);
/// Processes and the deleted files that they use.
type Outdated = (BTreeSet<u32>, BTreeSet<String>);

/// The programs whose processes still run from files that are gone; `proc` is `/proc`.
pub(super) fn outdated_processes(proc: &Path) -> Vec<ServiceRestart> {
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
#[path = "processes_tests.rs"]
mod tests;
