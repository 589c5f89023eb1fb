//! The values that expressions compute with.

use super::super::json::Json;
use jiff::Timestamp;
use std::borrow::Cow;

/// A value; texts, lists and objects of the record are borrowed from it.
#[derive(Clone, Debug, PartialEq)]
pub enum Item<'a> {
    /// There is no such key.
    Missing,
    /// `null`: there is none, as the system says itself.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// Another number.
    Float(f64),
    /// A text.
    Text(Cow<'a, str>),
    /// A point in time.
    Time(Timestamp),
    /// A list or an object of the record.
    Json(&'a Json<'a>),
    /// A list that was computed.
    List(Vec<Item<'a>>),
}

impl<'a> Item<'a> {
    /// A value of the record.
    pub fn of(json: &'a Json<'a>) -> Self {
        match json {
            Json::Null => Item::Null,
            Json::Bool(truth) => Item::Bool(*truth),
            Json::Int(number) => Item::Int((*number).into()),
            Json::Big(number) => Item::Int((*number).into()),
            Json::Float(number) => Item::Float(*number),
            Json::Text(text) => Item::Text(Cow::Borrowed(text)),
            Json::List(_) | Json::Object(_) => Item::Json(json),
        }
    }

    /// A value of the record, or none.
    pub fn of_option(json: Option<&'a Json<'a>>) -> Self {
        json.map_or(Item::Missing, Item::of)
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Item<'a> {
        match self {
            Item::Json(json) => Item::of_option(json.get(key)),
            _ => Item::Missing,
        }
    }

    /// Whether it says anything: not missing, not null, not an empty text.
    pub fn is_known(&self) -> bool {
        match self {
            Item::Missing | Item::Null => false,
            Item::Text(text) => !text.trim().is_empty(),
            _ => true,
        }
    }

    /// The parts of a list; `None` where it is none.
    pub fn items(&self) -> Option<Vec<Item<'a>>> {
        match self {
            Item::List(items) => Some(items.clone()),
            Item::Json(Json::List(items)) => Some(items.iter().map(Item::of).collect()),
            _ => None,
        }
    }

    /// A text, or a number as one: ids are written either way.
    pub fn into_text(self) -> Result<Cow<'a, str>, Item<'a>> {
        match self {
            Item::Text(text) => Ok(text),
            Item::Int(number) => Ok(number.to_string().into()),
            other => Err(other),
        }
    }

    /// For messages: `a list`.
    pub fn described(&self) -> &'static str {
        match self {
            Item::Missing => "missing",
            Item::Null => "null",
            Item::Bool(_) => "true or false",
            Item::Int(_) | Item::Float(_) => "a number",
            Item::Text(_) => "a text",
            Item::Time(_) => "a time",
            Item::Json(json) => json.kind(),
            Item::List(_) => "a list",
        }
    }
}
