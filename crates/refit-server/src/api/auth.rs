//! Who asks: the token of `Authorization: Bearer`, and how often it may ask.

use super::{
    Api, access,
    extract::Caller,
    problem::{Code, Problem},
};
use axum::{
    extract::{ConnectInfo, MatchedPath, Request, State},
    http::{Extensions, HeaderMap, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use refit_core::control::{Actor, State as World, TokenId};
use sha2::{Digest, Sha256};
use smol_str::{SmolStr, format_smolstr};
use std::net::SocketAddr;
use subtle::ConstantTimeEq;

/// How many failed attempts count together: whoever guesses is slowed down, and nobody else is.
const STRANGERS: &str = "";

/// Lets a request through where its token counts and permits what is asked for, and notes who asks.
pub async fn authenticate(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let identified = identify(&api, request.headers(), request.extensions(), Credentials::Bearer);
    let permitted = identified.and_then(|caller| {
        let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
        access::permit(&caller, request.method().as_str(), route).map(|()| caller)
    });
    match permitted {
        Ok(caller) => {
            tracing::Span::current().record("actor", caller.actor.name.as_str());
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// How a token may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// As `Authorization: Bearer`.
    Bearer,
    /// Also as the password of `Authorization: Basic`, whatever the user is called.
    BearerOrBasic,
}

/// Who asks; and whether it asks too often.
pub fn identify(
    api: &Api,
    headers: &HeaderMap,
    extensions: &Extensions,
    credentials: Credentials,
) -> Result<Caller, Problem> {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let secret = given.and_then(|value| {
        let (scheme, secret) = value.split_once(' ')?;
        match scheme.to_ascii_lowercase().as_str() {
            "bearer" => Some(secret.trim().to_owned()),
            "basic" if credentials == Credentials::BearerOrBasic => {
                let decoded = String::from_utf8(STANDARD.decode(secret.trim()).ok()?).ok()?;
                decoded.split_once(':').map(|(_, password)| password.to_owned())
            }
            _ => None,
        }
    });
    let view = api.shell().view();
    let caller = match secret {
        None => Err(Problem::new(Code::Unauthorized, "this needs a token")
            .help("send `Authorization: Bearer SECRET`; `refit tokens create` makes tokens")),
        Some(secret) => find(&view.state, &secret, api.shell().now(), origin(extensions)),
    };
    let (who, own) = match &caller {
        Ok(caller) => (caller.token.as_str(), caller.requests_per_minute),
        Err(_) => (STRANGERS, None),
    };
    if let Err(seconds) = api.inner.rates.take(who, own) {
        let problem = Problem::new(Code::RateLimited, format!("too many requests: come back in {seconds} s"));
        return Err(Problem { retry_after: Some(seconds), ..problem });
    }
    caller
}

/// Where a request comes from: the address at the other end of the connection. What headers say of it anybody could have written.
pub(crate) fn origin(request: &Extensions) -> SmolStr {
    let peer = request.get::<ConnectInfo<SocketAddr>>();
    peer.map_or(Actor::LOCAL, |ConnectInfo(peer)| format_smolstr!("{}", peer.ip().to_canonical()))
}

/// Whether a token still counts.
pub fn counts(state: &World, token: &TokenId, now: Timestamp) -> bool {
    state.tokens.get(token).is_some_and(|record| record.expires > now)
}

fn find(state: &World, secret: &str, now: Timestamp, origin: SmolStr) -> Result<Caller, Problem> {
    let hash = super::hex(&Sha256::digest(secret.as_bytes()));
    let mut found = None;
    // All are compared, each in constant time: how long it takes tells nothing.
    for (id, record) in &state.tokens {
        if bool::from(record.hash.as_bytes().ct_eq(hash.as_bytes())) {
            found = Some((id, record));
        }
    }
    let Some((id, record)) = found else {
        return Err(Problem::new(Code::Unauthorized, "this token is unknown, or was revoked"));
    };
    if record.expires <= now {
        return Err(Problem::new(Code::Unauthorized, format!("this token expired at {}", record.expires))
            .help("`refit tokens create` makes a new one"));
    }
    let actor = Actor {
        name: format!("token:{id}").into(),
        owner: record.owner.clone(),
        bearer: record.bearer,
        scopes: record.scopes.clone(),
        origin,
    };
    Ok(Caller { actor, token: id.clone(), requests_per_minute: record.requests_per_minute })
}
