//! Rollouts: `/api/v1/rollouts`.

use super::{
    Api, answer,
    extract::{Caller, Posted},
    problem::Problem,
};
use crate::shell::View;
use axum::{extract::State, http::StatusCode, response::Response};
use refit_api::{GateAnswered, GateSaid, OpenRing, Page, RingSaid, RolloutSaid, Written};
use refit_core::control::{Input, Scope};
use refit_model::TitleId;

/// Lists the releases that have begun in a rollout: rings that have opened, and those that wait.
#[utoipa::path(
    get, path = "/api/v1/rollouts", tag = "rollouts",
    responses((status = 200, description = "All rollouts.", body = refit_api::RolloutPage)),
)]
pub(super) async fn list(State(api): State<Api>, caller: Caller) -> Result<Response, Problem> {
    caller.needs(Scope::Read)?;
    Ok(answer::json(StatusCode::OK, &Page::whole(rollouts(&api.shell().view()))))
}

fn rollouts(view: &View) -> Vec<RolloutSaid> {
    let mut said = Vec::new();
    let policy = view.state.policy.as_ref();
    for (title, records) in &view.state.rollouts {
        for record in records.iter() {
            let rings = policy.and_then(|policy| policy.repository.rollouts.get(&record.rollout));
            let opened = |ring: &str| record.open.iter().any(|(open, _)| open == ring);
            let waiting = rings.iter().flat_map(|rollout| &rollout.rings).map(|ring| ring.name.to_string());
            let gates = view.state.gates.get(title);
            let gates = gates.into_iter().flat_map(|list| list.iter()).filter(|gate| gate.version == record.version);
            said.push(RolloutSaid {
                title: title.to_string(),
                version: record.version.to_string(),
                rollout: record.rollout.to_string(),
                open: record
                    .open
                    .iter()
                    .map(|(ring, devices)| RingSaid {
                        ring: ring.to_string(),
                        devices: devices.as_ref().map(|devices| devices.len()),
                    })
                    .collect(),
                waiting: waiting.filter(|ring| !opened(ring)).collect(),
                gates: gates
                    .map(|gate| GateSaid {
                        after: gate.after.to_string(),
                        platform: gate.platform.as_ref().map(ToString::to_string),
                        answer: gate.answer,
                    })
                    .collect(),
            });
        }
    }
    said
}

/// Opens a ring by hand.
#[utoipa::path(
    post, path = "/api/v1/rollouts/rings", tag = "rollouts", request_body = OpenRing,
    responses((status = 200, description = "It is open. `changed` is false where it was before.", body = Written)),
)]
pub(super) async fn open_ring(
    State(api): State<Api>,
    caller: Caller,
    Posted { body, repeat }: Posted<OpenRing>,
) -> Result<Response, Problem> {
    let input = Input::OpenRing {
        title: TitleId::new(body.title),
        version: body.version.into(),
        rollout: body.rollout.into(),
        ring: body.ring.into(),
    };
    api.post(&caller, repeat, StatusCode::OK, input, super::written).await
}

/// Answers a gate by hand, or takes back what was answered.
#[utoipa::path(
    post, path = "/api/v1/rollouts/gates", tag = "rollouts", request_body = GateAnswered,
    responses((status = 200, description = "It is answered.", body = Written)),
)]
pub(super) async fn answer_gate(
    State(api): State<Api>,
    caller: Caller,
    Posted { body, repeat }: Posted<GateAnswered>,
) -> Result<Response, Problem> {
    let input = Input::AnswerGate {
        title: TitleId::new(body.title),
        version: body.version.into(),
        after: body.after.into(),
        platform: body.platform.map(Into::into),
        answer: body.answer,
    };
    api.post(&caller, repeat, StatusCode::OK, input, super::written).await
}
