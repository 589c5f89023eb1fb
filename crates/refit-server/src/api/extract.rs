//! What handlers take: who asks, path, query, and bodies, each refused with a problem where it is not as it has to be.

use super::{
    Api,
    body::{json, parse, read},
    problem::{Code, Problem},
};
use crate::shell::Request as Repeatable;
use axum::{
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderValue, StatusCode, request::Parts},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use refit_core::control::{Actor, Scope, TokenId};
use serde::{Deserialize, Deserializer, de::DeserializeOwned, de::Error as _};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

/// Who asks, as the token says. Every handler of the API has one.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who asks.
    pub actor: Actor,
    /// The token.
    pub token: TokenId,
    /// How many requests it may make in a minute, where it has a limit of its own.
    pub requests_per_minute: Option<u32>,
}

impl Caller {
    /// Refuses where the token does not permit something.
    pub fn needs(&self, scope: Scope) -> Result<(), Problem> {
        if self.actor.may(scope) { Ok(()) } else { Err(Problem::scope(scope)) }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Caller, Problem> {
        let caller = parts.extensions.get::<Caller>().cloned();
        caller.ok_or_else(|| Problem::new(Code::Unauthorized, "this needs a token"))
    }
}

/// The parts of the path.
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Path<T>, Problem> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Path(value)),
            Err(_) => Err(Problem::new(Code::NotFound, "this path is no UTF-8, or names nothing")),
        }
    }
}

/// The query.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Query<T>, Problem> {
        let query = axum::extract::Query::<T>::try_from_uri(&parts.uri);
        query.map(|query| Query(query.0)).map_err(|error| {
            let text = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            Problem::new(Code::Invalid, format!("the query: {text}"))
        })
    }
}

/// A time among the parameters of a query.
#[derive(Clone, Copy, Debug)]
pub struct Time(pub Timestamp);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Time).map_err(|_| {
            let shown: String = text.chars().take(60).flat_map(char::escape_debug).collect();
            let example = "2026-11-25T08:00:00Z";
            // Whoever gives a day may mean its beginning or its end, in whatever zone.
            let day = text.parse::<jiff::civil::Date>().map(|day| format!("{day}T00:00:00Z"));
            let write = day.as_deref().unwrap_or(example);
            D::Error::custom(format!("`{shown}` is no point in time: write `{write}`"))
        })
    }
}

/// A body that is written, with what makes it repeatable. Where the very request was answered before, that answer is the
/// rejection.
pub struct Posted<T> {
    /// The body.
    pub body: T,
    /// Its idempotency key, where the client gave one.
    pub repeat: Option<Repeatable>,
}

impl<T: DeserializeOwned + ToSchema> FromRequest<Api> for Posted<T> {
    type Rejection = Response;

    async fn from_request(request: Request, api: &Api) -> Result<Posted<T>, Response> {
        let (parts, bytes) = read(request).await.map_err(IntoResponse::into_response)?;
        json(&parts).map_err(IntoResponse::into_response)?;
        let repeat = repeat(&parts, &bytes, api).await?;
        let body = parse(&bytes).map_err(IntoResponse::into_response)?;
        Ok(Posted { body, repeat })
    }
}

/// A write without a body.
pub struct Bare(pub Option<Repeatable>);

impl FromRequest<Api> for Bare {
    type Rejection = Response;

    async fn from_request(request: Request, api: &Api) -> Result<Bare, Response> {
        let (parts, bytes) = read(request).await.map_err(IntoResponse::into_response)?;
        Ok(Bare(repeat(&parts, &bytes, api).await?))
    }
}

/// A body that replaces something: `PUT` can be repeated as it is.
pub struct Put<T>(pub T);

impl<T: DeserializeOwned + ToSchema> FromRequest<Api> for Put<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &Api) -> Result<Put<T>, Problem> {
        let (parts, bytes) = read(request).await?;
        json(&parts)?;
        parse(&bytes).map(Put)
    }
}

/// The longest idempotency key.
const KEY_LONGEST: usize = 255;

/// What makes a request repeatable. An answer that was given to the same request is given again, as the error.
async fn repeat(parts: &Parts, bytes: &[u8], api: &Api) -> Result<Option<Repeatable>, Response> {
    let Some(given) = parts.headers.get("idempotency-key") else { return Ok(None) };
    let key = given.to_str().ok().filter(|key| !key.is_empty() && key.len() <= KEY_LONGEST);
    let (Some(key), Some(caller)) = (key, parts.extensions.get::<Caller>()) else {
        let detail = format!("an idempotency key is 1 to {KEY_LONGEST} visible ASCII characters");
        return Err(Problem::field("Idempotency-Key", detail).into_response());
    };
    let mut hasher = Sha256::new();
    for part in [parts.method.as_str(), parts.uri.to_string().as_str()] {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.update(bytes);
    let request = Repeatable { key: format!("{}:{key}", caller.token), fingerprint: super::hex(&hasher.finalize()) };
    match stored(api, &request).await {
        Ok(Some(answer)) => Err(answer),
        Ok(None) => Ok(Some(request)),
        Err(problem) => Err(problem.into_response()),
    }
}

/// The answer that a request was given before.
pub async fn stored(api: &Api, request: &Repeatable) -> Result<Option<Response>, Problem> {
    let Some(answered) = api.shell().store().answer(&request.key).await? else { return Ok(None) };
    if answered.fingerprint != request.fingerprint {
        let detail = "this key was used for another request; choose a new key for each request";
        return Err(Problem::new(Code::KeyReused, detail));
    }
    let status = StatusCode::from_u16(answered.status).unwrap_or(StatusCode::OK);
    let mut response = super::answer::json_bytes(status, answered.body);
    response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    Ok(Some(response))
}
