//! Devices of either kind, described once: what every package manager has to do alike is tried on both.

use std::collections::BTreeMap;

use crate::base::BaseRoot;
use crate::command::{Outcome, Running};
use crate::device::Device;
use crate::dpkg::Installed;
use crate::package::{Package, Script};
use crate::root::Root;
use crate::rpm::{RpmDevice, RpmPackage, Scriptlet};

/// A kind of package manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// apt with dpkg.
    Apt,
    /// dnf with rpm.
    Dnf,
}

impl Family {
    /// The program's name.
    pub fn name(self) -> &'static str {
        match self {
            Family::Apt => "apt",
            Family::Dnf => "dnf",
        }
    }

    /// The title of a package in Refit.
    pub fn title(self, name: &str) -> String {
        match self {
            Family::Apt => format!("deb/{name}"),
            Family::Dnf => format!("rpm/{name}"),
        }
    }

    /// A version as the package manager has it: rpm's packages here are all of release 1.
    pub fn version(self, version: &str) -> String {
        match self {
            Family::Apt => version.to_owned(),
            Family::Dnf => format!("{version}-1"),
        }
    }

    /// The base root; `None` after `skipped:` was printed.
    pub fn base(self) -> Option<BaseRoot> {
        match self {
            Family::Apt => BaseRoot::minimal(),
            Family::Dnf => BaseRoot::rpm(),
        }
    }
}

/// A package, in words that fit both.
#[derive(Clone, Debug)]
pub struct Software {
    name: String,
    version: String,
    needs: Vec<String>,
    conflicts: Vec<String>,
    config: Option<String>,
    before: Option<String>,
    after: Option<String>,
    bytes: usize,
}

impl Software {
    /// A package that does nothing but be there.
    pub fn new(name: &str, version: &str) -> Software {
        Software {
            name: name.to_owned(),
            version: version.to_owned(),
            needs: Vec::new(),
            conflicts: Vec::new(),
            config: None,
            before: None,
            after: None,
            bytes: 0,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// It needs another one.
    pub fn needs(mut self, name: &str) -> Software {
        self.needs.push(name.to_owned());
        self
    }

    /// It can't be installed together with another one.
    pub fn conflicts(mut self, name: &str) -> Software {
        self.conflicts.push(name.to_owned());
        self
    }

    /// It has a configuration file, `/etc/NAME.conf`, that is kept where people have edited it.
    pub fn config(mut self, content: &str) -> Software {
        self.config = Some(content.to_owned());
        self
    }

    /// A script that runs before its files are there.
    pub fn before(mut self, body: &str) -> Software {
        self.before = Some(body.to_owned());
        self
    }

    /// A script that runs after its files are there.
    pub fn after(mut self, body: &str) -> Software {
        self.after = Some(body.to_owned());
        self
    }

    /// It has a large file, of zeros: small on its way.
    pub fn large(mut self, bytes: usize) -> Software {
        self.bytes = bytes;
        self
    }

    pub(crate) fn deb(&self) -> Package {
        let mut package = Package::new(&self.name, &self.version);
        if !self.needs.is_empty() {
            package = package.depends(&self.needs.join(", "));
        }
        if !self.conflicts.is_empty() {
            package = package.conflicts(&self.conflicts.join(", "));
        }
        if let Some(content) = &self.config {
            package = package.conffile(&format!("/etc/{}.conf", self.name), content);
        }
        for (script, body) in [(Script::Preinst, &self.before), (Script::Postinst, &self.after)] {
            if let Some(body) = body {
                package = package.script(script, body);
            }
        }
        if self.bytes > 0 {
            package = package.file(&format!("/usr/share/{}/large", self.name), vec![0; self.bytes]);
        }
        package
    }

    pub(crate) fn rpm(&self) -> RpmPackage {
        let mut package = RpmPackage::new(&self.name, &self.version);
        for name in &self.needs {
            package = package.tag("Requires", name);
        }
        for name in &self.conflicts {
            package = package.tag("Conflicts", name);
        }
        if let Some(content) = &self.config {
            package = package.config(&format!("/etc/{}.conf", self.name), content);
        }
        for (script, body) in [(Scriptlet::Pre, &self.before), (Scriptlet::Post, &self.after)] {
            if let Some(body) = body {
                package = package.script(script, body);
            }
        }
        if self.bytes > 0 {
            package = package.file(&format!("/usr/share/{}/large", self.name), &"0".repeat(self.bytes));
        }
        package
    }
}

/// What can be wrong with a package source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoiled {
    /// Nothing is where it was.
    Gone,
    /// The server does not answer.
    Unreachable,
    /// The list has lost its signature.
    Unsigned,
    /// The list is signed with a key that the device does not trust.
    SignedByStranger,
    /// The list was changed after it was signed.
    Tampered,
    /// The publisher's limit has passed. Only apt's sources have one.
    Expired,
}

/// A device of either kind, with a repository of its own.
pub enum AnyDevice {
    /// With apt.
    Apt(Device),
    /// With dnf.
    Dnf(RpmDevice),
}

impl AnyDevice {
    /// A device that has these packages installed; `None` after `skipped:` was printed.
    pub fn new(family: Family, installed: impl IntoIterator<Item = Software>) -> Option<AnyDevice> {
        let base = family.base()?;
        Some(AnyDevice::on(family, Root::overlay(&base), installed))
    }

    /// As [`AnyDevice::new`], with room for this many bytes of changes.
    pub fn with_disk(family: Family, bytes: u64, installed: impl IntoIterator<Item = Software>) -> Option<AnyDevice> {
        let base = family.base()?;
        Some(AnyDevice::on(family, Root::with_disk(&base, bytes), installed))
    }

    fn on(family: Family, root: Root, installed: impl IntoIterator<Item = Software>) -> AnyDevice {
        match family {
            Family::Apt => AnyDevice::Apt(Device::on(root, installed.into_iter().map(|software| software.deb()))),
            Family::Dnf => AnyDevice::Dnf(RpmDevice::on(root, installed.into_iter().map(|software| software.rpm()))),
        }
    }

    /// Its kind.
    pub fn family(&self) -> Family {
        match self {
            AnyDevice::Apt(_) => Family::Apt,
            AnyDevice::Dnf(_) => Family::Dnf,
        }
    }

    /// The device's `/`.
    pub fn root(&self) -> &Root {
        match self {
            AnyDevice::Apt(device) => &device.root,
            AnyDevice::Dnf(device) => &device.root,
        }
    }

    /// The same, to be changed.
    pub fn root_mut(&mut self) -> &mut Root {
        match self {
            AnyDevice::Apt(device) => &mut device.root,
            AnyDevice::Dnf(device) => &mut device.root,
        }
    }

    /// Publishes packages; the device does not know of them yet.
    pub fn publish(&self, packages: impl IntoIterator<Item = Software>) {
        match self {
            AnyDevice::Apt(device) => device.publish(packages.into_iter().map(|software| software.deb())),
            AnyDevice::Dnf(device) => device.repository.publish(packages.into_iter().map(|software| software.rpm())),
        }
    }

    /// Lets the device learn what its package source offers by now, as a timer of its system would.
    pub fn update_lists(&self) {
        match self {
            AnyDevice::Apt(device) => drop(device.root.apt_get(["update"]).success()),
            AnyDevice::Dnf(device) => {
                let make = || device.dnf(["-y", "-q", "--refresh", "makecache"]);
                // Two that begin at one moment can take dnf's lock away from each other, and one ends: a timer comes again.
                let lost = |outcome: &Outcome| !outcome.ok() && outcome.stderr.contains("metadata_lock.pid");
                let tried = (0..4).map(|_| make()).find(|outcome| !lost(outcome));
                drop(tried.unwrap_or_else(make).success());
            }
        }
    }

    /// Publishes packages, and lets the device learn of it.
    pub fn offer(&self, packages: impl IntoIterator<Item = Software>) {
        match self {
            AnyDevice::Apt(device) => device.offer(packages.into_iter().map(|software| software.deb())),
            AnyDevice::Dnf(device) => device.offer(packages.into_iter().map(|software| software.rpm())),
        }
    }

    /// The fingerprint of the key that vouches for its packages.
    pub fn fingerprint(&self) -> String {
        match self {
            AnyDevice::Apt(device) => device.repository.fingerprint(),
            AnyDevice::Dnf(device) => device.repository.fingerprint(),
        }
    }

    /// What the package database has, read without Refit.
    pub fn database(&self) -> BTreeMap<String, Installed> {
        match self {
            AnyDevice::Apt(device) => device.root.dpkg(),
            AnyDevice::Dnf(device) => device.rpm(),
        }
    }

    /// Somebody holds a package where it is: `apt-mark hold`, `dnf versionlock`.
    pub fn hold(&self, name: &str) {
        match self {
            AnyDevice::Apt(device) => drop(device.root.run("apt-mark", ["hold", name]).success()),
            AnyDevice::Dnf(device) => drop(device.dnf(["-q", "versionlock", "add", name]).success()),
        }
    }

    /// Spoils its package source.
    pub fn spoil(&self, how: Spoiled) {
        match (self, how) {
            (AnyDevice::Apt(device), Spoiled::Gone) => device.repository.attach_to_wrong_path(&device.root),
            (AnyDevice::Apt(device), Spoiled::Unreachable) => device.repository.attach_to_dead_server(&device.root),
            (AnyDevice::Apt(device), Spoiled::Unsigned) => device.repository.unsign("bookworm"),
            (AnyDevice::Apt(device), Spoiled::SignedByStranger) => device.repository.sign_with_stranger_key("bookworm"),
            (AnyDevice::Apt(device), Spoiled::Tampered) => device.repository.tamper_with_list("bookworm"),
            (AnyDevice::Apt(device), Spoiled::Expired) => device.repository.expire("bookworm"),
            (AnyDevice::Dnf(device), Spoiled::Gone) => device.repository.attach_to_wrong_path(&device.root),
            (AnyDevice::Dnf(device), Spoiled::Unreachable) => device.repository.attach_to_dead_server(&device.root),
            (AnyDevice::Dnf(device), Spoiled::Unsigned) => device.repository.unsign(),
            (AnyDevice::Dnf(device), Spoiled::SignedByStranger) => device.repository.sign_with_stranger_key(),
            (AnyDevice::Dnf(device), Spoiled::Tampered) => device.repository.tamper_with_list(),
            (AnyDevice::Dnf(_), Spoiled::Expired) => panic!("a repository of dnf has no limit that could pass"),
        }
    }

    /// Changes a package after its list was signed.
    pub fn tamper_with_package(&self, package: &Software) {
        match self {
            AnyDevice::Apt(device) => device.repository.tamper_with_package("bookworm", &package.deb()),
            AnyDevice::Dnf(device) => device.repository.tamper_with_package(&package.rpm()),
        }
    }

    /// Holds the package manager's lock until the returned program is dropped.
    pub fn lock(&self) -> Running {
        match self {
            AnyDevice::Apt(device) => crate::scenarios::locked(device),
            AnyDevice::Dnf(device) => crate::scenarios::record_locks(&device.root, &["/var/lib/rpm/.rpm.lock"]),
        }
    }
}
