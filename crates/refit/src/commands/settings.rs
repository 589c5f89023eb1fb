//! `refit settings`: what a server goes by that is no policy.

use crate::{
    Exit,
    cli::{Cli, SettingsCommand},
    remote::connect,
    terminal,
};
use anyhow::Result;

pub fn run(cli: &Cli, command: &SettingsCommand) -> Result<Exit> {
    let client = connect(cli)?;
    let SettingsCommand::Approvals { people } = command;
    let written = client.set_approvals(*people)?;
    if cli.json {
        terminal::json(&written)?;
        return Ok(Exit::Done);
    }
    terminal::print(&match people {
        0 => "a plan needs nobody's approval\n".to_owned(),
        1 => "a plan needs the approval of one person who did not make it\n".to_owned(),
        people => format!("a plan needs the approval of {people} people who did not make it\n"),
    })?;
    Ok(Exit::Done)
}
