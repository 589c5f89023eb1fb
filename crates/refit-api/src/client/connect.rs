//! How a server is reached.

use super::{Client, ClientError};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

/// The file in a data folder in which a server says how it is reached.
pub const SERVER_FILE: &str = "server.json";

/// Whose the files in a data folder are.
const NOT_YOURS: &str = "permission denied: what is in a data folder is for the user who runs the server\n  help: ask as that user \
                         (`sudo -u USER refit …`), or with a token of your own: `--server=URL --ca FILE --token-file FILE`";

/// What a server on this machine says of itself, in `server.json` in its data folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Local {
    /// `https://127.0.0.1:7443`.
    pub address: String,
    /// The certificate of the authority that it trusts, as PEM; absent without TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// The file that holds a token's secret.
    pub token_file: PathBuf,
}

/// How a server is reached; what is absent is read from the data folder.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    /// `--server`
    pub server: Option<String>,
    /// The secret of `--token-file`.
    pub token: Option<String>,
    /// `--ca`: a certificate as PEM.
    pub ca: Option<PathBuf>,
    /// The data folder of a server on this machine.
    pub data: Option<PathBuf>,
}

impl Local {
    /// What the server of a data folder says of itself. Paths in it are relative to the folder.
    pub fn read(data: &Path) -> Result<Local, ClientError> {
        let path = data.join(SERVER_FILE);
        let fault = |why: String| ClientError::File { path: path.clone(), why };
        let text = fs::read_to_string(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => ClientError::Connection(format!(
                "no server of this machine has its data in {}\n  help: start one with `refit up`, name its folder with `--data DIR`, or \
                 another server with `--server=URL`",
                data.display()
            )),
            std::io::ErrorKind::PermissionDenied => fault(NOT_YOURS.to_owned()),
            _ => fault(error.to_string()),
        })?;
        let mut local: Local = serde_json::from_str(&text).map_err(|error| fault(error.to_string()))?;
        local.ca = local.ca.map(|ca| data.join(ca));
        local.token_file = data.join(&local.token_file);
        Ok(local)
    }
}

impl Client {
    /// A client of the server that is given, or of the one on this machine.
    pub fn find(connection: &Connection) -> Result<Client, ClientError> {
        let local = match (&connection.data, &connection.server, &connection.token) {
            // Both are given: a folder is only asked for what is missing.
            (_, Some(_), Some(_)) | (None, ..) => None,
            // That no server runs here is no news to somebody who named another: what is missing is said below.
            (Some(data), Some(_), None) => Local::read(data).ok(),
            (Some(data), ..) => Some(Local::read(data)?),
        };
        let missing = |what: &str, flag: &str| {
            ClientError::Connection(format!(
                "{what}: give `{flag}`, or run this where `refit up` runs, with the same data folder"
            ))
        };
        let address = match (&connection.server, &local) {
            (Some(server), _) => server.clone(),
            (None, Some(local)) => local.address.clone(),
            (None, None) => return Err(missing("no server is known", "--server=URL")),
        };
        let token = match (&connection.token, &local) {
            (Some(token), _) => token.clone(),
            (None, Some(local)) => {
                let fault = |error: std::io::Error| {
                    let denied = error.kind() == std::io::ErrorKind::PermissionDenied;
                    let why = if denied { NOT_YOURS.to_owned() } else { error.to_string() };
                    ClientError::File { path: local.token_file.clone(), why }
                };
                fs::read_to_string(&local.token_file).map_err(fault)?
            }
            (None, None) => return Err(missing("no token is known", "--token-file FILE")),
        };
        let ca = connection.ca.clone().or_else(|| local.and_then(|local| local.ca));
        Client::new(&address, token.trim(), ca.as_deref())
    }

    /// A client of the server at an address. `ca` is the certificate to trust; without it, those that the
    /// operating system trusts.
    pub fn new(address: &str, token: &str, ca: Option<&Path>) -> Result<Client, ClientError> {
        let address = address.trim_end_matches('/').to_owned();
        let loopback = ["http://127.0.0.1", "http://localhost", "http://[::1]"];
        let is_local = loopback
            .iter()
            .any(|begin| address.strip_prefix(begin).is_some_and(|rest| rest.is_empty() || rest.starts_with(':')));
        if !address.starts_with("https://") && !is_local {
            return Err(ClientError::Connection(format!(
                "`{address}` is no address of a server: write `https://HOST:PORT` (a token is never sent without TLS, except on this machine)"
            )));
        }
        let roots = match ca {
            Some(path) => certificates(path)?,
            None if address.starts_with("https://") => system_roots()?,
            None => Vec::new(),
        };
        let tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .root_certs(RootCerts::Specific(Arc::new(roots)));
        // An internal address is not asked for through a proxy, and errors carry a body.
        let config = ureq::Agent::config_builder()
            .tls_config(tls.build())
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(Duration::from_secs(10)));
        let config = if ca.is_some() || is_local { config.proxy(None) } else { config };
        Ok(Client { agent: config.build().into(), address, token: token.to_owned() })
    }
}

/// The certificates of a PEM file.
fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>, ClientError> {
    let fault = |why: String| ClientError::File { path: path.to_owned(), why };
    let pem = fs::read(path).map_err(|error| fault(error.to_string()))?;
    let found = parse_pem(&pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    let found: Vec<Certificate<'static>> = found.collect();
    if found.is_empty() {
        return Err(fault("there is no certificate in it".to_owned()));
    }
    Ok(found)
}

/// The authorities that the operating system trusts.
fn system_roots() -> Result<Vec<Certificate<'static>>, ClientError> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let why = found.errors.first().map_or_else(String::new, |error| format!(" ({error})"));
        return Err(ClientError::Connection(format!(
            "the operating system trusts no authority{why}: give the server's with `--ca FILE`"
        )));
    }
    Ok(found.certs.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect())
}
