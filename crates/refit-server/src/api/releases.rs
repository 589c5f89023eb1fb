//! Releases: `/api/v1/releases`.

use super::{
    Api,
    extract::{Caller, Posted, Query},
    problem::Problem,
};
use axum::{extract::State, http::StatusCode, response::Response};
use refit_api::{NewReleases, ReleaseSaid, Written};
use refit_core::control::Input;
use refit_model::TitleId;
use serde::Deserialize;
use utoipa::IntoParams;

/// Which releases.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Releases {
    /// Of which title.
    title: String,
    /// Where the page begins: the `next` of the page before.
    cursor: Option<String>,
    /// How many at most, 1 to 1000.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
}

/// Lists the releases of a title that are known outside of universes, oldest first.
#[utoipa::path(
    get, path = "/api/v1/releases", tag = "catalogue", params(Releases),
    responses((status = 200, description = "A page of releases.", body = refit_api::ReleasePage)),
)]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Query(query): Query<Releases>,
) -> Result<Response, Problem> {
    let cursor = query.cursor.clone();
    api.listed(&caller, (cursor.as_deref(), query.limit), move |view, place| {
        let known = view.state.releases.get(&TitleId::new(&query.title));
        let mut releases: Vec<_> = known
            .into_iter()
            .flat_map(|list| list.iter())
            .map(|entry| {
                (format!("{:030} {}", entry.published.as_nanosecond(), entry.version), ReleaseSaid(entry.clone()))
            })
            .collect();
        releases.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(place.page(releases.into_iter()))
    })
    .await
}

/// Says that releases are known, up to 10,000 at once.
#[utoipa::path(
    post, path = "/api/v1/releases", tag = "catalogue", request_body = NewReleases,
    responses((status = 200, description = "They are known. `changed` is false where all were before.", body = Written)),
)]
pub(super) async fn publish(
    State(api): State<Api>,
    caller: Caller,
    Posted { body, repeat }: Posted<NewReleases>,
) -> Result<Response, Problem> {
    super::named_source(&body.source)?;
    let input = Input::Releases { source: body.source.into(), releases: body.releases };
    api.post(&caller, repeat, StatusCode::OK, input, super::written).await
}
