//! What this machine reports to a server that runs on it: it is a device like every other, in the agent's own words.

use super::machine::{self, Reading, installed, present};
use anyhow::Result;
use jiff::Timestamp;
use refit_agent::inventory::{id, inventory};
use refit_connect::feeds::InstalledPackage;
use refit_core::control::{Installs, Observation, UniverseReport};
use refit_model::{DeviceId, TitleId};
use smol_str::SmolStr;

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
    let Reading { machine, installs, available, .. } = &machine::read(wanted, now, |_| {})?;
    let said = inventory(machine, installs, available, now);
    let packages = present(installs)
        .map(|install| (install.title.clone(), installed(install, installs.manager, available)))
        .collect();
    let distribution = said.universe.distribution.clone();
    let observation = Observation {
        device: DeviceId::new(id(machine)),
        source: "agent".into(),
        observed: now,
        facts: said.facts.into_iter().map(|(field, value)| (field, Some(value))).collect(),
        installs: Some(Installs::All(said.installs.into_values().collect())),
        universe: Some(UniverseReport {
            key: said.universe.key,
            distribution: distribution.clone(),
            offers: said.universe.offers,
        }),
        check_in: None,
    };
    Ok(Report { name: SmolStr::from(machine.hostname.as_str()), observation, distribution, packages })
}
