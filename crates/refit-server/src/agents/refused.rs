//! Why a call is refused.

use crate::shell::TellError;
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use refit_core::control::Refusal;
use refit_wire::protocol::Refused as Body;

/// Declares the codes.
macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $status:ident;)*) => {
        /// Why a call is refused. The words are stable.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code {
            $($(#[$doc])* $variant,)*
        }

        impl Code {
            /// All of them.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)*];

            /// The word.
            pub fn word(self) -> &'static str {
                match self { $(Code::$variant => $code,)* }
            }

            /// The HTTP status.
            pub fn status(self) -> StatusCode {
                match self { $(Code::$variant => StatusCode::$status,)* }
            }
        }
    };
}

codes! {
    /// The body is no JSON, or not of its form, or could not be read.
    Malformed = "malformed", BAD_REQUEST;
    /// The call needs a certificate, and came without.
    NoCertificate = "no_certificate", UNAUTHORIZED;
    /// The certificate does not count any more, or never did: enrol again.
    Certificate = "certificate", UNAUTHORIZED;
    /// The device is no longer managed.
    Retired = "retired", FORBIDDEN;
    /// Two machines came with one certificate; neither of them counts. Enrol again.
    Cloned = "cloned", FORBIDDEN;
    /// Two devices have reported under this one's id; nothing is taken from either until a person has looked.
    Quarantined = "quarantined", FORBIDDEN;
    /// The enrolment token does not count.
    Token = "token", FORBIDDEN;
    /// There is no such thing.
    NotFound = "not_found", NOT_FOUND;
    /// A check-in came again after a later one.
    Replayed = "replayed", CONFLICT;
    /// It does not fit to what is so by now: try again.
    Conflict = "conflict", CONFLICT;
    /// The body is larger than it may be.
    TooLarge = "too_large", PAYLOAD_TOO_LARGE;
    /// It is not as it has to be.
    Invalid = "invalid", UNPROCESSABLE_ENTITY;
    /// A fault of the server.
    Internal = "internal", INTERNAL_SERVER_ERROR;
    /// The server can't do this now: come back later.
    Unavailable = "unavailable", SERVICE_UNAVAILABLE;
}

/// A call that is refused.
#[derive(Debug)]
pub(super) struct Refused {
    pub code: Code,
    pub detail: String,
}

impl Refused {
    pub fn new(code: Code, detail: impl Into<String>) -> Refused {
        Refused { code, detail: detail.into() }
    }
}

/// How long to stay away from a server that can't answer now, in seconds.
const RETRY_AFTER: u64 = 30;

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = self.code.status();
        let body = Body { status: status.as_u16(), code: self.code.word().into(), detail: self.detail };
        let bytes = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = (status, bytes).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.code == Code::Unavailable {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER));
        }
        response
    }
}

impl From<TellError> for Refused {
    fn from(error: TellError) -> Refused {
        match error {
            TellError::Refused(refusal) => {
                let code = match &refusal {
                    Refusal::Missing { .. } => Code::Retired,
                    Refusal::Conflict(_) | Refusal::Exists { .. } | Refusal::Busy(_) | Refusal::Stopped { .. } => {
                        Code::Conflict
                    }
                    Refusal::Quarantined { .. } => Code::Quarantined,
                    Refusal::Forbidden(_) | Refusal::Scope(_) => Code::Token,
                    Refusal::Invalid(_) => Code::Invalid,
                };
                Refused::new(code, refusal.to_string())
            }
            TellError::Append(_) | TellError::Store(_) | TellError::Ended(_) => {
                Refused::new(Code::Unavailable, error.to_string())
            }
            error => {
                tracing::error!(%error, "a device could not be answered");
                Refused::new(Code::Internal, "the server has a fault")
            }
        }
    }
}

/// The answer where the program has a mistake.
pub(super) fn panicked(_: Box<dyn std::any::Any + Send + 'static>) -> Response {
    tracing::error!("a handler has panicked");
    Refused::new(Code::Internal, "the server has a fault").into_response()
}
