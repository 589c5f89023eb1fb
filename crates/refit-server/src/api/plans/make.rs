use super::super::{
    Api,
    extract::{Caller, Posted},
    new_id,
    problem::{Code, Problem},
};
use super::{read, work_out};
use axum::{extract::State, http::StatusCode, response::Response};
use refit_api::{NewPlan, Plan, PlanIs, PlanSummary};
use refit_core::control::{Input, PlanId, PlanStatus, PolicyFiles, Scope};

/// The most files of a repository.
const FILES_MOST: usize = 100_000;
/// The largest answer that is kept whole for repetitions.
const KEPT_MOST: usize = 8 << 20;

/// Works out what a policy repository would change, and for whom. Nothing changes by it; the plan stays until it is applied, rejected,
/// or another revision is in force. Who only wants to know asks for a preview.
///
/// Errors of the repository are a problem `policy` with file, line and column of each.
#[utoipa::path(
    post, path = "/api/v1/plans", tag = "plans", request_body = NewPlan,
    responses((status = 201, description = "The plan.", body = Plan)),
)]
pub(in super::super) async fn make(
    State(api): State<Api>,
    caller: Caller,
    Posted { body, repeat }: Posted<NewPlan>,
) -> Result<Response, Problem> {
    caller.needs(Scope::Plan)?;
    check_paths(&body)?;
    let _leave = api.long_work()?;
    let files = PolicyFiles(body.files);
    let catalog = api.shell().catalog().clone();
    let fault = |error: serde_json::Error| Problem::new(Code::Internal, error.to_string());
    let ((repository, hash), files) = api
        .beside(move || Ok::<_, Problem>((read(&files, &catalog)?, serde_json::to_vec(&files).map_err(fault)?)))
        .await??;
    let plan = work_out(&api, repository, &hash).await?;
    let (plan, content) = api
        .beside(move || {
            let content = serde_json::to_vec(&plan).map_err(fault)?;
            Ok::<_, Problem>((plan, content))
        })
        .await??;
    let files = api.shell().put(files).await?;
    let content = api.shell().put(content).await?;
    let id = PlanId::new(new_id());
    let input = Input::MakePlan {
        plan: id.clone(),
        policy_hash: hash.clone().into(),
        files: files.into(),
        replaces: plan.replaces,
        content: content.into(),
        as_of: plan.made_at,
    };
    let made = Plan {
        summary: PlanSummary {
            id: id.to_string(),
            kind: PlanIs::Policy,
            status: PlanStatus::Open,
            made: plan.made_at,
            author: caller.actor.owner.to_string(),
            approvals: Default::default(),
            approvals_needed: api.shell().view().state.approvals_needed,
            replaces: Some(plan.replaces),
            policy_hash: Some(hash),
        },
        content: Some(plan),
        held: Vec::new(),
    };
    let write = move |_: &crate::shell::Told| {
        let whole = serde_json::to_vec(&made).unwrap_or_default();
        let kept = if whole.len() <= KEPT_MOST {
            whole.clone()
        } else {
            serde_json::to_vec(&Plan { content: None, ..made }).unwrap_or_default()
        };
        (whole, kept)
    };
    api.post_as(&caller, repeat, StatusCode::CREATED, input, write).await
}

/// Refuses what are no files of a policy repository.
pub(super) fn check_paths(body: &NewPlan) -> Result<(), Problem> {
    if body.files.is_empty() || body.files.len() > FILES_MOST {
        return Err(Problem::field("files", format!("a policy repository has 1 to {FILES_MOST} files")));
    }
    for path in body.files.keys() {
        let parts_fit = path.split('/').all(|part| !part.is_empty() && !part.starts_with('.'));
        let ending_fits = [".yaml", ".yml", ".json"].iter().any(|ending| path.ends_with(ending));
        if !parts_fit || !ending_fits || path.len() > 1_024 || path.chars().any(|c| c.is_control() || c == '\\') {
            let shown: String = path.chars().take(100).flat_map(char::escape_debug).collect();
            let detail = "is no path of a policy file: write `patch/browsers.yaml`; files end in .yaml, .yml or .json";
            return Err(Problem::field("files", format!("`{shown}` {detail}")));
        }
    }
    Ok(())
}
