//! Sending to addresses that somebody else chose: webhooks of subscriptions.
//!
//! Whoever may subscribe chooses where the server sends requests, so that a request must not reach what only the server can reach. The name
//! is resolved once, the addresses are checked, and the connection is made to one of those: a name that changes its mind is not asked again.
//! No redirect is followed, no proxy is used, and nothing of the answer is read but its status and `Retry-After`.
//!
//! - `addresses.rs` Which addresses are public.
//! - `signature.rs` Signatures, as Standard Webhooks has them.

mod addresses;
mod signature;

pub use addresses::is_public;
pub use signature::{Secret, SecretError, headers};

use crate::feeds::{retry_after, tls};
use jiff::Timestamp;
use std::{collections::BTreeSet, time::Duration};
use ureq::{
    Agent,
    config::Config,
    http::Uri,
    unversioned::{
        resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver},
        transport::{DefaultConnector, NextTimeout},
    },
};

/// How long a request may take, as Standard Webhooks recommends (15 to 30 s).
const PATIENCE: Duration = Duration::from_secs(20);

/// Sends requests to addresses that somebody else chose.
#[derive(Clone, Debug, Default)]
pub struct Outbound {
    /// Hosts (`host:port`, in small letters) that may be private, and may be asked without TLS.
    private: BTreeSet<String>,
}

/// What a receiver answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The status.
    pub status: u16,
    /// How long it asks to wait.
    pub wait: Option<Duration>,
}

/// Why a request was not sent, or not answered.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// It is no address to send to.
    #[error("`{url}` is no address for a webhook: {why}")]
    Address {
        /// The address.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The host has no public address.
    #[error(
        "`{host}` leads to no public address: whoever runs the server has to allow it with `--webhook-private {host}`"
    )]
    Private {
        /// The host and port.
        host: String,
    },
    /// The network, the name, or the certificate.
    #[error("it can't be asked: {0}")]
    Network(Box<ureq::Error>),
    /// No server can be trusted here.
    #[error("{0}")]
    NoRoots(String),
}

impl Outbound {
    /// Sends to public addresses, and to these hosts (`host:port`) wherever they are.
    pub fn new(private: impl IntoIterator<Item = String>) -> Outbound {
        Outbound { private: private.into_iter().map(|host| host.to_ascii_lowercase()).collect() }
    }

    /// Refuses what is no address to send to, by how it is written: what a name leads to shows when it is asked.
    pub fn check(&self, url: &str) -> Result<(), OutboundError> {
        self.host(url).map(|_| ())
    }

    /// The host and port of an address, and whether they may be private.
    fn host(&self, url: &str) -> Result<(String, bool), OutboundError> {
        let wrong = |why| OutboundError::Address { url: url.to_owned(), why };
        let uri: Uri = url.parse().map_err(|_| wrong("it can't be read"))?;
        let scheme = uri.scheme_str().ok_or_else(|| wrong("it begins with `https://`"))?.to_ascii_lowercase();
        let authority = uri.authority().ok_or_else(|| wrong("it has no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("it has a user or password, which would be sent"));
        }
        let port = match scheme.as_str() {
            "https" => 443,
            "http" => 80,
            _ => return Err(wrong("it begins with `https://`")),
        };
        let host = format!("{}:{}", authority.host().to_ascii_lowercase(), authority.port_u16().unwrap_or(port));
        let private = self.private.contains(&host);
        if scheme != "https" && !private {
            return Err(wrong("it begins with `https://`: without TLS everybody on the way can read it"));
        }
        Ok((host, private))
    }

    /// Posts a body.
    ///
    /// # Errors
    ///
    /// Where nothing was sent, or no answer came. A receiver may have taken it all the same.
    pub fn post(&self, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Answered, OutboundError> {
        let (host, private) = self.host(url)?;
        let tls = tls(url).map_err(|error| OutboundError::NoRoots(error.to_string()))?;
        let config = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent(concat!("refit/", env!("CARGO_PKG_VERSION")))
            .timeout_global(Some(PATIENCE))
            .build();
        let resolver = Checked { inner: DefaultResolver::default(), private };
        let agent = Agent::with_parts(config, DefaultConnector::default(), resolver);
        let mut request = agent.post(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send(body).map_err(|error| match error {
            ureq::Error::Other(why) if why.is::<NotPublic>() => OutboundError::Private { host: host.clone() },
            error => OutboundError::Network(Box::new(error)),
        })?;
        let wait = answer.headers().get("retry-after").and_then(|value| value.to_str().ok());
        let wait = wait.and_then(|text| retry_after(text, Timestamp::now()));
        Ok(Answered { status: answer.status().as_u16(), wait })
    }
}

/// Resolves names, and leaves out what is not public.
#[derive(Debug)]
struct Checked {
    inner: DefaultResolver,
    private: bool,
}

/// A name leads to no public address.
#[derive(Debug, thiserror::Error)]
#[error("it leads to no public address")]
struct NotPublic;

impl Resolver for Checked {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.inner.resolve(uri, config, timeout)?;
        if self.private {
            return Ok(found);
        }
        let mut kept = self.empty();
        for address in found.iter().filter(|address| is_public(address.ip())) {
            kept.push(*address);
        }
        if kept.is_empty() {
            return Err(ureq::Error::Other(Box::new(NotPublic)));
        }
        Ok(kept)
    }
}

#[cfg(test)]
mod tests;
