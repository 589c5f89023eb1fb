//! `refit plan`, `apply`, `explain` and `exposures` where a server is asked (`--server`).

use super::{mandate, plan::out};
use crate::{
    Exit, Refused,
    cli::{ApplyArgs, Cli, ExplainArgs, ExposuresArgs, PlanArgs, SignArgs},
    local::data_folder,
    remote::{self, Names, connect},
    repository::{self, counted},
    terminal::{self, CHANGE, paint},
};
use anyhow::Result;
use refit_api::{
    Applied, Device, Explanation, PolicyInForce,
    client::{Client, ClientError, ExposureFilter},
};
use refit_core::control::{FleetPlan, FleetSummary, PlanStatus};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
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
    out::refuse_twice(cli, args.out.as_deref())?;
    let read = repository::read_in_order(&repository::given_or_here(args.policy.as_deref())?)?;
    let client = connect(cli)?;
    let files: BTreeMap<String, String> =
        read.files.0.iter().map(|file| (file.path.to_string(), file.text.to_string())).collect();
    let bar = terminal::spinner("working out the plan");
    let Some(file) = &args.out else {
        let preview = client.preview_plan(files)?;
        bar.finish_and_clear();
        let in_force = in_force(&client, &preview.policy_hash, &preview.content);
        if cli.json {
            terminal::json(&preview)?;
        } else if let Some(policy) = &in_force {
            terminal::print(&nothing_changes(policy))?;
        } else {
            let names = Names::of(&client, remote::devices_in(&preview.content, args.all));
            terminal::print(&remote::preview(&preview, &names, args.all))?;
            terminal::print(
                "\nNothing of it is kept. With `--out plan.json` it becomes a plan that can be approved and applied.\n",
            )?;
        }
        return Ok(planned(args, in_force.is_some()));
    };
    let plan = client.make_plan(files)?;
    bar.finish_and_clear();
    let hash = plan.summary.policy_hash.as_deref().unwrap_or_default();
    let in_force = plan.content.as_ref().and_then(|content| in_force(&client, hash, content));
    let file_text = PlanFile {
        server: client.address().to_owned(),
        plan: plan.summary.id.clone(),
        policy: Some(read.folder.clone()),
    };
    out::write(file, &file_text)?;
    if cli.json {
        terminal::json(&plan)?;
    } else {
        let say = out::beside(args.out.as_deref());
        if let Some(policy) = &in_force {
            say(&nothing_changes(policy))?;
        } else {
            let names = Names::of(&client, remote::devices_of(&plan, args.all));
            say(&remote::fleet_plan(&plan, &names, args.all))?;
            say(&format!("\nApply it with:  refit apply --server {}\n", plan.summary.id))?;
        }
    }
    Ok(planned(args, in_force.is_some()))
}

/// The policy in force, where it is this one, and the same for every device: there is nothing to apply.
fn in_force(client: &Client, hash: &str, content: &FleetPlan) -> Option<PolicyInForce> {
    if !content.changes.is_empty() {
        return None;
    }
    // A token that may plan and not read can't tell: then there is a policy to apply.
    client.policy().ok().flatten().filter(|policy| policy.policy_hash == hash)
}

fn nothing_changes(policy: &PolicyInForce) -> String {
    format!("Nothing changes: this policy is in force, as revision {} since {:.0}\n", policy.revision, policy.since)
}

fn planned(args: &PlanArgs, is_in_force: bool) -> Exit {
    if args.detailed_exitcode && !is_in_force { Exit::Changes } else { Exit::Done }
}

/// The id of a server's plan: as it is given, or in the file.
pub fn named(cli: &Cli, plan: &Path) -> Option<String> {
    if let Ok(text) = std::fs::read(plan) {
        return serde_json::from_slice::<PlanFile>(&text).ok().map(|file| file.plan);
    }
    remote::is_meant(cli).then(|| plan.to_string_lossy().into_owned())
}

/// Whether a word may be the id of a server's plan: a UUID.
fn is_id(word: &str) -> bool {
    let parts: Vec<usize> = word.split('-').map(str::len).collect();
    parts == [8, 4, 4, 4, 12] && word.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}

/// What `refit apply` says of a plan that is no server's: somebody who named a server does not mean this machine, and somebody
/// who wrote the id of a server's plan does not mean a file.
pub fn refuse_local_plan(cli: &Cli, plan: &Path) -> Result<()> {
    if remote::is_meant(cli) {
        let why =
            "is no plan of a server; without `--server`, `refit apply` carries out what is planned for this machine";
        return Err(Refused::usage(format!("{} {why}", plan.display())));
    }
    if !plan.exists() && plan.to_str().is_some_and(is_id) {
        return Err(Refused::usage(format!(
            "there is no file {0}. It looks like a plan of a server: write `refit apply --server {0}`",
            plan.display()
        )));
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
    let applied = client.apply_plan(plan);
    bar.finish_and_clear();
    let applied = match applied {
        Ok(applied) => applied,
        Err(error) => return applied_before(cli, &client, plan, error),
    };
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

/// A plan that has been applied is in force, or was replaced; every other refusal is as the server says it.
fn applied_before(cli: &Cli, client: &Client, plan: &str, error: ClientError) -> Result<Exit> {
    let summary = match error.code() {
        Some("conflict") => client.plan(plan).ok().map(|plan| plan.summary),
        _ => None,
    };
    let Some(summary) = summary.filter(|summary| summary.status == PlanStatus::Applied) else {
        return Err(error.into());
    };
    let revision = summary.replaces.unwrap_or(0) + 1;
    let Some(policy) = client.policy()?.filter(|policy| policy.plan == summary.id) else {
        return Err(Refused::no(format!(
            "plan {plan} was applied as policy revision {revision}, and another revision has replaced it: make a new plan"
        )));
    };
    if cli.json {
        // Nothing has moved, and nothing lies outside.
        let applied = Applied {
            plan: summary.id,
            seq: policy.by_event,
            revision: policy.revision,
            outside: Vec::new(),
            summary: FleetSummary::default(),
        };
        terminal::json(&applied)?;
        return Ok(Exit::Done);
    }
    let event = client.events(policy.by_event.saturating_sub(1), Some("policy.applied"), Duration::ZERO);
    let event = event.ok().and_then(|page| page.items.into_iter().next());
    let by = event.map_or_else(String::new, |event| format!(", applied by {}", owner(client, &event.actor)));
    terminal::print(&format!(
        "plan {plan} is applied already: policy revision {} is in force since {:.0}{by}\n",
        policy.revision, policy.since
    ))?;
    Ok(Exit::Done)
}

/// Who answers for the token that an entry of the log names, where that may be known.
fn owner(client: &Client, actor: &str) -> String {
    let tokens = actor.strip_prefix("token:").and_then(|id| Some((id, client.tokens().ok()?)));
    let token = tokens.and_then(|(id, tokens)| tokens.into_iter().find(|token| token.id == id));
    token.map_or_else(|| actor.to_owned(), |token| token.owner)
}

pub fn explain(cli: &Cli, args: &ExplainArgs) -> Result<Exit> {
    if args.policy.is_some() || !args.facts.is_empty() {
        return Err(Refused::usage(
            "`--policy` and `--fact` speak of this machine; a server has its policy and its facts",
        ));
    }
    let client = connect(cli)?;
    let device = remote::device(&client, &args.device)?;
    let explanation = explanation(&client, &device, args)?;
    if cli.json {
        terminal::json(&explanation)?;
    } else {
        // People know a device by its name; the server's text has its id.
        let name = device.name.filter(|name| *name != device.id);
        let called = name.map_or_else(|| device.id.clone(), |name| format!("{name} ({})", device.id));
        terminal::print(&explanation.text.replacen(&format!(" on {} ", device.id), &format!(" on {called} "), 1))?;
    }
    Ok(Exit::Done)
}

/// Asks for an explanation: of the title that is written, or of the package that people call so.
fn explanation(client: &Client, device: &Device, args: &ExplainArgs) -> Result<Explanation> {
    if let Some(at) = args.at.filter(|at| *at < device.enrolled) {
        return Err(Refused::no(format!(
            "nothing was known of {} at {at:.0}: it is a device since {:.0}",
            device.name.as_ref().unwrap_or(&device.id),
            device.enrolled
        )));
    }
    // `openssl` is what people say; the package is `deb/openssl`.
    let has = |title: &str| device.installs.iter().any(|install| install.slot.title.as_str() == title);
    let packages = ["deb", "rpm"].map(|namespace| format!("{namespace}/{}", args.title));
    let package = packages.iter().find(|package| has(package)).filter(|_| !has(&args.title));
    let title = package.unwrap_or(&args.title);
    match client.explanation(&device.id, title, args.at) {
        Err(error) if error.code() == Some("not-found") => Err(remote::no_title(client, title)),
        said => Ok(said?),
    }
}

pub fn exposures(cli: &Cli, args: &ExposuresArgs) -> Result<Exit> {
    if args.policy.is_some() || args.unfixed || !args.facts.is_empty() {
        return Err(Refused::usage(
            "`--policy`, `--unfixed` and `--fact` speak of this machine; a server has its policy",
        ));
    }
    let client = connect(cli)?;
    let exposures = client.exposures(&ExposureFilter { kev: args.kev.then_some(true), ..ExposureFilter::default() })?;
    let notes: Vec<String> =
        if exposures.is_empty() && !knows_any(&client)? { vec![not_known(cli)] } else { Vec::new() };
    if cli.json {
        terminal::json(&serde_json::json!({ "exposures": exposures, "notes": notes }))?;
        return Ok(Exit::Done);
    }
    if notes.is_empty() {
        let names = Names::of(&client, exposures.iter().flat_map(|exposure| &exposure.examples).map(String::as_str));
        terminal::print(&remote::exposures(&exposures, &names))?;
    }
    for note in notes {
        terminal::print(&format!("{note}\n"))?;
    }
    Ok(Exit::Done)
}

/// Whether a server knows of any vulnerability: from a feed that it has matched, or because somebody told it.
fn knows_any(client: &Client) -> Result<bool> {
    if client.knows_an_advisory()? {
        return Ok(true);
    }
    let mut after = 0;
    loop {
        let page = client.events(after, Some("distribution.matched"), Duration::ZERO)?;
        if page.items.iter().any(|event| event.body["advisories"].as_u64().is_some_and(|number| number > 0)) {
            return Ok(true);
        }
        if page.next >= page.head || page.next <= after {
            return Ok(false);
        }
        after = page.next;
    }
}

/// What is said where nothing is known, in place of a zero that would look like good news.
fn not_known(cli: &Cli) -> String {
    let here = cli.server.as_ref().is_none_or(String::is_empty);
    let folder = data_folder(cli.data.as_deref()).ok().filter(|_| here).map(|folder| folder.display().to_string());
    format!(
        "What is open is not known: the server knows of no vulnerability. Sync the feeds into its data folder, on its machine: \
         `refit feeds sync --data {}`; it matches them by itself",
        folder.as_deref().unwrap_or("DIR")
    )
}
