//! One attempt.

use super::{Inner, shelf::Delivery};
use crate::stream::{self, Wanted};
use jiff::SignedDuration;
use refit_connect::outbound::{Answered, headers};
use refit_core::{
    business::Position,
    control::SubscriptionRecord,
    delivery::{Attempt, Ended},
};
use smol_str::{SmolStr, ToSmolStr, format_smolstr};
use std::{sync::Arc, time::Instant};

/// How an attempt ended.
pub(super) struct Sent {
    /// The subscription.
    pub subscription: SmolStr,
    /// The event.
    pub position: Position,
    /// What the delivery log says of it.
    pub delivery: Delivery,
    /// What the machine is told.
    pub ended: Ended,
}

/// Sends an event.
pub(super) async fn send(
    inner: &Arc<Inner>,
    subscription: SmolStr,
    attempt: Attempt,
    record: &SubscriptionRecord,
    wanted: &Wanted,
) -> Sent {
    let at = inner.shell.now();
    let begun = Instant::now();
    let (id, status, ended) = request(inner, &subscription, attempt, record, wanted).await;
    let why = match &ended {
        Ended::Delivered => None,
        Ended::Gone => Some("it wants nothing any more (status 410)".into()),
        Ended::Unwanted => Some("it was not sent: the subscription has changed, and wants it no longer".into()),
        Ended::Failed { why, .. } => Some(why.clone()),
    };
    let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let delivery = Delivery { id, position: attempt.position, attempt: attempt.number, at, took_ms, status, why };
    Sent { subscription, position: attempt.position, delivery, ended }
}

async fn request(
    inner: &Arc<Inner>,
    subscription: &str,
    attempt: Attempt,
    record: &SubscriptionRecord,
    wanted: &Wanted,
) -> (String, Option<u16>, Ended) {
    let failed = |why: SmolStr| Ended::Failed { why, wait: None };
    let event = match stream::one(&inner.shell, attempt.position).await {
        Ok(Some(event)) => event,
        // What is derived of an entry never changes: then the log is another one.
        Ok(None) => return (String::new(), None, failed("there is no such event in the log".into())),
        Err(error) => return (String::new(), None, failed(error.to_smolstr())),
    };
    let id = event.id.clone();
    if !wanted.passes(&event) {
        return (id, None, Ended::Unwanted);
    }
    let body = match serde_json::to_vec(&event) {
        Ok(body) => body,
        Err(error) => return (id, None, failed(error.to_smolstr())),
    };
    let now = inner.shell.now();
    let signed = headers(&id, now, &body, &inner.secrets(subscription, record, now));
    let (outbound, url) = (inner.outbound.clone(), record.url.clone());
    let work = move || {
        let mut headers: Vec<(&str, &str)> = signed.iter().map(|(name, value)| (*name, value.as_str())).collect();
        headers.push(("content-type", "application/cloudevents+json"));
        outbound.post(&url, &headers, &body)
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(answered)) => (id, Some(answered.status), judge(answered)),
        Ok(Err(error)) => (id, None, failed(error.to_smolstr())),
        Err(error) => (id, None, failed(error.to_smolstr())),
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
