//! SCIM 2.0 inbound (RFC 7643, RFC 7644): an identity provider such as Okta or Entra ID says who there is, under
//! `/scim/SOURCE/v2`.
//!
//! What it says of a person are facts of the source `SOURCE`, beside what other systems say of the same person; authority decides
//! between them as always. What it wants to read again is kept with them as a personal value, so that erasing a person erases it too
//! (decision 0134).
//!
//! - `schema.rs` The attributes that there are, in the standard's words; [`schema::canonical`] takes what is sent.
//! - `filter.rs` Which resources a filter means.
//! - `patch.rs` What a change makes of a resource.
//! - `person.rs` The facts that a resource says of a person.
//! - `directory.rs` The resources that there are, and whose.
//! - `asked.rs` What of resources clients want to read, and which version they have.
//! - `users.rs` `/Users`; `groups.rs` `/Groups`, `group_change.rs` what is sent of them (decision 0144); `listing.rs` lists of either,
//!   and of both at once; `discovery.rs` what clients ask before they begin.

mod asked;
mod directory;
mod discovery;
mod error;
mod filter;
mod group_change;
mod groups;
mod listing;
mod patch;
mod person;
mod schema;
mod users;

pub(super) use directory::{Directory, resource};

use super::{
    Api,
    auth::{self, Credentials},
    extract::Caller,
};
use axum::{
    Router,
    extract::FromRequestParts,
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use error::Refused;
use refit_core::control::Scope;
use serde_json::Value;
use smol_str::SmolStr;
use std::collections::HashMap;

/// The paths of the protocol.
pub(super) fn router() -> Router<Api> {
    let users = get(listing::users).post(users::create);
    let user = get(users::get).put(users::replace).patch(users::change).delete(users::delete);
    let groups = get(listing::groups).post(groups::create);
    let group = get(groups::get).put(groups::replace).patch(groups::change).delete(groups::delete);
    Router::new()
        .route("/scim/{source}/v2/Users", users.fallback(not_allowed))
        .route("/scim/{source}/v2/Users/.search", post(listing::among_users).fallback(not_allowed))
        .route("/scim/{source}/v2/Users/{id}", user.fallback(not_allowed))
        .route("/scim/{source}/v2/Groups", groups.fallback(not_allowed))
        .route("/scim/{source}/v2/Groups/.search", post(listing::among_groups).fallback(not_allowed))
        .route("/scim/{source}/v2/Groups/{id}", group.fallback(not_allowed))
        .route("/scim/{source}/v2/.search", post(listing::among_all).fallback(not_allowed))
        .route("/scim/{source}/v2/ServiceProviderConfig", get(discovery::config).fallback(not_allowed))
        .route("/scim/{source}/v2/ResourceTypes", get(discovery::types).fallback(not_allowed))
        .route("/scim/{source}/v2/ResourceTypes/{id}", get(discovery::one_type).fallback(not_allowed))
        .route("/scim/{source}/v2/Schemas", get(discovery::schemas).fallback(not_allowed))
        .route("/scim/{source}/v2/Schemas/{id}", get(discovery::one_schema).fallback(not_allowed))
        .route("/scim/{source}/v2/Me", any(not_there))
        .route("/scim/{source}/v2/Bulk", any(not_there))
        .route("/scim/{source}/v2/{*path}", any(no_such_endpoint))
}

/// Who asks, and in which source's name.
struct Asking {
    caller: Caller,
    source: SmolStr,
    /// The rest of the path, where it names a resource.
    id: Option<String>,
}

impl FromRequestParts<Api> for Asking {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Asking, Refused> {
        let caller = auth::identify(api, &parts.headers, &parts.extensions, Credentials::Bearer)?;
        caller.needs(Scope::ReadPersonal)?;
        let path = axum::extract::Path::<HashMap<String, String>>::from_request_parts(parts, api).await;
        let axum::extract::Path(mut path) = path.map_err(|_| Refused::not_found("this path is no UTF-8"))?;
        let source = path.remove("source").unwrap_or_default();
        if !super::names_source(&source) {
            return Err(Refused::not_found(
                "the path begins with `/scim/SOURCE/v2`: a source is named with up to 64 small letters, digits, `-`, `_` and `.`",
            ));
        }
        Ok(Asking { caller, source: source.into(), id: path.remove("id") })
    }
}

impl Asking {
    /// The address of a resource, as answers name it.
    fn location(&self, kind: &str, id: &str) -> String {
        format!("/scim/{}/v2/{kind}/{id}", self.source)
    }
}

/// An answer of the protocol.
fn answer(status: StatusCode, body: &Value) -> Response {
    let mut response = (status, body.to_string()).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/scim+json"));
    response
}

async fn not_allowed() -> Refused {
    Refused::new(StatusCode::METHOD_NOT_ALLOWED, None, "this can't be done here")
}

async fn not_there() -> Refused {
    Refused::new(StatusCode::NOT_IMPLEMENTED, None, "this is not there: `/ServiceProviderConfig` says what is")
}

async fn no_such_endpoint() -> Refused {
    Refused::not_found("there is no such endpoint: `/ResourceTypes` lists those that there are")
}
