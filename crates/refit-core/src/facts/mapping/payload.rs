//! Payloads: from their bytes to the values in which records are looked for.

mod encoding;
mod property_list;
mod tamed;

pub use encoding::decoded;

use super::convert::unwritten;
use super::document::PayloadKind;
use super::json::Json;
use crate::policy::diagnostic::{Diagnostic, Place};
use std::borrow::Cow;
use std::ops::Range;

/// A payload that is none at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// What is wrong, in few words.
    pub message: String,
    /// The particulars.
    pub label: String,
    /// The way out.
    pub help: Option<String>,
    /// Which bytes of the payload.
    pub span: Option<Range<usize>>,
}

impl Unreadable {
    pub(super) fn new(message: &str, label: impl Into<String>) -> Self {
        Self { message: message.to_owned(), label: label.into(), help: None, span: None }
    }

    /// For people; `file` is the index of the payload among the files.
    pub fn diagnostic(self, file: usize) -> Diagnostic {
        let mut diagnostic = Diagnostic::error("source/payload", self.message).label(self.label);
        diagnostic.help = self.help;
        diagnostic.place = Some(Place { file, span: self.span.unwrap_or(0..0) });
        diagnostic
    }
}

/// A payload as it was read.
pub(super) struct Payload<'p> {
    pub json: Json<'p>,
    /// The line of each record, where they are lines.
    pub lines: Option<Vec<usize>>,
    /// Lines that are none, with the reason.
    pub broken: Vec<(usize, String)>,
}

impl Payload<'_> {
    /// Where a part of a record is, for people: a pointer in JSON, a line of a table.
    pub fn at(&self, pointer: &str) -> String {
        let Some(lines) = &self.lines else { return pointer.to_owned() };
        let mut steps = pointer.splitn(3, '/').skip(1);
        let line = steps.next().and_then(|step| step.parse::<usize>().ok()).and_then(|index| lines.get(index));
        match (line, steps.next()) {
            (Some(line), Some(rest)) => format!("line {line}, {}", rest.replace("~1", "/").replace("~0", "~")),
            (Some(line), None) => format!("line {line}"),
            (None, _) => pointer.to_owned(),
        }
    }
}

/// The text of a payload; a property list has its own reader.
pub(super) fn text(kind: PayloadKind, bytes: &[u8]) -> Cow<'_, str> {
    if kind == PayloadKind::Plist { Cow::Borrowed("") } else { decoded(kind, bytes) }
}

/// The text of a payload that can't be read as it is, where it can be without some of its values; with what was left out.
pub(super) fn tamed(kind: PayloadKind, text: &str) -> Option<(String, Vec<tamed::LeftOut>)> {
    match kind {
        PayloadKind::HttpJson | PayloadKind::Graphql | PayloadKind::Json | PayloadKind::Sql => tamed::tamed(text),
        PayloadKind::Csv | PayloadKind::Ndjson | PayloadKind::Plist => None,
    }
}

/// Reads a payload. `text` is that of `bytes`, so that what is read can borrow from it.
pub(super) fn parse<'p>(kind: PayloadKind, bytes: &[u8], text: &'p str) -> Result<Payload<'p>, Unreadable> {
    if bytes.trim_ascii().is_empty() || (kind != PayloadKind::Plist && text.trim().is_empty()) {
        return Err(Unreadable::new("the payload is empty", "there is nothing in it"));
    }
    match kind {
        PayloadKind::HttpJson | PayloadKind::Graphql | PayloadKind::Json | PayloadKind::Sql => {
            match Json::parse(text) {
                Ok(json) => Ok(Payload { json, lines: None, broken: Vec::new() }),
                Err(error) => Err(no_json(text, &error)),
            }
        }
        PayloadKind::Ndjson => Ok(lines(text)),
        PayloadKind::Csv => table(text),
        PayloadKind::Plist => property_list::parse(bytes).map(|json| Payload { json, lines: None, broken: Vec::new() }),
    }
}

fn no_json(text: &str, error: &serde_json::Error) -> Unreadable {
    let start: usize = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let mut at = (start + error.column().saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let said = error.to_string();
    let said = said.rsplit_once(" at line ").map_or(said.as_str(), |(said, _)| said);
    let mut unreadable = Unreadable::new("the payload is no JSON", said);
    unreadable.span = Some(at..text[at..].chars().next().map_or(at, |c| at + c.len_utf8()));
    if text.trim_start().starts_with('<') {
        unreadable.help =
            Some("it looks like XML or a web page: was a page for signing in saved in its place?".to_owned());
    }
    unreadable
}

fn lines(text: &str) -> Payload<'_> {
    let (mut records, mut places, mut broken) = (Vec::new(), Vec::new(), Vec::new());
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match Json::parse(line) {
            Ok(json) => {
                records.push(json);
                places.push(index + 1);
            }
            Err(error) => broken.push((index + 1, format!("the line is no JSON: {error}"))),
        }
    }
    Payload { json: Json::List(records), lines: Some(places), broken }
}

/// RFC 4180, with commas, semicolons or tabs: whichever the first line has most of, or what a line `sep=;` before it says.
fn table(text: &str) -> Result<Payload<'_>, Unreadable> {
    let (said, whole) = (separator(text), text);
    let text = said.map_or(text, |(_, rest)| rest);
    if text.trim().is_empty() {
        return Err(Unreadable::new("the payload is empty", "there is nothing in it"));
    }
    let (line_before, begins) = (usize::from(said.is_some()), whole.len() - text.len());
    let first = text.lines().next().unwrap_or_default();
    let most = b",;\t".iter().max_by_key(|sign| first.bytes().filter(|byte| byte == *sign).count()).unwrap_or(&b',');
    let delimiter = said.map_or(*most, |(sign, _)| sign);
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(text.as_bytes());
    let names = match reader.headers() {
        Ok(names) => names.clone(),
        Err(error) => return Err(Unreadable::new("the payload is no table", error.to_string())),
    };
    if names.iter().any(unwritten) {
        let why = "its first line, which names the columns, has signs in it that nobody writes";
        return Err(Unreadable::new("the payload is no table", why));
    }
    let names: Vec<String> = names.iter().map(column).collect();
    // A column without a name, which programs add behind the last one, is read by nobody.
    let mut twice = names.iter().enumerate().filter(|(index, name)| !name.is_empty() && names[..*index].contains(name));
    if let Some((_, name)) = twice.next() {
        let mut unreadable = Unreadable::new("a column twice", format!("there are two columns `{name}`"));
        unreadable.span = Some(begins..begins + first.len());
        return Err(unreadable);
    }
    let (mut records, mut places, mut broken) = (Vec::new(), Vec::new(), Vec::new());
    for row in reader.records() {
        match row {
            Ok(row) => {
                let line = line_before + row.position().map_or(0, |position| line_of(text, position));
                if let Some(why) = no_row(&row, &names) {
                    broken.push((line, why));
                    continue;
                }
                let entries = names.iter().zip(row.iter()).filter(|(name, _)| !name.is_empty());
                let object = entries
                    .map(|(name, value)| (Cow::Owned(name.clone()), Json::Text(Cow::Owned(value.trim().to_owned()))));
                records.push(Json::Object(object.collect()));
                places.push(line);
            }
            Err(error) => {
                let line = line_before + error.position().map_or(0, |position| line_of(text, position));
                broken.push((line, error.to_string()));
            }
        }
    }
    Ok(Payload { json: Json::List(records), lines: Some(places), broken })
}

/// The name of a column, as expressions write it.
fn column(name: &str) -> String {
    name.trim().to_lowercase().replace([' ', '-'], "_")
}

/// Why a line is no row of the table.
fn no_row(row: &csv::StringRecord, names: &[String]) -> Option<String> {
    // Whoever puts two tables one behind the other has the names twice.
    let named = |(value, name): (&str, &String)| column(value) == *name;
    if row.len() == names.len() && row.len() > 1 && row.iter().zip(names).all(named) {
        return Some("the line has the names of the columns once more".to_owned());
    }
    if row.len() == names.len() {
        return None;
    }
    let values = if row.len() == 1 { "1 value".to_owned() } else { format!("{} values", row.len()) };
    let mut why = format!("the line has {values}, and the table {} columns", names.len());
    if row.iter().any(|value| value.contains('\n')) {
        why += "; it goes on over several lines: a `\"` may be open";
    }
    Some(why)
}

/// The line on which a row begins. The reader counts from where the one before ended, in a table of Windows's before the end of that line.
fn line_of(text: &str, position: &csv::Position) -> usize {
    let rest = usize::try_from(position.byte()).ok().and_then(|byte| text.as_bytes().get(byte..)).unwrap_or_default();
    let breaks = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).filter(|byte| **byte == b'\n').count();
    usize::try_from(position.line()).unwrap_or(0) + breaks
}

/// What a first line `sep=;` says, as spreadsheets write it, and the table behind it.
fn separator(text: &str) -> Option<(u8, &str)> {
    let (line, rest) = text.split_once('\n')?;
    match line.trim_end_matches('\r').as_bytes() {
        [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', sign] => Some((*sign, rest)),
        _ => None,
    }
}
