//! What a change came to: the state before and after, held against what was expected. An exit status is not asked.

use super::{
    history::is_configuring,
    inventory::{Inventory, nevra},
    run::Place,
    transcript::Transcript,
};
use crate::providers::{
    command::CommandError,
    installs::{Install, Status},
    receipt::{PackageOutcome, PackageResult},
    transaction::Action,
};
use refit_model::TitleId;
use std::collections::{BTreeMap, BTreeSet};

/// Files that new packages should have brought and that are not there, by title: rpm's own verification.
pub(super) fn missing_files(
    place: &Place,
    after: &Inventory,
    expected: &BTreeMap<TitleId, Action>,
) -> Result<BTreeMap<TitleId, Vec<String>>, CommandError> {
    let mut found = BTreeMap::new();
    let brought =
        expected.iter().filter(|(_, action)| action.to.is_some()).filter_map(|(title, _)| after.package(title));
    let brought: Vec<&Install> = brought.collect();
    if brought.is_empty() {
        return Ok(found);
    }
    // One call for all says at once whether there is anything to look for.
    let names = |packages: &[&Install]| -> Vec<String> {
        packages.iter().map(|package| nevra(&package.name, &package.version, &package.architecture)).collect()
    };
    let missing = |packages: &[&Install]| -> Result<Vec<String>, CommandError> {
        let names = names(packages);
        let mut args = vec!["-V", "--nodeps", "--noscripts", "--nofiledigest", "--noconfig", "--"];
        args.extend(names.iter().map(String::as_str));
        let answer = place.rpm(&args)?;
        let files = answer.stdout.lines().filter_map(|line| line.strip_prefix("missing "));
        Ok(files.filter_map(|line| line.split_whitespace().last()).map(str::to_owned).collect())
    };
    if missing(&brought)?.is_empty() {
        return Ok(found);
    }
    for package in brought {
        let files = missing(&[package])?;
        if !files.is_empty() {
            found.insert(package.title.clone(), files);
        }
    }
    Ok(found)
}

/// One result for each expected package, and for each that changed without being expected, sorted by title.
pub(super) fn results(
    before: &Inventory,
    after: &Inventory,
    expected: &BTreeMap<TitleId, Action>,
    missing: &BTreeMap<TitleId, Vec<String>>,
    transcript: &Transcript,
) -> Vec<PackageResult> {
    let titles: BTreeSet<&TitleId> =
        expected.keys().chain(before.installs.packages.keys()).chain(after.installs.packages.keys()).collect();
    titles
        .into_iter()
        .filter_map(|title| {
            let (old, new) = (before.package(title), after.package(title));
            let action = expected.get(title);
            let outcome = match action {
                Some(action) => outcome(title, action, old, new, after, missing.get(title), transcript),
                None if is_same(old, new) => return None,
                None => PackageOutcome::Unplanned,
            };
            Some(PackageResult {
                title: title.clone(),
                planned: action.map(|action| action.kind),
                expected: action.and_then(|action| action.to.clone()),
                before: old.map(|package| package.version.clone()),
                after: new.map(|package| package.version.clone()),
                status: new.map(|package| package.status),
                outcome,
            })
        })
        .collect()
}

/// Whether nothing happened to a package that nobody planned to change. That an earlier interruption was repaired is no
/// change of its own.
fn is_same(old: Option<&Install>, new: Option<&Install>) -> bool {
    let version = |package: Option<&Install>| package.map(|package| (package.version.clone(), package.beside.clone()));
    let repaired =
        old.is_some_and(|package| !package.is_well()) || new.map(Install::is_well) == old.map(Install::is_well);
    version(old) == version(new) && repaired
}

fn outcome(
    title: &TitleId,
    action: &Action,
    old: Option<&Install>,
    new: Option<&Install>,
    after: &Inventory,
    missing: Option<&Vec<String>>,
    transcript: &Transcript,
) -> PackageOutcome {
    let output = || transcript.about(title).unwrap_or_default();
    let failed = |why: String| PackageOutcome::Failed { why, output: output() };
    let Some(version) = &action.to else {
        return match new {
            None => PackageOutcome::Done,
            Some(_) if transcript.about(title).is_none() => PackageOutcome::NotAttempted,
            Some(package) => failed(format!("it is still installed ({})", package.version)),
        };
    };
    if let Some(package) = new.filter(|package| package.version == *version) {
        let name = nevra(&package.name, version, &package.architecture);
        if let Some(script) = transcript.failed_script(&name).filter(|script| is_configuring(script)) {
            return failed(format!(
                "its script (%{script}) failed: its files are those of {version}, and it does not work as intended"
            ));
        }
    }
    if let Some(files) = missing {
        return failed(format!("files of it are missing: {}", files.join(", ")));
    }
    if after.has_well(title, version) {
        return PackageOutcome::Done;
    }
    let is_untouched =
        old.map(|package| (&package.version, package.status)) == new.map(|package| (&package.version, package.status));
    match new {
        _ if is_untouched && transcript.about(title).is_none() && !transcript.is_not_installed(title) => {
            PackageOutcome::NotAttempted
        }
        None => failed("it is not installed".to_owned()),
        Some(package) => failed(match package.status {
            Status::HalfConfigured => {
                format!(
                    "its post-install script failed: its files are those of {}, and it does not work as intended",
                    package.version
                )
            }
            Status::HalfInstalled => "it was left half installed".to_owned(),
            _ if Some(&package.version) == action.from.as_ref() => {
                format!("it is still in version {}", package.version)
            }
            _ => format!("it is installed in version {}", package.version),
        }),
    }
}
