//! The answer of matching, and how it is put together.

use super::{
    evaluate::{Finding, Outcome, Said},
    facts::Join,
};
use crate::feeds::{
    installed::InstalledPackage,
    kind::{Coverage, FeedKind},
    space::EcosystemName,
    statement::{Bounds, End, WhyOpen, package_key, statements},
    store::{FeedContent, FeedStore, StoreError},
};
use jiff::Timestamp;
use refit_model::{Advisory, AdvisoryId, TitleId, VersionRange};
use serde::Serialize;
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// What the feeds say of the software of one device. Everything is sorted by title and id.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct MatchReport {
    /// What affects it and is fixed in a later version.
    pub advisories: Vec<Advisory>,
    /// What affects it and is not fixed in any version.
    pub open_without_fix: Vec<OpenAdvisory>,
    /// What may affect it: the feeds do not say.
    pub undetermined: Vec<Undetermined>,
    /// What the distribution holds to be no security problem of the package. It is no exposure.
    pub unimportant: Vec<Unimportant>,
    /// Packages of which no feed says anything, because of where they came from.
    pub unknown_packages: Vec<UnknownPackage>,
    /// What else limits the answer, the gravest first.
    pub notes: Vec<Note>,
}

/// A vulnerability without a fixed version.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OpenAdvisory {
    /// The advisory; it affects every version.
    pub advisory: Advisory,
    /// Why there is no fix.
    pub why: WhyOpen,
}

/// A vulnerability of which it is not known whether it affects what is installed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Undetermined {
    /// The title that it may concern.
    pub title: TitleId,
    /// The vulnerability.
    pub id: AdvisoryId,
    /// The feeds that leave it open.
    pub said_by: Vec<SmolStr>,
}

/// A vulnerability that the distribution holds to be no security problem of the package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Unimportant {
    /// The title that it concerns.
    pub title: TitleId,
    /// The vulnerability.
    pub id: AdvisoryId,
}

/// A package of which no feed says anything.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct UnknownPackage {
    /// Its title.
    pub title: TitleId,
    /// Its architecture.
    pub architecture: SmolStr,
    /// The installed version.
    pub version: SmolStr,
    /// Why nothing is known.
    pub why: WhyUnknown,
}

/// Why no feed speaks of a package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyUnknown {
    /// It comes from a repository that is not the distribution's, of this name.
    ThirdParty(SmolStr),
    /// It comes from no repository that the device knows.
    UnknownOrigin,
    /// No feed speaks of the distribution, or none that does has been synced.
    Distribution,
    /// The feeds that are there speak of some packages only, and not of this one.
    NoFeedCoversIt,
    /// Its version is none in the distribution's scheme.
    NoVersion,
}

/// A limit of the answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "note", rename_all = "snake_case")]
pub enum Note {
    /// No feed speaks of the distribution.
    UnknownDistribution {
        /// The device's distribution.
        universe: String,
    },
    /// Feeds exist for the distribution, and none is there.
    NoFeedForDistribution {
        /// The device's distribution.
        universe: String,
    },
    /// A feed's files can't be used.
    FeedDamaged {
        /// The feed.
        feed: &'static str,
        /// Which file, and what to do.
        error: String,
    },
    /// A feed that this device needs has not been synced.
    FeedMissing {
        /// The feed.
        feed: &'static str,
    },
    /// A feed is older than the limit.
    FeedStale {
        /// The feed.
        feed: &'static str,
        /// Up to when it is known to be the newest.
        current_at: Timestamp,
        /// Its age in whole days.
        days: i64,
    },
    /// Only feeds that speak of some packages are there.
    PartialCoverage {
        /// Those feeds.
        feeds: Vec<&'static str>,
        /// How many packages they do not speak of.
        packages: usize,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::UnknownDistribution { universe } => {
                write!(f, "no feed speaks of {universe}: nothing is known of its packages")
            }
            Note::NoFeedForDistribution { universe } => {
                write!(f, "no feed for {universe} has been synced: run `refit feeds sync`")
            }
            Note::FeedDamaged { feed, error } => write!(f, "{feed}: {error}"),
            Note::FeedMissing { feed } => write!(f, "{feed} has not been synced: run `refit feeds sync`"),
            Note::FeedStale { feed, current_at, days } => {
                let date = current_at.to_zoned(jiff::tz::TimeZone::UTC).date();
                write!(f, "{feed} is {days} days old ({date}): run `refit feeds sync`")
            }
            Note::PartialCoverage { feeds, packages } => {
                write!(
                    f,
                    "of {packages} packages nothing is known: {} speak of some packages only",
                    feeds.join(" and ")
                )
            }
        }
    }
}

/// A report while it is put together.
pub(super) struct Draft<'a> {
    store: &'a FeedStore,
    found: BTreeMap<(TitleId, SmolStr), Draught>,
    undetermined: BTreeMap<(TitleId, SmolStr), BTreeSet<FeedKind>>,
    unimportant: BTreeSet<Unimportant>,
    unknown: BTreeSet<UnknownPackage>,
    notes: BTreeSet<Note>,
    failed: BTreeMap<FeedKind, StoreError>,
}

/// An advisory before the facts of its CVE are known.
struct Draught {
    affected: Vec<VersionRange>,
    open: Option<WhyOpen>,
    withdrawn: Option<i64>,
    said_by: BTreeSet<FeedKind>,
}

impl<'a> Draft<'a> {
    pub fn new(store: &'a FeedStore) -> Self {
        Self {
            store,
            found: BTreeMap::new(),
            undetermined: BTreeMap::new(),
            unimportant: BTreeSet::new(),
            unknown: BTreeSet::new(),
            notes: BTreeSet::new(),
            failed: BTreeMap::new(),
        }
    }

    pub fn note(&mut self, note: Note) {
        self.notes.insert(note);
    }

    pub fn unknown(&mut self, title: TitleId, package: &InstalledPackage, why: WhyUnknown) {
        let (architecture, version) = (package.architecture.clone(), package.build.version.clone());
        self.unknown.insert(UnknownPackage { title, architecture, version, why });
    }

    /// Notes which feeds are missing, damaged or old: those that are wanted, and all others that are there.
    pub fn check_feeds(&mut self, wanted: &[FeedKind], now: Timestamp) {
        for feed in &self.store.feeds {
            let name = feed.kind.name();
            match &feed.content {
                FeedContent::Missing if wanted.contains(&feed.kind) && feed.kind != FeedKind::OsvBitnami => {
                    self.notes.insert(Note::FeedMissing { feed: name });
                }
                FeedContent::Missing => {}
                FeedContent::Damaged(error) => {
                    self.notes.insert(Note::FeedDamaged { feed: name, error: error.to_string() });
                }
                FeedContent::Ready(ready) => {
                    let current_at = ready.manifest.current_at;
                    let age = now.duration_since(current_at);
                    if age > self.store.age_limit() {
                        self.notes.insert(Note::FeedStale { feed: name, current_at, days: age.as_hours() / 24 });
                    }
                }
            }
        }
    }

    /// The bytes of what `speakers` say of a name. A feed that can't be read is noted once and then left out.
    pub fn read(
        &mut self,
        ecosystem: &EcosystemName,
        name: &str,
        speakers: &[(FeedKind, Coverage)],
    ) -> Vec<(FeedKind, Vec<u8>)> {
        let key = package_key(ecosystem, &ecosystem.normal(name));
        let mut read = Vec::new();
        for (kind, _) in speakers {
            let Some(ready) = self.store.feed(*kind).and_then(|feed| feed.ready()) else { continue };
            if self.failed.contains_key(kind) {
                continue;
            }
            match ready.index.get(&key) {
                Ok(Some(value)) if statements(&value).is_some() => read.push((*kind, value)),
                Ok(Some(_)) => _ = self.failed.insert(*kind, ready.index.damaged("what it says of a package").into()),
                Ok(None) => {}
                Err(error) => _ = self.failed.insert(*kind, error.into()),
            }
        }
        read
    }

    /// Adds a finding about `title`; `carry` turns bounds into ranges of the title's own versions.
    pub fn add(&mut self, title: &TitleId, finding: Finding<'_>, carry: impl Fn(&[Bounds<&str>]) -> Vec<VersionRange>) {
        let Finding { id, outcome, withdrawn, said_by } = finding;
        let key = (title.clone(), SmolStr::from(id));
        let (ranges, open) = match outcome {
            Outcome::Undetermined => {
                self.undetermined.entry(key).or_default().extend(said_by);
                return;
            }
            Outcome::Unimportant => {
                self.unimportant.insert(Unimportant { title: title.clone(), id: AdvisoryId::new(id) });
                return;
            }
            Outcome::Open(why) => (carry(&[Bounds { introduced: None, end: End::Never }]), Some(why)),
            Outcome::Affected(bounds) => (carry(&bounds), None),
        };
        let draught = self.found.entry(key).or_insert_with(|| Draught {
            affected: Vec::new(),
            open,
            withdrawn,
            said_by: BTreeSet::new(),
        });
        for range in ranges {
            if !draught.affected.contains(&range) {
                draught.affected.push(range);
            }
        }
        // A package may be installed twice: what any of its builds needs counts.
        draught.open = draught.open.and(open);
        draught.withdrawn = draught.withdrawn.and(withdrawn);
        draught.said_by.extend(said_by);
    }

    /// Joins the facts and puts everything in order.
    pub fn finish(self) -> MatchReport {
        let mut join = Join::new(self.store);
        join.failed = self.failed;
        let ids: BTreeSet<&SmolStr> = self.found.keys().map(|(_, id)| id).collect();
        let facts: BTreeMap<&SmolStr, _> = ids.into_iter().map(|id| (id, join.of(id))).collect();
        let mut report = MatchReport::default();
        for ((title, id), draught) in &self.found {
            let Some(facts) = facts.get(id) else { continue };
            let said_by: BTreeSet<FeedKind> = draught.said_by.union(&facts.said_by).copied().collect();
            let first_sync = || {
                let feeds = said_by.iter().filter_map(|kind| self.store.feed(*kind)?.ready());
                feeds.map(|ready| ready.manifest.fetched_at).min().unwrap_or_default()
            };
            let advisory = Advisory {
                id: AdvisoryId::new(id),
                title: title.clone(),
                upstream: None,
                affected: draught.affected.clone(),
                known_at: facts.known_at.unwrap_or_else(first_sync),
                cvss: facts.cvss,
                epss: facts.epss,
                kev: facts.kev,
                ransomware: facts.ransomware,
                withdrawn: draught.withdrawn.and_then(|seconds| Timestamp::from_second(seconds).ok()),
                said_by: names(&said_by),
            };
            match draught.open {
                None => report.advisories.push(advisory),
                Some(why) => report.open_without_fix.push(OpenAdvisory { advisory, why }),
            }
        }
        for ((title, id), said_by) in &self.undetermined {
            let (title, id) = (title.clone(), AdvisoryId::new(id));
            report.undetermined.push(Undetermined { title, id, said_by: names(said_by) });
        }
        report.unimportant.extend(self.unimportant);
        report.unknown_packages.extend(self.unknown);
        let damaged =
            join.failed.iter().map(|(kind, error)| Note::FeedDamaged { feed: kind.name(), error: error.to_string() });
        let notes: BTreeSet<Note> = self.notes.into_iter().chain(damaged).collect();
        report.notes.extend(notes);
        report
    }
}

/// The statements of what was read.
pub(super) fn said(read: &[(FeedKind, Vec<u8>)], scheme: refit_model::Scheme) -> Said<'_> {
    let decoded = read.iter().filter_map(|(kind, bytes)| Some((*kind, statements(bytes)?)));
    Said::new(decoded.collect(), scheme)
}

fn names(kinds: &BTreeSet<FeedKind>) -> Vec<SmolStr> {
    let names: BTreeSet<&'static str> = kinds.iter().map(|kind| kind.name()).collect();
    names.into_iter().map(SmolStr::new_static).collect()
}
