//! The devices of a fleet, in memory: what they share is kept once, what is their own in rows
//! (docs/concepts/engine.md).

mod change;
mod export;
mod hold;
mod key;
mod moment;
mod put;
mod row;
mod size;
mod snapshot;

pub use change::Change;
pub(super) use key::{Known, Presence, Told, Universe, Zone};
pub(super) use moment::Moment;
pub(super) use put::{Difference, Moved, Slots};
pub(super) use row::{Overlay, Remembering, Row, Said};
pub use snapshot::SnapshotError;

use super::intern::{Map, Pool, hash_of};
use crate::{
    facts::{Fact, FactSet, FieldRef, Value},
    world::{Device, Install, SlotKey},
};
use hashbrown::HashTable;
use jiff::{Timestamp, tz::TimeZone};
use moment::FarAway;
use refit_model::{DeviceId, TitleId};
use roaring::RoaringBitmap;
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// The devices of a fleet. What is removed leaves nothing behind.
#[derive(Clone, Debug, Default)]
pub struct Fleet {
    /// Numbers of rows, by the hash of the id.
    index: HashTable<u32>,
    rows: Vec<Option<Row>>,
    /// What is asked of every device for every title, by number: each lies close together.
    points: Vec<u16>,
    zones_of: Vec<u32>,
    universes_of: Vec<u32>,
    free: BTreeSet<u32>,
    names: Pool<SmolStr>,
    fields: Pool<FieldRef>,
    values: Pool<Known>,
    /// Fields with their values, as a source says them together.
    sets: Pool<Box<[(u32, u32)]>>,
    zones: Pool<Zone>,
    far: FarAway,
    present: Pool<Presence>,
    /// The installs of a device: numbers of `present`, sorted.
    packages: Pool<Arc<[u32]>>,
    universes: Pool<Told>,
    /// Which devices have a release in a slot, by its number.
    holders: Vec<RoaringBitmap>,
    /// The releases of a title that anybody has.
    by_title: BTreeMap<TitleId, BTreeSet<u32>>,
    overlays: Map<u32, Box<Overlay>>,
    /// Who remembers what of a slot.
    remembering: Map<SlotKey, Remembering>,
    devices: RoaringBitmap,
}

impl Fleet {
    /// A fleet without devices.
    pub fn new() -> Fleet {
        Fleet::default()
    }

    /// How many devices there are.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// The device as it was put in, its installs in the order of their slots.
    pub fn device(&self, id: &DeviceId) -> Option<Device> {
        let number = self.number(id)?;
        let row = self.row(number)?;
        let overlay = self.overlay(number);
        let mut device = Device::new(row.id.clone(), row.seen.get(&self.far)?);
        device.facts = self.facts_of(row);
        device.timezone = self.zone(row.zone).cloned();
        device.enrolled = self.enrolled(row);
        device.seen_by = self.names.get(row.seen_by)?.clone();
        device.offers = (*self.universes.get(row.universe)?.0).clone();
        let mut installs = Vec::new();
        for (place, &present) in self.packages.get(row.packages)?.iter().enumerate() {
            installs.push((self.present.get(present)?, row.since.get(place).get(&self.far)));
        }
        installs.sort();
        device.installs.extend(installs.into_iter().map(|(known, since)| Install {
            title: known.title.clone(),
            branch: known.branch.clone(),
            profile: known.profile.clone(),
            version: known.version.clone(),
            since,
        }));
        let overlay = overlay.clone();
        device.identity_in_doubt = overlay.identity_in_doubt;
        device.unheard = overlay.unheard;
        device.absences = overlay.absences;
        device.spells = overlay.spells;
        device.first_offers = overlay.first_offers;
        device.deferrals_used = overlay.deferrals_used;
        device.admitted_before = overlay.admitted_before;
        device.decided_before = overlay.decided_before;
        Some(device)
    }

    fn facts_of(&self, row: &Row) -> FactSet {
        let mut facts = FactSet::default();
        for said in &row.records {
            let source = self.source(*said).cloned();
            let observed = said.observed.get(&self.far);
            for (field, value) in self.set(said.set) {
                if let (Some(field), Some(value)) = (self.fields.get(*field), self.value(*value)) {
                    let fact = Fact { value: value.clone(), source: source.clone(), observed };
                    facts.insert(field.clone(), fact);
                }
            }
        }
        facts
    }

    /// All devices, by id.
    pub fn ids(&self) -> impl Iterator<Item = &DeviceId> {
        let mut ids: Vec<&DeviceId> = self.rows.iter().flatten().map(|row| &row.id).collect();
        ids.sort_unstable();
        ids.into_iter()
    }

    /// The number of a device, by which bitmaps know it. Numbers of devices that are gone are given to others.
    pub fn number(&self, id: &DeviceId) -> Option<u32> {
        let is = |number: &u32| self.row(*number).is_some_and(|row| row.id == *id);
        self.index.find(hash_of(id), is).copied()
    }

    /// The id behind a number.
    pub fn id(&self, number: u32) -> Option<&DeviceId> {
        self.row(number).map(|row| &row.id)
    }

    /// The numbers of all devices.
    pub fn numbers(&self) -> &RoaringBitmap {
        &self.devices
    }

    /// The devices by their time zone; `None` are those of which nobody knows it.
    pub fn by_zone(&self) -> Vec<(Option<&TimeZone>, RoaringBitmap)> {
        let mut by_zone: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for device in &self.devices {
            let zone = self.zones_of.get(device as usize).copied().unwrap_or(0);
            by_zone.entry(zone).or_default().push(device);
        }
        let by_zone = by_zone.into_iter();
        by_zone
            .map(|(zone, devices)| (self.zone(zone), RoaringBitmap::from_sorted_iter(devices).unwrap_or_default()))
            .collect()
    }

    /// The length that a column has to have to be read by number of device.
    pub(super) fn width(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn row(&self, number: u32) -> Option<&Row> {
        self.rows.get(number as usize)?.as_ref()
    }

    pub(super) fn overlay(&self, number: u32) -> &Overlay {
        self.overlays.get(&number).map_or(&NOTHING_OF_ITS_OWN, Box::as_ref)
    }

    /// The devices whose identity is in doubt.
    pub(super) fn in_doubt(&self) -> impl Iterator<Item = u32> {
        self.overlays.iter().filter(|(_, overlay)| overlay.identity_in_doubt).map(|(number, _)| *number)
    }

    /// Where devices stand before shares are cut, by number.
    pub(super) fn points(&self) -> &[u16] {
        &self.points
    }

    /// Their zones by number, as rows have them.
    pub(super) fn zones_of(&self) -> &[u32] {
        &self.zones_of
    }

    /// Their universes by number.
    pub(super) fn universes_of(&self) -> &[u32] {
        &self.universes_of
    }

    /// One more than the greatest number of a universe.
    pub(super) fn universes(&self) -> u32 {
        self.universes.width() as u32
    }

    /// Who remembers what of a slot; `None` where nobody does.
    pub(super) fn remembering(&self, slot: &SlotKey) -> Option<&Remembering> {
        self.remembering.get(slot)
    }

    /// One more than the greatest number of a release in a slot.
    pub(super) fn releases(&self) -> usize {
        self.present.width()
    }

    /// All zones, each once.
    pub(super) fn zones(&self) -> impl Iterator<Item = &TimeZone> {
        (1..=self.zones.width() as u32).filter_map(|number| self.zone(number))
    }

    /// The zone of that number, from 1 on.
    pub(super) fn zone(&self, number: u32) -> Option<&TimeZone> {
        self.zones.get(number.checked_sub(1)?).map(|zone| &zone.zone)
    }

    pub(super) fn name(&self, number: u32) -> Option<&SmolStr> {
        self.names.get(number)
    }

    /// One more than the greatest number of a name.
    pub(super) fn names(&self) -> usize {
        self.names.width()
    }

    /// Who said something; `None` where nobody has to.
    pub(super) fn source(&self, said: Said) -> Option<&SmolStr> {
        self.names.get(said.source.checked_sub(1)?)
    }

    pub(super) fn value(&self, number: u32) -> Option<&Value> {
        self.values.get(number).map(|known| &known.0)
    }

    pub(super) fn set(&self, number: u32) -> &[(u32, u32)] {
        self.sets.get(number).map(Box::as_ref).unwrap_or_default()
    }

    pub(super) fn universe(&self, number: u32) -> Option<&Universe> {
        self.universes.get(number).map(|told| told.0.as_ref())
    }

    pub(super) fn field(&self, field: &FieldRef) -> Option<u32> {
        self.fields.number(field)
    }

    pub(super) fn enrolled(&self, row: &Row) -> Option<Timestamp> {
        row.enrolled.get(&self.far)
    }

    pub(super) fn seen(&self, row: &Row) -> Timestamp {
        row.seen.get(&self.far).unwrap_or(Timestamp::MIN)
    }

    pub(super) fn time(&self, moment: Moment) -> Option<Timestamp> {
        moment.get(&self.far)
    }

    /// The titles that anybody has.
    pub(super) fn titles(&self) -> impl Iterator<Item = &TitleId> {
        self.by_title.keys()
    }

    /// The releases in slots of a title that anybody has, each with the devices that have it, in the order of slots and
    /// versions.
    pub(super) fn present(&self, title: &TitleId) -> Vec<(u32, &Presence, &RoaringBitmap)> {
        let numbers = self.by_title.get(title).into_iter().flatten();
        let mut found: Vec<_> = numbers
            .filter_map(|number| Some((*number, self.present.get(*number)?, self.holders.get(*number as usize)?)))
            .collect();
        found.sort_by(|a, b| a.1.cmp(b.1));
        found
    }

    /// The devices that have the release in a slot of that number.
    pub(super) fn holders(&self, number: u32) -> Option<&RoaringBitmap> {
        self.holders.get(number as usize)
    }

    /// The installs of a device, as numbers of releases in slots, sorted.
    pub(super) fn installs_of(&self, row: &Row) -> &[u32] {
        self.packages.get(row.packages).map(Arc::as_ref).unwrap_or_default()
    }

    /// The release in a slot of that number.
    pub(super) fn presence(&self, number: u32) -> Option<&Presence> {
        self.present.get(number)
    }

    /// The titles that a device has.
    pub(super) fn titles_on(&self, row: &Row) -> impl Iterator<Item = &TitleId> {
        self.installs_of(row).iter().filter_map(|number| Some(&self.present.get(*number)?.title))
    }

    /// Since when a device has an install.
    pub(super) fn since(&self, row: &Row, present: u32) -> Option<Timestamp> {
        let place = self.installs_of(row).binary_search(&present).ok()?;
        row.since.get(place).get(&self.far)
    }
}

static NOTHING_OF_ITS_OWN: Overlay = Overlay::NONE;
