//! What clients want to read, and what they have read already: the same for all kinds of resources.

use super::{
    super::{audit::Shown, body},
    answer,
    error::Refused,
    filter,
    schema::{GROUP, USER},
};
use axum::{
    body::Bytes,
    extract::Request,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use scim_v2::filter::Filter;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use smol_str::{SmolStr, format_smolstr};
use std::collections::BTreeSet;

const LIST: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
/// How many resources an answer has where nothing is said, and at the most.
pub(super) const PAGE: (usize, usize) = (100, 200);

/// What a client wants to read.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Wanted {
    filter: Option<String>,
    start_index: Option<i64>,
    count: Option<i64>,
    /// Only these attributes: a list with commas, or in a body a list.
    attributes: Option<Names>,
    /// All but these.
    excluded_attributes: Option<Names>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Names {
    Text(String),
    List(Vec<String>),
}

impl Names {
    fn all(&self) -> impl Iterator<Item = &str> {
        let (text, list) = match self {
            Names::Text(text) => (Some(text), None),
            Names::List(list) => (None, Some(list)),
        };
        let in_text = text.into_iter().flat_map(|text| text.split(','));
        let names = in_text.chain(list.into_iter().flatten().map(String::as_str));
        names.map(str::trim).filter(|name| !name.is_empty())
    }
}

impl Wanted {
    /// What the query of a request says.
    pub(super) fn of(request: &Request) -> Result<Wanted, Refused> {
        let wanted = axum::extract::Query::<Wanted>::try_from_uri(request.uri());
        let wrong = |error| Refused::invalid("invalidValue", format!("the query can't be read: {error}"));
        wanted.map(|query| query.0).map_err(wrong)
    }

    /// The filter; `None` where all are meant.
    pub(super) fn filter(&self) -> Result<Option<Filter>, Refused> {
        let Some(text) = self.filter.as_deref().filter(|text| !text.trim().is_empty()) else { return Ok(None) };
        text.parse().map(Some).map_err(|error| {
            let shown: String = text.chars().take(200).flat_map(char::escape_debug).collect();
            Refused::invalid("invalidFilter", format!("the filter `{shown}` can't be read: {error}"))
        })
    }

    /// Whether anything is said of which attributes are wanted.
    pub(super) fn says_which(&self) -> bool {
        self.attributes.is_some() || self.excluded_attributes.is_some()
    }

    /// Whether members of groups are wanted, or asked about: there may be very many.
    pub(super) fn members(&self) -> bool {
        let speaks = |text: &str| text.to_ascii_lowercase().contains("members");
        let asked = self.filter.as_deref().is_some_and(speaks);
        let among = |names: &Option<Names>| names.as_ref().map(|names| names.all().any(speaks));
        let without = |names: &Names| names.all().any(|name| plain(name).eq_ignore_ascii_case("members"));
        asked
            || match among(&self.attributes) {
                Some(wanted) => wanted,
                None => !self.excluded_attributes.as_ref().is_some_and(without),
            }
    }
}

/// The page that is wanted of those that a filter means; `whole` makes each as answers have it, where it is still there.
pub(super) fn page<T>(
    wanted: &Wanted,
    filter: Option<&Filter>,
    among: Vec<T>,
    whole: impl Fn(T) -> Option<Map<String, Value>>,
) -> Value {
    let first = usize::try_from(wanted.start_index.unwrap_or(1).max(1)).unwrap_or(1);
    let count = wanted.count.map_or(PAGE.0, |count| usize::try_from(count.max(0)).unwrap_or(0).min(PAGE.1));
    let mut total = 0;
    let mut resources = Vec::new();
    for one in among {
        // Where all are meant, those of other pages need not be read.
        let here = total + 1 >= first && resources.len() < count;
        if filter.is_none() && !here {
            total += 1;
            continue;
        }
        let Some(whole) = whole(one) else { continue };
        if filter.is_none_or(|filter| filter::means(filter, &whole)) {
            total += 1;
            if here {
                resources.push(chosen(whole, wanted));
            }
        }
    }
    json!({
        "schemas": [LIST], "totalResults": total, "startIndex": first, "itemsPerPage": resources.len(),
        "Resources": resources,
    })
}

/// What a client wants of a resource (RFC 7644, section 3.9): the id and the schemas always.
fn chosen(whole: Map<String, Value>, wanted: &Wanted) -> Value {
    let only: Option<Vec<&str>> = wanted.attributes.as_ref().map(|names| names.all().collect());
    let without: BTreeSet<String> =
        wanted.excluded_attributes.iter().flat_map(Names::all).map(str::to_lowercase).collect();
    let whole = match only.filter(|only| !only.is_empty()) {
        None => whole,
        Some(only) => {
            let mut kept = Map::new();
            for (name, value) in whole {
                let always = name == "id" || name == "schemas";
                if let Some(value) = if always { Some(value) } else { picked(&name, value, &only) } {
                    kept.insert(name, value);
                }
            }
            kept
        }
    };
    let stays = |name: &str| name == "id" || name == "schemas" || !without.contains(&name.to_lowercase());
    Value::Object(whole.into_iter().filter(|(name, _)| stays(name)).collect())
}

/// What a list of names wants of an attribute.
fn picked(name: &str, value: Value, only: &[&str]) -> Option<Value> {
    let mut parts = BTreeSet::new();
    for wanted in only {
        let wanted = plain(wanted);
        if wanted.eq_ignore_ascii_case(name) {
            return Some(value);
        }
        // `name.familyName`, `urn:…:User:department`
        let rest = wanted.get(name.len()..).filter(|_| wanted[..name.len()].eq_ignore_ascii_case(name));
        parts.extend(rest.and_then(|rest| rest.strip_prefix(['.', ':'])).map(str::to_lowercase));
    }
    let of_parts = |value: Value| match value {
        Value::Object(all) => {
            let is_wanted = |name: &str| {
                parts.iter().any(|part| part.split('.').next().is_some_and(|first| first.eq_ignore_ascii_case(name)))
            };
            Value::Object(all.into_iter().filter(|(name, _)| is_wanted(name)).collect())
        }
        other => other,
    };
    match value {
        _ if parts.is_empty() => None,
        Value::Array(list) => Some(list.into_iter().map(of_parts).collect()),
        value => Some(of_parts(value)),
    }
}

/// The name of an attribute without its schema, where that is the one of users or of groups.
fn plain(name: &str) -> &str {
    let within = |schema: &str| {
        let (before, rest) = name.split_at_checked(schema.len())?;
        if before.eq_ignore_ascii_case(schema) { rest.strip_prefix(':') } else { None }
    };
    within(USER).or_else(|| within(GROUP)).unwrap_or(name)
}

/// The people among resources, with the attributes that are shown of them. Groups are called by their ids, and have their members.
pub(super) fn shown<'r>(resources: impl IntoIterator<Item = &'r Map<String, Value>>) -> Shown {
    let mut shown = Shown::default();
    for resource in resources {
        let ids = resource.get("id").and_then(Value::as_str).into_iter();
        let is_user = resource
            .get("schemas")
            .and_then(Value::as_array)
            .is_some_and(|schemas| schemas.iter().any(|one| one == USER));
        let members = resource.get("members").and_then(Value::as_array).into_iter().flatten();
        let members = members.filter_map(|member| member.get("value").and_then(Value::as_str));
        let people: Vec<&str> = if is_user { ids.collect() } else { members.collect() };
        let fields = resource.keys().filter(|name| !["id", "schemas", "meta"].contains(&name.as_str()));
        let fields: Vec<&String> = fields.filter(|name| is_user || *name == "members").collect();
        for person in people {
            fields.iter().for_each(|field| shown.add(person, field, false));
        }
    }
    shown
}

/// One resource, or that the client has it.
pub(super) fn got(headers: &HeaderMap, whole: Map<String, Value>, wanted: &Wanted) -> Response {
    let version = version_of(&whole);
    if names(headers, header::IF_NONE_MATCH, &version) {
        let mut response = StatusCode::NOT_MODIFIED.into_response();
        tag(&mut response, &version);
        return response;
    }
    said(StatusCode::OK, whole, wanted)
}

/// One resource.
pub(super) fn said(status: StatusCode, whole: Map<String, Value>, wanted: &Wanted) -> Response {
    let version = version_of(&whole);
    let mut response = answer(status, &chosen(whole, wanted));
    tag(&mut response, &version);
    response
}

/// Says which version a resource has.
pub(super) fn tag(response: &mut Response, version: &str) {
    if let Ok(tag) = HeaderValue::from_str(version) {
        response.headers_mut().insert(header::ETAG, tag);
    }
}

/// The version of what is said: what is said again is the same.
pub(super) fn version(said: &Value) -> SmolStr {
    let hash = Sha256::digest(said.to_string());
    format_smolstr!("W/\"{}\"", &super::super::hex(&hash)[..16])
}

/// The version that a resource as answers have it says of itself.
pub(super) fn version_of(whole: &Map<String, Value>) -> SmolStr {
    whole.get("meta").and_then(|meta| meta.get("version")?.as_str()).unwrap_or_default().into()
}

/// Whether a header names a version.
fn names(headers: &HeaderMap, header: header::HeaderName, version: &str) -> bool {
    let given = headers.get(header).and_then(|value| value.to_str().ok());
    let strong = version.trim_start_matches("W/");
    given.is_some_and(|given| {
        given.split(',').map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/") == strong)
    })
}

/// Refuses where the client has read something else than what is so.
pub(super) fn unchanged(headers: &HeaderMap, version: &str) -> Result<(), Refused> {
    if !headers.contains_key(header::IF_MATCH) || names(headers, header::IF_MATCH, version) {
        return Ok(());
    }
    let detail = "it has changed since it was read: read it again, and decide again";
    Err(Refused::new(StatusCode::PRECONDITION_FAILED, None, detail))
}

/// What a client sent.
pub(super) async fn read<T: DeserializeOwned>(request: Request) -> Result<(HeaderMap, T), Refused> {
    let (parts, bytes): (_, Bytes) = body::read(request).await?;
    body::json(&parts)?;
    let sent = serde_json::from_slice(&bytes)
        .map_err(|error| Refused::invalid("invalidSyntax", format!("the body can't be read: {error}")))?;
    Ok((parts.headers, sent))
}
