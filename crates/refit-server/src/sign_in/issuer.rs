//! What a provider publishes (OpenID Connect Discovery 1.0): where it is asked, and its keys, which it changes without telling anybody.

use super::{SignInError, id_token::Keys};
use jiff::Timestamp;
use refit_connect::sign_in::{is_fit, published};
use serde::Deserialize;
use std::sync::Arc;
use tokio::sync::Mutex;

/// How long what was discovered is believed, in seconds.
const DISCOVERED_LASTS: i64 = 3_600;
/// How long keys are believed, in seconds: a key that the provider has withdrawn signs no longer than that.
const KEYS_LAST: i64 = 600;
/// How often keys are asked for again at most because a token names one that is not known, in seconds. Anybody can make such tokens.
const KEYS_AGAIN: i64 = 15;
/// How long a failure is answered again without asking, in seconds.
const FAILURE_LASTS: i64 = 5;

/// A provider.
#[derive(Debug)]
pub(super) struct Issuer {
    issuer: String,
    /// Held while it is asked: who comes meanwhile waits for the same answer.
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    discovered: Option<(Arc<Discovered>, Timestamp)>,
    keys: Option<(Arc<Keys>, Timestamp)>,
    failed: Option<(SignInError, Timestamp)>,
}

/// What a provider says of itself.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Discovered {
    issuer: String,
    pub authorization_endpoint: String,
    pub token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    code_challenge_methods_supported: Option<Vec<String>>,
}

/// Whether something of then is still of now: clocks that go back make it old.
fn is_within(then: Timestamp, seconds: i64, now: Timestamp) -> bool {
    (0..seconds).contains(&(now.as_second() - then.as_second()))
}

impl Issuer {
    pub(super) fn new(issuer: String) -> Issuer {
        Issuer { issuer, known: Mutex::default() }
    }

    pub(super) fn failed(&self, why: impl ToString) -> SignInError {
        SignInError::Issuer { issuer: self.issuer.clone(), why: why.to_string() }
    }

    /// Where it is asked.
    pub(super) async fn discovered(&self, now: Timestamp) -> Result<Arc<Discovered>, SignInError> {
        let mut known = self.known.lock().await;
        self.discover(&mut known, now).await
    }

    /// Its keys, asked for again where they are old, or where none of them can have signed a token.
    pub(super) async fn keys(&self, token: &str, now: Timestamp) -> Result<Arc<Keys>, SignInError> {
        let mut known = self.known.lock().await;
        if let Some((keys, asked)) = &known.keys {
            let lasts = if keys.know(token) { KEYS_LAST } else { KEYS_AGAIN };
            if is_within(*asked, lasts, now) {
                return Ok(keys.clone());
            }
        }
        let discovered = self.discover(&mut known, now).await?;
        let read = self.ask(&mut known, &discovered.jwks_uri, now).await.and_then(|document| {
            Keys::read(&document).map_err(|why| self.failed(format!("{}: {why}", discovered.jwks_uri)))
        });
        let keys = Arc::new(read?);
        known.keys = Some((keys.clone(), now));
        Ok(keys)
    }

    async fn discover(&self, known: &mut Known, now: Timestamp) -> Result<Arc<Discovered>, SignInError> {
        if let Some((discovered, asked)) = &known.discovered
            && is_within(*asked, DISCOVERED_LASTS, now)
        {
            return Ok(discovered.clone());
        }
        let url = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let document = self.ask(known, &url, now).await?;
        let said: Discovered = serde_json::from_slice(&document)
            .map_err(|error| self.failed(format!("{url} is no description of a provider: {error}")))?;
        if said.issuer != self.issuer {
            let why = format!("{url} names the issuer `{}`: name it in the configuration exactly so", said.issuer);
            return Err(self.failed(why));
        }
        for endpoint in [&said.authorization_endpoint, &said.token_endpoint, &said.jwks_uri] {
            if !is_fit(endpoint) {
                return Err(
                    self.failed(format!("{url} names `{endpoint}`, which is not asked: it begins with `https://`"))
                );
            }
        }
        // A provider that says nothing of it may have it all the same.
        if said.code_challenge_methods_supported.as_ref().is_some_and(|list| !list.iter().any(|one| one == "S256")) {
            return Err(self.failed("it does not support PKCE with S256"));
        }
        let discovered = Arc::new(said);
        known.discovered = Some((discovered.clone(), now));
        Ok(discovered)
    }

    async fn ask(&self, known: &mut Known, url: &str, now: Timestamp) -> Result<Vec<u8>, SignInError> {
        if let Some((failure, at)) = &known.failed
            && is_within(*at, FAILURE_LASTS, now)
        {
            return Err(failure.clone());
        }
        let asked = url.to_owned();
        let answer = tokio::task::spawn_blocking(move || published(&asked)).await;
        let answer = match answer {
            Ok(answer) => answer.map_err(|error| self.failed(error)),
            Err(error) => Err(self.failed(error)),
        };
        match &answer {
            Ok(_) => known.failed = None,
            Err(failure) => {
                tracing::warn!(error = %failure, "nobody can sign in");
                known.failed = Some((failure.clone(), now));
            }
        }
        answer
    }
}
