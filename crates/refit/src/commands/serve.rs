//! `refit serve`

use crate::{
    Exit, Refused, catalog,
    cli::{Cli, LogArgs, LogFormat, ServeArgs},
    local::data_folder,
};
use anyhow::{Context, Result};
use refit_server::{
    log,
    start::{Options, Server, asked_to_end},
};
use std::{io::IsTerminal, net::SocketAddr};

pub fn run(cli: &Cli, args: &ServeArgs) -> Result<Exit> {
    begin_log(&args.log);
    let mut options = options(cli, args.listen)?;
    options.approvals = Some(args.approvals);
    options.public = args.public.as_deref().map(public).transpose()?;
    options.certificates = args.tls_cert.clone().zip(args.tls_key.clone());
    runtime()?.block_on(async {
        let end = asked_to_end();
        let server = Server::start(options).await?;
        server.run(end).await?;
        Ok(Exit::Done)
    })
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
pub fn options(cli: &Cli, listen: SocketAddr) -> Result<Options> {
    Ok(Options {
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
