//! The root from the real archive is as far behind as it promises.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails is meant to panic")]

use refit_testbed::{BaseRoot, Root, differences};

#[test]
fn more_than_a_hundred_updates_wait_with_kernel_libc_and_openssl_among_them() {
    let Some(base) = BaseRoot::behind() else { return };
    let root = Root::overlay(&base);
    let simulated = root.apt_get(["-s", "dist-upgrade"]).success().stdout;
    // `Inst NAME [OLD] (NEW ...`: what is new altogether has no old version.
    let upgraded: Vec<&str> = simulated
        .lines()
        .filter_map(|line| line.strip_prefix("Inst ")?.split_once(" ["))
        .filter_map(|(name, _)| (!name.contains('(')).then_some(name))
        .collect();
    assert!(upgraded.len() >= 100, "only {} packages are behind", upgraded.len());
    for name in ["linux-image-amd64", "libc6", "openssl"] {
        assert!(upgraded.contains(&name), "{name} is not behind");
    }
    assert!(root.dpkg().values().all(|package| package.status == "ii"));
}

#[test]
fn a_kernel_libc_and_openssl_upgrade_completes_without_a_network() {
    let Some(base) = BaseRoot::behind() else { return };
    let root = Root::overlay(&base);
    let before = root.dpkg();
    root.apt_get(["-y", "install", "--only-upgrade", "linux-image-amd64", "libc6", "openssl"]).success();
    let changes = differences(&before, &root.dpkg());
    assert!(["linux-image-amd64", "libc6", "openssl"].iter().all(|name| changes.contains_key(*name)), "{changes:?}");
    let kernel = |name: &String| name.starts_with("linux-image-6");
    assert!(changes.iter().any(|(name, change)| kernel(name) && change.before.is_none()), "{changes:?}");
    assert!(root.exists("/run/reboot-required"), "a new kernel asks for a restart");
}
