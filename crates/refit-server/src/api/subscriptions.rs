//! Subscriptions to business events, and their deliveries: `/api/v1/subscriptions`.

use super::{
    Api, answer,
    extract::{Bare, Caller, Path, Posted, Put},
    new_id,
    problem::{Code, Problem},
};
use crate::{
    deliveries::{Deliveries, Kept},
    shell::{Request, Told},
};
use axum::{extract::State, http::StatusCode, response::Response};
use refit_api::{
    DeadLetter, DeliverySaid, NewSubscription, Page, Replay, Replayed, Subscription, SubscriptionMade,
    SubscriptionState, Written,
};
use refit_core::{
    business::Position,
    control::{Event, Input, Scope, SubscriptionInput, SubscriptionRecord, SubscriptionTerms},
};
use smol_str::SmolStr;
use std::sync::Arc;

/// Lists subscriptions. Secrets are not shown.
#[utoipa::path(
    get, path = "/api/v1/subscriptions", tag = "events",
    responses((status = 200, description = "All subscriptions.", body = refit_api::SubscriptionPage)),
)]
pub(super) async fn list(State(api): State<Api>, caller: Caller) -> Result<Response, Problem> {
    caller.needs(Scope::Admin)?;
    let view = api.shell().view();
    let all = view.state.subscriptions.iter().filter(|(_, record)| record.stream.is_none());
    let said = all.map(|(id, record)| subscription(&api, id, record)).collect();
    Ok(answer::json(StatusCode::OK, &Page::<Subscription>::whole(said)))
}

/// Makes a subscription: from now on, events are sent to its address, signed as Standard Webhooks says.
#[utoipa::path(
    post, path = "/api/v1/subscriptions", tag = "events", request_body = NewSubscription,
    responses((status = 201, description = "The subscription with its secret, which is shown once.", body = SubscriptionMade)),
)]
pub(super) async fn create(
    State(api): State<Api>,
    caller: Caller,
    Posted { body, repeat }: Posted<NewSubscription>,
) -> Result<Response, Problem> {
    caller.needs(Scope::Admin)?;
    deliveries(&api)?.check(&body.url).map_err(|why| Problem::field("url", why))?;
    let id: SmolStr = new_id().into();
    made(&api, &caller, repeat, StatusCode::CREATED, set(id, body)).await
}

/// A subscription.
#[utoipa::path(
    get, path = "/api/v1/subscriptions/{id}", tag = "events",
    params(("id" = String, Path, description = "The subscription's id.")),
    responses((status = 200, description = "The subscription.", body = Subscription)),
)]
pub(super) async fn get(State(api): State<Api>, caller: Caller, Path(id): Path<String>) -> Result<Response, Problem> {
    caller.needs(Scope::Admin)?;
    let record = known(&api, &id)?;
    Ok(answer::json(StatusCode::OK, &subscription(&api, &id, &record)))
}

/// Changes a subscription's name, address or filter, or whether it is sent batches.
#[utoipa::path(
    put, path = "/api/v1/subscriptions/{id}", tag = "events", request_body = NewSubscription,
    params(("id" = String, Path, description = "The subscription's id.")),
    responses((status = 200, description = "It is so.", body = Written)),
)]
pub(super) async fn change(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    Put(body): Put<NewSubscription>,
) -> Result<Response, Problem> {
    caller.needs(Scope::Admin)?;
    known(&api, &id)?;
    deliveries(&api)?.check(&body.url).map_err(|why| Problem::field("url", why))?;
    api.post(&caller, None, StatusCode::OK, set(id.into(), body), super::written).await
}

/// Removes a subscription: nothing more is sent.
#[utoipa::path(
    delete, path = "/api/v1/subscriptions/{id}", tag = "events",
    params(("id" = String, Path, description = "The subscription's id.")),
    responses((status = 200, description = "It is no more.", body = Written)),
)]
pub(super) async fn remove(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let input = Input::Subscriptions(SubscriptionInput::Remove { subscription: id.into() });
    api.post(&caller, None, StatusCode::OK, input, super::written).await
}

/// Gives a subscription a new secret. The one before it signs too, for 24 hours.
#[utoipa::path(
    post, path = "/api/v1/subscriptions/{id}/secret", tag = "events",
    params(("id" = String, Path, description = "The subscription's id.")),
    responses((status = 200, description = "The subscription with its new secret.", body = SubscriptionMade)),
)]
pub(super) async fn rotate(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    Bare(repeat): Bare,
) -> Result<Response, Problem> {
    let input = Input::Subscriptions(SubscriptionInput::Rotate { subscription: id.into() });
    made(&api, &caller, repeat, StatusCode::OK, input).await
}

/// Says that a receiver is there again: what waits is sent at once.
#[utoipa::path(
    post, path = "/api/v1/subscriptions/{id}/resume", tag = "events",
    params(("id" = String, Path, description = "The subscription's id.")),
    responses((status = 200, description = "The subscription.", body = Subscription)),
)]
pub(super) async fn resume(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    caller.needs(Scope::Admin)?;
    let record = known(&api, &id)?;
    deliveries(&api)?.resume(&id);
    Ok(answer::json(StatusCode::OK, &subscription(&api, &id, &record)))
}

/// Sends dead letters again: one, or all.
#[utoipa::path(
    post, path = "/api/v1/subscriptions/{id}/replay", tag = "events", request_body = Replay,
    params(("id" = String, Path, description = "The subscription's id.")),
    responses((status = 200, description = "How many.", body = Replayed)),
)]
pub(super) async fn replay(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    Put(body): Put<Replay>,
) -> Result<Response, Problem> {
    caller.needs(Scope::Admin)?;
    known(&api, &id)?;
    let position = body.position.map(|text| text.parse::<Position>()).transpose();
    let position = position.map_err(|error| Problem::field("position", error.to_string()))?;
    let count = deliveries(&api)?.replay(&id, position) as u64;
    Ok(answer::json(StatusCode::OK, &Replayed { count }))
}

/// Lists the last attempts of a subscription, newest first.
#[utoipa::path(
    get, path = "/api/v1/subscriptions/{id}/deliveries", tag = "events",
    params(("id" = String, Path, description = "The subscription's id.")),
    responses((status = 200, description = "The last attempts.", body = refit_api::DeliveryPage)),
)]
pub(super) async fn attempts(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    caller.needs(Scope::Admin)?;
    known(&api, &id)?;
    let kept = deliveries(&api)?.kept(&id);
    let log = kept.into_iter().flat_map(|kept| kept.log.into_iter().rev());
    let said = log.map(|delivery| DeliverySaid {
        id: delivery.id,
        position: delivery.position.to_string(),
        events: delivery.events,
        last: delivery.last.unwrap_or(delivery.position).to_string(),
        attempt: delivery.attempt,
        at: delivery.at,
        took_ms: delivery.took_ms,
        status: delivery.status,
        why: delivery.why.map(Into::into),
    });
    Ok(answer::json(StatusCode::OK, &Page::<DeliverySaid>::whole(said.collect())))
}

/// Lists the events that were given up, oldest first.
#[utoipa::path(
    get, path = "/api/v1/subscriptions/{id}/dead-letters", tag = "events",
    params(("id" = String, Path, description = "The subscription's id.")),
    responses((status = 200, description = "All of them.", body = refit_api::DeadLetterPage)),
)]
pub(super) async fn dead_letters(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    caller.needs(Scope::Admin)?;
    known(&api, &id)?;
    let kept = deliveries(&api)?.kept(&id);
    let dead = kept.iter().flat_map(|kept| kept.machine.dead());
    let said = dead.map(|(position, dead)| DeadLetter {
        position: position.to_string(),
        failures: dead.failures,
        at: dead.at,
        why: dead.why.to_string(),
    });
    Ok(answer::json(StatusCode::OK, &Page::<DeadLetter>::whole(said.collect())))
}

fn deliveries(api: &Api) -> Result<&Deliveries, Problem> {
    let deliveries = api.options().deliveries.as_ref();
    deliveries.ok_or_else(|| Problem::new(Code::Unavailable, "this server sends no events"))
}

/// Does what makes a secret, and shows it once.
async fn made(
    api: &Api,
    caller: &Caller,
    repeat: Option<Request>,
    status: StatusCode,
    input: Input,
) -> Result<Response, Problem> {
    deliveries(api)?;
    let asked = api.clone();
    let answer = move |told: &Told| {
        let set = told.events.iter().find_map(|event| match event {
            Event::SubscriptionSet(set) => Some(set),
            _ => None,
        });
        let write = |shown: bool| {
            let made = set.map(|set| {
                let (id, record) = (&set.subscription, &set.record);
                let secret = deliveries(&asked).ok().and_then(|deliveries| deliveries.secret(id, record.secret));
                SubscriptionMade { subscription: subscription(&asked, id, record), secret: secret.filter(|_| shown) }
            });
            serde_json::to_vec(&made).unwrap_or_default()
        };
        (write(true), write(false))
    };
    api.post_as(caller, repeat, status, input, answer).await
}

fn known(api: &Api, id: &str) -> Result<Arc<SubscriptionRecord>, Problem> {
    let known = api.shell().view().state.subscriptions.get(id).cloned();
    // A stream of Shared Signals has other doors.
    let known = known.filter(|known| known.stream.is_none());
    known.ok_or_else(|| Problem::missing("subscription", id))
}

fn set(id: SmolStr, body: NewSubscription) -> Input {
    let NewSubscription { name, url, filter, batch } = body;
    let terms = SubscriptionTerms { name: name.into(), url: url.into(), filter: filter.into(), batch, stream: None };
    Input::Subscriptions(SubscriptionInput::Set { subscription: id, terms })
}

fn subscription(api: &Api, id: &str, record: &SubscriptionRecord) -> Subscription {
    // What is kept may be long, and is not copied for a few numbers.
    let said = |kept: &Kept| {
        let machine = &kept.machine;
        let state = match machine.gone() {
            Some(_) => SubscriptionState::Gone,
            None if machine.is_open() => SubscriptionState::Failing,
            None => SubscriptionState::Active,
        };
        let (pending, dead) = (machine.pending().len() as u64, machine.dead().len() as u64);
        (state, machine.cursor(), pending, dead, machine.failures())
    };
    let said = api.options().deliveries.as_ref().and_then(|deliveries| deliveries.look(id, said));
    let (state, after, pending, dead, failures) =
        said.unwrap_or((SubscriptionState::Active, Position::after(record.after), 0, 0, 0));
    Subscription {
        id: id.to_owned(),
        name: record.name.to_string(),
        url: record.url.to_string(),
        filter: record.filter.to_string(),
        batch: record.batch,
        personal: record.personal,
        owner: record.owner.to_string(),
        made: record.made,
        state,
        after: after.to_string(),
        pending,
        dead,
        failures,
    }
}
