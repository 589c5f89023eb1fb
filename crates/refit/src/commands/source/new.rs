//! `refit source new`

use crate::{
    Exit, Refused,
    cli::{Cli, SourceKind, SourceNewArgs},
    connectors,
    repository::counted,
    terminal::{self, ADD, FAINT},
};
use anyhow::{Context, Result};
use refit_core::{
    facts::mapping::{document::PayloadKind, draft, form, sample},
    policy::diagnostic::{Files, SourceFile},
};
use serde::Serialize;
use std::{fs, io::ErrorKind, path::Path};

/// `refit source new --json`
#[derive(Serialize)]
struct Report {
    connector: String,
    files: Vec<String>,
    records: usize,
    guessed: Vec<String>,
    unused: Vec<String>,
}

pub fn new(cli: &Cli, args: &SourceNewArgs) -> Result<Exit> {
    let name = args.folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    named(name)?;
    let file = args.folder.join("connector.yaml");
    if file.exists() {
        return Err(Refused::no(format!("{}: there is a connector already", file.display())));
    }
    let asked = args.reads.map(kind);
    let (reads, payload) = match &args.from {
        Some(path) => {
            let payload = match fs::read(path) {
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    return Err(Refused::usage(format!("there is no file `{}`", path.display())));
                }
                read => read.with_context(|| path.display().to_string())?,
            };
            (asked.unwrap_or_else(|| form(&payload)), payload)
        }
        None => {
            let reads = asked.unwrap_or_default();
            (reads, sample(reads).0.as_bytes().to_vec())
        }
    };
    let draft = match draft(name, reads, &payload) {
        Ok(draft) => draft,
        Err(unreadable) => {
            let path = args.from.as_ref().map_or_else(String::new, |path| path.display().to_string());
            let text = String::from_utf8_lossy(&payload).into_owned();
            let files = Files(vec![SourceFile { path, text }]);
            return super::refuse(cli, &[unreadable.diagnostic(0)], &files);
        }
    };
    let mut files = vec![write(&file, draft.text.as_bytes())?];
    // A payload of the system's may have anything in it that is nobody else's: it is not copied.
    let payload = match &args.from {
        Some(path) => path.display().to_string(),
        None => {
            let (text, ending) = sample(reads);
            let path = args.folder.join(format!("fixtures/devices.{ending}"));
            files.push(write(&path, text.as_bytes())?);
            path.display().to_string()
        }
    };
    if cli.json {
        let (connector, records) = (name.to_owned(), draft.records);
        let (guessed, unused) = (draft.guessed, draft.unused);
        terminal::json(&Report { connector, files, records, guessed, unused })?;
        return Ok(Exit::Done);
    }
    let mut text = String::new();
    for file in &files {
        text += &format!("{} {file}\n", terminal::paint(ADD, "+"));
    }
    text += &format!(
        "{} of the payload: {} guessed, {} not used\n",
        counted(draft.records, "record"),
        counted(draft.guessed.len(), "part"),
        draft.unused.len()
    );
    terminal::print(&text)?;
    let next = format!("next: refit source test {} {payload}", args.folder.display());
    terminal::note(terminal::paint(FAINT, next));
    Ok(Exit::Done)
}

/// Whether a connector can have that name.
fn named(name: &str) -> Result<()> {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !plain {
        let why = "is no name for a connector: small letters, digits and `-`, such as `shelf`";
        return Err(Refused::usage(format!("`{name}` {why}")));
    }
    if connectors::names().contains(&name) {
        let help = format!("`refit sources sync` reads it with a document `source: {name}`");
        return Err(Refused::no(format!("a connector `{name}` comes with Refit; {help}")));
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<String> {
    let shown = path.display().to_string();
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    fs::write(path, bytes).with_context(|| shown.clone())?;
    Ok(shown)
}

fn kind(kind: SourceKind) -> PayloadKind {
    match kind {
        SourceKind::HttpJson => PayloadKind::HttpJson,
        SourceKind::Graphql => PayloadKind::Graphql,
        SourceKind::Csv => PayloadKind::Csv,
        SourceKind::Json => PayloadKind::Json,
        SourceKind::Ndjson => PayloadKind::Ndjson,
        SourceKind::Plist => PayloadKind::Plist,
        SourceKind::Sql => PayloadKind::Sql,
    }
}
