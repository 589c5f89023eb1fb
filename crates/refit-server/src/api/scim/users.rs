//! `/Users`: the people of whom an identity provider speaks.

use super::{
    super::{Api, body},
    Asking, answer,
    directory::{Resource, resource},
    error::Refused,
    filter,
    patch::Change,
    person,
    schema::{self, ENTERPRISE, USER},
};
use crate::shell::View;
use axum::{
    body::Bytes,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use refit_core::control::{Input, Plain};
use refit_model::PersonId;
use scim_v2::filter::Filter;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use smol_str::{SmolStr, format_smolstr};
use std::collections::{BTreeMap, BTreeSet};

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

/// Lists those that a filter means.
pub(super) async fn list(State(api): State<Api>, asking: Asking, request: Request) -> Result<Response, Refused> {
    let wanted = axum::extract::Query::<Wanted>::try_from_uri(request.uri());
    let axum::extract::Query(wanted) =
        wanted.map_err(|error| Refused::invalid("invalidValue", format!("the query can't be read: {error}")))?;
    listed(&api, asking, wanted).await
}

/// As [`list`], asked by a body.
pub(super) async fn search(State(api): State<Api>, asking: Asking, request: Request) -> Result<Response, Refused> {
    let (_, wanted) = read(request).await?;
    listed(&api, asking, wanted).await
}

async fn listed(api: &Api, asking: Asking, wanted: Wanted) -> Result<Response, Refused> {
    let filter: Option<Filter> = match wanted.filter.as_deref().filter(|text| !text.trim().is_empty()) {
        None => None,
        Some(text) => Some(text.parse().map_err(|error| {
            let shown: String = text.chars().take(200).flat_map(char::escape_debug).collect();
            Refused::invalid("invalidFilter", format!("the filter `{shown}` can't be read: {error}"))
        })?),
    };
    let within = api.clone();
    let body = api.reading(move |view| page(&within, view, &asking, filter.as_ref(), &wanted)).await?;
    Ok(answer(StatusCode::OK, &body))
}

fn page(api: &Api, view: &View, asking: &Asking, filter: Option<&Filter>, wanted: &Wanted) -> Value {
    let directory = &api.inner.directory;
    // What providers ask before they make anything needs no look at everybody.
    let among = match filter.and_then(|filter| filter::equals(filter, "userName")) {
        Some(name) => directory.named(&view.state, &asking.source, name).into_iter().collect(),
        None => directory.of_source(&view.state, &asking.source),
    };
    let first = usize::try_from(wanted.start_index.unwrap_or(1).max(1)).unwrap_or(1);
    let count = wanted.count.map_or(PAGE.0, |count| usize::try_from(count.max(0)).unwrap_or(0).min(PAGE.1));
    let mut total = 0;
    let mut resources = Vec::new();
    for person in among {
        // Where all are meant, those of other pages need not be read.
        let here = total + 1 >= first && resources.len() < count;
        if filter.is_none() && !here {
            total += 1;
            continue;
        }
        let Some(found) = resource(&view.state, &asking.source, &person) else { continue };
        let whole = whole(asking, &found);
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

/// One of them.
pub(super) async fn get(State(api): State<Api>, asking: Asking, request: Request) -> Result<Response, Refused> {
    let wanted = axum::extract::Query::<Wanted>::try_from_uri(request.uri()).map(|query| query.0).unwrap_or_default();
    let view = api.shell().view();
    let found = found(&view, &asking)?;
    if names(request.headers(), header::IF_NONE_MATCH, &found) {
        let mut response = StatusCode::NOT_MODIFIED.into_response();
        tag(&mut response, &found);
        return Ok(response);
    }
    Ok(said(StatusCode::OK, &asking, &found, &wanted))
}

/// A person of whom the provider has not spoken before.
pub(super) async fn create(State(api): State<Api>, asking: Asking, request: Request) -> Result<Response, Refused> {
    let (_, sent) = read(request).await?;
    let sent = schema::canonical(&sent)?;
    let _alone = api.inner.compared.lock().await;
    let view = api.shell().view();
    not_taken(&api, &view, &asking, &sent, None)?;
    // Whom another system knows by the same address is the same person.
    let known = person::email(&sent).and_then(|address| api.inner.directory.with_address(&view.state, &address));
    let person = known.unwrap_or_else(|| PersonId::new(uuid::Uuid::now_v7().simple().to_string()));
    if resource(&view.state, &asking.source, &person).is_some() {
        return Err(Refused::taken(format!("there is a user with that address already: its id is `{person}`")));
    }
    let mut response = put(&api, &asking, person.clone(), sent, StatusCode::CREATED).await?;
    if let Ok(location) = HeaderValue::from_str(&asking.location("Users", person.as_str())) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// All that is said of a person anew: what is left out is no longer said.
pub(super) async fn replace(State(api): State<Api>, asking: Asking, request: Request) -> Result<Response, Refused> {
    let (headers, sent) = read(request).await?;
    let sent: Map<String, Value> = sent;
    change_to(&api, &asking, &headers, |_| schema::canonical(&sent)).await
}

/// Some of what is said of a person.
pub(super) async fn change(State(api): State<Api>, asking: Asking, request: Request) -> Result<Response, Refused> {
    let (headers, change): (_, Change) = read(request).await?;
    change_to(&api, &asking, &headers, |said| change.apply(said)).await
}

async fn change_to(
    api: &Api,
    asking: &Asking,
    headers: &HeaderMap,
    change: impl FnOnce(&Map<String, Value>) -> Result<Map<String, Value>, Refused>,
) -> Result<Response, Refused> {
    let _alone = api.inner.compared.lock().await;
    let view = api.shell().view();
    let before = found(&view, asking)?;
    unchanged(headers, &before)?;
    let sent = change(&before.said)?;
    not_taken(api, &view, asking, &sent, Some(&before.person))?;
    put(api, asking, before.person, sent, StatusCode::OK).await
}

/// The provider speaks of a person no longer: what it said is no longer said. The person stays, with what others say.
pub(super) async fn delete(State(api): State<Api>, asking: Asking, request: Request) -> Result<Response, Refused> {
    let _alone = api.inner.compared.lock().await;
    let view = api.shell().view();
    let before = found(&view, &asking)?;
    unchanged(request.headers(), &before)?;
    let nothing = person::facts(&Map::new(), |_| None).map(|(name, _)| (SmolStr::new_static(name), None));
    tell(&api, &asking, before.person, nothing.into()).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Writes what is said of a person down, and answers with it.
async fn put(
    api: &Api,
    asking: &Asking,
    person: PersonId,
    said: Map<String, Value>,
    status: StatusCode,
) -> Result<Response, Refused> {
    let view = api.shell().view();
    let address_of = |id: &str| {
        let resource = resource(&view.state, &asking.source, &PersonId::new(id))?;
        person::email(&resource.said)
    };
    let facts = person::facts(&said, address_of);
    // A reference is used once, and says nothing of the value.
    let referred = facts.map(|(name, value)| {
        let value: Option<Plain> = value;
        let reference = SmolStr::from(uuid::Uuid::now_v7().simple().to_string());
        (SmolStr::new_static(name), value.map(|value| (reference, value)))
    });
    tell(api, asking, person.clone(), referred.into()).await?;
    let view = api.shell().view();
    let now = resource(&view.state, &asking.source, &person)
        .ok_or_else(|| Refused::not_found(format!("user `{person}` was erased a moment ago")))?;
    Ok(self::said(status, asking, &now, &Wanted::default()))
}

async fn tell(
    api: &Api,
    asking: &Asking,
    person: PersonId,
    values: BTreeMap<SmolStr, Option<(SmolStr, Plain)>>,
) -> Result<(), Refused> {
    let (source, observed) = (asking.source.clone(), api.shell().now());
    api.shell().tell(&asking.caller.actor, Input::ObservePerson { person, source, observed, values }, None).await?;
    Ok(())
}

/// The resource that the path names.
fn found(view: &View, asking: &Asking) -> Result<Resource, Refused> {
    let id = asking.id.clone().unwrap_or_default();
    let shown: String = id.chars().take(130).flat_map(char::escape_debug).collect();
    resource(&view.state, &asking.source, &PersonId::new(id))
        .ok_or_else(|| Refused::not_found(format!("`{}` knows no user `{shown}`", asking.source)))
}

/// Refuses a name that another one has.
fn not_taken(
    api: &Api,
    view: &View,
    asking: &Asking,
    sent: &Map<String, Value>,
    own: Option<&PersonId>,
) -> Result<(), Refused> {
    let name = sent.get("userName").and_then(Value::as_str).unwrap_or_default();
    match api.inner.directory.named(&view.state, &asking.source, name).filter(|known| Some(known) != own) {
        Some(other) => {
            Err(Refused::taken(format!("userName: there is a user of that name already: its id is `{other}`")))
        }
        None => Ok(()),
    }
}

/// Refuses where the client has read something else than what is so.
fn unchanged(headers: &HeaderMap, before: &Resource) -> Result<(), Refused> {
    if !headers.contains_key(header::IF_MATCH) || names(headers, header::IF_MATCH, before) {
        return Ok(());
    }
    let detail = "it has changed since it was read: read it again, and decide again";
    Err(Refused::new(StatusCode::PRECONDITION_FAILED, None, detail))
}

/// Whether a header names the version of a resource.
fn names(headers: &HeaderMap, header: header::HeaderName, resource: &Resource) -> bool {
    let given = headers.get(header).and_then(|value| value.to_str().ok());
    let version = version(resource);
    let strong = version.trim_start_matches("W/");
    given.is_some_and(|given| {
        given.split(',').map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/") == strong)
    })
}

/// The version of a resource: what is said again is the same.
fn version(resource: &Resource) -> SmolStr {
    let hash = Sha256::digest(Value::Object(resource.said.clone()).to_string());
    format_smolstr!("W/\"{}\"", &super::super::hex(&hash)[..16])
}

/// A resource as answers have it.
fn whole(asking: &Asking, resource: &Resource) -> Map<String, Value> {
    let mut whole = resource.said.clone();
    let mut schemas = vec![USER];
    if whole.contains_key(ENTERPRISE) {
        schemas.push(ENTERPRISE);
    }
    whole.insert("schemas".into(), schemas.into());
    whole.insert("id".into(), resource.person.as_str().into());
    let mut meta = json!({
        "resourceType": "User", "location": asking.location("Users", resource.person.as_str()),
        "version": version(resource),
    });
    if let Some(modified) = resource.modified {
        meta["lastModified"] = modified.to_string().into();
    }
    whole.insert("meta".into(), meta);
    whole
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
        let wanted = wanted.strip_prefix(USER).and_then(|rest| rest.strip_prefix(':')).unwrap_or(wanted);
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

fn said(status: StatusCode, asking: &Asking, resource: &Resource, wanted: &Wanted) -> Response {
    let mut response = answer(status, &chosen(whole(asking, resource), wanted));
    tag(&mut response, resource);
    response
}

fn tag(response: &mut Response, resource: &Resource) {
    if let Ok(tag) = HeaderValue::from_str(&version(resource)) {
        response.headers_mut().insert(header::ETAG, tag);
    }
}

/// What a client sent.
async fn read<T: DeserializeOwned>(request: Request) -> Result<(HeaderMap, T), Refused> {
    let (parts, bytes): (_, Bytes) = body::read(request).await?;
    body::json(&parts)?;
    let sent = serde_json::from_slice(&bytes)
        .map_err(|error| Refused::invalid("invalidSyntax", format!("the body can't be read: {error}")))?;
    Ok((parts.headers, sent))
}
