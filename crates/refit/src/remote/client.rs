//! A Refit server, spoken to: where it is, who asks, and its problems as messages.

use crate::{cli::Cli, local::data_folder};
use anyhow::{Context, Result, anyhow, bail};
use refit_api::{Page, Problem};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

/// The server's answer is no: it understood, and refused.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct Refused {
    /// What it says, with the way out.
    pub text: String,
    /// The problem as it was sent.
    pub problem: Problem,
}

/// A server, with a token.
pub struct Client {
    agent: ureq::Agent,
    url: String,
    token: String,
}

/// Where a running server of this machine listens; it writes this into its data folder.
#[derive(Deserialize)]
struct Listening {
    url: String,
    #[serde(default)]
    ca: Option<PathBuf>,
}

/// The longest that an answer may take: working out the plan of a large fleet takes minutes.
const LONGEST: Duration = Duration::from_secs(900);
/// The largest answer.
const ANSWER_MOST: u64 = 256 << 20;

/// Whether a server is meant: it is named, or one of this machine has this data folder.
pub fn is_meant(cli: &Cli) -> bool {
    cli.server.is_some()
}

/// The server that is named, or else the one of this machine.
pub fn connect(cli: &Cli) -> Result<Client> {
    let data = data_folder(cli.data.as_deref());
    let named = cli.server.as_deref().filter(|url| !url.is_empty()).map(str::to_owned);
    let listening = || -> Result<Listening> {
        let file = data.join("server.json");
        let text = std::fs::read_to_string(&file).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => anyhow!(
                "no server of this machine has its data in {}: start one with `refit up`, name its folder with `--data DIR`, or name \
                 another with `--server=URL`",
                data.display()
            ),
            std::io::ErrorKind::PermissionDenied => {
                anyhow!("{} may only be read by the user that runs the server: use that user, or `--server=URL --token-file FILE`", file.display())
            }
            _ => anyhow!("{}: {error}", file.display()),
        })?;
        serde_json::from_str(&text).with_context(|| format!("{} is damaged", file.display()))
    };
    let (url, ca) = match named {
        Some(url) => (url, cli.ca.clone()),
        None => {
            let found = listening()?;
            (found.url, cli.ca.clone().or(found.ca))
        }
    };
    if !url.starts_with("https://") && !url.starts_with("http://127.") && !url.starts_with("http://localhost") {
        bail!("`{url}`: write the server's address as https://refit.acme.example");
    }
    let token = match (&cli.token_file, std::env::var("REFIT_TOKEN")) {
        (Some(file), _) => secret(file)?,
        (None, Ok(token)) if !token.is_empty() => token,
        _ => secret(&data.join("admin.token")).context(
            "a token is needed: name its file with `--token-file FILE`, or put it into the environment as REFIT_TOKEN",
        )?,
    };
    let config = ureq::Agent::config_builder()
        .tls_config(tls(ca.as_deref())?)
        .timeout_global(Some(LONGEST))
        .timeout_connect(Some(Duration::from_secs(10)))
        .http_status_as_error(false)
        .user_agent(concat!("refit/", env!("CARGO_PKG_VERSION")))
        .build();
    Ok(Client { agent: config.new_agent(), url: url.trim_end_matches('/').to_owned(), token })
}

fn secret(file: &Path) -> Result<String> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("the token in {} can't be read", file.display()))?;
    Ok(text.trim().to_owned())
}

fn tls(ca: Option<&Path>) -> Result<TlsConfig> {
    let roots: Vec<Certificate<'static>> = match ca {
        Some(file) => {
            let pem =
                std::fs::read(file).with_context(|| format!("the authority in {} can't be read", file.display()))?;
            let items = parse_pem(&pem).filter_map(Result::ok);
            items.filter_map(|item| if let PemItem::Certificate(found) = item { Some(found) } else { None }).collect()
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            found.certs.iter().map(|found| Certificate::from_der(found).to_owned()).collect()
        }
    };
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build())
}

impl Client {
    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Asks for something.
    pub fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, String)]) -> Result<T> {
        let request = self.agent.get(self.address(path, query)).header("authorization", self.bearer());
        self.read(request.call())
    }

    /// All pages of a list, up to `most` items.
    pub fn list<T: DeserializeOwned>(&self, path: &str, query: &[(&str, String)], most: usize) -> Result<Vec<T>> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut query = query.to_vec();
            query.push(("limit", most.saturating_sub(items.len()).clamp(1, 1_000).to_string()));
            query.extend(cursor.take().map(|cursor| ("cursor", cursor)));
            let page: Page<T> = self.get(path, &query)?;
            items.extend(page.items);
            match page.next {
                Some(next) if items.len() < most => cursor = Some(next),
                _ => return Ok(items),
            }
        }
    }

    /// Tells something. A repetition after a lost answer changes nothing twice.
    pub fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T> {
        let request = self
            .agent
            .post(self.address(path, &[]))
            .header("authorization", self.bearer())
            .header("idempotency-key", new_key()?);
        self.read(request.send_json(body))
    }

    /// Takes something away.
    pub fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let request = self.agent.delete(self.address(path, &[])).header("authorization", self.bearer());
        self.read(request.call())
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    fn address(&self, path: &str, query: &[(&str, String)]) -> String {
        let mut address = format!("{}/api/v1/{path}", self.url);
        for (index, (name, value)) in query.iter().enumerate() {
            address.push(if index == 0 { '?' } else { '&' });
            address.push_str(name);
            address.push('=');
            address.extend(percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC));
        }
        address
    }

    fn read<T: DeserializeOwned>(&self, answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<T> {
        let mut answer = answer.map_err(|error| match error {
            ureq::Error::Io(ref io) if io.kind() == std::io::ErrorKind::ConnectionRefused => {
                anyhow!("nobody listens at {}: is the server running? `refit up` starts one", self.url)
            }
            error => anyhow!("{} can't be reached: {error}", self.url),
        })?;
        let status = answer.status();
        let bytes = answer
            .body_mut()
            .with_config()
            .limit(ANSWER_MOST)
            .read_to_vec()
            .with_context(|| format!("the answer of {} broke off", self.url))?;
        if status.is_success() {
            let bytes: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
            return serde_json::from_slice(bytes).with_context(|| {
                format!("{} answers what this program does not understand: are both of the same version?", self.url)
            });
        }
        match serde_json::from_slice::<Problem>(&bytes) {
            Ok(problem) => Err(Refused { text: described(&problem), problem }.into()),
            Err(_) => bail!("{} answers {status}; is it a Refit server?", self.url),
        }
    }
}

/// A problem as people read it.
fn described(problem: &Problem) -> String {
    let mut text = problem.detail.clone();
    for found in &problem.diagnostics {
        let place = match (&found.file, found.line, found.column) {
            (Some(file), Some(line), Some(column)) => format!("{file}:{line}:{column}: "),
            (Some(file), _, _) => format!("{file}: "),
            _ => String::new(),
        };
        text.push_str(&format!("\n  {place}{}[{}]: {}", found.severity, found.code, found.message));
        if !found.label.is_empty() {
            text.push_str(&format!(": {}", found.label));
        }
        if let Some(help) = &found.help {
            text.push_str(&format!("\n    help: {help}"));
        }
    }
    for field in &problem.errors {
        text.push_str(&format!("\n  {}: {}", field.path, field.detail));
    }
    if let Some(help) = &problem.help {
        text.push_str(&format!("\n  help: {help}"));
    }
    text
}

/// A key that no other request has.
fn new_key() -> Result<String> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| anyhow!("no randomness can be had: {error}"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
