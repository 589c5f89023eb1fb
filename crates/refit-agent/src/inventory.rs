//! A machine in the words of the wire: its facts, what is installed, and what it can get.

use crate::providers::{
    available::{Available, Offer, SourceHealth},
    installs::{Install, Installs},
    machine::{Container, Machine},
};
use jiff::Timestamp;
use refit_model::entry::{InstallEntry, PackageSource, Plain, ReleaseEntry};
use refit_wire::protocol::{Inventory, Universe};
use sha2::{Digest as _, Sha256};
use smol_str::{SmolStr, format_smolstr};
use std::{collections::BTreeMap, fs};

/// All that a machine says of itself.
pub fn inventory(machine: &Machine, installs: &Installs, available: &Available, now: Timestamp) -> Inventory {
    let entries = installs.packages.values().filter_map(|install| {
        use crate::providers::installs::Status;
        let is_there = !matches!(install.status, Status::NotInstalled | Status::ConfigFiles);
        let entry = InstallEntry {
            title: install.title.clone(),
            branch: None,
            profile: None,
            version: install.version.as_str().into(),
            state: (!install.is_well()).then(|| install.status.name().into()),
            source: Some(source(install)),
        };
        is_there.then(|| (entry.slot(), entry))
    });
    let distribution = distribution(machine);
    let universe =
        Universe { key: key(machine, &distribution, available), distribution, offers: offers(available, now) };
    Inventory { facts: facts(machine), installs: entries.collect(), universe }
}

/// What a package was built from; also where its source has the same name, so that nobody else's word stands alone.
fn source(install: &Install) -> PackageSource {
    let version = install.source_version.as_ref().filter(|version| **version != install.version);
    PackageSource { name: install.source.clone(), version: version.map(|version| version.as_str().into()) }
}

/// What is known of a machine, as facts of the device.
pub fn facts(machine: &Machine) -> BTreeMap<SmolStr, Plain> {
    let kind = kind(machine.container.as_ref());
    let values = [
        ("hostname", Some(machine.hostname.as_str())),
        ("platform", Some("linux")),
        ("os", Some(machine.os.as_str())),
        ("os_version", machine.os_version.as_deref()),
        ("codename", machine.os_codename.as_deref()),
        ("arch", Some(machine.architecture.as_str())),
        ("timezone", machine.timezone.as_deref()),
        ("kind", kind),
    ];
    let fact =
        |(name, value): (&str, Option<&str>)| Some((format_smolstr!("device.{name}"), Plain::Text(value?.into())));
    values.into_iter().filter_map(fact).collect()
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

fn offers(available: &Available, now: Timestamp) -> Vec<ReleaseEntry> {
    let releases = available.packages.iter().flat_map(|(title, offers)| offers.iter().map(move |offer| (title, offer)));
    releases
        .filter(|(_, offer)| !offer.repositories.is_empty())
        .map(|(title, offer)| ReleaseEntry {
            title: title.clone(),
            branch: None,
            version: offer.version.as_str().into(),
            published: date(offer, available).unwrap_or(now).min(now),
            security: offer.security,
            withheld: offer.withheld.is_some() || !is_trusted(offer, available),
        })
        .collect()
}

/// The date of the oldest archive that carries a version: it was not published later.
fn date(offer: &Offer, available: &Available) -> Option<Timestamp> {
    offer.repositories.iter().filter_map(|place| available.repositories.get(*place)?.date).min()
}

/// Whether a version can be had from a source that is signed, and not expired.
pub fn is_trusted(offer: &Offer, available: &Available) -> bool {
    let mut repositories = offer.repositories.iter().filter_map(|place| available.repositories.get(*place));
    repositories.any(|repository| repository.health == SourceHealth::Good)
}

/// What decides on the offers: architecture, sources and how far they are trusted, and what is withheld. Machines that share it
/// are offered the same.
fn key(machine: &Machine, distribution: &str, available: &Available) -> SmolStr {
    let mut hash = Sha256::new();
    hash.update(format!("{distribution}\n{}\n", machine.architecture));
    for repository in &available.repositories {
        hash.update(format!("{} {:?}\n", repository.id, repository.health));
    }
    for (title, offers) in &available.packages {
        for offer in offers.iter().filter(|offer| offer.withheld.is_some()) {
            hash.update(format!("{title} {} {:?}\n", offer.version, offer.withheld));
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
}
