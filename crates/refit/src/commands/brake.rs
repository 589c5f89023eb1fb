//! `refit brake`: stop everything, and go on.

use crate::{
    Exit,
    cli::{BrakeCommand, Cli},
    remote::connect,
    terminal,
};
use anyhow::Result;
use refit_api::{Brake, Why, Written};

pub fn run(cli: &Cli, command: &BrakeCommand) -> Result<Exit> {
    let client = connect(cli)?;
    let say = |path: &str, why: &str| client.post::<Written>(path, &Why { why: why.to_owned() });
    match command {
        BrakeCommand::Status => {}
        BrakeCommand::Stop { why } => drop(say("brake/stop", why)?),
        BrakeCommand::Release { why } => drop(say("brake/go-on", why)?),
    }
    let brake: Brake = client.get("brake", &[])?;
    if cli.json {
        terminal::json(&brake)?;
        return Ok(Exit::Done);
    }
    let text = match (brake.stopped, brake.why, brake.since) {
        (true, why, Some(since)) => {
            format!("everything is stopped since {since:.0}: {}\n", why.unwrap_or_default())
        }
        (true, why, None) => format!("everything is stopped: {}\n", why.unwrap_or_default()),
        (false, ..) => "nothing is stopped\n".to_owned(),
    };
    terminal::print(&text)?;
    Ok(Exit::Done)
}
