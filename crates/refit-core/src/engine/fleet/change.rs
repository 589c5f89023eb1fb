//! What happens to devices, one thing at a time.

use super::{Fleet, Moment};
use crate::{
    facts::{Fact, FieldRef},
    world::{Device, Install, SlotKey},
};
use jiff::{Timestamp, tz::TimeZone};
use refit_model::DeviceId;
use std::collections::BTreeMap;

/// Something that happened to one device.
#[derive(Clone, Debug)]
pub enum Change {
    /// All that is known of it: it is new, or was read anew.
    Known(Box<Device>),
    /// It is gone.
    Gone(DeviceId),
    /// A source said something of it.
    Said(DeviceId, Vec<(FieldRef, Fact)>),
    /// Its zone became known, or changed.
    Moved(DeviceId, Option<TimeZone>),
    /// It was seen.
    Seen(DeviceId, Timestamp),
    /// A release was observed in a slot; it takes the place of what was there.
    Installed(DeviceId, Install),
    /// A slot was observed to be empty.
    Removed(DeviceId, SlotKey),
    /// It was seen, and some of its slots were observed: what is installed in them takes the place of what was there; others are empty.
    Observed {
        /// The device.
        id: DeviceId,
        /// When it was seen.
        seen: Timestamp,
        /// What is installed.
        installed: Vec<Install>,
        /// The slots that are empty.
        removed: Vec<SlotKey>,
    },
    /// What its universe offers was told anew.
    Offered(DeviceId, BTreeMap<refit_model::TitleId, Vec<(refit_model::Version, refit_model::Offer)>>),
}

impl Change {
    /// The device.
    pub fn id(&self) -> &DeviceId {
        match self {
            Change::Known(device) => &device.id,
            Change::Gone(id)
            | Change::Said(id, _)
            | Change::Moved(id, _)
            | Change::Seen(id, _)
            | Change::Installed(id, _)
            | Change::Removed(id, _)
            | Change::Observed { id, .. }
            | Change::Offered(id, _) => id,
        }
    }
}

impl Fleet {
    /// Takes a change; whether the device that it speaks of is known.
    pub fn apply(&mut self, change: Change) -> bool {
        let known = self.number(change.id());
        let number = match (known, &change) {
            (Some(number), _) => number,
            (None, Change::Known(_)) => 0,
            (None, _) => return false,
        };
        match change {
            Change::Known(device) => self.put(&device),
            Change::Gone(id) => return self.remove(&id),
            Change::Said(_, facts) => self.say(number, facts),
            Change::Moved(id, zone) => self.alter(&id, |device| device.timezone = zone),
            Change::Seen(_, at) => self.see(number, at),
            Change::Installed(_, install) => drop(self.observe(number, &[install], &[])),
            Change::Removed(_, slot) => drop(self.observe(number, &[], &[slot])),
            Change::Observed { seen, installed, removed, .. } => {
                self.see(number, seen);
                self.observe(number, &installed, &removed);
            }
            Change::Offered(id, offers) => self.alter(&id, |device| device.offers = offers),
        }
        true
    }

    /// A device was seen.
    pub(in crate::engine) fn see(&mut self, number: u32, at: Timestamp) {
        let Fleet { rows, far, .. } = self;
        if let Some(Some(row)) = rows.get_mut(number as usize) {
            row.seen.release(far);
            row.seen = Moment::hold(Some(at), far);
        }
    }

    fn alter(&mut self, id: &DeviceId, how: impl FnOnce(&mut Device)) {
        if let Some(mut device) = self.device(id) {
            how(&mut device);
            self.put(&device);
        }
    }
}
