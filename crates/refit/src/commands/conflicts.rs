//! `refit conflicts`

use crate::{
    Exit,
    cli::{Cli, ConflictsArgs},
    local::data_folder,
    repository::{self, counted},
    sources::{data, owners::Owners},
    terminal::{self, FAINT},
};
use anyhow::Result;
use refit_core::facts::{
    identity::{Conflict, Settled},
    mapping::{KeyKind, document::Subject},
};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// `refit conflicts --json`
#[derive(Serialize)]
struct Report<'a> {
    conflicts: Vec<Shown<'a>>,
    crowds: Vec<Crowd<'a>>,
}

/// A conflict, and whom it is for.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    conflict: &'a Conflict,
    /// Who answers for its records, with the sources for which they do.
    #[serde(rename = "for", skip_serializing_if = "BTreeMap::is_empty")]
    owners: BTreeMap<&'a str, BTreeSet<&'a str>>,
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
    let (settled, owners) = match &args.policy {
        Some(policy) => {
            let read = repository::read(policy)?;
            let owners = Owners::of(&read);
            (read.repository.identities, owners)
        }
        None => (Settled::default(), Owners::default()),
    };
    let (estate, _) = data::read(&data_folder(cli.data.as_deref())?, settled)?;
    let meant = |text: &str| args.only.as_deref().is_none_or(|only| text.contains(only));
    let conflicts = estate.registry.conflicts().into_iter().filter(|conflict| meant(&conflict.to_string()));
    let conflicts: Vec<Shown<'_>> = conflicts.map(|conflict| Shown::of(conflict, &owners)).collect();
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
    for Shown { conflict, owners } in &conflicts {
        let names = owners.iter().map(|(owner, sources)| {
            let sources: Vec<&str> = sources.iter().copied().collect();
            format!("{owner} ({})", sources.join(", "))
        });
        let names: Vec<String> = names.collect();
        let line = if names.is_empty() { String::new() } else { format!("  it is for {}\n", names.join(", ")) };
        terminal::print(&format!("{conflict}{line}\n"))?;
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

impl<'a> Shown<'a> {
    fn of(conflict: &'a Conflict, owners: &'a Owners) -> Shown<'a> {
        let mut answer: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for record in conflict.parties.iter().flat_map(|party| &party.records) {
            for owner in owners.records(&record.source, conflict.of) {
                answer.entry(owner).or_default().insert(&record.source);
            }
        }
        Shown { conflict, owners: answer }
    }
}
