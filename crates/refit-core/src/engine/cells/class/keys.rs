//! Which devices no condition can tell apart: a few bits of each field, gathered column by column.
//!
//! Of a field nothing counts but what the parts of conditions that ask it say, unless a part asks several fields or somebody reads the value
//! itself. So a column of thousands of values comes down to a handful of numbers, all of them to one or two words for a device, and truths are
//! worked out once for each such word.

use super::super::super::{
    fleet::Fleet,
    intern::Map,
    select::{Column, Columns},
};
use crate::{
    facts::FieldRef,
    policy::expr::{Formula, Part, Text, Truth},
};
use jiff::Timestamp;
use std::collections::BTreeSet;

/// How many bits a word has.
const WORD: u32 = 64;

/// The keys of devices: who has the same is in the same class.
pub(super) struct Keys {
    /// Of how many words each consists.
    width: usize,
    words: Vec<u64>,
}

/// What parts of conditions say, by the code of the one field that they ask.
pub(super) struct Tables<'c> {
    columns: &'c Columns,
    now: Timestamp,
    tables: Vec<(Option<&'c Column>, Vec<Truth>)>,
    /// Places in `tables`, by address of the part.
    places: Map<usize, usize>,
}

impl<'c> Tables<'c> {
    /// Of all parts of formulas, which stay where they are.
    pub fn new(columns: &'c Columns, formulas: &[Formula], now: Timestamp) -> Tables<'c> {
        let (mut tables, mut places) = (Vec::new(), Map::default());
        let mut known: Map<&Text, usize> = Map::default();
        for part in formulas.iter().flat_map(Formula::parts) {
            let [field] = part.fields.as_slice() else { continue };
            let place = *known.entry(&part.key).or_insert_with(|| {
                tables.push((columns.get(field), columns.truths(part, now)));
                tables.len() - 1
            });
            places.insert(std::ptr::from_ref(part).addr(), place);
        }
        Tables { columns, now, tables, places }
    }

    /// What a part says of a device.
    pub fn truth(&self, part: &Part, device: u32) -> Truth {
        let place = self.places.get(&std::ptr::from_ref(part).addr());
        match place.and_then(|place| self.tables.get(*place)) {
            Some((column, truths)) => {
                let code = column.map_or(0, |column| column.code(device));
                truths.get(code as usize).copied().unwrap_or(Truth::Unknown)
            }
            None => self.columns.truth(part, device, self.now),
        }
    }

    /// What those parts say that ask a field and nothing else, each for every code.
    fn of<'t>(&'t self, field: &Column) -> impl Iterator<Item = &'t [Truth]> {
        let field = std::ptr::from_ref(field);
        let of_field = move |column: &Option<&Column>| column.is_some_and(|column| std::ptr::eq(column, field));
        self.tables.iter().filter(move |(column, _)| of_field(column)).map(|(_, truths)| truths.as_slice())
    }
}

impl Keys {
    /// Of a fleet: `kept` are the fields of which the value itself counts, and what `enrolled` says of a device is less than `enrolments`.
    pub fn new(
        fleet: &Fleet,
        tables: &Tables<'_>,
        formulas: &[Formula],
        kept: &[FieldRef],
        enrolments: usize,
        enrolled: impl Fn(u32) -> u32,
    ) -> Keys {
        let parts: Vec<&Part> = formulas.iter().flat_map(Formula::parts).collect();
        let together = parts.iter().filter(|part| part.fields.len() > 1).flat_map(|part| &part.fields);
        let whole: BTreeSet<&FieldRef> = kept.iter().chain(together).collect();
        let asked: BTreeSet<&FieldRef> = parts.iter().flat_map(|part| &part.fields).chain(kept).collect();
        let mut layout = Layout::default();
        let mut columns: Vec<(&Column, Vec<u32>, Place)> = Vec::new();
        for field in asked {
            let Some(column) = tables.columns.get(field) else { continue };
            let (numbers, count) = match whole.contains(field) {
                true => ((0..=column.values() as u32).collect(), column.values() + 1),
                false => alike(column.values() + 1, tables.of(column)),
            };
            columns.push((column, numbers, layout.next(count)));
        }
        let (doubt, since) = (layout.next(2), layout.next(enrolments));
        let mut keys = Keys { width: layout.words, words: vec![0; layout.words * fleet.width()] };
        for (column, numbers, place) in &columns {
            let words = keys.words.iter_mut().skip(place.word).step_by(keys.width);
            for (word, code) in words.zip(column.codes()) {
                *word |= u64::from(numbers.get(*code as usize).copied().unwrap_or(0)) << place.shift;
            }
        }
        for device in fleet.in_doubt() {
            keys.add(device, doubt, 1);
        }
        if enrolments > 1 {
            for device in fleet.numbers() {
                keys.add(device, since, enrolled(device));
            }
        }
        keys
    }

    fn add(&mut self, device: u32, place: Place, number: u32) {
        if let Some(word) = self.words.get_mut(device as usize * self.width + place.word) {
            *word |= u64::from(number) << place.shift;
        }
    }

    /// The key of a device.
    pub fn of(&self, device: u32) -> &[u64] {
        let from = device as usize * self.width;
        self.words.get(from..from + self.width).unwrap_or_default()
    }
}

/// Where a number stands in a key.
#[derive(Clone, Copy)]
struct Place {
    word: usize,
    shift: u32,
}

/// Gives numbers their places, none of which is in two words.
struct Layout {
    words: usize,
    used: u32,
}

impl Default for Layout {
    fn default() -> Self {
        Layout { words: 1, used: 0 }
    }
}

impl Layout {
    /// The place of a number of which there are so many.
    fn next(&mut self, count: usize) -> Place {
        let bits = usize::BITS - count.saturating_sub(1).leading_zeros();
        if self.used + bits > WORD {
            (self.words, self.used) = (self.words + 1, 0);
        }
        // What has no bits may stand after the last.
        let place = Place { word: self.words - 1, shift: self.used.min(WORD - 1) };
        self.used += bits;
        place
    }
}

/// Numbers of codes of which nobody says anything different, and how many there are.
fn alike<'t>(codes: usize, truths: impl Iterator<Item = &'t [Truth]>) -> (Vec<u32>, usize) {
    let truths: Vec<&[Truth]> = truths.collect();
    let mut known: Map<Vec<Option<Truth>>, u32> = Map::default();
    let numbers = (0..codes).map(|code| {
        let said = truths.iter().map(|truths| truths.get(code).copied()).collect();
        let next = known.len() as u32;
        *known.entry(said).or_insert(next)
    });
    let numbers: Vec<u32> = numbers.collect();
    (numbers, known.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_beside_each_other_and_in_one_word_each() {
        let mut layout = Layout::default();
        let at = |place: Place| (place.word, place.shift);
        assert_eq!([1, 2, 3, 4, 5].map(|count| at(layout.next(count))), [(0, 0), (0, 0), (0, 1), (0, 3), (0, 5)]);
        assert_eq!(at(layout.next(1 << 56)), (0, 8));
        assert_eq!(at(layout.next(1)), (0, 63), "what is always 0 needs no room");
        assert_eq!((at(layout.next(2)), layout.words), ((1, 0), 2));
    }

    #[test]
    fn codes_are_alike_where_everybody_says_the_same() {
        let (holds, not, unknown) = (Truth::True, Truth::False, Truth::Unknown);
        let (one, other) = ([unknown, holds, not, holds], [unknown, not, not, not]);
        assert_eq!(alike(4, [one.as_slice(), &other].into_iter()), (vec![0, 1, 2, 1], 3));
        assert_eq!(alike(3, std::iter::empty()), (vec![0, 0, 0], 1));
    }
}
