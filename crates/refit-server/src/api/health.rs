//! Whether the server is well, for whoever watches over it. No token is needed.

use super::{Api, answer, problem::Problem};
use axum::{extract::State, http::StatusCode, response::Response};
use refit_api::Health;

/// Whether the program runs.
#[utoipa::path(
    get, path = "/healthz", tag = "operation", security(()),
    responses((status = 200, description = "It runs.", body = Health)),
)]
pub(super) async fn healthz(State(api): State<Api>) -> Response {
    answer::json(StatusCode::OK, &health(&api))
}

/// Whether the log can be read and requests are answered.
#[utoipa::path(
    get, path = "/readyz", tag = "operation", security(()),
    responses((status = 200, description = "It is ready.", body = Health)),
)]
pub(super) async fn readyz(State(api): State<Api>) -> Result<Response, Problem> {
    api.shell().store().head().await?;
    Ok(answer::json(StatusCode::OK, &health(&api)))
}

fn health(api: &Api) -> Health {
    Health {
        status: "ok".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        head: api.shell().view().state.seq,
    }
}
