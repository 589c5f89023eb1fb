use super::super::{
    Api, answer,
    extract::{Caller, Put},
    problem::Problem,
};
use super::{check_paths, read, work_out};
use axum::{extract::State, http::StatusCode, response::Response};
use refit_api::{NewPlan, PlanPreview};
use refit_core::control::{PolicyFiles, Scope};

/// Works out what a policy repository would change, and for whom, and keeps nothing of it: it can't be approved or applied.
///
/// Errors of the repository are a problem `policy` with file, line and column of each.
#[utoipa::path(
    post, path = "/api/v1/plans/preview", tag = "plans", request_body = NewPlan,
    responses((status = 200, description = "What would change.", body = PlanPreview)),
)]
pub(in super::super) async fn preview(
    State(api): State<Api>,
    caller: Caller,
    Put(body): Put<NewPlan>,
) -> Result<Response, Problem> {
    caller.needs(Scope::Plan)?;
    check_paths(&body)?;
    let _leave = api.long_work()?;
    let catalog = api.shell().catalog().clone();
    let (repository, hash) = api.beside(move || read(&PolicyFiles(body.files), &catalog)).await??;
    let content = work_out(&api, repository, &hash).await?;
    let approvals_needed = api.shell().view().state.approvals_needed;
    Ok(answer::json(StatusCode::OK, &PlanPreview { policy_hash: hash, approvals_needed, content }))
}
