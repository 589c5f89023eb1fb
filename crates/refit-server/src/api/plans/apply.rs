use super::super::{
    Api,
    extract::{Bare, Caller, Path},
    policies,
    problem::{Code, Problem},
};
use super::{content, read, work_out};
use axum::{extract::State, http::StatusCode, response::Response};
use refit_api::Applied;
use refit_core::control::{CohortKey, FleetPlan, Input, Permit, PlanId, PlanKind, PlanStatus, Scope};
use std::collections::BTreeMap;

/// Applies a plan: its policy is in force from now on.
///
/// What would change is worked out again. What the plan did not show is answered as `outside`, and waits for a person.
#[utoipa::path(
    post, path = "/api/v1/plans/{id}/apply", tag = "plans",
    params(("id" = String, Path, description = "The plan's id.")),
    responses((status = 200, description = "It is in force.", body = Applied)),
)]
pub(in super::super) async fn apply(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    Bare(repeat): Bare,
) -> Result<Response, Problem> {
    caller.needs(Scope::Apply)?;
    let view = api.shell().view();
    let plan_id = PlanId::new(&id);
    let plan = view.state.plans.get(&plan_id).ok_or_else(|| Problem::missing("plan", &id))?;
    // Whether it may be applied is decided by the writer; what can't be is not worked out before.
    let PlanKind::Policy { files, policy_hash, content: digest, .. } = &plan.kind else {
        return Err(Problem::new(Code::Conflict, format!("plan {id} holds moves: there is nothing to apply"))
            .help("approve it, and what it holds is published; or reject it"));
    };
    let (shown, outside, summary) = match plan.status {
        PlanStatus::Open | PlanStatus::Approved => {
            let shown = content(&api, digest).await?;
            let files = policies::files(&api, files).await?;
            let _leave = api.long_work()?;
            let catalog = api.shell().catalog().clone();
            let (repository, _) = api.beside(move || read(&files, &catalog)).await??;
            let fresh = work_out(&api, repository, policy_hash).await?;
            let outside = outside(&shown, &fresh);
            (shown.envelope, outside, fresh.summary)
        }
        // It is refused, and the writer says why.
        _ => Default::default(),
    };
    let envelope = shown.into_iter().map(|permit| (permit.cohort, permit.devices)).collect();
    let replaces = view.state.revision();
    let input = Input::Apply { plan: plan_id, envelope };
    api.post(&caller, repeat, StatusCode::OK, input, move |told| Applied {
        plan: id,
        seq: told.seq,
        revision: replaces + 1,
        outside,
        summary,
    })
    .await
}

/// What a fresh plan moves beyond what was shown.
fn outside(shown: &FleetPlan, fresh: &FleetPlan) -> Vec<Permit> {
    let permitted: BTreeMap<&CohortKey, u64> =
        shown.envelope.iter().map(|permit| (&permit.cohort, permit.devices)).collect();
    let beyond = fresh.envelope.iter().filter_map(|permit| {
        let more = permit.devices.saturating_sub(permitted.get(&permit.cohort).copied().unwrap_or(0));
        (more > 0).then(|| Permit { cohort: permit.cohort.clone(), devices: more })
    });
    beyond.collect()
}
