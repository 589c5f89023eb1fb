//! Classes: devices of which decisions ask the same, and hear the same.

mod keys;

use super::super::{fleet::Fleet, intern::Map, rules::Manner, select::Columns, size::table};
use crate::{
    facts::{FieldRef, Root, Value},
    policy::{
        expr::{Expr, Formula, Text, Truth},
        repository::Repository,
    },
    world::Applied,
};
use jiff::Timestamp;
use keys::{Keys, Tables};
use std::{
    collections::BTreeSet,
    sync::{Arc, LazyLock},
};

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
    /// The conditions of freezes, in their order.
    freezes: Vec<Option<Asked>>,
    /// What reading answers asks, each once.
    manners: Vec<Manner>,
    /// Places in `manners`, by class.
    manner_of: Vec<u32>,
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
    /// Partitions a fleet, of which all columns have been read.
    pub fn new(
        fleet: &Fleet,
        repository: &Repository,
        applied: &Applied,
        columns: &Columns,
        now: Timestamp,
    ) -> Classes {
        let (mut conditions, mut formulas): (Map<Text, usize>, _) = (Map::default(), Vec::new());
        for condition in conditions_on_devices(repository) {
            if !conditions.contains_key(condition.text()) {
                conditions.insert(condition.text().clone(), formulas.len());
                formulas.push(condition.formula());
            }
        }
        let mut fields: BTreeSet<FieldRef> = BTreeSet::from([platform(), kind(), phase()]);
        for condition in conditions_on_exposures(repository) {
            fields.extend(condition.asked().iter().filter(|field| field.root != Root::Exposure).cloned());
        }
        let fields: Vec<FieldRef> = fields.into_iter().collect();
        let codes = formulas.len().div_ceil(TRUTHS);
        let mut classes = Classes {
            of: vec![0; fleet.width()],
            said: Vec::new(),
            known: Map::default(),
            conditions,
            formulas,
            fields,
            applied: applied_times(applied),
            codes,
            freezes: Vec::new(),
            manners: Vec::new(),
            manner_of: Vec::new(),
        };
        let freezes = repository.freezes.iter();
        classes.freezes =
            freezes.map(|freeze| freeze.condition.as_ref().map(|condition| classes.asked(condition))).collect();
        let formulas = std::mem::take(&mut classes.formulas);
        let tables = Tables::new(columns, &formulas, now);
        let enrolments = classes.applied.len() + 1;
        let enrolled = |device| classes.enrolment(fleet, device);
        let keys = Keys::new(fleet, &tables, &formulas, &classes.fields, enrolments, enrolled);
        let mut words = Vec::new();
        let mut known: Map<&[u64], u32> = Map::default();
        for device in fleet.numbers() {
            let key = keys.of(device);
            let class = match known.get(key) {
                Some(class) => *class,
                None => {
                    let truths = formulas.iter().map(|formula| formula.truth(&mut |part| tables.truth(part, device)));
                    classes.tell(truths, fleet, columns, device, &mut words);
                    let class = classes.number_of(columns, &words);
                    known.insert(key, class);
                    class
                }
            };
            classes.set(device, class);
        }
        classes.formulas = formulas;
        classes
    }

    /// What is said of a device, in words.
    fn tell(
        &self,
        truths: impl Iterator<Item = Truth>,
        fleet: &Fleet,
        columns: &Columns,
        device: u32,
        words: &mut Vec<u32>,
    ) {
        words.clear();
        words.resize(self.codes, 0);
        for (place, truth) in truths.enumerate() {
            match truth {
                Truth::True => set(words, place, HOLDS),
                Truth::Unknown => set(words, place, UNKNOWN),
                Truth::False => {}
            }
        }
        words.extend(self.fields.iter().map(|field| columns.get(field).map_or(0, |column| column.code(device))));
        words.extend([u32::from(fleet.overlay(device).identity_in_doubt), self.enrolment(fleet, device)]);
    }

    /// How many of the times at which something first applied had passed when a device was enrolled.
    fn enrolment(&self, fleet: &Fleet, device: u32) -> u32 {
        let enrolled = fleet.row(device).and_then(|row| fleet.enrolled(row));
        enrolled.map_or(0, |enrolled| self.applied.partition_point(|applied| *applied < enrolled)) as u32
    }

    fn number_of(&mut self, columns: &Columns, words: &[u32]) -> u32 {
        if let Some(class) = self.known.get(words) {
            return *class;
        }
        let (class, words): (u32, Arc<[u32]>) = (self.said.len() as u32, words.into());
        self.said.push(Arc::clone(&words));
        self.known.insert(words, class);
        let manner = self.get(class).map(|class| class.manner(columns)).unwrap_or_default();
        let known = self.manners.iter().position(|known| *known == manner);
        let place = known.unwrap_or_else(|| {
            self.manners.push(manner);
            self.manners.len() - 1
        });
        self.manner_of.push(place as u32);
        class
    }

    /// Looks at one device anew, of which the columns speak already. The next time at which what conditions say of it changes by
    /// itself; `None`: never.
    pub fn renew(&mut self, fleet: &Fleet, columns: &Columns, device: u32, now: Timestamp) -> Option<Timestamp> {
        let mut words = Vec::new();
        let truths = self.formulas.iter().map(|formula| formula.truth(&mut |part| columns.truth(part, device, now)));
        self.tell(truths, fleet, columns, device, &mut words);
        let class = self.number_of(columns, &words);
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

    /// What reading the answer of a device asks of it, by its place among all such.
    pub fn manner_of(&self, device: u32) -> u32 {
        self.manner_of.get(self.of(device) as usize).copied().unwrap_or(0)
    }

    /// What reading answers asks, by that place.
    pub fn manner(&self, place: u32) -> &Manner {
        static NOTHING: LazyLock<Manner> = LazyLock::new(Manner::default);
        self.manners.get(place as usize).unwrap_or(&NOTHING)
    }

    /// How much memory they take, but for what there is once for each condition.
    pub fn bytes(&self) -> usize {
        let said = self.said.iter().map(|words| size_of_val(&**words) + 2 * size_of::<usize>()).sum::<usize>();
        (self.of.capacity() + self.manner_of.capacity()) * size_of::<u32>()
            + self.said.capacity() * size_of::<Arc<[u32]>>()
            + table(self.known.capacity(), size_of::<(Arc<[u32]>, u32)>())
            + said
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.said.len()
    }

    /// The class of a device.
    pub fn of(&self, device: u32) -> u32 {
        self.of.get(device as usize).copied().unwrap_or(0)
    }

    /// The classes of all devices, by number.
    pub fn of_all(&self) -> &[u32] {
        &self.of
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
        if place >= self.classes.conditions.len() {
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

    /// The value of a field.
    pub fn value<'a>(&self, columns: &'a Columns, field: &FieldRef) -> Option<&'a Value> {
        columns.get(field)?.value(self.code(field))
    }

    /// What reading answers asks of its devices.
    fn manner(&self, columns: &Columns) -> Manner {
        let value = |field: &FieldRef| text(self.value(columns, field));
        let may_be_server = match value(&kind()) {
            Some(kind) => kind == "server",
            None => !matches!(value(&platform()), Some("macos" | "ios" | "ipados" | "android" | "chromeos")),
        };
        // Whom a freeze may concern, it concerns.
        let freezes = self.classes.freezes.iter().enumerate();
        let freezes = freezes.filter(|(_, asked)| asked.is_none_or(|asked| !self.says(asked).is_false()));
        Manner {
            may_be_server,
            provisioning: value(&phase()) == Some("provisioning"),
            freezes: freezes.map(|(place, _)| place).collect(),
        }
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
