use super::super::{
    Api,
    extract::{Caller, Path, Posted},
    problem::Problem,
};
use axum::{extract::State, http::StatusCode, response::Response};
use refit_api::{NewInstalls, NewObservation, Written};
use refit_core::{
    control::{CheckIn, Event, Head, Input, Installs, Observation, State as World, UniverseReport},
    facts::{FieldRef, Fields, Root},
};
use refit_model::DeviceId;

/// Says what a source observes of a device: facts, installs, what it can get from.
#[utoipa::path(
    post, path = "/api/v1/devices/{id}/observations", tag = "devices", request_body = NewObservation,
    params(("id" = String, Path, description = "The device's id.", example = "d1")),
    responses((status = 200, description = "It is known. `changed` is false where it was before.", body = Written)),
)]
pub(in super::super) async fn observe(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    Posted { body, repeat }: Posted<NewObservation>,
) -> Result<Response, Problem> {
    known_fields(&api.shell().view().state, &id, &body)?;
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
    api.post(&caller, repeat, StatusCode::OK, Input::Observe(observation), |told| Written {
        id: None,
        seq: told.seq,
        // What only showed that there are two was not taken.
        changed: told.events.iter().any(|event| !matches!(event, Event::DeviceQuarantined(_))),
    })
    .await
}

/// Refuses facts of fields that there are not: neither Refit's own, nor the organisation's. What the source said before can still
/// be taken back, or said again: a policy that no longer has a field makes no report fail.
fn known_fields(state: &World, id: &str, body: &NewObservation) -> Result<(), Problem> {
    let builtin;
    let fields = match &state.policy {
        Some(policy) => &policy.repository.fields,
        None => {
            builtin = Fields::builtin();
            &builtin
        }
    };
    let record = state.device(&DeviceId::new(id));
    for name in body.facts.keys() {
        let Ok(field) = name.parse::<FieldRef>() else { continue };
        let said = record.is_some_and(|record| record.facts.contains_key(name.as_str()));
        if field.root == Root::Device && fields.get(&field).is_none() && !said {
            let known: Vec<String> = fields.of(Root::Device).map(|field| field.name.to_string()).collect();
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            return Err(Problem::unknown(format!("facts.{name}"), "field", name, &known));
        }
    }
    Ok(())
}
