//! Tests of expressions, by subject.

mod days;
mod explain;
mod hostile;
mod laws;
mod messages;
mod satisfy;
mod truth;

use super::{Compiler, Expr, Scope, Truth, compile};
use crate::facts::{FieldRef, Fields, Kind, Lookup, Value, parse_time};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Refit's own fields, and a few of an organisation.
pub(super) fn fields() -> Fields {
    let mut fields = Fields::builtin();
    fields.add("device.rack", Kind::Text).unwrap();
    fields.add("device.cores", Kind::Int).unwrap();
    fields.add("device.firmware", Kind::Version).unwrap();
    fields
}

pub(super) fn compiled(text: &str) -> Expr {
    compile(text, &Scope::exposure(&fields())).unwrap_or_else(|errors| panic!("{text}: {errors:#?}"))
}

pub(super) fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

/// Facts as `device.platform=macos`; lists have commas in brackets; what is not named is unknown.
pub(super) fn facts(text: &str) -> BTreeMap<FieldRef, Value> {
    let fields = fields();
    let fact = |entry: &str| {
        let (name, value) = entry.split_once('=').unwrap();
        let reference: FieldRef = name.parse().unwrap();
        let value = match fields.get(&reference).unwrap().kind {
            Kind::Bool => Value::Bool(value.parse().unwrap()),
            Kind::Int => Value::Int(value.parse().unwrap()),
            Kind::Float => Value::Float(value.parse().unwrap()),
            Kind::Text => Value::text(value),
            Kind::Time => Value::Time(parse_time(value).unwrap()),
            Kind::Version => Value::text(value).into_kind(Kind::Version).unwrap(),
            Kind::List => Value::list(value.trim_matches(['[', ']']).split(',').filter(|item| !item.is_empty())),
        };
        (reference, value)
    };
    text.split_whitespace().map(fact).collect()
}

pub(super) fn truth(expression: &str, known: &str) -> Truth {
    compiled(expression).truth(&facts(known), now())
}
