//! Whether there is room for a change, before anything is fetched.

use super::{records::Sizes, relations::kernel_release, simulate::Action};
use refit_model::TitleId;
use std::{collections::BTreeMap, os::unix::fs::MetadataExt, path::Path};

/// What a kernel and its initial RAM disk take where nothing in /boot shows it: more than any of Debian's takes.
const KERNEL_BYTES: u64 = 150 << 20;

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

/// The first file system that has not enough room for a change and `margin_bytes` besides.
pub(super) fn shortage(actions: &BTreeMap<TitleId, Action>, sizes: Sizes, margin_bytes: u64) -> Option<Shortage> {
    // Each file lies beside its predecessor until its package has been unpacked.
    let files = u64::try_from(sizes.growth_bytes).unwrap_or(0).saturating_add(sizes.largest_bytes);
    let mut needs = vec![("/var/cache/apt/archives", sizes.download_bytes), ("/usr", files), ("/var/lib/dpkg", 0)];
    if actions.iter().any(|(title, action)| kernel_release(title).is_some() && action.to.is_some()) {
        needs.push(("/boot", kernel_bytes(Path::new("/boot"))));
    }
    let spaces = needs.into_iter().filter_map(|(folder, bytes)| {
        // Where a folder is missing or can't be looked at, apt itself will say so.
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

/// As much as the largest kernel with its initial RAM disk that is there.
fn kernel_bytes(boot: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(boot) else { return KERNEL_BYTES };
    let sizes: Vec<(String, u64)> = entries
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_string_lossy().into_owned(), entry.metadata().ok()?.len())))
        .collect();
    let largest = |prefix: &str| sizes.iter().filter(|(name, _)| name.starts_with(prefix)).map(|(_, size)| *size).max();
    match (largest("initrd.img-"), largest("vmlinuz-")) {
        (Some(initrd), Some(kernel)) => (initrd + kernel) * 5 / 4,
        _ => KERNEL_BYTES,
    }
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
