//! The policy in force: `/api/v1/policy`, and its policies: `/api/v1/policies`.

use super::{
    Api, answer,
    extract::Caller,
    problem::{Code, Problem},
};
use crate::shell::View;
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use refit_api::{Page, PolicyInForce, PolicySummary};
use refit_core::{
    control::{PolicyFiles, Scope},
    decide::Compliance,
};
use std::collections::BTreeMap;

/// The policy repository that is in force, with its files.
#[utoipa::path(
    get, path = "/api/v1/policy", tag = "policies",
    responses(
        (status = 200, description = "The repository.", body = PolicyInForce),
        (status = 304, description = "It is what the client has."),
    ),
)]
pub(super) async fn in_force(State(api): State<Api>, caller: Caller, headers: HeaderMap) -> Result<Response, Problem> {
    caller.needs(Scope::ReadFleet)?;
    let view = api.shell().view();
    let Some(policy) = &view.state.policy else {
        return Err(
            Problem::new(Code::NotFound, "no policy is in force").help("`refit plan` and `refit apply` bring one")
        );
    };
    let said = PolicyInForce {
        revision: policy.revision,
        policy_hash: policy.policy_hash.to_string(),
        since: policy.since,
        by_event: policy.by_event,
        plan: policy.plan.to_string(),
        files: files(&api, &policy.files).await?.0,
    };
    Ok(answer::tagged(&headers, &said))
}

/// The policy files that a content holds.
pub(super) async fn files(api: &Api, content: &str) -> Result<PolicyFiles, Problem> {
    let lost = || {
        Problem::new(Code::Unavailable, format!("content {content} is missing or damaged"))
            .help("restore the data folder from a backup")
    };
    let blob = api.shell().store().blob(content).await?.ok_or_else(lost)?;
    serde_json::from_slice(blob.body()).map_err(|_| lost())
}

/// Lists the policies in force, each with how its slots stand.
#[utoipa::path(
    get, path = "/api/v1/policies", tag = "policies",
    responses((status = 200, description = "All policies.", body = refit_api::PolicyPage)),
)]
pub(super) async fn list(State(api): State<Api>, caller: Caller) -> Result<Response, Problem> {
    caller.needs(Scope::ReadFleet)?;
    Ok(answer::json(StatusCode::OK, &Page::whole(api.reading(policies).await?)))
}

fn policies(view: &View) -> Vec<PolicySummary> {
    let Some(policy) = &view.state.policy else { return Vec::new() };
    let mut counts: BTreeMap<&str, BTreeMap<Compliance, u64>> = BTreeMap::new();
    let managed = view.state.found.managed();
    for (outcome, devices) in view.board.cohorts() {
        let slots = devices.common(&managed);
        if let Some(key) = outcome.key.as_ref().filter(|_| slots > 0) {
            *counts.entry(&key.policy).or_default().entry(outcome.compliance).or_default() += slots;
        }
    }
    let summary = |policy: &refit_core::policy::repository::Policy| PolicySummary {
        policy: policy.name.to_string(),
        owner: policy.owner.as_ref().map(ToString::to_string),
        why: policy.why.as_ref().map(ToString::to_string),
        mode: policy.mode,
        since: view.state.applied.policies.get(&policy.name).copied(),
        compliance: counts.remove(policy.name.as_str()).unwrap_or_default(),
    };
    policy.repository.policies.iter().map(summary).collect()
}
