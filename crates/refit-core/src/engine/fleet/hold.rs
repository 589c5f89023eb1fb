//! What a fleet holds of a device in its pools, and lets go of.

use super::{Fleet, Known, Moment, Overlay, Presence, Row, Said, Told, Universe, Zone, moment::Times};
use crate::{
    engine::intern::hash_of,
    facts::{FactSet, FieldRef, Value},
    world::{Device, Install},
};
use jiff::{Timestamp, tz::TimeZone};
use roaring::RoaringBitmap;
use sha2::{Digest, Sha256};
use smol_str::SmolStr;
use std::sync::Arc;

/// A device of which everything is held, and that is not in its row yet.
pub(in crate::engine) struct Held {
    pub row: Row,
    pub overlay: Overlay,
}

/// Which release in a slot followed which on the device that was held last, by number: machines list what they have in the same order, and
/// many of them have the same.
#[derive(Default)]
pub(super) struct Following(Vec<u32>);

impl Following {
    /// What may come after a release, or at first.
    fn after(&self, before: Option<u32>) -> Option<u32> {
        self.0.get(Following::place(before))?.checked_sub(1)
    }

    fn note(&mut self, before: Option<u32>, next: u32) {
        let place = Following::place(before);
        if self.0.len() <= place {
            self.0.resize(place + 1, 0);
        }
        if let Some(known) = self.0.get_mut(place) {
            *known = next + 1;
        }
    }

    fn place(before: Option<u32>) -> usize {
        before.map_or(0, |before| before as usize + 1)
    }
}

/// An install as a row has it: a release in a slot, since when it is there, and whether nobody had that release before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    present: u32,
    new: bool,
    since: Moment,
}

impl Fleet {
    /// Holds all that is known of a device.
    pub(in crate::engine) fn hold(&mut self, device: &Device) -> Held {
        self.hold_after(device, None)
    }

    /// The same of one of many.
    pub(super) fn hold_after(&mut self, device: &Device, following: Option<&mut Following>) -> Held {
        Held { row: self.row_of(device, following), overlay: overlay_of(device) }
    }

    fn row_of(&mut self, device: &Device, following: Option<&mut Following>) -> Row {
        let digest = Sha256::digest(device.id.as_str().as_bytes());
        let (packages, since) = self.installs_from(&device.installs, following);
        let records = self.records_of(&device.facts);
        let far = &mut self.far;
        let (enrolled, seen) = (Moment::hold(device.enrolled, far), Moment::hold(Some(device.seen), far));
        Row {
            id: device.id.clone(),
            point: u16::from_be_bytes([digest[0], digest[1]]),
            records,
            zone: device.timezone.as_ref().map_or(0, |zone| self.hold_zone(zone) + 1),
            enrolled,
            seen,
            seen_by: self.hold_name(&device.seen_by),
            packages,
            since,
            universe: self.hold_universe(&device.offers),
        }
    }

    fn hold_name(&mut self, name: &SmolStr) -> u32 {
        self.names.hold_as(hash_of(name), |known| known == name, || name.clone()).0
    }

    fn hold_zone(&mut self, zone: &TimeZone) -> u32 {
        let name = Zone::name(zone);
        let same = |known: &Zone| known.name == name;
        self.zones.hold_as(hash_of(&name), same, || Zone { name: name.clone(), zone: zone.clone() }).0
    }

    fn hold_universe(&mut self, offers: &Universe) -> u32 {
        let told = || Told(Arc::new(offers.clone()));
        self.universes.hold_as(Told::hash_of(offers), |known| known.says(offers), told).0
    }

    /// The set of what is installed, and since when each of it is.
    fn installs_from(&mut self, installs: &[Install], mut following: Option<&mut Following>) -> (u32, Times) {
        let mut entries: Vec<Entry> = Vec::with_capacity(installs.len());
        let mut before = None;
        for install in installs {
            let likely = following.as_ref().and_then(|following| following.after(before));
            let likely = likely.filter(|number| self.present.get(*number).is_some_and(|known| is(known, install)));
            let (present, new) = match likely {
                Some(number) => (number, false),
                None => self.find_presence(install),
            };
            if let Some(following) = following.as_mut().filter(|_| likely.is_none()) {
                following.note(before, present);
            }
            before = Some(present);
            entries.push(Entry { present, new, since: Moment::hold(install.since, &mut self.far) });
        }
        self.hold_installs(&in_order(entries))
    }

    /// Holds a set of installs, in order, of which the times are held already.
    fn hold_installs(&mut self, entries: &[Entry]) -> (u32, Times) {
        let numbers: Arc<[u32]> = entries.iter().map(|entry| entry.present).collect();
        let (packages, unknown) = self.packages.hold(numbers);
        // The set holds each of its releases once; what is new is held already.
        if unknown {
            entries.iter().filter(|entry| !entry.new).for_each(|entry| self.present.hold_again(entry.present));
        }
        let since: Vec<Moment> = entries.iter().map(|entry| entry.since).collect();
        (packages, Times::new(&since, &mut self.far))
    }

    /// The number of a release in a slot, if anybody has it.
    pub(super) fn find(&self, install: &Install) -> Option<u32> {
        let hash = hash_of(&(install.title.as_str(), install.version.as_str()));
        self.present.number_as(hash, |known| is(known, install))
    }

    /// The number of a release in a slot; one that nobody has had is held from then on.
    pub(super) fn find_presence(&mut self, install: &Install) -> (u32, bool) {
        if let Some(number) = self.find(install) {
            return (number, false);
        }
        let (number, _) = self.present.hold(Presence {
            title: install.title.clone(),
            branch: install.branch.clone(),
            profile: install.profile.clone(),
            version: install.version.clone(),
        });
        self.by_title.entry(install.title.clone()).or_default().insert(number);
        if self.holders.len() <= number as usize {
            self.holders.resize_with(number as usize + 1, RoaringBitmap::new);
        }
        (number, true)
    }

    /// The facts of a device, by who said them and when.
    pub(super) fn records_of(&mut self, known: &FactSet) -> Box<[Said]> {
        let mut facts: Vec<(Option<&SmolStr>, Option<Timestamp>, &FieldRef, &Value)> = Vec::new();
        for field in known.fields() {
            facts
                .extend(known.said(field).iter().map(|fact| (fact.source.as_ref(), fact.observed, field, &fact.value)));
        }
        facts.sort_by_key(|(source, observed, _, _)| (*source, *observed));
        let mut records = Vec::new();
        for together in facts.chunk_by(|one, other| (one.0, one.1) == (other.0, other.1)) {
            let Some((source, observed, _, _)) = together.first() else { continue };
            let mut set: Vec<(u32, u32)> = Vec::with_capacity(together.len());
            for (_, _, field, value) in together {
                let field = self.fields.hold_as(hash_of(*field), |known| known == *field, || (*field).clone()).0;
                let same = |known: &Known| Known::same(&known.0, value);
                let value = self.values.hold_as(Known::hash_of(value), same, || Known((*value).clone())).0;
                set.push((field, value));
            }
            set.sort_unstable();
            let source = source.map_or(0, |source| self.hold_name(source) + 1);
            let hash = hash_of(set.as_slice());
            let (number, new) = self.sets.hold_as(hash, |known| **known == *set.as_slice(), || set.as_slice().into());
            if !new {
                self.release_set(&set);
            }
            records.push(Said { source, observed: Moment::hold(*observed, &mut self.far), set: number });
        }
        records.into()
    }

    pub(super) fn release_presence(&mut self, number: u32) {
        if let Some(gone) = self.present.release(number)
            && let Some(numbers) = self.by_title.get_mut(&gone.title)
        {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.by_title.remove(&gone.title);
            }
        }
    }

    fn release_set(&mut self, set: &[(u32, u32)]) {
        for (field, value) in set {
            self.fields.release(*field);
            self.values.release(*value);
        }
    }

    pub(super) fn release_records(&mut self, records: &[Said]) {
        for said in records {
            if let Some(source) = said.source.checked_sub(1) {
                self.names.release(source);
            }
            said.observed.release(&mut self.far);
            if let Some(set) = self.sets.release(said.set) {
                self.release_set(&set);
            }
        }
    }

    /// Lets go of a set of installs, and of the times at which they began.
    pub(super) fn release_installs(&mut self, packages: u32, since: &Times) {
        since.distinct().iter().for_each(|moment| moment.release(&mut self.far));
        if let Some(set) = self.packages.release(packages) {
            set.iter().for_each(|present| self.release_presence(*present));
        }
        self.holders.truncate(self.present.width());
    }

    /// Lets go of all that a row holds; bitmaps know nothing of it any more.
    pub(super) fn release(&mut self, row: Row) {
        self.release_records(&row.records);
        if let Some(zone) = row.zone.checked_sub(1) {
            self.zones.release(zone);
        }
        self.names.release(row.seen_by);
        [row.enrolled, row.seen].into_iter().for_each(|moment| moment.release(&mut self.far));
        self.release_installs(row.packages, &row.since);
        self.universes.release(row.universe);
    }
}

/// Whether a release in a slot is what is installed.
fn is(known: &Presence, install: &Install) -> bool {
    known.version.as_str() == install.version.as_str()
        && known.title == install.title
        && known.branch == install.branch
        && known.profile == install.profile
        && known.version.scheme() == install.version.scheme()
}

/// Installs in the order of their releases.
fn in_order(mut entries: Vec<Entry>) -> Vec<Entry> {
    // Numbers are sorted in half the time that entries take.
    let key = |(entry, place): (&Entry, u64)| u64::from(entry.present) << 32 | place;
    let mut order: Vec<u64> = entries.iter().zip(0..).map(key).collect();
    order.sort_unstable();
    if order.windows(2).any(|two| matches!(two, [one, other] if one >> 32 == other >> 32)) {
        // Of what is there twice, the times count too.
        entries.sort_unstable();
        return entries;
    }
    order.into_iter().filter_map(|key| entries.get(key as u32 as usize).copied()).collect()
}

fn overlay_of(device: &Device) -> Overlay {
    Overlay {
        identity_in_doubt: device.identity_in_doubt,
        unheard: device.unheard,
        absences: device.absences.clone(),
        spells: device.spells.clone(),
        first_offers: device.first_offers.clone(),
        deferrals_used: device.deferrals_used.clone(),
        admitted_before: device.admitted_before.clone(),
        decided_before: device.decided_before.clone(),
    }
}
