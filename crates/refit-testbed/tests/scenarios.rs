//! The scenarios do what they promise: shown with apt-get and dpkg alone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails is meant to panic")]

use refit_testbed::{BaseRoot, Device, Outcome, scenarios};

/// `VERSION STATUS` of a package; empty when dpkg does not know it.
fn state(device: &Device, package: &str) -> String {
    device.root.dpkg().get(package).map(|found| format!("{} {}", found.version, found.status)).unwrap_or_default()
}

fn upgrade(device: &Device) -> Outcome {
    device.root.apt_get(["-y", "dist-upgrade"])
}

fn update(device: &Device) -> Outcome {
    device.root.apt_get(["update"])
}

#[test]
fn a_plain_upgrade_just_works() {
    let Some(base) = BaseRoot::minimal() else { return };
    let device = scenarios::plain_upgrade(&base);
    upgrade(&device).success();
    assert_eq!(state(&device, "alpha"), "2.0 ii");
    assert_eq!(device.root.read("/usr/share/alpha/version"), "2.0\n");
}

#[test]
fn a_security_upgrade_has_the_security_archive_as_its_origin() {
    let Some(base) = BaseRoot::minimal() else { return };
    let device = scenarios::security_upgrade(&base);
    device
        .root
        .run("apt-cache", ["policy"])
        .success()
        .says("o=Debian,a=bookworm-security,n=bookworm-security,l=Debian-Security");
    upgrade(&device).success();
    assert_eq!(state(&device, "alpha"), "2.0 ii");
}

#[test]
fn a_failing_postinst_leaves_the_new_version_half_configured() {
    let Some(base) = BaseRoot::minimal() else { return };
    let device = scenarios::failing_postinst(&base);
    upgrade(&device).exit(100).says("alpha: cannot migrate");
    assert_eq!(state(&device, "alpha"), "2.0 iF");
}

#[test]
fn a_failing_preinst_leaves_the_old_version_installed() {
    let Some(base) = BaseRoot::minimal() else { return };
    let device = scenarios::failing_preinst(&base);
    upgrade(&device).exit(100).says("alpha: will not unpack");
    assert_eq!(state(&device, "alpha"), "1.0 ii");
}

#[test]
fn a_half_configured_package_fails_every_later_run_until_it_can_be_configured() {
    let Some(base) = BaseRoot::minimal() else { return };
    let device = scenarios::half_configured(&base);
    assert_eq!(state(&device, "alpha"), "2.0 iF");
    device.offer([refit_testbed::Package::new("beta", "1.0")]);
    device.root.apt_get(["-y", "install", "beta"]).exit(100).says("alpha: cannot migrate");
    device.root.write("/etc/alpha-can-migrate", "");
    device.root.run("dpkg", ["--configure", "-a"]).success();
    assert_eq!(state(&device, "alpha"), "2.0 ii");
}

#[test]
fn a_conflict_keeps_the_package_back_and_to_insist_is_refused() {
    let Some(base) = BaseRoot::minimal() else { return };
    let device = scenarios::dependency_conflict(&base);
    upgrade(&device).success().says("kept back");
    assert_eq!(state(&device, "alpha"), "1.0 ii");
    device.root.apt_get(["-y", "install", "alpha=2.0", "keeper"]).exit(100).says("unmet dependencies");
    assert_eq!(state(&device, "beta"), "1.0 ii");
}

#[test]
fn a_missing_dependency_keeps_the_package_back() {
    let Some(base) = BaseRoot::minimal() else { return };
    let device = scenarios::missing_dependency(&base);
    upgrade(&device).success().says("kept back");
    device.root.apt_get(["-y", "install", "alpha=2.0"]).exit(100).says("Depends: library (>= 2)");
    assert_eq!(state(&device, "alpha"), "1.0 ii");
}

#[test]
fn a_new_package_is_installed_only_where_that_is_permitted() {
    let Some(base) = BaseRoot::minimal() else { return };
    let device = scenarios::upgrade_needs_new_package(&base);
    device.root.apt_get(["-y", "upgrade", "--without-new-pkgs"]).success().says("kept back");
    assert_eq!((state(&device, "alpha").as_str(), state(&device, "library").as_str()), ("1.0 ii", ""));
    upgrade(&device).success();
    assert_eq!((state(&device, "alpha").as_str(), state(&device, "library").as_str()), ("2.0 ii", "1.0 ii"));
}

#[test]
fn an_upgrade_that_takes_over_removes_the_other_package() {
    let Some(base) = BaseRoot::minimal() else { return };
    let device = scenarios::upgrade_removes_package(&base);
    upgrade(&device).success();
    assert_eq!((state(&device, "alpha").as_str(), state(&device, "alpha-extras").as_str()), ("2.0 ii", ""));
}

#[test]
fn a_reboot_marker_is_there_until_the_reboot() {
    let Some(base) = BaseRoot::minimal() else { return };
    let device = scenarios::reboot_marker(&base);
    upgrade(&device).success();
    assert_eq!(device.root.read("/run/reboot-required.pkgs"), "alpha\n");
    device.root.reboot();
    assert!(!device.root.exists("/run/reboot-required"));
}

#[test]
fn a_held_package_stays_silently_and_is_refused_by_name() {
    let Some(base) = BaseRoot::minimal() else { return };
    let device = scenarios::hold(&base);
    upgrade(&device).success();
    assert_eq!(state(&device, "alpha"), "1.0 hi");
    device.root.apt_get(["-y", "install", "alpha=2.0"]).exit(100).says("Held packages were changed");
    assert_eq!(state(&device, "alpha"), "1.0 hi");
}

#[test]
fn a_pinned_package_has_no_newer_candidate() {
    let Some(base) = BaseRoot::minimal() else { return };
    let device = scenarios::pin(&base);
    device.root.run("apt-cache", ["policy", "alpha"]).success().says("Candidate: 1.0").says("2.0 500");
    upgrade(&device).success();
    assert_eq!(state(&device, "alpha"), "1.0 ii");
}

#[test]
fn an_edited_conffile_fails_an_upgrade_that_nobody_answers_and_is_kept_where_dpkg_is_told_to() {
    let Some(base) = BaseRoot::minimal() else { return };
    let device = scenarios::edited_conffile(&base);
    let unanswered =
        device.root.command("apt-get").env("DEBIAN_FRONTEND", "noninteractive").args(["-y", "dist-upgrade"]);
    unanswered.run().exit(100).says("conffile prompt");
    assert_eq!(state(&device, "alpha"), "2.0 iU");
    device.root.apt_get(["-y", "install", "-f"]).success();
    assert_eq!(state(&device, "alpha"), "2.0 ii");
    assert_eq!(device.root.read("/etc/alpha.conf"), "colour=mine\n");
    assert_eq!(device.root.read("/etc/alpha.conf.dpkg-dist"), "colour=blue\n");
}

#[test]
fn a_kill_between_unpack_and_configure_is_repaired_by_dpkg() {
    let Some(base) = BaseRoot::minimal() else { return };
    let device = scenarios::killed_between_unpack_and_configure(&base);
    assert_eq!(state(&device, "alpha"), "2.0 iU");
    upgrade(&device).exit(100).says("dpkg --configure -a");
    device.root.run("dpkg", ["--force-confold", "--configure", "-a"]).success();
    upgrade(&device).success();
    assert_eq!((state(&device, "alpha").as_str(), state(&device, "omega").as_str()), ("2.0 ii", "2.0 ii"));
}

#[test]
fn an_upgrade_that_waits_can_be_let_go_on() {
    let Some(base) = BaseRoot::minimal() else { return };
    let device = scenarios::upgrade_that_waits(&base);
    let mut apt = device.root.command("apt-get").args(["-y", "dist-upgrade"]).start();
    apt.wait_until("waiting", || device.root.exists("/run/waiting"));
    scenarios::let_go_on(&device.root);
    apt.wait().success();
    assert_eq!((state(&device, "alpha").as_str(), state(&device, "omega").as_str()), ("2.0 ii", "2.0 ii"));
}

#[test]
fn a_disk_that_is_full_before_the_download_changes_nothing() {
    let Some(base) = BaseRoot::minimal() else { return };
    let device = scenarios::disk_full_for_download(&base);
    upgrade(&device).exit(100).says("enough free space");
    assert_eq!((state(&device, "alpha").as_str(), state(&device, "beta").as_str()), ("1.0 ii", "1.0 ii"));
}

#[test]
fn a_disk_that_fills_up_half_way_leaves_one_package_rolled_back_and_one_unconfigured() {
    let Some(base) = BaseRoot::minimal() else { return };
    let device = scenarios::disk_full_half_way(&base);
    upgrade(&device).exit(100).says("No space left on device");
    assert_eq!((state(&device, "alpha").as_str(), state(&device, "beta").as_str()), ("1.0 ii", "2.0 iU"));
    device.root.free_disk();
    upgrade(&device).success();
    assert_eq!((state(&device, "alpha").as_str(), state(&device, "beta").as_str()), ("2.0 ii", "2.0 ii"));
}

#[test]
fn a_disk_that_fills_up_can_leave_broken_dependencies_that_apt_repairs_with_room() {
    let Some(base) = BaseRoot::minimal() else { return };
    let device = scenarios::disk_full_breaks_dependencies(&base);
    upgrade(&device).exit(100).says("No space left on device");
    assert_eq!((state(&device, "alpha").as_str(), state(&device, "beta").as_str()), ("1.0 iF", "2.0 iU"));
    device.root.free_disk();
    device.root.run("dpkg", ["--configure", "-a"]).exit(1).says("dependency problems");
    device.root.apt_get(["-y", "--fix-broken", "install"]).success();
    assert_eq!((state(&device, "alpha").as_str(), state(&device, "beta").as_str()), ("2.0 ii", "2.0 ii"));
}

#[test]
fn a_disk_too_full_for_dpkg_to_note_its_state_leaves_a_package_to_be_reinstalled() {
    let Some(base) = BaseRoot::minimal() else { return };
    let device = scenarios::disk_full_for_dpkg_itself(&base);
    upgrade(&device).exit(100).says("unrecoverable fatal error");
    assert_eq!((state(&device, "alpha").as_str(), state(&device, "beta").as_str()), ("1.0 iF", "1.0 iUR"));
    device.root.free_disk();
    upgrade(&device).exit(100).says("dpkg was interrupted");
    device.root.run("dpkg", ["--configure", "-a"]).exit(1).says("reinstall it before attempting configuration");
    device.root.apt_get(["-y", "--fix-broken", "install"]).exit(100);
    assert_eq!((state(&device, "alpha").as_str(), state(&device, "beta").as_str()), ("1.0 ii", "1.0 iUR"));
    upgrade(&device).success();
    assert_eq!((state(&device, "alpha").as_str(), state(&device, "beta").as_str()), ("2.0 ii", "2.0 ii"));
}

#[test]
fn a_lock_held_by_another_process_stops_apt_until_it_is_let_go() {
    let Some(base) = BaseRoot::minimal() else { return };
    let device = scenarios::plain_upgrade(&base);
    let holder = scenarios::locked(&device);
    upgrade(&device).exit(100).says("Could not get lock /var/lib/dpkg/lock-frontend").says("is held by process");
    update(&device).exit(100).says("Could not get lock /var/lib/apt/lists/lock");
    holder.kill();
    upgrade(&device).success();
}

#[test]
fn a_source_that_is_gone_fails_the_update() {
    let Some(base) = BaseRoot::minimal() else { return };
    let device = scenarios::source_gone(&base);
    update(&device).exit(100).says("does not have a Release file");
}

#[test]
fn a_server_that_does_not_answer_only_warns() {
    let Some(base) = BaseRoot::minimal() else { return };
    let device = scenarios::source_unreachable(&base);
    update(&device).success().says("Could not connect to 127.0.0.1:9");
}

#[test]
fn an_expired_source_fails_the_update() {
    let Some(base) = BaseRoot::minimal() else { return };
    let device = scenarios::source_expired(&base);
    update(&device).exit(100).says("is expired");
    knows_alpha_2_only(&device);
}

#[test]
fn an_unsigned_source_fails_the_update() {
    let Some(base) = BaseRoot::minimal() else { return };
    let device = scenarios::source_unsigned(&base);
    update(&device).exit(100).says("is no longer signed");
    knows_alpha_2_only(&device);
}

#[test]
fn a_source_signed_by_a_stranger_only_warns_and_its_lists_are_not_taken() {
    let Some(base) = BaseRoot::minimal() else { return };
    let device = scenarios::source_signed_by_stranger(&base);
    update(&device).success().says("NO_PUBKEY");
    knows_alpha_2_only(&device);
}

#[test]
fn a_tampered_list_fails_the_update_with_a_hash_mismatch() {
    let Some(base) = BaseRoot::minimal() else { return };
    let device = scenarios::source_tampered(&base);
    update(&device).exit(100).says("Hash Sum mismatch");
    knows_alpha_2_only(&device);
}

#[test]
fn a_tampered_package_is_not_unpacked() {
    let Some(base) = BaseRoot::minimal() else { return };
    let device = scenarios::package_tampered(&base);
    update(&device).success();
    upgrade(&device).exit(100).says("Hash Sum mismatch");
    assert_eq!(state(&device, "alpha"), "1.0 ii");
}

/// Whatever is wrong with a source, apt must not believe its news.
fn knows_alpha_2_only(device: &Device) {
    let offered = device.root.run("apt-cache", ["madison", "alpha"]).success().stdout;
    assert!(!offered.contains("3.0"), "{offered}");
}
