use super::super::{
    Api, answer,
    extract::{Caller, Path},
    problem::Problem,
    redact::Sight,
};
use super::managed;
use axum::{extract::State, http::StatusCode, response::Response};
use refit_api::{DeviceDecisions, ExposureOf, HeldSlot, SlotDecision};
use refit_core::control::{DeviceRecord, Evaluator, Scope, ServerHold, SlotName, SlotOutcome, State as World, Terms};
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
    caller.needs(Scope::ReadFleet)?;
    let sight = Sight::of(&caller);
    let view = api.shell().view();
    let (state, record) = (&view.state, managed(&view.state, &id)?.clone());
    let now = api.shell().now().max(state.clock);
    let mut said = DeviceDecisions {
        device: record.id.to_string(),
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
        said.slots = row.slots.iter().map(|outcome| sight.decision(decision(state, &record, outcome))).collect();
    } else if view.board.failure(&record.id).is_some() {
        // Deciding it has failed, and would again.
        said.behind = true;
    } else if let Some(terms) = Terms::in_force(state) {
        // It has just arrived, or the server has just started: it is decided for whoever asks.
        let asked = record.clone();
        let decided = api.reading(move |view| Evaluator::default().evaluate(&view.state, &terms, &asked, now)).await?;
        said.decided_at = Some(now);
        said.slots = decided.slots.iter().map(|outcome| sight.decision(decision(state, &record, outcome))).collect();
    }
    Ok(answer::json(StatusCode::OK, &said))
}

fn decision(state: &World, record: &DeviceRecord, outcome: &Arc<SlotOutcome>) -> SlotDecision {
    let exposures = outcome.exposures.iter();
    let by_server = state.server_holds(record, &outcome.slot, !outcome.obligations.is_empty());
    let mut holds: Vec<_> = by_server.iter().map(|held| held.hold).chain(outcome.holds.iter().copied()).collect();
    holds.sort();
    SlotDecision {
        slot: outcome.slot.clone(),
        // What is not in order is decided as if it were a little older than it says.
        installed: (record.installs.get(&outcome.slot).map(|there| &there.version))
            .filter(|_| outcome.installed.is_some())
            .map(ToString::to_string),
        compliance: outcome.compliance,
        due: outcome.due,
        due_by: outcome.due_by.as_ref().map(|by| by.obligation.to_string()),
        progress: record.progress(outcome),
        holds,
        held_by: by_server.into_iter().map(|held| said(&outcome.slot, held)).collect(),
        marks: outcome.marks.clone(),
        exposures: exposures.map(|(id, kev)| ExposureOf { advisory: id.to_string(), kev: *kev }).collect(),
        exceptions: outcome.exceptions.iter().map(ToString::to_string).collect(),
        decided: outcome.key.clone(),
        redacted: Vec::new(),
    }
}

/// What the server holds a slot by, as it is answered.
pub(super) fn said(slot: &SlotName, held: ServerHold) -> HeldSlot {
    HeldSlot {
        slot: slot.clone(),
        hold: held.hold,
        lifted_by: held.lifted_by(),
        because: held.because.to_string(),
        since: held.since,
        plan: held.plan.map(|plan| plan.to_string()),
    }
}
