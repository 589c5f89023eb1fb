//! One directive of a session: what it asks for, and whether that was seen.

use super::{Change, Observed};
use refit_wire::{
    mandate::check::Asked,
    state::{Action, Directive, PackageName, Terms},
};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// One directive of a session, as far as it has to be known when the state has long been replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// The directive, with its terms' place meaningless.
    pub directive: Directive,
    /// Its terms.
    pub terms: Terms,
}

impl Job {
    pub(super) fn package(&self) -> Option<PackageName> {
        self.directive.action.package()
    }

    pub(super) fn wanted(&self) -> Option<&SmolStr> {
        match &self.directive.action {
            Action::Upgrade(package) | Action::Install(package) => Some(&package.version),
            _ => None,
        }
    }

    pub(super) fn change(&self) -> Option<Change> {
        match &self.directive.action {
            Action::Upgrade(package) | Action::Install(package) => Some(Change::To(package.clone())),
            Action::Remove(package) => Some(Change::Gone(package.clone())),
            Action::Hold { .. } | Action::Restart | Action::Notify { .. } => None,
        }
    }

    /// Whether a package was seen to be as it was to be. What is there and not well has no version, and is not gone.
    pub(super) fn is_reached(&self, observed: &Observed) -> bool {
        let Some(package) = self.package() else { return false };
        match self.wanted() {
            Some(wanted) => observed.versions.get(&package) == Some(&Some(wanted.clone())),
            None => observed.versions.get(&package) == Some(&None) && !observed.broken.contains_key(&package),
        }
    }

    pub(super) fn asked(&self) -> Asked<'_> {
        Asked { directive: &self.directive, policy: &self.terms.policy }
    }
}
