//! Targets whose configuration is kept by a system with an API: asked what is there, and called to change it.

use super::Left;
use crate::{
    Refused,
    cli::{Cli, CompileArgs},
    local::data_folder,
    repository,
    sources::syncing::{Places, Policy},
    targets::{self, Look, System, Written, memory, others},
    terminal,
};
use anyhow::{Context, Result};
use refit_connect::targets::{Lock, Record};
use refit_core::{cohorts::Cohorts, engine::Fleet, policy::repository::TargetSystem};
use refit_targets::{
    Compiled, Offered, TargetPlan,
    api::{Api, Memory, Names, SystemPlan},
    render::counted,
};
use smol_str::SmolStr;
use std::path::Path;

/// A system that was asked.
pub struct Asked {
    target: SmolStr,
    system: System,
    record: Record,
    /// What was remembered of it, as it was read.
    remembered: Memory,
    /// Held until it is written, where it is to be.
    lock: Option<Lock>,
}

/// Asks the systems of all targets that have one what is there, and says in each plan what has to change.
pub fn look(
    cli: &Cli,
    compiled: &mut Compiled,
    read: &repository::Read,
    (fleet, cohorts, offered): (&Fleet, &Cohorts, &Offered),
    args: &CompileArgs,
) -> Result<Vec<Asked>> {
    let data = data_folder(cli.data.as_deref())?;
    let places = Places { connect: args.connect.clone(), secret: args.secret.clone(), ..Places::default() };
    named(&places, compiled)?;
    let mut asked = Vec::new();
    for plan in &mut compiled.targets {
        let Some(system) = read.repository.targets.iter().find(|system| system.name == plan.name) else { continue };
        let Some(api) = plan.target.api() else { continue };
        let told = format!("target {} ({}:{})", plan.name, plan.origin.file, plan.origin.line);
        let with = With { read, fleet, cohorts, offered, places: &places, data: &data, args };
        match one(plan, system, api, &told, &with) {
            Ok(it) => asked.push(it),
            // What whoever runs this has to say first is said at once; a system that is not there keeps no other from being asked.
            Err(error) if error.is::<Refused>() => return Err(error),
            Err(error) => {
                plan.unreached = Some(format!("{error:#}"));
                plan.changes.clear();
            }
        }
    }
    Ok(asked)
}

/// What each target is asked with.
struct With<'a> {
    read: &'a repository::Read,
    fleet: &'a Fleet,
    cohorts: &'a Cohorts,
    offered: &'a Offered,
    places: &'a Places,
    data: &'a Path,
    args: &'a CompileArgs,
}

fn one(plan: &mut TargetPlan, system: &TargetSystem, api: &dyn Api, told: &str, with: &With<'_>) -> Result<Asked> {
    let With { read, fleet, cohorts, offered, places, data, args } = with;
    let record = Record::new(data, &plan.name);
    // Two that plan at once would both be wrong when the first has written.
    let lock = args.apply.then(|| record.lock()).transpose().context(told.to_owned())?;
    let mut remembered = memory(&record).context(told.to_owned())?;
    let id = |number| fleet.id(number).map(ToString::to_string);
    let look = Look {
        repository: &read.repository,
        policy: Policy { files: &read.files, fields: &read.repository.fields, zone: None, folder: Some(&read.folder) },
        places,
        cohorts,
        offered,
        names: Names { id: &id, others: &|number| others(fleet, number) },
        revert: args.revert,
    };
    let bar = terminal::spinner("asking what is there");
    let looked = look.at(plan, system, api, &record, &mut remembered);
    bar.finish_and_clear();
    Ok(Asked { target: plan.name.clone(), system: looked?, record, remembered, lock })
}

/// Refuses addresses and secrets of targets that there are not: they would be given for nothing.
fn named(places: &Places, compiled: &Compiled) -> Result<()> {
    let names: Vec<&str> = compiled.targets.iter().map(|plan| plan.name.as_str()).collect();
    let of_secrets = places.secret.iter().map(|(name, _)| name.split_once('.').map_or(name.as_str(), |(name, _)| name));
    let of_addresses = places.connect.iter().map(|(name, _)| name.as_str());
    match of_secrets.chain(of_addresses).find(|name| !names.contains(name)) {
        None => Ok(()),
        Some(name) => {
            Err(Refused::usage(format!("`{name}` is no target that is compiled now; there are {}", names.join(", "))))
        }
    }
}

/// Calls what the plans say, and remembers what was done.
pub fn apply(compiled: &Compiled, asked: Vec<Asked>) -> Result<Left> {
    let (mut left, mut failed) = (Left::Nothing, Vec::new());
    for mut it in asked {
        let Some(plan) = compiled.targets.iter().find(|plan| plan.name == it.target) else { continue };
        let (Some(found), Some(api)) = (&plan.system, plan.target.api()) else { continue };
        if found.leaves_something() {
            left = Left::Something;
        }
        // One that fails keeps no other from being written.
        if let Err(error) = write(&mut it, plan, found, api).with_context(|| format!("target {}", it.target)) {
            failed.push(error);
        }
    }
    let mut failed = failed.into_iter();
    let Some(first) = failed.next() else { return Ok(left) };
    for error in failed {
        terminal::note(format_args!("error: {error:#}"));
    }
    Err(first)
}

fn write(asked: &mut Asked, plan: &TargetPlan, found: &SystemPlan, api: &dyn Api) -> Result<()> {
    let Asked { target, system, record, remembered, lock } = asked;
    let Some(lock) = lock else { return Ok(()) };
    let Written { written, gone } = targets::write(system, api, found, (record, lock), remembered)?;
    if written + gone == 0 {
        terminal::note(format_args!("{target}: nothing to write"));
        return Ok(());
    }
    terminal::note(format_args!(
        "{target}: {} written and {gone} taken away in {}",
        counted(written as u64, "object"),
        plan.target.name()
    ));
    Ok(())
}
