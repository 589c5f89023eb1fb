//! JSON as a payload holds it: texts are borrowed from the payload, and objects keep the order of their keys.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::{borrow::Cow, fmt};

/// A value of a payload.
#[derive(Clone, Debug, PartialEq)]
pub enum Json<'p> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number too large for that.
    Big(u64),
    /// Another number, and whole numbers beyond all bounds, which have lost digits.
    Float(f64),
    /// A text.
    Text(Cow<'p, str>),
    /// A list.
    List(Vec<Json<'p>>),
    /// Keys and values in the order of the payload.
    Object(Vec<(Cow<'p, str>, Json<'p>)>),
}

impl<'p> Json<'p> {
    /// Reads a whole text. Nesting is bounded, so that no payload exhausts the stack.
    pub fn parse(text: &'p str) -> Result<Json<'p>, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The value of a key; of one that is written twice, the last.
    pub fn get(&self, key: &str) -> Option<&Json<'p>> {
        match self {
            Json::Object(entries) => entries.iter().rev().find(|(known, _)| known == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// What a JSON pointer (RFC 6901) leads to.
    pub fn pointer(&self, pointer: &str) -> Option<&Json<'p>> {
        pointer.split('/').skip(1).try_fold(self, |json, step| match json {
            Json::List(items) => items.get(step.parse::<usize>().ok()?),
            _ if step.contains('~') => json.get(&step.replace("~1", "/").replace("~0", "~")),
            _ => json.get(step),
        })
    }

    /// For messages: `a list`, `an object with the keys ...`.
    pub fn described(&self) -> String {
        match self {
            Json::Object(entries) if entries.is_empty() => "an empty object".to_owned(),
            Json::Object(entries) => {
                let more = if entries.len() > KEYS_SHOWN { ", …" } else { "" };
                let keys: Vec<String> =
                    entries.iter().take(KEYS_SHOWN).map(|(key, _)| format!("`{}`", shortened(key))).collect();
                let word = if entries.len() == 1 { "the key" } else { "the keys" };
                format!("an object with {word} {}{more}", keys.join(", "))
            }
            Json::List(items) if items.is_empty() => "an empty list".to_owned(),
            other => other.kind().to_owned(),
        }
    }

    /// For messages: `a list`.
    pub fn kind(&self) -> &'static str {
        match self {
            Json::Null => "null",
            Json::Bool(_) => "true or false",
            Json::Int(_) | Json::Big(_) | Json::Float(_) => "a number",
            Json::Text(_) => "a text",
            Json::List(_) => "a list",
            Json::Object(_) => "an object",
        }
    }
}

const KEYS_SHOWN: usize = 6;

/// A text as messages show it: not longer than a line has room for.
pub(super) fn shortened(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default().escape_debug()),
        None => text.escape_debug().to_string(),
    }
}

/// One step of a JSON pointer, as it is written.
pub(super) fn step(key: &str) -> Cow<'_, str> {
    if key.contains(['~', '/']) { Cow::Owned(key.replace('~', "~0").replace('/', "~1")) } else { Cow::Borrowed(key) }
}

impl<'de: 'p, 'p> Deserialize<'de> for Json<'p> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Builder).map(shorten_lifetime)
    }
}

fn shorten_lifetime<'de: 'p, 'p>(json: Json<'de>) -> Json<'p> {
    json
}

struct Builder;

impl<'de> Visitor<'de> for Builder {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Json<'de>, E> {
        Ok(Json::Bool(truth))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json<'de>, E> {
        Ok(Json::Int(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json<'de>, E> {
        Ok(i64::try_from(number).map_or(Json::Big(number), Json::Int))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Json<'de>, E> {
        Ok(Json::Float(number))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_string<E>(self, text: String) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json<'de>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json<'de>, A::Error> {
        let mut object = Vec::new();
        while let Some((Key(key), value)) = entries.next_entry()? {
            object.push((key, value));
        }
        Ok(Json::Object(object))
    }
}

/// A key, borrowed where it has no escapes; serde's own `Cow` never borrows.
struct Key<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Cow<'de, str>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(text))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Cow::Owned(text.to_owned()))
            }
        }
        deserializer.deserialize_str(Text).map(Key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_borrowed_and_what_is_told_apart_stays_apart() {
        let json = Json::parse(r#"{"a": "x", "b": null, "n": 7, "big": 18446744073709551615, "a~/b": [1.5, true]}"#);
        let json = json.unwrap();
        assert!(matches!(json.get("a"), Some(Json::Text(Cow::Borrowed("x")))));
        assert_eq!(json.get("b"), Some(&Json::Null));
        assert_eq!(json.get("c"), None);
        assert_eq!(json.get("big"), Some(&Json::Big(u64::MAX)));
        assert_eq!(json.pointer("/a~0~1b/0"), Some(&Json::Float(1.5)));
        assert_eq!(json.pointer(""), Some(&json));
        assert_eq!(json.pointer("/a~0~1b/2"), None);
    }

    #[test]
    fn of_a_key_that_is_written_twice_the_last_counts() {
        assert_eq!(Json::parse(r#"{"a": 1, "a": 2}"#).unwrap().get("a"), Some(&Json::Int(2)));
    }

    #[test]
    fn deep_nesting_is_refused() {
        assert!(Json::parse(&"[".repeat(100_000)).is_err());
    }
}
