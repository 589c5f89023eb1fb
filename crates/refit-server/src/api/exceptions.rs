//! Exceptions of the policy in force: `/api/v1/exceptions`.

use super::{Api, answer, extract::Caller, problem::Problem};
use crate::shell::View;
use axum::{extract::State, http::StatusCode, response::Response};
use refit_api::{ExceptionSaid, Page};
use refit_core::control::Scope;
use std::collections::BTreeMap;

/// Lists the exceptions, each with its last day and how many slots it acts on.
#[utoipa::path(
    get, path = "/api/v1/exceptions", tag = "policies",
    responses((status = 200, description = "All exceptions.", body = refit_api::ExceptionPage)),
)]
pub(super) async fn list(State(api): State<Api>, caller: Caller) -> Result<Response, Problem> {
    caller.needs(Scope::ReadFleet)?;
    Ok(answer::json(StatusCode::OK, &Page::whole(api.reading(exceptions).await?)))
}

fn exceptions(view: &View) -> Vec<ExceptionSaid> {
    let Some(policy) = &view.state.policy else { return Vec::new() };
    let mut acts: BTreeMap<&str, u64> = BTreeMap::new();
    let managed = view.state.found.managed();
    for (outcome, devices) in view.board.cohorts().filter(|(outcome, _)| !outcome.exceptions.is_empty()) {
        let slots = devices.common(&managed);
        for name in &outcome.exceptions {
            *acts.entry(name).or_default() += slots;
        }
    }
    let said = policy.repository.exceptions.iter().map(|exception| ExceptionSaid {
        exception: exception.name.to_string(),
        why: exception.why.as_ref().map(ToString::to_string),
        until: exception.until.to_string(),
        acts_on: acts.get(exception.name.as_str()).copied().unwrap_or(0),
    });
    said.collect()
}
