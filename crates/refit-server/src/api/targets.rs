//! Targets: `/api/v1/targets`.

use super::{Api, answer, extract::Caller, problem::Problem};
use axum::{extract::State, http::StatusCode, response::Response};
use refit_api::{DriftSaid, Page, TargetSaid};
use refit_core::control::{Scope, TargetObserved};

/// Lists the systems that configuration is written to and that the server looks at, by name; each with what was changed there by hand.
#[utoipa::path(
    get, path = "/api/v1/targets", tag = "policies",
    responses((status = 200, description = "The targets.", body = refit_api::TargetPage)),
)]
pub(super) async fn list(State(api): State<Api>, caller: Caller) -> Result<Response, Problem> {
    caller.needs(Scope::ReadFleet)?;
    let view = api.shell().view();
    let said = view.state.targets_in_force().map(said).collect();
    Ok(answer::json(StatusCode::OK, &Page::whole(said)))
}

fn said(target: &TargetObserved) -> TargetSaid {
    let drifted = target.drifted.iter().map(|it| DriftSaid {
        object: it.object.to_string(),
        hand: it.hand,
        fields: it.fields.iter().map(ToString::to_string).collect(),
    });
    TargetSaid {
        target: target.target.to_string(),
        kind: target.kind.to_string(),
        observed: target.observed,
        drifted: drifted.collect(),
        trouble: target.trouble.as_ref().map(ToString::to_string),
    }
}
