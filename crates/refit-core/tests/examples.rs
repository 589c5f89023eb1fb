//! The policy repositories under `examples/`: sound, free of warnings, and doing what their own tests say.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test reads files and may fail")]

use refit_core::policy::{
    check::{CheckWorld, check},
    diagnostic::{Files, Severity, render},
    load::load,
    resolve::{Titles, resolve, resolve_titles},
    syntax::Limits,
    testing::run,
};
use std::path::{Path, PathBuf};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(folder: &Path) -> Files {
    let mut paths = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.extension().is_some_and(|ending| ending == "yaml") => paths.push(path),
                false => {}
            }
        }
    }
    paths.sort();
    let mut files = Files::default();
    for path in paths {
        let name = path.strip_prefix(folder).unwrap().display().to_string();
        files.add(name, &std::fs::read(&path).unwrap(), &Limits::default()).unwrap();
    }
    files
}

fn catalog() -> Titles {
    let files = read(&repository().join("catalog"));
    let (documents, _) = load(&files, &Limits::default());
    resolve_titles(&documents, &files).0
}

/// Checks an example as it stood on the day for which its dates were written, and runs its tests; returns how many there are.
fn holds_up(name: &str, devices: u64) -> usize {
    let files = read(&repository().join("examples").join(name));
    let catalog = catalog();
    let (documents, mut found) = load(&files, &Limits::default());
    let (resolved, unresolved) = resolve(&documents, &files, &catalog);
    found.extend(unresolved);
    let world = CheckWorld { devices: Some(devices), ..CheckWorld::default() };
    let now = "2026-11-24T12:00:00Z".parse().unwrap();
    found.extend(check(&documents, &files, &resolved, &world, now));
    let mut report: String = found
        .iter()
        .filter(|found| found.severity > Severity::Note || found.code == "policy/unused")
        .map(|found| render(found, &files))
        .collect();
    for test in &documents.tests {
        let outcome = run(test, &documents, &files, &catalog);
        report.extend(outcome.diagnostics.iter().map(|found| render(found, &files)));
        for wrong in &outcome.mismatches {
            report += &format!(
                "{}:{} {}\n  {} {} {}: expected {}, got {}\n",
                wrong.origin.file,
                wrong.origin.line,
                outcome.name,
                wrong.device,
                wrong.slot,
                wrong.field,
                wrong.expected,
                wrong.actual
            );
        }
    }
    assert!(report.is_empty(), "{report}");
    documents.tests.len()
}

#[test]
fn the_workstation_is_sound_and_decides_as_its_tests_say() {
    assert!(holds_up("workstation", 1) >= 6);
}

#[test]
fn acme_is_sound_and_decides_as_its_tests_say() {
    assert!(holds_up("acme", 400) >= 10);
    assert!(holds_up("acme", 30) >= 10);
}
