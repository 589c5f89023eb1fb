//! Who has a release since later than anything could oblige to leave it: found in one pass over the devices, in the order in which
//! they lie in memory, and kept for whoever decides a title anew.
//!
//! A spell matters where it began later than what a clock waits for besides. That is never before something newer was published, or an
//! advisory was known: whoever has had a release since before then need not be looked at, title by title and device by device.

use super::Inputs;
use crate::{
    engine::{
        fleet::{Fleet, Moment, Presence},
        intern::Map,
    },
    world::World,
};
use jiff::{SignedDuration, Timestamp};
use refit_model::TitleId;
use roaring::RoaringBitmap;

/// Devices that are late, by number of release in a slot.
#[derive(Debug, Default)]
pub(super) struct Late {
    of: Map<u32, LateOnes>,
}

/// Who has a release since later than a time.
#[derive(Clone, Debug)]
pub(super) struct LateOnes {
    /// The time.
    pub after: Timestamp,
    /// Who, in order.
    pub devices: Vec<LateDevice>,
}

/// The same as a title keeps it.
#[derive(Clone, Debug)]
pub(super) struct KnownLate {
    /// The time.
    pub after: Timestamp,
    /// Who, among others perhaps.
    pub devices: RoaringBitmap,
}

/// A device, and when its spell began, in nanoseconds since 1970; [`LOOK_UP`] where that is so far away that it does not fit.
pub(super) type LateDevice = (u32, i64);

/// That of a release nobody has to be known, and that of a spell that has to be looked up.
pub(super) const LOOK_UP: i64 = i64::MAX;

/// Releases and advisories are heard of within that time: who is late is known for all of these.
const HEARD_WITHIN: SignedDuration = SignedDuration::from_hours(24);

/// Where more than one of so many is late it is worth the while to look who is later than the latest bound.
const MANY: u64 = 4;

impl Late {
    /// Looks at all devices for the titles that somebody asks.
    pub fn new<'t>(inputs: Inputs<'_>, titles: impl Iterator<Item = &'t TitleId>) -> Late {
        let fleet = inputs.fleet;
        let mut of: Map<u32, LateOnes> = Map::default();
        // What nobody asks has a bound that nothing is later than.
        let mut bounds: Vec<i64> = vec![LOOK_UP; fleet.releases()];
        for title in titles {
            for (number, present, _) in fleet.present(title) {
                let after = bound(inputs.world, present, inputs.now);
                of.insert(number, LateOnes { after, devices: Vec::new() });
                if let Some(place) = bounds.get_mut(number as usize) {
                    *place = nanoseconds(after);
                }
            }
        }
        let mut spells: Vec<i64> = Vec::new();
        for device in fleet.numbers() {
            let Some(row) = fleet.row(device) else { continue };
            let enrolled = moment(row.enrolled);
            spells.clear();
            spells.extend(row.since.distinct().iter().map(|since| moment(*since).max(enrolled)));
            row.since.with(fleet.installs_of(row), |present, place| {
                let spell = spells.get(place).copied().unwrap_or(LOOK_UP);
                let bound = bounds.get(present as usize).copied().unwrap_or(LOOK_UP);
                if spell > bound
                    && let Some(late) = of.get_mut(&present)
                {
                    late.devices.push((device, spell));
                }
            });
        }
        Late { of }
    }

    /// Looks at those who have a release of a title: where it is known who may be late, at nobody else.
    pub fn again(inputs: Inputs<'_>, title: &TitleId, known: &Map<u32, KnownLate>) -> Late {
        let Inputs { fleet, world, now, .. } = inputs;
        let mut of: Map<u32, LateOnes> = Map::default();
        for (number, present, holders) in fleet.present(title) {
            let spells_of = |devices: &RoaringBitmap| -> Vec<LateDevice> {
                devices.iter().filter_map(|device| Some((device, spell(fleet, device, number)?))).collect()
            };
            let known = known.get(&number).filter(|known| known.devices.len() <= holders.len() / MANY);
            let late = match known {
                Some(known) => LateOnes { after: known.after, devices: spells_of(&known.devices) },
                None => {
                    let after = bound(world, present, now);
                    let mut devices = spells_of(holders);
                    devices.retain(|(_, spell)| *spell > nanoseconds(after));
                    LateOnes { after, devices }
                }
            };
            of.insert(number, late);
        }
        Late { of }
    }

    /// Who may have a release since later than a time; `None` where that is not known.
    pub fn of(&self, present: u32) -> Option<&LateOnes> {
        self.of.get(&present)
    }
}

impl LateOnes {
    /// To be kept.
    pub fn known(&self) -> KnownLate {
        let devices = RoaringBitmap::from_sorted_iter(self.devices.iter().map(|(device, _)| *device));
        KnownLate { after: self.after, devices: devices.unwrap_or_default() }
    }
}

impl KnownLate {
    /// Of a release that nobody has had.
    pub fn nobody(now: Timestamp) -> KnownLate {
        KnownLate { after: heard(now), devices: RoaringBitmap::new() }
    }

    /// Somebody has the release whose spell began then.
    pub fn add(&mut self, device: u32, spell: Option<Timestamp>) {
        if spell > Some(self.after) {
            self.devices.insert(device);
        }
    }
}

/// Before when nothing obliges anybody to leave a release, and nothing will that is heard of in time.
fn bound(world: &World, present: &Presence, now: Timestamp) -> Timestamp {
    let newer = world.releases(&present.title).iter().filter(|release| release.version > present.version);
    let mut bound = newer.map(|release| release.published).fold(heard(now), Timestamp::min);
    for advisory in world.advisories(&present.title) {
        if advisory.known_at < bound && advisory.affects(&present.version) != Some(false) {
            bound = advisory.known_at;
        }
    }
    // What is earlier than all that fits is as good as that: whoever asks for less has to look at everybody.
    let latest = Timestamp::from_nanosecond(i128::from(LOOK_UP) - 1).unwrap_or(Timestamp::MAX);
    bound.clamp(Timestamp::UNIX_EPOCH, latest)
}

fn heard(now: Timestamp) -> Timestamp {
    now.checked_sub(HEARD_WITHIN).unwrap_or(Timestamp::MIN)
}

/// A bound as spells are compared.
fn nanoseconds(time: Timestamp) -> i64 {
    i64::try_from(time.as_nanosecond()).unwrap_or(LOOK_UP)
}

/// A time as spells are compared.
fn moment(moment: Moment) -> i64 {
    match moment.nanos() {
        Some(nanos) => nanos,
        None if moment == Moment::NONE => i64::MIN,
        None => LOOK_UP,
    }
}

/// When the spell of a device began that has a release.
fn spell(fleet: &Fleet, device: u32, present: u32) -> Option<i64> {
    let row = fleet.row(device)?;
    let place = fleet.installs_of(row).binary_search(&present).ok()?;
    Some(moment(row.since.get(place)).max(moment(row.enrolled)))
}
