//! All that a change would really do, in the detail that somebody needs who has to permit it.

use super::{
    Manager,
    available::Repository,
    transaction::{Action, ActionKind, Change, Permissions, Sizes, Transaction},
};
use refit_model::{TitleId, Version};
use serde::Serialize;
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// What the package manager would do.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Simulated {
    /// The package manager.
    pub manager: Manager,
    /// What it was asked for.
    pub changes: Vec<Change>,
    /// Everything that would change, asked for or not, by title.
    pub packages: BTreeMap<TitleId, SimulatedPackage>,
    /// The repositories that these packages come from.
    pub repositories: Vec<Repository>,
    /// What would be fetched, and the space that it would take.
    pub sizes: Sizes,
}

/// What would become of one package.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SimulatedPackage {
    /// The package's name.
    pub name: SmolStr,
    /// The architecture: of the new version, or of the one that goes.
    pub architecture: SmolStr,
    /// What kind of change it is.
    pub kind: ActionKind,
    /// Whether it was asked for.
    pub named: bool,
    /// The version before; `None` where there is none.
    pub from: Option<Version>,
    /// The version afterwards; `None` where there is none.
    pub to: Option<Version>,
    /// Where the new version would come from: positions in [`Simulated::repositories`]. Where they are several, each has
    /// this version, and whoever permits the change has to trust every one. Empty for what goes or is only configured,
    /// and for a version that no repository has any more.
    pub repositories: Vec<usize>,
}

impl Simulated {
    /// The packages that would go.
    pub fn removals(&self) -> impl Iterator<Item = (&TitleId, &SimulatedPackage)> {
        self.packages.iter().filter(|(_, package)| package.to.is_none())
    }

    /// The packages that would change without having been asked for.
    pub fn extras(&self) -> impl Iterator<Item = (&TitleId, &SimulatedPackage)> {
        self.packages.iter().filter(|(_, package)| !package.named)
    }

    /// The repositories that the new version of a package would come from.
    pub fn repositories_of(&self, title: &TitleId) -> impl Iterator<Item = &Repository> {
        let positions = self.packages.get(title).map(|package| package.repositories.as_slice()).unwrap_or_default();
        positions.iter().filter_map(|position| self.repositories.get(*position))
    }

    /// What to hand to [`super::Provider::apply`]: exactly this. The permissions are for a repair that may be needed first.
    pub fn transaction(&self, permissions: Permissions) -> Transaction {
        let actions = self.packages.iter().map(|(title, package)| {
            let origins = self.repositories_of(title).map(|repository| SmolStr::new(&repository.id)).collect();
            let SimulatedPackage { kind, from, to, .. } = package;
            (title.clone(), Action { kind: *kind, from: from.clone(), to: to.clone(), origins })
        });
        Transaction { changes: self.changes.clone(), actions: actions.collect(), permissions }
    }
}
