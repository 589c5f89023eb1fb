//! The devices of a fleet, in memory: what they share is kept once, what is their own in rows
//! (docs/concepts/engine.md).

mod change;
mod export;
mod key;
mod moment;
mod row;

pub use change::Change;
pub(super) use key::{Known, Presence, Told, Universe, Zone};
pub(super) use moment::Moment;
pub(super) use row::{Brief, Overlay, Row, Said};

use super::intern::{Map, Pool, hash_of};
use crate::{
    facts::{Fact, FieldRef, Value},
    world::{Device, Install},
};
use hashbrown::HashTable;
use jiff::{Timestamp, tz::TimeZone};
use moment::{FarAway, Times};
use refit_model::{DeviceId, TitleId};
use roaring::RoaringBitmap;
use sha2::{Digest, Sha256};
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
    briefs: Vec<Brief>,
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

    /// Adds a device, or replaces what is known of it. A device that is there keeps its number.
    pub fn put(&mut self, device: &Device) {
        let known = self.number(&device.id);
        self.remove(&device.id);
        let number = match known {
            Some(number) => {
                // Room at the end may have been given back.
                while self.rows.len() < number as usize {
                    self.free.insert(self.rows.len() as u32);
                    self.rows.push(None);
                }
                self.free.remove(&number);
                number
            }
            None => self.free.pop_first().unwrap_or(self.rows.len() as u32),
        };
        let row = self.row_of(device);
        for &present in self.packages.get(row.packages).map(Arc::as_ref).unwrap_or_default() {
            if let Some(holders) = self.holders.get_mut(present as usize) {
                holders.insert(number);
            }
        }
        if number as usize == self.rows.len() {
            self.rows.push(Some(row));
        } else if let Some(place) = self.rows.get_mut(number as usize) {
            *place = Some(row);
        }
        let Fleet { index, rows, .. } = self;
        index.insert_unique(hash_of(&device.id), number, |number| {
            rows.get(*number as usize).and_then(Option::as_ref).map_or(0, |row| hash_of(&row.id))
        });
        self.devices.insert(number);
        let overlay = overlay_of(device);
        let has_overlay = overlay != Overlay::NONE;
        if has_overlay {
            self.overlays.insert(number, Box::new(overlay));
        }
        self.briefs.resize(self.rows.len(), Brief::default());
        if let (Some(Some(row)), Some(brief)) = (self.rows.get(number as usize), self.briefs.get_mut(number as usize)) {
            *brief = Brief { universe: row.universe, zone: row.zone, point: row.point, has_overlay };
        }
    }

    /// Removes a device, and whatever nobody else has; whether it was there.
    pub fn remove(&mut self, id: &DeviceId) -> bool {
        let Some(number) = self.number(id) else { return false };
        if let Ok(found) = self.index.find_entry(hash_of(id), |known| *known == number) {
            found.remove();
        }
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
        self.briefs.truncate(self.rows.len());
        true
    }

    /// The device as it was put in, its installs in the order of their slots.
    pub fn device(&self, id: &DeviceId) -> Option<Device> {
        let number = self.number(id)?;
        let row = self.row(number)?;
        let overlay = self.overlay(number);
        let mut device = Device::new(row.id.clone(), row.seen.get(&self.far)?);
        for said in &row.records {
            let source = self.source(*said).cloned();
            let observed = said.observed.get(&self.far);
            for (field, value) in self.sets.get(said.set)?.iter() {
                let fact = Fact { value: self.values.get(*value)?.0.clone(), source: source.clone(), observed };
                device.facts.insert(self.fields.get(*field)?.clone(), fact);
            }
        }
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

    /// What decisions ask of every device for every title.
    pub(super) fn brief(&self, number: u32) -> Brief {
        self.briefs.get(number as usize).copied().unwrap_or_default()
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

    fn row_of(&mut self, device: &Device) -> Row {
        let digest = Sha256::digest(device.id.as_str().as_bytes());
        let (packages, since) = self.installs_from(&device.installs);
        let records = self.records_of(device);
        let far = &mut self.far;
        let (enrolled, seen) = (Moment::hold(device.enrolled, far), Moment::hold(Some(device.seen), far));
        Row {
            id: device.id.clone(),
            point: u16::from_be_bytes([digest[0], digest[1]]),
            records,
            zone: device.timezone.as_ref().map_or(0, |zone| self.hold_zone(zone) + 1),
            enrolled,
            seen,
            seen_by: self.hold_name(&device.seen_by),
            packages,
            since,
            universe: self.hold_universe(&device.offers),
        }
    }

    fn hold_name(&mut self, name: &SmolStr) -> u32 {
        self.names.hold_as(hash_of(name), |known| known == name, || name.clone()).0
    }

    fn hold_zone(&mut self, zone: &TimeZone) -> u32 {
        let name = Zone::name(zone);
        let same = |known: &Zone| known.name == name;
        self.zones.hold_as(hash_of(&name), same, || Zone { name: name.clone(), zone: zone.clone() }).0
    }

    fn hold_universe(&mut self, offers: &Universe) -> u32 {
        let told = || Told(Arc::new(offers.clone()));
        self.universes.hold_as(Told::hash_of(offers), |known| known.says(offers), told).0
    }

    /// The set of what is installed, and since when each of it is.
    fn installs_from(&mut self, installs: &[Install]) -> (u32, Times) {
        let mut rows: Vec<(u32, bool, Moment)> = Vec::with_capacity(installs.len());
        for install in installs {
            let (present, new) = self.find_presence(install);
            rows.push((present, new, Moment::hold(install.since, &mut self.far)));
        }
        rows.sort_unstable();
        let numbers: Arc<[u32]> = rows.iter().map(|(present, _, _)| *present).collect();
        let (packages, unknown) = self.packages.hold(numbers);
        // The set holds each of its releases once; what is new is held already.
        if unknown {
            for (present, new, _) in &rows {
                if !new {
                    self.present.hold_again(*present);
                }
            }
        }
        let since: Vec<Moment> = rows.iter().map(|(_, _, since)| *since).collect();
        (packages, Times::new(&since, &mut self.far))
    }

    /// The number of a release in a slot; one that nobody has had is held from then on.
    fn find_presence(&mut self, install: &Install) -> (u32, bool) {
        let same = |known: &Presence| {
            known.version.as_str() == install.version.as_str()
                && known.title == install.title
                && known.branch == install.branch
                && known.profile == install.profile
                && known.version.scheme() == install.version.scheme()
        };
        let hash = hash_of(&(install.title.as_str(), install.version.as_str()));
        if let Some(number) = self.present.number_as(hash, same) {
            return (number, false);
        }
        let (number, _) = self.present.hold(Presence {
            title: install.title.clone(),
            branch: install.branch.clone(),
            profile: install.profile.clone(),
            version: install.version.clone(),
        });
        self.by_title.entry(install.title.clone()).or_default().insert(number);
        if self.holders.len() <= number as usize {
            self.holders.resize_with(number as usize + 1, RoaringBitmap::new);
        }
        (number, true)
    }

    /// The facts of a device, by who said them and when.
    fn records_of(&mut self, device: &Device) -> Box<[Said]> {
        let mut facts: Vec<(Option<&SmolStr>, Option<Timestamp>, &FieldRef, &Value)> = Vec::new();
        for field in device.facts.fields() {
            facts.extend(
                device.facts.said(field).iter().map(|fact| (fact.source.as_ref(), fact.observed, field, &fact.value)),
            );
        }
        facts.sort_by_key(|(source, observed, _, _)| (*source, *observed));
        let mut records = Vec::new();
        for together in facts.chunk_by(|one, other| (one.0, one.1) == (other.0, other.1)) {
            let Some((source, observed, _, _)) = together.first() else { continue };
            let mut set: Vec<(u32, u32)> = Vec::with_capacity(together.len());
            for (_, _, field, value) in together {
                let field = self.fields.hold_as(hash_of(*field), |known| known == *field, || (*field).clone()).0;
                set.push((field, self.values.hold(Known((*value).clone())).0));
            }
            set.sort_unstable();
            let source = source.map_or(0, |source| self.hold_name(source) + 1);
            let (number, new) = self.sets.hold(set.clone().into());
            if !new {
                self.release_set(&set);
            }
            records.push(Said { source, observed: Moment::hold(*observed, &mut self.far), set: number });
        }
        records.into()
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
            if let Some(source) = said.source.checked_sub(1) {
                self.names.release(source);
            }
            said.observed.release(&mut self.far);
            if let Some(set) = self.sets.release(said.set) {
                self.release_set(&set);
            }
        }
        if let Some(zone) = row.zone.checked_sub(1) {
            self.zones.release(zone);
        }
        self.names.release(row.seen_by);
        let own = row.since.distinct().iter().chain([&row.enrolled, &row.seen]);
        own.for_each(|moment| moment.release(&mut self.far));
        for &present in self.packages.get(row.packages).map(Arc::as_ref).unwrap_or_default() {
            if let Some(holders) = self.holders.get_mut(present as usize) {
                holders.remove(number);
            }
        }
        if let Some(set) = self.packages.release(row.packages) {
            set.iter().for_each(|present| self.release_presence(*present));
        }
        self.holders.truncate(self.present.width());
        self.universes.release(row.universe);
    }
}

static NOTHING_OF_ITS_OWN: Overlay = Overlay::NONE;

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
