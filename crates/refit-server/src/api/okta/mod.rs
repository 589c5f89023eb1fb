//! Okta's hooks, under `/okta/SOURCE`: what Okta says happened to accounts, and what it asks before it goes on.
//!
//! - `account.rs` The person whose account Okta means.
//! - `events.rs` Event hooks: what happens to accounts becomes facts of the source `SOURCE` (decision 0197).
//! - `sign_in.rs` Token and SAML inline hooks: how a person's devices stand goes into tokens and assertions, or refuses them.
//! - `joining.rs` Registration and user import inline hooks: whether somebody may have an account, and whose it is.
//!
//! All of it is answered from memory: Okta waits for three seconds. What of Okta's requests is not spoken of here is passed over, and read by nobody.

mod account;
mod events;
mod joining;
mod sign_in;

use super::{
    Api,
    auth::{self, Credentials},
    body,
    extract::Caller,
    layers, names_source,
    problem::{Code, Problem},
};
use axum::{
    Router,
    extract::{FromRequestParts, Request},
    http::{StatusCode, request::Parts},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use smol_str::SmolStr;
use std::collections::HashMap;

/// The paths.
pub(super) fn router() -> Router<Api> {
    let events = get(events::verify).post(events::take).fallback(layers::method_not_allowed);
    Router::new()
        .route("/okta/{source}/events", events)
        .route("/okta/{source}/token", post(sign_in::token).fallback(layers::method_not_allowed))
        .route("/okta/{source}/saml", post(sign_in::saml).fallback(layers::method_not_allowed))
        .route("/okta/{source}/registration", post(joining::registration).fallback(layers::method_not_allowed))
        .route("/okta/{source}/import", post(joining::import).fallback(layers::method_not_allowed))
}

/// Who asks, and in which source's name. Okta sends a header that never changes: `Bearer TOKEN`, or a token as the password of `Basic`.
struct Asking {
    caller: Caller,
    source: SmolStr,
}

impl FromRequestParts<Api> for Asking {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Asking, Problem> {
        let caller = auth::identify(api, &parts.headers, &parts.extensions, Credentials::BearerOrBasic)?;
        let path = axum::extract::Path::<HashMap<String, String>>::from_request_parts(parts, api).await;
        let source = path.ok().and_then(|mut path| path.remove("source")).unwrap_or_default();
        if !names_source(&source) {
            return Err(Problem::new(
                Code::NotFound,
                "the path begins with `/okta/SOURCE`: a source is named with up to 64 small letters, digits, `-`, `_` and `.`",
            ));
        }
        Ok(Asking { caller, source: source.into() })
    }
}

/// What Okta sends.
async fn read<T: DeserializeOwned>(request: Request) -> Result<T, Problem> {
    let (parts, bytes) = body::read(request).await?;
    body::json(&parts)?;
    serde_json::from_slice(&bytes).map_err(|error| {
        Problem::new(Code::Malformed, format!("this is not what Okta's hooks send: {error}"))
            .help("Okta's \"Preview\" of a hook shows what it sends")
    })
}

/// A text of what Okta sends, where it is one.
fn text<'v>(said: &'v Value, pointer: &str) -> Option<&'v str> {
    said.pointer(pointer).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
}

/// Okta does what it would do without the hook.
fn nothing() -> Response {
    StatusCode::NO_CONTENT.into_response()
}
