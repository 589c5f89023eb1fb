//! The brake: `/api/v1/brake`.

use super::{
    Api, answer,
    extract::{Caller, Posted},
    problem::Problem,
};
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use refit_api::{Brake, Why, Written};
use refit_core::control::{Input, Scope};

/// The longest reason, in characters.
const WHY_LONGEST: usize = 4_096;

/// Whether everything is stopped, why, and since when.
#[utoipa::path(
    get, path = "/api/v1/brake", tag = "operation",
    responses(
        (status = 200, description = "Whether it is.", body = Brake),
        (status = 304, description = "It is what the client has."),
    ),
)]
pub(super) async fn get(State(api): State<Api>, caller: Caller, headers: HeaderMap) -> Result<Response, Problem> {
    caller.needs(Scope::Read)?;
    let view = api.shell().view();
    let brake = view.state.brake.as_ref();
    let said = Brake {
        stopped: brake.is_some(),
        why: brake.map(|(why, _)| why.to_string()),
        since: brake.map(|(_, since)| *since),
    };
    Ok(answer::tagged(&headers, &said))
}

/// Stops everything: nothing more is published, opened or applied.
#[utoipa::path(
    post, path = "/api/v1/brake/stop", tag = "operation", request_body = Why,
    responses((status = 200, description = "It is stopped. `changed` is false where it was before.", body = Written)),
)]
pub(super) async fn stop(
    State(api): State<Api>,
    caller: Caller,
    Posted { body, repeat }: Posted<Why>,
) -> Result<Response, Problem> {
    let input = Input::Stop { why: reason(body)?.into() };
    api.post(&caller, repeat, StatusCode::OK, input, super::written).await
}

/// Lets everything go on.
#[utoipa::path(
    post, path = "/api/v1/brake/go-on", tag = "operation", request_body = Why,
    responses((status = 200, description = "It goes on. `changed` is false where it was not stopped.", body = Written)),
)]
pub(super) async fn go_on(
    State(api): State<Api>,
    caller: Caller,
    Posted { body, repeat }: Posted<Why>,
) -> Result<Response, Problem> {
    let input = Input::GoOn { why: reason(body)?.into() };
    api.post(&caller, repeat, StatusCode::OK, input, super::written).await
}

/// A reason that says something.
pub(super) fn reason(body: Why) -> Result<String, Problem> {
    let length = body.why.trim().chars().count();
    if length == 0 || body.why.chars().count() > WHY_LONGEST {
        return Err(Problem::field("why", format!("say why, in 1 to {WHY_LONGEST} characters")));
    }
    Ok(body.why)
}
