//! Whether there is room for a change, before anything is fetched.

use super::relations::kernel_release;
use crate::providers::{
    space::{Shortage, first_short},
    transaction::{Action, Sizes},
};
use refit_model::TitleId;
use std::{collections::BTreeMap, path::Path};

/// What a kernel and its initial RAM disk take where nothing in /boot shows it: more than any of Debian's takes.
const KERNEL_BYTES: u64 = 150 << 20;

/// The first file system that has not enough room for a change and `margin_bytes` besides.
pub(super) fn shortage(actions: &BTreeMap<TitleId, Action>, sizes: Sizes, margin_bytes: u64) -> Option<Shortage> {
    // Each file lies beside its predecessor until its package has been unpacked.
    let files = u64::try_from(sizes.growth_bytes).unwrap_or(0).saturating_add(sizes.largest_bytes);
    let mut needs = vec![("/var/cache/apt/archives", sizes.download_bytes), ("/usr", files), ("/var/lib/dpkg", 0)];
    if actions.iter().any(|(title, action)| kernel_release(title).is_some() && action.to.is_some()) {
        needs.push(("/boot", kernel_bytes(Path::new("/boot"))));
    }
    first_short(needs, margin_bytes)
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
