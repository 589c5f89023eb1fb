//! A person's sign-in at an OpenID provider, as a program on their machine does it: the authorization code flow of a public client with PKCE (RFC 7636),
//! through the person's own browser and a redirect to the loopback address (RFC 8252); and asking a provider for what it publishes.
//!
//! Nothing is believed here: the ID token goes to the server, which verifies it.

use crate::feeds::{NetworkOptions, ProxyChoice, agent, tls};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};
use ureq::http::header::CONTENT_TYPE;
use url::Url;

/// The largest answer of a provider that is read.
const LARGEST: u64 = 1 << 20;
/// How long a provider may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a browser may take to send its request, once it is connected.
const BROWSER_PATIENCE: Duration = Duration::from_secs(5);
/// The longest request of a browser that is read.
const REQUEST_LONGEST: usize = 16 << 10;
/// The path of the redirect.
const CALLBACK: &str = "/callback";

/// Why there is no ID token.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// The provider can't be asked, or not be trusted.
    #[error("{url}: {why}")]
    Network {
        /// The address.
        url: String,
        /// What went wrong.
        why: String,
    },
    /// The provider refuses, or the person did.
    #[error("the identity provider says no: {0}")]
    Refused(String),
    /// What came back belongs to no sign-in that was begun here.
    #[error("what came back is no answer to this sign-in ({0}): begin again")]
    Foreign(&'static str),
    /// Nobody signed in.
    #[error("nobody has signed in within {} minutes", .0.as_secs() / 60)]
    TooLate(Duration),
    /// The system gives no random numbers, or no port.
    #[error("this machine can't take the answer of a browser: {0}")]
    Machine(io::Error),
}

/// What a server says of where and as whom to sign in.
#[derive(Clone, Copy, Debug)]
pub struct Provider<'p> {
    /// The issuer.
    pub issuer: &'p str,
    /// Where people sign in.
    pub authorization_endpoint: &'p str,
    /// Where the code is exchanged.
    pub token_endpoint: &'p str,
    /// As which client.
    pub client: &'p str,
    /// The scopes, with blanks.
    pub scope: &'p str,
    /// The server's nonce.
    pub nonce: &'p str,
}

/// A sign-in that was begun: it holds what only this program knows.
pub struct SignIn {
    listener: TcpListener,
    redirect: String,
    state: String,
    verifier: String,
    stopped: AtomicBool,
}

/// The answer of a token endpoint.
#[derive(Deserialize)]
struct Tokens {
    #[serde(default)]
    id_token: Option<String>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    error_description: Option<String>,
}

/// Whether a provider may be asked at an address: by TLS, or on this machine.
pub fn is_fit(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    let is_local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    (url.scheme() == "https" || url.scheme() == "http" && is_local) && url.username().is_empty()
}

/// What a provider publishes at an address. Redirects are not followed.
pub fn published(url: &str) -> Result<Vec<u8>, SignInError> {
    ask(url, None).and_then(|(status, body)| match status {
        200 => Ok(body),
        status => Err(failed(url, format!("it answers with status {status}"))),
    })
}

fn failed(url: &str, why: impl ToString) -> SignInError {
    SignInError::Network { url: url.to_owned(), why: why.to_string() }
}

fn ask(url: &str, form: Option<&[(&str, &str)]>) -> Result<(u16, Vec<u8>), SignInError> {
    if !is_fit(url) {
        return Err(failed(url, "an identity provider is asked by `https://`"));
    }
    let tls = tls(url).map_err(|error| failed(url, error))?;
    // What is on this machine is not asked for through a proxy.
    let proxy = if url.starts_with("http:") { ProxyChoice::Direct } else { ProxyChoice::Environment };
    let network =
        NetworkOptions { stall_timeout: PATIENCE, connect_timeout: PATIENCE, proxy, ..NetworkOptions::default() };
    let agent = agent(url, &network, PATIENCE, 0, tls);
    let response = match form {
        Some(form) => agent.post(url).header("accept", "application/json").send_form(form.iter().copied()),
        None => agent.get(url).header("accept", "application/json").call(),
    };
    let response = response.map_err(|error| failed(url, error))?;
    let status = response.status().as_u16();
    let mut body = Vec::new();
    let mut reader = response.into_body().into_reader().take(LARGEST + 1);
    reader.read_to_end(&mut body).map_err(|error| failed(url, error))?;
    if body.len() as u64 > LARGEST {
        return Err(failed(url, "its answer is too large"));
    }
    Ok((status, body))
}

impl std::fmt::Debug for SignIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignIn").field("redirect", &self.redirect).finish_non_exhaustive()
    }
}

impl SignIn {
    /// Begins: listens on the loopback address, at `port` or at any that is free.
    pub fn begin(port: Option<u16>) -> Result<SignIn, SignInError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.unwrap_or(0))).map_err(SignInError::Machine)?;
        let port = listener.local_addr().map_err(SignInError::Machine)?.port();
        // The address and not `localhost`, which may lead elsewhere (RFC 8252, 8.3).
        let redirect = format!("http://127.0.0.1:{port}{CALLBACK}");
        Ok(SignIn { listener, redirect, state: random()?, verifier: random()?, stopped: AtomicBool::new(false) })
    }

    /// Where the browser has to send its person back to.
    pub fn redirect(&self) -> &str {
        &self.redirect
    }

    /// What the person opens in a browser.
    pub fn url(&self, provider: &Provider<'_>) -> Result<String, SignInError> {
        let wrong = |why: &str| failed(provider.authorization_endpoint, why);
        if !is_fit(provider.authorization_endpoint) {
            return Err(wrong("people sign in by `https://`"));
        }
        let mut url = Url::parse(provider.authorization_endpoint).map_err(|error| wrong(&error.to_string()))?;
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&self.verifier));
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", provider.client)
            .append_pair("redirect_uri", &self.redirect)
            .append_pair("scope", provider.scope)
            .append_pair("state", &self.state)
            .append_pair("nonce", provider.nonce)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        Ok(url.into())
    }

    /// Waits until the browser comes back; gives the address that it asked for. What else asks at this port is told that there is nothing.
    pub fn wait(&self, patience: Duration) -> Result<String, SignInError> {
        let until = Instant::now() + patience;
        self.listener.set_nonblocking(true).map_err(SignInError::Machine)?;
        while Instant::now() < until && !self.stopped.load(Ordering::Relaxed) {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    if let Some(path) = answered(stream).filter(|path| self.is_own(path)) {
                        return Ok(format!("http://127.0.0.1{path}"));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                Err(error) => return Err(SignInError::Machine(error)),
            }
        }
        Err(SignInError::TooLate(patience))
    }

    /// Waits no longer: the answer came another way.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Whether a request is the answer to this sign-in: any page of the browser could ask here.
    fn is_own(&self, path: &str) -> bool {
        let url = Url::parse("http://127.0.0.1").and_then(|base| base.join(path));
        url.is_ok_and(|url| {
            url.path() == CALLBACK && url.query_pairs().any(|(name, value)| name == "state" && value == self.state)
        })
    }

    /// The code in the address that the browser came back to, or that somebody copied from it.
    pub fn code(&self, came_back: &str, issuer: &str) -> Result<String, SignInError> {
        let url = Url::parse(came_back.trim()).map_err(|_| SignInError::Foreign("it is no address"))?;
        let of = |name: &str| url.query_pairs().find(|(is, _)| is == name).map(|(_, value)| value.into_owned());
        if of("state").as_deref() != Some(self.state.as_str()) {
            return Err(SignInError::Foreign("its `state` is another"));
        }
        // Which provider answers, where it says so (RFC 9207).
        if of("iss").is_some_and(|said| said != issuer) {
            return Err(SignInError::Foreign("another provider has answered"));
        }
        if let Some(error) = of("error") {
            let why = of("error_description").map_or_else(String::new, |why| format!(": {why}"));
            return Err(SignInError::Refused(shown(&format!("{error}{why}"))));
        }
        of("code").ok_or(SignInError::Foreign("it has no code"))
    }

    /// The ID token for a code. Only who began has the verifier of which the browser told the digest.
    pub fn exchange(&self, provider: &Provider<'_>, code: &str) -> Result<String, SignInError> {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.redirect),
            ("client_id", provider.client),
            ("code_verifier", &self.verifier),
        ];
        let url = provider.token_endpoint;
        let (status, body) = ask(url, Some(&form))?;
        let tokens: Tokens = serde_json::from_slice(&body)
            .map_err(|_| failed(url, format!("it answers with status {status}, and with no JSON")))?;
        match (tokens.id_token, tokens.error) {
            (Some(token), None) if status == 200 => Ok(token),
            (_, Some(error)) => {
                let why = tokens.error_description.map_or_else(String::new, |why| format!(": {why}"));
                Err(SignInError::Refused(shown(&format!("{error}{why}"))))
            }
            _ => Err(failed(url, format!("it answers with status {status}, and without an ID token"))),
        }
    }
}

/// Text of somebody else's, fit to be shown.
fn shown(text: &str) -> String {
    let mut shown = String::new();
    for c in text.chars().take(300) {
        if c.is_control() {
            shown.extend(c.escape_debug());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// 32 random bytes as text: as long as a verifier has to be (RFC 7636, 4.1).
fn random() -> Result<String, SignInError> {
    let mut bytes = [0; 32];
    let none = |_| SignInError::Machine(io::Error::other("the system gives no random numbers"));
    SystemRandom::new().fill(&mut bytes).map_err(none)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

const PAGE: &str =
    "<!doctype html><meta charset=utf-8><title>Refit</title><p>You can close this window, and go on where you began.";

/// Answers a browser; gives the path that it asked for.
fn answered(mut stream: TcpStream) -> Option<String> {
    stream.set_nonblocking(false).ok()?;
    stream.set_read_timeout(Some(BROWSER_PATIENCE)).ok()?;
    stream.set_write_timeout(Some(BROWSER_PATIENCE)).ok()?;
    let (mut request, mut part) = (Vec::new(), [0; 2_048]);
    while !request.windows(4).any(|end| end == b"\r\n\r\n") && request.len() < REQUEST_LONGEST {
        match stream.read(&mut part).ok()? {
            0 => break,
            length => request.extend_from_slice(part.get(..length)?),
        }
    }
    let line = String::from_utf8_lossy(&request).lines().next().unwrap_or_default().to_owned();
    let path = line.strip_prefix("GET ").and_then(|rest| rest.split(' ').next()).map(str::to_owned);
    let is_callback = path.as_ref().is_some_and(|path| path.starts_with(CALLBACK));
    let (status, body) = if is_callback { ("200 OK", PAGE) } else { ("404 Not Found", "") };
    let head = format!(
        "HTTP/1.1 {status}\r\n{CONTENT_TYPE}: text/html; charset=utf-8\r\ncontent-length: {}\r\ncache-control: no-store\r\n\
         referrer-policy: no-referrer\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
    path.filter(|_| is_callback)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROVIDER: Provider<'_> = Provider {
        issuer: "https://id.example",
        authorization_endpoint: "https://id.example/authorize?tenant=a",
        token_endpoint: "https://id.example/token",
        client: "refit",
        scope: "openid email",
        nonce: "n",
    };

    #[test]
    fn what_is_opened_says_the_digest_of_what_only_this_program_knows() {
        let begun = SignIn::begin(None).unwrap();
        let url = Url::parse(&begun.url(&PROVIDER).unwrap()).unwrap();
        let of = |name: &str| url.query_pairs().find(|(is, _)| is == name).unwrap().1.into_owned();
        assert_eq!((of("tenant"), of("code_challenge_method")), ("a".to_owned(), "S256".to_owned()));
        assert_eq!(of("code_challenge"), URL_SAFE_NO_PAD.encode(Sha256::digest(&begun.verifier)));
        assert_eq!(begun.verifier.len(), 43);
        assert_ne!(begun.state, begun.verifier);
        assert!(!url.as_str().contains(&begun.verifier) && of("redirect_uri").starts_with("http://127.0.0.1:"));
        let plain = Provider { authorization_endpoint: "http://id.example/authorize", ..PROVIDER };
        assert!(begun.url(&plain).is_err());
    }

    #[test]
    fn only_the_answer_to_this_sign_in_counts() {
        let begun = SignIn::begin(None).unwrap();
        let code = |query: &str| begun.code(&format!("{}?{query}", begun.redirect()), PROVIDER.issuer);
        let own = format!("state={}", begun.state);
        assert_eq!(code(&format!("{own}&code=c&iss=https%3A%2F%2Fid.example")).unwrap(), "c");
        assert_eq!(code(&format!("{own}&code=c")).unwrap(), "c");
        for (query, why) in [
            ("state=x&code=c".to_owned(), "`state` is another"),
            ("code=c".to_owned(), "`state` is another"),
            (format!("{own}&code=c&iss=https://evil.example"), "another provider"),
            (own.clone(), "no code"),
            (format!("{own}&error=access_denied&error_description=no%1b"), "access_denied: no\\u{1b}"),
        ] {
            assert!(code(&query).unwrap_err().to_string().contains(why), "{query}");
        }
    }

    #[test]
    fn a_browser_is_waited_for_and_strangers_are_not_heard() {
        let begun = SignIn::begin(None).unwrap();
        let (address, state) = (begun.listener.local_addr().unwrap(), begun.state.clone());
        let asking = std::thread::spawn(move || {
            let get = |path: &str| {
                let mut stream = TcpStream::connect(address).unwrap();
                stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).unwrap();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).unwrap();
                answer.split("\r\n").next().unwrap().to_owned()
            };
            assert_eq!(get("/favicon.ico"), "HTTP/1.1 404 Not Found");
            assert_eq!(get("/callback?state=guessed&code=evil"), "HTTP/1.1 200 OK");
            assert_eq!(get(&format!("/callback?state={state}&code=c")), "HTTP/1.1 200 OK");
        });
        let came_back = begun.wait(Duration::from_secs(20)).unwrap();
        assert_eq!(begun.code(&came_back, PROVIDER.issuer).unwrap(), "c");
        asking.join().unwrap();
        assert!(matches!(begun.wait(Duration::from_millis(60)), Err(SignInError::TooLate(_))));
    }

    #[test]
    fn providers_are_asked_by_tls_or_on_this_machine() {
        for url in ["https://id.example", "http://127.0.0.1:1/x", "http://localhost", "http://[::1]:9"] {
            assert!(is_fit(url), "{url}");
        }
        for url in
            ["http://id.example", "http://127.0.0.1.evil.example", "ftp://id.example", "id.example", "https://a@b"]
        {
            assert!(!is_fit(url), "{url}");
        }
    }
}
