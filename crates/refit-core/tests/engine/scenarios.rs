//! All test documents through the engine: what the plain decision says of each slot, the engine says too. (That the
//! plain decision says what they expect is shown by `tests/scenarios.rs`.)

#![allow(clippy::disallowed_methods, reason = "a test reads files")]

use super::{
    compare::{Counts, differences},
    documents::{read, repository},
};
use refit_core::policy::{
    load::load,
    resolve::{Titles, resolve_titles},
    syntax::Limits,
    testing::situation,
};
use std::path::{Path, PathBuf};

pub fn catalog() -> Titles {
    let files = read(&repository().join("catalog"));
    let (documents, _) = load(&files, &Limits::default());
    resolve_titles(&documents, &files).0
}

/// Decides the worlds of all tests of a folder both ways; returns how many there are.
fn decide_all(folder: &Path) -> usize {
    let files = read(folder);
    let catalog = catalog();
    let (documents, _) = load(&files, &Limits::default());
    let (mut report, mut wrong) = (String::new(), 0);
    for test in &documents.tests {
        let situation = situation(test, &documents, &files, &catalog).unwrap();
        let found =
            differences(&situation.repository, &situation.world, &situation.devices, situation.now, &mut Counts::new());
        wrong += usize::from(!found.is_empty());
        for one in found {
            let place = test.origin(&[], &files);
            report += &format!(
                "\n{}:{} {}: {} {} {}: plain {}, engine {}",
                place.file, place.line, test.document.test, one.device, one.slot, one.field, one.plain, one.engine
            );
        }
    }
    assert!(report.is_empty(), "{wrong} of {} differ:{report}", documents.tests.len());
    documents.tests.len()
}

#[test]
fn the_shared_scenarios_are_decided_alike() {
    let folder = match std::env::var_os("REFIT_SHARED_DATA") {
        Some(data) => PathBuf::from(data).join("../scenarios"),
        None => repository().join("../shared/scenarios"),
    };
    if !folder.is_dir() {
        println!("skipped: there are no shared scenarios beside this repository");
        return;
    }
    assert!(decide_all(&folder) >= 40);
}

#[test]
fn our_own_scenarios_are_decided_alike() {
    assert!(decide_all(&repository().join("crates/refit-core/tests/scenarios")) >= 150);
}

#[test]
fn the_tests_of_the_examples_are_decided_alike() {
    for example in std::fs::read_dir(repository().join("examples")).unwrap() {
        decide_all(&example.unwrap().path());
    }
}
