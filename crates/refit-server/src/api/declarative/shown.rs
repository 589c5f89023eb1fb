//! What people are shown: what is declared to a device, what not and why, and who asks that nobody knows.

use super::super::{
    Api, answer,
    extract::{Caller, Path},
    problem::Problem,
};
use axum::{extract::State, http::StatusCode, response::Response};
use refit_api::{DeclarationSaid, DeclarativeManagement, DeviceDeclarations, NotDeclared, UnknownEnrollment};
use refit_core::control::Scope;
use refit_model::DeviceId;
use refit_targets::{Object, target::Desired, targets::apple::serve::Served};
use serde_json::Value;

/// What is declared to an Apple device whose management passes on what it asks: what it is served when it syncs, what the policies say besides
/// and is not declared, and what it made of it.
#[utoipa::path(
    get, path = "/api/v1/devices/{id}/declarations", tag = "devices",
    params(("id" = String, Path, description = "The device's id.", example = "d1")),
    responses((status = 200, description = "The declarations.", body = DeviceDeclarations)),
)]
pub(in super::super) async fn of_device(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    caller.needs(Scope::ReadFleet)?;
    let view = api.shell().view();
    let record = view.state.device_now(&DeviceId::new(&id)).ok_or_else(|| Problem::missing("device", &id))?.clone();
    let now = api.shell().now().max(view.state.clock);
    let desired = api.desk().declared(&api, &view, &record, now).await?;
    let served = Served::to(record.index, &desired);
    let talk = api.desk().talk(&record.id);
    let said = DeviceDeclarations {
        device: record.id.to_string(),
        token: served.token(),
        declarations: served.declarations().map(declaration).collect(),
        not_declared: not_declared(&desired),
        notes: desired.notes.iter().cloned().collect(),
        asked: talk.asked,
        answered: talk.token,
        reported: talk.heard,
        asked_by: talk.asked_by,
        refused: talk.refused,
        not_reported: talk.errors,
    };
    Ok(answer::json(StatusCode::OK, &said))
}

/// Who of the Apple devices asks for declarations and is known, who is not, and what Apple is taken to offer.
#[utoipa::path(
    get, path = "/api/v1/declarative-management", tag = "devices",
    responses((status = 200, description = "How it stands since the server started.", body = DeclarativeManagement)),
)]
pub(in super::super) async fn all(State(api): State<Api>, caller: Caller) -> Result<Response, Problem> {
    caller.needs(Scope::ReadFleet)?;
    let now = api.shell().now().max(api.shell().view().state.clock);
    let there = api.clone();
    let offers = api.beside(move || there.desk().offers(now)).await?;
    let unknown = api.desk().strangers().into_iter().map(|(enrollment, stranger)| UnknownEnrollment {
        enrollment: enrollment.to_string(),
        times: stranger.times,
        last: stranger.last,
        why: stranger.why,
    });
    let said = DeclarativeManagement {
        devices: api.desk().known(),
        unknown: unknown.collect(),
        versions_since: offers.since,
        versions_trouble: offers.trouble,
    };
    Ok(answer::json(StatusCode::OK, &said))
}

fn declaration(object: &Object) -> DeclarationSaid {
    let text = |field: &str| object.fields.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    DeclarationSaid {
        identifier: object.id.name.clone(),
        r#type: text("Type"),
        server_token: text("ServerToken"),
        about: object.about.clone(),
        payload: object.fields.get("Payload").cloned().unwrap_or_default(),
        policies: object.from.iter().map(|source| source.policy.to_string()).collect(),
    }
}

fn not_declared(desired: &Desired) -> Vec<NotDeclared> {
    let withheld = desired.withheld.iter().map(|it| NotDeclared {
        policy: it.policy.to_string(),
        title: Some(it.title.to_string()),
        because: it.because.clone(),
    });
    let awaiting = desired.awaiting.iter().map(|it| NotDeclared {
        policy: it.policy.to_string(),
        title: Some(it.title.to_string()),
        because: it.missing.clone(),
    });
    let refused = desired.refused.iter().map(|it| NotDeclared {
        policy: it.from.policy.to_string(),
        title: None,
        because: format!("{}: {}", it.said, it.because),
    });
    withheld.chain(awaiting).chain(refused).collect()
}
