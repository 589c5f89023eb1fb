//! What the server itself knows, as records beside those of sources: devices by what their agents say of them, people by what was told
//! to it.

use crate::control::{DeviceRecord, PersonRecord, State, account::RECORD, report};
use crate::facts::{
    estate::REFIT,
    identity::{RecordId, Registry, Sighting},
    mapping::{Key, KeyKind, Strength, document::Subject},
};
use imbl::ordmap::DiffItem;
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

/// Whether what the server itself knows can't have changed who is who between two states, so that nobody has to look anew. What that costs depends
/// on what is different between them, and not on how many devices and people there are.
pub fn same_keys(before: &State, now: &State, read: &BTreeSet<SmolStr>) -> bool {
    let of_person = |state: &State, id: &PersonId, record: &PersonRecord| -> Vec<(SmolStr, Vec<Key>)> {
        told_of(state, id, record, read).map(|(source, keys)| (source.clone(), keys)).collect()
    };
    let mut people = before.people.diff(&now.people);
    let same_people = people.all(|item| match item {
        DiffItem::Add(id, record) => of_person(now, id, record).is_empty(),
        DiffItem::Remove(id, record) => of_person(before, id, record).is_empty(),
        DiffItem::Update { old: (id, old), new: (_, new) } => {
            let told_anew = TOLD.iter().any(|field| old.facts.get(*field) != new.facts.get(*field));
            !told_anew || of_person(before, id, old) == of_person(now, id, new)
        }
    });
    let mut devices = before.devices.diff(&now.devices);
    let same_devices = devices.all(|item| match item {
        DiffItem::Add(_, record) | DiffItem::Remove(_, record) => device_keys(record).is_none(),
        DiffItem::Update { old: (_, old), new: (_, new) } => {
            let says_the_same = DEVICE_KEYS.iter().all(|(field, _)| text_of(old, field) == text_of(new, field));
            says_the_same && old.retired.is_some() == new.retired.is_some()
        }
    });
    // Who was merged into whom is told to sources under another id.
    same_people && same_devices && before.identity == now.identity
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
        for (source, keys) in told_of(state, id, record, read) {
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

/// What people are told by that can change who they are: their address, their account, and whether they have left. What is told anew is a new
/// reference.
const TOLD: [&str; 3] = ["email", RECORD, "employment"];

/// The keys that sources which are not read tell of a person, by source.
fn told_of<'s>(
    state: &'s State,
    id: &PersonId,
    record: &'s PersonRecord,
    read: &'s BTreeSet<SmolStr>,
) -> impl Iterator<Item = (&'s SmolStr, Vec<Key>)> + use<'s> {
    let themselves = state.identity.person_merged_into(id).is_none();
    let said = record.facts.get("email").filter(|_| themselves).into_iter().flatten();
    said.filter_map(move |(source, reference)| {
        let told = source != REFIT && !read.contains(source);
        let Some(Plain::Text(address)) = state.personal.get(reference).filter(|_| told) else { return None };
        let mut email = key(KeyKind::Email, address)?;
        let account = state.account(record, source).unwrap_or_default();
        if account.off || state.has_left(record, source) {
            email.strength = Strength::Weak;
        }
        let said = [(KeyKind::EmployeeId, account.number), (KeyKind::Name, account.name)];
        let mut keys: Vec<Key> = said.into_iter().filter_map(|(kind, text)| key(kind, &text?)).collect();
        keys.push(email);
        Some((source, keys))
    })
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

/// What an agent says of a field of its device.
fn text_of<'r>(record: &'r DeviceRecord, field: &str) -> Option<&'r SmolStr> {
    match record.facts.get(field)?.get(report::SOURCE)? {
        Plain::Text(text) => Some(text),
        _ => None,
    }
}

/// What a device with an agent is known by elsewhere; by a name alone it is by nothing.
fn device_keys(record: &DeviceRecord) -> Option<Vec<Key>> {
    let said = DEVICE_KEYS.iter().filter_map(|(field, kind)| key(*kind, text_of(record, field)?));
    let mut keys: Vec<Key> = said.collect();
    keys.iter().find(|key| key.kind != KeyKind::Hostname)?;
    keys.sort();
    Some(keys)
}

fn device(state: &State, record: &DeviceRecord, now: Timestamp) -> Option<(Sighting, Timestamp)> {
    let keys = device_keys(record)?;
    // An agent goes by the id under which it enrolled, whatever its device was merged into.
    let id = state.identity.agents_id(&record.id);
    let sighting = Sighting {
        record: RecordId { of: Subject::Device, source: report::SOURCE.into(), id: id.as_str().into() },
        at: now,
        keys,
        partial: false,
        platform: text_of(record, "device.platform").cloned(),
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
