//! `/Users`: the people of whom an identity provider speaks.

use super::{
    super::Api,
    Asking,
    asked::{self, Wanted, unchanged, version},
    directory::{Resource, resource},
    error::Refused,
    filter,
    patch::Change,
    person,
    schema::{self, ENTERPRISE, USER},
};
use crate::shell::View;
use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use refit_core::control::{Input, Plain, account::Account, groups::MEMBERSHIPS};
use refit_model::PersonId;
use scim_v2::filter::Filter;
use serde_json::{Map, Value, json};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// The people of whom a source has a resource that a filter may mean.
pub(super) fn among(api: &Api, view: &View, asking: &Asking, filter: Option<&Filter>) -> Vec<PersonId> {
    let directory = &api.inner.directory;
    // What providers ask before they make anything needs no look at everybody.
    match filter.and_then(|filter| filter::equals(filter, "userName")) {
        Some(name) => directory.named(&view.state, &asking.source, name).into_iter().collect(),
        None => directory.of_source(&view.state, &asking.source),
    }
}

/// The resource of a person as answers have it.
pub(super) fn whole_of(view: &View, asking: &Asking, person: &PersonId) -> Option<Map<String, Value>> {
    Some(whole(asking, &resource(&view.state, &asking.source, person)?))
}

/// One of them.
pub(super) async fn get(State(api): State<Api>, asking: Asking, request: Request) -> Result<Response, Refused> {
    let wanted = Wanted::of(&request).unwrap_or_default();
    let view = api.shell().view();
    let found = found(&view, &asking)?;
    let whole_one = whole(&asking, &found);
    api.note(&asking.caller, "GET /scim/{source}/v2/Users/{id}", asked::shown([&whole_one])).await?;
    Ok(asked::got(request.headers(), whole_one, &wanted))
}

/// A person of whom the provider has not spoken before.
pub(super) async fn create(State(api): State<Api>, asking: Asking, request: Request) -> Result<Response, Refused> {
    let (_, sent) = asked::read::<Map<String, Value>>(request).await?;
    let sent = schema::canonical(&sent)?;
    let _alone = api.inner.compared.lock().await;
    let view = api.shell().view();
    not_taken(&api, &view, &asking, &sent, None)?;
    let person = known(&api, &view, &sent);
    let person = person.unwrap_or_else(|| PersonId::new(uuid::Uuid::now_v7().simple().to_string()));
    if let Some(there) = resource(&view.state, &asking.source, &person) {
        return Err(Refused::taken(format!("there is a user with that address already: its id is `{}`", there.id)));
    }
    // Who was told of before, and taken back, has the same id again.
    let id = view.state.identity.told_as(&asking.source, &person).clone();
    let mut response = put(&api, &asking, person, sent, StatusCode::CREATED).await?;
    if let Ok(location) = HeaderValue::from_str(&asking.location("Users", id.as_str())) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Who has the address already: whom another system knows by it is the same person, and not whoever has given it up. `None` where that is
/// nobody, or several.
fn known(api: &Api, view: &View, sent: &Map<String, Value>) -> Option<PersonId> {
    let address = person::email(sent)?;
    let account = Account::of(&Value::Object(sent.clone()).to_string());
    let people = api.inner.directory.with_address(&view.state, &address);
    view.state.whose(people, &address, &account)
}

/// All that is said of a person anew: what is left out is no longer said.
pub(super) async fn replace(State(api): State<Api>, asking: Asking, request: Request) -> Result<Response, Refused> {
    let (headers, sent) = asked::read::<Map<String, Value>>(request).await?;
    change_to(&api, &asking, &headers, |_| schema::canonical(&sent)).await
}

/// Some of what is said of a person.
pub(super) async fn change(State(api): State<Api>, asking: Asking, request: Request) -> Result<Response, Refused> {
    let (headers, change) = asked::read::<Change>(request).await?;
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
    unchanged(headers, &version_of(&before))?;
    let sent = change(&before.said)?;
    not_taken(api, &view, asking, &sent, Some(&before.person))?;
    put(api, asking, before.person, sent, StatusCode::OK).await
}

/// The provider speaks of a person no longer: what it said is no longer said. The person stays, with what others say.
pub(super) async fn delete(State(api): State<Api>, asking: Asking, request: Request) -> Result<Response, Refused> {
    let _alone = api.inner.compared.lock().await;
    let view = api.shell().view();
    let before = found(&view, &asking)?;
    unchanged(request.headers(), &version_of(&before))?;
    let said = person::facts(&Map::new(), |_| None).map(|(name, _)| name);
    // Whom it speaks of no longer is in none of its groups.
    let nothing = said.into_iter().chain([MEMBERSHIPS]).map(|name| (SmolStr::new_static(name), None));
    tell(&api, &asking, before.person, nothing.collect()).await?;
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
        let id = PersonId::new(id);
        let resource = resource(&view.state, &asking.source, view.state.identity.person(&id))?;
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
    Ok(asked::said(status, whole(asking, &now), &Wanted::default()))
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
    let id = PersonId::new(id);
    // Whoever was merged into somebody is found under either id.
    resource(&view.state, &asking.source, view.state.identity.person(&id))
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
            let id = view.state.identity.told_as(&asking.source, &other);
            Err(Refused::taken(format!("userName: there is a user of that name already: its id is `{id}`")))
        }
        None => Ok(()),
    }
}

/// The version of a resource; the groups that a person is in are a part of it where there are any.
fn version_of(resource: &Resource) -> SmolStr {
    let said = Value::Object(resource.said.clone());
    if resource.groups.is_empty() { version(&said) } else { version(&json!([said, resource.groups])) }
}

/// A resource as answers have it.
fn whole(asking: &Asking, resource: &Resource) -> Map<String, Value> {
    let mut whole = resource.said.clone();
    let mut schemas = vec![USER];
    if whole.contains_key(ENTERPRISE) {
        schemas.push(ENTERPRISE);
    }
    whole.insert("schemas".into(), schemas.into());
    whole.insert("id".into(), resource.id.as_str().into());
    if !resource.groups.is_empty() {
        let group = |(id, name): &(SmolStr, SmolStr)| json!({ "value": id, "display": name, "type": "direct" });
        whole.insert("groups".into(), resource.groups.iter().map(group).collect());
    }
    let mut meta = json!({
        "resourceType": "User", "location": asking.location("Users", resource.id.as_str()),
        "version": version_of(resource),
    });
    if let Some(modified) = resource.modified {
        meta["lastModified"] = modified.to_string().into();
    }
    whole.insert("meta".into(), meta);
    whole
}
