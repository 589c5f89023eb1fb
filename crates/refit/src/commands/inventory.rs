//! `refit inventory`

use crate::{
    Exit,
    cli::{Cli, InventoryArgs},
    local::provider,
    repository::counted,
    terminal::{self, CHANGE, FAINT, HEADING, URGENT, paint},
};
use anyhow::{Context, Result};
use jiff::Timestamp;
use refit_agent::{
    inventory::{is_there, offered},
    providers::{
        available::{Available, Repository},
        installs::{Install, Status},
        machine::Machine,
        receipt::Needed,
    },
};
use refit_model::TitleId;
use serde::Serialize;

/// `refit inventory --json`
#[derive(Serialize)]
struct Report {
    machine: Machine,
    packages: Vec<Entry>,
    /// Packages whose version is none, which `packages` lacks, with the reason.
    unreadable: Vec<String>,
    sources: Vec<Repository>,
    needed: Needed,
}

#[derive(Serialize)]
struct Entry {
    device_title: TitleId,
    version: Option<String>,
    architecture: String,
    source: String,
    source_version: Option<String>,
    status: Status,
    held: bool,
    candidate: Option<String>,
    security: bool,
    passed_over: Option<String>,
}

pub fn run(cli: &Cli, args: &InventoryArgs) -> Result<Exit> {
    let bar = terminal::spinner("reading this machine's packages");
    let provider = provider()?;
    let machine = provider.machine().context("this machine can't be read")?;
    let installs = provider.installs().context("the installed packages can't be read")?;
    let available = provider.available(&[], Timestamp::now()).context("the package sources can't be read")?;
    let needed = provider.needs_restart().context("what runs from old files can't be read")?;
    bar.finish_and_clear();
    let packages: Vec<Entry> = installs
        .packages
        .values()
        .filter(|package| is_there(package))
        .map(|package| entry(package, &available))
        .filter(|entry| !args.outdated || is_outdated(entry) || !is_in_order(entry))
        .collect();
    if cli.json {
        let whole = installs.unreadable.is_empty();
        let unreadable = installs.unreadable;
        terminal::json(&Report { machine, packages, unreadable, sources: available.repositories, needed })?;
        return Ok(if whole { Exit::Done } else { Exit::No });
    }
    for entry in &packages {
        terminal::print(&line(entry))?;
    }
    let outdated = packages.iter().filter(|entry| is_outdated(entry)).count();
    let disorder = match packages.iter().filter(|entry| !is_in_order(entry)).count() {
        0 => String::new(),
        number => format!(", {}", paint(URGENT, format!("{number} not in order"))),
    };
    terminal::print(&format!(
        "{} {} ({} {}, {}), {outdated} outdated{disorder}\n",
        paint(HEADING, format!("{}:", machine.hostname)),
        counted(packages.len(), "package"),
        machine.os,
        machine.os_version.as_deref().unwrap_or_default(),
        machine.architecture,
    ))?;
    for broken in &installs.unreadable {
        terminal::note(format_args!("{} {broken}", paint(URGENT, "unreadable:")));
    }
    for reason in &needed.reboot {
        terminal::print(&format!("{} {reason}\n", paint(CHANGE, "restart of the machine needed:")))?;
    }
    for restart in &needed.restarts {
        let what = restart.unit.clone().unwrap_or_else(|| restart.program.clone());
        terminal::print(&format!("{} {what}\n", paint(CHANGE, "restart needed:")))?;
    }
    // An inventory from which packages are missing is not whole.
    Ok(if installs.unreadable.is_empty() { Exit::Done } else { Exit::No })
}

fn entry(package: &Install, available: &Available) -> Entry {
    let offers = available.packages.get(&package.title).map(Vec::as_slice).unwrap_or_default();
    let newer = offers.iter().find(|offer| offer.candidate && offer.version > package.version);
    let passed_over = offered(available, &package.title).find_map(|here| here.offer.withheld.clone());
    Entry {
        device_title: package.title.clone(),
        version: Some(package.version.to_string()),
        architecture: package.architecture.to_string(),
        source: package.source.to_string(),
        source_version: package.source_version.as_ref().map(ToString::to_string),
        status: package.status,
        held: package.held.is_some(),
        candidate: newer.map(|offer| offer.version.to_string()),
        security: newer.is_some_and(|offer| offer.security),
        passed_over,
    }
}

fn is_outdated(entry: &Entry) -> bool {
    entry.candidate.is_some()
}

fn is_in_order(entry: &Entry) -> bool {
    entry.status == Status::Installed
}

fn line(entry: &Entry) -> String {
    let mut text = format!("{}  {}", entry.device_title, entry.version.as_deref().unwrap_or("–"));
    if entry.status != Status::Installed {
        text += &format!("  {}", paint(URGENT, entry.status.name()));
    }
    if let Some(candidate) = &entry.candidate {
        let security = if entry.security { paint(URGENT, " security") } else { String::new() };
        text += &format!("  {} {candidate}{security}", paint(CHANGE, "→"));
    }
    if entry.held {
        text += &format!("  {}", paint(FAINT, "held"));
    }
    text + "\n"
}
