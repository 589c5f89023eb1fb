//! Values that many devices share, kept once and counted.

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use std::{
    collections::BTreeSet,
    hash::{BuildHasher, Hash},
};

/// A map whose order nobody sees: what leaves the engine is sorted. Its hashes have no secret, and are the same on every run.
pub(super) type Map<K, V> = std::collections::HashMap<K, V, FixedState>;

/// The hash of a value, the same on every run.
pub(super) fn hash_of(value: &(impl Hash + ?Sized)) -> u64 {
    FixedState::default().hash_one(value)
}

/// A pool of values. Each is kept once, under a small number, for as long as somebody holds it; the last to let go
/// removes it.
#[derive(Clone, Debug)]
pub(super) struct Pool<T> {
    /// Numbers, by the hash of their values.
    numbers: HashTable<u32>,
    entries: Vec<Option<Entry<T>>>,
    free: BTreeSet<u32>,
}

#[derive(Clone, Debug)]
struct Entry<T> {
    value: T,
    holders: u32,
    /// Of the value, which lies elsewhere: a table that grows does not look there, and here it takes no room that anything else needs.
    hash: Short,
}

/// Half of a hash. Two values with the same are told apart by comparing them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Short(u32);

impl Short {
    fn of(hash: u64) -> Short {
        Short((hash ^ (hash >> 32)) as u32)
    }

    /// As long as tables want it, which go by its lowest and by its highest bits.
    fn long(self) -> u64 {
        u64::from(self.0) << 32 | u64::from(self.0)
    }
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self { numbers: HashTable::new(), entries: Vec::new(), free: BTreeSet::new() }
    }
}

impl<T: Hash + Eq> Pool<T> {
    /// A pool with such values by number, each with how many hold it.
    pub fn of(slots: Vec<Option<(T, u32)>>) -> Pool<T> {
        let entry = |(value, holders): (T, u32)| Entry { hash: Short::of(hash_of(&value)), value, holders };
        let entries: Vec<Option<Entry<T>>> = slots.into_iter().map(|held| held.map(entry)).collect();
        let mut pool = Pool { numbers: HashTable::with_capacity(entries.len()), entries, free: BTreeSet::new() };
        let Pool { numbers, entries, free } = &mut pool;
        for (number, held) in (0..).zip(entries.iter()) {
            match held {
                Some(entry) => {
                    numbers.insert_unique(entry.hash.long(), number, |number| Self::hash_at(entries, *number));
                }
                None => drop(free.insert(number)),
            }
        }
        pool
    }

    fn hash_at(entries: &[Option<Entry<T>>], number: u32) -> u64 {
        entries.get(number as usize).and_then(Option::as_ref).map_or(0, |entry| entry.hash.long())
    }

    /// Takes hold of a value: its number, and whether nobody held it before.
    pub fn hold(&mut self, value: T) -> (u32, bool) {
        let hash = hash_of(&value);
        match self.held(hash, |known| *known == value) {
            Some(number) => (number, false),
            None => (self.add(hash, value), true),
        }
    }

    /// As [`Pool::hold`], of a value that is only made where nobody holds it: its hash, what is the same, and the value.
    pub fn hold_as(&mut self, hash: u64, same: impl Fn(&T) -> bool, make: impl FnOnce() -> T) -> (u32, bool) {
        match self.held(hash, same) {
            Some(number) => (number, false),
            None => (self.add(hash, make()), true),
        }
    }

    /// Takes hold once more of what somebody holds.
    pub fn hold_again(&mut self, number: u32) {
        if let Some(Some(entry)) = self.entries.get_mut(number as usize) {
            entry.holders += 1;
        }
    }

    fn held(&mut self, hash: u64, same: impl Fn(&T) -> bool) -> Option<u32> {
        let number = self.number_as(hash, same)?;
        self.hold_again(number);
        Some(number)
    }

    fn add(&mut self, hash: u64, value: T) -> u32 {
        let hash = Short::of(hash);
        let entry = Some(Entry { value, holders: 1, hash });
        let number = match self.free.pop_first() {
            Some(number) => {
                if let Some(place) = self.entries.get_mut(number as usize) {
                    *place = entry;
                }
                number
            }
            None => {
                self.entries.push(entry);
                (self.entries.len() - 1) as u32
            }
        };
        let Pool { numbers, entries, .. } = self;
        numbers.insert_unique(hash.long(), number, |number| Self::hash_at(entries, *number));
        number
    }

    /// Lets go of a value; the value itself where nobody holds it any more.
    pub fn release(&mut self, number: u32) -> Option<T> {
        let place = self.entries.get_mut(number as usize)?;
        let entry = place.as_mut()?;
        entry.holders -= 1;
        if entry.holders > 0 {
            return None;
        }
        let entry = place.take()?;
        if let Ok(found) = self.numbers.find_entry(entry.hash.long(), |known| *known == number) {
            found.remove();
        }
        self.free.insert(number);
        // Room at the end is given back, so that a fleet that has shrunk is small.
        while matches!(self.entries.last(), Some(None)) {
            self.entries.pop();
            self.free.remove(&(self.entries.len() as u32));
        }
        Some(entry.value)
    }

    /// The number of a value that somebody holds: its hash, and what is the same.
    pub fn number_as(&self, hash: u64, same: impl Fn(&T) -> bool) -> Option<u32> {
        let hash = Short::of(hash);
        let is = |number: &u32| {
            let entry = self.entries.get(*number as usize).and_then(Option::as_ref);
            entry.is_some_and(|entry| entry.hash == hash && same(&entry.value))
        };
        self.numbers.find(hash.long(), is).copied()
    }

    /// The number of a value that somebody holds.
    pub fn number(&self, value: &T) -> Option<u32> {
        self.number_as(hash_of(value), |known| known == value)
    }
}

impl<T> Pool<T> {
    /// The value of that number.
    pub fn get(&self, number: u32) -> Option<&T> {
        self.entries.get(number as usize)?.as_ref().map(|entry| &entry.value)
    }

    /// How many hold a value.
    pub fn holders(&self, number: u32) -> u32 {
        self.entries.get(number as usize).and_then(Option::as_ref).map_or(0, |entry| entry.holders)
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// By number, each value with how many hold it; `None` where nobody holds anything.
    pub fn slots(&self) -> impl Iterator<Item = Option<(&T, u32)>> {
        self.entries.iter().map(|entry| entry.as_ref().map(|entry| (&entry.value, entry.holders)))
    }

    /// All values with their numbers.
    pub fn numbered(&self) -> impl Iterator<Item = (u32, &T)> {
        (0..).zip(&self.entries).filter_map(|(number, entry)| Some((number, &entry.as_ref()?.value)))
    }

    /// How much memory it takes, without what its values have elsewhere.
    pub fn bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Option<Entry<T>>>() + self.numbers.allocation_size()
    }

    /// One more than the greatest number.
    pub fn width(&self) -> usize {
        self.entries.len()
    }
}

impl<T: Ord> Pool<T> {
    /// All values with their numbers, in the order of the values.
    pub fn sorted(&self) -> Vec<(&T, u32)> {
        let held = (0..).zip(&self.entries).filter_map(|(number, entry)| Some((&entry.as_ref()?.value, number)));
        let mut held: Vec<(&T, u32)> = held.collect();
        held.sort();
        held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_kept_once_and_goes_with_its_last_holder() {
        let mut pool = Pool::default();
        assert_eq!((pool.hold("a"), pool.hold("b"), pool.hold("a")), ((0, true), (1, true), (0, false)));
        assert_eq!(pool.hold_as(hash_of("b"), |known| *known == "b", || "b"), (1, false));
        assert_eq!((pool.release(0), pool.release(1)), (None, None));
        assert_eq!(pool.release(0), Some("a"));
        assert_eq!((pool.len(), pool.get(0), pool.number(&"b")), (1, None, Some(1)));
        assert_eq!(pool.hold("c"), (0, true), "numbers are used again");
        assert_eq!(pool.sorted(), [(&"b", 1), (&"c", 0)]);
        pool.release(0);
        pool.release(1);
        assert_eq!((pool.len(), pool.width(), pool.free.len()), (0, 0, 0));
    }

    #[test]
    fn many_values_are_found_again() {
        let mut pool = Pool::default();
        let numbers: Vec<u32> = (0..10_000u64).map(|value| pool.hold(value * 7).0).collect();
        for (value, number) in (0..10_000u64).zip(numbers) {
            assert_eq!((pool.number(&(value * 7)), pool.get(number)), (Some(number), Some(&(value * 7))));
            assert_eq!(pool.release(number), Some(value * 7));
        }
        assert_eq!((pool.len(), pool.width()), (0, 0));
    }
}
