//! `refit conflicts`

use crate::{
    Exit,
    cli::{Cli, ConflictsArgs},
    local::data_folder,
    repository::{self, counted},
    sources::data,
    terminal::{self, FAINT},
};
use anyhow::Result;
use refit_core::facts::{
    identity::{Conflict, Settled},
    mapping::{KeyKind, document::Subject},
};
use serde::Serialize;

/// `refit conflicts --json`
#[derive(Serialize)]
struct Report<'a> {
    conflicts: Vec<&'a Conflict>,
    crowds: Vec<Crowd<'a>>,
}

/// A value that so many records have that it joins nobody.
#[derive(Serialize)]
struct Crowd<'a> {
    of: Subject,
    kind: KeyKind,
    value: &'a str,
    records: usize,
}

pub fn run(cli: &Cli, args: &ConflictsArgs) -> Result<Exit> {
    let settled = match &args.policy {
        Some(policy) => repository::read(policy)?.repository.identities,
        None => Settled::default(),
    };
    let (estate, _) = data::read(&data_folder(cli.data.as_deref())?, settled)?;
    let meant = |text: &str| args.only.as_deref().is_none_or(|only| text.contains(only));
    let conflicts: Vec<&Conflict> =
        estate.registry.conflicts().into_iter().filter(|conflict| meant(&conflict.to_string())).collect();
    let crowds: Vec<Crowd<'_>> = estate
        .registry
        .crowds()
        .filter(|(_, _, value, _)| meant(value))
        .map(|(of, kind, value, records)| Crowd { of, kind, value, records })
        .collect();
    let exit = if conflicts.is_empty() { Exit::Done } else { Exit::No };
    if cli.json {
        terminal::json(&Report { conflicts, crowds })?;
        return Ok(exit);
    }
    for conflict in &conflicts {
        terminal::print(&format!("{conflict}\n"))?;
    }
    for crowd in &crowds {
        let line = format!(
            "{} {}: {} have it; it joins nobody\n",
            crowd.kind.words(),
            crowd.value,
            counted(crowd.records, "record")
        );
        terminal::print(&terminal::paint(FAINT, line))?;
    }
    match conflicts.len() {
        0 => terminal::note("no conflicts"),
        some => terminal::note(terminal::paint(
            FAINT,
            format!("{}; each is settled by a line in an `identities:` document", counted(some, "conflict")),
        )),
    }
    Ok(exit)
}
