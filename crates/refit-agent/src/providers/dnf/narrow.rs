//! Keeping a change within what is permitted.
//!
//! dnf says which packages have to change together, not why: what causes what is found by trying.

use super::{
    inventory::{Inventory, inventory},
    run::Place,
    simulate::{actions_on, is_open},
};
use crate::providers::{
    narrow::{self, Blame, Narrowed, Present, Settled},
    transaction::{Change, Permissions, SimulateError},
};
use refit_model::TitleId;
use std::collections::BTreeSet;

impl Present for Inventory {
    fn fulfils(&self, change: &Change) -> bool {
        !is_open(self, change)
    }

    fn is_held(&self, title: &TitleId) -> bool {
        self.package(title).is_some_and(|package| package.held.is_some())
    }

    fn is_essential(&self, title: &TitleId) -> bool {
        self.package(title).is_some_and(|package| package.essential)
    }
}

/// The largest of the wanted changes that stays within the permissions, on top of what is settled.
pub(super) fn narrow(
    place: &Place,
    settled: &Settled,
    wanted: &[Change],
    permissions: Permissions,
) -> Result<Narrowed, SimulateError> {
    let inventory = inventory(place)?;
    let mut narrowed = narrow::narrow(
        &inventory,
        settled,
        wanted,
        permissions,
        &mut |changes| actions_on(place, &inventory, changes),
        &mut |_, _, _| Ok(Blame::default()),
    )?;
    // What one change alone brings along is for its sake; of several dnf does not say which.
    if let [only] = narrowed.changes.as_slice() {
        let extras = narrowed.actions.keys().filter(|title| **title != only.title);
        narrowed.needed_by = extras.map(|title| (title.clone(), BTreeSet::from([only.title.clone()]))).collect();
    }
    Ok(narrowed)
}
