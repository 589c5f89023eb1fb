//! This machine in the words of the model: its id, facts, and what it is offered. `plan --local` and a server that runs here
//! read it alike.

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use refit_agent::providers::apt::{
    self, Container, Inventory, Machine, OfferedVersion, Offers, Package, PackageOffers, SourceHealth,
};
use refit_connect::feeds::{Build, InstalledPackage, Origin, Universe};
use refit_core::{
    facts::Value,
    policy::{
        document::policy::Presence,
        repository::{Repository, Selector},
    },
};
use refit_model::{Scheme, TitleId, Version};
use std::collections::BTreeSet;

/// The priority at and below which apt leaves a source alone unless it is asked (backports, and what is only installed).
const ON_DEMAND: i32 = 100;

/// What this machine was asked.
pub struct Reading {
    pub machine: Machine,
    pub inventory: Inventory,
    pub offers: Offers,
}

/// A version that this machine is offered.
pub struct Offered<'o> {
    pub offered: &'o OfferedVersion,
    /// The date of the archive that carries it; not later than that it was published.
    pub archive: Option<Timestamp>,
    /// Whether apt would choose another one.
    pub above: bool,
    /// What is wrong with all its sources.
    pub distrusted: Option<&'static str>,
}

/// Asks the machine; `wanted` are titles that may not be installed. `step` hears what is being done.
pub fn read(wanted: &[TitleId], now: Timestamp, step: impl Fn(&'static str)) -> Result<Reading> {
    step("reading this machine's packages");
    let machine = apt::machine().context("this machine can't be read; Refit reads Debian and Ubuntu machines")?;
    let inventory = apt::inventory().context("the installed packages can't be read")?;
    if !inventory.unreadable.is_empty() {
        bail!(
            "dpkg lists packages whose version is none, and a plan from half of an inventory is no plan: {}",
            inventory.unreadable.join("; ")
        );
    }
    step("asking what its package sources offer");
    let offers = apt::offers(&inventory, wanted, now).context("the package sources can't be read")?;
    Ok(Reading { machine, inventory, offers })
}

/// A stable id that does not reveal the machine's own.
pub fn id(machine: &Machine) -> String {
    machine.id.clone().unwrap_or_else(|| machine.hostname.clone())
}

/// What it runs.
pub fn universe(machine: &Machine) -> Universe {
    Universe {
        distribution: machine.os.clone(),
        codename: machine.os_codename.clone().unwrap_or_default(),
        version: machine.os_version.clone().unwrap_or_default(),
    }
}

/// What is known of it, as facts of the device.
pub fn facts(machine: &Machine) -> Vec<(&'static str, Value)> {
    let text = |value: &str| Value::Text(value.into());
    let os_version = machine.os_version.as_deref().and_then(|text| Version::parse(Scheme::Generic, text).ok());
    let values = [
        ("hostname", Some(text(&machine.hostname))),
        ("platform", Some(text("linux"))),
        ("os", Some(text(&machine.os))),
        ("os_version", os_version.map(Value::Version)),
        ("codename", machine.os_codename.as_deref().map(text)),
        ("arch", Some(text(&machine.architecture))),
        ("timezone", machine.timezone.as_deref().map(text)),
        ("kind", kind(machine.container.as_ref()).map(text)),
    ];
    values.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// What sort of machine it is, by its chassis (SMBIOS 7.4.1), or by what contains it.
fn kind(container: Option<&Container>) -> Option<&'static str> {
    if container.is_some() {
        return Some("container");
    }
    let virtual_machine = std::fs::read_to_string("/proc/cpuinfo").is_ok_and(|info| info.contains(" hypervisor"));
    if virtual_machine {
        return Some("vm");
    }
    let chassis: u8 = std::fs::read_to_string("/sys/class/dmi/id/chassis_type").ok()?.trim().parse().ok()?;
    match chassis {
        8..=10 | 14 | 30..=32 => Some("laptop"),
        3..=7 | 13 | 15 | 16 | 35 | 36 => Some("desktop"),
        17 | 23 | 25 | 28 | 29 => Some("server"),
        _ => None,
    }
}

/// The versions of a package that the machine is offered; not what apt takes only when it is asked by hand.
pub fn offered<'o>(offers: &'o Offers, package: &'o PackageOffers) -> impl Iterator<Item = Offered<'o>> {
    package.versions.iter().filter(|offered| !offered.sources.is_empty()).filter_map(|offered| {
        let above = package.candidate.as_ref().is_none_or(|candidate| offered.version > *candidate);
        let on_demand = above && offered.priority <= ON_DEMAND && offered.priority >= 0 && package.pin.is_none();
        let archive = offered.sources.iter().filter_map(|index| offers.sources.get(*index)?.date).min();
        let distrusted = distrust(offered, offers);
        (!on_demand).then_some(Offered { offered, archive, above, distrusted })
    })
}

/// What dpkg has begun with and not finished, and no source offers: title and version. To finish it is a way to comply, and
/// takes no source.
pub fn begun<'r>(inventory: &'r Inventory, offers: &'r Offers) -> impl Iterator<Item = (&'r TitleId, &'r Version)> {
    let unfinished = inventory.unfinished().filter(|package| package.is_present());
    let versions = unfinished.filter_map(|package| Some((&package.title, package.version.as_ref()?)));
    versions.filter(|(title, version)| {
        let package = offers.packages.get(*title);
        package.is_none_or(|package| offered(offers, package).all(|here| here.offered.version != **version))
    })
}

/// What is wrong with all sources of a version; `None` where one of them is good.
pub fn distrust(offered: &OfferedVersion, offers: &Offers) -> Option<&'static str> {
    let mut sources = offered.sources.iter().filter_map(|index| offers.sources.get(*index));
    let worst = sources.try_fold(None, |_, source| match source.health {
        SourceHealth::Good => Err(()),
        SourceHealth::Expired => Ok(Some("a package source that has expired")),
        SourceHealth::Unsigned | SourceHealth::Missing => Ok(Some("a package source that is not signed")),
    });
    worst.ok().flatten()
}

/// Distribution packages that policies require.
pub fn required(repository: &Repository) -> Vec<TitleId> {
    let required = repository.policies.iter().filter(|policy| policy.presence == Presence::Required);
    required
        .flat_map(|policy| &policy.software)
        .filter_map(|selector| match selector {
            Selector::Title(title) if title.package().is_some() => Some(title.clone()),
            _ => None,
        })
        .collect()
}

/// A package as matching asks for it.
pub fn installed(package: &Package, offers: &Offers) -> Option<InstalledPackage> {
    let version = package.version.as_ref()?;
    let source_version = package.source_version.as_ref().unwrap_or(version);
    let mut installed = InstalledPackage::new(&package.name, version.as_str(), &package.architecture)
        .built_from(&package.source, source_version.as_str());
    if let Some(offered) = offers.packages.get(&package.title) {
        installed.origin = origin(package, offered, offers);
        // Binary and source count alike where the installed ones do; where they do not, nothing is assumed.
        if version == source_version {
            installed.offered = offered
                .versions
                .iter()
                .map(|offered| Build {
                    version: offered.version.as_str().into(),
                    source_version: offered.version.as_str().into(),
                })
                .collect();
        }
    } else {
        installed.origin = Origin::Unknown;
    }
    Some(installed)
}

/// Where an installed package came from: the sources that offer its version, or else those that offer any.
fn origin(package: &Package, offered: &PackageOffers, offers: &Offers) -> Origin {
    let version = package.version.as_ref();
    let of_version = offered.versions.iter().filter(|known| Some(&known.version) == version);
    let of_any = offered.versions.iter();
    let sources: BTreeSet<usize> = of_version.flat_map(|known| &known.sources).copied().collect();
    let sources = if sources.is_empty() { of_any.flat_map(|known| &known.sources).copied().collect() } else { sources };
    let mut names = sources
        .iter()
        .filter_map(|index| offers.sources.get(*index))
        .map(|source| source.origin.clone().unwrap_or_else(|| source.site.as_str().into()));
    match names.next() {
        None => Origin::Unknown,
        Some(first) if is_distribution(&first) || names.any(|name| is_distribution(&name)) => Origin::Distribution,
        Some(first) => Origin::ThirdParty(first),
    }
}

fn is_distribution(origin: &str) -> bool {
    ["Debian", "Ubuntu"].contains(&origin)
}
