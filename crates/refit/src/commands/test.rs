//! `refit test`

use crate::{
    Exit, Refused,
    cli::{Cli, TestArgs},
    repository::{self, counted, paint},
    terminal::{self, ADD, FAINT, URGENT},
};
use anyhow::Result;
use refit_core::policy::{
    diagnostic::{Renderer, records},
    testing::{Mismatch, Outcome, run as run_test},
};
use serde::Serialize;

/// `refit test --json`
#[derive(Serialize)]
struct Report {
    passed: usize,
    failed: usize,
    tests: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    test: String,
    file: String,
    line: usize,
    passed: bool,
    mismatches: Vec<Mismatch>,
    diagnostics: Vec<refit_core::policy::diagnostic::Record>,
}

pub fn run(cli: &Cli, args: &TestArgs) -> Result<Exit> {
    let read = repository::read_in_order(&args.policy)?;
    let renderer = Renderer::new(&read.files);
    let (mut passed, mut entries) = (0, Vec::new());
    for test in &read.documents.tests {
        if args.only.as_ref().is_some_and(|only| !test.document.test.contains(only.as_str())) {
            continue;
        }
        let outcome = run_test(test, &read.documents, &read.files, &read.catalog);
        let origin = test.origin(&[], &read.files);
        passed += usize::from(outcome.passed());
        if !cli.json {
            terminal::print(&shown(&outcome, &format!("{}:{}", origin.file, origin.line), args, &renderer))?;
        }
        entries.push(Entry {
            test: outcome.name.clone(),
            file: origin.file.to_string(),
            line: origin.line,
            passed: outcome.passed(),
            diagnostics: records(&outcome.diagnostics, &read.files),
            mismatches: outcome.mismatches,
        });
    }
    let failed = entries.len() - passed;
    let nothing = entries.is_empty();
    if let (true, Some(only)) = (nothing, &args.only) {
        return Err(Refused::no(format!("{}: there is no test with `{only}` in its name", args.policy.display())));
    }
    if cli.json {
        terminal::json(&Report { passed, failed, tests: entries })?;
    } else if nothing {
        terminal::note(format_args!("{}: there is no `test:` document to run", args.policy.display()));
    } else {
        let style = if failed == 0 { ADD } else { URGENT };
        let verdict = terminal::paint(style, format!("{passed} passed, {failed} failed"));
        terminal::print(&format!("\n{}: {verdict}\n", counted(passed + failed, "test")))?;
    }
    Ok(if failed == 0 { Exit::Done } else { Exit::No })
}

fn shown(outcome: &Outcome, origin: &str, args: &TestArgs, renderer: &Renderer<'_>) -> String {
    if outcome.passed() {
        return format!("{} {}\n", terminal::paint(ADD, "ok  "), outcome.name);
    }
    let mut text = format!(
        "{} {} {}\n",
        terminal::paint(URGENT, "FAIL"),
        outcome.name,
        terminal::paint(FAINT, format!("({origin})"))
    );
    for found in &outcome.diagnostics {
        text += &indent(&paint(renderer, found));
    }
    for wrong in &outcome.mismatches {
        text += &format!(
            "     {} {}: {} is {}, expected {} {}\n",
            wrong.device,
            wrong.slot,
            wrong.field,
            terminal::paint(URGENT, &wrong.actual),
            terminal::paint(ADD, &wrong.expected),
            terminal::paint(FAINT, format!("({}:{})", wrong.origin.file, wrong.origin.line)),
        );
    }
    if args.explain {
        let mut last = "";
        for wrong in &outcome.mismatches {
            if wrong.explanation != last {
                text += &indent(&wrong.explanation);
                last = &wrong.explanation;
            }
        }
    }
    text
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("     {line}\n")).collect()
}
