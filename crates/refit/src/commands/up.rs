//! `refit up`

use super::serve::{begin_log, is_made_up, options, processes, runtime, serving};
use crate::{
    Exit, Refused,
    cli::{Cli, UpArgs},
    local::{Report, report, required},
    repository::{self, Read},
    sources,
};
use anyhow::{Context, Result};
use refit_core::control::{Actor, Input, PolicyFiles, Refusal};
use refit_model::TitleId;
use refit_server::{
    matching::Packages,
    policy::plan_and_apply,
    shell::{Shell, TellError},
    start::{Server, asked_to_end},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// How often this machine reports.
const REPORT: Duration = Duration::from_secs(15 * 60);
/// How often to look whether policies ask for something else of this machine.
const LOOK: Duration = Duration::from_secs(10);

pub fn run(cli: &Cli, args: &UpArgs) -> Result<Exit> {
    let policy = match &args.policy {
        None => None,
        Some(folder) => Some(repository::read_in_order(folder)?),
    };
    begin_log(&args.log);
    if !args.listen.ip().is_loopback() {
        tracing::warn!(
            listen = %args.listen,
            "others can reach this server, and its plans need nobody's approval: `refit serve` is meant for that"
        );
    }
    let mut options = options(cli, args.listen, &args.connections)?;
    options.approvals = Some(0);
    if is_made_up(&options)? {
        return Err(Refused::usage(format!(
            "{} holds a made-up history, which this machine is no part of: `refit serve` shows it",
            options.data.display()
        )));
    }
    let served = serving(cli, &args.connections)?;
    let told = processes(cli, &args.connections)?;
    runtime()?.block_on(async {
        let end = asked_to_end();
        let mut server = Server::start(options).await?;
        let (shell, packages) = (server.shell().clone(), server.packages().clone());
        server.spawn(crate::targets::serving::run(shell.clone(), served.clone()));
        server.spawn(sources::serving::run(shell.clone(), served));
        server.spawn(crate::processes::serving::run(shell.clone(), told));
        server.spawn(this_machine(shell, packages, policy));
        server.run(end).await?;
        Ok(Exit::Done)
    })
}

/// Reports this machine, at once and every quarter of an hour, and whenever policies require packages that were not asked for.
async fn this_machine(shell: Shell, packages: Packages, mut policy: Option<Read>) {
    let mut said = false;
    loop {
        let (wanted, begun) = (wanted(&shell), Instant::now());
        match observe(&shell, &packages, wanted.clone()).await {
            Ok(()) => said = false,
            Err(error) if said => tracing::debug!(error = format!("{error:#}"), "this machine can't be read"),
            Err(error) => {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "this machine can't be read; the server goes on without it"
                );
                said = true;
            }
        }
        if let Some(read) = policy.take()
            && let Err(error) = apply(&shell, read).await
        {
            tracing::error!(error = format!("{error:#}"), "the policy could not be applied");
        }
        while begun.elapsed() < REPORT && self::wanted(&shell) == wanted {
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// What policies require and this machine may not have.
fn wanted(shell: &Shell) -> Vec<TitleId> {
    shell.view().state.policy.as_ref().map(|policy| required(&policy.repository)).unwrap_or_default()
}

async fn observe(shell: &Shell, packages: &Packages, wanted: Vec<TitleId>) -> Result<()> {
    let now = shell.now();
    let read = tokio::task::spawn_blocking(move || report(&wanted, now)).await?;
    let Report { name, observation, distribution, packages: known } = read?;
    packages.learn(&distribution, known);
    let (actor, device) = (Actor::server(), observation.device.clone());
    if !shell.view().state.devices.contains_key(&device) {
        let enrol = Input::Enrol { device: device.clone(), name: Some(name) };
        match shell.tell(&actor, enrol, None).await {
            Ok(_) => tracing::info!(%device, "this machine is a device"),
            Err(TellError::Refused(Refusal::Exists { .. })) => {}
            Err(error) => return Err(error.into()),
        }
    }
    match shell.tell(&actor, Input::Observe(observation), None).await {
        // Somebody retired it: it is no longer managed, whatever it says.
        Err(TellError::Refused(Refusal::Missing { .. })) => Ok(()),
        told => Ok(told.map(drop)?),
    }
}

/// Applies a policy repository if none is in force.
async fn apply(shell: &Shell, read: Read) -> Result<()> {
    if let Some(policy) = &shell.view().state.policy {
        if policy.policy_hash == read.hash {
            tracing::info!(revision = policy.revision, "the policy is in force already");
        } else {
            tracing::warn!(
                revision = policy.revision,
                "another policy is in force, and the one that was given is not applied: `refit plan {} --server` shows what it would change",
                read.folder.display()
            );
        }
        return Ok(());
    }
    let files = PolicyFiles(read.files.0.iter().map(|file| (file.path.clone(), file.text.to_string())).collect());
    let fleet = plan_and_apply(shell, &Actor::server(), &files, &read.hash, Arc::new(read.repository))
        .await
        .context(read.folder.display().to_string())?;
    tracing::info!(policy = %read.folder.display(), devices = fleet.devices, moved = fleet.summary.moved, "the policy is in force");
    Ok(())
}
