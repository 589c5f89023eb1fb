//! Targets whose configuration is files: their folders looked at, and written.

use super::{Left, folder_of};
use crate::{Refused, cli::CompileArgs, terminal};
use anyhow::{Context, Result, ensure};
use refit_connect::targets::{FileStep, Folder, Lock};
use refit_core::policy::{
    document::outside::DriftResponse,
    repository::{Repository, TargetSystem},
};
use refit_targets::{
    Compiled, TargetPlan,
    files::{self, FORMAT, FolderPlan, Memory, Rules, laid},
};
use serde::Deserialize;
use std::path::{Component, Path, PathBuf};

/// What a target's document says of its folder.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// Where it is, below the folder that is given; without it the target's name.
    folder: Option<PathBuf>,
    /// Whether it is the root of one machine.
    root: bool,
    /// What is done about what others have set in files that they write into as well.
    foreign: Foreign,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Foreign {
    /// It is left, and what would change it is not written.
    #[default]
    Refuse,
    /// It is taken over, and comes back when Refit goes.
    Take,
}

/// A folder that was looked at.
pub struct Looked {
    target: String,
    folder: Folder,
    /// What was remembered of it, as it was read.
    remembered: Memory,
    /// Held until it is written, where it is to be.
    lock: Option<Lock>,
}

/// Whether the folder that is to hold those of targets is there: a mistyped one must not be made.
pub fn exist(folders: &Path) -> Result<()> {
    if folders.is_dir() {
        return Ok(());
    }
    Err(Refused::usage(format!("`--folders {}`: there is no such folder", folders.display())))
}

/// Looks what is in the folders of all targets whose configuration is files, and says in each plan what has to change there.
pub fn look(
    compiled: &mut Compiled,
    repository: &Repository,
    folders: &Path,
    args: &CompileArgs,
) -> Result<Vec<Looked>> {
    let mut looked = Vec::new();
    for plan in &mut compiled.targets {
        let Some(system) = repository.targets.iter().find(|system| system.name == plan.name) else { continue };
        if plan.target.files().is_none() {
            continue;
        }
        let told = format!("target {} ({}:{})", plan.name, plan.origin.file, plan.origin.line);
        looked.push(one(plan, system, folders, args).context(told)?);
    }
    Ok(looked)
}

fn one(plan: &mut TargetPlan, system: &TargetSystem, folders: &Path, args: &CompileArgs) -> Result<Looked> {
    let settings = settings(system)?;
    let path = place(system, &settings, folders)?;
    let Some(files) = plan.target.files() else { return Err(files::LayError::NoFiles.into()) };
    ensure!(
        path.is_dir() || !(settings.root || files.is_of_others()),
        "{}: there is no such folder, and it is none that Refit makes. Is it mounted? `settings: {{ folder: … }}` says where it is",
        path.display()
    );
    let folder = if settings.root { Folder::root(&path, &plan.name) } else { Folder::new(&path, &plan.name) };
    // Two that plan at once would both be wrong when the first has written.
    let lock = args.apply.then(|| folder.lock()).transpose()?;
    let remembered = memory(&folder)?;
    let laid = laid(plan.target, &plan.desired, settings.root)?;
    let known: Vec<&str> = laid.keys().chain(remembered.paths()).map(String::as_str).collect();
    let mut texts = folder.read(known.iter().copied())?;
    if !settings.root {
        let seen = folder.walk(files.below(), &|path| files.identity(path).is_some() && !texts.contains_key(path))?;
        texts.extend(seen.texts);
    }
    let rules = Rules {
        revert: args.revert || system.drift == Some(DriftResponse::Revert),
        take: settings.foreign == Foreign::Take,
    };
    let found = files::plan(plan.target, &laid, remembered.clone(), &texts, rules);
    plan.changes.clone_from(&found.changes);
    if settings.root {
        // What is shown is called as it is there.
        plan.desired.objects = laid.into_values().map(|placed| (placed.object.id.clone(), placed.object)).collect();
    }
    plan.folder = Some(found);
    Ok(Looked { target: plan.name.to_string(), folder, remembered, lock })
}

/// Writes what the plans say, and remembers it.
pub fn apply(compiled: &Compiled, looked: &[Looked]) -> Result<Left> {
    let mut is_left = false;
    for Looked { target, folder, remembered, lock } in looked {
        let plan = compiled.targets.iter().find(|plan| plan.name == *target);
        let (Some(plan), Some(lock)) = (plan, lock) else { continue };
        let Some(found) = &plan.folder else { continue };
        is_left |= found.leaves_something();
        let done = found.done();
        if found.steps.is_empty() && done == *remembered {
            terminal::note(format_args!("{target}: nothing to write"));
            continue;
        }
        write(folder, lock, found, remembered, &done).with_context(|| format!("target {target}"))?;
        let gone = found.steps.iter().filter(|step| step.text.is_none()).count();
        let written = found.steps.len() - gone;
        let afterwards = plan.target.files().and_then(|files| files.afterwards()).filter(|_| !found.steps.is_empty());
        let afterwards = afterwards.map_or(String::new(), |what| format!("; {what}"));
        terminal::note(format_args!(
            "{target}: {} written and {gone} taken away in {}{afterwards}",
            refit_targets::render::counted(written as u64, "file"),
            folder.path().display()
        ));
    }
    Ok(if is_left { Left::Something } else { Left::Nothing })
}

fn write(folder: &Folder, lock: &Lock, found: &FolderPlan, remembered: &Memory, done: &Memory) -> Result<()> {
    let steps: Vec<FileStep<'_>> = found
        .steps
        .iter()
        .map(|step| FileStep { path: &step.path, text: step.text.as_deref(), emptied: &step.emptied })
        .collect();
    let unfinished: Vec<&str> = remembered.begun.keys().map(String::as_str).collect();
    let text = |memory: &Memory| serde_json::to_string_pretty(memory).map(|text| text + "\n");
    Ok(folder.apply(lock, &steps, &unfinished, &text(&found.begun())?, &text(done)?)?)
}

/// The Munki repository among the folders of targets, where there is one; of several, `--munki-repo` has to say which.
pub fn munki(repository: &Repository, folders: &Path) -> Result<Option<PathBuf>> {
    let mut systems = repository.targets.iter().filter(|system| system.kind == "munki");
    match (systems.next(), systems.next()) {
        (Some(system), None) => Ok(Some(place(system, &settings(system)?, folders)?)),
        _ => Ok(None),
    }
}

fn settings(system: &TargetSystem) -> Result<Settings> {
    let settings = serde_json::Value::Object(system.settings.clone().into_iter().collect());
    serde_json::from_value(settings).map_err(|error| {
        let TargetSystem { name, origin, .. } = system;
        Refused::no(format!("`settings` of target {name} ({}:{}): {error}", origin.file, origin.line))
    })
}

/// Where the folder of a target is. Who writes policies does not say where on the machine anything else is written.
fn place(system: &TargetSystem, settings: &Settings, folders: &Path) -> Result<PathBuf> {
    let Some(folder) = &settings.folder else { return folder_of(folders, &system.name) };
    let is_below = folder.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if is_below {
        return Ok(folders.join(folder));
    }
    Err(Refused::no(format!(
        "`settings: {{ folder: {} }}` of target {}: it has to be a path below the folder that `--folders` names",
        folder.display(),
        system.name
    )))
}

/// What is remembered of a folder.
fn memory(folder: &Folder) -> Result<Memory> {
    let Some(text) = folder.remembered()? else { return Ok(Memory::default()) };
    let memory: Memory = serde_json::from_str(&text).with_context(|| {
        format!(
            "{} is damaged (or a newer Refit has written it), and nothing is changed without it. Restore it from a backup, or move it \
             away: what stands there under Refit's names then counts as written by somebody else",
            folder.record().display()
        )
    })?;
    ensure!(memory.format == FORMAT, "{} was written by a newer Refit: use that one", folder.record().display());
    Ok(memory)
}
