//! A package manager: what it reads, what it would do, and what it does. Its scripts fail, it wants to change more than it was asked
//! for, and it can be killed half-way.

use super::{
    agent::Agent,
    keys::{DISTRIBUTION, STRANGER, VENDOR, package},
    policies::{PACKAGE, TITLES},
    quality::{platform, zone},
    sources::Sources,
};
use refit_agent::machine::{CannotDo, Change, Observed, OfferedPackage, Reading, RestartNeeds};
use refit_model::{
    TitleId,
    entry::{InstallEntry, PackageSource, Plain},
};
use refit_wire::{
    mandate::check::Step,
    protocol::{Inventory, Universe},
    state::PackageName,
};
use smol_str::{SmolStr, format_smolstr};
use std::collections::BTreeMap;

/// What the package manager would do besides what it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Besides {
    /// Nothing.
    Nothing,
    /// Upgrade what is installed, which policies of the distribution's packages permit.
    Upgrade,
    /// Install something that nobody asked for.
    Install,
}

impl Agent {
    /// What is read of the machine.
    pub(crate) fn reading(&self, sources: &Sources, restarting: &[PackageName]) -> Reading {
        let installs = self.image.packages.iter().flat_map(|(name, version)| {
            let of_distribution = !TITLES.contains(&name.as_str());
            // A vendor's package is a title of its own name too.
            let title = (!of_distribution).then(|| TitleId::new(name));
            let titles = title.into_iter().chain([TitleId::new(format_smolstr!("deb/{name}"))]);
            titles.map(move |title| {
                // What comes from a distribution says what it was built from.
                let source = title.package().map(|(_, name)| PackageSource { name: name.into(), version: None });
                let version = version.clone();
                let entry = InstallEntry { title, branch: None, profile: None, version, state: None, source };
                (entry.slot(), entry)
            })
        });
        let offers = sources.offers(&self.universe);
        let of_distribution = offers.iter().filter(|offer| offer.title.as_str() == PACKAGE && !offer.withheld);
        let of_distribution = of_distribution.map(|offer| ("curl", offer.version.clone(), DISTRIBUTION));
        let of_vendor = TITLES
            .iter()
            .flat_map(|title| sources.versions(title).into_iter().map(move |version| (*title, version, VENDOR)));
        let offered = of_distribution.chain(of_vendor).map(|(name, version, key)| OfferedPackage {
            package: package(name),
            version,
            keys: [key.into()].into(),
        });
        Reading {
            inventory: Some(Inventory {
                facts: BTreeMap::from([
                    ("device.platform".into(), Plain::Text(platform(&self.device))),
                    ("device.timezone".into(), Plain::Text(zone(&self.device).into())),
                    ("device.os".into(), Plain::Text("debian".into())),
                    ("device.cluster".into(), Plain::Text(self.cluster())),
                ]),
                installs: installs.collect(),
                universe: Universe {
                    key: self.universe.clone(),
                    distribution: "debian/bookworm".into(),
                    offers: offers.clone(),
                },
            }),
            offered: offered.collect(),
            // It is looked for these, and for no others.
            restart: RestartNeeds {
                machine: self.restart.machine.clone(),
                packages: self.restart.packages.iter().filter(|it| restarting.contains(it)).cloned().collect(),
            },
            refreshed: true,
            faults: Vec::new(),
        }
    }

    /// The cluster that it says it belongs to; an empty one is none.
    pub fn cluster(&self) -> SmolStr {
        match self.device.as_str().bytes().last().unwrap_or_default() % 5 {
            0 => "".into(),
            odd if odd % 2 == 1 => "cluster-a".into(),
            _ => "cluster-b".into(),
        }
    }

    /// What the package manager would do.
    pub fn simulate(&self, changes: &[Change], besides: Besides, strange: bool) -> Vec<Step> {
        let step = |name: &str, after: Option<SmolStr>| {
            let key = match name {
                _ if strange => STRANGER,
                name if TITLES.contains(&name) => VENDOR,
                _ => DISTRIBUTION,
            };
            let before = self.image.packages.get(name).cloned();
            let keys = if after.is_some() { [key.into()].into() } else { Default::default() };
            Step { package: package(name), before, after, keys }
        };
        let mut steps: Vec<Step> = changes
            .iter()
            .map(|change| match change {
                Change::To(package) => step(&package.name, Some(package.version.clone())),
                Change::Gone(package) => step(&package.name, None),
            })
            .filter(|step| step.before != step.after)
            .collect();
        match besides {
            Besides::Nothing => {}
            Besides::Upgrade => {
                let now = self.image.packages.get("libc").and_then(|now| now.strip_prefix("2.")?.split('-').next());
                let next = now.and_then(|now| now.parse::<u32>().ok()).unwrap_or(0) + 1;
                steps.push(step("libc", Some(format_smolstr!("2.{next}-1"))));
            }
            Besides::Install => {
                let version = if self.image.packages.contains_key("toolbar") { "2.0-1" } else { "1.0-1" };
                steps.push(step("toolbar", Some(version.into())));
            }
        }
        steps
    }

    /// Does one step.
    pub fn carry_out(&mut self, step: &Step) {
        match &step.after {
            Some(after) => drop(self.image.packages.insert(step.package.name.clone(), after.clone())),
            None => drop(self.image.packages.remove(&step.package.name)),
        }
    }

    /// What is there now.
    pub fn observe<'p>(&self, packages: impl Iterator<Item = &'p PackageName>) -> Observed {
        let versions = packages.map(|package| (package.clone(), self.image.packages.get(&package.name).cloned()));
        Observed { versions: versions.collect(), restart: self.restart.clone(), ..Observed::default() }
    }
}

/// Somebody else uses the package manager, or there is no room.
pub fn busy(why: &str) -> CannotDo {
    CannotDo { passing: true, held: false, why: why.into() }
}
