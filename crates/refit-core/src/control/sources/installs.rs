//! What sources say is installed on devices that no agent speaks for.
//!
//! A system calls a title by a bundle identifier, a package, a product code or a display name, and policies by its id: what no title is called is
//! left out. Of one title that is there more than once the oldest counts, so that a device is never better than it is. Only sources that list all
//! that is installed are heard: what another one leaves out would look as if it were not there.

use super::Readings;
use crate::control::{DeviceRecord, InstallEntry, Installs, SlotName, State};
use crate::facts::{
    FieldRef,
    estate::{Entity, Rules},
    mapping::{Install, plain_name},
};
use crate::policy::{document::title::System, repository::Repository};
use refit_model::{TitleId, Version, entry::Plain};
use smol_str::SmolStr;
use std::{borrow::Cow, collections::BTreeMap};

/// What names of one kind lead to; `None` where several titles are called so.
type Named<'r> = BTreeMap<String, Option<&'r TitleId>>;

/// Titles by what other systems call them.
pub(super) struct Titles<'r> {
    repository: &'r Repository,
    bundles: Named<'r>,
    packages: Named<'r>,
    codes: Named<'r>,
    names: Named<'r>,
}

impl<'r> Titles<'r> {
    pub(super) fn of(repository: &'r Repository) -> Titles<'r> {
        let (bundles, packages, codes, names) = Default::default();
        let mut titles = Titles { repository, bundles, packages, codes, names };
        for (id, title) in repository.titles.iter() {
            let of = |system: System| title.document.identifiers.get(&system).into_iter().flatten();
            for bundle in of(System::BundleId) {
                note(&mut titles.bundles, bundle.to_lowercase(), id);
            }
            // Distributions have packages of their own, which are titles by themselves.
            for package in of(System::Winget).chain(of(System::Brew)) {
                note(&mut titles.packages, package.to_lowercase(), id);
            }
            for package in of(System::Msix) {
                note(&mut titles.packages, family(package), id);
            }
            for code in of(System::ProductCode) {
                note(&mut titles.codes, product_code(code), id);
            }
            for name in of(System::DisplayName) {
                note(&mut titles.names, plain_name(name, None), id);
            }
            let Some(name) = &title.document.name else { continue };
            note(&mut titles.names, plain_name(name, None), id);
            if let Some(vendor) = &title.document.vendor {
                note(&mut titles.names, plain_name(&format!("{vendor} {name}"), None), id);
            }
        }
        titles
    }

    /// Which title an install is, on a device with that operating system.
    fn title(&self, install: &Install, os: Option<&str>) -> Option<Cow<'r, TitleId>> {
        let of = |named: &Named<'r>, name: &str| named.get(name).copied().flatten().map(Cow::Borrowed);
        // What has a bundle identifier is not known by its name: many things are called `Updater`.
        if let Some(bundle) = &install.bundle_id {
            return of(&self.bundles, &bundle.to_lowercase());
        }
        // Nor is what a distribution builds: its package is a title by itself.
        if let Some(namespace) = namespace(os) {
            return install.package.as_ref().and_then(|package| packaged(namespace, package)).map(Cow::Owned);
        }
        if let Some(package) = &install.package {
            let known = of(&self.packages, &package.to_lowercase());
            if let Some(title) = known.or_else(|| of(&self.packages, &family(package))) {
                return Some(title);
            }
        }
        // A product code is another one for each release, so that one which nobody knows says nothing of the name.
        let by_code = install.product_code.as_ref().and_then(|code| of(&self.codes, &product_code(code)));
        by_code.or_else(|| {
            let name = install.plain_name.as_ref()?;
            // Of what came from a store, lists of programs name the package.
            of(&self.names, name).or_else(|| of(&self.packages, &family(name)))
        })
    }

    fn entries(&self, installs: &[&Install], os: Option<&str>) -> Vec<InstallEntry> {
        let mut oldest: BTreeMap<Cow<'r, TitleId>, Version> = BTreeMap::new();
        for install in installs {
            let (Some(title), Some(text)) = (self.title(install, os), &install.version) else { continue };
            let Ok(version) = Version::parse(self.repository.scheme(&title), text) else { continue };
            if oldest.get(&title).is_none_or(|known| version < *known) {
                oldest.insert(title, version);
            }
        }
        let entry = |(title, version): (Cow<'r, TitleId>, Version)| InstallEntry {
            title: title.into_owned(),
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
        // What an operating system says of itself keeps nobody from saying what else there is.
        let is_observed = |record: &DeviceRecord| {
            let programs = record.installs.keys().any(|slot| !self.repository.is_system(&slot.title));
            programs && !read.contains_key(&record.seen_by)
        };
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
        let entries = self.entries(entity.installs.get(source)?, operating_system(entity, source));
        let known = record.is_some_and(|record| {
            let same = |entry: &InstallEntry| {
                record.installs.get(&entry.slot()).is_some_and(|known| known.version == entry.version)
            };
            let listed = |slot: &SlotName| entries.iter().any(|entry| entry.slot() == *slot);
            let others = record.installs.keys().filter(|slot| !self.repository.is_system(&slot.title) || listed(slot));
            others.count() == entries.len() && entries.iter().all(same)
        });
        (!known).then(|| (source.clone(), Installs::Told(entries)))
    }
}

/// The operating system of a device, as the source that lists what is installed says it, else any.
fn operating_system<'e>(entity: &'e Entity<'_>, source: &SmolStr) -> Option<&'e str> {
    let field = FieldRef::device("os");
    let says = |source: &SmolStr| match entity.told.get(source)?.facts.get(&field)? {
        Plain::Text(os) => Some(os.as_str()),
        _ => None,
    };
    says(source).or_else(|| entity.told.keys().find_map(says))
}

/// In which namespace the packages of a distribution are titles.
fn namespace(os: Option<&str>) -> Option<&'static str> {
    match os? {
        "debian" | "ubuntu" => Some("deb"),
        "fedora" | "rhel" | "centos" | "rocky" | "almalinux" | "opensuse" | "sles" | "amazon" | "oracle" => Some("rpm"),
        _ => None,
    }
}

/// The title that a distribution's package is; `None` where it is no name of one. Some write its architecture behind it (`libc6:amd64`).
fn packaged(namespace: &str, package: &str) -> Option<TitleId> {
    let name = package.split_once(':').map_or(package, |(name, _)| name);
    let fits = |c: char| c.is_ascii_alphanumeric() || "+-._~".contains(c);
    (!name.is_empty() && name.chars().all(fits)).then(|| TitleId::new(format!("{namespace}/{name}")))
}

/// The name of a package of the Windows Store without the hash of its publisher (`MSTeams_8wekyb3d8bbwe`), in small letters.
fn family(package: &str) -> String {
    const HASH: usize = 13;
    let is_hash = |end: &str| end.len() == HASH && end.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let name = package.rsplit_once('_').filter(|(_, end)| is_hash(end)).map_or(package, |(name, _)| name);
    name.to_lowercase()
}

fn product_code(code: &str) -> String {
    code.trim_matches(['{', '}']).to_lowercase()
}

fn note<'r>(names: &mut Named<'r>, name: String, id: &'r TitleId) {
    names.entry(name).and_modify(|known| *known = known.filter(|known| *known == id)).or_insert(Some(id));
}
