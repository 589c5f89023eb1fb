//! Events as the log keeps them: kind, version and JSON; and older versions made new.
//!
//! An event that was written is never rewritten. When a payload's fields change so that old ones can't be read as they are, its
//! version grows, and [`upcast`] gets an arm that makes the old payload the new one. `tests/old_logs/` holds logs of every
//! version that was ever written, each with every kind of event that there was, and `tests/old_logs.rs` reads them. A log
//! there is written once, by the simulator (`refit-sim --write-log`), when a kind or a version is new, and never again.

use super::event::Event;
use serde_json::Value;

/// Why an entry of the log can't be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// It was written by a newer program.
    #[error(
        "the log has an event `{kind}` of version {version}, and this program reads up to {known}: it was written by a newer Refit"
    )]
    Newer {
        /// Its kind.
        kind: String,
        /// Its version.
        version: u16,
        /// The newest version that this program knows.
        known: u16,
    },
    /// It is of a kind that this program does not know.
    #[error(
        "the log has an event of the kind `{kind}`, which this program does not know: it was written by a newer Refit"
    )]
    UnknownKind {
        /// Its kind.
        kind: String,
    },
    /// Its payload is none.
    #[error("an event `{kind}` of version {version} can't be read: {why}")]
    Payload {
        /// Its kind.
        kind: String,
        /// Its version.
        version: u16,
        /// What is wrong with it.
        why: serde_json::Error,
    },
}

/// Kind, version and JSON of an event. `origin` is where it came from: a network address, or `local` ([`super::Actor`]). It stands
/// beside the fields of the payload, and nothing is decided by it.
pub fn encode(event: &Event, origin: &str) -> serde_json::Result<(&'static str, u16, Vec<u8>)> {
    Ok((event.kind(), event.version(), event.body(origin)?))
}

/// Reads an event of any version.
pub fn decode(kind: &str, version: u16, body: &[u8]) -> Result<Event, DecodeError> {
    let Some((_, known)) = Event::KINDS.iter().find(|(name, _)| *name == kind) else {
        return Err(DecodeError::UnknownKind { kind: kind.to_owned() });
    };
    if version > *known {
        return Err(DecodeError::Newer { kind: kind.to_owned(), version, known: *known });
    }
    let failed = |why| DecodeError::Payload { kind: kind.to_owned(), version, why };
    let read = if version == *known {
        Event::read(kind, body)
    } else {
        let mut payload: Value = serde_json::from_slice(body).map_err(failed)?;
        for from in version..*known {
            upcast(kind, from, &mut payload);
        }
        Event::from_current(kind, payload)
    };
    read.ok_or_else(|| DecodeError::UnknownKind { kind: kind.to_owned() })?.map_err(failed)
}

/// Why a move is held that the plan that was applied did not show.
pub(super) const NOT_SHOWN: &str = "the plan that was applied did not show this";

/// Makes a payload of version `from` one of the next version.
fn upcast(kind: &str, from: u16, payload: &mut Value) {
    if let Some(fields) = payload.as_object_mut() {
        // From where it came was not written down at first; kinds that are newer have always said it.
        fields.entry("origin").or_insert(Value::Null);
    }
    match (kind, from) {
        // Nobody said yet what packages were built from.
        ("device.observed", 1) => {
            let entries = payload.get_mut("present").and_then(Value::as_array_mut);
            for entry in entries.into_iter().flatten().filter_map(Value::as_object_mut) {
                entry.insert("source".to_owned(), Value::Null);
            }
        }
        ("server.started", 1) => payload["unsure_since"] = payload["down_since"].clone(),
        ("moves.held", 1) => {
            // What holds was only said in words.
            for cohort in payload["held"].as_array_mut().into_iter().flatten() {
                let envelope = cohort["because"].as_str() == Some(NOT_SHOWN);
                cohort["by"] = if envelope { "envelope" } else { "budget" }.into();
            }
        }
        // Rings opened on every platform at once, gates answered for good, and nobody said by what.
        ("ring.opened", 2) => payload["platform"] = Value::Null,
        ("gate.answered", 2) => {
            for field in ["until", "verdict", "evidence", "why"] {
                payload[field] = Value::Null;
            }
        }
        // What was to come was not written down.
        ("receipt.received", 2) => payload["wanted"] = Value::Null,
        _ => {}
    }
}
