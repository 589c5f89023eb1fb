//! The log: `/api/v1/events`, in pages, by waiting, or as a stream.

use super::{
    Api, answer,
    auth::counts,
    extract::{Caller, Query},
    problem::{Code, Problem},
    waiting::{self, Waiting},
};
use crate::shell::Shell;
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{
        IntoResponse, Response,
        sse::{self, KeepAlive, Sse},
    },
};
use futures_util::stream;
use refit_api::{Event, EventPage};
use refit_core::control::{Event as Logged, Scope};
use refit_store::{StoreError, StoredEvent};
use serde::Deserialize;
use std::{convert::Infallible, sync::Arc, time::Duration};
use utoipa::IntoParams;

/// Which events.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Events {
    /// Those after this position; 0 is from the beginning.
    #[param(default = 0)]
    after: Option<u64>,
    /// How many at most, 1 to 1000.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
    /// Only those of these kinds, separated by commas: `plan.made,policy.applied`; `plan.` is all that begin so.
    kind: Option<String>,
    /// How many seconds to wait for one, where there is none yet; at most 60.
    #[param(minimum = 0, maximum = 60, default = 0)]
    wait: Option<u32>,
}

/// How many events are looked at for one page.
const LOOKED_AT_MOST: usize = 20_000;
/// How many events are read at once.
pub(super) const CHUNK: usize = 1_000;
/// How often a stream shows that it lives.
pub(super) const ALIVE_EVERY: Duration = Duration::from_secs(15);

/// Lists the log's entries, oldest first; or with `Accept: text/event-stream`, streams them as they come.
///
/// A stream begins after the header `Last-Event-ID`, or after `after`, or at the log's end. It ends when the token does.
#[utoipa::path(
    get, path = "/api/v1/events", tag = "events",
    params(
        Events,
        ("Last-Event-ID" = Option<String>, Header, description = "The last event that a stream has shown."),
    ),
    responses((
        status = 200, description = "A part of the log.",
        content((EventPage = "application/json"), (String = "text/event-stream")),
    )),
)]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Query(query): Query<Events>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.needs(Scope::Read)?;
    let limit = waiting::limit(query.limit)?;
    let mut waiting = Waiting::new(&api, query.wait)?;
    let kinds = Kinds::read(query.kind.as_deref())?;
    if waiting::wants_stream(&headers) {
        let last = match headers.get("last-event-id") {
            None => None,
            Some(given) => {
                let read = given.to_str().ok().and_then(|text| text.trim().parse::<u64>().ok());
                Some(read.ok_or_else(|| Problem::field("Last-Event-ID", "this is no position in the log"))?)
            }
        };
        let after = last.or(query.after).unwrap_or_else(|| *api.shell().head().borrow());
        return Ok(follow(api, caller, kinds, after).into_response());
    }
    let mut after = query.after.unwrap_or(0);
    loop {
        let head = waiting.head();
        let page = page(&api, &caller, &kinds, after, limit, head).await?;
        // What was looked at in vain is not looked at again.
        after = page.next;
        if !waiting.again(!page.items.is_empty(), page.next < head).await? {
            return Ok(answer::json(StatusCode::OK, &page));
        }
    }
}

/// Which kinds are wanted.
#[derive(Clone, Debug)]
struct Kinds(Vec<String>);

impl Kinds {
    fn read(text: Option<&str>) -> Result<Kinds, Problem> {
        let kinds = text.unwrap_or_default().split(',').map(str::trim).filter(|kind| !kind.is_empty());
        let kinds = Kinds(kinds.map(str::to_owned).collect());
        let known = Logged::KINDS.iter().map(|(kind, _)| *kind);
        for wanted in &kinds.0 {
            if !known.clone().any(|kind| Kinds(vec![wanted.clone()]).want(kind)) {
                let list: Vec<&str> = known.collect();
                return Err(Problem::unknown("kind", "kind of event", wanted, &list));
            }
        }
        Ok(kinds)
    }

    fn want(&self, kind: &str) -> bool {
        self.0.is_empty()
            || self
                .0
                .iter()
                .any(|wanted| wanted == kind || (wanted.ends_with('.') && kind.starts_with(wanted.as_str())))
    }
}

async fn page(
    api: &Api,
    caller: &Caller,
    kinds: &Kinds,
    after: u64,
    limit: usize,
    head: u64,
) -> Result<EventPage, Problem> {
    let personal = caller.actor.may(Scope::ReadPeople);
    let mut page = EventPage { items: Vec::new(), next: after, head };
    let mut looked_at = 0;
    while page.items.len() < limit && looked_at < LOOKED_AT_MOST && page.next < head {
        let chunk = if kinds.0.is_empty() { limit.min(CHUNK) } else { CHUNK };
        let events = read(api, page.next, chunk, head).await?;
        if events.is_empty() {
            break;
        }
        for stored in events.iter() {
            if page.items.len() == limit {
                break;
            }
            looked_at += 1;
            page.next = stored.seq;
            if kinds.want(&stored.kind) {
                page.items.push(shown(stored, personal)?);
            }
        }
    }
    if looked_at > 0 {
        page.head = page.head.max(page.next);
    }
    Ok(page)
}

/// The end of the log, as it was last read: what was appended is wanted by all who follow, at the same moment, and what is in
/// the log does not change.
#[derive(Default)]
pub(crate) struct Tail(tokio::sync::Mutex<Option<Read>>);

/// The events after a position, up to another one.
struct Read {
    after: u64,
    head: u64,
    events: Arc<Vec<StoredEvent>>,
}

/// How near to the log's end somebody follows it.
const TAIL_MOST: u64 = 64;

/// Reads a part of the log; at its end once for all who follow it.
pub(super) async fn read(api: &Api, after: u64, limit: usize, head: u64) -> Result<Arc<Vec<StoredEvent>>, Problem> {
    Ok(api.inner.tail.read(api.shell(), after, limit, head).await?)
}

impl Tail {
    /// Reads a part of the log.
    pub(crate) async fn read(
        &self,
        shell: &Shell,
        after: u64,
        limit: usize,
        head: u64,
    ) -> Result<Arc<Vec<StoredEvent>>, StoreError> {
        let many = head.saturating_sub(after);
        if many > TAIL_MOST || many > limit as u64 {
            return Ok(Arc::new(shell.store().read(after, limit).await?));
        }
        // Whoever comes while it is being read waits, and then has it.
        let mut tail = self.0.lock().await;
        if let Some(read) = tail.as_ref().filter(|read| (read.after, read.head) == (after, head)) {
            return Ok(read.events.clone());
        }
        let events = Arc::new(shell.store().read(after, many as usize).await?);
        *tail = Some(Read { after, head, events: events.clone() });
        Ok(events)
    }
}

/// An event as it is shown: what is secret is left out, and what is personal for whom it is not.
fn shown(stored: &StoredEvent, personal: bool) -> Result<Event, Problem> {
    let fault = |error: serde_json::Error| Problem::new(Code::Internal, format!("event {}: {error}", stored.seq));
    let mut body: serde_json::Value = serde_json::from_slice(&stored.body).map_err(fault)?;
    let origin = match body.as_object_mut().and_then(|fields| fields.remove("origin")) {
        Some(serde_json::Value::String(origin)) => Some(origin),
        _ => None,
    };
    if ["token.created", "enrolment.created"].contains(&stored.kind.as_str())
        && let Some(record) = body.get_mut("record").and_then(serde_json::Value::as_object_mut)
    {
        record.remove("hash");
    }
    // Addresses of webhooks are often secrets; who may see them asks for the subscription.
    if stored.kind == "subscription.set"
        && let Some(record) = body.get_mut("record").and_then(serde_json::Value::as_object_mut)
    {
        record.remove("url");
    }
    if !personal && let Some(groups) = body.get_mut("groups").and_then(serde_json::Value::as_object_mut) {
        // Which devices belong to whose department.
        groups.retain(|field, _| !field.starts_with("person."));
    }
    Ok(Event {
        seq: stored.seq,
        at: stored.at,
        kind: stored.kind.clone(),
        version: stored.version,
        actor: stored.actor.clone(),
        origin,
        body,
    })
}

/// What a stream remembers.
struct Following {
    api: Api,
    caller: Caller,
    kinds: Kinds,
    after: u64,
    heads: tokio::sync::watch::Receiver<u64>,
    ready: std::collections::VecDeque<Event>,
}

fn follow(api: Api, caller: Caller, kinds: Kinds, after: u64) -> impl IntoResponse {
    let heads = api.shell().head();
    let begun = Following { api, caller, kinds, after, heads, ready: Default::default() };
    let events = stream::unfold(begun, |mut following| async {
        let event = following.next().await?;
        let shown = sse::Event::default().id(event.seq.to_string()).event(&event.kind).json_data(&event).ok()?;
        Some((Ok::<_, Infallible>(shown), following))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE_EVERY))
}

impl Following {
    /// The next event; `None` ends the stream, and the client comes back.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if !counts(&self.api.shell().view().state, &self.caller.token, self.api.shell().now()) {
                return None;
            }
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            let head = *self.heads.borrow_and_update();
            let page = page(&self.api, &self.caller, &self.kinds, self.after, CHUNK, head).await.ok()?;
            self.after = page.next;
            self.ready.extend(page.items);
            if self.ready.is_empty() && self.after >= head {
                // A token that expires is noticed though nothing happens.
                let changed = tokio::time::timeout(ALIVE_EVERY, self.heads.changed()).await;
                if changed.is_ok_and(|changed| changed.is_err()) {
                    return None;
                }
            }
        }
    }
}
