//! `refit source test` and `refit source new`

mod new;
mod show;

pub use new::new;

use crate::{
    Exit, Refused,
    cli::{Cli, SourceTestArgs},
    connectors,
    repository::{self, counted, paint},
    terminal::{self, FAINT},
};
use anyhow::{Context, Result};
use refit_core::{
    facts::{
        FieldRef, Fields,
        mapping::{self, Maps, Reading},
    },
    policy::diagnostic::{Diagnostic, Files, Record, Renderer, Severity, SourceFile, records},
};
use serde::Serialize;
use std::io::{ErrorKind, Read as _};

/// `refit source test --json`
#[derive(Serialize)]
struct Report<'a> {
    connector: &'a str,
    #[serde(flatten)]
    reading: &'a Reading,
}

/// The same where nothing could be read.
#[derive(Serialize)]
struct Failure {
    diagnostics: Vec<Record>,
}

pub fn test(cli: &Cli, args: &SourceTestArgs) -> Result<Exit> {
    let (fields, maps) = organisation(args)?;
    let read = connectors::read(&args.connector, &fields)?;
    let wrong = read.diagnostics.iter().any(|found| found.severity == Severity::Error);
    let Some(connector) = read.connector.filter(|_| !wrong) else {
        return refuse(cli, &read.diagnostics, &read.files);
    };
    if !cli.json {
        let renderer = Renderer::new(&read.files);
        read.diagnostics.iter().for_each(|found| terminal::note(paint(&renderer, found)));
    }
    let (name, bytes) = payload(args)?;
    let reading = match mapping::try_out(&connector, &bytes, &maps) {
        Ok(reading) => reading,
        Err(unreadable) => {
            let text = mapping::decoded(connector.document.reads, &bytes).into_owned();
            let files = Files(vec![SourceFile { path: name, text }]);
            return refuse(cli, &[unreadable.diagnostic(0)], &files);
        }
    };
    if cli.json {
        terminal::json(&Report { connector: &connector.document.connector, reading: &reading })?;
        return Ok(Exit::Done);
    }
    let shown = if args.all { usize::MAX } else { RECORDS_SHOWN };
    terminal::print(&show::reading(&reading, &connector.purposes(), shown))?;
    if let Some(more) = reading.records.len().checked_sub(shown).filter(|more| *more > 0) {
        terminal::note(terminal::paint(FAINT, format!("{} more; --all shows them", counted(more, "record"))));
    }
    Ok(Exit::Done)
}

/// Records that are shown where nobody asks for all.
const RECORDS_SHOWN: usize = 20;

/// The fields that an organisation adds, and what it calls values.
fn organisation(args: &SourceTestArgs) -> Result<(Fields, Maps)> {
    let Some(policy) = &args.policy else { return Ok((Fields::builtin(), Maps::new())) };
    let read = repository::read(policy)?;
    let mut maps = Maps::new();
    let mut sources = Vec::new();
    for source in &read.documents.sources {
        let document = &source.document;
        sources.push(document.source.as_str());
        let meant = match &args.source {
            Some(name) => *name == document.source,
            None => document.connector.as_deref().unwrap_or(&document.source) == args.connector,
        };
        if !meant {
            continue;
        }
        for (field, names) in &document.maps {
            let field =
                field.parse::<FieldRef>().map_err(|error| Refused::no(format!("{}: {error}", document.source)))?;
            maps.entry(field).or_default().extend(names.clone());
        }
    }
    if let Some(name) = args.source.as_deref().filter(|name| !sources.contains(name)) {
        return Err(Refused::no(format!("{}: there is no source `{name}`", policy.display())));
    }
    Ok((read.repository.fields, maps))
}

/// The payload's name and bytes.
fn payload(args: &SourceTestArgs) -> Result<(String, Vec<u8>)> {
    let name = args.payload.display().to_string();
    let bytes = if name == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes)?;
        bytes
    } else {
        match std::fs::read(&args.payload) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(Refused::usage(format!("there is no file `{name}`")));
            }
            read => read.with_context(|| name.clone())?,
        }
    };
    Ok((name, bytes))
}

fn refuse(cli: &Cli, found: &[Diagnostic], files: &Files) -> Result<Exit> {
    if cli.json {
        terminal::json(&Failure { diagnostics: records(found, files) })?;
    } else {
        let renderer = Renderer::new(files);
        for found in found {
            terminal::print(&(paint(&renderer, found) + "\n"))?;
        }
    }
    Ok(Exit::No)
}
