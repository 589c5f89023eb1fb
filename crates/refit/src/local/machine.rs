//! This machine, as its own package manager tells. `plan --local` and a server that runs here read it alike, with the agent's
//! library.

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use refit_agent::{
    inventory::is_there,
    providers::{
        self, Manager, Provider,
        available::{Available, Offer},
        installs::{Install, Installs},
        machine::Machine,
    },
};
use refit_connect::feeds::{Build, InstalledPackage, Origin, Universe};
use refit_core::policy::{
    document::policy::Presence,
    repository::{Repository, Selector},
};
use refit_model::TitleId;
use smol_str::SmolStr;
use std::collections::BTreeSet;

/// What this machine was asked.
pub struct Reading {
    pub provider: Box<dyn Provider>,
    pub machine: Machine,
    pub installs: Installs,
    pub available: Available,
}

/// This machine's package manager.
pub fn provider() -> Result<Box<dyn Provider>> {
    providers::of_this_machine()
        .context("this machine can't be read; Refit reads machines with apt (Debian, Ubuntu) or dnf (Red Hat, Fedora)")
}

/// Asks the machine; `wanted` are titles that may not be installed. `step` hears what is being done.
pub fn read(wanted: &[TitleId], now: Timestamp, step: impl Fn(&'static str)) -> Result<Reading> {
    step("reading this machine's packages");
    let provider = provider()?;
    let machine = provider.machine().context("this machine can't be read")?;
    let installs = provider.installs().context("the installed packages can't be read")?;
    if !installs.unreadable.is_empty() {
        bail!(
            "{} lists packages whose version is none, and a plan from half of an inventory is no plan: {}",
            match installs.manager {
                Manager::Apt => "dpkg",
                Manager::Dnf => "rpm",
            },
            installs.unreadable.join("; ")
        );
    }
    step("asking what its package sources offer");
    // A package of the other manager can't be had here.
    let namespace = provider.manager().namespace();
    let wanted: Vec<TitleId> =
        wanted.iter().filter(|title| title.package().is_some_and(|(named, _)| named == namespace)).cloned().collect();
    let available = provider.available(&wanted, now).context("the package sources can't be read")?;
    Ok(Reading { provider, machine, installs, available })
}

/// What it runs.
pub fn universe(machine: &Machine) -> Universe {
    Universe {
        distribution: machine.os.clone(),
        codename: machine.os_codename.clone().unwrap_or_default(),
        version: machine.os_version.clone().unwrap_or_default(),
    }
}

/// The packages of which more than configuration is there.
pub fn present(installs: &Installs) -> impl Iterator<Item = &Install> {
    installs.packages.values().filter(|install| is_there(install))
}

/// Packages that policies require, of either package manager.
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
pub fn installed(install: &Install, manager: Manager, available: &Available) -> InstalledPackage {
    let version = &install.version;
    let source_version = install.source_version.as_ref().unwrap_or(version);
    let mut installed = InstalledPackage::new(&install.name, version.as_str(), &install.architecture)
        .built_from(&install.source, source_version.as_str());
    let offers = available.packages.get(&install.title).map(Vec::as_slice).unwrap_or_default();
    installed.origin = origin(install, manager, offers, available);
    // Binary and source count alike where the installed ones do; where they do not, nothing is assumed.
    if version == source_version {
        let build = |offer: &Offer| Build {
            version: offer.version.as_str().into(),
            source_version: offer.version.as_str().into(),
        };
        installed.offered = offers.iter().map(build).collect();
    }
    installed
}

/// Where an installed package came from: the sources that offer its version, or else those that offer any.
fn origin(install: &Install, manager: Manager, offers: &[Offer], available: &Available) -> Origin {
    let of_version = offers.iter().filter(|offer| offer.version == install.version);
    let sources: BTreeSet<usize> = of_version.flat_map(|offer| &offer.repositories).copied().collect();
    let of_any = || offers.iter().flat_map(|offer| &offer.repositories).copied().collect();
    let sources = if sources.is_empty() { of_any() } else { sources };
    if manager == Manager::Dnf {
        // dnf's repositories do not say who publishes them: what comes from any is taken for the distribution's, whose feeds
        // know their packages by name and build.
        let known = !sources.is_empty() || install.origin.is_some();
        return if known { Origin::Distribution } else { Origin::Unknown };
    }
    let mut names = sources
        .iter()
        .filter_map(|index| available.repositories.get(*index))
        .map(|source| source.publisher.clone().unwrap_or_else(|| SmolStr::new(&source.address)));
    match names.next() {
        None => Origin::Unknown,
        Some(first) if is_distribution(&first) || names.any(|name| is_distribution(&name)) => Origin::Distribution,
        Some(first) => Origin::ThirdParty(first),
    }
}

fn is_distribution(origin: &str) -> bool {
    ["Debian", "Ubuntu"].contains(&origin)
}
