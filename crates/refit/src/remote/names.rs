//! What people call the devices that answers name by their ids.

use refit_api::client::{Client, DeviceFilter};
use std::collections::{BTreeMap, BTreeSet};

/// From how many devices on one list of all is asked for, in place of one device after the other.
const MANY: usize = 24;

/// Names of devices, by id.
#[derive(Debug, Default)]
pub struct Names(BTreeMap<String, String>);

impl Names {
    /// Asks for the names of these devices. One that can't be had is no reason to fail: its id says which one it is.
    pub fn of<'i>(client: &Client, ids: impl IntoIterator<Item = &'i str>) -> Names {
        let ids: BTreeSet<&str> = ids.into_iter().collect();
        if ids.len() < MANY {
            let named = ids.into_iter().filter_map(|id| client.device(id).ok());
            return Names(named.filter_map(|device| Some((device.id, device.name?))).collect());
        }
        let all = client.devices(&DeviceFilter::default()).unwrap_or_default();
        Names(all.into_iter().filter_map(|device| Some((device.id, device.name?))).collect())
    }

    /// `anna (d-1)`, or the id where the device has no name.
    pub fn named(&self, id: &str) -> String {
        match self.0.get(id) {
            Some(name) if name != id => format!("{name} ({id})"),
            _ => id.to_owned(),
        }
    }
}
