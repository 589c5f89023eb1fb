use super::super::{
    Api,
    extract::{Caller, Posted},
    new_id,
    problem::Problem,
};
use axum::{extract::State, http::StatusCode, response::Response};
use refit_api::{Enrol, Written};
use refit_core::control::Input;
use refit_model::DeviceId;

/// The longest name.
const NAME_LONGEST: usize = 256;

/// Makes a device known.
#[utoipa::path(
    post, path = "/api/v1/devices", tag = "devices", request_body = Enrol,
    responses((status = 201, description = "The device is known.", body = Written)),
)]
pub(in super::super) async fn enrol(
    State(api): State<Api>,
    caller: Caller,
    Posted { body, repeat }: Posted<Enrol>,
) -> Result<Response, Problem> {
    if body.name.as_ref().is_some_and(|name| name.chars().count() > NAME_LONGEST) {
        return Err(Problem::field("name", format!("a name has at most {NAME_LONGEST} characters")));
    }
    let id = body.id.unwrap_or_else(new_id);
    let input = Input::Enrol { device: DeviceId::new(&id), name: body.name.map(Into::into) };
    let written = |told: &crate::shell::Told| Written { id: Some(id), ..super::super::written(told) };
    api.post(&caller, repeat, StatusCode::CREATED, input, written).await
}
