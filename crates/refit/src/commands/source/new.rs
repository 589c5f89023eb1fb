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
    facts::mapping::{Operation, decoded, document::PayloadKind, draft, draft_operation, form, operations, sample},
    policy::diagnostic::{Files, SourceFile, did_you_mean},
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
    let operation = match &args.from {
        Some(path) if asked.is_none_or(|reads| reads == PayloadKind::HttpJson) => {
            described(&path.display().to_string(), &payload, args.operation.as_deref())?
        }
        _ => None,
    };
    if let Some(wanted) = args.operation.as_ref().filter(|_| operation.is_none()) {
        let why = "`--from` is no OpenAPI document of JSON over HTTP, which alone has operations";
        return Err(Refused::usage(format!("`--operation {wanted}`: {why}")));
    }
    let drafted = match &operation {
        Some(operation) => draft_operation(name, operation),
        None => draft(name, reads, &payload),
    };
    let draft = match drafted {
        Ok(draft) => draft,
        Err(unreadable) => {
            let path = args.from.as_ref().map_or_else(String::new, |path| path.display().to_string());
            let text = decoded(reads, &payload).into_owned();
            let files = Files(vec![SourceFile { path, text }]);
            return super::refuse(cli, &[unreadable.diagnostic(0)], &files);
        }
    };
    let mut files = vec![write(&file, draft.text.as_bytes())?];
    // A payload of the system's may have anything in it that is nobody else's: it is not copied.
    let made_up = match (&operation, &args.from) {
        (Some(operation), _) => Some((operation.payload.as_str(), "answer.json".to_owned())),
        (None, Some(_)) => None,
        (None, None) => {
            let (text, ending) = sample(reads);
            Some((text, format!("devices.{ending}")))
        }
    };
    let payload = match (made_up, &args.from) {
        (Some((text, file)), _) => write(&args.folder.join("fixtures").join(file), text.as_bytes())?,
        (None, path) => path.as_ref().map_or_else(String::new, |path| path.display().to_string()),
    };
    if operation.is_some() || args.from.is_none() {
        files.push(payload.clone());
    }
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
    let of = match &operation {
        Some(operation) => format!("GET {}", operation.path),
        None => format!("{} of the payload", counted(draft.records, "record")),
    };
    text += &format!("{of}: {} guessed, {} not used\n", counted(draft.guessed.len(), "part"), draft.unused.len());
    terminal::print(&text)?;
    let next = format!("next: refit source test {} {payload}", args.folder.display());
    terminal::note(terminal::paint(FAINT, next));
    Ok(Exit::Done)
}

/// How many lists of an OpenAPI document are named to whoever has to choose.
const LISTS_SHOWN: usize = 8;

/// The list of an OpenAPI document that is to be read; `None` where the file is no such document.
fn described(file: &str, text: &[u8], wanted: Option<&str>) -> Result<Option<Operation>> {
    let Some(operations) = operations(text) else {
        let begins = |word: &str| text.trim_ascii_start().starts_with(word.as_bytes());
        if begins("openapi:") || begins("swagger:") {
            return Err(Refused::usage(format!(
                "{file}: it begins like an OpenAPI document, and can't be read as one: is it whole?"
            )));
        }
        return Ok(None);
    };
    // What says most of devices or people comes first.
    let says = |operation: &Operation| draft_operation("a", operation).map_or(0, |draft| draft.guessed.len());
    let mut lists: Vec<(usize, Operation)> = operations.into_iter().map(|it| (says(&it), it)).collect();
    lists.sort_by(|(one, a), (other, b)| other.cmp(one).then_with(|| a.path.cmp(&b.path)));
    if lists.is_empty() {
        return Err(Refused::no(format!("{file}: no GET that it describes answers with a list of objects")));
    }
    let place = match wanted {
        Some(wanted) => lists.iter().position(|(_, operation)| operation.path == wanted),
        None if lists.len() == 1 => Some(0),
        None => None,
    };
    if let Some(place) = place {
        return Ok(Some(lists.swap_remove(place).1));
    }
    let paths: Vec<&str> = lists.iter().map(|(_, operation)| operation.path.as_str()).collect();
    let shown = paths.iter().take(LISTS_SHOWN).copied().collect::<Vec<_>>().join(", ");
    let more = paths.len().saturating_sub(LISTS_SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let why = match wanted {
        Some(wanted) => match did_you_mean(wanted, paths.iter().copied()) {
            Some(near) => format!("it has no list at `{wanted}`; did you mean `{near}`?"),
            None => format!("it has no list at `{wanted}`; there are {shown}{more}"),
        },
        None => format!("say which list is to be read, `--operation PATH`: {shown}{more}"),
    };
    Err(Refused::usage(format!("{file}: {why}")))
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
