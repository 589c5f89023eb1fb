//! What pools and overlays hold, as bytes and back.

use super::{
    super::{Overlay, Presence, Universe, Zone},
    code::{In, Out},
};
use crate::{
    facts::{FieldRef, Root, Value},
    world::{Absence, RememberedOffer, SlotKey},
};
use jiff::fmt::temporal::{DateTimeParser, DateTimePrinter};
use refit_model::{BranchName, Offer, Scheme, TitleId, Version};
use std::collections::BTreeMap;

pub(super) fn write_version(out: &mut Out, version: &Version) {
    out.text(version.scheme().name());
    out.text(version.as_str());
}

pub(super) fn read_version(bytes: &mut In<'_>) -> Option<Version> {
    let scheme = Scheme::from_name(bytes.text()?)?;
    Version::parse(scheme, bytes.text()?).ok()
}

pub(super) fn write_field(out: &mut Out, field: &FieldRef) {
    out.text(field.root.name());
    out.text(&field.name);
}

pub(super) fn read_field(bytes: &mut In<'_>) -> Option<FieldRef> {
    Some(FieldRef { root: Root::from_name(bytes.text()?)?, name: bytes.small_text()? })
}

pub(super) fn write_value(out: &mut Out, value: &Value) {
    match value {
        Value::Bool(truth) => {
            out.byte(0);
            out.byte(u8::from(*truth));
        }
        Value::Int(number) => {
            out.byte(1);
            out.long(*number);
        }
        Value::Float(number) => {
            out.byte(2);
            out.long(number.to_bits().cast_signed());
        }
        Value::Text(text) => {
            out.byte(3);
            out.text(text);
        }
        Value::Time(time) => {
            out.byte(4);
            out.time(*time);
        }
        Value::Duration(duration) => {
            out.byte(5);
            out.duration(*duration);
        }
        Value::Version(version) => {
            out.byte(6);
            write_version(out, version);
        }
        Value::List(items) => {
            out.byte(7);
            out.list(items.iter(), |out, item| out.text(item));
        }
    }
}

pub(super) fn read_value(bytes: &mut In<'_>) -> Option<Value> {
    Some(match bytes.byte()? {
        0 => Value::Bool(bytes.truth()?),
        1 => Value::Int(bytes.long()?),
        2 => Value::Float(f64::from_bits(bytes.long()?.cast_unsigned())),
        3 => Value::Text(bytes.small_text()?),
        4 => Value::Time(bytes.time()?),
        5 => Value::Duration(bytes.duration()?),
        6 => Value::Version(read_version(bytes)?),
        7 => Value::List(bytes.list(In::small_text)?),
        _ => return None,
    })
}

/// A zone as RFC 9557 names it. One that has no such name is written as a text that nothing reads: its name in the fleet comes back, and what
/// it says is UTC's.
pub(super) fn write_zone(out: &mut Out, zone: &Zone) {
    out.text(&zone.name);
    out.maybe(DateTimePrinter::new().time_zone_to_string(&zone.zone).ok(), |out, name| out.text(&name));
}

pub(super) fn read_zone(bytes: &mut In<'_>) -> Option<Zone> {
    let name = bytes.small_text()?;
    let zone = bytes.maybe(In::text)?;
    let zone = match zone {
        Some(zone) => DateTimeParser::new().parse_time_zone(zone).ok()?,
        None => jiff::tz::TimeZone::unknown(),
    };
    Some(Zone { name, zone })
}

pub(super) fn write_presence(out: &mut Out, present: &Presence) {
    out.text(present.title.as_str());
    out.maybe(present.branch.as_ref(), |out, branch| out.text(branch.as_str()));
    out.maybe(present.profile.as_ref(), |out, profile| out.text(profile));
    write_version(out, &present.version);
}

pub(super) fn read_presence(bytes: &mut In<'_>) -> Option<Presence> {
    Some(Presence {
        title: TitleId::new(bytes.text()?),
        branch: bytes.maybe(In::text)?.map(BranchName::new),
        profile: bytes.maybe(In::small_text)?,
        version: read_version(bytes)?,
    })
}

pub(super) fn write_universe(out: &mut Out, universe: &Universe) {
    out.list(universe.iter(), |out, (title, offers)| {
        out.text(title.as_str());
        out.list(offers.iter(), |out, (version, offer)| {
            write_version(out, version);
            let since = match offer {
                Offer::Since(since) => Some(*since),
                Offer::Never => None,
            };
            out.maybe(since, Out::time);
        });
    });
}

pub(super) fn read_universe(bytes: &mut In<'_>) -> Option<Universe> {
    let titles = bytes.list(|bytes| {
        let title = TitleId::new(bytes.text()?);
        let offers = bytes.list(|bytes| {
            let version = read_version(bytes)?;
            Some((version, bytes.maybe(In::time)?.map_or(Offer::Never, Offer::Since)))
        })?;
        Some((title, offers))
    })?;
    Some(titles.into_iter().collect())
}

fn write_slot(out: &mut Out, slot: &SlotKey) {
    out.text(slot.title.as_str());
    out.maybe(slot.branch.as_ref(), |out, branch| out.text(branch.as_str()));
    out.maybe(slot.profile.as_ref(), |out, profile| out.text(profile));
}

fn read_slot(bytes: &mut In<'_>) -> Option<SlotKey> {
    Some(SlotKey {
        title: TitleId::new(bytes.text()?),
        branch: bytes.maybe(In::text)?.map(BranchName::new),
        profile: bytes.maybe(In::small_text)?,
    })
}

fn write_by_slot<T>(out: &mut Out, of: &BTreeMap<SlotKey, T>, mut write: impl FnMut(&mut Out, &T)) {
    out.list(of.iter(), |out, (slot, thing)| {
        write_slot(out, slot);
        write(out, thing);
    });
}

fn read_by_slot<T>(bytes: &mut In<'_>, mut read: impl FnMut(&mut In<'_>) -> Option<T>) -> Option<BTreeMap<SlotKey, T>> {
    Some(bytes.list(|bytes| Some((read_slot(bytes)?, read(bytes)?)))?.into_iter().collect())
}

pub(super) fn write_overlay(out: &mut Out, overlay: &Overlay) {
    let Overlay {
        identity_in_doubt,
        unheard,
        absences,
        spells,
        first_offers,
        deferrals_used,
        admitted_before,
        decided_before,
    } = overlay;
    out.byte(u8::from(*identity_in_doubt));
    out.duration(*unheard);
    out.list(absences.iter(), |out, absence| {
        out.time(absence.away);
        out.time(absence.back);
        out.duration(absence.used);
    });
    write_by_slot(out, spells, |out, since| out.time(*since));
    write_by_slot(out, first_offers, |out, offers| {
        out.list(offers.iter(), |out, offer| {
            out.text(&offer.policy);
            out.text(&offer.obligation);
            write_version(out, &offer.version);
            out.time(offer.at);
            out.maybe(offer.arose, Out::time);
        });
    });
    out.list(deferrals_used.iter(), |out, (title, used)| {
        out.text(title.as_str());
        out.number(*used);
    });
    write_by_slot(out, admitted_before, write_version);
    write_by_slot(out, decided_before, |out, policy| out.text(policy));
}

pub(super) fn read_overlay(bytes: &mut In<'_>) -> Option<Overlay> {
    Some(Overlay {
        identity_in_doubt: bytes.truth()?,
        unheard: bytes.duration()?,
        absences: bytes
            .list(|bytes| Some(Absence { away: bytes.time()?, back: bytes.time()?, used: bytes.duration()? }))?,
        spells: read_by_slot(bytes, |bytes| bytes.time())?,
        first_offers: read_by_slot(bytes, |bytes| {
            bytes.list(|bytes| {
                Some(RememberedOffer {
                    policy: bytes.small_text()?,
                    obligation: bytes.small_text()?,
                    version: read_version(bytes)?,
                    at: bytes.time()?,
                    arose: bytes.maybe(In::time)?,
                })
            })
        })?,
        deferrals_used: bytes.list(|bytes| Some((TitleId::new(bytes.text()?), bytes.number()?)))?.into_iter().collect(),
        admitted_before: read_by_slot(bytes, read_version)?,
        decided_before: read_by_slot(bytes, |bytes| bytes.small_text())?,
    })
}
