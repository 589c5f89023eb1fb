//! Bodies: read up to a limit, and taken as JSON objects whose every part is what the description of the API says.

use super::problem::{Code, Problem};
use axum::{
    body::{Body, Bytes},
    extract::{MatchedPath, Request},
    http::{header, request::Parts},
};
use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::{sync::LazyLock, time::Duration};
use utoipa::ToSchema;

/// The largest body, in bytes.
const MOST: usize = 2 << 20;
/// The largest body of what comes in bulk.
const BULK_MOST: usize = 32 << 20;
/// How much of a body that is too large is read all the same: who sends it hears of nothing before it is sent, or takes an answer
/// that comes sooner for a fault of the connection.
const REST_MOST: usize = 128 << 20;
/// How long the rest is read.
const REST_LONGEST: Duration = Duration::from_secs(10);

/// Reads a body to its end.
pub async fn read(request: Request) -> Result<(Parts, Bytes), Problem> {
    let (parts, body) = request.into_parts();
    let path = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let bulk = [
        "/plans",
        "/plans/preview",
        "/observations",
        "/releases",
        "/advisories",
        "/mandates",
        // Identity providers say of large groups who is in them at once.
        "/Groups",
        "/Groups/{id}",
        // Many events come at once.
        "/okta/{source}/events",
    ];
    let bulk = bulk.iter().any(|ending| path.ends_with(ending));
    let most = if bulk { BULK_MOST } else { MOST };
    let length = parts.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    match up_to(body, most, length).await? {
        Some(bytes) => Ok((parts, bytes)),
        None => Err(Problem::new(Code::TooLarge, format!("the body is larger than {} MiB", most >> 20))),
    }
}

/// A body; `None` where it is larger than `most`.
async fn up_to(body: Body, most: usize, length: Option<u64>) -> Result<Option<Bytes>, Problem> {
    let broken = |_| Problem::new(Code::Malformed, "the body could not be read to its end");
    let mut parts = body.into_data_stream();
    let said = length.unwrap_or(0);
    let mut bytes = Vec::new();
    if said <= most as u64 {
        bytes.reserve_exact(usize::try_from(said).unwrap_or(0));
        loop {
            let Some(part) = parts.next().await else { return Ok(Some(bytes.into())) };
            let part = part.map_err(broken)?;
            if bytes.len() + part.len() > most {
                break;
            }
            bytes.extend_from_slice(&part);
        }
        drop(bytes);
    }
    if said <= REST_MOST as u64 {
        let rest = async {
            let mut read = 0;
            while let Some(Ok(part)) = parts.next().await {
                read += part.len();
                if read > REST_MOST {
                    break;
                }
            }
        };
        // Whoever takes longer finds the connection closed.
        let _ = tokio::time::timeout(REST_LONGEST, rest).await;
    }
    Ok(None)
}

/// Refuses a body that is not declared as JSON.
pub fn json(parts: &Parts) -> Result<(), Problem> {
    let given = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let fits = essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"));
    let problem = || Problem::new(Code::MediaType, "send the body as `Content-Type: application/json`");
    if fits { Ok(()) } else { Err(problem()) }
}

/// Reads a JSON object.
pub fn parse<T: DeserializeOwned + ToSchema>(bytes: &[u8]) -> Result<T, Problem> {
    let mut read = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut read).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        if inner.is_data() {
            Problem::field(if path == "." { String::new() } else { path }, inner.to_string())
        } else {
            Problem::new(Code::Malformed, format!("the body is no JSON: {inner}"))
        }
    })?;
    read.end().map_err(|error| Problem::new(Code::Malformed, format!("the body is no JSON: {error}")))?;
    // A list would be read as the fields in their order, and an empty one as none given. Most bodies have none.
    if bytes.contains(&b'[') {
        let malformed = |error| Problem::new(Code::Malformed, format!("the body is no JSON: {error}"));
        let read: Value = serde_json::from_slice(bytes).map_err(malformed)?;
        if let Some(path) = list_for_object(SCHEMAS.get(T::name().as_ref()).unwrap_or(&Value::Null), &read) {
            let detail = "this has to be an object: `{ ... }`, not a list";
            return Err(match path.as_str() {
                "" => Problem::new(Code::Invalid, "the body has to be an object: `{ ... }`"),
                _ => Problem::field(path.trim_start_matches('.'), detail),
            });
        }
    }
    Ok(value)
}

/// The schemas of all types by name.
static SCHEMAS: LazyLock<Map<String, Value>> = LazyLock::new(refit_api::schemas);

/// Where a value that could be read has a list in place of an object: `.installs.changes`.
fn list_for_object(schema: &Value, value: &Value) -> Option<String> {
    let schema = resolved(schema);
    if value.is_array() && !permits(schema, "array") {
        return Some(String::new());
    }
    for alternatives in ["oneOf", "anyOf"] {
        let Some(alternatives) = schema[alternatives].as_array() else { continue };
        let found: Vec<_> = alternatives
            .iter()
            .filter(|alternative| may_be(alternative, value))
            .map(|alternative| list_for_object(alternative, value))
            .collect();
        if let Some(Some(path)) = found.iter().find(|found| found.is_some())
            && found.iter().all(Option::is_some)
        {
            return Some(path.clone());
        }
    }
    match value {
        Value::Object(fields) => fields.iter().find_map(|(name, value)| {
            let field = match &schema["properties"][name.as_str()] {
                Value::Null => &schema["additionalProperties"],
                field => field,
            };
            list_for_object(field, value).map(|path| format!(".{name}{path}"))
        }),
        Value::Array(items) => {
            let mut items = items.iter().enumerate();
            items.find_map(|(n, item)| list_for_object(&schema["items"], item).map(|path| format!("[{n}]{path}")))
        }
        _ => None,
    }
}

fn resolved(schema: &Value) -> &Value {
    let name = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next());
    name.and_then(|name| SCHEMAS.get(name)).unwrap_or(schema)
}

/// Whether a schema says nothing against a type.
fn permits(schema: &Value, kind: &str) -> bool {
    match &schema["type"] {
        Value::String(one) => one == kind,
        Value::Array(several) => several.iter().any(|one| one == kind),
        _ => true,
    }
}

/// Whether a value may have been read as this alternative.
fn may_be(alternative: &Value, value: &Value) -> bool {
    let alternative = resolved(alternative);
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => return permits(alternative, "number") || permits(alternative, "integer"),
        Value::String(_) => "string",
        // A list may have been read as an object: that is what is looked for.
        Value::Array(_) => return permits(alternative, "array") || permits(alternative, "object"),
        Value::Object(fields) => {
            let required = alternative["required"].as_array();
            if required.into_iter().flatten().any(|name| name.as_str().is_none_or(|name| !fields.contains_key(name))) {
                return false;
            }
            "object"
        }
    };
    permits(alternative, kind)
}
