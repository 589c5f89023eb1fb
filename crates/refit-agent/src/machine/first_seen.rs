//! Since when versions are offered, as the device itself saw it.
//!
//! How early a release may be installed counts from there, so that nobody can make a release older than it is. What counts
//! is the first sight at a source that the mandate trusts, so that the keys are kept beside the time: a source that anybody
//! added can announce versions, but not age them.

use super::{Clock, Machine, OfferedPackage};
use jiff::Timestamp;
use refit_model::{TitleId, Version};
use refit_wire::{
    Mandate,
    protocol::Inventory,
    state::{PackageName, System},
};
use smol_str::{SmolStr, format_smolstr};
use std::{cmp::Ordering, collections::BTreeSet};

/// How many versions are remembered; a source that offers more than this many new ones is not believed.
const VERSIONS_MOST: usize = 50_000;

impl Machine {
    /// Remembers what is offered for the first time, and forgets what is behind what is installed.
    pub(super) fn note_offers(&mut self, offered: &[OfferedPackage], now: Clock) {
        // A clock that is behind makes no version old, and one that was ahead keeps none back once it is right.
        let seen_at = now.wall.max(self.journal.newest_signed);
        let time_is_known = self.time(now).is_ok();
        let mut count: usize = self.journal.first_seen.values().map(|versions| versions.len()).sum();
        for OfferedPackage { package, version, keys } in offered {
            for key in keys {
                let versions = self.journal.first_seen.entry(name(package)).or_default();
                if count >= VERSIONS_MOST && !versions.contains_key(version) {
                    self.problem("limit", format!("more than {VERSIONS_MOST} versions are offered"), now);
                    return;
                }
                let seen = versions.entry(version.clone()).or_insert_with(|| {
                    count += 1;
                    Default::default()
                });
                let known = seen.get(key).copied();
                if known.is_none_or(|known| known > seen_at && time_is_known) {
                    seen.insert(key.clone(), seen_at);
                    self.step.changed = true;
                }
            }
        }
    }

    /// Forgets versions that are not above what is installed: whoever goes back to one waits anew, unless it is offered still.
    pub(super) fn forget_offers(&mut self, inventory: &Inventory, offered: &[OfferedPackage]) {
        let still: BTreeSet<(SmolStr, &SmolStr)> =
            offered.iter().map(|offered| (name(&offered.package), &offered.version)).collect();
        self.journal.first_seen.retain(|package, versions| {
            let Some((namespace, _)) = package.split_once('/') else { return false };
            let Some(system) = System::from_namespace(namespace) else { return false };
            let installed = version_of(inventory, package);
            versions.retain(|version, _| {
                still.contains(&(package.clone(), version))
                    || installed.is_none_or(|installed| compare(system, version, installed) == Some(Ordering::Greater))
            });
            !versions.is_empty()
        });
    }

    /// When a version was first offered by a source that a title may come from; `None` where it never was.
    pub(super) fn first_seen(
        &self,
        mandate: &Mandate,
        title: &TitleId,
        policy: &str,
        package: &PackageName,
        version: &str,
    ) -> Option<Timestamp> {
        let seen = self.journal.first_seen.get(&name(package))?.get(version)?;
        let named = mandate.titles.get(title).into_iter().flat_map(|permit| &permit.sources);
        let of_distribution = mandate
            .distributions
            .iter()
            .filter(|permit| permit.system == package.system && permit.policies.contains(policy))
            .flat_map(|permit| &permit.sources);
        let sources = named.chain(of_distribution).filter_map(|source| mandate.sources.get(source));
        let keys: BTreeSet<&SmolStr> =
            sources.filter(|source| source.system == package.system).flat_map(|source| &source.keys).collect();
        seen.iter().filter(|(key, _)| keys.contains(key)).map(|(_, at)| *at).min()
    }
}

/// `deb/openssl`.
pub(super) fn name(package: &PackageName) -> SmolStr {
    format_smolstr!("{}/{}", package.system.namespace(), package.name)
}

/// The installed version of a package by its name; only where it is well.
pub(super) fn version_of<'a>(inventory: &'a Inventory, name: &str) -> Option<&'a SmolStr> {
    let slot = refit_model::entry::SlotName::of(TitleId::new(name));
    inventory.installs.get(&slot).filter(|install| install.state.is_none()).map(|install| &install.version)
}

pub(super) fn compare(system: System, a: &str, b: &str) -> Option<Ordering> {
    let read = |text: &str| Version::parse(system.scheme(), text).ok();
    read(a)?.compare(&read(b)?)
}
