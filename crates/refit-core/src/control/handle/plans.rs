//! Plans: made, approved by somebody else, applied.

use super::super::{
    event::{PlanApproved, PlanMade, PlanRejected, PolicyApplied},
    input::{Outcome, Refusal},
    publication::CohortKey,
    state::{PlanKind, PlanRecord, PlanStatus, State},
    token::{Actor, Bearer},
};
use super::operations::one;
use refit_model::PlanId;
use smol_str::SmolStr;
use std::sync::Arc;

pub(super) fn make(state: &State, made: PlanMade) -> Result<Outcome, Refusal> {
    if state.plans.contains_key(&made.plan) {
        return Err(Refusal::Exists { what: "plan", id: made.plan.as_str().into() });
    }
    if made.replaces != state.revision() {
        return Err(moved_on(made.replaces, state.revision()));
    }
    Ok(one(made))
}

pub(super) fn approve(state: &State, actor: &Actor, id: PlanId) -> Result<Outcome, Refusal> {
    let plan = find(state, &id)?;
    if actor.bearer != Bearer::Person {
        return Err(Refusal::Forbidden(
            "a program can't approve a plan: a person has to, with a token of their own".into(),
        ));
    }
    // An address is the same however it is written.
    if actor.owner.eq_ignore_ascii_case(&plan.author) {
        return Err(Refusal::Forbidden(format!(
            "{} made this plan, and nobody approves their own: somebody else has to",
            actor.owner
        )));
    }
    // Approving twice changes nothing.
    if plan.approvals.contains_key(&actor.owner) {
        return Ok(Outcome::default());
    }
    // What was approved by as many as were needed then may need more by now.
    let needs_more = plan.status == PlanStatus::Approved && plan.approvals.len() < state.approvals_needed as usize;
    let is_policy = matches!(plan.kind, PlanKind::Policy { .. });
    if plan.status != PlanStatus::Open && !(is_policy && needs_more) {
        return Err(over(&id, plan));
    }
    Ok(one(PlanApproved { plan: id, by: actor.owner.clone() }))
}

pub(super) fn reject(state: &State, id: PlanId, why: SmolStr) -> Result<Outcome, Refusal> {
    let plan = find(state, &id)?;
    if !matches!(plan.status, PlanStatus::Open | PlanStatus::Approved) {
        return Err(over(&id, plan));
    }
    Ok(one(PlanRejected { plan: id, why }))
}

pub(super) fn apply(state: &State, id: PlanId, envelope: Vec<(CohortKey, u64)>) -> Result<Outcome, Refusal> {
    let plan = find(state, &id)?;
    if let Some((why, _)) = &state.brake {
        return Err(Refusal::Stopped { why: why.clone() });
    }
    let PlanKind::Policy { policy_hash, files, replaces, .. } = &plan.kind else {
        return Err(Refusal::Conflict(format!(
            "plan {id} holds moves that a budget does not permit: approve or reject it, there is nothing to apply"
        )));
    };
    if *replaces != state.revision() {
        return Err(moved_on(*replaces, state.revision()));
    }
    if !matches!(plan.status, PlanStatus::Open | PlanStatus::Approved) {
        return Err(over(&id, plan));
    }
    // What is needed may have changed since it was approved.
    let missing = (state.approvals_needed as usize).saturating_sub(plan.approvals.len());
    if missing > 0 {
        return Err(Refusal::Forbidden(format!(
            "plan {id} needs {missing} more approval{} by somebody other than {}",
            if missing == 1 { "" } else { "s" },
            plan.author
        )));
    }
    Ok(one(PolicyApplied {
        plan: id,
        revision: state.revision() + 1,
        policy_hash: policy_hash.clone(),
        files: files.clone(),
        envelope,
    }))
}

fn find<'s>(state: &'s State, id: &PlanId) -> Result<&'s Arc<PlanRecord>, Refusal> {
    state.plans.get(id).ok_or_else(|| Refusal::Missing { what: "plan", id: id.as_str().into() })
}

fn over(id: &PlanId, plan: &PlanRecord) -> Refusal {
    let status = match plan.status {
        PlanStatus::Open => "open",
        PlanStatus::Approved => "approved already",
        PlanStatus::Rejected => "rejected",
        PlanStatus::Applied => "applied already",
        PlanStatus::Superseded => "superseded",
    };
    Refusal::Conflict(format!("plan {id} is {status}"))
}

fn moved_on(replaces: u64, revision: u64) -> Refusal {
    Refusal::Conflict(format!(
        "the plan replaces policy revision {replaces}, and revision {revision} is in force by now: make a new plan"
    ))
}
