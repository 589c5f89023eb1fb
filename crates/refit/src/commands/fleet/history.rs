//! `refit fleet history`

use crate::{
    Exit, Refused,
    cli::{Cli, HistoryArgs},
    commands::serve::runtime,
    repository, terminal,
};
use anyhow::{Context, Result, anyhow};
use jiff::Timestamp;
use refit_server::made_up::MadeUp;
use refit_store::{Batch, Blob, NewEvent, PersonalValue, Store, open_sqlite};
use refit_worlds::history::{Entry, History};
use serde_json::json;
use std::{collections::BTreeSet, path::Path, time::Duration};

/// How many entries are written at once.
const AT_ONCE: usize = 500;
/// How long the writing may take.
const LEASE: Duration = Duration::from_secs(600);

pub fn run(cli: &Cli, args: &HistoryArgs) -> Result<Exit> {
    let place = || args.out.display().to_string();
    if args.out.exists() {
        return Err(Refused::no(format!("{} is there already, and a data folder is never overwritten", place())));
    }
    let read = repository::read_in_order(&args.policy)?;
    let files = read.files.0.iter().map(|file| (file.path.to_string(), file.text.to_string())).collect();
    let bar = terminal::spinner("living through June");
    let history = History::generate(files, &read.catalog, args.seed)?;
    let stream = history.stream()?;
    bar.set_message("writing it down");
    let about = format!("a made-up month of {}, to try things on", args.policy.display());
    let mark = MadeUp { about, seed: args.seed, ends: history.ends };
    // First the mark: a log without it would be taken for a real one.
    std::fs::create_dir_all(&args.out).with_context(place)?;
    mark.write(&args.out).with_context(place)?;
    runtime()?.block_on(write(&args.out, &history)).with_context(place)?;
    bar.finish_and_clear();
    let types: BTreeSet<&str> = stream.iter().map(|event| event.r#type.as_str()).collect();
    let (entries, events, types) = (history.entries.len(), stream.len(), types.len());
    if cli.json {
        terminal::json(&json!({
            "out": args.out, "seed": args.seed, "ends": history.ends, "entries": entries, "events": events, "types": types,
        }))?;
    } else {
        terminal::print(&format!(
            "A month at Acme, up to {}: {entries} entries of the log, {events} business events of {types} types.\n\
             Look at it with: refit serve --data {} --listen 127.0.0.1:7443\n",
            history.ends,
            place()
        ))?;
    }
    Ok(Exit::Done)
}

async fn write(folder: &Path, history: &History) -> Result<()> {
    let (store, _) = open_sqlite(folder).await?;
    let fence = store.acquire_lease("refit fleet history", Timestamp::now(), LEASE).await?;
    for bytes in history.contents.values() {
        store.put_blob(Blob::new(bytes.to_vec())).await?;
    }
    let mut personal = history.personal.iter().map(|(reference, person, value)| PersonalValue {
        reference: reference.to_string(),
        person: person.to_string(),
        value: value.clone(),
    });
    for entries in history.entries.chunks(AT_ONCE) {
        let first = entries.first().map(|entry| entry.seq).ok_or_else(|| anyhow!("an empty history"))?;
        let event = |entry: &Entry| NewEvent {
            at: entry.at,
            kind: entry.kind.to_owned(),
            version: entry.version,
            actor: entry.actor.to_string(),
            body: entry.body.clone(),
        };
        // All values come with the first entries: nothing that names one may come before it.
        let batch = Batch {
            events: entries.iter().map(event).collect(),
            personal: personal.by_ref().collect(),
            ..Batch::default()
        };
        store.append(fence, first - 1, batch).await?;
    }
    store.release_lease(fence).await?;
    store.close().await?;
    Ok(())
}
