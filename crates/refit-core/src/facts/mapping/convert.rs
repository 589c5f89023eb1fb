//! From what a record holds to the value of a field.

use super::compile::Source;
use super::expr::{Item, never};
use super::json::shortened;
use super::reading::Said;
use crate::facts::{Kind, Value};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// What came of a value.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Converted {
    /// What is said; nothing where the record does not speak of it.
    pub said: Option<Said>,
    /// Values of the system's that no map covers.
    pub uncovered: Vec<String>,
}

impl Source {
    /// The value of a field. `map` is what the organisation calls values. The error says why it is none.
    pub(super) fn convert(&self, item: Item<'_>, map: Option<&BTreeMap<String, String>>) -> Result<Converted, String> {
        if self.kind == Kind::List {
            return self.list(&item, map);
        }
        let mut uncovered = Vec::new();
        let said = match self.renamed(item, map, &mut uncovered) {
            Renamed::Missing => None,
            Renamed::Nothing => Some(Said::Nothing),
            Renamed::Item(item) => self.value(item)?,
        };
        Ok(Converted { said, uncovered })
    }

    fn list(&self, item: &Item<'_>, map: Option<&BTreeMap<String, String>>) -> Result<Converted, String> {
        let mut uncovered = Vec::new();
        match item {
            Item::Missing => return Ok(Converted::default()),
            Item::Null => return Ok(Converted { said: Some(Said::Nothing), uncovered }),
            _ => {}
        }
        let Some(items) = item.items() else { return Err(needed("a list", item)) };
        let mut texts = Vec::with_capacity(items.len());
        for item in items {
            match self.renamed(item, map, &mut uncovered) {
                Renamed::Missing | Renamed::Nothing => {}
                Renamed::Item(item) => texts.push(text(item)?),
            }
        }
        Ok(Converted { said: Some(Said::Value(Value::List(texts))), uncovered })
    }

    /// The value as it is called here.
    fn renamed<'a>(
        &'a self,
        item: Item<'a>,
        map: Option<&'a BTreeMap<String, String>>,
        uncovered: &mut Vec<String>,
    ) -> Renamed<'a> {
        match &item {
            Item::Missing => return Renamed::Missing,
            Item::Null => return Renamed::Nothing,
            Item::Text(text) if text.trim().is_empty() => return Renamed::Nothing,
            Item::Text(text) if self.never.iter().any(|never| never.eq_ignore_ascii_case(text.trim())) => {
                return Renamed::Nothing;
            }
            _ => {}
        }
        if self.values.is_empty() && map.is_none() && self.only.is_empty() {
            return Renamed::Item(item);
        }
        let written = match &item {
            Item::Text(text) => text.trim().to_owned(),
            Item::Int(number) => number.to_string(),
            Item::Bool(truth) => truth.to_string(),
            _ => return Renamed::Item(item),
        };
        // The organisation's own names come before the connector's: it knows better.
        if let Some(map) = map {
            let found = map
                .get(&written)
                .or_else(|| map.iter().find(|(theirs, _)| theirs.eq_ignore_ascii_case(&written)).map(|(_, ours)| ours));
            if let Some(ours) = found {
                return Renamed::Item(Item::Text(ours.as_str().into()));
            }
        }
        match self.values.get(&written).or_else(|| self.values.get(&written.to_lowercase())) {
            Some(Some(ours)) => return Renamed::Item(Item::Text(ours.as_str().into())),
            Some(None) => return Renamed::Missing,
            None => {}
        }
        if let Some(ours) = &self.otherwise {
            return Renamed::Item(Item::Text(ours.as_str().into()));
        }
        if let Some(known) = self.only.iter().find(|known| known.eq_ignore_ascii_case(&written)) {
            return Renamed::Item(Item::Text(known.as_str().into()));
        }
        uncovered.push(written);
        if self.only.is_empty() && !self.only_mapped { Renamed::Item(item) } else { Renamed::Missing }
    }

    fn value(&self, item: Item<'_>) -> Result<Option<Said>, String> {
        let value = match (self.kind, item) {
            (Kind::Bool, Item::Bool(truth)) => Value::Bool(truth),
            (Kind::Bool, Item::Text(text)) if text.trim().eq_ignore_ascii_case("true") => Value::Bool(true),
            (Kind::Bool, Item::Text(text)) if text.trim().eq_ignore_ascii_case("false") => Value::Bool(false),
            (Kind::Int, Item::Int(number)) => match i64::try_from(number) {
                Ok(number) => Value::Int(number),
                Err(_) => return Err(format!("the number {number} is too large")),
            },
            (Kind::Int, Item::Float(number)) if number.fract() == 0.0 && number.abs() < 9e15 => {
                Value::Int(number as i64)
            }
            (Kind::Int, Item::Text(text)) => match text.trim().parse() {
                Ok(number) => Value::Int(number),
                Err(_) => return Err(needed(self.kind.described(), &Item::Text(text))),
            },
            (Kind::Float, Item::Int(number)) => Value::Float(number as f64),
            (Kind::Float, Item::Float(number)) => Value::Float(number),
            (Kind::Float, Item::Text(text)) => match text.trim().parse::<f64>() {
                Ok(number) if number.is_finite() => Value::Float(number),
                _ => return Err(needed(self.kind.described(), &Item::Text(text))),
            },
            (Kind::Time, item) => match self.time.read(&item) {
                Some(Item::Time(time)) => Value::Time(time),
                Some(Item::Missing) => return Ok(None),
                Some(_) => return Ok(Some(Said::Nothing)),
                None => return Err(needed(self.kind.described(), &item)),
            },
            (Kind::Version, Item::Text(text)) if never(&text) => return Ok(Some(Said::Nothing)),
            (Kind::Version, item) => {
                let text = version(item)?;
                match Value::Text(text.clone()).into_kind(Kind::Version) {
                    Some(version) => version,
                    None => return Err(format!("\"{}\" is no version", shortened(&text))),
                }
            }
            (Kind::Text, item) => Value::Text(text(item)?),
            (kind, item) => return Err(needed(kind.described(), &item)),
        };
        Ok(Some(Said::Value(value)))
    }
}

enum Renamed<'a> {
    Missing,
    Nothing,
    Item(Item<'a>),
}

/// A text, or a whole number as one.
pub(super) fn text(item: Item<'_>) -> Result<SmolStr, String> {
    written(item, "a text").and_then(|text| match unwritten(&text) {
        true => Err(format!("a text is needed, and this has signs in it that nobody writes: \"{}\"", shortened(&text))),
        false => Ok(text),
    })
}

/// What is written, whatever it is. Some programs write whole numbers as `1001.0`.
pub(super) fn written(item: Item<'_>, what: &str) -> Result<SmolStr, String> {
    let item = match item {
        Item::Float(number) if number.fract() == 0.0 && number.abs() < 9e15 => Item::Int(number as i128),
        item => item,
    };
    match item.into_text() {
        Ok(text) => Ok(text.trim().into()),
        Err(item) => Err(needed(what, &item)),
    }
}

/// Whether a text has signs that are no text, and that a terminal or another system obeys or stumbles over: NUL, escapes.
pub(super) fn unwritten(text: &str) -> bool {
    text.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r'))
}

/// A version as a text. One that the system writes as a number with a fraction has lost digits: 15.10 would read 15.1.
pub(super) fn version(item: Item<'_>) -> Result<SmolStr, String> {
    match item {
        Item::Float(number) => {
            Err(format!("the version is written as the number {number}, which has lost digits: 15.10 would be 15.1"))
        }
        item => {
            let text = written(item, "a version")?;
            if unwritten(&text) { Err(format!("\"{}\" is no version", shortened(&text))) } else { Ok(text) }
        }
    }
}

fn needed(what: &str, item: &Item<'_>) -> String {
    match item {
        Item::Text(text) => format!("{what} is needed, and this is \"{}\"", shortened(text)),
        Item::Json(json) => format!("{what} is needed, and this is {}", json.described()),
        Item::Bool(truth) => format!("{what} is needed, and this is {truth}"),
        Item::Int(number) => format!("{what} is needed, and this is {number}"),
        Item::Float(number) => format!("{what} is needed, and this is {number}"),
        other => format!("{what} is needed, and this is {}", other.described()),
    }
}
