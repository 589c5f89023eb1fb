//! Bringing in order what a transaction has left that was broken off: two versions of a package, or one whose scripts may not
//! have run. dnf has the means for both, and fetches what it needs.

use super::{
    inventory::{Inventory, inventory, nevra},
    run::{Network, Place},
    table::{Part, parse},
    transcript::Transcript,
};
use crate::providers::{
    command::{CommandError, follow},
    installs::Install,
    receipt::Repair,
};
use refit_model::TitleId;
use std::time::Duration;

/// Whether a transaction was broken off and has left something. A script that failed is no reason: nothing else waits for
/// it, and installing the package again is a change of its own.
pub(super) fn is_needed(found: &Inventory) -> bool {
    !found.duplicates.is_empty() || !found.cut_short.is_empty()
}

/// The packages as people read them: `delta (half-installed)`.
pub(super) fn described<'a>(packages: impl Iterator<Item = &'a Install>) -> Vec<String> {
    packages.map(|package| format!("{} ({})", package.name, package.status.name())).collect()
}

/// What there is to repair.
pub(super) fn left(found: &Inventory) -> Vec<String> {
    let is_left = |title: &TitleId| found.duplicates.contains_key(title) || found.cut_short.contains(title);
    described(found.installs.unfinished().filter(|package| is_left(&package.title)))
}

/// Removes older versions that should be gone, installing the newest anew (`dnf remove --duplicates`); else what dnf would
/// do beyond that.
pub(super) fn remove_duplicates(
    place: &Place,
    found: &Inventory,
    limit: Duration,
    on_pause: &mut dyn FnMut(),
) -> Result<Result<(Repair, Inventory), Vec<String>>, CommandError> {
    let question = ["--assumeno", "remove", "--duplicates"];
    let answer = place.dnf_unless(Network::Packages, &question, limit, &|| false)?;
    let rows = parse(&answer.stdout)?;
    if rows.is_empty() {
        return Ok(Err(vec![format!("dnf says: {}", answer.failure())]));
    }
    let is_duplicate = |name: &str, architecture: &str| found.duplicates.contains_key(&found.title(name, architecture));
    let beyond: Vec<String> = rows
        .iter()
        .filter(|row| row.part != Part::Reinstall || !is_duplicate(&row.name, &row.architecture))
        .filter(|row| !(row.part == Part::Remove && is_duplicate(&row.name, &row.architecture)))
        .map(|row| format!("it would also change {} {}", row.name, row.version))
        .collect();
    if !beyond.is_empty() {
        return Ok(Err(beyond));
    }
    run(place, found, "dnf remove --duplicates", &["-y", "remove", "--duplicates"], limit, on_pause).map(Ok)
}

/// Installs anew what was brought by a transaction that was broken off, so that its scripts run (`dnf reinstall`).
pub(super) fn reinstall(
    place: &Place,
    found: &Inventory,
    titles: &[TitleId],
    limit: Duration,
    on_pause: &mut dyn FnMut(),
) -> Result<(Repair, Inventory), CommandError> {
    let packages = titles.iter().filter_map(|title| found.package(title));
    let names: Vec<String> =
        packages.map(|package| nevra(&package.name, &package.version, &package.architecture)).collect();
    let mut args = vec!["-y", "reinstall", "--"];
    args.extend(names.iter().map(String::as_str));
    run(place, found, "dnf reinstall", &args, limit, on_pause)
}

fn run(
    place: &Place,
    found: &Inventory,
    command: &str,
    args: &[&str],
    limit: Duration,
    on_pause: &mut dyn FnMut(),
) -> Result<(Repair, Inventory), CommandError> {
    let mut transcript = Transcript::default();
    let words = place.words(Network::Packages, args);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    // Its exit status says nothing that the state afterwards does not say better.
    follow("dnf", &words, limit, on_pause, |line| {
        transcript.take(found, line);
    })?;
    let after = inventory(place)?;
    let repair = Repair {
        command: command.to_owned(),
        packages: left(found),
        succeeded: !is_needed(&after),
        left: left(&after),
        output_tail: transcript.tail(),
    };
    Ok((repair, after))
}
