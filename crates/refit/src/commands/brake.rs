//! `refit brake`: stop everything, and go on.

use crate::{
    Exit,
    cli::{BrakeCommand, Cli},
    remote::connect,
    terminal,
};
use anyhow::Result;

pub fn run(cli: &Cli, command: &BrakeCommand) -> Result<Exit> {
    let client = connect(cli)?;
    match command {
        BrakeCommand::Status => {}
        BrakeCommand::Stop { why } => drop(client.stop(why)?),
        BrakeCommand::Release { why } => drop(client.go_on(why)?),
    }
    let brake = client.brake()?;
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
