//! Runs test documents: this project's own, one folder beside this file, and the shared ones where they are there.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test reads files and may fail")]

use refit_core::policy::{
    diagnostic::{Files, render},
    load::load,
    resolve::{Titles, resolve_titles},
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
    let (documents, found) = load(&files, &Limits::default());
    assert!(found.is_empty(), "{}", found.iter().map(|found| render(found, &files)).collect::<String>());
    let (titles, found) = resolve_titles(&documents, &files);
    assert!(found.is_empty(), "{}", found.iter().map(|found| render(found, &files)).collect::<String>());
    titles
}

/// Runs all tests of a folder; returns how many there are.
fn run_all(folder: &Path) -> usize {
    let files = read(folder);
    let catalog = catalog();
    let (documents, found) = load(&files, &Limits::default());
    let mut report: String = found.iter().map(|found| render(found, &files)).collect();
    for test in &documents.tests {
        let outcome = run(test, &documents, &files, &catalog);
        if !outcome.passed() {
            report += &format!("\n{}:{} {}\n", files.0[test.file].path, test.origin(&[], &files).line, outcome.name);
        }
        for found in &outcome.diagnostics {
            report += &render(found, &files);
        }
        for wrong in &outcome.mismatches {
            report += &format!(
                "  {} {} {}: expected {}, got {}\n",
                wrong.device, wrong.slot, wrong.field, wrong.expected, wrong.actual
            );
        }
    }
    assert!(report.is_empty(), "{report}");
    documents.tests.len()
}

#[test]
fn the_shared_scenarios_pass() {
    let folder = match std::env::var_os("REFIT_SHARED_DATA") {
        Some(data) => PathBuf::from(data).join("../scenarios"),
        None => repository().join("../shared/scenarios"),
    };
    if !folder.is_dir() {
        println!("skipped: there are no shared scenarios beside this repository");
        return;
    }
    assert!(run_all(&folder) >= 40);
}

#[test]
fn our_own_scenarios_pass() {
    run_all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios"));
}
