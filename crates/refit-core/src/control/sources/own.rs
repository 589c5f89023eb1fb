//! What the server itself knows, as records beside those of sources: devices by what their agents say of them, people by what was told
//! to it.

use crate::control::{DeviceRecord, State, report};
use crate::facts::{
    estate::REFIT,
    identity::{RecordId, Registry, Sighting},
    mapping::{Key, KeyKind, Strength, document::Subject},
};
use jiff::Timestamp;
use refit_model::{DeviceId, PersonId, entry::Plain};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// By which facts of an agent a device is known elsewhere.
const DEVICE_KEYS: [(&str, KeyKind); 3] = [
    ("device.serial", KeyKind::Serial),
    ("device.hardware_uuid", KeyKind::HardwareUuid),
    ("device.hostname", KeyKind::Hostname),
];

/// Since when somebody has the id under which they were told to the server: whoever told it keeps asking for it under this id, so that no other
/// is older.
const SINCE: Timestamp = Timestamp::UNIX_EPOCH;

/// What the server itself knows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Own {
    /// Records under ids of Refit's own, each with the time since which it has that id.
    pub sightings: Vec<(Sighting, Timestamp)>,
    /// Records of devices that are no longer managed.
    pub gone: Vec<RecordId>,
}

impl Own {
    /// What of it can change who is who. It is equal as long as nobody has to look anew.
    pub fn keys(&self) -> impl Iterator<Item = (&RecordId, &[Key])> {
        let sightings = self.sightings.iter().map(|(sighting, _)| (&sighting.record, sighting.keys.as_slice()));
        sightings.chain(self.gone.iter().map(|record| (record, &[][..])))
    }
}

/// What the server itself knows. `read` are the sources that it reads: what they say comes from there.
pub fn own(state: &State, registry: &Registry, read: &BTreeSet<SmolStr>, now: Timestamp) -> Own {
    let mut own = Own::default();
    for record in state.managed() {
        own.sightings.extend(device(state, record, now));
    }
    // By source whom it knows by another id than theirs.
    let mut otherwise: BTreeMap<&SmolStr, BTreeMap<&PersonId, &PersonId>> = BTreeMap::new();
    for (id, record) in &state.people {
        if state.identity.person_merged_into(id).is_some() {
            continue;
        }
        for (source, reference) in record.facts.get("email").into_iter().flatten() {
            let told = source != REFIT && !read.contains(source);
            let Some(Plain::Text(address)) = state.personal.get(reference).filter(|_| told) else { continue };
            let Some(mut email) = key(KeyKind::Email, address) else { continue };
            let account = state.account(record, source).unwrap_or_default();
            if account.off || state.has_left(record, source) {
                email.strength = Strength::Weak;
            }
            let said = [(KeyKind::EmployeeId, account.number), (KeyKind::Name, account.name)];
            let mut keys: Vec<Key> = said.into_iter().filter_map(|(kind, text)| key(kind, &text?)).collect();
            keys.push(email);
            // It goes on to speak of them under the id that it was given, whomever they were merged into.
            let known = otherwise.entry(source).or_insert_with(|| state.identity.told_otherwise(source));
            let id = known.get(id).copied().unwrap_or(id);
            let told = RecordId { of: Subject::Person, source: source.clone(), id: id.as_str().into() };
            own.sightings.push(person(told, record.reported.get(source).copied().unwrap_or(now), keys));
        }
    }
    own.sightings.extend(taken_back(&own.sightings, registry, read, now));
    let retired = |record: &RecordId| state.device_now(&DeviceId::new(&record.id)).is_none();
    let agents = registry.nodes().iter().filter(|node| !node.gone && node.record.of == Subject::Device);
    let agents = agents.map(|node| &node.record).filter(|record| record.source == report::SOURCE);
    own.gone = agents.filter(|record| retired(record)).cloned().collect();
    own
}

/// People of whom a source no longer tells what it told: their addresses may be somebody else's by now.
fn taken_back(
    told: &[(Sighting, Timestamp)],
    registry: &Registry,
    read: &BTreeSet<SmolStr>,
    now: Timestamp,
) -> Vec<(Sighting, Timestamp)> {
    let told: BTreeSet<&RecordId> = told.iter().map(|(sighting, _)| &sighting.record).collect();
    let nodes = registry.nodes().iter().filter(|node| node.record.of == Subject::Person && node.anchor.since == SINCE);
    let nodes = nodes.filter(|node| !read.contains(&node.record.source) && !told.contains(&node.record));
    let vouched = |key: &Key| key.kind == KeyKind::Email && key.strength == Strength::Strong;
    let weak = |key: &Key| match vouched(key) {
        true => Key { strength: Strength::Weak, ..key.clone() },
        false => key.clone(),
    };
    let taken = nodes.filter(|node| node.keys.iter().any(vouched));
    taken.map(|node| person(node.record.clone(), node.at.max(now), node.keys.iter().map(weak).collect())).collect()
}

/// What was told to the server of who somebody is, and since when.
fn person(record: RecordId, at: Timestamp, mut keys: Vec<Key>) -> (Sighting, Timestamp) {
    keys.sort();
    let (partial, platform, began, alive, gone) = (false, None, None, None, false);
    (Sighting { record, at, keys, partial, platform, began, alive, gone }, SINCE)
}

fn device(state: &State, record: &DeviceRecord, now: Timestamp) -> Option<(Sighting, Timestamp)> {
    let text = |field: &str| match record.facts.get(field)?.get(report::SOURCE)? {
        Plain::Text(text) => Some(text),
        _ => None,
    };
    let mut keys: Vec<Key> = DEVICE_KEYS.iter().filter_map(|(field, kind)| key(*kind, text(field)?)).collect();
    // By a name alone nothing is known elsewhere.
    keys.iter().find(|key| key.kind != KeyKind::Hostname)?;
    keys.sort();
    // An agent goes by the id under which it enrolled, whatever its device was merged into.
    let id = state.identity.agents_id(&record.id);
    let sighting = Sighting {
        record: RecordId { of: Subject::Device, source: report::SOURCE.into(), id: id.as_str().into() },
        at: now,
        keys,
        partial: false,
        platform: text("device.platform").cloned(),
        began: state.agents.devices.get(&record.id).map(|agent| agent.joined),
        alive: Some(record.seen.min(now)),
        gone: false,
    };
    Some((sighting, state.devices.get(id)?.enrolled))
}

/// A key of this text; `None` where it identifies nothing.
fn key(kind: KeyKind, text: &str) -> Option<Key> {
    Some(Key { kind, value: kind.written(text).ok()?, strength: kind.strength() })
}
