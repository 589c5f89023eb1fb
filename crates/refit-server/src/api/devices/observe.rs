use super::super::{
    Api,
    extract::{Caller, Path, Posted},
    problem::Problem,
};
use axum::{extract::State, http::StatusCode, response::Response};
use refit_api::{NewInstalls, NewObservation, Written};
use refit_core::control::{Input, Installs, Observation, UniverseReport};
use refit_model::DeviceId;

/// Says what a source observes of a device: facts, installs, what it can get from.
#[utoipa::path(
    post, path = "/api/v1/devices/{id}/observations", tag = "devices", request_body = NewObservation,
    params(("id" = String, Path, description = "The device's id.", example = "d1")),
    responses((status = 200, description = "It is known. `changed` is false where it was before.", body = Written)),
)]
pub(in super::super) async fn observe(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    Posted { body, repeat }: Posted<NewObservation>,
) -> Result<Response, Problem> {
    let observation = Observation {
        device: DeviceId::new(id),
        source: body.source.into(),
        observed: body.observed.unwrap_or_else(|| api.shell().now()),
        facts: body.facts.into_iter().map(|(field, value)| (field.into(), value)).collect(),
        installs: body.installs.map(|installs| match installs {
            NewInstalls::All(all) => Installs::All(all),
            NewInstalls::Changes(changes) => Installs::Changes { present: changes.present, gone: changes.gone },
        }),
        universe: body.universe.map(|universe| UniverseReport {
            key: universe.key.into(),
            distribution: universe.distribution.into(),
            offers: universe.offers,
        }),
    };
    api.post(&caller, repeat, StatusCode::OK, Input::Observe(observation), |told| Written {
        id: None,
        seq: told.seq,
        changed: !told.events.is_empty(),
    })
    .await
}
