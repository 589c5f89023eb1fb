//! Downloading one file over HTTP: conditionally, within limits of time and size, trying again where that makes sense.
//!
//! TLS is rustls with ring. Trusted are the certificate authorities of the operating system (or of `SSL_CERT_FILE`), so that
//! an organisation's own proxy works as everywhere else on the machine. `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`
//! are respected.

use crate::retry::{Again, Attempts, Next};
use jiff::Timestamp;
use std::{
    io::{self, Read, Write},
    sync::Arc,
    time::{Duration, Instant},
};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// How patiently a server is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkOptions {
    /// For a connection to be made.
    pub connect_timeout: Duration,
    /// Without a single byte.
    pub stall_timeout: Duration,
    /// For the whole feed, all attempts and waits together.
    pub total_timeout: Duration,
    /// How often at most; at least once.
    pub attempts: u32,
    /// Before the second attempt; doubled before each further one.
    pub first_wait: Duration,
    /// The longest wait between two attempts. A server that asks for a longer one is not asked again.
    pub longest_wait: Duration,
    /// Through what to connect.
    pub proxy: ProxyChoice,
}

/// Through what servers are reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyChoice {
    /// The proxy that the environment names, if it names one.
    #[default]
    Environment,
    /// No proxy.
    Direct,
}

impl Default for NetworkOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(30),
            total_timeout: Duration::from_secs(15 * 60),
            attempts: 4,
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(60),
            proxy: ProxyChoice::Environment,
        }
    }
}

/// How many redirects are followed to a feed.
const REDIRECTS: u32 = 5;

/// Why a feed could not be downloaded.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The server answers with an error.
    #[error("{url}: the server answers with status {status}")]
    Status {
        /// The address.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// The server asks for more patience than is allowed.
    #[error("{url}: the server asks to come back in {} s: try again later", wait.as_secs())]
    ComeBackLater {
        /// The address.
        url: String,
        /// How long it asks for.
        wait: Duration,
    },
    /// Too large, as announced or as received.
    #[error("{url}: it is larger than the {limit} bytes that this feed may have")]
    TooLarge {
        /// The address.
        url: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// The body ended before its announced length.
    #[error("{url}: the connection was cut after {received} of {announced} bytes")]
    CutOff {
        /// The address.
        url: String,
        /// Bytes that came.
        received: u64,
        /// Bytes that should have come.
        announced: u64,
    },
    /// It took too long.
    #[error("{url}: it took longer than {} s", limit.as_secs_f32())]
    TooSlow {
        /// The address.
        url: String,
        /// The limit.
        limit: Duration,
    },
    /// The network, the name, the certificate, or what the server said.
    #[error("{url}: {source}")]
    Network {
        /// The address.
        url: String,
        /// What went wrong.
        source: Box<ureq::Error>,
    },
    /// The machine has no certificate authorities, so that no server can be trusted.
    #[error("no certificate authorities are installed ({0}): install `ca-certificates` or set SSL_CERT_FILE")]
    NoRoots(String),
    /// The download can't be written.
    #[error("can't write the download: {0}")]
    Write(io::Error),
}

/// What a server said.
pub(crate) enum Fetched {
    /// What we have is the newest.
    NotModified,
    /// New content, which has been written.
    New { etag: Option<String>, last_modified: Option<String> },
}

/// What to ask for.
pub(crate) struct Request<'a> {
    pub url: &'a str,
    pub etag: Option<&'a str>,
    pub last_modified: Option<&'a str>,
    /// Largest body in bytes.
    pub limit: u64,
}

/// What happens on the way.
pub(crate) enum Step<'a> {
    Received { bytes: u64, of: Option<u64> },
    Again { wait: Duration, why: &'a FetchError },
}

/// An attempt that failed, and whether another may succeed.
struct Failure {
    error: FetchError,
    again: Again,
}

/// Downloads into `out`, which is emptied before each attempt by `restart`. `now` is for a date in `Retry-After`.
pub(crate) fn fetch<W: Write>(
    request: &Request<'_>,
    network: &NetworkOptions,
    now: Timestamp,
    out: &mut W,
    mut restart: impl FnMut(&mut W) -> io::Result<()>,
    step: &mut dyn FnMut(Step<'_>),
) -> Result<Fetched, FetchError> {
    let mut attempts = Attempts::new(network, Instant::now());
    let too_slow = || FetchError::TooSlow { url: request.url.to_owned(), limit: network.total_timeout };
    let tls = tls(request.url)?;
    loop {
        let left = attempts.left(network).ok_or_else(too_slow)?;
        let agent = agent(request.url, network, left, REDIRECTS, tls.clone());
        restart(out).map_err(FetchError::Write)?;
        let Failure { error, again } = match once(&agent, request, now, out, step) {
            Ok(fetched) => return Ok(fetched),
            Err(failure) => failure,
        };
        match attempts.failed(network, again) {
            Next::Wait(wait) => {
                step(Step::Again { wait, why: &error });
                std::thread::sleep(wait);
            }
            Next::GiveUp => return Err(error),
            Next::ComeBackLater(wait) => return Err(FetchError::ComeBackLater { url: request.url.to_owned(), wait }),
            Next::TooSlow => return Err(too_slow()),
        }
    }
}

fn once(
    agent: &ureq::Agent,
    request: &Request<'_>,
    now: Timestamp,
    out: &mut impl Write,
    step: &mut dyn FnMut(Step<'_>),
) -> Result<Fetched, Failure> {
    let url = || request.url.to_owned();
    let mut call = agent.get(request.url).header("accept-encoding", "gzip");
    if let Some(etag) = request.etag {
        call = call.header("if-none-match", etag);
    }
    if let Some(date) = request.last_modified {
        call = call.header("if-modified-since", date);
    }
    let response = call.call().map_err(|error| Failure::network(url(), error))?;
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let status = response.status().as_u16();
    let conditional = request.etag.is_some() || request.last_modified.is_some();
    match status {
        200 => {}
        304 if conditional => return Ok(Fetched::NotModified),
        status => {
            let again = match (status, header("retry-after")) {
                (408 | 425 | 429 | 500..=599, Some(after)) => {
                    retry_after(&after, now).map_or(Again::Soon, Again::After)
                }
                (408 | 425 | 429 | 500..=599, None) => Again::Soon,
                _ => Again::Never,
            };
            return Err(Failure { error: FetchError::Status { url: url(), status }, again });
        }
    }
    let announced = header("content-length").and_then(|length| length.parse::<u64>().ok());
    let too_large =
        || Failure { error: FetchError::TooLarge { url: url(), limit: request.limit }, again: Again::Never };
    if announced.is_some_and(|length| length > request.limit) {
        return Err(too_large());
    }
    let fetched = Fetched::New { etag: header("etag"), last_modified: header("last-modified") };
    let mut body = response.into_body().into_reader();
    let mut buffer = vec![0; 1 << 16];
    let mut received: u64 = 0;
    loop {
        let read = match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Failure::network(url(), ureq::Error::from(error))),
        };
        received += read as u64;
        if received > request.limit {
            return Err(too_large());
        }
        let write = |error| Failure { error: FetchError::Write(error), again: Again::Never };
        out.write_all(buffer.get(..read).unwrap_or_default()).map_err(write)?;
        step(Step::Received { bytes: received, of: announced });
    }
    match announced {
        Some(announced) if announced != received => {
            Err(Failure { error: FetchError::CutOff { url: url(), received, announced }, again: Again::Soon })
        }
        _ => Ok(fetched),
    }
}

impl Failure {
    /// What the network did is worth another attempt; what we asked for, or whom we may trust, does not change by asking again.
    fn network(url: String, error: ureq::Error) -> Failure {
        let again = if worth_another(&error) { Again::Soon } else { Again::Never };
        Failure { error: FetchError::Network { url, source: Box::new(error) }, again }
    }
}

/// Whether the network failed, and not what we asked for or whom we may trust.
pub(crate) fn worth_another(error: &ureq::Error) -> bool {
    let failed = matches!(
        error,
        ureq::Error::Io(_) | ureq::Error::Timeout(_) | ureq::Error::ConnectionFailed | ureq::Error::Protocol(_)
    );
    failed && !is_unknown_name(error)
}

/// Whether those who resolve names say that there is no such host: asking them again some seconds later would not help, and mostly the name is
/// misspelt. That they have no answer just now is another matter. Of what a resolver says the standard library keeps the text alone.
pub(crate) fn is_unknown_name(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::HostNotFound => true,
        ureq::Error::Io(error) => {
            let said = error.to_string();
            let later = ["Temporary failure", "try again", "Try again"].iter().any(|word| said.contains(word));
            // WSAHOST_NOT_FOUND of Windows; what the C libraries of Linux and macOS are asked through begins as the other does.
            error.raw_os_error() == Some(11_001) || (said.starts_with("failed to lookup address information") && !later)
        }
        _ => false,
    }
}

/// What asks a server; it follows so many redirects.
pub(crate) fn agent(
    url: &str,
    network: &NetworkOptions,
    left: Duration,
    redirects: u32,
    tls: TlsConfig,
) -> ureq::Agent {
    let mut config = ureq::Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        // A server that was asked securely must not lead elsewhere.
        .https_only(is_secure(url))
        .max_redirects(redirects)
        .user_agent(concat!("refit/", env!("CARGO_PKG_VERSION")))
        .timeout_global(Some(left))
        .timeout_connect(Some(network.connect_timeout))
        .timeout_per_read(Some(network.stall_timeout));
    if network.proxy == ProxyChoice::Direct {
        config = config.proxy(None);
    }
    config.build().new_agent()
}

/// The TLS settings. A plain address gets them too: it may lead to a secure one.
pub(crate) fn tls(url: &str) -> Result<TlsConfig, FetchError> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() && is_secure(url) {
        let why = found.errors.first().map_or_else(|| "none found".to_owned(), ToString::to_string);
        return Err(FetchError::NoRoots(why));
    }
    let roots: Vec<_> = found.certs.iter().map(|cert| Certificate::from_der(cert).to_owned()).collect();
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build())
}

fn is_secure(url: &str) -> bool {
    url.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"))
}

/// `Retry-After`, in seconds or as a date.
pub(crate) fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    if let Ok(seconds) = text.trim().parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = jiff::fmt::rfc2822::parse(text.trim()).ok()?.timestamp();
    Some(Duration::try_from(date.duration_since(now)).unwrap_or(Duration::ZERO))
        .filter(|_| date >= Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_nobody_knows_is_asked_for_once_and_a_resolver_that_fails_again() {
        let said = |text: &str| ureq::Error::Io(std::io::Error::other(text.to_owned()));
        for unknown in [
            said("failed to lookup address information: Name or service not known"),
            said("failed to lookup address information: nodename nor servname provided, or not known"),
            ureq::Error::HostNotFound,
            ureq::Error::Io(std::io::Error::from_raw_os_error(11_001)),
        ] {
            assert!(is_unknown_name(&unknown) && !worth_another(&unknown), "{unknown}");
        }
        for passing in [
            said("failed to lookup address information: Temporary failure in name resolution"),
            said("connection reset"),
            ureq::Error::ConnectionFailed,
        ] {
            assert!(!is_unknown_name(&passing) && worth_another(&passing), "{passing}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now: Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
        assert_eq!(retry_after("120", now), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Mon, 23 Nov 2026 10:00:30 GMT", now), Some(Duration::from_secs(30)));
        assert_eq!(retry_after("Mon, 23 Nov 2026 09:00:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("1.5", now), Some(Duration::from_millis(1500)));
        for none in ["soon", "-1", "NaN", "inf"] {
            assert_eq!(retry_after(none, now), None, "{none}");
        }
    }
}
