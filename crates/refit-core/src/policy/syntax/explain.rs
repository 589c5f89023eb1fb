//! What is wrong with a text that is not YAML, for people who did not want to learn YAML.
//!
//! The parser says where it stopped. That is often one line after the mistake, and in its own terms; so each kind of error
//! is looked at together with the line, and the usual mistake is named with its remedy.

use super::node::{Kind, Node};
use crate::policy::diagnostic::{Diagnostic, Place};
use granit_parser::{ErrorKind, ScanError};
use std::ops::Range;

/// The line that a byte of the text is on, from 1.
pub(super) fn line_number(text: &str, at: usize) -> usize {
    1 + text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count()
}

/// Explains where and why the parser stopped.
///
/// `open` is where the innermost bracket stands that the parser knows to be open, `depth` how deep collections may be nested.
pub(super) fn syntax_error(
    file: usize,
    text: &str,
    error: &ScanError,
    open: Option<usize>,
    depth: usize,
) -> Diagnostic {
    let at = text.floor_char_boundary(error.marker().byte_offset().unwrap_or(text.len()));
    if matches!(error.kind(), ErrorKind::RecursionLimitExceeded) {
        return too_deep(file, at, depth);
    }
    let line = Line::at(text, at);
    let open = line.bracket_before(at, open.filter(|open| *open < line.start));
    let finding = Finder { text, at, line, open }.find(error.kind());
    let diagnostic = Diagnostic::error("policy/syntax", "not valid YAML")
        .at(Place { file, span: finding.span })
        .label(finding.label);
    if finding.help.is_empty() { diagnostic } else { diagnostic.with_help(finding.help) }
}

/// Lists and mappings nested deeper than allowed.
pub(super) fn too_deep(file: usize, at: usize, depth: usize) -> Diagnostic {
    Diagnostic::error("policy/limit", "nested too deeply")
        .at(Place { file, span: at..at })
        .label(format!("lists and mappings may be nested {depth} deep"))
}

/// A merge key.
pub(super) fn merge_key(file: usize, span: Range<usize>) -> Diagnostic {
    Diagnostic::error("policy/unsupported-yaml", "merge keys are not supported")
        .at(Place { file, span })
        .label("`<<` copies the fields of another mapping")
        .with_help("write the fields here; a policy that differs little from another says `extends: OTHER`")
}

/// A document that is a text or a list instead of a mapping.
pub(super) fn not_a_document(file: usize, text: &str, node: &Node) -> Diagnostic {
    let line = Line::at(text, node.span.start);
    let error = Diagnostic::error("policy/syntax", "not a document");
    if let Some(colon) = line.colon_without_space() {
        return error
            .at(Place { file, span: colon..colon + 1 })
            .label("no space after the colon")
            .with_help(format!("write `{}`", spaced(&line, colon)));
    }
    let what = if matches!(node.kind, Kind::Sequence(_)) { "a list" } else { "a text" };
    error
        .at(Place { file, span: node.span.start..line.end().clamp(node.span.start, node.span.end) })
        .label(format!("expected `key: value` lines, found {what}"))
        .with_help("a document starts with its kind, such as `policy: browsers`")
}

struct Finding {
    span: Range<usize>,
    label: String,
    help: String,
}

impl Finding {
    fn new(span: Range<usize>, label: impl Into<String>, help: impl Into<String>) -> Self {
        Self { span, label: label.into(), help: help.into() }
    }
}

struct Finder<'a> {
    text: &'a str,
    at: usize,
    line: Line<'a>,
    open: Option<usize>,
}

impl Finder<'_> {
    fn find(&self, kind: &ErrorKind) -> Finding {
        use ErrorKind as E;
        if let Some(finding) = self.tab(kind) {
            return finding;
        }
        if let Some(finding) = self.unclosed_above(kind) {
            return finding;
        }
        match kind {
            E::UnclosedQuotedScalar | E::DocumentIndicatorInQuotedScalar => Finding::new(
                self.to_line_end(),
                "this quote is never closed",
                "close it on the same line; in single quotes, a quote is written twice (`''`)",
            ),
            E::InvalidQuotedScalarIndent => Finding::new(
                self.here(),
                "a quoted text goes on here, but this line is not indented",
                "close the quote on the line where it opens, or indent its further lines",
            ),
            E::UnclosedFlowCollection { open } => {
                Finding::new(self.here(), format!("this `{open}` is never closed"), self.bracket_help())
            }
            E::MismatchedFlowCollectionEnd { open, close } => {
                Finding::new(self.here(), format!("`{open}` is closed by `{close}`"), self.bracket_help())
            }
            E::MisplacedFlowCollectionEnd => Finding::new(
                self.here(),
                "nothing is open that this could close",
                "remove it; a text that starts with a bracket needs quotes",
            ),
            E::InvalidTrailingDoubleQuotedScalar | E::InvalidTrailingSingleQuotedScalar
                if self.open.is_some()
                    && self.text.get(self.at..).is_some_and(|rest| rest.starts_with(['"', '\''])) =>
            {
                Finding::new(
                    self.here(),
                    "expected a comma before this",
                    "separate entries between brackets with commas",
                )
            }
            E::InvalidTrailingDoubleQuotedScalar | E::InvalidTrailingSingleQuotedScalar => {
                Finding::new(self.to_value_end(), "text after the closing quote", self.quote_value())
            }
            E::CommentInterceptedScalar => Finding::new(
                self.to_line_end(),
                "a comment starts here, and the text goes on after it",
                "put the whole text in quotes if `#` belongs to it, or move the comment to the line above",
            ),
            E::UnknownQuotedScalarEscape
            | E::InvalidQuotedScalarHexEscape
            | E::InvalidUnicodeEscape
            | E::UnpairedLowSurrogate
            | E::MissingLowSurrogate
            | E::InvalidLowSurrogate
            | E::InvalidLowSurrogateHexEscape => self.escape(),
            E::UnexpectedCharacter { character } if character.is_control() => Finding::new(
                self.here(),
                "a control character",
                "remove it; in double quotes it can be written as an escape",
            ),
            E::UnexpectedCharacter { character } => {
                let sign = if *character == '`' {
                    "a backtick".to_owned()
                } else {
                    format!("`{}`", character.escape_default())
                };
                Finding::new(self.here(), format!("a text can't start with {sign}"), self.quote_value())
            }
            E::InvalidBlockScalarHeader | E::ZeroBlockScalarIndent => {
                let sign = self.line.value().and_then(|(_, value)| value.chars().next()).unwrap_or('>');
                let label = format!("to YAML, a value that starts with `{sign}` is a block of text on the lines below");
                Finding::new(self.here(), label, self.quote_value())
            }
            E::BlockSequenceEntryNotAllowed => Finding::new(
                self.here(),
                "a list can't start on the line of its key",
                "put each `- entry` on a line of its own, or write `[entry, entry]`",
            ),
            E::BlockEntryInFlowCollection | E::PlainScalarStartsWithDashFlowIndicator => Finding::new(
                self.here(),
                "between brackets, entries are separated by commas, without `-`",
                "write `[entry, entry]`, or put each `- entry` on a line of its own",
            ),
            E::MappingValueNotAllowed => self.value_not_allowed(),
            E::MappingKeyNotAllowed => {
                Finding::new(self.here(), "to YAML, a value that starts with `? ` is a key", self.quote_value())
            }
            E::ExpectedFlowMappingSeparator | E::ExpectedFlowSequenceSeparator => {
                Finding::new(self.here(), "expected a comma or the closing bracket", self.bracket_help())
            }
            E::MissingAnchorOrAliasName if self.open.is_some() => {
                let sign = self.text.get(self.here()).unwrap_or_default();
                let label = format!("to YAML, a text that starts with `{sign}` is an anchor or an alias");
                Finding::new(self.here(), label, self.quote_value())
            }
            E::MissingAnchorOrAliasName | E::ExpectedTagBang | E::InvalidTagTerminator | E::MissingTagUri => {
                self.special_value()
            }
            _ if self.starts_specially() => self.special_value(),
            E::ExpectedBlockMappingKey | E::InvalidIndentation | E::ExpectedDocumentStart => self.indentation(),
            E::ExpectedBlockSequenceEntry if !self.follows_list() => self.indentation(),
            E::ExpectedBlockSequenceEntry => Finding::new(
                self.here(),
                "a list stands above at this indentation, and this is no `- entry`",
                "indent the list further than the key that it belongs to, and start each entry with `- `",
            ),
            E::SimpleKeyExpected | E::InvalidSimpleKey | E::UnexpectedEof | E::ExpectedNodeContent => self.no_key(),
            E::BomInsideDocument => Finding::new(
                self.here(),
                "a byte-order mark in the middle of the file",
                "remove this invisible character",
            ),
            E::MissingDirectiveName
            | E::InvalidDirectiveName
            | E::InvalidDirectiveTerminator
            | E::UnsupportedYamlMajorVersion => Finding::new(
                self.here(),
                "a line that starts with `%` is a directive to YAML",
                "remove it, or put the text in quotes",
            ),
            other => Finding::new(
                self.here(),
                other.to_string(),
                "texts with `: ` or ` #`, and texts that start with a sign, need quotes",
            ),
        }
    }

    fn tab(&self, kind: &ErrorKind) -> Option<Finding> {
        use ErrorKind as E;
        let blank = self.line.text.len() - self.line.text.trim_start_matches([' ', '\t']).len();
        let Some(tab) = self.line.text.get(..blank)?.find('\t') else { return self.tab_below(kind) };
        let start = self.line.start + tab;
        let about_layout = matches!(
            kind,
            E::TabNotAllowed
                | E::TabInBlockIndentation
                | E::TabInIndentation
                | E::TabAtBlockScalarStart
                | E::TabInPlainScalar
                | E::InvalidIndentation
                | E::ExpectedBlockMappingKey
                | E::ExpectedBlockSequenceEntry
                | E::MappingValueNotAllowed
        );
        about_layout.then(|| {
            Finding::new(
                start..self.line.start + blank,
                "indented with a tab",
                "indent with spaces: YAML allows no tabs here",
            )
        })
    }

    /// A tab that the parser met on a line below the one where it complains: the first that is indented so.
    fn tab_below(&self, kind: &ErrorKind) -> Option<Finding> {
        use ErrorKind as E;
        let about_tabs = matches!(
            kind,
            E::TabNotAllowed
                | E::TabInBlockIndentation
                | E::TabInIndentation
                | E::TabAtBlockScalarStart
                | E::TabInPlainScalar
        );
        if !about_tabs {
            return None;
        }
        let (mut start, mut lines) = (self.line.start, self.text.get(self.line.start..)?.split_inclusive('\n'));
        start += lines.next()?.len();
        for line in lines {
            let blank = line.len() - line.trim_start_matches([' ', '\t']).len();
            if let Some(tab) = line[..blank].find('\t') {
                return Some(Finding::new(
                    start + tab..start + blank,
                    "indented with a tab",
                    "indent with spaces: YAML allows no tabs here",
                ));
            }
            start += line.len();
        }
        None
    }

    /// A bracket that should have been closed on its line: the parser complains where the next key does not fit.
    fn unclosed_above(&self, kind: &ErrorKind) -> Option<Finding> {
        use ErrorKind as E;
        let open = self.open.filter(|open| *open < self.line.start)?;
        let about_colon = matches!(
            kind,
            E::InvalidColonPlacement
                | E::ExpectedFlowSequenceSeparator
                | E::ExpectedFlowMappingSeparator
                | E::MappingValueNotAllowed
                | E::FlowMappingValueAdjacentCollection
        );
        let sign = self.text.get(open..)?.chars().next()?;
        let label = format!("this `{sign}` is not closed before line {}", line_number(self.text, self.at));
        about_colon.then(|| Finding::new(open..open + sign.len_utf8(), label, self.bracket_help()))
    }

    fn escape(&self) -> Finding {
        let rest = self.text.get(self.at..self.line.end()).unwrap_or_default();
        let mut escaped = false;
        let mut bad = None;
        for (n, c) in rest.char_indices() {
            if escaped && !"0abtnvfre \"/\\N_LP".contains(c) && bad.is_none() {
                bad = Some(n - 1..n + c.len_utf8());
            }
            escaped = !escaped && c == '\\';
        }
        let span = bad.map_or(self.to_line_end(), |bad| self.at + bad.start..self.at + bad.end);
        let written = self.text.get(span.clone()).unwrap_or_default();
        let label = format!("`{written}` means nothing in double quotes");
        Finding::new(span, label, "use single quotes, where a backslash stands for itself, or write it twice (`\\\\`)")
    }

    /// A colon where no key can be: the text before it is not what its author thinks.
    fn value_not_allowed(&self) -> Finding {
        if let Some((start, value)) = self.line.value()
            && self.at > start
        {
            let end = (start + value.len()).max(start);
            return if self.starts_specially() {
                self.special_value()
            } else {
                Finding::new(self.at..(self.at + 1).min(end), "a second colon in one value", self.quote_value())
            };
        }
        if let Some(above) = self.line.above(self.text) {
            if let Some(colon) = above.colon_without_space() {
                let help = format!("write `{}`", spaced(&above, colon));
                return Finding::new(colon..colon + 1, "no space after the colon", help);
            }
            let number = line_number(self.text, above.start);
            if above.value().is_some() && self.line.indent() > above.indent() {
                return Finding::new(
                    self.key_span(),
                    format!("indented further than line {number}, so it continues that line's value"),
                    "give both lines the same indentation, or leave the value above empty to nest this below it",
                );
            }
            if above.value().is_none() && !above.text.trim_end().ends_with(':') {
                let start = above.start + above.indent();
                return Finding::new(
                    start..above.end(),
                    "this line is neither `key: value` nor part of a text",
                    "add the key and a colon, or start the line with `#` if it is a comment",
                );
            }
        }
        Finding::new(self.here(), "no key can stand here", "check the indentation, and put texts with `: ` in quotes")
    }

    fn indentation(&self) -> Finding {
        let mut label = "the indentation of this line fits none above".to_owned();
        if let Some(above) = self.line.above(self.text) {
            if above.text.starts_with('%') {
                return Finding::new(
                    above.start..above.end(),
                    "a line that starts with `%` is a directive to YAML",
                    "remove it",
                );
            }
            let number = line_number(self.text, above.start);
            label =
                format!("indented by {}, while line {number} is indented by {}", self.line.indent(), above.indent());
            if let Some(colon) = above.colon_without_space() {
                return Finding::new(
                    colon..colon + 1,
                    "no space after the colon",
                    format!("write `{}`", spaced(&above, colon)),
                );
            }
        }
        Finding::new(
            self.key_span(),
            label,
            "the fields of one mapping, and the entries of one list, have the same indentation",
        )
    }

    /// Whether the list above has the indentation of this line.
    fn follows_list(&self) -> bool {
        let mut above = self.line.above(self.text);
        while let Some(line) = above {
            let content = line.text.trim_start();
            if content.starts_with("- ") && line.indent() <= self.line.indent() {
                return line.indent() == self.line.indent();
            }
            above = line.above(self.text);
        }
        false
    }

    fn no_key(&self) -> Finding {
        if let Some(colon) = self.line.colon_without_space() {
            return Finding::new(
                colon..colon + 1,
                "no space after the colon",
                format!("write `{}`", spaced(&self.line, colon)),
            );
        }
        Finding::new(
            self.key_span(),
            "expected `key: value`",
            "add the key and a colon, or start the line with `#` if it is a comment",
        )
    }

    fn starts_specially(&self) -> bool {
        self.line
            .value()
            .is_some_and(|(_, value)| value.starts_with(['*', '&', '!', '%', '@', '`', '[', '{', '"', '\'']))
    }

    fn special_value(&self) -> Finding {
        let Some((start, value)) = self.line.value() else {
            return Finding::new(self.here(), "a text can't start like this", "put the whole text in quotes");
        };
        let sign = value.chars().next().unwrap_or(' ');
        let label = match sign {
            '[' | '{' => "text after the closing bracket".to_owned(),
            '"' | '\'' => "text after the closing quote".to_owned(),
            '*' => "to YAML, a value that starts with `*` is an alias".to_owned(),
            '&' => "to YAML, a value that starts with `&` is an anchor".to_owned(),
            '!' => "to YAML, a value that starts with `!` is a tag".to_owned(),
            _ => format!("a text can't start with `{sign}`"),
        };
        let span =
            if "[{\"'".contains(sign) && self.at > start { self.to_value_end() } else { start..start + value.len() };
        Finding::new(span, label, self.quote_value())
    }

    fn bracket_help(&self) -> String {
        match self.line.value() {
            Some((_, value)) if value.starts_with("{{") => {
                "policy files are not templates: generate the file before Refit reads it; if the text is meant, put it in quotes".to_owned()
            }
            _ => "check the commas and brackets; a text that contains brackets or commas needs quotes here".to_owned(),
        }
    }

    fn quote_value(&self) -> String {
        if self.open.is_some() {
            return "put the whole text, up to the next comma or bracket that is not part of it, in single quotes"
                .to_owned();
        }
        self.line.value().map_or_else(|| "put the whole text in quotes".to_owned(), |(_, value)| quoting(value))
    }

    /// The character at the marker.
    fn here(&self) -> Range<usize> {
        let width = self
            .text
            .get(self.at..)
            .and_then(|rest| rest.chars().next())
            .filter(|c| *c != '\n' && *c != '\r')
            .map_or(0, char::len_utf8);
        self.at..self.at + width
    }

    fn to_line_end(&self) -> Range<usize> {
        self.at..self.line.end().max(self.at)
    }

    fn to_value_end(&self) -> Range<usize> {
        let mut end = self.line.value().map_or(self.line.end(), |(start, value)| start + value.len());
        if self.open.is_some() {
            let rest = self.text.get(self.at..end).unwrap_or_default();
            end = self.at
                + rest.find([',', '}', ']']).map_or(rest.len(), |n| rest.get(..n).unwrap_or_default().trim_end().len());
        }
        if end > self.at { self.at..end } else { self.to_line_end() }
    }

    /// The key at the start of the line, or the line.
    fn key_span(&self) -> Range<usize> {
        let start = self.line.start + self.line.indent();
        let end = self.line.key_end().unwrap_or(self.line.end());
        if start < end { start..end } else { self.here() }
    }
}

/// How to quote a text so that YAML leaves it alone.
pub(super) fn quoting(value: &str) -> String {
    if let Some(inner) = value.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''))
        && !value.contains('"')
    {
        return format!("write a quote inside single quotes twice (`''`), or use double quotes: \"{inner}\"");
    }
    let shown: String = if value.chars().count() > 80 { "…".to_owned() } else { value.to_owned() };
    if !value.contains('\'') {
        format!("put the whole value in single quotes: '{shown}'")
    } else if !value.contains(['"', '\\']) {
        format!("put the whole value in double quotes: \"{shown}\"")
    } else {
        "write `>-` after the colon, and the whole text on the next line, indented".to_owned()
    }
}

/// The line with a space after its colon.
fn spaced(line: &Line<'_>, colon: usize) -> String {
    let cut = colon + 1 - line.start;
    let (key, value) = (line.text.get(..cut).unwrap_or_default(), line.text.get(cut..).unwrap_or_default());
    format!("{} {}", key.trim_start(), value.trim())
}

/// One line of the text, without its line break.
struct Line<'a> {
    start: usize,
    text: &'a str,
}

impl<'a> Line<'a> {
    fn at(text: &'a str, at: usize) -> Self {
        let at = text.floor_char_boundary(at);
        let start = text.get(..at).unwrap_or_default().rfind('\n').map_or(0, |n| n + 1);
        let rest = text.get(start..).unwrap_or_default();
        let line = rest.split('\n').next().unwrap_or_default();
        Self { start, text: line.strip_suffix('\r').unwrap_or(line) }
    }

    /// The nearest line above that is neither blank nor a comment.
    fn above(&self, text: &'a str) -> Option<Self> {
        let mut end = self.start.checked_sub(1)?;
        loop {
            let line = Self::at(text, end);
            let content = line.text.trim();
            if !content.is_empty() && !content.starts_with('#') {
                return Some(line);
            }
            end = line.start.checked_sub(1)?;
        }
    }

    /// Where the innermost bracket stands that is open before `at`; `outer` is one that a line above has left open.
    fn bracket_before(&self, at: usize, outer: Option<usize>) -> Option<usize> {
        let mut open: Vec<usize> = outer.into_iter().collect();
        let mut quote: Option<char> = None;
        let before = self.text.get(..at.saturating_sub(self.start)).unwrap_or(self.text);
        for (n, c) in before.char_indices() {
            let starts = || {
                before
                    .get(..n)
                    .is_some_and(|b| b.trim_end().is_empty() || b.trim_end().ends_with([':', '-', ',', '[', '{']))
            };
            match (quote, c) {
                (Some(mark), c) => quote = (c != mark).then_some(mark),
                (None, '"' | '\'') if starts() => quote = Some(c),
                (None, '[' | '{') if !open.is_empty() || starts() => open.push(self.start + n),
                (None, ']' | '}') => {
                    open.pop();
                }
                _ => {}
            }
        }
        open.pop()
    }

    fn end(&self) -> usize {
        self.start + self.text.trim_end().len()
    }

    fn indent(&self) -> usize {
        self.text.len() - self.text.trim_start_matches(' ').len()
    }

    /// Where the key ends, counted in the file: the first colon that is followed by a blank or the end.
    fn key_end(&self) -> Option<usize> {
        let bytes = self.text.as_bytes();
        let colon =
            (0..bytes.len()).find(|n| bytes[*n] == b':' && bytes.get(n + 1).is_none_or(|b| b.is_ascii_whitespace()))?;
        let before = self.text.get(..colon)?;
        let opened_quote = before.contains('"') && before.matches('"').count() % 2 == 1;
        (!opened_quote).then_some(self.start + colon)
    }

    /// The value after the key, or after the `- ` of a list, and where it starts in the file. Without a trailing comment.
    fn value(&self) -> Option<(usize, &'a str)> {
        let from = match self.key_end() {
            Some(colon) => colon + 1 - self.start,
            None => {
                self.text.find("- ").filter(|dash| self.text.get(..*dash).is_some_and(|b| b.trim().is_empty()))? + 2
            }
        };
        let rest = self.text.get(from..)?;
        let value = rest.trim_start();
        let start = self.start + from + (rest.len() - value.len());
        let value = value.split(" #").next().unwrap_or(value).trim_end();
        (!value.is_empty()).then_some((start, value))
    }

    /// Where a colon stands between a key and its value with no space behind: `key:value`.
    fn colon_without_space(&self) -> Option<usize> {
        let content = self.text.trim_start().trim_start_matches("- ");
        let offset = self.text.len() - content.len();
        let colon = content.find(':')?;
        let (key, value) = (content.get(..colon)?, content.get(colon + 1..)?);
        let is_key = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || "_-.".contains(c));
        (is_key && !value.starts_with("//") && value.chars().next().is_some_and(|c| !c.is_whitespace() && c != ':'))
            .then_some(self.start + offset + colon)
    }
}
