use super::super::{
    Api,
    brake::reason,
    extract::{Bare, Caller, Path, Posted},
    problem::Problem,
};
use crate::shell::Told;
use axum::{extract::State, http::StatusCode, response::Response};
use refit_api::{PlanChanged, Why};
use refit_core::control::{Input, PlanId};

/// Approves a plan. Only a person can, and nobody their own; approving twice changes nothing.
#[utoipa::path(
    post, path = "/api/v1/plans/{id}/approve", tag = "plans",
    params(("id" = String, Path, description = "The plan's id.")),
    responses((status = 200, description = "It is approved by this person.", body = PlanChanged)),
)]
pub(in super::super) async fn approve(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    Bare(repeat): Bare,
) -> Result<Response, Problem> {
    let input = Input::Approve { plan: PlanId::new(&id) };
    api.post(&caller, repeat, StatusCode::OK, input, |told| changed(id, told)).await
}

/// Rejects a plan.
#[utoipa::path(
    post, path = "/api/v1/plans/{id}/reject", tag = "plans", request_body = Why,
    params(("id" = String, Path, description = "The plan's id.")),
    responses((status = 200, description = "It is rejected.", body = PlanChanged)),
)]
pub(in super::super) async fn reject(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    Posted { body, repeat }: Posted<Why>,
) -> Result<Response, Problem> {
    let input = Input::Reject { plan: PlanId::new(&id), why: reason(body)?.into() };
    api.post(&caller, repeat, StatusCode::OK, input, |told| changed(id, told)).await
}

fn changed(plan: String, told: &Told) -> PlanChanged {
    PlanChanged { plan, seq: told.seq, changed: !told.events.is_empty() }
}
