//! A tree compared with what a type expects: every mistake, and the value as the type will read it.
//!
//! The value is built on the way because only the schema knows what was meant: `15.10` is a text where a version belongs,
//! and a number where a score does.

use super::choose::Chosen;
use super::node::{Kind, Node, Scalar, Step};
use super::parse::say_that_there_is_more;
use super::scalar::Meaning;
use super::schema::{Choice, Expected, Id, List, Map, Number, Schema, Text, listed, one_of};
use crate::policy::diagnostic::{Diagnostic, Place, did_you_mean};
use serde_json::Value;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// As many fields or names are listed when none is close; more would hide the message.
const LISTED_MAX: usize = 12;

/// Compares a tree with the root of a schema.
///
/// The value is only meaningful where nothing was found, and where no part of the tree was [`Kind::Invalid`].
pub(super) fn check<'a>(schema: &'a Schema, node: &'a Node, file: usize, mistakes_max: usize) -> Checked {
    let mut check = Check {
        schema,
        file,
        mistakes_max,
        found: Vec::new(),
        path: Vec::new(),
        around: Vec::new(),
        whole: true,
        dropped: BTreeSet::new(),
        replaced: Vec::new(),
        fields: BTreeSet::new(),
    };
    let value = check.node(0, node);
    if check.full() {
        say_that_there_is_more(&mut check.found);
    }
    let Check { found, whole, dropped, replaced, fields, .. } = check;
    let node = (!dropped.is_empty()).then(|| without(node, &dropped));
    Checked { value, found, whole, node, mistakes: Mistakes { fields, replaced } }
}

/// What came of a comparison.
pub(super) struct Checked {
    /// The value without what is wrong; `None` where nothing is left that the type could read.
    pub(super) value: Option<Value>,
    pub(super) found: Vec<Diagnostic>,
    /// Whether all parts of the tree could be read.
    pub(super) whole: bool,
    /// The tree without the entries of lists that the value lacks, where it lacks some: their numbers agree.
    pub(super) node: Option<Node>,
    pub(super) mistakes: Mistakes,
}

/// What is wrong in a document that was read all the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mistakes {
    /// The document's own fields that have a mistake in them; the empty name is one of the document itself, such as an unknown field.
    pub fields: BTreeSet<SmolStr>,
    /// Where values are that something else stands in for.
    pub replaced: Vec<Range<usize>>,
}

impl Mistakes {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Whether it is unclear what a field of the document says: it has a mistake, or another may be a misspelling of it.
    pub fn concern(&self, field: &str) -> bool {
        self.fields.contains(field) || self.fields.contains("")
    }
}

/// A tree without some entries of lists.
fn without(node: &Node, dropped: &BTreeSet<*const Node>) -> Node {
    let kind = match &node.kind {
        Kind::Sequence(items) => {
            let kept = items.iter().filter(|item| !dropped.contains(&std::ptr::from_ref(*item)));
            Kind::Sequence(kept.map(|item| without(item, dropped)).collect())
        }
        Kind::Mapping(entries) => {
            Kind::Mapping(entries.iter().map(|(key, value)| (key.clone(), without(value, dropped))).collect())
        }
        kind => kind.clone(),
    };
    Node { span: node.span.clone(), kind }
}

/// A comparison under way.
pub(super) struct Check<'a> {
    pub(super) schema: &'a Schema,
    file: usize,
    mistakes_max: usize,
    found: Vec<Diagnostic>,
    path: Vec<Step<'a>>,
    /// The mappings around the current place, the innermost last.
    around: Vec<&'a Map>,
    pub(super) whole: bool,
    /// Entries of lists that are not in the value.
    dropped: BTreeSet<*const Node>,
    replaced: Vec<Range<usize>>,
    fields: BTreeSet<SmolStr>,
}

impl<'a> Check<'a> {
    fn node(&mut self, id: Id, node: &'a Node) -> Option<Value> {
        let expected = self.schema.get(id);
        if self.full() {
            return None;
        }
        match &node.kind {
            Kind::Invalid => {
                self.whole = false;
                self.note_mistake();
                None
            }
            _ if expected.any => self.anything(id, node),
            Kind::Scalar(scalar) => self.scalar(expected, node, scalar),
            Kind::Sequence(items) => match expected.lists.first() {
                Some(list) => self.list(self.fitting_list(expected, items).unwrap_or(list), node, items),
                None => self.wrong_type(expected, node),
            },
            Kind::Mapping(entries) => match self.choose(expected, node, entries) {
                Chosen::Map(map) => self.map(map, node, entries),
                Chosen::None => self.wrong_type(expected, node),
                Chosen::Reported => None,
            },
        }
    }

    fn anything(&mut self, id: Id, node: &'a Node) -> Option<Value> {
        Some(match &node.kind {
            Kind::Scalar(scalar) => match scalar.meaning() {
                Meaning::Null => Value::Null,
                Meaning::Boolean(value) => Value::Bool(value),
                Meaning::Integer(number) => integer(number).unwrap_or(Value::Null),
                Meaning::Float(number) => serde_json::Number::from_f64(number).map_or(Value::Null, Value::Number),
                Meaning::Text(text) => Value::String(text.to_owned()),
            },
            Kind::Sequence(items) => Value::Array(items.iter().filter_map(|item| self.node(id, item)).collect()),
            Kind::Mapping(entries) => {
                let entry = |(key, value): &'a (Node, Node)| {
                    Some((key.text().unwrap_or_default().to_owned(), self.node(id, value)?))
                };
                Value::Object(entries.iter().filter_map(entry).collect())
            }
            Kind::Invalid => Value::Null,
        })
    }

    fn scalar(&mut self, expected: &'a Expected, node: &'a Node, scalar: &'a Scalar) -> Option<Value> {
        match scalar.meaning() {
            // A key whose value was commented out is not a key that was left out; who means nothing can write `null`.
            Meaning::Null if expected.null && !scalar.text.is_empty() => Some(Value::Null),
            Meaning::Boolean(value) if expected.boolean => Some(Value::Bool(value)),
            Meaning::Integer(number) if !expected.numbers.is_empty() => {
                let held = expected.numbers.iter().any(|allowed| allowed.holds(number as f64));
                match integer(number).filter(|_| held) {
                    Some(value) => Some(value),
                    None => self.out_of_range(expected, node),
                }
            }
            Meaning::Float(number) if !expected.numbers.is_empty() => {
                let held = expected.numbers.iter().any(|allowed| !allowed.whole && allowed.holds(number));
                match serde_json::Number::from_f64(number).filter(|_| held) {
                    Some(value) => Some(Value::Number(value)),
                    None => self.out_of_range(expected, node),
                }
            }
            // Versions, shares and dates look like numbers to YAML; what was written is what counts.
            Meaning::Integer(_) | Meaning::Float(_) if !expected.texts.is_empty() => {
                self.text(expected, node, &scalar.text)
            }
            Meaning::Text(text) if !expected.texts.is_empty() => self.text(expected, node, text),
            _ => self.wrong_type(expected, node),
        }
    }

    fn text(&mut self, expected: &'a Expected, node: &'a Node, text: &str) -> Option<Value> {
        let mut first = None;
        for wanted in &expected.texts {
            match wanted.check(text) {
                Ok(()) => return Some(Value::String(text.to_owned())),
                Err(problem) => first = first.or(Some((wanted, problem))),
            }
        }
        let allowed: Vec<&str> =
            expected.texts.iter().filter_map(|text| text.allowed.as_ref()).flatten().map(String::as_str).collect();
        // The name of a mapping with one field, without what belongs to it.
        let bare = matches!(expected.choice, Choice::OnlyField) || expected.maps.len() == 1;
        if bare
            && !allowed.is_empty()
            && expected.maps.iter().any(|map| map.rest.is_none() && map.field(text).is_some())
        {
            let label = format!("`{text}` needs a value");
            let diagnostic = self.error("policy/unknown-value", "unknown value", node.span.clone()).label(label);
            return self.report(
                diagnostic
                    .with_help(format!("write `{text}:` with its value on the lines below, or `{{ {text}: … }}`")),
            );
        }
        // Where names and a format are possible, a near miss is a misspelt name, anything else was meant in the format.
        let suggestion = did_you_mean(text, allowed.iter().copied());
        let by_format = expected.texts.iter().find_map(|wanted| Some((wanted.format?, wanted.check(text).err()?)));
        let diagnostic = match (by_format, first) {
            (Some((format, problem)), _) if suggestion.is_none() && !text.is_empty() => {
                let name = format.noun.split_once(' ').map_or(format.noun, |(_, name)| name);
                let error =
                    self.error("policy/invalid-value", format!("invalid {name}"), node.span.clone()).label(problem);
                let mut help = format.help.to_owned();
                if !allowed.is_empty() && allowed.len() <= LISTED_MAX {
                    help = format!("{help}; or {}", one_of(&allowed));
                }
                if help.is_empty() { error } else { error.with_help(help) }
            }
            _ if !allowed.is_empty() => {
                let label = if text.is_empty() {
                    "an empty text".to_owned()
                } else {
                    format!("`{}` is not one of the names that can stand here", shorten(text))
                };
                let error = self.error("policy/unknown-value", "unknown value", node.span.clone()).label(label);
                match suggestion {
                    Some(name) => error.with_help(format!("did you mean `{name}`?")),
                    None if allowed.len() <= LISTED_MAX => error.with_help(format!("write {}", one_of(&allowed))),
                    None => error,
                }
            }
            (_, Some((_, problem))) => {
                let message = if text.is_empty() { "empty text" } else { "invalid text" };
                self.error("policy/invalid-value", message, node.span.clone()).label(problem)
            }
            (_, None) => return self.wrong_type(expected, node),
        };
        self.report(diagnostic)
    }

    fn out_of_range(&mut self, expected: &'a Expected, node: &'a Node) -> Option<Value> {
        let wanted: Vec<String> = expected.numbers.iter().map(Number::describe).collect();
        let written = node.text().unwrap_or_default();
        let label = format!("expected {}, found {}", wanted.join(" or "), shorten(written));
        let broken = matches!(node.scalar().map(Scalar::meaning), Some(Meaning::Float(number)) if number.is_finite());
        let diagnostic = if broken && expected.numbers.iter().all(|number| number.whole) {
            self.error("policy/wrong-type", "not a whole number", node.span.clone())
        } else {
            self.error("policy/out-of-range", "number out of range", node.span.clone())
        };
        self.report(diagnostic.label(label))
    }

    fn list(&mut self, list: &'a List, node: &'a Node, items: &'a [Node]) -> Option<Value> {
        let values = items.iter().enumerate().map(|(n, item)| {
            let id = list.first.get(n).copied().or(list.rest)?;
            self.path.push(Step::Index(n));
            let value = self.node(id, item);
            self.path.pop();
            if value.is_none() {
                self.dropped.insert(std::ptr::from_ref(item));
            }
            value
        });
        let values: Vec<Value> = values.flatten().collect();
        let max = if list.rest.is_none() { Some(list.first.len()) } else { list.max };
        let entries = |n: usize| if n == 1 { "1 entry".to_owned() } else { format!("{n} entries") };
        let wrong = if items.len() < list.min {
            Some(if items.is_empty() {
                "the list is empty".to_owned()
            } else {
                format!("has {}, needs {}", entries(items.len()), list.min)
            })
        } else {
            max.filter(|max| items.len() > *max).map(|max| format!("has {}, may have {max}", entries(items.len())))
        };
        if let Some(label) = wrong {
            let diagnostic =
                self.error("policy/invalid-value", "wrong number of entries", node.span.clone()).label(label);
            self.report(diagnostic);
        }
        if list.unique {
            self.repeated(items);
        }
        Some(Value::Array(values))
    }

    fn repeated(&mut self, items: &'a [Node]) {
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for item in items {
            let Some(text) = item.text() else { continue };
            if seen.insert(text, item.span.start).is_some() {
                let label = format!("`{}` is in this list already", shorten(text));
                let diagnostic = self
                    .error("policy/duplicate-entry", "duplicate entry", item.span.clone())
                    .label(label)
                    .with_help("remove one of the two");
                self.report(diagnostic);
            }
        }
    }

    fn map(&mut self, map: &'a Map, node: &'a Node, entries: &'a [(Node, Node)]) -> Option<Value> {
        let mut values = serde_json::Map::new();
        let mut lacking = false;
        self.around.push(map);
        for (key, value) in entries {
            let name = key.text().unwrap_or_default();
            match map.value(name) {
                Some(id) => {
                    self.path.push(Step::Key(name));
                    let read = self.node(id, value);
                    self.path.pop();
                    let required = map.required.iter().any(|required| required == name);
                    let read = read.or_else(|| {
                        // Without it nothing of the mapping could be read, and what else is wrong in it would be hidden.
                        let stands_in =
                            self.schema.get(id).texts.iter().find_map(Text::stands_in).filter(|_| required)?;
                        self.replaced.push(value.span.clone());
                        Some(Value::String(stands_in.to_owned()))
                    });
                    lacking |= required && read.is_none();
                    values.extend(read.map(|read| (name.to_owned(), read)));
                }
                None => self.unknown_field(map, key, entries),
            }
        }
        self.around.pop();
        for name in &map.required {
            if !entries.iter().any(|(key, _)| key.text() == Some(name)) {
                self.missing_field(map, name, node, entries);
                lacking = true;
            }
        }
        if entries.len() < map.min {
            let diagnostic =
                self.error("policy/invalid-value", "too few fields", node.span.clone()).label("the mapping is empty");
            self.report(diagnostic);
        }
        (!lacking).then_some(Value::Object(values))
    }

    fn unknown_field(&mut self, map: &'a Map, key: &'a Node, entries: &'a [(Node, Node)]) {
        if self.full() {
            return;
        }
        let name = key.text().unwrap_or_default();
        let subject = self.subject();
        let free = |field: &&str| !entries.iter().any(|(key, _)| key.text() == Some(field));
        let names: Vec<&str> = map.fields.iter().map(|(field, _)| field.as_str()).collect();
        let label = if names.is_empty() && map.patterns.is_empty() {
            format!("{subject} has no fields")
        } else {
            format!("{subject} has no field `{}`", shorten(name))
        };
        let mut diagnostic = self.error("policy/unknown-field", "unknown field", key.span.clone()).label(label);
        if let Some(near) = did_you_mean(name, names.iter().copied().filter(free)) {
            diagnostic = diagnostic.with_help(format!("did you mean `{near}`?"));
        } else if self.around.iter().rev().skip(1).any(|map| map.field(name).is_some()) {
            diagnostic =
                diagnostic.with_help(format!("`{name}` is a field of what stands around this: indent it less"));
        } else if let Some(inner) = self.field_below(map, name) {
            diagnostic = diagnostic.with_help(format!("`{name}` is a field of {inner}: write it there"));
        } else if let Some(pattern) = map.patterns.first() {
            diagnostic = diagnostic.with_help(format!("names here match `{}`", pattern.0.as_str()));
        } else if !names.is_empty() && names.len() <= LISTED_MAX {
            diagnostic = diagnostic.with_help(format!("fields here: {}", listed(&names)));
        }
        self.report(diagnostic);
    }

    /// Which field of a mapping has such a field itself, in words.
    fn field_below(&self, map: &Map, name: &str) -> Option<String> {
        let has = |id: Id| self.schema.get(id).maps.iter().any(|map| map.field(name).is_some());
        map.fields.iter().find_map(|(field, id)| {
            if has(*id) {
                return Some(format!("`{field}`"));
            }
            let mut entries = self.schema.get(*id).lists.iter().filter_map(|list| list.rest);
            entries.any(has).then(|| format!("the entries of `{field}`"))
        })
    }

    fn missing_field(&mut self, map: &'a Map, name: &str, node: &'a Node, entries: &'a [(Node, Node)]) {
        let misspelt = entries.iter().find(|(key, _)| {
            key.text()
                .is_some_and(|text| map.field(text).is_none() && did_you_mean(text, std::iter::once(name)).is_some())
        });
        if let Some((key, _)) = misspelt
            && map.value(key.text().unwrap_or_default()).is_none()
        {
            // A misspelt name is one mistake, not two.
            return;
        }
        let marked = misspelt.or(entries.first()).map_or(node.span.clone(), |(key, _)| key.span.clone());
        let expected =
            map.field(name).map(|id| self.schema.describe(self.schema.get(id))).filter(|words| words != "nothing");
        let help = match (misspelt, expected) {
            (Some(_), _) => format!("did you mean `{name}`?"),
            (None, Some(expected)) => format!("add `{name}:` with {expected}"),
            (None, None) => format!("add `{name}:`"),
        };
        let label = format!("{} needs a field `{name}`", self.subject());
        let diagnostic = self.error("policy/missing-field", "missing field", marked).label(label).with_help(help);
        self.report(diagnostic);
    }

    fn wrong_type(&mut self, expected: &'a Expected, node: &'a Node) -> Option<Value> {
        let meaning = node.scalar().map(Scalar::meaning);
        let wanted = self.schema.describe(expected);
        let found = match (&node.kind, meaning) {
            (Kind::Sequence(_), _) => "a list".to_owned(),
            (Kind::Mapping(_), _) => "a mapping".to_owned(),
            (_, Some(Meaning::Null)) => "nothing".to_owned(),
            (_, Some(Meaning::Boolean(value))) => format!("`{value}`, which is not a text without quotes"),
            (_, Some(Meaning::Integer(_) | Meaning::Float(_))) => "a number".to_owned(),
            _ => "a text".to_owned(),
        };
        let found = if expected.texts.is_empty() {
            found.split(", which").next().unwrap_or_default().to_owned()
        } else {
            found
        };
        let mut span = node.span.clone();
        if span.is_empty() || matches!(node.kind, Kind::Mapping(_) | Kind::Sequence(_)) && span.len() > 200 {
            span.end = span.end.min(span.start + 1).max(span.start);
        }
        let written = node.text().unwrap_or_default();
        let help = match meaning {
            Some(Meaning::Boolean(_)) if !expected.texts.is_empty() => {
                Some(format!("if the text is meant, put it in quotes: \"{written}\""))
            }
            Some(Meaning::Null) if written.is_empty() => Some(match self.path.last() {
                Some(Step::Index(_)) => "write a value, or remove the entry".to_owned(),
                _ => "write a value after the colon, or remove the field".to_owned(),
            }),
            Some(Meaning::Null) if !expected.texts.is_empty() => {
                Some(format!("if the text is meant, put it in quotes: \"{written}\""))
            }
            Some(Meaning::Text(text)) if expected.boolean => match text.to_ascii_lowercase().as_str() {
                "yes" | "on" | "true" => Some("write `true`".to_owned()),
                "no" | "off" | "false" => Some("write `false`".to_owned()),
                _ => None,
            },
            Some(Meaning::Text(text)) if !expected.numbers.is_empty() && text.trim().parse::<f64>().is_ok() => {
                Some(format!("write it without quotes: {}", text.trim()))
            }
            Some(Meaning::Text(_) | Meaning::Integer(_) | Meaning::Float(_))
                if !expected.lists.is_empty()
                    && expected.maps.is_empty()
                    && self.listed_mapping(expected).is_none()
                    && !written.contains(['\n', ',', '"'])
                    && written.len() <= 60 =>
            {
                Some(format!("write a list of one: [{}]", self.quoted_if_needed(node)))
            }
            None if !expected.lists.is_empty() && matches!(node.kind, Kind::Mapping(_)) => {
                Some("write a list: `- ` before the first line of each entry".to_owned())
            }
            _ => self.fields_of(expected).or_else(|| {
                let fields = self.fields_of(self.listed_mapping(expected)?)?;
                Some(format!("write a list, with `- ` before the first line of each entry; {fields}"))
            }),
        };
        // Nothing marks where nothing was written: the key above says where.
        let diagnostic =
            self.error("policy/wrong-type", "wrong type", span).label(format!("expected {wanted}, found {found}"));
        self.report(match help {
            Some(help) => diagnostic.with_help(help),
            None => diagnostic,
        })
    }

    /// The fields of the mapping that is expected, where there is only one and it is small.
    fn fields_of(&self, expected: &Expected) -> Option<String> {
        let [map] = expected.maps.as_slice() else { return None };
        let names: Vec<&str> = map.fields.iter().map(|(name, _)| name.as_str()).collect();
        (!names.is_empty() && names.len() <= LISTED_MAX).then(|| format!("fields of the mapping: {}", listed(&names)))
    }

    /// What the entries are where a list of nothing but mappings is expected.
    fn listed_mapping(&self, expected: &Expected) -> Option<&Expected> {
        let entry = self.schema.get(expected.lists.first()?.rest?);
        (entry.texts.is_empty() && entry.numbers.is_empty() && !entry.maps.is_empty()).then_some(entry)
    }

    fn quoted_if_needed(&self, node: &Node) -> String {
        let text = node.text().unwrap_or_default();
        if node.scalar().is_some_and(|scalar| scalar.style == super::node::Style::Plain)
            && !text.contains(['[', ']', '{', '}'])
        {
            text.to_owned()
        } else {
            format!("'{}'", text.replace('\'', "''"))
        }
    }

    /// What the current place is called in a sentence.
    pub(super) fn subject(&self) -> String {
        match self.path.as_slice() {
            [] => "this document".to_owned(),
            [.., Step::Key(name)] => format!("`{}`", shorten(name)),
            [.., Step::Key(name), Step::Index(_)] => format!("an entry of `{}`", shorten(name)),
            [.., Step::Index(_)] => "an entry of this list".to_owned(),
        }
    }

    pub(super) fn error(&self, code: &'static str, message: impl Into<String>, span: Range<usize>) -> Diagnostic {
        Diagnostic::error(code, message).at(Place { file: self.file, span })
    }

    /// Whether so much is wrong that nobody would read more. Looking for suggestions takes time, too.
    fn full(&self) -> bool {
        self.found.len() >= self.mistakes_max
    }

    pub(super) fn report(&mut self, diagnostic: Diagnostic) -> Option<Value> {
        self.note_mistake();
        if !self.full() {
            self.found.push(diagnostic);
        }
        None
    }

    /// Keeps in mind which field of the document has a mistake in it; the empty name is the document itself.
    fn note_mistake(&mut self) {
        let field = match self.path.first() {
            Some(Step::Key(name)) => name,
            _ => "",
        };
        if !self.fields.contains(field) {
            self.fields.insert(field.into());
        }
    }
}

impl Text {
    /// A value that can be read in place of one that can't; none where it could be taken for what was meant.
    fn stands_in(&self) -> Option<&'static str> {
        let format = self.format?;
        let value = match format.name {
            "duration" => "1d",
            "share" => "1%",
            "day" => "2000-01-01",
            "instant" | "when" => "2000-01-01T00:00:00Z",
            _ => return None,
        };
        (format.check)(value).is_ok().then_some(value)
    }

    fn check(&self, text: &str) -> Result<(), String> {
        if self.allowed.as_ref().is_some_and(|allowed| !allowed.iter().any(|name| name == text)) {
            return Err("not one of the names that can stand here".to_owned());
        }
        if let Some(format) = self.format {
            (format.check)(text)?;
        }
        let length = text.chars().count();
        if length < self.min {
            return Err(if text.is_empty() {
                "write at least one character".to_owned()
            } else {
                format!("has {length} characters, needs {}", self.min)
            });
        }
        if let Some(max) = self.max.filter(|max| length > *max) {
            return Err(format!("has {length} characters, may have {max}"));
        }
        match &self.pattern {
            Some(pattern) if !pattern.is_match(text) => Err(format!("does not match `{}`", pattern.as_str())),
            _ => Ok(()),
        }
    }
}

fn integer(number: i128) -> Option<Value> {
    i64::try_from(number).map(Value::from).or_else(|_| u64::try_from(number).map(Value::from)).ok()
}

/// A text from a file, short enough for a message.
pub(super) fn shorten(text: &str) -> String {
    const SHOWN_MAX: usize = 60;
    if text.chars().count() <= SHOWN_MAX {
        text.to_owned()
    } else {
        text.chars().take(SHOWN_MAX - 1).chain(['…']).collect()
    }
}
