//! What a client is answered that is refused (RFC 7644, section 3.12).

use super::super::problem::Problem;
use crate::shell::TellError;
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

/// The schema of errors.
const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// A refusal.
#[derive(Debug)]
pub(super) struct Refused {
    status: StatusCode,
    /// One of the standard's words, where it has one for this.
    scim_type: Option<&'static str>,
    /// For people.
    detail: String,
    retry_after: Option<u64>,
}

impl Refused {
    pub(super) fn new(status: StatusCode, scim_type: Option<&'static str>, detail: impl Into<String>) -> Refused {
        Refused { status, scim_type, detail: detail.into(), retry_after: None }
    }

    /// What was sent is not as it has to be; `scim_type` is one of the standard's words.
    pub(super) fn invalid(scim_type: &'static str, detail: impl Into<String>) -> Refused {
        Refused::new(StatusCode::BAD_REQUEST, Some(scim_type), detail)
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Refused {
        Refused::new(StatusCode::NOT_FOUND, None, detail)
    }

    /// There is another one of this name.
    pub(super) fn taken(detail: impl Into<String>) -> Refused {
        Refused::new(StatusCode::CONFLICT, Some("uniqueness"), detail)
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Refused {
        let retry_after = problem.retry_after;
        let detail = match problem.help {
            Some(help) => format!("{}: {help}", problem.detail),
            None => problem.detail,
        };
        let status = match problem.code.status() {
            StatusCode::UNPROCESSABLE_ENTITY => StatusCode::BAD_REQUEST,
            status => status,
        };
        Refused { retry_after, ..Refused::new(status, None, detail) }
    }
}

impl From<TellError> for Refused {
    fn from(error: TellError) -> Refused {
        Problem::from(error).into()
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut body = json!({ "schemas": [ERROR], "status": self.status.as_str(), "detail": self.detail });
        if let Some(scim_type) = self.scim_type {
            body["scimType"] = scim_type.into();
        }
        let mut response = super::answer(self.status, &body);
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let realm = HeaderValue::from_static("Bearer realm=\"refit\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, realm);
        }
        response
    }
}
