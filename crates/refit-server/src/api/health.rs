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
///
/// `impaired` is: it is ready, and could not decide some devices because of a mistake in the program; they keep what was decided before.
#[utoipa::path(
    get, path = "/readyz", tag = "operation", security(()),
    responses((status = 200, description = "It is ready.", body = Health)),
)]
pub(super) async fn readyz(State(api): State<Api>) -> Result<Response, Problem> {
    api.shell().store().head().await?;
    Ok(answer::json(StatusCode::OK, &health(&api)))
}

fn health(api: &Api) -> Health {
    let view = api.shell().view();
    let undecided = view.board.failures(&view.state).count() as u64;
    Health {
        status: if undecided == 0 { "ok" } else { "impaired" }.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        head: view.state.seq,
        undecided,
    }
}
