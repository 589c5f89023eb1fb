//! What apt would really do, were it asked for certain changes: `apt-get -s install`, with every version named.
//!
//! Recommended packages are left out, here and in [`super::apply`] alike: a patch is not the occasion to add software.

use super::inventory::{Inventory, apt_name};
use crate::providers::{
    command::{CommandError, ask},
    transaction::{Action, ActionKind, Change, Refusal, SimulateError, Unmet},
};
use refit_model::{Scheme, TitleId, Version};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// Asks apt what it would do to make exactly these changes. It asks nothing, takes no lock, and changes nothing.
///
/// Held packages are not to be among the changes: apt would change them.
pub(super) fn actions_for(
    inventory: &Inventory,
    changes: &[Change],
) -> Result<BTreeMap<TitleId, Action>, SimulateError> {
    if changes.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut args = vec!["-s", "-o", "Debug::NoLocking=1"];
    args.extend(INSTALL);
    let changes: Vec<String> = changes.iter().map(argument).collect();
    args.extend(changes.iter().map(String::as_str));
    read(inventory, &args)
}

/// What apt would do to make the installed packages fit together again (`apt-get -f install`).
pub(super) fn repair_actions(inventory: &Inventory) -> Result<BTreeMap<TitleId, Action>, SimulateError> {
    let mut args = vec!["-s", "-f", "-o", "Debug::NoLocking=1"];
    args.extend(INSTALL);
    read(inventory, &args)
}

/// The command and its options that simulation and application share: what one shows is what the other does.
pub(super) const INSTALL: [&str; 14] = [
    "-q",
    "--no-install-recommends",
    "-o",
    "APT::Install-Suggests=false",
    "-o",
    "APT::Get::AutomaticRemove=false",
    "-o",
    "APT::Get::HideAutoRemove=true",
    "-o",
    "APT::Get::Show-User-Simulation-Note=false",
    "-o",
    "APT::Get::AllowUnauthenticated=false",
    "install",
    "--",
];

/// A change as apt-get's command line names it.
pub(super) fn argument(change: &Change) -> String {
    match &change.to {
        Some(version) => format!("{}={version}", apt_name(&change.title)),
        None => format!("{}-", apt_name(&change.title)),
    }
}

fn read(inventory: &Inventory, args: &[&str]) -> Result<BTreeMap<TitleId, Action>, SimulateError> {
    let answer = ask("apt-get", args)?;
    if answer.status.success() {
        return Ok(parse(inventory, &answer.stdout)?);
    }
    match parse_refusal(inventory, &answer.stdout, &answer.stderr) {
        Some(refusal) => Err(SimulateError::Refused(refusal)),
        None => Err(answer.failure().into()),
    }
}

fn parse(inventory: &Inventory, text: &str) -> Result<BTreeMap<TitleId, Action>, CommandError> {
    let mut actions: BTreeMap<TitleId, Action> = BTreeMap::new();
    for line in text.lines() {
        let odd = |why: &str| CommandError::unexpected("apt-get -s install", why, line);
        let Some((verb @ ("Inst" | "Conf" | "Remv" | "Purg"), rest)) = line.split_once(' ') else { continue };
        let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let title = inventory.title(name);
        let (from, to, origins) = parse_versions(rest).ok_or_else(|| odd("expected versions"))?;
        let parsed = |text: Option<&str>| {
            text.map(|text| Version::parse(Scheme::Dpkg, text)).transpose().map_err(|error| odd(&error.why))
        };
        let (from, to) = (parsed(from)?, parsed(to)?);
        match verb {
            "Inst" => {
                let to = to.ok_or_else(|| odd("expected the new version"))?;
                let kind = match &from {
                    None => ActionKind::Install,
                    Some(from) if *from < to => ActionKind::Upgrade,
                    Some(from) if *from > to => ActionKind::Downgrade,
                    Some(_) => ActionKind::Reinstall,
                };
                actions.insert(title, Action { kind, from, to: Some(to), origins });
            }
            "Conf" => {
                actions.entry(title).or_insert_with(|| Action {
                    kind: ActionKind::Configure,
                    from: to.clone(),
                    to,
                    origins,
                });
            }
            _ => {
                let kind = if verb == "Purg" { ActionKind::Purge } else { ActionKind::Remove };
                actions.insert(title, Action { kind, from, to: None, origins: Vec::new() });
            }
        }
    }
    Ok(actions)
}

type Versions<'a> = (Option<&'a str>, Option<&'a str>, Vec<SmolStr>);

/// `[OLD] (NEW ORIGIN, ORIGIN [ARCH]) [broken packages]`; each part may be missing.
fn parse_versions(text: &str) -> Option<Versions<'_>> {
    let (from, rest) = match text.strip_prefix('[') {
        Some(rest) => {
            let (from, rest) = rest.split_once(']')?;
            (Some(from), rest.trim_start())
        }
        None => (None, text),
    };
    let Some(rest) = rest.strip_prefix('(') else { return Some((from, None, Vec::new())) };
    let (inner, _) = rest.split_once(')')?;
    let (to, origins) = inner.split_once(' ').unwrap_or((inner, ""));
    let origins = origins.rsplit_once('[').map_or(origins, |(origins, _)| origins);
    let origins = origins.split(',').map(str::trim).filter(|origin| !origin.is_empty()).map(SmolStr::new).collect();
    Some((from, Some(to), origins))
}

/// `None` where apt failed for a reason that has nothing to do with the change.
fn parse_refusal(inventory: &Inventory, stdout: &str, stderr: &str) -> Option<Refusal> {
    let mut refusal = Refusal::default();
    let mut title = None;
    for line in stdout.lines() {
        // A package's first line is ` name : Depends: …`; those that follow are indented more and lack the name.
        let Some(text) = line.strip_prefix(' ') else { continue };
        let (name, dependency) = match text.split_once(" : ") {
            Some((name, dependency)) if !text.starts_with(' ') => (Some(name), dependency),
            _ => (None, text),
        };
        if let Some(name) = name {
            title = Some(inventory.title(name));
        }
        let dependency = dependency.trim();
        let is_relation = ["Depends: ", "PreDepends: ", "Conflicts: ", "Breaks: ", "Recommends: "]
            .iter()
            .any(|relation| dependency.starts_with(relation));
        // An alternative stands on lines of its own: `Depends: a but it is not installable or`, `b but …`.
        let goes_on = refusal.unmet.last_mut().filter(|unmet| unmet.dependency.ends_with(" or"));
        if let (Some(unmet), false, None) = (goes_on, is_relation, name) {
            unmet.dependency = format!("{} {dependency}", unmet.dependency);
        } else if let (Some(title), true) = (&title, is_relation) {
            refusal.unmet.push(Unmet { title: title.clone(), dependency: dependency.to_owned() });
        }
    }
    for line in stderr.lines() {
        let Some(text) = line.strip_prefix("E: ") else { continue };
        let quoted: Vec<&str> = text.split('\'').skip(1).step_by(2).collect();
        if text.contains("dpkg was interrupted") {
            refusal.interrupted = true;
        } else if text.starts_with("Unmet dependencies.") {
            refusal.broken = true;
        } else if let Some(name) = text.strip_prefix("Unable to locate package ") {
            refusal.not_found.push(inventory.title(name));
        } else if let (true, [_, name]) = (text.starts_with("Version "), quoted.as_slice()) {
            refusal.not_found.push(inventory.title(name));
        } else if let (true, [name]) = (text.contains("has no installation candidate"), quoted.as_slice()) {
            refusal.not_found.push(inventory.title(name));
        } else {
            refusal.messages.push(text.to_owned());
        }
    }
    let about_the_change = refusal.interrupted
        || refusal.broken
        || !refusal.not_found.is_empty()
        || !refusal.unmet.is_empty()
        || refusal
            .messages
            .iter()
            .any(|text| text.contains("held broken packages") || text.contains("generated breaks"));
    about_the_change.then_some(refusal)
}

#[cfg(test)]
#[path = "simulate_tests.rs"]
mod tests;
