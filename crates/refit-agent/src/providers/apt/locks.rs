//! Which locks apt and dpkg take, and waiting for them.

use crate::providers::locks::{LockHolder, record_lock_holder, wait_while_held};
use std::time::Duration;

/// The lock on the lists of what sources offer.
pub(super) const LISTS_LOCK: &str = "/var/lib/apt/lists/lock";

/// All locks that a change of packages takes, in apt's order.
pub(super) const ALL_LOCKS: [&str; 4] =
    ["/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/cache/apt/archives/lock", LISTS_LOCK];

/// Who holds one of the package manager's locks at this moment; `None` where nobody does.
pub fn lock_holder() -> Option<LockHolder> {
    first_holder(&ALL_LOCKS)
}

/// Waits until nobody holds one of these locks, calling `on_wait` with each new holder; the last holder where the limit passes, or
/// `stop` says to give up.
pub(super) fn wait_for_locks(
    files: &[&str],
    limit: Duration,
    stop: &dyn Fn() -> bool,
    on_wait: impl FnMut(&LockHolder),
) -> Result<(), LockHolder> {
    wait_while_held(&|| first_holder(files), limit, stop, on_wait)
}

fn first_holder(files: &[&str]) -> Option<LockHolder> {
    files.iter().find_map(|file| record_lock_holder(file))
}
