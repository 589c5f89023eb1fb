//! Classes: devices of which decisions ask the same, and hear the same.

use super::super::{
    fleet::Fleet,
    select::{Selection, Sets},
};
use crate::{
    facts::{FieldRef, Root, Value},
    policy::{
        expr::{Expr, Text, Truth},
        repository::Repository,
    },
    world::Applied,
};
use jiff::Timestamp;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// How many truths stand in one word, of two bits each.
const TRUTHS: usize = 16;

/// The classes of a fleet at a time.
#[derive(Debug)]
pub(super) struct Classes {
    /// By number of device.
    of: Vec<u32>,
    /// What each class says, in words: truths, then codes of fields, zone, universe, and more.
    said: Vec<Box<[u32]>>,
    /// Conditions by text, in the order of their truths.
    conditions: BTreeMap<Text, usize>,
    /// The fields whose codes are kept, in order.
    fields: Vec<FieldRef>,
    /// Where the codes begin.
    codes: usize,
}

/// What a class says, as the cells of one title look at it.
pub(super) struct Class<'c> {
    classes: &'c Classes,
    words: &'c [u32],
}

/// The field that says the platform.
pub(super) fn platform() -> FieldRef {
    FieldRef::device("platform")
}

/// The field that says the kind.
pub(super) fn kind() -> FieldRef {
    FieldRef::device("kind")
}

/// The field that says the phase.
pub(super) fn phase() -> FieldRef {
    FieldRef::device("phase")
}

impl Classes {
    /// Partitions a fleet.
    pub fn new(fleet: &Fleet, repository: &Repository, applied: &Applied, selection: &mut Selection<'_>) -> Classes {
        let mut conditions = BTreeMap::new();
        let mut sets: Vec<Sets> = Vec::new();
        for condition in conditions_on_devices(repository) {
            if !conditions.contains_key(condition.text()) {
                conditions.insert(condition.text().clone(), sets.len());
                sets.push(selection.select(condition));
            }
        }
        let mut fields: BTreeSet<FieldRef> = BTreeSet::from([platform(), kind(), phase()]);
        for condition in conditions_on_exposures(repository) {
            fields.extend(condition.fields().iter().filter(|field| field.root != Root::Exposure).cloned());
        }
        let fields: Vec<FieldRef> = fields.into_iter().collect();
        let applied = applied_times(applied);
        let codes = sets.len().div_ceil(TRUTHS);
        let width = codes + fields.len() + 4;
        let mut words = vec![0u32; width * fleet.width()];
        for (place, sets) in sets.iter().enumerate() {
            let shift = 2 * (place % TRUTHS);
            for (devices, bits) in [(&sets.holds, 1u32), (&sets.unknown, 2)] {
                for device in devices {
                    if let Some(word) = words.get_mut(device as usize * width + place / TRUTHS) {
                        *word |= bits << shift;
                    }
                }
            }
        }
        for field in &fields {
            selection.columns.ask(field);
        }
        let columns: Vec<_> = fields.iter().filter_map(|field| selection.columns.get(field)).collect();
        let mut known: BTreeMap<Box<[u32]>, u32> = BTreeMap::new();
        let mut of = vec![0; fleet.width()];
        for device in fleet.numbers() {
            let Some(row) = fleet.row(device) else { continue };
            let from = device as usize * width;
            let Some(own) = words.get_mut(from..from + width) else { continue };
            let asked = columns.iter().map(|column| column.code(device));
            let enrolled = applied.iter().filter(|applied| row.enrolled.is_some_and(|enrolled| enrolled > **applied));
            let others = [
                row.zone.map_or(0, |zone| zone + 1),
                row.universe,
                u32::from(fleet.overlay(device).identity_in_doubt),
                enrolled.count() as u32,
            ];
            own.iter_mut().skip(codes).zip(asked.chain(others)).for_each(|(word, said)| *word = said);
            let next = known.len() as u32;
            let class = match known.get(&*own) {
                Some(class) => *class,
                None => *known.entry((&*own).into()).or_insert(next),
            };
            if let Some(place) = of.get_mut(device as usize) {
                *place = class;
            }
        }
        let mut said: Vec<Box<[u32]>> = vec![Box::default(); known.len()];
        for (words, class) in known {
            if let Some(place) = said.get_mut(class as usize) {
                *place = words;
            }
        }
        Classes { of, said, conditions, fields, codes }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.said.len()
    }

    /// The class of a device.
    pub fn of(&self, device: u32) -> u32 {
        self.of.get(device as usize).copied().unwrap_or(0)
    }

    /// What a class says.
    pub fn get(&self, class: u32) -> Option<Class<'_>> {
        self.said.get(class as usize).map(|words| Class { classes: self, words })
    }

    /// The fields whose values classes tell apart.
    pub fn fields(&self) -> &[FieldRef] {
        &self.fields
    }
}

impl Class<'_> {
    /// What a condition on devices says of its devices.
    pub fn truth(&self, condition: &Expr) -> Truth {
        let Some(&place) = self.classes.conditions.get(condition.text()) else { return Truth::Unknown };
        let word = self.words.get(place / TRUTHS).copied().unwrap_or(0);
        match word >> (2 * (place % TRUTHS)) & 3 {
            1 => Truth::True,
            2 => Truth::Unknown,
            _ => Truth::False,
        }
    }

    /// The code of a field.
    pub fn code(&self, field: &FieldRef) -> u32 {
        let place = self.classes.fields.iter().position(|known| known == field);
        place.map_or(0, |place| self.words.get(self.classes.codes + place).copied().unwrap_or(0))
    }

    fn other(&self, place: usize) -> u32 {
        self.words.get(self.classes.codes + self.classes.fields.len() + place).copied().unwrap_or(0)
    }

    /// The zone, by its number from 1 on; 0 is not known.
    pub fn zone(&self) -> u32 {
        self.other(0)
    }

    /// The universe.
    pub fn universe(&self) -> u32 {
        self.other(1)
    }

    /// Whether two histories claim the identity.
    pub fn doubt(&self) -> bool {
        self.other(2) == 1
    }

    /// How many of the times at which something first applied had passed when the devices were enrolled.
    pub fn enrolled(&self) -> u32 {
        self.other(3)
    }
}

/// A text value.
pub(super) fn text(value: Option<&Value>) -> Option<&str> {
    match value {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    }
}

fn conditions_on_devices(repository: &Repository) -> impl Iterator<Item = &Arc<Expr>> {
    let policies = repository.policies.iter().filter_map(|policy| policy.condition.as_ref());
    let rings = repository.rollouts.values().flat_map(|rollout| &rollout.rings);
    let rings = rings.filter_map(|ring| ring.condition.as_ref());
    let blocks = repository.blocks.iter().filter_map(|block| block.condition.as_ref());
    let freezes = repository.freezes.iter().filter_map(|freeze| freeze.condition.as_ref());
    let exceptions = repository.exceptions.iter().filter_map(|exception| exception.condition.as_ref());
    policies.chain(rings).chain(blocks).chain(freezes).chain(exceptions)
}

fn conditions_on_exposures(repository: &Repository) -> impl Iterator<Item = &Arc<Expr>> {
    let entries = repository.policies.iter().flat_map(|policy| &policy.deadline);
    let entries = entries.filter_map(|entry| entry.condition.as_ref());
    let freezes = repository.freezes.iter().filter_map(|freeze| freeze.unless.as_ref());
    let exceptions = repository.exceptions.iter().map(|exception| &exception.unless);
    entries.chain(freezes).chain(exceptions)
}

fn applied_times(applied: &Applied) -> Vec<Timestamp> {
    let times = applied.all.iter().chain(applied.policies.values()).chain(applied.entries.values());
    let times: BTreeSet<Timestamp> = times.copied().collect();
    times.into_iter().collect()
}
