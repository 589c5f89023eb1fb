//! The plain decision: the rules of docs/reference/rules.md, for one device, rule by rule, with the whole derivation.
//!
//! This is `explain`, and it stays the oracle for the fleet engine, with which it shares nothing below the model. Each step
//! reads only what earlier steps found:
//!
//! [`select`] which slots there are and which policy decides (rule 1) → [`goal`] where a slot has to go (rule 3) →
//! [`obligations`] what it has to do (rules 2, 4, 13) → [`clock`] by when (rule 5) → [`ring`] and [`admit`] what may be
//! installed (rules 6 to 9) → [`hold`] what keeps it from happening now (rules 10, 11) → [`answer`] (rules 12, 15) →
//! [`citation`] what the derivation cites besides.

mod admit;
mod answer;
mod case;
mod citation;
mod clock;
mod decision;
mod derivation;
mod explain;
mod goal;
mod hold;
mod obligations;
mod release_set;
mod ring;
mod select;

pub use decision::*;
pub(crate) use explain::rough;
pub use explain::{Entry, Explanation, Section, Tone, View, explain};

use crate::{
    policy::repository::Repository,
    world::{Device, World},
};
use jiff::Timestamp;
use refit_model::TitleId;

/// Decides every slot of a device: what is installed, and what the policies name.
pub fn decide(repository: &Repository, world: &World, device: &Device, now: Timestamp) -> Vec<Decision> {
    let case = case::Case::new(repository, world, device, now);
    select::slots(&case).into_iter().map(|slot| decide_slot(&case, &slot)).collect()
}

/// Decides the slots of one title of a device: one for each branch and profile in which it is installed, or one for its absence.
pub fn decide_title(
    repository: &Repository,
    world: &World,
    device: &Device,
    title: &TitleId,
    now: Timestamp,
) -> Vec<Decision> {
    let case = case::Case::new(repository, world, device, now);
    select::slots_of(&case, title).into_iter().map(|slot| decide_slot(&case, &slot)).collect()
}

fn decide_slot(case: &case::Case<'_>, slot: &select::Slot<'_>) -> Decision {
    let mut decision = select::decide_slot(case, slot);
    citation::cite(case, slot, &mut decision);
    decision
}
