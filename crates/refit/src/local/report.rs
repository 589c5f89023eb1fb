//! What this machine reports to a server that runs on it: it is a device like every other.

use super::machine::{self, Reading};
use anyhow::Result;
use jiff::Timestamp;
use refit_agent::providers::apt::Package;
use refit_connect::feeds::InstalledPackage;
use refit_core::{
    control::{InstallEntry, Installs, Observation, PackageSource, Plain, ReleaseEntry, UniverseReport},
    facts::Value,
};
use refit_model::{DeviceId, TitleId};
use refit_server::matching::distribution;
use sha2::{Digest, Sha256};
use smol_str::{SmolStr, format_smolstr};
use std::collections::BTreeMap;

/// What this machine reports.
pub struct Report {
    /// What people call it.
    pub name: SmolStr,
    /// What is observed.
    pub observation: Observation,
    /// Its distribution.
    pub distribution: SmolStr,
    /// Its packages with their sources and origins, for matching.
    pub packages: Vec<(TitleId, InstalledPackage)>,
}

/// Asks this machine; `wanted` are titles that may not be installed.
pub fn report(wanted: &[TitleId], now: Timestamp) -> Result<Report> {
    let reading = machine::read(wanted, now, |_| {})?;
    let Reading { machine, inventory, offers } = &reading;
    let present = inventory.present();
    let installs = present.filter_map(|package| {
        Some(InstallEntry {
            title: package.title.clone(),
            branch: None,
            profile: None,
            version: package.version.as_ref()?.as_str().into(),
            state: (!package.is_well()).then(|| package.status.name().into()),
            source: Some(source(package)),
        })
    });
    let packages = inventory.present();
    let packages = packages.filter_map(|package| {
        let installed = machine::installed(package, offers)?;
        Some((package.title.clone(), installed))
    });
    let distribution = distribution(&machine::universe(machine));
    let facts = machine::facts(machine).into_iter().filter_map(|(name, value)| {
        let plain = match value {
            Value::Text(text) => Plain::Text(text),
            Value::Version(version) => Plain::Text(version.as_str().into()),
            _ => return None,
        };
        Some((format_smolstr!("device.{name}"), Some(plain)))
    });
    let universe = UniverseReport {
        key: key(&reading, &distribution),
        distribution: distribution.clone(),
        offers: releases(&reading, now),
    };
    let observation = Observation {
        device: DeviceId::new(machine::id(machine)),
        source: "agent".into(),
        observed: now,
        facts: facts.collect::<BTreeMap<_, _>>(),
        installs: Some(Installs::All(installs.collect())),
        universe: Some(universe),
        check_in: None,
    };
    let (name, packages) = (SmolStr::from(machine.hostname.as_str()), packages.collect());
    Ok(Report { name, observation, distribution, packages })
}

/// What a package was built from; also where its source has the same name, so that nobody else's word stands alone.
fn source(package: &Package) -> PackageSource {
    let version = package.source_version.as_ref().filter(|version| package.version.as_ref() != Some(*version));
    PackageSource { name: package.source.clone(), version: version.map(|version| version.as_str().into()) }
}

fn releases(reading: &Reading, now: Timestamp) -> Vec<ReleaseEntry> {
    let mut releases = Vec::new();
    for (title, package) in &reading.offers.packages {
        for here in machine::offered(&reading.offers, package) {
            releases.push(ReleaseEntry {
                title: title.clone(),
                branch: None,
                version: here.offered.version.as_str().into(),
                published: here.archive.unwrap_or(now).min(now),
                security: here.offered.security,
                withheld: here.above || here.distrusted.is_some(),
            });
        }
    }
    releases.extend(machine::begun(&reading.inventory, &reading.offers).map(|(title, version)| ReleaseEntry {
        title: title.clone(),
        branch: None,
        version: version.as_str().into(),
        published: now,
        security: false,
        withheld: false,
    }));
    releases
}

/// What decides on the offers: architecture, sources and how far they are trusted, pins. Machines that share it are offered the
/// same. Where a distribution hands a version out by and by, or a machine can finish what nobody offers, each is a case of its own.
fn key(reading: &Reading, distribution: &str) -> SmolStr {
    let Reading { machine, offers, .. } = reading;
    let mut text = format!("{distribution}\n{}\n", machine.architecture);
    for source in &offers.sources {
        text += &format!("{} {:?}\n", source.description, source.health);
    }
    for (title, package) in &offers.packages {
        if let Some(pin) = &package.pin {
            text += &format!("{title} {pin}\n");
        }
        for offered in machine::offered(offers, package).filter(|here| here.above) {
            text += &format!("{title} {} {}\n", offered.offered.version, offered.offered.priority);
        }
    }
    let phased = offers.packages.values().flat_map(|package| &package.versions);
    let is_phased = phased.into_iter().any(|offered| offered.phased_percent.is_some());
    if is_phased || machine::begun(&reading.inventory, offers).next().is_some() {
        text += &machine::id(machine);
    }
    Sha256::digest(text.as_bytes()).iter().take(16).map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use refit_agent::providers::apt::{Inventory, Machine, Offers, Package, Status, Want};
    use refit_model::{Scheme, Version};

    /// A machine with one package, which no source offers.
    fn reading(status: Status) -> Reading {
        let title = TitleId::new("deb/vpn");
        let version = Version::parse(Scheme::Dpkg, "2.1-1").ok();
        let package = Package {
            title: title.clone(),
            name: "vpn".into(),
            architecture: "amd64".into(),
            version: version.clone(),
            source: "vpn".into(),
            source_version: version,
            want: Want::Install,
            status,
            reinstall_required: false,
            essential: false,
            installed_bytes: 0,
            changed: None,
        };
        let machine = Machine {
            id: Some("m1".to_owned()),
            hostname: "workshop".to_owned(),
            architecture: "amd64".into(),
            os: "debian".into(),
            os_like: Vec::new(),
            os_version: Some("12".into()),
            os_codename: Some("bookworm".into()),
            kernel: "6.1.0-41-amd64".to_owned(),
            timezone: None,
            container: None,
        };
        let packages = BTreeMap::from([(title, package)]);
        Reading {
            machine,
            inventory: Inventory { architecture: "amd64".into(), packages, unreadable: Vec::new() },
            offers: Offers { sources: Vec::new(), packages: BTreeMap::new() },
        }
    }

    #[test]
    fn what_is_begun_and_offered_by_nobody_can_be_finished() {
        let now = Timestamp::UNIX_EPOCH;
        let (well, begun) = (reading(Status::Installed), reading(Status::HalfConfigured));
        assert_eq!(releases(&well, now), []);
        let offered: Vec<_> = releases(&begun, now).into_iter().map(|entry| (entry.title, entry.version)).collect();
        assert_eq!(offered, [(TitleId::new("deb/vpn"), "2.1-1".into())]);
        // Nobody else is offered what this machine has begun.
        assert_ne!(key(&well, "debian/12"), key(&begun, "debian/12"));
        let mut other = reading(Status::HalfConfigured);
        other.machine.id = Some("m2".to_owned());
        assert_ne!(key(&other, "debian/12"), key(&begun, "debian/12"));
    }
}
