//! `refit check`

use crate::{
    Exit,
    cli::{CheckArgs, Cli},
    repository::{self, counted, paint},
    terminal, worlds,
};
use anyhow::Result;
use jiff::Timestamp;
use refit_core::policy::{
    check::{CheckWorld, check_what_is_right},
    diagnostic::{Renderer, Severity, records, sort},
    testing::{review, review_in},
};
use serde::Serialize;

/// `refit check --json`
#[derive(Serialize)]
struct Report<T> {
    errors: usize,
    warnings: usize,
    notes: usize,
    diagnostics: T,
}

pub fn run(cli: &Cli, args: &CheckArgs) -> Result<Exit> {
    let mut read = repository::read(&args.policy)?;
    let now = args.now.unwrap_or_else(Timestamp::now);
    // What does not resolve is no reason to keep quiet about the rest.
    let mut world = CheckWorld { devices: args.devices, ..CheckWorld::default() };
    if let Some(file) = &args.world {
        let repository = &read.repository;
        worlds::each(file, &repository.fields, |device, now| world.count(repository, device, now))?;
    }
    let (documents, files, repository) = (&read.documents, &read.files, &read.repository);
    let found = check_what_is_right(documents, files, repository, &world, now, &read.diagnostics);
    let resolved = read.diagnostics.iter().all(|found| found.severity != Severity::Error);
    let tests = documents.tests.iter().flat_map(|test| match (&test.document.repository, resolved) {
        (Some(_), _) => review(test, documents, files, &read.catalog),
        (None, true) => review_in(test, repository, files),
        // What its world names may be what could not be read.
        (None, false) => Vec::new(),
    });
    let tests: Vec<_> = tests.collect();
    read.diagnostics.extend(found);
    read.diagnostics.extend(tests);
    sort(&mut read.diagnostics, &read.files);
    let count = |severity| read.diagnostics.iter().filter(|found| found.severity == severity).count();
    let (errors, warnings, notes) = (count(Severity::Error), count(Severity::Warning), count(Severity::Note));
    let wrong = errors > 0 || (args.strict && warnings > 0);
    if cli.json {
        terminal::json(&Report { errors, warnings, notes, diagnostics: records(&read.diagnostics, &read.files) })?;
    } else {
        let renderer = Renderer::new(&read.files);
        for found in &read.diagnostics {
            terminal::print(&(paint(&renderer, found) + "\n"))?;
        }
        let verdict = match (errors, warnings) {
            (0, 0) => terminal::paint(terminal::ADD, "in order"),
            (0, _) => terminal::paint(terminal::CHANGE, counted(warnings, "warning")),
            (_, 0) => terminal::paint(terminal::URGENT, counted(errors, "error")),
            _ => terminal::paint(
                terminal::URGENT,
                format!("{}, {}", counted(errors, "error"), counted(warnings, "warning")),
            ),
        };
        let documents = &read.documents;
        terminal::print(&format!(
            "{}: {verdict} ({} in {}, {})\n",
            args.policy.display(),
            counted_as(documents.policies.len(), "policy", "policies"),
            counted(read.files.0.len(), "file"),
            counted(documents.tests.len(), "test"),
        ))?;
    }
    Ok(if wrong { Exit::No } else { Exit::Done })
}

fn counted_as(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
