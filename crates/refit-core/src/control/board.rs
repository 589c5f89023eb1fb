//! What is said of every device by now: the read side of decisions, kept by whoever evaluates.
//!
//! The board is no part of the state: it can be worked out again at any time, and is after a start. It knows which devices
//! have to be looked at again, because something has changed or because a time has come.

use super::{
    device_index::DeviceIndex,
    device_set::DeviceSet,
    evaluate::{Evaluation, SlotOutcome},
    state::{DeviceRecord, State},
};
use imbl::{OrdMap, OrdSet};
use jiff::Timestamp;
use refit_model::DeviceId;
use std::{collections::HashSet, sync::Arc};

/// What is said of every device. A copy costs next to nothing.
#[derive(Clone, Debug, Default)]
pub struct Board {
    rows: OrdMap<DeviceId, Arc<BoardRow>>,
    /// When rows have to be looked at again though nothing happens.
    wakes: OrdSet<(Timestamp, DeviceId)>,
    /// Devices that could not be decided; of each is said what was said last.
    failures: OrdMap<DeviceId, Failure>,
    /// Of which devices each thing is said.
    cohorts: DeviceIndex<Arc<SlotOutcome>>,
    /// How many rows were decided under each policy revision.
    revisions: OrdMap<u64, u64>,
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

/// That a device could not be decided: a mistake in the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The last event of the state that was read.
    pub basis: u64,
    /// The policy revision.
    pub revision: u64,
    /// When it was tried.
    pub at: Timestamp,
    /// When it is tried again though nothing has changed.
    pub again: Timestamp,
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

    /// Notes that a device could not be decided. What was said of it stays, and it is not due again before something changes or
    /// the time has come.
    pub fn failed(&mut self, device: DeviceId, failure: Failure) {
        self.wakes.insert((failure.again, device.clone()));
        if let Some(before) = self.failures.insert(device.clone(), failure) {
            self.forget_wake(&device, before.again);
        }
    }

    /// The devices that could not be decided, and are still managed.
    pub fn failures<'b>(&'b self, state: &'b State) -> impl Iterator<Item = (&'b DeviceId, &'b Failure)> {
        self.failures.iter().filter(|(device, _)| state.device(device).is_some())
    }

    /// Whether a device could not be decided when it was last tried.
    pub fn failure(&self, device: &DeviceId) -> Option<&Failure> {
        self.failures.get(device)
    }

    /// A time at which a device no longer has to be looked at, unless it does for another reason.
    fn forget_wake(&mut self, device: &DeviceId, at: Timestamp) {
        let row = self.rows.get(device).and_then(|row| row.next_change);
        let again = self.failures.get(device).map(|failure| failure.again);
        if row != Some(at) && again != Some(at) {
            self.wakes.remove(&(at, device.clone()));
        }
    }

    /// Takes what was decided.
    pub fn update(&mut self, evaluations: &[Evaluation]) {
        for evaluation in evaluations {
            if let Some(failure) = self.failures.remove(&evaluation.device) {
                self.forget_wake(&evaluation.device, failure.again);
            }
            let row = Arc::new(BoardRow {
                basis: evaluation.basis,
                revision: evaluation.revision,
                at: evaluation.at,
                slots: evaluation.slots.clone(),
                next_change: evaluation.next_change,
            });
            if let Some(at) = row.next_change {
                self.wakes.insert((at, evaluation.device.clone()));
            }
            let before = self.rows.insert(evaluation.device.clone(), row.clone());
            if before.as_ref().map(|before| before.revision) != Some(row.revision) {
                *self.revisions.entry(row.revision).or_default() += 1;
                if let Some(before) = &before {
                    self.leave(before.revision);
                }
            }
            let slots = before.as_ref().map_or(&[][..], |before| &before.slots);
            if slots != row.slots {
                // What has stayed is mostly the very same, and is not touched.
                let all = |slots: &[Arc<SlotOutcome>]| slots.iter().map(Arc::as_ptr).collect::<HashSet<_>>();
                let (old, new) = (all(slots), all(&row.slots));
                for outcome in slots.iter().filter(|outcome| !new.contains(&Arc::as_ptr(outcome))) {
                    self.cohorts.remove(outcome, evaluation.index);
                }
                for outcome in row.slots.iter().filter(|outcome| !old.contains(&Arc::as_ptr(outcome))) {
                    self.cohorts.insert(outcome, evaluation.index);
                }
            }
            if let Some(at) = before.and_then(|before| before.next_change).filter(|at| Some(*at) != row.next_change) {
                self.wakes.remove(&(at, evaluation.device.clone()));
            }
        }
    }

    fn leave(&mut self, revision: u64) {
        if let Some(rows) = self.revisions.get_mut(&revision) {
            *rows -= 1;
            if *rows == 0 {
                self.revisions.remove(&revision);
            }
        }
    }

    /// How many rows were decided under a policy revision; those of devices that are no longer managed are among them.
    pub fn decided_under(&self, revision: u64) -> u64 {
        self.revisions.get(&revision).copied().unwrap_or(0)
    }

    /// The devices that have to be decided (anew), by id; at most so many. All devices are looked at: see [`super::Lookout`].
    pub fn due(&self, state: &State, now: Timestamp, most: usize) -> Vec<DeviceId> {
        if state.policy.is_none() {
            return Vec::new();
        }
        let managed = state.managed();
        let for_all = state.revised_for_all();
        let stale = managed.filter(|device| self.is_due(state, device, for_all, now));
        stale.map(|device| device.id.clone()).take(most).collect()
    }

    /// Whether a device has to be decided (anew); `for_all` is what [`State::revised_for_all`] says.
    pub(super) fn is_due(&self, state: &State, device: &DeviceRecord, for_all: u64, now: Timestamp) -> bool {
        let since = |revision: u64, basis: u64| {
            revision != state.revision() || for_all > basis || state.revised_for(device) > basis
        };
        if device.retired.is_some() {
            return false;
        }
        if let Some(failure) = self.failures.get(&device.id)
            && failure.again > now
            && !since(failure.revision, failure.basis)
        {
            return false;
        }
        self.rows
            .get(&device.id)
            .is_none_or(|row| row.next_change.is_some_and(|at| at <= now) || since(row.revision, row.basis))
    }

    /// The devices whose time has come, by index. Those that are no longer managed are forgotten.
    pub(super) fn woken(&mut self, state: &State, now: Timestamp) -> Vec<u32> {
        let come: Vec<_> = self.wakes.iter().take_while(|(at, _)| *at <= now).cloned().collect();
        let mut woken = Vec::new();
        for wake in come {
            match state.device(&wake.1) {
                Some(device) => woken.push(device.index),
                None => drop(self.wakes.remove(&wake)),
            }
        }
        woken
    }

    /// When some device has to be looked at again though nothing happens.
    pub fn wake(&self) -> Option<Timestamp> {
        self.wakes.get_min().map(|(at, _)| *at)
    }

    /// Everything that is said of any slot, sorted by slot, each with the devices of which it is said; those that are no longer
    /// managed are among them. Where there are many, the same comes several times, with other devices.
    pub fn cohorts(&self) -> impl Iterator<Item = (&SlotOutcome, &DeviceSet)> {
        self.cohorts.pieces().map(|(outcome, devices)| (outcome.as_ref(), devices))
    }
}
