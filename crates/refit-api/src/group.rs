//! Disruption groups, and the webhooks that have a say.

use jiff::Timestamp;
use refit_core::rollout::disruption::Question;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A disruption group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GroupSaid {
    /// The field that tells it: `device.cluster`; `person` for the devices of one person.
    pub field: String,
    /// Its value.
    pub value: String,
    /// How many devices belong to it.
    pub devices: u64,
    /// How many of them may be away at a time, by the strictest policy; null is all but one.
    pub most: Option<u32>,
    /// Those who are away.
    pub away: Vec<AwaySaid>,
}

/// Somebody who is away.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AwaySaid {
    /// The device's id; null where it is no device.
    pub device: Option<String>,
    /// The name that somebody gives itself who is no device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// What people call it.
    pub name: String,
    /// How far it is: `draining`, `session`, `settling`, `checking`, `withdrawn` (a person gave its lease back); `silent` has no lease.
    pub is: String,
    /// Since when it has the lease, or is silent.
    pub since: Timestamp,
    /// When that is over at the earliest, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The webhooks that have to agree first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub webhooks: Vec<String>,
    /// What keeps it from being over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

/// A lease is given back by hand. One of `device` and `client` says whose.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GiveBack {
    /// The device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The name of somebody who is no device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Why; it stands in the log.
    #[schemars(length(min = 1, max = 4096))]
    pub why: String,
}

/// What a webhook would answer, said by somebody in its place. One of `device` and `client` says of whom.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookAnswer {
    /// The device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The name of somebody who is no device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// What is asked.
    pub question: Question,
    /// The name of the webhook.
    pub webhook: String,
    /// Whether it agrees.
    pub agrees: bool,
    /// What there is to say, where it does not.
    #[serde(default)]
    pub said: String,
}

/// A name that policies may use, and its address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Webhook {
    /// The name.
    pub name: String,
    /// The address.
    pub url: String,
}

/// The address of a webhook.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookAddress {
    /// The address; null takes the name away.
    pub url: Option<String>,
}

/// What a webhook is asked: the body of the POST.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WebhookQuestion {
    /// What is asked.
    pub question: Question,
    /// The name of the webhook.
    pub webhook: String,
    /// The device's id; null where it is no device.
    pub device: Option<String>,
    /// The name that somebody gives itself who is no device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// What people call it.
    pub name: String,
    /// The groups that it has a lease of, as `FIELD=VALUE`.
    pub groups: Vec<String>,
    /// When it is asked.
    pub at: Timestamp,
}
