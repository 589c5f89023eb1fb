//! Runs test documents: this project's own, one folder beside this file, and the shared ones where they are there.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test reads files and may fail")]

mod documents;

use documents::{read, repository};
use refit_core::policy::{
    diagnostic::render,
    load::load,
    resolve::{Titles, resolve_titles},
    syntax::Limits,
    testing::run,
};
use std::path::{Path, PathBuf};

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
