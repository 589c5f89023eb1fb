//! What goes in one post: one event, or what waits at that time, in the JSON batch format of CloudEvents
//! (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md#4-json-batch-format>).

use super::{machine::Pending, order::Before};
use crate::business::Position;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How many events a batch holds at most: half of what waits at most, so that the next can be put together meanwhile.
pub const BATCH_EVENTS_MOST: usize = 500;
/// How many bytes a batch has at most, unless a single event has more: half of what web servers take when nobody tells them otherwise
/// (nginx: 1 MB).
pub const BATCH_BYTES_MOST: usize = 512 << 10;
/// How long what is new waits for others to go with it. Without that a receiver that answers at once would still be sent one by one what
/// becomes known one by one.
pub const BATCH_WAIT: SignedDuration = SignedDuration::from_secs(1);

/// How a subscription is sent its events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Packing {
    /// Each in a post of its own.
    #[default]
    One,
    /// Many in one post.
    Batch,
}

impl Packing {
    fn most(self) -> usize {
        match self {
            Packing::One => 1,
            Packing::Batch => BATCH_EVENTS_MOST,
        }
    }
}

/// How many events go with one of a post that failed: whoever refuses a batch for one of its events is sent quarters of it, until that event
/// is alone. That is after a quarter of an hour, and costs some twenty posts.
pub(super) fn fewer(many: usize) -> usize {
    (many / 4).max(1)
}

/// The `webhook-id` of what is posted: an event's own, or for several of them one that is the same for the same events. It has no dot,
/// which separates what Standard Webhooks signs.
pub fn message_id(events: &[&str]) -> String {
    if let [event] = events {
        return (*event).to_owned();
    }
    let mut hasher = Sha256::new();
    for event in events {
        hasher.update((event.len() as u64).to_be_bytes());
        hasher.update(event);
    }
    let digest: String = hasher.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("batch-{digest}")
}

/// A post that is being put together.
pub(super) struct Post<'p> {
    packing: Packing,
    events: Vec<(Position, &'p Pending)>,
    /// How large it is: brackets, events, and a comma between them.
    bytes: usize,
    most: usize,
}

impl<'p> Post<'p> {
    pub fn new(packing: Packing) -> Post<'p> {
        Post { packing, events: Vec::new(), bytes: 1, most: packing.most() }
    }

    /// Whether it is an event's time: what begins a post has to be due, and takes along what has not failed yet.
    pub fn wants(&self, event: &Pending, now: Timestamp) -> bool {
        event.post.is_none() && (event.next <= now || (!self.events.is_empty() && event.failures == 0))
    }

    /// Whether an event fits in. One alone always does.
    pub fn has_room_for(&self, event: &Pending) -> bool {
        let many = self.events.len() + 1;
        many == 1 || (many <= self.most.min(event.most) && self.bytes + event.bytes < BATCH_BYTES_MOST)
    }

    pub fn add(&mut self, position: Position, event: &'p Pending) {
        self.bytes += event.bytes + 1;
        self.most = self.most.min(event.most);
        self.events.push((position, event));
    }

    /// What it holds, in order, and an empty one in its place. What comes later waits for what is in it.
    pub fn close(&mut self, before: &mut Before<'p>) -> Option<Vec<Position>> {
        let events = std::mem::replace(self, Post::new(self.packing)).events;
        events.iter().for_each(|(_, event)| before.add(&event.keys));
        (!events.is_empty()).then(|| events.into_iter().map(|(position, _)| position).collect())
    }
}
