//! The devices of a fleet, in memory: what they share is kept once, what is their own in rows
//! (docs/concepts/engine.md).

mod change;
mod export;
mod key;
mod row;

pub use change::Change;
pub(super) use key::{Keyed, Presence, Universe};
pub(super) use row::{Overlay, Row};

use super::intern::Pool;
use crate::{
    facts::{Authority, DEVICE_STALE_AFTER, Fact, FieldRef, PERSON_STALE_AFTER, Root, Staleness, Value},
    world::{Device, Install},
};
use jiff::{Timestamp, tz::TimeZone};
use refit_model::{DeviceId, TitleId};
use roaring::RoaringBitmap;
use row::Said;
use sha2::{Digest, Sha256};
use smol_str::SmolStr;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// The devices of a fleet. What is removed leaves nothing behind.
#[derive(Clone, Debug, Default)]
pub struct Fleet {
    index: BTreeMap<DeviceId, u32>,
    rows: Vec<Option<Row>>,
    free: BTreeSet<u32>,
    names: Pool<SmolStr>,
    fields: Pool<FieldRef>,
    values: Pool<Keyed<Value>>,
    /// Fields with their values, as a source says them together.
    sets: Pool<Box<[(u32, u32)]>>,
    zones: Pool<Keyed<TimeZone>>,
    times: Pool<Option<Timestamp>>,
    present: Pool<Presence>,
    /// The installs of a device: numbers of `present`, sorted by what they are.
    packages: Pool<Arc<[u32]>>,
    universes: Pool<Keyed<Universe>>,
    /// Which devices have a release in a slot.
    holders: BTreeMap<u32, RoaringBitmap>,
    /// The releases of a title that anybody has.
    by_title: BTreeMap<TitleId, BTreeSet<u32>>,
    overlays: BTreeMap<u32, Box<Overlay>>,
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

    /// Adds a device, or replaces what is known of it.
    pub fn put(&mut self, device: &Device) {
        self.remove(&device.id);
        let number = self.free.pop_first().unwrap_or(self.rows.len() as u32);
        let row = self.row_of(device);
        for &present in self.packages.get(row.packages).map(Arc::clone).as_deref().unwrap_or_default() {
            self.holders.entry(present).or_default().insert(number);
        }
        if number as usize == self.rows.len() {
            self.rows.push(Some(row));
        } else if let Some(place) = self.rows.get_mut(number as usize) {
            *place = Some(row);
        }
        self.index.insert(device.id.clone(), number);
        self.devices.insert(number);
        let overlay = overlay_of(device);
        if overlay != Overlay::NONE {
            self.overlays.insert(number, Box::new(overlay));
        }
    }

    /// Removes a device, and whatever nobody else has; whether it was there.
    pub fn remove(&mut self, id: &DeviceId) -> bool {
        let Some(number) = self.index.remove(id) else { return false };
        self.overlays.remove(&number);
        self.devices.remove(number);
        if let Some(row) = self.rows.get_mut(number as usize).and_then(Option::take) {
            self.release(number, row);
        }
        self.free.insert(number);
        while matches!(self.rows.last(), Some(None)) {
            self.rows.pop();
            self.free.remove(&(self.rows.len() as u32));
        }
        true
    }

    /// The device as it was put in, its installs in the order of their slots.
    pub fn device(&self, id: &DeviceId) -> Option<Device> {
        let number = *self.index.get(id)?;
        let row = self.row(number)?;
        let overlay = self.overlay(number);
        let mut device = Device::new(row.id.clone(), row.seen);
        for said in &row.records {
            let source = said.source.and_then(|source| self.names.get(source)).cloned();
            for (field, value) in self.sets.get(said.set)?.iter() {
                let value = (*self.values.get(*value)?.value).clone();
                let fact = Fact { value, source: source.clone(), observed: said.observed };
                device.facts.insert(self.fields.get(*field)?.clone(), fact);
            }
        }
        device.timezone = row.zone.and_then(|zone| self.zones.get(zone)).map(|zone| (*zone.value).clone());
        device.enrolled = row.enrolled;
        device.seen_by = self.names.get(row.seen_by)?.clone();
        device.offers = (*self.universes.get(row.universe)?.value).clone();
        for (&present, &since) in self.packages.get(row.packages)?.iter().zip(&row.since) {
            let known = self.present.get(present)?;
            device.installs.push(Install {
                title: known.title.clone(),
                branch: known.branch.clone(),
                profile: known.profile.clone(),
                version: known.version.clone(),
                since: *self.times.get(since)?,
            });
        }
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

    /// All devices, by id.
    pub fn ids(&self) -> impl Iterator<Item = &DeviceId> {
        self.index.keys()
    }

    /// The number of a device, by which bitmaps know it. Numbers of devices that are gone are given to others.
    pub fn number(&self, id: &DeviceId) -> Option<u32> {
        self.index.get(id).copied()
    }

    /// The id behind a number.
    pub fn id(&self, number: u32) -> Option<&DeviceId> {
        self.row(number).map(|row| &row.id)
    }

    /// The numbers of all devices.
    pub fn numbers(&self) -> &RoaringBitmap {
        &self.devices
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

    pub(super) fn zone(&self, number: u32) -> Option<&TimeZone> {
        self.zones.get(number).map(|zone| zone.value.as_ref())
    }

    pub(super) fn name(&self, number: u32) -> Option<&SmolStr> {
        self.names.get(number)
    }

    pub(super) fn value(&self, number: u32) -> Option<&Value> {
        self.values.get(number).map(|value| value.value.as_ref())
    }

    pub(super) fn universe(&self, number: u32) -> Option<&Universe> {
        self.universes.get(number).map(|universe| universe.value.as_ref())
    }

    pub(super) fn field(&self, field: &FieldRef) -> Option<u32> {
        self.fields.number(field)
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
            .filter_map(|number| Some((*number, self.present.get(*number)?, self.holders.get(number)?)))
            .collect();
        found.sort_by(|a, b| a.1.cmp(b.1));
        found
    }

    /// The titles that a device has.
    pub(super) fn titles_on(&self, row: &Row) -> impl Iterator<Item = &TitleId> {
        let set = self.packages.get(row.packages).map(Arc::as_ref).unwrap_or_default();
        set.iter().filter_map(|number| Some(&self.present.get(*number)?.title))
    }

    /// Since when a device has an install.
    pub(super) fn since(&self, row: &Row, present: u32) -> Option<Timestamp> {
        let set = self.packages.get(row.packages)?;
        let place = set.iter().position(|number| *number == present)?;
        self.times.get(*row.since.get(place)?).copied().flatten()
    }

    /// What a field of a device is, after all its sources have been heard: of what is not too old, what the most
    /// trusted source says; of sources that nobody ranked, what was observed last.
    pub(super) fn resolve(
        &self,
        row: &Row,
        field: u32,
        (order, root): (&[SmolStr], Root),
        staleness: &Staleness,
        now: Timestamp,
    ) -> Option<u32> {
        let mut best: Option<(Trust<'_>, u32)> = None;
        for said in &row.records {
            let Some(set) = self.sets.get(said.set) else { continue };
            let Ok(at) = set.binary_search_by_key(&field, |(known, _)| *known) else { continue };
            let Some((_, value)) = set.get(at) else { continue };
            let source = said.source.and_then(|source| self.names.get(source));
            if let Some(observed) = said.observed {
                let default = if root == Root::Person { PERSON_STALE_AFTER } else { DEVICE_STALE_AFTER };
                let after = source.and_then(|source| staleness.stale_after.get(source)).copied().unwrap_or(default);
                if observed.checked_add(after).is_ok_and(|end| end < now) {
                    continue;
                }
            }
            let rank = match source {
                None => 0,
                Some(source) => order.iter().position(|listed| listed == source).map_or(usize::MAX, |rank| rank + 1),
            };
            let trust = (rank, Reverse(said.observed.unwrap_or(Timestamp::MAX)), source);
            if best.as_ref().is_none_or(|(known, _)| trust < *known) {
                best = Some((trust, *value));
            }
        }
        best.map(|(_, value)| value)
    }

    fn row_of(&mut self, device: &Device) -> Row {
        let digest = Sha256::digest(device.id.as_str().as_bytes());
        let mut installs: Vec<(Presence, Option<Timestamp>)> = device
            .installs
            .iter()
            .map(|install| {
                let present = Presence {
                    title: install.title.clone(),
                    branch: install.branch.clone(),
                    profile: install.profile.clone(),
                    version: install.version.clone(),
                };
                (present, install.since)
            })
            .collect();
        installs.sort();
        let since = installs.iter().map(|(_, since)| self.times.hold(*since).0).collect();
        let numbers: Vec<u32> = installs.into_iter().map(|(present, _)| self.hold_presence(present)).collect();
        // The set holds each of its releases once; where another device has the same set, it holds them already.
        let (packages, new) = self.packages.hold(numbers.clone().into());
        if !new {
            numbers.into_iter().for_each(|number| self.release_presence(number));
        }
        let records = self.records_of(device);
        Row {
            id: device.id.clone(),
            point: u16::from_be_bytes([digest[0], digest[1]]),
            records,
            zone: device.timezone.as_ref().map(|zone| self.zones.hold(Keyed::zone(zone)).0),
            enrolled: device.enrolled,
            seen: device.seen,
            seen_by: self.names.hold(device.seen_by.clone()).0,
            packages,
            since,
            universe: self.universes.hold(Keyed::universe(&device.offers)).0,
        }
    }

    /// The facts of a device, by who said them and when.
    fn records_of(&mut self, device: &Device) -> Box<[Said]> {
        let mut together: BTreeMap<Observation<'_>, Vec<(&FieldRef, &Value)>> = BTreeMap::new();
        for field in device.facts.fields() {
            for fact in device.facts.said(field) {
                together.entry((fact.source.as_ref(), fact.observed)).or_default().push((field, &fact.value));
            }
        }
        let mut records = Vec::new();
        for ((source, observed), facts) in together {
            let mut set: Vec<(u32, u32)> = facts
                .into_iter()
                .map(|(field, value)| (self.fields.hold(field.clone()).0, self.values.hold(Keyed::fact(value)).0))
                .collect();
            set.sort_unstable();
            let source = source.map(|source| self.names.hold(source.clone()).0);
            let (number, new) = self.sets.hold(set.clone().into());
            if !new {
                self.release_set(&set);
            }
            records.push(Said { source, observed, set: number });
        }
        records.into()
    }

    fn hold_presence(&mut self, present: Presence) -> u32 {
        let title = present.title.clone();
        let (number, new) = self.present.hold(present);
        if new {
            self.by_title.entry(title).or_default().insert(number);
        }
        number
    }

    fn release_presence(&mut self, number: u32) {
        if let Some(gone) = self.present.release(number)
            && let Some(numbers) = self.by_title.get_mut(&gone.title)
        {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.by_title.remove(&gone.title);
            }
        }
    }

    fn release_set(&mut self, set: &[(u32, u32)]) {
        for (field, value) in set {
            self.fields.release(*field);
            self.values.release(*value);
        }
    }

    fn release(&mut self, number: u32, row: Row) {
        for said in &row.records {
            if let Some(source) = said.source {
                self.names.release(source);
            }
            if let Some(set) = self.sets.release(said.set) {
                self.release_set(&set);
            }
        }
        if let Some(zone) = row.zone {
            self.zones.release(zone);
        }
        self.names.release(row.seen_by);
        for since in &row.since {
            self.times.release(*since);
        }
        for &present in self.packages.get(row.packages).map(Arc::clone).as_deref().unwrap_or_default() {
            if let Some(holders) = self.holders.get_mut(&present) {
                holders.remove(number);
                if holders.is_empty() {
                    self.holders.remove(&present);
                }
            }
        }
        if let Some(set) = self.packages.release(row.packages) {
            set.iter().for_each(|present| self.release_presence(*present));
        }
        self.universes.release(row.universe);
    }
}

/// How much a fact is trusted, the most first: the rank of its source, its age, the source's name.
type Trust<'f> = (usize, Reverse<Timestamp>, Option<&'f SmolStr>);

/// Who said something, and when it was observed.
type Observation<'d> = (Option<&'d SmolStr>, Option<Timestamp>);

static NOTHING_OF_ITS_OWN: Overlay = Overlay::NONE;

/// The sources of a field, the most trusted first.
pub(super) fn ranked<'a>(authority: &'a Authority, field: &FieldRef) -> &'a [SmolStr] {
    authority.order.get(field).map(Vec::as_slice).unwrap_or_default()
}

fn overlay_of(device: &Device) -> Overlay {
    Overlay {
        identity_in_doubt: device.identity_in_doubt,
        unheard: device.unheard,
        absences: device.absences.clone(),
        spells: device.spells.clone(),
        first_offers: device.first_offers.clone(),
        deferrals_used: device.deferrals_used.clone(),
        admitted_before: device.admitted_before.clone(),
        decided_before: device.decided_before.clone(),
    }
}
