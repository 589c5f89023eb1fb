//! `refit people`

use crate::{
    Exit,
    cli::{Cli, PeopleCommand},
    remote::connect,
    terminal,
};
use anyhow::Result;
use refit_api::Written;

pub fn run(cli: &Cli, command: &PeopleCommand) -> Result<Exit> {
    let client = connect(cli)?;
    let PeopleCommand::Erase { person } = command;
    let written: Option<Written> = client.delete(&format!("people/{person}"))?;
    if cli.json {
        terminal::json(&written)?;
    } else {
        terminal::print(&format!(
            "the values of {person} are erased; backups keep what they hold until they expire\n"
        ))?;
    }
    Ok(Exit::Done)
}
