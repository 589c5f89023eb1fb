//! `refit apply`

use super::plan::make;
use crate::{
    Exit, Refused,
    cli::{ApplyArgs, Cli},
    local::{Draft, Memory, data_folder, provider},
    repository::{self, Read, counted},
    signals::Signals,
    terminal::{self, ADD, CHANGE, FAINT, HEADING, URGENT, paint},
};
use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use refit_agent::providers::{
    Provider,
    installs::Status,
    locks::LockHolder,
    receipt::{PackageOutcome, Receipt},
    transaction::{ActionKind, ApplyError, ApplyOptions, Progress, Transaction},
};
use refit_core::plan::{Action, FORMAT, Item, Plan};
use refit_model::TitleId;
use serde::Serialize;
use std::{collections::BTreeMap, path::Path, time::Duration};

/// `refit apply --json`
#[derive(Serialize)]
struct Report<'a> {
    applied: bool,
    refused: Vec<String>,
    receipt: Option<&'a Receipt>,
    error: Option<String>,
    not_now: Vec<String>,
}

pub fn run(cli: &Cli, args: &ApplyArgs) -> Result<Exit> {
    if args.sign_with.is_some() {
        return Err(Refused::usage(
            "`--sign-with` signs for a server's devices, and this plan is for this machine alone",
        ));
    }
    let plan = read_plan(&args.plan)?;
    let folder = Path::new(&plan.policy_folder);
    let read = repository::read_in_order(folder)?;
    if read.hash != plan.policy_hash {
        return refuse(cli, vec![format!("the policy in {} has changed since the plan was made", folder.display())]);
    }
    let data = data_folder(cli.data.as_deref())?;
    let options = ApplyOptions { lock_limit: Duration::from_secs(args.lock_wait), ..ApplyOptions::default() };
    // What another program is changing at this moment, such as an apt that an earlier `apply` has left, is no basis.
    let mut waiting = |holder: &LockHolder| terminal::note(format_args!("waiting: {holder}"));
    let provider = provider()?;
    if let Err(holder) = provider.wait_until_free(options.lock_limit, &|| false, &mut waiting) {
        let error = ApplyError::Locked { holder, waited: options.lock_limit };
        return tell_outcome(cli, Err(error), Rest::default(), None);
    }
    let facts: Vec<String> = plan.facts.iter().chain(&args.facts).cloned().collect();
    let made = make(cli, &read, &facts)?;
    let outside = outside(&plan, &made);
    if !outside.is_empty() {
        return refuse(cli, outside);
    }
    let rest = rest(&plan, &made);
    let Some(transaction) = &made.transaction else {
        note_unless_remembered(remember(&read, &data));
        return nothing_to_do(cli, rest);
    };
    let signals = Signals::remembered().context("signals can't be watched for")?;
    let outcome = carry_out(provider.as_ref(), transaction, options, &signals);
    // From now on the policies apply here, whatever became of this session. What became of it is told in any case.
    if outcome.is_ok() {
        note_unless_remembered(remember(&read, &data));
    }
    tell_outcome(cli, outcome, rest, signals.last())
}

/// Tells what became of a transaction.
fn tell_outcome(cli: &Cli, outcome: Result<Receipt, ApplyError>, rest: Rest, signal: Option<u8>) -> Result<Exit> {
    let all_well = outcome.as_ref().is_ok_and(|receipt| receipt.succeeded) && rest.missed.is_empty();
    let told = if cli.json {
        let (receipt, error) = (outcome.as_ref().ok(), outcome.as_ref().err().map(ToString::to_string));
        terminal::json(&Report { applied: all_well, refused: Vec::new(), receipt, error, not_now: rest.words() })
    } else {
        match &outcome {
            Ok(receipt) => {
                terminal::print(&format!("{}{}{}", shown(receipt), rest.listed(), verdict(receipt, rest.missed.len())))
            }
            Err(error) => {
                terminal::note(format_args!("{} {error}", paint(URGENT, "error:")));
                if let ApplyError::CannotRepair { output_tail, .. } = error {
                    output_tail.iter().for_each(|line| terminal::note(format_args!("    {line}")));
                }
                Ok(())
            }
        }
    };
    if let Some(signal) = signal {
        // The terminal may be gone that all this is told to.
        return Ok(Exit::Interrupted(signal));
    }
    told?;
    Ok(if all_well { Exit::Done } else { Exit::No })
}

/// What was planned and is not done now.
#[derive(Default)]
struct Rest {
    /// What is as planned already, in words.
    done: Vec<String>,
    /// What is not as planned and stays so, with the reason.
    missed: Vec<String>,
}

impl Rest {
    fn words(&self) -> Vec<String> {
        self.missed.iter().chain(&self.done).cloned().collect()
    }

    fn listed(&self) -> String {
        self.words().iter().map(|line| format!("  {} {line}\n", paint(FAINT, "planned, and not done now:"))).collect()
    }
}

/// Holds what was planned and is not done now against what is there.
fn rest(plan: &Plan, made: &Draft) -> Rest {
    let mut rest = Rest::default();
    let done_now = |item: &Item| made.transaction.as_ref().is_some_and(|now| now.actions.contains_key(&item.title));
    for item in plan.changes().filter(|item| !done_now(item)) {
        let found = made.present.get(&item.title);
        let is_as_planned = match (&item.to, found) {
            (Some(to), Some(found)) => found.state.is_none() && found.version == *to,
            (None, found) => found.is_none() && item.action == Action::Remove,
            (Some(_), None) => false,
        };
        if is_as_planned {
            rest.done.push(format!("{} is as planned already", item.title));
        } else {
            rest.missed.push(format!("{}: {}", item.title, why_not(item, made)));
        }
    }
    rest
}

/// Why a planned change is not made now.
fn why_not(item: &Item, made: &Draft) -> String {
    let mut later = made.plan.groups.iter().flat_map(|group| &group.later);
    if let Some(later) = later.find(|later| later.title == item.title).filter(|later| !later.not_now.is_empty()) {
        return later.not_now.join("; ");
    }
    let there = made.present.get(&item.title).map_or_else(|| "it is not there".to_owned(), ToString::to_string);
    let Some(to) = &item.to else { return format!("{there}, and no policy asks for its removal now") };
    let offered = made.situation.world.releases(&item.title).iter().any(|release| release.version.as_str() == to);
    let decided = made.decisions.iter().find(|decision| decision.slot.title == item.title);
    match decided {
        _ if !offered => format!("{there}, and no package source offers {to} now"),
        Some(decision) if decision.policy.is_some() => {
            format!("{there}, and the policy asks for nothing else now (`refit explain local {}` says why)", item.title)
        }
        _ if item.needed_by.is_some() => format!("{there}, and nothing needs {to} now"),
        _ => format!("{there}, and no policy asks for {to} now"),
    }
}

/// Tells that nothing is to be changed, because all is as planned, or because it can't be done now.
fn nothing_to_do(cli: &Cli, rest: Rest) -> Result<Exit> {
    let as_planned = rest.missed.is_empty();
    if cli.json {
        let error = (!as_planned).then(|| "nothing was changed, and the machine is not as planned".to_owned());
        let not_now = rest.words();
        terminal::json(&Report { applied: as_planned, refused: Vec::new(), receipt: None, error, not_now })?;
    } else {
        let verdict = match as_planned {
            true => "Nothing to change now.".to_owned(),
            false => format!(
                "{} {} not as planned, and nothing was changed. Make the plan again and look at it",
                paint(URGENT, "Not done:"),
                counted_is(rest.missed.len())
            ),
        };
        terminal::print(&format!("{}{verdict}\n", rest.listed()))?;
    }
    Ok(if as_planned { Exit::Done } else { Exit::No })
}

/// `1 package is`, `2 packages are`.
fn counted_is(number: usize) -> String {
    format!("{} {}", counted(number, "package"), if number == 1 { "is" } else { "are" })
}

fn read_plan(path: &Path) -> Result<Plan> {
    let text = std::fs::read_to_string(path).with_context(|| format!("the plan {} can't be read", path.display()))?;
    // The format first: a plan of another version may have another shape.
    let json = serde_json::from_str::<serde_json::Value>(&text).ok();
    if json.as_ref().is_some_and(|json| json.get("world_plan").is_some()) {
        return Err(Refused::usage(format!(
            "{0} is a plan for a fleet in a file, which nobody carries out: `refit plans show {0}` shows it",
            path.display()
        )));
    }
    let format = json.and_then(|json| json.get("format")?.as_u64());
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
        let error = Some("this is not what was planned; nothing was changed".to_owned());
        let report = Report { applied: false, refused: why, receipt: None, error, not_now: Vec::new() };
        terminal::json(&report)?;
        return Ok(Exit::No);
    }
    terminal::note(format_args!("{} this is not what was planned:", paint(URGENT, "refused:")));
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
        let name = |plan: &Plan| format!("`{}` (id {})", plan.hostname, plan.device);
        outside.push(format!("the plan is for the device {}, and this is {}", name(plan), name(&made.plan)));
    }
    let planned: BTreeMap<&TitleId, Option<&String>> =
        plan.changes().map(|item| (&item.title, item.to.as_ref())).collect();
    for (title, action) in made.transaction.iter().flat_map(|transaction| &transaction.actions) {
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

/// Carries it out, and tells what is going on.
fn carry_out(
    provider: &dyn Provider,
    transaction: &Transaction,
    options: ApplyOptions,
    signals: &Signals,
) -> Result<Receipt, ApplyError> {
    let bar = terminal::spinner("preparing");
    let say = |text: String| bar.suspend(|| terminal::note(text));
    let receipt = provider.apply(transaction, options, &|| signals.has_come(), &mut |progress| match progress {
        Progress::WaitingForLock { holder } => say(format!("waiting: {holder}")),
        Progress::Repairing { packages } => {
            say(format!("repairing an interrupted change first: {}", packages.join(", ")))
        }
        Progress::Repaired { repair } => say(match (repair.succeeded, repair.left.is_empty()) {
            (true, _) => format!("repaired (`{}`)", repair.command),
            (false, true) => format!("`{}` did not put everything in order", repair.command),
            (false, false) => format!("`{}` did not put {} in order", repair.command, repair.left.join(", ")),
        }),
        Progress::Downloading { bytes } if bytes > 0 => {
            say(format!("fetching {}", size(bytes)));
            bar.set_message("fetching");
        }
        Progress::Package { title, .. } => bar.set_message(format!("changing {title}")),
        Progress::Finishing => say(format!(
            "{} finishing what was begun; a change half-way would leave packages broken",
            paint(CHANGE, "interrupted:")
        )),
        Progress::Verifying => bar.set_message("looking at what came of it"),
        Progress::Downloading { .. } | Progress::Line { .. } => {}
    });
    bar.finish_and_clear();
    receipt
}

/// Due times need it, and what has been done is done without it.
fn note_unless_remembered(remembered: Result<()>) {
    if let Err(error) = remembered {
        terminal::note(format_args!(
            "{} {error:#}. Since when the policies apply here is not written down: due times count from the next time",
            paint(CHANGE, "warning:")
        ));
    }
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
        let versions = match package.status.filter(|status| !matches!(status, Status::Installed | Status::ConfigFiles))
        {
            Some(status) if package.after.is_some() => format!("{versions} ({})", status.name()),
            _ => versions,
        };
        match &package.outcome {
            PackageOutcome::Done => {
                let sign = match package.planned {
                    Some(ActionKind::Install) => paint(ADD, "+"),
                    Some(ActionKind::Remove | ActionKind::Purge) => paint(URGENT, "-"),
                    Some(ActionKind::Configure) => paint(CHANGE, "!"),
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
    for file in &receipt.kept_conffiles {
        text += &format!("kept: {file}, which was edited here; what the new version brought is in {file}.dpkg-dist\n");
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

fn verdict(receipt: &Receipt, missed: usize) -> String {
    let number = |is: fn(&PackageOutcome) -> bool| receipt.packages.iter().filter(|p| is(&p.outcome)).count();
    let done = counted(number(|outcome| *outcome == PackageOutcome::Done), "package");
    let failed = number(|outcome| matches!(outcome, PackageOutcome::Failed { .. }));
    let untouched = number(|outcome| *outcome == PackageOutcome::NotAttempted);
    let unplanned = number(|outcome| *outcome == PackageOutcome::Unplanned);
    let rest: Vec<String> = [
        (failed > 0).then(|| paint(URGENT, format!("{failed} failed"))),
        (untouched > 0).then(|| format!("{untouched} not attempted")),
        (unplanned > 0).then(|| paint(URGENT, format!("{unplanned} changed without being planned"))),
        (missed > 0).then(|| format!("{missed} planned and not done now")),
    ]
    .into_iter()
    .flatten()
    .collect();
    match (receipt.succeeded, rest.is_empty()) {
        (true, false) => {
            format!("\n{} {done} observed as planned; {}.\n", paint(CHANGE, "Done in part:"), rest.join(", "))
        }
        (true, true) => format!("\n{} {done} observed as planned.\n", paint(HEADING, "Done:")),
        (false, true) => format!("\n{} {done} observed as planned; see the problems.\n", paint(URGENT, "Not done:")),
        (false, false) => {
            format!("\n{} {}; {done} observed as planned.\n", paint(URGENT, "Not done:"), rest.join(", "))
        }
    }
}

/// `912 B`, `4 kB`, `57.3 MB`.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} kB", bytes.div_ceil(1_000)),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}
