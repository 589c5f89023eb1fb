//! From text to trees: the events of the YAML parser, put together and bounded.

use super::explain::{self, line_number};
use super::limits::{Limits, too_large};
use super::node::{Kind, Node, Scalar, Style};
use crate::policy::diagnostic::{Diagnostic, Place};
use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput};
use smol_str::SmolStr;
use std::collections::HashMap;
use std::ops::Range;

/// Reads a YAML or JSON text into one tree for each document, and all that is wrong with it.
///
/// Documents are separated by `---`; empty ones are left out, and a document that is a list (as in a JSON array) holds a
/// document in each entry. Where a document can't be read at all, the next one is tried. `file` is the index for places.
///
/// Anchors, aliases and tags are refused: aliases are what makes small files expand without bounds, and a value that has a
/// name (a window, a rollout, a policy to extend) says more than one that is copied.
pub fn parse(file: usize, text: &str, limits: &Limits) -> (Vec<Node>, Vec<Diagnostic>) {
    if text.len() > limits.file_bytes {
        return (Vec::new(), vec![too_large(file, text.len() as u64, limits)]);
    }
    let mut builder = Builder::new(file, text, limits);
    builder.run();
    let hidden = hidden_characters(file, text).take(limits.mistakes.saturating_sub(builder.found.len()));
    builder.found.extend(hidden);
    if builder.found.len() >= limits.mistakes {
        say_that_there_is_more(&mut builder.found);
    }
    (builder.documents, builder.found)
}

/// Says that the list of mistakes ends here because it is long, not because nothing else is wrong.
pub(super) fn say_that_there_is_more(found: &mut [Diagnostic]) {
    let shown = found.len();
    if let Some(last) = found.last_mut() {
        last.notes.push(format!("only the first {shown} mistakes are looked for; there may be more"));
    }
}

/// Characters that change the direction of writing: with them, a text can read differently from what it says, and a
/// reviewer approves something else than what is applied ("Trojan Source", CVE-2021-42574).
fn hidden_characters(file: usize, text: &str) -> impl Iterator<Item = Diagnostic> {
    let turns = |c: &char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.char_indices().filter(move |(_, c)| turns(c)).map(move |(at, c)| {
        Diagnostic::error("policy/hidden-character", "hidden character")
            .at(Place { file, span: at..at + c.len_utf8() })
            .label("changes the direction of writing, so that the text reads differently from what it says")
            .with_help(format!("remove it; if it is meant, write it in double quotes as \\u{:04x}", u32::from(c)))
    })
}

struct Builder<'a> {
    file: usize,
    text: &'a str,
    limits: &'a Limits,
    parser: Parser<'a, StrInput<'a>>,
    /// Collections that are not closed yet, the innermost last.
    open: Vec<Open>,
    nodes: usize,
    documents: Vec<Node>,
    found: Vec<Diagnostic>,
    /// How many documents and diagnostics there were before the current document.
    before: (usize, usize),
}

/// A collection that is being read.
struct Open {
    /// Where its bracket stands; for block style, where its first part starts.
    start: usize,
    flow: bool,
    tagged: bool,
    parts: Parts,
}

enum Parts {
    List(Vec<Node>),
    Mapping { entries: Vec<(Node, Node)>, seen: HashMap<SmolStr, usize>, key: Option<Node> },
}

/// Why a document was given up.
struct GiveUp(Box<Diagnostic>);

impl<'a> Builder<'a> {
    fn new(file: usize, text: &'a str, limits: &'a Limits) -> Self {
        let mut options = granit_parser::options! {
            emit_anchor_events: true,
            emit_unresolved_aliases: true,
            flow_nesting_limit: limits.depth,
            block_nesting_limit: limits.depth,
        };
        options.set_emit_comments(false);
        let parser = Parser::new_from_str_with_options(text, options);
        Self {
            file,
            text,
            limits,
            parser,
            open: Vec::new(),
            nodes: 0,
            documents: Vec::new(),
            found: Vec::new(),
            before: (0, 0),
        }
    }

    fn run(&mut self) {
        loop {
            let given_up = match self.parser.next_event() {
                None => return,
                Some(Ok((event, span))) => self.event(event, &span).err(),
                Some(Err(error)) => Some(GiveUp(Box::new(self.syntax_error(&error)))),
            };
            if self.nodes > self.limits.nodes {
                let end = self.documents.last().map_or(0, |node| node.span.start);
                self.found.push(
                    self.error("policy/limit", "too many values", end..end)
                        .label(format!("a file may have {} keys and values", self.limits.nodes))
                        .with_help("split it into several files"),
                );
                self.documents.clear();
                return;
            }
            if let Some(GiveUp(diagnostic)) = given_up {
                self.give_up(*diagnostic);
                if !matches!(self.parser.proceed_next_document(), Ok(true)) {
                    return;
                }
            }
            if self.found.len() >= self.limits.mistakes {
                return;
            }
        }
    }

    fn syntax_error(&self, error: &ScanError) -> Diagnostic {
        let bracket = self.open.last().filter(|open| open.flow).map(|open| open.start);
        explain::syntax_error(self.file, self.text, error, bracket, self.limits.depth)
    }

    /// Drops what was understood of the current document: half a document would only cause more messages.
    fn give_up(&mut self, diagnostic: Diagnostic) {
        self.open.clear();
        self.documents.truncate(self.before.0);
        // What was said about the same line is another symptom of the same mistake.
        let line =
            |diagnostic: &Diagnostic| diagnostic.place.as_ref().map(|place| line_number(self.text, place.span.start));
        let wrong = line(&diagnostic);
        let mut kept: Vec<Diagnostic> = self.found.drain(self.before.1.min(self.found.len())..).collect();
        kept.retain(|earlier| line(earlier) != wrong);
        self.found.append(&mut kept);
        self.found.push(diagnostic);
    }

    fn event(&mut self, event: Event<'_>, span: &Span) -> Result<(), GiveUp> {
        let (written, span) = (span.tag_span(), self.clamp(span.byte_range().unwrap_or(0..0)));
        match event {
            Event::DocumentStart(..) => self.before = (self.documents.len(), self.found.len()),
            Event::Scalar(text, style, _, tag) => {
                let node = self.scalar(text, style, span.clone())?;
                if tag.is_some() {
                    self.refuse_tag(written, span.clone());
                    self.part(Node { span, kind: Kind::Invalid });
                } else {
                    self.part(node);
                }
            }
            Event::SequenceStart(style, _, tag) => {
                if tag.is_some() {
                    self.refuse_tag(written, span.clone());
                }
                self.start(span, style, tag.is_some(), Parts::List(Vec::new()))?;
            }
            Event::MappingStart(style, _, tag) => {
                let parts = Parts::Mapping { entries: Vec::new(), seen: HashMap::new(), key: None };
                if tag.is_some() {
                    self.refuse_tag(written, span.clone());
                }
                self.start(span, style, tag.is_some(), parts)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(span),
            Event::Anchor(_, name) => {
                let message = self
                    .error("policy/unsupported-yaml", "anchors are not supported", span)
                    .label(format!("`&{name}` names this value to repeat it elsewhere"))
                    .with_help("write the value where it is needed, or give it a name in refit.yaml, as windows and rollouts have; a text that starts with `&` needs quotes");
                self.found.push(message);
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                let name = self.text.get(span.clone()).unwrap_or_default();
                let message = self
                    .error("policy/unsupported-yaml", "aliases are not supported", span.clone())
                    .label(format!("`{name}` repeats a value from elsewhere"))
                    .with_help(format!(
                        "write the value itself; if the text `{name}` is meant, put it in single quotes"
                    ));
                self.found.push(message);
                self.part(Node { span, kind: Kind::Invalid });
            }
            _ => {}
        }
        Ok(())
    }

    fn scalar(
        &mut self,
        text: std::borrow::Cow<'_, str>,
        style: ScalarStyle,
        span: Range<usize>,
    ) -> Result<Node, GiveUp> {
        if text.len() > self.limits.scalar_bytes {
            let start = span.start..span.start;
            let diagnostic = self.error("policy/limit", "text too long", start).label(format!(
                "this value has {} bytes; {} are allowed",
                text.len(),
                self.limits.scalar_bytes
            ));
            return Err(GiveUp(Box::new(diagnostic)));
        }
        // The parser reports a value that was left out as `~` of no width.
        let text = if span.is_empty() { SmolStr::default() } else { SmolStr::from(text) };
        let (style, text_span) = match style {
            ScalarStyle::Plain => (Style::Plain, span.clone()),
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
                let inner = (span.start + 1).min(span.end)..span.end.saturating_sub(1).max(span.start);
                (Style::Quoted, if inner.start <= inner.end { inner } else { span.clone() })
            }
            ScalarStyle::Literal | ScalarStyle::Folded => {
                let raw = self.text.get(span.clone()).unwrap_or_default();
                (Style::Block, span.start..span.start + raw.trim_end().len())
            }
        };
        let span = if style == Style::Block { text_span.clone() } else { span };
        Ok(Node { span, kind: Kind::Scalar(Scalar { text, style, text_span }) })
    }

    /// Reports a tag, and marks it together with the value behind it: both may be one expression that begins with `!`.
    fn refuse_tag(&mut self, tag: Option<Span>, value: Range<usize>) {
        let start = tag.and_then(|tag| tag.byte_range()).map_or(value.start, |tag| self.clamp(tag).start);
        let rest = self.text.get(start..value.end.max(start)).unwrap_or_default();
        let rest = if rest.is_empty() { self.text.get(start..).unwrap_or_default() } else { rest };
        let written = rest.lines().next().unwrap_or_default().trim_end();
        let message = self
            .error("policy/unsupported-yaml", "tags are not supported", start..start + written.len())
            .label("to YAML, a value that starts with `!` is a tag")
            .with_help(if written.starts_with("!!") {
                "remove it; to make a text of a value, put it in quotes".to_owned()
            } else {
                explain::quoting(written)
            });
        self.found.push(message);
    }

    fn start(
        &mut self,
        span: Range<usize>,
        style: granit_parser::StructureStyle,
        tagged: bool,
        parts: Parts,
    ) -> Result<(), GiveUp> {
        if self.open.len() >= self.limits.depth {
            return Err(GiveUp(Box::new(explain::too_deep(self.file, span.start, self.limits.depth))));
        }
        let flow = style == granit_parser::StructureStyle::Flow;
        self.open.push(Open { start: span.start, flow, tagged, parts });
        Ok(())
    }

    fn end(&mut self, span: Range<usize>) {
        let Some(open) = self.open.pop() else { return };
        let (kind, first, last) = match open.parts {
            Parts::List(items) => {
                let (first, last) = (items.first().map(|n| n.span.start), items.last().map(|n| n.span.end));
                (Kind::Sequence(items), first, last)
            }
            Parts::Mapping { entries, .. } => {
                let first = entries.first().map(|(key, _)| key.span.start);
                let last = entries.last().map(|(key, value)| value.span.end.max(key.span.end));
                (Kind::Mapping(entries), first, last)
            }
        };
        let start = if open.flow { open.start } else { first.unwrap_or(open.start).min(open.start) };
        let end = if open.flow { span.end } else { last.unwrap_or(start) };
        let kind = if open.tagged { Kind::Invalid } else { kind };
        self.part(Node { span: start..end.max(start), kind });
    }

    /// Puts a finished node where it belongs.
    fn part(&mut self, node: Node) {
        self.nodes += 1;
        let Some(open) = self.open.last_mut() else {
            self.document(node);
            return;
        };
        match &mut open.parts {
            Parts::List(items) => items.push(node),
            Parts::Mapping { key: key @ None, .. } => *key = Some(node),
            Parts::Mapping { entries, seen, key: key @ Some(_) } => {
                let Some(key) = key.take() else { return };
                if key.text() == Some("<<") && matches!(node.kind, Kind::Invalid) {
                    self.found.pop_if(|alias| alias.place.as_ref().is_some_and(|place| place.span == node.span));
                    self.found.push(explain::merge_key(self.file, key.span));
                    return;
                }
                let message = match &key.kind {
                    Kind::Scalar(scalar) => match seen.get(&scalar.text) {
                        None => {
                            seen.insert(scalar.text.clone(), key.span.start);
                            entries.push((key, node));
                            return;
                        }
                        Some(first) => Some(duplicate(self.file, self.text, &key, *first)),
                    },
                    // `{{ name }}` is what templates look like: a mapping whose key is a mapping.
                    Kind::Mapping(_) => Some(
                        Diagnostic::error("policy/syntax", "a key must be a text")
                            .at(Place { file: self.file, span: key.span.clone() })
                            .label("this key is a mapping")
                            .with_help("policy files are not templates: generate the file before Refit reads it; if the text is meant, put it in quotes"),
                    ),
                    Kind::Sequence(_) => Some(
                        Diagnostic::error("policy/syntax", "a key must be a text")
                            .at(Place { file: self.file, span: key.span.clone() })
                            .label("this key is a list")
                            .with_help("a text that starts with `[` needs quotes"),
                    ),
                    Kind::Invalid => None,
                };
                self.found.extend(message);
            }
        }
    }

    fn document(&mut self, node: Node) {
        match node.kind {
            Kind::Sequence(items) => {
                for item in items {
                    self.document_of_mapping(item);
                }
            }
            _ => self.document_of_mapping(node),
        }
    }

    fn document_of_mapping(&mut self, node: Node) {
        match &node.kind {
            Kind::Mapping(_) => self.documents.push(node),
            Kind::Invalid => {}
            Kind::Scalar(scalar) if scalar.style == Style::Plain && scalar.text.is_empty() => {}
            Kind::Scalar(_) | Kind::Sequence(_) => {
                let message = explain::not_a_document(self.file, self.text, &node);
                self.found.push(message);
            }
        }
    }

    fn error(&self, code: &'static str, message: &str, span: Range<usize>) -> Diagnostic {
        Diagnostic::error(code, message).at(Place { file: self.file, span })
    }

    /// Spans are shown and sliced later: whatever the parser says, they stay inside the text and between characters.
    fn clamp(&self, span: Range<usize>) -> Range<usize> {
        let start = self.text.floor_char_boundary(span.start);
        start..self.text.floor_char_boundary(span.end).max(start)
    }
}

fn duplicate(file: usize, text: &str, key: &Node, first: usize) -> Diagnostic {
    let name = key.text().unwrap_or_default();
    Diagnostic::error("policy/duplicate-key", "duplicate key")
        .at(Place { file, span: key.span.clone() })
        .label(format!("`{name}` is given twice"))
        .with_note(format!("first on line {}", line_number(text, first)))
        .with_help("keep one of them; two entries of a list each start with `-`")
}
