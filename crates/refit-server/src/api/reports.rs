//! What people say is broken: `/api/v1/reports`.

use super::{
    Api, answer,
    audit::Shown,
    brake::reason,
    extract::{Bare, Caller, Path, Posted, Query},
    new_id,
    problem::{Code, Problem},
};
use crate::shell::View;
use axum::{extract::State, http::StatusCode, response::Response};
use refit_api::{
    CloseReport, NewReport, Patch, ReportClosedSaid, ReportIsClosed, ReportSaid, SuspectSaid, Why, Written,
};
use refit_core::control::{
    Event, Input, PersonId, ReportInput, ReportOutcome, ReportRecord, ReportStatus, Scope, State as World, Suspect,
    block_patch, patch_of, report_owner, suspects,
};
use refit_model::{DeviceId, TitleId};
use serde::Deserialize;
use utoipa::IntoParams;

/// The longest words of a report, in characters.
const WORDS_LONGEST: usize = 500;
/// The longest name of a title, in bytes.
const TITLE_LONGEST: usize = 128;

/// Which reports.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// Only those that are so far.
    #[param(value_type = Option<String>)]
    status: Option<ReportStatus>,
    /// Only those of this title: named in the report, or of the likeliest cause.
    title: Option<String>,
    /// Only those of this device, by id.
    device: Option<String>,
    /// The `next` of the page before.
    cursor: Option<String>,
    /// How many, 1 to 1000; 100 where it is left out.
    limit: Option<u32>,
}

/// Lists reports, by id, each with the changes that may be the cause. Their words are not in the list.
#[utoipa::path(
    get, path = "/api/v1/reports", tag = "reports", params(Which),
    responses((status = 200, description = "A page of reports.", body = refit_api::ReportPage)),
)]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    let cursor = which.cursor.clone();
    api.listed(&caller, (cursor.as_deref(), which.limit), move |view, place| {
        let state = &view.state;
        let fits = |record: &ReportRecord| {
            which.status.is_none_or(|status| record.status() == status)
                && which.device.as_ref().is_none_or(|device| record.device.as_str() == device)
        };
        let of_title = |said: &ReportSaid| {
            let about = said.title.as_ref().or_else(|| said.changes.first().map(|change| &change.title));
            which.title.as_ref().is_none_or(|title| about == Some(title))
        };
        let fitting = state.reports.all().filter(|(_, record)| fits(record));
        let said = fitting.map(|(id, record)| (id.to_string(), said(state, id, record)));
        Ok(place.page(said.filter(|(_, said)| of_title(said))))
    })
    .await
}

/// Says that something is broken on a device. What was changed there within 72 hours before may be the cause, and gates count it.
#[utoipa::path(
    post, path = "/api/v1/reports", tag = "reports", request_body = NewReport,
    responses((status = 201, description = "The report is open.", body = Written)),
)]
pub(super) async fn open(
    State(api): State<Api>,
    caller: Caller,
    Posted { body, repeat }: Posted<NewReport>,
) -> Result<Response, Problem> {
    caller.needs(Scope::Reports)?;
    let NewReport { device, person, title, since, words } = body;
    let length = words.chars().count();
    if words.trim().is_empty() || length > WORDS_LONGEST {
        return Err(Problem::field("words", format!("say what is broken, in 1 to {WORDS_LONGEST} characters")));
    }
    if title.as_ref().is_some_and(|title| title.is_empty() || title.len() > TITLE_LONGEST) {
        return Err(Problem::field("title", format!("a title has 1 to {TITLE_LONGEST} bytes")));
    }
    let view = api.shell().view();
    let device = match (device, &person) {
        (Some(device), _) => DeviceId::new(device),
        (None, Some(person)) => only_device(&view.state, person)?,
        (None, None) => return Err(Problem::field("device", "name the device, or a person who has one")),
    };
    // Words are kept only for devices that there are.
    if view.state.device_now(&device).is_none() {
        return Err(Problem::missing("device", device.as_str()));
    }
    let text = api.shell().put(words.into_bytes()).await?;
    let report = new_id();
    let input = Input::Reports(ReportInput::Open {
        report: report.as_str().into(),
        device,
        person: person.map(PersonId::new),
        at: since.unwrap_or_else(|| api.shell().now()),
        title: title.map(Into::into),
        text: text.into(),
    });
    let answer = move |told: &crate::shell::Told| Written { id: Some(report), ..super::written(told) };
    api.post(&caller, repeat, StatusCode::CREATED, input, answer).await
}

/// The device of a person who has one.
fn only_device(state: &World, person: &str) -> Result<DeviceId, Problem> {
    let id = state.identity.person(&PersonId::new(person)).clone();
    if !state.people.contains_key(&id) {
        return Err(Problem::missing("person", person));
    }
    let owned = state.found.of_person(&id);
    let theirs = owned.iter().filter_map(|index| state.at_index(index)).filter(|device| device.retired.is_none());
    let theirs: Vec<&DeviceId> = theirs.map(|device| &device.id).take(10).collect();
    match theirs.as_slice() {
        [only] => Ok((*only).clone()),
        [] => Err(Problem::field("device", format!("{person} has no device: name the one that is meant"))),
        several => {
            let names: Vec<String> = several.iter().map(ToString::to_string).collect();
            Err(Problem::field("device", format!("{person} has several: name one of {}", names.join(", "))))
        }
    }
}

/// A report. Its words are shown to tokens that may read what is personal.
#[utoipa::path(
    get, path = "/api/v1/reports/{id}", tag = "reports",
    params(("id" = String, Path, description = "The report's id.")),
    responses((status = 200, description = "The report.", body = ReportSaid)),
)]
pub(super) async fn get(State(api): State<Api>, caller: Caller, Path(id): Path<String>) -> Result<Response, Problem> {
    caller.needs(Scope::ReadFleet)?;
    let (said, text, erased) = api
        .reading(move |view: &View| {
            let record = known(&view.state, &id)?;
            let person = record.person.as_ref().and_then(|person| view.state.people.get(person));
            let erased = person.is_some_and(|person| person.erased.is_some());
            Ok::<_, Problem>((said(&view.state, &id, record), record.text.clone(), erased))
        })
        .await??;
    let is_shown = caller.actor.may(Scope::ReadPeople) && !erased;
    if is_shown {
        let mut shown = Shown::default();
        shown.add(said.person.as_deref().unwrap_or(&said.device), "words of a report", false);
        api.note(&caller, "GET /api/v1/reports/{id}", shown).await?;
    }
    let words = match is_shown {
        true => api.shell().store().blob(&text).await?.map(|blob| String::from_utf8_lossy(blob.body()).into_owned()),
        false => None,
    };
    Ok(answer::json(StatusCode::OK, &ReportSaid { words, ..said }))
}

/// Says that one looks at a report.
#[utoipa::path(
    post, path = "/api/v1/reports/{id}/acknowledge", tag = "reports",
    params(("id" = String, Path, description = "The report's id.")),
    responses((status = 200, description = "Somebody does. `changed` is false where somebody did before.", body = Written)),
)]
pub(super) async fn acknowledge(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    Bare(repeat): Bare,
) -> Result<Response, Problem> {
    let input = Input::Reports(ReportInput::Acknowledge { report: id.into() });
    api.post(&caller, repeat, StatusCode::OK, input, super::written).await
}

/// Closes a report: with a block of the release that is to blame, which is halted at once where a rollout brings it; with a fix; or as no fault
/// of an update, and then gates count it no more. The device tells the person.
#[utoipa::path(
    post, path = "/api/v1/reports/{id}/close", tag = "reports", request_body = CloseReport,
    params(("id" = String, Path, description = "The report's id.")),
    responses((status = 200, description = "It is closed.", body = ReportIsClosed)),
)]
pub(super) async fn close(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    Posted { body, repeat }: Posted<CloseReport>,
) -> Result<Response, Problem> {
    let why = reason(Why { why: body.why })?.into();
    let input = Input::Reports(ReportInput::Close {
        report: id.as_str().into(),
        outcome: body.outcome,
        title: body.title.map(TitleId::new),
        version: body.version.map(Into::into),
        why,
    });
    let answer = move |told: &crate::shell::Told| ReportIsClosed {
        report: id,
        seq: told.seq,
        changed: !told.events.is_empty(),
        halted: told.events.iter().any(|event| matches!(event, Event::GateAnswered(_))),
    };
    api.post(&caller, repeat, StatusCode::OK, input, answer).await
}

/// The block of a report that was closed with one, as a change of the policy repository, for review.
#[utoipa::path(
    get, path = "/api/v1/reports/{id}/patch", tag = "reports",
    params(("id" = String, Path, description = "The report's id.")),
    responses((status = 200, description = "The change.", body = Patch)),
)]
pub(super) async fn patch(State(api): State<Api>, caller: Caller, Path(id): Path<String>) -> Result<Response, Problem> {
    caller.needs(Scope::ReadFleet)?;
    let view = api.shell().view();
    let record = known(&view.state, &id)?.clone();
    let files = files(&api, &view).await?;
    let block = block_patch(&id, &record, |path| files.contains(path));
    let Some((path, text)) = block else {
        let how = match record.closed.as_ref().map(|closed| closed.outcome) {
            None => "is not closed",
            Some(ReportOutcome::Block) => "was closed without a release",
            Some(ReportOutcome::Fix | ReportOutcome::NotUs) => "was not closed with a block",
        };
        return Err(Problem::new(Code::Conflict, format!("report {id} {how}: there is nothing to block")));
    };
    let diff = patch_of(&path, &text);
    Ok(answer::json(StatusCode::OK, &Patch { path, text, diff }))
}

/// The paths of the policy in force.
pub(super) async fn files(api: &Api, view: &View) -> Result<std::collections::BTreeSet<String>, Problem> {
    match &view.state.policy {
        Some(policy) => Ok(super::policies::files(api, &policy.files).await?.0.into_keys().collect()),
        None => Ok(Default::default()),
    }
}

fn known<'v>(state: &'v World, id: &str) -> Result<&'v ReportRecord, Problem> {
    let record = state.reports.get(id).map(AsRef::as_ref);
    record.ok_or_else(|| Problem::missing("report", id))
}

fn said(state: &World, id: &str, record: &ReportRecord) -> ReportSaid {
    let suspects = suspects(state, record);
    let owner = report_owner(state, record, &suspects).map(|owner| owner.to_string());
    ReportSaid {
        report: id.to_owned(),
        status: record.status(),
        device: record.device.to_string(),
        person: record.person.as_ref().map(ToString::to_string),
        by: record.by.as_ref().map(ToString::to_string),
        since: record.at,
        received: record.received,
        title: record.title.as_ref().map(ToString::to_string),
        words: None,
        owner,
        acknowledged_by: record.acknowledged.as_ref().map(|(who, _)| who.to_string()),
        changes: suspects.into_iter().map(suspect).collect(),
        closed: record.closed.as_ref().map(|closed| ReportClosedSaid {
            outcome: closed.outcome,
            title: closed.title.as_ref().map(ToString::to_string),
            version: closed.version.as_ref().map(ToString::to_string),
            why: closed.why.to_string(),
            by: closed.by.to_string(),
            at: closed.at,
        }),
        shown: record.shown,
    }
}

fn suspect(suspect: Suspect) -> SuspectSaid {
    SuspectSaid {
        title: suspect.change.title.to_string(),
        version: suspect.change.version.to_string(),
        before: suspect.change.before.as_ref().map(ToString::to_string),
        at: suspect.change.at,
        named: suspect.named,
        others_reporting: suspect.others.reporting,
        others: suspect.others.of,
        says: suspect.says,
    }
}
