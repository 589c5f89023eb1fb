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
    /// What its universe offers was told anew.
    Offered(DeviceId, BTreeMap<refit_model::TitleId, Vec<(refit_model::Version, refit_model::Offer)>>),
}

impl Fleet {
    /// Takes a change; whether the device that it speaks of is known.
    pub fn apply(&mut self, change: Change) -> bool {
        match change {
            Change::Known(device) => {
                self.put(&device);
                true
            }
            Change::Gone(id) => self.remove(&id),
            Change::Said(id, facts) => self.alter(&id, |device| {
                facts.into_iter().for_each(|(field, fact)| device.facts.insert(field, fact));
            }),
            Change::Moved(id, zone) => self.alter(&id, |device| device.timezone = zone),
            Change::Seen(id, at) => {
                let number = self.number(&id);
                let Fleet { rows, far, .. } = self;
                let row = number.and_then(|number| rows.get_mut(number as usize)?.as_mut());
                let Some(row) = row else { return false };
                row.seen.release(far);
                row.seen = Moment::hold(Some(at), far);
                true
            }
            Change::Installed(id, install) => self.alter(&id, |device| {
                let slot = install.slot();
                device.installs.retain(|known| known.slot() != slot);
                device.installs.push(install);
            }),
            Change::Removed(id, slot) => self.alter(&id, |device| device.installs.retain(|known| known.slot() != slot)),
            Change::Offered(id, offers) => self.alter(&id, |device| device.offers = offers),
        }
    }

    fn alter(&mut self, id: &DeviceId, how: impl FnOnce(&mut Device)) -> bool {
        let Some(mut device) = self.device(id) else { return false };
        how(&mut device);
        self.put(&device);
        true
    }
}
