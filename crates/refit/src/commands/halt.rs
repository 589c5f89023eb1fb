//! `refit halt` and `refit resume`: the brake, and how far it has come.

use crate::{
    Exit,
    cli::{BrakeArgs, Cli, HaltArgs},
    remote::{self, connect},
    terminal,
};
use anyhow::Result;
use refit_api::client::Client;

pub fn halt(cli: &Cli, args: &HaltArgs) -> Result<Exit> {
    let client = connect(cli)?;
    if let Some(why) = &args.why {
        client.stop(why)?;
    }
    say(cli, &client)
}

pub fn resume(cli: &Cli, args: &BrakeArgs) -> Result<Exit> {
    let client = connect(cli)?;
    client.go_on(&args.why)?;
    say(cli, &client)
}

/// How it stands now.
fn say(cli: &Cli, client: &Client) -> Result<Exit> {
    let brake = client.brake()?;
    if cli.json {
        terminal::json(&brake)?;
        return Ok(Exit::Done);
    }
    let since = brake.since.map_or_else(String::new, |since| format!(" since {since:.0}"));
    let why = brake.why.map_or_else(String::new, |why| format!(": {why}"));
    let mut text =
        if brake.stopped { format!("everything is stopped{since}{why}\n") } else { "nothing is stopped\n".to_owned() };
    if let Some(reach) = brake.reach.filter(|reach| reach.agents > 0) {
        text += &remote::reach(&reach);
    }
    terminal::print(&text)?;
    Ok(Exit::Done)
}
