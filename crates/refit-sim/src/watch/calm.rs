//! Invariants of the whole state: replay, erasure, and what is published once everything has settled.

use super::Truth;
use crate::store::Store;
use jiff::Timestamp;
use refit_core::control::{DeviceRecord, Evaluator, SlotName, State, Terms, read_snapshot, write_snapshot};
use std::collections::BTreeSet;

/// The log replays to the same world: from nothing, and through a snapshot in its middle. Both read the log's bytes.
pub fn replays_alike(store: &Store, state: &State) -> Option<String> {
    let bytes = |state: &State| write_snapshot(state).map(|(_, bytes)| bytes).map_err(|error| error.to_string());
    let compare = || -> Result<Option<String>, String> {
        let known = bytes(state)?;
        let mut replayed = store.empty_state();
        let middle = state.seq / 2;
        for entry in &store.entries {
            replayed.apply(entry.seq, entry.at, &entry.event()?, &store.ground()).map_err(|error| error.to_string())?;
            if entry.seq == middle {
                let (format, kept) = write_snapshot(&replayed).map_err(|error| error.to_string())?;
                let read = read_snapshot(format, &kept, &store.ground()).map_err(|error| error.to_string())?;
                if bytes(&read)? != kept {
                    return Ok(Some(format!("a snapshot at position {middle} is another one when read and written")));
                }
                replayed = State { personal: replayed.personal, ..read };
            }
        }
        Ok((bytes(&replayed)? != known).then(|| {
            format!(
                "the state at position {} is another one when it is replayed: {}",
                state.seq,
                differs(state, &replayed)
            )
        }))
    };
    compare().unwrap_or_else(Some)
}

/// The first part of the state that differs, in words.
fn differs(a: &State, b: &State) -> String {
    for (id, record) in &a.devices {
        if b.devices.get(id) != Some(record) {
            return format!("{record:?} and {:?}", b.devices.get(id));
        }
    }
    for (id, plan) in &a.plans {
        if b.plans.get(id) != Some(plan) {
            return format!("{plan:?} and {:?}", b.plans.get(id));
        }
    }
    "neither in a device nor in a plan".to_owned()
}

/// What was erased is gone, from the state, from beside the log, and from what a start finds.
pub fn erased_stays_erased(truth: &Truth, store: &Store, state: &State) -> Option<String> {
    let in_state = state.personal.values().map(|value| value.to_string());
    let beside = store.personal.values().map(|(_, value)| value.to_string());
    let left = in_state.chain(beside).find(|value| truth.erased.contains(value))?;
    Some(format!("`{left}` was erased and is still there"))
}

/// What is published is what the plain decision says, for every device that has settled, but for moves that wait for a person.
pub fn settled_is_decided(state: &State, now: Timestamp) -> Option<String> {
    let terms = Terms::in_force(state)?;
    let mut evaluator = Evaluator::default();
    state.managed().filter(|record| record.quarantined.is_none()).find_map(|record| {
        let evaluation = evaluator.evaluate(state, &terms, record, now.max(state.clock));
        differs_from_published(record, &evaluation)
    })
}

fn differs_from_published(record: &DeviceRecord, evaluation: &refit_core::control::Evaluation) -> Option<String> {
    let mut decided: BTreeSet<&SlotName> = BTreeSet::new();
    for outcome in &evaluation.slots {
        let Some(key) = &outcome.key else { continue };
        decided.insert(&outcome.slot);
        let published = record.published.get(&outcome.slot);
        let same = published.is_some_and(|published| {
            *published.key == *key && published.due == outcome.due && published.due_by == outcome.due_by
        });
        let is_held = record.held.get(&outcome.slot).is_some_and(|(_, held)| **held == *key);
        if !same && !is_held {
            return Some(format!(
                "{}: published {published:?}, decided {outcome:?}, held {:?}",
                record.id, record.held
            ));
        }
    }
    let surplus = record.published.keys().find(|slot| !decided.contains(slot))?;
    Some(format!("{}: something is published for {surplus}, and nothing decided", record.id))
}
