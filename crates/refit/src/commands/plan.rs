//! `refit plan`

mod render;

pub use render::render;

use crate::{
    Exit, Refused,
    cli::{Cli, PlanArgs},
    local::{Draft, Memory, data_folder, draft, gather},
    repository::{self, Read},
    terminal,
};
use anyhow::{Context, Result};
use jiff::Timestamp;
use refit_agent::providers::apt::{self, LockHolder};
use refit_core::policy::{document::policy::Presence, repository::Selector};
use refit_model::TitleId;
use std::{io::Write, path::Path, time::Duration};

pub fn run(cli: &Cli, args: &PlanArgs) -> Result<Exit> {
    if !args.local.local {
        return Err(Refused::usage("for which devices? Write `--local` for this machine"));
    }
    let read = repository::read_in_order(&args.policy)?;
    if args.refresh {
        refresh()?;
    }
    let made = make(cli, &read, &args.local.facts)?;
    if cli.json {
        terminal::json(&made.plan)?;
    } else {
        terminal::print(&render(&made.plan, &made.situation.device.zone(), args.all))?;
    }
    if let Some(file) = &args.out {
        write(file, &made)?;
        if !cli.json {
            let next = match made.plan.is_empty() {
                true => String::new(),
                false => format!(" Carry it out with:  refit apply {}", file.display()),
            };
            terminal::print(&format!("\nWritten to {}.{next}\n", file.display()))?;
        }
    }
    Ok(if args.detailed_exitcode && !made.plan.is_empty() { Exit::Changes } else { Exit::Done })
}

/// Makes the plan for this machine as it is now.
pub fn make(cli: &Cli, read: &Read, facts: &[String]) -> Result<Draft> {
    let data = data_folder(cli.data.as_deref());
    let now = Timestamp::now();
    let mut memory = Memory::read(&data, now)?;
    let gathered = gather(&data, &required(read), now)?;
    let made = draft(read, &gathered, &mut memory, facts, now)?;
    // What was seen for the first time is worth keeping, and no reason to fail.
    if let Err(error) = memory.write(&data) {
        terminal::note(format_args!(
            "{} {error:#}. Due times that count from what is seen first begin anew with every command",
            terminal::paint(terminal::CHANGE, "warning:")
        ));
    }
    Ok(made)
}

/// Distribution packages that policies require.
pub fn required(read: &Read) -> Vec<TitleId> {
    let required = read.repository.policies.iter().filter(|policy| policy.presence == Presence::Required);
    required
        .flat_map(|policy| &policy.software)
        .filter_map(|selector| match selector {
            Selector::Title(title) if title.package().is_some() => Some(title.clone()),
            _ => None,
        })
        .collect()
}

fn refresh() -> Result<()> {
    let bar = terminal::spinner("fetching package lists");
    let waiting = |holder: &LockHolder| bar.suspend(|| terminal::note(format_args!("waiting: {holder}")));
    let refreshed = apt::refresh(Duration::from_secs(120), waiting).context("apt-get update")?;
    bar.finish_and_clear();
    for fault in &refreshed.faults {
        terminal::note(format_args!("{} {fault}", terminal::paint(terminal::CHANGE, "warning:")));
    }
    Ok(())
}

/// Writes the plan, whole or not at all.
fn write(file: &Path, made: &Draft) -> Result<()> {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let name = file.file_name().context("`--out` needs a file name")?.to_string_lossy();
    let unfinished = folder.join(format!(".{name}.{}", std::process::id()));
    let written = (|| -> std::io::Result<()> {
        let mut out = std::fs::File::create(&unfinished)?;
        out.write_all(&serde_json::to_vec_pretty(&made.plan)?)?;
        out.write_all(b"\n")?;
        out.sync_all()?;
        std::fs::rename(&unfinished, file)
    })();
    written.map_err(|error| {
        let _ = std::fs::remove_file(&unfinished);
        anyhow::Error::new(error).context(format!("the plan can't be written to {}", file.display()))
    })
}
