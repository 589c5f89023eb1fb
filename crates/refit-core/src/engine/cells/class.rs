//! Classes: devices of which decisions ask the same, and hear the same.

use super::super::{
    fleet::Fleet,
    intern::Map,
    select::{Columns, Selection, Sets},
};
use crate::{
    facts::{FieldRef, Root, Value},
    policy::{
        expr::{Expr, Formula, Text, Truth},
        repository::Repository,
    },
    world::Applied,
};
use jiff::Timestamp;
use std::{collections::BTreeSet, sync::Arc};

/// How many truths stand in one word, of two bits each.
const TRUTHS: usize = 16;

/// The classes of a fleet at a time.
#[derive(Clone, Debug)]
pub(super) struct Classes {
    /// By number of device.
    of: Vec<u32>,
    /// What each class says, in words: truths, then codes of fields, and more.
    said: Vec<Arc<[u32]>>,
    known: Map<Arc<[u32]>, u32>,
    /// Conditions by text, in the order of their truths.
    conditions: Map<Text, usize>,
    /// The conditions, in the order of their truths.
    formulas: Vec<Formula>,
    /// The fields whose codes are kept, in order.
    fields: Vec<FieldRef>,
    /// The times at which something first applied, in order.
    applied: Vec<Timestamp>,
    /// Where the codes begin.
    codes: usize,
}

/// A condition, as classes answer it: the place of its truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Asked(usize);

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
        let (mut conditions, mut formulas): (Map<Text, usize>, _) = (Map::default(), Vec::new());
        let mut sets: Vec<Sets> = Vec::new();
        for condition in conditions_on_devices(repository) {
            if !conditions.contains_key(condition.text()) {
                conditions.insert(condition.text().clone(), sets.len());
                sets.push(selection.select(condition));
                formulas.push(condition.formula());
            }
        }
        let mut fields: BTreeSet<FieldRef> = BTreeSet::from([platform(), kind(), phase()]);
        for condition in conditions_on_exposures(repository) {
            fields.extend(condition.fields().iter().filter(|field| field.root != Root::Exposure).cloned());
        }
        let fields: Vec<FieldRef> = fields.into_iter().collect();
        let codes = sets.len().div_ceil(TRUTHS);
        let applied = applied_times(applied);
        let (of, said, known) = (vec![0; fleet.width()], Vec::new(), Map::default());
        let mut classes = Classes { of, said, known, conditions, formulas, fields, applied, codes };
        let width = classes.width();
        let mut words = vec![0u32; width * fleet.width()];
        for (place, sets) in sets.iter().enumerate() {
            for (devices, bits) in [(&sets.holds, HOLDS), (&sets.unknown, UNKNOWN)] {
                for device in devices {
                    let own = words.get_mut(device as usize * width..).unwrap_or_default();
                    set(own, place, bits);
                }
            }
        }
        selection.read(&classes.fields);
        for device in fleet.numbers() {
            let from = device as usize * width;
            let Some(own) = words.get_mut(from..from + width) else { continue };
            classes.fill(fleet, &selection.columns, device, own);
            let class = classes.number_of(own);
            if let Some(place) = classes.of.get_mut(device as usize) {
                *place = class;
            }
        }
        classes
    }

    fn width(&self) -> usize {
        self.codes + self.fields.len() + 2
    }

    /// What is said of a device besides truths.
    fn fill(&self, fleet: &Fleet, columns: &Columns, device: u32, words: &mut [u32]) {
        let enrolled = fleet.row(device).and_then(|row| fleet.enrolled(row));
        let enrolled = enrolled.map_or(0, |enrolled| self.applied.partition_point(|applied| *applied < enrolled));
        let asked = self.fields.iter().map(|field| columns.get(field).map_or(0, |column| column.code(device)));
        let others = [u32::from(fleet.overlay(device).identity_in_doubt), enrolled as u32];
        words.iter_mut().skip(self.codes).zip(asked.chain(others)).for_each(|(word, said)| *word = said);
    }

    fn number_of(&mut self, words: &[u32]) -> u32 {
        if let Some(class) = self.known.get(words) {
            return *class;
        }
        let (class, words): (u32, Arc<[u32]>) = (self.said.len() as u32, words.into());
        self.said.push(Arc::clone(&words));
        self.known.insert(words, class);
        class
    }

    /// Looks at one device anew, of which the columns speak already. The next time at which what conditions say of it changes by
    /// itself; `None`: never.
    pub fn renew(&mut self, fleet: &Fleet, columns: &Columns, device: u32, now: Timestamp) -> Option<Timestamp> {
        let mut words = vec![0u32; self.width()];
        for (place, formula) in self.formulas.iter().enumerate() {
            match formula.truth(&mut |part| columns.truth(part, device, now)) {
                Truth::True => set(&mut words, place, HOLDS),
                Truth::Unknown => set(&mut words, place, UNKNOWN),
                Truth::False => {}
            }
        }
        self.fill(fleet, columns, device, &mut words);
        let class = self.number_of(&words);
        if self.of.len() <= device as usize {
            self.of.resize(device as usize + 1, 0);
        }
        if let Some(place) = self.of.get_mut(device as usize) {
            *place = class;
        }
        self.next_change(columns, device, now)
    }

    /// The next time at which what conditions say of a device changes by itself; `None`: never.
    pub fn next_change(&self, columns: &Columns, device: u32, now: Timestamp) -> Option<Timestamp> {
        let parts = self.formulas.iter().flat_map(Formula::parts).filter(|part| part.expr.depends_on_now());
        parts.filter_map(|part| columns.next_change(part, device, now)).min()
    }

    /// Whether the passing of time alone can change what any condition says.
    pub fn depend_on_now(&self) -> bool {
        self.formulas.iter().flat_map(Formula::parts).any(|part| part.expr.depends_on_now())
    }

    /// A condition that will be asked of many classes.
    pub fn asked(&self, condition: &Expr) -> Asked {
        // What no class answers is unknown: no class has that place.
        Asked(self.conditions.get(condition.text()).copied().unwrap_or(usize::MAX))
    }

    /// The place of a field of which the codes are asked of many classes.
    pub fn place(&self, field: &FieldRef) -> Option<usize> {
        self.fields.iter().position(|known| known == field)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.said.len()
    }

    /// The class of a device.
    pub fn of(&self, device: u32) -> u32 {
        self.of.get(device as usize).copied().unwrap_or(0)
    }

    /// Says in which class a device is, which is one that there is.
    pub fn set(&mut self, device: u32, class: u32) {
        if let Some(place) = self.of.get_mut(device as usize) {
            *place = class;
        }
    }

    /// What a class says.
    pub fn get(&self, class: u32) -> Option<Class<'_>> {
        self.said.get(class as usize).map(|words| Class { classes: self, words })
    }
}

impl Class<'_> {
    /// What a condition on devices says of its devices.
    pub fn truth(&self, condition: &Expr) -> Truth {
        self.says(self.classes.asked(condition))
    }

    /// The same of one that was looked up.
    pub fn says(&self, Asked(place): Asked) -> Truth {
        if place >= self.classes.formulas.len() {
            return Truth::Unknown;
        }
        let word = self.words.get(place / TRUTHS).copied().unwrap_or(0);
        match word >> (2 * (place % TRUTHS)) & 3 {
            HOLDS => Truth::True,
            UNKNOWN => Truth::Unknown,
            _ => Truth::False,
        }
    }

    /// The code of a field.
    pub fn code(&self, field: &FieldRef) -> u32 {
        self.code_at(self.classes.place(field))
    }

    /// The same of one that was looked up.
    pub fn code_at(&self, place: Option<usize>) -> u32 {
        place.map_or(0, |place| self.words.get(self.classes.codes + place).copied().unwrap_or(0))
    }

    fn other(&self, place: usize) -> u32 {
        self.words.get(self.classes.codes + self.classes.fields.len() + place).copied().unwrap_or(0)
    }

    /// Whether two histories claim the identity.
    pub fn doubt(&self) -> bool {
        self.other(0) == 1
    }

    /// How many of the times at which something first applied had passed when the devices were enrolled.
    pub fn enrolled(&self) -> u32 {
        self.other(1)
    }
}

const HOLDS: u32 = 1;
const UNKNOWN: u32 = 2;

/// Says in the words of a class what the condition of a place says.
fn set(words: &mut [u32], place: usize, bits: u32) {
    if let Some(word) = words.get_mut(place / TRUTHS) {
        *word |= bits << (2 * (place % TRUTHS));
    }
}

/// A text value.
pub(super) fn text(value: Option<&Value>) -> Option<&str> {
    match value {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    }
}

pub(super) fn conditions_on_devices(repository: &Repository) -> impl Iterator<Item = &Arc<Expr>> {
    let policies = repository.policies.iter().filter_map(|policy| policy.condition.as_ref());
    let rings = repository.rollouts.values().flat_map(|rollout| &rollout.rings);
    let rings = rings.filter_map(|ring| ring.condition.as_ref());
    let blocks = repository.blocks.iter().filter_map(|block| block.condition.as_ref());
    let freezes = repository.freezes.iter().filter_map(|freeze| freeze.condition.as_ref());
    let exceptions = repository.exceptions.iter().filter_map(|exception| exception.condition.as_ref());
    policies.chain(rings).chain(blocks).chain(freezes).chain(exceptions)
}

pub(super) fn conditions_on_exposures(repository: &Repository) -> impl Iterator<Item = &Arc<Expr>> {
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
