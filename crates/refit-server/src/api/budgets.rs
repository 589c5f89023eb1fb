//! Budgets: `/api/v1/budgets`.

use super::{Api, answer, extract::Caller, problem::Problem};
use axum::{extract::State, http::StatusCode, response::Response};
use refit_api::{BudgetSaid, Page};
use refit_core::control::{Budgets, Scope};

/// What the budgets of the policy in force say now: how many devices may be moved, and how many were.
#[utoipa::path(
    get, path = "/api/v1/budgets", tag = "policies",
    responses((status = 200, description = "Each budget, by value of its field.", body = refit_api::BudgetPage)),
)]
pub(super) async fn list(State(api): State<Api>, caller: Caller) -> Result<Response, Problem> {
    caller.needs(Scope::ReadFleet)?;
    let now = api.shell().now();
    let figures = api.reading(move |view| Budgets::new(&view.state, now).figures()).await?;
    Ok(answer::json(StatusCode::OK, &Page::whole(figures.into_iter().map(BudgetSaid).collect())))
}
