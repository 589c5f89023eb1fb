//! Business events: `/api/v1/stream`, in pages, by waiting, or as server-sent events.

use super::{
    Api, answer,
    auth::counts,
    events::{ALIVE_EVERY, CHUNK},
    extract::{Caller, Query},
    problem::{Code, Problem},
    redact::Sight,
    waiting::{self, Waiting},
};
use crate::stream::{Part, StreamError, Wanted};
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{
        IntoResponse, Response,
        sse::{self, KeepAlive, Sse},
    },
};
use futures_util::stream;
use refit_api::StreamPage;
use refit_core::{
    business::{CloudEvent, Filter, Position},
    control::Scope,
};
use serde::Deserialize;
use std::{collections::VecDeque, convert::Infallible};
use utoipa::IntoParams;

/// Which business events.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Stream {
    /// Those after this position, as `next` says it: `12`, or `12.3`; 0 is from the beginning.
    #[param(default = "0")]
    after: Option<String>,
    /// How many at most, 1 to 1000.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
    /// Only those for which this condition holds: `event.type == "device.overdue" && event.kev`.
    filter: Option<String>,
    /// How many seconds to wait for one, where there is none yet; at most 60.
    #[param(minimum = 0, maximum = 60, default = 0)]
    wait: Option<u32>,
}

/// Lists business events as CloudEvents 1.0, oldest first; or with `Accept: text/event-stream`, streams them as they come.
///
/// A stream begins after the header `Last-Event-ID`, or after `after`, or at the log's end. It ends when the token does. Events about people
/// need the scope `read_people`, those about exposures and advisories `read_exposures`: they are left out without it. What other events say of exposures
/// is left out too, and named under `redacted`.
#[utoipa::path(
    get, path = "/api/v1/stream", tag = "events",
    params(
        Stream,
        ("Last-Event-ID" = Option<String>, Header, description = "The last event that a stream has shown."),
    ),
    responses((
        status = 200, description = "A part of the stream.",
        content((StreamPage = "application/json"), (String = "text/event-stream")),
    )),
)]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Query(query): Query<Stream>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.needs(Scope::ReadFleet)?;
    let limit = waiting::limit(query.limit)?;
    let mut waiting = Waiting::new(&api, query.wait)?;
    let filter = Filter::read(query.filter.as_deref().unwrap_or_default())
        .map_err(|error| Problem::field("filter", error.to_string()))?;
    let after = query.after.as_deref().map(|text| position("after", text)).transpose()?;
    let wanted = Sight::of(&caller).wanted(filter);
    if waiting::wants_stream(&headers) {
        let last = headers.get("last-event-id").map(|given| given.to_str().unwrap_or("?").trim());
        let last = last.map(|text| position("Last-Event-ID", text)).transpose()?;
        let after = last.or(after).unwrap_or_else(|| Position::after(*api.shell().head().borrow()));
        return Ok(follow(api, caller, wanted, after).into_response());
    }
    let mut after = after.unwrap_or(Position::START);
    loop {
        let head = waiting.head();
        let part = part(&api, &wanted, after, limit, head).await?;
        // What was looked at in vain is not looked at again.
        after = part.next;
        if !waiting.again(!part.items.is_empty(), after < Position::after(head)).await? {
            let items = part.items.into_iter().map(|(_, event)| event).collect();
            let page = StreamPage { items, next: after.to_string(), head: head.max(after.read_after()) };
            return Ok(answer::json(StatusCode::OK, &page));
        }
    }
}

fn position(field: &str, text: &str) -> Result<Position, Problem> {
    text.parse().map_err(|error: refit_core::business::PositionError| Problem::field(field, error.to_string()))
}

async fn part(api: &Api, wanted: &Wanted, after: Position, limit: usize, head: u64) -> Result<Part, Problem> {
    let read = crate::stream::part(api.shell(), &api.inner.tail, wanted, after, limit, head).await;
    read.map_err(|error| match error {
        StreamError::Store(error) => error.into(),
        error => Problem::new(Code::Internal, error.to_string()),
    })
}

/// What a stream remembers.
struct Following {
    api: Api,
    caller: Caller,
    wanted: Wanted,
    after: Position,
    heads: tokio::sync::watch::Receiver<u64>,
    ready: VecDeque<(Position, CloudEvent)>,
}

fn follow(api: Api, caller: Caller, wanted: Wanted, after: Position) -> impl IntoResponse {
    let heads = api.shell().head();
    let begun = Following { api, caller, wanted, after, heads, ready: VecDeque::new() };
    let events = stream::unfold(begun, |mut following| async {
        let (position, event) = following.next().await?;
        let shown = sse::Event::default().id(position.to_string()).event(&event.r#type).json_data(&event).ok()?;
        Some((Ok::<_, Infallible>(shown), following))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE_EVERY))
}

impl Following {
    /// The next event; `None` ends the stream, and the client comes back.
    async fn next(&mut self) -> Option<(Position, CloudEvent)> {
        loop {
            if !counts(&self.api.shell().view().state, &self.caller.token, self.api.shell().now()) {
                return None;
            }
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            let head = *self.heads.borrow_and_update();
            let part = part(&self.api, &self.wanted, self.after, CHUNK, head).await.ok()?;
            self.after = part.next;
            self.ready.extend(part.items);
            if self.ready.is_empty() && self.after >= Position::after(head) {
                // A token that expires is noticed though nothing happens.
                let changed = tokio::time::timeout(ALIVE_EVERY, self.heads.changed()).await;
                if changed.is_ok_and(|changed| changed.is_err()) {
                    return None;
                }
            }
        }
    }
}
