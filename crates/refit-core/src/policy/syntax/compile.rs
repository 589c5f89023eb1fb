//! From a JSON Schema, as the types of documents generate it, to [`Schema`].
//!
//! Read are the keywords that schemars 1.2 emits for serde's types, and those of its `#[schemars(…)]` checks. Keywords
//! that nothing of ours emits (`if`, `not`, `dependentRequired`) are not: serde still has the last word on every value.

use super::format::Format;
use super::schema::{Choice, Expected, Id, List, Map, Number, Schema, Text};
use regex::Regex;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};

/// Alternatives of alternatives deeper than this don't come from types.
const DEPTH_MAX: usize = 32;

/// The schema that everything satisfies.
static ANYTHING: Value = Value::Bool(true);

/// Reads a root schema. The second part are formats of texts that `formats` does not have.
pub(super) fn compile(root: &Value, formats: &[Format]) -> (Schema, BTreeSet<String>) {
    let mut compiler = Compiler { root, formats, ids: HashMap::new(), queue: Vec::new(), unknown: BTreeSet::new() };
    compiler.id(root);
    let mut all: Vec<Expected> = Vec::new();
    while let Some(value) = compiler.queue.get(all.len()).copied() {
        let mut expected = compiler.expected(value, 0);
        all.push(Expected::default());
        // Fields whose texts tell mappings apart are looked up in the schema itself: they may not be compiled yet.
        expected.choice = compiler.choice(&expected);
        if let Some(last) = all.last_mut() {
            *last = expected;
        }
    }
    (Schema { all }, compiler.unknown)
}

struct Compiler<'a> {
    root: &'a Value,
    formats: &'a [Format],
    /// Ids of the parts of the root schema, by their address: recursive types come back to the same part.
    ids: HashMap<*const Value, Id>,
    /// Parts by id.
    queue: Vec<&'a Value>,
    unknown: BTreeSet<String>,
}

impl<'a> Compiler<'a> {
    fn id(&mut self, value: &'a Value) -> Id {
        let next = self.queue.len();
        let id = *self.ids.entry(std::ptr::from_ref(value)).or_insert(next);
        if id == next {
            self.queue.push(value);
        }
        id
    }

    fn expected(&mut self, schema: &'a Value, depth: usize) -> Expected {
        let Value::Object(keywords) = schema else {
            return Expected { any: schema != &Value::Bool(false), ..Expected::default() };
        };
        let mut result = self.own(schema);
        if depth > DEPTH_MAX {
            return result;
        }
        if let Some(target) = keywords.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix('#'))
            && let Some(target) = self.root.pointer(target)
        {
            result = both(result, self.expected(target, depth + 1));
        }
        for part in keywords.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            result = both(result, self.expected(part, depth + 1));
        }
        for keyword in ["anyOf", "oneOf"] {
            if let Some(parts) = keywords.get(keyword).and_then(Value::as_array) {
                let parts = parts.iter().map(|part| self.expected(part, depth + 1));
                let alternatives = parts.reduce(either).unwrap_or_default();
                result = both(result, alternatives);
            }
        }
        result
    }

    /// What the keywords of this schema say, without those that lead to other schemas for the same place.
    fn own(&mut self, schema: &'a Value) -> Expected {
        let mut types: Vec<&str> = match schema.get("type") {
            Some(Value::String(name)) => vec![name],
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let constant = schema.get("const").map(std::slice::from_ref);
        let values = constant.or(schema.get("enum").and_then(Value::as_array).map(Vec::as_slice));
        if types.is_empty() {
            types = match values {
                Some(values) => values.iter().map(type_of).collect(),
                None if schema.get("properties").is_some() || schema.get("additionalProperties").is_some() => {
                    vec!["object"]
                }
                None if schema.get("items").is_some() || schema.get("prefixItems").is_some() => vec!["array"],
                None => return Expected { any: true, ..Expected::default() },
            };
        }
        let mut expected = Expected::default();
        for name in types {
            match name {
                "null" => expected.null = true,
                "boolean" => expected.boolean = true,
                "integer" | "number" => expected.numbers.extend(self.numbers(schema, name == "integer", values)),
                "string" => expected.texts.push(self.text(schema, values)),
                "array" => expected.lists.push(self.list(schema)),
                "object" => expected.maps.push(self.map(schema)),
                _ => {}
            }
        }
        expected
    }

    fn numbers(&self, schema: &Value, whole: bool, values: Option<&[Value]>) -> Vec<Number> {
        if let Some(values) = values {
            let exactly = |number: f64| Number { whole, min: Some(number), max: Some(number), ..Number::default() };
            return values.iter().filter_map(Value::as_f64).map(exactly).collect();
        }
        let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
        let (lowest, highest) = match schema.get("format").and_then(Value::as_str) {
            Some("uint8") => (Some(0.0), Some(f64::from(u8::MAX))),
            Some("uint16") => (Some(0.0), Some(f64::from(u16::MAX))),
            Some("uint32") => (Some(0.0), Some(f64::from(u32::MAX))),
            Some("int8") => (Some(f64::from(i8::MIN)), Some(f64::from(i8::MAX))),
            Some("int16") => (Some(f64::from(i16::MIN)), Some(f64::from(i16::MAX))),
            Some("int32") => (Some(f64::from(i32::MIN)), Some(f64::from(i32::MAX))),
            Some("uint" | "uint64" | "uint128") => (Some(0.0), None),
            _ => (None, None),
        };
        vec![Number {
            whole,
            min: bound("minimum").or(lowest),
            max: bound("maximum").or(highest),
            above: bound("exclusiveMinimum"),
            below: bound("exclusiveMaximum"),
        }]
    }

    fn text(&mut self, schema: &Value, values: Option<&[Value]>) -> Text {
        let name = schema.get("format").and_then(Value::as_str);
        let format = name.and_then(|name| self.formats.iter().find(|format| format.name == name)).copied();
        if let (Some(name), None) = (name, format) {
            self.unknown.insert(name.to_owned());
        }
        Text {
            allowed: values.map(|values| values.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
            format,
            pattern: schema.get("pattern").and_then(Value::as_str).and_then(|pattern| Regex::new(pattern).ok()),
            min: count(schema, "minLength").unwrap_or(0),
            max: count(schema, "maxLength"),
        }
    }

    fn list(&mut self, schema: &'a Value) -> List {
        let first: Vec<Id> = schema
            .get("prefixItems")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .map(|item| self.id(item))
            .collect();
        let rest = match schema.get("items") {
            Some(Value::Bool(false)) => None,
            Some(items) => Some(self.id(items)),
            None if first.is_empty() => Some(self.id(&ANYTHING)),
            None => None,
        };
        List {
            first,
            rest,
            min: count(schema, "minItems").unwrap_or(0),
            max: count(schema, "maxItems"),
            unique: schema.get("uniqueItems") == Some(&Value::Bool(true)),
        }
    }

    fn map(&mut self, schema: &'a Value) -> Map {
        let object = |name: &str| schema.get(name).and_then(Value::as_object).into_iter().flatten();
        let closed = [schema.get("additionalProperties"), schema.get("unevaluatedProperties")];
        let rest = if closed.contains(&Some(&Value::Bool(false))) {
            None
        } else {
            Some(self.id(schema.get("additionalProperties").unwrap_or(&ANYTHING)))
        };
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        Map {
            fields: object("properties").map(|(name, field)| (name.clone(), self.id(field))).collect(),
            required: required.filter_map(Value::as_str).map(str::to_owned).collect(),
            patterns: object("patternProperties")
                .filter_map(|(pattern, field)| Some((Regex::new(pattern).ok()?, self.id(field))))
                .collect(),
            rest,
            min: count(schema, "minProperties").unwrap_or(0),
        }
    }

    fn choice(&mut self, expected: &Expected) -> Choice {
        let maps = &expected.maps;
        let Some((first, others)) = maps.split_first().filter(|(_, others)| !others.is_empty()) else {
            return Choice::Fit;
        };
        if maps.iter().all(|map| map.rest.is_none() && map.fields.len() == 1 && map.required.len() == 1) {
            return Choice::OnlyField;
        }
        let shared = first.required.iter().filter(|name| others.iter().all(|map| map.required.contains(name)));
        for field in shared {
            let mut values: Vec<(String, usize)> = Vec::new();
            for (n, map) in maps.iter().enumerate() {
                let schema = map.field(field).and_then(|id| self.queue.get(id).copied());
                let texts = schema.map(|schema| self.expected(schema, 0).texts).unwrap_or_default();
                values.extend(texts.into_iter().filter_map(|text| text.allowed).flatten().map(|value| (value, n)));
            }
            let distinct: BTreeSet<&String> = values.iter().map(|(value, _)| value).collect();
            if distinct.len() == values.len() && values.len() >= maps.len() {
                return Choice::Tag { field: field.clone(), values };
            }
        }
        Choice::Fit
    }
}

/// One schema or the other.
fn either(mut a: Expected, b: Expected) -> Expected {
    a.any |= b.any;
    a.null |= b.null;
    a.boolean |= b.boolean;
    a.numbers.extend(b.numbers);
    a.texts.extend(b.texts);
    a.lists.extend(b.lists);
    a.maps.extend(b.maps);
    a
}

/// Both schemas at once.
fn both(a: Expected, b: Expected) -> Expected {
    if a.any {
        return b;
    }
    if b.any {
        return a;
    }
    Expected {
        any: false,
        null: a.null && b.null,
        boolean: a.boolean && b.boolean,
        numbers: pairs(&a.numbers, &b.numbers, |a, b| Number {
            whole: a.whole || b.whole,
            min: stricter(a.min, b.min, f64::max),
            max: stricter(a.max, b.max, f64::min),
            above: a.above.or(b.above),
            below: a.below.or(b.below),
        }),
        texts: pairs(&a.texts, &b.texts, |a, b| Text {
            allowed: match (&a.allowed, &b.allowed) {
                (Some(a), Some(b)) => Some(a.iter().filter(|name| b.contains(name)).cloned().collect()),
                (a, b) => a.clone().or(b.clone()),
            },
            format: a.format.or(b.format),
            pattern: a.pattern.clone().or(b.pattern.clone()),
            min: a.min.max(b.min),
            max: a.max.or(b.max),
        }),
        lists: pairs(&a.lists, &b.lists, |a, _| a.clone()),
        maps: pairs(&a.maps, &b.maps, |a, b| {
            let mut map = a.clone();
            map.fields.extend(b.fields.iter().filter(|(name, _)| a.field(name).is_none()).cloned());
            map.required.extend(b.required.iter().filter(|name| !a.required.contains(name)).cloned());
            map.patterns.extend(b.patterns.iter().cloned());
            map.rest = a.rest.and(b.rest);
            map.min = a.min.max(b.min);
            map
        }),
        choice: Choice::Fit,
    }
}

fn stricter(a: Option<f64>, b: Option<f64>, choose: fn(f64, f64) -> f64) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(choose(a, b)),
        (a, b) => a.or(b),
    }
}

fn pairs<T>(a: &[T], b: &[T], merge: impl Fn(&T, &T) -> T) -> Vec<T> {
    a.iter().flat_map(|a| b.iter().map(|b| merge(a, b)).collect::<Vec<_>>()).collect()
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn count(schema: &Value, keyword: &str) -> Option<usize> {
    schema.get(keyword).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok())
}
