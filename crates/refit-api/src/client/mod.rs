//! A blocking client of the API.
//!
//! [`Client::find`] takes an address and a token that are given, or reads where the server on this machine left them
//! ([`Local`]).

mod calls;
mod connect;
mod error;

pub use calls::{DeviceFilter, ExposureFilter, Follow};
pub use connect::{Connection, Local, SERVER_FILE};
pub use error::ClientError;

use crate::Problem;
use serde::{Serialize, de::DeserializeOwned};
use std::time::Duration;
use ureq::http::Method;

/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a plan may take.
const PLAN_PATIENCE: Duration = Duration::from_secs(620);
/// The largest answer that is read.
const ANSWER_MOST: u64 = 512 << 20;

/// A client of one server.
pub struct Client {
    agent: ureq::Agent,
    address: String,
    token: String,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The token is a secret.
        f.debug_struct("Client").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Client {
    /// Where the server is.
    pub fn address(&self) -> &str {
        &self.address
    }

    fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, Option<String>)]) -> Result<T, ClientError> {
        self.send(Method::GET, path, query, None::<&()>, None, PATIENCE)
    }

    fn post<T: DeserializeOwned>(&self, path: &str, body: Option<&impl Serialize>) -> Result<T, ClientError> {
        self.send(Method::POST, path, &[], body, Some(&key()), PATIENCE)
    }

    fn put<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ClientError> {
        self.send(Method::PUT, path, &[], Some(body), None, PATIENCE)
    }

    fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.send(Method::DELETE, path, &[], None::<&()>, None, PATIENCE)
    }

    /// Sends a request, and once more where the connection broke and repeating it does no harm.
    fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, Option<String>)],
        body: Option<&impl Serialize>,
        key: Option<&str>,
        patience: Duration,
    ) -> Result<T, ClientError> {
        let body = match body {
            Some(body) => serde_json::to_vec(body).map_err(|error| ClientError::Answer(error.to_string()))?,
            None => Vec::new(),
        };
        match self.send_once(&method, path, query, &body, key, patience) {
            Err(ClientError::Network { .. }) => self.send_once(&method, path, query, &body, key, patience),
            answer => answer,
        }
    }

    fn send_once<T: DeserializeOwned>(
        &self,
        method: &Method,
        path: &str,
        query: &[(&str, Option<String>)],
        body: &[u8],
        key: Option<&str>,
        patience: Duration,
    ) -> Result<T, ClientError> {
        let network =
            |error: ureq::Error| ClientError::Network { address: self.address.clone(), why: error.to_string() };
        let mut uri = format!("{}{path}", self.address);
        let given = query.iter().filter_map(|(name, value)| value.as_ref().map(|value| (name, value)));
        for (number, (name, value)) in given.enumerate() {
            uri.push(if number == 0 { '?' } else { '&' });
            uri.push_str(&format!("{name}={}", escaped(value)));
        }
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(uri)
            .header("authorization", format!("Bearer {}", self.token))
            .header("accept", "application/json");
        if !body.is_empty() {
            request = request.header("content-type", "application/json");
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let request = request.body(body).map_err(|error| ClientError::Connection(error.to_string()))?;
        let request = self.agent.configure_request(request).timeout_global(Some(patience)).build();
        let mut response = self.agent.run(request).map_err(network)?;
        let status = response.status().as_u16();
        let bytes = response.body_mut().with_config().limit(ANSWER_MOST).read_to_vec().map_err(network)?;
        if !(200..300).contains(&status) {
            return Err(match serde_json::from_slice::<Problem>(&bytes) {
                Ok(problem) => ClientError::Refused(Box::new(problem)),
                Err(_) => ClientError::Answer(format!("{} answers with status {status}", self.address)),
            });
        }
        serde_json::from_slice(&bytes)
            .map_err(|error| ClientError::Answer(format!("the answer of {} can't be read: {error}", self.address)))
    }
}

/// A part of a path or query, with what has a meaning there escaped.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

/// A key that no other request has.
fn key() -> String {
    use std::hash::{BuildHasher, RandomState};
    // `RandomState` is seeded by the system once for each thread, and counts on from there.
    format!("{:016x}{:016x}", RandomState::new().hash_one(0), RandomState::new().hash_one(std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_with_a_slash_is_one_part_of_a_path() {
        assert_eq!(escaped("deb/openssl"), "deb%2Fopenssl");
        assert_eq!(escaped("ä 1+1&x"), "%C3%A4%201%2B1%26x");
        assert_ne!(key(), key());
    }
}
