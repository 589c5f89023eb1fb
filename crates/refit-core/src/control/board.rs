//! What is said of every device by now: the read side of decisions, kept by whoever evaluates.
//!
//! The board is no part of the state: it can be worked out again at any time, and is after a start. It knows which devices
//! have to be looked at again, because something has changed or because a time has come.

use super::{
    evaluate::{Evaluation, SlotOutcome},
    state::State,
};
use imbl::OrdMap;
use jiff::Timestamp;
use refit_model::DeviceId;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What is said of every device. A copy costs next to nothing.
#[derive(Clone, Debug, Default)]
pub struct Board {
    rows: OrdMap<DeviceId, Arc<BoardRow>>,
    /// When rows have to be looked at again though nothing happens.
    wakes: Arc<BTreeSet<(Timestamp, DeviceId)>>,
}

/// What is said of one device.
#[derive(Clone, Debug, PartialEq)]
pub struct BoardRow {
    /// The last event of the state that was read.
    pub basis: u64,
    /// The policy revision.
    pub revision: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// What is said of each slot.
    pub slots: Vec<Arc<SlotOutcome>>,
    /// When time alone may change it.
    pub next_change: Option<Timestamp>,
}

impl Board {
    /// What is said of a device.
    pub fn row(&self, device: &DeviceId) -> Option<&Arc<BoardRow>> {
        self.rows.get(device)
    }

    /// All rows, by device.
    pub fn rows(&self) -> impl Iterator<Item = (&DeviceId, &Arc<BoardRow>)> {
        self.rows.iter()
    }

    /// Takes what was decided.
    pub fn update(&mut self, evaluations: &[Evaluation]) {
        let wakes = Arc::make_mut(&mut self.wakes);
        for evaluation in evaluations {
            let row = Arc::new(BoardRow {
                basis: evaluation.basis,
                revision: evaluation.revision,
                at: evaluation.at,
                slots: evaluation.slots.clone(),
                next_change: evaluation.next_change,
            });
            if let Some(at) = row.next_change {
                wakes.insert((at, evaluation.device.clone()));
            }
            let before = self.rows.insert(evaluation.device.clone(), row.clone());
            if let Some(at) = before.and_then(|before| before.next_change).filter(|at| Some(*at) != row.next_change) {
                wakes.remove(&(at, evaluation.device.clone()));
            }
        }
    }

    /// The devices that have to be decided (anew), by id; at most so many.
    pub fn due(&self, state: &State, now: Timestamp, most: usize) -> Vec<DeviceId> {
        if state.policy.is_none() {
            return Vec::new();
        }
        let for_all = state.revised_for_all();
        let stale = state.managed().filter(|device| match self.rows.get(&device.id) {
            None => true,
            Some(row) => {
                row.revision != state.revision()
                    || row.next_change.is_some_and(|at| at <= now)
                    || for_all > row.basis
                    || state.revised_for(device) > row.basis
            }
        });
        stale.map(|device| device.id.clone()).take(most).collect()
    }

    /// When some device has to be looked at again though nothing happens.
    pub fn wake(&self) -> Option<Timestamp> {
        self.wakes.first().map(|(at, _)| *at)
    }

    /// How many distinct things are said of slots: cohorts.
    pub fn cohorts(&self) -> usize {
        let mut seen: BTreeMap<*const SlotOutcome, ()> = BTreeMap::new();
        for row in self.rows.values() {
            for slot in &row.slots {
                seen.insert(Arc::as_ptr(slot), ());
            }
        }
        seen.len()
    }
}
