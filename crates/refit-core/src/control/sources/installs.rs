//! What sources say is installed on devices that no agent speaks for.
//!
//! A system calls a title by a bundle identifier or a display name, and policies by its id: what no title is called is left out. Of one title that
//! is there more than once the oldest counts, so that a device is never better than it is. Only sources that list all that is installed are heard:
//! what another one leaves out would look as if it were not there.

use super::Readings;
use crate::control::{DeviceRecord, InstallEntry, Installs, State};
use crate::facts::{
    estate::{Entity, Rules},
    mapping::{Install, plain_name},
};
use crate::policy::{document::title::System, repository::Repository};
use refit_model::{TitleId, Version};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// Titles by what other systems call them; `None` where several are called so.
pub(super) struct Titles<'r> {
    repository: &'r Repository,
    bundles: BTreeMap<String, Option<&'r TitleId>>,
    names: BTreeMap<String, Option<&'r TitleId>>,
}

impl<'r> Titles<'r> {
    pub(super) fn of(repository: &'r Repository) -> Titles<'r> {
        let mut titles = Titles { repository, bundles: BTreeMap::new(), names: BTreeMap::new() };
        for (id, title) in repository.titles.iter() {
            for bundle in title.document.identifiers.get(&System::BundleId).into_iter().flatten() {
                note(&mut titles.bundles, bundle.to_lowercase(), id);
            }
            let Some(name) = &title.document.name else { continue };
            note(&mut titles.names, plain_name(name, None), id);
            if let Some(vendor) = &title.document.vendor {
                note(&mut titles.names, plain_name(&format!("{vendor} {name}"), None), id);
            }
        }
        titles
    }

    fn title(&self, install: &Install) -> Option<&'r TitleId> {
        // What has a bundle identifier is not known by its name: many things are called `Updater`.
        match (&install.bundle_id, &install.plain_name) {
            (Some(bundle), _) => self.bundles.get(bundle.to_lowercase().as_str()).copied().flatten(),
            (None, Some(name)) => self.names.get(name.as_str()).copied().flatten(),
            (None, None) => None,
        }
    }

    fn entries(&self, installs: &[&Install]) -> Vec<InstallEntry> {
        let mut oldest: BTreeMap<&TitleId, Version> = BTreeMap::new();
        for install in installs {
            let (Some(title), Some(text)) = (self.title(install), &install.version) else { continue };
            let Ok(version) = Version::parse(self.repository.scheme(title), text) else { continue };
            if oldest.get(title).is_none_or(|known| version < *known) {
                oldest.insert(title, version);
            }
        }
        let entry = |(title, version): (&TitleId, Version)| InstallEntry {
            title: title.clone(),
            branch: None,
            profile: None,
            version: version.as_str().into(),
            state: None,
            source: None,
        };
        oldest.into_iter().map(entry).collect()
    }

    /// What the server has to be told of what is installed, and whose word that is: where it says anything else than what is known.
    pub(super) fn news(
        &self,
        state: &State,
        record: Option<&DeviceRecord>,
        entity: &Entity<'_>,
        read: &Readings<'_>,
        rules: &Rules<'_>,
    ) -> Option<(SmolStr, Installs)> {
        let is_observed = |record: &DeviceRecord| !record.installs.is_empty() && !read.contains_key(&record.seen_by);
        if record.is_some_and(|record| state.speaks_for_itself(record) || is_observed(record)) {
            return None;
        }
        // Whoever told it last goes on for as long as that counts, so that two that differ do not take turns; else who heard of the device
        // last.
        let heard = |source: &SmolStr| {
            let observed = entity.told.get(source).and_then(|told| told.observed);
            let after = rules.staleness.device(source);
            let counts = observed.is_none_or(|observed| rules.now.duration_since(observed) <= after);
            let told_last = record.is_some_and(|record| !record.installs.is_empty() && record.seen_by == *source);
            (told_last && counts, observed)
        };
        let source = entity.installs.keys().max_by_key(|source| heard(source))?;
        let entries = self.entries(entity.installs.get(source)?);
        let known = record.is_some_and(|record| {
            let same = |entry: &InstallEntry| {
                record.installs.get(&entry.slot()).is_some_and(|known| known.version == entry.version)
            };
            record.installs.len() == entries.len() && entries.iter().all(same)
        });
        (!known).then(|| (source.clone(), Installs::Told(entries)))
    }
}

fn note<'r>(names: &mut BTreeMap<String, Option<&'r TitleId>>, name: String, id: &'r TitleId) {
    names.entry(name).and_modify(|known| *known = known.filter(|known| *known == id)).or_insert(Some(id));
}
