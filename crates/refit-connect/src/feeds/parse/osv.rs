//! OSV records (schema 1.7): one JSON document per line, or a zip with one document per record.
//!
//! What is used of the schema, and its quirks: the CVEs of a record are its id, its aliases, what it is `upstream` of, or,
//! for AlmaLinux and Rocky, what is `related`; repeated records say the same once; `introduced: "0"` is from the beginning;
//! `last_affected` includes its version; ranges of commits compare with no version, so they leave the question open.

use super::{Gathering, ParseError};
use crate::feeds::{
    content::{Content, each_line},
    space::EcosystemName,
    statement::{Bounds, End, Facts, Statement, Verdict, WhyOpen, instant, is_cve, seconds},
};
use refit_model::Version;
use serde::Deserialize;
use smol_str::SmolStr;
use std::{collections::BTreeSet, io::Read};

/// A vulnerability in OSV's form, as far as it is used.
#[derive(Deserialize)]
struct Record {
    id: String,
    modified: Option<String>,
    published: Option<String>,
    withdrawn: Option<String>,
    summary: Option<String>,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default)]
    upstream: Vec<String>,
    #[serde(default)]
    related: Vec<String>,
    #[serde(default)]
    severity: Vec<Severity>,
    #[serde(default)]
    affected: Vec<Affected>,
}

#[derive(Deserialize)]
struct Severity {
    #[serde(rename = "type")]
    kind: String,
    score: String,
}

#[derive(Deserialize)]
struct Affected {
    package: Option<Package>,
    #[serde(default)]
    severity: Vec<Severity>,
    #[serde(default)]
    ranges: Vec<Range>,
    #[serde(default)]
    versions: Vec<String>,
}

#[derive(Deserialize)]
struct Package {
    ecosystem: String,
    name: String,
}

#[derive(Deserialize)]
struct Range {
    #[serde(rename = "type")]
    kind: String,
    repo: Option<String>,
    #[serde(default)]
    events: Vec<Event>,
}

#[derive(Deserialize)]
struct Event {
    introduced: Option<String>,
    fixed: Option<String>,
    last_affected: Option<String>,
}

pub(super) fn parse(content: Content, unpacked: u64, gathering: &mut Gathering) -> Result<(), ParseError> {
    let mut seen = BTreeSet::new();
    let mut take = |text: &[u8], place: &dyn Fn() -> String, gathering: &mut Gathering| match serde_json::from_slice::<
        Record,
    >(text)
    {
        Ok(record) => {
            state(&record, gathering);
            if seen.insert(record.id) {
                gathering.gathered.records += 1;
            }
        }
        Err(error) => gathering.skip(|| format!("{}: {error}", place())),
    };
    match content {
        Content::Text(lines) => each_line(lines, |number, line| {
            if !line.iter().all(u8::is_ascii_whitespace) {
                take(line, &|| format!("line {number}"), gathering);
            }
            Ok(())
        }),
        Content::Archive(mut archive) => {
            let mut left = unpacked;
            let mut text = Vec::new();
            for number in 0..archive.len() {
                let file = archive.by_index(number)?;
                let name = file.name()?.into_owned();
                if !name.ends_with(".json") {
                    continue;
                }
                text.clear();
                // One byte more than is left, so that reaching the limit shows.
                file.take(left.saturating_add(1)).read_to_end(&mut text)?;
                left = left.checked_sub(text.len() as u64).ok_or(ParseError::TooLarge(unpacked))?;
                take(&text, &|| name.clone(), gathering);
            }
            Ok(())
        }
    }
}

fn state(record: &Record, gathering: &mut Gathering) {
    let gathered = &mut gathering.gathered;
    if let Some(modified) = record.modified.as_deref().and_then(instant) {
        gathered.dated_itself(modified);
    }
    let published = record.published.as_deref().and_then(seconds);
    let withdrawn = record.withdrawn.as_deref().and_then(seconds);
    let mut everywhere = BTreeSet::new();
    for affected in &record.affected {
        let ecosystem = affected.package.as_ref().map(|package| EcosystemName::from_osv(&package.ecosystem));
        let ids = ids(record, ecosystem.as_ref());
        let cvss = score(&affected.severity).or_else(|| score(&record.severity));
        for id in &ids {
            gathered.fact(id, Facts { known: published, cvss, ..Facts::default() });
            if published.is_none() {
                gathered.undated.insert(id.clone());
            }
            everywhere.insert(id.clone());
        }
        let Some((ecosystem, package)) = ecosystem.zip(affected.package.as_ref()) else {
            // CPython's own records name a repository instead of a package.
            for repository in affected.ranges.iter().filter_map(|range| range.repo.as_deref()) {
                let statement = Statement {
                    ids: ids.clone(),
                    verdict: Verdict::Undetermined,
                    unimportant: false,
                    withdrawn,
                    module: None,
                };
                gathered.state(&EcosystemName::from_osv("GIT"), repository, &statement);
            }
            continue;
        };
        let verdict = verdict(affected, &ecosystem);
        let module = module(record, &verdict);
        let statement = Statement { ids, verdict, unimportant: false, withdrawn, module };
        gathered.state(&ecosystem, &ecosystem.normal(&package.name), &statement);
    }
    if everywhere.is_empty() {
        for id in ids(record, None) {
            gathered.fact(&id, Facts { known: published, cvss: score(&record.severity), ..Facts::default() });
        }
    }
}

/// The vulnerabilities that a record is about: its CVEs, or else the best known of its names.
fn ids(record: &Record, ecosystem: Option<&EcosystemName>) -> Vec<SmolStr> {
    let cves = |ids: &[String]| -> Vec<SmolStr> {
        let sorted: BTreeSet<SmolStr> = ids.iter().filter(|id| is_cve(id)).map(SmolStr::from).collect();
        sorted.into_iter().collect()
    };
    if is_cve(&record.id) {
        return vec![SmolStr::from(&record.id)];
    }
    let mut found = cves(&record.aliases);
    if found.is_empty() {
        found = cves(&record.upstream);
    }
    if found.is_empty() && ecosystem.is_some_and(EcosystemName::lists_fixes_as_related) {
        found = cves(&record.related);
    }
    if found.is_empty() {
        // Records that name one another have to agree on a name: GitHub's, which most of them know.
        let best = record.aliases.iter().filter(|id| id.starts_with("GHSA-")).chain([&record.id]).min_by_key(|id| {
            let rank = if id.starts_with("GHSA-") { 0 } else { 1 };
            (rank, id.as_str())
        });
        found.extend(best.map(SmolStr::from));
    }
    found
}

/// The highest base score among the CVSS vectors; other kinds of severity are no scores.
fn score(severities: &[Severity]) -> Option<f64> {
    severities
        .iter()
        .filter(|severity| severity.kind.starts_with("CVSS_"))
        .filter_map(|severity| severity.score.parse::<cvss::Cvss>().ok())
        .map(|vector| vector.score())
        .max_by(f64::total_cmp)
}

fn verdict(affected: &Affected, ecosystem: &EcosystemName) -> Verdict<SmolStr> {
    let mut bounds = Vec::new();
    let mut comparable = false;
    for range in &affected.ranges {
        if range.kind == "GIT" {
            continue;
        }
        comparable = true;
        bounds.extend(intervals(&range.events, ecosystem));
    }
    if !comparable {
        let exact = |version: &String| Bounds {
            introduced: Some(SmolStr::from(version)),
            end: End::Last(SmolStr::from(version)),
        };
        bounds.extend(affected.versions.iter().map(exact));
    }
    match bounds.as_slice() {
        // Neither a range nor a list of versions: of the schema, all versions; of a range of commits, we can't tell.
        [] if affected.ranges.is_empty() || comparable => Verdict::Open(WhyOpen::NoFixYet),
        [] => Verdict::Undetermined,
        [Bounds { introduced: None, end: End::Never }] => Verdict::Open(WhyOpen::NoFixYet),
        _ => Verdict::Affected(bounds),
    }
}

/// Events as intervals, in the order of their versions where all of them are versions, else in the order of the record.
fn intervals(events: &[Event], ecosystem: &EcosystemName) -> Vec<Bounds<SmolStr>> {
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    enum Kind {
        // At one version the end of one interval comes before the beginning of the next; its last affected one after.
        Fixed,
        Introduced,
        Last,
    }
    let mut points: Vec<(Option<Version>, Kind, &str)> = Vec::new();
    for event in events {
        let point = match (&event.introduced, &event.fixed, &event.last_affected) {
            (Some(version), _, _) => (Kind::Introduced, version),
            (None, Some(version), _) => (Kind::Fixed, version),
            (None, None, Some(version)) => (Kind::Last, version),
            (None, None, None) => continue,
        };
        // `0` sorts before every version, which `None` does.
        let version = (point.1 != "0").then(|| Version::parse(ecosystem.scheme(), point.1));
        match version.transpose() {
            Ok(version) => points.push((version, point.0, point.1)),
            Err(_) => points.push((None, point.0, point.1)),
        }
    }
    if points.iter().all(|(version, _, text)| version.is_some() || *text == "0") {
        points.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    }
    let mut bounds = Vec::new();
    let mut open: Option<Option<SmolStr>> = None;
    for (_, kind, text) in points {
        match kind {
            Kind::Introduced => {
                open.get_or_insert_with(|| (text != "0").then(|| text.into()));
            }
            Kind::Fixed => {
                bounds.extend(open.take().map(|introduced| Bounds { introduced, end: End::Fixed(SmolStr::from(text)) }))
            }
            Kind::Last => {
                bounds.extend(open.take().map(|introduced| Bounds { introduced, end: End::Last(SmolStr::from(text)) }));
            }
        }
    }
    bounds.extend(open.map(|introduced| Bounds { introduced, end: End::Never }));
    bounds
}

/// The module stream of an erratum for modular packages, `nodejs:20`, which only its title tells.
///
/// Streams are packages of the same name side by side: 18.20.4 is no old 20.16.0.
fn module(record: &Record, verdict: &Verdict<SmolStr>) -> Option<SmolStr> {
    let Verdict::Affected(bounds) = verdict else { return None };
    let modular = |bounds: &Bounds<SmolStr>| matches!(&bounds.end, End::Fixed(version) if version.contains(".module"));
    if !bounds.iter().any(modular) {
        return None;
    }
    let words = record.summary.as_deref().unwrap_or_default().split_whitespace();
    let stream = words.rev().find(|word| word.split_once(':').is_some_and(|(a, b)| !a.is_empty() && !b.is_empty()));
    Some(stream.unwrap_or_default().into())
}
