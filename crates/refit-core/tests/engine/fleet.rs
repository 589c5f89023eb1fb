//! What a fleet keeps, and that it keeps nothing of what is gone.

use super::devices::{ago, device, devices};
use proptest::prelude::*;
use refit_core::{
    engine::{Change, Fleet},
    facts::{Fact, FieldRef, Value},
    world::Device,
};

fn fleet(devices: &[Device]) -> Fleet {
    let mut fleet = Fleet::new();
    devices.iter().for_each(|device| fleet.put(device));
    fleet
}

proptest! {
    #[test]
    fn a_device_comes_back_as_it_was_put_in(devices in devices()) {
        let fleet = fleet(&devices);
        for device in &devices {
            prop_assert_eq!(format!("{:?}", fleet.device(&device.id).unwrap()), format!("{device:?}"));
        }
    }

    #[test]
    fn neither_order_nor_what_was_there_before_leaves_a_trace(
        devices in devices(),
        others in devices(),
        extra in device("d9"),
        from in 0..8usize,
    ) {
        let expected = fleet(&devices).export();
        let mut other = fleet(&others);
        other.put(&extra);
        for device in devices.iter().skip(from) {
            other.put(device);
        }
        for device in devices.iter().take(from).rev() {
            other.apply(Change::Gone(device.id.clone()));
            other.apply(Change::Known(Box::new(device.clone())));
        }
        prop_assert!(other.remove(&extra.id));
        prop_assert!(!other.remove(&extra.id));
        prop_assert_eq!(other.export(), expected);
        for device in &devices {
            other.remove(&device.id);
        }
        prop_assert_eq!(other.export(), Fleet::new().export());
    }

    #[test]
    fn many_at_once_come_to_the_same_as_one_by_one(devices in devices(), others in devices(), before in 0..8usize) {
        let mut built = fleet(&others[..before]);
        let mut at_once = fleet(&others[..before]);
        devices.iter().for_each(|device| built.put(device));
        // Some are known, and one comes twice.
        at_once.extend(others.iter().take(1).chain(&devices));
        prop_assert_eq!(at_once.export(), built.export());
        for device in &devices {
            at_once.remove(&device.id);
        }
        prop_assert_eq!(at_once.export(), Fleet::new().export());
    }

    #[test]
    fn what_is_observed_of_some_slots_comes_to_the_same_as_all_that_is_known(device in device("d1"), other in device("d1")) {
        let mut built = fleet(std::slice::from_ref(&device));
        // The first slots are observed, also those that are empty now.
        let observed: Vec<_> = other.installs.iter().take(3).cloned().collect();
        let removed: Vec<_> = device.installs.iter().take(2).map(refit_core::world::Install::slot).collect();
        let mut expected = device.clone();
        expected.installs.retain(|known| {
            !removed.contains(&known.slot()) && observed.iter().all(|install| install.slot() != known.slot())
        });
        expected.installs.extend(observed.iter().cloned());
        expected.seen = ago(0);
        built.apply(Change::Observed { id: device.id.clone(), seen: ago(0), installed: observed, removed });
        prop_assert_eq!(built.export(), fleet(&[expected]).export());
    }

    #[test]
    fn one_thing_at_a_time_comes_to_the_same(device in device("d1")) {
        let mut built = Fleet::new();
        let mut bare = Device::new(device.id.clone(), ago(900));
        bare.enrolled = device.enrolled;
        built.put(&bare);
        let id = || device.id.clone();
        built.apply(Change::Moved(id(), device.timezone.clone()));
        built.apply(Change::Said(id(), vec![(FieldRef::device("site"), Fact { value: Value::text("Rome"), source: None, observed: None })]));
        for field in device.facts.fields() {
            for fact in device.facts.said(field) {
                built.apply(Change::Said(id(), vec![(field.clone(), fact.clone())]));
            }
        }
        for install in &device.installs {
            built.apply(Change::Installed(id(), install.clone()));
        }
        built.apply(Change::Offered(id(), device.offers.clone()));
        built.apply(Change::Seen(id(), device.seen));
        let mut expected = bare;
        expected.timezone = device.timezone.clone();
        expected.facts = device.facts.clone();
        expected.facts.set(FieldRef::device("site"), Value::text("Rome"));
        expected.installs = device.installs.clone();
        expected.offers = device.offers.clone();
        expected.seen = device.seen;
        prop_assert_eq!(built.export(), fleet(&[expected]).export());
        for install in &device.installs {
            built.apply(Change::Removed(id(), install.slot()));
        }
        prop_assert!(built.device(&device.id).unwrap().installs.is_empty());
    }
}

#[test]
fn what_is_said_of_nobody_changes_nothing() {
    let mut fleet = Fleet::new();
    assert!(!fleet.apply(Change::Gone("d1".into())));
    assert!(!fleet.apply(Change::Seen("d1".into(), ago(1))));
    assert!(!fleet.apply(Change::Moved("d1".into(), None)));
    assert!(fleet.is_empty());
}
