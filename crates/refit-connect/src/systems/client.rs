//! Reading a list, page after page.

use super::{
    AskError, Body, Question, System,
    address::host,
    authentication::{Failed, Token},
    error::{Trouble, said, shown, trouble},
    paging::{Answer, Page},
};
use crate::{
    feeds::{NetworkOptions, agent, is_unknown_name, retry_after, tls, worth_another},
    retry::{Again, Attempts, Next},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::Read as _,
    time::{Duration, Instant},
};
use ureq::tls::TlsConfig;

/// Asks one system. It keeps its token between questions.
pub struct Client {
    pub(super) system: System,
    pub(super) token: Option<Token>,
    /// When the next request may be made.
    next: Option<Instant>,
}

/// Gets the text of one page after the other and says how many records it has, or why the reading can't go on.
pub type PageReader<'p> = &'p mut dyn FnMut(&str) -> Result<usize, String>;

/// How a question was answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answered {
    /// Pages that were read.
    pub pages: u32,
    /// Requests that were made for them, tokens apart.
    pub requests: u32,
    /// How long was waited because the system wanted it, or had failed.
    pub waited: Duration,
    /// The last page: where it has a token or an address for what changes from now on, it is there.
    pub last: String,
}

/// The largest page, in bytes.
const LARGEST: u64 = 256 << 20;
/// More pages than that are a circle.
const PAGES_MOST: u32 = 1_000_000;

/// The status of an answer that has nothing to say: a list without records.
const NO_CONTENT: u16 = 204;

/// One answer of the system.
pub(super) struct Response {
    pub status: u16,
    links: Vec<String>,
    headers: ureq::http::HeaderMap,
    pub body: String,
}

impl Client {
    /// Asks a system from now on.
    pub fn new(system: System) -> Client {
        Client { system, token: None, next: None }
    }

    /// Reads a list.
    pub fn read(&mut self, question: &Question, page: PageReader<'_>) -> Result<Answered, AskError> {
        let started = Instant::now();
        let mut answered = Answered::default();
        let mut hosts: BTreeSet<String> = self.system.hosts.iter().filter_map(|address| host(address)).collect();
        if hosts.is_empty() {
            hosts.extend(host(&question.address));
        }
        let (mut wanted, mut records) = (question.paging.first(), 0);
        let mut seen: BTreeSet<String> = BTreeSet::new();
        let mut bodies: BTreeSet<u64> = BTreeSet::new();
        loop {
            let (url, parameters) = match &wanted {
                Page::With(parameters) => (question.address.as_str(), Some(parameters)),
                Page::At(url) => (url.as_str(), None),
            };
            if host(url).is_none_or(|host| !hosts.contains(&host)) {
                return Err(AskError::Elsewhere { url: shown(&question.address), next: shown(url) });
            }
            if !seen.insert(format!("{wanted:?}")) || answered.pages >= PAGES_MOST {
                let why = "the next page is one that was read already".to_owned();
                return Err(AskError::NotUnderstood { url: shown(url), why });
            }
            let response = self.page(question, url, parameters.map(Vec::as_slice), started, &mut answered)?;
            if response.status == NO_CONTENT {
                answered.pages += 1;
                return Ok(answered);
            }
            let count = page(&response.body).map_err(|why| AskError::Stopped { url: shown(url), why })?;
            // A system that does not know the parameter of its pages gives the first one for ever.
            if count > 0 && !bodies.insert(fingerprint(&response.body)) {
                let why = "the page is one that was read already: does the system know the parameter of its pages?"
                    .to_owned();
                return Err(AskError::NotUnderstood { url: shown(url), why });
            }
            let answer = Answer {
                url,
                links: &response.links,
                body: &response.body,
                records: count,
                before: records,
                pages_before: answered.pages,
            };
            let next = question.paging.next(&answer)?;
            records += count as u64;
            answered.pages += 1;
            match next {
                Some(next) => wanted = next,
                None => {
                    answered.last = response.body;
                    return Ok(answered);
                }
            }
        }
    }

    /// Asks for one page until it is there, or can't be had.
    fn page(
        &mut self,
        question: &Question,
        url: &str,
        parameters: Option<&[(String, Value)]>,
        started: Instant,
        answered: &mut Answered,
    ) -> Result<Response, AskError> {
        let network = self.system.network.clone();
        let too_slow = || AskError::TooSlow { url: shown(url), limit: network.total_timeout };
        let tls = tls(url).map_err(|error| AskError::Network { url: shown(url), why: error.to_string() })?;
        let (mut attempts, mut renewed) = (Attempts::new(&network, started), false);
        loop {
            answered.waited += self.keep_pace();
            let left = attempts.left(&network).ok_or_else(too_slow)?;
            let Failure { error, again, .. } =
                match self.once(question, url, parameters, &network, left, &tls, answered) {
                    Ok(response) => {
                        // GraphQL says 200 of everything; what is wrong stands in the body.
                        let graphql = matches!(question.body, Body::Graphql { .. });
                        let trouble = if graphql { trouble(&response.body) } else { None };
                        let good = (200..300).contains(&response.status);
                        let status = if good { trouble.as_ref().map_or(200, Trouble::status) } else { response.status };
                        // A token may end before its time; a new one is worth one attempt.
                        if status == 401 && self.token.is_some() && !renewed {
                            self.token = None;
                            renewed = true;
                            continue;
                        }
                        match trouble {
                            None if good => return Ok(response),
                            Some(trouble) if good => Failure::trouble(url, &response, trouble, &self.system),
                            _ => Failure::status(url, &response, &self.system, Timestamp::now()),
                        }
                    }
                    Err(failure) => failure,
                };
            match attempts.failed(&network, again) {
                Next::Wait(wait) => {
                    std::thread::sleep(wait);
                    answered.waited += wait;
                }
                Next::GiveUp => return Err(error),
                Next::ComeBackLater(wait) => return Err(AskError::ComeBackLater { url: shown(url), wait }),
                Next::TooSlow => return Err(too_slow()),
            }
        }
    }

    /// Waits until the next request may be made; gives how long that was.
    pub(super) fn keep_pace(&mut self) -> Duration {
        let wait = self.next.and_then(|next| next.checked_duration_since(Instant::now())).unwrap_or_default();
        if !wait.is_zero() {
            std::thread::sleep(wait);
        }
        self.next = Some(Instant::now() + self.system.limits.between());
        wait
    }

    /// The headers of every request: what the connector wants, and who we are.
    pub(super) fn headers(&self) -> Vec<(String, String)> {
        let mut headers = self.system.headers.clone();
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("accept")) {
            headers.push(("accept".into(), "application/json".into()));
        }
        headers.push(("accept-encoding".into(), "gzip".into()));
        headers.extend(self.system.authentication.header(self.token.as_ref()));
        headers
    }

    #[allow(clippy::too_many_arguments, reason = "one request needs all of them, and nothing else does")]
    fn once(
        &mut self,
        question: &Question,
        url: &str,
        parameters: Option<&[(String, Value)]>,
        network: &NetworkOptions,
        left: Duration,
        tls: &TlsConfig,
        answered: &mut Answered,
    ) -> Result<Response, Failure> {
        // No redirect is followed: it would carry our token to wherever it leads.
        let agent = agent(url, network, left, 0, tls.clone());
        self.authorize(network, left)?;
        // In the address of a next page all of it is in already.
        let mut pairs: Vec<(&str, String)> = Vec::new();
        if let Some(page) = parameters {
            pairs.extend(question.query.iter().map(|(name, value)| (name.as_str(), value.clone())));
            if !matches!(question.body, Body::Graphql { .. }) {
                pairs.extend(page.iter().map(|(name, value)| (name.as_str(), as_text(value))));
            }
        }
        pairs.extend(self.system.authentication.parameter().map(|(name, value)| (name, value.to_owned())));
        let pairs = pairs.iter().map(|(name, value)| (*name, value.as_str()));
        let headers = self.headers();
        answered.requests += 1;
        let body = match &question.body {
            Body::Nothing => None,
            Body::Json(text) => Some(text.clone()),
            Body::Graphql { query, variables } => {
                let mut variables = variables.clone();
                variables.extend(parameters.unwrap_or_default().iter().cloned());
                Some(json!({ "query": query, "variables": variables }).to_string())
            }
        };
        let response = match &body {
            None => {
                let request = agent.get(url).query_pairs(pairs);
                headers.iter().fold(request, |request, (name, value)| request.header(name, value)).call()
            }
            Some(body) => {
                let request = agent.post(url).query_pairs(pairs).content_type("application/json");
                headers.iter().fold(request, |request, (name, value)| request.header(name, value)).send(body.as_str())
            }
        };
        let response = response.map_err(|error| Failure::network(url, &error))?;
        self.receive(url, response, network)
    }

    /// Reads an answer to its end, and notes what it says of when the next request may be made.
    pub(super) fn receive(
        &mut self,
        url: &str,
        response: ureq::http::Response<ureq::Body>,
        network: &NetworkOptions,
    ) -> Result<Response, Failure> {
        let network_failure = |error: ureq::Error| Failure { never_sent: false, ..Failure::network(url, &error) };
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let announced = header("content-length").and_then(|length| length.parse::<u64>().ok());
        let (mut body, mut reader) = (Vec::new(), response.into_body().into_reader().take(LARGEST + 1));
        reader.read_to_end(&mut body).map_err(|error| network_failure(ureq::Error::from(error)))?;
        let not_understood = |why: String| Failure::new(AskError::NotUnderstood { url: shown(url), why }, Again::Never);
        let too_large =
            || not_understood(format!("a page is larger than {} MiB: ask for fewer records at once", LARGEST >> 20));
        if body.len() as u64 > LARGEST {
            return Err(too_large());
        }
        if let Some(announced) = announced.filter(|announced| *announced > body.len() as u64) {
            let why = format!("the connection was cut after {} of {announced} bytes", body.len());
            return Err(Failure::new(AskError::Network { url: shown(url), why }, Again::Soon));
        }
        match header("content-encoding").map(|coding| coding.trim().to_ascii_lowercase()).as_deref() {
            None | Some("" | "identity") => {}
            Some("gzip" | "x-gzip") => {
                body = unpacked(&body).map_err(|error| {
                    let why = format!("the answer can't be unpacked: {error}");
                    Failure::new(AskError::Network { url: shown(url), why }, Again::Soon)
                })?;
                if body.len() as u64 > LARGEST {
                    return Err(too_large());
                }
            }
            Some(other) => {
                return Err(not_understood(format!(
                    "the answer is packed as `{}`, which was not asked for",
                    other.escape_debug()
                )));
            }
        }
        if let Some(wait) =
            self.system.limits.wait(header, Timestamp::now()).filter(|wait| *wait <= network.longest_wait)
        {
            self.next = self.next.max(Instant::now().checked_add(wait));
        }
        let links = headers.get_all("link").iter().filter_map(|value| value.to_str().ok()).map(str::to_owned).collect();
        let body = String::from_utf8_lossy(&body).into_owned();
        Ok(Response { status, links, headers, body })
    }

    /// Gets a token, where one is needed and the one that we have does not count any more.
    pub(super) fn authorize(&mut self, network: &NetworkOptions, left: Duration) -> Result<(), Failure> {
        let Some(url) = self.system.authentication.token_address().map(str::to_owned) else { return Ok(()) };
        let now = Timestamp::now();
        if self.token.as_ref().is_some_and(|token| token.counts(now)) {
            return Ok(());
        }
        let allowed: BTreeSet<String> = self.system.hosts.iter().filter_map(|address| host(address)).collect();
        if !allowed.is_empty() && host(&url).is_none_or(|host| !allowed.contains(&host)) {
            let error = AskError::Elsewhere { url: "the connector".to_owned(), next: shown(&url) };
            return Err(Failure::new(error, Again::Never));
        }
        let tls = tls(&url).map_err(|error| {
            Failure::new(AskError::Network { url: shown(&url), why: error.to_string() }, Again::Never)
        })?;
        let agent = agent(&url, network, left, 0, tls);
        match self.system.authentication.fetch(&agent, now) {
            Ok(token) => {
                self.token = Some(token);
                Ok(())
            }
            Err(Failed::Ask(error)) => Err(Failure::new(error, Again::Never)),
            Err(Failed::Network(error)) => Err(Failure::network(&url, &error)),
            Err(Failed::Busy { status, retry_after: said }) => {
                let again = said.and_then(|said| retry_after(&said, now)).map_or(Again::Soon, Again::After);
                Err(Failure::new(AskError::NoToken { url: shown(&url), status, said: String::new() }, again))
            }
        }
    }
}

/// What is in a packed answer, as far as a page may be long and a byte beyond.
fn unpacked(packed: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    flate2::read::MultiGzDecoder::new(packed).take(LARGEST + 1).read_to_end(&mut body)?;
    Ok(body)
}

fn fingerprint(body: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    hasher.finish()
}

/// An attempt that failed, and whether another may succeed.
pub(super) struct Failure {
    pub error: AskError,
    pub again: Again,
    /// Whether the system surely got nothing.
    pub never_sent: bool,
}

impl Failure {
    fn new(error: AskError, again: Again) -> Failure {
        Failure { error, again, never_sent: false }
    }

    pub(super) fn network(url: &str, error: &ureq::Error) -> Failure {
        let again = if worth_another(error) { Again::Soon } else { Again::Never };
        let never_sent = match error {
            ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => true,
            ureq::Error::Timeout(at) => matches!(at, ureq::Timeout::Resolve | ureq::Timeout::Connect),
            ureq::Error::Io(refused) => {
                refused.kind() == std::io::ErrorKind::ConnectionRefused || is_unknown_name(error)
            }
            _ => false,
        };
        let why = match is_unknown_name(error) {
            true => "no host of this name is known: is the address right?".to_owned(),
            false => error.to_string(),
        };
        Failure { error: AskError::Network { url: shown(url), why }, again, never_sent }
    }

    /// Of an answer in GraphQL that says what is wrong.
    fn trouble(url: &str, response: &Response, trouble: Trouble, system: &System) -> Failure {
        let header = |name: &str| response.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let now = Timestamp::now();
        let url = shown(url);
        match trouble {
            Trouble::TooMuch(why) => {
                let asked = header("retry-after").and_then(|said| retry_after(&said, now));
                let again = asked.or_else(|| system.limits.until_reset(header, now)).map_or(Again::Soon, Again::After);
                Failure::new(AskError::NotAnswered { url, why }, again)
            }
            Trouble::NotAllowed(said) => {
                let said = format!(": {said}");
                Failure::new(AskError::NotAllowed { url, status: 200, said }, Again::Never)
            }
            Trouble::Other(why) => Failure::new(AskError::NotAnswered { url, why }, Again::Never),
        }
    }

    pub(super) fn status(url: &str, response: &Response, system: &System, now: Timestamp) -> Failure {
        let status = response.status;
        let header = |name: &str| response.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let said = match header("location").filter(|_| (300..400).contains(&status)) {
            Some(elsewhere) => format!(": it leads to {}, which is not followed", shown(&elsewhere)),
            None => said(&response.body),
        };
        let url = shown(url);
        let again = match status {
            408 | 425 | 429 | 500..=599 => {
                let asked = header("retry-after").and_then(|said| retry_after(&said, now));
                let reset = || system.limits.until_reset(header, now).filter(|_| status == 429);
                asked.or_else(reset).map_or(Again::Soon, Again::After)
            }
            _ => Again::Never,
        };
        let error = match status {
            401 | 403 => AskError::NotAllowed { url, status, said },
            _ => AskError::Refused { url, status, said },
        };
        Failure::new(error, again)
    }
}

/// A value as a parameter of an address has it.
fn as_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
