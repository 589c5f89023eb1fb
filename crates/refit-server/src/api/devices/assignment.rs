use super::super::{
    Api, answer,
    extract::{Caller, Path, Put},
    problem::Problem,
};
use super::managed;
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use refit_api::{Assignment, Written};
use refit_core::control::{DeviceRecord, Input, PersonId, Scope};
use refit_model::DeviceId;

/// Whom a device is given to.
#[utoipa::path(
    get, path = "/api/v1/devices/{id}/assignment", tag = "devices",
    params(("id" = String, Path, description = "The device's id.", example = "d1")),
    responses(
        (status = 200, description = "The person.", body = Assignment),
        (status = 304, description = "It is what the client has."),
    ),
)]
pub(in super::super) async fn assignment(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    api.one(&caller, &headers, |view| Ok(of(managed(&view.state, &id)?)))
}

/// Gives a device to a person, or to nobody. With `If-Match`, only if nobody has changed it since.
#[utoipa::path(
    put, path = "/api/v1/devices/{id}/assignment", tag = "devices", request_body = Assignment,
    params(
        ("id" = String, Path, description = "The device's id.", example = "d1"),
        ("If-Match" = Option<String>, Header, description = "The ETag of what was read."),
    ),
    responses(
        (status = 200, description = "It is given.", body = Written),
        (status = 412, description = "`changed`: It has changed since it was read.", body = refit_api::Problem,
            content_type = "application/problem+json"),
    ),
)]
pub(in super::super) async fn assign(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    Put(body): Put<Assignment>,
) -> Result<Response, Problem> {
    caller.needs(Scope::Facts)?;
    let _alone = api.inner.compared.lock().await;
    let view = api.shell().view();
    answer::unchanged(&headers, &of(managed(&view.state, &id)?))?;
    let input = Input::Assign { device: DeviceId::new(id), person: body.person.map(PersonId::new) };
    api.post(&caller, None, StatusCode::OK, input, super::super::written).await
}

fn of(record: &DeviceRecord) -> Assignment {
    Assignment { person: record.person.as_ref().map(ToString::to_string) }
}
