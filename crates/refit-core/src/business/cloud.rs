//! The envelope of business events: CloudEvents 1.0 in JSON, with the extensions `sequence`
//! (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/extensions/sequence.md>) and `department`.

use super::{derive::Derived, kinds::Department};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use std::{fmt, str::FromStr};

/// The `source` of all business events of a server: relative to its address.
pub const SOURCE: &str = "/api/v1/stream";

/// The fields of data that speak of exposures, in the order of their names.
const OF_EXPOSURES: [&str; 3] = ["advisories", "kev", "obligations"];

/// A business event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CloudEvent {
    /// `1.0`
    pub specversion: String,
    /// Unique among all events of the source, also after a backup was restored; receivers go by it to take each event once.
    pub id: String,
    /// Where it comes from.
    pub source: String,
    /// What has happened: `device.overdue`.
    pub r#type: String,
    /// What it is about: the id of the one device, a title and release (`firefox@128.0`), a plan; absent where it is more than one thing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// When it was written down.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub time: Timestamp,
    /// `application/json`
    pub datacontenttype: String,
    /// The schema of the data, with its version: `urn:refit:event:device.overdue:1`.
    pub dataschema: String,
    /// Its position, so that later ones are greater as text.
    pub sequence: String,
    /// The department that owns the type.
    pub department: Department,
    /// The fields of the data that are left out because whoever reads may not see them, with commas: `kev,obligations`; absent where nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redacted: Option<String>,
    /// What there is to say.
    pub data: Value,
}

/// A place in the stream: after everything up to an entry of the log, or after some of what follows from it. As text `12`, or `12.3`:
/// after the event of place 3 (from 0 on) of those that follow from entry 12.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The entry.
    pub seq: u64,
    /// The last event of it that was had; [`Position::ALL`] is every one.
    pub index: u32,
}

/// Why a text is no position.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no position in the stream: it is `12` or `12.3`, as `next` says")]
pub struct PositionError(String);

impl Position {
    /// Every event of an entry.
    pub const ALL: u32 = u32::MAX;

    /// The stream's beginning.
    pub const START: Position = Position::after(0);

    /// After everything that follows from an entry and those before it.
    pub const fn after(seq: u64) -> Position {
        Position { seq, index: Position::ALL }
    }

    /// The entry after which the log has to be read to go on from here.
    pub fn read_after(self) -> u64 {
        if self.index == Position::ALL { self.seq } else { self.seq.saturating_sub(1) }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index {
            Position::ALL => write!(f, "{}", self.seq),
            index => write!(f, "{}.{index}", self.seq),
        }
    }
}

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Position, PositionError> {
        let wrong = || PositionError(text.chars().take(60).flat_map(char::escape_debug).collect());
        let number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()) && !part.is_empty();
        let (seq, index) = match text.split_once('.') {
            None => (text, None),
            Some((seq, index)) => (seq, Some(index)),
        };
        if !number(seq) || index.is_some_and(|index| !number(index)) {
            return Err(wrong());
        }
        let index = match index {
            None => Position::ALL,
            Some(index) => index.parse().map_err(|_| wrong())?,
        };
        Ok(Position { seq: seq.parse().map_err(|_| wrong())?, index })
    }
}

impl Serialize for Position {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Position, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl CloudEvent {
    /// The envelope of what has place `index` among what follows from the entry `seq`, written at `at`.
    ///
    /// The id has the entry's time: a log that goes on from a backup gives its numbers again, and not its times. It has no dot, which
    /// separates what Standard Webhooks signs.
    pub fn new(seq: u64, index: u32, at: Timestamp, derived: &Derived) -> serde_json::Result<CloudEvent> {
        Ok(CloudEvent {
            specversion: "1.0".to_owned(),
            id: format!("{seq}-{index}-{:x}", at.as_nanosecond()),
            source: SOURCE.to_owned(),
            r#type: derived.kind.name().to_owned(),
            subject: derived.subject.clone(),
            time: at,
            datacontenttype: "application/json".to_owned(),
            dataschema: derived.kind.schema_uri(),
            sequence: format!("{seq:020}.{index:010}"),
            department: derived.kind.department(),
            redacted: None,
            data: serde_json::to_value(&derived.data)?,
        })
    }

    /// Without what it says of exposures, which is named under `redacted`.
    pub fn without_exposures(mut self) -> CloudEvent {
        let Some(data) = self.data.as_object_mut() else { return self };
        let hidden: Vec<&str> = OF_EXPOSURES.iter().copied().filter(|name| data.remove(*name).is_some()).collect();
        self.redacted = (!hidden.is_empty()).then(|| hidden.join(","));
        self
    }

    /// The ids of the devices that it lists or is about.
    pub fn devices(&self) -> Vec<&str> {
        let listed = self.data.get("devices").and_then(Value::as_array).into_iter().flatten();
        let one = self.data.get("device").into_iter().chain(self.data.get("other"));
        listed.chain(one).filter_map(Value::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_as_it_is_written() {
        for (text, position) in
            [("0", Position::START), ("12", Position::after(12)), ("12.3", Position { seq: 12, index: 3 })]
        {
            assert_eq!(position.to_string(), text);
            assert_eq!(text.parse(), Ok(position));
        }
        for text in ["", ".", "1.", ".1", "-1", "+1", "1.2.3", "one", "99999999999999999999", "1.9999999999"] {
            assert!(text.parse::<Position>().is_err(), "{text}");
        }
    }

    #[test]
    fn positions_are_in_the_order_of_the_stream() {
        let texts = ["0", "1.0", "1.1", "1", "2.0", "2", "10.0"];
        let positions: Vec<Position> = texts.iter().map(|text| text.parse().unwrap()).collect();
        assert!(positions.is_sorted());
        assert_eq!(positions.iter().map(|position| position.read_after()).collect::<Vec<_>>(), [0, 0, 0, 1, 1, 2, 9]);
    }
}
