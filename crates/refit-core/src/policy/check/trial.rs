//! How the tests of checks try a small repository.

use super::{CheckWorld, check};
use crate::{
    policy::{
        diagnostic::{Files, render},
        load::load,
        repository::{Repository, Title},
        resolve::{Titles, resolve, resolve_titles},
        syntax::Limits,
    },
    world::Device,
};
use jiff::Timestamp;
use std::{collections::BTreeMap, sync::Arc};

/// The day on which the tests take place.
pub fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

/// What is found in one file, rendered; those findings whose codes are named, or all.
pub fn found(codes: &[&str], text: &str) -> String {
    found_in(codes, text, &CheckWorld::default())
}

/// As [`found`], with what is known of the fleet.
pub fn found_in(codes: &[&str], text: &str, world: &CheckWorld) -> String {
    let (files, diagnostics) = all(text, world);
    let chosen = diagnostics.iter().filter(|found| codes.is_empty() || codes.contains(&found.code));
    chosen.map(|found| render(found, &files)).collect::<Vec<_>>().join("\n")
}

/// What reading and resolving find wrong in one file, rendered.
pub fn mistakes(text: &str) -> String {
    let mut files = Files::default();
    files.add("policy.yaml", text.as_bytes(), &Limits::default()).unwrap();
    let (documents, mut before) = load(&files, &Limits::default());
    before.extend(resolve(&documents, &files, &titles()).1);
    before.iter().map(|found| render(found, &files)).collect::<Vec<_>>().join("\n")
}

/// As [`found`] with the devices of a fleet.
pub fn found_of(codes: &[&str], devices: &[Device], text: &str) -> String {
    let (repository, mut world) = (repository(text), CheckWorld::default());
    devices.iter().for_each(|device| world.count(&repository, device, now()));
    found_in(codes, text, &world)
}

/// The repository that one file makes.
pub fn repository(text: &str) -> Repository {
    let mut files = Files::default();
    files.add("policy.yaml", text.as_bytes(), &Limits::default()).unwrap();
    resolve(&load(&files, &Limits::default()).0, &files, &titles()).0
}

/// As [`found`] with a number of devices.
pub fn found_with(codes: &[&str], devices: u64, text: &str) -> String {
    found_in(codes, text, &CheckWorld { devices: Some(devices), ..CheckWorld::default() })
}

fn all(text: &str, world: &CheckWorld) -> (Files, Vec<crate::policy::diagnostic::Diagnostic>) {
    let mut files = Files::default();
    files.add("policy.yaml", text.as_bytes(), &Limits::default()).unwrap();
    let (documents, mut before) = load(&files, &Limits::default());
    let (repository, resolved) = resolve(&documents, &files, &titles());
    before.extend(resolved);
    let broken: String = before
        .iter()
        .filter(|found| found.severity == crate::policy::diagnostic::Severity::Error)
        .map(|found| render(found, &files))
        .collect();
    assert!(broken.is_empty(), "{broken}");
    let found = check(&documents, &files, &repository, world, now());
    before.extend(found);
    (files, before)
}

fn titles() -> Titles {
    let mut files = Files::default();
    files.add("titles.yaml", TITLES.as_bytes(), &Limits::default()).unwrap();
    let (documents, found) = load(&files, &Limits::default());
    assert!(found.is_empty(), "{found:?}");
    let (titles, found) = resolve_titles(&documents, &files);
    assert!(found.is_empty(), "{found:?}");
    let titles: BTreeMap<_, Title> = (*titles).clone();
    Arc::new(titles)
}

const TITLES: &str = r#"
title: google-chrome
scheme: chrome
---
title: firefox
---
title: zoom
---
title: temurin-jdk
branches:
  - { name: "17", versions: ">=17, <18" }
  - { name: "21", versions: ">=21, <22" }
"#;
