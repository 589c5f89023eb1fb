//! Sign-in of people: `/api/v1/sign-in`; and what a token is to whoever holds it: `/api/v1/session`.

use super::{
    Api, answer, auth,
    extract::{Caller, Put},
    new_id,
    problem::{Code, Problem},
    tokens::{secret, token},
};
use crate::sign_in::{SignIn, SignInError};
use axum::{
    extract::{FromRequestParts, State},
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};
use refit_api::{SignInBegun, SignInProof, Token, TokenMade, Written};
use refit_core::control::{Actor, Bearer, Input, Scope, TokenId, TokenRecord};
use smol_str::SmolStr;

/// Where somebody without a token asks from. Each place has a bucket of its own.
pub(super) struct Stranger(SmolStr);

/// How many requests a stranger may make in a minute: a sign-in takes two.
const STRANGER_PER_MINUTE: u32 = 120;

impl FromRequestParts<Api> for Stranger {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Stranger, Problem> {
        let origin = auth::origin(&parts.extensions);
        match api.inner.rates.take(&format!("sign-in from {origin}"), Some(STRANGER_PER_MINUTE)) {
            Ok(()) => Ok(Stranger(origin)),
            Err(seconds) => {
                let problem = Problem::new(Code::RateLimited, format!("too many sign-ins: come back in {seconds} s"));
                Err(Problem { retry_after: Some(seconds), ..problem })
            }
        }
    }
}

/// Begins a sign-in: where the person signs in, and the nonce that the ID token has to repeat. It can be finished for ten minutes.
#[utoipa::path(
    post, path = "/api/v1/sign-in/begin", tag = "tokens", security(()),
    responses((status = 200, description = "Where to sign in.", body = SignInBegun)),
)]
pub(super) async fn begin(State(api): State<Api>, _stranger: Stranger) -> Result<Response, Problem> {
    let sign_in = set_up(&api)?;
    let begun = sign_in.begin(api.shell().now()).await?;
    let options = sign_in.options();
    let said = SignInBegun {
        id: begun.id,
        issuer: options.issuer.clone(),
        authorization_endpoint: begun.authorization_endpoint,
        token_endpoint: begun.token_endpoint,
        client: options.client.clone(),
        scope: options.scopes.join(" "),
        nonce: begun.nonce,
        until: begun.until,
    };
    Ok(unkept(answer::json(StatusCode::OK, &said)))
}

/// Finishes a sign-in: gives a token for an ID token that the server has verified. It ends when the ID token does, after twelve hours at most.
#[utoipa::path(
    post, path = "/api/v1/sign-in", tag = "tokens", security(()), request_body = SignInProof,
    responses((status = 201, description = "The token with its secret, which is shown once.", body = TokenMade)),
)]
pub(super) async fn finish(
    State(api): State<Api>,
    Stranger(origin): Stranger,
    // The sign-in counts once, so that there is nothing to repeat.
    Put(body): Put<SignInProof>,
) -> Result<Response, Problem> {
    let sign_in = set_up(&api)?;
    let person = sign_in.finish(&body.id, &body.id_token, api.shell().now()).await?;
    let secret = secret()?;
    let id = TokenId::new(new_id());
    let record = TokenRecord {
        hash: super::tokens::hash(&secret).into(),
        name: "sign-in".into(),
        owner: person.owner,
        bearer: Bearer::Person,
        scopes: person.scopes,
        expires: person.expires,
        roles: person.roles,
        requests_per_minute: None,
    };
    let made = TokenMade { token: token(&id, &record), secret: Some(secret) };
    let actor = Actor { origin, ..Actor::server() };
    api.shell().tell(&actor, Input::CreateToken { token: id, record }, None).await?;
    Ok(unkept(answer::json(StatusCode::CREATED, &made)))
}

/// Who asks: what is known of the token that this is asked with.
#[utoipa::path(
    get, path = "/api/v1/session", tag = "tokens",
    responses((status = 200, description = "The token.", body = Token)),
)]
pub(super) async fn session(State(api): State<Api>, caller: Caller) -> Result<Response, Problem> {
    let view = api.shell().view();
    let record = view.state.tokens.get(&caller.token);
    let record = record.ok_or_else(|| Problem::missing("token", caller.token.as_str()))?;
    Ok(unkept(answer::json(StatusCode::OK, &token(&caller.token, record))))
}

/// Signs out: the token that this is asked with no longer counts.
#[utoipa::path(
    delete, path = "/api/v1/session", tag = "tokens",
    responses((status = 200, description = "It no longer counts.", body = Written)),
)]
pub(super) async fn end(State(api): State<Api>, caller: Caller) -> Result<Response, Problem> {
    let input = Input::RevokeToken { token: caller.token.clone() };
    // Whoever holds a token may give it up.
    let mut actor = caller.actor.clone();
    actor.scopes.insert(Scope::Admin);
    let told = api.shell().tell(&actor, input, None).await?;
    Ok(answer::json(StatusCode::OK, &Written { changed: true, ..super::written(&told) }))
}

fn set_up(api: &Api) -> Result<&SignIn, Problem> {
    api.options().sign_in.as_ref().ok_or_else(|| {
        Problem::new(Code::NotFound, "nobody signs in at this server: it has no identity provider")
            .help("whoever runs it names one with `--sign-in ISSUER`; until then `refit tokens create` makes tokens")
    })
}

/// What is secret is kept by nothing on the way.
fn unkept(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl From<SignInError> for Problem {
    fn from(error: SignInError) -> Problem {
        let (code, help) = match &error {
            SignInError::Issuer { .. } => {
                (Code::Unavailable, "tokens that were given before count as they did; nobody new can sign in")
            }
            SignInError::Over(_) | SignInError::Token(_) => (Code::Unauthorized, "begin again: `refit login`"),
            SignInError::Claim { .. } => {
                let help =
                    "the provider has to put it into ID tokens, perhaps for a scope of its own (`--sign-in-scope`)";
                (Code::Forbidden, help)
            }
            SignInError::Unverified(_) => (Code::Forbidden, "verify it there, and sign in again"),
            SignInError::NoRole { .. } => (
                Code::Forbidden,
                "whoever runs the server says which group has which role: `--sign-in-role GROUP=ROLE`",
            ),
        };
        Problem::new(code, error.to_string()).help(help)
    }
}
