//! What a device says when it checks in, held against what is known of it: the part of the agents' door that needs no IO.

use super::{
    entry::{InstallEntry, Plain},
    event::DeviceStands,
    history::{CheckIn, Continuation, without_news},
    input::{Input, Installs, Observation, UniverseReport},
    state::{DeviceRecord, State},
};
use jiff::Timestamp;
use refit_wire::{
    Digest,
    protocol::{Inventory, Report, Universe, Want},
};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// The source of what agents say.
pub const SOURCE: &str = "agent";

/// What comes of a report.
#[derive(Debug)]
pub struct Heard {
    /// What the server wants next.
    pub want: Want,
    /// What the writer has to hear; `None` is: nothing is new.
    pub input: Option<Input>,
    /// Whether it continues the device's history. One that does not goes to the writer, which has to say so in the log.
    pub continues: Continuation,
}

/// Whether what a device says of its directives differs from what is known.
pub fn differs(state: &State, said: &DeviceStands) -> bool {
    state.agents.devices.get(&said.device).is_none_or(|known| {
        known.agent != said.agent
            || known.problems != said.problems
            || known.standing.len() != said.standing.len()
            || known
                .standing
                .iter()
                .zip(&said.standing)
                .any(|(known, said)| (&known.directive, known.waits_for) != (&said.directive, said.waits_for))
    })
}

/// What a device says of itself, held against what is known of it. What of it is news goes to the writer, and a check-in without
/// news only where its history asks for it.
pub fn hear(
    state: &State,
    record: &DeviceRecord,
    said: Report,
    check_in: Option<&CheckIn>,
    known: Digest,
    now: Timestamp,
) -> Heard {
    let (continues, has_to_be_heard) = without_news(record, SOURCE, check_in);
    let (want, mut input) = compare(state, record, said, check_in, known, now);
    if input.is_none() && has_to_be_heard {
        let nothing = Installs::Changes { present: Vec::new(), gone: Vec::new() };
        input = Some(observation(record, BTreeMap::new(), nothing, None, check_in, now));
    }
    Heard { want, input, continues }
}

fn observation(
    record: &DeviceRecord,
    facts: BTreeMap<SmolStr, Option<Plain>>,
    installs: Installs,
    universe: Option<Universe>,
    check_in: Option<&CheckIn>,
    now: Timestamp,
) -> Input {
    Input::Observe(Observation {
        device: record.id.clone(),
        source: SOURCE.into(),
        // The order of check-ins is known, and clocks of devices are not believed.
        observed: now,
        facts,
        installs: Some(installs),
        universe: universe.map(|universe| UniverseReport {
            key: universe.key,
            distribution: universe.distribution,
            offers: universe.offers,
        }),
        check_in: check_in.cloned(),
    })
}

/// What a report asks the server to do, and what the server wants next.
fn compare(
    state: &State,
    record: &DeviceRecord,
    report: Report,
    check_in: Option<&CheckIn>,
    known: Digest,
    now: Timestamp,
) -> (Want, Option<Input>) {
    let observation = |facts, installs, universe| observation(record, facts, installs, universe, check_in, now);
    match report {
        Report::Same { digest } if digest == known => (Want::Nothing, None),
        Report::Changes { base, facts, present, gone, universe, .. } if base == known => {
            (Want::Nothing, Some(observation(facts, Installs::Changes { present, gone }, universe)))
        }
        // It was taken before, and the answer was lost.
        Report::Changes { digest, .. } if digest == known => (Want::Nothing, None),
        Report::Same { .. } | Report::Changes { .. } => (Want::All, None),
        Report::All { inventory } => {
            let offers = inventory.universe.offers.is_empty() || knows(state, &inventory.universe);
            if inventory.digest() == known && offers {
                return (Want::Nothing, None);
            }
            let mut facts: BTreeMap<SmolStr, Option<Plain>> =
                inventory.facts.into_iter().map(|(field, value)| (field, Some(value))).collect();
            for (field, said) in &record.facts {
                if said.contains_key(SOURCE) {
                    facts.entry(field.clone()).or_insert(None);
                }
            }
            let installs = Installs::All(inventory.installs.into_values().collect());
            (Want::Nothing, Some(observation(facts, installs, Some(inventory.universe))))
        }
    }
}

/// Whether a universe is known to offer all of this.
fn knows(state: &State, said: &Universe) -> bool {
    let known = state.universes.get(&said.key);
    known.is_some_and(|known| said.offers.iter().all(|offer| known.knows(offer)))
}

/// Whether nobody has said yet what the device's universe offers.
pub fn wants_offers(state: &State, record: &DeviceRecord) -> bool {
    let key = record.universe.as_ref().filter(|key| !key.is_empty());
    key.is_some_and(|key| state.universes.get(key).is_none_or(|universe| universe.offers.is_empty()))
}

/// Whether the check-in is the last of the device's history that was written down: the answer says so.
pub fn recorded(record: &DeviceRecord, check_in: Option<&CheckIn>) -> bool {
    let head = check_in.and_then(CheckIn::head);
    let newest = record.history.as_ref().and_then(|history| history.heads.last().copied());
    head.is_some() && head == newest
}

/// The distribution of a device's universe; empty where nobody says.
pub fn distribution(state: &State, record: &DeviceRecord) -> SmolStr {
    let universe = record.universe.as_ref().and_then(|key| state.universes.get(key));
    universe.map(|universe| universe.distribution.clone()).unwrap_or_default()
}

/// The digest of what is known of a device: the same as [`Inventory::digest`] of what it said.
pub fn digest(state: &State, record: &DeviceRecord) -> Digest {
    let facts = record.facts.iter().filter_map(|(field, said)| Some((field.clone(), said.get(SOURCE)?.clone())));
    let installs = record.installs.iter().map(|(slot, installed)| {
        let entry = InstallEntry {
            title: slot.title.clone(),
            branch: slot.branch.clone(),
            profile: slot.profile.clone(),
            version: installed.version.clone(),
            state: installed.state.clone(),
            source: None,
        };
        (slot.clone(), entry)
    });
    let universe = Universe {
        key: record.universe.clone().unwrap_or_default(),
        distribution: distribution(state, record),
        offers: Vec::new(),
    };
    Inventory { facts: facts.collect(), installs: installs.collect(), universe }.digest()
}
