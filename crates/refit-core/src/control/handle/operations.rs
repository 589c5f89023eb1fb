//! The server itself: its start, the passing of time, the brake, settings and tokens.

use super::super::{
    event::{
        BrakePulled, BrakeReleased, Event, PresenceSeen, ServerStarted, SettingsChanged, TokenCreated, TokenRevoked,
    },
    input::{Outcome, Refusal},
    state::{PRESENCE, State},
    token::{Actor, TokenRecord},
};
use super::{exceptions, leases};
use jiff::{SignedDuration, Timestamp};
use refit_model::TokenId;
use smol_str::SmolStr;

pub(super) fn start(state: &State, program: SmolStr, alive_until: Option<Timestamp>, now: Timestamp) -> Outcome {
    let down_since = (state.seq > 0).then_some(state.clock).max(alive_until).filter(|since| *since < now);
    // What had been gathered for a quarter of an hour is lost where nobody wrote it down.
    let unsure_since = down_since.and_then(|since| since.checked_sub(PRESENCE).ok());
    one(ServerStarted { program, down_since, unsure_since })
}

/// What has been gathered is written down, though its quarter of an hour has not passed.
pub(super) fn end(state: &State, now: Timestamp) -> Outcome {
    presence(state, now, SignedDuration::ZERO)
}

pub(super) fn tick(state: &State, now: Timestamp) -> Outcome {
    let mut outcome = presence(state, now, state.presence_every());
    outcome.events.extend(leases::tick(state, now));
    outcome.events.extend(exceptions::tick(state, now));
    outcome
}

/// What has been gathered for so long, each span in one event.
fn presence(state: &State, now: Timestamp, at_least: SignedDuration) -> Outcome {
    let gathered = state.presence_from.map(|from| (from, state.seen_since.clone()));
    let over = gathered.filter(|(from, devices)| now.duration_since(*from) >= at_least && !devices.is_empty());
    let quarters = state.unwritten.iter().cloned().chain(over);
    let seen = quarters.map(|(from, devices)| {
        // Time of use is counted in these spans: a tick that comes late stretches none.
        let to = from.checked_add(state.presence_every()).unwrap_or(now).min(now);
        PresenceSeen { from, to, devices }.into()
    });
    Outcome { events: seen.collect(), ..Outcome::default() }
}

pub(super) fn set_approvals(state: &State, approvals: u32) -> Outcome {
    if state.approvals_needed == approvals { Outcome::default() } else { one(SettingsChanged { approvals }) }
}

pub(super) fn stop(state: &State, why: SmolStr) -> Outcome {
    if state.brake.is_some() { Outcome::default() } else { one(BrakePulled { why }) }
}

pub(super) fn go_on(state: &State, why: SmolStr) -> Outcome {
    if state.brake.is_none() { Outcome::default() } else { one(BrakeReleased { why }) }
}

/// The longest that a token may last.
const TOKEN_LONGEST: SignedDuration = SignedDuration::from_hours(400 * 24);

pub(super) fn create_token(
    state: &State,
    actor: &Actor,
    token: TokenId,
    record: TokenRecord,
    now: Timestamp,
) -> Result<Outcome, Refusal> {
    if state.tokens.contains_key(&token) {
        return Err(Refusal::Exists { what: "token", id: token.as_str().into() });
    }
    if record.name.trim().is_empty() || record.owner.trim().is_empty() {
        return Err(Refusal::Invalid("a token needs a name and an owner".into()));
    }
    if record.scopes.is_empty() {
        return Err(Refusal::Invalid("a token without a scope permits nothing: name at least one".into()));
    }
    if record.expires <= now {
        return Err(Refusal::Invalid("the token would have expired already".into()));
    }
    if record.expires.duration_since(now) > TOKEN_LONGEST {
        return Err(Refusal::Invalid("a token lasts 400 days at most".into()));
    }
    if record.requests_per_minute == Some(0) {
        return Err(Refusal::Invalid(
            "a token that may make no request is of no use: revoke it, or leave the limit out".into(),
        ));
    }
    // Nobody hands on more than they have; the server's own console makes the first tokens.
    let more = record.scopes.iter().find(|scope| actor.name != "server" && !actor.may(**scope));
    if let Some(scope) = more {
        return Err(Refusal::Scope(*scope));
    }
    Ok(one(TokenCreated { token, record }))
}

pub(super) fn revoke_token(state: &State, token: TokenId) -> Result<Outcome, Refusal> {
    if !state.tokens.contains_key(&token) {
        return Err(Refusal::Missing { what: "token", id: token.as_str().into() });
    }
    Ok(one(TokenRevoked { token }))
}

/// An outcome of one event.
pub(super) fn one(event: impl Into<Event>) -> Outcome {
    Outcome { events: vec![event.into()], ..Outcome::default() }
}
