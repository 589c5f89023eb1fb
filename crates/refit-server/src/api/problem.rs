//! Problems: what a request is answered that was not done (RFC 9457).

use crate::shell::TellError;
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use refit_api::{Finding, InvalidField};
use refit_core::control::{Refusal, Scope};
use refit_store::{AppendError, StoreError};

/// Why a request was not done.
#[derive(Debug)]
pub struct Problem {
    /// What kind of problem it is.
    pub code: Code,
    /// What is wrong with this request.
    pub detail: String,
    /// The way out.
    pub help: Option<String>,
    /// Fields that are not as they have to be.
    pub errors: Vec<InvalidField>,
    /// What `refit check` says.
    pub diagnostics: Vec<Finding>,
    /// When to try again, in seconds.
    pub retry_after: Option<u64>,
}

/// Declares the kinds of problems.
macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $status:ident, $title:literal;)*) => {
        /// The kinds of problems. Their codes are stable.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code {
            $($(#[$doc])* $variant,)*
        }

        impl Code {
            /// All of them.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)*];

            /// The code, as the problem's type has it.
            pub fn code(self) -> &'static str {
                match self { $(Code::$variant => $code,)* }
            }

            /// The HTTP status.
            pub fn status(self) -> StatusCode {
                match self { $(Code::$variant => StatusCode::$status,)* }
            }

            /// In few words.
            pub fn title(self) -> &'static str {
                match self { $(Code::$variant => $title,)* }
            }
        }
    };
}

codes! {
    /// The body is no JSON, or could not be read.
    Malformed = "malformed", BAD_REQUEST, "The request can't be read";
    /// No token, an unknown one, an expired or revoked one.
    Unauthorized = "unauthorized", UNAUTHORIZED, "A token is needed";
    /// The token lacks a scope.
    ScopeMissing = "scope-missing", FORBIDDEN, "The token does not permit this";
    /// The rules of approval forbid it.
    Forbidden = "forbidden", FORBIDDEN, "This is not allowed";
    /// There is no such thing.
    NotFound = "not-found", NOT_FOUND, "There is no such thing";
    /// The path does not know this method.
    MethodNotAllowed = "method-not-allowed", METHOD_NOT_ALLOWED, "This can't be done here";
    /// There is one already.
    Exists = "exists", CONFLICT, "There is one already";
    /// It does not fit to what is so by now.
    Conflict = "conflict", CONFLICT, "It does not fit to what is so by now";
    /// Two devices have reported under one id.
    Quarantined = "quarantined", CONFLICT, "Two devices have reported under this id";
    /// Others come first.
    Busy = "busy", CONFLICT, "Others come first";
    /// Everything is stopped.
    Stopped = "stopped", CONFLICT, "Everything is stopped";
    /// It has changed since it was read.
    Changed = "changed", PRECONDITION_FAILED, "It has changed since it was read";
    /// The body is larger than allowed.
    TooLarge = "too-large", PAYLOAD_TOO_LARGE, "The request is too large";
    /// The body is no JSON by its type.
    MediaType = "media-type", UNSUPPORTED_MEDIA_TYPE, "The body has to be JSON";
    /// A field or parameter is not as it has to be.
    Invalid = "invalid", UNPROCESSABLE_ENTITY, "The request is not as it has to be";
    /// The policy repository has errors.
    Policy = "policy", UNPROCESSABLE_ENTITY, "The policy repository has errors";
    /// The idempotency key was used for another request.
    KeyReused = "key-reused", UNPROCESSABLE_ENTITY, "The idempotency key was used for another request";
    /// Too many requests.
    RateLimited = "rate-limited", TOO_MANY_REQUESTS, "Too many requests";
    /// A fault of the server.
    Internal = "internal", INTERNAL_SERVER_ERROR, "The server has a fault";
    /// The log can't be written or read now.
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "The server can't do this now";
    /// It took too long.
    Timeout = "timeout", SERVICE_UNAVAILABLE, "It took too long";
}

impl Problem {
    /// A problem of a kind.
    pub fn new(code: Code, detail: impl Into<String>) -> Problem {
        Problem {
            code,
            detail: detail.into(),
            help: None,
            errors: Vec::new(),
            diagnostics: Vec::new(),
            retry_after: (code.status() == StatusCode::SERVICE_UNAVAILABLE).then_some(5),
        }
    }

    /// There is no such thing.
    pub fn missing(what: &str, id: &str) -> Problem {
        Problem::new(Code::NotFound, format!("there is no {what} `{}`", shown(id)))
    }

    /// The token lacks a scope.
    pub fn scope(scope: Scope) -> Problem {
        Refusal::Scope(scope).into()
    }

    /// A field is not as it has to be.
    pub fn field(path: impl Into<String>, detail: impl Into<String>) -> Problem {
        let (path, detail) = (path.into(), detail.into());
        let said = if path.is_empty() { detail.clone() } else { format!("{path}: {detail}") };
        Problem { errors: vec![InvalidField { path, detail }], ..Problem::new(Code::Invalid, said) }
    }

    /// A field names something that there is not; these there are.
    pub fn unknown(path: impl Into<String>, what: &str, given: &str, known: &[&str]) -> Problem {
        let problem = Problem::field(path, format!("there is no {what} `{}`", shown(given)));
        problem.help(format!("there are: {}", known.join(", ")))
    }

    /// With a way out.
    pub fn help(mut self, help: impl Into<String>) -> Problem {
        self.help = Some(help.into());
        self
    }
}

/// What somebody sent, fit to be shown.
fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(130).flat_map(char::escape_debug).collect();
    if text.chars().count() > 130 {
        shown.push('…');
    }
    shown
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        let code = match &refusal {
            Refusal::Scope(_) => Code::ScopeMissing,
            Refusal::Missing { .. } => Code::NotFound,
            Refusal::Exists { .. } => Code::Exists,
            Refusal::Invalid(_) => Code::Invalid,
            Refusal::Conflict(_) => Code::Conflict,
            Refusal::Forbidden(_) => Code::Forbidden,
            Refusal::Quarantined { .. } => Code::Quarantined,
            Refusal::Busy(_) => Code::Busy,
            Refusal::Stopped { .. } => Code::Stopped,
        };
        Problem::new(code, refusal.to_string())
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        if let StoreError::TooLarge { .. } = error {
            return Problem::new(Code::TooLarge, error.to_string());
        }
        tracing::error!(%error, "the store failed");
        Problem::new(Code::Unavailable, error.to_string())
    }
}

impl From<AppendError> for Problem {
    fn from(error: AppendError) -> Problem {
        match error {
            AppendError::Store(error) => error.into(),
            AppendError::TooLarge { .. } => Problem::new(Code::TooLarge, error.to_string()),
            AppendError::KeyReused { .. } => Problem::new(Code::KeyReused, error.to_string()),
            error => {
                tracing::error!(%error, "nothing was appended");
                Problem::new(Code::Unavailable, error.to_string())
            }
        }
    }
}

impl From<TellError> for Problem {
    fn from(error: TellError) -> Problem {
        match error {
            TellError::Refused(refusal) => refusal.into(),
            TellError::Append(error) => error.into(),
            TellError::Store(error) => error.into(),
            TellError::Ended(_) => Problem::new(Code::Unavailable, error.to_string()),
            error => {
                tracing::error!(%error, "the writer has a fault");
                Problem::new(Code::Internal, error.to_string())
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.code.status();
        let body = refit_api::Problem {
            r#type: format!("/problems/{}", self.code.code()),
            title: self.code.title().to_owned(),
            status: status.as_u16(),
            detail: self.detail,
            help: self.help,
            request: super::layers::current_request(),
            errors: self.errors,
            diagnostics: self.diagnostics,
        };
        let bytes = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = (status, bytes).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"refit\""));
        }
        response
    }
}
