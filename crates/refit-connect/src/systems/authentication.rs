//! How we show who we are.

use super::{
    AskError, Secret,
    error::{said, shown},
    jwt::{self, Claims},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde_json::Value;
use std::time::Duration;

/// How we show who we are.
#[derive(Clone, Debug, Default)]
pub enum Authentication {
    /// Not at all.
    #[default]
    None,
    /// A token in the header `Authorization`.
    Bearer {
        /// What stands before it: `Bearer`.
        scheme: String,
        /// It.
        token: Secret,
    },
    /// A name and a password.
    Basic {
        /// The name.
        user: Secret,
        /// The password.
        password: Secret,
    },
    /// A key in a header.
    HeaderKey {
        /// The header.
        header: String,
        /// What stands before it.
        prefix: String,
        /// It.
        key: Secret,
    },
    /// A key in a parameter of the address.
    ParameterKey {
        /// The parameter.
        parameter: String,
        /// It.
        key: Secret,
    },
    /// OAuth 2 with a client's id and secret (RFC 6749, 4.4).
    ClientCredentials {
        /// Where tokens are given.
        token_address: String,
        /// The client's id.
        client_id: String,
        /// Its secret.
        client_secret: Secret,
        /// What is asked for.
        scopes: Vec<String>,
        /// Where both stand.
        place: ClientPlace,
    },
    /// OAuth 2 with an assertion that the client signs (RFC 7523).
    PrivateKeyJwt {
        /// Where tokens are given.
        token_address: String,
        /// Who signs.
        issuer: String,
        /// For whom.
        subject: String,
        /// The key.
        key: Secret,
        /// How it is signed.
        signature: Signature,
        /// What is asked for.
        scopes: Vec<String>,
        /// As what the assertion is given.
        grant: Grant,
    },
    /// A token that is fetched with a name and a password.
    TokenEndpoint {
        /// Where tokens are given.
        token_address: String,
        /// The name.
        user: Secret,
        /// The password.
        password: Secret,
        /// Where in the answer the token is, as a JSON pointer.
        token: String,
        /// Where in the answer it says when it ends: a time, or seconds from now.
        expires: Option<String>,
    },
}

/// Where a client's id and secret stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientPlace {
    /// In the body.
    Body,
    /// In the header, as name and password.
    Header,
}

/// How an assertion is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    /// RSA with SHA-256.
    RS256,
    /// ECDSA with P-256 and SHA-256.
    ES256,
}

/// As what an assertion is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// As who the client is: Okta.
    ClientAssertion,
    /// As the grant itself: Google.
    JwtBearer,
}

/// A token, and until when it counts; a system that does not say is asked until it refuses it.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub value: Secret,
    pub until: Option<Timestamp>,
}

/// A token that ends so soon is renewed before it is used again.
const SOON: Duration = Duration::from_secs(60);
/// The largest answer with a token.
const LARGEST: u64 = 1 << 20;

impl Signature {
    pub(super) fn name(self) -> &'static str {
        match self {
            Signature::RS256 => "RS256",
            Signature::ES256 => "ES256",
        }
    }
}

impl Token {
    pub(super) fn counts(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now + SOON < until)
    }
}

impl Authentication {
    /// The same, where other scopes are asked for.
    pub fn with_scopes(mut self, wanted: &[&str]) -> Authentication {
        if let Authentication::ClientCredentials { scopes, .. } | Authentication::PrivateKeyJwt { scopes, .. } =
            &mut self
        {
            *scopes = wanted.iter().map(|scope| (*scope).to_owned()).collect();
        }
        self
    }

    /// Where tokens are given, where there are any.
    pub(super) fn token_address(&self) -> Option<&str> {
        match self {
            Authentication::ClientCredentials { token_address, .. }
            | Authentication::PrivateKeyJwt { token_address, .. }
            | Authentication::TokenEndpoint { token_address, .. } => Some(token_address),
            _ => None,
        }
    }

    /// The header that shows who we are: its name and value.
    pub(super) fn header(&self, token: Option<&Token>) -> Option<(String, String)> {
        let authorization = |value: String| Some(("authorization".to_owned(), value));
        match (self, token) {
            (Authentication::Bearer { scheme, token }, _) => authorization(format!("{scheme} {}", token.reveal())),
            (Authentication::Basic { user, password }, _) => authorization(basic(user.reveal(), password.reveal())),
            (Authentication::HeaderKey { header, prefix, key }, _) => {
                Some((header.clone(), format!("{prefix}{}", key.reveal())))
            }
            (_, Some(token)) => authorization(format!("Bearer {}", token.value.reveal())),
            _ => None,
        }
    }

    /// The parameter that shows who we are.
    pub(super) fn parameter(&self) -> Option<(&str, &str)> {
        match self {
            Authentication::ParameterKey { parameter, key } => Some((parameter, key.reveal())),
            _ => None,
        }
    }

    /// Fetches a token.
    pub(super) fn fetch(&self, agent: &ureq::Agent, now: Timestamp) -> Result<Token, Failed> {
        let form = |pairs: Vec<(&str, String)>, header: Option<String>, url: &str| {
            let mut request = agent.post(url).header("accept", "application/json");
            if let Some(header) = header {
                request = request.header("authorization", header);
            }
            let pairs = pairs.iter().map(|(name, value)| (*name, value.as_str()));
            request.send_form(pairs).map_err(|error| Failed::Network(Box::new(error)))
        };
        let with_scopes = |mut pairs: Vec<(&'static str, String)>, scopes: &[String]| {
            if !scopes.is_empty() {
                pairs.push(("scope", scopes.join(" ")));
            }
            pairs
        };
        let (url, response, token, expires) = match self {
            Authentication::ClientCredentials { token_address: url, client_id, client_secret, scopes, place } => {
                let mut pairs = vec![("grant_type", "client_credentials".to_owned())];
                let header = match place {
                    ClientPlace::Header => Some(basic(client_id, client_secret.reveal())),
                    ClientPlace::Body => {
                        pairs.push(("client_id", client_id.clone()));
                        pairs.push(("client_secret", client_secret.reveal().to_owned()));
                        None
                    }
                };
                let response = form(with_scopes(pairs, scopes), header, url)?;
                (url, response, "/access_token", Some("/expires_in"))
            }
            Authentication::PrivateKeyJwt { token_address: url, issuer, subject, key, signature, scopes, grant } => {
                let scope = scopes.join(" ");
                let in_claims =
                    (*grant == Grant::JwtBearer).then_some(scope.as_str()).filter(|scope| !scope.is_empty());
                let claims = Claims { issuer, subject, audience: url, scope: in_claims };
                let assertion = jwt::assertion(&claims, key, *signature, now)?;
                let pairs = match grant {
                    Grant::JwtBearer => vec![
                        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer".to_owned()),
                        ("assertion", assertion),
                    ],
                    Grant::ClientAssertion => {
                        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".to_owned();
                        let pairs = vec![
                            ("grant_type", "client_credentials".to_owned()),
                            ("client_assertion_type", kind),
                            ("client_assertion", assertion),
                        ];
                        with_scopes(pairs, scopes)
                    }
                };
                (url, form(pairs, None, url)?, "/access_token", Some("/expires_in"))
            }
            Authentication::TokenEndpoint { token_address: url, user, password, token, expires } => {
                let request = agent.post(url).header("accept", "application/json");
                let request = request.header("authorization", basic(user.reveal(), password.reveal()));
                let response = request.send_empty().map_err(|error| Failed::Network(Box::new(error)))?;
                (url, response, token.as_str(), expires.as_deref())
            }
            _ => {
                return Err(Failed::Ask(AskError::Secret {
                    name: "token",
                    why: "nothing says where it is given".into(),
                }));
            }
        };
        let status = response.status().as_u16();
        let retry_after =
            response.headers().get("retry-after").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let body = response.into_body().with_config().limit(LARGEST).read_to_string();
        let body = body.map_err(|error| Failed::Network(Box::new(error)))?;
        if matches!(status, 429 | 500..=599) {
            return Err(Failed::Busy { status, retry_after });
        }
        let refused = || AskError::NoToken { url: shown(url), status, said: said(&body) };
        if !(200..300).contains(&status) {
            return Err(Failed::Ask(refused()));
        }
        let json: Value = serde_json::from_str(&body).map_err(|_| Failed::Ask(refused()))?;
        let value = json.pointer(token).and_then(Value::as_str).filter(|value| !value.is_empty()).ok_or_else(|| {
            let why = format!("the answer has no token at `{token}`");
            Failed::Ask(AskError::NotUnderstood { url: shown(url), why })
        })?;
        let until = expires.and_then(|place| ends(json.pointer(place)?, now));
        Ok(Token { value: Secret::new(value), until })
    }
}

/// Why there is no token yet.
pub(super) enum Failed {
    Ask(AskError),
    Network(Box<ureq::Error>),
    Busy { status: u16, retry_after: Option<String> },
}

impl From<AskError> for Failed {
    fn from(error: AskError) -> Failed {
        Failed::Ask(error)
    }
}

/// When a token ends: a time, or seconds from now, as a number or a text.
fn ends(said: &Value, now: Timestamp) -> Option<Timestamp> {
    let seconds = |text: &str| text.parse::<i64>().ok();
    match said {
        Value::Number(number) => now.checked_add(jiff::SignedDuration::from_secs(number.as_i64()?)).ok(),
        Value::String(text) => match seconds(text) {
            Some(seconds) => now.checked_add(jiff::SignedDuration::from_secs(seconds)).ok(),
            None => text.parse().ok(),
        },
        _ => None,
    }
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_ends_at_a_time_or_after_seconds() {
        let now: Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
        let in_an_hour: Timestamp = "2026-11-23T11:00:00Z".parse().unwrap();
        for said in [Value::from(3600), Value::from("3600"), Value::from("2026-11-23T11:00:00Z")] {
            assert_eq!(ends(&said, now), Some(in_an_hour));
        }
        assert_eq!(ends(&Value::Null, now), None);
        let token = Token { value: Secret::new("t"), until: Some(in_an_hour) };
        assert!(token.counts(now) && !token.counts(in_an_hour - Duration::from_secs(30)));
        assert!(format!("{token:?}").starts_with("Token { value: Secret,"));
    }

    #[test]
    fn headers_show_who_we_are_and_debug_does_not() {
        let authentication = Authentication::Basic { user: Secret::new("ada"), password: Secret::new("x") };
        assert_eq!(authentication.header(None), Some(("authorization".into(), "Basic YWRhOng=".into())));
        let key = Authentication::HeaderKey {
            header: "authorization".into(),
            prefix: "Token token=".into(),
            key: Secret::new("k1"),
        };
        assert_eq!(key.header(None), Some(("authorization".into(), "Token token=k1".into())));
        assert!(!format!("{key:?}").contains("k1"));
    }
}
