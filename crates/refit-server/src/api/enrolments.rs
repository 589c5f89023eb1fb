//! Enrolment tokens, and the certificates of devices: `/api/v1/enrolments`.

use super::{
    Api, answer, brake,
    extract::{Caller, Path, Posted},
    new_id,
    problem::{Code, Problem},
};
use crate::tokens;
use axum::{extract::State, http::StatusCode, response::Response};
use refit_api::{Enrolment, EnrolmentMade, NewEnrolment, Page, Why, Written};
use refit_core::control::{AgentInput, EnrolmentRecord, Input, Scope, TokenId};
use refit_model::DeviceId;
use refit_wire::EnrolmentToken;

/// Lists enrolment tokens, also those that no longer count. Secrets are not kept.
#[utoipa::path(
    get, path = "/api/v1/enrolments", tag = "agents",
    responses((status = 200, description = "All enrolment tokens.", body = refit_api::EnrolmentPage)),
)]
pub(super) async fn list(State(api): State<Api>, caller: Caller) -> Result<Response, Problem> {
    caller.needs(Scope::Admin)?;
    let view = api.shell().view();
    let enrolments = view.state.agents.enrolments.iter().map(|(id, record)| enrolment(id, record));
    Ok(answer::json(StatusCode::OK, &Page::whole(enrolments.collect())))
}

/// Makes an enrolment token: one line that a device needs to enrol.
#[utoipa::path(
    post, path = "/api/v1/enrolments", tag = "agents", request_body = NewEnrolment,
    responses((status = 201, description = "The token, which is shown once.", body = EnrolmentMade)),
)]
pub(super) async fn create(
    State(api): State<Api>,
    caller: Caller,
    Posted { body, repeat }: Posted<NewEnrolment>,
) -> Result<Response, Problem> {
    caller.needs(Scope::Admin)?;
    let agents = api.agents();
    let address = body.address.unwrap_or_else(|| agents.options().address.clone());
    if !address.starts_with("https://") || address.len() > 512 || address.chars().any(char::is_whitespace) {
        return Err(Problem::field("address", "an address is `https://HOST:PORT`"));
    }
    let random = |error: getrandom::Error| {
        Problem::new(Code::Unavailable, format!("the system gives no random numbers: {error}"))
    };
    let secret = tokens::secret().map_err(random)?;
    let id = TokenId::new(new_id());
    let record = EnrolmentRecord {
        hash: tokens::hash(&secret),
        name: body.name.into(),
        made: api.shell().now(),
        expires: body.expires,
        uses: body.uses,
        used: 0,
        revoked: None,
    };
    let root = api.shell().view().state.agents.root().and_then(|(_, root)| root.fingerprint.parse().ok());
    let token = EnrolmentToken { address, authority: agents.fingerprint(), root, secret }.to_string();
    let made = enrolment(&id, &record);
    let input = Input::Agents(AgentInput::CreateEnrolment { enrolment: id, record });
    let answer = move |_: &crate::shell::Told| {
        let write = |token| serde_json::to_vec(&EnrolmentMade { enrolment: made.clone(), token }).unwrap_or_default();
        (write(Some(token)), write(None))
    };
    api.post_as(&caller, repeat, StatusCode::CREATED, input, answer).await
}

/// Revokes an enrolment token. Devices that it has enrolled stay.
#[utoipa::path(
    delete, path = "/api/v1/enrolments/{id}", tag = "agents",
    params(("id" = String, Path, description = "The token's id.")),
    responses((status = 200, description = "It no longer counts.", body = Written)),
)]
pub(super) async fn revoke(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let input = Input::Agents(AgentInput::RevokeEnrolment { enrolment: TokenId::new(id) });
    api.post(&caller, None, StatusCode::OK, input, super::written).await
}

/// Revokes all certificates of a device: it is locked out until it enrols again.
#[utoipa::path(
    post, path = "/api/v1/devices/{id}/certificates/revoke", tag = "agents", request_body = Why,
    params(("id" = String, Path, description = "The device's id.", example = "d1")),
    responses((status = 200, description = "None counts any more.", body = Written)),
)]
pub(super) async fn revoke_certificates(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    Posted { body, repeat }: Posted<Why>,
) -> Result<Response, Problem> {
    let why = brake::reason(body)?.into();
    let input = Input::Agents(AgentInput::Revoke { device: DeviceId::new(id), why });
    api.post(&caller, repeat, StatusCode::OK, input, super::written).await
}

fn enrolment(id: &TokenId, record: &EnrolmentRecord) -> Enrolment {
    Enrolment {
        id: id.to_string(),
        name: record.name.to_string(),
        made: record.made,
        expires: record.expires,
        uses: record.uses,
        used: record.used,
        revoked: record.revoked,
    }
}
