//! What the organisation signs besides its policies.

use super::Resolver;
use crate::{
    policy::{
        diagnostic::Diagnostic,
        document::mandate::MandateDocument,
        load::{Documents, Written},
        repository::{MandateTerms, PackageSource, Repository, Selector},
    },
    steps,
};
use jiff::SignedDuration;
use refit_model::{TitleId, Version};
use refit_wire::{mandate::Limits, state::System};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// How long a mandate counts where nobody says it.
const LASTS: SignedDuration = SignedDuration::from_hours(90 * 24);

impl Resolver<'_> {
    pub(super) fn mandate(&mut self, documents: &Documents, repository: &Repository) -> Option<MandateTerms> {
        let (written, others) = documents.mandates.split_first()?;
        let origin = written.origin(steps![], self.files);
        for other in others {
            self.report(
                Diagnostic::error("policy/second-mandate", "second mandate")
                    .at(other.key_place(steps!["mandate"]))
                    .label("a repository has one `mandate:` document")
                    .with_note(format!("the first is in {}:{}", origin.file, origin.line))
                    .with_help("move what it says to the first one"),
            );
        }
        self.unique(&documents.mandates[..1], |mandate| &mandate.mandate, "mandate");
        let document = &written.document;
        let urgent = document.urgent.clone().unwrap_or_default();
        for (index, name) in urgent.rollouts.iter().enumerate() {
            if !repository.rollouts.contains_key(name.as_str()) {
                let known: Vec<&str> = repository.rollouts.keys().map(SmolStr::as_str).collect();
                let place = written.place(steps!["urgent", "rollouts", index]);
                self.unknown_name("rollout", name, &known, place);
            }
        }
        let sources = document
            .sources
            .iter()
            .map(|(name, source)| {
                let keys = source.keys.iter().map(|key| SmolStr::new(&key.0)).collect();
                let titles = self.titles_of_source(written, name, repository);
                (SmolStr::new(name), PackageSource { system: source.system, keys, titles })
            })
            .collect();
        let terms = MandateTerms {
            origin,
            lasts: document.lasts.map_or(LASTS, |lasts| lasts.0),
            sources,
            urgent: urgent.rollouts.iter().map(SmolStr::new).collect(),
            urgent_min_age: urgent.min_age,
            floors: self.floors(written, repository),
            limits: limits(document),
        };
        self.no_time(written, &terms);
        // What is not read as a whole says something else than was meant.
        Some(terms).filter(|_| written.mistakes.is_empty())
    }

    fn titles_of_source(
        &mut self,
        written: &Written<MandateDocument>,
        name: &str,
        repository: &Repository,
    ) -> Vec<Selector> {
        let Some(source) = written.document.sources.get(name) else { return Vec::new() };
        let mut titles = Vec::new();
        for (index, line) in source.titles.iter().enumerate() {
            let place = written.place(steps!["sources", name, "titles", index]);
            let selector = Selector::parse(line);
            let namespace = match &selector {
                Selector::Title(title) if !self.known_title(title, repository, place.clone()) => continue,
                Selector::Title(title) => title.package().map(|(namespace, _)| SmolStr::new(namespace)),
                Selector::Packages { namespace, .. } => Some(namespace.clone()),
                Selector::OsSecurity | Selector::OsAll => None,
            };
            if namespace.is_some_and(|namespace| namespace != source.system.namespace()) {
                self.report(
                    Diagnostic::error("policy/other-system", "package of another package manager")
                        .at(place)
                        .label(format!("`{name}` is read by {}", reader(source.system))),
                );
                continue;
            }
            titles.push(selector);
        }
        let mut titles = repository.with_vendor_packages(titles);
        titles.retain(|selector| match selector {
            Selector::Title(title) => title.package().is_none_or(|(space, _)| space == source.system.namespace()),
            _ => true,
        });
        titles
    }

    fn floors(
        &mut self,
        written: &Written<MandateDocument>,
        repository: &Repository,
    ) -> BTreeMap<TitleId, BTreeMap<System, SmolStr>> {
        let mut floors: BTreeMap<TitleId, BTreeMap<System, SmolStr>> = BTreeMap::new();
        for (name, versions) in &written.document.floors {
            let title = TitleId::new(name);
            if !self.known_title(&title, repository, written.key_place(steps!["floors", name])) {
                continue;
            }
            for (system, version) in versions {
                if Version::parse(system.scheme(), version).is_err() {
                    self.report(
                        Diagnostic::error("policy/bad-version", "not a version")
                            .at(written.place(steps!["floors", name, system.namespace()]))
                            .label(format!("`{version}` is no version to {}", reader(*system))),
                    );
                    continue;
                }
                floors.entry(title.clone()).or_default().insert(*system, version.as_str().into());
            }
        }
        floors
    }

    /// Times of nothing would stop every device.
    fn no_time(&mut self, written: &Written<MandateDocument>, terms: &MandateTerms) {
        let never = [
            (terms.lasts.is_zero(), steps!["lasts"], "it would have ended when it is signed"),
            (terms.limits.lease_seconds == 0, steps!["limits", "lease"], "no device could ever act"),
        ];
        for (_, path, label) in never.into_iter().filter(|(wrong, _, _)| *wrong) {
            self.report(
                Diagnostic::error("policy/empty-limit", "limit that lets nothing through")
                    .at(written.place(path))
                    .label(label),
            );
        }
    }
}

fn reader(system: System) -> &'static str {
    match system {
        System::Deb => "apt",
        System::Rpm => "dnf",
    }
}

fn limits(document: &MandateDocument) -> Limits {
    let said = document.limits.clone().unwrap_or_default();
    let seconds = |length: Option<crate::policy::document::scalars::Duration>, default: u64| {
        length.map_or(default, |length| u64::try_from(length.0.as_secs()).unwrap_or(0))
    };
    let default = Limits::default();
    Limits {
        lease_seconds: seconds(said.lease, default.lease_seconds),
        silence_seconds: seconds(said.silence, default.silence_seconds),
        hold_seconds: seconds(said.hold, default.hold_seconds),
        restarts_per_day: said.restarts_per_day.unwrap_or(default.restarts_per_day),
    }
}
