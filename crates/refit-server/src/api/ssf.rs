//! Streams of Shared Signals, for their receivers (OpenID Shared Signals Framework 1.0, section 8), under `/ssf`; and where they fetch security events
//! (RFC 8936).
//!
//! A receiver sees the streams of the owner of its token, and no others; those that tell of people only with a token that may read what is personal. An
//! administrator sees all, and ends them. The paths, words and statuses are those of the standards; what is refused is a
//! problem as elsewhere.
//!
//! - `stream.rs` What a receiver wants of a stream, and what it is shown of it.
//! - `subjects.rs` The device or person whom a receiver means.

mod stream;
mod subjects;

use super::{
    Api, answer,
    auth::{self, Credentials},
    body,
    extract::Caller,
    layers, new_id,
    problem::{Code, Problem},
};
use crate::shared_signals::{COMPLIANCE_CHANGE, Fetched, SharedSignals, VERIFY_EVERY};
use axum::{
    Router,
    extract::{FromRequestParts, Query, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use refit_core::control::{
    Input, Scope, SignalStream, StreamStatus, SubscriptionInput, SubscriptionRecord, SubscriptionTerms,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use smol_str::{SmolStr, ToSmolStr as _, format_smolstr};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use stream::{Configuration, POLL, PUSH};
use tokio::time::Instant;

/// How many tokens a receiver that fetches is given at the most: each is signed for it.
const FETCHED_MOST: usize = 100;
/// How many tokens a receiver refuses at once.
const ERRORS_MOST: usize = 100;
/// How many characters are kept of each text by which a receiver says why.
const ERROR_MOST: usize = 512;
/// How long a receiver waits that fetches and wants to.
const LONGEST: Duration = Duration::from_secs(20);
/// The longest text that a receiver has sent back in a verification.
const STATE_MOST: usize = 1_024;

/// The paths.
pub(super) fn router() -> Router<Api> {
    let streams = get(read).post(create).patch(update).put(replace).delete(remove);
    Router::new()
        .route("/.well-known/ssf-configuration", get(configuration).fallback(layers::method_not_allowed))
        .route("/ssf/streams", streams.fallback(layers::method_not_allowed))
        .route("/ssf/status", get(status).post(set_status).fallback(layers::method_not_allowed))
        .route("/ssf/subjects/add", post(add_subject).fallback(layers::method_not_allowed))
        .route("/ssf/subjects/remove", post(remove_subject).fallback(layers::method_not_allowed))
        .route("/ssf/verify", post(verify).fallback(layers::method_not_allowed))
        .route("/ssf/poll/{stream}", post(poll).fallback(layers::method_not_allowed))
}

/// What the transmitter does, and where: for everybody.
async fn configuration(State(api): State<Api>, headers: HeaderMap) -> Response {
    let address = &api.agents().options().address;
    let at = |path: &str| format!("{address}{path}");
    let said = json!({
        "spec_version": "1_0",
        "issuer": address,
        "jwks_uri": at("/.well-known/jwks.json"),
        "delivery_methods_supported": [PUSH, POLL],
        "configuration_endpoint": at("/ssf/streams"),
        "status_endpoint": at("/ssf/status"),
        "add_subject_endpoint": at("/ssf/subjects/add"),
        "remove_subject_endpoint": at("/ssf/subjects/remove"),
        "verification_endpoint": at("/ssf/verify"),
        "authorization_schemes": [{ "spec_urn": "urn:ietf:rfc:6750" }],
        "default_subjects": "ALL",
    });
    answer::tagged(&headers, &said)
}

/// A receiver.
struct Receiver(Caller);

impl FromRequestParts<Api> for Receiver {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Receiver, Problem> {
        let caller = auth::identify(api, &parts.headers, &parts.extensions, Credentials::Bearer)?;
        caller.needs(Scope::SharedSignals)?;
        Ok(Receiver(caller))
    }
}

/// Who sees streams and ends them: a receiver its own, an administrator all.
struct Overseer(Caller);

impl FromRequestParts<Api> for Overseer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Overseer, Problem> {
        let caller = auth::identify(api, &parts.headers, &parts.extensions, Credentials::Bearer)?;
        if !caller.actor.may(Scope::Admin) {
            caller.needs(Scope::SharedSignals)?;
        }
        Ok(Overseer(caller))
    }
}

impl Overseer {
    fn sees(&self, record: &SubscriptionRecord) -> bool {
        self.0.actor.may(Scope::Admin) || is_own(&self.0, record)
    }

    fn known(&self, api: &Api, id: &str) -> Result<Arc<SubscriptionRecord>, Problem> {
        stream_of(api, id, |record| self.sees(record))
    }
}

/// Whether a stream is one of the caller's.
fn is_own(caller: &Caller, record: &SubscriptionRecord) -> bool {
    record.owner == caller.actor.owner && (!record.personal || caller.actor.may(Scope::ReadPeople))
}

/// Which stream is meant.
#[derive(Deserialize)]
struct Which {
    stream_id: Option<SmolStr>,
}

/// Shows a stream, or all of the receiver's.
async fn read(State(api): State<Api>, overseer: Overseer, which: Query<Which>) -> Result<Response, Problem> {
    let view = api.shell().view();
    let said = match &which.stream_id {
        Some(id) => stream::shown(&api, id, &*overseer.known(&api, id)?),
        None => {
            let all = view.state.subscriptions.iter();
            let seen = all.filter(|(_, record)| record.stream.is_some() && overseer.sees(record));
            seen.map(|(id, record)| stream::shown(&api, id, record)).collect()
        }
    };
    Ok(unkept(answer::json(StatusCode::OK, &said)))
}

/// Makes a stream.
async fn create(State(api): State<Api>, receiver: Receiver, request: Request) -> Result<Response, Problem> {
    let wanted: Configuration = read_body(request).await?;
    if wanted.stream_id.is_some() {
        return Err(wrong("a stream gets its `stream_id` from here"));
    }
    let id = SmolStr::from(new_id());
    let terms = wanted.terms(&api, &receiver.0, None)?;
    let record = set(&api, &receiver, &id, terms).await?;
    Ok(unkept(answer::json(StatusCode::CREATED, &stream::shown(&api, &id, &record))))
}

/// Changes some of a stream.
async fn update(State(api): State<Api>, receiver: Receiver, request: Request) -> Result<Response, Problem> {
    change(&api, &receiver, request, true).await
}

/// Changes all of a stream: what is left out is as if it had never been said.
async fn replace(State(api): State<Api>, receiver: Receiver, request: Request) -> Result<Response, Problem> {
    change(&api, &receiver, request, false).await
}

async fn change(api: &Api, receiver: &Receiver, request: Request, some: bool) -> Result<Response, Problem> {
    let wanted: Configuration = read_body(request).await?;
    let id = wanted.stream_id.clone().ok_or_else(|| wrong("`stream_id` says which stream is meant"))?;
    let _alone = api.inner.compared.lock().await;
    let before = known(api, receiver, &id)?;
    let wanted = if some { wanted.or(&before) } else { wanted };
    let terms = wanted.terms(api, &receiver.0, Some(&*before))?;
    let record = set(api, receiver, &id, terms).await?;
    Ok(unkept(answer::json(StatusCode::OK, &stream::shown(api, &id, &record))))
}

/// Ends a stream.
async fn remove(State(api): State<Api>, overseer: Overseer, which: Query<Which>) -> Result<Response, Problem> {
    let id = which.stream_id.clone().ok_or_else(|| wrong("`stream_id` says which stream is meant"))?;
    overseer.known(&api, &id)?;
    let input = Input::Subscriptions(SubscriptionInput::RemoveStream { subscription: id });
    let mut actor = overseer.0.actor;
    // An administrator ends a stream without being a receiver.
    actor.scopes.insert(Scope::SharedSignals);
    api.shell().tell(&actor, input, None).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Whether a stream is on.
async fn status(State(api): State<Api>, overseer: Overseer, which: Query<Which>) -> Result<Response, Problem> {
    let id = which.stream_id.clone().ok_or_else(|| wrong("`stream_id` says which stream is meant"))?;
    Ok(status_of(&api, &id, &*overseer.known(&api, &id)?))
}

/// Whether a stream is to be on.
#[derive(Deserialize)]
struct NewStatus {
    stream_id: SmolStr,
    status: StreamStatus,
    reason: Option<SmolStr>,
}

async fn set_status(State(api): State<Api>, receiver: Receiver, request: Request) -> Result<Response, Problem> {
    let NewStatus { stream_id: id, status, reason } = read_body(request).await?;
    let change = |stream: &mut SignalStream| (stream.status, stream.reason) = (status, reason);
    let record = change_stream(&api, &receiver, &id, change).await?;
    Ok(status_of(&api, &id, &record))
}

/// A device or person of whom a receiver wants to be told, or does not.
#[derive(Deserialize)]
struct Subject {
    stream_id: SmolStr,
    subject: Value,
}

async fn add_subject(State(api): State<Api>, receiver: Receiver, request: Request) -> Result<Response, Problem> {
    let Subject { stream_id, subject } = read_body(request).await?;
    let meant = subjects::meant(&api, &receiver.0, &subject).await?;
    let change = |stream: &mut SignalStream| {
        stream.without.remove(&meant);
    };
    change_stream(&api, &receiver, &stream_id, change).await?;
    Ok(unkept(StatusCode::OK.into_response()))
}

async fn remove_subject(State(api): State<Api>, receiver: Receiver, request: Request) -> Result<Response, Problem> {
    let Subject { stream_id, subject } = read_body(request).await?;
    let meant = subjects::meant(&api, &receiver.0, &subject).await?;
    let change = |stream: &mut SignalStream| {
        stream.without.insert(meant);
    };
    change_stream(&api, &receiver, &stream_id, change).await?;
    Ok(unkept(StatusCode::NO_CONTENT.into_response()))
}

/// A receiver wants to see that its stream works.
#[derive(Deserialize)]
struct Verify {
    stream_id: SmolStr,
    state: Option<String>,
}

async fn verify(State(api): State<Api>, receiver: Receiver, request: Request) -> Result<Response, Problem> {
    let Verify { stream_id, state } = read_body(request).await?;
    if state.as_ref().is_some_and(|state| state.len() > STATE_MOST) {
        return Err(wrong(format!("`state` has at most {STATE_MOST} bytes")));
    }
    let record = known(&api, &receiver, &stream_id)?;
    if record.stream.as_ref().is_some_and(|stream| stream.status == StreamStatus::Disabled) {
        return Err(wrong("the stream is disabled: nothing is sent on it"));
    }
    signals(&api)?.verify(&stream_id, state).map_err(|wait| Problem {
        retry_after: Some(u64::try_from(wait.as_secs() + 1).unwrap_or(1)),
        ..Problem::new(Code::RateLimited, format!("a stream is verified at most every {} s", VERIFY_EVERY.as_secs()))
    })?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// What a receiver that fetches sends (RFC 8936, section 2.2).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Poll {
    max_events: Option<usize>,
    #[serde(default)]
    return_immediately: bool,
    #[serde(default)]
    ack: BTreeSet<SmolStr>,
    #[serde(default)]
    set_errs: BTreeMap<SmolStr, SetError>,
}

#[derive(Deserialize)]
struct SetError {
    err: Option<SmolStr>,
    description: Option<SmolStr>,
}

async fn poll(
    State(api): State<Api>,
    receiver: Receiver,
    axum::extract::Path(id): axum::extract::Path<SmolStr>,
    request: Request,
) -> Result<Response, Problem> {
    let poll: Poll = read_body(request).await?;
    let record = known(&api, &receiver, &id)?;
    let stream = record.stream.as_deref().filter(|stream| stream.polled);
    let stream = stream.ok_or_else(|| wrong("the events of this stream are pushed, and can't be fetched"))?;
    let signals = signals(&api)?;
    if poll.set_errs.len() > ERRORS_MOST {
        return Err(wrong(format!("`setErrs` has at most {ERRORS_MOST} entries")));
    }
    let refused = poll.set_errs.into_iter().map(|(jti, error)| {
        let (err, description) = (error.err.unwrap_or_default(), error.description.unwrap_or_default());
        (jti, format_smolstr!("{}: {}", cut(&err), cut(&description)))
    });
    signals.answered(&id, &poll.ack, refused.collect());
    let most = poll.max_events.unwrap_or(FETCHED_MOST).min(FETCHED_MOST);
    let until = Instant::now() + LONGEST.min(api.options().longest_wait);
    let mut told = signals.told();
    // Who wants none only says what was taken.
    let waits = !poll.return_immediately && most > 0 && stream.status == StreamStatus::Enabled;
    let fetched = loop {
        told.mark_unchanged();
        let fetched = match stream.status {
            StreamStatus::Enabled => {
                let (signals, id) = (signals.clone(), id.clone());
                // Signing takes a while.
                api.beside(move || signals.fetch(&id, most)).await?
            }
            // What waits is held until the stream is on again.
            StreamStatus::Paused | StreamStatus::Disabled => Ok(Fetched { sets: Vec::new(), more: false }),
        };
        let fetched = fetched.map_err(|why| Problem::new(Code::Internal, why))?;
        if !fetched.sets.is_empty() || !waits {
            break fetched;
        }
        if !matches!(tokio::time::timeout_at(until, told.changed()).await, Ok(Ok(()))) {
            break fetched;
        }
    };
    let sets: serde_json::Map<String, Value> =
        fetched.sets.into_iter().map(|(jti, set)| (jti.to_string(), set.into())).collect();
    Ok(unkept(answer::json(StatusCode::OK, &json!({ "sets": sets, "moreAvailable": fetched.more }))))
}

/// The beginning of a text of a receiver.
fn cut(text: &str) -> &str {
    text.char_indices().nth(ERROR_MOST).map_or(text, |(end, _)| &text[..end])
}

fn signals(api: &Api) -> Result<&SharedSignals, Problem> {
    let signals = api.options().shared_signals.as_ref();
    signals.ok_or_else(|| Problem::new(Code::Unavailable, "this server sends no security events"))
}

/// What can't be taken has the status 400 in these standards.
fn wrong(detail: impl Into<String>) -> Problem {
    Problem::new(Code::Malformed, detail)
}

async fn read_body<T: DeserializeOwned>(request: Request) -> Result<T, Problem> {
    let (parts, bytes) = body::read(request).await?;
    body::json(&parts)?;
    serde_json::from_slice(&bytes).map_err(|error| wrong(format!("the body is not as the standard has it: {error}")))
}

/// What these standards do not want kept.
fn unkept(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A stream of the receiver's.
fn known(api: &Api, receiver: &Receiver, id: &str) -> Result<Arc<SubscriptionRecord>, Problem> {
    stream_of(api, id, |record| is_own(&receiver.0, record))
}

/// A stream, where it is one that is meant.
fn stream_of(
    api: &Api,
    id: &str,
    is_meant: impl Fn(&SubscriptionRecord) -> bool,
) -> Result<Arc<SubscriptionRecord>, Problem> {
    let known = api.shell().view().state.subscriptions.get(id).cloned();
    let meant = known.filter(|record| record.stream.is_some() && is_meant(record));
    meant.ok_or_else(|| Problem::missing("stream", id))
}

async fn set(
    api: &Api,
    receiver: &Receiver,
    id: &SmolStr,
    terms: SubscriptionTerms,
) -> Result<Arc<SubscriptionRecord>, Problem> {
    let input = Input::Subscriptions(SubscriptionInput::Set { subscription: id.clone(), terms });
    api.shell().tell(&receiver.0.actor, input, None).await.map_err(|error| match Problem::from(error) {
        problem if problem.code == Code::Invalid => Problem { code: Code::Malformed, ..problem },
        problem => problem,
    })?;
    known(api, receiver, id)
}

/// Changes what is so of a stream besides what its receiver wants to be sent.
async fn change_stream(
    api: &Api,
    receiver: &Receiver,
    id: &SmolStr,
    change: impl FnOnce(&mut SignalStream),
) -> Result<Arc<SubscriptionRecord>, Problem> {
    let _alone = api.inner.compared.lock().await;
    let before = known(api, receiver, id)?;
    let mut stream = before.stream.clone();
    if let Some(stream) = &mut stream {
        change(stream);
    }
    let SubscriptionRecord { name, url, filter, batch, .. } = SubscriptionRecord::clone(&before);
    set(api, receiver, id, SubscriptionTerms { name, url, filter, batch, stream }).await
}

fn status_of(api: &Api, id: &SmolStr, record: &SubscriptionRecord) -> Response {
    let stream = record.stream.as_deref();
    let mut said = json!({ "stream_id": id, "status": stream.map(|stream| stream.status) });
    if let Some(reason) = stream.and_then(|stream| stream.reason.as_ref()) {
        said["reason"] = reason.as_str().into();
    }
    // Beside what the standard has: whether the receiver takes what it is sent.
    if let Some(signals) = &api.options().shared_signals {
        let going = signals.going(id);
        let refused = going.refused.iter().map(|(jti, at, why)| json!({ "jti": jti, "at": at, "why": why }));
        said["waiting"] = going.waits.into();
        said["failures"] = going.failures.into();
        said["refused"] = refused.collect();
    }
    unkept(answer::json(StatusCode::OK, &said))
}

/// The types of events that there are.
fn supported() -> BTreeSet<SmolStr> {
    [COMPLIANCE_CHANGE.to_smolstr()].into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_text_the_beginning_is_kept() {
        assert_eq!((cut("abc"), cut(&"é".repeat(600))), ("abc", "é".repeat(ERROR_MOST).as_str()));
    }
}
