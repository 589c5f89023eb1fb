//! What fields of a device are, after all its sources have been heard: of what is not too old, what the most trusted source
//! says; of sources that nobody ranked, what was observed last.

use super::super::fleet::{Fleet, Moment, Row, Said};
use crate::{
    facts::{DEVICE_STALE_AFTER, FieldRef, PERSON_STALE_AFTER, Root},
    policy::repository::Repository,
};
use jiff::Timestamp;

/// Answers for some fields, one device after the other.
pub(crate) struct Resolver<'f> {
    fleet: &'f Fleet,
    now: i128,
    /// The place among the wanted of each field, by its number in the fleet.
    places: Vec<Option<usize>>,
    wanted: Vec<Wanted>,
    /// By source, from 1 on: for how many nanoseconds counts what it says of devices, and of people.
    lasts: Vec<(i128, i128)>,
    best: Vec<Option<Best>>,
    /// The same without what is said when.
    found: Vec<Option<u32>>,
    /// When the first fact of the last device becomes too old.
    until: Option<i128>,
}

struct Wanted {
    of_person: bool,
    /// How much a source is trusted, by its number from 1 on; the less, the more.
    ranks: Vec<usize>,
}

/// The most trusted so far.
#[derive(Clone, Copy)]
struct Best {
    rank: usize,
    observed: i128,
    said: Said,
    value: u32,
}

/// What has no time counts as observed at last.
const ALWAYS_FRESH: i128 = i128::MAX;

impl<'f> Resolver<'f> {
    /// For fields, under the authority of a repository.
    pub fn new(fleet: &'f Fleet, repository: &Repository, now: Timestamp, fields: &[&FieldRef]) -> Self {
        let mut places = Vec::new();
        for (place, field) in fields.iter().enumerate() {
            if let Some(number) = fleet.field(field) {
                let number = number as usize;
                places.resize(places.len().max(number + 1), None);
                if let Some(known) = places.get_mut(number) {
                    *known = Some(place);
                }
            }
        }
        let sources = 1 + fleet.names();
        let wanted = fields.iter().map(|field| {
            let order = repository.authority.order.get(*field).map(Vec::as_slice).unwrap_or_default();
            let rank = |number: usize| match fleet.name(number.checked_sub(1)? as u32) {
                Some(source) => order.iter().position(|listed| listed == source).map(|rank| rank + 1),
                None => None,
            };
            // What needs no source stands for itself: nobody is trusted more.
            let ranks = (0..sources).map(|number| if number == 0 { 0 } else { rank(number).unwrap_or(usize::MAX) });
            Wanted { of_person: field.root == Root::Person, ranks: ranks.collect() }
        });
        let lasts = (0..sources).map(|number| {
            let known = number.checked_sub(1).and_then(|number| fleet.name(number as u32));
            let after = known.and_then(|source| repository.staleness.stale_after.get(source)).copied();
            (after.unwrap_or(DEVICE_STALE_AFTER).as_nanos(), after.unwrap_or(PERSON_STALE_AFTER).as_nanos())
        });
        Self {
            fleet,
            now: now.as_nanosecond(),
            places,
            wanted: wanted.collect(),
            lasts: lasts.collect(),
            best: vec![None; fields.len()],
            found: vec![None; fields.len()],
            until: None,
        }
    }

    /// The numbers of their values, in the order of the fields.
    pub fn resolve(&mut self, row: &Row) -> &[Option<u32>] {
        self.best.fill(None);
        self.until = None;
        for said in &row.records {
            let observed = instant(self.fleet, said.observed);
            // What has a time counts up to an end, which is one for all that it says of devices, and one for people.
            let timed = observed != ALWAYS_FRESH;
            let (of_device, of_person) = self.lasts.get(said.source as usize).copied().unwrap_or((0, 0));
            let end = |after: i128| if timed { observed + after } else { ALWAYS_FRESH };
            let (of_device, of_person) = (end(of_device), end(of_person));
            let (mut told_of_device, mut told_of_person) = (false, false);
            for (field, value) in self.fleet.set(said.set) {
                let Some(Some(place)) = self.places.get(*field as usize).copied() else { continue };
                let (Some(wanted), Some(best)) = (self.wanted.get(place), self.best.get_mut(place)) else { continue };
                let (end, told) = match wanted.of_person {
                    true => (of_person, &mut told_of_person),
                    false => (of_device, &mut told_of_device),
                };
                if end < self.now {
                    continue;
                }
                *told = true;
                let rank = wanted.ranks.get(said.source as usize).copied().unwrap_or(usize::MAX);
                let better = best.is_none_or(|known| {
                    (rank, std::cmp::Reverse(observed))
                        .cmp(&(known.rank, std::cmp::Reverse(known.observed)))
                        .then_with(|| self.fleet.source(*said).cmp(&self.fleet.source(known.said)))
                        .is_lt()
                });
                if better {
                    *best = Some(Best { rank, observed, said: *said, value: *value });
                }
            }
            for (end, told) in [(of_device, told_of_device), (of_person, told_of_person)] {
                if timed && told {
                    self.until = Some(self.until.map_or(end, |until| until.min(end)));
                }
            }
        }
        self.found.clear();
        self.found.extend(self.best.iter().map(|best| best.map(|best| best.value)));
        &self.found
    }

    /// The last instant at which all counts that counts now, in the device that was resolved last, as nanoseconds since 1970;
    /// `None`: for ever.
    pub fn until(&self) -> Option<i128> {
        self.until
    }
}

fn instant(fleet: &Fleet, moment: Moment) -> i128 {
    match moment.nanos() {
        Some(nanos) => i128::from(nanos),
        None => fleet.time(moment).map_or(ALWAYS_FRESH, Timestamp::as_nanosecond),
    }
}
