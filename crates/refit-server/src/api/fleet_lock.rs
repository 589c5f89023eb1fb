//! The FleetLock protocol, for machines that restart without an agent of ours
//! (<https://coreos.github.io/zincati/development/fleetlock/protocol/>): `POST /v1/pre-reboot` and `POST /v1/steady-state`.
//!
//! They are leases like those of devices, and the same events. Clients know no tokens; what they can send is the user name and
//! password of their base address, as `Authorization: Basic`: the password is the token (decision 0077).

use super::{
    Api,
    auth::{self, Credentials},
    problem::Problem,
};
use crate::shell::TellError;
use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use refit_core::{
    control::{Input, LeaseInput, Refusal},
    rollout::disruption::{Holder, Phase},
};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// The largest body, in bytes.
const BODY_MOST: usize = 16 * 1_024;

/// What a client sends.
#[derive(Deserialize)]
struct Body {
    client_params: ClientParams,
}

#[derive(Deserialize)]
struct ClientParams {
    id: SmolStr,
    group: SmolStr,
}

/// What a client is answered that is refused.
#[derive(Serialize)]
struct Refused {
    /// One of a few words, which clients count.
    kind: &'static str,
    /// For people.
    value: String,
    #[serde(skip)]
    status: StatusCode,
}

impl Refused {
    fn new(status: StatusCode, kind: &'static str, value: impl Into<String>) -> Refused {
        Refused { kind, value: value.into(), status }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.status, Json(self)).into_response()
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Refused {
        Refused::new(problem.code.status(), "not_permitted", problem.detail)
    }
}

impl From<TellError> for Refused {
    fn from(error: TellError) -> Refused {
        match error {
            TellError::Refused(refusal) => {
                let (status, kind) = match &refusal {
                    Refusal::Busy(_) => (StatusCode::CONFLICT, "failed_lock_semaphore_full"),
                    Refusal::Stopped { .. } => (StatusCode::CONFLICT, "failed_lock_stopped"),
                    Refusal::Scope(_) => (StatusCode::FORBIDDEN, "not_permitted"),
                    Refusal::Invalid(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
                    _ => (StatusCode::CONFLICT, "failed_lock"),
                };
                Refused::new(status, kind, refusal.to_string())
            }
            error => Refused::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", error.to_string()),
        }
    }
}

/// The paths of the protocol.
pub(super) fn router() -> Router<Api> {
    Router::new()
        .route("/v1/pre-reboot", post(pre_reboot))
        .route("/v1/steady-state", post(steady_state))
        .layer(DefaultBodyLimit::max(BODY_MOST))
}

/// A client wants to restart.
async fn pre_reboot(State(api): State<Api>, request: Request) -> Result<StatusCode, Refused> {
    let (asking, ClientParams { id, group }) = read(&api, request).await?;
    let holder = Holder::Client(id.clone());
    api.shell().tell(&asking.actor, Input::Leases(LeaseInput::Take { client: id, group }), None).await?;
    match api.shell().view().state.leases.of(&holder).map(|lease| &lease.phase) {
        Some(Phase::Session) => Ok(StatusCode::OK),
        _ => {
            let value = "the lease is there, and the webhooks have to agree first: ask again";
            Err(Refused::new(StatusCode::CONFLICT, "failed_lock_draining", value))
        }
    }
}

/// A client is well again, and gives its lease back, where it has one.
async fn steady_state(State(api): State<Api>, request: Request) -> Result<StatusCode, Refused> {
    let (asking, ClientParams { id, .. }) = read(&api, request).await?;
    api.shell().tell(&asking.actor, Input::Leases(LeaseInput::Through { client: id }), None).await?;
    Ok(StatusCode::OK)
}

/// Who asks, and what it says. What the body's type is called does not matter: clients differ there.
async fn read(api: &Api, request: Request) -> Result<(super::extract::Caller, ClientParams), Refused> {
    let (parts, body) = request.into_parts();
    let invalid = |value: String| Refused::new(StatusCode::BAD_REQUEST, "invalid_request", value);
    // Over HTTP/2 an answer before the end of a body is an error to some clients.
    let bytes = axum::body::to_bytes(body, BODY_MOST).await;
    let bytes = bytes.map_err(|error| invalid(format!("the body can't be read: {error}")))?;
    if !is_meant(&parts.headers) {
        return Err(invalid("the header `fleet-lock-protocol: true` is missing".into()));
    }
    let caller = auth::identify(api, &parts.headers, &parts.extensions, Credentials::BearerOrBasic)?;
    let Body { client_params } =
        serde_json::from_slice(&bytes).map_err(|error| invalid(format!("the body is not as it has to be: {error}")))?;
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    if client_params.group.is_empty() || !client_params.group.chars().all(fits) {
        return Err(invalid("a group is made of letters, digits, `.` and `-`".into()));
    }
    Ok((caller, client_params))
}

fn is_meant(headers: &HeaderMap) -> bool {
    headers.get("fleet-lock-protocol").is_some_and(|value| value.as_bytes() == b"true")
}
