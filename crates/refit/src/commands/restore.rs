//! `refit restore`

use super::serve::runtime;
use crate::{
    Exit,
    cli::{Cli, RestoreArgs},
    local::data_folder,
    terminal,
};
use anyhow::{Context, Result};
use refit_server::{agents::note_restored, start::token_file};
use refit_store::{Existing, restore};

pub fn run(cli: &Cli, args: &RestoreArgs) -> Result<Exit> {
    let data = data_folder(cli.data.as_deref())?;
    let existing = if args.replace { Existing::ReplaceGood } else { Existing::KeepGood };
    // First of all: devices that have seen more than the backup has must be told by a new epoch.
    note_restored(&data).with_context(|| data.display().to_string())?;
    let bar = terminal::spinner("checking and copying the log");
    let restored = runtime()?.block_on(restore(&args.from, &data, existing))?;
    bar.finish_and_clear();
    // Its tokens are kept as hashes: the next start makes one that can be used here.
    let token = token_file(&data);
    if !token.exists() {
        std::fs::write(&token, b"").with_context(|| token.display().to_string())?;
    }
    if cli.json {
        let lost = restored.lost.as_ref().map(|lost| [*lost.start(), *lost.end()]);
        terminal::json(&serde_json::json!({ "head": restored.head, "aside": restored.aside, "lost": lost }))?;
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
    Ok(Exit::Done)
}
