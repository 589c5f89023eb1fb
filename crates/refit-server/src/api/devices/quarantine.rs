use super::super::{
    Api, brake,
    extract::{Caller, Path, Posted},
    problem::Problem,
};
use axum::{extract::State, http::StatusCode, response::Response};
use refit_api::{Why, Written};
use refit_core::control::Input;
use refit_model::DeviceId;

/// Says that a device of which there were two is one again. Only a person may. Whichever device reports next is the one.
#[utoipa::path(
    post, path = "/api/v1/devices/{id}/quarantine/lift", tag = "devices", request_body = Why,
    params(("id" = String, Path, description = "The device's id.", example = "d1")),
    responses((status = 200, description = "It is no longer quarantined. `changed` is false where it was not.", body = Written)),
)]
pub(in super::super) async fn lift_quarantine(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    Posted { body, repeat }: Posted<Why>,
) -> Result<Response, Problem> {
    let input = Input::LiftQuarantine { device: DeviceId::new(id), why: brake::reason(body)?.into() };
    api.post(&caller, repeat, StatusCode::OK, input, super::super::written).await
}
