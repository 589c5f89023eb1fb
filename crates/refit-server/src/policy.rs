//! Applying a policy repository in one step, where nobody has to approve it.

use crate::shell::{PlanProgress, Shell, TellError};
use refit_core::{
    control::{Actor, FleetPlan, Input, PlanId, PolicyFiles},
    policy::repository::Repository,
};
use smol_str::SmolStr;
use std::sync::Arc;

/// Makes a plan of a policy repository and applies it. Whether that needs approvals decides the writer.
pub async fn plan_and_apply(
    shell: &Shell,
    actor: &Actor,
    files: &PolicyFiles,
    policy_hash: &str,
    repository: Arc<Repository>,
) -> Result<FleetPlan, TellError> {
    let json = |value: serde_json::Result<Vec<u8>>| value.map_err(|error| TellError::Other(error.to_string()));
    let planned = shell.plan_fleet(repository, policy_hash.to_owned(), PlanProgress::default()).await?;
    let fleet = planned.ok_or_else(|| TellError::Other("the plan was stopped".into()))?;
    let files = SmolStr::from(shell.put(json(serde_json::to_vec(files))?).await?);
    let content = SmolStr::from(shell.put(json(serde_json::to_vec(&fleet))?).await?);
    let plan = PlanId::new(uuid::Uuid::now_v7().to_string());
    let make = Input::MakePlan {
        plan: plan.clone(),
        policy_hash: policy_hash.into(),
        files,
        replaces: fleet.replaces,
        content,
        as_of: fleet.made_at,
    };
    shell.tell(actor, make, None).await?;
    let envelope = fleet.envelope.iter().map(|permit| (permit.cohort.clone(), permit.devices)).collect();
    shell.tell(actor, Input::Apply { plan, envelope }, None).await?;
    Ok(fleet)
}
