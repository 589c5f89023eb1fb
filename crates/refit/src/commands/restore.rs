//! `refit restore`

use super::serve::runtime;
use crate::{
    Exit,
    cli::{Cli, RestoreArgs},
    local::data_folder,
    terminal,
};
use anyhow::{Context, Result};
use refit_server::{
    agents::{forget_restored, note_restored},
    erasures::list,
    start::token_file,
};
use refit_store::{Existing, StoreError, StoredEvent, events_of, restore};
use std::{collections::BTreeSet, path::Path};

pub fn run(cli: &Cli, args: &RestoreArgs) -> Result<Exit> {
    let data = data_folder(cli.data.as_deref())?;
    let existing = if args.replace { Existing::ReplaceGood } else { Existing::KeepGood };
    // First of all: devices that have seen more than the backup has must be told by a new epoch.
    note_restored(&data).with_context(|| data.display().to_string())?;
    let bar = terminal::spinner("checking and copying the log");
    let runtime = runtime()?;
    let restored = runtime.block_on(restore(&args.from, &data, existing)).inspect_err(|error| {
        if let StoreError::WouldReplace { .. } = error {
            forget_restored(&data);
        }
    })?;
    let erased = match &restored.aside {
        Some(aside) => runtime.block_on(erased_since(aside, restored.head)),
        None => Ok(BTreeSet::new()),
    };
    bar.finish_and_clear();
    if let Ok(people) = &erased {
        erase_again(&data, people)?;
    }
    // Its tokens are kept as hashes: the next start makes one that can be used here.
    let token = token_file(&data);
    if !token.exists() {
        std::fs::write(&token, b"").with_context(|| token.display().to_string())?;
    }
    if cli.json {
        let lost = restored.lost.as_ref().map(|lost| [*lost.start(), *lost.end()]);
        let again = erased.ok();
        terminal::json(&serde_json::json!({
            "head": restored.head, "aside": restored.aside, "lost": lost, "erased_since": again
        }))?;
        return Ok(Exit::Done);
    }
    terminal::print(&format!("The log in {} ends at event {}.\n", data.display(), restored.head))?;
    if let Some(aside) = &restored.aside {
        terminal::print(&format!("What was there before is in {}.\n", aside.display()))?;
    }
    if let Some(lost) = &restored.lost {
        terminal::note(format_args!(
            "{} events {} to {} had been acknowledged here, and the backup does not have them",
            terminal::paint(terminal::URGENT, "lost:"),
            lost.start(),
            lost.end()
        ));
    }
    let by_hand = format!(
        "who was erased after the backup was made has their values back: write their ids into {}, one a line, before the server starts",
        list(&data).display()
    );
    match &erased {
        Ok(people) if !people.is_empty() => terminal::note(format_args!(
            "erased after the backup was made, and erased again when the server starts: {}",
            people.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
        )),
        Ok(_) if restored.aside.is_some() => {}
        Ok(_) => terminal::note(format_args!("{} {by_hand}", terminal::paint(terminal::CHANGE, "note:"))),
        Err(error) => terminal::note(format_args!(
            "{} the log that was here does not say who was erased ({error}); {by_hand}",
            terminal::paint(terminal::URGENT, "warning:")
        )),
    }
    Ok(Exit::Done)
}

/// Who was erased after the backup was made, by the log that was here before.
async fn erased_since(aside: &Path, head: u64) -> Result<BTreeSet<String>, StoreError> {
    let events = events_of(aside, "person.erased", head).await?;
    let person = |event: StoredEvent| {
        let body: serde_json::Value = serde_json::from_slice(&event.body).ok()?;
        Some(body["person"].as_str()?.to_owned())
    };
    Ok(events.into_iter().filter_map(person).collect())
}

/// Notes people for the server, which erases them when it starts.
fn erase_again(data: &Path, people: &BTreeSet<String>) -> Result<()> {
    if people.is_empty() {
        return Ok(());
    }
    let path = list(data);
    // An earlier restore may have left some.
    let mut text = std::fs::read_to_string(&path).unwrap_or_default();
    people.iter().for_each(|person| text += &format!("{person}\n"));
    std::fs::write(&path, text).with_context(|| path.display().to_string())
}
