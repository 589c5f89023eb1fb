//! Which server is asked, and with which token.

use crate::{cli::Cli, local::data_folder};
use anyhow::{Context, Result};
use refit_api::client::{Client, Connection};

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
    let data = data_folder(cli.data.as_deref());
    let connection = Connection { server, token, ca: cli.ca.clone(), data: Some(data) };
    Ok(Client::find(&connection)?)
}
