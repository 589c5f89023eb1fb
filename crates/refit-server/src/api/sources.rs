//! Sources: `/api/v1/sources`.

use super::{Api, answer, extract::Caller, problem::Problem};
use axum::{extract::State, http::StatusCode, response::Response};
use refit_api::{AlarmSaid, Page, SourceSaid};
use refit_core::control::{Scope, SourceRead};

/// Lists the sources that the server has read, or tried to read, by name; each with the alarm that it raises.
#[utoipa::path(
    get, path = "/api/v1/sources", tag = "devices",
    responses((status = 200, description = "The sources.", body = refit_api::SourcePage)),
)]
pub(super) async fn list(State(api): State<Api>, caller: Caller) -> Result<Response, Problem> {
    caller.needs(Scope::ReadFleet)?;
    let view = api.shell().view();
    let said = view.state.readings.values().map(|read| said(read)).collect();
    Ok(answer::json(StatusCode::OK, &Page::whole(said)))
}

fn said(read: &SourceRead) -> SourceSaid {
    SourceSaid {
        source: read.source.to_string(),
        read: read.read,
        records: read.records,
        set_aside: read.set_aside,
        uncovered: read.uncovered,
        alarm: read.alarm.as_ref().map(|alarm| AlarmSaid {
            kind: alarm.kind,
            since: alarm.since,
            why: alarm.why.to_string(),
        }),
    }
}
