//! A map for what one device has a few of. Most devices have four facts, a few titles, one source: a `BTreeMap` keeps room for
//! eleven of each, and a fleet of a million pays for it.

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
};
use std::{borrow::Borrow, collections::BTreeMap, fmt, iter::FusedIterator, marker::PhantomData};

/// A sorted map. Up to [`FEW`] entries lie side by side with little room to spare; more are a `BTreeMap`, so that none grows slow.
#[derive(Clone)]
pub struct Sorted<K, V>(Entries<K, V>);

#[derive(Clone)]
enum Entries<K, V> {
    Few(Vec<(K, V)>),
    #[allow(clippy::box_collection, reason = "most lists are short, and a pointer is a third of a map")]
    Many(Box<BTreeMap<K, V>>),
}

/// How many entries are few.
const FEW: usize = 64;

impl<K: Ord, V> Sorted<K, V> {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        match &self.0 {
            Entries::Few(few) => few.len(),
            Entries::Many(many) => many.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        match &self.0 {
            Entries::Few(few) => place(few, key).ok().map(|at| &few[at].1),
            Entries::Many(many) => many.get(key),
        }
    }

    /// The value of a key, to be changed.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        match &mut self.0 {
            Entries::Few(few) => place(few, key).ok().map(|at| &mut few[at].1),
            Entries::Many(many) => many.get_mut(key),
        }
    }

    /// Whether a key has a value.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.get(key).is_some()
    }

    /// Gives a key a value; returns the one that it had.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let few = match &mut self.0 {
            Entries::Many(many) => return many.insert(key, value),
            Entries::Few(few) => few,
        };
        match place(few, &key) {
            Ok(at) => return Some(std::mem::replace(&mut few[at].1, value)),
            Err(at) if few.len() < FEW => {
                few.reserve_exact(1);
                few.insert(at, (key, value));
            }
            Err(_) => {
                let mut many: BTreeMap<K, V> = std::mem::take(few).into_iter().collect();
                many.insert(key, value);
                self.0 = Entries::Many(Box::new(many));
            }
        }
        None
    }

    /// The value of a key, which is made first where it has none.
    pub fn entry_or_insert(&mut self, key: K, value: impl FnOnce() -> V) -> &mut V {
        // The one that would be one too many makes it many.
        if let Entries::Few(few) = &mut self.0
            && few.len() >= FEW
            && place(few, &key).is_err()
        {
            self.0 = Entries::Many(Box::new(std::mem::take(few).into_iter().collect()));
        }
        match &mut self.0 {
            Entries::Few(few) => {
                let at = place(few, &key).unwrap_or_else(|at| {
                    few.reserve_exact(1);
                    few.insert(at, (key, value()));
                    at
                });
                &mut few[at].1
            }
            Entries::Many(many) => many.entry(key).or_insert_with(value),
        }
    }

    /// Takes a key away, with its value.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        match &mut self.0 {
            Entries::Few(few) => place(few, key).ok().map(|at| few.remove(at).1),
            Entries::Many(many) => many.remove(key),
        }
    }

    /// Takes all away.
    pub fn clear(&mut self) {
        *self = Sorted::default();
    }

    /// All entries, by key.
    pub fn iter(&self) -> Iter<'_, K, V> {
        match &self.0 {
            Entries::Few(few) => Iter::Few(few.iter()),
            Entries::Many(many) => Iter::Many(many.iter()),
        }
    }

    /// The first entry that is not before a key.
    pub fn first_from(&self, key: &K) -> Option<(&K, &V)> {
        self.all_from(key).next()
    }

    /// The entries that are not before a key, by key.
    pub fn all_from(&self, key: &K) -> impl Iterator<Item = (&K, &V)> {
        let (few, many) = match &self.0 {
            Entries::Few(few) => (few.get(few.partition_point(|(known, _)| known < key)..).unwrap_or_default(), None),
            Entries::Many(many) => (&[][..], Some(many.range(key..))),
        };
        few.iter().map(|(key, value)| (key, value)).chain(many.into_iter().flatten())
    }

    /// All keys, sorted.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// All values, by key.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// All values, by key, to be changed.
    pub fn values_mut(&mut self) -> Box<dyn Iterator<Item = &mut V> + '_> {
        match &mut self.0 {
            Entries::Few(few) => Box::new(few.iter_mut().map(|(_, value)| value)),
            Entries::Many(many) => Box::new(many.values_mut()),
        }
    }
}

fn place<K: Borrow<Q>, V, Q: Ord + ?Sized>(few: &[(K, V)], key: &Q) -> Result<usize, usize> {
    few.binary_search_by(|(known, _)| known.borrow().cmp(key))
}

impl<K, V> Default for Sorted<K, V> {
    fn default() -> Sorted<K, V> {
        Sorted(Entries::Few(Vec::new()))
    }
}

/// Entries, by key.
pub enum Iter<'s, K, V> {
    /// Of a few.
    Few(std::slice::Iter<'s, (K, V)>),
    /// Of many.
    Many(std::collections::btree_map::Iter<'s, K, V>),
}

impl<'s, K, V> Iterator for Iter<'s, K, V> {
    type Item = (&'s K, &'s V);

    fn next(&mut self) -> Option<(&'s K, &'s V)> {
        match self {
            Iter::Few(few) => few.next().map(|(key, value)| (key, value)),
            Iter::Many(many) => many.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = match self {
            Iter::Few(few) => few.len(),
            Iter::Many(many) => many.len(),
        };
        (left, Some(left))
    }
}

impl<'s, K, V> DoubleEndedIterator for Iter<'s, K, V> {
    fn next_back(&mut self) -> Option<(&'s K, &'s V)> {
        match self {
            Iter::Few(few) => few.next_back().map(|(key, value)| (key, value)),
            Iter::Many(many) => many.next_back(),
        }
    }
}

impl<K, V> ExactSizeIterator for Iter<'_, K, V> {}
impl<K, V> FusedIterator for Iter<'_, K, V> {}

impl<'s, K: Ord, V> IntoIterator for &'s Sorted<K, V> {
    type Item = (&'s K, &'s V);
    type IntoIter = Iter<'s, K, V>;

    fn into_iter(self) -> Iter<'s, K, V> {
        self.iter()
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for Sorted<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Sorted<K, V> {
        let mut sorted = Sorted::default();
        for (key, value) in entries {
            sorted.insert(key, value);
        }
        sorted
    }
}

/// The same whatever way it is kept.
impl<K: Ord, V: PartialEq> PartialEq for Sorted<K, V> {
    fn eq(&self, other: &Sorted<K, V>) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<K: Ord + fmt::Debug, V: fmt::Debug> fmt::Debug for Sorted<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

impl<K: Ord + Serialize, V: Serialize> Serialize for Sorted<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self)
    }
}

impl<'de, K: Ord + Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for Sorted<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Sorted<K, V>, D::Error> {
        struct Entries<K, V>(PhantomData<(K, V)>);

        impl<'de, K: Ord + Deserialize<'de>, V: Deserialize<'de>> Visitor<'de> for Entries<K, V> {
            type Value = Sorted<K, V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Sorted<K, V>, A::Error> {
                let mut sorted = Sorted::default();
                while let Some((key, value)) = map.next_entry()? {
                    sorted.insert(key, value);
                }
                Ok(sorted)
            }
        }

        deserializer.deserialize_map(Entries(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_a_map_whatever_its_size(
            steps in proptest::collection::vec((0..200_u16, proptest::option::weighted(0.8, 0..9_u8)), 0..400)
        ) {
            let (mut sorted, mut map) = (Sorted::default(), BTreeMap::new());
            for (key, value) in steps {
                match value {
                    Some(value) => prop_assert_eq!(sorted.insert(key, value), map.insert(key, value)),
                    None => prop_assert_eq!(sorted.remove(&key), map.remove(&key)),
                }
                prop_assert_eq!(sorted.first_from(&key), map.range(key..).next());
                prop_assert_eq!(sorted.get(&key), map.get(&key));
                *sorted.entry_or_insert(key, || 9) += 1;
                *map.entry(key).or_insert(9) += 1;
            }
            prop_assert!(sorted.iter().eq(map.iter()) && sorted.iter().rev().eq(map.iter().rev()));
            prop_assert_eq!(sorted.len(), map.len());
            let bytes = rmp_serde::to_vec_named(&sorted).unwrap();
            prop_assert_eq!(&bytes, &rmp_serde::to_vec_named(&map).unwrap());
            prop_assert_eq!(rmp_serde::from_slice::<Sorted<u16, u8>>(&bytes).unwrap(), sorted);
        }
    }
}
