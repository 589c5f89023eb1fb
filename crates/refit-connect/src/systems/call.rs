//! Changing something in a system: one request, with what we know of whether it was taken.

use super::{
    AskError, Client,
    address::host,
    client::{Failure, Response},
    error::shown,
};
use crate::{
    feeds::{NetworkOptions, agent, tls},
    retry::{Attempts, Next},
};
use jiff::Timestamp;
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};
use ureq::{RequestBuilder, tls::TlsConfig};

/// How something is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET.
    Get,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
}

/// One request that changes something.
#[derive(Clone, Debug)]
pub struct Request<'r> {
    /// How.
    pub method: Method,
    /// The address.
    pub address: &'r str,
    /// What is sent, and of which media type it is.
    pub body: Option<(&'static str, &'r str)>,
    /// The version that is meant (`If-Match`).
    pub version: Option<&'r str>,
    /// Whether it does no harm to send it twice. What makes something does: it is sent again only where it surely was not taken.
    pub repeatable: bool,
}

/// What a system answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status, of those that say yes.
    pub status: u16,
    /// The answer.
    pub body: String,
}

/// Why something was not changed, as far as is known.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// It was not taken.
    #[error(transparent)]
    NotTaken(#[from] AskError),
    /// It does not let us.
    #[error(
        "{url}: the system does not let us change this (status {status}{said}): look at the secret and what it may do there"
    )]
    NotAllowed {
        /// The address, without parameters.
        url: String,
        /// The status.
        status: u16,
        /// What it says, after a colon; empty where it says nothing.
        said: String,
    },
    /// It is not known whether it was taken.
    #[error("{0}; whether it was taken is not known")]
    Lost(AskError),
    /// There is nothing there.
    #[error("{url}: it is not there (any more)")]
    Gone {
        /// The address, without parameters.
        url: String,
    },
    /// It is not as it was when it was looked at.
    #[error("{url}: somebody has changed it since it was looked at: run the same command again")]
    Changed {
        /// The address, without parameters.
        url: String,
    },
    /// What is waited for has not come.
    #[error("{url}: after {} s it is still not ready: run the same command again later", waited.as_secs())]
    NotReady {
        /// The address, without parameters.
        url: String,
        /// How long was waited.
        waited: Duration,
    },
}

impl CallError {
    /// The status that was answered, where one was.
    pub fn status(&self) -> Option<u16> {
        match self {
            CallError::NotTaken(error) | CallError::Lost(error) => error.status(),
            CallError::NotAllowed { status, .. } => Some(*status),
            CallError::Gone { .. } => Some(404),
            CallError::Changed { .. } => Some(412),
            CallError::NotReady { .. } => None,
        }
    }
}

/// How long is waited for something to be ready, altogether.
const READY_WITHIN: Duration = Duration::from_secs(300);
/// Between two looks whether it is.
const LOOK_EVERY: Duration = Duration::from_secs(2);

impl Client {
    /// Sends a request that changes something: again and again where that is safe, and makes sense.
    pub fn call(&mut self, request: &Request<'_>) -> Result<Reply, CallError> {
        let (url, started) = (request.address, Instant::now());
        let allowed: BTreeSet<String> = self.system.hosts.iter().filter_map(|address| host(address)).collect();
        if !allowed.is_empty() && host(url).is_none_or(|host| !allowed.contains(&host)) {
            return Err(AskError::Elsewhere { url: "the target".to_owned(), next: shown(url) }.into());
        }
        let network = self.system.network.clone();
        let tls = tls(url).map_err(|error| AskError::Network { url: shown(url), why: error.to_string() })?;
        let (mut attempts, mut renewed) = (Attempts::new(&network, started), false);
        loop {
            self.keep_pace();
            let left = attempts.left(&network);
            let left = left.ok_or_else(|| AskError::TooSlow { url: shown(url), limit: network.total_timeout })?;
            let had_token = self.token.is_some();
            let (failure, is_lost) = match self.authorize(&network, left) {
                Err(failure) => (failure, false),
                Ok(()) => match self.send(request, &network, left, &tls) {
                    Ok(response) => match response.status {
                        200..300 => return Ok(Reply { status: response.status, body: response.body }),
                        // A token may end before its time; a new one is worth one attempt.
                        401 if had_token && !renewed => {
                            self.token = None;
                            renewed = true;
                            continue;
                        }
                        404 | 410 => return Err(CallError::Gone { url: shown(url) }),
                        412 => return Err(CallError::Changed { url: shown(url) }),
                        status => {
                            let failure = Failure::status(url, &response, &self.system, Timestamp::now());
                            (failure, matches!(status, 408 | 500 | 502 | 504..600))
                        }
                    },
                    Err(failure) => {
                        // What never got through was not taken; of anything else nobody knows.
                        let is_lost = !failure.never_sent;
                        (failure, is_lost)
                    }
                },
            };
            let Failure { error, again, .. } = failure;
            if is_lost && !request.repeatable {
                return Err(CallError::Lost(error));
            }
            match attempts.failed(&network, again) {
                Next::Wait(wait) => std::thread::sleep(wait),
                Next::GiveUp if is_lost => return Err(CallError::Lost(error)),
                Next::GiveUp => return Err(given_up(error)),
                Next::ComeBackLater(wait) => return Err(AskError::ComeBackLater { url: shown(url), wait }.into()),
                Next::TooSlow => return Err(AskError::TooSlow { url: shown(url), limit: network.total_timeout }.into()),
            }
        }
    }

    /// Asks again and again until the answer is what is waited for.
    pub fn wait_for(&mut self, address: &str, is_ready: &dyn Fn(&str) -> bool) -> Result<Reply, CallError> {
        let started = Instant::now();
        let request = Request { method: Method::Get, address, body: None, version: None, repeatable: true };
        loop {
            let reply = self.call(&request)?;
            if is_ready(&reply.body) {
                return Ok(reply);
            }
            if started.elapsed() + LOOK_EVERY > READY_WITHIN {
                return Err(CallError::NotReady { url: shown(address), waited: started.elapsed() });
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn send(
        &mut self,
        request: &Request<'_>,
        network: &NetworkOptions,
        left: Duration,
        tls: &TlsConfig,
    ) -> Result<Response, Failure> {
        let url = request.address;
        // No redirect is followed: it would carry our token to wherever it leads.
        let agent = agent(url, network, left, 0, tls.clone());
        let mut headers = self.headers();
        headers.extend(request.version.map(|version| ("if-match".to_owned(), version.to_owned())));
        let parameter = self.system.authentication.parameter();
        let parameter = parameter.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let sent = match (request.method, request.body) {
            (Method::Get, _) => dressed(agent.get(url), &headers, &parameter).call(),
            (Method::Delete, _) => dressed(agent.delete(url), &headers, &parameter).call(),
            (method, body) => {
                let builder = match method {
                    Method::Put => agent.put(url),
                    Method::Patch => agent.patch(url),
                    _ => agent.post(url),
                };
                let builder = dressed(builder, &headers, &parameter);
                match body {
                    Some((media, text)) => builder.content_type(media).send(text),
                    None => builder.send_empty(),
                }
            }
        };
        let response = sent.map_err(|error| Failure::network(url, &error))?;
        self.receive(url, response, network)
    }
}

fn given_up(error: AskError) -> CallError {
    match error {
        AskError::NotAllowed { url, status, said } => CallError::NotAllowed { url, status, said },
        error => CallError::NotTaken(error),
    }
}

/// A request with our headers, and the parameter that shows who we are.
fn dressed<Body>(
    builder: RequestBuilder<Body>,
    headers: &[(String, String)],
    parameter: &Option<(String, String)>,
) -> RequestBuilder<Body> {
    let builder = headers.iter().fold(builder, |builder, (name, value)| builder.header(name, value));
    parameter.iter().fold(builder, |builder, (name, value)| builder.query(name, value))
}
