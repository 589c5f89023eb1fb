//! A title decided anew where the world has changed and no device has: who is looked at with whom is as it was.

use super::{
    super::{
        late::{LOOK_UP, Late, LateDevice},
        members::Members,
        title::{Group, Key, TitleCells},
    },
    Looked, Split,
    fill::Gathered,
};
use crate::engine::intern::Map;

impl Split<'_> {
    /// Decides the title anew for the groups of `old`, of which none is looked at device by device.
    pub fn fill_again(&self, mut old: TitleCells, cells: &mut TitleCells, late: &Late) {
        let fleet = self.inputs.fleet;
        cells.numbers = std::mem::take(&mut old.numbers);
        let mut places: Map<u32, Vec<(Key, Group)>> = Map::default();
        for ((present, key), group) in std::mem::take(&mut old.groups) {
            places.entry(present).or_default().push((key, group));
        }
        for (present, groups) in places {
            let known = fleet.presence(present);
            let place = self.place_of(known.map(|known| (present, known)));
            let late_ones = late.of(present);
            cells.late.extend(late_ones.map(|late| (present, late.known())));
            let mut late_by_key: Map<Key, Vec<LateDevice>> = Map::default();
            let mut add = |device: LateDevice, cells: &mut TitleCells| {
                if let Looked::As(key) = self.look(&place.slot, device.0, &mut cells.numbers) {
                    late_by_key.entry(key).or_default().push(device);
                }
            };
            let noted = fleet.remembering(&place.slot).map(|known| &known.spells);
            let is_noted = |device: u32| noted.is_some_and(|noted| noted.contains(device));
            let late_devices = late_ones.map(|late| late.devices.as_slice()).unwrap_or_default();
            late_devices.iter().filter(|(device, _)| !is_noted(*device)).for_each(|late| add(*late, cells));
            if let Some((noted, holders)) = noted.zip(known.and_then(|_| fleet.holders(present))) {
                (noted & holders).iter().for_each(|device| add((device, LOOK_UP), cells));
            }
            for (key, group) in groups {
                let mut late = late_by_key.remove(&key).unwrap_or_default();
                late.sort_unstable();
                let mut devices = group.base.map_or_else(Members::none, |cell| old.take(cell));
                let apart = group.late.iter().flat_map(|(_, cell)| old.take(*cell).iter().collect::<Vec<u32>>());
                let mut apart: Vec<u32> = apart.collect();
                apart.sort_unstable();
                for device in &apart {
                    if late.binary_search_by_key(device, |(device, _)| *device).is_err() {
                        devices.insert(*device);
                    }
                }
                for (device, _) in &late {
                    if apart.binary_search(device).is_err() {
                        devices.remove(*device);
                    }
                }
                self.decide_group(&place, Gathered { key, devices, late }, late_ones, cells);
            }
        }
        cells.wake_at(self.shelf.next(fleet.zones()));
    }
}
