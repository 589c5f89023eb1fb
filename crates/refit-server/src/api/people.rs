//! People: `/api/v1/people`.

use super::{
    Api, answer,
    audit::Shown,
    devices::unread_facts,
    extract::{Caller, Path, Put, Query},
    page,
    problem::Problem,
    redact::Sight,
};
use crate::shell::View;
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use refit_api::{FactSaid, NewPersonObservation, Observed, Page, Person, Written};
use refit_core::{
    control::{Input, PersonId, Plain, Scope, groups, unread},
    facts::{FieldRef, Root},
};
use serde::Deserialize;
use std::collections::BTreeMap;
use utoipa::IntoParams;

/// Which people.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct People {
    /// Where the page begins: the `next` of the page before.
    cursor: Option<String>,
    /// How many at most, 1 to 1000.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
}

/// Lists people; by id. Values are shown to tokens that may read them.
#[utoipa::path(
    get, path = "/api/v1/people", tag = "people", params(People),
    responses((status = 200, description = "A page of people.", body = refit_api::PersonPage)),
)]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Query(query): Query<People>,
) -> Result<Response, Problem> {
    caller.needs(Scope::ReadFleet)?;
    let sight = Sight::of(&caller);
    let place = page::place(query.cursor.as_deref(), query.limit)?;
    let page = api.reading(move |view| {
        // Whoever was merged into somebody is listed with them.
        let themselves = |id: &&PersonId| view.state.identity.person_merged_into(id).is_none();
        let ids = view.state.people.keys().filter(themselves);
        let ids = place.page(ids.map(|id| (id.to_string(), id.to_string())));
        let mut former: BTreeMap<&PersonId, Vec<String>> = BTreeMap::new();
        for (id, now) in view.state.identity.merged_people() {
            former.entry(now).or_default().push(id.to_string());
        }
        let items = ids.items.iter().map(|id| {
            let former_ids = former.remove(&PersonId::new(id)).unwrap_or_default();
            Ok(Person { former_ids, ..person(view, id, sight)? })
        });
        let items: Result<Vec<Person>, Problem> = items.collect();
        Ok::<_, Problem>(Page { items: items?, next: ids.next })
    });
    let page = page.await??;
    api.note(&caller, "GET /api/v1/people", shown(&page.items)).await?;
    Ok(answer::json(StatusCode::OK, &page))
}

/// Whose values are shown, and which.
fn shown(people: &[Person]) -> Shown {
    let mut shown = Shown::default();
    for person in people {
        for fact in person.facts.iter().filter(|fact| fact.value.is_some()) {
            shown.add(&person.id, &fact.field, Sight::is_sensitive(&fact.field, fact.purpose.as_deref()));
        }
    }
    shown
}

/// A person. Values are shown to tokens that may read them.
#[utoipa::path(
    get, path = "/api/v1/people/{id}", tag = "people",
    params(("id" = String, Path, description = "The person's id.", example = "p1")),
    responses(
        (status = 200, description = "The person.", body = Person),
        (status = 304, description = "It is what the client has."),
    ),
)]
pub(super) async fn get(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.needs(Scope::ReadFleet)?;
    let view = api.shell().view();
    let former = view.state.identity.former_people(&PersonId::new(&id));
    let former_ids = former.iter().map(ToString::to_string).collect();
    let person = Person { former_ids, ..person(&view, &id, Sight::of(&caller))? };
    // Also where the client has it already: then it is looked at again.
    api.note(&caller, "GET /api/v1/people/{id}", shown(std::slice::from_ref(&person))).await?;
    Ok(answer::tagged(&headers, &person))
}

fn person(view: &View, id: &str, sight: Sight) -> Result<Person, Problem> {
    let person = PersonId::new(id);
    let record = view.state.people.get(&person).ok_or_else(|| Problem::missing("person", id))?;
    // What is kept of memberships are ids; what they are called is what policies read.
    let groups = view.state.groups.keys().filter_map(|source| {
        let names = view.state.groups_said(record, source)?;
        let fact = FactSaid {
            field: groups::FIELD.to_owned(),
            source: source.to_string(),
            value: None,
            observed: record.reported.get(source).copied(),
            problem: None,
            purpose: None,
            redacted: false,
        };
        Some(sight.of_person(fact, Some(Plain::List(names))))
    });
    let facts = record.facts.iter().filter(|(field, _)| *field != groups::MEMBERSHIPS).flat_map(|(field, said)| {
        said.iter().map(move |(source, reference)| {
            let value = view.state.personal.get(reference);
            let problem = value.and_then(|value| {
                unread(view.state.fields(), &FieldRef::new(Root::Person, field), value).map(|why| why.to_string())
            });
            let fact = FactSaid {
                field: field.to_string(),
                source: source.to_string(),
                value: None,
                observed: record.reported.get(source).copied(),
                problem,
                purpose: view.state.purpose(source, &format!("person.{field}")).map(ToString::to_string),
                redacted: false,
            };
            sight.of_person(fact, value.cloned())
        })
    });
    let identity = &view.state.identity;
    let now = identity.person_merged_into(&person).map(|_| identity.person(&person).to_string());
    let owned = view.state.found.of_person(&person);
    let devices = view.state.first_of(&owned, None, usize::MAX).into_iter().filter(|device| device.retired.is_none());
    Ok(Person {
        id: id.to_owned(),
        merged_into: now,
        former_ids: Vec::new(),
        facts: facts.chain(groups).collect(),
        devices: devices.map(|device| device.id.to_string()).collect(),
        erased: record.erased,
    })
}

/// Says what a source observes of a person. A person of this id is known from then on. Values that no policy reads are kept as
/// well; the answer names them under `unread`.
#[utoipa::path(
    put, path = "/api/v1/people/{id}", tag = "people", request_body = NewPersonObservation,
    params(("id" = String, Path, description = "The person's id, which says nothing of who it is.", example = "p1")),
    responses((status = 200, description = "It is known. `changed` is false where it was before.", body = Observed)),
)]
pub(super) async fn observe(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    Put(body): Put<NewPersonObservation>,
) -> Result<Response, Problem> {
    if body.source.is_empty() || body.source.len() > 1_024 {
        return Err(Problem::field("source", "the name of a source has 1 to 1024 bytes"));
    }
    let unread = unread_facts(
        api.shell().view().state.fields(),
        body.values.iter().map(|(name, value)| (Some(FieldRef::new(Root::Person, name)), name, value.as_ref())),
    );
    let reference = || uuid::Uuid::now_v7().simple().to_string();
    let values = body.values.into_iter().map(|(field, value)| {
        // A reference is used once, and says nothing of the value.
        (field.into(), value.map(|value| (reference().into(), value)))
    });
    let input = Input::ObservePerson {
        person: PersonId::new(id),
        source: body.source.into(),
        observed: body.observed.unwrap_or_else(|| api.shell().now()),
        values: values.collect(),
    };
    api.post(&caller, None, StatusCode::OK, input, move |told| Observed {
        seq: told.seq,
        changed: !told.events.is_empty(),
        unread,
        merged: super::merged(told),
    })
    .await
}

/// Erases all personal values of a person, for good. The log still reads: it never held them. Under an id that was merged into another it
/// is the other, with all that was said under either.
#[utoipa::path(
    delete, path = "/api/v1/people/{id}", tag = "people",
    params(("id" = String, Path, description = "The person's id.", example = "p1")),
    responses((status = 200, description = "They are gone.", body = Written)),
)]
pub(super) async fn erase(State(api): State<Api>, caller: Caller, Path(id): Path<String>) -> Result<Response, Problem> {
    let input = Input::ErasePerson { person: PersonId::new(id) };
    api.post(&caller, None, StatusCode::OK, input, super::written).await
}
