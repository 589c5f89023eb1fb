//! The facts of the catalog against what others have published.
//!
//! The big data set is not part of the repository: its folder is `REFIT_SHARED_DATA`, or `shared/data` beside the repository.
//! Where it is missing, the tests that need it say so and pass. `catalog/README.md` says how names are mapped.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails is meant to panic")]

use jiff::civil::Date;
use refit_core::policy::{
    diagnostic::{Files, render},
    document::title::{ReleaseFeed, System, TitleKind},
    load::load,
    repository::Title,
    resolve::{Titles, resolve_titles},
    syntax::Limits,
};
use refit_model::Version;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

#[test]
fn software_is_known_in_four_systems_and_an_operating_system_in_two() {
    let few: Vec<String> = catalog()
        .values()
        .filter_map(|title| {
            let (systems, least) = (title.document.identifiers.len(), if is_os(title) { 2 } else { 4 });
            (systems < least).then(|| format!("{} is known in {systems} of {least}", title.document.title))
        })
        .collect();
    assert!(few.is_empty(), "{few:#?}");
}

#[test]
fn no_two_titles_claim_one_identifier() {
    let mut claimed: BTreeMap<(System, String), Vec<String>> = BTreeMap::new();
    for title in catalog().values() {
        for (system, names) in &title.document.identifiers {
            // Operating systems share a product on endoflife.date, and CPEs and purls that name no major version.
            let shared = matches!(system, System::Endoflife | System::Cpe | System::Purl);
            if is_os(title) && shared {
                continue;
            }
            for name in names {
                claimed.entry((*system, name.clone())).or_default().push(title.document.title.to_string());
            }
        }
    }
    claimed.retain(|_, titles| titles.len() > 1);
    assert!(claimed.is_empty(), "{claimed:#?}");
}

#[test]
fn a_vendors_packages_are_among_the_names_of_their_title() {
    let mut stray = Vec::new();
    for title in catalog().values() {
        for package in &title.document.vendor_packages {
            let (system, name) = package.split_once('/').unwrap();
            let system = if system == "deb" { System::Deb } else { System::Rpm };
            let names = title.document.identifiers.get(&system).into_iter().flatten();
            if !names.into_iter().any(|known| known == name) {
                stray.push(package.clone());
            }
        }
    }
    assert!(stray.is_empty(), "{stray:?}");
}

#[test]
fn branches_have_the_dates_of_endoflife_date() {
    let Some(products) = lifecycles() else { return };
    let (mut wrong, mut compared) = (Vec::new(), 0);
    for title in catalog().values() {
        let Some(product) = endoflife(title) else { continue };
        let id = &title.document.title;
        let Some(cycles) = products.get(product).and_then(|product| product["releases"].as_array()) else {
            wrong.push(format!("{id}: endoflife.date has no product {product}"));
            continue;
        };
        for branch in &title.document.branches {
            let name = cycle(id, &branch.name);
            let Some(cycle) = cycles.iter().find(|cycle| text(&cycle["releaseCycle"]) == Some(&name)) else {
                wrong.push(format!("{id} {}: {product} has no cycle {name}", branch.name));
                continue;
            };
            compared += 1;
            let released = date(&cycle["releaseDate"]);
            if branch.released.is_some() && branch.released.map(|day| day.0) != released {
                wrong.push(format!("{id} {}: released {:?}, there {released:?}", branch.name, branch.released));
            }
            let end = date(&cycle["eol"]);
            if branch.supported_until.map(|day| day.0) != end {
                wrong
                    .push(format!("{id} {}: supported until {:?}, there {end:?}", branch.name, branch.supported_until));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(compared > 50, "only {compared} branches were compared");
}

#[test]
fn sources_of_releases_exist() {
    let (Some(products), Some(histories)) = (lifecycles(), release_data()) else { return };
    let mut missing = Vec::new();
    for title in catalog().values() {
        let Some(releases) = &title.document.releases else { continue };
        let product = releases.product.as_deref().unwrap_or_default();
        let there = match releases.from {
            ReleaseFeed::Endoflife => products.contains_key(product),
            ReleaseFeed::ReleaseData => histories.join(format!("{product}.json")).is_file(),
            _ => true,
        };
        if !there {
            missing.push(format!("{}: {:?} has no {product}", title.document.title, releases.from));
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn names_in_cpe_and_purl_agree_with_endoflife_date() {
    let Some(products) = lifecycles() else { return };
    let (mut wrong, mut compared) = (Vec::new(), 0);
    for title in catalog().values() {
        let Some(product) = endoflife(title).and_then(|product| products.get(product)) else { continue };
        for (system, key) in [(System::Cpe, "cpe"), (System::Purl, "purl")] {
            let theirs: BTreeSet<String> = product["identifiers"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|identifier| text(&identifier[key]))
                .map(plain)
                .collect();
            let ours: BTreeSet<String> =
                title.document.identifiers.get(&system).into_iter().flatten().map(|name| plain(name)).collect();
            if ours.is_empty() || theirs.is_empty() {
                continue;
            }
            compared += 1;
            if ours.is_disjoint(&theirs) {
                wrong.push(format!("{}: {ours:?}, there {theirs:?}", title.document.title));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(compared > 20, "only {compared} titles were compared");
}

#[test]
fn every_published_version_is_one_and_belongs_to_one_branch_at_most() {
    let Some(histories) = release_data() else { return };
    let (mut wrong, mut read) = (Vec::new(), 0);
    for title in catalog().values() {
        let releases = title.document.releases.as_ref().filter(|releases| releases.from == ReleaseFeed::ReleaseData);
        let Some(product) = releases.and_then(|releases| releases.product.as_deref()) else { continue };
        let history: Value =
            serde_json::from_slice(&fs::read(histories.join(format!("{product}.json"))).unwrap()).unwrap();
        let scheme = title.document.scheme;
        for written in history["versions"].as_object().unwrap().keys() {
            read += 1;
            match Version::parse(scheme, written) {
                Err(error) => wrong.push(format!("{}: {error}", title.document.title)),
                Ok(version) => {
                    let branches: Vec<_> = title
                        .branches
                        .iter()
                        .filter(|branch| {
                            branch.versions.as_ref().is_some_and(|range| range.contains(&version) == Some(true))
                        })
                        .map(|branch| branch.name.to_string())
                        .collect();
                    if branches.len() > 1 {
                        wrong.push(format!("{} {version} belongs to {branches:?}", title.document.title));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {read}: {wrong:#?}", wrong.len());
    assert!(read > 1_000, "only {read} versions were read");
}

/// The name on endoflife.date of a branch (catalog/README.md, *The shape*).
fn cycle(title: &str, branch: &str) -> String {
    match (title, branch) {
        ("firefox", "rapid") => "154".into(),
        ("firefox", esr) => esr.trim_start_matches("esr-").into(),
        ("windows-11", branch) => format!("11-{}-w", branch.to_lowercase()),
        ("windows-10", branch) => match branch.strip_suffix("-LTSC") {
            Some(branch) => format!("10-{}-e-lts", branch.to_lowercase()),
            None => format!("10-{}", branch.to_lowercase()),
        },
        _ => branch.into(),
    }
}

/// A CPE without its type of writing and what follows the product; a purl without its version. Small letters.
fn plain(name: &str) -> String {
    let name = name.to_lowercase();
    match name.strip_prefix("cpe:2.3:").or_else(|| name.strip_prefix("cpe:/")) {
        Some(parts) => parts.split(':').take(3).collect::<Vec<_>>().join(":"),
        None => name.split(['@', '?']).next().unwrap_or_default().replace("%40", "@"),
    }
}

fn is_os(title: &Title) -> bool {
    title.document.kind == TitleKind::Os
}

fn endoflife(title: &Title) -> Option<&str> {
    title.document.identifiers.get(&System::Endoflife)?.first().map(|name| name.as_str())
}

fn text(value: &Value) -> Option<&str> {
    value.as_str()
}

/// A date; `None` where it is true, false, or missing.
fn date(value: &Value) -> Option<Date> {
    text(value)?.parse().ok()
}

fn catalog() -> Titles {
    let (mut files, limits) = (Files::default(), Limits::default());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../catalog");
    for folder in [root.clone(), root.join("os")] {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "yaml") {
                files.add(path.display().to_string(), &fs::read(&path).unwrap(), &limits).unwrap();
            }
        }
    }
    let (documents, mut found) = load(&files, &limits);
    let (titles, more) = resolve_titles(&documents, &files);
    found.extend(more);
    let found: Vec<String> = found.iter().map(|found| render(found, &files)).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
    titles
}

/// The products of endoflife.date.
fn lifecycles() -> Option<serde_json::Map<String, Value>> {
    let file = shared_data()?.join("releases/endoflife_lifecycles.json.gz");
    let Ok(file) = fs::File::open(&file) else {
        println!("skipped: {} is not there", file.display());
        return None;
    };
    Some(serde_json::from_reader(flate2::read::GzDecoder::new(file)).unwrap())
}

/// The folder of endoflife.date's release data.
fn release_data() -> Option<PathBuf> {
    let folder = shared_data()?.join("releases/release-data");
    if !folder.is_dir() {
        println!("skipped: {} is not there", folder.display());
        return None;
    }
    Some(folder)
}

fn shared_data() -> Option<PathBuf> {
    let given = std::env::var_os("REFIT_SHARED_DATA").map(PathBuf::from);
    let found = given.or_else(|| {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        here.ancestors().map(|folder| folder.join("shared/data")).find(|folder| folder.is_dir())
    });
    if found.is_none() {
        println!("skipped: no shared/data beside the repository; REFIT_SHARED_DATA can name it");
    }
    found
}
