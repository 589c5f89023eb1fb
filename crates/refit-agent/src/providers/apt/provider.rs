//! apt in the words that all package managers share.

use super::{
    apply::apply,
    inventory::{Inventory, Package, inventory},
    keys::signing_keys,
    locks::lock_holder,
    machine::machine,
    narrow::narrow,
    offers::{Offers, PackageOffers, PassedOver, offers, offers_of},
    records::{new_records, sizes_of},
    refresh::refresh,
    restarts::needs_restart,
    simulate::actions_for,
    sources::Source,
};
use crate::providers::{
    Manager, Provider,
    available::{Available, Offer, Repository},
    command::CommandError,
    faults::Refresh,
    installs::{Install, Installs},
    locks::LockHolder,
    machine::{Machine, MachineError},
    narrow::{Narrowed, Settled},
    receipt::{Needed, Receipt},
    simulated::{Simulated, SimulatedPackage},
    transaction::{
        ActionKind, ApplyError, ApplyOptions, Change, Permissions, Progress, Refusal, SimulateError, Transaction,
    },
};
use jiff::Timestamp;
use refit_model::TitleId;
use std::{collections::BTreeMap, time::Duration};

/// The priority at and below which apt leaves a source alone unless it is asked (backports, and what is only installed).
const ON_DEMAND: i32 = 100;

/// apt with dpkg.
#[derive(Clone, Copy, Debug, Default)]
pub struct Apt;

impl Provider for Apt {
    fn manager(&self) -> Manager {
        Manager::Apt
    }

    fn machine(&self) -> Result<Machine, MachineError> {
        machine()
    }

    fn installs(&self) -> Result<Installs, CommandError> {
        Ok(installs(&inventory()?))
    }

    fn refresh(&self, lock_limit: Duration, on_wait: &mut dyn FnMut(&LockHolder)) -> Result<Refresh, CommandError> {
        refresh(lock_limit, on_wait)
    }

    fn available(&self, wanted: &[TitleId], now: Timestamp) -> Result<Available, CommandError> {
        let Offers { sources, packages } = offers(&inventory()?, wanted, now)?;
        let packages = packages.iter().map(|(title, package)| (title.clone(), offered(package))).collect();
        Ok(Available { repositories: sources.iter().map(repository).collect(), packages })
    }

    fn simulate(&self, changes: &[Change], now: Timestamp) -> Result<Simulated, SimulateError> {
        let inventory = inventory()?;
        let is_held = |title: &TitleId| inventory.packages.get(title).is_some_and(Package::is_held);
        refuse_held(changes.iter().map(|change| &change.title).filter(|title| is_held(title)))?;
        let actions = actions_for(&inventory, changes)?;
        let touched = actions.iter().filter(|(_, action)| action.kind != ActionKind::Configure);
        refuse_held(touched.map(|(title, _)| title).filter(|title| is_held(title)))?;

        let records = new_records(&inventory, &actions)?;
        let sizes = sizes_of(&inventory, &actions, &records);
        let new: Vec<&TitleId> = actions.keys().filter(|title| records.contains_key(*title)).collect();
        let offers = offers_of(&inventory, new, now)?;
        let mut repositories = Vec::new();
        let mut positions = BTreeMap::new();
        let mut packages = BTreeMap::new();
        for (title, action) in actions {
            let record = records.get(&title);
            let offered = action
                .to
                .as_ref()
                .filter(|_| action.kind != ActionKind::Configure)
                .and_then(|version| offers.packages.get(&title)?.version(version));
            let mut sources = Vec::new();
            for &index in offered.map(|offered| offered.sources.as_slice()).unwrap_or_default() {
                let Some(source) = offers.sources.get(index) else { continue };
                sources.push(*positions.entry(index).or_insert_with(|| {
                    repositories.push(repository(source));
                    repositories.len() - 1
                }));
            }
            let present = inventory.packages.get(&title);
            let package = SimulatedPackage {
                name: record.map(|record| &record.name).or(present.map(|p| &p.name)).cloned().unwrap_or_default(),
                architecture: record
                    .map(|record| &record.architecture)
                    .or(present.map(|package| &package.architecture))
                    .cloned()
                    .unwrap_or_default(),
                kind: action.kind,
                named: changes.iter().any(|change| change.title == title && change.to == action.to),
                from: action.from,
                to: action.to,
                repositories: sources,
            };
            packages.insert(title, package);
        }
        Ok(Simulated { manager: Manager::Apt, changes: changes.to_vec(), packages, repositories, sizes })
    }

    fn narrow(
        &self,
        settled: &Settled,
        wanted: &[Change],
        permissions: Permissions,
    ) -> Result<Narrowed, SimulateError> {
        narrow(&inventory()?, settled, wanted, permissions)
    }

    fn apply(
        &self,
        plan: &Transaction,
        options: ApplyOptions,
        stop: &dyn Fn() -> bool,
        on_progress: &mut dyn FnMut(Progress),
    ) -> Result<Receipt, ApplyError> {
        apply(plan, options, stop, on_progress)
    }

    fn needs_restart(&self) -> Result<Needed, CommandError> {
        Ok(needs_restart(&inventory()?))
    }

    fn lock_holder(&self) -> Option<LockHolder> {
        lock_holder()
    }
}

/// apt itself would change a held package that is named.
fn refuse_held<'a>(held: impl Iterator<Item = &'a TitleId>) -> Result<(), SimulateError> {
    let held: Vec<TitleId> = held.cloned().collect();
    match held.is_empty() {
        true => Ok(()),
        false => Err(SimulateError::Refused(Refusal { held, ..Refusal::default() })),
    }
}

fn installs(inventory: &Inventory) -> Installs {
    let packages = inventory.present().filter_map(|package| {
        let install = Install {
            title: package.title.clone(),
            name: package.name.clone(),
            architecture: package.architecture.clone(),
            version: package.version.clone()?,
            beside: Vec::new(),
            source: package.source.clone(),
            source_version: package.source_version.clone(),
            status: package.status,
            reinstall_required: package.reinstall_required,
            essential: package.essential,
            held: package.is_held().then(|| "somebody has set a hold on it (`apt-mark unhold` releases it)".to_owned()),
            origin: None,
            changed: package.changed,
        };
        Some((package.title.clone(), install))
    });
    Installs {
        manager: Manager::Apt,
        architecture: inventory.architecture.clone(),
        packages: packages.collect(),
        unreadable: inventory.unreadable.clone(),
    }
}

fn offered(package: &PackageOffers) -> Vec<Offer> {
    let passed_over = package.passed_over().map(|why| why_not(&why, package));
    let is_newer = |version| package.candidate.as_ref().is_none_or(|candidate| version > candidate);
    let versions = package.versions.iter().filter(|offered| !offered.sources.is_empty());
    let mut offers: Vec<Offer> = versions
        .map(|offered| Offer {
            version: offered.version.clone(),
            candidate: package.candidate.as_ref() == Some(&offered.version),
            security: offered.security,
            withheld: passed_over.clone().filter(|_| is_newer(&offered.version)),
            on_demand: is_newer(&offered.version)
                && (0..=ON_DEMAND).contains(&offered.priority)
                && package.pin.is_none(),
            repositories: offered.sources.clone(),
        })
        .collect();
    offers.sort_by(|a, b| b.version.cmp(&a.version));
    offers
}

/// Why apt does not take what is newer, in words.
fn why_not(passed_over: &PassedOver, package: &PackageOffers) -> String {
    match (&package.pin, passed_over, &package.candidate) {
        (Some(pin), _, _) => format!("held by an apt preference (pinned to {pin}): {passed_over}"),
        (None, PassedOver::Outranked { version, priority, by }, Some(candidate)) => format!(
            "held by apt's preferences: {candidate} has priority {by} and {version} {priority} (`apt-cache policy` shows why)"
        ),
        _ => format!("held by apt: {passed_over}"),
    }
}

fn repository(source: &Source) -> Repository {
    Repository {
        id: source.description.clone(),
        address: source.site.clone(),
        publisher: source.origin.clone(),
        security: source.security,
        keys: signing_keys(source),
        list_is_signed: source.health != crate::providers::available::SourceHealth::Unsigned,
        date: source.date,
        valid_until: source.valid_until,
        configured_in: source.configured_in.clone(),
        health: source.health,
    }
}
