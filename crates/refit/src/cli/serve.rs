//! The options of `refit up` and `refit serve`.

use super::{SignInArgs, address};
use clap::{Args, ValueEnum};
use std::{net::SocketAddr, path::PathBuf};

/// `refit up`
#[derive(Debug, Args)]
pub struct UpArgs {
    /// The address to listen on.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7443", value_parser = address)]
    pub listen: SocketAddr,
    /// A policy repository to apply if none is in force.
    #[arg(long, value_name = "DIR")]
    pub policy: Option<PathBuf>,
    #[command(flatten)]
    pub connections: ConnectionArgs,
    #[command(flatten)]
    pub log: LogArgs,
}

/// `refit serve`
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// The address to listen on.
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub listen: SocketAddr,
    /// How many people, other than its author, have to approve a plan.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub approvals: u32,
    /// The server's certificate and those between it and its authority, as PEM [default: one of the server's own authority].
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The key of the certificate, as PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// The address at which devices reach this server, such as `https://refit.example:7443` [default: the one that it listens on].
    #[arg(long, value_name = "URL")]
    pub public: Option<String>,
    #[command(flatten)]
    pub sign_in: SignInArgs,
    #[command(flatten)]
    pub connections: ConnectionArgs,
    #[command(flatten)]
    pub log: LogArgs,
}

/// How a server logs.
#[derive(Debug, Args)]
pub struct LogArgs {
    /// How the log is written.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

/// How a log is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LogFormat {
    // Comments and no documentation: help would get a paragraph of it. Lines for people, or one JSON object a line.
    Text,
    Json,
}

/// The systems that a server may talk to.
#[derive(Debug, Args)]
pub struct ConnectionArgs {
    /// Where a system is that the policy names, such as `okta=https://acme.okta.com`; may be given several times. No other host is
    /// told its secrets.
    #[arg(long, value_name = "NAME=URL", value_parser = named)]
    pub connect: Vec<(String, String)>,
    /// The file of the secret with which it is asked; of a source with the name that its connector has for it, such as
    /// `okta.private_key=okta.pem`.
    #[arg(long, value_name = "NAME=FILE", value_parser = named)]
    pub secret: Vec<(String, String)>,
    /// The file that a source is, such as `inventory=devices.csv`.
    #[arg(long, value_name = "SOURCE=FILE", value_parser = named)]
    pub file: Vec<(String, String)>,
    /// The folder of the files that sources name by `path:`; nothing outside it is read.
    #[arg(long, value_name = "FOLDER")]
    pub files: Option<PathBuf>,
    /// What Apple offers now: the answer of <https://gdmf.apple.com/v2/pmv>, or SOFA's copy of it, in a file that is kept up to date. It
    /// is read again where it has changed.
    #[arg(long, value_name = "FILE")]
    pub apple_versions: Option<PathBuf>,
    /// A host that events may be sent to by subscriptions though its address is private, and without TLS, such as
    /// `hooks.internal:8443`; may be given several times.
    #[arg(long, value_name = "HOST:PORT", value_parser = host_and_port)]
    pub webhook_private: Vec<String>,
}

pub(super) fn named(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

/// A host that is never met is a mistake that nobody sees: without its port none is.
fn host_and_port(text: &str) -> Result<String, String> {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok() => {
            Ok(text.to_owned())
        }
        _ => Err("write HOST:PORT, such as `hooks.internal:8443` or `[fd00::1]:443`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::host_and_port;

    #[test]
    fn a_host_that_may_be_private_has_its_port() {
        for text in ["hooks.internal:8443", "127.0.0.1:9", "[fd00::1]:443"] {
            assert_eq!(host_and_port(text).as_deref(), Ok(text));
        }
        for text in ["hooks.internal", "https://hooks.internal:8443", "http://hooks.internal", ":443", "a:b", ""] {
            assert!(host_and_port(text).is_err(), "{text}");
        }
    }
}
