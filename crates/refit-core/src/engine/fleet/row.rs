//! One device as the fleet keeps it: numbers of what it shares with others, and what is truly its own.

use super::moment::{Moment, Times};
use crate::world::{Absence, RememberedOffer, SlotKey};
use jiff::{SignedDuration, Timestamp};
use refit_model::{DeviceId, TitleId, Version};
use roaring::RoaringBitmap;
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// A device in numbers: everything that is one here is of a pool.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Its id.
    pub id: DeviceId,
    /// What sources say, one record for each source and time of observation, sorted.
    pub records: Box<[Said]>,
    /// When each of its installs was first observed, in the order of the set.
    pub since: Times,
    /// When it was first known.
    pub enrolled: Moment,
    /// When its installs were last observed.
    pub seen: Moment,
    /// The source that observes them.
    pub seen_by: u32,
    /// The set of its installs.
    pub packages: u32,
    /// What its universe offers otherwise than published.
    pub universe: u32,
    /// Its zone, from 1 on; 0 is not known.
    pub zone: u32,
    /// The first 16 bits of SHA-256 of its id, from which shares are cut.
    pub point: u16,
}

/// What one source said of a device at one time. That the values came together is kept, so that who said them and when
/// is kept once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    /// When it was observed; without a time it is always fresh.
    pub observed: Moment,
    /// The source, from 1 on; 0 is for what needs none.
    pub source: u32,
    /// The values: a set that many devices may share.
    pub set: u32,
}

/// What only some devices have: kept beside the rows, by number of device.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Overlay {
    /// Whether two histories claim its identity.
    pub identity_in_doubt: bool,
    /// How much of the time since it was seen nobody listened.
    pub unheard: SignedDuration,
    /// Absences, oldest first.
    pub absences: Vec<Absence>,
    /// When spells in progress began.
    pub spells: BTreeMap<SlotKey, Timestamp>,
    /// What clocks in progress began with.
    pub first_offers: BTreeMap<SlotKey, Vec<RememberedOffer>>,
    /// Deferrals that were used.
    pub deferrals_used: BTreeMap<TitleId, u32>,
    /// What was admitted by the last decision.
    pub admitted_before: BTreeMap<SlotKey, Version>,
    /// The policy that decided last.
    pub decided_before: BTreeMap<SlotKey, SmolStr>,
}

impl Overlay {
    /// Nothing of its own.
    pub const NONE: Overlay = Overlay {
        identity_in_doubt: false,
        unheard: SignedDuration::ZERO,
        absences: Vec::new(),
        spells: BTreeMap::new(),
        first_offers: BTreeMap::new(),
        deferrals_used: BTreeMap::new(),
        admitted_before: BTreeMap::new(),
        decided_before: BTreeMap::new(),
    };
}

/// Who remembers what of a slot. Which policy decided before is not among it: that counts only where policies contradict each other, and
/// there everybody is looked at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Remembering {
    /// When a spell began.
    pub spells: RoaringBitmap,
    /// Offers.
    pub offers: RoaringBitmap,
    /// What was admitted.
    pub admitted: RoaringBitmap,
}

impl Remembering {
    /// Takes a device out.
    pub fn forget(&mut self, device: u32) {
        let Remembering { spells, offers, admitted } = self;
        for devices in [spells, offers, admitted] {
            devices.remove(device);
        }
    }

    /// Whether nobody is left.
    pub fn is_empty(&self) -> bool {
        let Remembering { spells, offers, admitted } = self;
        [spells, offers, admitted].into_iter().all(RoaringBitmap::is_empty)
    }
}
