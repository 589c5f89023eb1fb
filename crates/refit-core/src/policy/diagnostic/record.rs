//! Diagnostics for programs.

use super::{Diagnostic, Files, Renderer, Severity};
use serde::Serialize;

/// A diagnostic as JSON. Fields are only ever added.
///
/// What concerns no particular file has no `file`, `line` and so on; lines and columns count from 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Record {
    /// `error`, `warning` or `note`.
    pub severity: Severity,
    /// What kind of finding: `policy/unknown-field`. Stable.
    pub code: &'static str,
    /// What is wrong, in few words.
    pub message: String,
    /// The particulars; empty where there are none.
    pub label: String,
    /// Path in the repository, with `/`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line of the first marked character.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Its column, in characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// Line of the end of the marked text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_line: Option<usize>,
    /// Column after the last marked character.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_column: Option<usize>,
    /// The first marked line as it stands in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line_text: Option<String>,
    /// Further lines; empty where there are none.
    pub notes: Vec<String>,
    /// The way out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// Diagnostics as JSON records, in the same order.
pub fn records(diagnostics: &[Diagnostic], files: &Files) -> Vec<Record> {
    let renderer = Renderer::new(files);
    diagnostics.iter().map(|diagnostic| renderer.record(diagnostic)).collect()
}

impl Renderer<'_> {
    /// A diagnostic as a JSON record.
    pub fn record(&self, diagnostic: &Diagnostic) -> Record {
        let place = diagnostic.place.as_ref();
        let found = place.and_then(|place| self.find(place));
        // A file without text was refused before it was read: there are no lines to speak of.
        let shown = found.as_ref().filter(|found| !found.unread);
        Record {
            severity: diagnostic.severity,
            code: diagnostic.code,
            message: diagnostic.message.clone(),
            label: diagnostic.label.clone(),
            file: found.as_ref().map(|found| found.path.to_owned()),
            line: shown.map(|found| found.start.line),
            column: shown.map(|found| found.start.column),
            end_line: shown.map(|found| found.end.line),
            end_column: shown.map(|found| found.end.column),
            line_text: shown.map(|found| found.line.chars().take(LINE_TEXT_MAX).collect()),
            notes: diagnostic.notes.clone(),
            help: diagnostic.help.clone(),
        }
    }
}

/// Characters of a line that a record repeats: a file may be one line of megabytes, and have many mistakes.
const LINE_TEXT_MAX: usize = 1000;
