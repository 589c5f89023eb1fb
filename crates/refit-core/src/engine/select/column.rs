//! The columns of fields that somebody asks.

use super::super::fleet::{Fleet, ranked};
use crate::{
    facts::{Authority, FieldRef, Lookup, Staleness, Value},
    policy::expr::{Part, Truth},
};
use jiff::Timestamp;
use roaring::RoaringBitmap;
use std::{borrow::Cow, collections::BTreeMap};

use super::Sets;

/// What one field is, for each device.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    /// By number of device: 0 is unknown, others are places in `values` from 1 on.
    codes: Vec<u32>,
    /// The values that the field has anywhere.
    values: Vec<Value>,
}

/// All columns that were asked for, at one time.
#[derive(Debug)]
pub(crate) struct Columns<'f> {
    fleet: &'f Fleet,
    authority: &'f Authority,
    staleness: &'f Staleness,
    now: Timestamp,
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

impl<'f> Columns<'f> {
    pub fn new(fleet: &'f Fleet, authority: &'f Authority, staleness: &'f Staleness, now: Timestamp) -> Self {
        Self { fleet, authority, staleness, now, columns: BTreeMap::new() }
    }

    /// Reads a field of all devices, once.
    pub fn ask(&mut self, field: &FieldRef) -> &Column {
        let Columns { fleet, authority, staleness, now, columns } = self;
        columns.entry(field.clone()).or_insert_with(|| {
            let mut column = Column { codes: vec![0; fleet.width()], values: Vec::new() };
            let Some(number) = fleet.field(field) else { return column };
            let order = ranked(authority, field);
            let mut known: BTreeMap<u32, u32> = BTreeMap::new();
            for device in fleet.numbers() {
                let Some(row) = fleet.row(device) else { continue };
                let Some(value) = fleet.resolve(row, number, (order, field.root), staleness, *now) else { continue };
                let code = *known.entry(value).or_insert_with(|| {
                    column.values.extend(fleet.value(value).cloned());
                    column.values.len() as u32
                });
                if let Some(place) = column.codes.get_mut(device as usize) {
                    *place = code;
                }
            }
            column
        })
    }

    /// The column of a field that was asked before.
    pub fn get(&self, field: &FieldRef) -> Option<&Column> {
        self.columns.get(field)
    }

    /// Where a part holds: evaluated once for each distinct combination of values, then read off the columns.
    pub fn part(&mut self, part: &Part) -> Sets {
        for field in &part.fields {
            self.ask(field);
        }
        let columns: Vec<&Column> = part.fields.iter().filter_map(|field| self.columns.get(field)).collect();
        let truth = |codes: &[u32]| {
            let values = columns.iter().zip(codes).map(|(column, code)| column.value(*code)).collect();
            part.expr.truth(&Combination { fields: &part.fields, values }, self.now)
        };
        let mut sets = Sets::default();
        match columns.as_slice() {
            [] => match truth(&[]) {
                Truth::True => sets.holds.clone_from(self.fleet.numbers()),
                Truth::Unknown => sets.unknown.clone_from(self.fleet.numbers()),
                Truth::False => {}
            },
            [column] => {
                let table: Vec<Truth> = (0..=column.values.len() as u32).map(|code| truth(&[code])).collect();
                self.scan(&mut sets, |device| {
                    let code = column.codes.get(device as usize).copied().unwrap_or(0);
                    table.get(code as usize).copied().unwrap_or(Truth::Unknown)
                });
            }
            columns => {
                let mut table: BTreeMap<Vec<u32>, Truth> = BTreeMap::new();
                self.scan(&mut sets, |device| {
                    let codes: Vec<u32> = columns.iter().map(|column| column.code(device)).collect();
                    if let Some(known) = table.get(&codes) {
                        return *known;
                    }
                    let truth = truth(&codes);
                    table.insert(codes, truth);
                    truth
                });
            }
        }
        sets
    }

    fn scan(&self, sets: &mut Sets, mut truth: impl FnMut(u32) -> Truth) {
        let (mut holds, mut unknown) = (Vec::new(), Vec::new());
        for device in self.fleet.numbers() {
            match truth(device) {
                Truth::True => holds.push(device),
                Truth::Unknown => unknown.push(device),
                Truth::False => {}
            }
        }
        // They come in order, so nothing is looked for.
        sets.holds = RoaringBitmap::from_sorted_iter(holds).unwrap_or_default();
        sets.unknown = RoaringBitmap::from_sorted_iter(unknown).unwrap_or_default();
    }
}

impl Column {
    /// The code of a device; 0 is unknown.
    pub fn code(&self, device: u32) -> u32 {
        self.codes.get(device as usize).copied().unwrap_or(0)
    }

    /// The value behind a code.
    pub fn value(&self, code: u32) -> Option<&Value> {
        self.values.get((code as usize).checked_sub(1)?)
    }
}
