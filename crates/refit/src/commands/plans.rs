//! `refit plans`: the plans of a server, and what people say to them.

use super::world::saved::{self, Saved};
use crate::{
    Exit,
    cli::{Cli, PlansCommand},
    remote::{self, Names, connect},
    terminal,
};
use anyhow::Result;
use refit_api::PlanChanged;
use std::path::Path;

pub fn run(cli: &Cli, command: &PlansCommand) -> Result<Exit> {
    if let PlansCommand::Show { plan, all } = command
        && let Saved::Plan(kept) = saved::read(Path::new(plan))?
    {
        return saved::show(cli, &kept, *all);
    }
    let client = connect(cli)?;
    match command {
        PlansCommand::List => {
            let plans = client.plans(None)?;
            if cli.json {
                terminal::json(&serde_json::json!({ "plans": plans }))?;
            } else {
                terminal::print(&remote::plans(&plans))?;
            }
        }
        PlansCommand::Show { plan, all } => {
            let plan = client.plan(plan)?;
            if cli.json {
                terminal::json(&plan)?;
            } else {
                let names = Names::of(&client, remote::devices_of(&plan, *all));
                terminal::print(&remote::fleet_plan(&plan, &names, *all))?;
            }
        }
        PlansCommand::Approve { plan } => {
            said(cli, &client.approve_plan(plan)?, "approved")?;
        }
        PlansCommand::Reject { plan, why } => {
            said(cli, &client.reject_plan(plan, why)?, "rejected")?;
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
