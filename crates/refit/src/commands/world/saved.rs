//! Plans for a fleet in a file that were kept (`refit plan --world … --out FILE`), shown again: checked first.

use super::{plan::as_json, render};
use crate::{Exit, Refused, cli::Cli, terminal};
use anyhow::Result;
use refit_core::plan::world::{FORMAT, WorldPlan, check, tables};
use serde::Deserialize;
use std::path::Path;

/// The first key of such a file.
#[derive(Deserialize)]
struct Head {
    world_plan: u32,
}

/// What a file is.
pub enum Saved {
    /// A plan for a fleet in a file.
    Plan(Box<WorldPlan>),
    /// Something else, or nothing.
    Other,
}

/// Reads a plan that was kept; refuses one that is damaged, or does not add up.
pub fn read(file: &Path) -> Result<Saved> {
    let Ok(text) = std::fs::read(file) else { return Ok(Saved::Other) };
    // A damaged file is still one of these, where it begins as they do.
    let begins = text.windows(b"\"world_plan\"".len()).take(64).any(|window| window == b"\"world_plan\"");
    if !begins {
        return Ok(Saved::Other);
    }
    if let Ok(head) = serde_json::from_slice::<Head>(&text)
        && head.world_plan != FORMAT
    {
        return Err(Refused::no(format!(
            "{} is a plan for a fleet in format {}; this Refit reads format {FORMAT}: make it again",
            file.display(),
            head.world_plan
        )));
    }
    let plan: WorldPlan = serde_json::from_slice(&text)
        .map_err(|error| Refused::no(format!("{} is damaged: {error}. Make the plan again", file.display())))?;
    let wrong = check(&plan);
    if !wrong.is_empty() {
        return Err(Refused::no(format!(
            "{} does not add up, so that it was changed by somebody or something else than `refit plan`:\n  {}",
            file.display(),
            wrong.join("\n  ")
        )));
    }
    Ok(Saved::Plan(Box::new(plan)))
}

/// Shows it as it was shown when it was made.
pub fn show(cli: &Cli, plan: &WorldPlan, all: bool) -> Result<Exit> {
    if cli.json {
        terminal::json(&as_json(plan))?;
    } else {
        terminal::print(&render::plan(plan, &tables(plan), all))?;
    }
    Ok(Exit::Done)
}
