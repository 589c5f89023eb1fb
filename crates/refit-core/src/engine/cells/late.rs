//! Who has a release since later than anything could oblige to leave it: found in one pass over the devices, in the order in which
//! they lie in memory.
//!
//! A spell matters where it began later than what a clock waits for besides. That is never before something newer was published, or an
//! advisory was known: whoever has had a release since before then need not be looked at, title by title and device by device.

use super::Inputs;
use crate::engine::{fleet::Moment, intern::Map};
use jiff::Timestamp;
use refit_model::TitleId;

/// Devices that are late, by number of release in a slot.
#[derive(Debug, Default)]
pub(super) struct Late {
    of: Map<u32, (Timestamp, Vec<LateDevice>)>,
}

/// A device, and when its spell began; `None` where that has to be looked up.
pub(super) type LateDevice = (u32, Option<Timestamp>);

/// That of a release nobody has to be known.
const NOBODY: i64 = i64::MAX;

impl Late {
    /// Nothing is known: who is late has to be looked up.
    pub fn unknown() -> Late {
        Late::default()
    }

    /// Looks at all devices for the titles that somebody asks.
    pub fn new<'t>(inputs: Inputs<'_>, titles: impl Iterator<Item = &'t TitleId>) -> Late {
        let fleet = inputs.fleet;
        let mut of: Map<u32, (Timestamp, Vec<LateDevice>)> = Map::default();
        let mut bounds: Vec<i64> = vec![NOBODY; fleet.releases()];
        for title in titles {
            let (releases, advisories) = (inputs.world.releases(title), inputs.world.advisories(title));
            for (number, present, _) in fleet.present(title) {
                let newer = releases.iter().filter(|release| release.version > present.version);
                let newer = newer.map(|release| release.published);
                let known = advisories.iter().filter(|advisory| advisory.affects(&present.version) != Some(false));
                let bound = newer.chain(known.map(|advisory| advisory.known_at)).min().unwrap_or(Timestamp::MAX);
                let Ok(nanos) = i64::try_from(bound.as_nanosecond()) else { continue };
                of.insert(number, (bound, Vec::new()));
                if let Some(place) = bounds.get_mut(number as usize) {
                    *place = nanos;
                }
            }
        }
        for device in fleet.numbers() {
            let Some(row) = fleet.row(device) else { continue };
            // A time that is so far away that it does not fit is looked up.
            let nanos = |moment: Moment| match moment.nanos() {
                Some(nanos) => nanos,
                None if moment == Moment::NONE => i64::MIN,
                None => NOBODY,
            };
            let enrolled = nanos(row.enrolled);
            let times: Vec<i64> = row.since.distinct().iter().map(|moment| nanos(*moment)).collect();
            for (place, present) in fleet.installs_of(row).iter().enumerate() {
                let bound = bounds.get(*present as usize).copied().unwrap_or(NOBODY);
                if bound == NOBODY {
                    continue;
                }
                let since = times.get(row.since.place(place)).copied().unwrap_or(NOBODY);
                let spell = since.max(enrolled);
                if spell > bound
                    && let Some((_, late)) = of.get_mut(present)
                {
                    let known = spell != NOBODY;
                    let spell = known.then(|| Timestamp::from_nanosecond(i128::from(spell)).ok()).flatten();
                    late.push((device, spell));
                }
            }
        }
        Late { of }
    }

    /// Who may have a release since later than a time: the time, and the devices in order; `None` where that is not known.
    pub fn of(&self, present: u32) -> Option<(Timestamp, &[LateDevice])> {
        self.of.get(&present).map(|(bound, late)| (*bound, late.as_slice()))
    }
}
