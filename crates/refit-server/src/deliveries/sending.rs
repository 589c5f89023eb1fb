//! One attempt.

use super::{Inner, shelf::Delivery};
use crate::stream::{self, Wanted};
use jiff::SignedDuration;
use refit_connect::outbound::{Answered, headers};
use refit_core::{
    business::{CloudEvent, Position},
    control::SubscriptionRecord,
    delivery::{Attempt, Ended, message_id},
};
use smol_str::{SmolStr, ToSmolStr, format_smolstr};
use std::{sync::Arc, time::Instant};

/// An event, and where in the stream it is.
type Placed = (Position, CloudEvent);

/// How an attempt ended.
pub(super) struct Sent {
    /// The subscription.
    pub subscription: SmolStr,
    /// The events that it is about.
    pub positions: Vec<Position>,
    /// The events that were left out: the subscription wants them no longer.
    pub unwanted: Vec<Position>,
    /// What the delivery log says of it.
    pub delivery: Delivery,
    /// What the machine is told of `positions`.
    pub ended: Ended,
}

/// Sends an event, or a batch of them.
pub(super) async fn send(
    inner: &Arc<Inner>,
    subscription: SmolStr,
    attempt: Attempt,
    record: &SubscriptionRecord,
    wanted: &Wanted,
) -> Sent {
    let at = inner.shell.now();
    let begun = Instant::now();
    let Attempt { positions, number } = attempt;
    let (positions, unwanted, (id, status, ended)) = match read(inner, &positions).await {
        Ok(found) => {
            let (mut events, mut unwanted) = (Vec::new(), Vec::new());
            for (position, event) in found {
                let id = event.id.clone();
                match wanted.take(event) {
                    Some(event) => events.push((position, event)),
                    None => unwanted.push((position, id)),
                }
            }
            let left_out = unwanted.iter().map(|(position, _)| *position).collect();
            let said = match events.is_empty() {
                true => {
                    (message_id(&unwanted.iter().map(|(_, id)| id.as_str()).collect::<Vec<_>>()), None, Ended::Unwanted)
                }
                false => request(inner, &subscription, &events, record).await,
            };
            (places(&events), left_out, said)
        }
        Err(why) => (positions, Vec::new(), (String::new(), None, Ended::Failed { why, wait: None })),
    };
    let why = match &ended {
        Ended::Delivered => None,
        Ended::Gone => Some("it wants nothing any more (status 410)".into()),
        Ended::Unwanted => Some("it was not sent: the subscription has changed, and wants it no longer".into()),
        Ended::Failed { why, .. } => Some(why.clone()),
    };
    let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let spoken_of = if positions.is_empty() { &unwanted } else { &positions };
    let delivery = Delivery {
        id,
        position: spoken_of.first().copied().unwrap_or_default(),
        events: spoken_of.len() as u64,
        last: spoken_of.last().copied().filter(|_| spoken_of.len() > 1),
        attempt: number,
        at,
        took_ms,
        status,
        why,
    };
    Sent { subscription, positions, unwanted, delivery, ended }
}

/// The events, or why they can't be had.
async fn read(inner: &Arc<Inner>, positions: &[Position]) -> Result<Vec<Placed>, SmolStr> {
    let found = stream::at(&inner.shell, positions).await.map_err(|error| error.to_smolstr())?;
    // What is derived of an entry never changes: then the log is another one.
    if found.len() < positions.len() { Err("there is no such event in the log".into()) } else { Ok(found) }
}

fn places(events: &[Placed]) -> Vec<Position> {
    events.iter().map(|(position, _)| *position).collect()
}

fn id_of(events: &[Placed]) -> String {
    let ids: Vec<&str> = events.iter().map(|(_, event)| event.id.as_str()).collect();
    message_id(&ids)
}

async fn request(
    inner: &Arc<Inner>,
    subscription: &str,
    events: &[Placed],
    record: &SubscriptionRecord,
) -> (String, Option<u16>, Ended) {
    let failed = |why: SmolStr| Ended::Failed { why, wait: None };
    let id = id_of(events);
    let (content_type, body) = match message(events, record) {
        Ok(message) => message,
        Err(error) => return (id, None, failed(error.to_smolstr())),
    };
    let now = inner.shell.now();
    let signed = headers(&id, now, &body, &inner.secrets(subscription, record, now));
    let (outbound, url) = (inner.outbound.clone(), record.url.clone());
    let work = move || {
        let mut headers: Vec<(&str, &str)> = signed.iter().map(|(name, value)| (*name, value.as_str())).collect();
        headers.push(("content-type", content_type));
        outbound.post(&url, &headers, &body)
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(answered)) => (id, Some(answered.status), judge(answered)),
        Ok(Err(error)) => (id, None, failed(error.to_smolstr())),
        Err(error) => (id, None, failed(error.to_smolstr())),
    }
}

/// What is posted: an event, or to whom batches are sent a list, also of one.
fn message(events: &[Placed], record: &SubscriptionRecord) -> serde_json::Result<(&'static str, Vec<u8>)> {
    match events {
        [(_, event)] if !record.batch => Ok(("application/cloudevents+json", serde_json::to_vec(event)?)),
        events => {
            let events: Vec<&CloudEvent> = events.iter().map(|(_, event)| event).collect();
            Ok(("application/cloudevents-batch+json", serde_json::to_vec(&events)?))
        }
    }
}

/// What an answer means.
fn judge(answered: Answered) -> Ended {
    let wait = answered.wait.and_then(|wait| SignedDuration::try_from(wait).ok());
    match answered.status {
        200..=299 => Ended::Delivered,
        410 => Ended::Gone,
        status @ 300..=399 => {
            Ended::Failed { why: format_smolstr!("status {status}: redirects are not followed"), wait }
        }
        status => Ended::Failed { why: format_smolstr!("status {status}"), wait },
    }
}
