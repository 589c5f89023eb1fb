//! `refit inventory`

use crate::{
    Exit,
    cli::{Cli, InventoryArgs},
    repository::counted,
    terminal::{self, CHANGE, FAINT, HEADING, URGENT, paint},
};
use anyhow::{Context, Result};
use jiff::Timestamp;
use refit_agent::providers::apt::{self, Package};
use refit_model::TitleId;
use serde::Serialize;

/// `refit inventory --json`
#[derive(Serialize)]
struct Report {
    machine: apt::Machine,
    packages: Vec<Entry>,
    /// Packages whose version is none, which `packages` lacks, with the reason.
    unreadable: Vec<String>,
    sources: Vec<apt::Source>,
    needed: apt::Needed,
}

#[derive(Serialize)]
struct Entry {
    device_title: TitleId,
    version: Option<String>,
    architecture: String,
    source: String,
    source_version: Option<String>,
    status: apt::Status,
    held: bool,
    candidate: Option<String>,
    security: bool,
    passed_over: Option<String>,
}

pub fn run(cli: &Cli, args: &InventoryArgs) -> Result<Exit> {
    let bar = terminal::spinner("reading this machine's packages");
    let machine = apt::machine().context("this machine can't be read; Refit reads Debian and Ubuntu machines")?;
    let inventory = apt::inventory().context("the installed packages can't be read")?;
    let offers = apt::offers(&inventory, &[], Timestamp::now()).context("the package sources can't be read")?;
    let needed = apt::needs_restart(&inventory);
    bar.finish_and_clear();
    let packages: Vec<Entry> = inventory
        .present()
        .map(|package| entry(package, &offers))
        .filter(|entry| !args.outdated || is_outdated(entry) || !is_in_order(entry))
        .collect();
    if cli.json {
        let whole = inventory.unreadable.is_empty();
        let unreadable = inventory.unreadable;
        terminal::json(&Report { machine, packages, unreadable, sources: offers.sources, needed })?;
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
    for broken in &inventory.unreadable {
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
    Ok(if inventory.unreadable.is_empty() { Exit::Done } else { Exit::No })
}

fn entry(package: &Package, offers: &apt::Offers) -> Entry {
    let offered = offers.packages.get(&package.title);
    let candidate = offered.and_then(|offered| offered.candidate.as_ref());
    let newer = candidate.filter(|candidate| package.version.as_ref().is_none_or(|version| *candidate > version));
    Entry {
        device_title: package.title.clone(),
        version: package.version.as_ref().map(ToString::to_string),
        architecture: package.architecture.to_string(),
        source: package.source.to_string(),
        source_version: package.source_version.as_ref().map(ToString::to_string),
        status: package.status,
        held: package.is_held(),
        candidate: newer.map(ToString::to_string),
        security: newer.and_then(|newer| offered?.version(newer)).is_some_and(|offered| offered.security),
        passed_over: offered.and_then(|offered| offered.passed_over()).map(|passed| passed.to_string()),
    }
}

fn is_outdated(entry: &Entry) -> bool {
    entry.candidate.is_some()
}

fn is_in_order(entry: &Entry) -> bool {
    entry.status == apt::Status::Installed
}

fn line(entry: &Entry) -> String {
    let mut text = format!("{}  {}", entry.device_title, entry.version.as_deref().unwrap_or("–"));
    if entry.status != apt::Status::Installed {
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
