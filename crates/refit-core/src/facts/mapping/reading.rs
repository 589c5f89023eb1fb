//! What a payload says.

use super::keys::Key;
use crate::facts::{FieldRef, Value};
use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// What an organisation calls values, by field: `maps:` of a `source:` document.
pub type Maps = BTreeMap<FieldRef, BTreeMap<String, String>>;

/// What a payload says, and what of it did not fit.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Reading {
    /// The records, in the order of the payload.
    pub records: Vec<Record>,
    /// What was set aside; a record, or a part of one.
    pub quarantined: Vec<Quarantined>,
    /// Values that no map covers.
    pub uncovered: Vec<Uncovered>,
}

/// What one record says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Record {
    /// The kind of records.
    pub records: SmolStr,
    /// Whether it is about a device or a person.
    pub of: super::document::Subject,
    /// Where it is in the payload: a JSON pointer, or the line of a table.
    pub at: String,
    /// The id that the system knows it by.
    pub id: SmolStr,
    /// When the system observed it; the time of reading where it does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed: Option<Timestamp>,
    /// Whether the system says that it is gone.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
    /// What identifies it.
    pub keys: Vec<Key>,
    /// What is said of it. A field that is missing here was not spoken of.
    pub facts: BTreeMap<FieldRef, Said>,
    /// What is installed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub installs: Vec<Install>,
    /// Whether `installs` are all that is installed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub installs_complete: bool,
    /// Whether they are all with those of the other records of the device: each record is one install.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub installs_by_row: bool,
    /// What it has to do with others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub relations: Vec<Relation>,
}

/// What is said of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// That there is no value: `null`, or an empty text.
    Nothing,
    /// A value.
    Value(Value),
}

impl Serialize for Said {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Said::Nothing => serializer.serialize_none(),
            Said::Value(Value::Version(version)) => serializer.serialize_str(version.as_str()),
            Said::Value(value) => value.serialize(serializer),
        }
    }
}

/// Something that is installed, as the system calls it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Install {
    /// Its bundle identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bundle_id: Option<SmolStr>,
    /// Its name as a package.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<SmolStr>,
    /// Its product code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product_code: Option<SmolStr>,
    /// Its display name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<SmolStr>,
    /// The display name without what differs between releases and machines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plain_name: Option<SmolStr>,
    /// Who makes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publisher: Option<SmolStr>,
    /// Its version, where it is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<SmolStr>,
    /// Where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<SmolStr>,
}

/// What a record has to do with another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Relation {
    /// What.
    pub relation: super::document::RelationKind,
    /// How a device is assigned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assignment: Option<SmolStr>,
    /// What identifies the other.
    pub keys: Vec<Key>,
}

/// What holds of whom a list does not name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unlisted {
    /// The kind of records that the list has.
    pub records: SmolStr,
    /// What holds.
    pub value: bool,
}

/// Something of a payload that did not fit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Quarantined {
    /// The kind of records; nothing where none fits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records: Option<SmolStr>,
    /// Where it is in the payload.
    pub at: String,
    /// How much is set aside for it.
    pub what: SetAside,
    /// Why, in words.
    pub why: String,
    /// Whether it is about something sensitive: then the words tell nothing of it, unless the payload was only tried out.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub sensitive: bool,
}

/// How much is set aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SetAside {
    /// The whole record.
    Record,
    /// One key of it.
    Key(SmolStr),
    /// One field of it.
    Field(FieldRef),
    /// One install of it.
    Install,
    /// One relation of it.
    Relation,
    /// A value of the payload that no reader takes, wherever it is; it is read as null.
    Value,
}

/// A value that no map covers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Uncovered {
    /// The field.
    pub field: FieldRef,
    /// The value, as the system writes it; nothing where it is sensitive, unless the payload was only tried out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// How many records have it.
    pub records: usize,
    /// Whether it is sensitive.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub sensitive: bool,
}
