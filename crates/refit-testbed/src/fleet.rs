//! A fleet: hosts of both kinds, each with a root, a machine id and a place in the network of its own. Hosts of one kind get
//! their packages from one signed repository, as in a company.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::base::BaseRoot;
use crate::device::Device;
use crate::family::{AnyDevice, Family, Software};
use crate::lan::{Cable, Lan};
use crate::repository::{Repository, Suite};
use crate::root::Root;
use crate::rpm::{RpmDevice, RpmPackage, RpmRepository};

/// How many hosts are worked on at the same time: package managers keep a processor busy, agents mostly wait.
const AT_A_TIME: usize = 4;

/// Hosts in one network, and where they get their packages from.
pub struct Fleet {
    hosts: Vec<Host>,
    apt: Arc<Repository>,
    dnf: Arc<RpmRepository>,
}

/// One host.
pub struct Host {
    /// `apt-1`, `dnf-3`.
    pub name: String,
    /// Its root and its repository.
    pub device: AnyDevice,
    /// Its place in the network.
    pub cable: Cable,
}

/// A host that is to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Making {
    /// With apt.
    Apt,
    /// With apt, and systemd to be booted ([`crate::Booted`]).
    AptToBoot,
    /// With dnf.
    Dnf,
}

impl Making {
    fn family(self) -> Family {
        match self {
            Making::Apt | Making::AptToBoot => Family::Apt,
            Making::Dnf => Family::Dnf,
        }
    }

    fn base(self) -> Option<BaseRoot> {
        match self {
            Making::AptToBoot => BaseRoot::booting(),
            Making::Apt | Making::Dnf => self.family().base(),
        }
    }
}

impl Fleet {
    /// Makes the hosts, named by their kind and number, and plugs them in. `installed` says what the host of a name has;
    /// `None` after `skipped:` was printed.
    pub fn new(
        lan: &Lan,
        hosts: &[Making],
        software: &[Software],
        has: impl Fn(&str, &Software) -> bool + Sync,
    ) -> Option<Fleet> {
        // Whether there are all roots is found out before the first host is made.
        let bases: Vec<BaseRoot> = hosts.iter().map(|making| making.base()).collect::<Option<_>>()?;
        let apt = Arc::new(Repository::new([Suite::archive(), Suite::security()]));
        let dnf = Arc::new(RpmRepository::new());
        let mut fleet = Fleet { hosts: Vec::new(), apt, dnf };
        fleet.apt.publish("bookworm-security", []);
        fleet.dnf.publish([RpmPackage::shell()]);
        fleet.publish(software.iter().cloned());

        let mut planned = Vec::new();
        for (index, (making, base)) in hosts.iter().zip(bases).enumerate() {
            let family = making.family();
            let number = hosts[..=index].iter().filter(|other| other.family() == family).count();
            planned.push((family, format!("{}-{number}", family.name()), base, lan.plug_in()));
        }
        let made = side_by_side(planned, |(family, name, base, cable)| {
            let mut root = Root::overlay(&base);
            root.plug_in(&cable);
            root.write("/etc/machine-id", format!("5ca1ab1e{:024x}\n", u32::from(cable.address())));
            let names = software.iter().filter(|software| has(&name, software));
            let names: Vec<String> = names.map(|software| software.name().to_owned()).collect();
            let device = match family {
                Family::Apt => AnyDevice::Apt(Device::attached(root, fleet.apt.clone(), names)),
                Family::Dnf => {
                    let names = names.into_iter().chain([RpmPackage::shell().name().to_owned()]);
                    AnyDevice::Dnf(RpmDevice::attached(root, fleet.dnf.clone(), names))
                }
            };
            Host { name, device, cable }
        });
        fleet.hosts = made;
        Some(fleet)
    }

    /// The hosts, in the order in which they were asked for.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// The same, to be changed.
    pub fn hosts_mut(&mut self) -> &mut [Host] {
        &mut self.hosts
    }

    /// The host of a name.
    pub fn host(&self, name: &str) -> &Host {
        self.hosts.iter().find(|host| host.name == name).unwrap_or_else(|| panic!("no host is called {name}"))
    }

    /// Publishes packages in both repositories. Hosts learn of them when they ask.
    pub fn publish(&self, packages: impl IntoIterator<Item = Software>) {
        let packages: Vec<Software> = packages.into_iter().collect();
        self.apt.publish("bookworm", packages.iter().map(Software::deb));
        self.dnf.publish(packages.iter().map(Software::rpm));
    }

    /// The fingerprint of the key that vouches for the packages of a kind.
    pub fn fingerprint(&self, family: Family) -> String {
        match family {
            Family::Apt => self.apt.fingerprint(),
            Family::Dnf => self.dnf.fingerprint(),
        }
    }

    /// Does something with every host, a few at a time; what came of it, in the order of the hosts.
    ///
    /// A program that is started and not waited for ends with the thread that does it.
    pub fn each<T: Send>(&self, work: impl Fn(&Host) -> T + Sync) -> Vec<T> {
        side_by_side(self.hosts.iter().collect(), work)
    }
}

/// Works on several at a time; what came of each, in their order.
fn side_by_side<I: Send, T: Send>(items: Vec<I>, work: impl Fn(I) -> T + Sync) -> Vec<T> {
    let workers = AT_A_TIME.min(items.len());
    let waiting = Mutex::new(items.into_iter().enumerate());
    let done = Mutex::new(BTreeMap::new());
    // Where the work on one has panicked, that on the others ends first, and then all panic.
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some((number, item)) = next() {
                    let result = work(item);
                    done.lock().unwrap_or_else(PoisonError::into_inner).insert(number, result);
                }
            });
        }
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
}
