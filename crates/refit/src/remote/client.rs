//! Which server is asked, and with which token.

use crate::{Refused, cli::Cli, local::data_folder};
use anyhow::{Context, Result};
use refit_api::{
    Device,
    client::{Client, Connection, DeviceFilter},
};

/// Whether a server is meant, in commands that can also speak of this machine alone.
pub fn is_meant(cli: &Cli) -> bool {
    cli.server.is_some()
}

/// The server that is named, or else the one of this machine.
pub fn connect(cli: &Cli) -> Result<Client> {
    let server = cli.server.clone().filter(|url| !url.is_empty());
    let token = match &cli.token_file {
        Some(file) => {
            let text = std::fs::read_to_string(file);
            Some(text.with_context(|| format!("the token in {} can't be read", file.display()))?.trim().to_owned())
        }
        None => std::env::var("REFIT_TOKEN").ok().filter(|token| !token.is_empty()),
    };
    let data = data_folder(cli.data.as_deref())?;
    let connection = Connection { server, token, ca: cli.ca.clone(), data: Some(data) };
    Ok(Client::find(&connection)?)
}

/// The device that is named by its id, or by its name where only one has it.
pub fn device(client: &Client, named: &str) -> Result<Device> {
    match client.device(named) {
        Ok(device) => return Ok(device),
        Err(error) if error.code() != Some("not-found") => return Err(error.into()),
        Err(_) => {}
    }
    let filter = DeviceFilter { name: Some(named.to_owned()), ..DeviceFilter::default() };
    let found = client.devices(&filter)?;
    let same: Vec<&str> =
        found.iter().filter(|device| device.name.as_deref() == Some(named)).map(|device| device.id.as_str()).collect();
    match same.as_slice() {
        [id] => Ok(client.device(id)?),
        [] => Err(Refused::usage(format!("there is no device `{named}`; `refit devices` lists them"))),
        several => Err(Refused::usage(format!(
            "{} devices are called `{named}`: name one by its id ({})",
            several.len(),
            several.join(", ")
        ))),
    }
}
