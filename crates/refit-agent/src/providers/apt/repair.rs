//! Bringing packages in order that an interruption or a failing script has left behind: first `dpkg --configure -a`, and
//! where that is not enough, apt's own repair, if it stays within what is permitted.

use super::{
    inventory::{Inventory, Package, apt_name, inventory},
    simulate::{INSTALL, repair_actions},
    transcript::Transcript,
};
use crate::providers::{
    Manager,
    command::{CommandError, follow},
    narrow::forbidden,
    receipt::Repair,
    transaction::{Action, ActionKind, Permissions, SimulateError},
};
use refit_model::TitleId;
use std::{collections::BTreeMap, fs, time::Duration};

/// Whether dpkg has left something unfinished: a package, or its own journal.
pub(super) fn is_needed(inventory: &Inventory) -> bool {
    inventory.unfinished().next().is_some() || has_journal()
}

/// dpkg keeps changes to its database in numbered files until it has written them; only an interruption leaves any.
fn has_journal() -> bool {
    let Ok(entries) = fs::read_dir("/var/lib/dpkg/updates") else { return false };
    entries.flatten().any(|entry| entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()))
}

/// Configures what is unpacked or half-configured (`dpkg --configure -a`), keeping configuration files.
pub(super) fn configure(
    found: &Inventory,
    limit: Duration,
    on_pause: &mut dyn FnMut(),
) -> Result<(Repair, Inventory), CommandError> {
    const ARGS: [&str; 4] = ["--force-confdef", "--force-confold", "--configure", "-a"];
    run(found, "dpkg", &ARGS, limit, on_pause)
}

/// What apt would change to make the installed packages fit together, beyond configuring; empty where nothing is wrong.
pub(super) fn remaining(found: &Inventory) -> Result<BTreeMap<TitleId, Action>, SimulateError> {
    let mut actions = repair_actions(found)?;
    actions.retain(|_, action| action.kind != ActionKind::Configure);
    Ok(actions)
}

/// Lets apt repair (`apt-get -f install`), if what it would do is within the permissions; else says what is not.
pub(super) fn fix_broken(
    found: &Inventory,
    actions: &BTreeMap<TitleId, Action>,
    permissions: Permissions,
    limit: Duration,
    on_pause: &mut dyn FnMut(),
) -> Result<Result<(Repair, Inventory), Vec<String>>, CommandError> {
    let beyond = forbidden(found, permissions, actions);
    if !beyond.is_empty() {
        return Ok(Err(beyond.iter().map(|obstacle| obstacle.in_words(Manager::Apt)).collect()));
    }
    let mut args = vec!["-y", "-f"];
    if actions.values().all(|action| action.to.is_some()) {
        args.push("--no-remove");
    }
    args.extend([
        "-o",
        "Dpkg::Options::=--force-confdef",
        "-o",
        "Dpkg::Options::=--force-confold",
        "-o",
        "Dpkg::Use-Pty=0",
    ]);
    args.extend(INSTALL);
    run(found, "apt-get", &args, limit, on_pause).map(Ok)
}

/// Unfinished packages as people read them: `beta (half-configured)`.
pub(super) fn described<'a>(packages: impl Iterator<Item = &'a Package>) -> Vec<String> {
    packages.map(|package| format!("{} ({})", apt_name(&package.title), package.status.name())).collect()
}

fn run(
    found: &Inventory,
    program: &str,
    args: &[&str],
    limit: Duration,
    on_pause: &mut dyn FnMut(),
) -> Result<(Repair, Inventory), CommandError> {
    let mut transcript = Transcript::default();
    // Its exit status says nothing that the package state afterwards does not say better.
    follow(program, args, limit, on_pause, |line| {
        transcript.take(found, line);
    })?;
    let after = inventory()?;
    let command = match program {
        "dpkg" => "dpkg --configure -a",
        _ => "apt-get -f install",
    };
    let repair = Repair {
        command: command.to_owned(),
        packages: described(found.unfinished()),
        succeeded: !is_needed(&after),
        left: described(after.unfinished()),
        output_tail: transcript.tail(),
    };
    Ok((repair, after))
}
