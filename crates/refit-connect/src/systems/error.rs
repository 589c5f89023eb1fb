//! Why a system has no answer.

use std::time::Duration;

/// Why a system has no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The network, the name, the certificate, or a connection that was cut.
    #[error("{url}: {why}")]
    Network {
        /// The address, without parameters.
        url: String,
        /// What went wrong.
        why: String,
    },
    /// It answers with an error.
    #[error("{url}: the system answers with status {status}{said}")]
    Refused {
        /// The address, without parameters.
        url: String,
        /// The status.
        status: u16,
        /// What it says, after a colon; empty where it says nothing.
        said: String,
    },
    /// It does not know us, or does not let us.
    #[error(
        "{url}: the system does not let us read this (status {status}{said}): look at the secret and what it may read"
    )]
    NotAllowed {
        /// The address, without parameters.
        url: String,
        /// The status.
        status: u16,
        /// What it says, after a colon; empty where it says nothing.
        said: String,
    },
    /// It gives no token.
    #[error("{url}: no token is given (status {status}{said}): look at the client's id and its secret")]
    NoToken {
        /// The address, without parameters.
        url: String,
        /// The status.
        status: u16,
        /// What it says, after a colon; empty where it says nothing.
        said: String,
    },
    /// It wants to be asked later than we wait.
    #[error("{url}: the system asks to come back in {} s: try again later", wait.as_secs())]
    ComeBackLater {
        /// The address, without parameters.
        url: String,
        /// How long it asks for.
        wait: Duration,
    },
    /// All of it took too long.
    #[error("{url}: it took longer than {} s", limit.as_secs())]
    TooSlow {
        /// The address, without parameters.
        url: String,
        /// The limit.
        limit: Duration,
    },
    /// An answer is not what a page has to be.
    #[error("{url}: {why}")]
    NotUnderstood {
        /// The address, without parameters.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The next page is at another host, which must not learn who we are.
    #[error("{url}: the next page would be at {next}, which is another host")]
    Elsewhere {
        /// The address, without parameters.
        url: String,
        /// Where it leads.
        next: String,
    },
    /// A secret is none.
    #[error("the secret {name}: {why}")]
    Secret {
        /// What it is for.
        name: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// Whoever reads the pages can't go on.
    #[error("{url}: {why}")]
    Stopped {
        /// The address, without parameters.
        url: String,
        /// Why.
        why: String,
    },
}

/// An address without its parameters, in which keys may stand.
pub(super) fn shown(url: &str) -> String {
    url.split(['?', '#']).next().unwrap_or_default().to_owned()
}

/// What a system says of an error: the text that it has for people, or the beginning of what it answers.
pub(super) fn said(body: &str) -> String {
    const LONGEST: usize = 200;
    let json: Option<serde_json::Value> = serde_json::from_str(body).ok();
    let places = ["/error_description", "/error/message", "/errorSummary", "/message", "/detail", "/error", "/title"];
    let told = json.as_ref().and_then(|json| places.iter().find_map(|place| json.pointer(place)?.as_str()));
    let text = told.unwrap_or(if json.is_some() || body.trim_start().starts_with('<') { "" } else { body });
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect();
    if line.trim().is_empty() { String::new() } else { format!(": {}", line.trim()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_system_says_is_told_in_one_line() {
        assert_eq!(said(r#"{"error":"invalid_client","error_description":"unknown\nclient"}"#), ": unknown client");
        assert_eq!(said(r#"{"error":{"code":"x","message":"Access denied."}}"#), ": Access denied.");
        assert_eq!(said(r#"{"errorSummary":"Invalid token provided"}"#), ": Invalid token provided");
        assert_eq!(said("<html><body>502</body></html>"), "");
        assert_eq!(said("too many"), ": too many");
        assert_eq!(shown("https://a.example/x?key=secret"), "https://a.example/x");
    }
}
