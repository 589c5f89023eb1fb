//! The first draft of a connector, made from a payload, or from an OpenAPI document: where its records are, what identifies them, which fields their names
//! suggest. What is guessed says so; what is not used is listed, so that whoever goes on sees all that there is.
//!
//! A draft is in order, and reads the payload that it was made from. That it is right is for people to say.

mod guess;
mod openapi;
mod samples;
mod shape;
mod write;

pub use openapi::{Operation, operations};
pub use samples::sample;

use super::document::PayloadKind;
use super::payload::{self, Unreadable};

/// The first draft of a connector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The text of its `connector.yaml`.
    pub text: String,
    /// How many records were found.
    pub records: usize,
    /// Keys and fields that were guessed, as the draft names them.
    pub guessed: Vec<String>,
    /// What the records have besides that, as expressions.
    pub unused: Vec<String>,
}

/// Drafts a connector with that name for payloads like this one.
pub fn draft(name: &str, reads: PayloadKind, payload: &[u8]) -> Result<Draft, Unreadable> {
    drafted(name, reads, payload, None)
}

/// Drafts a connector with that name for a list that an OpenAPI document describes.
pub fn draft_operation(name: &str, operation: &Operation) -> Result<Draft, Unreadable> {
    drafted(name, PayloadKind::HttpJson, operation.payload.as_bytes(), Some(operation))
}

fn drafted(name: &str, reads: PayloadKind, payload: &[u8], operation: Option<&Operation>) -> Result<Draft, Unreadable> {
    let text = payload::text(reads, payload);
    let payload = payload::parse(reads, payload, &text)?;
    let found = shape::records(&payload.json).ok_or_else(|| {
        let mut unreadable = Unreadable::new("there are no records in the payload", payload.json.described());
        unreadable.help = Some("a record is an object; give a payload with a list of some, or with one".to_owned());
        unreadable
    })?;
    let guess = guess::guess(&found);
    Ok(write::draft(name, reads, &payload.json, operation, &found, &guess))
}

/// In what form a payload seems to be.
pub fn form(payload: &[u8]) -> PayloadKind {
    let begin = payload.get(..payload.len().min(1 << 20)).unwrap_or_default();
    let text = payload::decoded(PayloadKind::HttpJson, begin);
    let text = text.trim_start();
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let is_object =
        |line: Option<&str>| line.is_some_and(|line| line.starts_with('{') && line.trim_end().ends_with('}'));
    if payload.starts_with(b"bplist") || text.starts_with("<?xml") || text.starts_with("<plist") {
        PayloadKind::Plist
    } else if is_object(lines.next()) && lines.next().is_some_and(|line| line.starts_with('{')) {
        // The second may be broken: that costs a line, not the payload.
        PayloadKind::Ndjson
    } else if text.starts_with(['{', '[']) {
        PayloadKind::HttpJson
    } else {
        PayloadKind::Csv
    }
}
