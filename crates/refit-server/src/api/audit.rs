//! Who has read what is personal: `/api/v1/audit`.

use super::{
    Api, answer,
    extract::{Caller, Query, Time},
    layers, page,
    problem::{Code, Problem},
};
use crate::audit::Asked;
use axum::{extract::State, http::StatusCode, response::Response};
use refit_api::{AuditEntry, AuditPage};
use refit_core::control::Scope;
use serde::Deserialize;
use std::collections::BTreeSet;
use utoipa::IntoParams;

/// Which entries.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Entries {
    /// Those after this one, as `next` says it; 0 is from the beginning.
    #[param(default = 0)]
    after: Option<u64>,
    /// How many at most, 1 to 1000.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
    /// Only those about this person, by id.
    person: Option<String>,
    /// Only those by tokens of this owner.
    owner: Option<String>,
    /// Only those since then.
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Time>,
}

/// Lists who has read personal values of whom, the oldest first. The values are not in it. A page may be empty and the record go on after it: it has ended
/// where `next` is `head`.
#[utoipa::path(
    get, path = "/api/v1/audit", tag = "people", params(Entries),
    responses((status = 200, description = "A part of the record.", body = AuditPage)),
)]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Query(query): Query<Entries>,
) -> Result<Response, Problem> {
    caller.needs(Scope::Audit)?;
    let limit = page::place(None, query.limit)?.limit;
    let after = query.after.unwrap_or(0);
    let Some(audit) = api.options().audit.clone() else {
        return Ok(answer::json(StatusCode::OK, &AuditPage { items: Vec::new(), next: after, head: 0 }));
    };
    let since = query.since.map(|Time(since)| since);
    let asked = Asked { after, limit, person: query.person, owner: query.owner, since };
    let head = audit.last();
    let found = api.beside(move || audit.read(&asked)).await?;
    let found = found.map_err(|error| Problem::new(Code::Unavailable, format!("the record can't be read: {error}")))?;
    let page = AuditPage { items: found.entries, next: found.next, head: head.max(found.next) };
    Ok(answer::json(StatusCode::OK, &page))
}

/// What personal values an answer has.
#[derive(Debug, Default)]
pub(super) struct Shown {
    people: BTreeSet<String>,
    fields: BTreeSet<String>,
    sensitive: bool,
}

impl Shown {
    /// A value of a person is among them.
    pub(super) fn add(&mut self, person: &str, field: &str, is_sensitive: bool) {
        if !self.people.contains(person) {
            self.people.insert(person.to_owned());
        }
        if !self.fields.contains(field) {
            self.fields.insert(field.to_owned());
        }
        self.sensitive |= is_sensitive;
    }
}

impl Api {
    /// Writes down that a caller is about to be shown personal values; what can't be written down is not shown.
    pub(super) async fn note(&self, caller: &Caller, operation: &str, shown: Shown) -> Result<(), Problem> {
        let Some(audit) = self.options().audit.as_ref().filter(|_| !shown.people.is_empty()) else { return Ok(()) };
        let entry = AuditEntry {
            seq: 0,
            at: self.shell().now(),
            token: caller.token.to_string(),
            owner: caller.actor.owner.to_string(),
            origin: caller.actor.origin.to_string(),
            request: layers::current_request(),
            operation: operation.to_owned(),
            people: shown.people.into_iter().collect(),
            fields: shown.fields.into_iter().collect(),
            sensitive: shown.sensitive,
        };
        audit.note(entry).await.map_err(|why| {
            let detail = format!("nobody is shown what is personal while it can't be written down who reads it: {why}");
            Problem::new(Code::Unavailable, detail)
        })
    }
}
