//! A fleet as text in which nothing depends on how it came about.

use super::Fleet;
use std::fmt::Write as _;

impl Fleet {
    /// All that is known, as text: first the devices by id, then what the pools and bitmaps hold, by value. Two fleets
    /// with the same devices give the same bytes, whatever happened to them before.
    pub fn export(&self) -> String {
        let mut text = String::new();
        for id in self.ids() {
            if let Some(device) = self.device(id) {
                let _ = writeln!(text, "{device:?}");
            }
        }
        let _ = writeln!(text, "{} of {} rows", self.len(), self.rows.len() - self.free.len());
        for (name, number) in self.names.sorted() {
            let _ = writeln!(text, "name {name} {}", self.names.holders(number));
        }
        for (field, number) in self.fields.sorted() {
            let _ = writeln!(text, "field {field} {}", self.fields.holders(number));
        }
        for (value, number) in self.values.sorted() {
            let _ = writeln!(text, "value {} {}", value.key(), self.values.holders(number));
        }
        for (zone, number) in self.zones.sorted() {
            let _ = writeln!(text, "zone {} {}", zone.name, self.zones.holders(number));
        }
        for (time, number) in self.far.sorted() {
            let _ = writeln!(text, "time {time:?} {}", self.far.holders(number));
        }
        for (universe, number) in self.universes.sorted() {
            let _ = writeln!(text, "universe {} {}", universe.key(), self.universes.holders(number));
        }
        for (present, number) in self.present.sorted() {
            let holders = self.holders.get(number as usize).into_iter().flatten();
            let mut holders: Vec<_> = holders.filter_map(|device| self.id(device)).collect();
            holders.sort();
            let _ = writeln!(text, "present {present:?} {} {holders:?}", self.present.holders(number));
        }
        let bitmaps = self.holders.iter().filter(|holders| !holders.is_empty()).count();
        let shared = [self.sets.len(), self.packages.len(), bitmaps, self.overlays.len(), self.remembering.len()];
        let _ = writeln!(text, "sets, packages, bitmaps, overlays, slots of those {shared:?}");
        for (title, numbers) in &self.by_title {
            let _ = writeln!(text, "title {title} {}", numbers.len());
        }
        text
    }
}
