//! The values that facts have and expressions compute with.

use jiff::{SignedDuration, Timestamp};
use refit_model::Version;
use serde::Serialize;
use smol_str::SmolStr;

/// A value of a field. That a field has none is `Option::None` around it, never a value of its own.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
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

fn seconds<S: serde::Serializer>(duration: &SignedDuration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(duration.as_secs())
}
