//! The values that facts have and expressions compute with.

use super::Kind;
use jiff::{SignedDuration, Timestamp};
use refit_model::{Scheme, Version, entry::Plain};
use serde::Serialize;
use smol_str::SmolStr;
use std::fmt;

/// A value of a field. That a field has none is `Option::None` around it, never a value of its own.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number. Never NaN where [`Value::into_kind`] let it in.
    Float(f64),
    /// A text.
    Text(SmolStr),
    /// A point in time.
    Time(Timestamp),
    /// A length of time.
    Duration(#[serde(serialize_with = "seconds")] SignedDuration),
    /// A version in its scheme.
    Version(Version),
    /// A list of texts, such as tags.
    List(Vec<SmolStr>),
}

impl Value {
    /// A text.
    pub fn text(text: impl AsRef<str>) -> Value {
        Value::Text(SmolStr::new(text.as_ref()))
    }

    /// A list of texts.
    pub fn list<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> Value {
        Value::List(items.into_iter().map(|item| SmolStr::new(item.as_ref())).collect())
    }

    /// A value that JSON wrote, as a field of `kind` has it; `None` where it is none of that kind.
    pub fn read(plain: &Plain, kind: Kind) -> Option<Value> {
        let value = match plain {
            Plain::Bool(value) => Value::Bool(*value),
            Plain::Int(value) => Value::Int(*value),
            Plain::Float(value) => Value::Float(*value),
            Plain::Text(value) => Value::Text(value.clone()),
            Plain::List(value) => Value::List(value.clone()),
        };
        value.into_kind(kind)
    }

    /// As JSON writes it; `None` for a length of time, which no field has.
    pub fn plain(&self) -> Option<Plain> {
        Some(match self {
            Value::Bool(value) => Plain::Bool(*value),
            Value::Int(value) => Plain::Int(*value),
            Value::Float(value) => Plain::Float(*value),
            Value::Text(value) => Plain::Text(value.clone()),
            Value::Time(value) => Plain::Text(value.to_string().into()),
            Value::Version(value) => Plain::Text(value.as_str().into()),
            Value::List(value) => Plain::List(value.clone()),
            Value::Duration(_) => return None,
        })
    }

    /// The kind of field that can have it; `None` for a duration, which no field has.
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Value::Bool(_) => Some(Kind::Bool),
            Value::Int(_) => Some(Kind::Int),
            Value::Float(_) => Some(Kind::Float),
            Value::Text(_) => Some(Kind::Text),
            Value::Time(_) => Some(Kind::Time),
            Value::Duration(_) => None,
            Value::Version(_) => Some(Kind::Version),
            Value::List(_) => Some(Kind::List),
        }
    }

    /// The same as a value of `kind`, where that loses nothing: whole numbers are numbers, texts are read as times and
    /// versions, and versions of fields are always in [`Scheme::Generic`]. `None` where it is no value of that kind.
    pub fn into_kind(self, kind: Kind) -> Option<Value> {
        match (kind, self) {
            (Kind::Float, Value::Float(number)) if number.is_nan() => None,
            (Kind::Float, Value::Int(number)) => whole_as_float(number).map(Value::Float),
            (Kind::Int, Value::Float(number)) => float_as_whole(number).map(Value::Int),
            (Kind::Version, Value::Version(version)) if version.scheme() != Scheme::Generic => {
                generic(version.as_str()).map(Value::Version)
            }
            (Kind::Version, Value::Text(text)) => generic(&text).map(Value::Version),
            (Kind::Time, Value::Text(text)) => super::parse_time(&text).map(Value::Time),
            (kind, value) => (value.kind() == Some(kind)).then_some(value),
        }
    }
}

/// As it would be written in an expression; for a list, with commas.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Bool(truth) => write!(f, "{truth}"),
            Value::Int(number) => write!(f, "{number}"),
            Value::Float(number) => write!(f, "{number:?}"),
            Value::Text(text) => write!(f, "{text:?}"),
            Value::Time(time) => write!(f, "{time}"),
            Value::Duration(duration) => super::write_duration(f, *duration),
            Value::Version(version) => write!(f, "{version}"),
            Value::List(items) => write!(f, "{items:?}"),
        }
    }
}

fn generic(text: &str) -> Option<Version> {
    Version::parse(Scheme::Generic, text).ok()
}

/// `None` where a float has too few digits for it.
fn whole_as_float(number: i64) -> Option<f64> {
    let float = number as f64;
    (number.unsigned_abs() <= 1 << 53).then_some(float)
}

/// `None` where it has a fraction or is out of range.
fn float_as_whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() <= (1u64 << 53) as f64).then_some(number as i64)
}

fn seconds<S: serde::Serializer>(duration: &SignedDuration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(duration.as_secs())
}
