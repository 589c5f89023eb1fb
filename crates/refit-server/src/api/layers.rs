//! What lies around all handlers: the request's id and its span, figures, panics, time, compression.

use super::{
    Api,
    problem::{Code, Problem},
};
use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, Method, Uri},
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
};
use std::time::{Duration, Instant};
use tower_http::{catch_panic::CatchPanicLayer, compression::CompressionLayer};
use tracing::Instrument as _;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest id that is taken from a client.
const REQUEST_ID_LONGEST: usize = 128;

tokio::task_local! {
    static REQUEST: String;
}

/// The id of the request that is being answered.
pub fn current_request() -> Option<String> {
    REQUEST.try_with(Clone::clone).ok()
}

/// Puts everything around the routes.
pub fn around(router: Router<Api>, api: &Api) -> Router<Api> {
    router
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(api.clone(), in_time))
        .layer(from_fn_with_state(api.clone(), measured))
        .layer(CompressionLayer::new().gzip(true))
        .layer(from_fn(identified))
}

/// Gives each request an id, which its answer and everything that is logged of it carry.
async fn identified(mut request: Request, next: Next) -> Response {
    let given = request.headers().get(&REQUEST_ID).and_then(|value| value.to_str().ok()).filter(|id| {
        !id.is_empty()
            && id.len() <= REQUEST_ID_LONGEST
            && id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:".contains(c))
    });
    let id = given.map_or_else(super::new_id, str::to_owned);
    let span = tracing::info_span!(
        "request",
        id,
        method = %request.method(),
        path = request.uri().path(),
        actor = tracing::field::Empty
    );
    let value = HeaderValue::from_str(&id).ok();
    if let Some(value) = &value {
        request.headers_mut().insert(REQUEST_ID, value.clone());
    }
    let mut response = REQUEST.scope(id, next.run(request).instrument(span)).await;
    if let Some(value) = value {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// Counts requests and how long they take.
async fn measured(State(api): State<Api>, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let begun = Instant::now();
    let response = next.run(request).await;
    let status = response.status().as_u16();
    let took = begun.elapsed();
    api.metrics().request(method.as_str(), &route, status, took);
    tracing::debug!(status, took_ms = took.as_millis() as u64, "answered");
    response
}

/// The longest that anybody waits for events.
pub const WAIT_LONGEST: Duration = Duration::from_secs(60);

/// Ends what takes too long.
async fn in_time(State(api): State<Api>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let plans = path.contains("/plans") || path.ends_with("/explanation");
    let limit = match request.method() {
        _ if plans => api.options().plan_timeout,
        _ if path.ends_with("/events") || path.ends_with("/stream") => api.options().timeout + WAIT_LONGEST,
        _ => api.options().timeout,
    };
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(Code::Timeout, format!("it took longer than {} s", limit.as_secs())).into_response(),
    }
}

fn panicked(_: Box<dyn std::any::Any + Send + 'static>) -> Response {
    tracing::error!("a handler has panicked");
    Problem::new(Code::Internal, "the server has a fault; nothing of this request was done half")
        .help("report it with the request's id")
        .into_response()
}

/// The answer where no path fits.
pub async fn not_found(uri: Uri) -> Problem {
    Problem::missing("path", uri.path()).help("GET /api/v1/openapi.json lists all paths")
}

/// The answer where the path does not know the method.
pub async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    Problem::new(Code::MethodNotAllowed, format!("{} knows no {method}", uri.path()))
}
