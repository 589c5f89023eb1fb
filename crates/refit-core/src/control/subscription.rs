//! Subscriptions: who is sent business events, and where. A stream of Shared Signals is one whose receiver is sent which devices comply no longer
//! and which do again, and nothing else ([`SignalStream`]).
//!
//! What has been delivered is no part of the state: that is for whoever sends ([`crate::delivery`]).

use super::{
    event::{SubscriptionRemoved, SubscriptionSet},
    input::{Outcome, Refusal},
    state::State,
    token::{Actor, Scope},
};
use crate::business::Filter;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smol_str::{SmolStr, format_smolstr};
use std::collections::BTreeSet;

/// How many subscriptions there may be. Each event is held against each of them.
pub const SUBSCRIPTIONS_MOST: usize = 1_000;
/// How long the secret before the newest one counts beside it: receivers take up a new one meanwhile.
pub const ROTATION: SignedDuration = SignedDuration::from_hours(24);

/// What is known of a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionRecord {
    /// What it is for.
    pub name: SmolStr,
    /// Where events are sent.
    pub url: SmolStr,
    /// Which: a condition on events; empty is all.
    pub filter: SmolStr,
    /// Whether what waits is sent in batches, and not each event by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub batch: bool,
    /// Whether events about people are sent too: whether whoever made it may read what is personal.
    pub personal: bool,
    /// Whether events about exposures are sent too, and others with them in: whether whoever made it may read them.
    #[serde(default = "yes", skip_serializing_if = "is_so")]
    pub exposures: bool,
    /// Who answers for it.
    pub owner: SmolStr,
    /// When it was made.
    pub made: Timestamp,
    /// The entry of the log after which it begins.
    pub after: u64,
    /// The number of its secret, from 1. The secret itself is worked out from the server's key.
    pub secret: u32,
    /// Until when the secret before it counts too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_until: Option<Timestamp>,
    /// What it is as a stream of Shared Signals, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<Box<SignalStream>>,
}

/// Before there were tokens that may not read exposures, everybody who subscribed could.
fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_so(exposures: &bool) -> bool {
    *exposures
}

/// A stream of Shared Signals (OpenID Shared Signals Framework 1.0).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalStream {
    /// For whom its tokens are: their `aud`.
    pub audience: SmolStr,
    /// Whether its receiver fetches them; else they are pushed to the subscription's address.
    pub polled: bool,
    /// The types of events that its receiver asks for.
    pub requested: BTreeSet<SmolStr>,
    /// Whether anything is sent.
    pub status: StreamStatus,
    /// Why that is so, where somebody said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<SmolStr>,
    /// Devices and people of whom nothing is sent, by id.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub without: BTreeSet<SmolStr>,
}

/// Whether anything is sent on a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StreamStatus {
    /// It is.
    Enabled,
    /// It waits until the stream is enabled again.
    Paused,
    /// Nothing is sent, and nothing waits.
    Disabled,
}

/// How many devices and people a stream may leave out.
const WITHOUT_MOST: usize = 10_000;

/// What somebody wants to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct SubscriptionTerms {
    /// What it is for.
    pub name: SmolStr,
    /// Where events are sent. Whether that is an address to send to is checked by whoever sends.
    pub url: SmolStr,
    /// Which.
    pub filter: SmolStr,
    /// Whether in batches.
    pub batch: bool,
    /// As a stream of Shared Signals, where it is to be one.
    pub stream: Option<Box<SignalStream>>,
}

/// What the server is told of subscriptions.
#[derive(Clone, Debug, PartialEq)]
pub enum SubscriptionInput {
    /// A subscription is made, or other things are wanted of it.
    Set {
        /// Its id.
        subscription: SmolStr,
        /// What is wanted.
        terms: SubscriptionTerms,
    },
    /// It gets a new secret.
    Rotate {
        /// Its id.
        subscription: SmolStr,
    },
    /// Nothing more is sent.
    Remove {
        /// Its id.
        subscription: SmolStr,
    },
    /// Nothing more is sent on a stream of Shared Signals.
    RemoveStream {
        /// Its id.
        subscription: SmolStr,
    },
}

/// What is needed for it: whoever subscribes makes the server send to an address of their choice, whatever they like to read. A stream says one thing
/// alone.
pub(super) fn scope(input: &SubscriptionInput) -> Scope {
    match input {
        SubscriptionInput::Set { terms, .. } if terms.stream.is_some() => Scope::SharedSignals,
        SubscriptionInput::RemoveStream { .. } => Scope::SharedSignals,
        SubscriptionInput::Set { .. } | SubscriptionInput::Rotate { .. } | SubscriptionInput::Remove { .. } => {
            Scope::Admin
        }
    }
}

/// What comes of it.
pub(super) fn handle(
    state: &State,
    actor: &Actor,
    input: SubscriptionInput,
    now: Timestamp,
) -> Result<Outcome, Refusal> {
    let event = match input {
        SubscriptionInput::Set { subscription, terms } => return set(state, actor, subscription, terms, now),
        SubscriptionInput::Rotate { subscription } => {
            let known = known(state, &subscription, false)?;
            let before_until = now.checked_add(ROTATION).ok();
            let record = SubscriptionRecord { secret: known.secret + 1, before_until, ..known.clone() };
            SubscriptionSet { subscription, record }.into()
        }
        SubscriptionInput::Remove { subscription } => {
            known(state, &subscription, false)?;
            SubscriptionRemoved { subscription }.into()
        }
        SubscriptionInput::RemoveStream { subscription } => {
            known(state, &subscription, true)?;
            SubscriptionRemoved { subscription }.into()
        }
    };
    Ok(Outcome { events: vec![event], ..Outcome::default() })
}

/// A subscription, or a stream: neither passes for the other.
fn known<'s>(state: &'s State, subscription: &SmolStr, is_stream: bool) -> Result<&'s SubscriptionRecord, Refusal> {
    let known = state.subscriptions.get(subscription).map(|known| &**known);
    let known = known.filter(|known| known.stream.is_some() == is_stream);
    let what = if is_stream { "stream" } else { "subscription" };
    known.ok_or_else(|| Refusal::Missing { what, id: subscription.clone() })
}

fn set(
    state: &State,
    actor: &Actor,
    subscription: SmolStr,
    terms: SubscriptionTerms,
    now: Timestamp,
) -> Result<Outcome, Refusal> {
    let SubscriptionTerms { name, url, filter, batch, stream } = terms;
    if name.trim().is_empty() || name.len() > 256 {
        return Err(Refusal::Invalid("a subscription needs a name of 1 to 256 bytes".into()));
    }
    if url.len() > 2_048 {
        return Err(Refusal::Invalid("the address of a subscription has at most 2,048 bytes".into()));
    }
    Filter::read(&filter).map_err(|error| Refusal::Invalid(format!("the filter: {error}")))?;
    if let Some(stream) = &stream {
        let (audience, reason) = (stream.audience.as_str(), stream.reason.as_deref().unwrap_or_default());
        if audience.is_empty() || audience.len() > 2_048 || reason.len() > 1_024 {
            return Err(Refusal::Invalid(
                "a stream needs an audience of up to 2,048 bytes, and a reason has 1,024".into(),
            ));
        }
        if stream.without.len() > WITHOUT_MOST {
            return Err(Refusal::Invalid(format!("a stream leaves out at most {WITHOUT_MOST} devices and people")));
        }
    }
    if state.subscriptions.contains_key(&subscription) {
        known(state, &subscription, stream.is_some())?;
    }
    let before = state.subscriptions.get(&subscription);
    if before.is_none() && state.subscriptions.len() >= SUBSCRIPTIONS_MOST {
        return Err(Refusal::Conflict(format!("there are {SUBSCRIPTIONS_MOST} subscriptions, which is the most")));
    }
    let personal = actor.may(Scope::ReadPeople);
    // What a stream of Shared Signals says has no exposure in it.
    let exposures = stream.is_some() || actor.may(Scope::ReadExposures);
    let record = match before {
        Some(before) => SubscriptionRecord {
            name,
            url,
            filter,
            batch,
            personal,
            exposures,
            stream,
            ..SubscriptionRecord::clone(before)
        },
        None => SubscriptionRecord {
            name,
            url,
            filter,
            batch,
            personal,
            exposures,
            owner: actor.owner.clone(),
            made: now,
            after: state.seq,
            secret: 1,
            before_until: None,
            stream,
        },
    };
    if before.is_some_and(|before| **before == record) {
        return Ok(Outcome::default());
    }
    Ok(Outcome { events: vec![SubscriptionSet { subscription, record }.into()], ..Outcome::default() })
}

impl SubscriptionRecord {
    /// The numbers of the secrets that count, the newest first.
    pub fn secrets(&self, now: Timestamp) -> Vec<u32> {
        let before = self.before_until.filter(|until| *until > now).map(|_| self.secret - 1);
        std::iter::once(self.secret).chain(before.filter(|number| *number > 0)).collect()
    }
}

/// The text that a secret is worked out from with the server's key: another one for each subscription and number.
pub fn secret_text(subscription: &str, number: u32) -> SmolStr {
    format_smolstr!("refit/subscription-secret/{subscription}/{number}")
}
