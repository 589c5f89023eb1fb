//! Sources held against the log: what the server has to be told so that it knows what they say.
//!
//! It is worked out from what is known on both sides, not from what has just changed: whatever was not told, because the server ended
//! in between, is told the next time, and the same again tells nothing.
//!
//! - [`own()`]: what the server itself knows of devices with an agent and of people, as records beside those of sources.
//! - [`steps()`]: enrolments, splits, merges, facts, assignments.

mod devices;
mod installs;
mod own;
mod people;

pub use own::{Own, own, same_keys};

use installs::Titles;

use super::{Input, State};
use crate::facts::{
    estate::{Estate, REFIT, Rules, Told},
    mapping::document::Subject,
};
use jiff::{SignedDuration, Timestamp};
use refit_model::entry::Plain;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// How often a source that says the same again is told all the same, so that its facts stay fresh.
const CONFIRM_EVERY: SignedDuration = SignedDuration::from_hours(6);

/// What has to be told, step by step: within a step the order does not matter, and each needs those before it. `reference` gives
/// references for personal values: each is used once, and says nothing of the value.
pub fn steps(
    state: &State,
    estate: &Estate,
    rules: &Rules<'_>,
    mut reference: impl FnMut() -> SmolStr,
) -> Vec<Vec<Input>> {
    // What could never be read takes nothing back: whoever has its name may tell the server by itself, as agents do.
    let read: Readings<'_> = estate.sources.iter().filter_map(|(name, source)| Some((name, source.read?))).collect();
    let mut steps = Steps::default();
    let mut homes = BTreeMap::new();
    for person in estate.entities(Subject::Person, rules) {
        people::tell(state, &read, &person, rules.now, &mut reference, &mut steps, &mut homes);
    }
    let titles = state.policy.as_ref().map(|policy| Titles::of(&policy.repository));
    for device in estate.entities(Subject::Device, rules) {
        devices::tell(state, &read, &device, (rules, titles.as_ref()), &homes, &mut steps);
    }
    let Steps { enrolled, split, people, merged, devices, assigned } = steps;
    [enrolled, split, people, merged, devices, assigned].into_iter().filter(|step| !step.is_empty()).collect()
}

/// The sources that were read, and when that was.
type Readings<'e> = BTreeMap<&'e SmolStr, Timestamp>;

/// Whether a source told the server something since it was read, as the hooks of an identity provider do: then it is the reading that is old, and
/// the next one is held against it.
fn told_since(read: &Readings<'_>, source: &SmolStr, last: Option<Timestamp>) -> bool {
    read.get(source).is_some_and(|read| last.is_some_and(|last| last > *read))
}

/// Inputs, in the order in which they are told.
#[derive(Default)]
struct Steps {
    enrolled: Vec<Input>,
    split: Vec<Input>,
    people: Vec<Input>,
    merged: Vec<Input>,
    devices: Vec<Input>,
    assigned: Vec<Input>,
}

/// What a source says that the server does not know yet, by field; `None` is: no longer said. Nothing where there is no news.
fn news(
    told: Option<&Told>,
    known: &BTreeMap<SmolStr, &Plain>,
    reported: Option<Timestamp>,
    name: impl Fn(&crate::facts::FieldRef) -> SmolStr,
) -> Option<BTreeMap<SmolStr, Option<Plain>>> {
    let mut news: BTreeMap<SmolStr, Option<Plain>> = BTreeMap::new();
    let said = told.into_iter().flat_map(|told| &told.facts);
    let said: BTreeMap<SmolStr, &Plain> = said.map(|(field, value)| (name(field), value)).collect();
    for (field, value) in &said {
        if known.get(field) != Some(value) {
            news.insert(field.clone(), Some((*value).clone()));
        }
    }
    for field in known.keys().filter(|field| !said.contains_key(*field)) {
        news.insert(field.clone(), None);
    }
    let again = told.is_some_and(|told| match (told.observed, reported) {
        (_, None) => true,
        (Some(observed), Some(reported)) => observed.duration_since(reported) >= CONFIRM_EVERY,
        (None, Some(_)) => false,
    });
    // A last sign of life moves with every reading. It goes along with other news, and is none by itself.
    let only_seen = news.keys().all(|field| field == "device.seen");
    (again || !only_seen).then_some(news)
}

/// The sources whose words may have to be told: those that say something now, and those that did.
fn speakers<'s>(
    told: &'s BTreeMap<SmolStr, Told>,
    reported: impl Iterator<Item = &'s SmolStr>,
    read: &Readings<'_>,
) -> BTreeSet<&'s SmolStr> {
    let ours = |source: &&SmolStr| *source == REFIT || read.contains_key(source);
    told.keys().chain(reported.filter(ours)).collect()
}
