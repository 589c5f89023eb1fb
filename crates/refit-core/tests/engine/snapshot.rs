//! A fleet comes back from its snapshot as it was, and what is damaged is not believed.

use super::devices::{device, devices};
use proptest::prelude::*;
use refit_core::{
    engine::{Change, Fleet, SnapshotError},
    world::Device,
};
use std::ops::Range;

fn fleet<'d>(devices: impl IntoIterator<Item = &'d Device>) -> Fleet {
    let mut fleet = Fleet::new();
    fleet.extend(devices);
    fleet
}

/// How long the head of a frame is: what is in it, how long its body is, and the checksum.
const HEAD: usize = 9;

/// Where the frames of a snapshot are, after what it begins with and its version.
fn frames(bytes: &[u8]) -> Vec<Range<usize>> {
    let (mut at, mut frames) = (16, Vec::new());
    while at < bytes.len() {
        let length = u32::from_le_bytes(bytes[at + 1..at + 5].try_into().unwrap());
        let end = at + HEAD + length as usize;
        frames.push(at..end);
        at = end;
    }
    frames
}

proptest! {
    #[test]
    fn a_fleet_comes_back_from_its_snapshot(devices in devices(), others in devices(), extra in device("d9"), gone in 0..8usize) {
        let mut fleet = fleet(&devices);
        // Numbers that were given back are free in both.
        fleet.put(&extra);
        prop_assert!(fleet.remove(&devices[gone].id));
        let bytes = fleet.snapshot();
        let mut restored = Fleet::restore(&bytes).unwrap();
        prop_assert_eq!(restored.export(), fleet.export());
        prop_assert_eq!(&restored.snapshot(), &bytes);
        // What happens afterwards comes to the same in both, and leaves nothing behind.
        for other in &others {
            fleet.put(other);
            restored.apply(Change::Known(Box::new(other.clone())));
        }
        prop_assert_eq!(restored.export(), fleet.export());
        for device in others.iter().chain([&extra]) {
            restored.remove(&device.id);
        }
        prop_assert_eq!(restored.export(), Fleet::new().export());
    }

    #[test]
    fn a_byte_that_changed_is_noticed(devices in devices(), place in any::<prop::sample::Index>(), bit in 0..8u32) {
        let mut bytes = fleet(&devices).snapshot();
        let place = place.index(bytes.len());
        bytes[place] ^= 1 << bit;
        prop_assert!(Fleet::restore(&bytes).is_err(), "byte {}", place);
    }

    #[test]
    fn what_makes_no_sense_is_refused_or_does_no_harm_though_its_checksum_holds(
        devices in devices(),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = fleet(&devices).snapshot();
        let bodies: Vec<Range<usize>> = frames(&bytes).into_iter().map(|frame| frame.start + HEAD..frame.end).collect();
        let places: Vec<usize> = bodies.iter().cloned().flatten().collect();
        bytes[places[place.index(places.len())]] = byte;
        for body in bodies {
            let head = body.start - HEAD;
            // Of what is in the frame, how long it is, and of its body.
            let sum = [&bytes[head..head + 5], &bytes[body]].concat();
            bytes[head + 5..head + HEAD].copy_from_slice(&crc32fast::hash(&sum).to_le_bytes());
        }
        if let Ok(restored) = Fleet::restore(&bytes) {
            // Nobody's installs may make sense; all of it can be read, and written.
            restored.ids().for_each(|id| drop(restored.device(id)));
            prop_assert!(!restored.export().is_empty());
            prop_assert!(!restored.snapshot().is_empty());
        }
    }

    #[test]
    fn an_end_that_is_missing_is_noticed(devices in devices(), length in any::<prop::sample::Index>()) {
        let bytes = fleet(&devices).snapshot();
        prop_assert!(Fleet::restore(&bytes[..length.index(bytes.len())]).is_err());
        let mut longer = bytes.clone();
        longer.push(0);
        prop_assert!(Fleet::restore(&longer).is_err());
    }
}

#[test]
fn what_no_snapshot_is_and_what_another_version_wrote_is_refused_with_a_way_out() {
    assert_eq!(Fleet::restore(b"SQLite format 3\0").unwrap_err(), SnapshotError::NotOne);
    assert_eq!(Fleet::restore(b"").unwrap_err(), SnapshotError::NotOne);
    let mut bytes = Fleet::new().snapshot();
    bytes[12..16].copy_from_slice(&7u32.to_le_bytes());
    let error = Fleet::restore(&bytes).unwrap_err();
    assert_eq!(error, SnapshotError::OtherVersion { found: 7 });
    assert_eq!(
        error.to_string(),
        "this snapshot of a fleet has version 7, and version 1 is read here: build the fleet from the log instead, or read it with the Refit \
         that wrote it"
    );
    let mut bytes = Fleet::new().snapshot();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    assert_eq!(
        Fleet::restore(&bytes).unwrap_err().to_string(),
        "this snapshot of a fleet is damaged: at byte 16, a checksum does not hold. Build the fleet from the log instead, or take an earlier \
         snapshot"
    );
}
