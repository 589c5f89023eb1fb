//! `refit compile`: what the policies come to in other systems.

mod folders;
mod systems;

use crate::{
    Exit, Refused,
    cli::{Cli, CompileArgs},
    repository, terminal,
    worlds::{Kept, Loaded, load},
};
use anyhow::{Context, Result, bail, ensure};
use refit_core::{
    cohorts::{Cohorts, as_if_open},
    engine::Fleet,
    policy::{diagnostic::did_you_mean, repository::Repository},
    world::Applied,
};
use refit_targets::{
    Compiled, Fields, Identity, Observed, Offered, Removals, TargetPlan, TooMany, compile,
    targets::{apple::Versions, intune, munki::Items},
};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::{
    collections::BTreeMap,
    fs,
    path::{Component, Path, PathBuf},
};

/// The file in which all objects of a target are, as they are found again.
const OBJECTS: &str = "objects.json";

/// An object in [`OBJECTS`].
#[derive(Serialize, Deserialize)]
struct Record {
    kind: SmolStr,
    name: String,
    fields: Fields,
}

pub fn run(cli: &Cli, args: &CompileArgs) -> Result<Exit> {
    let folder = repository::given_or_here(args.policy.as_deref())?;
    let mut read = repository::read_in_order(&folder)?;
    only(&mut read.repository, args.target.as_deref())?;
    if read.repository.targets.is_empty() {
        return Err(Refused::usage(format!(
            "{} has no `target:` document: there is no system to compile for",
            folder.display()
        )));
    }
    // What is wrong with what was named is said before anything that takes time.
    args.folders.as_deref().map_or(Ok(()), folders::exist)?;
    let mut offered = offered(args, &read.repository)?;
    let observed = observed(&read.repository, args.observed.as_deref())?;
    let Loaded { fleet, mut world, now } = load(&args.world, &read.repository.fields, Kept::Everything)?;
    if let Some(ring) = &args.opened
        && as_if_open(&mut world, &read.repository, ring, now) == 0
    {
        return Err(unknown_ring(&read.repository, ring));
    }
    world.applied = Applied { all: Some(args.applied.unwrap_or(now)), ..Applied::default() };
    for (title, _) in intune::SYSTEMS {
        let days = world.releases(&title.into()).iter().map(|release| (release.version.clone(), release.published));
        offered.published.insert(title.into(), days.collect());
    }
    let bar = terminal::spinner("deciding for everybody");
    let cohorts = Cohorts::of_fleet(&fleet, &read.repository, &world, now);
    bar.set_message("compiling");
    let mut compiled = compile(&read.repository, &cohorts, &offered, &observed);
    bar.finish_and_clear();
    if let Some(out) = args.out.as_deref().filter(|_| compiled.twice.is_empty()) {
        for plan in &compiled.targets {
            write(&folder_of(out, &plan.name)?, plan, &fleet)?;
        }
    }
    let looked = match args.folders.as_deref() {
        Some(folders) => folders::look(&mut compiled, &read.repository, folders, args)?,
        None => Vec::new(),
    };
    let asked = if args.systems {
        systems::look(cli, &mut compiled, &read, (&fleet, &cohorts, &offered), args)?
    } else {
        Vec::new()
    };
    if args.folders.is_some() || args.systems {
        not_looked_at(&compiled);
    }
    if cli.json {
        terminal::json(&as_json(&compiled))?;
    } else if args.drift {
        terminal::print(&refit_targets::render::drift(&compiled, args.all))?;
    } else {
        terminal::print(&refit_targets::render::render(&compiled, args.all))?;
    }
    if args.drift {
        let by_hand = |plan: &TargetPlan| {
            let in_folder = plan.folder.as_ref().is_some_and(|folder| !folder.by_hand.is_empty());
            in_folder || plan.system.as_ref().is_some_and(|system| !system.by_hand.is_empty())
        };
        let is_drift = compiled.targets.iter().any(by_hand);
        unreached(&compiled)?;
        return Ok(if args.detailed_exitcode && is_drift { Exit::Changes } else { Exit::Done });
    }
    let changes = compiled.targets.iter().any(|plan| !plan.changes.is_empty());
    if !compiled.twice.is_empty() {
        return Err(Refused::no("two targets would move the same title on the same devices"));
    }
    if args.apply {
        may_go(&compiled, args.may_remove)?;
        let in_folders = folders::apply(&compiled, &looked)?;
        let in_systems = systems::apply(&compiled, asked)?;
        unreached(&compiled)?;
        if in_folders == Left::Something || in_systems == Left::Something {
            return Err(Refused::no(
                "not everything that the policies ask for was written: the plan says what was left alone, and why",
            ));
        }
        return Ok(Exit::Done);
    }
    unreached(&compiled)?;
    Ok(if args.detailed_exitcode && changes { Exit::Changes } else { Exit::Done })
}

/// Says whose systems could not be asked, after all that could be done was done.
fn unreached(compiled: &Compiled) -> Result<()> {
    let mut all = compiled.targets.iter().filter_map(|plan| plan.unreached.as_deref());
    let Some(first) = all.next() else { return Ok(()) };
    bail!(all.fold(first.to_owned(), |told, more| format!("{told}\n{more}")))
}

/// Refuses to do anything where more would go of what Refit wrote to a target than may.
fn may_go(compiled: &Compiled, may_remove: Option<usize>) -> Result<()> {
    for plan in &compiled.targets {
        let of_folder = plan.folder.as_ref().map(|folder| folder.removals(&plan.stopped));
        let of_system = plan.system.as_ref().map(|system| system.removals(&plan.stopped));
        let devices = plan.system.as_ref().map(|system| system.devices_lost.clone());
        for removals in of_folder.into_iter().chain(of_system).chain(devices) {
            removals.check(may_remove).map_err(|refused| {
                let TooMany { removals: Removals { lost, .. }, .. } = &refused;
                let help = format!("Nothing was done. If that is meant, `--may-remove {lost}` permits it");
                Refused::no(format!("{}: {refused}\n{help}", plan.name))
            })?;
        }
    }
    Ok(())
}

/// Whether something that the policies ask for was left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    Nothing,
    Something,
}

/// Says of which targets nobody has looked what is there.
fn not_looked_at(compiled: &Compiled) {
    for plan in compiled
        .targets
        .iter()
        .filter(|plan| plan.folder.is_none() && plan.system.is_none() && plan.unreached.is_none())
    {
        let how = match (plan.target.files(), plan.target.api()) {
            (Some(_), _) => "`--folders DIR` says where its files are",
            (None, Some(_)) => "`--systems` asks its system",
            (None, None) => "nothing can be written there yet",
        };
        terminal::note(format_args!("{}: what is there is not looked at; {how}", plan.name));
    }
}

/// Leaves one target, where one is named.
fn only(repository: &mut Repository, name: Option<&str>) -> Result<()> {
    let Some(name) = name else { return Ok(()) };
    let names: Vec<SmolStr> = repository.targets.iter().map(|target| target.name.clone()).collect();
    repository.targets.retain(|target| target.name == name);
    if repository.targets.is_empty() {
        let near = did_you_mean(name, names.iter().map(SmolStr::as_str));
        let help = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        return Err(Refused::usage(format!("`--target {name}`: no `target:` document has this name{help}")));
    }
    Ok(())
}

fn unknown_ring(repository: &Repository, ring: &str) -> anyhow::Error {
    let rings = repository.rollouts.values().flat_map(|rollout| &rollout.rings);
    let mut names: Vec<&str> = rings.map(|ring| ring.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    Refused::usage(format!("`--opened {ring}`: no rollout has a ring of this name; there are {}", names.join(", ")))
}

fn offered(args: &CompileArgs, repository: &Repository) -> Result<Offered> {
    let read = |file: &Path| fs::read_to_string(file).with_context(|| format!("{} can't be read", file.display()));
    let mut offered = Offered::default();
    if let Some(file) = &args.apple_versions {
        offered.apple = Some(Versions::parse(&read(file)?).with_context(|| file.display().to_string())?);
    }
    let munki = match (&args.munki_repo, &args.folders) {
        (Some(folder), _) => Some(folder.clone()),
        (None, Some(folders)) => folders::munki(repository, folders)?,
        (None, None) => None,
    };
    if let Some(folder) = munki {
        let file = folder.join("catalogs/all");
        offered.munki = Some(Items::parse(&read(&file)?).with_context(|| file.display().to_string())?);
    }
    Ok(offered)
}

/// What a folder holds that `--out` wrote; a target that has nothing in it holds nothing.
fn observed(repository: &Repository, folder: Option<&Path>) -> Result<BTreeMap<SmolStr, BTreeMap<Identity, Observed>>> {
    let mut observed = BTreeMap::new();
    let Some(folder) = folder else { return Ok(observed) };
    if !folder.is_dir() {
        return Err(Refused::usage(format!("`--observed {}`: there is no such folder", folder.display())));
    }
    for target in &repository.targets {
        let file = folder_of(folder, &target.name)?.join(OBJECTS);
        if !file.exists() {
            continue;
        }
        let text = fs::read_to_string(&file).with_context(|| format!("{} can't be read", file.display()))?;
        let objects: Vec<Record> = serde_json::from_str(&text).with_context(|| file.display().to_string())?;
        let of = |it: Record| (Identity { kind: it.kind, name: it.name }, Observed { fields: it.fields });
        observed.insert(target.name.clone(), objects.into_iter().map(of).collect());
    }
    Ok(observed)
}

/// The folder of a target. What is in it is taken away before it is written, so that no name may lead elsewhere.
fn folder_of(folder: &Path, name: &str) -> Result<PathBuf> {
    let mut parts = Path::new(name).components();
    let is_one = matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None));
    ensure!(is_one, "target `{name}`: there can be no folder of this name; give the target another one");
    Ok(folder.join(name))
}

/// Writes the objects of a target: all of them together as they are found again, and each as the file that the system takes, with the ids
/// of its devices beside it. What an earlier run wrote and nobody asks for any more goes.
fn write(folder: &Path, plan: &TargetPlan, fleet: &Fleet) -> Result<()> {
    let cannot = |path: &Path| format!("{} can't be written", path.display());
    let file = folder.join(OBJECTS);
    ensure!(
        !folder.exists() || file.exists(),
        "{} is there and holds no {OBJECTS}: it was not written by `refit compile --out`, and is left alone",
        folder.display()
    );
    if file.exists() {
        fs::remove_dir_all(folder).with_context(|| cannot(folder))?;
    }
    fs::create_dir_all(folder).with_context(|| cannot(folder))?;
    let objects: Vec<Record> = plan
        .desired
        .objects
        .values()
        .map(|object| Record {
            kind: object.id.kind.clone(),
            name: object.id.name.clone(),
            fields: object.fields.clone(),
        })
        .collect();
    fs::write(&file, serde_json::to_string_pretty(&objects)? + "\n").with_context(|| cannot(&file))?;
    for object in plan.desired.objects.values() {
        let document = plan.target.document(object);
        let path = Path::new(&document.path);
        ensure!(
            path.components().all(|part| matches!(part, Component::Normal(_))),
            "{}: no path in a folder",
            document.path
        );
        let path = folder.join(path);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).with_context(|| cannot(parent))?;
        fs::write(&path, &document.text).with_context(|| cannot(&path))?;
        let devices = object.devices.iter().filter_map(|number| fleet.id(number));
        let devices: String = devices.map(|id| format!("{id}\n")).collect();
        let list = path.with_file_name(format!("{}.devices", path.file_name().unwrap_or_default().display()));
        fs::write(&list, devices).with_context(|| cannot(&list))?;
    }
    Ok(())
}

/// The plan for programs.
fn as_json(compiled: &Compiled) -> serde_json::Value {
    let targets: Vec<serde_json::Value> = compiled
        .targets
        .iter()
        .map(|plan| {
            serde_json::json!({
                "target": plan.name, "kind": plan.target.kind(), "origin": plan.origin, "devices": plan.devices,
                "changes": plan.changes, "desired": plan.desired, "folder": plan.folder, "system": plan.system, "unreached": plan.unreached,
                "reach": plan.target.reach(),
                "cost": { "for_1000": plan.cost.of(1_000), "for_1000000": plan.cost.of(1_000_000) },
            })
        })
        .collect();
    let unknown: Vec<serde_json::Value> = compiled
        .unknown
        .iter()
        .map(|(name, kind, origin)| serde_json::json!({ "target": name, "kind": kind, "origin": origin }))
        .collect();
    serde_json::json!({ "targets": targets, "not_compiled": unknown, "moved_twice": compiled.twice })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_has_a_folder_below_the_one_that_is_given() {
        assert_eq!(folder_of(Path::new("out"), "macs").unwrap(), Path::new("out/macs"));
        for name in ["..", "", "/etc", "a/b", "../out", "a/.."] {
            assert!(folder_of(Path::new("out"), name).is_err(), "{name}");
        }
    }
}
