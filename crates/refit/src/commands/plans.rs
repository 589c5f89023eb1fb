//! `refit plans`: the plans of a server, and what people say to them.

use crate::{
    Exit,
    cli::{Cli, PlansCommand},
    remote::{self, connect},
    terminal,
};
use anyhow::Result;
use refit_api::{Plan, PlanChanged, PlanSummary, Why};

pub fn run(cli: &Cli, command: &PlansCommand) -> Result<Exit> {
    let client = connect(cli)?;
    match command {
        PlansCommand::List => {
            let plans: Vec<PlanSummary> = client.list("plans", &[], 10_000)?;
            if cli.json {
                terminal::json(&serde_json::json!({ "plans": plans }))?;
            } else {
                terminal::print(&remote::plans(&plans))?;
            }
        }
        PlansCommand::Show { plan, all } => {
            let plan: Plan = client.get(&format!("plans/{plan}"), &[])?;
            if cli.json {
                terminal::json(&plan)?;
            } else {
                terminal::print(&remote::fleet_plan(&plan, *all))?;
            }
        }
        PlansCommand::Approve { plan } => {
            let changed: PlanChanged = client.post(&format!("plans/{plan}/approve"), &serde_json::json!({}))?;
            said(cli, &changed, "approved")?;
        }
        PlansCommand::Reject { plan, why } => {
            let changed: PlanChanged = client.post(&format!("plans/{plan}/reject"), &Why { why: why.clone() })?;
            said(cli, &changed, "rejected")?;
        }
    }
    Ok(Exit::Done)
}

fn said(cli: &Cli, changed: &PlanChanged, what: &str) -> Result<()> {
    if cli.json {
        return terminal::json(changed);
    }
    let before = if changed.changed { "" } else { "already " };
    terminal::print(&format!("plan {} is {before}{what}\n", changed.plan))
}
