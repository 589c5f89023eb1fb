//! The policy repositories under `examples/`: sound, free of warnings, and doing what their own tests say.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test reads files and may fail")]

mod documents;

use documents::{read, repository};
use refit_core::policy::{
    check::{CheckWorld, check},
    diagnostic::{Severity, render},
    load::load,
    resolve::{Titles, resolve, resolve_titles},
    syntax::Limits,
    testing::run,
};
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
        .filter(|found| {
            // What is told as an example is used, and comes through its rings by its due time.
            found.severity > Severity::Note || ["policy/unused", "policy/ahead-of-ring"].contains(&found.code)
        })
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
