//! A root together with the repository that it gets its packages from.

use std::sync::Arc;

use crate::base::BaseRoot;
use crate::package::Package;
use crate::repository::{Repository, Suite};
use crate::root::Root;

/// A Debian device with a repository, of its own or shared with others: a main archive and a security archive.
pub struct Device {
    /// The device.
    pub root: Root,
    /// Where it gets packages from: the suites `bookworm` and `bookworm-security`.
    pub repository: Arc<Repository>,
}

impl Device {
    /// A device that has these packages installed, from its main archive, in their newest versions.
    pub fn new(base: &BaseRoot, installed: impl IntoIterator<Item = Package>) -> Device {
        Device::on(Root::overlay(base), installed)
    }

    /// As [`Device::new`], on a root that was prepared before.
    pub fn on(root: Root, installed: impl IntoIterator<Item = Package>) -> Device {
        let repository = Repository::new([Suite::archive(), Suite::security()]);
        let packages: Vec<Package> = installed.into_iter().collect();
        let names: Vec<String> = packages.iter().map(|package| package.name().to_owned()).collect();
        repository.publish("bookworm", packages);
        Device::attached(root, Arc::new(repository), names)
    }

    /// A device on a repository that others use too, with the newest versions of these packages installed.
    pub fn attached(
        mut root: Root,
        repository: Arc<Repository>,
        installed: impl IntoIterator<Item = String>,
    ) -> Device {
        repository.attach(&mut root);
        root.apt_get(["update"]).success();
        let mut names = installed.into_iter().peekable();
        if names.peek().is_some() {
            root.apt_get(["-y", "install"].into_iter().map(str::to_owned).chain(names)).success();
        }
        Device { root, repository }
    }

    /// Publishes packages in the main archive. The device learns of them with its next `apt-get update`.
    pub fn publish(&self, packages: impl IntoIterator<Item = Package>) {
        self.repository.publish("bookworm", packages);
    }

    /// Publishes packages in the security archive. The device learns of them with its next `apt-get update`.
    pub fn publish_security(&self, packages: impl IntoIterator<Item = Package>) {
        self.repository.publish("bookworm-security", packages);
    }

    /// Publishes in the main archive, and lets the device learn of it.
    pub fn offer(&self, packages: impl IntoIterator<Item = Package>) {
        self.publish(packages);
        self.root.apt_get(["update"]).success();
    }
}
