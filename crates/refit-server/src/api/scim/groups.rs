//! `/Groups`: groups of people, as an identity provider has them (RFC 7643, section 4.2).

use super::{
    super::Api,
    Asking,
    asked::{self, Wanted, unchanged, version},
    directory,
    error::Refused,
    filter,
    group_change::{GroupChange, Sent},
    patch::Change,
    schema::GROUP,
};
use crate::shell::View;
use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use refit_core::control::{
    Input,
    groups::{GroupInput, GroupRecord},
};
use refit_model::PersonId;
use scim_v2::filter::Filter;
use serde_json::{Map, Value, json};
use smol_str::SmolStr;
use std::{collections::BTreeMap, sync::Arc};

/// The ids of the groups of a source that a filter may mean.
pub(super) fn among(view: &View, asking: &Asking, filter: Option<&Filter>) -> Vec<SmolStr> {
    let groups = view.state.groups.get(&asking.source).into_iter().flatten();
    // Providers look for one group by its name before they make it, and among many: what comes of it is filtered as always.
    let named = filter.and_then(|filter| filter::equals(filter, "displayName")).map(str::to_lowercase);
    let may_be = |record: &GroupRecord| named.as_ref().is_none_or(|named| record.name.to_lowercase() == *named);
    groups.filter(|(_, record)| may_be(record)).map(|(id, _)| id.clone()).collect()
}

/// One of them.
pub(super) async fn get(State(api): State<Api>, asking: Asking, request: Request) -> Result<Response, Refused> {
    let wanted = Wanted::of(&request).unwrap_or_default();
    let view = api.shell().view();
    let (id, _) = found(&view, &asking)?;
    let whole = whole(&api, &view, &asking, &id, wanted.members()).ok_or_else(|| unknown(&asking))?;
    Ok(asked::got(request.headers(), whole, &wanted))
}

/// A group of which the provider has not spoken before.
pub(super) async fn create(State(api): State<Api>, asking: Asking, request: Request) -> Result<Response, Refused> {
    let (_, sent) = asked::read::<Map<String, Value>>(request).await?;
    let sent = Sent::read(&sent)?;
    let _alone = api.inner.compared.lock().await;
    let view = api.shell().view();
    not_taken(&view, &asking, &sent.name, None)?;
    let members: BTreeMap<PersonId, bool> = sent.members.into_iter().map(|person| (person, true)).collect();
    are_users(&view, &asking, &members)?;
    let id = SmolStr::from(uuid::Uuid::now_v7().simple().to_string());
    tell(&api, &asking, &id, Some(sent.name), sent.external, members).await?;
    let view = api.shell().view();
    let whole = whole(&api, &view, &asking, &id, true).ok_or_else(|| unknown(&asking))?;
    let mut response = asked::said(StatusCode::CREATED, whole, &Wanted::default());
    if let Ok(location) = HeaderValue::from_str(&asking.location("Groups", &id)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// All that is said of a group anew: who is left out is in it no longer.
pub(super) async fn replace(State(api): State<Api>, asking: Asking, request: Request) -> Result<Response, Refused> {
    let (headers, sent) = asked::read::<Map<String, Value>>(request).await?;
    let sent = Sent::read(&sent)?;
    let change =
        |_: &GroupRecord| Ok(GroupChange::to(sent.name.clone(), sent.external.clone(), sent.members.iter().cloned()));
    let id = change_to(&api, &asking, &headers, change).await?;
    let view = api.shell().view();
    let whole = whole(&api, &view, &asking, &id, true).ok_or_else(|| unknown(&asking))?;
    Ok(asked::said(StatusCode::OK, whole, &Wanted::default()))
}

/// Some of what is said of a group. Who is in a large one is not told again with each change: the answer has its version, and nothing else where
/// nothing is asked for (RFC 7644, section 3.5.2).
pub(super) async fn change(State(api): State<Api>, asking: Asking, request: Request) -> Result<Response, Refused> {
    let wanted = Wanted::of(&request)?;
    let (headers, change) = asked::read::<Change>(request).await?;
    let of = api.clone();
    let (source, named) = (asking.source.clone(), asking.id.clone().unwrap_or_default());
    let members = move || member_ids(&of, &of.shell().view(), &source, &named);
    let id =
        change_to(&api, &asking, &headers, |record| GroupChange::read(&change, asking.id.as_deref(), record, &members))
            .await?;
    let view = api.shell().view();
    let whole = whole(&api, &view, &asking, &id, wanted.members()).ok_or_else(|| unknown(&asking))?;
    if wanted.says_which() {
        return Ok(asked::said(StatusCode::OK, whole, &wanted));
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    asked::tag(&mut response, &asked::version_of(&whole));
    Ok(response)
}

async fn change_to(
    api: &Api,
    asking: &Asking,
    headers: &HeaderMap,
    change: impl FnOnce(&GroupRecord) -> Result<GroupChange, Refused>,
) -> Result<SmolStr, Refused> {
    let _alone = api.inner.compared.lock().await;
    let view = api.shell().view();
    let (id, record) = found(&view, asking)?;
    unread(api, &view, asking, headers, &id)?;
    let change = change(&record)?;
    not_taken(&view, asking, &change.name, Some(&id))?;
    let mut members = BTreeMap::new();
    if change.anew {
        members.extend(api.inner.directory.members(&view.state, &asking.source, &id).into_iter().map(|it| (it, false)));
    }
    are_users(&view, asking, &change.members)?;
    let person = |id: &PersonId| view.state.identity.person(id).clone();
    members.extend(change.members.iter().map(|(id, is_member)| (person(id), *is_member)));
    tell(api, asking, &id, Some(change.name), change.external, members).await?;
    Ok(id)
}

/// The provider speaks of a group no longer: nobody is in it.
pub(super) async fn delete(State(api): State<Api>, asking: Asking, request: Request) -> Result<Response, Refused> {
    let _alone = api.inner.compared.lock().await;
    let view = api.shell().view();
    let (id, _) = found(&view, &asking)?;
    unread(&api, &view, &asking, request.headers(), &id)?;
    let members = api.inner.directory.members(&view.state, &asking.source, &id);
    tell(&api, &asking, &id, None, None, members.into_iter().map(|person| (person, false)).collect()).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn tell(
    api: &Api,
    asking: &Asking,
    id: &SmolStr,
    name: Option<SmolStr>,
    external: Option<SmolStr>,
    members: BTreeMap<PersonId, bool>,
) -> Result<(), Refused> {
    let input = Input::Group(GroupInput {
        source: asking.source.clone(),
        group: id.clone(),
        observed: api.shell().now(),
        name,
        external,
        members,
        reference: uuid::Uuid::now_v7().simple().to_string().into(),
    });
    api.shell().tell(&asking.caller.actor, input, None).await?;
    Ok(())
}

/// The group that the path names.
fn found(view: &View, asking: &Asking) -> Result<(SmolStr, Arc<GroupRecord>), Refused> {
    let groups = view.state.groups.get(&asking.source);
    let id = SmolStr::from(asking.id.as_deref().unwrap_or_default());
    match groups.and_then(|groups| groups.get(&id)) {
        Some(record) => Ok((id, record.clone())),
        None => Err(unknown(asking)),
    }
}

fn unknown(asking: &Asking) -> Refused {
    let id = asking.id.as_deref().unwrap_or_default();
    let shown: String = id.chars().take(130).flat_map(char::escape_debug).collect();
    Refused::not_found(format!("`{}` knows no group `{shown}`", asking.source))
}

/// Refuses where the client has read something else than what is so.
fn unread(api: &Api, view: &View, asking: &Asking, headers: &HeaderMap, id: &SmolStr) -> Result<(), Refused> {
    if !headers.contains_key(header::IF_MATCH) {
        return Ok(());
    }
    let whole = whole(api, view, asking, id, false).ok_or_else(|| unknown(asking))?;
    unchanged(headers, &asked::version_of(&whole))
}

/// Refuses a name that another one has.
fn not_taken(view: &View, asking: &Asking, name: &str, own: Option<&SmolStr>) -> Result<(), Refused> {
    let name = name.to_lowercase();
    let mut others = view.state.groups.get(&asking.source).into_iter().flatten().filter(|(id, _)| Some(*id) != own);
    match others.find(|(_, record)| record.name.to_lowercase() == name) {
        Some((other, _)) => {
            Err(Refused::taken(format!("displayName: there is a group of that name already: its id is `{other}`")))
        }
        None => Ok(()),
    }
}

/// Refuses members whom this source does not know as users: nobody is silently left out of a group.
fn are_users(view: &View, asking: &Asking, members: &BTreeMap<PersonId, bool>) -> Result<(), Refused> {
    let unknown = members.iter().filter(|(person, is_member)| {
        let person = view.state.people.get(view.state.identity.person(person));
        **is_member && !person.is_some_and(|record| directory::speaks_of(record, &asking.source))
    });
    let unknown: Vec<&PersonId> = unknown.map(|(person, _)| person).collect();
    let Some(first) = unknown.first() else { return Ok(()) };
    let shown: String = first.as_str().chars().take(130).flat_map(char::escape_debug).collect();
    let more = if unknown.len() > 1 { format!(", nor {} others", unknown.len() - 1) } else { String::new() };
    Err(Refused::invalid(
        "invalidValue",
        format!(
            "members: `{}` knows no user `{shown}`{more}: users are made before they are in a group",
            asking.source
        ),
    ))
}

/// Who is in a group, by the ids under which its source knows them.
fn member_ids(api: &Api, view: &View, source: &str, group: &str) -> Vec<PersonId> {
    let members = api.inner.directory.members(&view.state, source, group);
    let otherwise = view.state.identity.told_otherwise(source);
    if otherwise.is_empty() {
        return members;
    }
    let own = |person: PersonId| match otherwise.get(&person) {
        Some(id) => (*id).clone(),
        None => person,
    };
    let mut ids: Vec<PersonId> = members.into_iter().map(own).collect();
    ids.sort();
    ids
}

/// A group as answers have it, with who is in it or without.
pub(super) fn whole(
    api: &Api,
    view: &View,
    asking: &Asking,
    id: &SmolStr,
    with_members: bool,
) -> Option<Map<String, Value>> {
    let record = view.state.groups.get(&asking.source)?.get(id)?;
    let members = member_ids(api, view, &asking.source, id);
    let ids: Vec<&str> = members.iter().map(PersonId::as_str).collect();
    // The same whether or not members are asked for.
    let version = version(&json!([record.name, record.external, ids]));
    let mut whole = Map::from_iter([
        ("schemas".to_owned(), json!([GROUP])),
        ("id".to_owned(), id.as_str().into()),
        ("displayName".to_owned(), record.name.as_str().into()),
    ]);
    if let Some(external) = &record.external {
        whole.insert("externalId".into(), external.as_str().into());
    }
    if with_members && !ids.is_empty() {
        let member = |id: &str| json!({ "value": id, "$ref": asking.location("Users", id), "type": "User" });
        whole.insert("members".into(), ids.into_iter().map(member).collect());
    }
    let meta = json!({
        "resourceType": "Group", "location": asking.location("Groups", id), "version": version,
        "lastModified": record.told.to_string(),
    });
    whole.insert("meta".into(), meta);
    Some(whole)
}
