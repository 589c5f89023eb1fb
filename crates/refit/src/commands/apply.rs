//! `refit apply`

use super::plan::make;
use crate::{
    Exit,
    cli::{ApplyArgs, Cli},
    local::{Draft, Memory, Session, data_folder},
    repository::{self, Read, counted},
    terminal::{self, ADD, CHANGE, FAINT, HEADING, URGENT, paint},
};
use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use refit_agent::providers::apt::{
    self, ActionKind, ApplyError, ApplyOptions, PackageOutcome, Progress, Receipt, Transaction,
};
use refit_core::plan::{FORMAT, Plan};
use refit_model::TitleId;
use serde::Serialize;
use std::{collections::BTreeMap, path::Path, time::Duration};

/// `refit apply --json`
#[derive(Serialize)]
struct Report<'a> {
    applied: bool,
    refused: Vec<String>,
    receipts: &'a [Receipt],
    error: Option<String>,
}

pub fn run(cli: &Cli, args: &ApplyArgs) -> Result<Exit> {
    let plan = read_plan(&args.plan)?;
    let folder = Path::new(&plan.policy_folder);
    let Some(read) = repository::read_in_order(folder)? else { return Ok(Exit::No) };
    if read.hash != plan.policy_hash {
        return refuse(cli, vec![format!("the policy in {} has changed since the plan was made", folder.display())]);
    }
    let data = data_folder(cli.data.as_deref());
    let made = make(cli, &read, &args.facts)?;
    let outside = outside(&plan, &made);
    if !outside.is_empty() {
        return refuse(cli, outside);
    }
    let session = made.session.clone();
    if session.transactions.is_empty() {
        remember(&read, &data)?;
        if cli.json {
            terminal::json(&Report { applied: true, refused: Vec::new(), receipts: &[], error: None })?;
        } else {
            terminal::print("Nothing to change now.\n")?;
        }
        return Ok(Exit::Done);
    }
    let options = ApplyOptions { lock_limit: Duration::from_secs(args.lock_wait), ..ApplyOptions::default() };
    let (receipts, error) = carry_out(&session, options);
    // From now on the policies apply here, whatever became of this session.
    if !receipts.is_empty() {
        remember(&read, &data)?;
    }
    let all_well = error.is_none() && receipts.iter().all(|receipt| receipt.succeeded);
    if cli.json {
        let error = error.as_ref().map(ToString::to_string);
        terminal::json(&Report { applied: all_well, refused: Vec::new(), receipts: &receipts, error })?;
    } else {
        for receipt in &receipts {
            terminal::print(&shown(receipt))?;
        }
        if let Some(error) = &error {
            terminal::note(format_args!("{} {error}", paint(URGENT, "error:")));
            if let ApplyError::CannotRepair { output_tail, .. } = error {
                output_tail.iter().for_each(|line| terminal::note(format_args!("    {line}")));
            }
        }
        terminal::print(&verdict(&receipts, error.is_some()))?;
    }
    Ok(if all_well { Exit::Done } else { Exit::No })
}

fn read_plan(path: &Path) -> Result<Plan> {
    let text = std::fs::read_to_string(path).with_context(|| format!("the plan {} can't be read", path.display()))?;
    // The format first: a plan of another version may have another shape.
    let format = serde_json::from_str::<serde_json::Value>(&text).ok().and_then(|json| json.get("format")?.as_u64());
    match format {
        Some(format) if format == u64::from(FORMAT) => {}
        Some(format) => {
            bail!("{} has format {format}, and this program reads {FORMAT}: make the plan again", path.display())
        }
        None => bail!("{} is no plan: write one with `refit plan POLICY --local --out FILE`", path.display()),
    }
    serde_json::from_str(&text).with_context(|| format!("{} is damaged: make the plan again", path.display()))
}

fn refuse(cli: &Cli, why: Vec<String>) -> Result<Exit> {
    if cli.json {
        terminal::json(&Report { applied: false, refused: why, receipts: &[], error: None })?;
        return Ok(Exit::No);
    }
    terminal::note(format_args!("{} what would be done now lies outside the plan:", paint(URGENT, "refused:")));
    for line in &why {
        terminal::note(format_args!("  {line}"));
    }
    terminal::note("Nothing was changed. Make the plan again and look at it");
    Ok(Exit::No)
}

/// What would be changed now and is not in the plan, package by package.
fn outside(plan: &Plan, made: &Draft) -> Vec<String> {
    let mut outside = Vec::new();
    if plan.device != made.plan.device {
        outside.push(format!("the plan is for {} and this is {}", plan.hostname, made.plan.hostname));
    }
    let planned: BTreeMap<&TitleId, Option<&String>> =
        plan.changes().map(|item| (&item.title, item.to.as_ref())).collect();
    for (title, action) in made.session.transactions.iter().flat_map(|transaction| &transaction.actions) {
        let now = action.to.as_ref().map(ToString::to_string);
        match planned.get(title) {
            Some(to) if *to == now.as_ref() => {}
            Some(to) => outside.push(format!(
                "{title} would become {}, and the plan says {}",
                now.as_deref().unwrap_or("absent"),
                to.map_or("absent", String::as_str)
            )),
            None => outside.push(match &now {
                Some(version) => format!("{title} would become {version}, and is not in the plan"),
                None => format!("{title} would be removed, and is not in the plan"),
            }),
        }
    }
    outside
}

/// Carries out transactions one after the other, up to the first that fails.
fn carry_out(session: &Session, options: ApplyOptions) -> (Vec<Receipt>, Option<ApplyError>) {
    let mut receipts = Vec::new();
    for transaction in &session.transactions {
        match one(transaction, options) {
            Ok(receipt) => {
                let succeeded = receipt.succeeded;
                receipts.push(receipt);
                if !succeeded {
                    return (receipts, None);
                }
            }
            Err(error) => return (receipts, Some(error)),
        }
    }
    (receipts, None)
}

fn one(transaction: &Transaction, options: ApplyOptions) -> Result<Receipt, ApplyError> {
    let bar = terminal::spinner("preparing");
    let say = |text: String| bar.suspend(|| terminal::note(text));
    let receipt = apt::apply(transaction, options, &mut |progress| match progress {
        Progress::WaitingForLock { holder } => say(format!("waiting: {holder}")),
        Progress::Repairing { packages } => {
            say(format!("repairing an interrupted change first: {}", packages.join(", ")))
        }
        Progress::Repaired { repair } => {
            let what = if repair.succeeded { "repaired" } else { "not repaired" };
            say(format!("{what} (`{}`)", repair.command));
        }
        Progress::Downloading { bytes } if bytes > 0 => {
            say(format!("fetching {:.1} MB", bytes as f64 / 1e6));
            bar.set_message("fetching");
        }
        Progress::Package { title, .. } => bar.set_message(format!("changing {title}")),
        Progress::Verifying => bar.set_message("looking at what came of it"),
        Progress::Downloading { .. } | Progress::Line { .. } => {}
    });
    bar.finish_and_clear();
    receipt
}

/// Writes down that the policies apply here.
fn remember(read: &Read, data: &Path) -> Result<()> {
    let now = Timestamp::now();
    let mut memory = Memory::read(data, now)?;
    for policy in &read.repository.policies {
        memory.policies.entry(policy.name.to_string()).or_insert(now);
        let entries = memory.entries.entry(policy.name.to_string()).or_default();
        for entry in &policy.deadline {
            entries.entry(entry.text.to_string()).or_insert(now);
        }
    }
    memory.write(data)
}

fn shown(receipt: &Receipt) -> String {
    let mut text = String::new();
    for package in &receipt.packages {
        let before = package.before.as_ref().map(ToString::to_string);
        let after = package.after.as_ref().map(ToString::to_string);
        let versions = match (&before, &after) {
            (Some(before), Some(after)) if before != after => format!("{before} → {after}"),
            (_, Some(after)) => after.clone(),
            (Some(before), None) => format!("{before} → gone"),
            (None, None) => String::new(),
        };
        match &package.outcome {
            PackageOutcome::Done => {
                let sign = match package.planned {
                    Some(ActionKind::Install) => paint(ADD, "+"),
                    Some(ActionKind::Remove | ActionKind::Purge) => paint(URGENT, "-"),
                    _ => paint(CHANGE, "~"),
                };
                text += &format!("  {sign} {}  {versions}\n", package.title);
            }
            PackageOutcome::Failed { why, output } => {
                text += &format!("  {} {}  {versions}\n      {why}\n", paint(URGENT, "failed"), package.title);
                for line in output {
                    text += &format!("      {}\n", paint(FAINT, line));
                }
            }
            PackageOutcome::NotAttempted => {
                text += &format!("  {} {}  {versions}\n", paint(CHANGE, "not attempted"), package.title);
            }
            PackageOutcome::Unplanned => {
                text +=
                    &format!("  {} {}  {versions}\n", paint(URGENT, "changed without being planned"), package.title);
            }
        }
    }
    for problem in &receipt.problems {
        text += &format!("{} {problem}\n", paint(URGENT, "problem:"));
    }
    for reason in &receipt.needed.reboot {
        text += &format!("{} {reason}\n", paint(CHANGE, "restart of the machine needed:"));
    }
    for restart in &receipt.needed.restarts {
        let what = restart.unit.clone().unwrap_or_else(|| restart.program.clone());
        text += &format!("{} {what}\n", paint(CHANGE, "restart needed:"));
    }
    text
}

fn verdict(receipts: &[Receipt], broke: bool) -> String {
    let packages = || receipts.iter().flat_map(|receipt| &receipt.packages);
    let done = packages().filter(|package| package.outcome == PackageOutcome::Done).count();
    let failed = packages().filter(|package| matches!(package.outcome, PackageOutcome::Failed { .. })).count();
    let rest = packages().filter(|package| package.outcome == PackageOutcome::NotAttempted).count();
    let mut text = format!("\n{} {} observed as planned", paint(HEADING, "Done:"), counted(done, "package"));
    if failed > 0 {
        text += &format!(", {}", paint(URGENT, format!("{failed} failed")));
    }
    if rest > 0 {
        text += &format!(", {rest} not attempted");
    }
    if receipts.is_empty() && broke {
        text = format!("\n{}", paint(HEADING, "Nothing was changed"));
    }
    text + ".\n"
}
