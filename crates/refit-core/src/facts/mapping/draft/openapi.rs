//! Lists that an OpenAPI document describes: what each answers, and how it is asked.

use super::super::document::PayloadKind;
use super::super::payload::decoded;
use crate::policy::syntax::{self, Limits, Node};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A list that an OpenAPI document describes.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// Its path in the document: `/users`.
    pub path: String,
    /// An answer, made from the document's examples and schemas.
    pub payload: String,
    /// The path with what the document's server has in front of it.
    pub(super) get: String,
    pub(super) authentication: Authentication,
    /// `paging:` as the parameters suggest it.
    pub(super) paging: Option<String>,
}

/// How the document says that a client shows who it is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Authentication {
    /// It does not say, or something that is no connector's.
    Unsaid,
    Bearer,
    Basic,
    HeaderKey(String),
    ParameterKey(String),
    ClientCredentials {
        /// An address, or a path of the system.
        token_address: String,
    },
}

/// So deep an answer is made up: schemas go round in circles.
const DEPTH_MOST: usize = 10;
/// So many values an answer has.
const VALUES_MOST: usize = 2_000;

/// Vendors' documents are longer than anything that somebody writes into a policy repository.
const YAML: Limits =
    Limits { file_bytes: 64 << 20, depth: 128, nodes: 4_000_000, scalar_bytes: 1 << 20, mistakes: 100 };

/// The lists of devices, people or whatever else that an OpenAPI document (2.0 or 3, as JSON or YAML) describes, by path; `None` where the text
/// is no such document.
pub fn operations(text: &[u8]) -> Option<Vec<Operation>> {
    let document = document(text)?;
    let is_one = ["openapi", "swagger"].iter().any(|key| document.get(key).is_some_and(Value::is_string));
    let paths = document.get("paths").filter(|_| is_one)?.as_object()?;
    let base = base(&document);
    let authentication = authentication(&document);
    // What is asked for one at a time is no list of all.
    let whole = paths.iter().filter(|(path, _)| !path.contains('{'));
    let operations = whole.filter_map(|(path, item)| {
        let get = item.get("get")?;
        let payload = answer(&document, get)?;
        let parameters: Vec<&Value> = [item, get]
            .into_iter()
            .filter_map(|of| of.get("parameters")?.as_array())
            .flatten()
            .map(|parameter| resolved(&document, parameter))
            .collect();
        Some(Operation {
            path: path.clone(),
            paging: paging(&parameters, &payload),
            payload: serde_json::to_string_pretty(&payload).ok()?,
            get: format!("{base}{path}"),
            authentication: authentication.clone(),
        })
    });
    Some(operations.collect())
}

fn document(bytes: &[u8]) -> Option<Value> {
    let text = decoded(PayloadKind::HttpJson, bytes);
    if let Ok(document) = serde_json::from_str(&text) {
        return Some(document);
    }
    // Any other payload may be long, and is none.
    let says =
        |line: &str| ["openapi", "swagger"].iter().any(|key| line.trim_start_matches(['"', '\'']).starts_with(key));
    if !text.lines().any(says) {
        return None;
    }
    let (documents, _) = syntax::parse(0, &text, &YAML);
    documents.first().map(Node::value)
}

/// What a reference leads to.
fn resolved<'d>(document: &'d Value, mut value: &'d Value) -> &'d Value {
    // One that leads to another, and that to a third, is as far as documents go.
    for _ in 0..DEPTH_MOST {
        let Some(pointer) = value.get("$ref").and_then(Value::as_str).and_then(|at| at.strip_prefix('#')) else {
            break;
        };
        let Some(next) = document.pointer(pointer) else { break };
        value = next;
    }
    value
}

/// What stands before every path: the server's own path in OpenAPI 3, `basePath` in 2.0.
fn base(document: &Value) -> String {
    let server = document.pointer("/servers/0/url").and_then(Value::as_str);
    let path = server.map(|url| {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        if url.starts_with('/') { url } else { rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default() }
    });
    let path = path.or_else(|| document.get("basePath").and_then(Value::as_str)).unwrap_or_default();
    // A part of it that is a setting of the vendor's can't be guessed.
    if path.contains('{') { String::new() } else { path.trim_end_matches('/').to_owned() }
}

/// The first of the document's ways that a connector knows, the simplest first.
fn authentication(document: &Value) -> Authentication {
    let schemes = document.pointer("/components/securitySchemes").or_else(|| document.get("securityDefinitions"));
    let mut found: BTreeMap<u8, Authentication> = BTreeMap::new();
    for scheme in schemes.and_then(Value::as_object).into_iter().flatten().map(|(_, scheme)| resolved(document, scheme))
    {
        let text = |key: &str| scheme.get(key).and_then(Value::as_str).unwrap_or_default();
        let (rank, way) = match (text("type"), text("scheme").to_lowercase().as_str(), text("in")) {
            ("apiKey", _, "header") => (0, Authentication::HeaderKey(text("name").to_owned())),
            ("http", "bearer", _) => (1, Authentication::Bearer),
            ("http", "basic", _) | ("basic", ..) => (2, Authentication::Basic),
            ("apiKey", _, "query") => (3, Authentication::ParameterKey(text("name").to_owned())),
            ("oauth2", ..) => {
                let flow = scheme.pointer("/flows/clientCredentials/tokenUrl").and_then(Value::as_str);
                let old = scheme.get("tokenUrl").and_then(Value::as_str).filter(|_| text("flow") == "application");
                let Some(token_address) = flow.or(old) else { continue };
                (4, Authentication::ClientCredentials { token_address: token_address.to_owned() })
            }
            _ => continue,
        };
        found.entry(rank).or_insert(way);
    }
    found.into_values().next().unwrap_or(Authentication::Unsaid)
}

/// An answer with a list of objects, from the example of one or from its schema; `None` where it has none.
fn answer(document: &Value, get: &Value) -> Option<Value> {
    let responses = get.get("responses")?.as_object()?;
    let response = ["200", "2XX", "default"].iter().find_map(|status| responses.get(*status))?;
    let response = resolved(document, response);
    let content = response.get("content").and_then(Value::as_object);
    let content = content.and_then(|content| content.iter().find(|(kind, _)| kind.contains("json"))).map(|(_, it)| it);
    let example = content.and_then(|content| example_of(document, content));
    let old = response.get("examples").and_then(|examples| examples.get("application/json"));
    let example = example.or(old).filter(|example| has_list(example, 2));
    if let Some(example) = example {
        return Some(example.clone());
    }
    let schema = content.and_then(|content| content.get("schema")).or_else(|| response.get("schema"))?;
    let mut left = VALUES_MOST;
    let made = made(document, schema, &mut Vec::new(), &mut left);
    has_list(&made, 2).then_some(made)
}

fn example_of<'d>(document: &'d Value, of: &'d Value) -> Option<&'d Value> {
    let named = of.get("examples").and_then(Value::as_object).and_then(|examples| examples.values().next());
    let named = named.and_then(|example| resolved(document, example).get("value"));
    of.get("example").or(named)
}

/// Whether there is a list of objects, no deeper than that.
fn has_list(value: &Value, depth: usize) -> bool {
    match value {
        Value::Array(items) => !items.is_empty() && items.iter().all(Value::is_object),
        Value::Object(entries) => depth > 0 && entries.values().any(|value| has_list(value, depth - 1)),
        _ => false,
    }
}

/// A value that a schema allows. `within` are the references that lead to it.
fn made<'d>(document: &'d Value, schema: &'d Value, within: &mut Vec<&'d str>, left: &mut usize) -> Value {
    if *left == 0 || within.len() >= DEPTH_MOST {
        return Value::Null;
    }
    *left -= 1;
    let reference = schema.get("$ref").and_then(Value::as_str);
    if let Some(reference) = reference {
        let pointer = reference.strip_prefix('#');
        let Some(next) = pointer.filter(|_| !within.contains(&reference)).and_then(|at| document.pointer(at)) else {
            return Value::Null;
        };
        within.push(reference);
        let value = made(document, next, within, left);
        within.pop();
        return value;
    }
    let first = |key: &str| schema.get(key).and_then(Value::as_array).and_then(|values| values.first());
    let said = schema.get("example").or_else(|| first("examples")).or_else(|| schema.get("const"));
    if let Some(said) = said.or_else(|| first("enum")).filter(|said| !said.is_null()) {
        return said.clone();
    }
    // What leads deeper counts as a step: schemas that are written in full have an end, and a bound is a bound.
    within.push("");
    let value = shaped(document, schema, within, left);
    within.pop();
    value
}

fn shaped<'d>(document: &'d Value, schema: &'d Value, within: &mut Vec<&'d str>, left: &mut usize) -> Value {
    let list = |key: &str| schema.get(key).and_then(Value::as_array).into_iter().flatten();
    if let Some(other) =
        list("oneOf").chain(list("anyOf")).find(|other| other.get("type").is_none_or(|kind| kind != "null"))
    {
        return made(document, other, within, left);
    }
    let mut object = Map::new();
    for part in list("allOf") {
        match made(document, part, within, left) {
            Value::Object(entries) => object.extend(entries),
            Value::Null => {}
            other => return other,
        }
    }
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let value = made(document, property, within, left);
        object.insert(name.clone(), value);
    }
    if !object.is_empty() {
        return Value::Object(object);
    }
    let kind = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null"),
        kind => kind.and_then(Value::as_str),
    };
    match kind {
        Some("array") => {
            let items = schema.get("items").map(|items| made(document, items, within, left));
            Value::Array(items.into_iter().collect())
        }
        Some("object") => Value::Object(Map::new()),
        Some("integer") => Value::from(1),
        Some("number") => Value::from(1.5),
        Some("boolean") => Value::Bool(true),
        Some("string") => Value::from(match schema.get("format").and_then(Value::as_str) {
            Some("date-time") => "2026-01-31T12:00:00Z",
            Some("date") => "2026-01-31",
            Some("email") => "somebody@example.com",
            Some("uuid") => "954f4d56-c574-47d3-bc3a-579cc2f85dce",
            _ => "text",
        }),
        _ => Value::Null,
    }
}

/// How pages are asked for, as far as the names of parameters and what stands in the answer suggest it.
fn paging(parameters: &[&Value], payload: &Value) -> Option<String> {
    let has = |names: &[&'static str]| {
        let named = |name: &&&'static str| parameters.iter().any(|it| it["in"] == "query" && it["name"] == **name);
        names.iter().find(named).copied()
    };
    let there = |pointers: &[&'static str]| pointers.iter().find(|at| payload.pointer(at).is_some()).copied();
    let size = has(&["limit", "per_page", "page_size", "pageSize", "page-size", "size", "count", "$top"]);
    let counted = |parameter: &str| {
        let size = size.map(|size| format!(", size_parameter: '{size}'")).unwrap_or_default();
        let end = there(&["/more", "/has_more", "/hasMore"]).map(|at| format!(", more: {at}"));
        let total = there(&["/total", "/totalCount", "/total_count"]).map(|at| format!(", total: {at}"));
        format!("{{ parameter: {parameter}{size}, size: 100{} }}", end.or(total).unwrap_or_default())
    };
    if let Some(cursor) = has(&["cursor", "after", "page_token", "pageToken", "starting_after", "next_token"]) {
        let next = there(&[
            "/next_cursor",
            "/nextCursor",
            "/next_page_token",
            "/nextPageToken",
            "/response_metadata/next_cursor",
            "/meta/page/nextCursor",
            "/pagination/next_cursor",
        ]);
        return next.map(|next| format!("{{ cursor: {{ next: {next}, parameter: {cursor} }} }}"));
    }
    if has(&["offset"]).is_some() {
        return Some(format!("{{ offset: {} }}", counted("offset")));
    }
    has(&["page"]).map(|page| format!("{{ page_number: {} }}", counted(page)))
}
