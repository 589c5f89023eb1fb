use super::super::{
    Api, answer,
    extract::{Caller, Path},
    problem::Problem,
};
use super::managed;
use axum::{extract::State, http::StatusCode, response::Response};
use refit_api::{DeviceDecisions, ExposureOf, SlotDecision};
use refit_core::control::{Evaluator, Scope, SlotOutcome, Terms};
use std::sync::Arc;

/// What the policies say of a device, and how old that is.
#[utoipa::path(
    get, path = "/api/v1/devices/{id}/decisions", tag = "devices",
    params(("id" = String, Path, description = "The device's id.", example = "d1")),
    responses((status = 200, description = "One decision for each slot.", body = DeviceDecisions)),
)]
pub(in super::super) async fn decisions(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    caller.needs(Scope::Read)?;
    let view = api.shell().view();
    let (state, record) = (&view.state, managed(&view.state, &id)?.clone());
    let now = api.shell().now().max(state.clock);
    let mut said = DeviceDecisions {
        device: id,
        revision: state.revision(),
        decided_at: None,
        age_seconds: 0,
        behind: false,
        slots: Vec::new(),
    };
    if let Some(row) = view.board.row(&record.id) {
        let revised = state.revised_for(&record).max(state.revised_for_all());
        said.revision = row.revision;
        said.decided_at = Some(row.at);
        said.age_seconds = now.duration_since(row.at).as_secs().max(0) as u64;
        said.behind = row.revision != state.revision()
            || revised > row.basis
            || row.next_change.is_some_and(|change| change <= now);
        said.slots = row.slots.iter().map(decision).collect();
    } else if let Some(terms) = Terms::in_force(state) {
        // It has just arrived, or the server has just started: it is decided for whoever asks.
        let decided = api.reading(move |view| Evaluator::default().evaluate(&view.state, &terms, &record, now)).await?;
        said.decided_at = Some(now);
        said.slots = decided.slots.iter().map(decision).collect();
    }
    Ok(answer::json(StatusCode::OK, &said))
}

fn decision(outcome: &Arc<SlotOutcome>) -> SlotDecision {
    let exposures = outcome.exposures.iter();
    SlotDecision {
        slot: outcome.slot.clone(),
        installed: outcome.installed.as_ref().map(ToString::to_string),
        compliance: outcome.compliance,
        due: outcome.due,
        due_by: outcome.due_by.as_ref().map(|by| by.obligation.to_string()),
        progress: outcome.progress,
        holds: outcome.holds.clone(),
        marks: outcome.marks.clone(),
        exposures: exposures.map(|(id, kev)| ExposureOf { advisory: id.to_string(), kev: *kev }).collect(),
        exceptions: outcome.exceptions.iter().map(ToString::to_string).collect(),
        decided: outcome.key.clone(),
    }
}
