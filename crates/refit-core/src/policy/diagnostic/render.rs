//! Diagnostics for people: the layout, without colours.
//!
//! ```text
//! error[policy/unknown-field]: unknown field
//!   patch/browsers.yaml:4:8
//!     where: device.platfrom in ["macos"]
//!            ^^^^^^^^^^^^^^^ `device` has no field `platfrom`
//!   help: did you mean `platform`?
//! ```
//!
//! Files may be hostile: nothing of them reaches a terminal but printable characters, and long lines are cut around what
//! is marked.

use super::{Diagnostic, Files, Place, Severity};
use std::cell::OnceCell;
use std::fmt;
use std::ops::Range;
use unicode_width::UnicodeWidthChar;

/// Columns of a line that are shown.
const WIDTH_MAX: usize = 160;
/// Columns that stay visible before the mark, where a line is cut.
const CONTEXT: usize = 40;
const TAB_WIDTH: usize = 4;

/// One diagnostic in its layout, ending with a line break.
pub fn render(diagnostic: &Diagnostic, files: &Files) -> String {
    Renderer::new(files).render(diagnostic).to_string()
}

/// Renders diagnostics of the same files; where their lines start is computed once for each.
#[derive(Debug)]
pub struct Renderer<'a> {
    files: &'a Files,
    /// For each file, the byte at which each line starts.
    lines: Vec<OnceCell<Vec<usize>>>,
}

/// A rendered diagnostic: pieces of text in order. `Display` joins them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered(pub Vec<(Part, String)>);

/// What a piece of a rendered diagnostic is, so that it can be painted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// `error[policy/unknown-field]`.
    Severity(Severity),
    /// What is wrong.
    Message,
    /// Path, line and column.
    Place,
    /// The line of the file.
    Source,
    /// The carets below it.
    Mark(Severity),
    /// The particulars beside them.
    Label(Severity),
    /// The word `note` or `help` with its colon.
    Keyword,
    /// The text of a note or of the help.
    Text,
    /// Indentation, line breaks.
    Layout,
}

impl fmt::Display for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(_, text)| f.write_str(text))
    }
}

/// A position for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// From 1.
    pub(super) line: usize,
    /// From 1, in characters.
    pub(super) column: usize,
}

/// A place, looked up.
pub(super) struct Found<'a> {
    pub(super) path: &'a str,
    pub(super) start: Position,
    pub(super) end: Position,
    /// The first line.
    pub(super) line: &'a str,
    /// What is marked of it, in bytes.
    pub(super) marked: Range<usize>,
    /// Whether the file has no text to show.
    pub(super) unread: bool,
}

impl<'a> Renderer<'a> {
    /// A renderer for diagnostics of these files.
    pub fn new(files: &'a Files) -> Self {
        Self { files, lines: files.0.iter().map(|_| OnceCell::new()).collect() }
    }

    /// The diagnostic in its layout.
    pub fn render(&self, diagnostic: &Diagnostic) -> Rendered {
        let severity = diagnostic.severity;
        let word = match severity {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        let mut pieces = Pieces(Vec::new());
        pieces.add(Part::Severity(severity), format!("{word}[{}]", diagnostic.code));
        pieces.layout(": ");
        pieces.add(Part::Message, printable(&diagnostic.message));
        pieces.layout("\n");
        let label = printable(&diagnostic.label);
        let found = diagnostic.place.as_ref().and_then(|place| self.find(place));
        match &found {
            Some(found) if !found.unread => {
                pieces.layout("  ");
                pieces
                    .add(Part::Place, format!("{}:{}:{}", printable(found.path), found.start.line, found.start.column));
                let (source, indent, carets) = excerpt(found.line, found.marked.clone());
                pieces.layout("\n    ");
                pieces.add(Part::Source, source);
                pieces.layout(&format!("\n    {}", " ".repeat(indent)));
                pieces.add(Part::Mark(severity), "^".repeat(carets));
                if !label.is_empty() {
                    pieces.layout(" ");
                    pieces.add(Part::Label(severity), label);
                }
                pieces.layout("\n");
            }
            _ => {
                if let Some(found) = found {
                    pieces.layout("  ");
                    pieces.add(Part::Place, printable(found.path));
                    pieces.layout("\n");
                }
                if !label.is_empty() {
                    pieces.layout("    ");
                    pieces.add(Part::Label(severity), label);
                    pieces.layout("\n");
                }
            }
        }
        let notes = diagnostic.notes.iter().map(|note| ("note", note));
        for (keyword, text) in notes.chain(diagnostic.help.iter().map(|help| ("help", help))) {
            pieces.layout("  ");
            pieces.add(Part::Keyword, format!("{keyword}: "));
            // Further lines stand below the first.
            let lines: Vec<String> = text.lines().map(printable).collect();
            pieces.add(Part::Text, lines.join("\n        "));
            pieces.layout("\n");
        }
        Rendered(pieces.0)
    }

    /// All diagnostics, with an empty line between them.
    pub fn render_all(&self, diagnostics: &[Diagnostic]) -> String {
        diagnostics.iter().map(|diagnostic| self.render(diagnostic).to_string()).collect::<Vec<_>>().join("\n")
    }

    /// Path, line and column of a place, as `patch/browsers.yaml:4:8`; only the path where nothing of the file was read.
    pub fn position(&self, place: &Place) -> String {
        match self.find(place) {
            Some(found) if found.unread => printable(found.path),
            Some(found) => format!("{}:{}:{}", printable(found.path), found.start.line, found.start.column),
            None => String::new(),
        }
    }

    pub(super) fn find(&self, place: &Place) -> Option<Found<'a>> {
        let file = self.files.0.get(place.file)?;
        let text = file.text.as_str();
        let starts = self.lines.get(place.file)?.get_or_init(|| {
            std::iter::once(0)
                .chain(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(n, _)| n + 1))
                .collect()
        });
        let start = text.floor_char_boundary(place.span.start);
        let end = text.floor_char_boundary(place.span.end).max(start);
        let position = |at: usize| {
            let line = starts.partition_point(|start| *start <= at);
            let line_start = line.checked_sub(1).and_then(|n| starts.get(n)).copied().unwrap_or(0);
            let column = text.get(line_start..at).map_or(0, |before| before.chars().count());
            (Position { line, column: column + 1 }, line_start)
        };
        let ((start_position, line_start), (end_position, _)) = (position(start), position(end));
        let line_end = starts.get(start_position.line).map_or(text.len(), |next| next - 1);
        let line = text.get(line_start..line_end).unwrap_or_default();
        let line = line.strip_suffix('\r').unwrap_or(line);
        let to = if end_position.line > start_position.line {
            line.trim_end().len()
        } else {
            (end - line_start).min(line.len())
        };
        let from = (start - line_start).min(line.len());
        Some(Found {
            path: &file.path,
            start: start_position,
            end: end_position,
            line,
            marked: from..to.max(from),
            unread: text.is_empty(),
        })
    }
}

struct Pieces(Vec<(Part, String)>);

impl Pieces {
    fn add(&mut self, part: Part, text: String) {
        self.0.push((part, text));
    }

    fn layout(&mut self, text: &str) {
        self.add(Part::Layout, text.to_owned());
    }
}

/// A line as it is shown, the columns before the mark, and those of the mark (at least one).
fn excerpt(line: &str, marked: Range<usize>) -> (String, usize, usize) {
    // A line may be megabytes long: only what can be in view is looked at.
    let before = line.get(..marked.start).unwrap_or_default();
    let from = before.char_indices().rev().nth(WIDTH_MAX - 1).map_or(0, |(at, _)| at);
    let mut cells: Vec<Cell> = Vec::new();
    let (mut column, mut mark, mut mark_end) = (0, 0, 0);
    let mut rest = line.get(from..).unwrap_or_default().char_indices().map(|(n, c)| (from + n, c));
    for (at, c) in rest.by_ref().take(3 * WIDTH_MAX) {
        let (text, width) = cell(c, column);
        cells.push(Cell { at, column, width, text });
        column += width;
        mark = if at < marked.start { column } else { mark };
        mark_end = if at < marked.end { column } else { mark_end };
    }
    let more = rest.next().is_some();
    // The mark is moved into view where it lies outside, or where more of it comes into view.
    let in_view = from == 0 && (mark_end <= WIDTH_MAX || mark <= CONTEXT);
    let left = if in_view { 0 } else { mark.saturating_sub(CONTEXT) };
    let right = left + WIDTH_MAX;
    let visible = |cell: &&Cell| cell.column >= left && cell.column + cell.width <= right;
    let shown: String = cells.iter().filter(visible).map(|cell| cell.text.as_str()).collect();
    let cut_left = left > 0 || from > 0;
    let cut_right = more || column > right;
    let width_of = |range: Range<usize>| -> usize {
        cells.iter().filter(visible).filter(|cell| range.contains(&cell.at)).map(|cell| cell.width).sum()
    };
    let indent = width_of(0..marked.start) + usize::from(cut_left);
    let carets = width_of(marked).max(1);
    let (left, right) = (if cut_left { "…" } else { "" }, if cut_right { "…" } else { "" });
    (format!("{left}{}{right}", if cut_right { shown.as_str() } else { shown.trim_end() }), indent, carets)
}

struct Cell {
    /// Byte of the line.
    at: usize,
    column: usize,
    width: usize,
    text: String,
}

/// How a character is shown at a column, and how wide that is.
fn cell(c: char, column: usize) -> (String, usize) {
    if c == '\t' {
        let width = TAB_WIDTH - column % TAB_WIDTH;
        return (" ".repeat(width), width);
    }
    match escaped(c) {
        Some(text) => {
            let width = text.len();
            (text, width)
        }
        None => (c.to_string(), c.width().unwrap_or(0)),
    }
}

/// A text without characters that do something to a terminal or hide what is written.
fn printable(text: &str) -> String {
    if !text.chars().any(|c| escaped(c).is_some()) {
        return text.to_owned();
    }
    text.chars().map(|c| escaped(c).unwrap_or_else(|| c.to_string())).collect()
}

/// What to show instead of a control character, an invisible one, or one that turns the direction of writing.
fn escaped(c: char) -> Option<String> {
    let hidden = c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    hidden.then(|| format!("\\u{{{:x}}}", c as u32))
}
