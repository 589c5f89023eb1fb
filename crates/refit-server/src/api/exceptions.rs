//! Exceptions of the policy in force, and those that are asked for: `/api/v1/exceptions`.
//!
//! What an exception concerns is looked up on a view, beside the writer; what the rules of the repository say of it, the writer decides.

use super::{
    Api, answer,
    brake::reason,
    extract::{Bare, Caller, Path, Posted},
    problem::{Code, Problem},
    redact::Sight,
};
use crate::shell::{Told, View};
use axum::{extract::State, http::StatusCode, response::Response};
use refit_api::{ExceptionChanged, ExceptionRequestSaid, ExceptionSaid, NewException, Page, Patch, Why, Written};
use refit_core::control::{
    AskedException, Concerned, Event, ExceptionInput, ExceptionTerms, Input, Scope, State as World, concerned,
    new_file, patch_of, slug,
};
use refit_model::DeviceId;
use std::collections::{BTreeMap, BTreeSet};

/// How many devices may be named by id.
const DEVICES_MOST: usize = 1_000;

/// Lists the exceptions, each with its last day and how many slots it acts on; also those that were asked for.
#[utoipa::path(
    get, path = "/api/v1/exceptions", tag = "policies",
    responses((status = 200, description = "All exceptions.", body = refit_api::ExceptionPage)),
)]
pub(super) async fn list(State(api): State<Api>, caller: Caller) -> Result<Response, Problem> {
    caller.needs(Scope::ReadFleet)?;
    Ok(answer::json(StatusCode::OK, &Page::whole(api.reading(exceptions).await?)))
}

/// Asks for an exception. The rules of the policy repository (`exception_rules:`) say who may, for how long, and who decides; what they do not
/// permit is refused.
#[utoipa::path(
    post, path = "/api/v1/exceptions", tag = "policies", request_body = NewException,
    responses((status = 201, description = "It is asked for, or granted at once.", body = ExceptionChanged)),
)]
pub(super) async fn request(
    State(api): State<Api>,
    caller: Caller,
    Posted { body, repeat }: Posted<NewException>,
) -> Result<Response, Problem> {
    caller.needs(Scope::Plan)?;
    let sight = Sight::of(&caller);
    let why = reason(Why { why: body.why.clone() })?;
    // Every device is looked at.
    let _leave = api.long_work()?;
    let now = api.shell().now();
    let (terms, concerned) = api
        .reading(move |view: &View| {
            let exception = body.exception.clone();
            let terms = terms(&view.state, body, why)?;
            let concerned = concerned(&view.state, &exception, &terms, now).map_err(invalid)?;
            Ok::<_, Problem>(((exception, terms), concerned))
        })
        .await??;
    let (exception, terms) = terms;
    let input = Input::Exceptions(ExceptionInput::Request {
        exception: exception.as_str().into(),
        terms,
        concerned: concerned.clone(),
    });
    api.post(&caller, repeat, StatusCode::CREATED, input, move |told| changed(exception, &concerned, told, sight)).await
}

/// An exception.
#[utoipa::path(
    get, path = "/api/v1/exceptions/{id}", tag = "policies",
    params(("id" = String, Path, description = "The exception's name.")),
    responses((status = 200, description = "The exception.", body = ExceptionSaid)),
)]
pub(super) async fn get(State(api): State<Api>, caller: Caller, Path(id): Path<String>) -> Result<Response, Problem> {
    caller.needs(Scope::ReadFleet)?;
    let all = api.reading(exceptions).await?;
    let said = all.into_iter().find(|said| said.exception == id);
    Ok(answer::json(StatusCode::OK, &said.ok_or_else(|| Problem::missing("exception", &id))?))
}

/// Agrees to an exception. Only a person whom the rule names can, and nobody to their own; where something that is known to be exploited is
/// open, two people have to.
#[utoipa::path(
    post, path = "/api/v1/exceptions/{id}/approve", tag = "policies",
    params(("id" = String, Path, description = "The exception's name.")),
    responses((status = 200, description = "This person agrees; `granted` says whether that is enough.", body = ExceptionChanged)),
)]
pub(super) async fn approve(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    Bare(repeat): Bare,
) -> Result<Response, Problem> {
    caller.needs(Scope::Approve)?;
    let sight = Sight::of(&caller);
    let _leave = api.long_work()?;
    let now = api.shell().now();
    let name = id.clone();
    let concerned = api
        .reading(move |view: &View| {
            let asked = asked(&view.state, &name)?;
            concerned(&view.state, &name, &asked.terms, now).map_err(|why| Problem::new(Code::Conflict, why))
        })
        .await??;
    let input =
        Input::Exceptions(ExceptionInput::Approve { exception: id.as_str().into(), concerned: concerned.clone() });
    api.post(&caller, repeat, StatusCode::OK, input, move |told| changed(id, &concerned, told, sight)).await
}

/// Refuses an exception.
#[utoipa::path(
    post, path = "/api/v1/exceptions/{id}/refuse", tag = "policies", request_body = Why,
    params(("id" = String, Path, description = "The exception's name.")),
    responses((status = 200, description = "It is refused.", body = Written)),
)]
pub(super) async fn refuse(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    Posted { body, repeat }: Posted<Why>,
) -> Result<Response, Problem> {
    let input = Input::Exceptions(ExceptionInput::Refuse { exception: id.into(), why: reason(body)?.into() });
    api.post(&caller, repeat, StatusCode::OK, input, super::written).await
}

/// Takes an exception back, before or after it was granted: whoever asked for it can, and who may approve it.
#[utoipa::path(
    post, path = "/api/v1/exceptions/{id}/withdraw", tag = "policies", request_body = Why,
    params(("id" = String, Path, description = "The exception's name.")),
    responses((status = 200, description = "It acts no more.", body = Written)),
)]
pub(super) async fn withdraw(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    Posted { body, repeat }: Posted<Why>,
) -> Result<Response, Problem> {
    let input = Input::Exceptions(ExceptionInput::Withdraw { exception: id.into(), why: reason(body)?.into() });
    api.post(&caller, repeat, StatusCode::OK, input, super::written).await
}

/// An exception that was asked for as a change of the policy repository, for review. Once it is there, under its name, the repository's own
/// goes before it.
#[utoipa::path(
    get, path = "/api/v1/exceptions/{id}/patch", tag = "policies",
    params(("id" = String, Path, description = "The exception's name.")),
    responses((status = 200, description = "The change.", body = Patch)),
)]
pub(super) async fn patch(State(api): State<Api>, caller: Caller, Path(id): Path<String>) -> Result<Response, Problem> {
    caller.needs(Scope::ReadFleet)?;
    let view = api.shell().view();
    let asked = asked(&view.state, &id)?;
    if in_repository(&view.state, &id) {
        return Err(Problem::new(Code::Conflict, format!("the policy repository has the exception `{id}` already")));
    }
    if asked.status.is_over() {
        return Err(Problem::new(
            Code::Conflict,
            format!("the exception `{id}` is over: there is nothing to write back"),
        ));
    }
    let text = view.state.exception_document(&id, asked);
    let files = super::reports::files(&api, &view).await?;
    let path = new_file("exceptions", &slug(&id), |path| files.contains(path));
    let diff = patch_of(&path, &text);
    Ok(answer::json(StatusCode::OK, &Patch { path, text, diff }))
}

fn invalid(why: String) -> Problem {
    Problem::new(Code::Invalid, why)
}

fn asked<'v>(state: &'v World, name: &str) -> Result<&'v AskedException, Problem> {
    let asked = state.exceptions.get(name).map(AsRef::as_ref);
    asked.ok_or_else(|| Problem::missing("exception that was asked for", name))
}

/// What is asked for, with names looked up.
fn terms(state: &World, body: NewException, why: String) -> Result<ExceptionTerms, Problem> {
    let NewException {
        devices, condition, mut software, policy, mut due, hold_at, restart, until, exploited_too, ..
    } = body;
    if devices.len() > DEVICES_MOST {
        return Err(Problem::field("devices", format!("at most {DEVICES_MOST}: write a condition as `where`")));
    }
    let condition = match (devices.is_empty(), condition) {
        (true, condition) => condition,
        (false, Some(_)) => return Err(Problem::field("where", "beside `devices` this is left out")),
        (false, None) => {
            let ids: BTreeSet<String> = devices
                .iter()
                .map(|named| match state.device_now(&DeviceId::new(named)) {
                    Some(device) => Ok(device.id.to_string()),
                    None => Err(Problem::missing("device", named)),
                })
                .collect::<Result<_, _>>()?;
            let ids: Vec<String> = ids.iter().map(|id| serde_json::json!(id).to_string()).collect();
            Some(format!("device.id in [{}]", ids.join(", ")))
        }
    };
    if let Some(name) = policy {
        if !software.is_empty() {
            return Err(Problem::field("policy", "beside `software` this is left out"));
        }
        let known = state.policy.as_ref().and_then(|in_force| in_force.repository.policy(&name));
        let known = known.ok_or_else(|| Problem::missing("policy", &name))?;
        software = known.software.iter().map(ToString::to_string).collect();
    }
    if due.is_none() && hold_at.is_none() && restart.is_none() {
        due = Some(format!("{until}T23:59:59"));
    }
    Ok(ExceptionTerms {
        software,
        condition,
        due,
        hold_at,
        restart,
        until: until.into(),
        exploited_too,
        why: why.into(),
    })
}

/// Which advisories are open is for whoever may read exposures.
fn changed(exception: String, concerned: &Concerned, told: &Told, sight: Sight) -> ExceptionChanged {
    let exploited = concerned.exploited.iter().filter(|_| sight.exposures);
    ExceptionChanged {
        exception,
        seq: told.seq,
        changed: !told.events.is_empty(),
        granted: told.events.iter().any(|event| matches!(event, Event::ExceptionGranted(_))),
        devices: concerned.devices,
        exploited: exploited.map(ToString::to_string).collect(),
    }
}

/// Whether the repository itself has an exception of this name.
fn in_repository(state: &World, name: &str) -> bool {
    let exceptions = state.policy.iter().flat_map(|policy| &policy.repository.exceptions);
    exceptions.into_iter().any(|exception| exception.name == name && !exception.origin.is_granted())
}

fn exceptions(view: &View) -> Vec<ExceptionSaid> {
    let mut acts: BTreeMap<&str, u64> = BTreeMap::new();
    let managed = view.state.found.managed();
    for (outcome, devices) in view.board.cohorts().filter(|(outcome, _)| !outcome.exceptions.is_empty()) {
        let slots = devices.common(&managed);
        for name in &outcome.exceptions {
            *acts.entry(name).or_default() += slots;
        }
    }
    let state = &view.state;
    let of_repository = state.policy.iter().flat_map(|policy| &policy.repository.exceptions).map(|exception| {
        let said = ExceptionSaid {
            exception: exception.name.to_string(),
            why: exception.why.as_ref().map(ToString::to_string),
            until: exception.until.to_string(),
            acts_on: acts.get(exception.name.as_str()).copied().unwrap_or(0),
            in_repository: !exception.origin.is_granted(),
            request: state.exceptions.get(&exception.name).map(|asked| request_said(state, &exception.name, asked)),
        };
        (said.exception.clone(), said)
    });
    let mut all: BTreeMap<String, ExceptionSaid> = of_repository.collect();
    for (name, asked) in state.exceptions.all() {
        all.entry(name.to_string()).or_insert_with(|| ExceptionSaid {
            exception: name.to_string(),
            why: Some(asked.terms.why.to_string()),
            until: asked.terms.until.to_string(),
            acts_on: 0,
            in_repository: false,
            request: Some(request_said(state, name, asked)),
        });
    }
    all.into_values().collect()
}

fn request_said(state: &World, name: &str, asked: &AskedException) -> ExceptionRequestSaid {
    let rules = state.policy.iter().flat_map(|policy| &policy.repository.exception_rules);
    let rule = rules.into_iter().find(|rule| rule.name == asked.rule);
    let (ended_by, because) = asked.said.as_ref().map(|(who, why)| (who.to_string(), why.to_string())).unzip();
    ExceptionRequestSaid {
        status: asked.status,
        by: asked.by.to_string(),
        at: asked.at,
        rule: asked.rule.to_string(),
        approvals: asked.approvals.iter().map(|(who, at)| (who.to_string(), *at)).collect(),
        approvers: rule.into_iter().flat_map(|rule| &rule.approvers).map(ToString::to_string).collect(),
        decided: asked.decided,
        ended_by,
        because,
        kev: asked.kev,
        document: state.exception_document(name, asked),
    }
}
