use super::super::{
    Api,
    extract::{Caller, Path},
    problem::Problem,
};
use super::managed;
use crate::shell::View;
use axum::{extract::State, http::HeaderMap, response::Response};
use refit_api::{DeviceDirectives, Directive};

/// What is published for a device: what an agent carries out.
#[utoipa::path(
    get, path = "/api/v1/devices/{id}/directives", tag = "devices",
    params(("id" = String, Path, description = "The device's id.", example = "d1")),
    responses(
        (status = 200, description = "One directive for each slot.", body = DeviceDirectives),
        (status = 304, description = "It is what the client has."),
    ),
)]
pub(in super::super) async fn directives(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    api.one(&caller, &headers, |view| published(view, &id))
}

fn published(view: &View, id: &str) -> Result<DeviceDirectives, Problem> {
    let record = managed(&view.state, id)?;
    let directives = record.published.iter().map(|(slot, published)| Directive {
        slot: slot.clone(),
        policy: published.key.policy.to_string(),
        mode: published.key.mode,
        admitted: published.key.admitted.clone(),
        goal: published.key.goal.clone(),
        rollout: published.key.rollout.as_ref().map(ToString::to_string),
        ring: published.key.ring.as_ref().map(ToString::to_string),
        due: published.due,
        published_by: published.by_event,
    });
    Ok(DeviceDirectives {
        directives: directives.collect(),
        device: record.id.to_string(),
        revision: view.state.revision(),
        settled: record.settled,
        stopped: view.state.brake.as_ref().map(|(why, _)| why.to_string()),
    })
}
