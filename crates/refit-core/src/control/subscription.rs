//! Subscriptions: who is sent business events, and where.
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
use serde::{Deserialize, Serialize};
use smol_str::{SmolStr, format_smolstr};

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
}

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
}

/// What is needed for it: whoever subscribes makes the server send to an address of their choice.
pub(super) const SCOPE: Scope = Scope::Admin;

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
            let known = known(state, &subscription)?;
            let before_until = now.checked_add(ROTATION).ok();
            let record = SubscriptionRecord { secret: known.secret + 1, before_until, ..known.clone() };
            SubscriptionSet { subscription, record }.into()
        }
        SubscriptionInput::Remove { subscription } => {
            known(state, &subscription)?;
            SubscriptionRemoved { subscription }.into()
        }
    };
    Ok(Outcome { events: vec![event], ..Outcome::default() })
}

fn known<'s>(state: &'s State, subscription: &SmolStr) -> Result<&'s SubscriptionRecord, Refusal> {
    let known = state.subscriptions.get(subscription).map(|known| &**known);
    known.ok_or_else(|| Refusal::Missing { what: "subscription", id: subscription.clone() })
}

fn set(
    state: &State,
    actor: &Actor,
    subscription: SmolStr,
    terms: SubscriptionTerms,
    now: Timestamp,
) -> Result<Outcome, Refusal> {
    let SubscriptionTerms { name, url, filter, batch } = terms;
    if name.trim().is_empty() || name.len() > 256 {
        return Err(Refusal::Invalid("a subscription needs a name of 1 to 256 bytes".into()));
    }
    if url.len() > 2_048 {
        return Err(Refusal::Invalid("the address of a subscription has at most 2,048 bytes".into()));
    }
    Filter::read(&filter).map_err(|error| Refusal::Invalid(format!("the filter: {error}")))?;
    let before = state.subscriptions.get(&subscription);
    if before.is_none() && state.subscriptions.len() >= SUBSCRIPTIONS_MOST {
        return Err(Refusal::Conflict(format!("there are {SUBSCRIPTIONS_MOST} subscriptions, which is the most")));
    }
    let personal = actor.may(Scope::ReadPersonal);
    let record = match before {
        Some(before) => SubscriptionRecord { name, url, filter, batch, personal, ..SubscriptionRecord::clone(before) },
        None => SubscriptionRecord {
            name,
            url,
            filter,
            batch,
            personal,
            owner: actor.owner.clone(),
            made: now,
            after: state.seq,
            secret: 1,
            before_until: None,
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
