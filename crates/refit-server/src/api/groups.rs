//! Disruption groups: `/api/v1/groups`, and their webhooks: `/api/v1/settings/webhooks`.

use super::{
    Api, answer,
    extract::{Caller, Path, Posted, Put},
    problem::Problem,
};
use axum::{extract::State, http::StatusCode, response::Response};
use refit_api::{AwaySaid, GiveBack, GroupSaid, Page, Webhook, WebhookAddress, WebhookAnswer, Why, Written};
use refit_core::{
    control::{
        Input, LeaseInput, Scope, State as World,
        disruption::{GroupStatus, groups},
    },
    rollout::disruption::Holder,
};
use refit_model::DeviceId;

/// Lists the disruption groups that policies name, with those who are away: in a session, or silent. The devices of a person are
/// listed while one of them has a lease.
#[utoipa::path(
    get, path = "/api/v1/groups", tag = "groups",
    responses((status = 200, description = "All groups.", body = refit_api::GroupPage)),
)]
pub(super) async fn list(State(api): State<Api>, caller: Caller) -> Result<Response, Problem> {
    caller.needs(Scope::ReadFleet)?;
    let (view, now) = (api.shell().view(), api.shell().now());
    let said = groups(&view.state, now).into_iter().map(|status| said(&view.state, status)).collect();
    Ok(answer::json(StatusCode::OK, &Page::<GroupSaid>::whole(said)))
}

fn said(state: &World, status: GroupStatus) -> GroupSaid {
    let away = status.away.into_iter().map(|away| AwaySaid {
        device: away.who.device().map(ToString::to_string),
        client: away.who.device().is_none().then(|| away.who.as_str().to_owned()),
        name: state.called(&away.who).into(),
        is: away.is.to_owned(),
        since: away.since,
        until: away.until,
        webhooks: away.hooks.iter().map(ToString::to_string).collect(),
        because: away.because,
    });
    GroupSaid {
        field: status.group.field.into(),
        value: status.group.value.into(),
        devices: status.devices,
        most: status.most,
        away: away.collect(),
    }
}

/// Gives a lease back by hand, so that the next may begin. A device that may still act on what it was told keeps its place until that
/// has run out, 75 minutes at most.
#[utoipa::path(
    post, path = "/api/v1/groups/give-back", tag = "groups", request_body = GiveBack,
    responses((status = 200, description = "It is given back. `changed` is false where it was before.", body = Written)),
)]
pub(super) async fn give_back(
    State(api): State<Api>,
    caller: Caller,
    Posted { body, repeat }: Posted<GiveBack>,
) -> Result<Response, Problem> {
    let holder = holder(body.device, body.client)?;
    let why = super::brake::reason(Why { why: body.why })?.into();
    // Who has just checked in may act on what it was told.
    api.agents().flush().await;
    let input = Input::Leases(LeaseInput::GiveBack { holder, why });
    api.post(&caller, repeat, StatusCode::OK, input, super::written).await
}

/// Says what a webhook would answer, in its place: whether a session may begin, or whether a device is well after it.
#[utoipa::path(
    post, path = "/api/v1/groups/answers", tag = "groups", request_body = WebhookAnswer,
    responses((status = 200, description = "It is heard.", body = Written)),
)]
pub(super) async fn answer(
    State(api): State<Api>,
    caller: Caller,
    Posted { body, repeat }: Posted<WebhookAnswer>,
) -> Result<Response, Problem> {
    let holder = holder(body.device, body.client)?;
    let (question, hook, agrees, said) = (body.question, body.webhook.into(), body.agrees, body.said.into());
    let input = Input::Leases(LeaseInput::Answer { holder, question, hook, agrees, said });
    api.post(&caller, repeat, StatusCode::OK, input, super::written).await
}

fn holder(device: Option<String>, client: Option<String>) -> Result<Holder, Problem> {
    match (device, client) {
        (Some(device), None) => Ok(Holder::Device(DeviceId::new(device))),
        (None, Some(client)) => Ok(Holder::Client(client.into())),
        _ => Err(Problem::field("device", "say whose lease it is: one of `device` and `client`")),
    }
}

/// Lists the names that policies may use in `disruption`, with their addresses.
#[utoipa::path(
    get, path = "/api/v1/settings/webhooks", tag = "operation",
    responses((status = 200, description = "All of them.", body = refit_api::WebhookPage)),
)]
pub(super) async fn webhooks(State(api): State<Api>, caller: Caller) -> Result<Response, Problem> {
    caller.needs(Scope::ReadFleet)?;
    let view = api.shell().view();
    let hooks = view.state.leases.hooks();
    let said = hooks.map(|(name, url)| Webhook { name: name.to_string(), url: url.to_string() }).collect();
    Ok(answer::json(StatusCode::OK, &Page::<Webhook>::whole(said)))
}

/// Binds a name to an address, or to none.
#[utoipa::path(
    put, path = "/api/v1/settings/webhooks/{name}", tag = "operation", request_body = WebhookAddress,
    params(("name" = String, Path, description = "The name that policies use.", example = "load-balancer")),
    responses((status = 200, description = "It is so.", body = Written)),
)]
pub(super) async fn set_webhook(
    State(api): State<Api>,
    caller: Caller,
    Path(name): Path<String>,
    Put(body): Put<WebhookAddress>,
) -> Result<Response, Problem> {
    let input = Input::Leases(LeaseInput::SetWebhook { name: name.into(), url: body.url.map(Into::into) });
    api.post(&caller, None, StatusCode::OK, input, super::written).await
}
