//! What the fleet engine says of a title, held against how its slots stood before: devices that shared an answer need not share the next.

use super::{
    answers::{compliance, holds, key_of, marks, progress},
    gather::{After, Before, Difference, Who},
};
use crate::{
    control::{entry::SlotName, publication::CohortKey},
    engine::Reading,
};
use jiff::Timestamp;
use roaring::RoaringBitmap;
use std::{borrow::Cow, collections::BTreeMap};

/// How a slot stood, for some devices.
#[derive(Debug)]
pub(crate) struct Stood<'a> {
    /// The cohort; `None` where no policy decided.
    pub key: Option<Cow<'a, CohortKey>>,
    /// From when on it was overdue.
    pub due: Option<Timestamp>,
    /// The devices, each in one such set of a slot.
    pub devices: Cow<'a, RoaringBitmap>,
}

/// How the slots of a title stood.
pub(crate) type Standing<'a> = BTreeMap<SlotName, Vec<Stood<'a>>>;

/// Holds the answers for one title after the other against how it stood.
#[derive(Debug)]
pub(crate) struct Pairing {
    /// By number of device, the place of how the slot stood that is looked at.
    before: Vec<u32>,
}

/// The place of an answer that there is not.
const NOWHERE: u32 = u32::MAX;

impl Pairing {
    /// Of devices with numbers below that.
    pub fn new(numbers: usize) -> Pairing {
        Pairing { before: vec![NOWHERE; numbers] }
    }

    /// Tells of all devices that had or have a slot of a title.
    pub fn title(&mut self, before: &Standing<'_>, after: &[Reading], difference: &mut Difference) {
        let mut slots: BTreeMap<SlotName, Vec<&Reading>> = BTreeMap::new();
        before.keys().for_each(|slot| drop(slots.insert(slot.clone(), Vec::new())));
        after.iter().for_each(|reading| slots.entry(SlotName::from(&reading.slot)).or_default().push(reading));
        for (slot, after) in &slots {
            self.slot(before.get(slot).map(Vec::as_slice).unwrap_or_default(), after, difference);
        }
    }

    fn slot(&mut self, before: &[Stood<'_>], after: &[&Reading], difference: &mut Difference) {
        let mut left = RoaringBitmap::new();
        for (place, stood) in (0..).zip(before) {
            left |= &*stood.devices;
            self.put(&stood.devices, place);
        }
        for reading in after {
            left -= &reading.devices;
            let key = key_of(&reading.slot, &reading.outcome);
            let (holds, marks) = (holds(&reading.outcome), marks(&reading.outcome));
            let after = After {
                key: key.as_ref(),
                due: reading.outcome.due,
                compliance: compliance(reading.outcome.compliance),
                progress: progress(&reading.outcome),
                holds: &holds,
                marks: &marks,
            };
            if before.is_empty() {
                difference.slot(None, &after, Who::All(&reading.devices));
                continue;
            }
            let mut parts: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
            for device in &reading.devices {
                let known = self.before.get(device as usize).copied().unwrap_or(NOWHERE);
                parts.entry(known).or_default().push(device);
            }
            for (known, devices) in parts {
                let stood = before.get(known as usize);
                let stood = stood.and_then(|stood| Some(Before { key: stood.key.as_deref()?, due: stood.due }));
                let devices = RoaringBitmap::from_sorted_iter(devices).unwrap_or_default();
                difference.slot(stood, &after, Who::All(&devices));
            }
        }
        for stood in before {
            let gone = &*stood.devices & &left;
            if let Some(key) = stood.key.as_deref().filter(|_| !gone.is_empty()) {
                difference.gone(key, Who::All(&gone));
            }
        }
        // Who has this slot may not have the next.
        before.iter().for_each(|stood| self.put(&stood.devices, NOWHERE));
    }

    fn put(&mut self, devices: &RoaringBitmap, place: u32) {
        for device in devices {
            if let Some(known) = self.before.get_mut(device as usize) {
                *known = place;
            }
        }
    }
}
