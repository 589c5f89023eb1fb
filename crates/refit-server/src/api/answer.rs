//! What handlers give back.

use super::{
    Api,
    extract::{Caller, stored},
    problem::{Code, Problem},
};
use crate::shell::{Request, TellError, Told, View};
use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use refit_core::control::{Input, Scope};
use refit_store::AppendError;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::sync::{Arc, OnceLock};

/// A JSON answer.
pub fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => json_bytes(status, bytes),
        Err(error) => Problem::new(Code::Internal, format!("the answer can't be written: {error}")).into_response(),
    }
}

/// A JSON answer that is written already.
pub fn json_bytes(status: StatusCode, bytes: Vec<u8>) -> Response {
    let mut response = (status, bytes).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// One resource, with its ETag; 304 where the client has it already.
pub fn tagged(headers: &HeaderMap, body: &impl Serialize) -> Response {
    let bytes = match serde_json::to_vec(body) {
        Ok(bytes) => bytes,
        Err(error) => return Problem::new(Code::Internal, error.to_string()).into_response(),
    };
    let tag = etag(&bytes);
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|given| names(given, &tag));
    let mut response = if known { StatusCode::NOT_MODIFIED.into_response() } else { json_bytes(StatusCode::OK, bytes) };
    if let Ok(value) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, value);
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    response
}

/// Refuses where the client has read something else than what is so.
pub fn unchanged(headers: &HeaderMap, body: &impl Serialize) -> Result<(), Problem> {
    let Some(given) = headers.get(header::IF_MATCH) else { return Ok(()) };
    let bytes = serde_json::to_vec(body).unwrap_or_default();
    if names(given, &etag(&bytes)) {
        return Ok(());
    }
    Err(Problem::new(Code::Changed, "it has changed since it was read: read it again, and decide again"))
}

/// A strong tag: equal bytes, and only those, have it.
fn etag(bytes: &[u8]) -> String {
    format!("\"{}\"", &super::hex(&Sha256::digest(bytes))[..32])
}

/// Whether a list of tags names one. What compression makes of it counts as the same.
fn names(given: &HeaderValue, tag: &str) -> bool {
    let Ok(given) = given.to_str() else { return false };
    given.split(',').map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

impl Api {
    /// Answers one resource, with its ETag.
    pub(super) fn one<T: Serialize>(
        &self,
        caller: &Caller,
        headers: &HeaderMap,
        said: impl FnOnce(&View) -> Result<T, Problem>,
    ) -> Result<Response, Problem> {
        caller.needs(Scope::ReadFleet)?;
        Ok(tagged(headers, &said(&self.shell().view())?))
    }

    /// Tells the writer, and answers; a repeated request is answered as it was.
    pub(super) async fn post<T: Serialize + 'static>(
        &self,
        caller: &Caller,
        repeat: Option<Request>,
        status: StatusCode,
        input: Input,
        answer: impl FnOnce(&Told) -> T + Send + 'static,
    ) -> Result<Response, Problem> {
        self.post_as(caller, repeat, status, input, move |told| {
            let bytes = serde_json::to_vec(&answer(told)).unwrap_or_default();
            (bytes.clone(), bytes)
        })
        .await
    }

    /// As [`Api::post`]; what is kept for repetitions is the second of what `answer` makes.
    pub(super) async fn post_as(
        &self,
        caller: &Caller,
        repeat: Option<Request>,
        status: StatusCode,
        input: Input,
        answer: impl FnOnce(&Told) -> (Vec<u8>, Vec<u8>) + Send + 'static,
    ) -> Result<Response, Problem> {
        let Some(request) = repeat else {
            let told = self.shell().tell(&caller.actor, input, None).await?;
            return Ok(json_bytes(status, answer(&told).0));
        };
        let given = Arc::new(OnceLock::new());
        let giving = given.clone();
        let keep = move |told: &Told| {
            let (now, kept) = answer(told);
            let _ = giving.set(now);
            (status.as_u16(), kept)
        };
        match self.shell().tell(&caller.actor, input, Some((request.clone(), Box::new(keep)))).await {
            Ok(_) => Ok(json_bytes(status, given.get().cloned().unwrap_or_default())),
            // Two at the same time: the other one was first.
            Err(TellError::Append(AppendError::AlreadyAnswered { .. })) => match stored(self, &request).await? {
                Some(answer) => Ok(answer),
                None => Err(Problem::new(Code::Unavailable, "the answer to this request is not there yet")),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// Reads what takes longer, beside those who answer quickly, on a view that does not change.
    pub(super) async fn reading<T: Send + 'static>(
        &self,
        read: impl FnOnce(&View) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let view = self.shell().view();
        self.beside(move || read(&view)).await
    }

    /// Works on a thread for what takes longer.
    pub(super) async fn beside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let span = tracing::Span::current();
        let done = tokio::task::spawn_blocking(move || span.in_scope(work)).await;
        done.map_err(|error| {
            tracing::error!(%error, "a reader has stopped");
            Problem::new(Code::Internal, "the server has a fault: the work stopped half-way")
        })
    }
}
