//! Matching: which advisories concern what is installed on one device, by its distribution's own word.
//!
//! Nothing that an upstream project says of its versions is held against a distribution's package: only feeds that speak of
//! the distribution are asked, under the name of the source package. What is known of a CVE (dates, scores, KEV) is joined
//! by its id from all feeds. What is not known is said.

mod evaluate;
mod facts;
mod ranges;
mod report;

pub use facts::CveFacts;
pub use report::{MatchReport, Note, OpenAdvisory, Undetermined, Unimportant, UnknownPackage, WhyUnknown};

use super::{
    installed::{InstalledPackage, Lineage, Origin, TitleQuery},
    kind::{Coverage, FeedKind},
    space::{EcosystemName, Universe},
    store::FeedStore,
};
use evaluate::Subject;
use jiff::Timestamp;
use ranges::Ranges;
use refit_model::{Scheme, TitleId, Version};
use report::Draft;
use std::collections::{BTreeMap, BTreeSet};

impl FeedStore {
    /// The advisories that affect the packages of a device, and what can't be said of them.
    ///
    /// Each advisory is about one title, `deb/NAME` or `rpm/NAME`, and its ranges are of that package's own versions. The
    /// answer is the same for any order of `packages`.
    pub fn match_packages(&self, universe: &Universe, packages: &[InstalledPackage], now: Timestamp) -> MatchReport {
        let mut draft = Draft::new(self);
        let ecosystem = universe.ecosystem();
        draft.check_feeds(&FeedKind::for_universe(universe), now);
        let speakers = ecosystem.as_ref().map(|ecosystem| self.speakers(ecosystem)).unwrap_or_default();
        let (Some(ecosystem), false) = (&ecosystem, speakers.is_empty()) else {
            draft.note(match &ecosystem {
                None => Note::UnknownDistribution { universe: universe.to_string() },
                Some(_) => Note::NoFeedForDistribution { universe: universe.to_string() },
            });
            for package in packages {
                let title = TitleId::new(format!("{}/{}", namespace(universe), package.name));
                draft.unknown(title, package, WhyUnknown::Distribution);
            }
            return draft.finish();
        };
        let complete = speakers.iter().any(|(_, coverage)| *coverage == Coverage::Complete);
        let mut uncovered = 0;
        for (key, installed) in by_source(ecosystem, packages) {
            let read = draft.read(ecosystem, key.name, &speakers);
            let said = report::said(&read, ecosystem.scheme());
            for (package, source_version) in installed {
                let title = TitleId::new(format!("{}/{}", namespace(universe), package.name));
                if let Some(why) = foreign(package) {
                    draft.unknown(title, package, why);
                    continue;
                }
                if said.is_empty() && !complete {
                    uncovered += 1;
                    draft.unknown(title, package, WhyUnknown::NoFeedCoversIt);
                    continue;
                }
                let parse = |text: &str| Version::parse(ecosystem.scheme(), text).ok();
                let parsed = source_version.and_then(parse).zip(parse(&package.build.version));
                let Some((source_version, version)) = parsed else {
                    draft.unknown(title, package, WhyUnknown::NoVersion);
                    continue;
                };
                let subject = Subject { version: &source_version, package: Some(package) };
                let ranges = Ranges::of(package, key.lineage, ecosystem.scheme());
                for finding in said.findings(Some(&subject)) {
                    draft.add(&title, finding, |bounds| ranges.carry(bounds, &version));
                }
            }
        }
        if uncovered > 0 {
            let feeds = speakers.iter().map(|(kind, _)| kind.name()).collect();
            draft.note(Note::PartialCoverage { feeds, packages: uncovered });
        }
        draft.finish()
    }

    /// The advisories about software that is no package, by the names under which ecosystems know it.
    pub fn match_titles(&self, titles: &[TitleQuery], now: Timestamp) -> MatchReport {
        let mut draft = Draft::new(self);
        let mut asked = BTreeSet::new();
        for query in titles {
            for (ecosystem, name) in &query.names {
                let feeds: Vec<_> = self.feeds.iter().filter(|feed| feed.ready().is_some()).collect();
                let speakers: Vec<_> = feeds.iter().map(|feed| (feed.kind, Coverage::Partial)).collect();
                let read = draft.read(ecosystem, name, &speakers);
                asked.extend(read.iter().map(|(kind, _)| *kind));
                let said = report::said(&read, query.scheme);
                let subject = query.installed.as_ref().map(|version| Subject { version, package: None });
                for finding in said.findings(subject.as_ref()) {
                    draft.add(&query.title, finding, |bounds| ranges::direct(bounds, query.scheme, ""));
                }
            }
        }
        let mut wanted = vec![FeedKind::Kev, FeedKind::Epss];
        wanted.extend(asked);
        draft.check_feeds(&wanted, now);
        draft.finish()
    }

    /// What all feeds together know of a vulnerability, whatever software it is in.
    pub fn facts(&self, id: &str) -> CveFacts {
        facts::Join::new(self).of(id)
    }

    /// The feeds that say something of an ecosystem, the most trusted first.
    fn speakers(&self, ecosystem: &EcosystemName) -> Vec<(FeedKind, Coverage)> {
        let mut speakers: Vec<_> = self
            .feeds
            .iter()
            .filter(|feed| feed.ready().is_some())
            .filter_map(|feed| Some((feed.kind, feed.kind.coverage(ecosystem)?)))
            .collect();
        speakers.sort_by_key(|(kind, _)| (kind.rank(), *kind));
        speakers
    }
}

/// Under which name feeds are asked, and how a build's version gives the source's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct SourceKey<'a> {
    name: &'a str,
    lineage: Lineage,
}

/// Packages by what feeds are asked for: each source once, in the order of the index.
fn by_source<'a>(
    ecosystem: &EcosystemName,
    packages: &'a [InstalledPackage],
) -> BTreeMap<SourceKey<'a>, Vec<(&'a InstalledPackage, Option<&'a str>)>> {
    let mut sources: BTreeMap<SourceKey<'a>, Vec<(&InstalledPackage, Option<&str>)>> = BTreeMap::new();
    for package in packages {
        let (key, version) = if ecosystem.scheme() == Scheme::Rpm {
            (SourceKey { name: &package.name, lineage: Lineage::Own }, Some(package.build.version.as_str()))
        } else {
            let lineage = Lineage::of(&package.source);
            let name = match lineage {
                Lineage::Own => package.source.as_str(),
                Lineage::Signed { source, .. } => source,
            };
            (SourceKey { name, lineage }, lineage.source_version(&package.build))
        };
        sources.entry(key).or_default().push((package, version));
    }
    sources
}

/// The namespace of a distribution's packages among titles.
fn namespace(universe: &Universe) -> &'static str {
    match universe.distribution.as_str() {
        "almalinux" | "rocky" | "rhel" | "fedora" | "centos" | "ol" | "amzn" | "sles" => "rpm",
        _ => "deb",
    }
}

/// Why no feed speaks of a package, because of where it came from.
fn foreign(package: &InstalledPackage) -> Option<WhyUnknown> {
    match &package.origin {
        Origin::Distribution => None,
        Origin::ThirdParty(name) => Some(WhyUnknown::ThirdParty(name.clone())),
        Origin::Unknown => Some(WhyUnknown::UnknownOrigin),
    }
}
