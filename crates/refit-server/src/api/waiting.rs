//! Lists that grow: a page of them, by waiting for its first item, or as a stream.

use super::{
    Api,
    layers::WAIT_LONGEST,
    page::LIMIT_MOST,
    problem::{Code, Problem},
};
use axum::http::{HeaderMap, header};
use std::time::Duration;
use tokio::{sync::watch, time::Instant};

/// How many items a page has at most.
pub(super) fn limit(asked: Option<u32>) -> Result<usize, Problem> {
    let limit = asked.map_or(100, |limit| limit as usize);
    if limit == 0 || limit > LIMIT_MOST {
        return Err(Problem::field("limit", format!("a page has 1 to {LIMIT_MOST} items")));
    }
    Ok(limit)
}

/// Whether a stream is asked for.
pub(super) fn wants_stream(headers: &HeaderMap) -> bool {
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepts.contains("text/event-stream")
}

/// How long a page waits for its first item, and the end of the log meanwhile.
pub(super) struct Waiting {
    wait: Duration,
    until: Instant,
    heads: watch::Receiver<u64>,
}

impl Waiting {
    /// Waits so many seconds at most, from now on.
    pub fn new(api: &Api, seconds: Option<u32>) -> Result<Waiting, Problem> {
        let wait = Duration::from_secs(u64::from(seconds.unwrap_or(0)));
        if wait > WAIT_LONGEST {
            return Err(Problem::field("wait", format!("at most {} seconds", WAIT_LONGEST.as_secs())));
        }
        Ok(Waiting { wait, until: Instant::now() + wait.min(api.options().longest_wait), heads: api.shell().head() })
    }

    /// The end of the log; what comes after it ends the next wait.
    pub fn head(&mut self) -> u64 {
        *self.heads.borrow_and_update()
    }

    /// Whether to look again: nothing was `found`, and there is time. Where there is no `more` in the log, waits until there is.
    pub async fn again(&mut self, found: bool, more: bool) -> Result<bool, Problem> {
        if found || (more && self.wait.is_zero()) || Instant::now() >= self.until {
            return Ok(false);
        }
        let changed = async { more || self.heads.changed().await.is_ok() };
        match tokio::time::timeout_at(self.until, changed).await {
            Ok(false) => Err(Problem::new(Code::Unavailable, "the server is about to stop")),
            Ok(true) | Err(_) => Ok(true),
        }
    }
}
