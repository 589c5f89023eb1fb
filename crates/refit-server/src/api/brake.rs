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
use refit_api::{Brake, BrakeReach, Why, Written};
use refit_core::control::{DeviceSet, Input, Scope, State as World};

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
    caller.needs(Scope::ReadFleet)?;
    let view = api.shell().view();
    let brake = view.state.brake.as_ref();
    let said = Brake {
        stopped: brake.is_some(),
        why: brake.map(|(why, _)| why.to_string()),
        since: brake.map(|(_, since)| *since),
        reach: brake.map(|_| reach(&view.state)),
    };
    Ok(answer::tagged(&headers, &said))
}

/// How many devices that have not answered are named.
const SILENT_MOST: usize = 100;

/// How far the brake has come among devices with an agent.
fn reach(state: &World) -> BrakeReach {
    let managed = state.agents.devices.keys().filter_map(|id| state.device(id));
    let agents: DeviceSet = managed.map(|device| device.index).collect();
    let mut honour = DeviceSet::default();
    let (mut slowest, mut half) = (None, None);
    for (seconds, devices) in &state.agents.honour {
        let devices = devices.both(&agents);
        if devices.is_empty() {
            continue;
        }
        honour = DeviceSet::union([&honour, &devices].into_iter());
        slowest = Some(*seconds);
        if half.is_none() && honour.len() * 2 >= agents.len() {
            half = Some(*seconds);
        }
    }
    let silent = agents.iter().filter(|index| !honour.contains(*index));
    let names = silent.filter_map(|index| state.at_index(index)).map(|device| device.id.to_string());
    BrakeReach {
        agents: agents.len(),
        honour: honour.len(),
        slowest_seconds: slowest,
        half_seconds: half,
        silent: names.take(SILENT_MOST).collect(),
    }
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
