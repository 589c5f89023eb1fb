//! Signals: `/api/v1/signals`.

use super::{
    Api, answer,
    extract::{Caller, Posted},
    problem::Problem,
};
use axum::{extract::State, http::StatusCode, response::Response};
use refit_api::{NewSignal, Page, SignalSaid, Written};
use refit_core::control::{Input, Scope, State as World};
use refit_model::DeviceId;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// The most devices that one request may name.
const DEVICES_MOST: usize = 100_000;

/// Lists the signals that gates listen to, or that were ever read.
#[utoipa::path(
    get, path = "/api/v1/signals", tag = "rollouts",
    responses((status = 200, description = "The signals.", body = refit_api::SignalPage)),
)]
pub(super) async fn list(State(api): State<Api>, caller: Caller) -> Result<Response, Problem> {
    caller.needs(Scope::ReadFleet)?;
    let view = api.shell().view();
    let said = signals(&view.state, |source, signal| api.options().troubles.of(source, signal));
    Ok(answer::json(StatusCode::OK, &Page::whole(said)))
}

fn signals(state: &World, trouble: impl Fn(&SmolStr, &SmolStr) -> Option<String>) -> Vec<SignalSaid> {
    let listened = state.policy.as_ref().map(|policy| policy.repository.listened()).unwrap_or_default();
    let read = state.rollouts.signals.iter().map(|(source, name, _)| (source.as_str(), name.as_str()));
    let all: BTreeSet<(&str, &str)> = listened.iter().copied().chain(read).collect();
    let one = |(from, named): (&str, &str)| {
        let (source, name) = (&SmolStr::new(from), &SmolStr::new(named));
        let record = state.rollouts.signals.get(source, name);
        let (bad, fine) = record.map(|record| record.devices()).unwrap_or_default();
        SignalSaid {
            source: source.to_string(),
            signal: name.to_string(),
            listened: listened.contains(&(from, named)),
            newest: record.and_then(|record| record.newest()),
            bad: bad.len(),
            fine: fine.len(),
            trouble: trouble(source, name),
        }
    };
    all.into_iter().map(one).collect()
}

/// Takes what a monitoring system says of devices: gates hold the devices that a release has reached against the others.
#[utoipa::path(
    post, path = "/api/v1/signals", tag = "rollouts", request_body = NewSignal,
    responses((status = 200, description = "It counts.", body = Written)),
)]
pub(super) async fn tell(
    State(api): State<Api>,
    caller: Caller,
    Posted { body, repeat }: Posted<NewSignal>,
) -> Result<Response, Problem> {
    // Names are told apart only to whom may say something.
    caller.needs(Scope::Signals)?;
    super::named_source(&body.source)?;
    if body.devices.len() > DEVICES_MOST {
        return Err(Problem::field("devices", format!("at most {DEVICES_MOST} in one request")));
    }
    let now = api.shell().now();
    let view = api.shell().view();
    let mut devices: BTreeMap<DeviceId, bool> = BTreeMap::new();
    for (name, bad) in &body.devices {
        let Some(device) = view.state.device_called(name) else {
            return Err(Problem::field("devices", format!("no device, or more than one, is called `{name}`")));
        };
        // An id that leads to another is led there where it is written, and the answer says so.
        let named = DeviceId::new(name);
        let leads = view.state.identity.device_merged_into(&named).is_some();
        // Under its id and under its name, one of which says something bad: it is bad.
        *devices.entry(if leads { named } else { device.id.clone() }).or_default() |= bad;
    }
    drop(view);
    let input = Input::Signal {
        source: body.source.into(),
        signal: body.signal.into(),
        at: body.at.unwrap_or(now),
        whole: body.complete,
        devices,
    };
    api.post(&caller, repeat, StatusCode::OK, input, super::written).await
}
