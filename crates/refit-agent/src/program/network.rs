//! The network process: it holds the device's key and certificate, and passes bytes. It decides nothing, and believes nothing.

use super::{
    disk::replace,
    folders::{Config, Folders, is_root},
    frame::{self, Answer, Call, Wanted, WireFailure},
    words,
};
use anyhow::{Context, Result, bail};
use rcgen::{CertificateParams, KeyPair};
use refit_wire::{
    limits,
    protocol::{CertificateAnswer, CertificateRequest, Refused, path},
};
use std::{
    fs,
    io::{BufReader, Read as _},
    os::unix::net::UnixStream,
    sync::Arc,
    time::Duration,
};
use ureq::{
    Agent, Body,
    http::Response,
    tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem},
};

/// How long one call may take.
const CALL: Duration = Duration::from_secs(120);
const CONNECT: Duration = Duration::from_secs(20);

/// Runs until the executor closes the connection.
pub fn run(folders: &Folders) -> Result<()> {
    // Nothing that it starts, or is tricked into starting, gets more rights than it has.
    rustix::thread::set_no_new_privs(true).context("new privileges can't be renounced")?;
    if is_root() {
        bail!("the network process does not run as root: start it as the user `{}`", folders.user);
    }
    let config = Config::read(&folders.config_file())?;
    let socket = folders.executor_socket();
    let stream = UnixStream::connect(&socket)
        .with_context(|| format!("the executor does not listen at {} (`refit-agent run`)", socket.display()))?;
    let mut replies = stream.try_clone()?;
    let mut calls = BufReader::new(stream);
    let mut client = Client::with_certificate(&config, folders)?;
    while let Some((call, body)) = frame::receive::<Call>(&mut calls)? {
        let result = match call.wanted {
            Wanted::Certificate => renew(&config, folders, &mut client).map(|()| Vec::new()),
            ref wanted => client.call(wanted, body, call.limit),
        };
        let (failure, body) = match result {
            Ok(body) => (None, body),
            Err(failure) => (Some(failure), Vec::new()),
        };
        frame::send(&mut replies, &Answer { call: call.call, failure }, &body)?;
    }
    Ok(())
}

/// A connection to the server.
pub struct Client {
    agent: Agent,
    address: String,
    /// The proxy that the way goes through.
    proxy: Option<String>,
}

impl Client {
    /// With the device's certificate.
    fn with_certificate(config: &Config, folders: &Folders) -> Result<Client> {
        let read = |path: &std::path::Path| {
            fs::read(path).with_context(|| format!("{} can't be read; enrol the device", path.display()))
        };
        let key =
            PrivateKey::from_pem(&read(&folders.key())?).context("the device's key is damaged: enrol it again")?;
        let chain = certificates(&read(&folders.certificate())?)?;
        let identity = ClientCert::new_with_certs(&chain, key);
        Client::new(&config.address, config.authority.as_deref(), config.proxy.as_deref(), Some(identity))
    }

    /// A client of a server whose certificate is checked against `authority`, or the machine's own list.
    pub fn new(
        address: &str,
        authority: Option<&str>,
        proxy: Option<&str>,
        identity: Option<ClientCert>,
    ) -> Result<Client> {
        let roots = match authority {
            Some(pem) => RootCerts::new_with_certs(&certificates(pem.as_bytes())?),
            None => machine_roots()?,
        };
        let tls = tls().client_cert(identity).root_certs(roots).build();
        Client::of(address, proxy, tls)
    }

    /// A client that checks no certificate: only for fetching what is compared with a fingerprint.
    pub fn unchecked(address: &str, proxy: Option<&str>) -> Result<Client> {
        Client::of(address, proxy, tls().disable_verification(true).build())
    }

    fn of(address: &str, proxy: Option<&str>, tls: TlsConfig) -> Result<Client> {
        if !address.starts_with("https://") {
            bail!("`{address}` is no address of a Refit server: it begins with https://");
        }
        let proxy = match proxy {
            Some(proxy) => Some(ureq::Proxy::new(proxy).with_context(|| format!("`{proxy}` is no proxy"))?),
            None => ureq::Proxy::try_from_env(),
        };
        let uri: Option<ureq::http::Uri> = address.parse().ok();
        let used = proxy.as_ref().filter(|proxy| uri.as_ref().is_none_or(|uri| !proxy.is_no_proxy(uri)));
        let named = used.map(|proxy| format!("{}:{}", proxy.host(), proxy.port()));
        let agent = Agent::config_builder()
            .tls_config(tls)
            .https_only(true)
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(CALL))
            .timeout_connect(Some(CONNECT))
            .max_idle_age(Duration::from_secs(300))
            .max_idle_connections(1)
            .proxy(proxy)
            .user_agent(concat!("refit-agent/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        Ok(Client { agent, address: address.trim_end_matches('/').to_owned(), proxy: named })
    }

    /// Makes a call of the executor's.
    fn call(&self, wanted: &Wanted, body: Vec<u8>, limit: usize) -> Result<Vec<u8>, WireFailure> {
        match wanted {
            Wanted::CheckIn => self.post(path::CHECK_IN, &body, limit),
            Wanted::Root(version) => self.get(&path::ROOTS.replace("{version}", &version.to_string()), limit),
            Wanted::Mandate(digest) => self.get(&path::MANDATES.replace("{digest}", &digest.to_string()), limit),
            Wanted::State => self.get(path::STATE, limit),
            Wanted::Certificate => Err(WireFailure::Unreachable("the certificate is renewed otherwise".into())),
        }
    }

    /// `GET`; the answer is read as far as `limit`.
    pub fn get(&self, path: &str, limit: usize) -> Result<Vec<u8>, WireFailure> {
        let answer = self.agent.get(format!("{}{path}", self.address)).call();
        read(answer.map_err(|error| self.unreachable(&error))?, limit)
    }

    /// `POST` of JSON; the answer is read as far as `limit`.
    pub fn post(&self, path: &str, body: &[u8], limit: usize) -> Result<Vec<u8>, WireFailure> {
        let request = self.agent.post(format!("{}{path}", self.address)).content_type("application/json");
        read(request.send(body).map_err(|error| self.unreachable(&error))?, limit)
    }

    /// Whose fault it is, the server's or the proxy's, nobody knows: both are named.
    fn unreachable(&self, error: &ureq::Error) -> WireFailure {
        let why = words::unreachable(&error.to_string());
        WireFailure::Unreachable(match &self.proxy {
            Some(proxy) => format!("{why} (through the proxy {proxy})"),
            None => why,
        })
    }
}

/// Stops one byte beyond the limit, whatever the server says of the length.
fn read(mut answer: Response<Body>, limit: usize) -> Result<Vec<u8>, WireFailure> {
    let status = answer.status().as_u16();
    let limit = if status == 200 { limit } else { limit.min(limits::ANSWER) };
    let mut bytes = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let reader = answer.body_mut().with_config().limit(most).reader();
    if let Err(error) = reader.take(most).read_to_end(&mut bytes) {
        // ureq's own limit is the same one.
        let failure =
            if bytes.len() > limit { WireFailure::TooLarge } else { WireFailure::Unreachable(error.to_string()) };
        return Err(failure);
    }
    if bytes.len() > limit {
        return Err(WireFailure::TooLarge);
    }
    match status {
        200..=299 => Ok(bytes),
        404 => Err(WireFailure::NotFound),
        _ => {
            let said: Option<Refused> = serde_json::from_slice(&bytes).ok();
            let (code, detail) = said.map_or_else(Default::default, |said| (said.code, said.detail));
            Err(WireFailure::Refused { status, code, detail })
        }
    }
}

/// A key of the device's own and the request for its certificate.
pub fn signing_request(key: &KeyPair) -> Result<String> {
    let params = CertificateParams::new(Vec::<String>::new())?;
    Ok(params.serialize_request(key)?.pem()?)
}

/// Asks for the next certificate. The key stays: who could steal it once could steal the next one as well.
fn renew(config: &Config, folders: &Folders, client: &mut Client) -> Result<(), WireFailure> {
    let failed = |error: anyhow::Error| WireFailure::Unreachable(format!("{error:#}"));
    let request = (|| {
        let key = KeyPair::from_pem(&fs::read_to_string(folders.key())?)?;
        Ok(serde_json::to_vec(&CertificateRequest { request: signing_request(&key)? })?)
    })()
    .map_err(failed)?;
    let answer = client.post(path::CERTIFICATE, &request, limits::ANSWER)?;
    let renewed = (|| {
        let answer: CertificateAnswer = serde_json::from_slice(&answer)?;
        certificates(answer.certificate.as_bytes())?;
        replace(&folders.certificate(), answer.certificate.as_bytes(), 0o600)?;
        Client::with_certificate(config, folders)
    })();
    *client = renewed.map_err(failed)?;
    Ok(())
}

fn tls() -> ureq::tls::TlsConfigBuilder {
    TlsConfig::builder().unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
}

/// The certificates in a PEM text.
pub fn certificates(pem: &[u8]) -> Result<Vec<Certificate<'static>>> {
    let found: Vec<Certificate<'static>> = parse_pem(pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if found.is_empty() {
        bail!("there is no certificate in it");
    }
    Ok(found)
}

/// The authorities that the machine itself trusts.
fn machine_roots() -> Result<RootCerts> {
    const BUNDLES: [&str; 3] =
        ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem"];
    let bundle = BUNDLES.iter().find_map(|path| fs::read(path).ok());
    let bundle =
        bundle.context("this machine has no list of authorities (ca-certificates), and the token names none")?;
    Ok(RootCerts::new_with_certs(&certificates(&bundle)?))
}
