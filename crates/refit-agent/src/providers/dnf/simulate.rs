//! What dnf would really do, were it asked for certain changes.

use super::{
    inventory::{Inventory, inventory, name_of, nevra},
    offers::{self, Build, builds},
    replay::{Item, TransactionFile},
    repositories::{Source, sources},
    run::Place,
    table::{Part, Row, parse},
};
use crate::providers::{
    Manager,
    command::CommandError,
    simulated::{Simulated, SimulatedPackage},
    transaction::{Action, ActionKind, Change, Refusal, SimulateError, Sizes, Unmet},
};
use refit_model::{Scheme, TitleId, Version};
use std::collections::BTreeMap;

/// All that making these changes in one transaction would do.
pub(super) fn simulate(place: &Place, changes: &[Change]) -> Result<Simulated, SimulateError> {
    Ok(simulate_on(place, &inventory(place)?, changes)?.simulated)
}

/// A simulation with what was asked for it on the way.
pub(super) struct Detailed {
    pub simulated: Simulated,
    /// All repositories that are in use.
    pub sources: Vec<Source>,
    /// Where the new versions can be had.
    pub builds: Vec<Build>,
}

/// [`simulate`], on an inventory that is known already.
pub(super) fn simulate_on(place: &Place, inventory: &Inventory, changes: &[Change]) -> Result<Detailed, SimulateError> {
    let mut simulated = Simulated {
        manager: Manager::Dnf,
        changes: changes.to_vec(),
        packages: BTreeMap::new(),
        repositories: Vec::new(),
        sizes: Sizes::default(),
    };
    let (packages, builds) = found(place, inventory, changes)?;
    if packages.is_empty() {
        return Ok(Detailed { simulated, sources: Vec::new(), builds: Vec::new() });
    }
    let (sources, builds) = complete(place, inventory, &mut simulated, packages, builds)?;
    Ok(Detailed { simulated, sources, builds })
}

/// What making these changes in one transaction would do, by package; without asking for sizes and keys, which takes as long again.
pub(super) fn actions_on(
    place: &Place,
    inventory: &Inventory,
    changes: &[Change],
) -> Result<BTreeMap<TitleId, Action>, SimulateError> {
    let (packages, _) = found(place, inventory, changes)?;
    let action = |Found { package, repository }: Found| {
        let origins = package.to.iter().map(|_| repository.as_str().into()).collect();
        Action { kind: package.kind, from: package.from, to: package.to, origins }
    };
    Ok(packages.into_iter().map(|(title, found)| (title, action(found))).collect())
}

/// What dnf says that it would change, and where the new versions that were asked for can be had.
fn found(
    place: &Place,
    inventory: &Inventory,
    changes: &[Change],
) -> Result<(BTreeMap<TitleId, Found>, Vec<Build>), SimulateError> {
    let held = |title: &TitleId| inventory.package(title).is_some_and(|package| package.held.is_some());
    refuse_held(changes.iter().map(|change| &change.title).filter(|title| held(title)))?;
    let open: Vec<&Change> = changes.iter().filter(|change| is_open(inventory, change)).collect();
    if open.is_empty() {
        return Ok((BTreeMap::new(), Vec::new()));
    }
    let (items, builds) = asked_for(place, inventory, &open)?;
    let rows = ask(place, inventory, &items)?;
    let packages = packages_of(inventory, changes, &rows)?;
    refuse_held(packages.keys().filter(|title| held(title)))?;
    let left: Vec<String> = open
        .iter()
        .filter(|change| packages.get(&change.title).is_none_or(|found| found.package.to != change.to))
        .map(|change| format!("dnf leaves {} as it is", name_of(&change.title).0))
        .collect();
    if !left.is_empty() {
        return Err(SimulateError::Refused(Refusal { messages: left, ..refusal() }));
    }
    Ok((packages, builds))
}

fn refusal() -> Refusal {
    Refusal { manager: Manager::Dnf, ..Refusal::default() }
}

fn refuse_held<'a>(held: impl Iterator<Item = &'a TitleId>) -> Result<(), SimulateError> {
    let held: Vec<TitleId> = held.cloned().collect();
    match held.is_empty() {
        true => Ok(()),
        false => Err(SimulateError::Refused(Refusal { held, ..refusal() })),
    }
}

/// Whether a change is still to be made. A version that is there and not well is to be installed again.
pub(super) fn is_open(inventory: &Inventory, change: &Change) -> bool {
    match &change.to {
        Some(version) => !inventory.has_well(&change.title, version),
        None => inventory.package(&change.title).is_some(),
    }
}

/// The changes as dnf is to be asked for them; the repositories are left to it.
fn asked_for(place: &Place, inventory: &Inventory, open: &[&Change]) -> Result<(Vec<Item>, Vec<Build>), SimulateError> {
    let wanted: Vec<String> = open
        .iter()
        .filter_map(|change| Some(format!("{}-{}", name_of(&change.title).0, change.to.as_ref()?)))
        .collect();
    let own = &inventory.installs.architecture;
    let offered = if wanted.is_empty() { Vec::new() } else { builds(place, own, &wanted, false)? };
    let mut items = Vec::new();
    let mut not_found = Vec::new();
    for change in open {
        let present = inventory.package(&change.title);
        let Some(version) = &change.to else {
            let Some(package) = present else { continue };
            for version in package.beside.iter().chain([&package.version]) {
                items.push(item("Removed", nevra(&package.name, version, &package.architecture), ""));
            }
            continue;
        };
        let is_it = |build: &&Build| build.title == change.title && build.version == *version;
        let Some(build) = offered.iter().find(is_it) else {
            not_found.push(change.title.clone());
            continue;
        };
        let action = match present {
            None => "Install",
            Some(package) if package.version == *version => "Reinstall",
            Some(package) if package.version > *version => "Downgrade",
            Some(_) => "Upgrade",
        };
        items.push(item(action, nevra(&build.name, version, &build.architecture), ""));
    }
    match not_found.is_empty() {
        true => Ok((items, offered)),
        false => Err(SimulateError::Refused(Refusal { not_found, ..refusal() })),
    }
}

/// One line of a transaction file. What is installed anew was asked for by somebody; what is there keeps its reason.
pub(super) fn item(action: &'static str, nevra: String, repository: &str) -> Item {
    let reason = if action == "Install" { "user" } else { "unknown" };
    Item { action, nevra, reason, repo_id: repository.to_owned() }
}

fn ask(place: &Place, inventory: &Inventory, items: &[Item]) -> Result<Vec<Row>, SimulateError> {
    let failed = |source| CommandError::Io { command: "dnf history replay".to_owned(), source };
    let file = TransactionFile::new(items).map_err(failed)?;
    let path = file.path();
    let args = [
        "--assumeno",
        "--setopt=*.skip_if_unavailable=1",
        "history",
        "replay",
        "--ignore-installed",
        "--ignore-extras",
        &path,
    ];
    let answer = place.dnf(&args)?;
    let both = format!("{}\n{}", answer.stdout, answer.stderr);
    if answer.status.success() || both.contains("Operation aborted.") {
        return Ok(parse(&answer.stdout)?);
    }
    match parse_refusal(inventory, &answer.stderr) {
        Some(refusal) => Err(SimulateError::Refused(refusal)),
        None => Err(answer.failure().into()),
    }
}

/// `None` where dnf failed for a reason that has nothing to do with the change.
fn parse_refusal(inventory: &Inventory, stderr: &str) -> Option<Refusal> {
    let mut refusal = refusal();
    let mut about_the_change = false;
    for line in stderr.lines() {
        let text = line.trim().trim_start_matches("Error:").trim();
        let text =
            text.strip_prefix("Problem").map_or(text, |rest| rest.split_once(": ").map_or(rest, |(_, rest)| rest));
        about_the_change |= line.trim_start().starts_with("Problem") || text.starts_with("Cannot find rpm nevra");
        if text.is_empty() || text.starts_with('(') || text.contains("Unable to detect release version") {
            continue;
        }
        if let Some(package) = text.strip_prefix("Cannot find rpm nevra \"").and_then(|rest| rest.split('"').next()) {
            refusal.not_found.extend(title_in(inventory, package));
        } else if let Some(text) = text.strip_prefix("- ") {
            let (subject, rest) = match text.strip_prefix("package ") {
                Some(rest) => rest.split_once(' ').unwrap_or((rest, "")),
                None => match text.rsplit_once(" needed by ") {
                    Some((what, package)) => (package, what),
                    None => ("", text),
                },
            };
            match title_in(inventory, subject) {
                Some(title) => {
                    let dependency = if rest.is_empty() { text } else { rest }.to_owned();
                    refusal.unmet.push(Unmet { title, dependency });
                }
                None => refusal.messages.push(text.to_owned()),
            }
        } else {
            refusal.messages.push(text.to_owned());
        }
    }
    about_the_change.then_some(refusal)
}

/// The title of `alpha-1:2.0-1.noarch`.
pub(super) fn title_in(inventory: &Inventory, nevra: &str) -> Option<TitleId> {
    let (rest, architecture) = nevra.rsplit_once('.')?;
    let (rest, _) = rest.rsplit_once('-')?;
    let (name, _) = rest.rsplit_once('-')?;
    Some(inventory.title(name, architecture))
}

/// A row of dnf's table.
struct Found {
    package: SimulatedPackage,
    /// `@REPOSITORY` for one that goes.
    repository: String,
}

fn packages_of(
    inventory: &Inventory,
    changes: &[Change],
    rows: &[Row],
) -> Result<BTreeMap<TitleId, Found>, CommandError> {
    let version = |text: &str| {
        Version::parse(Scheme::Rpm, text)
            .map_err(|error| CommandError::unexpected("dnf history replay", error.why.to_string(), text))
    };
    let mut found: BTreeMap<TitleId, Found> = BTreeMap::new();
    let named =
        |title: &TitleId, to: &Option<Version>| changes.iter().any(|change| change.title == *title && change.to == *to);
    for row in rows {
        let title = inventory.title(&row.name, &row.architecture);
        let present = inventory.package(&title);
        for (replaced, _) in &row.replaces {
            let Some((name, architecture)) = replaced.rsplit_once('.') else { continue };
            let gone = inventory.title(name, architecture);
            let Some(package) = inventory.package(&gone).filter(|_| gone != title) else { continue };
            let named = named(&gone, &None);
            let removed = SimulatedPackage {
                name: package.name.clone(),
                architecture: package.architecture.clone(),
                kind: ActionKind::Remove,
                named,
                from: Some(package.version.clone()),
                to: None,
                repositories: Vec::new(),
            };
            found.entry(gone).or_insert(Found { package: removed, repository: String::new() });
        }
        let kind = match row.part {
            Part::Install => ActionKind::Install,
            Part::Upgrade => ActionKind::Upgrade,
            Part::Downgrade => ActionKind::Downgrade,
            Part::Reinstall => ActionKind::Reinstall,
            Part::Remove => ActionKind::Remove,
            Part::Skip => continue,
        };
        let to = (row.part != Part::Remove).then(|| version(&row.version)).transpose()?;
        let package = SimulatedPackage {
            name: row.name.as_str().into(),
            architecture: row.architecture.as_str().into(),
            kind,
            named: named(&title, &to),
            from: present.map(|package| package.version.clone()),
            to,
            repositories: Vec::new(),
        };
        // One that is installed anew beside an older one of its name is no removal.
        let is_removed_version =
            kind == ActionKind::Remove && found.get(&title).is_some_and(|other| other.package.to.is_some());
        if !is_removed_version {
            found.insert(title, Found { package, repository: row.repository.clone() });
        }
    }
    Ok(found)
}

/// Adds the repositories with their keys, and the sizes.
fn complete(
    place: &Place,
    inventory: &Inventory,
    simulated: &mut Simulated,
    found: BTreeMap<TitleId, Found>,
    mut builds: Vec<Build>,
) -> Result<(Vec<Source>, Vec<Build>), CommandError> {
    let sources = sources(place)?;
    let is_known = |title: &TitleId, found: &Found| {
        found.package.to.as_ref().is_none_or(|to| builds.iter().any(|b| b.title == *title && b.version == *to))
    };
    let more: Vec<String> = found
        .iter()
        .filter(|(title, found)| !is_known(title, found))
        .filter_map(|(_, found)| Some(format!("{}-{}", found.package.name, found.package.to.as_ref()?)))
        .collect();
    if !more.is_empty() {
        builds.extend(offers::builds(place, &inventory.installs.architecture, &more, false)?);
    }
    for (title, Found { mut package, repository }) in found {
        let before = inventory.bytes.get(&title).copied().unwrap_or(0);
        let mut after = 0;
        if let Some(version) = &package.to {
            let of_it =
                |build: &&Build| build.title == title && build.version == *version && build.repository == repository;
            if let Some(build) = builds.iter().find(of_it) {
                simulated.sizes.download_bytes += build.download_bytes;
                after = build.installed_bytes;
            }
            let position = simulated.repositories.iter().position(|known| known.id == repository);
            let source = sources.iter().find(|source| source.repository.id == repository);
            package.repositories = match (position, source) {
                (Some(position), _) => vec![position],
                (None, Some(source)) => {
                    simulated.repositories.push(source.repository.clone());
                    vec![simulated.repositories.len() - 1]
                }
                (None, None) => Vec::new(),
            };
        }
        let kept = package.kind == ActionKind::Install;
        let growth =
            i64::try_from(after).unwrap_or(i64::MAX) - i64::try_from(if kept { 0 } else { before }).unwrap_or(0);
        simulated.sizes.growth_bytes += growth;
        simulated.sizes.largest_bytes = simulated.sizes.largest_bytes.max(after);
        simulated.packages.insert(title, package);
    }
    Ok((sources, builds))
}

#[cfg(test)]
#[path = "simulate_tests.rs"]
mod tests;
