//! What agents trust: `/api/v1/trust`, `/api/v1/roots`, `/api/v1/mandates`. The server checks and hands on; it holds none of the
//! keys that sign these.

use super::{
    Api, answer,
    extract::{Caller, Path, Posted},
    problem::{Code, Problem},
};
use crate::agents::PublishError;
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use refit_api::{MandateEnvelope, MandateSaid, RootEnvelope, RootSaid, Trust, Written};
use refit_core::control::Scope;
use refit_wire::{Envelope, Mandate, Root, envelope::Document};

/// What the server knows of the organisation's keys, and its own.
#[utoipa::path(
    get, path = "/api/v1/trust", tag = "agents",
    responses(
        (status = 200, description = "Keys, root and mandate.", body = Trust),
        (status = 304, description = "It is what the client has."),
    ),
)]
pub(super) async fn get(State(api): State<Api>, caller: Caller, headers: HeaderMap) -> Result<Response, Problem> {
    caller.needs(Scope::ReadFleet)?;
    let agents = api.agents();
    let view = api.shell().view();
    let trust = &view.state.agents;
    let root = trust.root().and_then(|(version, root)| {
        let (published, expires) = (root.published, root.expires);
        Some(RootSaid { version, fingerprint: root.fingerprint.parse().ok()?, published, expires })
    });
    let mandate = trust.mandate().and_then(|(number, mandate)| {
        Some(MandateSaid {
            number,
            digest: mandate.digest.parse().ok()?,
            policy: mandate.policy.to_string(),
            published: mandate.published,
            expires: mandate.expires,
        })
    });
    let key = agents.key().public();
    let said = Trust {
        organization: crate::agents::organization(&view).to_string(),
        epoch: trust.epoch,
        server_key_id: key.id(),
        server_key: key,
        authority: agents.fingerprint(),
        root,
        mandate,
    };
    Ok(answer::tagged(&headers, &said))
}

/// Publishes a root: the first one, or the one that follows the newest by its signatures.
#[utoipa::path(
    post, path = "/api/v1/roots", tag = "agents", request_body = RootEnvelope,
    responses((status = 200, description = "It is published. `changed` is false where it was before.", body = Written)),
)]
pub(super) async fn publish_root(
    State(api): State<Api>,
    caller: Caller,
    Posted { body, .. }: Posted<RootEnvelope>,
) -> Result<Response, Problem> {
    caller.needs(Scope::Admin)?;
    let (_, told) = api.agents().publish_root(&caller.actor, &body.envelope).await?;
    let id = Some(body.envelope.digest().to_string());
    Ok(answer::json(StatusCode::OK, &Written { id, ..super::written(&told) }))
}

/// A root by its number.
#[utoipa::path(
    get, path = "/api/v1/roots/{version}", tag = "agents",
    params(("version" = String, Path, description = "The root's number, from 1.", example = "1")),
    responses((status = 200, description = "The root in its envelope.", body = RootEnvelope)),
)]
pub(super) async fn root(
    State(api): State<Api>,
    caller: Caller,
    Path(version): Path<String>,
) -> Result<Response, Problem> {
    caller.needs(Scope::ReadFleet)?;
    let view = api.shell().view();
    let found = version.parse::<u64>().ok().and_then(|version| view.state.agents.roots.get(&version).cloned());
    let found = found.ok_or_else(|| Problem::missing("root", &version))?;
    let envelope = envelope::<Root>(&api, &found.content).await?;
    Ok(answer::json(StatusCode::OK, &RootEnvelope { envelope }))
}

/// Publishes a mandate, signed as the newest root asks.
#[utoipa::path(
    post, path = "/api/v1/mandates", tag = "agents", request_body = MandateEnvelope,
    responses((status = 200, description = "It is in force. `changed` is false where it was before.", body = Written)),
)]
pub(super) async fn publish_mandate(
    State(api): State<Api>,
    caller: Caller,
    Posted { body, .. }: Posted<MandateEnvelope>,
) -> Result<Response, Problem> {
    caller.needs(Scope::Apply)?;
    let (_, told) = api.agents().publish_mandate(&caller.actor, &body.envelope).await?;
    let id = Some(body.envelope.digest().to_string());
    Ok(answer::json(StatusCode::OK, &Written { id, ..super::written(&told) }))
}

/// The mandate in force.
#[utoipa::path(
    get, path = "/api/v1/mandates/current", tag = "agents",
    responses((status = 200, description = "The mandate in its envelope.", body = MandateEnvelope)),
)]
pub(super) async fn mandate(State(api): State<Api>, caller: Caller) -> Result<Response, Problem> {
    caller.needs(Scope::ReadFleet)?;
    let view = api.shell().view();
    let found = view.state.agents.mandate().map(|(_, mandate)| mandate.clone());
    let found = found.ok_or_else(|| Problem::missing("mandate", "current"))?;
    let envelope = envelope::<Mandate>(&api, &found.content).await?;
    Ok(answer::json(StatusCode::OK, &MandateEnvelope { envelope }))
}

async fn envelope<T: Document>(api: &Api, content: &str) -> Result<Envelope, Problem> {
    let fault = |what: String| Problem::new(Code::Internal, what);
    let blob = api.shell().store().blob(content).await?;
    let blob = blob.ok_or_else(|| fault("a content is missing in the data folder".into()))?;
    Envelope::parse::<T>(&blob.into_body()).map_err(|error| fault(error.to_string()))
}

impl From<PublishError> for Problem {
    fn from(error: PublishError) -> Problem {
        match error {
            PublishError::Tell(error) => error.into(),
            PublishError::NoRoot => Problem::new(Code::Conflict, error.to_string())
                .help("`refit key` makes roots; POST /api/v1/roots publishes them"),
            PublishError::Published(_) => Problem::new(Code::Internal, error.to_string()),
            PublishError::Rejected(_) | PublishError::Root(_) | PublishError::Invalid(_) => {
                Problem::field("envelope", error.to_string())
            }
        }
    }
}
