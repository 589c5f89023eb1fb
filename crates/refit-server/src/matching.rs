//! Which advisories concern the packages of a distribution: the feeds of the data folder, matched with all packages that any
//! device of the distribution has.

use crate::shell::{Shell, TellError, Told, View};
use jiff::Timestamp;
use refit_connect::feeds::{FeedStore, InstalledPackage, Note, Universe};
use refit_core::control::{Actor, AdvisoryEntry, Event, Input, PackageSource, State};
use refit_model::TitleId;
use smol_str::{SmolStr, format_smolstr};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// What is known of packages besides what the log says: their origins, and what else is offered. Clones share it.
#[derive(Clone, Default)]
pub struct Packages {
    known: Arc<Mutex<BTreeMap<PackageKey, InstalledPackage>>>,
}

/// Distribution, title, version.
type PackageKey = (SmolStr, TitleId, SmolStr);

impl Packages {
    /// Takes what is known of the packages of a distribution. What was known of other versions is kept.
    pub fn learn(&self, distribution: &str, packages: impl IntoIterator<Item = (TitleId, InstalledPackage)>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for (title, package) in packages {
            known.insert((distribution.into(), title, package.build.version.clone()), package);
        }
    }

    fn of(&self, distribution: &SmolStr, title: &TitleId, version: &SmolStr) -> Option<InstalledPackage> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&(distribution.clone(), title.clone(), version.clone())).cloned()
    }
}

/// What a distribution is called in the log: `debian/bookworm`, `ubuntu/22.04`.
pub fn distribution(universe: &Universe) -> SmolStr {
    match universe.ecosystem() {
        Some(ecosystem) => ecosystem.as_str().into(),
        None if universe.codename.is_empty() => format_smolstr!("{}/{}", universe.distribution, universe.version),
        None => format_smolstr!("{}/{}", universe.distribution, universe.codename),
    }
}

fn universe(distribution: &str) -> Universe {
    let (name, release) = distribution.split_once('/').unwrap_or((distribution, ""));
    let (codename, version) = if name == "debian" { (release, "") } else { ("", release) };
    Universe { distribution: name.into(), codename: codename.into(), version: version.into() }
}

/// Matches a distribution and tells the writer.
pub async fn rematch(shell: &Shell, packages: &Packages, data: &Path, distribution: SmolStr) -> Result<(), TellError> {
    let (view, now) = (shell.view(), shell.now());
    let (packages, data, name) = (packages.clone(), data.to_owned(), distribution.clone());
    let (reply, answer) = tokio::sync::oneshot::channel();
    let work = move || {
        crate::background::yield_to_others();
        let entries = entries(&view, &packages, data, &name, now);
        let _ = reply.send(entries.map(|entries| (entries.len(), serde_json::to_vec(&entries))));
    };
    let started = std::thread::Builder::new().name("matching".into()).spawn(work);
    started.map_err(|error| TellError::Other(format!("no thread for matching: {error}")))?;
    let answer = answer.await.map_err(|_| TellError::Other("matching has failed".into()))?;
    let Some((count, bytes)) = answer else {
        tracing::warn!(%distribution, "its feeds have gone: what was known of its vulnerabilities is kept");
        return Ok(());
    };
    let bytes = bytes.map_err(|error| TellError::Other(error.to_string()))?;
    let content = SmolStr::from(shell.put(bytes).await?);
    let input = Input::Matched { distribution, content, advisories: count as u64 };
    let told = shell.tell(&Actor::server(), input, None).await?;
    if !told.events.is_empty() {
        tracing::info!(distribution = %name_of(&told), advisories = count, "advisories were matched");
    }
    Ok(())
}

fn name_of(told: &Told) -> SmolStr {
    let matched = told.events.iter().find_map(|event| match event {
        Event::DistributionMatched(matched) => Some(matched.distribution.clone()),
        _ => None,
    });
    matched.unwrap_or_default()
}

/// The advisories; `None` where no feed speaks of the distribution any more.
fn entries(
    view: &View,
    packages: &Packages,
    data: PathBuf,
    name: &SmolStr,
    now: Timestamp,
) -> Option<Vec<AdvisoryEntry>> {
    let state = &view.state;
    let mut seen: BTreeSet<(&TitleId, &SmolStr)> = BTreeSet::new();
    for device in state.managed() {
        let universe = device.universe.as_ref().and_then(|key| state.universes.get(key));
        if universe.is_some_and(|universe| universe.distribution == *name) {
            let distributed = device.installs.iter().filter(|(slot, _)| slot.title.package().is_some());
            seen.extend(distributed.map(|(slot, installed)| (&slot.title, &installed.version)));
        }
    }
    let installed: Vec<InstalledPackage> = seen
        .iter()
        .flat_map(|(title, version)| match packages.of(name, title, version) {
            Some(known) => vec![known],
            None => built_from(state, title, version),
        })
        .collect();
    let report = FeedStore::open(&data).match_packages(&universe(name), &installed, now);
    let gone = report.notes.iter().any(|note| matches!(note, Note::NoFeedForDistribution { .. }));
    if gone && state.distributions.get(name).is_some_and(|known| !known.advisories.is_empty()) {
        return None;
    }
    if gone {
        tracing::warn!(
            distribution = %name,
            "no feed speaks of it: what is open is not known. `refit feeds sync --data {}` fetches them",
            data.display()
        );
    }
    let open = report.open_without_fix.iter().map(|open| &open.advisory);
    let mut found: BTreeMap<(TitleId, SmolStr), AdvisoryEntry> = BTreeMap::new();
    for advisory in report.advisories.iter().chain(open) {
        let entry = AdvisoryEntry::from(advisory);
        found.insert((entry.title.clone(), entry.id.as_str().into()), entry);
    }
    // Feeds speak of a package whatever its architecture; a foreign one is a title of its own.
    let foreign: BTreeSet<&TitleId> = seen.iter().map(|(title, _)| *title).filter(|title| is_foreign(title)).collect();
    for title in foreign {
        let (Some((binary, _)), Some((namespace, _))) = (split(title), title.package()) else { continue };
        let native = TitleId::new(format!("{namespace}/{binary}"));
        let copies: Vec<AdvisoryEntry> = found
            .values()
            .filter(|entry| entry.title == native)
            .map(|entry| AdvisoryEntry { title: title.clone(), ..entry.clone() })
            .collect();
        found.extend(copies.into_iter().map(|entry| ((entry.title.clone(), entry.id.as_str().into()), entry)));
    }
    Some(found.into_values().collect())
}

/// A package as feeds are asked for it: once for each source that devices name. Where none does, its own name is taken.
fn built_from(state: &State, title: &TitleId, version: &SmolStr) -> Vec<InstalledPackage> {
    let Some((binary, architecture)) = split(title) else { return Vec::new() };
    let package = InstalledPackage::new(binary, version, architecture);
    let sources = state.sources.get(title).and_then(|versions| versions.get(version));
    let Some(sources) = sources.filter(|sources| !sources.is_empty()) else { return vec![package] };
    let built =
        |source: &PackageSource| package.clone().built_from(&source.name, source.version.as_ref().unwrap_or(version));
    sources.iter().map(built).collect()
}

fn is_foreign(title: &TitleId) -> bool {
    title.package().is_some_and(|(namespace, name)| namespace == "deb" && name.contains(':'))
}

/// Name and architecture of a package.
fn split(title: &TitleId) -> Option<(&str, &str)> {
    let (_, name) = title.package()?;
    Some(name.split_once(':').unwrap_or((name, "")))
}
