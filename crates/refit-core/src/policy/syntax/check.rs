//! A tree compared with what a type expects: every mistake, and the value as the type will read it.
//!
//! The value is built on the way because only the schema knows what was meant: `15.10` is a text where a version belongs,
//! and a number where a score does.

use super::node::{Kind, Node, Scalar, Step};
use super::scalar::Meaning;
use super::schema::{Choice, Expected, Id, List, Map, Number, Schema, Text, one_of};
use crate::policy::diagnostic::{Diagnostic, Place, did_you_mean};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ops::Range;

/// As many fields or names are listed when none is close; more would hide the message.
const LISTED_MAX: usize = 12;

/// Compares a tree with the root of a schema.
///
/// The value is only meaningful where nothing was found, and where no part of the tree was [`Kind::Invalid`].
pub(super) fn check<'a>(schema: &'a Schema, node: &'a Node, file: usize, mistakes_max: usize) -> Checked {
    let mut check =
        Check { schema, file, mistakes_max, found: Vec::new(), path: Vec::new(), around: Vec::new(), whole: true };
    let value = check.node(0, node);
    Checked { value, found: check.found, whole: check.whole }
}

/// What came of a comparison.
pub(super) struct Checked {
    pub(super) value: Value,
    pub(super) found: Vec<Diagnostic>,
    /// Whether all parts of the tree could be read.
    pub(super) whole: bool,
}

struct Check<'a> {
    schema: &'a Schema,
    file: usize,
    mistakes_max: usize,
    found: Vec<Diagnostic>,
    path: Vec<Step<'a>>,
    /// The mappings around the current place, the innermost last.
    around: Vec<&'a Map>,
    whole: bool,
}

impl<'a> Check<'a> {
    fn node(&mut self, id: Id, node: &'a Node) -> Value {
        let expected = self.schema.get(id);
        if self.found.len() >= self.mistakes_max {
            return Value::Null;
        }
        match &node.kind {
            Kind::Invalid => {
                self.whole = false;
                Value::Null
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
                Chosen::Reported => Value::Null,
            },
        }
    }

    fn anything(&mut self, id: Id, node: &'a Node) -> Value {
        match &node.kind {
            Kind::Scalar(scalar) => match scalar.meaning() {
                Meaning::Null => Value::Null,
                Meaning::Boolean(value) => Value::Bool(value),
                Meaning::Integer(number) => integer(number).unwrap_or(Value::Null),
                Meaning::Float(number) => serde_json::Number::from_f64(number).map_or(Value::Null, Value::Number),
                Meaning::Text(text) => Value::String(text.to_owned()),
            },
            Kind::Sequence(items) => Value::Array(items.iter().map(|item| self.node(id, item)).collect()),
            Kind::Mapping(entries) => {
                let entry =
                    |(key, value): &'a (Node, Node)| (key.text().unwrap_or_default().to_owned(), self.node(id, value));
                Value::Object(entries.iter().map(entry).collect())
            }
            Kind::Invalid => Value::Null,
        }
    }

    fn scalar(&mut self, expected: &'a Expected, node: &'a Node, scalar: &'a Scalar) -> Value {
        match scalar.meaning() {
            Meaning::Null if expected.null => Value::Null,
            Meaning::Boolean(value) if expected.boolean => Value::Bool(value),
            Meaning::Integer(number) if !expected.numbers.is_empty() => {
                let held = expected.numbers.iter().any(|allowed| allowed.holds(number as f64));
                match integer(number).filter(|_| held) {
                    Some(value) => value,
                    None => self.out_of_range(expected, node),
                }
            }
            Meaning::Float(number) if !expected.numbers.is_empty() => {
                let held = expected.numbers.iter().any(|allowed| !allowed.whole && allowed.holds(number));
                match serde_json::Number::from_f64(number).filter(|_| held) {
                    Some(value) => Value::Number(value),
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

    fn text(&mut self, expected: &'a Expected, node: &'a Node, text: &str) -> Value {
        let mut first = None;
        for wanted in &expected.texts {
            match wanted.check(text) {
                Ok(()) => return Value::String(text.to_owned()),
                Err(problem) => first = first.or(Some((wanted, problem))),
            }
        }
        let allowed: Vec<&str> =
            expected.texts.iter().filter_map(|text| text.allowed.as_ref()).flatten().map(String::as_str).collect();
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

    fn out_of_range(&mut self, expected: &'a Expected, node: &'a Node) -> Value {
        let wanted: Vec<String> = expected.numbers.iter().map(Number::describe).collect();
        let found = shorten(node.text().unwrap_or_default());
        let label = format!("expected {}, found {found}", wanted.join(" or "));
        let diagnostic = self.error("policy/out-of-range", "number out of range", node.span.clone()).label(label);
        self.report(diagnostic)
    }

    fn list(&mut self, list: &'a List, node: &'a Node, items: &'a [Node]) -> Value {
        let values = items.iter().enumerate().map(|(n, item)| {
            let Some(id) = list.first.get(n).copied().or(list.rest) else { return Value::Null };
            self.path.push(Step::Index(n));
            let value = self.node(id, item);
            self.path.pop();
            value
        });
        let values: Vec<Value> = values.collect();
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
        Value::Array(values)
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

    fn map(&mut self, map: &'a Map, node: &'a Node, entries: &'a [(Node, Node)]) -> Value {
        let mut values = serde_json::Map::new();
        self.around.push(map);
        for (key, value) in entries {
            let name = key.text().unwrap_or_default();
            match map.value(name) {
                Some(id) => {
                    self.path.push(Step::Key(name));
                    let value = self.node(id, value);
                    self.path.pop();
                    values.insert(name.to_owned(), value);
                }
                None => self.unknown_field(map, key, entries),
            }
        }
        self.around.pop();
        for name in &map.required {
            if !entries.iter().any(|(key, _)| key.text() == Some(name)) {
                self.missing_field(map, name, node, entries);
            }
        }
        if entries.len() < map.min {
            let diagnostic =
                self.error("policy/invalid-value", "too few fields", node.span.clone()).label("the mapping is empty");
            self.report(diagnostic);
        }
        Value::Object(values)
    }

    fn unknown_field(&mut self, map: &'a Map, key: &'a Node, entries: &'a [(Node, Node)]) {
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
        } else if let Some(inner) =
            map.fields.iter().find(|(_, id)| self.schema.get(*id).maps.iter().any(|map| map.field(name).is_some()))
        {
            diagnostic = diagnostic.with_help(format!("`{name}` is a field of `{}`: write it there", inner.0));
        } else if let Some(pattern) = map.patterns.first() {
            diagnostic = diagnostic.with_help(format!("names here match `{}`", pattern.0.as_str()));
        } else if !names.is_empty() && names.len() <= LISTED_MAX {
            diagnostic = diagnostic.with_help(format!(
                "fields here: {}",
                names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ")
            ));
        }
        self.report(diagnostic);
    }

    fn missing_field(&mut self, map: &'a Map, name: &str, node: &'a Node, entries: &'a [(Node, Node)]) {
        // A misspelt name is one mistake, not two.
        let misspelt = |(key, _): &(Node, Node)| {
            key.text()
                .is_some_and(|text| map.value(text).is_none() && did_you_mean(text, std::iter::once(name)).is_some())
        };
        if entries.iter().any(misspelt) {
            return;
        }
        let span = entries.first().map_or(node.span.clone(), |(key, _)| key.span.clone());
        let expected =
            map.field(name).map(|id| self.schema.describe(self.schema.get(id))).filter(|words| words != "nothing");
        let label = format!("{} needs a field `{name}`", self.subject());
        let diagnostic = self.error("policy/missing-field", "missing field", span).label(label);
        let diagnostic = match expected {
            Some(expected) => diagnostic.with_help(format!("add `{name}:` with {expected}")),
            None => diagnostic.with_help(format!("add `{name}:`")),
        };
        self.report(diagnostic);
    }

    fn wrong_type(&mut self, expected: &'a Expected, node: &'a Node) -> Value {
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
            Some(Meaning::Null) if written.is_empty() => {
                Some("write a value after the colon, or remove the field".to_owned())
            }
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
                    && !written.contains(['\n', ',', '"'])
                    && written.len() <= 60 =>
            {
                Some(format!("write a list of one: [{}]", self.quoted_if_needed(node)))
            }
            _ => None,
        };
        // Nothing marks where nothing was written: the key above says where.
        let diagnostic =
            self.error("policy/wrong-type", "wrong type", span).label(format!("expected {wanted}, found {found}"));
        self.report(match help {
            Some(help) => diagnostic.with_help(help),
            None => diagnostic,
        })
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

    fn choose(&mut self, expected: &'a Expected, node: &'a Node, entries: &'a [(Node, Node)]) -> Chosen<'a> {
        let maps = &expected.maps;
        match (&expected.choice, maps.as_slice()) {
            (_, []) => Chosen::None,
            (_, [map]) => Chosen::Map(map),
            (Choice::Tag { field, values }, _) => self.choose_by_tag(field, values, maps, node, entries),
            (Choice::OnlyField, _) => self.choose_by_field(maps, node, entries),
            (Choice::Fit, [first, others @ ..]) => {
                let mut best = (self.fit(first, entries), first);
                for map in others {
                    let fit = self.fit(map, entries);
                    if fit > best.0 {
                        best = (fit, map);
                    }
                }
                Chosen::Map(best.1)
            }
        }
    }

    fn choose_by_tag(
        &mut self,
        field: &str,
        values: &'a [(String, usize)],
        maps: &'a [Map],
        node: &'a Node,
        entries: &'a [(Node, Node)],
    ) -> Chosen<'a> {
        let names: Vec<&str> = values.iter().map(|(name, _)| name.as_str()).collect();
        let Some(tag) = entries.iter().find(|(key, _)| key.text() == Some(field)).map(|(_, value)| value) else {
            let span = entries.first().map_or(node.span.clone(), |(key, _)| key.span.clone());
            let label = format!("{} needs a field `{field}`", self.subject());
            let help = format!("add `{field}:` with {}", one_of(&names));
            let diagnostic = self.error("policy/missing-field", "missing field", span).label(label).with_help(help);
            self.report(diagnostic);
            return Chosen::Reported;
        };
        if matches!(tag.kind, Kind::Invalid) {
            self.whole = false;
            return Chosen::Reported;
        }
        let text = tag.text().unwrap_or_default();
        if let Some(map) = values.iter().find(|(name, _)| name == text).and_then(|(_, n)| maps.get(*n)) {
            return Chosen::Map(map);
        }
        let help = match did_you_mean(text, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("write {}", one_of(&names)),
        };
        let label = format!("`{}` is not one of the names that can stand here", shorten(text));
        let diagnostic =
            self.error("policy/unknown-value", "unknown value", tag.span.clone()).label(label).with_help(help);
        self.report(diagnostic);
        Chosen::Reported
    }

    fn choose_by_field(&mut self, maps: &'a [Map], node: &'a Node, entries: &'a [(Node, Node)]) -> Chosen<'a> {
        let known = |key: &Node| maps.iter().find(|map| key.text().is_some_and(|name| map.field(name).is_some()));
        let mut chosen = entries.iter().filter_map(|(key, _)| Some((key, known(key)?)));
        let names: Vec<&str> = maps.iter().flat_map(|map| &map.fields).map(|(name, _)| name.as_str()).collect();
        if let Some((_, map)) = chosen.next() {
            let Some((second, _)) = chosen.next() else { return Chosen::Map(map) };
            let label = format!("{} has one of these fields only", self.subject());
            let diagnostic = self
                .error("policy/unknown-field", "one field too many", second.span.clone())
                .label(label)
                .with_help(format!("keep one of {}", one_of(&names)));
            self.report(diagnostic);
            return Chosen::Reported;
        }
        let label = match entries.first() {
            Some((key, _)) => format!("{} has no field `{}`", self.subject(), shorten(key.text().unwrap_or_default())),
            None => format!("{} has no field", self.subject()),
        };
        let near = entries.first().and_then(|(key, _)| did_you_mean(key.text()?, names.iter().copied()));
        let help = near.map_or_else(|| format!("write {}", one_of(&names)), |near| format!("did you mean `{near}`?"));
        let span = entries.first().map_or(node.span.clone(), |(key, _)| key.span.clone());
        let diagnostic = self.error("policy/unknown-field", "unknown field", span).label(label).with_help(help);
        self.report(diagnostic);
        Chosen::Reported
    }

    /// How well fields fit a mapping; the highest wins.
    fn fit(&self, map: &Map, entries: &[(Node, Node)]) -> i64 {
        let mut fit = 0;
        for (key, value) in entries {
            fit += match map.value(key.text().unwrap_or_default()) {
                Some(id) if accepts(self.schema.get(id), value) => 3,
                Some(_) => 1,
                None => -2,
            };
        }
        let missing = map.required.iter().filter(|name| !entries.iter().any(|(key, _)| key.text() == Some(name)));
        fit - missing.count() as i64
    }

    fn fitting_list(&self, expected: &'a Expected, items: &[Node]) -> Option<&'a List> {
        let fits = |list: &&List| {
            items.iter().enumerate().all(|(n, item)| {
                list.first.get(n).copied().or(list.rest).is_some_and(|id| accepts(self.schema.get(id), item))
            })
        };
        expected.lists.iter().find(fits)
    }

    /// What the current place is called in a sentence.
    fn subject(&self) -> String {
        match self.path.as_slice() {
            [] => "this document".to_owned(),
            [.., Step::Key(name)] => format!("`{}`", shorten(name)),
            [.., Step::Key(name), Step::Index(_)] => format!("an entry of `{}`", shorten(name)),
            [.., Step::Index(_)] => "an entry of this list".to_owned(),
        }
    }

    fn error(&self, code: &'static str, message: impl Into<String>, span: Range<usize>) -> Diagnostic {
        Diagnostic::error(code, message).at(Place { file: self.file, span })
    }

    fn report(&mut self, diagnostic: Diagnostic) -> Value {
        if self.found.len() < self.mistakes_max {
            self.found.push(diagnostic);
        }
        Value::Null
    }
}

enum Chosen<'a> {
    Map(&'a Map),
    /// No mapping may stand here.
    None,
    /// It is not clear which was meant; said already.
    Reported,
}

impl Text {
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

/// Whether a node has a type that is expected; not whether it is right.
fn accepts(expected: &Expected, node: &Node) -> bool {
    expected.any
        || match &node.kind {
            Kind::Invalid => true,
            Kind::Sequence(_) => !expected.lists.is_empty(),
            Kind::Mapping(_) => !expected.maps.is_empty(),
            Kind::Scalar(scalar) => match scalar.meaning() {
                Meaning::Null => expected.null,
                Meaning::Boolean(_) => expected.boolean,
                Meaning::Integer(_) | Meaning::Float(_) => !expected.numbers.is_empty() || !expected.texts.is_empty(),
                Meaning::Text(text) => expected
                    .texts
                    .iter()
                    .any(|wanted| wanted.allowed.as_ref().is_none_or(|names| names.iter().any(|name| name == text))),
            },
        }
}

fn integer(number: i128) -> Option<Value> {
    i64::try_from(number).map(Value::from).or_else(|_| u64::try_from(number).map(Value::from)).ok()
}

/// A text from a file, short enough for a message.
fn shorten(text: &str) -> String {
    const SHOWN_MAX: usize = 60;
    if text.chars().count() <= SHOWN_MAX {
        text.to_owned()
    } else {
        text.chars().take(SHOWN_MAX - 1).chain(['…']).collect()
    }
}
