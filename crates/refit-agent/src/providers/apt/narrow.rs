//! Keeping a change within what is permitted: the blame comes from what packages say of one another.

mod blame;

use super::{
    inventory::{Inventory, Package},
    records::{installed_records, new_records},
    simulate::actions_for,
};
use crate::providers::{
    narrow::{self, Narrowed, Present, Settled},
    transaction::{Change, Permissions, SimulateError},
};
use refit_model::TitleId;

impl Present for Inventory {
    fn fulfils(&self, change: &Change) -> bool {
        let package = self.packages.get(&change.title);
        match &change.to {
            Some(version) => package.and_then(Package::well_version) == Some(version),
            None => package.is_none_or(|package| !package.is_present()),
        }
    }

    fn is_held(&self, title: &TitleId) -> bool {
        self.packages.get(title).is_some_and(Package::is_held)
    }

    fn is_essential(&self, title: &TitleId) -> bool {
        self.packages.get(title).is_some_and(|package| package.essential)
    }
}

/// Finds the largest of the wanted changes that stays within the permissions, on top of what is settled.
pub(super) fn narrow(
    inventory: &Inventory,
    settled: &Settled,
    wanted: &[Change],
    permissions: Permissions,
) -> Result<Narrowed, SimulateError> {
    let narrowed = narrow::narrow(
        inventory,
        settled,
        wanted,
        permissions,
        &mut |changes| actions_for(inventory, changes),
        &mut |actions, wanted, violations| {
            let (old, new) = (installed_records(inventory)?, new_records(inventory, actions)?);
            Ok(blame::blame(actions, wanted, violations, &old, &new))
        },
    )?;
    if narrowed.actions.len() <= narrowed.changes.len() {
        return Ok(narrowed);
    }
    let (old, new) = (installed_records(inventory)?, new_records(inventory, &narrowed.actions)?);
    let needed_by = blame::needed_by(&narrowed.actions, &narrowed.changes, &old, &new);
    Ok(Narrowed { needed_by, ..narrowed })
}

#[cfg(test)]
mod tests;
