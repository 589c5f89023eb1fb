//! `refit serve`

use crate::{
    Exit, Refused, catalog,
    cli::{Cli, ConnectionArgs, LogArgs, LogFormat, ServeArgs},
    local::data_folder,
    processes,
    sources::{
        serving::{self, Serving},
        syncing::{self, Places},
    },
    targets,
};
use anyhow::{Context, Result};
use refit_server::{
    api::SigningSecrets,
    connections::{Connection, Connections},
    log,
    made_up::MadeUp,
    start::{Options, Server, asked_to_end},
};
use refit_targets::targets::apple::Versions;
use std::{io::IsTerminal, net::SocketAddr, path::PathBuf, sync::Arc};

pub fn run(cli: &Cli, args: &ServeArgs) -> Result<Exit> {
    begin_log(&args.log);
    let mut options = options(cli, args.listen, &args.connections)?;
    options.approvals = Some(args.approvals);
    options.public = args.public.as_deref().map(public).transpose()?;
    options.sign_in = args.sign_in.options().map_err(Refused::usage)?;
    options.certificates = args.tls_cert.clone().zip(args.tls_key.clone());
    let sources = serving(cli, &args.connections)?;
    let is_made_up = is_made_up(&options)?;
    let told = processes(cli, &args.connections)?;
    runtime()?.block_on(async {
        let end = asked_to_end();
        let mut server = Server::start(options).await?;
        // A month that is made up has heard all that it hears, and tells no other system.
        if !is_made_up {
            server.spawn(targets::serving::run(server.shell().clone(), sources.clone()));
            server.spawn(serving::run(server.shell().clone(), sources));
            server.spawn(processes::serving::run(server.shell().clone(), told));
        }
        server.run(end).await?;
        Ok(Exit::Done)
    })
}

/// Whether the log is a made-up history.
pub fn is_made_up(options: &Options) -> Result<bool> {
    let mark = MadeUp::read(&options.data);
    Ok(mark.with_context(|| format!("{}: history.json", options.data.display()))?.is_some())
}

/// The address that devices are told.
fn public(text: &str) -> Result<String> {
    let text = text.trim_end_matches('/');
    if !text.starts_with("https://") || text.len() < 9 {
        return Err(Refused::usage(format!("`{text}` is no address: write `--public=https://HOST:PORT`")));
    }
    Ok(text.to_owned())
}

/// What `serve` and `up` share.
pub fn options(cli: &Cli, listen: SocketAddr, connections: &ConnectionArgs) -> Result<Options> {
    Ok(Options {
        connections: read_connections(connections)?,
        webhook_private: connections.webhook_private.clone(),
        apple_versions: apple_versions(connections)?,
        sign_in: None,
        signing_secrets: signing_secrets(connections),
        data: data_folder(cli.data.as_deref())?,
        listen,
        public: None,
        approvals: None,
        certificates: None,
        catalog: catalog::titles()?,
        hostname: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        version: env!("CARGO_PKG_VERSION").into(),
    })
}

/// With what Slack signs what people press: secrets of processes.
fn signing_secrets(connections: &ConnectionArgs) -> SigningSecrets {
    let named = connections.secret.iter().filter_map(|(name, file)| {
        let process = name.strip_suffix(".signing_secret")?;
        Some((process.into(), file.into()))
    });
    SigningSecrets(Arc::new(named.collect()))
}

/// The file that says what Apple offers. One that can't be read is told now, and not when a device asks.
fn apple_versions(connections: &ConnectionArgs) -> Result<Option<PathBuf>> {
    let Some(file) = &connections.apple_versions else { return Ok(None) };
    let refused = |error: String| Refused::usage(format!("`--apple-versions {}`: {error}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| refused(error.to_string()))?;
    Versions::parse(&text).map_err(|error| refused(error.to_string()))?;
    Ok(Some(file.clone()))
}

/// Where the sources are that a server reads.
pub fn serving(cli: &Cli, args: &ConnectionArgs) -> Result<Serving> {
    let places = Places {
        connect: args.connect.clone(),
        secret: args.secret.clone(),
        file: args.file.clone(),
        folder: args.files.as_deref().map(syncing::folder).transpose()?,
    };
    for (_, file) in places.secret.iter().filter(|(name, _)| name.contains('.')) {
        // What can't be read is told now, and not when it is needed first.
        std::fs::metadata(file).map_err(|error| Refused::usage(format!("{file}: {error}")))?;
    }
    Ok(Serving { data: data_folder(cli.data.as_deref())?, places })
}

/// Where the systems are that a server tells of what happens.
pub fn processes(cli: &Cli, args: &ConnectionArgs) -> Result<processes::serving::Serving> {
    let places = Places { connect: args.connect.clone(), secret: args.secret.clone(), ..Places::default() };
    Ok(processes::serving::Serving { data: data_folder(cli.data.as_deref())?, places })
}

fn read_connections(args: &ConnectionArgs) -> Result<Connections> {
    let mut connections = Connections::default();
    for (name, address) in &args.connect {
        let is_database = ["postgres://", "postgresql://"].iter().any(|scheme| address.starts_with(scheme));
        if !is_database && !address.starts_with("https://") && !address.starts_with("http://") {
            return Err(Refused::usage(format!("`{address}` is no address: write `--connect {name}=https://HOST`")));
        }
        let connection = Connection { address: address.trim_end_matches('/').to_owned(), secret: None };
        if connections.0.insert(name.into(), connection).is_some() {
            return Err(Refused::usage(format!("there are two connections `{name}`")));
        }
    }
    for (name, file) in &args.secret {
        let connection = match connections.0.get_mut(name.as_str()) {
            Some(connection) => connection,
            // The secrets of sources have names of their own: `okta.private_key`.
            None if name.contains('.') => continue,
            None => {
                return Err(Refused::usage(format!(
                    "a secret for `{name}`, which has no address: add `--connect {name}=URL`"
                )));
            }
        };
        connection.secret = Some(file.into());
        // What can't be read is told now, and not when it is needed first.
        connection.secret().map_err(Refused::usage)?;
    }
    Ok(connections)
}

pub fn begin_log(args: &LogArgs) {
    let format = match args.log_format {
        LogFormat::Text => log::LogFormat::Text,
        LogFormat::Json => log::LogFormat::Json,
    };
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
    log::begin(format, colours);
}

pub fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("the server can't be started")
}
