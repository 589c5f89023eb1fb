//! The sections of a snapshot as they are written.

use super::{
    super::{Fleet, Row},
    Frames, Section,
    code::Out,
    values,
};
use crate::engine::intern::Pool;

impl Fleet {
    /// Writes all sections; pools come before what holds their numbers.
    pub(super) fn items<E>(&self, frames: &mut Frames<'_, E>) -> Result<(), E> {
        pool(frames, Section::Names, &self.names, |out, name| out.text(name))?;
        pool(frames, Section::Fields, &self.fields, values::write_field)?;
        pool(frames, Section::Values, &self.values, |out, known| values::write_value(out, &known.0))?;
        pool(frames, Section::Sets, &self.sets, |out, set| {
            out.list(set.iter(), |out, (field, value)| {
                out.number(*field);
                out.number(*value);
            });
        })?;
        pool(frames, Section::Zones, &self.zones, values::write_zone)?;
        pool(frames, Section::Far, &self.far, |out, time| out.time(*time))?;
        pool(frames, Section::Present, &self.present, values::write_presence)?;
        pool(frames, Section::Packages, &self.packages, |out, set| out.numbers(set))?;
        pool(frames, Section::Universes, &self.universes, |out, told| values::write_universe(out, &told.0))?;
        frames.section(Section::Rows, &self.rows, |out, row| out.maybe(row.as_ref(), write_row))?;
        let mut numbers: Vec<u32> = self.overlays.keys().copied().collect();
        numbers.sort_unstable();
        let overlays = numbers.into_iter().map(|number| (number, self.overlay(number)));
        frames.section(Section::Overlays, overlays, |out, (number, overlay)| {
            out.number(number);
            values::write_overlay(out, overlay);
        })?;
        frames.section(Section::Holders, &self.holders, |out, holders| {
            let mut bytes = Vec::with_capacity(holders.serialized_size());
            // Writing to memory does not fail.
            let _ = holders.serialize_into(&mut bytes);
            out.raw(&bytes);
        })
    }
}

fn pool<T, E>(
    frames: &mut Frames<'_, E>,
    section: Section,
    pool: &Pool<T>,
    mut write: impl FnMut(&mut Out, &T),
) -> Result<(), E> {
    frames.section(section, pool.slots(), |out, held| {
        out.number(held.map_or(0, |(_, holders)| holders));
        if let Some((value, _)) = held {
            write(out, value);
        }
    })
}

fn write_row(out: &mut Out, row: &Row) {
    out.text(row.id.as_str());
    out.bytes.extend_from_slice(&row.point.to_le_bytes());
    out.list(row.records.iter(), |out, said| {
        out.long(said.observed.to_bits());
        out.number(said.source);
        out.number(said.set);
    });
    let (distinct, places) = row.since.parts();
    out.list(distinct.iter(), |out, moment| out.long(moment.to_bits()));
    out.raw(places);
    out.long(row.enrolled.to_bits());
    out.long(row.seen.to_bits());
    [row.seen_by, row.packages, row.universe, row.zone].into_iter().for_each(|number| out.number(number));
}
