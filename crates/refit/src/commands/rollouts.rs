//! `refit rollouts` and `refit expedite`: releases on their way through the rings.

use crate::{
    Exit,
    cli::{Cli, ExpediteArgs, RolloutsArgs},
    remote::{self, connect},
    terminal,
};
use anyhow::Result;
use jiff::Timestamp;
use refit_api::{ReleaseAndWhy, Written};

pub fn run(cli: &Cli, args: &RolloutsArgs) -> Result<Exit> {
    let client = connect(cli)?;
    let wanted = |title: &str, version: &str| {
        args.title.as_ref().is_none_or(|wanted| wanted == title)
            && args.version.as_ref().is_none_or(|wanted| wanted == version)
    };
    let mut rollouts = client.rollouts()?;
    rollouts.retain(|rollout| wanted(&rollout.title, &rollout.version));
    let signals: Vec<_> = client.signals()?.into_iter().filter(|signal| signal.listened).collect();
    let timeline = match &args.title {
        Some(title) => client.timeline(title, args.version.as_deref())?,
        None => Vec::new(),
    };
    if cli.json {
        terminal::json(&serde_json::json!({ "rollouts": rollouts, "timeline": timeline, "signals": signals }))?;
    } else {
        terminal::print(&remote::rollouts(&rollouts))?;
        terminal::print(&remote::signals(&signals, Timestamp::now()))?;
        if !timeline.is_empty() {
            terminal::print(&remote::timeline(&timeline))?;
        }
    }
    Ok(Exit::Done)
}

pub fn expedite(cli: &Cli, args: &ExpediteArgs) -> Result<Exit> {
    let release = ReleaseAndWhy {
        title: args.title.clone(),
        version: args.version.clone(),
        platform: args.platform.clone(),
        why: args.why.clone(),
    };
    let answer = connect(cli)?.expedite(&release)?;
    written(cli, &answer, &release, "waits for no gate")
}

/// Says what has become of a release.
pub fn written(cli: &Cli, written: &Written, release: &ReleaseAndWhy, what: &str) -> Result<Exit> {
    if cli.json {
        terminal::json(written)?;
        return Ok(Exit::Done);
    }
    let platform = release.platform.as_ref().map_or_else(String::new, |platform| format!(" on {platform}"));
    let already = if written.changed { "" } else { " (it was so before)" };
    terminal::print(&format!("{} {}{platform} {what}{already}\n", release.title, release.version))?;
    Ok(Exit::Done)
}
