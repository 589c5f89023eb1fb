//! A machine in the words of the wire: its facts, what is installed, and what it can get. The agent, the command line and a server
//! that runs on the machine itself read it alike.

use crate::providers::{
    available::{Available, Offer, SourceHealth},
    installs::{Install, Installs, Status},
    machine::{Container, Machine},
};
use jiff::Timestamp;
use refit_model::{
    TitleId, Version,
    entry::{InstallEntry, PackageSource, Plain, ReleaseEntry},
};
use refit_wire::protocol::{Inventory, Universe};
use sha2::{Digest as _, Sha256};
use smol_str::{SmolStr, format_smolstr};
use std::{collections::BTreeMap, fs, path::Path};

/// All that a machine says of itself.
pub fn inventory(machine: &Machine, installs: &Installs, available: &Available, now: Timestamp) -> Inventory {
    let entries = installs.packages.values().filter_map(|install| {
        let entry = InstallEntry {
            title: install.title.clone(),
            branch: None,
            profile: None,
            version: install.version.as_str().into(),
            state: (!install.is_well()).then(|| install.status.name().into()),
            source: Some(source(install)),
        };
        is_there(install).then(|| (entry.slot(), entry))
    });
    let distribution = distribution(machine);
    let universe = Universe {
        key: key(machine, &distribution, installs, available),
        distribution,
        offers: offers(installs, available, now),
    };
    Inventory { facts: facts(machine), installs: entries.collect(), universe }
}

/// What a package was built from; also where its source has the same name, so that nobody else's word stands alone.
fn source(install: &Install) -> PackageSource {
    let version = install.source_version.as_ref().filter(|version| **version != install.version);
    PackageSource { name: install.source.clone(), version: version.map(|version| version.as_str().into()) }
}

/// A stable id that does not reveal the machine's own.
pub fn id(machine: &Machine) -> String {
    machine.id.clone().unwrap_or_else(|| machine.hostname.clone())
}

/// What is known of a machine, as facts of the device.
pub fn facts(machine: &Machine) -> BTreeMap<SmolStr, Plain> {
    let kind = kind(machine.container.as_ref());
    // A container has no firmware of its own: that of its host would make two devices one.
    let firmware = |name: &str| if machine.container.is_some() { None } else { firmware(Path::new(FIRMWARE), name) };
    let (serial, uuid) = (firmware("product_serial"), firmware("product_uuid"));
    let values = [
        ("hostname", Some(machine.hostname.as_str())),
        ("platform", Some("linux")),
        ("os", Some(machine.os.as_str())),
        ("os_version", machine.os_version.as_deref()),
        ("codename", machine.os_codename.as_deref()),
        ("arch", Some(machine.architecture.as_str())),
        ("timezone", machine.timezone.as_deref()),
        ("kind", kind),
        ("serial", serial.as_deref()),
        ("hardware_uuid", uuid.as_deref()),
    ];
    let fact =
        |(name, value): (&str, Option<&str>)| Some((format_smolstr!("device.{name}"), Plain::Text(value?.into())));
    values.into_iter().filter_map(fact).collect()
}

/// Where the kernel shows what the firmware says of the machine (SMBIOS 7.2).
const FIRMWARE: &str = "/sys/class/dmi/id";
/// Longer than that is no number of a machine.
const NUMBER_LONGEST: usize = 128;

/// What the firmware says, where this program may read it (numbers of machines are root's alone). Placeholders of manufacturers are
/// told as they are: whoever compares them knows them all.
fn firmware(folder: &Path, name: &str) -> Option<String> {
    let text = fs::read_to_string(folder.join(name)).ok()?;
    let text = text.trim();
    let is_number = !text.is_empty() && text.len() <= NUMBER_LONGEST && !text.contains(char::is_control);
    is_number.then(|| text.to_owned())
}

/// What sort of machine it is, by its chassis (SMBIOS 7.4.1), or by what contains it.
pub fn kind(container: Option<&Container>) -> Option<&'static str> {
    if container.is_some() {
        return Some("container");
    }
    let virtual_machine = fs::read_to_string("/proc/cpuinfo").is_ok_and(|info| info.contains(" hypervisor"));
    if virtual_machine {
        return Some("vm");
    }
    let chassis: u8 = fs::read_to_string("/sys/class/dmi/id/chassis_type").ok()?.trim().parse().ok()?;
    match chassis {
        8..=10 | 14 | 30..=32 => Some("laptop"),
        3..=7 | 13 | 15 | 16 | 35 | 36 => Some("desktop"),
        17 | 23 | 25 | 28 | 29 => Some("server"),
        _ => None,
    }
}

/// What a machine's distribution is called on the wire: `debian/bookworm`, `ubuntu/22.04`, `almalinux/9`.
pub fn distribution(machine: &Machine) -> SmolStr {
    let version = machine.os_version.as_deref().unwrap_or_default();
    let codename = machine.os_codename.as_deref().unwrap_or_default();
    let major = version.split('.').next().unwrap_or_default();
    match machine.os.as_str() {
        "ubuntu" if !version.is_empty() => format_smolstr!("ubuntu/{version}"),
        os @ ("almalinux" | "rocky") if !major.is_empty() => format_smolstr!("{os}/{major}"),
        os if codename.is_empty() => format_smolstr!("{os}/{version}"),
        os => format_smolstr!("{os}/{codename}"),
    }
}

/// A version that a machine is offered.
pub struct Offered<'a> {
    /// The version, and what the package manager thinks of it.
    pub offer: &'a Offer,
    /// The date of the oldest archive that carries it: it was not published later.
    pub archive: Option<Timestamp>,
    /// What is wrong with all its sources.
    pub distrusted: Option<&'static str>,
}

impl Offered<'_> {
    /// Whether the machine does not take it as it is configured now.
    pub fn is_withheld(&self) -> bool {
        self.offer.withheld.is_some() || self.distrusted.is_some()
    }
}

/// The versions of a package that a machine is offered; not what is only taken by hand.
pub fn offered<'a>(available: &'a Available, title: &TitleId) -> impl Iterator<Item = Offered<'a>> {
    let offers = available.packages.get(title).map(Vec::as_slice).unwrap_or_default();
    let offers = offers.iter().filter(|offer| !offer.repositories.is_empty() && !offer.on_demand);
    offers.map(|offer| {
        let repositories = offer.repositories.iter().filter_map(|place| available.repositories.get(*place));
        let archive = repositories.filter_map(|repository| repository.date).min();
        Offered { offer, archive, distrusted: distrust(offer, available) }
    })
}

/// What the package manager has begun with and not finished, and no source offers: title and version. To finish it is a way to
/// comply, and takes no source.
pub fn begun<'a>(installs: &'a Installs, available: &'a Available) -> impl Iterator<Item = (&'a TitleId, &'a Version)> {
    let unfinished = installs.unfinished().filter(|install| is_there(install));
    unfinished
        .filter(|install| offered(available, &install.title).all(|here| here.offer.version != install.version))
        .map(|install| (&install.title, &install.version))
}

/// Whether its files are there.
pub fn is_there(install: &Install) -> bool {
    !matches!(install.status, Status::NotInstalled | Status::ConfigFiles)
}

fn offers(installs: &Installs, available: &Available, now: Timestamp) -> Vec<ReleaseEntry> {
    let entry =
        |title: &TitleId, version: &Version, published: Timestamp, security: bool, withheld: bool| ReleaseEntry {
            title: title.clone(),
            branch: None,
            version: version.as_str().into(),
            published,
            security,
            withheld,
        };
    let mut releases = Vec::new();
    for title in available.packages.keys() {
        releases.extend(offered(available, title).map(|here| {
            let published = here.archive.unwrap_or(now).min(now);
            entry(title, &here.offer.version, published, here.offer.security, here.is_withheld())
        }));
    }
    releases.extend(begun(installs, available).map(|(title, version)| entry(title, version, now, false, false)));
    releases
}

/// Whether a version can be had from a source that is signed, and not expired.
pub fn is_trusted(offer: &Offer, available: &Available) -> bool {
    let mut repositories = offer.repositories.iter().filter_map(|place| available.repositories.get(*place));
    repositories.any(|repository| repository.health == SourceHealth::Good)
}

/// What is wrong with all sources of a version; `None` where one of them is good.
pub fn distrust(offer: &Offer, available: &Available) -> Option<&'static str> {
    let mut repositories = offer.repositories.iter().filter_map(|place| available.repositories.get(*place));
    let worst = repositories.try_fold(None, |_, repository| match repository.health {
        SourceHealth::Good => Err(()),
        SourceHealth::Expired => Ok(Some("a package source that has expired")),
        SourceHealth::Unsigned | SourceHealth::Missing => Ok(Some("a package source that is not signed")),
    });
    worst.ok().flatten()
}

/// What decides on the offers: architecture, sources and how far they are trusted, and what is withheld. Machines that share it
/// are offered the same. Where a machine can finish what nobody offers, it is a case of its own.
fn key(machine: &Machine, distribution: &str, installs: &Installs, available: &Available) -> SmolStr {
    let mut hash = Sha256::new();
    hash.update(format!("{distribution}\n{}\n", machine.architecture));
    for repository in &available.repositories {
        hash.update(format!("{} {:?}\n", repository.id, repository.health));
    }
    for (title, offers) in &available.packages {
        for offer in offers.iter().filter(|offer| offer.withheld.is_some() && !offer.on_demand) {
            hash.update(format!("{title} {} {:?}\n", offer.version, offer.withheld));
        }
    }
    if begun(installs, available).next().is_some() {
        hash.update(id(machine));
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::{Manager, available::Repository};
    use refit_model::Scheme;

    fn version(text: &str) -> Version {
        Version::parse(Scheme::Dpkg, text).unwrap()
    }

    #[test]
    fn numbers_of_a_machine_are_told_where_there_are_any() {
        let folder = tempfile::tempdir().unwrap();
        let read = |name: &str, text: &str| {
            fs::write(folder.path().join(name), text).unwrap();
            firmware(folder.path(), name)
        };
        assert_eq!(read("product_serial", "C02XK1AA\n").as_deref(), Some("C02XK1AA"));
        assert_eq!(read("product_uuid", " \n"), None);
        assert_eq!(read("long", &"9".repeat(NUMBER_LONGEST + 1)), None);
        assert_eq!(firmware(folder.path(), "missing"), None);
    }

    fn machine(id: &str) -> Machine {
        Machine {
            id: Some(id.to_owned()),
            hostname: "workshop".to_owned(),
            architecture: "amd64".into(),
            os: "debian".into(),
            os_like: Vec::new(),
            os_version: Some("12".into()),
            os_codename: Some("bookworm".into()),
            kernel: "6.1.0-41-amd64".to_owned(),
            timezone: None,
            container: None,
        }
    }

    /// A machine with one package.
    fn installs(status: Status) -> Installs {
        let install = Install {
            title: TitleId::new("deb/vpn"),
            name: "vpn".into(),
            architecture: "amd64".into(),
            version: version("2.1-1"),
            beside: Vec::new(),
            source: "vpn".into(),
            source_version: None,
            status,
            reinstall_required: false,
            essential: false,
            held: None,
            origin: None,
            changed: None,
        };
        Installs {
            manager: Manager::Apt,
            architecture: "amd64".into(),
            packages: [(install.title.clone(), install)].into(),
            unreadable: Vec::new(),
        }
    }

    fn offer(text: &str, on_demand: bool) -> Offer {
        Offer {
            version: version(text),
            candidate: !on_demand,
            security: false,
            withheld: on_demand.then(|| "held by apt's preferences".to_owned()),
            on_demand,
            repositories: vec![0],
        }
    }

    fn available(offers: Vec<Offer>) -> Available {
        let repository = Repository {
            id: "http://deb.example/debian bookworm/main".into(),
            address: "http://deb.example/debian".into(),
            publisher: Some("Debian".into()),
            security: false,
            keys: Vec::new(),
            list_is_signed: true,
            date: None,
            valid_until: None,
            configured_in: String::new(),
            health: SourceHealth::Good,
        };
        Available { repositories: vec![repository], packages: [(TitleId::new("deb/vpn"), offers)].into() }
    }

    #[test]
    fn what_is_begun_and_offered_by_nobody_can_be_finished() {
        let (nothing, now) = (available(Vec::new()), Timestamp::UNIX_EPOCH);
        let says = |id: &str, status: Status| inventory(&machine(id), &installs(status), &nothing, now).universe;
        let (well, begun) = (says("m1", Status::Installed), says("m1", Status::HalfConfigured));
        assert_eq!(well.offers, []);
        assert_eq!((begun.offers[0].title.as_str(), begun.offers[0].version.as_str()), ("deb/vpn", "2.1-1"));
        // Nobody else is offered what this machine has begun.
        assert_ne!(well.key, begun.key);
        assert_ne!(says("m2", Status::HalfConfigured).key, begun.key);
        assert_eq!(says("m2", Status::Installed).key, well.key);
    }

    #[test]
    fn what_is_taken_only_by_hand_is_not_offered() {
        let available = available(vec![offer("3.0-1~bpo12+1", true), offer("2.2-1", false)]);
        let said = inventory(&machine("m1"), &installs(Status::Installed), &available, Timestamp::UNIX_EPOCH);
        let versions: Vec<&str> = said.universe.offers.iter().map(|offer| offer.version.as_str()).collect();
        assert_eq!(versions, ["2.2-1"]);
    }
}
