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
        return Ok(Exit::Done);
    }
    if let Some(now) = written.merged.get(person) {
        terminal::print(&format!("{person} was merged into {now}, and what was said under either is one person's\n"))?;
    }
    if written.changed {
        terminal::print(&format!(
            "the values of {person} are erased; backups keep what they hold until you delete them\n"
        ))?;
    } else {
        let since = client.person(person).ok().and_then(|person| person.erased);
        let since = since.map_or_else(String::new, |since| format!(" since {since:.0}"));
        terminal::print(&format!("the values of {person} are erased already{since}, and nothing has come since\n"))?;
    }
    Ok(Exit::Done)
}
