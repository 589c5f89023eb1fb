//! Whether there is room on the file systems that a change needs.

use std::{collections::BTreeMap, os::unix::fs::MetadataExt};

/// A file system that is too full.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Shortage {
    /// A folder on it.
    pub folder: String,
    /// What the change needs there, margin included, in bytes.
    pub needed_bytes: u64,
    /// What is free, in bytes.
    pub free_bytes: u64,
}

impl std::fmt::Display for Shortage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mebibytes = |bytes: u64| bytes.div_ceil(1 << 20);
        let (needed, free) = (mebibytes(self.needed_bytes), self.free_bytes >> 20);
        write!(f, "{} has {free} MiB free, and the change needs {needed} MiB there", self.folder)
    }
}

/// The first file system that has not enough room for what folders on it need and `margin_bytes` besides.
pub(super) fn first_short<'a>(needs: impl IntoIterator<Item = (&'a str, u64)>, margin_bytes: u64) -> Option<Shortage> {
    let spaces = needs.into_iter().filter_map(|(folder, bytes)| {
        // Where a folder is missing or can't be looked at, the package manager itself will say so.
        let device = std::fs::metadata(folder).ok()?.dev();
        let space = rustix::fs::statvfs(folder).ok()?;
        Some((folder, bytes, device, space.f_bavail.saturating_mul(space.f_frsize)))
    });
    short_of(spaces, margin_bytes)
}

fn short_of<'a>(needs: impl Iterator<Item = (&'a str, u64, u64, u64)>, margin_bytes: u64) -> Option<Shortage> {
    let mut by_device: BTreeMap<u64, Shortage> = BTreeMap::new();
    for (folder, bytes, device, free_bytes) in needs {
        let entry = by_device.entry(device).or_insert(Shortage {
            folder: folder.to_owned(),
            needed_bytes: margin_bytes,
            free_bytes,
        });
        entry.needed_bytes = entry.needed_bytes.saturating_add(bytes);
    }
    by_device.into_values().find(|space| space.free_bytes < space.needed_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_on_one_file_system_add_up() {
        let needs = [("/var", 60, 1, 100), ("/usr", 30, 1, 100), ("/boot", 5, 2, 50)];
        assert_eq!(short_of(needs.into_iter(), 10), None);
        let short = short_of(needs.into_iter(), 11).unwrap();
        assert_eq!((short.folder.as_str(), short.needed_bytes, short.free_bytes), ("/var", 101, 100));
    }

    #[test]
    fn a_full_boot_partition_is_named() {
        let short = short_of([("/usr", 1, 1, 1000), ("/boot", 80 << 20, 2, 10 << 20)].into_iter(), 0).unwrap();
        assert_eq!(short.to_string(), "/boot has 10 MiB free, and the change needs 80 MiB there");
    }
}
