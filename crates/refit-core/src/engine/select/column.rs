//! The columns of fields that somebody asks.

use super::{
    super::{
        fleet::{Fleet, Known},
        intern::Map,
    },
    Sets,
    resolve::Resolver,
};
use crate::{
    facts::{FieldRef, Lookup, Value},
    policy::{
        expr::{Part, Truth},
        repository::Repository,
    },
};
use jiff::Timestamp;
use roaring::RoaringBitmap;
use std::{borrow::Cow, collections::BTreeMap};

/// What one field is, for each device.
#[derive(Clone, Debug, Default)]
pub(crate) struct Column {
    /// By number of device: 0 is unknown, others are places in `values` from 1 on.
    codes: Vec<u32>,
    /// The values that the field has anywhere.
    values: Vec<Value>,
    /// The codes of values, by their numbers in the fleet.
    known: Paged,
}

/// Small numbers by numbers that lie close together: a page at a time.
#[derive(Clone, Debug, Default)]
struct Paged(Vec<Option<Box<[u32; 1 << PAGE]>>>);

/// How many numbers a page has, as a power of two.
const PAGE: u32 = 10;

/// All columns that were asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Columns {
    columns: BTreeMap<FieldRef, Column>,
}

/// Some fields with their values.
pub(crate) struct Combination<'a> {
    pub fields: &'a [FieldRef],
    pub values: Vec<Option<&'a Value>>,
}

impl Lookup for Combination<'_> {
    fn get(&self, field: &FieldRef) -> Option<Cow<'_, Value>> {
        let place = self.fields.iter().position(|known| known == field)?;
        self.values.get(place).copied().flatten().map(Cow::Borrowed)
    }
}

impl Columns {
    /// Reads fields of all devices, those that have not been read yet, all in one pass.
    pub fn read<'a>(
        &mut self,
        fleet: &Fleet,
        repository: &Repository,
        now: Timestamp,
        fields: impl IntoIterator<Item = &'a FieldRef>,
    ) {
        let wanted: Vec<&FieldRef> = fields.into_iter().filter(|field| !self.columns.contains_key(*field)).collect();
        if wanted.is_empty() {
            return;
        }
        let mut columns: Vec<Column> =
            wanted.iter().map(|_| Column { codes: vec![0; fleet.width()], ..Column::default() }).collect();
        let mut resolver = Resolver::new(fleet, repository, now, &wanted);
        for device in fleet.numbers() {
            let Some(row) = fleet.row(device) else { continue };
            for (column, value) in columns.iter_mut().zip(resolver.resolve(row)) {
                let code = column.code_of(fleet, *value);
                column.put(device, code);
            }
        }
        self.columns.extend(wanted.into_iter().cloned().zip(columns));
    }

    /// Reads all fields of one device anew, also of one that is gone. The last instant at which all that counts now still counts, in
    /// nanoseconds since 1970; `None`: for ever.
    pub fn renew(&mut self, fleet: &Fleet, repository: &Repository, now: Timestamp, device: u32) -> Option<i128> {
        let fields: Vec<FieldRef> = self.columns.keys().cloned().collect();
        let fields: Vec<&FieldRef> = fields.iter().collect();
        let Some(row) = fleet.row(device) else {
            self.columns.values_mut().for_each(|column| column.put(device, 0));
            return None;
        };
        let mut resolver = Resolver::new(fleet, repository, now, &fields);
        for (column, value) in self.columns.values_mut().zip(resolver.resolve(row)) {
            let code = column.renewed_code_of(fleet, *value);
            column.put(device, code);
        }
        resolver.until()
    }

    /// For one device after the other, the last instant at which all that counts now of it still counts, in nanoseconds since 1970;
    /// `None`: for ever.
    pub fn fresh_until<'f>(
        &self,
        fleet: &'f Fleet,
        repository: &Repository,
        now: Timestamp,
    ) -> impl FnMut(u32) -> Option<i128> + use<'f> {
        let fields: Vec<&FieldRef> = self.columns.keys().collect();
        let mut resolver = Resolver::new(fleet, repository, now, &fields);
        move |device| {
            resolver.resolve(fleet.row(device)?);
            resolver.until()
        }
    }

    /// How much memory they take.
    pub fn bytes(&self) -> usize {
        self.columns.values().map(Column::bytes).sum()
    }

    /// The column of a field that was asked before.
    pub fn get(&self, field: &FieldRef) -> Option<&Column> {
        self.columns.get(field)
    }

    /// What a part says of one device.
    pub fn truth(&self, part: &Part, device: u32, now: Timestamp) -> Truth {
        part.expr.truth(&self.of(part, device), now)
    }

    /// When time alone changes what a part says of one device.
    pub fn next_change(&self, part: &Part, device: u32, now: Timestamp) -> Option<Timestamp> {
        part.expr.next_change(&self.of(part, device), now)
    }

    fn of<'a>(&'a self, part: &'a Part, device: u32) -> Combination<'a> {
        let column = |field| self.columns.get(field);
        let values = part.fields.iter().map(|field| column(field).and_then(|column| column.value(column.code(device))));
        Combination { fields: &part.fields, values: values.collect() }
    }

    /// What a part that asks one field says, by the code of that.
    pub fn truths(&self, part: &Part, now: Timestamp) -> Vec<Truth> {
        let column = part.fields.first().and_then(|field| self.columns.get(field));
        let truth = |code: u32| {
            let values = vec![column.and_then(|column| column.value(code))];
            part.expr.truth(&Combination { fields: &part.fields, values }, now)
        };
        (0..=column.map_or(0, Column::values) as u32).map(truth).collect()
    }

    /// Where a part holds: evaluated once for each distinct combination of values, then read off the columns.
    pub fn part(&mut self, fleet: &Fleet, repository: &Repository, now: Timestamp, part: &Part) -> Sets {
        self.read(fleet, repository, now, &part.fields);
        let columns: Vec<&Column> = part.fields.iter().filter_map(|field| self.columns.get(field)).collect();
        let truth = |codes: &[u32]| {
            let values = columns.iter().zip(codes).map(|(column, code)| column.value(*code)).collect();
            part.expr.truth(&Combination { fields: &part.fields, values }, now)
        };
        match columns.as_slice() {
            [] => {
                let mut sets = Sets::default();
                match truth(&[]) {
                    Truth::True => sets.holds.clone_from(fleet.numbers()),
                    Truth::Unknown => sets.unknown.clone_from(fleet.numbers()),
                    Truth::False => {}
                }
                sets
            }
            [column] => {
                let table: Vec<u8> = self.truths(part, now).into_iter().map(bits).collect();
                scan(fleet, column.codes.iter().map(|code| table.get(*code as usize).copied().unwrap_or(UNKNOWN)))
            }
            columns => {
                let mut table: Map<Vec<u32>, u8> = Map::default();
                let mut codes: Vec<u32> = Vec::with_capacity(columns.len());
                let devices = 0..fleet.width() as u32;
                scan(
                    fleet,
                    devices.map(|device| {
                        codes.clear();
                        codes.extend(columns.iter().map(|column| column.code(device)));
                        match table.get(&codes) {
                            Some(known) => *known,
                            None => *table.entry(codes.clone()).or_insert_with(|| bits(truth(&codes))),
                        }
                    }),
                )
            }
        }
    }
}

/// Where something holds and is unknown, from what is said of each number in turn.
fn scan(fleet: &Fleet, truths: impl Iterator<Item = u8>) -> Sets {
    let bytes = fleet.width().div_ceil(8);
    let (mut holds, mut unknown) = (Vec::with_capacity(bytes), Vec::with_capacity(bytes));
    let (mut place, mut both) = (0, (0u8, 0u8));
    for truth in truths {
        both.0 |= (truth & HOLDS) << place;
        both.1 |= (truth >> 1) << place;
        place += 1;
        if place == 8 {
            holds.push(both.0);
            unknown.push(both.1);
            (place, both) = (0, (0, 0));
        }
    }
    holds.push(both.0);
    unknown.push(both.1);
    let mut sets =
        Sets { holds: RoaringBitmap::from_lsb0_bytes(0, &holds), unknown: RoaringBitmap::from_lsb0_bytes(0, &unknown) };
    // Of numbers that no device has nothing is known either.
    if fleet.len() < fleet.width() {
        sets.holds &= fleet.numbers();
        sets.unknown &= fleet.numbers();
    }
    sets
}

const HOLDS: u8 = 1;
const UNKNOWN: u8 = 2;

fn bits(truth: Truth) -> u8 {
    match truth {
        Truth::True => HOLDS,
        Truth::Unknown => UNKNOWN,
        Truth::False => 0,
    }
}

impl Column {
    /// The code of a value, by its number in the fleet.
    fn code_of(&mut self, fleet: &Fleet, value: Option<u32>) -> u32 {
        let Some(number) = value else { return 0 };
        match self.known.get(number) {
            0 => {
                self.values.extend(fleet.value(number).cloned());
                let code = self.values.len() as u32;
                self.known.set(number, code);
                code
            }
            code => code,
        }
    }

    /// The same after changes: the numbers of values that nobody had any more are given to others.
    fn renewed_code_of(&mut self, fleet: &Fleet, value: Option<u32>) -> u32 {
        if let Some(number) = value {
            let known = self.value(self.known.get(number)).zip(fleet.value(number));
            if !known.is_some_and(|(known, value)| Known::same(known, value)) {
                self.known.set(number, 0);
            }
        }
        self.code_of(fleet, value)
    }

    fn put(&mut self, device: u32, code: u32) {
        let device = device as usize;
        if code != 0 && self.codes.len() <= device {
            self.codes.resize(device + 1, 0);
        }
        if let Some(place) = self.codes.get_mut(device) {
            *place = code;
        }
    }

    /// The code of a device; 0 is unknown.
    pub fn code(&self, device: u32) -> u32 {
        self.codes.get(device as usize).copied().unwrap_or(0)
    }

    fn bytes(&self) -> usize {
        let pages = self.known.0.iter().flatten().count();
        self.codes.capacity() * size_of::<u32>()
            + self.values.capacity() * size_of::<Value>()
            + pages * size_of::<[u32; 1 << PAGE]>()
    }

    /// The codes of all devices that there were when it was read, by number.
    pub fn codes(&self) -> &[u32] {
        &self.codes
    }

    /// How many values there are; their codes go from 1 on.
    pub fn values(&self) -> usize {
        self.values.len()
    }

    /// The value behind a code.
    pub fn value(&self, code: u32) -> Option<&Value> {
        self.values.get((code as usize).checked_sub(1)?)
    }
}

impl Paged {
    /// 0 where nothing was set.
    fn get(&self, number: u32) -> u32 {
        let page = self.0.get((number >> PAGE) as usize).and_then(Option::as_ref);
        page.and_then(|page| page.get((number & ((1 << PAGE) - 1)) as usize)).copied().unwrap_or(0)
    }

    fn set(&mut self, number: u32, to: u32) {
        let page = (number >> PAGE) as usize;
        if self.0.len() <= page {
            self.0.resize(page + 1, None);
        }
        if let Some(page) = self.0.get_mut(page)
            && let Some(place) =
                page.get_or_insert_with(|| Box::new([0; 1 << PAGE])).get_mut((number & ((1 << PAGE) - 1)) as usize)
        {
            *place = to;
        }
    }
}
