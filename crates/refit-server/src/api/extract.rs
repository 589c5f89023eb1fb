//! What handlers take: who asks, path, query, and bodies, each refused with a problem where it is not as it has to be.

use super::{
    Api,
    problem::{Code, Problem},
};
use crate::shell::Request as Repeatable;
use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, MatchedPath, Request},
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use refit_core::control::{Actor, Scope, TokenId};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

/// Who asks, as the token says. Every handler of the API has one.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who asks.
    pub actor: Actor,
    /// The token.
    pub token: TokenId,
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

/// A body that is written, with what makes it repeatable. Where the very request was answered before, that answer is the
/// rejection.
pub struct Posted<T> {
    /// The body.
    pub body: T,
    /// Its idempotency key, where the client gave one.
    pub repeat: Option<Repeatable>,
}

impl<T: DeserializeOwned> FromRequest<Api> for Posted<T> {
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

impl<T: DeserializeOwned> FromRequest<Api> for Put<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &Api) -> Result<Put<T>, Problem> {
        let (parts, bytes) = read(request).await?;
        json(&parts)?;
        parse(&bytes).map(Put)
    }
}

/// The largest body, in bytes.
const BODY_MOST: usize = 2 << 20;
/// The largest body of what comes in bulk.
const BULK_MOST: usize = 32 << 20;

async fn read(request: Request) -> Result<(Parts, Bytes), Problem> {
    let (parts, body) = request.into_parts();
    let path = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let bulk = ["/plans", "/observations", "/releases", "/advisories", "/mandates"]
        .iter()
        .any(|ending| path.ends_with(ending));
    let most = if bulk { BULK_MOST } else { BODY_MOST };
    let too_large = || Problem::new(Code::TooLarge, format!("the body is larger than {} MiB", most >> 20));
    let length = parts.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > most as u64) {
        return Err(too_large());
    }
    match axum::body::to_bytes(body, most).await {
        Ok(bytes) => Ok((parts, bytes)),
        Err(error) => {
            let mut source: Option<&dyn std::error::Error> = Some(&error);
            while let Some(inner) = source {
                if inner.to_string().contains("length limit exceeded") {
                    return Err(too_large());
                }
                source = inner.source();
            }
            Err(Problem::new(Code::Malformed, "the body could not be read to its end"))
        }
    }
}

fn json(parts: &Parts) -> Result<(), Problem> {
    let given = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let fits = essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"));
    let problem = || Problem::new(Code::MediaType, "send the body as `Content-Type: application/json`");
    if fits { Ok(()) } else { Err(problem()) }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut read = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut read).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        if inner.is_data() {
            Problem::field(if path == "." { String::new() } else { path }, inner.to_string())
        } else {
            Problem::new(Code::Malformed, format!("the body is no JSON: {inner}"))
        }
    })?;
    read.end().map_err(|error| Problem::new(Code::Malformed, format!("the body is no JSON: {error}")))?;
    // A list would be read as the fields in their order, and an empty one as none given.
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(Problem::new(Code::Invalid, "the body has to be an object: `{ ... }`"));
    }
    Ok(value)
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
