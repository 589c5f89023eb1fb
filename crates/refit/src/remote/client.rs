//! Which server is asked, and with which token.

use super::SignedIn;
use crate::{Refused, cli::Cli, local::data_folder};
use anyhow::{Context, Result};
use refit_api::{
    Device,
    client::{Client, Connection, DeviceFilter},
};
use refit_core::policy::diagnostic::did_you_mean;
use std::collections::BTreeMap;

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
            let text = text.with_context(|| format!("the token in {} can't be read", file.display()))?;
            if text.trim().is_empty() {
                return Err(Refused::usage(format!(
                    "there is no token in {}: `refit tokens create` prints one, to be kept in a file",
                    file.display()
                )));
            }
            Some(text.trim().to_owned())
        }
        None => std::env::var("REFIT_TOKEN").ok().filter(|token| !token.is_empty()),
    };
    let token = match (token, &server) {
        (None, Some(server)) => signed_in(cli, server)?,
        (token, _) => token,
    };
    let data = match data_folder(cli.data.as_deref()) {
        Ok(data) => Some(data),
        // Nothing is asked of the folder.
        Err(_) if server.is_some() && token.is_some() => None,
        Err(error) => return Err(error),
    };
    let connection = Connection { server, token, ca: cli.ca.clone(), data };
    Ok(Client::find(&connection)?)
}

/// What signing in at a server gave.
fn signed_in(cli: &Cli, server: &str) -> Result<Option<String>> {
    let Ok(data) = data_folder(cli.data.as_deref()) else { return Ok(None) };
    let signed_in = SignedIn::read(&data)?;
    match signed_in.token(server) {
        Some((_, expires)) if expires <= jiff::Timestamp::now() => Err(Refused::usage(format!(
            "the sign-in at {server} ended at {expires:.0}: `refit login --server={server}` signs in again"
        ))),
        kept => Ok(kept.map(|(token, _)| token.to_owned())),
    }
}

/// The device that is named by its id, or by one that was merged into it, or by its name where only one has it.
pub fn device(client: &Client, named: &str) -> Result<Device> {
    match client.device(named) {
        // What it turned out to be has everything that is known by now.
        Ok(Device { merged_into: Some(into), .. }) => return Ok(client.device(&into)?),
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
        [] if named == "local" => Err(Refused::usage(
            "no device of the server is called `local`; `refit devices` lists them, and without `--server` it is this machine",
        )),
        [] => Err(Refused::usage(format!("there is no device `{named}`; `refit devices` lists them"))),
        several => Err(Refused::usage(format!(
            "{} devices are called `{named}`: name one by its id ({})",
            several.len(),
            several.join(", ")
        ))),
    }
}

/// That a server knows no such title, with the nearest that it knows.
pub fn no_title(client: &Client, title: &str) -> anyhow::Error {
    let known = client.titles().unwrap_or_default();
    let ids: Vec<&str> = known.iter().map(|title| title.title.as_str()).collect();
    // `opnssl` is near `openssl`, and that is `deb/openssl`.
    let names: BTreeMap<&str, &str> =
        ids.iter().map(|id| (id.split_once('/').map_or(*id, |(_, name)| name), *id)).collect();
    let near = did_you_mean(title, ids.iter().copied())
        .or_else(|| names.get(did_you_mean(title, names.keys().copied())?).copied());
    let help = near.map_or_else(
        || "`refit devices DEVICE --all` lists what is on a device".to_owned(),
        |near| format!("did you mean `{near}`?"),
    );
    Refused::usage(format!("the server knows no title `{title}`; {help}"))
}
