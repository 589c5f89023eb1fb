//! `refit plan`, `apply`, `explain` and `exposures` where a server is asked (`--server`).

use super::mandate;
use crate::{
    Exit, Refused,
    cli::{ApplyArgs, Cli, ExplainArgs, ExposuresArgs, PlanArgs, SignArgs},
    remote::{self, connect, device_id},
    repository::{self, counted},
    terminal::{self, CHANGE, paint},
};
use anyhow::{Context, Result};
use refit_api::client::{Client, ExposureFilter};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// What `refit plan --server --out` writes: which plan of which server it is.
#[derive(Serialize, Deserialize)]
struct PlanFile {
    /// The server's address.
    server: String,
    /// The plan's id there.
    plan: String,
    /// The folder of the policy repository that it was made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    policy: Option<PathBuf>,
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
            policy: Some(read.folder.clone()),
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
    if let Some(file) = made_by.as_ref().filter(|file| file.server != client.address()) {
        return Err(Refused::usage(format!(
            "{} is a plan of {}, and {} is asked: write `--server={}`",
            args.plan.display(),
            file.server,
            client.address(),
            file.server
        )));
    }
    if let Some(key) = &args.sign_with {
        let folder = args.policy.clone().or_else(|| made_by.and_then(|file| file.policy));
        sign(cli, args, key, plan, &client, folder)?;
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

/// Signs and publishes the mandate of the policies that a plan brings into force, before it does: a device that hears of the plan first
/// would refuse what the old mandate does not permit.
fn sign(cli: &Cli, args: &ApplyArgs, key: &Path, plan: &str, client: &Client, folder: Option<PathBuf>) -> Result<()> {
    let Some(folder) = folder else {
        return Err(Refused::usage("name the policy repository that is to be signed: `--policy DIR`"));
    };
    let read = mandate::read(&folder)?;
    let planned = client.plan(plan)?.summary.policy_hash;
    if planned.as_ref() != Some(&read.hash) {
        return Err(Refused::no(format!(
            "plan {plan} is not of the policies in {}: make it again from them",
            folder.display()
        )));
    }
    let with = SignArgs {
        sign_with: key.to_owned(),
        root: args.root.clone(),
        passphrase_file: args.passphrase_file.clone(),
        number: None,
        yes: args.yes,
    };
    let Some((trusted, wanted, envelope)) = mandate::prepare(cli, client, &read, &with, None)? else {
        return Err(Refused::no("nothing was signed, and nothing applied"));
    };
    let written = mandate::put_in_force(client, &trusted, envelope)?;
    // With `--json` one value goes to standard output: that of what was applied.
    let said = mandate::in_force(&wanted, written.id.as_deref());
    if cli.json {
        terminal::note(said.trim_end());
        return Ok(());
    }
    terminal::print(&said)
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
