use super::super::{
    Api,
    extract::{Caller, Path, Posted},
    problem::Problem,
};
use axum::{extract::State, http::StatusCode, response::Response};
use refit_api::{NewInstalls, NewObservation, Observed, UnreadFact};
use refit_core::{
    control::{CheckIn, Event, Head, Input, Installs, Observation, Plain, UniverseReport, unread},
    facts::{FieldRef, Fields},
};
use refit_model::DeviceId;

/// Says what a source observes of a device: facts, installs, what it can get from.
///
/// Facts of fields that no policy has are kept, so that a policy that is still being written can read them in its plan. The answer
/// names them under `unread`, with values that are none of their field's kind.
#[utoipa::path(
    post, path = "/api/v1/devices/{id}/observations", tag = "devices", request_body = NewObservation,
    params(("id" = String, Path, description = "The device's id.", example = "d1")),
    responses((status = 200, description = "It is known. `changed` is false where it was before.", body = Observed)),
)]
pub(in super::super) async fn observe(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    Posted { body, repeat }: Posted<NewObservation>,
) -> Result<Response, Problem> {
    let unread = unread_facts(
        api.shell().view().state.fields(),
        body.facts.iter().map(|(name, value)| (name.parse().ok(), name, value.as_ref())),
    );
    let observation = Observation {
        device: DeviceId::new(id),
        source: body.source.into(),
        observed: body.observed.unwrap_or_else(|| api.shell().now()),
        facts: body.facts.into_iter().map(|(field, value)| (field.into(), value)).collect(),
        installs: body.installs.map(|installs| match installs {
            NewInstalls::All(all) => Installs::All(all),
            NewInstalls::Changes(changes) => Installs::Changes { present: changes.present, gone: changes.gone },
        }),
        universe: body.universe.map(|universe| UniverseReport {
            key: universe.key.into(),
            distribution: universe.distribution.into(),
            offers: universe.offers,
        }),
        check_in: body.check_in.map(|check_in| CheckIn {
            sequence: check_in.sequence,
            links: check_in.links,
            recorded: check_in.recorded.map(|head| Head { sequence: head.sequence, link: head.link }),
        }),
    };
    api.post(&caller, repeat, StatusCode::OK, Input::Observe(observation), move |told| Observed {
        seq: told.seq,
        // What only showed that there are two was not taken.
        changed: told.events.iter().any(|event| !matches!(event, Event::DeviceQuarantined(_))),
        unread,
        merged: super::super::merged(told),
    })
    .await
}

/// Which of these facts no policy reads, and why.
pub(in super::super) fn unread_facts<'f>(
    fields: &Fields,
    said: impl Iterator<Item = (Option<FieldRef>, &'f String, Option<&'f Plain>)>,
) -> Vec<UnreadFact> {
    said.filter_map(|(field, name, value)| {
        let problem = unread(fields, &field?, value?)?.to_string();
        Some(UnreadFact { field: name.clone(), problem })
    })
    .collect()
}
