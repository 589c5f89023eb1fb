//! `refit people`

use crate::{
    Exit,
    cli::{Cli, PeopleCommand},
    remote::connect,
    terminal,
};
use anyhow::Result;

pub fn run(cli: &Cli, command: &PeopleCommand) -> Result<Exit> {
    let client = connect(cli)?;
    let PeopleCommand::Erase { person } = command;
    let written = client.erase_person(person)?;
    if cli.json {
        terminal::json(&written)?;
    } else {
        terminal::print(&format!(
            "the values of {person} are erased; backups keep what they hold until they expire\n"
        ))?;
    }
    Ok(Exit::Done)
}
