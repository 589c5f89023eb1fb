//! Places inside a scalar: which bytes of the file a part of its text came from.

use super::node::{Node, Style};
use crate::policy::diagnostic::Place;
use std::ops::Range;

impl Node {
    /// The place of this node.
    pub fn place(&self, file: usize) -> Place {
        Place { file, span: self.span.clone() }
    }

    /// The place of a byte range of this scalar's text, as far as it can be told; else that of the whole node.
    ///
    /// `text` is that of the file. Quotes, escapes, folded lines and the indentation of blocks are taken into account.
    pub fn place_within(&self, file: usize, text: &str, range: Range<usize>) -> Place {
        Place { file, span: self.span_within(text, range).unwrap_or_else(|| self.span.clone()) }
    }

    fn span_within(&self, text: &str, range: Range<usize>) -> Option<Range<usize>> {
        let scalar = self.scalar()?;
        let raw = text.get(scalar.text_span.clone())?;
        let start = scalar.text_span.start;
        if range.start > range.end || range.end > scalar.text.len() {
            return None;
        }
        if raw == scalar.text {
            let span = start + range.start..start + range.end;
            return text.get(span.clone()).map(|_| span);
        }
        let before = text.get(..start)?;
        let written = match scalar.style {
            Style::Block => block(raw, before.len() - before.rfind('\n').map_or(0, |n| n + 1), before),
            Style::Quoted if before.ends_with('"') => flow(raw, Quote::Double),
            Style::Quoted => flow(raw, Quote::Single),
            Style::Plain => flow(raw, Quote::None),
        };
        let again: String = written.iter().map(|(c, _)| *c).collect();
        // Blank lines around a block are not part of what was marked as its text.
        let leading = if scalar.style == Style::Block {
            scalar.text.len() - scalar.text.trim_start_matches('\n').len()
        } else {
            0
        };
        if again.trim_end_matches('\n') != scalar.text.get(leading..)?.trim_end_matches('\n') {
            return None;
        }
        let mut decoded = leading;
        let mut span: Option<Range<usize>> = None;
        for (c, from) in &written {
            let next = decoded + c.len_utf8();
            // An empty range is the place before its character.
            if range.is_empty() && (decoded..next).contains(&range.start) {
                return Some(start + from.start..start + from.start);
            }
            if decoded < range.end && next > range.start {
                span = Some(span.map_or(from.start, |span| span.start)..from.end);
            }
            decoded = next;
        }
        let end = raw.len();
        let span = span.unwrap_or(end..end);
        Some(start + span.start..start + span.end)
    }
}

/// Characters of a text, each with the bytes that it was written with.
type Written = Vec<(char, Range<usize>)>;

#[derive(Clone, Copy, PartialEq)]
enum Quote {
    None,
    Single,
    Double,
}

/// Plain and quoted scalars: YAML 1.2.2, section 7.3.
fn flow(raw: &str, quote: Quote) -> Written {
    let mut written = Written::new();
    let mut at = 0;
    while let Some(rest) = raw.get(at..)
        && let Some(c) = rest.chars().next()
    {
        let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        if rest.get(blanks..).is_some_and(|rest| rest.starts_with(['\n', '\r'])) {
            at += fold(rest, at, &mut written);
            continue;
        }
        let length = match (quote, c) {
            (Quote::Single, '\'') => 2,
            (Quote::Double, '\\') => match escape(rest) {
                (None, length) => {
                    at += length;
                    continue;
                }
                (Some(c), length) => {
                    written.push((c, at..at + length));
                    at += length;
                    continue;
                }
            },
            _ => c.len_utf8(),
        };
        written.push((c, at..at + length));
        at += length;
    }
    written
}

/// Reads a line break with the blanks around it; returns how long it was.
fn fold(rest: &str, at: usize, written: &mut Written) -> usize {
    let content = rest.trim_start_matches([' ', '\t', '\n', '\r']);
    let length = rest.len() - content.len();
    let breaks = rest.get(..length).map_or(0, |space| space.matches('\n').count());
    match breaks {
        0 | 1 => written.push((' ', at..at + length)),
        _ => written.extend(std::iter::repeat_n(('\n', at..at + length), breaks - 1)),
    }
    length
}

/// The character of an escape sequence (`None` for an escaped line break) and its length.
fn escape(rest: &str) -> (Option<char>, usize) {
    let mut chars = rest.chars();
    chars.next();
    let code = chars.next().unwrap_or('\\');
    let hex = |digits: usize| {
        let value = rest.get(2..2 + digits).and_then(|digits| u32::from_str_radix(digits, 16).ok());
        (Some(value.and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER)), 2 + digits)
    };
    let simple = |c: char| (Some(c), 1 + code.len_utf8());
    match code {
        '0' => simple('\0'),
        'a' => simple('\x07'),
        'b' => simple('\x08'),
        't' | '\t' => simple('\t'),
        'n' => simple('\n'),
        'v' => simple('\x0b'),
        'f' => simple('\x0c'),
        'r' => simple('\r'),
        'e' => simple('\x1b'),
        'N' => simple('\u{85}'),
        '_' => simple('\u{a0}'),
        'L' => simple('\u{2028}'),
        'P' => simple('\u{2029}'),
        'x' => hex(2),
        'u' => hex(4),
        'U' => hex(8),
        '\n' | '\r' => {
            let after = rest.get(1..).unwrap_or_default();
            let after = after.strip_prefix('\r').unwrap_or(after);
            let after = after.strip_prefix('\n').unwrap_or(after).trim_start_matches([' ', '\t']);
            (None, rest.len() - after.len())
        }
        other => simple(other),
    }
}

/// Block scalars: YAML 1.2.2, section 8.1. `raw` starts after the indentation of the first line.
fn block(raw: &str, indent: usize, before: &str) -> Written {
    let header = before.trim_end_matches([' ', '\n', '\r']).lines().next_back().unwrap_or_default();
    let folded = header.rfind(['|', '>']).is_some_and(|n| header.get(n..).is_some_and(|sign| sign.starts_with('>')));
    let mut written = Written::new();
    let mut at = 0;
    let mut previous: Option<bool> = None;
    let mut breaks: Vec<Range<usize>> = Vec::new();
    for (number, whole) in raw.split_inclusive('\n').enumerate() {
        let line = whole.trim_end_matches(['\n', '\r']);
        let stripped = if number == 0 { 0 } else { line.bytes().take(indent).take_while(|b| *b == b' ').count() };
        let content = line.get(stripped..).unwrap_or_default();
        if !content.is_empty() {
            // Only lines of running text are joined; those that are indented further stay as they are.
            let running = folded && !content.starts_with([' ', '\t']);
            let joined = running && previous == Some(true);
            match breaks.as_slice() {
                [only] if joined => written.push((' ', only.clone())),
                [_, more @ ..] if joined => written.extend(more.iter().map(|from| ('\n', from.clone()))),
                all => written.extend(all.iter().map(|from| ('\n', from.clone()))),
            }
            breaks.clear();
            previous = Some(running);
            written.extend(content.char_indices().map(|(n, c)| {
                let from = at + stripped + n;
                (c, from..from + c.len_utf8())
            }));
        }
        if line.len() < whole.len() {
            breaks.push(at + line.len()..at + whole.len());
        }
        at += whole.len();
    }
    written
}
