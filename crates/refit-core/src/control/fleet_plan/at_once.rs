//! Many devices of one universe, decided at once by the fleet engine and held against what is published for them.

use super::{
    gather::Difference,
    pairing::{Pairing, Standing, Stood},
};
use crate::{
    control::{
        evaluate::Terms,
        reading::device,
        state::{DeviceRecord, Published, State},
    },
    engine::{Fleet, Verdicts},
    policy::repository::Repository,
    world::{Device, World},
};
use jiff::Timestamp;
use refit_model::TitleId;
use roaring::RoaringBitmap;
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
    sync::Arc,
};

/// Which devices are decided at once, rather than one by one by the plain decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtOnce {
    /// Those of universes with so many devices and more: for fewer an engine is dearer than their decisions.
    pub from: usize,
    /// So many together: what an engine knows of devices is given back before it reads the next.
    pub most: usize,
}

impl AtOnce {
    /// Nobody.
    pub const NOBODY: AtOnce = AtOnce { from: usize::MAX, most: 1 };
}

impl Default for AtOnce {
    fn default() -> AtOnce {
        AtOnce { from: 64, most: 20_000 }
    }
}

/// What all devices of a universe are decided by.
#[derive(Clone, Copy)]
pub(super) struct Universe<'a> {
    pub state: &'a State,
    pub terms: &'a Terms,
    pub world: &'a World,
    pub now: Timestamp,
}

/// Devices are read in so many at a time.
const READ_AT_ONCE: usize = 256;

/// Decides some devices, and tells how their slots stand by then. `progress` hears of every title, of how many, and may stop the work.
pub(super) fn decide(
    universe: Universe<'_>,
    records: &[&Arc<DeviceRecord>],
    pairing: &mut Pairing,
    difference: &mut Difference,
    mut progress: impl FnMut(usize, usize) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let Universe { state, terms, world, now } = universe;
    let mut contested = Contested { repository: &terms.repository, known: BTreeMap::new() };
    let mut fleet = Fleet::new();
    for records in records.chunks(READ_AT_ONCE) {
        progress(0, 1)?;
        let device = |record: &&Arc<DeviceRecord>| {
            let mut device = device(state, &terms.repository, record, now);
            contested.keep(&mut device);
            device
        };
        let devices: Vec<Device> = records.iter().map(device).collect();
        fleet.extend(&devices);
    }
    let mut indexes = vec![u32::MAX; records.len()];
    for record in records {
        let place = fleet.number(&record.id).and_then(|number| indexes.get_mut(number as usize));
        place.into_iter().for_each(|index| *index = record.index);
    }
    let index = |number: u32| indexes.get(number as usize).copied();
    let verdicts = Verdicts::new(&fleet, &terms.repository, world, now);
    let reader = verdicts.reader();
    let mut published = published(records);
    let titles: BTreeSet<TitleId> = reader.titles().into_iter().chain(published.keys().copied().cloned()).collect();
    for (done, title) in titles.iter().enumerate() {
        progress(done, titles.len())?;
        let mut after = reader.title(title);
        for reading in &mut after {
            reading.devices = reading.devices.iter().filter_map(index).collect();
        }
        pairing.title(&published.remove(title).unwrap_or_default(), &after, difference);
    }
    ControlFlow::Continue(())
}

/// What is published for some devices, by title.
fn published<'a>(records: &[&'a Arc<DeviceRecord>]) -> BTreeMap<&'a TitleId, Standing<'a>> {
    /// The same for all devices that have it from one event: by the address of the cohort, and by due time.
    type Same = (usize, Option<Timestamp>);
    let mut found: BTreeMap<Same, (&'a Published, Vec<u32>)> = BTreeMap::new();
    for record in records {
        for (_, published) in record.published.iter() {
            let same = (Arc::as_ptr(&published.key).addr(), published.due);
            found.entry(same).or_insert_with(|| (published, Vec::new())).1.push(record.index);
        }
    }
    let mut titles: BTreeMap<&'a TitleId, Standing<'a>> = BTreeMap::new();
    for (published, indexes) in found.into_values() {
        let slot = &published.key.slot;
        let devices: RoaringBitmap = indexes.into_iter().collect();
        let stood =
            Stood { key: Some(Cow::Borrowed(&*published.key)), due: published.due, devices: Cow::Owned(devices) };
        titles.entry(&slot.title).or_default().entry(slot.clone()).or_default().push(stood);
    }
    titles
}

/// The titles of which several policies may speak: only there it may be unsure which decides, so that what was decided before counts.
struct Contested<'a> {
    repository: &'a Repository,
    known: BTreeMap<TitleId, bool>,
}

impl Contested<'_> {
    /// Leaves out what a device remembers that nobody will ask: it is most of what a server knows of it.
    fn keep(&mut self, device: &mut Device) {
        device.admitted_before.retain(|slot, _| self.contested(&slot.title));
        device.decided_before.retain(|slot, _| self.contested(&slot.title));
    }

    fn contested(&mut self, title: &TitleId) -> bool {
        if let Some(known) = self.known.get(title) {
            return *known;
        }
        let policies = self.repository.policies.iter();
        let may_speak = policies.filter(|policy| policy.software.iter().any(|named| named.selects(title, || true)));
        let contested = may_speak.count() > 1;
        self.known.insert(title.clone(), contested);
        contested
    }
}
