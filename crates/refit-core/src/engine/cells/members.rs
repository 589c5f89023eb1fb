//! The devices of a cell. Most cells have few: a list takes less room than a bitmap then, which has an allocation for each 65,536 numbers in
//! which it has any, and devices that are gathered in order are such a list already.

use crate::engine::size::bitmap;
use roaring::RoaringBitmap;
use std::{borrow::Cow, mem};

/// Devices by number: few in a sorted list, more in a bitmap.
#[derive(Clone, Debug)]
pub(super) enum Members {
    Few(Vec<u32>),
    Many(RoaringBitmap),
}

/// Longer lists are bitmaps: putting one in takes longer, and lists take as much room as bitmaps.
const FEW: usize = 1_024;

impl Members {
    /// Of devices in order, each once.
    pub fn of(mut devices: Vec<u32>) -> Members {
        if devices.len() > FEW {
            return Members::Many(RoaringBitmap::from_sorted_iter(devices).unwrap_or_default());
        }
        devices.shrink_to_fit();
        Members::Few(devices)
    }

    /// Nobody.
    pub fn none() -> Members {
        Members::Few(Vec::new())
    }

    /// With some more, in order, none of whom is among them.
    pub fn with(self, more: Vec<u32>) -> Members {
        match self {
            _ if more.is_empty() => self,
            Members::Few(mut devices) => {
                devices.extend(more);
                // Two lists in order.
                devices.sort();
                Members::of(devices)
            }
            Members::Many(mut devices) => {
                devices.extend(more);
                Members::Many(devices)
            }
        }
    }

    /// One device.
    pub fn one(device: u32) -> Members {
        Members::Few(vec![device])
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        match self {
            Members::Few(devices) => devices.is_empty(),
            Members::Many(devices) => devices.is_empty(),
        }
    }

    /// Whether a device is among them.
    pub fn contains(&self, device: u32) -> bool {
        match self {
            Members::Few(devices) => devices.binary_search(&device).is_ok(),
            Members::Many(devices) => devices.contains(device),
        }
    }

    /// Puts a device in.
    pub fn insert(&mut self, device: u32) {
        match self {
            Members::Few(devices) => {
                let Err(place) = devices.binary_search(&device) else { return };
                devices.insert(place, device);
                if devices.len() > FEW {
                    *self = Members::of(mem::take(devices));
                }
            }
            Members::Many(devices) => drop(devices.insert(device)),
        }
    }

    /// Takes a device out.
    pub fn remove(&mut self, device: u32) {
        match self {
            Members::Few(devices) => {
                if let Ok(place) = devices.binary_search(&device) {
                    devices.remove(place);
                }
            }
            Members::Many(devices) => drop(devices.remove(device)),
        }
    }

    /// How much memory they take besides their place.
    pub fn bytes(&self) -> usize {
        match self {
            Members::Few(devices) => devices.capacity() * size_of::<u32>(),
            Members::Many(devices) => bitmap(devices),
        }
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        let (few, many) = match self {
            Members::Few(devices) => (devices.as_slice(), None),
            Members::Many(devices) => (&[][..], Some(devices)),
        };
        few.iter().copied().chain(many.into_iter().flatten())
    }

    /// All of them as a bitmap.
    pub fn bitmap(&self) -> Cow<'_, RoaringBitmap> {
        match self {
            Members::Few(devices) => {
                Cow::Owned(RoaringBitmap::from_sorted_iter(devices.iter().copied()).unwrap_or_default())
            }
            Members::Many(devices) => Cow::Borrowed(devices),
        }
    }

    /// Puts all of them into a bitmap.
    pub fn join(&self, bitmap: &mut RoaringBitmap) {
        match self {
            Members::Few(devices) => bitmap.extend(devices),
            Members::Many(devices) => *bitmap |= devices,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_bitmaps_say_the_same() {
        let mut members = Members::one(7);
        let mut expected = RoaringBitmap::from_iter([7]);
        let same = |members: &Members, expected: &RoaringBitmap| {
            assert_eq!(*members.bitmap(), *expected);
            assert_eq!(members.iter().collect::<Vec<_>>(), expected.iter().collect::<Vec<_>>());
            assert_eq!(members.is_empty(), expected.is_empty());
            let mut joined = RoaringBitmap::from_iter([1_000_000]);
            members.join(&mut joined);
            assert_eq!(joined - RoaringBitmap::from_iter([1_000_000]), *expected);
        };
        // In no order, each twice, and over several chunks of a bitmap.
        for number in 0..2 * FEW as u32 {
            let device = number * 7_919 % 200_003;
            members.insert(device);
            members.insert(device);
            expected.insert(device);
            assert!(members.contains(device) && !members.contains(device + 200_003));
            if number % 100 == 0 || expected.len() as usize == FEW || expected.len() as usize == FEW + 1 {
                same(&members, &expected);
            }
        }
        assert!(matches!(members, Members::Many(_)));
        same(&Members::of(expected.iter().collect()), &expected);
        for device in expected.iter().collect::<Vec<_>>() {
            members.remove(device);
            members.remove(device);
            expected.remove(device);
        }
        same(&members, &expected);
        for some in [vec![], vec![3], (1..3_000).map(|number| 2 * number).collect()] {
            for more in [vec![], vec![7, 9], (500..4_000).map(|number| 2 * number + 1).collect()] {
                let all: RoaringBitmap = some.iter().chain(&more).copied().collect();
                same(&Members::of(some.clone()).with(more), &all);
            }
        }
        let mut few = Members::of(vec![1, 5, 9]);
        few.remove(5);
        few.remove(6);
        same(&few, &RoaringBitmap::from_iter([1, 9]));
    }
}
