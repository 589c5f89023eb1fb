//! Subscriptions to business events.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A subscription that is to be made, or what is to be so of one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSubscription {
    /// What it is for.
    #[schemars(length(min = 1, max = 256))]
    pub name: String,
    /// Where events are sent: `https://...`.
    #[schemars(length(min = 1, max = 2048))]
    pub url: String,
    /// Which: a condition on events, `event.type == "device.overdue"`; empty is all.
    #[serde(default)]
    pub filter: String,
    /// Whether what waits is sent in batches (`application/cloudevents-batch+json`), and not each event by itself.
    #[serde(default)]
    pub batch: bool,
}

/// A subscription, and how far its deliveries are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Subscription {
    /// Its id.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// Where events are sent.
    pub url: String,
    /// Which; empty is all.
    pub filter: String,
    /// Whether what waits is sent in batches.
    pub batch: bool,
    /// Whether events about people are sent too.
    pub personal: bool,
    /// Who answers for it.
    pub owner: String,
    /// When it was made.
    pub made: Timestamp,
    /// How its receiver is.
    pub state: SubscriptionState,
    /// Up to where the stream was taken.
    pub after: String,
    /// How many events are not delivered yet.
    pub pending: u64,
    /// How many events were given up.
    pub dead: u64,
    /// How many attempts in a row have failed.
    pub failures: u32,
}

/// How a receiver is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionState {
    /// It is sent events.
    Active,
    /// It failed so often that one attempt at a time asks whether it is there again.
    Failing,
    /// It said that it wants nothing any more (status 410); `resume` begins again.
    Gone,
}

/// A subscription with its secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SubscriptionMade {
    /// What is known of it.
    #[serde(flatten)]
    pub subscription: Subscription,
    /// The secret of its signatures, `whsec_...`. It is shown once: a repeated request gets null.
    pub secret: Option<String>,
}

/// An attempt to deliver an event, or a batch of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeliverySaid {
    /// The `webhook-id`: the event's id, or that of the batch.
    pub id: String,
    /// The event's position in the stream; of a batch the first one's.
    pub position: String,
    /// How many events it had.
    pub events: u64,
    /// The position of the last of them.
    pub last: String,
    /// Which attempt it was, from 1; of a batch for the event that was tried most often.
    pub attempt: u32,
    /// When.
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// The status of the answer; null where none came.
    pub status: Option<u16>,
    /// Why it failed; null where it did not.
    pub why: Option<String>,
}

/// An event that was given up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeadLetter {
    /// Its position in the stream.
    pub position: String,
    /// How often it failed.
    pub failures: u32,
    /// When it was given up.
    pub at: Timestamp,
    /// Why it failed last.
    pub why: String,
}

/// Which dead letters are sent again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Replay {
    /// The position of one; all of them where it is not given.
    #[serde(default)]
    pub position: Option<String>,
}

/// How many dead letters are sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Replayed {
    /// How many.
    pub count: u64,
}
