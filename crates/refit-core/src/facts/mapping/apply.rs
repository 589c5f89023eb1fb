//! Reading a payload with a connector.

mod parts;

use super::compile::{Connector, Records, Source};
use super::expr::{Expr, Fault, Item, Names, Scope};
use super::json::{Json, step};
use super::payload::{self, Payload, Unreadable};
use super::reading::{Maps, Quarantined, Reading, Record, Said, SetAside, Uncovered};
use crate::facts::FieldRef;
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// What a payload says. What does not fit is set aside with its path and the reason, and the rest is read; only a payload that is
/// none of the connector's at all is an error.
///
/// What the connector calls sensitive is in none of it: neither in the facts, of which only answers are kept, nor in what is said of what does
/// not fit.
pub fn read(connector: &Connector, payload: impl AsRef<[u8]>, maps: &Maps) -> Result<Reading, Unreadable> {
    read_for(connector, payload.as_ref(), maps, None, Sensitive::Withheld)
}

/// As [`read`], of a page of a list that gives these kinds of records: what is like another kind is none of it. Of what is gone most systems write an
/// id and nothing else.
pub fn read_page(
    connector: &Connector,
    gives: &[String],
    payload: impl AsRef<[u8]>,
    maps: &Maps,
) -> Result<Reading, Unreadable> {
    read_for(connector, payload.as_ref(), maps, Some(gives), Sensitive::Withheld)
}

/// As [`read`], for whoever has the payload before them and wants to see what becomes of it: what does not fit is told in full, also where
/// it is sensitive, and marked as such. It is not to be kept.
pub fn try_out(connector: &Connector, payload: impl AsRef<[u8]>, maps: &Maps) -> Result<Reading, Unreadable> {
    read_for(connector, payload.as_ref(), maps, None, Sensitive::Told)
}

/// What becomes of sensitive values that do not fit.
#[derive(Clone, Copy, PartialEq)]
enum Sensitive {
    /// They are said nowhere.
    Withheld,
    /// They are told, and marked.
    Told,
}

/// In place of words that might tell something sensitive.
const WITHHELD: &str = "it is not what is needed here; it is sensitive, so that it is neither shown nor kept";

fn read_for(
    connector: &Connector,
    bytes: &[u8],
    maps: &Maps,
    gives: Option<&[String]>,
    sensitive: Sensitive,
) -> Result<Reading, Unreadable> {
    let kinds: Vec<&Records> = connector
        .records
        .iter()
        .filter(|records| gives.is_none_or(|gives| gives.iter().any(|given| *given == records.name)))
        .collect();
    let reads = connector.document.reads;
    let text = payload::text(reads, bytes);
    let tamed;
    let mut left_out = Vec::new();
    let payload = match payload::parse(reads, bytes, &text) {
        Ok(payload) => payload,
        Err(unreadable) => match payload::tamed(reads, &text) {
            None => return Err(unreadable),
            Some(found) => {
                (tamed, left_out) = found;
                payload::parse(reads, bytes, &tamed).map_err(|_| unreadable)?
            }
        },
    };
    let mut reader = Reader {
        payload: &payload,
        maps,
        sensitive,
        ignored: &connector.ignored,
        reading: Reading::default(),
        uncovered: BTreeMap::new(),
    };
    for (line, why) in &payload.broken {
        reader.reading.quarantined.push(Quarantined {
            records: None,
            at: format!("line {line}"),
            what: SetAside::Record,
            why: why.clone(),
            sensitive: false,
        });
    }
    for (at, why) in left_out {
        let (what, why) = (SetAside::Value, why.to_owned());
        reader.reading.quarantined.push(Quarantined { records: None, at, what, why, sensitive: false });
    }
    let mut led_somewhere = false;
    let mut pointers: Vec<&str> = Vec::new();
    for pointer in kinds.iter().flat_map(|records| &records.from) {
        if !pointers.contains(&pointer.as_str()) {
            pointers.push(pointer);
        }
    }
    for pointer in pointers {
        let kinds: Vec<&Records> =
            kinds.iter().copied().filter(|records| reader.leads_first(records, pointer)).collect();
        if kinds.is_empty() {
            continue;
        }
        match payload.json.pointer(pointer) {
            Some(Json::List(items)) => {
                // A list that has a name of its own is the right one; of another, what is in it tells.
                let mut known = items.is_empty() || !pointer.is_empty();
                for (index, item) in items.iter().enumerate() {
                    let at = format!("{pointer}/{index}");
                    if reader.element(&kinds, item, &at) {
                        known = true;
                    } else {
                        reader.reading.quarantined.push(unlike(&kinds, item, payload.at(&at)));
                    }
                }
                led_somewhere |= known;
            }
            Some(item @ Json::Object(_)) => led_somewhere |= reader.element(&kinds, item, pointer),
            _ => {}
        }
    }
    if !led_somewhere {
        return Err(none_of(connector, &payload.json));
    }
    Ok(reader.finish())
}

/// What is set aside of an element that is like no kind of records.
fn unlike(kinds: &[&Records], item: &Json<'_>, at: String) -> Quarantined {
    let names: Vec<&str> = kinds.iter().map(|records| records.name.as_str()).collect();
    let why = match item {
        Json::Object(_) => format!("it is {}, and none of {}", item.described(), names.join(", ")),
        _ => format!("a record is an object, and this is {}", item.described()),
    };
    Quarantined { records: None, at, what: SetAside::Record, why, sensitive: false }
}

fn none_of(connector: &Connector, json: &Json<'_>) -> Unreadable {
    let mut places: Vec<String> = Vec::new();
    for records in &connector.records {
        for pointer in &records.from {
            let place = if pointer.is_empty() { "the payload itself".to_owned() } else { format!("`{pointer}`") };
            let place = format!("{} at {place}", records.name);
            if !places.contains(&place) {
                places.push(place);
            }
        }
    }
    let message = format!("this is no payload of {}", connector.document.name);
    let said = match json {
        Json::List(items) => match items.first() {
            Some(first) => format!("it is a list, which begins with {}", first.described()),
            None => "it is an empty list".to_owned(),
        },
        other => format!("it is {}", other.described()),
    };
    let mut unreadable = Unreadable::new(&message, said);
    unreadable.help = Some(format!("expected: {}", places.join(", or ")));
    unreadable
}

struct Reader<'r, 'p> {
    payload: &'r Payload<'p>,
    maps: &'r Maps,
    sensitive: Sensitive,
    ignored: &'r [Expr],
    reading: Reading,
    /// By field and value whether it is sensitive, and how many records have it.
    uncovered: BTreeMap<(FieldRef, Option<String>), (bool, usize)>,
}

impl<'r> Reader<'r, '_> {
    /// Whether a pointer is the first of a kind that leads to a list or an object.
    fn leads_first(&self, records: &Records, pointer: &str) -> bool {
        let leads =
            |pointer: &&String| matches!(self.payload.json.pointer(pointer), Some(Json::List(_) | Json::Object(_)));
        records.from.iter().find(leads).is_some_and(|first| first == pointer)
    }

    /// Reads an element as the first kind that it is like; false where it is like none.
    fn element(&mut self, kinds: &[&'r Records], item: &'r Json<'r>, at: &str) -> bool {
        if !matches!(item, Json::Object(_)) {
            return false;
        }
        let payload: &'r Json<'r> = &self.payload.json;
        let scope: Scope<'r> = [Item::of(item), Item::Missing, Item::Missing, Item::of(payload)];
        if self.ignored.iter().any(|ignored| ignored.holds(&scope) == Ok(true)) {
            return true;
        }
        for records in kinds {
            match records.when.as_ref().map_or(Ok(true), |when| when.holds(&scope)) {
                Ok(true) => self.records(records, &scope, at),
                Ok(false) => continue,
                Err(fault) => self.fault(records, at, &Bases::whole(at), SetAside::Record, fault),
            }
            return true;
        }
        false
    }

    fn records(&mut self, records: &'r Records, scope: &Scope<'r>, at: &str) {
        let Some(each) = &records.each else { return self.record(records, scope, at, &Bases::whole(at)) };
        let outer = scope[0].clone();
        let items = match each.value(scope).map(|item| (item.items(), item)) {
            Ok((Some(items), _)) => items,
            Ok((None, Item::Missing | Item::Null)) => return,
            Ok((None, item)) => {
                let why = format!("a list is needed, and this is {}", item.described());
                return self.fault(records, at, &Bases::whole(at), SetAside::Record, each.fault(why));
            }
            Err(fault) => return self.fault(records, at, &Bases::whole(at), SetAside::Record, fault),
        };
        let base = each.path().map_or(String::new(), |(_, path)| path);
        for (index, item) in items.into_iter().enumerate() {
            let inner = format!("{at}{base}/{index}");
            let scope: Scope<'r> = [item, outer.clone(), Item::Missing, scope[3].clone()];
            let bases = Bases([inner.clone(), at.to_owned(), String::new(), String::new()]);
            self.record(records, &scope, &inner, &bases);
        }
    }

    fn record(&mut self, records: &'r Records, scope: &Scope<'r>, at: &str, bases: &Bases) {
        let id = match records.id.value(scope) {
            Ok(item) if item.is_known() => super::convert::text(item).map_err(|why| records.id.fault(why)),
            Ok(item) => {
                let said = if item == Item::Missing { "missing" } else { "empty" };
                Err(records.id.fault(format!("its id is {said}")))
            }
            Err(fault) => Err(fault),
        };
        let keys = id.and_then(|id| self.keys(records, &records.keys, scope, bases).map(|keys| (id, keys)));
        let (id, keys) = match keys {
            Ok(found) => found,
            Err(fault) => return self.fault(records, at, bases, SetAside::Record, fault),
        };
        let deleted = match records.deleted.as_ref().map_or(Ok(false), |deleted| deleted.holds(scope)) {
            Ok(deleted) => deleted,
            Err(fault) => return self.fault(records, at, bases, SetAside::Record, fault),
        };
        let mut facts = BTreeMap::new();
        for (field, source) in &records.fields {
            if let Some(said) = self.field(records, field, source, scope, bases, at) {
                facts.insert(field.clone(), said);
            }
        }
        let observed = FieldRef::device("seen");
        let observed =
            records.observed.as_ref().and_then(|source| self.field(records, &observed, source, scope, bases, at));
        let observed = match observed {
            Some(Said::Value(crate::facts::Value::Time(time))) => Some(time),
            _ => None,
        };
        let parts::Installed { found: installs, complete: installs_complete, by_row: installs_by_row } =
            self.installs(records, scope, bases, at);
        let relations = self.relations(records, scope, bases, at);
        self.reading.records.push(Record {
            records: records.name.clone(),
            of: records.of,
            at: self.payload.at(at),
            id,
            observed,
            deleted,
            keys,
            facts,
            installs,
            installs_complete,
            installs_by_row,
            relations,
        });
    }

    fn fault(&mut self, records: &Records, at: &str, bases: &Bases, what: SetAside, fault: Fault) {
        let Fault { why, path, sensitive } = fault;
        let place = path.map_or_else(|| at.to_owned(), |(name, path)| bases.place(name, &path));
        let withheld = sensitive && self.sensitive == Sensitive::Withheld;
        self.reading.quarantined.push(Quarantined {
            records: Some(records.name.clone()),
            at: self.payload.at(&place),
            what,
            why: if withheld { WITHHELD.to_owned() } else { why },
            sensitive,
        });
    }

    fn cover(&mut self, field: &FieldRef, source: &Source, uncovered: Vec<String>) {
        let sensitive = source.purpose.is_some();
        for value in uncovered {
            let value = Some(value).filter(|_| !sensitive || self.sensitive == Sensitive::Told);
            let key = (field.clone(), value);
            // A payload in which every value is another one is no reason to keep them all.
            if self.uncovered.len() < UNCOVERED_MOST || self.uncovered.contains_key(&key) {
                self.uncovered.entry(key).or_insert((sensitive, 0)).1 += 1;
            }
        }
    }

    fn finish(self) -> Reading {
        let mut reading = self.reading;
        let uncovered = self.uncovered.into_iter();
        let uncovered =
            uncovered.map(|((field, value), (sensitive, records))| Uncovered { field, value, records, sensitive });
        reading.uncovered = uncovered.collect();
        reading.uncovered.sort_by(|a, b| (&a.field, b.records, &a.value).cmp(&(&b.field, a.records, &b.value)));
        reading
    }
}

/// Different values that are kept of those that no map covers.
const UNCOVERED_MOST: usize = 10_000;

/// Where the names of a scope are in the payload.
pub(super) struct Bases([String; 4]);

impl Bases {
    fn whole(at: &str) -> Self {
        Bases([at.to_owned(), String::new(), String::new(), String::new()])
    }

    fn with_item(&self, item: String) -> Self {
        Bases([self.0[0].clone(), self.0[1].clone(), item, String::new()])
    }

    fn place(&self, name: usize, path: &str) -> String {
        debug_assert!(!Names::name(name).is_empty());
        format!("{}{path}", self.0.get(name).map_or("", String::as_str))
    }
}

/// The place of an entry of a list that an expression took from a name.
fn entry(bases: &Bases, path: Option<&(usize, String)>, index: usize) -> String {
    match path {
        Some((name, path)) => format!("{}/{}", bases.place(*name, path), step(&index.to_string())),
        None => bases.place(0, ""),
    }
}

fn short(text: &str) -> SmolStr {
    text.trim().into()
}
