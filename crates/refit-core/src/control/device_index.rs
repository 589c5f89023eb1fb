//! Which devices have something: sets of devices by key, kept up to date as things change, so that nobody has to look at
//! all devices to find a few.

use super::device_set::DeviceSet;
use imbl::OrdMap;
use std::sync::Arc;

/// Sets of devices by key. A copy costs next to nothing, and a change copies only the piece that it concerns: 65,536 devices.
#[derive(Clone, Debug)]
pub struct DeviceIndex<K: Ord> {
    pieces: OrdMap<(K, u16), Arc<DeviceSet>>,
}

impl<K: Ord + Clone> DeviceIndex<K> {
    /// Adds a device under a key.
    pub fn insert(&mut self, key: &K, index: u32) {
        let piece = self.pieces.entry((key.clone(), high(index))).or_default();
        // What is there already copies nothing.
        if !piece.contains(index) {
            Arc::make_mut(piece).insert(index);
        }
    }

    /// Takes a device away from a key.
    pub fn remove(&mut self, key: &K, index: u32) {
        let place = (key.clone(), high(index));
        let Some(piece) = self.pieces.get_mut(&place).filter(|piece| piece.contains(index)) else { return };
        if piece.len() == 1 {
            self.pieces.remove(&place);
        } else {
            Arc::make_mut(piece).remove(index);
        }
    }

    /// The devices under a key.
    pub fn set(&self, key: &K) -> DeviceSet {
        let pieces = self.pieces.range((key.clone(), 0)..=(key.clone(), u16::MAX));
        DeviceSet::union(pieces.map(|(_, piece)| piece.as_ref()))
    }

    /// How many devices are under a key.
    pub fn count(&self, key: &K) -> u64 {
        self.pieces.range((key.clone(), 0)..=(key.clone(), u16::MAX)).map(|(_, piece)| piece.len()).sum()
    }

    /// All keys that any device is under, sorted, with pieces of their sets: a key comes once for each piece.
    pub fn pieces(&self) -> impl Iterator<Item = (&K, &DeviceSet)> {
        self.pieces.iter().map(|((key, _), piece)| (key, piece.as_ref()))
    }
}

impl<K: Ord + Clone> Default for DeviceIndex<K> {
    fn default() -> DeviceIndex<K> {
        DeviceIndex { pieces: OrdMap::new() }
    }
}

fn high(index: u32) -> u16 {
    (index >> 16) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_what_was_added_and_not_taken_away() {
        let mut index = DeviceIndex::default();
        for device in [3, 70_000, 1_000_000] {
            index.insert(&"linux", device);
            index.insert(&"linux", device);
        }
        index.insert(&"macos", 4);
        let before = index.clone();
        index.remove(&"linux", 70_000);
        index.remove(&"linux", 5);
        index.remove(&"macos", 4);
        assert_eq!(index.set(&"linux").iter().collect::<Vec<_>>(), [3, 1_000_000]);
        assert_eq!((index.count(&"linux"), index.count(&"macos")), (2, 0));
        assert_eq!(
            index.pieces().map(|(key, piece)| (*key, piece.len())).collect::<Vec<_>>(),
            [("linux", 1), ("linux", 1)]
        );
        assert_eq!((before.count(&"linux"), before.count(&"macos")), (3, 1));
    }
}
