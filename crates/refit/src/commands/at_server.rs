//! `refit plan`, `apply`, `explain` and `exposures` where a server is asked (`--server`).

use crate::{
    Exit, Refused,
    cli::{ApplyArgs, Cli, ExplainArgs, ExposuresArgs, PlanArgs},
    remote::{self, connect, device_id},
    repository::{self, counted},
    terminal::{self, CHANGE, paint},
};
use anyhow::{Context, Result};
use refit_api::client::ExposureFilter;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::Path};

/// What `refit plan --server --out` writes: which plan of which server it is.
#[derive(Serialize, Deserialize)]
struct PlanFile {
    /// The server's address.
    server: String,
    /// The plan's id there.
    plan: String,
}

pub fn plan(cli: &Cli, args: &PlanArgs) -> Result<Exit> {
    if args.local.local || args.refresh || !args.local.facts.is_empty() {
        return Err(Refused::usage(
            "`--local`, `--fact` and `--refresh` speak of this machine; a server knows its devices",
        ));
    }
    let read = repository::read_in_order(&args.policy)?;
    let client = connect(cli)?;
    let files: BTreeMap<String, String> =
        read.files.0.iter().map(|file| (file.path.to_string(), file.text.to_string())).collect();
    let bar = terminal::spinner("working out the plan");
    let plan = client.make_plan(files)?;
    bar.finish_and_clear();
    if cli.json {
        terminal::json(&plan)?;
    } else {
        terminal::print(&remote::fleet_plan(&plan, args.all))?;
    }
    let changes = plan.content.as_ref().is_some_and(|content| !content.changes.is_empty());
    if let Some(file) = &args.out {
        let text = serde_json::to_vec_pretty(&PlanFile {
            server: client.address().to_owned(),
            plan: plan.summary.id.clone(),
        })?;
        std::fs::write(file, text).with_context(|| format!("the plan can't be written to {}", file.display()))?;
    }
    if !cli.json {
        terminal::print(&format!("\nApply it with:  refit apply --server {}\n", plan.summary.id))?;
    }
    Ok(if args.detailed_exitcode && changes { Exit::Changes } else { Exit::Done })
}

/// The id of a server's plan: as it is given, or in the file.
pub fn named(cli: &Cli, plan: &Path) -> Option<String> {
    if let Ok(text) = std::fs::read(plan) {
        return serde_json::from_slice::<PlanFile>(&text).ok().map(|file| file.plan);
    }
    remote::is_meant(cli).then(|| plan.to_string_lossy().into_owned())
}

/// A plan for this machine is not carried out here by somebody who named a server.
pub fn refuse_local_plan(cli: &Cli, plan: &Path) -> Result<()> {
    if remote::is_meant(cli) {
        let why =
            "is no plan of a server; without `--server`, `refit apply` carries out what is planned for this machine";
        return Err(Refused::usage(format!("{} {why}", plan.display())));
    }
    Ok(())
}

pub fn apply(cli: &Cli, args: &ApplyArgs, plan: &str) -> Result<Exit> {
    if !args.facts.is_empty() {
        return Err(Refused::usage("`--fact` speaks of this machine; a server knows its devices"));
    }
    let client = connect(cli)?;
    // A plan belongs to the server that made it; another one may have a plan of that name.
    let made_by = std::fs::read(&args.plan).ok().and_then(|text| serde_json::from_slice::<PlanFile>(&text).ok());
    if let Some(file) = made_by.filter(|file| file.server != client.address()) {
        return Err(Refused::usage(format!(
            "{} is a plan of {}, and {} is asked: write `--server={}`",
            args.plan.display(),
            file.server,
            client.address(),
            file.server
        )));
    }
    let bar = terminal::spinner("working out the plan again");
    let applied = client.apply_plan(plan)?;
    bar.finish_and_clear();
    if cli.json {
        terminal::json(&applied)?;
        return Ok(Exit::Done);
    }
    let mut text = format!(
        "policy revision {} is in force; {} to move\n",
        applied.revision,
        counted(applied.summary.moved as usize, "device")
    );
    for outside in &applied.outside {
        text.push_str(&format!(
            "{} {} on {} lies outside the plan and waits for a person\n",
            paint(CHANGE, "held:"),
            outside.cohort.slot,
            counted(outside.devices as usize, "device")
        ));
    }
    terminal::print(&text)?;
    Ok(Exit::Done)
}

pub fn explain(cli: &Cli, args: &ExplainArgs) -> Result<Exit> {
    if args.policy.is_some() || !args.facts.is_empty() {
        return Err(Refused::usage(
            "`--policy` and `--fact` speak of this machine; a server has its policy and its facts",
        ));
    }
    let client = connect(cli)?;
    let id = device_id(&client, &args.device)?;
    let explanation = client.explanation(&id, &args.title, args.at)?;
    if cli.json {
        terminal::json(&explanation)?;
    } else {
        terminal::print(&explanation.text)?;
    }
    Ok(Exit::Done)
}

pub fn exposures(cli: &Cli, args: &ExposuresArgs) -> Result<Exit> {
    if args.policy.is_some() || args.unfixed || !args.facts.is_empty() {
        return Err(Refused::usage(
            "`--policy`, `--unfixed` and `--fact` speak of this machine; a server has its policy",
        ));
    }
    let client = connect(cli)?;
    let exposures = client.exposures(&ExposureFilter { kev: args.kev.then_some(true), ..ExposureFilter::default() })?;
    if cli.json {
        terminal::json(&serde_json::json!({ "exposures": exposures }))?;
    } else {
        terminal::print(&remote::exposures(&exposures))?;
    }
    Ok(Exit::Done)
}
