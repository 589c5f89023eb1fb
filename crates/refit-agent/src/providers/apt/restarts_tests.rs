use super::*;
use crate::providers::{
    apt::inventory::{Package, Want},
    installs::Status,
};
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
