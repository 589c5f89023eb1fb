//! Values that many devices share, kept once and counted.

use std::collections::{BTreeMap, BTreeSet};

/// A pool of values. Each is kept once, under a small number, for as long as somebody holds it; the last to let go
/// removes it.
#[derive(Clone, Debug)]
pub(super) struct Pool<T> {
    numbers: BTreeMap<T, u32>,
    entries: Vec<Option<Entry<T>>>,
    free: BTreeSet<u32>,
}

#[derive(Clone, Debug)]
struct Entry<T> {
    value: T,
    holders: u32,
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self { numbers: BTreeMap::new(), entries: Vec::new(), free: BTreeSet::new() }
    }
}

impl<T: Ord + Clone> Pool<T> {
    /// Takes hold of a value: its number, and whether nobody held it before.
    pub fn hold(&mut self, value: T) -> (u32, bool) {
        if let Some(&number) = self.numbers.get(&value) {
            if let Some(Some(entry)) = self.entries.get_mut(number as usize) {
                entry.holders += 1;
            }
            return (number, false);
        }
        let entry = Some(Entry { value: value.clone(), holders: 1 });
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
        self.numbers.insert(value, number);
        (number, true)
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
        self.numbers.remove(&entry.value);
        self.free.insert(number);
        // Room at the end is given back, so that a fleet that has shrunk is small.
        while matches!(self.entries.last(), Some(None)) {
            self.entries.pop();
            self.free.remove(&(self.entries.len() as u32));
        }
        Some(entry.value)
    }

    /// The value of that number.
    pub fn get(&self, number: u32) -> Option<&T> {
        self.entries.get(number as usize)?.as_ref().map(|entry| &entry.value)
    }

    /// The number of a value that somebody holds.
    pub fn number(&self, value: &T) -> Option<u32> {
        self.numbers.get(value).copied()
    }

    /// All values with their numbers, in the order of the values.
    pub fn iter(&self) -> impl Iterator<Item = (&T, u32)> {
        self.numbers.iter().map(|(value, number)| (value, *number))
    }

    /// How many hold a value.
    pub fn holders(&self, number: u32) -> u32 {
        self.entries.get(number as usize).and_then(Option::as_ref).map_or(0, |entry| entry.holders)
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_kept_once_and_goes_with_its_last_holder() {
        let mut pool = Pool::default();
        assert_eq!((pool.hold("a"), pool.hold("b"), pool.hold("a")), ((0, true), (1, true), (0, false)));
        assert_eq!(pool.release(0), None);
        assert_eq!(pool.release(0), Some("a"));
        assert_eq!((pool.len(), pool.get(0), pool.number(&"b")), (1, None, Some(1)));
        assert_eq!(pool.hold("c"), (0, true), "numbers are used again");
        pool.release(0);
        pool.release(1);
        assert_eq!((pool.len(), pool.entries.len(), pool.free.len()), (0, 0, 0));
    }
}
