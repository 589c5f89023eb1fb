//! The locks of dnf and rpm. dnf writes the number of its process into a file, which counts for as long as that process
//! lives; rpm has an fcntl record lock. Neither is ever deleted here.

use super::run::Place;
use crate::providers::locks::{LockHolder, command_of, record_lock_holder};
use std::{fs, path::Path};

const PID_FILES: [&str; 3] =
    ["/var/lib/dnf/rpmdb_lock.pid", "/var/cache/dnf/metadata_lock.pid", "/var/cache/dnf/download_lock.pid"];
const RECORD_LOCKS: [&str; 2] = ["/var/lib/rpm/.rpm.lock", "/usr/lib/sysimage/rpm/.rpm.lock"];

/// Who holds one of them at this moment.
pub(super) fn lock_holder(place: &Place) -> Option<LockHolder> {
    let by_pid = PID_FILES.iter().find_map(|file| pid_holder(&place.path(file)));
    by_pid.or_else(|| RECORD_LOCKS.iter().find_map(|file| record_lock_holder(&place.path(file).to_string_lossy())))
}

fn pid_holder(file: &Path) -> Option<LockHolder> {
    let pid: i32 = fs::read_to_string(file).ok()?.trim().parse().ok()?;
    // As dnf itself judges: whether there is such a process, and nothing else.
    Path::new(&format!("/proc/{pid}/stat")).exists().then(|| LockHolder {
        file: file.to_string_lossy().into_owned(),
        pid: Some(pid),
        command: command_of(pid),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_counts_while_its_process_lives() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lock.pid");
        assert_eq!(pid_holder(&file), None);
        fs::write(&file, std::process::id().to_string()).unwrap();
        assert_eq!(pid_holder(&file).and_then(|holder| holder.pid), i32::try_from(std::process::id()).ok());
        fs::write(&file, i32::MAX.to_string()).unwrap();
        assert_eq!(pid_holder(&file), None);
    }
}
