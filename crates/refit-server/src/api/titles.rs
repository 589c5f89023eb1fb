//! Titles: `/api/v1/titles`.

use super::{
    Api,
    extract::{Caller, Query},
    problem::Problem,
};
use crate::shell::View;
use axum::{extract::State, response::Response};
use refit_api::TitleSummary;
use refit_core::policy::resolve::Titles as Catalog;
use refit_model::TitleId;
use serde::Deserialize;
use std::collections::BTreeMap;
use utoipa::IntoParams;

/// Which titles.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Titles {
    /// Where the page begins: the `next` of the page before.
    cursor: Option<String>,
    /// How many at most, 1 to 1000.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
    /// Only those whose id begins so.
    name: Option<String>,
}

/// Lists the titles that are installed somewhere, or of which releases or advisories are known; by id.
#[utoipa::path(
    get, path = "/api/v1/titles", tag = "catalogue", params(Titles),
    responses((status = 200, description = "A page of titles.", body = refit_api::TitlePage)),
)]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Query(query): Query<Titles>,
) -> Result<Response, Problem> {
    let (catalog, cursor) = (api.shell().catalog().clone(), query.cursor.clone());
    api.listed(&caller, (cursor.as_deref(), query.limit), move |view, place| {
        let titles = titles(view, &catalog)
            .into_iter()
            .filter(|(title, _)| query.name.as_ref().is_none_or(|begin| title.as_str().starts_with(begin.as_str())));
        Ok(place.page(titles.map(|(title, summary)| (title.to_string(), summary))))
    })
    .await
}

fn titles(view: &View, catalog: &Catalog) -> BTreeMap<TitleId, TitleSummary> {
    let mut titles: BTreeMap<TitleId, TitleSummary> = BTreeMap::new();
    let empty = |title: &TitleId| TitleSummary {
        title: title.to_string(),
        devices: 0,
        releases: 0,
        advisories: 0,
        in_catalog: catalog.contains_key(title),
    };
    let managed = view.state.found.managed();
    for (title, devices) in view.state.found.titles().pieces() {
        let devices = devices.common(&managed);
        if devices > 0 {
            titles.entry(title.clone()).or_insert_with(|| empty(title)).devices += devices;
        }
    }
    for (title, releases) in &view.state.releases {
        titles.entry(title.clone()).or_insert_with(|| empty(title)).releases = releases.len() as u64;
    }
    for (title, advisories) in &view.state.advisories {
        titles.entry(title.clone()).or_insert_with(|| empty(title)).advisories = advisories.len() as u64;
    }
    titles
}
