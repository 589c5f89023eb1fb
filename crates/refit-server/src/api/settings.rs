//! Settings of the server: `/api/v1/settings/approvals`.

use super::{
    Api, answer,
    extract::{Caller, Put},
    problem::Problem,
};
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use refit_api::{Settings, Written};
use refit_core::control::{Input, Scope};

/// The most approvals that can be asked for.
const APPROVALS_MOST: u32 = 16;

/// How many people have to approve a plan.
#[utoipa::path(
    get, path = "/api/v1/settings/approvals", tag = "operation",
    responses(
        (status = 200, description = "The setting.", body = Settings),
        (status = 304, description = "It is what the client has."),
    ),
)]
pub(super) async fn get(State(api): State<Api>, caller: Caller, headers: HeaderMap) -> Result<Response, Problem> {
    caller.needs(Scope::ReadFleet)?;
    Ok(answer::tagged(&headers, &Settings { approvals: api.shell().view().state.approvals_needed }))
}

/// Says how many people have to approve a plan. With `If-Match`, only if nobody has changed it since.
#[utoipa::path(
    put, path = "/api/v1/settings/approvals", tag = "operation", request_body = Settings,
    params(("If-Match" = Option<String>, Header, description = "The ETag of what was read.")),
    responses(
        (status = 200, description = "It is so.", body = Written),
        (status = 412, description = "`changed`: It has changed since it was read.", body = refit_api::Problem,
            content_type = "application/problem+json"),
    ),
)]
pub(super) async fn put(
    State(api): State<Api>,
    caller: Caller,
    headers: HeaderMap,
    Put(body): Put<Settings>,
) -> Result<Response, Problem> {
    caller.needs(Scope::Admin)?;
    if body.approvals > APPROVALS_MOST {
        return Err(Problem::field("approvals", format!("at most {APPROVALS_MOST}")));
    }
    let _alone = api.inner.compared.lock().await;
    answer::unchanged(&headers, &Settings { approvals: api.shell().view().state.approvals_needed })?;
    api.post(&caller, None, StatusCode::OK, Input::SetApprovals(body.approvals), super::written).await
}
