//! A root together with the rpm repository that it gets its packages from.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::BaseRoot;
use crate::command::Outcome;
use crate::dpkg::Installed;
use crate::root::Root;
use crate::rpm::package::RpmPackage;
use crate::rpm::repository::RpmRepository;

/// A device whose packages are rpm's, with a repository, of its own or shared with others.
pub struct RpmDevice {
    /// The device.
    pub root: Root,
    /// Where it gets packages from.
    pub repository: Arc<RpmRepository>,
}

impl RpmDevice {
    /// A device that has these packages installed, and what makes scripts run.
    pub fn new(base: &BaseRoot, installed: impl IntoIterator<Item = RpmPackage>) -> RpmDevice {
        RpmDevice::on(Root::overlay(base), installed)
    }

    /// As [`RpmDevice::new`], on a root that was prepared before.
    pub fn on(root: Root, installed: impl IntoIterator<Item = RpmPackage>) -> RpmDevice {
        let repository = RpmRepository::new();
        let packages: Vec<RpmPackage> = installed.into_iter().chain([RpmPackage::shell()]).collect();
        let names: Vec<String> = packages.iter().map(|package| package.name().to_owned()).collect();
        repository.publish(packages);
        RpmDevice::attached(root, Arc::new(repository), names)
    }

    /// A device on a repository that others use too, with the newest versions of these packages installed. What makes scripts
    /// run ([`RpmPackage::shell`]) has to be among them.
    pub fn attached(
        mut root: Root,
        repository: Arc<RpmRepository>,
        installed: impl IntoIterator<Item = String>,
    ) -> RpmDevice {
        repository.attach(&mut root);
        let device = RpmDevice { root, repository };
        device.dnf(["-y", "install"].into_iter().map(str::to_owned).chain(installed)).success();
        device
    }

    /// Runs dnf in the root.
    pub fn dnf<S: AsRef<std::ffi::OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Outcome {
        self.root.run("dnf", args)
    }

    /// Publishes, and lets the device learn of it.
    pub fn offer(&self, packages: impl IntoIterator<Item = RpmPackage>) {
        self.repository.publish(packages);
        self.dnf(["-y", "-q", "--refresh", "makecache"]).success();
    }

    /// What rpm's database has, by name: the version, of several all, and as its status whether it is `one` or `several`. The keys
    /// that rpm trusts are left out.
    pub fn rpm(&self) -> BTreeMap<String, Installed> {
        let listed = self.root.run("rpm", ["-qa", "--qf", "%{NAME}\t%{VERSION}-%{RELEASE}\n"]).success();
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, version) in listed.stdout.lines().filter_map(|line| line.split_once('\t')) {
            if name != "gpg-pubkey" {
                found.entry(name.to_owned()).or_default().push(version.to_owned());
            }
        }
        let entry = |(name, mut versions): (String, Vec<String>)| {
            versions.sort();
            let status = if versions.len() == 1 { "one" } else { "several" };
            (name, Installed { version: versions.join(", "), status: status.to_owned() })
        };
        found.into_iter().map(entry).collect()
    }
}
