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
    /// It answers that the question is wrong, or that it can't be answered now.
    #[error("{url}: the system says: {why}")]
    NotAnswered {
        /// The address, without parameters.
        url: String,
        /// What it says.
        why: String,
    },
    /// A database can't be reached, or does not take the query.
    #[error("{database}: {why}")]
    Database {
        /// Which one, without user and password.
        database: String,
        /// What went wrong.
        why: String,
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

impl AskError {
    /// The status that was answered to what was asked; `None` where there was none, or where it is that of another question.
    pub fn status(&self) -> Option<u16> {
        match self {
            AskError::Refused { status, .. } | AskError::NotAllowed { status, .. } => Some(*status),
            _ => None,
        }
    }
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
    let text = told.unwrap_or(match json {
        Some(_) => "",
        None if body.trim_start().starts_with('<') => "a web page",
        None => body,
    });
    let line = line(text, LONGEST);
    if line.is_empty() { String::new() } else { format!(": {line}") }
}

/// A text in one line, at most so long.
fn line(text: &str, longest: usize) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(longest).collect();
    line.trim().to_owned()
}

/// What a GraphQL answer says is wrong, where its status says that all is well.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// We ask too much at present.
    TooMuch(String),
    /// It does not know us, or does not let us.
    NotAllowed(String),
    /// Anything else: a field that does not exist, a part that could not be had.
    Other(String),
}

impl Trouble {
    /// The status that says the same.
    pub(super) fn status(&self) -> u16 {
        match self {
            Trouble::TooMuch(_) => 429,
            Trouble::NotAllowed(_) => 401,
            Trouble::Other(_) => 400,
        }
    }
}

/// What the `errors` of a GraphQL answer say (<https://spec.graphql.org/October2021/#sec-Errors>). Any error counts, also beside data:
/// a part that failed is null there, and half an answer is none. The words for limits are those of GitHub (`RATE_LIMITED`), Shopify
/// (`THROTTLED`) and Apollo (`UNAUTHENTICATED`, `FORBIDDEN`).
pub(super) fn trouble(body: &str) -> Option<Trouble> {
    let json: serde_json::Value = serde_json::from_str(body).ok()?;
    let errors = json.get("errors")?.as_array().filter(|errors| !errors.is_empty())?;
    let text = |error: &serde_json::Value, pointer: &str| error.pointer(pointer)?.as_str().map(str::to_owned);
    let first = errors.first()?;
    let mut why = line(&text(first, "/message").unwrap_or_else(|| first.to_string()), 200);
    if let Some(path) = first.get("path").and_then(|path| path.as_array()) {
        let steps: Vec<String> =
            path.iter().map(|step| step.as_str().map_or_else(|| step.to_string(), str::to_owned)).collect();
        why += &format!(" (at {})", steps.join("."));
    }
    if errors.len() > 1 {
        why += &format!(", and {} more", errors.len() - 1);
    }
    let codes = errors.iter().flat_map(|error| [text(error, "/extensions/code"), text(error, "/type")]).flatten();
    let codes: Vec<String> = codes.map(|code| code.to_uppercase()).collect();
    let any = |words: &[&str]| codes.iter().any(|code| words.contains(&code.as_str()));
    Some(if any(&["RATE_LIMITED", "THROTTLED", "TOO_MANY_REQUESTS", "RATE_LIMIT_EXCEEDED", "MAX_COST_EXCEEDED"]) {
        Trouble::TooMuch(why)
    } else if any(&["UNAUTHENTICATED", "FORBIDDEN", "UNAUTHORIZED", "ACCESS_DENIED", "INSUFFICIENT_SCOPES"]) {
        Trouble::NotAllowed(why)
    } else {
        Trouble::Other(why)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_system_says_is_told_in_one_line() {
        assert_eq!(said(r#"{"error":"invalid_client","error_description":"unknown\nclient"}"#), ": unknown client");
        assert_eq!(said(r#"{"error":{"code":"x","message":"Access denied."}}"#), ": Access denied.");
        assert_eq!(said(r#"{"errorSummary":"Invalid token provided"}"#), ": Invalid token provided");
        let denied = r#"{"data":{"hosts":null},"errors":[{"message":"no","path":["hosts",0],"extensions":{"code":"FORBIDDEN"}},{}]}"#;
        assert_eq!(trouble(denied), Some(Trouble::NotAllowed("no (at hosts.0), and 1 more".to_owned())));
        let limited = r#"{"errors":[{"type":"RATE_LIMITED","message":"slow down"}]}"#;
        assert_eq!(trouble(limited), Some(Trouble::TooMuch("slow down".to_owned())));
        assert_eq!(trouble(r#"{"data":{},"errors":[]}"#), None);
        assert_eq!(said("<html><body>502</body></html>"), ": a web page");
        assert_eq!(said("too many"), ": too many");
        assert_eq!(shown("https://a.example/x?key=secret"), "https://a.example/x");
    }
}
