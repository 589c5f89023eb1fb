//! How much memory a fleet takes, by what it is for.

use super::{Fleet, Overlay, Presence, Remembering, Row, Said};
use crate::{
    engine::size::{Footprint, bitmap, table, text},
    facts::Value,
    world::SlotKey,
};
use roaring::RoaringBitmap;

impl Fleet {
    /// How much memory it takes, by what it is for. Trees of which there is little are not counted.
    pub fn footprint(&self) -> Footprint {
        let sum = |of: fn(&Row) -> usize| self.rows.iter().flatten().map(of).sum::<usize>();
        let by_number = self.points.capacity() * size_of::<u16>()
            + (self.zones_of.capacity() + self.universes_of.capacity()) * size_of::<u32>();
        let rows = self.rows.capacity() * size_of::<Option<Row>>() + self.index.allocation_size() + by_number;
        let sets = self.sets.numbered().map(|(_, set)| size_of_val(&**set)).sum::<usize>();
        let values = self.values.numbered().map(|(_, known)| value(&known.0)).sum::<usize>();
        let packages = self.packages.numbered().map(|(_, set)| size_of_val(&**set) + 2 * size_of::<usize>());
        let releases = self.present.numbered().map(|(_, present)| release(present)).sum::<usize>();
        let holders = self.holders.iter().map(bitmap).sum::<usize>();
        let offers = self.universes.numbered().flat_map(|(_, told)| told.0.values());
        let offers = offers.map(|offers| size_of_val(offers.as_slice())).sum::<usize>();
        let remembering = self.remembering.values().map(remembering).sum::<usize>();
        let overlays = table(self.overlays.capacity(), size_of::<(u32, Box<Overlay>)>())
            + self.overlays.len() * size_of::<Overlay>()
            + table(self.remembering.capacity(), size_of::<(SlotKey, Remembering)>());
        vec![
            ("rows", rows + sum(id)),
            ("provenance: who said what when", sum(|row| row.records.len() * size_of::<Said>())),
            ("facts that were said together", self.sets.bytes() + sets),
            ("values of facts", self.values.bytes() + values),
            ("package sets", self.packages.bytes() + packages.sum::<usize>()),
            ("since when packages are there", sum(|row| row.since.bytes())),
            ("postings: who has a release", self.holders.capacity() * size_of::<RoaringBitmap>() + holders),
            ("releases in slots", self.present.bytes() + releases),
            ("offers", self.universes.bytes() + offers),
            ("what only some devices have", overlays + remembering),
        ]
    }
}

fn id(row: &Row) -> usize {
    // A short one is in its row.
    let length = row.id.as_str().len();
    if length > 23 { length } else { 0 }
}

fn value(value: &Value) -> usize {
    match value {
        Value::Text(known) => text(known),
        Value::List(items) => size_of_val(items.as_slice()) + items.iter().map(text).sum::<usize>(),
        _ => 0,
    }
}

/// Titles and versions are the world's as well, with whom they share what is long.
fn release(present: &Presence) -> usize {
    present.profile.as_ref().map_or(0, text)
}

fn remembering(known: &Remembering) -> usize {
    let Remembering { spells, offers, admitted } = known;
    [spells, offers, admitted].into_iter().map(bitmap).sum()
}
