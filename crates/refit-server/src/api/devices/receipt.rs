use super::super::{
    Api,
    extract::{Caller, Path, Posted},
    problem::Problem,
};
use super::managed;
use axum::{extract::State, http::StatusCode, response::Response};
use refit_api::{NewReceipt, Written};
use refit_core::control::{Input, Scope};
use refit_model::DeviceId;

/// The longest id of a receipt.
const ID_LONGEST: usize = 256;

/// Reports what came of a directive. The same report counts once.
#[utoipa::path(
    post, path = "/api/v1/devices/{id}/receipts", tag = "devices", request_body = NewReceipt,
    params(("id" = String, Path, description = "The device's id.", example = "d1")),
    responses((status = 200, description = "It counts. `changed` is false where it did before.", body = Written)),
)]
pub(in super::super) async fn receipt(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    Posted { body, repeat }: Posted<NewReceipt>,
) -> Result<Response, Problem> {
    caller.needs(Scope::Facts)?;
    if body.id.is_empty() || body.id.len() > ID_LONGEST {
        return Err(Problem::field("id", format!("a receipt's id has 1 to {ID_LONGEST} bytes")));
    }
    // Output is kept only for devices that there are.
    managed(&api.shell().view().state, &id)?;
    let output = match body.output.filter(|output| !output.is_empty()) {
        Some(output) => Some(api.shell().put(output.into_bytes()).await?),
        None => None,
    };
    let input = Input::Receipt {
        device: DeviceId::new(id),
        receipt: body.id.into(),
        slot: body.slot,
        wanted: body.wanted.map(Into::into),
        result: body.result,
        before: body.before.map(Into::into),
        after: body.after.map(Into::into),
        at: body.at,
        duration_ms: body.duration_ms,
        output: output.map(Into::into),
    };
    api.post(&caller, repeat, StatusCode::OK, input, super::super::written).await
}
