//! Tokens: `/api/v1/tokens`.

use super::{
    Api, answer,
    extract::{Caller, Path, Posted},
    new_id,
    problem::{Code, Problem},
};
use axum::{extract::State, http::StatusCode, response::Response};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use refit_api::{NewToken, Page, Token, TokenMade, Written};
use refit_core::control::{Input, Scope, TokenId, TokenRecord};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// Lists tokens, also expired ones. Secrets are not kept.
#[utoipa::path(
    get, path = "/api/v1/tokens", tag = "tokens",
    responses((status = 200, description = "All tokens.", body = refit_api::TokenPage)),
)]
pub(super) async fn list(State(api): State<Api>, caller: Caller) -> Result<Response, Problem> {
    caller.needs(Scope::Admin)?;
    let view = api.shell().view();
    let tokens = view.state.tokens.iter().map(|(id, record)| token(id, record));
    Ok(answer::json(StatusCode::OK, &Page::whole(tokens.collect())))
}

/// Makes a token. Nobody hands on more than they have.
#[utoipa::path(
    post, path = "/api/v1/tokens", tag = "tokens", request_body = NewToken,
    responses((status = 201, description = "The token with its secret, which is shown once.", body = TokenMade)),
)]
pub(super) async fn create(
    State(api): State<Api>,
    caller: Caller,
    Posted { body, repeat }: Posted<NewToken>,
) -> Result<Response, Problem> {
    let secret = secret()?;
    let id = TokenId::new(new_id());
    let record = TokenRecord {
        hash: hash(&secret).into(),
        name: body.name.into(),
        owner: body.owner.map_or_else(|| caller.actor.owner.clone(), Into::into),
        bearer: body.bearer,
        scopes: body.scopes,
        expires: body.expires,
        roles: BTreeSet::new(),
        requests_per_minute: body.requests_per_minute,
    };
    let made = token(&id, &record);
    let input = Input::CreateToken { token: id, record };
    let answer = move |_: &crate::shell::Told| {
        let write = |secret| serde_json::to_vec(&TokenMade { token: made.clone(), secret }).unwrap_or_default();
        (write(Some(secret)), write(None))
    };
    api.post_as(&caller, repeat, StatusCode::CREATED, input, answer).await
}

/// Revokes a token: from now on it no longer counts.
#[utoipa::path(
    delete, path = "/api/v1/tokens/{id}", tag = "tokens",
    params(("id" = String, Path, description = "The token's id.")),
    responses((status = 200, description = "It no longer counts.", body = Written)),
)]
pub(super) async fn revoke(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let input = Input::RevokeToken { token: TokenId::new(id) };
    api.post(&caller, None, StatusCode::OK, input, |told| Written { changed: true, ..super::written(told) }).await
}

pub(super) fn token(id: &TokenId, record: &TokenRecord) -> Token {
    Token {
        id: id.to_string(),
        name: record.name.to_string(),
        owner: record.owner.to_string(),
        bearer: record.bearer,
        scopes: record.scopes.clone(),
        expires: record.expires,
        roles: record.roles.clone(),
        requests_per_minute: record.requests_per_minute,
    }
}

/// A new secret: 32 random bytes.
pub(super) fn secret() -> Result<String, Problem> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| Problem::new(Code::Unavailable, format!("the system gives no random numbers: {error}")))?;
    Ok(format!("refit_{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// What is kept of a secret.
pub fn hash(secret: &str) -> String {
    super::hex(&Sha256::digest(secret.as_bytes()))
}
