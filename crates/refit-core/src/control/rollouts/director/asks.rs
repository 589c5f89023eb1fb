//! When a person has to say whether a release goes on.

use super::{
    super::{asked::AskedFor, record::RolloutRecord},
    Look, One,
};
use crate::{
    control::{device_set::DeviceSet, input::Input},
    policy::repository::{Gate, Ring},
    rollout::{Evidence, Verdict},
};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Devices whose due time has come behind a gate, by that time.
pub(super) type Overdue = BTreeMap<Timestamp, DeviceSet>;

impl One<'_> {
    /// Asks a person, where the gate after the last open ring has not been clear for too long, or somebody behind it is overdue and
    /// is to ask. Each is asked once; nobody is asked about what nobody waits for.
    pub(super) fn ask(&self, record: &RolloutRecord, ring: &Ring, found: Option<(Verdict, Evidence)>, look: &mut Look) {
        if self.waiting.values().all(DeviceSet::is_empty) {
            return;
        }
        let rollouts = &self.state.rollouts;
        let since = rollouts.unclear_since(self.title, record, &ring.name);
        let patience = Gate::patience_after(self.rollout.gate.as_ref(), ring.soak);
        let patience = (AskedFor::Patience { since }, since.checked_add(patience).unwrap_or(Timestamp::MAX));
        // Without a gate what has begun to soak goes on by itself.
        let soaks =
            self.rollout.gate.is_none() && record.ring(&ring.name).is_some_and(|open| open.first_result.is_some());
        let patience = (!soaks).then_some(patience);
        let due = self.overdue.first_key_value().map(|(since, _)| {
            let devices = DeviceSet::union(self.overdue.values()).len();
            (AskedFor::Due { devices, since: *since }, *since)
        });
        for (because, from) in patience.into_iter().chain(due) {
            if rollouts.asks(self.title, record).any(|question| question.because.is_like(because)) {
                continue;
            }
            if from > self.now {
                look.wake(from);
                continue;
            }
            look.inputs.push(Input::AskPerson {
                title: self.title.clone(),
                version: self.version.clone(),
                rollout: self.rollout.name.clone(),
                after: ring.name.clone(),
                platform: Some(self.platform.clone()),
                because,
                found: found.clone().map(Box::new),
            });
        }
    }
}
