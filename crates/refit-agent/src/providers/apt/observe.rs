//! What a change came to: the package state before and after, held against what was expected.

use super::{
    inventory::{Inventory, Package},
    transcript::Transcript,
};
use crate::providers::{
    installs::Status,
    receipt::{PackageOutcome, PackageResult},
    transaction::Action,
};
use refit_model::TitleId;
use std::collections::{BTreeMap, BTreeSet};

/// One result for each expected package, and for each that changed without being expected, sorted by title.
pub(super) fn results(
    before: &Inventory,
    after: &Inventory,
    expected: &BTreeMap<TitleId, Action>,
    transcript: &Transcript,
) -> Vec<PackageResult> {
    let titles: BTreeSet<&TitleId> =
        expected.keys().chain(before.packages.keys()).chain(after.packages.keys()).collect();
    titles
        .into_iter()
        .filter_map(|title| {
            let (old, new) = (before.packages.get(title), after.packages.get(title));
            let action = expected.get(title);
            let outcome = match action {
                Some(action) => outcome(action, old, new, transcript, title),
                None if is_same(old, new) => return None,
                None => PackageOutcome::Unplanned,
            };
            Some(PackageResult {
                title: title.clone(),
                planned: action.map(|action| action.kind),
                expected: action.and_then(|action| action.to.clone()),
                before: present_version(old),
                after: present_version(new),
                status: new.map(|package| package.status),
                outcome,
            })
        })
        .collect()
}

fn present_version(package: Option<&Package>) -> Option<refit_model::Version> {
    package.filter(|package| package.is_present()).and_then(|package| package.version.clone())
}

/// Whether nothing happened to a package that nobody planned to change. That an earlier interruption was repaired is no
/// change of its own.
fn is_same(old: Option<&Package>, new: Option<&Package>) -> bool {
    let repaired = old.is_some_and(Package::is_unfinished) || new.map(Package::is_well) == old.map(Package::is_well);
    present_version(old) == present_version(new) && repaired
}

fn outcome(
    action: &Action,
    old: Option<&Package>,
    new: Option<&Package>,
    transcript: &Transcript,
    title: &TitleId,
) -> PackageOutcome {
    let done = match &action.to {
        Some(version) => new.and_then(Package::well_version) == Some(version),
        None => !new.is_some_and(Package::is_present),
    };
    if done {
        return PackageOutcome::Done;
    }
    let untouched = present_version(old) == present_version(new)
        && old.map(|package| package.status) == new.map(|package| package.status);
    let about = transcript.about(title);
    if untouched && about.is_none() && !transcript.has_failed(title) {
        return PackageOutcome::NotAttempted;
    }
    PackageOutcome::Failed { why: why(action, new), output: about.unwrap_or_default() }
}

fn why(action: &Action, new: Option<&Package>) -> String {
    let Some(package) = new else { return "dpkg does not know it".into() };
    let version = package.version.as_ref().map_or("no version", |version| version.as_str());
    match package.status {
        _ if package.reinstall_required => "its files are damaged: it has to be installed again".into(),
        Status::HalfConfigured => {
            format!("configuring it failed: its files are those of {version}, and it does not work as intended")
        }
        Status::Unpacked => format!("it was unpacked ({version}) and never configured"),
        Status::HalfInstalled => "it was left half unpacked".into(),
        Status::TriggersAwaited | Status::TriggersPending => "triggers have not run for it yet".into(),
        Status::NotInstalled | Status::ConfigFiles => "it is not installed".into(),
        Status::Installed if action.to.is_none() => format!("it is still installed ({version})"),
        Status::Installed if package.version == action.from => format!("it is still in version {version}"),
        Status::Installed => format!("it is installed in version {version}"),
    }
}

#[cfg(test)]
#[path = "observe_tests.rs"]
mod tests;
