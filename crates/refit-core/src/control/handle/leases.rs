//! Leases of disruption groups: taken, through, given back.

use super::super::{
    disruption::{acts_until, ask, forgets, has_changed, said, unfinished},
    event::{
        Event, LeaseAnswered, LeaseEnded, LeaseResumed, LeaseReturned, LeaseSettled, LeaseTaken, LeaseWithdrawn,
        WebhookSet,
    },
    input::{LeaseInput, LeaseStep, Outcome, Refusal, Wish},
    state::State,
    token::Scope,
};
use super::{devices::managed, operations::one};
use crate::rollout::disruption::{Group, Holder, Lease, Phase, Question};
use jiff::Timestamp;
use refit_model::DeviceId;
use smol_str::SmolStr;
use std::{collections::BTreeSet, sync::Arc};

/// The longest name, or text, in bytes.
const TEXT_LONGEST: usize = 1_024;
/// The longest name that somebody gives itself.
const NAME_LONGEST: usize = 256;

/// What is needed for it. Devices are known by their certificates.
pub(super) fn scope(input: &LeaseInput) -> Scope {
    match input {
        LeaseInput::Device { .. } => Scope::Facts,
        LeaseInput::Take { .. } | LeaseInput::Through { .. } => Scope::FleetLock,
        LeaseInput::Answer { .. } => Scope::Signals,
        LeaseInput::GiveBack { .. } => Scope::Rollouts,
        LeaseInput::SetWebhook { .. } => Scope::Admin,
    }
}

pub(super) fn handle(state: &State, input: LeaseInput, now: Timestamp) -> Result<Outcome, Refusal> {
    match input {
        LeaseInput::Device { device, step } => of_device(state, &device, step, now),
        LeaseInput::Take { client, group } => take(state, client, &group, now),
        LeaseInput::Through { client } => Ok(through(state, Holder::Client(client))),
        LeaseInput::Answer { holder, question, hook, agrees, said } => {
            answer(state, LeaseAnswered { holder, question, hook, agrees, said })
        }
        LeaseInput::GiveBack { holder, why } => give_back(state, holder, why, now),
        LeaseInput::SetWebhook { name, url } => set_webhook(state, name, url),
    }
}

/// A step that is none any more comes to nothing: what the door saw may have changed since.
fn of_device(state: &State, device: &DeviceId, step: LeaseStep, now: Timestamp) -> Result<Outcome, Refusal> {
    let record = managed(state, device)?;
    let holder = Holder::Device(device.clone());
    let lease = state.leases.of_device(device);
    let event: Option<Event> = match (step, lease) {
        (LeaseStep::Take(wishes), lease) => {
            let extends = lease.is_none_or(|lease| lease.phase == Phase::Session);
            let new = |wish: &Wish| lease.is_none_or(|lease| !lease.has(&wish.place.group));
            let wishes: Vec<Wish> = wishes.into_iter().filter(new).collect();
            let stopped = state.brake.is_some() || forgets(state, now).is_some();
            let free = extends && !wishes.is_empty() && !stopped && record.quarantined.is_none();
            let places = || wishes.iter().map(|wish| wish.place.clone()).collect();
            (free && ask(state, &holder, &wishes, now).is_ok()).then(|| LeaseTaken { places: places(), holder }.into())
        }
        (LeaseStep::End { rests }, Some(lease)) => {
            let begun = matches!(lease.phase, Phase::Session | Phase::Draining { .. });
            let over = begun && unfinished(state, record, lease, &[]).is_none();
            over.then(|| LeaseEnded { holder, changed: has_changed(record, lease), rests }.into())
        }
        (LeaseStep::Resume, Some(lease)) => {
            let over = matches!(lease.phase, Phase::Settling { .. } | Phase::Checking { .. });
            over.then(|| LeaseResumed { holder, drains: true }.into())
        }
        (LeaseStep::GiveBack, Some(lease)) => {
            let over = unfinished(state, record, lease, &[]).is_none();
            if over { settled(holder, lease, now) } else { None }
        }
        (_, None) => None,
    };
    Ok(event.map(one).unwrap_or_default())
}

/// What comes of a lease that has settled.
fn settled(holder: Holder, lease: &Lease, now: Timestamp) -> Option<Event> {
    if lease.is_over(now) {
        return Some(LeaseReturned { holder }.into());
    }
    let hooked = !lease.hooks(Question::Health).is_empty();
    let has_settled = matches!(lease.phase, Phase::Settling { until } if until <= now);
    (has_settled && hooked).then(|| LeaseSettled { holder }.into())
}

/// Leases whose time has come though nobody checks in: of those who do not, those that were given back by hand, and those of which a
/// signal has spoken.
pub(super) fn tick(state: &State, now: Timestamp) -> Vec<Event> {
    let alone = |holder: &Holder, lease: &Arc<Lease>| {
        holder.device().is_none() || matches!(lease.phase, Phase::Withdrawn { .. })
    };
    let come = state.leases.all().filter(|(holder, lease)| alone(holder, lease));
    let settled = come.filter_map(|(holder, lease)| settled(holder.clone(), lease, now));
    let answered = state.leases.all().filter_map(|(holder, lease)| said(state, holder, lease));
    // An answer to what is not asked comes to nothing.
    settled
        .chain(answered.filter_map(|answered| answer(state, answered).ok()).flat_map(|outcome| outcome.events))
        .collect()
}

/// Somebody who is no device wants to restart. Asking again is granted again.
fn take(state: &State, client: SmolStr, group: &str, now: Timestamp) -> Result<Outcome, Refusal> {
    let (group, wishes) = wishes(state, group)?;
    let holder = named(client)?;
    match state.leases.of(&holder) {
        Some(lease) if !lease.has(&group) => {
            let held = lease.places.iter().map(|place| state.group_called(&place.group).to_string());
            let held = held.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ");
            Err(Refusal::Conflict(format!("`{}` has the lease of another group: {held}", holder.as_str())))
        }
        Some(lease) => match &lease.phase {
            Phase::Session => Ok(Outcome::default()),
            // It begins anew before it was seen to be well: the place is still its own, and is drained anew.
            Phase::Settling { .. } | Phase::Checking { .. } => Ok(one(LeaseResumed { holder, drains: true })),
            Phase::Draining { yet } => {
                let yet = yet.iter().map(SmolStr::as_str).collect::<Vec<_>>().join(", ");
                Err(Refusal::Busy(format!("the webhook {yet} has not agreed yet: ask again")))
            }
            Phase::Withdrawn { .. } => Err(Refusal::Busy("a person has given this lease back".into())),
        },
        None if state.brake.is_some() => {
            let why = state.brake.as_ref().map(|(why, _)| why.clone()).unwrap_or_default();
            Err(Refusal::Stopped { why })
        }
        None => match (forgets(state, now), ask(state, &holder, &wishes, now)) {
            (Some(until), _) => Err(Refusal::Busy(format!(
                "the log came from a backup, and may not know of all leases: nobody gets one until {until:.0}"
            ))),
            (None, Ok(())) => {
                Ok(one(LeaseTaken { holder, places: wishes.into_iter().map(|wish| wish.place).collect() }))
            }
            (None, Err(no)) => Err(Refusal::Busy(state.because(&no).into())),
        },
    }
}

/// The group that somebody names, and the terms of each policy that has it: all of them have to be kept, and all of their hooks to be
/// asked.
fn wishes(state: &State, named: &str) -> Result<(Group, Vec<Wish>), Refusal> {
    let grouping = state.grouping();
    let dotted = grouping.keys().find_map(|field| {
        let value = named.strip_prefix(field)?.strip_prefix('.')?;
        Some(((*field).to_owned(), value.to_owned()))
    });
    let only =
        (grouping.len() == 1).then(|| grouping.keys().next().map(|field| ((*field).to_owned(), named.to_owned())));
    let Some((field, value)) = dotted.or(only.flatten()).filter(|(_, value)| !value.is_empty()) else {
        return Err(Refusal::Invalid(match grouping.is_empty() {
            true => "no policy in force has a `disruption:`, so that there are no groups".into(),
            false => format!(
                "policies group by several fields: name the field too, as in `{}.NAME`",
                grouping.keys().next().unwrap_or(&"device.cluster")
            ),
        }));
    };
    let group = Group::new(field.as_str(), value);
    let wishes = grouping.get(field.as_str()).into_iter().flatten().map(|terms| terms.wish(group.clone())).collect();
    Ok((group, wishes))
}

fn named(client: SmolStr) -> Result<Holder, Refusal> {
    let fits = !client.is_empty() && client.len() <= NAME_LONGEST && !client.chars().any(char::is_control);
    if !fits {
        return Err(Refusal::Invalid(format!("a client's id has 1 to {NAME_LONGEST} characters")));
    }
    Ok(Holder::Client(client))
}

/// Somebody who is no device is well again. Who has no lease has given it back.
fn through(state: &State, holder: Holder) -> Outcome {
    match state.leases.of(&holder).map(|lease| &lease.phase) {
        // Whoever has not begun has changed nothing, and its hooks are asked all the same.
        Some(Phase::Session) => one(LeaseEnded { holder, changed: true, rests: None }),
        Some(Phase::Draining { .. }) => one(LeaseEnded { holder, changed: false, rests: None }),
        Some(Phase::Settling { .. } | Phase::Checking { .. } | Phase::Withdrawn { .. }) | None => Outcome::default(),
    }
}

fn answer(state: &State, mut answered: LeaseAnswered) -> Result<Outcome, Refusal> {
    let Some(lease) = state.leases.of(&answered.holder) else { return Err(none(&answered.holder)) };
    let asked = lease.asks().filter(|(question, yet)| *question == answered.question && yet.contains(&answered.hook));
    if asked.is_none() {
        let (who, is) = (answered.holder.as_str(), lease.phase.word());
        return Err(Refusal::Conflict(format!(
            "`{}` is not asked about `{who}` now: its lease is {is}",
            answered.hook
        )));
    }
    let cut = answered.said.floor_char_boundary(TEXT_LONGEST);
    answered.said = answered.said.get(..cut).unwrap_or_default().into();
    // What is said again and again is written down once.
    if !answered.agrees && lease.problem.as_ref() == Some(&answered.said) {
        return Ok(Outcome::default());
    }
    let last = asked.is_some_and(|(_, yet)| yet.len() == 1);
    let over = answered.agrees && answered.question == Question::Health && last;
    let holder = answered.holder.clone();
    let mut outcome = one(answered);
    if over {
        outcome.events.push(LeaseReturned { holder }.into());
    }
    Ok(outcome)
}

fn give_back(state: &State, holder: Holder, why: SmolStr, now: Timestamp) -> Result<Outcome, Refusal> {
    let Some(lease) = state.leases.of(&holder) else { return Err(none(&holder)) };
    if why.trim().is_empty() {
        return Err(Refusal::Invalid("say why".into()));
    }
    if let Phase::Withdrawn { .. } = lease.phase {
        return Ok(Outcome::default());
    }
    let record = holder.device().and_then(|device| state.device(device));
    // Once it has settled it was told nothing more; before that it may still begin what it was told.
    let until = record.map_or(now, |record| acts_until(state, record, now));
    let mut outcome = one(LeaseWithdrawn { holder: holder.clone(), until, why });
    if until <= now {
        outcome.events.push(LeaseReturned { holder }.into());
    }
    Ok(outcome)
}

fn set_webhook(state: &State, name: SmolStr, url: Option<SmolStr>) -> Result<Outcome, Refusal> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.len() > 64 || !name.chars().all(fits) {
        return Err(Refusal::Invalid("a webhook's name has 1 to 64 letters, digits and any of `-_.`".into()));
    }
    if let Some(url) = &url
        && (url.len() > TEXT_LONGEST || !is_address(url))
    {
        return Err(Refusal::Invalid(
            "a webhook's address begins with https://, or with http:// of this machine, and has no password".into(),
        ));
    }
    let same = state.leases.hook(&name) == url.as_ref();
    Ok(if same { Outcome::default() } else { one(WebhookSet { name, url }) })
}

/// Whether an address may be asked: encrypted, or on this machine.
fn is_address(url: &str) -> bool {
    let authority = |rest: &str| rest.split(['/', '?', '#']).next().unwrap_or_default().to_owned();
    let sane = |authority: &str| !authority.is_empty() && !authority.contains('@');
    match url.split_once("://") {
        Some(("https", rest)) => sane(&authority(rest)),
        Some(("http", rest)) => {
            let authority = authority(rest);
            let port = authority.rsplit_once(':').filter(|(_, port)| port.chars().all(|c| c.is_ascii_digit()));
            let host = port.map_or(authority.as_str(), |(host, _)| host);
            sane(&authority) && matches!(host, "localhost" | "127.0.0.1" | "[::1]")
        }
        _ => false,
    }
}

fn none(holder: &Holder) -> Refusal {
    Refusal::Missing { what: "lease of", id: holder.as_str().into() }
}
