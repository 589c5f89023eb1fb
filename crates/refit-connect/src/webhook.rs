//! Asking a webhook: one POST, which agrees by its status.
//!
//! Nothing of the answer is read but its status, and no redirect is followed: an answer says yes or no, and leads nowhere.

use crate::feeds::tls;
use std::time::Duration;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a webhook does not agree.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// It says no.
    #[error("it answers with status {0}")]
    Status(u16),
    /// The network, the name, or the certificate.
    #[error("it can't be asked: {0}")]
    Network(Box<ureq::Error>),
    /// No server can be trusted here.
    #[error("{0}")]
    NoRoots(String),
}

/// Asks a webhook. It agrees with status 200, and with nothing else.
pub fn ask(url: &str, body: &[u8], headers: &[(&str, &str)]) -> Result<(), WebhookError> {
    let tls = tls(url).map_err(|error| WebhookError::NoRoots(error.to_string()))?;
    let agent = ureq::Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("refit/", env!("CARGO_PKG_VERSION")))
        .timeout_global(Some(PATIENCE))
        .build()
        .new_agent();
    let mut request = agent.post(url).content_type("application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send(body).map_err(|error| WebhookError::Network(Box::new(error)))?;
    match answer.status().as_u16() {
        200 => Ok(()),
        status => Err(WebhookError::Status(status)),
    }
}
