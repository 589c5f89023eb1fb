//! Devices: enrolment, what sources say of them, receipts.

use super::super::{
    entry::{InstallEntry, Plain, SlotName},
    event::{
        DeviceEnrolled, DeviceObserved, DeviceQuarantined, DeviceRetired, Event, QuarantineLifted, ReceiptReceived,
        UniverseOffered,
    },
    history::{CheckIn, Continuation, Head, UNCOUNTED},
    input::{Effect, Installs, Observation, Outcome, Refusal},
    publication::Wanted,
    state::{DeviceRecord, State},
    token::{Actor, Bearer},
    unread::{self, UNDECLARED_MOST, UNDECLARED_NAME_LONGEST, UNDECLARED_VALUE_LONGEST},
};
use super::{catalogue::scheme, operations::one};
use crate::facts::{FieldRef, Root};
use jiff::{SignedDuration, Timestamp};
use refit_model::{DeviceId, Version};
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// How often a source that says the same again is written down, so that its facts stay fresh.
const CONFIRM_EVERY: SignedDuration = SignedDuration::from_hours(6);
/// The most installs that a device may have.
const INSTALLS_MOST: usize = 20_000;
/// The longest id, name or value, in bytes.
const TEXT_LONGEST: usize = 1_024;

pub(super) fn enrol(state: &State, device: DeviceId, name: Option<SmolStr>) -> Result<Outcome, Refusal> {
    let id = device.as_str();
    if id.is_empty() || id.len() > 128 || !id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:".contains(c)) {
        return Err(Refusal::Invalid(format!(
            "`{}` is no device id: up to 128 letters, digits and any of `-_.:`",
            id.escape_debug().take(130).collect::<String>()
        )));
    }
    if state.devices.contains_key(&device) {
        return Err(Refusal::Exists { what: "device", id: id.into() });
    }
    let index = u32::try_from(state.by_index.len()).map_err(|_| Refusal::Invalid("the fleet is full".into()))?;
    Ok(one(DeviceEnrolled { device, index, name }))
}

pub(super) fn retire(state: &State, device: DeviceId) -> Result<Outcome, Refusal> {
    managed(state, &device)?;
    Ok(one(DeviceRetired { device }))
}

pub(super) fn observe(state: &State, said: Observation, now: Timestamp) -> Result<Outcome, Refusal> {
    let record = managed(state, &said.device)?.clone();
    if said.source.is_empty() || said.source.len() > TEXT_LONGEST {
        return Err(Refusal::Invalid("an observation needs the name of its source".into()));
    }
    let (head, begins) = match continues(&record, &said)? {
        Ok(head) => head,
        Err(outcome) => return Ok(outcome),
    };
    // A clock that is ahead must not make facts fresh for ever.
    let observed = said.observed.min(now);
    let known = record.reported.get(&said.source).copied();
    // Messages may arrive in another order than they were sent: what is older than what is known changes nothing.
    if record.said.get(&said.source).is_some_and(|newest| observed < *newest) {
        return Ok(Outcome { seen: Some(record.index), ..Outcome::default() });
    }
    let mut event = DeviceObserved {
        device: said.device.clone(),
        source: said.source.clone(),
        observed,
        facts: Default::default(),
        confirmed: true,
        present: Vec::new(),
        gone: Vec::new(),
        universe: None,
        check_in: head,
        system: matches!(said.installs, Some(Installs::System(_))),
    };
    for (field, value) in said.facts {
        let named = field.parse::<FieldRef>().ok().filter(|named| named.root == Root::Device);
        if named.is_none() {
            return Err(Refusal::Invalid(format!("`{field}` is no field of a device: write `device.site`")));
        }
        let before = record.facts.get(&field).and_then(|said_by| said_by.get(&said.source));
        if before != value.as_ref() {
            event.facts.insert(field, value);
        }
    }
    undeclared(state, &record, &event.facts)?;
    let is_hearsay = matches!(said.installs, Some(Installs::Told(_)));
    let gives_way = is_hearsay || event.system;
    let installs = said.installs.filter(|_| !gives_way || !state.speaks_for_itself(&record));
    // The operating system alone is a sign of the device where nobody says what else there is.
    let speaks = !event.system || record.installs.keys().all(|slot| state.is_system(&slot.title));
    let observes_installs = installs.is_some() && !is_hearsay && speaks;
    if let Some(installs) = installs {
        (event.present, event.gone) = differences(state, &record, installs)?;
        for entry in &event.present {
            // What can't be compared would look as if it were not there.
            if let Err(error) = Version::parse(scheme(state, &entry.title), &entry.version) {
                return Err(Refusal::Invalid(format!("{}: {error}", entry.title)));
            }
        }
    }
    let mut outcome = Outcome::default();
    if let Some(report) = said.universe {
        let universe = state.universes.get(&report.key);
        let new: Vec<_> =
            report.offers.into_iter().filter(|offer| universe.is_none_or(|universe| !universe.knows(offer))).collect();
        let elsewhere = universe.is_none_or(|universe| universe.distribution != report.distribution);
        if !new.is_empty() || elsewhere {
            outcome.events.push(Event::UniverseOffered(UniverseOffered {
                universe: report.key.clone(),
                distribution: report.distribution.clone(),
                offers: new,
            }));
        }
        if record.universe.as_ref() != Some(&report.key) {
            event.universe = Some(report.key);
        }
        if !event.present.is_empty() || event.universe.is_some() || !outcome.events.is_empty() {
            outcome.effects.push(Effect::Match(report.distribution));
        }
    }
    let changes = !event.facts.is_empty() || !event.present.is_empty() || !event.gone.is_empty();
    let first = known.is_none() || event.universe.is_some() || begins;
    let grows_old = known.is_none_or(|known| observed.duration_since(known) >= CONFIRM_EVERY);
    // Who reports the installs shows up in the quarter-hourly presence; other sources have to be written down now and then.
    let is_observer = observes_installs && said.source == record.seen_by;
    if changes || first || (grows_old && !is_observer) {
        outcome.events.push(event.into());
    }
    if observes_installs {
        outcome.seen = Some(record.index);
    }
    Ok(outcome)
}

/// Refuses facts of fields that no policy declares where there are too many of them, or large ones. Some are kept: a policy that
/// is still being written can read them in its plan.
fn undeclared(state: &State, record: &DeviceRecord, facts: &BTreeMap<SmolStr, Option<Plain>>) -> Result<(), Refusal> {
    let fields = state.fields();
    let is_undeclared = |name: &SmolStr| name.parse::<FieldRef>().is_ok_and(|field| fields.get(&field).is_none());
    let said = facts.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    let mut new = 0;
    for (name, value) in said.filter(|(name, _)| is_undeclared(name)) {
        if name.len() > UNDECLARED_NAME_LONGEST || unread::size(value) > UNDECLARED_VALUE_LONGEST {
            return Err(Refusal::Invalid(format!(
                "`{}` is no field of the policy in force: of such a field the name may have {UNDECLARED_NAME_LONGEST} bytes and a \
                 value {UNDECLARED_VALUE_LONGEST}",
                name.chars().take(130).collect::<String>()
            )));
        }
        new += usize::from(!record.facts.contains_key(name));
    }
    if new > 0 && new + record.facts.keys().filter(|name| is_undeclared(name)).count() > UNDECLARED_MOST {
        return Err(Refusal::Invalid(format!(
            "facts of more than {UNDECLARED_MOST} fields that the policy in force does not have are not kept for one device: \
             declare them with `fields:` of refit.yaml first"
        )));
    }
    Ok(())
}

/// Whether a report continues what the device has said: the check-in, and whether it has to be written down without news too; or
/// what comes of a report that does not continue it.
fn continues(record: &DeviceRecord, said: &Observation) -> Result<Result<(Option<Head>, bool), Outcome>, Refusal> {
    let counted = record.history.as_ref().filter(|history| history.source == said.source || said.check_in.is_some());
    if said.check_in.is_none() && counted.is_none() && record.seen_by != said.source {
        // Other systems speak of the device all the same.
        return Ok(Ok((None, false)));
    }
    not_quarantined(record)?;
    if let Some(check_in) = &said.check_in {
        check_in.check()?;
    }
    let head = said.check_in.as_ref().and_then(CheckIn::head);
    let continuation = match (counted, &said.check_in) {
        (None, _) => Continuation::Next,
        (Some(_), None) => Continuation::Diverges(UNCOUNTED),
        (Some(history), Some(check_in)) => history.judge(check_in),
    };
    Ok(match continuation {
        Continuation::Next => {
            // A history begins with the first check-in; and an agent that does not know what was written down last has to learn it.
            let grows =
                said.check_in.as_ref().is_some_and(|check_in| counted.is_none_or(|it| it.has_to_grow(check_in)));
            Ok((head, grows))
        }
        // What arrives late is a sign of life all the same.
        Continuation::Earlier => Err(Outcome { seen: Some(record.index), ..Outcome::default() }),
        Continuation::Diverges(because) => Err(one(DeviceQuarantined {
            device: said.device.clone(),
            source: said.source.clone(),
            check_in: head,
            because: because.into(),
        })),
    })
}

fn not_quarantined(record: &DeviceRecord) -> Result<(), Refusal> {
    match &record.quarantined {
        Some(quarantine) => {
            Err(Refusal::Quarantined { device: record.id.clone(), because: quarantine.because.clone() })
        }
        None => Ok(()),
    }
}

pub(super) fn lift_quarantine(
    state: &State,
    actor: &Actor,
    device: DeviceId,
    why: SmolStr,
) -> Result<Outcome, Refusal> {
    let record = managed(state, &device)?;
    if actor.bearer != Bearer::Person {
        return Err(Refusal::Forbidden(
            "a program can't lift a quarantine: a person has to look which of the two devices is the one".into(),
        ));
    }
    if why.trim().is_empty() {
        return Err(Refusal::Invalid("say why".into()));
    }
    Ok(if record.quarantined.is_some() { one(QuarantineLifted { device, why }) } else { Outcome::default() })
}

/// What has changed among the installs: new or with another version or a source that was not known, and gone.
fn differences(
    state: &State,
    record: &DeviceRecord,
    installs: Installs,
) -> Result<(Vec<InstallEntry>, Vec<SlotName>), Refusal> {
    let is_system = |slot: &&SlotName| state.is_system(&slot.title);
    // What device management lists are programs: the operating system stays, and is told by itself.
    let lists_programs = matches!(installs, Installs::Told(_));
    let (listed, mut gone, complete) = match installs {
        Installs::All(listed) | Installs::Told(listed) => (listed, Vec::new(), true),
        Installs::Changes { present, gone } => (present, gone, false),
        // A device runs one: it has left its former branch.
        Installs::System(entry) => (vec![entry], record.installs.keys().filter(is_system).cloned().collect(), false),
    };
    if listed.len() > INSTALLS_MOST {
        return Err(Refusal::Invalid(format!("more than {INSTALLS_MOST} installs on one device")));
    }
    let mut slots = BTreeSet::new();
    for entry in &listed {
        if entry.title.as_str().is_empty() || entry.title.as_str().len() > TEXT_LONGEST {
            return Err(Refusal::Invalid("an install has no title".into()));
        }
        let long = |text: &SmolStr| text.is_empty() || text.len() > TEXT_LONGEST;
        if entry.source.as_ref().is_some_and(|source| long(&source.name) || source.version.as_ref().is_some_and(long)) {
            return Err(Refusal::Invalid(format!(
                "`{}`: a source has a name of 1 to {TEXT_LONGEST} bytes",
                entry.slot()
            )));
        }
        if !slots.insert(entry.slot()) {
            return Err(Refusal::Invalid(format!("`{}` is listed twice", entry.slot())));
        }
    }
    if complete {
        let missing = record.installs.keys().filter(|slot| !slots.contains(*slot));
        gone.extend(missing.filter(|slot| !lists_programs || !is_system(slot)).cloned());
    }
    gone.retain(|slot| record.installs.contains_key(slot) && !slots.contains(slot));
    let changed = |entry: &InstallEntry| {
        record
            .installs
            .get(&entry.slot())
            .is_none_or(|known| known.version != entry.version || known.state != entry.state)
            || !state.knows_source(entry)
    };
    Ok((listed.into_iter().filter(changed).collect(), gone))
}

pub(super) fn receipt(state: &State, mut receipt: ReceiptReceived) -> Result<Outcome, Refusal> {
    let record = managed(state, &receipt.device)?;
    if receipt.wanted.is_none()
        && let Some(published) = record.published.get(&receipt.slot)
        && let Wanted::Release(version) = &published.key.admitted
    {
        receipt.wanted = Some(version.clone());
    }
    not_quarantined(record)?;
    // The same report counts once, and one from a clock that was set back counts too.
    if record.counted.contains(&receipt.receipt) {
        return Ok(Outcome::default());
    }
    Ok(one(receipt))
}

pub(super) fn managed<'s>(state: &'s State, device: &DeviceId) -> Result<&'s Arc<DeviceRecord>, Refusal> {
    state.device(device).ok_or_else(|| Refusal::Missing { what: "device", id: device.as_str().into() })
}
