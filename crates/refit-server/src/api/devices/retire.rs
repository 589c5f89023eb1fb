use super::super::{
    Api,
    extract::{Caller, Path},
    problem::Problem,
};
use axum::{extract::State, http::StatusCode, response::Response};
use refit_api::Written;
use refit_core::control::Input;
use refit_model::DeviceId;

/// Says that a device is no longer managed. What the log says of it stays. Under an id that was merged into another it is the other.
#[utoipa::path(
    delete, path = "/api/v1/devices/{id}", tag = "devices",
    params(("id" = String, Path, description = "The device's id.", example = "d1")),
    responses((status = 200, description = "It is no longer managed.", body = Written)),
)]
pub(in super::super) async fn retire(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let input = Input::Retire { device: DeviceId::new(id) };
    api.post(&caller, None, StatusCode::OK, input, super::super::written).await
}
