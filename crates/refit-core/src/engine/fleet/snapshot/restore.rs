//! A fleet from the bytes of a snapshot.

use super::{
    super::{Fleet, Known, Moment, Row, Said, Told, moment::Times},
    MAGIC, Section, SnapshotError, VERSION, checksum,
    code::In,
    values,
};
use crate::engine::intern::{Pool, hash_of};
use refit_model::DeviceId;
use roaring::RoaringBitmap;
use std::{hash::Hash, sync::Arc};

/// How long the head of a frame is.
const HEAD: usize = 9;

/// Values with how many hold them, by number.
type Slots<T> = Vec<Option<(T, u32)>>;

/// What has been read.
#[derive(Default)]
struct Read {
    fleet: Fleet,
    names: Slots<smol_str::SmolStr>,
    fields: Slots<crate::facts::FieldRef>,
    values: Slots<Known>,
    sets: Slots<Box<[(u32, u32)]>>,
    zones: Slots<super::super::Zone>,
    far: Slots<jiff::Timestamp>,
    present: Slots<super::super::Presence>,
    packages: Slots<Arc<[u32]>>,
    universes: Slots<Told>,
}

impl Fleet {
    /// The fleet that a snapshot was taken of.
    pub fn restore(bytes: &[u8]) -> Result<Fleet, SnapshotError> {
        let rest = bytes.strip_prefix(MAGIC.as_slice()).ok_or(SnapshotError::NotOne)?;
        let (version, mut rest) = rest.split_first_chunk::<4>().ok_or(SnapshotError::NotOne)?;
        let found = u32::from_le_bytes(*version);
        if found != VERSION {
            return Err(SnapshotError::OtherVersion { found });
        }
        let (mut read, mut frames, mut last) = (Read::default(), 0, Section::Names);
        loop {
            let at = bytes.len() - rest.len();
            let damaged = |what| SnapshotError::Damaged { at, what };
            let mut head = In { bytes: rest };
            let (section, length, sum) = head
                .byte()
                .zip(head.number())
                .zip(head.number())
                .map(|((section, length), sum)| (section, length as usize, sum))
                .ok_or_else(|| damaged("it ends before it is complete"))?;
            let body = rest.get(HEAD..).and_then(|rest| rest.get(..length));
            let body = body.ok_or_else(|| damaged("it ends before it is complete"))?;
            if checksum(section, body) != sum {
                return Err(damaged("a checksum does not hold"));
            }
            rest = rest.get(HEAD + length..).unwrap_or_default();
            frames += 1;
            let section = Section::ALL.into_iter().find(|known| *known as u8 == section);
            let section = section.ok_or_else(|| damaged("something is in it that this version does not have"))?;
            let mut items = In { bytes: body };
            if section == Section::End {
                if items.number() != Some(frames - 1) || !items.bytes.is_empty() || !rest.is_empty() {
                    return Err(damaged("it does not end where it says"));
                }
                return read.complete().ok_or_else(|| damaged("its parts do not belong together"));
            }
            if section < last {
                return Err(damaged("its parts are in another order"));
            }
            last = section;
            while !items.bytes.is_empty() {
                read.item(section, &mut items).ok_or_else(|| damaged("a value can't be read"))?;
            }
        }
    }
}

impl Read {
    fn item(&mut self, section: Section, bytes: &mut In<'_>) -> Option<()> {
        match section {
            Section::End => return None,
            Section::Names => slot(&mut self.names, bytes, |bytes| bytes.small_text())?,
            Section::Fields => slot(&mut self.fields, bytes, values::read_field)?,
            Section::Values => slot(&mut self.values, bytes, |bytes| values::read_value(bytes).map(Known))?,
            Section::Sets => slot(&mut self.sets, bytes, |bytes| Some(bytes.pairs()?.collect()))?,
            Section::Zones => slot(&mut self.zones, bytes, values::read_zone)?,
            Section::Far => slot(&mut self.far, bytes, |bytes| bytes.time())?,
            Section::Present => slot(&mut self.present, bytes, values::read_presence)?,
            Section::Packages => slot(&mut self.packages, bytes, |bytes| Some(bytes.numbers()?.collect()))?,
            Section::Universes => slot(&mut self.universes, bytes, |bytes| {
                values::read_universe(bytes).map(|universe| Told(Arc::new(universe)))
            })?,
            Section::Rows => {
                let row = bytes.maybe(read_row)?;
                self.fleet.rows.push(row);
            }
            Section::Overlays => {
                let number = bytes.number()?;
                let overlay = values::read_overlay(bytes)?;
                self.fleet.rows.get(number as usize)?.as_ref()?;
                self.fleet.set_overlay(number, overlay);
            }
            Section::Holders => {
                let holders = RoaringBitmap::deserialize_from(bytes.raw()?).ok()?;
                self.fleet.holders.push(holders);
            }
        }
        Some(())
    }

    /// Works out what was not written.
    fn complete(self) -> Option<Fleet> {
        let mut fleet = self.fleet;
        fleet.names = Pool::restored(self.names)?;
        fleet.fields = Pool::restored(self.fields)?;
        fleet.values = Pool::restored(self.values)?;
        fleet.sets = Pool::restored(self.sets)?;
        fleet.zones = Pool::restored(self.zones)?;
        fleet.far = Pool::restored(self.far)?;
        fleet.present = Pool::restored(self.present)?;
        fleet.packages = Pool::restored(self.packages)?;
        fleet.universes = Pool::restored(self.universes)?;
        if fleet.holders.len() != fleet.present.width() {
            return None;
        }
        for (number, present) in fleet.present.numbered() {
            fleet.by_title.entry(present.title.clone()).or_default().insert(number);
        }
        let known = |(field, value): &(u32, u32)| fleet.fields.get(*field).is_some() && fleet.value(*value).is_some();
        fleet.sets.numbered().all(|(_, set)| set.iter().all(known)).then_some(())?;
        let mut numbers: Vec<u32> = Vec::with_capacity(fleet.rows.len());
        for (number, row) in (0..).zip(&fleet.rows) {
            let Some(row) = row else {
                fleet.free.insert(number);
                continue;
            };
            // What a row names has to be there, or later changes would take away what others have.
            fleet.packages.get(row.packages)?;
            fleet.universes.get(row.universe)?;
            fleet.names.get(row.seen_by)?;
            row.seen.get(&fleet.far)?;
            row.zone.checked_sub(1).is_none_or(|zone| fleet.zones.get(zone).is_some()).then_some(())?;
            row.records.iter().all(|said| fleet.sets.get(said.set).is_some()).then_some(())?;
            numbers.push(number);
        }
        let Fleet { index, rows, .. } = &mut fleet;
        let hash = |number: &u32| rows.get(*number as usize).and_then(Option::as_ref).map_or(0, |row| hash_of(&row.id));
        index.reserve(numbers.len(), hash);
        for number in &numbers {
            index.insert_unique(hash(number), *number, hash);
        }
        numbers.iter().for_each(|number| fleet.note(*number));
        fleet.devices = RoaringBitmap::from_sorted_iter(numbers).ok()?;
        Some(fleet)
    }
}

fn slot<T>(slots: &mut Slots<T>, bytes: &mut In<'_>, read: impl FnOnce(&mut In<'_>) -> Option<T>) -> Option<()> {
    let value = match bytes.number()? {
        0 => None,
        holders => Some((read(bytes)?, holders)),
    };
    slots.push(value);
    Some(())
}

fn read_row(bytes: &mut In<'_>) -> Option<Row> {
    let (id, point) = (DeviceId::new(bytes.text()?), bytes.short()?);
    let records = bytes.list(|bytes| {
        Some(Said { observed: Moment::from_bits(bytes.long()?), source: bytes.number()?, set: bytes.number()? })
    })?;
    let distinct = bytes.longs()?.map(Moment::from_bits).collect();
    let since = Times::from_parts(distinct, bytes.raw()?.into());
    Some(Row {
        id,
        point,
        records: records.into(),
        since,
        enrolled: Moment::from_bits(bytes.long()?),
        seen: Moment::from_bits(bytes.long()?),
        seen_by: bytes.number()?,
        packages: bytes.number()?,
        universe: bytes.number()?,
        zone: bytes.number()?,
    })
}

impl<T: Hash + Eq> Pool<T> {
    /// A pool of values by number, with how many hold each.
    fn restored(slots: Slots<T>) -> Option<Pool<T>> {
        // The last is held, or there would be no room for it.
        if matches!(slots.last(), Some(None)) {
            return None;
        }
        Some(Pool::of(slots))
    }
}
