//! Advisories: `/api/v1/advisories`.

use super::{
    Api,
    extract::{Caller, Posted, Query},
    problem::Problem,
};
use axum::{extract::State, http::StatusCode, response::Response};
use refit_api::{AdvisorySaid, NewAdvisories, Written};
use refit_core::control::{Input, Scope};
use serde::Deserialize;
use utoipa::IntoParams;

/// Which advisories.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Advisories {
    /// Only those of this title.
    title: Option<String>,
    /// Only this one.
    id: Option<String>,
    /// Only those that are known to be exploited, or that are not.
    kev: Option<bool>,
    /// Where the page begins: the `next` of the page before.
    cursor: Option<String>,
    /// How many at most, 1 to 1000.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
}

/// Lists the advisories that are known outside of distributions, by title and id.
#[utoipa::path(
    get, path = "/api/v1/advisories", tag = "catalogue", params(Advisories),
    responses((status = 200, description = "A page of advisories.", body = refit_api::AdvisoryPage)),
)]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Query(query): Query<Advisories>,
) -> Result<Response, Problem> {
    let cursor = query.cursor.clone();
    caller.needs(Scope::ReadExposures)?;
    api.listed(&caller, (cursor.as_deref(), query.limit), move |view, place| {
        let wanted = view.state.advisories.values().flat_map(|list| list.values()).filter(|entry| {
            query.title.as_ref().is_none_or(|title| entry.title.as_str() == title)
                && query.id.as_ref().is_none_or(|id| entry.id.as_str() == id)
                && query.kev.is_none_or(|kev| entry.kev.is_some() == kev)
        });
        let mut keyed: Vec<_> =
            wanted.map(|entry| (format!("{} {}", entry.title, entry.id), AdvisorySaid(entry.clone()))).collect();
        keyed.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(place.page(keyed.into_iter()))
    })
    .await
}

/// Says that advisories are known, up to 10,000 at once. Each replaces what was known of its id and title.
#[utoipa::path(
    post, path = "/api/v1/advisories", tag = "catalogue", request_body = NewAdvisories,
    responses((status = 200, description = "They are known. `changed` is false where all were before.", body = Written)),
)]
pub(super) async fn publish(
    State(api): State<Api>,
    caller: Caller,
    Posted { body, repeat }: Posted<NewAdvisories>,
) -> Result<Response, Problem> {
    super::named_source(&body.source)?;
    let input = Input::Advisories { source: body.source.into(), advisories: body.advisories };
    api.post(&caller, repeat, StatusCode::OK, input, super::written).await
}
