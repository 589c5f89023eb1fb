use super::*;
use crate::providers::apt::inventory::{Package, Status, Want};
use refit_model::{Scheme, TitleId};
use std::collections::BTreeMap;

fn with_kernels(kernels: &[(&str, &str)]) -> Inventory {
    let packages = kernels.iter().map(|(name, version)| {
        let title = TitleId::new(format!("deb/{name}"));
        let version = Version::parse(Scheme::Dpkg, version).ok();
        let package = Package {
            title: title.clone(),
            name: (*name).into(),
            architecture: "amd64".into(),
            source: "linux".into(),
            source_version: version.clone(),
            version,
            want: Want::Install,
            status: Status::Installed,
            reinstall_required: false,
            essential: false,
            installed_bytes: 0,
            changed: None,
        };
        (title, package)
    });
    Inventory { architecture: "amd64".into(), packages: packages.collect::<BTreeMap<_, _>>(), unreadable: Vec::new() }
}

#[test]
fn a_newer_kernel_of_the_same_flavour_asks_for_a_restart() {
    let inventory = with_kernels(&[
        ("linux-image-6.1.0-41-amd64", "6.1.158-1"),
        ("linux-image-6.1.0-56-amd64", "6.1.192-2"),
        ("linux-image-6.1.0-57-cloud-amd64", "6.1.193-1"),
        ("linux-image-amd64", "6.1.192-2"),
    ]);
    let reasons = reboot_reasons(&inventory, "6.1.0-41-amd64", false, "");
    assert_eq!(reasons, ["kernel 6.1.0-56-amd64 (6.1.192-2) is installed, 6.1.0-41-amd64 is running"]);
    assert!(reboot_reasons(&inventory, "6.1.0-56-amd64", false, "").is_empty());
}

#[test]
fn a_container_on_a_foreign_kernel_is_not_asked_to_restart() {
    let inventory = with_kernels(&[("linux-image-6.1.0-56-amd64", "6.1.192-2")]);
    assert!(reboot_reasons(&inventory, "6.18.44-host", false, "").is_empty());
}

#[test]
fn the_marker_names_the_packages_that_set_it() {
    let reasons = reboot_reasons(&with_kernels(&[]), "", true, "libc6\ndbus\nlibc6\n");
    assert_eq!(reasons, ["dbus, libc6 asked for it"]);
    assert_eq!(reboot_reasons(&with_kernels(&[]), "", true, "").len(), 1);
}

#[test]
fn a_replaced_library_counts_and_shared_memory_does_not() {
    let library = "7f00-7f01 r-xp 00001000 fd:00 1234    /usr/lib/x86_64-linux-gnu/libssl.so.3 (deleted)";
    assert_eq!(deleted_file(library), Some("/usr/lib/x86_64-linux-gnu/libssl.so.3"));
    for line in [
        "7f00-7f01 rw-p 00001000 fd:00 1234    /usr/lib/x86_64-linux-gnu/libssl.so.3 (deleted)",
        "7f00-7f01 r-xp 00001000 fd:00 1234    /memfd:jit (deleted)",
        "7f00-7f01 r-xp 00001000 fd:00 1234    /usr/lib/x86_64-linux-gnu/libssl.so.3",
        "7f00-7f01 r-xp 00000000 00:00 0 ",
    ] {
        assert_eq!(deleted_file(line), None, "{line}");
    }
}

#[test]
fn the_unit_is_the_innermost_service_of_the_control_group() {
    assert_eq!(unit_of("0::/system.slice/ssh.service\n").as_deref(), Some("ssh.service"));
    assert_eq!(
        unit_of("0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.service\n").as_deref(),
        Some("x.service")
    );
    assert_eq!(unit_of("12:cpu:/\n1:name=systemd:/system.slice/cron.service\n").as_deref(), Some("cron.service"));
    assert_eq!(unit_of("0::/user.slice/session-1.scope\n"), None);
}

#[test]
fn processes_are_grouped_by_unit_and_program() {
    let folder = tempfile::tempdir().unwrap();
    for pid in ["10", "11", "12"] {
        let process = folder.path().join(pid);
        std::fs::create_dir(&process).unwrap();
        let deleted = if pid == "12" { "" } else { " (deleted)" };
        let maps = format!("7f00-7f01 r-xp 00001000 fd:00 1    /usr/lib/libssl.so.3{deleted}\n");
        std::fs::write(process.join("maps"), maps).unwrap();
        std::fs::write(process.join("cgroup"), "0::/system.slice/ssh.service\n").unwrap();
        std::os::unix::fs::symlink("/usr/sbin/sshd", process.join("exe")).unwrap();
    }
    let found = outdated_processes(folder.path());
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].unit.as_deref(), found[0].program.as_str()), (Some("ssh.service"), "/usr/sbin/sshd"));
    assert_eq!(
        (found[0].pids.as_slice(), found[0].files.as_slice()),
        ([10, 11].as_slice(), ["/usr/lib/libssl.so.3".to_owned()].as_slice())
    );
}
