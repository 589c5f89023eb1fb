//! Diagnostics: what is wrong with a policy repository, where, why, and the way out.

mod record;
mod render;
mod suggest;
#[cfg(test)]
mod tests;

pub use record::{Record, records};
pub use render::{Part, Rendered, Renderer, render};
pub use suggest::did_you_mean;

use serde::Serialize;
use std::ops::Range;

/// Sorts by file path, then position, then code, and drops what is said twice. What has no place comes first.
pub fn sort(diagnostics: &mut Vec<Diagnostic>, files: &Files) {
    fn key<'a>(diagnostic: &'a Diagnostic, files: &'a Files) -> impl Ord + use<'a> {
        let place = diagnostic.place.as_ref();
        let path = place.and_then(|place| files.0.get(place.file)).map(|file| file.path.as_str());
        let span = place.map(|place| (place.file, place.span.start, place.span.end));
        let texts = (&diagnostic.message, &diagnostic.label, &diagnostic.notes, &diagnostic.help);
        (path, span, diagnostic.code, diagnostic.severity, texts)
    }
    diagnostics.sort_by(|a, b| key(a, files).cmp(&key(b, files)));
    diagnostics.dedup();
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// A stable code that programs read: `policy/unknown-field`.
    pub code: &'static str,
    /// What is wrong, in few words that are the same each time.
    pub message: String,
    /// Where; `None` where it concerns the repository as a whole.
    pub place: Option<Place>,
    /// The particulars, shown under the marked text.
    pub label: String,
    /// Further lines: the arithmetic, an example device, the other place.
    pub notes: Vec<String>,
    /// The way out.
    pub help: Option<String>,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing; nothing has to change.
    Note,
    /// Probably not what was meant.
    Warning,
    /// The repository can't be used as it is.
    Error,
}

/// A part of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Index of the file in [`Files`].
    pub file: usize,
    /// Bytes of its text.
    pub span: Range<usize>,
}

/// One file as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Path as people should see it: relative to the repository, with `/`.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// The files of a repository; places point into them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files(pub Vec<SourceFile>);

impl Diagnostic {
    /// An error with a code and a message; the rest is added by the `with` methods.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message)
    }

    /// A warning.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message)
    }

    /// A note.
    pub fn note(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Note, code, message)
    }

    fn new(severity: Severity, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity,
            code,
            message: message.into(),
            place: None,
            label: String::new(),
            notes: Vec::new(),
            help: None,
        }
    }

    /// Says where.
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// Says what about the marked text.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Adds a line of particulars.
    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Adds the way out.
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}
