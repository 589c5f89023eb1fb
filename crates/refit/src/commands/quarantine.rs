//! `refit quarantine`: devices of which two have reported under one id.

use crate::{
    Exit,
    cli::{Cli, QuarantineCommand},
    remote::{self, connect},
    terminal,
};
use anyhow::Result;

pub fn run(cli: &Cli, command: &QuarantineCommand) -> Result<Exit> {
    let client = connect(cli)?;
    let QuarantineCommand::Lift { device, why } = command;
    let device = remote::device(&client, device)?;
    let written = client.lift_quarantine(&device.id, why)?;
    if cli.json {
        terminal::json(&written)?;
        return Ok(Exit::Done);
    }
    let called = device.name.unwrap_or(device.id);
    terminal::print(&if written.changed {
        format!("{called} is no longer quarantined; whichever machine reports next as this device is the device\n")
    } else {
        format!("{called} is not quarantined\n")
    })?;
    Ok(Exit::Done)
}
