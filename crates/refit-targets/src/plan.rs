//! All targets of a repository at once.

use crate::{
    api::SystemPlan,
    cost::Cost,
    diff::{Change, Observed, diff},
    files::FolderPlan,
    object::{Identity, Source},
    target::{Desired, Input, Offered, Target, registry, stopped},
};
use refit_core::{
    cohorts::Cohorts,
    policy::repository::{Origin, Repository},
};
use refit_model::TitleId;
use roaring::RoaringBitmap;
use serde::Serialize;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// What all targets of a repository should hold.
#[derive(Debug)]
pub struct Compiled {
    /// Each target, in the order of names.
    pub targets: Vec<TargetPlan>,
    /// Targets of kinds that are not compiled, with where they are written.
    pub unknown: Vec<(SmolStr, SmolStr, Origin)>,
    /// Devices that two targets would patch.
    pub twice: Vec<Twice>,
}

/// What one target should hold, and how that differs from what is there.
#[derive(Debug)]
pub struct TargetPlan {
    /// Its name.
    pub name: SmolStr,
    /// Its module.
    pub target: &'static dyn Target,
    /// Where it is written.
    pub origin: Origin,
    /// How many devices it is for.
    pub devices: u64,
    /// What should be there.
    pub desired: Desired,
    /// The policies of which something is held or halted on its devices.
    pub stopped: BTreeSet<SmolStr>,
    /// What has to change.
    pub changes: Vec<Change>,
    /// What was found in its folder, where somebody looked.
    pub folder: Option<FolderPlan>,
    /// What was found in its system, where somebody asked.
    pub system: Option<SystemPlan>,
    /// Why its system could not be asked, where that was to be done: nothing is known of it, and nothing is written.
    pub unreached: Option<String>,
    /// What it costs to bring all of it to the devices.
    pub cost: Cost,
}

/// Devices whose title two targets would move: an error, since nobody knows who comes first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Twice {
    /// The title.
    pub title: TitleId,
    /// One target.
    pub one: SmolStr,
    /// The other.
    pub other: SmolStr,
    /// On how many devices.
    pub devices: u64,
    /// The policies that ask for it.
    pub from: BTreeSet<Source>,
}

impl TargetPlan {
    /// Compiles it again, with what is known by now of what can be installed there.
    pub fn compile_again(&mut self, repository: &Repository, cohorts: &Cohorts, offered: &Offered) {
        let Some(system) = repository.targets.iter().find(|system| system.name == self.name) else { return };
        let nobody = RoaringBitmap::new();
        let devices = cohorts.targets.get(&self.name).unwrap_or(&nobody);
        self.desired = self.target.desired(&Input { repository, cohorts, target: system, devices, offered });
        self.cost = self.target.cost(&self.desired);
    }
}

impl std::fmt::Debug for dyn Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.kind())
    }
}

/// Compiles a repository for all its targets. `observed` is what is there, by target; who is not in it holds nothing yet.
pub fn compile(
    repository: &Repository,
    cohorts: &Cohorts,
    offered: &Offered,
    observed: &BTreeMap<SmolStr, BTreeMap<Identity, Observed>>,
) -> Compiled {
    let mut compiled = Compiled { targets: Vec::new(), unknown: Vec::new(), twice: Vec::new() };
    let nobody = RoaringBitmap::new();
    let nothing = BTreeMap::new();
    for system in &repository.targets {
        let Some(target) = registry().iter().find(|target| target.kind() == system.kind.as_str()) else {
            compiled.unknown.push((system.name.clone(), system.kind.clone(), system.origin.clone()));
            continue;
        };
        let devices = cohorts.targets.get(&system.name).unwrap_or(&nobody);
        let desired = target.desired(&Input { repository, cohorts, target: system, devices, offered });
        let there = observed.get(&system.name).unwrap_or(&nothing);
        compiled.targets.push(TargetPlan {
            name: system.name.clone(),
            target: *target,
            origin: system.origin.clone(),
            devices: devices.len(),
            changes: diff(&desired.objects, there, target.derived()),
            folder: None,
            system: None,
            unreached: None,
            cost: target.cost(&desired),
            desired,
            stopped: stopped(cohorts, devices),
        });
    }
    compiled.twice = twice(&compiled.targets);
    compiled
}

/// The devices that two of the targets would patch.
fn twice(targets: &[TargetPlan]) -> Vec<Twice> {
    type Mover<'a> = (&'a SmolStr, RoaringBitmap, BTreeSet<Source>);
    let mut moved: BTreeMap<&TitleId, Vec<Mover<'_>>> = BTreeMap::new();
    for plan in targets {
        let mut here: BTreeMap<&TitleId, (RoaringBitmap, BTreeSet<Source>)> = BTreeMap::new();
        for object in plan.desired.objects.values() {
            for title in &object.moves {
                let (devices, from) = here.entry(title).or_default();
                *devices |= &object.devices;
                from.extend(object.from.iter().cloned());
            }
        }
        for (title, (devices, from)) in here {
            moved.entry(title).or_default().push((&plan.name, devices, from));
        }
    }
    let mut twice = Vec::new();
    for (title, movers) in moved {
        for (place, (one, devices, from)) in movers.iter().enumerate() {
            for (other, others, others_from) in movers.iter().skip(place + 1) {
                let both = devices.intersection_len(others);
                if both > 0 {
                    twice.push(Twice {
                        title: title.clone(),
                        one: (*one).clone(),
                        other: (*other).clone(),
                        devices: both,
                        from: from.union(others_from).cloned().collect(),
                    });
                }
            }
        }
    }
    twice
}
