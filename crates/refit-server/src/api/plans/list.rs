use super::super::{
    Api, answer,
    extract::{Caller, Path, Query},
    problem::Problem,
};
use super::{content, summary};
use axum::{extract::State, http::HeaderMap, response::Response};
use refit_api::{HeldMoves, Plan};
use refit_core::control::{PlanId, PlanKind, PlanStatus, Scope};
use serde::Deserialize;
use utoipa::IntoParams;

/// Which plans.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Plans {
    /// Only those that have come this far: `open`.
    #[param(value_type = Option<String>)]
    status: Option<PlanStatus>,
    /// Where the page begins: the `next` of the page before.
    cursor: Option<String>,
    /// How many at most, 1 to 1000.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
}

/// Lists plans, by id. Plans that hold moves a budget does not permit are among them.
#[utoipa::path(
    get, path = "/api/v1/plans", tag = "plans", params(Plans),
    responses((status = 200, description = "A page of plans.", body = refit_api::PlanPage)),
)]
pub(in super::super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Query(query): Query<Plans>,
) -> Result<Response, Problem> {
    api.listed(&caller, (query.cursor.as_deref(), query.limit), move |view, place| {
        let plans = view.state.plans.iter();
        let wanted = plans.filter(|(_, plan)| query.status.is_none_or(|status| plan.status == status));
        Ok(place.page(wanted.map(|(id, plan)| (id.to_string(), summary(&view.state, id, plan)))))
    })
    .await
}

/// How many devices a held move names.
const EXAMPLES: usize = 3;

/// A plan, with what it would change as it was shown, or with what it holds.
#[utoipa::path(
    get, path = "/api/v1/plans/{id}", tag = "plans",
    params(("id" = String, Path, description = "The plan's id.")),
    responses(
        (status = 200, description = "The plan.", body = Plan),
        (status = 304, description = "It is what the client has."),
    ),
)]
pub(in super::super) async fn get(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.needs(Scope::ReadFleet)?;
    let view = api.shell().view();
    let id = PlanId::new(id);
    let plan = view.state.plans.get(&id).ok_or_else(|| Problem::missing("plan", id.as_str()))?;
    let mut said = Plan { summary: summary(&view.state, &id, plan), content: None, held: Vec::new() };
    match &plan.kind {
        PlanKind::Policy { content: digest, .. } => said.content = Some(content(&api, digest).await?),
        PlanKind::Held { held } => {
            let moves = held.iter().map(|cohort| HeldMoves {
                cohort: cohort.key.clone(),
                cause: cohort.cause,
                by: cohort.by,
                because: cohort.because.to_string(),
                devices: cohort.devices.len(),
                examples: cohort
                    .devices
                    .iter()
                    .filter_map(|index| view.state.at_index(index))
                    .take(EXAMPLES)
                    .map(|device| device.id.to_string())
                    .collect(),
            });
            said.held = moves.collect();
        }
    }
    Ok(answer::tagged(&headers, &said))
}
