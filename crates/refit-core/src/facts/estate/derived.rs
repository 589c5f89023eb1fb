//! What follows from what sources say, where none says it itself: who manages a person, whether they have begun or left, what their department
//! is part of, what time it is where they work, where a device is in its life, who is in no list.
//!
//! It is said under the name [`REFIT`], and counts for as long as what it follows from.

use super::profile::believed;
use super::{Departments, Estate, Rules};
use crate::facts::identity::Node;
use crate::facts::mapping::document::Subject;
use crate::facts::{Fact, FactSet, FieldRef, Kind, Place, Root, Value, begins};
use jiff::{SignedDuration, Timestamp, civil::Time, tz::TimeZone};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// Who says what follows from what others say.
pub const REFIT: &str = "refit";

/// The fields that follow from others of the same device or person, or of those that it has to do with.
pub const FOLLOWS: [&str; 6] =
    ["device.phase", "device.timezone", "person.departments", "person.employment", "person.manager", "person.timezone"];

/// Since so long a device was not seen that is absent (design: absence and arrival).
const ABSENT_AFTER: SignedDuration = SignedDuration::from_hours(3 * 24);
/// For so long a device is new after it has enrolled: its first week.
const NEW_FOR: SignedDuration = SignedDuration::from_hours(7 * 24);
/// For so long a device that has enrolled is being set up, as long as nobody has it.
const SET_UP_FOR: SignedDuration = SignedDuration::from_hours(24);
/// A last day is worked to its end, in the zone that ends it last where nobody knows in which it is.
const LAST_DAY: SignedDuration = SignedDuration::from_hours(24 + 12);

impl Estate {
    /// What everything that follows from records of others needs of them: worked out once for all devices or people.
    pub(super) fn background(&self, of: Subject, rules: &Rules<'_>) -> Departments {
        match of {
            Subject::Device => Departments::default(),
            Subject::Person => self.departments(rules),
        }
    }

    /// Adds what follows to what sources say of one device or person.
    pub(super) fn derive(
        &self,
        of: Subject,
        id: &str,
        facts: &mut FactSet,
        background: &Departments,
        rules: &Rules<'_>,
    ) {
        let text = |said: Said| said.map(|(value, observed)| (Value::text(value), observed));
        let derived = match of {
            Subject::Device => {
                let nodes = self.registry.records(id);
                let person =
                    believed(&self.assigned(&nodes), rules).map(|(person, _)| self.facts(&person, rules.fields));
                vec![
                    (FieldRef::device("phase"), text(self.phase(&nodes, facts, person.as_ref(), rules))),
                    (FieldRef::device("timezone"), text(zone_of_device(facts, person.as_ref(), rules))),
                ]
            }
            Subject::Person => vec![
                (FieldRef::person("manager"), text(self.manager_address(id, rules))),
                (FieldRef::person("employment"), text(employment(facts, rules))),
                (FieldRef::person("departments"), departments(facts, background, rules)),
                (FieldRef::person("timezone"), text(zone_of_person(facts, rules))),
            ],
        };
        for (field, value) in derived {
            let Some((value, observed)) = value.filter(|_| facts.said(&field).is_empty()) else { continue };
            facts.insert(field, Fact { value, source: Some(REFIT.into()), observed });
        }
    }

    /// Adds what holds of whom no list names to what sources say of one device or person.
    pub(super) fn add_unlisted(&self, of: Subject, facts: &mut FactSet, rules: &Rules<'_>) {
        let root = match of {
            Subject::Device => Root::Device,
            Subject::Person => Root::Person,
        };
        let mut answers: BTreeMap<&FieldRef, Option<(bool, Timestamp)>> = BTreeMap::new();
        for (name, source) in &self.sources {
            let limit = match of {
                Subject::Device => rules.staleness.device(name),
                Subject::Person => rules.staleness.person(name),
            };
            for (field, unlisted) in source.unlisted.iter().filter(|(field, _)| field.root == root) {
                let said = source.said(&unlisted.records);
                let said = said.filter(|said| rules.now.duration_since(*said) <= limit);
                let answer = said.map(|said| (unlisted.value, said));
                // Whoever is not in one list may be in another that can't be read.
                let both = |known: Option<(bool, Timestamp)>| match (known, answer) {
                    (Some((value, at)), Some((other, said))) if value == other => Some((value, at.min(said))),
                    _ => None,
                };
                answers.entry(field).and_modify(|known| *known = both(*known)).or_insert(answer);
            }
        }
        for (field, answer) in answers {
            let Some((value, said)) = answer.filter(|_| facts.said(field).is_empty()) else { continue };
            let fact = Fact { value: Value::Bool(value), source: Some(REFIT.into()), observed: Some(said) };
            facts.insert(field.clone(), fact);
        }
    }

    fn manager_address(&self, id: &str, rules: &Rules<'_>) -> Said {
        let said = self.manager(id, rules)?;
        let address = self.name(Subject::Person, &said.person?, rules).filter(|name| name.contains('@'))?;
        Some((address, said.observed))
    }

    /// `person` is what is known of whoever has the device.
    fn phase(&self, nodes: &[&Node], facts: &FactSet, person: Option<&FactSet>, rules: &Rules<'_>) -> Said {
        let mut there = false;
        // When it was seen last, and when those who say such things last said anything.
        let mut newest: Option<(Timestamp, Timestamp)> = None;
        let mut heard = |seen: Timestamp, said: Timestamp, source: &SmolStr| {
            let said = said.min(rules.now);
            if rules.now.duration_since(said) <= rules.staleness.device(source) {
                newest = Some(newest.map_or((seen, said), |(a, b)| (a.max(seen), b.max(said))));
            }
        };
        for node in nodes.iter().filter(|node| !node.gone) {
            let source = self.sources.get(&node.record.source);
            if source.is_none() {
                // It has an agent of Refit's, which is all that such a record says.
                there = true;
                node.life.alive.iter().for_each(|alive| heard(*alive, node.at, &node.record.source));
            }
            for kept in self.kept(node).filter(|kept| !kept.deleted) {
                there = true;
                let seen = kept.facts.get(&FieldRef::device("seen")).and_then(Option::as_ref);
                let Some(Value::Time(seen)) = seen.and_then(|seen| Value::read(seen, Kind::Time)) else { continue };
                let Some(said) = source.and_then(|source| source.said(&kept.records)) else { continue };
                heard(seen, said, &node.record.source);
            }
        }
        if !there {
            return Some(("retired".into(), None));
        }
        // A source that can't be read makes nobody absent.
        let (seen, said) = newest?;
        let on_leave = person.is_some_and(|facts| {
            matches!(known(facts, &FieldRef::person("on_leave"), rules), Some((Value::Bool(true), _)))
        });
        if on_leave || said.duration_since(seen) >= ABSENT_AFTER {
            return Some(("absent".into(), Some(said)));
        }
        // It does not change, so that it does not grow old.
        let enrolled = facts.said(&FieldRef::device("enrolled")).iter().filter_map(|fact| match fact.value {
            Value::Time(at) => Some(at),
            _ => None,
        });
        let phase = match enrolled.max().map(|enrolled| rules.now.duration_since(enrolled)) {
            Some(age) if age < SET_UP_FOR && person.is_none() => "provisioning",
            Some(age) if age < NEW_FOR => "new",
            _ => "active",
        };
        Some((phase.into(), Some(said)))
    }
}

/// A value that follows, and when what it follows from was observed.
type Said = Option<(SmolStr, Option<Timestamp>)>;

fn departments(facts: &FactSet, all: &Departments, rules: &Rules<'_>) -> Option<(Value, Option<Timestamp>)> {
    match known(facts, &FieldRef::person("department"), rules).filter(|_| !all.is_empty())? {
        (Value::Text(own), observed) => Some((Value::List(all.up(own)), observed)),
        _ => None,
    }
}

fn employment(facts: &FactSet, rules: &Rules<'_>) -> Said {
    let day = |name: &str| time(facts, &FieldRef::person(name), rules);
    let (first, last) = (day("first_day"), day("last_day"));
    if first.is_none() && last.is_none() {
        return None;
    }
    let zone = zone_of_person(facts, rules).and_then(|(name, _)| TimeZone::get(&name).ok());
    let begun = |first: Timestamp| begins(first, zone.as_ref().unwrap_or(&TimeZone::UTC));
    if let Some((_, observed)) = first.filter(|(first, _)| rules.now < begun(*first)) {
        return Some(("starting".into(), observed));
    }
    let (last, observed) = last?;
    (rules.now >= is_over(last, zone.as_ref())).then(|| ("left".into(), observed))
}

/// When a day is over for somebody in that zone.
fn is_over(day: Timestamp, zone: Option<&TimeZone>) -> Timestamp {
    let end = zone.and_then(|zone| {
        let written = TimeZone::UTC.to_datetime(day);
        let date = if written.time() == Time::midnight() { written.date() } else { zone.to_datetime(day).date() };
        date.tomorrow().ok()?.to_zoned(zone.clone()).ok().map(|local| local.timestamp())
    });
    end.unwrap_or_else(|| day.checked_add(LAST_DAY).unwrap_or(Timestamp::MAX))
}

/// The time zone of a device: that of its site, else of its country, else of whoever has it, else of the organisation.
fn zone_of_device(facts: &FactSet, person: Option<&FactSet>, rules: &Rules<'_>) -> Said {
    // Mostly its agent says it, or its management.
    if !facts.said(&FieldRef::device("timezone")).is_empty() {
        return None;
    }
    let of_place = zone_of_place(facts, Root::Device, rules);
    of_place.or_else(|| zone_of_person(person?, rules)).or_else(|| zone_otherwise(rules))
}

/// The time zone of a person: what a source says, else that of the site, else of the country, else of the organisation.
fn zone_of_person(facts: &FactSet, rules: &Rules<'_>) -> Said {
    match known(facts, &FieldRef::person("timezone"), rules) {
        Some((Value::Text(zone), observed)) => Some((zone.clone(), observed)),
        _ => zone_of_place(facts, Root::Person, rules).or_else(|| zone_otherwise(rules)),
    }
}

/// The zone of the organisation, which nobody observes, so that it grows no older.
fn zone_otherwise(rules: &Rules<'_>) -> Said {
    rules.zones.otherwise().map(|zone| (zone.clone(), None))
}

fn zone_of_place(facts: &FactSet, of: Root, rules: &Rules<'_>) -> Said {
    [("site", Place::Site), ("country", Place::Country)].into_iter().find_map(|(field, kind)| {
        match known(facts, &FieldRef::new(of, field), rules)? {
            (Value::Text(place), observed) => Some((rules.zones.of(kind, place)?.clone(), observed)),
            _ => None,
        }
    })
}

/// What is believed of a field, and when that was observed.
pub(super) fn known<'f>(
    facts: &'f FactSet,
    field: &FieldRef,
    rules: &Rules<'_>,
) -> Option<(&'f Value, Option<Timestamp>)> {
    let resolved = facts.resolve(field, rules.authority, rules.staleness, rules.now);
    Some((resolved.value?, resolved.observed))
}

fn time(facts: &FactSet, field: &FieldRef, rules: &Rules<'_>) -> Option<(Timestamp, Option<Timestamp>)> {
    match known(facts, field, rules)? {
        (Value::Time(at), observed) => Some((*at, observed)),
        _ => None,
    }
}
